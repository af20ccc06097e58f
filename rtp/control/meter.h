/* meter.h - how many bits a second pass, over the last half second or less. Pure.
 *
 * Bytes are counted in slots of 65.5 ms. The time is whatever clock the caller measures on (ours
 * for what was sent, the receiver's for what arrived); it may step back a little, as reordered
 * packets do: what is older than the slots is not counted.
 */
#pragma once

#include <stdint.h>

#define METER_SLOTS 16 /* powers of two: this is done for every packet */
#define METER_SLOT_US 65536
#define METER_WINDOW_MAX_US ((METER_SLOTS - 2) * METER_SLOT_US)

struct meter {
    int64_t slot;     /* number of the newest one */
    int64_t first_us; /* when counting began; INT64_MIN: not yet */
    uint32_t bytes[METER_SLOTS];
};

void meter_init(struct meter *m);
void meter_add(struct meter *m, uint32_t bytes, int64_t at_us);
/* Over `window_us` (at most METER_WINDOW_MAX_US) and the begun slot before now_us; 0: nothing, or
 * less than 100 ms are known. */
uint64_t meter_bps(const struct meter *m, int64_t window_us, int64_t now_us);
