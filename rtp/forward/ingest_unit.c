#include "rtp/forward/ingest_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A new GOP before the present one is no start for a viewer any more. */
#define GOP_FRAMES_MAX (STREAM_JOIN_MAX_FRAMES - 16)
#define GOP_PARTS_MAX (STREAM_JOIN_MAX_PARTS - 64)
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
    ingest_unit_cut_off(in, f);
    f->in_unit = f->aligned = f->any_ts = false;
    ingest_unit_lose(in, f);
}

/* --- publishing --- */

/* Of all that is published now. */
static void measure_delay(struct ingest_flow *f, bool all, int64_t now_us)
{
    unsigned n = 0;
    while (n < f->n_arrivals && (all || f->arrivals[n].end + f->unit_sets <= f->cut.at))
        worker_samples_add(&f->delay, now_us - f->arrivals[n++].at_us);
    f->n_arrivals -= n;
    memmove(f->arrivals, f->arrivals + n, f->n_arrivals * sizeof(f->arrivals[0]));
}

static void publish(struct ingest *in, struct ingest_flow *f, struct frame *frame, int64_t now_us)
{
    const struct ingest_track *t = ingest_track_of(in, f);
    f->published_us = now_us;
    if (!f->live || f->codec != frame->codec) {
        f->live = true;
        f->codec = frame->codec;
        in->version++;
    }
    measure_delay(f, frame->ends, now_us);
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
    f->arrivals[0] = (struct ingest_arrival){.at_us = p->arrived_us};
    f->frames++;
    f->keyframes++;
    publish(in, f, frame, now_us);
}

/* In the smallest frame that has room; many small NAL units may need more packets than their bytes
 * let one expect, so the next size is tried, too. NULL: it is not to be had, or there is nothing to
 * be sent yet. */
static struct frame *packetize(struct ingest *in, struct ingest_flow *f,
                               const struct packetize_unit *unit)
{
    enum payload_codec codec = (enum payload_codec)f->unit_codec;
    size_t size = unit->size - f->cut.at;
    for (unsigned i = 0; i < INGEST_POOLS; i++) {
        if (size > ingest_pool_capacity[i])
            continue;
        struct frame *frame = frame_get(in->pools[i]);
        if (!frame) {
            in->counters.no_frames++;
            return NULL;
        }
        int rc = payload_cut(codec, &frame->payload, &f->cut, unit, PACKETIZE_MAX_PAYLOAD);
        if (rc == 0 && frame->payload.n_packets > 0) {
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
 * a structure of ours takes the place of its, the layers are its. All parts of a picture have the
 * same. */
static void describe(struct ingest_flow *f, struct frame *frame)
{
    if (frame->codec != PAYLOAD_AV1)
        return;
    if (frame->part == 0) {
        f->unit_number = f->number++;
        f->unit_described = dependency_next(&f->tracker, &f->unit_dependency, f->unit_number,
                                            frame->temporal_id, frame->keyframe);
    }
    if (!f->unit_described)
        return;
    struct dependency_descriptor d = {.frame_number = f->unit_number, .frame = f->unit_dependency};
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
static bool complete_h264(struct ingest_flow *f, const struct packetize_unit *unit)
{
    if (h264_sets_take(&f->sets, unit->data, unit->size))
        return true;
    assert(f->sets.size <= INGEST_HEADROOM);
    f->unit_sets = f->sets.size;
    memcpy(f->unit + INGEST_HEADROOM - f->unit_sets, f->sets.bytes, f->unit_sets);
    return f->unit_sets > 0;
}

static void note_keyframe(struct ingest *in, struct ingest_flow *f,
                          const struct packetize_unit *unit, int64_t now_us)
{
    enum payload_codec codec = (enum payload_codec)f->unit_codec;
    uint16_t width = f->width, height = f->height;
    struct h264_profile profile;
    keyframe_made(&f->budget, now_us);
    f->gop_frames = f->gop_parts = 0;
    f->gop_bytes = 0;
    f->pli_tries = 0;
    f->pli_next_us = 0;
    if (codec == PAYLOAD_H264 && h264_find_profile(&profile, unit->data, unit->size)) {
        const uint8_t bytes[3] = {profile.profile_idc, profile.constraints, profile.level_idc};
        in->version += memcmp(bytes, f->h264_profile, sizeof(bytes)) != 0;
        memcpy(f->h264_profile, bytes, sizeof(bytes));
    }
    bool known = payload_find_size(codec, unit->data, unit->size, &width, &height);
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

static void count_picture(struct ingest_flow *f, size_t size)
{
    f->frames++;
    f->keyframes += f->unit_keyframe;
    keyframe_on_frame(&f->budget, f->unit_keyframe, (uint32_t)size, 0);
    f->gop_bytes += size;
    f->gop_parts += f->n_parts;
    if (++f->gop_frames >= GOP_FRAMES_MAX || f->gop_parts >= GOP_PARTS_MAX ||
        f->gop_bytes >= GOP_BYTES_MAX)
        keyframe_want(&f->budget, !f->budget.wanted);
}

static void drop(struct ingest *in, struct ingest_flow *f)
{
    f->frames_dropped++;
    f->n_arrivals = 0;
    ingest_unit_cut_off(in, f);
    ingest_unit_lose(in, f);
}

/* With what is put in front of it. */
static struct packetize_unit unit_so_far(const struct ingest_flow *f)
{
    struct packetize_unit unit = payload_assemble_part(&f->assembler);
    unit.data -= f->unit_sets;
    unit.size += f->unit_sets;
    unit.tail += f->unit_sets;
    return unit;
}

/* Takes what is known of a picture when it begins, of which the unit holds enough. False: it cannot
 * be used. */
static bool begin_picture(struct ingest_flow *f, const struct packetize_unit *unit)
{
    f->unit_sets = 0;
    bool complete = f->unit_codec != PAYLOAD_H264 || complete_h264(f, unit);
    f->unit_keyframe =
        payload_is_keyframe((enum payload_codec)f->unit_codec, unit->data, unit->size);
    return complete && (!f->lost || f->unit_keyframe);
}

static void publish_picture(struct ingest *in, struct ingest_flow *f,
                            const struct packetize_unit *unit, struct frame *frame, int64_t now_us)
{
    if (f->n_parts == 0) {
        if (f->unit_keyframe)
            note_keyframe(in, f, unit, now_us);
        f->lost = false;
        f->unit_id = temporal_of(f, f->unit_keyframe);
        f->unit_captured_us = timing_place(&f->timing, &in->clock, f->unit_ts, now_us);
    }
    frame->keyframe = f->unit_keyframe && f->n_parts == 0;
    frame->part = f->n_parts++;
    frame->ends = unit->whole;
    frame->temporal_id = f->unit_id;
    frame->captured_us = f->unit_captured_us;
    frame->rtp_ts = (uint32_t)(frame->captured_us * 9 / 100);
    if (unit->whole) {
        count_picture(f, unit->size);
        f->n_parts = 0;
    }
    describe(f, frame);
    publish(in, f, frame, now_us);
}

void ingest_unit_cut_off(struct ingest *in, struct ingest_flow *f)
{
    if (f->n_parts == 0)
        return;
    struct frame *frame = frame_get(in->pools[0]);
    if (frame) {
        const struct ingest_track *t = ingest_track_of(in, f);
        frame->codec = f->unit_codec;
        frame->part = f->n_parts;
        frame->temporal_id = f->unit_id;
        frame->captured_us = f->unit_captured_us;
        frame->rtp_ts = (uint32_t)(frame->captured_us * 9 / 100);
        in->publish(in->publish_arg, t->config.stream_id, t->layer_of[f->index], frame);
    } else {
        in->counters.no_frames++;
    }
    f->n_parts = 0;
    f->cut = (struct packetize_cut){.at = 0};
}

static void end_unit(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    struct packetize_unit unit = {.data = f->unit + INGEST_HEADROOM,
                                  .size = payload_assemble_end(&f->assembler),
                                  .whole = true};
    f->in_unit = false;
    f->aligned = true;
    if (unit.size == 0) {
        in->counters.malformed++;
        drop(in, f);
        return;
    }
    bool useful = f->n_parts > 0 || begin_picture(f, &unit);
    if (f->unit_codec == PAYLOAD_H264 && !has_slice(unit.data, unit.size))
        return; /* parameter sets alone, for what follows */
    unit.data -= f->unit_sets;
    unit.size += f->unit_sets;
    struct frame *frame = useful ? packetize(in, f, &unit) : NULL;
    if (frame)
        publish_picture(in, f, &unit, frame, now_us);
    else
        drop(in, f);
}

/* With the first byte of its header. */
static bool has_frame(const uint8_t *unit, size_t size)
{
    struct av1_obu obu;
    while (av1_next_obu(&obu, &unit, &size) > 0) {
        if (obu.type == AV1_FRAME || obu.type == AV1_FRAME_HEADER)
            return obu.payload_size > 0;
    }
    return false;
}

/* Is there so much of it that one can tell what it is? H.264 has its slices last. */
static bool has_begun(const struct ingest_flow *f, const struct packetize_unit *unit)
{
    if (f->unit_codec == PAYLOAD_AV1)
        return has_frame(unit->data, unit->size);
    if (f->unit_codec != PAYLOAD_H264)
        return unit->size > 0;
    return has_slice(unit->data + unit->tail, unit->size - unit->tail);
}

static void publish_what_is_there(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    f->part_due_us = INT64_MAX;
    struct packetize_unit unit = unit_so_far(f);
    if (payload_assemble_broken(&f->assembler) || !has_begun(f, &unit) ||
        (f->n_parts == 0 && !begin_picture(f, &unit)))
        return;
    unit = unit_so_far(f);
    struct frame *frame = packetize(in, f, &unit);
    if (!frame)
        return;
    publish_picture(in, f, &unit, frame, now_us);
    if (f->n_arrivals > 0)
        f->part_due_us = f->arrivals[0].at_us + INGEST_PART_US;
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
    f->n_parts = 0;
    f->part_due_us = INT64_MAX;
    f->unit_sets = 0;
    f->cut = (struct packetize_cut){.at = 0};
}

static void note_arrival(struct ingest_flow *f, const struct ingest_packet *p)
{
    size_t end = payload_assemble_part(&f->assembler).size;
    if (f->n_arrivals < INGEST_ARRIVALS)
        f->arrivals[f->n_arrivals++] = (struct ingest_arrival){.at_us = p->arrived_us, .end = end};
    if (f->part_due_us == INT64_MAX)
        f->part_due_us = f->arrivals[0].at_us + INGEST_PART_US;
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
    note_arrival(f, p);
    if (p->marker)
        end_unit(in, f, now_us);
}

int64_t ingest_unit_timeout(const struct ingest_flow *f)
{
    if (!f->in_unit)
        return INT64_MAX;
    int64_t rest_us = f->n_parts > 0 ? f->newest_us + INGEST_REST_US : INT64_MAX;
    return f->part_due_us < rest_us ? f->part_due_us : rest_us;
}

void ingest_unit_on_time(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    if (now_us < ingest_unit_timeout(f))
        return;
    if (f->n_parts > 0 && now_us >= f->newest_us + INGEST_REST_US)
        ingest_unit_break(in, f);
    else
        publish_what_is_there(in, f, now_us);
}
