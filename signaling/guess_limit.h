/* guess_limit.h - how often one address may be wrong about a password or a secret.
 *
 * Pure. Five wrong ones in any minute, then it has to wait; right ones cost nothing. Ask
 * guess_limit_wait before a password is looked at, so that who has to wait does not learn whether
 * it was right, and tell guess_limit_wrong when it was not. The table is of bounded size and
 * forgets, of the few addresses that share a place, the one seen longest ago; where an address lies
 * depends on a secret seed. Loopback counts as one address like any other.
 *
 * Life: guess_limit_init (calloc'd or static memory: 48 KB). The key is join_limit_key's.
 */
#pragma once

#include <stdint.h>

#define GUESS_LIMIT_TRIES 5
#define GUESS_LIMIT_WINDOW_US (60 * INT64_C(1000000))
#define GUESS_LIMIT_WAYS 8
#define GUESS_LIMIT_SETS 128 /* a power of two */

struct guess_limit {
    uint64_t seed;
    uint64_t n_wrong, n_refused;
    struct guess_limit_entry {
        uint64_t key;
        unsigned n;                       /* of `at_us` that are used; 0: free */
        int64_t at_us[GUESS_LIMIT_TRIES]; /* when it was wrong, the latest first */
    } entries[GUESS_LIMIT_SETS][GUESS_LIMIT_WAYS];
};

void guess_limit_init(struct guess_limit *l, uint64_t seed);
/* 0: it may try; else in how many seconds it should try again. */
unsigned guess_limit_wait(struct guess_limit *l, uint64_t key, int64_t now_us);
void guess_limit_wrong(struct guess_limit *l, uint64_t key, int64_t now_us);
