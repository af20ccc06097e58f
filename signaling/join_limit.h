/* join_limit.h - how often one address may join: a token bucket each, in a table of bounded size.
 *
 * Pure. One client could otherwise take every seat. An IPv6 client has a whole /64, which counts as
 * one; loopback is exempt. The table forgets, of the few addresses that share a place, the one seen
 * longest ago, and where an address lies depends on a secret seed, so that nobody can aim at
 * another one's place. What is forgotten starts anew with a full bucket.
 *
 * Life: join_limit_init (calloc'd or static memory: 96 KB), then join_limit_take for every join.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define JOIN_LIMIT_WAYS 8
#define JOIN_LIMIT_SETS 512 /* a power of two */

#define JOIN_LIMIT_RATE 5   /* joins a second of one address */
#define JOIN_LIMIT_BURST 20 /* and at once */

struct sockaddr;

struct join_limit {
    unsigned rate, burst;
    uint64_t seed;
    uint64_t n_admitted, n_refused; /* loopback is not counted */
    struct join_limit_entry {
        uint64_t key; /* 0: free */
        int64_t seen_us;
        unsigned millitokens;
    } entries[JOIN_LIMIT_SETS][JOIN_LIMIT_WAYS];
};

/* `rate` and `burst` 0: the defaults. `seed`: random. */
void join_limit_init(struct join_limit *l, unsigned rate, unsigned burst, uint64_t seed);
/* What the joins of this address are counted under; 0: it is exempt. */
uint64_t join_limit_key(const struct sockaddr *address);
/* 0: it may join; else in how many seconds it should ask again. */
unsigned join_limit_take(struct join_limit *l, uint64_t key, int64_t now_us);
