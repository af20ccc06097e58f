#include "rtp/forward/viewer_internal.h"

#include "rtp/payload/red.h"

#include <assert.h>

#define PICTURES_US 100000 /* pictures older than this do not come often enough to wait for one */

static bool has_sound(struct viewer *v)
{
    const struct viewer_track *t;
    for (uint32_t set = v->present & v->audio; (t = viewer_take_track(v, &set));) {
        if (t->started && t->cursor_id <= stream_newest_id(t->stream, t->layer))
            return true;
    }
    return false;
}

/* What comes after silence, or after a train has left, waits from now on. */
void viewer_on_audio(struct viewer *v, int64_t now_us)
{
    if (!has_sound(v))
        v->audio_since_us = INT64_MAX;
    else if (v->audio_since_us == INT64_MAX)
        v->audio_since_us = now_us;
}

/* The next packet of a track; the newest one where those before it are lost or too late. */
static const struct frame *next_packet(struct viewer *v, struct viewer_track *t)
{
    uint64_t newest_id = stream_newest_id(t->stream, t->layer);
    if (!t->started || t->cursor_id > newest_id)
        return NULL;
    const struct frame *newest = stream_frame(t->stream, t->layer, newest_id);
    const struct frame *f = stream_frame(t->stream, t->layer, t->cursor_id);
    if (!f || newest->captured_us - f->captured_us > VIEWER_AUDIO_LATE_US) {
        v->counters.audio_skipped += newest_id - t->cursor_id;
        t->cursor_id = newest_id;
        f = newest;
    }
    if (t->formats[f->codec].payload_type != 0)
        return f;
    t->started = false;
    t->unsupported = true;
    viewer_track_update(v, t);
    return NULL;
}

static struct red_block block_of(const struct frame *f)
{
    const struct packetize_packet *p = &f->payload.packets[0];
    return (struct red_block){
        .data = f->payload.data + p->offset, .size = p->size, .rtp_ts = f->rtp_ts};
}

/* The packet before, if the next one is to bring it, and can. */
static const struct frame *find_before(const struct viewer_track *t, const struct frame *f)
{
    const struct frame *before = t->repeats ? stream_frame(t->stream, t->layer, f->id - 1) : NULL;
    if (!before || before->codec != f->codec)
        return NULL;
    struct red_block previous = block_of(before), current = block_of(f);
    return red_takes(&previous, &current, PACKETIZE_MAX_PAYLOAD) ? before : NULL;
}

static bool find_ride(struct viewer *v, struct viewer_ride *ride)
{
    struct viewer_track *t;
    for (uint32_t set = v->present & v->audio; (t = viewer_take_track(v, &set));) {
        const struct frame *f = next_packet(v, t);
        if (!f)
            continue;
        const struct frame *before = find_before(t, f);
        size_t more = before ? RED_OVERHEAD + before->payload.packets[0].size : 0;
        *ride = (struct viewer_ride){
            .track = t,
            .frame = f,
            .before = before,
            .size = RTP_HEADER_SIZE + t->extensions.size + f->payload.packets[0].size + more,
        };
        return true;
    }
    v->audio_since_us = INT64_MAX;
    return false;
}

/* What is to be sealed, and where it is: RED is put together where it will leave from. */
static const uint8_t *write_payload(struct viewer *v, const struct viewer_ride *ride,
                                    struct viewer_header *h, uint8_t *out, uint16_t *size)
{
    struct red_block current = block_of(ride->frame);
    *size = (uint16_t)current.size;
    if (!ride->before)
        return current.data;
    struct red_block previous = block_of(ride->before);
    uint8_t codec = ride->frame->codec;
    int n = red_build(out + h->size, PACKETIZE_MAX_PAYLOAD,
                      ride->track->formats[codec].payload_type, &previous, &current);
    assert(n > 0);
    h->bytes[1] = ride->track->red_payload_type;
    *size = (uint16_t)n;
    v->counters.audio_repeated++;
    return out + h->size;
}

void viewer_add_audio(struct viewer *v, struct viewer_ride *ride, struct viewer_train *train,
                      uint8_t *out)
{
    struct viewer_track *t = ride->track;
    const struct frame *f = ride->frame;
    const struct packetize_packet *p = &f->payload.packets[0];
    assert(f->payload.n_packets == 1);
    uint8_t *at = out + train->size;
    struct viewer_header h;
    viewer_begin_header(&h, t, false, f->codec, f->rtp_ts);
    uint16_t size;
    const uint8_t *payload = write_payload(v, ride, &h, at, &size);
    viewer_put_header(v, t, at, &h, t->seq++, p->marker);
    viewer_add_segment(train, seal_rtp(v->peer.seal, at, h.size, payload, size));
    t->cursor_id++;
    v->sent |= 1u << (t - v->tracks);
    v->counters.audio_sent++;
    report_on_sent(&t->report, 1, size);
    ride->left = true;
}

static void finish(struct viewer *v, const struct viewer_ride *ride, int64_t now_us)
{
    struct viewer_track *t = ride->track;
    const struct frame *f = ride->frame;
    report_on_frame(&t->report, f->rtp_ts + t->timestamp_offset, f->captured_us, now_us);
    v->audio_alone = false;
    /* What is left came together with this one and has waited as long. */
    if (!has_sound(v))
        v->audio_since_us = INT64_MAX;
    if (!(v->present & ~v->audio)) /* else it is the picture that plays */
        viewer_note_frame(v, now_us);
}

/* Is there a picture that often changes? */
static bool expects_train(struct viewer *v, int64_t now_us)
{
    const struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        const struct frame *f =
            stream_frame(t->stream, t->layer, stream_newest_id(t->stream, t->layer));
        if (t->started && f && now_us - f->captured_us < PICTURES_US)
            return true;
    }
    return false;
}

bool viewer_send_audio(struct viewer *v, struct viewer_train *train, uint8_t *out, bool media_may,
                       int64_t now_us)
{
    struct viewer_ride ride;
    if (v->audio_since_us == INT64_MAX || !find_ride(v, &ride))
        return false;
    bool resends = media_may && viewer_has_resends(v);
    if (!v->audio_alone && media_may && !resends &&
        viewer_send_media(v, train, out, &ride, now_us)) {
        v->audio_alone = !ride.left;
        if (ride.left) {
            v->counters.audio_rode++;
            finish(v, &ride, now_us);
        }
        return true;
    }
    if (!v->audio_alone && !resends && now_us < v->audio_since_us + VIEWER_AUDIO_WAIT_US &&
        expects_train(v, now_us))
        return false;
    viewer_add_audio(v, &ride, train, out);
    finish(v, &ride, now_us);
    return true;
}

int64_t viewer_audio_timeout(const struct viewer *v)
{
    if (v->audio_since_us == INT64_MAX)
        return INT64_MAX;
    return v->audio_since_us + VIEWER_AUDIO_WAIT_US;
}
