#include "tests/load/frame_watch.h"

#include "rtp/payload/h264.h"
#include "rtp/wire/bytes.h"

#include <string.h>

enum { STAP_A = 24, FU_A = 28, TYPE_MASK = 0x1f, FU_START = 0x80, FU_END = 0x40 };

enum shape {
    SHAPE_WHOLE = 1,  /* one NAL unit or several */
    SHAPE_PARAMETERS, /* the same, and the first is an SPS */
    SHAPE_FIRST,      /* fragments of a NAL unit */
    SHAPE_MIDDLE,
    SHAPE_LAST,
    SHAPE_BAD,
};

/* Every NAL unit of a STAP-A lies inside of it, and there is at least one. */
static bool is_stap(const uint8_t *payload, size_t size)
{
    size_t at = 1;
    while (size - at >= 2) {
        size_t nal = get_u16(payload + at);
        if (nal == 0 || nal > size - at - 2)
            return false;
        at += 2 + nal;
    }
    return at == size && at > 1;
}

static enum shape shape_of_fragment(const uint8_t *payload, size_t size)
{
    if (size < 3)
        return SHAPE_BAD;
    bool start = payload[1] & FU_START, end = payload[1] & FU_END;
    if (start && end)
        return SHAPE_BAD; /* RFC 6184 5.8 */
    return start ? SHAPE_FIRST : end ? SHAPE_LAST : SHAPE_MIDDLE;
}

static enum shape shape_of(const uint8_t *payload, size_t size)
{
    if (size == 0)
        return SHAPE_BAD;
    uint8_t type = payload[0] & TYPE_MASK;
    if (type == FU_A)
        return shape_of_fragment(payload, size);
    if (type == STAP_A) {
        if (!is_stap(payload, size))
            return SHAPE_BAD;
        return (payload[3] & TYPE_MASK) == H264_SPS ? SHAPE_PARAMETERS : SHAPE_WHOLE;
    }
    if (type == 0 || type > STAP_A)
        return SHAPE_BAD;
    return type == H264_SPS ? SHAPE_PARAMETERS : SHAPE_WHOLE;
}

void frame_watch_init(struct frame_watch *f)
{
    memset(f, 0, sizeof(*f));
    f->wants_keyframe = true;
    f->first_keyframe_us = -1;
    freeze_init(&f->freeze);
}

static void lose(struct frame_watch *f)
{
    if (!f->wants_keyframe) {
        f->broken++;
        f->wants_keyframe = true;
    }
    f->in_frame = false;
}

static void finish_frame(struct frame_watch *f, int64_t now_us)
{
    f->in_frame = false;
    f->frames++;
    f->keyframes += f->keyframe;
    f->wants_keyframe = false;
    if (f->first_keyframe_us < 0)
        f->first_keyframe_us = now_us;
    freeze_on_frame(&f->freeze, now_us);
}

static bool fits(struct frame_watch *f, enum shape shape)
{
    bool inside = shape == SHAPE_MIDDLE || shape == SHAPE_LAST;
    if (shape == SHAPE_BAD || inside != f->in_fragment)
        return false;
    f->in_fragment = shape == SHAPE_FIRST || shape == SHAPE_MIDDLE;
    return true;
}

static bool begin_frame(struct frame_watch *f, const struct frame_watch_packet *p)
{
    f->keyframe = p->shape == SHAPE_PARAMETERS;
    f->in_frame = f->keyframe || !f->wants_keyframe;
    f->in_fragment = false;
    f->timestamp = p->timestamp;
    return f->in_frame;
}

/* The next packet in order. */
static void take(struct frame_watch *f, const struct frame_watch_packet *p, int64_t now_us)
{
    if (f->in_frame && p->timestamp != f->timestamp)
        lose(f); /* its marker never came */
    if (!f->in_frame && !begin_frame(f, p))
        return;
    if (!fits(f, (enum shape)p->shape)) {
        lose(f);
        return;
    }
    if (p->marker && f->in_fragment)
        lose(f);
    else if (p->marker)
        finish_frame(f, now_us);
}

static bool is_awaited(const struct nack *nack, uint16_t seq)
{
    for (unsigned i = 0; i < nack->count; i++) {
        if (nack->entry[i].seq == seq)
            return true;
    }
    return false;
}

static const struct frame_watch_packet *packet_at(const struct frame_watch *f, uint16_t seq)
{
    const struct frame_watch_packet *p = &f->window[seq % FRAME_WATCH_WINDOW];
    return p->full && p->seq == seq ? p : NULL;
}

/* Over a hole to the newest keyframe, if that is whole. */
static bool jump_to_keyframe(struct frame_watch *f)
{
    const struct frame_watch_packet *p;
    if (!f->has_key || (int16_t)(f->key_seq - f->next_seq) <= 0)
        return false;
    for (uint16_t seq = f->key_seq; (p = packet_at(f, seq)) != NULL; seq++) {
        if (p->marker) {
            lose(f);
            f->next_seq = f->key_seq;
            return true;
        }
    }
    return false;
}

void frame_watch_advance(struct frame_watch *f, const struct nack *nack, int64_t now_us)
{
    while (f->any && nack->any && (int16_t)(nack->highest_seq - f->next_seq) >= 0) {
        const struct frame_watch_packet *p = packet_at(f, f->next_seq);
        if (!p && jump_to_keyframe(f))
            continue;
        if (!p && is_awaited(nack, f->next_seq))
            return;
        if (p)
            take(f, p, now_us);
        else
            lose(f);
        f->next_seq++;
    }
}

/* Whether the packet counts at all; and where to go on from. */
static bool place(struct frame_watch *f, uint16_t seq)
{
    if (!f->any) {
        f->any = true;
        f->first_seq = f->next_seq = seq;
        f->newest_seq = (uint16_t)(seq - 1);
    }
    int16_t ahead = (int16_t)(seq - f->next_seq);
    if (ahead >= 0)
        return ahead < FRAME_WATCH_WINDOW;
    if (f->first_keyframe_us >= 0 || (uint16_t)(f->newest_seq - seq) >= FRAME_WATCH_WINDOW)
        return false;
    if ((int16_t)(seq - f->first_seq) < 0)
        f->first_seq = seq;
    f->next_seq = f->first_seq; /* all that came is still there: taken again, with this one */
    f->in_frame = false;
    return true;
}

void frame_watch_on_packet(struct frame_watch *f, uint16_t seq, uint32_t timestamp, bool marker,
                           const uint8_t *payload, size_t size, const struct nack *nack,
                           int64_t now_us)
{
    if (!place(f, seq))
        return;
    f->window[seq % FRAME_WATCH_WINDOW] = (struct frame_watch_packet){
        .full = true,
        .shape = (uint8_t)shape_of(payload, size),
        .marker = marker,
        .seq = seq,
        .timestamp = timestamp,
    };
    if (f->window[seq % FRAME_WATCH_WINDOW].shape == SHAPE_PARAMETERS &&
        (!f->has_key || (int16_t)(seq - f->key_seq) > 0)) {
        f->has_key = true;
        f->key_seq = seq;
    }
    if ((int16_t)(seq - f->newest_seq) > 0) {
        freeze_on_timestamp(&f->freeze, timestamp, (uint16_t)(f->newest_seq + 1) != seq);
        f->newest_seq = seq;
    }
    frame_watch_advance(f, nack, now_us);
}
