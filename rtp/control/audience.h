/* audience.h - what a presenter's encoders should make, for those who watch. Pure.
 *
 * Filled in anew from all viewers now and then, it says what the best tenth of them can take: more
 * than that is not worth encoding. A rate is counted in quarters of an octave, and taken as the low
 * end of its quarter.
 */
#pragma once

#include <stdint.h>

#define AUDIENCE_RATES 64 /* from 32 kbit/s to 2 Gbit/s */

struct audience {
    uint32_t viewers;
    uint32_t by_rate[AUDIENCE_RATES];
};

void audience_add(struct audience *a, uint64_t estimate_bps); /* a viewer's; zero `a` first */
/* What at least a tenth of the viewers, and at least one, can take; 0: nobody is there. */
uint64_t audience_top_bps(const struct audience *a);
/* What at least half of the viewers can take, the lower one of two; 0: nobody is there. */
uint64_t audience_middle_bps(const struct audience *a);
