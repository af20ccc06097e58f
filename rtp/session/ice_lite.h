/* ice_lite.h - the ICE-lite side of one peer, on libnice's STUN library (RFC 8445, RFC 8489).
 * Sans-IO.
 *
 * A check is validated (username, MESSAGE-INTEGRITY, FINGERPRINT), answered, and makes its source
 * address the peer's: at once when it is the first, later only with USE-CANDIDATE or when the
 * present address has been silent for ICE_SILENCE_US. Checks from the peer's address are also its
 * consent (RFC 7675 for a lite agent): after ICE_CONSENT_US without one, sending must stop. An
 * answer is never larger than three times the request.
 */
#pragma once

#include "rtp/session/ice.h"

#define ICE_SILENCE_US 7000000 /* longer than the longest pause between two consent checks */

struct ice_lite {
    /* immutable after init */
    struct ice_local local;
    char remote_ufrag[ICE_UFRAG_MAX + 1]; /* "": not known, any is taken */

    struct address remote; /* where media goes; valid if selected */
    bool selected;
    int64_t last_check_us; /* the last valid check from `remote`; init time before the first */
    uint64_t checks, bad_checks, address_changes;
};

enum ice_result {
    ICE_IGNORED = 1, /* not a valid check of ours: counted, maybe answered with an error */
    ICE_CHECKED,     /* valid; same pair as before */
    ICE_SELECTED,    /* valid, and ice_lite.remote is new or changed */
};

void ice_lite_init(struct ice_lite *ice, const struct ice_local *local, const char *remote_ufrag,
                   int64_t now_us);
/* Takes one STUN datagram. If *reply_size (in: room, at least 512) is not 0 afterwards, `reply` is
 * to be sent back to `from`. */
enum ice_result ice_lite_on_stun(struct ice_lite *ice, const uint8_t *data, size_t size,
                                 const struct address *from, uint8_t *reply, size_t *reply_size,
                                 int64_t now_us);
int64_t ice_lite_consent_deadline(const struct ice_lite *ice);

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
