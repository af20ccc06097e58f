/* twcc_writer.h - transport-wide congestion control feedback as a receiver writes it
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1). Pure.
 *
 * Life: twcc_writer_init; twcc_writer_on_packet for every packet that carries a transport-wide
 * number; now and then twcc_writer_write until it returns 0. Each number is reported once as
 * received, in order; those skipped are reported as not received. One that comes after it was
 * reported missing makes the next message begin there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TWCC_WRITER_WINDOW 512 /* numbers between two messages; older ones are left out */
#define TWCC_WRITER_PER_MESSAGE 400
#define TWCC_WRITER_MAX 1000 /* bytes of the longest message */

struct twcc_writer {
    bool any;
    uint16_t base, end;                /* what is to be reported: base..end-1 */
    uint32_t tick[TWCC_WRITER_WINDOW]; /* arrival in 250 us, by seq % TWCC_WRITER_WINDOW */
    uint64_t got[TWCC_WRITER_WINDOW / 64];
    uint8_t feedback_count;
    uint64_t left_out; /* too old, or more than the window between two messages */
};

void twcc_writer_init(struct twcc_writer *t);
void twcc_writer_on_packet(struct twcc_writer *t, uint16_t seq, int64_t now_us);
/* How many numbers wait to be reported. */
unsigned twcc_writer_waiting(const struct twcc_writer *t);
/* The size of one whole RTCP packet; 0: nothing received since, or `room` < TWCC_WRITER_MAX. */
size_t twcc_writer_write(struct twcc_writer *t, uint8_t *out, size_t room, uint32_t sender_ssrc,
                         uint32_t media_ssrc);
