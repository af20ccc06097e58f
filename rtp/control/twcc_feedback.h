/* twcc_feedback.h - transport-wide congestion control feedback as a receiver writes it
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1). Pure.
 *
 * Life: twcc_feedback_init; twcc_feedback_on_packet for every packet that carries a transport-wide
 * number; now and then twcc_feedback_write until it returns 0. Each number is reported once as
 * received, in order; those skipped are reported as not received. One that comes after it was
 * reported missing makes the next message begin there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TWCC_FEEDBACK_WINDOW 512 /* numbers between two messages; older ones are left out */
#define TWCC_FEEDBACK_PER_MESSAGE 400
#define TWCC_FEEDBACK_MAX 1000 /* bytes of the longest message */

struct twcc_feedback {
    bool any;
    uint16_t base, end;                  /* what is to be reported: base..end-1 */
    uint32_t tick[TWCC_FEEDBACK_WINDOW]; /* arrival in 250 us, by seq % TWCC_FEEDBACK_WINDOW */
    uint64_t got[TWCC_FEEDBACK_WINDOW / 64];
    uint8_t feedback_count;
    uint64_t left_out; /* too old, or more than the window between two messages */
};

void twcc_feedback_init(struct twcc_feedback *t);
void twcc_feedback_on_packet(struct twcc_feedback *t, uint16_t seq, int64_t now_us);
/* How many numbers wait to be reported. */
unsigned twcc_feedback_waiting(const struct twcc_feedback *t);
/* The size of one whole RTCP packet; 0: nothing received since, or `room` < TWCC_FEEDBACK_MAX. */
size_t twcc_feedback_write(struct twcc_feedback *t, uint8_t *out, size_t room, uint32_t sender_ssrc,
                           uint32_t media_ssrc);
