/* pacer.h - a token bucket in bytes: how much one viewer may be sent now. Pure.
 *
 * A packet train may be sent while the balance is positive, and is then spent whole. So with trains
 * of at most T bytes the balance stays above -T, and over any interval of t seconds at most
 *
 *     rate_bps / 8 * t + burst_bytes + T
 *
 * leave. Fractions of a byte are kept, so that asking often costs no rate.
 */
#pragma once

#include <stdint.h>

#define PACER_RATE_MAX_BPS 100000000000 /* 100 Gbit/s */

struct pacer {
    uint64_t rate_bps; /* 0: nothing is earned */
    int64_t burst_bytes;
    int64_t balance_bytes;
    int64_t updated_us;
    uint32_t remainder; /* earned, not yet a whole byte: 1/8000000 bytes */
};

void pacer_init(struct pacer *p, uint64_t rate_bps, int64_t burst_bytes, int64_t now_us); /* full */
void pacer_set_rate(struct pacer *p, uint64_t rate_bps, int64_t now_us);
int64_t pacer_available(struct pacer *p, int64_t now_us); /* bytes; <= 0: wait */
void pacer_spend(struct pacer *p, int64_t bytes);
/* When the balance is positive again; not after now if it is, INT64_MAX if it never will be. */
int64_t pacer_next_timeout(const struct pacer *p);
