#include "rtp/control/keyframe.h"

void keyframe_init(struct keyframe_budget *b, int64_t min_gap_us)
{
    *b = (struct keyframe_budget){.min_gap_us = min_gap_us, .last_us = INT64_MIN};
}

void keyframe_want(struct keyframe_budget *b, uint64_t n)
{
    if (n == 0)
        return;
    b->requests += n;
    b->coalesced += b->wanted ? n : n - 1;
    b->wanted = true;
}

int64_t keyframe_next_timeout(const struct keyframe_budget *b)
{
    if (!b->wanted)
        return INT64_MAX;
    return b->last_us == INT64_MIN ? 0 : b->last_us + b->min_gap_us;
}

bool keyframe_due(const struct keyframe_budget *b, int64_t now_us)
{
    return b->wanted && now_us >= keyframe_next_timeout(b);
}

void keyframe_made(struct keyframe_budget *b, int64_t now_us)
{
    if (b->wanted)
        b->granted++;
    b->wanted = false;
    b->last_us = now_us;
}
