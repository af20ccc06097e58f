/* loss.h - what part of the packets to one viewer is lost, from transport-wide feedback. Pure.
 *
 * Receiver reports say it once a second, and of each stream alone; feedback tells within some 100
 * ms which packets are missing. A packet that is missing is lost when the next feedback does not
 * bring it either: else it was only late. What was lost in the last two to four seconds counts.
 *
 * Life: zeroed; loss_add for each feedback. Times in microseconds.
 */
#pragma once

#include <stdint.h>

#define LOSS_WINDOW_US 2000000

struct loss_count {
    uint32_t received, lost;
};

struct loss {
    struct loss_count now, before; /* of this window and of the one before it */
    int64_t since_us;              /* when this one began */
    uint32_t missing;              /* by the newest feedback */
};

/* `missing`: not received; `late`: of the received, those that had been added as missing. */
void loss_add(struct loss *l, uint32_t received, uint32_t missing, uint32_t late, int64_t now_us);
uint32_t loss_packets(const struct loss *l);  /* that were lost */
unsigned loss_fraction(const struct loss *l); /* of 256, as in receiver reports */
