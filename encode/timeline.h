/* timeline.h - the time stamps an encoder's rate control is told: real time, without its pauses.
 *
 * Pure. Where pictures are skipped, the next one may cost what they would have. A pause, though,
 * must not be saved up for one huge picture, so that a step is TIMELINE_MAX_STEP_US at most.
 */
#pragma once

#include <stdint.h>

enum { TIMELINE_MAX_STEP_US = 250000 };

struct timeline { /* zeroed to begin with */
    int64_t captured_us, at_us;
};

/* Microseconds from the first picture to this one, pauses cut; rises with every call, whatever the
 * clock did. */
int64_t timeline_next(struct timeline *t, int64_t captured_us);
