#include "rtp/forward/viewer_internal.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <string.h>

#define SQUEEZED_STEP (RTP_VIDEO_CLOCK_HZ / 1000)
/* What leaves at once when the pacer lets anything leave: sends worth their cost, and pauses of 2
 * to 5 ms between them. */
#define PACED_SEGMENTS 16
#define PACED_US 2500
#define RESEND_GAP_MIN_MS 5
#define RESEND_GAP_UNKNOWN_MS 20 /* while the round trip is not known */
#define RTX_OSN_SIZE 2           /* the original sequence number (RFC 4588 4) */

/* --- where a track stands --- */

/* From the stream's cached keyframe on, if there is one behind the place that was lost. */
static bool start_from_cache(struct viewer *v, struct viewer_track *t)
{
    uint64_t join = stream_join_id(t->stream);
    if (join <= t->cursor_id)
        return false;
    t->started = true;
    t->cursor_id = join;
    t->cursor_packet = 0;
    if (t->joined) {
        /* Not squeezed: the player has its time line by now, and these frames are merely late. */
        v->counters.keyframe_jumps++;
        return true;
    }
    t->joined = true;
    t->live_id = t->stream->newest_id;
    t->live_rtp_ts = stream_frame(t->stream, t->live_id)->rtp_ts;
    if (t->waiting)
        t->stream->joins_waited++;
    else
        t->stream->joins_from_cache++;
    return true;
}

static void start_track(struct viewer *v, struct viewer_track *t)
{
    if (start_from_cache(v, t)) {
        t->waiting = false;
    } else if (!t->waiting) {
        t->waiting = true;
        t->stream->keyframe_requests++;
    }
}

void viewer_start_tracks(struct viewer *v, const struct stream *only)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        struct viewer_track *t = &v->tracks[i];
        if (t->stream && !t->started && (!only || t->stream == only))
            start_track(v, t);
    }
}

/* The frame to go on with; NULL: nothing to send now. */
static const struct frame *next_frame(struct viewer *v, struct viewer_track *t)
{
    if (!t->started || t->cursor_id > t->stream->newest_id)
        return NULL;
    const struct frame *f = stream_frame(t->stream, t->cursor_id);
    if (f)
        return f;
    /* It fell out of the ring, or was never given to it: what follows needs a keyframe. */
    t->started = false;
    start_track(v, t);
    return t->started ? stream_frame(t->stream, t->cursor_id) : NULL;
}

/* A new viewer is behind on purpose until it has reached the frame that was live when it joined. */
static bool is_late(const struct viewer_track *t)
{
    if (!t->stream || !t->started || t->cursor_id < t->live_id)
        return false;
    const struct frame *next = stream_frame(t->stream, t->cursor_id);
    const struct frame *newest = stream_frame(t->stream, t->stream->newest_id);
    return next && newest->captured_us - next->captured_us >= VIEWER_LATE_US;
}

void viewer_skip_late(struct viewer *v)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (is_late(&v->tracks[i]))
            (void)start_from_cache(v, &v->tracks[i]);
    }
}

static bool is_any_started(const struct viewer *v)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].started)
            return true;
    }
    return false;
}

bool viewer_has_media(const struct viewer *v)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct viewer_track *t = &v->tracks[i];
        if (t->resend_count > 0 || (t->started && t->cursor_id <= t->stream->newest_id))
            return true;
    }
    return false;
}

/* --- packets and trains --- */

/* The same for every packet of a train but for sequence numbers and marker. */
struct header {
    uint8_t bytes[RTP_HEADER_SIZE + EXTENSIONS_MAX_SIZE];
    size_t size;
};

/* The same for a frame's packets whenever they are sent: a retransmission must not differ. */
static uint32_t frame_timestamp(const struct viewer_track *t, const struct frame *f)
{
    uint32_t rtp_ts = f->rtp_ts;
    if (f->id < t->live_id)
        rtp_ts = t->live_rtp_ts - (uint32_t)(t->live_id - f->id) * SQUEEZED_STEP;
    return rtp_ts + t->timestamp_offset;
}

static void begin_header(struct header *h, const struct viewer_track *t, bool rtx,
                         uint32_t timestamp)
{
    struct rtp_header fixed = {
        .payload_type = rtx ? t->rtx_payload_type : t->payload_type,
        .timestamp = timestamp,
        .ssrc = rtx ? t->rtx_ssrc : t->ssrc,
    };
    rtp_write(h->bytes, &fixed, t->extensions.size > 0);
    memcpy(h->bytes + RTP_HEADER_SIZE, t->extensions.bytes, t->extensions.size);
    h->size = RTP_HEADER_SIZE + t->extensions.size;
}

static void put_header(struct viewer *v, const struct viewer_track *t, uint8_t *out,
                       const struct header *h, uint16_t seq, bool marker)
{
    memcpy(out, h->bytes, h->size);
    out[1] |= marker ? 0x80 : 0;
    put_u16(out + 2, seq);
    if (t->extensions.transport_cc_at != 0)
        put_u16(out + RTP_HEADER_SIZE + t->extensions.transport_cc_at, v->transport_seq++);
}

static unsigned at_most(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many packets of this payload size may leave in one train now. */
static unsigned segments_allowed(struct viewer *v, const struct viewer_track *t,
                                 size_t payload_size, int64_t now_us)
{
    size_t most = RTP_HEADER_SIZE + t->extensions.size + payload_size + SEAL_TRAILER_MAX;
    int64_t bytes = pacer_available(&v->pacer, now_us);
    int64_t pause = (int64_t)(v->pacer.rate_bps / 8 * PACED_US / 1000000);
    int64_t paced = (bytes > pause ? bytes : pause) / (int64_t)most;
    if (paced < PACED_SEGMENTS)
        paced = PACED_SEGMENTS;
    unsigned fit = at_most(VIEWER_TRAIN_MAX, (unsigned)(VIEWER_TRAIN_BYTES / most));
    return paced < fit ? (unsigned)paced : fit;
}

static void add_segment(struct viewer_train *train, size_t size)
{
    if (train->n_segments == 0)
        train->segment_size = (uint16_t)size;
    assert(size > 0 && size <= train->segment_size);
    train->n_segments++;
    train->size += (uint32_t)size;
}

/* --- frames --- */

static void finish_frame(struct viewer *v, struct viewer_track *t, const struct frame *f,
                         int64_t now_us)
{
    t->cursor_id++;
    t->cursor_packet = 0;
    v->counters.frames_sent++;
    report_on_frame(&t->report, f->rtp_ts + t->timestamp_offset, f->captured_us, now_us);
    if (v->first_frame_us < 0)
        v->first_frame_us = now_us;
    if (v->state == VIEWER_WAIT_KEYFRAME)
        viewer_set_state(v, VIEWER_PLAYING, now_us);
}

static void send_frame(struct viewer *v, struct viewer_track *t, const struct frame *f,
                       unsigned max_segments, struct viewer_train *train, uint8_t *out)
{
    struct header h;
    begin_header(&h, t, false, frame_timestamp(t, f));
    const struct packetize_packet *p = &f->payload.packets[t->cursor_packet];
    unsigned n = at_most(max_segments, f->payload.n_packets - t->cursor_packet);
    uint16_t full = p->size;
    uint32_t octets = 0;
    unsigned sent = 0;

    while (sent < n && p->size <= full) {
        uint8_t *at = out + train->size;
        uint16_t seq =
            history_add(&t->history, (uint32_t)f->id, (uint16_t)(t->cursor_packet + sent));
        put_header(v, t, at, &h, seq, p->marker);
        add_segment(train,
                    seal_rtp(v->peer.seal, at, h.size, f->payload.data + p->offset, p->size));
        octets += p->size;
        sent++;
        if (p->size < full) /* a shorter one ends the train */
            break;
        p++;
    }
    t->cursor_packet = (uint16_t)(t->cursor_packet + sent);
    report_on_sent(&t->report, sent, octets);
}

bool viewer_send_media(struct viewer *v, struct viewer_train *train, uint8_t *out, int64_t now_us)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        struct viewer_track *t = &v->tracks[(v->next_track + i) % v->n_tracks];
        const struct frame *f = next_frame(v, t);
        if (!f)
            continue;
        uint16_t payload_size = f->payload.packets[t->cursor_packet].size;
        send_frame(v, t, f, segments_allowed(v, t, payload_size, now_us), train, out);
        if (t->cursor_packet == f->payload.n_packets)
            finish_frame(v, t, f, now_us);
        v->next_track = (v->next_track + i + 1) % v->n_tracks;
        return true;
    }
    if (v->state == VIEWER_PLAYING && !is_any_started(v))
        viewer_set_state(v, VIEWER_WAIT_KEYFRAME, now_us);
    return false;
}

/* --- retransmission --- */

/* The history keeps 32 bits of a frame's id. */
static const struct frame *find_frame(const struct viewer_track *t, const struct history_entry *e)
{
    uint64_t newest = t->stream->newest_id;
    return stream_frame(t->stream, newest - (uint32_t)((uint32_t)newest - e->frame_id));
}

static uint32_t resend_gap_ms(const struct viewer_track *t)
{
    if (t->report.rtt_us < 0)
        return RESEND_GAP_UNKNOWN_MS;
    uint32_t rtt_ms = (uint32_t)(t->report.rtt_us / 1000);
    return rtt_ms > RESEND_GAP_MIN_MS ? rtt_ms : RESEND_GAP_MIN_MS;
}

/* One packet again: by RTX under a sequence number of its own, else the very same bytes. */
static size_t write_resend(struct viewer *v, struct viewer_track *t, const struct frame *f,
                           const struct packetize_packet *p, uint16_t seq, uint8_t *out)
{
    bool rtx = t->rtx_payload_type != 0;
    struct header h;
    begin_header(&h, t, rtx, frame_timestamp(t, f));
    const uint8_t *payload = f->payload.data + p->offset;
    if (!rtx) {
        put_header(v, t, out, &h, seq, p->marker);
        report_on_sent(&t->report, 1, p->size);
        return seal_rtp(v->peer.seal, out, h.size, payload, p->size);
    }
    put_header(v, t, out, &h, t->rtx_seq++, p->marker);
    put_u16(out + h.size, seq);
    memcpy(out + h.size + RTX_OSN_SIZE, payload, p->size);
    return seal_rtp(v->peer.seal, out, h.size, out + h.size, RTX_OSN_SIZE + p->size);
}

static void pop_resend(struct viewer_track *t)
{
    t->resend_head = (uint16_t)((t->resend_head + 1) % VIEWER_NACKS_PER_RTCP_MAX);
    t->resend_count--;
}

static bool resend_track(struct viewer *v, struct viewer_track *t, struct viewer_train *train,
                         uint8_t *out, int64_t now_us)
{
    unsigned max_segments = 1;
    uint16_t full = 0;
    while (t->resend_count > 0 && train->n_segments < max_segments) {
        uint16_t seq = t->resend[t->resend_head];
        const struct history_entry *e = history_find(&t->history, seq);
        const struct frame *f = e ? find_frame(t, e) : NULL;
        if (!f) {
            v->counters.resend_misses++;
            pop_resend(t);
            continue;
        }
        const struct packetize_packet *p = &f->payload.packets[e->packet];
        if (train->n_segments > 0 && p->size > full)
            break;
        pop_resend(t);
        if (!history_resend(&t->history, seq, (uint32_t)(now_us / 1000), resend_gap_ms(t))) {
            v->counters.resend_limited++;
            continue;
        }
        if (train->n_segments == 0) {
            full = p->size;
            max_segments = segments_allowed(v, t, full + RTX_OSN_SIZE, now_us);
        }
        add_segment(train, write_resend(v, t, f, p, seq, out + train->size));
        v->counters.resent++;
        if (p->size < full)
            break;
    }
    return train->n_segments > 0;
}

bool viewer_send_resends(struct viewer *v, struct viewer_train *train, uint8_t *out, int64_t now_us)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        struct viewer_track *t = &v->tracks[i];
        if (t->resend_count > 0 && resend_track(v, t, train, out, now_us))
            return true;
    }
    return false;
}
