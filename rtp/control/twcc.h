/* twcc.h - what was sent under which transport-wide sequence number, and what became of it. Pure.
 *
 * The sender's side of draft-holmer-rmcat-transport-wide-cc-extensions-01, one per viewer. A packet
 * takes four bytes: when it was sent (in 32 us, modulo 16 s), its size and its fate; 1024 of them
 * are remembered, 0.4 s at 25 Mbit/s, for 8 s at most. What is older is forgotten: feedback about
 * it gives no result, and it does not count as in flight.
 *
 * Life: twcc_init; twcc_on_sent for every packet, in the order of sequence numbers; for each
 * feedback twcc_begin, then twcc_next until it returns false. A packet's fate is told once: as
 * lost, as received, or first as lost and later as received (it was only late).
 */
#pragma once

#include "rtp/wire/rtcp.h"

#include <stdbool.h>
#include <stdint.h>

#define TWCC_PACKETS 1024    /* a power of two */
#define TWCC_PACKET_MAX 2047 /* bytes */

struct twcc {
    uint32_t packet[TWCC_PACKETS]; /* from the top: 19 bits of time, 11 of size, 2 of fate */
    uint16_t next_seq;
    uint16_t count;     /* packets known, the newest ones */
    uint16_t settled;   /* of them, from the oldest on, that are not in flight any more */
    uint32_t in_flight; /* bytes: newer than the newest packet that feedback was about */
    int64_t last_sent_us;

    bool any_feedback;
    int64_t reference;       /* of the newest feedback, continued over its wrap; 64 ms units */
    uint64_t received, lost; /* results */
    uint64_t unknown;        /* statuses about packets that are not known (any more) */
    uint64_t unknown_lost;   /* of them, those that say lost */
};

struct twcc_result {
    uint16_t seq, bytes;
    bool received;
    bool was_lost; /* it had been told as lost */
    uint32_t
        skipped;     /* bytes sent right before it that no feedback was about: it was lost itself */
    int64_t sent_us; /* rounded down to 32 us */
    int64_t arrived_us; /* on the receiver's clock, from an arbitrary origin */
};

void twcc_init(struct twcc *t);
/* A gap in the sequence numbers forgets what was before. Larger packets count TWCC_PACKET_MAX. */
void twcc_on_sent(struct twcc *t, uint16_t seq, unsigned bytes, int64_t now_us);
/* The same for `n` packets (1 to TWCC_PACKETS) in a row, of `bytes` each but the last one. */
void twcc_on_sent_train(struct twcc *t, uint16_t seq, unsigned n, unsigned bytes,
                        unsigned last_bytes, int64_t now_us);
/* Places this feedback in time. */
void twcc_begin(struct twcc *t, const struct rtcp_transport_cc *feedback, int64_t now_us);
bool twcc_next(struct twcc *t, struct rtcp_transport_cc *feedback, struct twcc_result *out);
