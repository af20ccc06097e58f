/* receive.h - what a receiver report says about one SSRC (RFC 3550 A.1, A.3, A.8). Pure.
 *
 * Life: receive_init, receive_on_packet for every packet of the SSRC, receive_block for every
 * report. SRTP has proved who sent a packet, so there is no probation. A sender that starts over
 * with other sequence numbers is believed at its second packet in a row; counting starts over too.
 */
#pragma once

#include "rtp/wire/rtcp.h"

#include <stdbool.h>
#include <stdint.h>

struct receive {
    uint32_t ssrc;
    uint32_t clock_hz;

    bool any;
    uint16_t max_seq;
    uint32_t cycles; /* counts of 2^16 */
    uint32_t base_seq;
    uint32_t bad_seq; /* the one after a refused packet; above 65535: none */
    uint32_t received;
    uint32_t expected_before, received_before; /* at the last report */

    uint32_t transit;   /* of the newest packet, RTP clock units */
    uint32_t jitter_q4; /* 1/16 RTP clock units */
    bool any_sr;
    uint32_t last_sr; /* middle 32 bits of its NTP timestamp */
    int64_t last_sr_us;
};

void receive_init(struct receive *r, uint32_t ssrc, uint32_t clock_hz);
/* False if the sequence number makes no sense: it is then not counted. */
bool receive_on_packet(struct receive *r, uint16_t seq, uint32_t timestamp, int64_t now_us);
void receive_on_sender_report(struct receive *r, uint64_t ntp, int64_t now_us);
/* Fills a block and begins the next interval; false before the first packet. */
bool receive_block(struct receive *r, struct rtcp_report_block *out, int64_t now_us);
