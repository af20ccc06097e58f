#include "rtp/control/audience.h"

#define LOWEST_BPS UINT64_C(32768)

/* Quarter q of octave o begins at LOWEST_BPS * 2^o * (4 + q) / 4: close to even steps, and exact in
 * integers. */
static uint64_t rate_of(unsigned i)
{
    return (LOWEST_BPS << i / 4) / 4 * (4 + i % 4);
}

void audience_add(struct audience *a, uint64_t estimate_bps)
{
    unsigned i = 0;
    while (i + 1 < AUDIENCE_RATES && rate_of(i + 1) <= estimate_bps)
        i++;
    a->by_rate[i]++;
    a->viewers++;
}

/* What at least so many can take. */
static uint64_t bps_for(const struct audience *a, uint32_t viewers)
{
    uint32_t seen = 0;
    for (unsigned i = AUDIENCE_RATES; i-- > 0;) {
        seen += a->by_rate[i];
        if (seen >= viewers)
            return rate_of(i);
    }
    return rate_of(0);
}

uint64_t audience_top_bps(const struct audience *a)
{
    return a->viewers == 0 ? 0 : bps_for(a, a->viewers / 10 + (a->viewers % 10 > 0));
}

uint64_t audience_middle_bps(const struct audience *a)
{
    return a->viewers == 0 ? 0 : bps_for(a, a->viewers / 2 + 1);
}
