#include "encode/timeline.h"

int64_t timeline_next(struct timeline *t, int64_t captured_us)
{
    int64_t step = 0;
    if (t->captured_us != 0) {
        step = captured_us - t->captured_us;
        step = step < 1 ? 1 : step > TIMELINE_MAX_STEP_US ? TIMELINE_MAX_STEP_US : step;
    }
    t->captured_us = captured_us;
    t->at_us += step;
    return t->at_us;
}
