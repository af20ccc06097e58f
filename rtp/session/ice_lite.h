/* ice_lite.h - the ICE-lite side of one peer, on libnice's STUN library (RFC 8445, RFC 8489).
 * Sans-IO.
 *
 * A check is validated (username, MESSAGE-INTEGRITY, FINGERPRINT), answered, and makes its source
 * address the peer's: at once when it is the first, later only with USE-CANDIDATE or when the
 * present address has been silent for ICE_SILENCE_US. Checks from the peer's address are also its
 * consent (RFC 7675 for a lite agent): after ICE_CONSENT_US without one, sending must stop. An
 * answer is never larger than three times the request.
 *
 * An address that the peer moved to is not proved: whoever knows the password can send checks under
 * a third party's address, and would so aim its media there. So it gets no media until it has
 * answered a check of ours, as RFC 7675 4 asks of who sends media. The first address needs none
 * for as long as it stays: DTLS does not get through without answers from it. Until it did, nothing
 * is known of it, so that coming back to it counts as a move like any other.
 *
 * A NAT may change an address at any time, and browsers check only every few seconds: so anything
 * else that is authentic and new moves the peer too, though it is no consent.
 */
#pragma once

#include "rtp/session/ice.h"

#define ICE_SILENCE_US 7000000    /* longer than the longest pause between two consent checks */
#define ICE_PROOF_AGAIN_US 250000 /* our check is sent once more after this */
#define ICE_TRANSACTION_SIZE 12

struct ice_lite {
    /* changed by a restart alone */
    struct ice_local local;
    char remote_ufrag[ICE_UFRAG_MAX + 1]; /* "": not known, any is taken */

    struct address remote; /* where media goes; valid if selected */
    bool selected;
    bool has_before;
    struct address before; /* where it was until then */
    int64_t last_check_us; /* the last valid check from `remote`; init time before the first */
    uint64_t checks, bad_checks, address_changes;

    /* of our checks */
    char remote_pwd[ICE_PWD_MAX + 1]; /* changed by a restart alone */
    bool proved;                      /* `remote` is */
    bool has_proved_before;
    struct address proved_before; /* the last one that was: back to it needs no new proof */
    bool proof_due;               /* one of our checks is to be sent now */
    unsigned proof_left;          /* how often still, for what the peer sent last */
    int64_t proof_next_us;
    bool has_transaction; /* for this address */
    uint8_t transaction[ICE_TRANSACTION_SIZE];
};

enum ice_result {
    ICE_IGNORED = 1, /* not a valid check of ours: counted, maybe answered with an error */
    ICE_CHECKED,     /* valid; same pair as before */
    ICE_SELECTED,    /* valid, and ice_lite.remote is new or changed */
    ICE_PROVED,      /* an answer to our check: ice_lite.remote is proved now */
};

void ice_lite_init(struct ice_lite *ice, const struct ice_local *local, const char *remote_ufrag,
                   const char *remote_pwd, int64_t now_us);
/* RFC 8445 9: from now on checks with these credentials count, and no others. Media goes where it
 * went until one of them chooses another way. */
void ice_lite_restart(struct ice_lite *ice, const struct ice_local *local, const char *remote_ufrag,
                      const char *remote_pwd);
/* Takes one STUN datagram. If *reply_size (in: room, at least 512) is not 0 afterwards, `reply` is
 * to be sent back to `from`. */
enum ice_result ice_lite_on_stun(struct ice_lite *ice, const uint8_t *data, size_t size,
                                 const struct address *from, uint8_t *reply, size_t *reply_size,
                                 int64_t now_us);
/* The DTLS handshake with `remote` is done. */
void ice_lite_on_handshake(struct ice_lite *ice);
/* A handshake record came from there: if `remote` was there before, it is again. An agent that
 * nominates every pair it checks sends on the best one of them, which need not be the last. */
void ice_lite_on_record(struct ice_lite *ice, const struct address *from, int64_t now_us);
/* Something of the peer's other than a check, authentic and no replay, came from there. */
void ice_lite_on_authentic(struct ice_lite *ice, const struct address *from, int64_t now_us);
int64_t ice_lite_consent_deadline(const struct ice_lite *ice);

/* Our check of an address that is not proved, if one is due, else 0. `transaction` is random: who
 * can guess it proves nothing. */
size_t ice_lite_next_proof(struct ice_lite *ice, uint8_t *out, size_t room,
                           const uint8_t transaction[ICE_TRANSACTION_SIZE]);
int64_t ice_lite_proof_timeout(const struct ice_lite *ice); /* INT64_MAX: none */
void ice_lite_on_timeout(struct ice_lite *ice, int64_t now_us);

/* The local username fragment a STUN request is addressed to (USERNAME is "local:remote"),
 * unproved, for finding the peer. False if there is none or it is longer than ours. */
bool ice_lite_peek_ufrag(const uint8_t *data, size_t size, char out[ICE_LOCAL_UFRAG_SIZE + 1]);

/* The controlling side's binding request with USE-CANDIDATE (for tests and load): returns its size.
 * `transaction` is 12 random bytes. */
size_t ice_lite_write_check(uint8_t *out, size_t room, const char *local_ufrag,
                            const char *remote_ufrag, const char *remote_pwd, uint64_t tie_breaker,
                            const uint8_t transaction[12]);
/* Is this a valid success response, signed with remote_pwd, to the check with this transaction? */
bool ice_lite_is_success(const uint8_t *data, size_t size, const char *remote_pwd,
                         const uint8_t transaction[12]);
/* The other side's answer to such a check of ours (for tests and load), 0: it is none. */
size_t ice_lite_answer(const struct ice_local *own, const uint8_t *data, size_t size,
                       const struct address *from, uint8_t *out, size_t room);
