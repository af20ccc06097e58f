/* dtls.h - DTLS 1.2 with use_srtp over datagrams in memory (RFC 5763, RFC 5764), on OpenSSL.
 *
 * dtls_context is the process's certificate (ECDSA P-256, self-signed) and settings: made once,
 * then used by any thread. A `struct dtls` belongs to one thread: datagrams go in through
 * dtls_on_datagram, come out of dtls_next_datagram one by one until that returns 0, after every
 * input and after every dtls_on_timeout. Sans-IO but for one accepted impurity: OpenSSL's
 * retransmission timer reads the real clock.
 *
 * The peer must present a certificate, and DTLS_CONNECTED is reached only if it matches one of the
 * fingerprints given: no key leaves this module before.
 */
#pragma once

#include "rtp/session/seal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTLS_MTU 1200
#define DTLS_FINGERPRINTS_MAX 4
#define DTLS_QUEUE_MAX 16 /* datagrams waiting to be taken; the oldest goes when one more comes */
#define DTLS_FINGERPRINT_TEXT_MAX 200 /* "sha-512 AB:CD:..." with its terminator */

struct dtls_context;
struct dtls;

enum dtls_role { DTLS_SERVER = 1, DTLS_CLIENT };
enum dtls_state { DTLS_HANDSHAKE = 1, DTLS_CONNECTED, DTLS_FAILED, DTLS_CLOSED };

struct dtls_fingerprint {
    uint8_t hash_size; /* 32: sha-256, 48: sha-384, 64: sha-512, 20: sha-1 is refused */
    uint8_t hash[64];
};

int dtls_context_create(struct dtls_context **out); /* -ENOMEM or -EIO */
void dtls_context_destroy(struct dtls_context *ctx);
/* "sha-256 AB:CD:..." for a=fingerprint. */
void dtls_context_fingerprint(const struct dtls_context *ctx, char out[DTLS_FINGERPRINT_TEXT_MAX]);

/* "sha-256 AB:CD:..."; false on an unknown or too weak hash or a wrong length. */
bool dtls_fingerprint_parse(struct dtls_fingerprint *out, const char *text);

/* -EINVAL without a fingerprint, -ENOMEM. `ctx` is borrowed and outlives it. */
int dtls_create(struct dtls **out, struct dtls_context *ctx, enum dtls_role role,
                const struct dtls_fingerprint *expected, unsigned n_expected);
void dtls_destroy(struct dtls *d); /* NULL is fine */
void dtls_start(struct dtls *d);   /* a client's first flight; nothing for a server */
/* Datagrams that are no DTLS are dropped without harm. */
void dtls_on_datagram(struct dtls *d, const uint8_t *data, size_t size);
/* `room` is at least DTLS_MTU; 0: none. */
size_t dtls_next_datagram(struct dtls *d, uint8_t *out, size_t room);
int64_t dtls_next_timeout(struct dtls *d, int64_t now_us); /* INT64_MAX: none */
void dtls_on_timeout(struct dtls *d);
void dtls_shutdown(struct dtls *d); /* queues close_notify */
enum dtls_state dtls_state(const struct dtls *d);
const char *dtls_failure(const struct dtls *d); /* why DTLS_FAILED, for people; "" otherwise */
uint64_t dtls_dropped(const struct dtls *d);    /* datagrams that fell out of the queue */
/* Once DTLS_CONNECTED, the keys are taken and the peer has shown, by a packet protected with them,
 * that it misses nothing of the handshake: gives OpenSSL's 41 KB back. What is left hears alerts
 * and says close_notify; all else that comes is dropped. */
void dtls_release(struct dtls *d);
/* From OpenSSL's generator, for what must not be guessed. False: it has failed. */
bool dtls_random(uint8_t *out, size_t size);
/* The negotiated SRTP keys; only once DTLS_CONNECTED and before dtls_release. */
void dtls_keys(const struct dtls *d, struct seal_keys *out);
