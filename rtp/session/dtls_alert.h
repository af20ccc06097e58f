/* dtls_alert.h - the alerts of a DTLS 1.2 session whose SSL is gone. Pure but for OpenSSL's heap.
 *
 * A session that only made SRTP keys still has to hear a close_notify or a fatal alert. For that
 * its receiving key is enough, 36 bytes in place of OpenSSL's 41 KB: dtls_alert_init derives it
 * while the session lives (RFC 5246 6.3), dtls_alert_read opens what comes later (RFC 6347 4.1, RFC
 * 5288 3). Only AES-GCM suites. No replay window: either alert ends the session at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTLS_ALERT_KEY_MAX 32
#define DTLS_ALERT_SALT_SIZE 4 /* of the nonce; the record brings the other 8 bytes */

struct ssl_st;

struct dtls_alert {
    uint8_t key[DTLS_ALERT_KEY_MAX];
    uint8_t key_size; /* 16 or 32 */
    uint8_t salt[DTLS_ALERT_SALT_SIZE];
};

enum dtls_alert_kind {
    DTLS_ALERT_NONE = 1, /* anything else, authentic or not */
    DTLS_ALERT_CLOSE,
    DTLS_ALERT_FATAL,
};

/* What `ssl` reads with, after its handshake. False if its suite is another kind or on no memory.
 */
bool dtls_alert_init(struct dtls_alert *a, struct ssl_st *ssl, bool is_server);
/* The first authentic alert that ends a session, of any record in the datagram. */
enum dtls_alert_kind dtls_alert_read(const struct dtls_alert *a, const uint8_t *datagram,
                                     size_t size);
