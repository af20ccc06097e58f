#include "encode/quality.h"

struct step {
    int kbps, cq, crf, percent;
};

static const struct step steps[] = {
    {500, 40, 28, 50},   {1500, 32, 24, 65}, {3000, 24, 21, 75}, {6000, 18, 18, 85},
    {10000, 12, 16, 90}, {15000, 8, 14, 95}, {20000, 4, 12, 98}, {50000, 2, 10, 100},
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* `at` of `range` of the way from a to b, rounded. */
static int between(int a, int b, int at, int range)
{
    int way = (b - a) * at;
    return a + (way >= 0 ? way + range / 2 : way - range / 2) / range;
}

static struct step step_of(uint32_t bitrate_bps)
{
    int kbps = (int)(bitrate_bps / 1000);
    if (kbps <= steps[0].kbps)
        return steps[0];
    int i = 1;
    while (i < STEPS && steps[i].kbps < kbps)
        i++;
    if (i == STEPS)
        return steps[STEPS - 1];
    const struct step *a = &steps[i - 1], *b = &steps[i];
    int at = kbps - a->kbps, range = b->kbps - a->kbps;
    return (struct step){
        .kbps = kbps,
        .cq = between(a->cq, b->cq, at, range),
        .crf = between(a->crf, b->crf, at, range),
        .percent = between(a->percent, b->percent, at, range),
    };
}

int quality_cq(uint32_t bitrate_bps)
{
    return step_of(bitrate_bps).cq;
}

int quality_crf(uint32_t bitrate_bps)
{
    return step_of(bitrate_bps).crf;
}

int quality_percent(uint32_t bitrate_bps)
{
    return step_of(bitrate_bps).percent;
}
