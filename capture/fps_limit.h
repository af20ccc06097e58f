/* fps_limit.h - which pictures of a source that gives too many are let through. Pure.
 *
 * Pictures that come at about the wanted rate all pass, however they jitter by less than a quarter
 * of the distance; after a rest the first one does at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fps_limit {
    int64_t interval_us;
    int64_t due_us; /* when the next one is due; 0: at any time */
};

/* When a picture may pass that is there now. */
static inline int64_t fps_limit_next_us(const struct fps_limit *p)
{
    return p->due_us - p->interval_us / 4;
}

static inline bool fps_limit_allows(const struct fps_limit *p, int64_t now_us)
{
    return now_us >= fps_limit_next_us(p);
}

static inline void fps_limit_passed(struct fps_limit *p, int64_t now_us)
{
    const bool in_step = now_us < p->due_us + p->interval_us;
    p->due_us = (in_step ? p->due_us : now_us) + p->interval_us;
}
