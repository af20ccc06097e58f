/* seq_tally.h - what is missing, late or doubled among the sequence numbers of one SSRC. Pure.
 *
 * Life: seq_tally_init, then every packet in order of arrival. A number that was skipped counts as
 * missing until it comes itself: then it was only reordered, even if a retransmission was faster.
 *
 *     lost on the wire = missing - reordered
 *     lost for good    = missing - filled
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SEQ_TALLY_WINDOW 1024 /* numbers remembered behind the highest one */

struct seq_tally {
    bool any;
    uint16_t highest;
    uint32_t span; /* numbers since the first one, at most SEQ_TALLY_WINDOW */
    uint64_t seen[SEQ_TALLY_WINDOW / 64],
        repaired_bits[SEQ_TALLY_WINDOW / 64]; /* by seq % window */

    uint64_t packets;    /* all that came, whatever they were */
    uint64_t missing;    /* skipped when a higher number came */
    uint64_t reordered;  /* came after a higher number */
    uint64_t duplicates; /* had come before */
    uint64_t stale;      /* from before the first one, or too far behind to know */
    uint64_t repaired;   /* a retransmission came first */
    uint64_t filled;     /* missing ones that came in either way */
};

void seq_tally_init(struct seq_tally *t);
void seq_tally_on_packet(struct seq_tally *t, uint16_t seq);
/* A retransmission brought `seq`: true if it was missing. */
bool seq_tally_on_repair(struct seq_tally *t, uint16_t seq);
uint64_t seq_tally_lost(const struct seq_tally *t); /* on the wire */
