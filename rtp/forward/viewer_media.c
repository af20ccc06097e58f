#include "rtp/forward/viewer_internal.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/dependency_descriptor.h"

#include <assert.h>
#include <string.h>

/* What leaves at once when the pacer lets anything leave: sends worth their cost, and pauses of 2
 * to 5 ms between them. */
#define PACED_SEGMENTS 16
#define PACED_US 2500
#define NARROW_PAIR_BPS 500000
#define RESEND_GAP_MIN_MS 5
#define RESEND_GAP_UNKNOWN_MS 20 /* while the round trip is not known */
#define RESEND_TWICE 2           /* of 256: where so much is lost, repairs are too */
#define RTX_OSN_SIZE 2           /* the original sequence number (RFC 4588 4) */
#define RTP_PADDING 0x20
#define RTP_EXTENSION 0x10
#define PADDING_MAX 255
#define PADDING_REPEATS 16 /* packets of the past that a probe is filled with, */
#define PADDING_WORTH 400  /* of at least so much payload, */
#define PADDING_LOOKS 32   /* among the newest so many */

/* --- packets and trains --- */

static unsigned at_most(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned at_least(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

void viewer_begin_header(struct viewer_header *h, const struct viewer_track *t, bool rtx,
                         uint8_t codec, uint32_t timestamp)
{
    const struct viewer_format *format = &t->formats[codec];
    struct rtp_header fixed = {
        .payload_type = rtx ? format->rtx_payload_type : format->payload_type,
        .timestamp = timestamp + t->timestamp_offset,
        .ssrc = rtx ? t->rtx_ssrc : t->ssrc,
    };
    rtp_write(h->bytes, &fixed, t->extensions.size > 0);
    memcpy(h->bytes + RTP_HEADER_SIZE, t->extensions.bytes, t->extensions.size);
    h->size = RTP_HEADER_SIZE + t->extensions.size;
    h->dependency_at = 0;
}

/* A frame's packets are all of one size, for which the first one of a keyframe sets it. */
static void describe(struct viewer_header *h, const struct viewer_track *t, const struct frame *f,
                     uint16_t number, bool first)
{
    if (t->described.size == 0 || f->dependency_size == 0)
        return;
    bool full = first && f->dependency_full_size > 0;
    struct extensions_block block = t->described;
    extensions_set_dependency(&block, full ? f->dependency_full : f->dependency,
                              full ? f->dependency_full_size : f->dependency_size,
                              at_least(f->dependency_size, f->dependency_full_size));
    h->bytes[0] |= RTP_EXTENSION;
    memcpy(h->bytes + RTP_HEADER_SIZE, block.bytes, block.size);
    h->size = RTP_HEADER_SIZE + block.size;
    h->dependency_at = RTP_HEADER_SIZE + block.dependency_at;
    dependency_set_frame_number(h->bytes + h->dependency_at, number);
}

/* Whether it is a picture's first packet, and its last. */
static void mark(uint8_t *packet, const struct viewer_header *h, bool first, bool last)
{
    if (h->dependency_at != 0)
        dependency_mark(packet + h->dependency_at, first, last);
}

void viewer_put_header(struct viewer *v, const struct viewer_track *t, uint8_t *out,
                       const struct viewer_header *h, uint16_t seq, bool marker)
{
    memcpy(out, h->bytes, h->size);
    out[1] |= marker ? 0x80 : 0;
    put_u16(out + 2, seq);
    if (t->extensions.transport_cc_at != 0)
        put_u16(out + RTP_HEADER_SIZE + t->extensions.transport_cc_at, v->transport_seq++);
}

/* What the pacer has, but two packets at a time where they do not take long. */
static unsigned narrow_segments(const struct viewer *v, int64_t most, int64_t bytes)
{
    bool slow = v->pacer.rate_bps < NARROW_PAIR_BPS;
    if (bytes < 2 * most)
        return slow ? 1 : 2;
    return at_most(PACED_SEGMENTS, (unsigned)(bytes / most));
}

/* How many packets of this payload size may leave in one train now. */
static unsigned segments_allowed(struct viewer *v, const struct viewer_track *t,
                                 size_t payload_size, int64_t now_us)
{
    size_t extensions = t->described.size > 0 ? EXTENSIONS_MAX_SIZE : t->extensions.size;
    size_t most = RTP_HEADER_SIZE + extensions + payload_size + SEAL_TRAILER_MAX;
    int64_t bytes = pacer_available(&v->pacer, now_us);
    if (v->path && v->path->narrow)
        return narrow_segments(v, (int64_t)most, bytes);
    int64_t pause = (int64_t)(v->pacer.rate_bps / 8 * PACED_US / 1000000);
    int64_t paced = (bytes > pause ? bytes : pause) / (int64_t)most;
    if (paced < PACED_SEGMENTS)
        paced = PACED_SEGMENTS;
    unsigned fit = at_most(VIEWER_TRAIN_MAX, (unsigned)(VIEWER_TRAIN_BYTES / most));
    return paced < fit ? (unsigned)paced : fit;
}

void viewer_add_segment(struct viewer_train *train, size_t size)
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
    t->in_picture = !f->ends;
    if (t->in_picture)
        return;
    report_on_frame(&t->report, f->rtp_ts + t->timestamp_offset, f->captured_us, now_us);
    viewer_note_frame(v, now_us);
}

/* A packet made as large as those before it (RFC 3550 5.1), so that one more may follow in its
 * train. */
static size_t seal_padded(struct viewer *v, uint8_t *at, size_t header_size, const uint8_t *payload,
                          uint16_t size, uint16_t full)
{
    uint8_t *out = at + header_size;
    at[0] |= RTP_PADDING;
    memcpy(out, payload, size);
    memset(out + size, 0, (size_t)(full - size));
    out[full - 1] = (uint8_t)(full - size);
    return seal_rtp(v->peer.seal, at, header_size, out, full);
}

static bool can_pad(const struct viewer_track *t, const struct viewer_ride *ride, uint16_t size,
                    uint16_t full)
{
    return ride && t->pads && full - size <= PADDING_MAX;
}

static uint16_t frame_number(struct past *past, const struct frame *f, bool begins)
{
    if (f->dependency_size == 0)
        return 0;
    uint16_t own = get_u16(f->dependency + 1);
    return begins ? past_begin_number(past, f->id, own, f->keyframe)
                  : past_number(&past->runs[past->run], own);
}

/* What of the frame fits one train. */
static void send_frame(struct viewer *v, struct viewer_track *t, const struct frame *f,
                       unsigned max_segments, struct viewer_ride *ride, struct viewer_train *train,
                       uint8_t *out)
{
    struct past *past = t->past;
    t->codec = f->codec;
    bool first = t->cursor_packet == 0 && f->part == 0;
    uint64_t picture = frame_picture(f);
    uint32_t ts = first ? past_begin_frame(past, picture, f->rtp_ts)
                        : past_timestamp(&past->runs[past->run], picture, f->rtp_ts);
    if (first && picture > past->runs[past->run].line_id)
        viewer_step_playout(t);
    uint16_t number = frame_number(past, f, first);
    struct viewer_header h;
    viewer_begin_header(&h, t, false, f->codec, ts);
    describe(&h, t, f, number, first);
    const struct packetize_packet *p = &f->payload.packets[t->cursor_packet];
    unsigned n = at_most(max_segments, f->payload.n_packets - t->cursor_packet);
    uint16_t full = p->size;
    uint32_t octets = 0;
    unsigned sent = 0;

    if (ride && ride->size > h.size + full) { /* the picture is the tail, of one packet */
        viewer_add_audio(v, ride, train, out);
        n = 1;
    }
    while (sent < n && p->size <= full) {
        uint8_t *at = out + train->size;
        const uint8_t *payload = f->payload.data + p->offset;
        uint16_t seq = past_add(past, f->id, (uint16_t)(t->cursor_packet + sent));
        viewer_put_header(v, t, at, &h, seq, p->marker);
        mark(at, &h, first, p->marker);
        if (p->size < full && can_pad(t, ride, p->size, full))
            viewer_add_segment(train, seal_padded(v, at, h.size, payload, p->size, full));
        else
            viewer_add_segment(train, seal_rtp(v->peer.seal, at, h.size, payload, p->size));
        octets += p->size;
        sent++;
        if (first && h.dependency_at != 0)
            describe(&h, t, f, number, false);
        first = false;
        if (p->size < full) /* a shorter one ends the train */
            break;
        p++;
    }
    if (ride && !ride->left && train->size == (uint32_t)train->n_segments * train->segment_size)
        viewer_add_audio(v, ride, train, out);
    t->cursor_packet = (uint16_t)(t->cursor_packet + sent);
    v->sent |= 1u << (t - v->tracks);
    report_on_sent(&t->report, sent, octets);
}

/* The next track in turn that has something; NULL: none. */
static struct viewer_track *next_track(struct viewer *v, const struct frame **frame)
{
    uint32_t all = v->present & ~v->audio;
    uint32_t before = all & ((1u << v->next_track) - 1);
    uint32_t sets[2] = {all & ~before, before};
    for (unsigned i = 0; i < 2; i++) {
        struct viewer_track *t;
        while ((t = viewer_take_track(v, &sets[i]))) {
            if ((*frame = viewer_next_frame(v, t)))
                return t;
        }
    }
    return NULL;
}

/* Of the pictures that it could show; of the sound if there is none. */
static bool is_any_started(struct viewer *v)
{
    uint32_t pictures = v->present & ~v->audio;
    uint32_t set = pictures ? pictures : v->present;
    const struct viewer_track *t;
    while ((t = viewer_take_track(v, &set))) {
        if (t->started)
            return true;
    }
    return false;
}

bool viewer_send_media(struct viewer *v, struct viewer_train *train, uint8_t *out,
                       struct viewer_ride *ride, int64_t now_us)
{
    const struct frame *f;
    struct viewer_track *t = next_track(v, &f);
    if (!t) {
        if (v->state == VIEWER_PLAYING && !is_any_started(v))
            viewer_set_state(v, VIEWER_WAIT_KEYFRAME, now_us);
        return false;
    }
    uint16_t payload_size = f->payload.packets[t->cursor_packet].size;
    unsigned most = segments_allowed(v, t, payload_size, now_us);
    send_frame(v, t, f, ride ? most - 1 : most, ride, train, out);
    if (t->jumped)
        viewer_path_note(v, VIEWER_WHY_JUMP, t, now_us);
    t->jumped = false;
    if (t->cursor_packet == f->payload.n_packets)
        finish_frame(v, t, f, now_us);
    v->next_track = (unsigned)(t - v->tracks + 1) % v->n_tracks;
    return true;
}

/* --- retransmission --- */

/* The past keeps 32 bits of a frame's id. */
static const struct frame *find_frame(const struct viewer_track *t, const struct past_packet *sent)
{
    uint64_t newest = stream_newest_id(t->stream, sent->run->layer);
    return stream_frame(t->stream, sent->run->layer,
                        newest - (uint32_t)((uint32_t)newest - sent->frame_id));
}

static uint32_t resend_gap_ms(const struct viewer_track *t, bool rtx)
{
    if (t->report.rtt_us < 0)
        return RESEND_GAP_UNKNOWN_MS;
    uint32_t rtt_ms = (uint32_t)(t->report.rtt_us / 1000);
    if (rtx)                     /* else what comes twice is a replay to SRTP */
        rtt_ms = rtt_ms * 3 / 4; /* who asks after a round trip may have measured a shorter one */
    return rtt_ms > RESEND_GAP_MIN_MS ? rtt_ms : RESEND_GAP_MIN_MS;
}

/* One packet again: by RTX under a sequence number of its own, else the very same bytes. */
static size_t write_resend(struct viewer *v, struct viewer_track *t, const struct frame *f,
                           const struct past_packet *sent, uint16_t seq, uint8_t *out)
{
    const struct packetize_packet *p = &f->payload.packets[sent->packet];
    bool rtx = t->formats[f->codec].rtx_payload_type != 0;
    struct viewer_header h;
    viewer_begin_header(&h, t, rtx, f->codec,
                        past_timestamp(sent->run, frame_picture(f), f->rtp_ts));
    bool first = sent->packet == 0 && f->part == 0;
    if (f->dependency_size > 0)
        describe(&h, t, f, past_number(sent->run, get_u16(f->dependency + 1)), first);
    const uint8_t *payload = f->payload.data + p->offset;
    if (!rtx) {
        viewer_put_header(v, t, out, &h, seq, p->marker);
        mark(out, &h, first, p->marker);
        report_on_sent(&t->report, 1, p->size);
        return seal_rtp(v->peer.seal, out, h.size, payload, p->size);
    }
    viewer_put_header(v, t, out, &h, t->rtx_seq++, p->marker);
    mark(out, &h, first, p->marker);
    put_u16(out + h.size, seq);
    memcpy(out + h.size + RTX_OSN_SIZE, payload, p->size);
    return seal_rtp(v->peer.seal, out, h.size, out + h.size, RTX_OSN_SIZE + p->size);
}

static void pop_resend(struct past *past)
{
    past->resend_head = (uint16_t)((past->resend_head + 1) % PAST_RESENDS_MAX);
    past->resend_count--;
}

/* What is asked for is late already, and a repair that is lost comes two round trips late or, for
 * who believes in the 100 ms that WebRTC takes for unknown, a good deal more. */
static bool resends_twice(const struct viewer *v, const struct viewer_track *t)
{
    return (t->playout_ms > 0 || viewer_loss(v, t) >= RESEND_TWICE) &&
           !(v->path && v->path->narrow);
}

static bool resend_track(struct viewer *v, struct viewer_track *t, struct viewer_train *train,
                         uint8_t *out, int64_t now_us)
{
    struct past *past = t->past;
    unsigned max_segments = 1;
    uint16_t full = 0;
    while (past->resend_count > 0 && train->n_segments < max_segments) {
        uint16_t seq = past->resend[past->resend_head];
        struct past_packet sent;
        const struct frame *f = past_find(past, seq, &sent) ? find_frame(t, &sent) : NULL;
        if (!f) {
            v->counters.resend_misses++;
            pop_resend(past);
            continue;
        }
        uint16_t size = f->payload.packets[sent.packet].size;
        if (train->n_segments > 0 && size > full)
            break;
        pop_resend(past);
        bool rtx = t->formats[f->codec].rtx_payload_type != 0;
        uint32_t gap_ms = resend_gap_ms(t, rtx);
        if (!history_resend(&past->history, seq, (uint32_t)(now_us / 1000), gap_ms)) {
            v->counters.resend_limited++;
            continue;
        }
        if (train->n_segments == 0) {
            full = size;
            max_segments = segments_allowed(v, t, full + RTX_OSN_SIZE, now_us);
        }
        viewer_add_segment(train, write_resend(v, t, f, &sent, seq, out + train->size));
        v->counters.resent++;
        if (size < full)
            break;
        if (train->n_segments < VIEWER_TRAIN_MAX && rtx && resends_twice(v, t)) {
            viewer_add_segment(train, write_resend(v, t, f, &sent, seq, out + train->size));
            v->counters.resent_twice++;
        }
    }
    return train->n_segments > 0;
}

bool viewer_send_resends(struct viewer *v, struct viewer_train *train, uint8_t *out, int64_t now_us)
{
    struct viewer_track *t;
    for (uint32_t set = v->present & v->sent & ~v->audio; (t = viewer_take_track(v, &set));) {
        if (t->past->resend_count > 0 && resend_track(v, t, train, out, now_us))
            return true;
    }
    return false;
}

/* --- probing --- */

/* One that can be padded: it has sent something that RTX repeats. */
static struct viewer_track *find_padded(struct viewer *v)
{
    struct viewer_track *t;
    for (uint32_t set = v->present & v->sent & ~v->audio; (t = viewer_take_track(v, &set));) {
        if (t->pads && t->formats[t->codec].rtx_payload_type != 0)
            return t;
    }
    return NULL;
}

static bool may_pad(const struct viewer_train *train, uint32_t bytes)
{
    return train->size < bytes && train->n_segments < VIEWER_TRAIN_MAX &&
           train->size + VIEWER_DATAGRAM_MAX <= VIEWER_TRAIN_BYTES;
}

/* The newest packets of one frame and of one size, that are worth a datagram each. */
static unsigned find_repeated(const struct viewer_track *t, const struct frame **frame,
                              struct past_packet out[PADDING_REPEATS], uint16_t seqs[])
{
    uint16_t newest = (uint16_t)(t->past->history.next_seq - 1), size = 0;
    unsigned n = 0;
    for (unsigned back = 0; back < PADDING_LOOKS && n < PADDING_REPEATS; back++) {
        struct past_packet sent;
        seqs[n] = (uint16_t)(newest - back);
        const struct frame *f = past_find(t->past, seqs[n], &sent) ? find_frame(t, &sent) : NULL;
        if (!f || (n > 0 && f != *frame))
            continue;
        uint16_t bytes = f->payload.packets[sent.packet].size;
        if (bytes < PADDING_WORTH || (n > 0 && bytes != size))
            continue;
        *frame = f;
        size = bytes;
        out[n++] = sent;
    }
    return n;
}

/* What was sent last once more: it fills a probe with few packets, and repairs what was lost of it.
 */
static bool repeat(struct viewer *v, struct viewer_track *t, struct viewer_train *train,
                   uint8_t *out, uint32_t bytes)
{
    const struct frame *f = NULL;
    struct past_packet sent[PADDING_REPEATS];
    uint16_t seqs[PADDING_REPEATS];
    unsigned n = find_repeated(t, &f, sent, seqs);
    for (unsigned i = 0; n > 0 && may_pad(train, bytes); i = (i + 1) % n)
        viewer_add_segment(train, write_resend(v, t, f, &sent[i], seqs[i], out + train->size));
    return n > 0;
}

static void pad(struct viewer *v, struct viewer_track *t, struct viewer_train *train, uint8_t *out,
                uint32_t bytes)
{
    struct viewer_header h;
    viewer_begin_header(&h, t, true, t->codec, t->past->newest_ts);
    h.bytes[0] |= RTP_PADDING;
    uint8_t padding[PADDING_MAX] = {[PADDING_MAX - 1] = PADDING_MAX};
    do {
        uint8_t *at = out + train->size;
        viewer_put_header(v, t, at, &h, t->rtx_seq++, false);
        viewer_add_segment(train, seal_rtp(v->peer.seal, at, h.size, padding, PADDING_MAX));
    } while (may_pad(train, bytes));
}

bool viewer_send_padding(struct viewer *v, struct viewer_train *train, uint8_t *out, uint32_t bytes)
{
    struct viewer_track *t = find_padded(v);
    if (!t)
        return false;
    if (!repeat(v, t, train, out, bytes))
        pad(v, t, train, out, bytes);
    v->counters.padding_sent += train->n_segments;
    v->counters.padding_bytes += train->size;
    return true;
}
