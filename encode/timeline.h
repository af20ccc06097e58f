/* timeline.h - the time stamps an encoder's rate control is told: real time, without its pauses.
 *
 * Pure. Where pictures are skipped, the next one may cost what they would have. A pause, though,
 * must not be saved up for one huge picture, so that a step is TIMELINE_MAX_STEP_US at most.
 * A library that plans by a frame rate instead is told a new one when timeline_replan says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { TIMELINE_MAX_STEP_US = 250000 };

struct timeline { /* zeroed to begin with */
    int64_t captured_us, at_us;
    int64_t interval_us; /* between pictures, smoothed */
    int64_t planned_us;  /* the interval planned for */
};

/* The frame rate that was promised; 1-120. */
void timeline_plan(struct timeline *t, int fps);

/* Microseconds from the first picture to this one, pauses cut; rises with every call, whatever the
 * clock did. */
int64_t timeline_next(struct timeline *t, int64_t captured_us);

/* True when pictures come at another distance than planned, which is then planned anew. */
bool timeline_replan(struct timeline *t);
