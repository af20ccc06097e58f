/* audience.h - what a presenter's encoders should make, for those who watch. Pure.
 *
 * Each worker fills one in from its viewers now and then; merged, they say which layers anybody
 * watches and what the best tenth of the viewers can take: more than that is not worth encoding. A
 * rate is counted in quarters of an octave, and taken as the low end of its quarter.
 */
#pragma once

#include "rtp/control/layer.h"

#define AUDIENCE_RATES 64 /* from 32 kbit/s to 2 Gbit/s */

struct audience {
    uint32_t viewers;
    uint32_t watching[LAYER_STREAMS_MAX];
    uint32_t by_rate[AUDIENCE_RATES];
};

/* A viewer's rung and its estimate; zero it first. */
void audience_add(struct audience *a, const struct layer_rung *rung, uint64_t estimate_bps);
void audience_merge(struct audience *a, const struct audience *other);
bool audience_watches(const struct audience *a, unsigned stream);
/* What at least a tenth of the viewers, and at least one, can take; 0: nobody is there. */
uint64_t audience_top_bps(const struct audience *a);
/* What at least half of the viewers can take, the lower one of two; 0: nobody is there. */
uint64_t audience_middle_bps(const struct audience *a);
