/* cadence.h - absolute deadlines at an exact rate, whole microseconds without drift. Pure.
 *
 * Deadline n is begin + floor(n * 1000000 * scale / rate), for as long as one wants. Who is late by
 * more than CADENCE_MAX_LATE_US goes on from where it is instead of hurrying after.
 */
#pragma once

#include <stdint.h>

#define CADENCE_MAX_LATE_US 1000000

struct cadence {
    int64_t next_us;             /* the deadline */
    uint64_t period_us;          /* whole part */
    uint32_t remainder, divisor; /* of a period: remainder / divisor of a microsecond */
    uint64_t carry;              /* below divisor */
};

/* `rate` / `scale` events a second; both at least 1. The first deadline is now. */
void cadence_init(struct cadence *c, uint32_t rate, uint32_t scale, int64_t now_us);
void cadence_next(struct cadence *c, int64_t now_us);
