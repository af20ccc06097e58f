#include "rtp/control/receive.h"

#include <assert.h>

#define MAX_DROPOUT 3000 /* RFC 3550 A.1 */
#define MAX_MISORDER 100
#define SEQ_MOD 65536u
#define NO_BAD_SEQ (SEQ_MOD + 1)
#define LOST_MAX 0x7fffff /* 24 bits, signed */

void receive_init(struct receive *r, uint32_t ssrc, uint32_t clock_hz)
{
    assert(clock_hz > 0);
    *r = (struct receive){.ssrc = ssrc, .clock_hz = clock_hz, .bad_seq = NO_BAD_SEQ};
}

static uint32_t transit_of(const struct receive *r, uint32_t timestamp, int64_t now_us)
{
    uint64_t now = (uint64_t)now_us;
    uint64_t arrival = now / 1000000 * r->clock_hz + now % 1000000 * r->clock_hz / 1000000;
    return (uint32_t)arrival - timestamp;
}

static void start(struct receive *r, uint16_t seq, uint32_t transit)
{
    r->any = true;
    r->base_seq = seq;
    r->max_seq = seq;
    r->bad_seq = NO_BAD_SEQ;
    r->cycles = 0;
    r->received = 0;
    r->received_before = 0;
    r->expected_before = 0;
    r->transit = transit;
    r->jitter_q4 = 0;
}

/* RFC 3550 A.1, without the probation. */
static bool update_seq(struct receive *r, uint16_t seq, uint32_t transit)
{
    uint16_t ahead = (uint16_t)(seq - r->max_seq);
    if (ahead < MAX_DROPOUT) {
        if (seq < r->max_seq)
            r->cycles += SEQ_MOD;
        r->max_seq = seq;
    } else if (ahead <= SEQ_MOD - MAX_MISORDER) {
        if (seq != r->bad_seq) {
            r->bad_seq = (seq + 1) & (SEQ_MOD - 1);
            return false;
        }
        start(r, seq, transit);
    }
    return true;
}

bool receive_on_packet(struct receive *r, uint16_t seq, uint32_t timestamp, int64_t now_us)
{
    uint32_t transit = transit_of(r, timestamp, now_us);
    if (!r->any)
        start(r, seq, transit);
    else if (!update_seq(r, seq, transit))
        return false;
    r->received++;

    /* RFC 3550 A.8 */
    int32_t d = (int32_t)(transit - r->transit);
    r->transit = transit;
    r->jitter_q4 += (uint32_t)(d < 0 ? -(int64_t)d : d) - ((r->jitter_q4 + 8) >> 4);
    return true;
}

void receive_on_sender_report(struct receive *r, uint64_t ntp, int64_t now_us)
{
    r->any_sr = true;
    r->last_sr = (uint32_t)(ntp >> 16);
    r->last_sr_us = now_us;
}

static int32_t clamp_lost(int64_t lost)
{
    if (lost > LOST_MAX)
        return LOST_MAX;
    return lost < -LOST_MAX - 1 ? -LOST_MAX - 1 : (int32_t)lost;
}

bool receive_block(struct receive *r, struct rtcp_report_block *out, int64_t now_us)
{
    if (!r->any)
        return false;
    uint32_t highest = r->cycles + r->max_seq;
    uint32_t expected = highest - r->base_seq + 1;
    uint32_t expected_now = expected - r->expected_before;
    int64_t lost_now = (int64_t)expected_now - (int64_t)(r->received - r->received_before);
    r->expected_before = expected;
    r->received_before = r->received;

    *out = (struct rtcp_report_block){
        .ssrc = r->ssrc,
        .cumulative_lost = clamp_lost((int64_t)expected - (int64_t)r->received),
        .extended_highest_seq = highest,
        .jitter = r->jitter_q4 >> 4,
    };
    if (lost_now > 0) {
        int64_t fraction = (lost_now << 8) / expected_now;
        out->fraction_lost = (uint8_t)(fraction < 255 ? fraction : 255);
    }
    if (r->any_sr) {
        out->last_sr = r->last_sr;
        out->delay_since_last_sr = (uint32_t)((now_us - r->last_sr_us) * 1024 / 15625);
    }
    return true;
}
