/* remb.h - what a sender that gets no transport-wide feedback may send, by its losses alone. Pure.
 *
 * The loss-based half of draft-ietf-rmcat-gcc-02 (section 6), at the receiver: every second up by
 * 8 % where less than 2 % were lost, down by half the loss where more than 10 % were, else as it
 * is. Never more than twice what arrives and half a megabit, so that a sender that sends little
 * proves nothing; never above the limit.
 */
#pragma once

#include <stdint.h>

#define REMB_START_BPS 2500000
#define REMB_MIN_BPS 100000

struct remb {
    uint64_t bps;
    uint64_t max_bps; /* 0: none */
};

void remb_init(struct remb *r, uint64_t max_bps);
void remb_set_max(struct remb *r, uint64_t max_bps);
/* Once a second: of `expected` packets `lost` did not come at first, and what arrived. */
void remb_update(struct remb *r, uint64_t expected, uint64_t lost, uint64_t arrived_bps);
