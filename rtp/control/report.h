/* report.h - sender reports of one SSRC and what its receiver reports say (RFC 3550 6.4). Pure.
 *
 * The first sender report is due with the first frame that was sent, the next ones about every
 * second. Times are our clock's microseconds; `unix_offset_us` must stay the same for one stream,
 * and for those that are to be played together.
 */
#pragma once

#include "rtp/wire/rtcp.h"

#include <stdbool.h>
#include <stdint.h>

struct report {
    uint32_t ssrc, clock_hz;
    uint32_t packets, octets; /* sent, payload octets only (RFC 3550 6.4.1) */
    bool any_sent;
    uint32_t last_rtp_timestamp; /* of the newest frame, and when it was captured */
    int64_t last_captured_us;
    int64_t next_us;       /* when the next sender report is due; INT64_MAX before media */
    uint64_t random_state; /* for the interval's dither (RFC 3550 6.2) */

    /* from receiver reports */
    bool any_block;
    uint32_t highest_seq; /* extended */
    uint8_t fraction_lost;
    int32_t cumulative_lost;
    uint32_t jitter; /* RTP clock units */
    int64_t rtt_us;  /* -1: not known yet */
    int64_t last_block_us;
    uint64_t bad_blocks; /* claim more loss than was sent: not taken */
    uint64_t bad_rtts;   /* LSR and DLSR give no possible round trip: it keeps its value */
};

void report_init(struct report *r, uint32_t ssrc, uint32_t clock_hz, uint64_t seed);
void report_on_sent(struct report *r, uint32_t n_packets, uint32_t payload_octets);
/* Ties the RTP line to the clock: frame `rtp_timestamp` was captured at `captured_us`. */
void report_on_frame(struct report *r, uint32_t rtp_timestamp, int64_t captured_us, int64_t now_us);
bool report_due(const struct report *r, int64_t now_us);
/* SR + SDES CNAME as one compound packet. `unix_offset_us` turns our clock into UNIX time. Sets
 * the next due time (about 1 s, dithered), in any case. Returns the size, 0 if there is no room. */
size_t report_write(struct report *r, uint8_t *out, size_t room, const char *cname,
                    int64_t unix_offset_us, int64_t now_us);
/* A report block; one that is not about our SSRC is ignored. */
void report_on_block(struct report *r, const struct rtcp_report_block *b, int64_t unix_offset_us,
                     int64_t now_us);
