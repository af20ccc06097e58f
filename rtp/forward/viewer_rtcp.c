#include "rtp/forward/viewer_internal.h"

#include <assert.h>
#include <string.h>

#define PLAYOUT_RTT_US 20000 /* shorter ones are no matter */
#define PLAYOUT_LONG_RTT_US 100000
#define PLAYOUT_LOSS 8      /* of 256 */
#define PLAYOUT_LOSS_LONG 2 /* the same, where a round trip alone is too long */
#define PLAYOUT_FIRST_US 10000000
#define PLAYOUT_PACKETS 3 /* and not fewer than these, before a report says so */
#define PLAYOUT_MORE_US 110000
#define SOUND_LOSS 6       /* of 256: from then on sound comes twice, */
#define SOUND_LOSS_LEAST 2 /* until less than this is lost */
#define SOUND_HOLD_US 10000000
#define PLAYOUT_STEP_MS 50
#define PLAYOUT_MAX_MS 800
#define PLAYOUT_HOLD_US 30000000
#define REFERENCE_MAX_US 60000000
#define RTCP_BYE_MAX 31 /* its count has five bits (RFC 3550 6.6) */

static struct viewer_track *find_track(struct viewer *v, uint32_t ssrc)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].ssrc == ssrc)
            return &v->tracks[i];
    }
    return NULL;
}

static bool is_rtx(const struct viewer *v, uint32_t ssrc)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].pads && v->tracks[i].rtx_ssrc == ssrc)
            return true;
    }
    return false;
}

unsigned viewer_loss(const struct viewer *v, const struct viewer_track *t)
{
    unsigned told = loss_fraction(&v->loss);
    return told > t->report.fraction_lost ? told : t->report.fraction_lost;
}

/* As long as no report has told it: the soonest feedback, where even that is long. -1: not known.
 */
static int64_t rtt_of(const struct viewer *v, const struct viewer_track *t)
{
    if (t->report.rtt_us >= 0)
        return t->report.rtt_us;
    return v->soonest_us >= PLAYOUT_LONG_RTT_US && v->soonest_us != INT64_MAX ? v->soonest_us : -1;
}

/* Where a round trip alone is too long every packet that is lost is a freeze: how many are lost
 * counts, not what part. A path that begins with one will not be a clean one. */
static bool is_lossy(const struct viewer *v, const struct viewer_track *t, int64_t rtt_us,
                     int64_t now_us)
{
    uint32_t lost = loss_packets(&v->loss);
    if (rtt_us >= PLAYOUT_LONG_RTT_US)
        return t->report.fraction_lost >= PLAYOUT_LOSS_LONG ||
               lost >= (now_us - v->first_frame_us < PLAYOUT_FIRST_US ? 1 : 2);
    return rtt_us >= PLAYOUT_RTT_US &&
           (t->report.fraction_lost >= PLAYOUT_LOSS ||
            (lost >= PLAYOUT_PACKETS && loss_fraction(&v->loss) >= PLAYOUT_LOSS));
}

static void ask_to_hold(struct viewer_track *t, uint16_t ms)
{
    uint16_t most = ms > 0 ? PLAYOUT_MAX_MS : 0;
    t->holding_ms = ms;
    extensions_set_playout(&t->extensions, ms, most);
    if (t->described.size > 0)
        extensions_set_playout(&t->described, ms, most);
}

/* The player pauses for as long as it is asked to hold the next picture for longer: a little with
 * each of them is a slower pace for a moment, all at once would be the freeze that it is to avoid.
 */
void viewer_step_playout(struct viewer_track *t)
{
    if (t->holding_ms == t->playout_ms)
        return;
    int ms = t->holding_ms + PLAYOUT_STEP_MS;
    ask_to_hold(t, ms < t->playout_ms ? (uint16_t)ms : t->playout_ms);
}

/* Shown at once, a picture whose packet was lost stands for a round trip, and for a good deal more
 * where the NACK is lost too, which browsers repeat after 100 ms. Where that happens often they are
 * asked to hold pictures for so long; only with RTX, since without it packets are sent again with
 * the very same bytes. */
static void follow_playout(struct viewer *v, struct viewer_track *t, int64_t now_us)
{
    int64_t rtt_us = rtt_of(v, t);
    bool needed = is_lossy(v, t, rtt_us, now_us);
    if (!t->pads || (!needed && (t->playout_ms == 0 || now_us - t->repaired_us < PLAYOUT_HOLD_US)))
        return;
    int64_t ms = needed ? (rtt_us + PLAYOUT_MORE_US) / 1000 : 0;
    if (needed)
        t->repaired_us = now_us;
    if (ms > PLAYOUT_MAX_MS)
        ms = PLAYOUT_MAX_MS;
    bool told = t->playout_guessed && t->report.rtt_us >= 0;
    if (needed && t->playout_ms > 0 && ms < t->playout_ms + PLAYOUT_STEP_MS && !told)
        return;
    if ((t->playout_ms > 0) != (ms > 0))
        viewer_path_note(v, ms > 0 ? VIEWER_WHY_LOSSY : VIEWER_WHY_CLEAN, t, now_us);
    t->playout_ms = (uint16_t)ms;
    t->playout_guessed = needed && t->report.rtt_us < 0;
    if (t->holding_ms > t->playout_ms)
        ask_to_hold(t, t->playout_ms);
}

/* Sound is not sent again. On a path that is narrow losses are of its own making, and twice the
 * sound would make more of them. */
static void follow_repeats(struct viewer *v, struct viewer_track *t, int64_t now_us)
{
    if (t->red_payload_type == 0)
        return;
    bool narrow = v->path && v->path->narrow;
    bool lossy =
        t->report.fraction_lost >= SOUND_LOSS ||
        (loss_packets(&v->loss) >= PLAYOUT_PACKETS && loss_fraction(&v->loss) >= SOUND_LOSS);
    if (viewer_loss(v, t) >= SOUND_LOSS_LEAST)
        t->repaired_us = now_us;
    bool repeats = !narrow && (lossy || (t->repeats && now_us - t->repaired_us < SOUND_HOLD_US));
    if (repeats != t->repeats)
        viewer_path_note(v, repeats ? VIEWER_WHY_TWICE : VIEWER_WHY_ONCE, t, now_us);
    t->repeats = repeats;
}

static void follow_track(struct viewer *v, struct viewer_track *t, int64_t now_us)
{
    if (t->kind == FORWARDER_VIDEO)
        follow_playout(v, t, now_us);
    else
        follow_repeats(v, t, now_us);
}

void viewer_follow_loss(struct viewer *v, int64_t now_us)
{
    struct viewer_track *t;
    for (uint32_t set = v->present & v->sent; (t = viewer_take_track(v, &set));)
        follow_track(v, t, now_us);
}

static void on_blocks(struct viewer *v, const struct rtcp_packet *p, int64_t now_us)
{
    struct rtcp_report_block block;
    for (unsigned i = 0; i < p->count; i++) {
        if (!rtcp_read_block(p, i, &block)) {
            v->counters.bad_rtcp++;
            return;
        }
        struct viewer_track *t = find_track(v, block.ssrc);
        if (t) {
            report_on_block(&t->report, &block, v->unix_offset_us, now_us);
            if (t->kind == FORWARDER_VIDEO && t->report.any_block)
                viewer_path_on_report(v, &t->report, now_us);
            follow_track(v, t, now_us);
        } else if (!is_rtx(v, block.ssrc)) {
            v->counters.bad_rtcp++;
        }
    }
}

static void queue_resend(struct viewer *v, struct viewer_track *t, uint16_t seq)
{
    v->counters.nacks++;
    if (!t->stream || !t->past || t->stream->n_layers == 0)
        v->counters.resend_misses++; /* sound too: it would come too late */
    else if (!past_queue_resend(t->past, seq))
        v->counters.resend_limited++;
}

static bool on_nack(struct viewer *v, const struct rtcp_feedback *f)
{
    struct viewer_track *t = find_track(v, f->media_ssrc);
    if (!t || f->fci_size == 0)
        return false;
    uint16_t seqs[VIEWER_NACKS_PER_RTCP_MAX];
    size_t n = rtcp_read_nack(f, seqs, VIEWER_NACKS_PER_RTCP_MAX);
    for (size_t i = 0; i < n; i++)
        queue_resend(v, t, seqs[i]);
    return true;
}

static bool on_pli(struct viewer *v, const struct rtcp_feedback *f, int64_t now_us)
{
    struct viewer_track *t = find_track(v, f->media_ssrc);
    if (!t)
        return false;
    v->counters.plis++;
    viewer_track_need_keyframe(v, t, now_us);
    return true;
}

/* The media SSRC of a FIR is unused; its entries say which streams are meant (RFC 5104 4.3.1.2).
 * A repeated number is the same command again. */
static bool on_fir(struct viewer *v, const struct rtcp_feedback *f, int64_t now_us)
{
    uint32_t ssrc;
    uint8_t seq;
    unsigned i = 0;
    for (; rtcp_read_fir(f, i, &ssrc, &seq); i++) {
        struct viewer_track *t = find_track(v, ssrc);
        if (!t) {
            v->counters.bad_rtcp++;
            continue;
        }
        if (t->any_fir && t->last_fir_seq == seq)
            continue;
        t->any_fir = true;
        t->last_fir_seq = seq;
        v->counters.firs++;
        viewer_track_need_keyframe(v, t, now_us);
    }
    return i > 0;
}

static bool on_rtpfb(struct viewer *v, unsigned format, const struct rtcp_feedback *f,
                     int64_t now_us)
{
    if (format == RTCP_NACK)
        return on_nack(v, f);
    return format != RTCP_TRANSPORT_CC || viewer_path_on_feedback(v, f, now_us);
}

static bool on_remb(struct viewer *v, const struct rtcp_feedback *f, int64_t now_us)
{
    uint64_t bps;
    if (rtcp_read_remb(f, &bps))
        viewer_path_on_remb(v, bps, now_us);
    return true; /* else it is something else of the application's */
}

/* Unknown kinds of feedback are no error. */
static bool on_feedback(struct viewer *v, const struct rtcp_packet *p, int64_t now_us)
{
    struct rtcp_feedback f;
    if (!rtcp_read_feedback(p, &f))
        return false;
    if (p->type == RTCP_RTPFB)
        return on_rtpfb(v, p->count, &f, now_us);
    if (p->count == RTCP_AFB)
        return on_remb(v, &f, now_us);
    if (p->count == RTCP_PLI)
        return on_pli(v, &f, now_us);
    return p->count != RTCP_FIR || on_fir(v, &f, now_us);
}

static void on_reference(struct viewer *v, const struct rtcp_packet *p, int64_t now_us)
{
    uint64_t ntp;
    uint32_t ssrc;
    if (!rtcp_read_rrtr(p, &ssrc, &ntp))
        return;
    v->reference.ssrc = ssrc;
    v->reference.ntp = (uint32_t)(ntp >> 16);
    v->reference.at_us = now_us;
}

/* 0: its last one is too old for a delay of 16 bits of seconds, or there was none. */
static size_t write_answer(const struct viewer *v, uint32_t ssrc, uint8_t *out, size_t room,
                           int64_t now_us)
{
    int64_t delay_us = now_us - v->reference.at_us;
    struct rtcp_report_block block = {
        .ssrc = v->reference.ssrc,
        .last_sr = v->reference.ntp,
        .delay_since_last_sr = (uint32_t)(delay_us * 1024 / 15625), /* of 1/65536 s */
    };
    bool fresh = v->reference.ssrc != 0 && delay_us < REFERENCE_MAX_US;
    return fresh ? rtcp_write_dlrr(out, room, ssrc, &block) : 0;
}

void viewer_on_rtcp(struct viewer *v, const uint8_t *data, size_t size, int64_t now_us)
{
    struct rtcp_packet p;
    while (rtcp_next(&p, &data, &size)) {
        if (p.type == RTCP_SR || p.type == RTCP_RR)
            on_blocks(v, &p, now_us);
        else if (p.type == RTCP_XR)
            on_reference(v, &p, now_us);
        else if ((p.type == RTCP_RTPFB || p.type == RTCP_PSFB) && !on_feedback(v, &p, now_us))
            v->counters.bad_rtcp++;
    }
    if (size != 0)
        v->counters.bad_rtcp++;
}

/* A track whose stream has no source, or that is paused, reports no more. */
int64_t viewer_report_timeout(const struct viewer *v)
{
    struct viewer *any = (struct viewer *)v; /* nothing is changed */
    int64_t next = INT64_MAX;
    const struct viewer_track *t;
    for (uint32_t set = v->present & v->sent; (t = viewer_take_track(any, &set));) {
        if (t->report.next_us < next)
            next = t->report.next_us;
    }
    return next;
}

size_t viewer_write_report(struct viewer *v, uint8_t *out, size_t room, int64_t now_us)
{
    struct viewer_track *t;
    for (uint32_t set = v->present & v->sent; (t = viewer_take_track(v, &set));) {
        if (!report_due(&t->report, now_us))
            continue;
        size_t size = report_write(&t->report, out, room, v->cname, v->unix_offset_us, now_us);
        assert(size != 0);
        size += write_answer(v, t->ssrc, out + size, room - size, now_us);
        return seal_rtcp(v->peer.seal, out, size, room);
    }
    return 0;
}

/* A compound packet begins with a report and names its source (RFC 3550 6.1). Those leave who have
 * sent, or the first one if nobody has; a BYE has room for so many. */
size_t viewer_write_bye(struct viewer *v, uint8_t *out, size_t room)
{
    uint32_t ssrcs[RTCP_BYE_MAX] = {v->tracks[0].ssrc};
    unsigned n = 0;
    const struct viewer_track *t;
    for (uint32_t set = v->sent; n + 2 <= RTCP_BYE_MAX && (t = viewer_take_track(v, &set));) {
        ssrcs[n++] = t->ssrc;
        if (t->pads)
            ssrcs[n++] = t->rtx_ssrc;
    }
    size_t size = rtcp_write_rr(out, room, ssrcs[0], NULL, 0);
    size += rtcp_write_cname(out + size, room - size, ssrcs[0], v->cname);
    size += rtcp_write_bye(out + size, room - size, ssrcs, n > 0 ? n : 1);
    return seal_rtcp(v->peer.seal, out, size, room);
}
