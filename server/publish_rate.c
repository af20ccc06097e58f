#include "server/publish_rate.h"

#define FALL_PERCENT 88 /* of the target: RTX, sound and headers go over the same path */
#define RISE_PERCENT 108

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t publish_rate_next(struct publish_rate *r, const struct publish_path *path, uint64_t most,
                           int64_t now_us)
{
    if (r->bps == 0)
        r->bps = most;
    if (path->target_bps >= 0 && path->narrow) {
        uint64_t fits = (uint64_t)path->target_bps / 100 * FALL_PERCENT;
        r->next_us = now_us + PUBLISH_RATE_STEP_US;
        r->bps = at_most(r->bps, fits > PUBLISH_RATE_MIN_BPS ? fits : PUBLISH_RATE_MIN_BPS);
    } else if (now_us >= r->next_us) {
        r->next_us = now_us + PUBLISH_RATE_STEP_US;
        r->bps = r->bps / 100 * RISE_PERCENT;
    }
    r->bps = at_most(r->bps, most);
    return r->bps;
}
