#include "rtp/control/remb.h"

static void limit(struct remb *r)
{
    if (r->bps < REMB_MIN_BPS)
        r->bps = REMB_MIN_BPS;
    if (r->max_bps > 0 && r->bps > r->max_bps)
        r->bps = r->max_bps;
}

void remb_init(struct remb *r, uint64_t max_bps)
{
    *r = (struct remb){.bps = REMB_START_BPS, .max_bps = max_bps};
    limit(r);
}

void remb_set_max(struct remb *r, uint64_t max_bps)
{
    r->max_bps = max_bps;
    limit(r);
}

void remb_update(struct remb *r, uint64_t expected, uint64_t lost, uint64_t arrived_bps)
{
    if (expected == 0)
        return;
    uint64_t most_bps = 2 * arrived_bps + 500000;
    if (lost * 10 > expected)
        r->bps -= r->bps / 2 * (lost < expected ? lost : expected) / expected;
    else if (lost * 50 < expected && r->bps < most_bps)
        r->bps += r->bps * 8 / 100;
    if (r->bps > most_bps && most_bps > REMB_START_BPS)
        r->bps = most_bps;
    limit(r);
}
