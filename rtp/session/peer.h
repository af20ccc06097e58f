/* peer.h - one peer's transport: ICE, then DTLS, then SRTP, on one 5-tuple. Sans-IO.
 *
 *     PEER_ICE --valid check--> PEER_DTLS --keys--> PEER_CONNECTED --close--> PEER_CLOSED
 *         \------------------------- timeout, failure, no consent -------------/
 *
 * Life: peer_init, then peer_on_datagram / peer_on_timeout; after each of them drain
 * peer_next_datagram until it returns 0 and file peer_next_timeout. peer_finish frees. One thread.
 *
 * Beside a full agent (ice_full.h) no STUN comes here: the agent's owner says which path it has
 * chosen and when consent for it is lost.
 */
#pragma once

#include "rtp/session/dtls.h"
#include "rtp/session/ice_lite.h"
#include "rtp/session/seal.h"

#define PEER_CONNECT_TIMEOUT_US 10000000 /* each of ICE and DTLS */

enum peer_state { PEER_ICE = 1, PEER_DTLS, PEER_CONNECTED, PEER_CLOSED };

/* Why it is closed; the names are stable and shown to people (peer_reason_name). */
enum peer_reason {
    PEER_REASON_NONE = 1,
    PEER_REASON_ICE_TIMEOUT,   /* no valid check came */
    PEER_REASON_DTLS_TIMEOUT,  /* the handshake did not end */
    PEER_REASON_DTLS_FAILED,   /* alert, fingerprint mismatch, no common profile */
    PEER_REASON_CONSENT_LOST,  /* no check for ICE_CONSENT_US */
    PEER_REASON_REMOTE_CLOSED, /* close_notify */
    PEER_REASON_LOCAL_CLOSED,
};

struct peer_config {
    struct ice_local local;
    char remote_ufrag[ICE_UFRAG_MAX + 1];
    bool full_ice; /* an agent beside it does what ice_lite does else, with the next one too */
    char remote_pwd[ICE_PWD_MAX + 1];
    enum dtls_role role;
    unsigned n_fingerprints;
    struct dtls_fingerprint fingerprints[DTLS_FINGERPRINTS_MAX];
};

struct peer {
    enum peer_state state;
    enum peer_reason reason;
    int64_t state_since_us;
    int64_t deadline_us; /* of the state: ICE or DTLS timeout */
    bool full_ice;       /* of `ice` only `remote` and `selected` count */
    struct ice_lite ice;
    struct dtls *dtls; /* owned */
    struct seal *seal; /* owned; exists once connected */

    /* one STUN answer waiting to be sent */
    uint8_t stun_reply[512];
    size_t stun_reply_size;
    struct address stun_reply_to;

    uint64_t bad_datagrams; /* unknown kind, wrong source, not authentic */
};

enum peer_input {
    PEER_INPUT_NONE = 1, /* handled here, or dropped and counted */
    PEER_INPUT_RTP,      /* `data` now holds a plain RTP packet of *size bytes */
    PEER_INPUT_RTCP,     /* `data` now holds a plain RTCP compound of *size bytes */
};

int peer_init(struct peer *p, const struct peer_config *config, struct dtls_context *ctx,
              int64_t now_us);
void peer_finish(struct peer *p); /* zeroed memory is fine */

enum peer_input peer_on_datagram(struct peer *p, uint8_t *data, size_t *size,
                                 const struct address *from, int64_t now_us);
/* A datagram from an address that is nobody's. True if it was an SRTCP packet of this peer's, which
 * is then as after peer_on_datagram, and its sender where the peer is now (to be proved); else
 * nothing has changed but `data`. */
bool peer_on_stray(struct peer *p, uint8_t *data, size_t *size, const struct address *from,
                   int64_t now_us);
/* Without full_ice: see ice_lite_restart. */
void peer_restart(struct peer *p, const struct ice_local *local, const char *remote_ufrag,
                  const char *remote_pwd);
/* With full_ice: the agent has chosen a path to `remote`, or another one. */
void peer_on_path(struct peer *p, const struct address *remote, int64_t now_us);
void peer_on_path_lost(struct peer *p, int64_t now_us);

/* May media leave? Not before the keys are there, nor to an address that the peer moved to and has
 * not proved yet (ice_lite.h). */
bool peer_may_send(const struct peer *p);

/* The next datagram to send (STUN answers and checks, handshake flights, alerts); 0: none. */
size_t peer_next_datagram(struct peer *p, uint8_t *out, size_t room, struct address *to);
int64_t peer_next_timeout(struct peer *p, int64_t now_us);
void peer_on_timeout(struct peer *p, int64_t now_us);
void peer_close(struct peer *p,
                int64_t now_us); /* queues close_notify; state is then PEER_CLOSED */

const char *peer_state_name(enum peer_state s);   /* "ice", "dtls", "connected", "closed" */
const char *peer_reason_name(enum peer_reason r); /* "ice-timeout", "dtls-failed", ... */
