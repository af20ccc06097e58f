#include "rtp/forward/ingest_internal.h"

#include <assert.h>
#include <string.h>

#define REPORT_US 1000000
#define REPORT_BLOCKS_MAX 31 /* its count has five bits (RFC 3550 6.4.2) */
#define RTT_MAX_US 10000000  /* a longer round trip is a lie */
#define RTT_ROUNDING_US 1000
#define NACKS_PER_MESSAGE 128
#define PLI_AGAIN_US 200000 /* and a round trip; then twice as long, up to PLI_AGAIN_MAX_US */
#define PLI_AGAIN_MAX_US 2000000
#define NO_LIMIT_BPS 1000000000

/* --- reading --- */

static struct ingest_flow *find_flow(const struct ingest *in, uint32_t ssrc)
{
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (f && f->ssrc == ssrc)
            return f;
    }
    return NULL;
}

static bool on_sender_report(struct ingest *in, const struct rtcp_packet *p, int64_t now_us)
{
    struct rtcp_sender_info info;
    if (!rtcp_read_sender_info(p, &info))
        return false;
    struct ingest_flow *f = find_flow(in, info.ssrc);
    if (f) {
        receive_on_sender_report(&f->receive, info.ntp, now_us);
        timing_on_report(&f->timing, info.ntp, info.rtp_timestamp);
    }
    return true; /* else of its RTX, or of what has sent nothing yet */
}

/* Our clock serves as the reference time: only differences of it are ever used. */
static uint32_t reference_now(int64_t now_us)
{
    return (uint32_t)(rtcp_ntp_from_unix_us(now_us) >> 16);
}

static void on_extended_report(struct ingest *in, const struct rtcp_packet *p, int64_t now_us)
{
    struct rtcp_report_block b;
    if (!rtcp_read_dlrr(p, in->rtcp_ssrc, &b) || b.last_sr == 0)
        return;
    uint32_t passed = reference_now(now_us) - b.last_sr - b.delay_since_last_sr;
    int64_t rtt_us = (int64_t)(int32_t)passed * 15625 / 1024;
    if (rtt_us < -RTT_ROUNDING_US || rtt_us > RTT_MAX_US) {
        in->counters.bad_rtcp++;
        return;
    }
    ingest_on_rtt(in, rtt_us > 0 ? rtt_us : 0);
}

static void on_bye(struct ingest *in, const struct rtcp_packet *p, int64_t now_us)
{
    uint32_t ssrc;
    for (unsigned i = 0; rtcp_read_bye(p, i, &ssrc); i++) {
        struct ingest_flow *f = find_flow(in, ssrc);
        if (f)
            f->newest_us = now_us - INGEST_SILENT_US; /* nothing more is to be expected */
    }
}

void ingest_on_rtcp(struct ingest *in, const uint8_t *data, size_t size, int64_t now_us)
{
    struct rtcp_packet p;
    while (rtcp_next(&p, &data, &size)) {
        if (p.type == RTCP_SR && !on_sender_report(in, &p, now_us))
            in->counters.bad_rtcp++;
        else if (p.type == RTCP_XR)
            on_extended_report(in, &p, now_us);
        else if (p.type == RTCP_BYE)
            on_bye(in, &p, now_us);
    }
    if (size != 0)
        in->counters.bad_rtcp++;
}

/* --- keyframes --- */

static int64_t pli_timeout(const struct ingest_flow *f)
{
    int64_t at_us = keyframe_next_timeout(&f->budget);
    return at_us > f->pli_next_us ? at_us : f->pli_next_us;
}

static size_t write_pli(struct ingest *in, struct ingest_flow *f, uint8_t *out, size_t room,
                        int64_t now_us)
{
    if (now_us < pli_timeout(f))
        return 0;
    int64_t again_us = PLI_AGAIN_US << (f->pli_tries < 4 ? f->pli_tries : 4);
    if (again_us > PLI_AGAIN_MAX_US)
        again_us = PLI_AGAIN_MAX_US;
    f->pli_next_us = now_us + again_us + (in->rtt_us > 0 ? in->rtt_us : 0);
    f->pli_tries++;
    f->plis++;
    in->counters.plis++;
    return rtcp_write_pli(out, room, in->rtcp_ssrc, f->ssrc);
}

/* --- what is missing --- */

static size_t write_nack(struct ingest *in, struct ingest_flow *f, uint8_t *out, size_t room,
                         int64_t now_us)
{
    uint16_t seqs[NACKS_PER_MESSAGE];
    size_t n = f->nack_on ? nack_next(&f->nack, seqs, NACKS_PER_MESSAGE, now_us) : 0;
    if (n == 0)
        return 0;
    in->counters.nacks += n;
    return rtcp_write_nack(out, room, in->rtcp_ssrc, f->ssrc, seqs, n);
}

static size_t write_wishes(struct ingest *in, uint8_t *out, size_t room, int64_t now_us)
{
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (!f || ingest_is_sound(in, f))
            continue;
        size_t size = write_nack(in, f, out, room, now_us);
        size += write_pli(in, f, out + size, room - size, now_us);
        if (size > 0)
            return size;
    }
    return 0;
}

/* --- transport-wide feedback --- */

static size_t write_transport(struct ingest *in, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < in->transport_due_us)
        return 0;
    const struct ingest_flow *any = NULL;
    for (unsigned i = 0; !any && i < INGEST_FLOWS(in); i++)
        any = ingest_flow_at(in, i);
    size_t size =
        twcc_feedback_write(&in->transport, out, room, in->rtcp_ssrc, any ? any->ssrc : 0);
    if (size == 0)
        in->transport_due_us = INT64_MAX;
    else
        in->counters.feedback++;
    return size;
}

/* --- reports --- */

static unsigned take_blocks(struct ingest *in, struct rtcp_report_block *blocks, int64_t now_us)
{
    unsigned n = 0;
    for (unsigned i = 0; i < INGEST_FLOWS(in) && n < REPORT_BLOCKS_MAX; i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (!f || now_us - f->newest_us >= INGEST_SILENT_US ||
            !receive_block(&f->receive, &blocks[n], now_us))
            continue;
        f->fraction_lost = blocks[n++].fraction_lost;
    }
    return n;
}

static void update_remb(struct ingest *in, int64_t now_us)
{
    uint64_t expected = 0, lost = 0, bps = 0;
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (!f)
            continue;
        expected += f->packets - f->remb_packets;
        lost += f->nack.missing - f->remb_missing;
        bps += meter_bps(&f->meter, INGEST_RATE_US, now_us);
        f->remb_packets = f->packets;
        f->remb_missing = f->nack.missing;
    }
    remb_update(&in->remb, expected + lost, lost, bps);
}

/* What it is to be told; 0: nothing. One that gets transport-wide feedback estimates by itself, and
 * is told limits alone. */
static uint64_t rate_to_tell(const struct ingest *in)
{
    if (!in->sends_transport_cc)
        return in->remb.bps;
    if (in->remb.max_bps > 0)
        return in->remb.max_bps;
    return in->remb_told_bps > 0 ? NO_LIMIT_BPS : 0;
}

static size_t write_remb(struct ingest *in, uint8_t *out, size_t room, int64_t now_us)
{
    uint32_t ssrcs[INGEST_TRACKS_MAX * INGEST_LAYERS_MAX];
    unsigned n = 0;
    update_remb(in, now_us);
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        const struct ingest_flow *f = ingest_flow_at(in, i);
        if (f && !ingest_is_sound(in, f))
            ssrcs[n++] = f->ssrc;
    }
    uint64_t bps = in->sends_remb && n > 0 ? rate_to_tell(in) : 0;
    if (bps == 0)
        return 0;
    in->remb_told_bps = bps;
    return rtcp_write_remb(out, room, in->rtcp_ssrc, bps, ssrcs, n);
}

static size_t write_report(struct ingest *in, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < in->report_due_us)
        return 0;
    in->report_due_us = now_us + REPORT_US / 2 + (int64_t)(ingest_draw(in) % REPORT_US);
    struct rtcp_report_block blocks[REPORT_BLOCKS_MAX];
    unsigned n = take_blocks(in, blocks, now_us);
    size_t size = rtcp_write_rr(out, room, in->rtcp_ssrc, blocks, n);
    size += rtcp_write_cname(out + size, room - size, in->rtcp_ssrc, in->cname);
    size += rtcp_write_rrtr(out + size, room - size, in->rtcp_ssrc, rtcp_ntp_from_unix_us(now_us));
    size += write_remb(in, out + size, room - size, now_us);
    return size;
}

/* --- all --- */

size_t ingest_write_feedback(struct ingest *in, uint8_t *out, size_t room, int64_t now_us)
{
    size_t left = room - SEAL_TRAILER_MAX;
    size_t size = write_wishes(in, out, left, now_us);
    if (size == 0)
        size = write_transport(in, out, left, now_us);
    if (size == 0)
        size = write_report(in, out, left, now_us);
    return size == 0 ? 0 : seal_rtcp(in->peer.seal, out, size, room);
}

int64_t ingest_feedback_timeout(const struct ingest *in)
{
    int64_t next_us =
        in->transport_due_us < in->report_due_us ? in->transport_due_us : in->report_due_us;
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        const struct ingest_flow *f = ingest_flow_at(in, i);
        if (!f || ingest_is_sound(in, f))
            continue;
        int64_t at_us = f->nack_on ? nack_next_timeout(&f->nack) : INT64_MAX;
        if (pli_timeout(f) < at_us)
            at_us = pli_timeout(f);
        if (at_us < next_us)
            next_us = at_us;
    }
    return next_us;
}

size_t ingest_write_bye(struct ingest *in, uint8_t *out, size_t room)
{
    size_t size = rtcp_write_rr(out, room, in->rtcp_ssrc, NULL, 0);
    size += rtcp_write_cname(out + size, room - size, in->rtcp_ssrc, in->cname);
    size += rtcp_write_bye(out + size, room - size, &in->rtcp_ssrc, 1);
    return seal_rtcp(in->peer.seal, out, size, room);
}
