#include "rtp/forward/viewer_internal.h"

#include <assert.h>
#include <string.h>

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
        if (v->tracks[i].rtx_payload_type != 0 && v->tracks[i].rtx_ssrc == ssrc)
            return true;
    }
    return false;
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
        if (t)
            report_on_block(&t->report, &block, v->unix_offset_us, now_us);
        else if (!is_rtx(v, block.ssrc))
            v->counters.bad_rtcp++;
    }
}

static void queue_resend(struct viewer *v, struct viewer_track *t, uint16_t seq)
{
    v->counters.nacks++;
    if (!t->stream) {
        v->counters.resend_misses++;
    } else if (t->resend_count == VIEWER_NACKS_PER_RTCP_MAX) {
        v->counters.resend_limited++;
    } else {
        unsigned at = (t->resend_head + t->resend_count++) % VIEWER_NACKS_PER_RTCP_MAX;
        t->resend[at] = seq;
    }
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

static void want_keyframe(struct viewer_track *t)
{
    if (t->stream)
        t->stream->keyframe_requests++;
}

static bool on_pli(struct viewer *v, const struct rtcp_feedback *f)
{
    struct viewer_track *t = find_track(v, f->media_ssrc);
    if (!t)
        return false;
    v->counters.plis++;
    want_keyframe(t);
    return true;
}

/* The media SSRC of a FIR is unused; its entries say which streams are meant (RFC 5104 4.3.1.2).
 * A repeated number is the same command again. */
static bool on_fir(struct viewer *v, const struct rtcp_feedback *f)
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
        want_keyframe(t);
    }
    return i > 0;
}

/* Unknown kinds of feedback, and bandwidth estimates that nothing here uses, are no error. */
static bool on_feedback(struct viewer *v, const struct rtcp_packet *p)
{
    struct rtcp_feedback f;
    if (!rtcp_read_feedback(p, &f))
        return false;
    if (p->type == RTCP_RTPFB)
        return p->count != RTCP_NACK || on_nack(v, &f);
    if (p->count == RTCP_PLI)
        return on_pli(v, &f);
    return p->count != RTCP_FIR || on_fir(v, &f);
}

void viewer_on_rtcp(struct viewer *v, const uint8_t *data, size_t size, int64_t now_us)
{
    struct rtcp_packet p;
    while (rtcp_next(&p, &data, &size)) {
        if (p.type == RTCP_SR || p.type == RTCP_RR)
            on_blocks(v, &p, now_us);
        else if ((p.type == RTCP_RTPFB || p.type == RTCP_PSFB) && !on_feedback(v, &p))
            v->counters.bad_rtcp++;
    }
    if (size != 0)
        v->counters.bad_rtcp++;
}

/* A track whose stream ended reports no more. */
int64_t viewer_report_timeout(const struct viewer *v)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct viewer_track *t = &v->tracks[i];
        if (t->stream && t->report.any_sent && t->report.next_us < next)
            next = t->report.next_us;
    }
    return next;
}

size_t viewer_write_report(struct viewer *v, uint8_t *out, size_t room, int64_t now_us)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        struct viewer_track *t = &v->tracks[i];
        if (!t->stream || !report_due(&t->report, now_us))
            continue;
        size_t size = report_write(&t->report, out, room, v->cname, v->unix_offset_us, now_us);
        assert(size != 0);
        return seal_rtcp(v->peer.seal, out, size, room);
    }
    return 0;
}

/* A compound packet begins with a report and names its source (RFC 3550 6.1). */
size_t viewer_write_bye(struct viewer *v, uint8_t *out, size_t room)
{
    uint32_t ssrcs[2 * VIEWER_TRACKS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        ssrcs[n++] = v->tracks[i].ssrc;
        if (v->tracks[i].rtx_payload_type != 0)
            ssrcs[n++] = v->tracks[i].rtx_ssrc;
    }
    size_t size = rtcp_write_rr(out, room, ssrcs[0], NULL, 0);
    size += rtcp_write_cname(out + size, room - size, ssrcs[0], v->cname);
    size += rtcp_write_bye(out + size, room - size, ssrcs, n);
    return seal_rtcp(v->peer.seal, out, size, room);
}
