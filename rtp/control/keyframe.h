/* keyframe.h - how often an encoder may be asked for a keyframe. Pure; the encode thread's.
 *
 * However many viewers ask, a stream makes at most one requested keyframe per gap: a request inside
 * the gap is kept and granted when the gap is over; requests while one is waiting are coalesced.
 *
 *     requests = coalesced + granted + (wanted ? 1 : 0)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEYFRAME_MIN_GAP_US 500000

struct keyframe_budget {
    int64_t min_gap_us;
    int64_t last_us; /* when the last keyframe was made; INT64_MIN: never */
    bool wanted;
    uint64_t requests, coalesced, granted;
};

void keyframe_init(struct keyframe_budget *b, int64_t min_gap_us);
void keyframe_want(struct keyframe_budget *b, uint64_t n); /* n requests arrived */
/* Is the next picture to be one? */
bool keyframe_due(const struct keyframe_budget *b, int64_t now_us);
/* One was encoded, asked for or not. */
void keyframe_made(struct keyframe_budget *b, int64_t now_us);
int64_t keyframe_next_timeout(const struct keyframe_budget *b); /* INT64_MAX: nothing wanted */
