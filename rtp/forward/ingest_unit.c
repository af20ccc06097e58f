#include "rtp/forward/ingest_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A new GOP before the present one is no start for a viewer any more. */
#define GOP_FRAMES_MAX (STREAM_JOIN_MAX_FRAMES - 16)
#define GOP_BYTES_MAX (STREAM_JOIN_MAX_BYTES / 4 * 3)

/* --- what is lost --- */

void ingest_unit_lose(struct ingest *in, struct ingest_flow *f)
{
    if (ingest_is_sound(in, f) || f->lost)
        return;
    f->lost = true;
    f->pli_tries = 0;
    f->pli_next_us = 0; /* as soon as the budget allows */
    keyframe_want(&f->budget, 1);
}

void ingest_unit_break(struct ingest *in, struct ingest_flow *f)
{
    if (f->in_unit)
        f->frames_dropped++;
    f->in_unit = f->aligned = f->any_ts = false;
    ingest_unit_lose(in, f);
}

/* --- publishing --- */

static void measure_delay(struct ingest_flow *f, int64_t now_us)
{
    for (unsigned i = 0; i < f->n_arrivals; i++)
        worker_samples_add(&f->delay, now_us - f->arrivals[i]);
    f->n_arrivals = 0;
}

static void publish(struct ingest *in, struct ingest_flow *f, struct frame *frame, int64_t now_us)
{
    const struct ingest_track *t = ingest_track_of(in, f);
    f->frames++;
    f->keyframes += frame->keyframe;
    f->published_us = now_us;
    if (!f->live || f->codec != frame->codec) {
        f->live = true;
        f->codec = frame->codec;
        in->version++;
    }
    measure_delay(f, now_us);
    in->publish(in->publish_arg, t->config.stream_id, t->layer_of[f->index], frame);
    ingest_note_published(in, now_us);
}

static void publish_sound(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p,
                          int64_t now_us)
{
    struct frame *frame = NULL;
    if (p->size <= PACKETIZE_MAX_PAYLOAD && !(frame = frame_get(in->pools[0])))
        in->counters.no_frames++;
    if (!frame || payload_packetize(PAYLOAD_OPUS, &frame->payload, p->payload, p->size,
                                    PACKETIZE_MAX_PAYLOAD) != 0) {
        f->frames_dropped++;
        frame_unref(frame);
        return;
    }
    frame->codec = PAYLOAD_OPUS;
    frame->keyframe = true;
    frame->captured_us = timing_place(&f->timing, &in->clock, p->timestamp, now_us);
    frame->rtp_ts = (uint32_t)(frame->captured_us * 48 / 1000);
    f->n_arrivals = 1;
    f->arrivals[0] = p->arrived_us;
    publish(in, f, frame, now_us);
}

/* In the smallest frame that has room; many small NAL units may need more packets than their bytes
 * let one expect, so the next size is tried, too. */
static struct frame *packetize(struct ingest *in, enum payload_codec codec, const uint8_t *unit,
                               size_t size)
{
    for (unsigned i = 0; i < INGEST_POOLS; i++) {
        if (size > ingest_pool_capacity[i])
            continue;
        struct frame *frame = frame_get(in->pools[i]);
        if (!frame) {
            in->counters.no_frames++;
            return NULL;
        }
        int rc = payload_packetize(codec, &frame->payload, unit, size, PACKETIZE_MAX_PAYLOAD);
        if (rc == 0) {
            frame->codec = (uint8_t)codec;
            return frame;
        }
        frame_unref(frame);
        if (rc != -ENOSPC)
            return NULL;
    }
    return NULL;
}

/* The publisher's own descriptors say more than viewers need, and may be longer than theirs can be:
 * a structure of ours takes the place of its, the layers are its. */
static void describe(struct ingest_flow *f, struct frame *frame)
{
    uint16_t number = f->number++;
    struct dependency_descriptor d = {.frame_number = number};
    if (frame->codec != PAYLOAD_AV1 ||
        !dependency_next(&f->tracker, &d.frame, number, frame->temporal_id, frame->keyframe))
        return;
    frame->dependency_size =
        (uint8_t)dependency_write(frame->dependency, sizeof(frame->dependency), &d, &f->own);
    d.has_structure = frame->keyframe;
    if (frame->keyframe)
        frame->dependency_full_size = (uint8_t)dependency_write(
            frame->dependency_full, sizeof(frame->dependency_full), &d, &f->own);
}

/* --- the unit as a whole --- */

static bool has_slice(const uint8_t *unit, size_t size)
{
    struct h264_nal_unit nal;
    while (h264_next_nal(&nal, &unit, &size)) {
        if ((nal.data[0] & 0x1f) >= H264_SLICE && (nal.data[0] & 0x1f) <= H264_IDR)
            return true;
    }
    return false;
}

/* A decoder may begin at any IDR picture of ours, so each has its parameter sets: where the
 * publisher does not repeat them, those it sent last. False: there are none. */
static bool complete_h264(struct ingest_flow *f, uint8_t **unit, size_t *size)
{
    if (h264_sets_take(&f->sets, *unit, *size))
        return true;
    if (f->sets.size == 0)
        return false;
    assert(f->sets.size <= INGEST_HEADROOM);
    *unit -= f->sets.size;
    *size += f->sets.size;
    memcpy(*unit, f->sets.bytes, f->sets.size);
    return true;
}

static void note_keyframe(struct ingest *in, struct ingest_flow *f, enum payload_codec codec,
                          const uint8_t *unit, size_t size, int64_t now_us)
{
    uint16_t width = f->width, height = f->height;
    struct h264_profile profile;
    keyframe_made(&f->budget, now_us);
    f->gop_frames = 0;
    f->gop_bytes = 0;
    f->pli_tries = 0;
    f->pli_next_us = 0;
    if (codec == PAYLOAD_H264 && h264_find_profile(&profile, unit, size)) {
        const uint8_t bytes[3] = {profile.profile_idc, profile.constraints, profile.level_idc};
        in->version += memcmp(bytes, f->h264_profile, sizeof(bytes)) != 0;
        memcpy(f->h264_profile, bytes, sizeof(bytes));
    }
    bool known = payload_find_size(codec, unit, size, &width, &height);
    if (f->unit_width * (uint32_t)f->unit_height > (known ? width * (uint32_t)height : 0)) {
        width = f->unit_width; /* a frame of VP9 names its smallest layer */
        height = f->unit_height;
    }
    if (width == f->width && height == f->height)
        return;
    f->width = width;
    f->height = height;
    in->version++;
    ingest_sort_layers(in, &in->tracks[f->track]);
}

static uint8_t temporal_of(struct ingest_flow *f, bool keyframe)
{
    uint8_t id = keyframe || f->unit_temporal == INGEST_NO_TEMPORAL ? 0 : f->unit_temporal;
    if (id >= FORWARDER_TEMPORAL_MAX)
        id = FORWARDER_TEMPORAL_MAX - 1;
    if (f->n_temporal <= id)
        f->n_temporal = (uint8_t)(id + 1);
    return id;
}

static void count_gop(struct ingest_flow *f, bool keyframe, size_t size)
{
    keyframe_on_frame(&f->budget, keyframe, (uint32_t)size, 0);
    f->gop_bytes += size;
    if (++f->gop_frames >= GOP_FRAMES_MAX || f->gop_bytes >= GOP_BYTES_MAX)
        keyframe_want(&f->budget, !f->budget.wanted);
}

static void drop(struct ingest *in, struct ingest_flow *f)
{
    f->frames_dropped++;
    f->n_arrivals = 0;
    ingest_unit_lose(in, f);
}

static void end_unit(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    enum payload_codec codec = (enum payload_codec)f->unit_codec;
    uint8_t *unit = f->unit + INGEST_HEADROOM;
    size_t size = payload_assemble_end(&f->assembler);
    f->in_unit = false;
    f->aligned = true;
    if (size == 0) {
        in->counters.malformed++;
        drop(in, f);
        return;
    }
    bool complete = codec != PAYLOAD_H264 || complete_h264(f, &unit, &size);
    if (codec == PAYLOAD_H264 && !has_slice(unit, size))
        return; /* parameter sets alone, for what follows */
    bool keyframe = payload_is_keyframe(codec, unit, size);
    if (!complete || (f->lost && !keyframe)) {
        drop(in, f);
        return;
    }
    struct frame *frame = packetize(in, codec, unit, size);
    if (!frame) {
        drop(in, f);
        return;
    }
    if (keyframe)
        note_keyframe(in, f, codec, unit, size, now_us);
    f->lost = false;
    count_gop(f, keyframe, size);
    frame->keyframe = keyframe;
    frame->temporal_id = temporal_of(f, keyframe);
    frame->captured_us = timing_place(&f->timing, &in->clock, f->unit_ts, now_us);
    frame->rtp_ts = (uint32_t)(frame->captured_us * 9 / 100);
    describe(f, frame);
    publish(in, f, frame, now_us);
}

/* --- packet by packet --- */

/* Surely the first packet of a picture, whatever was before it. */
static bool begins_unit(const struct payload_info *info, const struct ingest_packet *p)
{
    switch ((enum payload_codec)p->codec) {
    case PAYLOAD_VP8:
        return info->starts_frame;
    case PAYLOAD_VP9:
        return info->starts_frame && info->spatial_id == 0;
    case PAYLOAD_AV1:
        return info->starts_frame && info->starts_keyframe;
    case PAYLOAD_H264: {
        unsigned type = p->payload[0] & 0x1f;
        bool stap = type == 24 && p->size > 3;
        return (stap ? p->payload[3] & 0x1fu : type) == H264_SPS;
    }
    default:
        return true;
    }
}

/* The temporal layer, from the dependency descriptor or else from the payload. */
static uint8_t layer_of(struct ingest_flow *f, const struct payload_info *info,
                        const struct ingest_packet *p)
{
    struct dependency_descriptor d;
    if (f->structure && p->dependency_size > 0 &&
        dependency_read(&d, f->structure, p->dependency, p->dependency_size) == 0)
        return d.frame.temporal_id;
    return info->has_layer ? info->temporal_id : INGEST_NO_TEMPORAL;
}

static void begin_unit(struct ingest_flow *f, const struct ingest_packet *p)
{
    payload_assemble_begin(&f->assembler, (enum payload_codec)p->codec, f->unit + INGEST_HEADROOM,
                           INGEST_UNIT_MAX);
    f->in_unit = true;
    f->unit_codec = p->codec;
    f->unit_ts = p->timestamp;
    f->unit_temporal = INGEST_NO_TEMPORAL;
    f->unit_width = f->unit_height = 0;
    f->n_arrivals = 0;
}

void ingest_unit_take(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p,
                      int64_t now_us)
{
    struct payload_info info;
    if (!payload_inspect((enum payload_codec)p->codec, &info, p->payload, p->size)) {
        in->counters.malformed++;
        ingest_unit_break(in, f);
        return;
    }
    if (ingest_is_sound(in, f)) {
        publish_sound(in, f, p, now_us);
        return;
    }
    /* Its end may come without a marker. */
    if (f->in_unit && (p->timestamp != f->unit_ts || p->codec != f->unit_codec))
        end_unit(in, f, now_us);
    uint8_t temporal = layer_of(f, &info, p);
    f->aligned = f->aligned || (f->any_ts && p->timestamp != f->last_ts);
    f->any_ts = true;
    f->last_ts = p->timestamp;
    if (!f->in_unit && !f->aligned && !begins_unit(&info, p)) {
        f->aligned = p->marker;
        return;
    }
    if (!f->in_unit)
        begin_unit(f, p);
    if (f->unit_temporal == INGEST_NO_TEMPORAL)
        f->unit_temporal = temporal;
    if (info.width > f->unit_width) {
        f->unit_width = info.width;
        f->unit_height = info.height;
    }
    payload_assemble(&f->assembler, p->payload, p->size);
    if (f->n_arrivals < INGEST_ARRIVALS)
        f->arrivals[f->n_arrivals++] = p->arrived_us;
    if (p->marker)
        end_unit(in, f, now_us);
}
