#include "encode/timeline.h"

enum { SMOOTHING = 8 }; /* pictures */

void timeline_plan(struct timeline *t, int fps)
{
    t->interval_us = t->planned_us = 1000000 / fps;
}

int64_t timeline_next(struct timeline *t, int64_t captured_us)
{
    int64_t step = 0;
    if (t->captured_us != 0) {
        step = captured_us - t->captured_us;
        step = step < 1 ? 1 : step > TIMELINE_MAX_STEP_US ? TIMELINE_MAX_STEP_US : step;
        t->interval_us += (step - t->interval_us) / SMOOTHING;
    }
    t->captured_us = captured_us;
    t->at_us += step;
    return t->at_us;
}

bool timeline_replan(struct timeline *t)
{
    int64_t off_us = t->interval_us - t->planned_us;
    if (off_us * 5 <= t->planned_us && off_us * 5 >= -t->planned_us)
        return false;
    t->planned_us = t->interval_us > 0 ? t->interval_us : 1;
    return true;
}
