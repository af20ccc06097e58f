#include "server/cadence.h"

#include <assert.h>

void cadence_init(struct cadence *c, uint32_t rate, uint32_t scale, int64_t now_us)
{
    assert(rate > 0 && scale > 0);
    uint64_t second = (uint64_t)scale * 1000000;
    *c = (struct cadence){
        .next_us = now_us,
        .period_us = second / rate,
        .remainder = (uint32_t)(second % rate),
        .divisor = rate,
    };
}

void cadence_next(struct cadence *c, int64_t now_us)
{
    c->next_us += (int64_t)c->period_us;
    c->carry += c->remainder;
    if (c->carry >= c->divisor) {
        c->carry -= c->divisor;
        c->next_us++;
    }
    if (now_us - c->next_us > CADENCE_MAX_LATE_US)
        c->next_us = now_us;
}
