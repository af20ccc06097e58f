#include "server/publish_rate.h"

#define FIT_PERCENT 88    /* of the target: RTX, sound and headers go over the same path */
#define RISE_PERCENT 108  /* beyond what the path is known to take */
#define HURRY_PERCENT 125 /* within it */

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t publish_rate_next(struct publish_rate *r, const struct publish_path *path, uint64_t most,
                           int64_t now_us)
{
    if (r->bps == 0)
        r->bps = most;
    bool known = path->target_bps >= 0;
    uint64_t fits = known ? (uint64_t)path->target_bps / 100 * FIT_PERCENT : 0;
    bool over = known && path->narrow && r->bps > fits;
    if (over) {
        r->bps = at_least(fits, PUBLISH_RATE_MIN_BPS);
        r->next_us = now_us + PUBLISH_RATE_STEP_US;
    } else if (now_us >= r->next_us) {
        uint64_t within = at_most(r->bps / 100 * HURRY_PERCENT, at_least(fits, r->bps));
        uint64_t beyond = path->narrow ? r->bps : r->bps / 100 * RISE_PERCENT;
        r->bps = at_least(within, beyond);
        r->next_us = now_us + PUBLISH_RATE_STEP_US;
    }
    r->bps = at_most(r->bps, most);
    return r->bps;
}
