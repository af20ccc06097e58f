#include "rtp/control/report.h"

#define INTERVAL_US 1000000
#define RTT_MAX_US 10000000  /* a longer round trip is a lie or a stepped clock */
#define RTT_ROUNDING_US 1000 /* this much below zero is the rounding of both ends */

void report_init(struct report *r, uint32_t ssrc, uint32_t clock_hz, uint64_t seed)
{
    *r = (struct report){
        .ssrc = ssrc,
        .clock_hz = clock_hz,
        .next_us = INT64_MAX,
        .random_state = seed,
        .rtt_us = -1,
    };
}

void report_on_sent(struct report *r, uint32_t n_packets, uint32_t payload_octets)
{
    r->packets += n_packets; /* both wrap (RFC 3550 6.4.1) */
    r->octets += payload_octets;
    r->any_sent = true;
}

void report_on_frame(struct report *r, uint32_t rtp_timestamp, int64_t captured_us, int64_t now_us)
{
    r->last_rtp_timestamp = rtp_timestamp;
    r->last_captured_us = captured_us;
    if (r->next_us == INT64_MAX)
        r->next_us = now_us; /* at once, so that receivers can synchronise from the start */
}

bool report_due(const struct report *r, int64_t now_us)
{
    return r->any_sent && now_us >= r->next_us;
}

/* splitmix64: any seed will do. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The RTP timestamp of the instant now, on the line through the newest frame. */
static uint32_t timestamp_at(const struct report *r, int64_t now_us)
{
    int64_t ticks = (now_us - r->last_captured_us) * (r->clock_hz / 1000) / 1000;
    return r->last_rtp_timestamp + (uint32_t)ticks;
}

size_t report_write(struct report *r, uint8_t *out, size_t room, const char *cname,
                    int64_t unix_offset_us, int64_t now_us)
{
    /* 0.5 to 1.5 intervals, so that viewers that joined together do not stay together. */
    r->next_us = now_us + INTERVAL_US / 2 + (int64_t)(draw(&r->random_state) % INTERVAL_US);

    struct rtcp_sender_info info = {
        .ssrc = r->ssrc,
        .ntp = rtcp_ntp_from_unix_us(now_us + unix_offset_us),
        .rtp_timestamp = timestamp_at(r, now_us),
        .packets = r->packets,
        .octets = r->octets,
    };
    size_t sr = rtcp_write_sr(out, room, &info);
    if (sr == 0)
        return 0;
    size_t sdes = rtcp_write_cname(out + sr, room - sr, r->ssrc, cname);
    return sdes ? sr + sdes : 0;
}

/* Arrival - LSR - DLSR in units of 1/65536 s (RFC 3550 6.4.1). */
static void update_rtt(struct report *r, const struct rtcp_report_block *b, int64_t unix_us)
{
    if (b->last_sr == 0)
        return;
    uint32_t arrival = (uint32_t)(rtcp_ntp_from_unix_us(unix_us) >> 16);
    int64_t rtt_us =
        (int64_t)(int32_t)(arrival - b->last_sr - b->delay_since_last_sr) * 15625 / 1024;
    if (rtt_us < -RTT_ROUNDING_US || rtt_us > RTT_MAX_US) {
        r->bad_rtts++;
        return;
    }
    r->rtt_us = rtt_us > 0 ? rtt_us : 0;
}

void report_on_block(struct report *r, const struct rtcp_report_block *b, int64_t unix_offset_us,
                     int64_t now_us)
{
    if (b->ssrc != r->ssrc)
        return;
    /* Nobody can have lost what was not sent. */
    if (!r->any_sent || b->cumulative_lost > (int64_t)r->packets) {
        r->bad_blocks++;
        return;
    }
    r->any_block = true;
    r->highest_seq = b->extended_highest_seq;
    r->fraction_lost = b->fraction_lost;
    r->cumulative_lost = b->cumulative_lost;
    r->jitter = b->jitter;
    r->last_block_us = now_us;
    update_rtt(r, b, now_us + unix_offset_us);
}
