/* origins.h - whose datagrams come from an address: a bounded hash table. Pure but for its memory;
 * one thread.
 *
 * An address belongs to a viewer of this worker ("own", at most `own_max`, which the caller
 * guarantees by having two per viewer at most) or to another worker's ("foreign", at most
 * `foreign_max`: a new one then takes the place of one that was not used for longest, roughly: each
 * use gives a second chance). Addresses are set only once a STUN check from them was found
 * authentic, and the latest one wins. The hash is seeded, so that nobody outside can aim at one
 * chain.
 */
#pragma once

#include "rtp/session/address.h"

#include <stdbool.h>
#include <stdint.h>

struct origin {
    bool foreign;
    uint32_t id; /* of the viewer, or the index of the other worker */
};

struct origins_slot {
    struct address address;
    uint8_t kind; /* private to origins.c; 0: empty */
    bool used;    /* foreign: since the hand last passed */
    uint32_t id;
};

struct origins {
    struct origins_slot *slots; /* owned; power of two, at most half full */
    uint32_t mask;
    uint64_t seed;
    uint32_t n_own, own_max;
    uint32_t n_foreign, foreign_max;
    uint32_t hand; /* where the next search for a foreign one to give up begins */
};

int origins_init(struct origins *r, uint32_t own_max, uint32_t foreign_max, uint64_t seed);
void origins_finish(struct origins *r); /* zeroed memory is fine */

bool origins_find(struct origins *r, const struct address *from, struct origin *out);
void origins_set_own(struct origins *r, const struct address *from, uint32_t viewer_id);
void origins_set_foreign(struct origins *r, const struct address *from, uint32_t worker);
/* Only if it is still this viewer's: another may have come behind the same address since. */
void origins_remove_own(struct origins *r, const struct address *from, uint32_t viewer_id);
