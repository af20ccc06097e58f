/* impair.h - a bad access line in front of one viewer: loss, a rate limit with a queue, jitter,
 * reordering. Pure.
 *
 * Every datagram is shown to impair_admit, which says when it arrives, or that it never does. The
 * rate limit is a token bucket of IMPAIR_BURST_BYTES; what finds no tokens waits, and what would
 * wait longer than IMPAIR_QUEUE_US is lost. Jitter comes behind it: evenly between 0 and its most,
 * and nothing overtakes what is before it. Only what --reorder picks stays IMPAIR_REORDER_US behind
 * and lets others pass. The same seed and datagrams give the same fate.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPAIR_BURST_BYTES 15000
#define IMPAIR_QUEUE_US 300000
#define IMPAIR_REORDER_US 5000
#define IMPAIR_LOST (-1)

struct impair_config {
    double loss, reorder; /* 0-1 */
    int64_t jitter_us;
    uint64_t rate_bps; /* 0: no limit */
};

struct impair {
    struct impair_config config;
    uint64_t random;
    int64_t free_us; /* when the bucket would be full again */
    int64_t last_us; /* the latest arrival in order */
    uint64_t lost, overflowed;
};

void impair_init(struct impair *p, const struct impair_config *config, uint64_t seed);
bool impair_is_idle(const struct impair_config *config); /* it changes nothing */
/* When it arrives, never before now_us; or IMPAIR_LOST. */
int64_t impair_admit(struct impair *p, size_t size, int64_t now_us);
