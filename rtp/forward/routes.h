/* routes.h - whose datagrams come from an address: a bounded hash table. Pure but for its memory;
 * one thread.
 *
 * An address belongs to a viewer of this worker ("own", at most `own_max`, which the caller
 * guarantees by having one per viewer) or to another worker's ("foreign", at most `foreign_max`: a
 * new one then takes the place of one that was not used for longest, roughly: each use gives a
 * second chance). Addresses are set only once a STUN check from them was found authentic, and the
 * latest one wins. The hash is seeded, so that nobody outside can aim at one chain.
 */
#pragma once

#include "rtp/session/address.h"

#include <stdbool.h>
#include <stdint.h>

struct route {
    bool foreign;
    uint32_t id; /* of the viewer, or the index of the other worker */
};

struct routes_slot {
    struct address address;
    uint8_t kind; /* private to routes.c; 0: empty */
    bool used;    /* foreign: since the hand last passed */
    uint32_t id;
};

struct routes {
    struct routes_slot *slots; /* owned; power of two, at most half full */
    uint32_t mask;
    uint64_t seed;
    uint32_t n_own, own_max;
    uint32_t n_foreign, foreign_max;
    uint32_t hand; /* where the next search for a foreign one to give up begins */
};

int routes_init(struct routes *r, uint32_t own_max, uint32_t foreign_max, uint64_t seed);
void routes_finish(struct routes *r); /* zeroed memory is fine */

bool routes_find(struct routes *r, const struct address *from, struct route *out);
void routes_set_own(struct routes *r, const struct address *from, uint32_t viewer_id);
void routes_set_foreign(struct routes *r, const struct address *from, uint32_t worker);
/* Only if it is still this viewer's: another may have come behind the same address since. */
void routes_remove_own(struct routes *r, const struct address *from, uint32_t viewer_id);
