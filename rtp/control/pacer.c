#include "rtp/control/pacer.h"

#include <assert.h>

#define BIT_US_PER_BYTE 8000000 /* a bit per second earns one bit-microsecond each microsecond */

void pacer_init(struct pacer *p, uint64_t rate_bps, int64_t burst_bytes, int64_t now_us)
{
    assert(burst_bytes > 0 && rate_bps <= PACER_RATE_MAX_BPS);
    *p = (struct pacer){
        .rate_bps = rate_bps,
        .burst_bytes = burst_bytes,
        .balance_bytes = burst_bytes,
        .updated_us = now_us,
    };
}

static void refill(struct pacer *p, int64_t now_us)
{
    if (now_us <= p->updated_us)
        return;
    uint64_t elapsed = (uint64_t)(now_us - p->updated_us);
    p->updated_us = now_us;
    if (p->rate_bps == 0)
        return;

    /* Asking first how long it takes until it is full keeps the product below from overflowing. */
    uint64_t missing = (uint64_t)(p->burst_bytes - p->balance_bytes) * BIT_US_PER_BYTE;
    if (elapsed > missing / p->rate_bps) {
        p->balance_bytes = p->burst_bytes;
        p->remainder = 0;
        return;
    }
    uint64_t earned = elapsed * p->rate_bps + p->remainder;
    p->balance_bytes += (int64_t)(earned / BIT_US_PER_BYTE);
    p->remainder = (uint32_t)(earned % BIT_US_PER_BYTE);
    if (p->balance_bytes >= p->burst_bytes) {
        p->balance_bytes = p->burst_bytes;
        p->remainder = 0;
    }
}

void pacer_set_rate(struct pacer *p, uint64_t rate_bps, int64_t now_us)
{
    assert(rate_bps <= PACER_RATE_MAX_BPS);
    refill(p, now_us);
    p->rate_bps = rate_bps;
}

int64_t pacer_available(struct pacer *p, int64_t now_us)
{
    refill(p, now_us);
    return p->balance_bytes;
}

void pacer_spend(struct pacer *p, int64_t bytes)
{
    assert(bytes >= 0);
    p->balance_bytes -= bytes;
}

int64_t pacer_next_timeout(const struct pacer *p)
{
    if (p->balance_bytes > 0)
        return p->updated_us;
    if (p->rate_bps == 0)
        return INT64_MAX;
    uint64_t missing = (uint64_t)(1 - p->balance_bytes) * BIT_US_PER_BYTE - p->remainder;
    return p->updated_us + (int64_t)((missing + p->rate_bps - 1) / p->rate_bps);
}
