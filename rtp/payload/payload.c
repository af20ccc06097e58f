#include "rtp/payload/payload.h"

#include "rtp/payload/h264_sets.h"
#include "rtp/payload/opus.h"

#include <assert.h>
#include <errno.h>
#include <strings.h>

static const struct {
    const char *name;
    uint32_t clock_hz;
} codecs[PAYLOAD_CODECS] = {
    [PAYLOAD_H264] = {"H264", 90000}, [PAYLOAD_VP8] = {"VP8", 90000},
    [PAYLOAD_VP9] = {"VP9", 90000},   [PAYLOAD_AV1] = {"AV1", 90000},
    [PAYLOAD_OPUS] = {"opus", 48000}, /* RFC 7587 4.1: whatever the encoder's rate */
};

static bool is_codec(enum payload_codec codec)
{
    return codec >= PAYLOAD_H264 && codec < PAYLOAD_CODECS;
}

const char *payload_name(enum payload_codec codec)
{
    assert(is_codec(codec));
    return codecs[codec].name;
}

enum payload_codec payload_find(const char *name)
{
    for (int codec = PAYLOAD_H264; codec < PAYLOAD_CODECS; codec++) {
        if (strcasecmp(name, codecs[codec].name) == 0)
            return (enum payload_codec)codec;
    }
    return (enum payload_codec)0;
}

uint32_t payload_clock_hz(enum payload_codec codec)
{
    assert(is_codec(codec));
    return codecs[codec].clock_hz;
}

bool payload_is_video(enum payload_codec codec)
{
    return codec != PAYLOAD_OPUS;
}

int payload_cut(enum payload_codec codec, struct packetize *out, struct packetize_cut *cut,
                const struct packetize_unit *unit, size_t max_payload)
{
    assert(is_codec(codec) && max_payload >= PAYLOAD_MIN_SIZE && max_payload <= UINT16_MAX);
    switch (codec) {
    case PAYLOAD_H264:
        return h264_cut(out, cut, unit, max_payload);
    case PAYLOAD_VP8:
        return vp8_cut(out, cut, unit, max_payload);
    case PAYLOAD_VP9:
        return vp9_cut(out, cut, unit, max_payload);
    case PAYLOAD_AV1:
        return av1_cut(out, cut, unit, max_payload);
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        break;
    }
    return -ENOTSUP;
}

int payload_packetize(enum payload_codec codec, struct packetize *out, const uint8_t *unit,
                      size_t size, size_t max_payload)
{
    assert(max_payload >= PAYLOAD_MIN_SIZE && max_payload <= UINT16_MAX);
    if (codec == PAYLOAD_OPUS)
        return opus_packetize(out, unit, size, max_payload);
    struct packetize_cut cut = {.at = 0};
    struct packetize_unit whole = {.data = unit, .size = size, .whole = true};
    return payload_cut(codec, out, &cut, &whole, max_payload);
}

bool payload_is_keyframe(enum payload_codec codec, const uint8_t *unit, size_t size)
{
    assert(is_codec(codec));
    switch (codec) {
    case PAYLOAD_H264:
        return h264_is_keyframe(unit, size);
    case PAYLOAD_VP8:
        return vp8_is_keyframe(unit, size);
    case PAYLOAD_VP9:
        return vp9_is_keyframe(unit, size);
    case PAYLOAD_AV1:
        return av1_is_keyframe(unit, size);
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        break;
    }
    return true;
}

bool payload_find_size(enum payload_codec codec, const uint8_t *unit, size_t size, uint16_t *width,
                       uint16_t *height)
{
    assert(is_codec(codec));
    switch (codec) {
    case PAYLOAD_H264:
        return h264_find_size(unit, size, width, height);
    case PAYLOAD_VP8:
        return vp8_find_size(unit, size, width, height);
    case PAYLOAD_VP9:
        return vp9_find_size(unit, size, width, height);
    case PAYLOAD_AV1:
        return av1_find_size(unit, size, width, height);
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        break;
    }
    return false;
}

static bool inspect_h264(struct payload_info *info, const uint8_t *payload, size_t size)
{
    if (size == 0)
        return false;
    info->starts_frame = h264_payload_may_start_frame(payload, size);
    info->starts_keyframe = h264_payload_starts_keyframe(payload, size);
    return true;
}

static bool inspect_vp8(struct payload_info *info, const uint8_t *payload, size_t size)
{
    struct vp8_descriptor d;
    if (!vp8_parse(&d, payload, size))
        return false;
    const uint8_t *frame = payload + d.size;
    size_t left = size - d.size;
    *info = (struct payload_info){
        .starts_frame = vp8_starts_frame(&d),
        .starts_keyframe = vp8_starts_frame(&d) && vp8_is_keyframe(frame, left),
        .discardable = d.non_reference,
        .has_layer = d.has_layer,
        .temporal_id = d.temporal_id,
        .switching_up = d.layer_sync,
        .picture_id_bits = d.picture_id_bits,
        .picture_id = d.picture_id,
        .has_tl0_pic_idx = d.has_tl0_pic_idx,
        .tl0_pic_idx = d.tl0_pic_idx,
    };
    if (info->starts_keyframe)
        (void)vp8_find_size(frame, left, &info->width, &info->height);
    return true;
}

static bool inspect_vp9(struct payload_info *info, const uint8_t *payload, size_t size)
{
    struct vp9_descriptor d;
    if (!vp9_parse(&d, payload, size))
        return false;
    /* The picture is as large as its uppermost layer. */
    unsigned top = d.n_spatial > 0 ? d.n_spatial - 1u : 0;
    *info = (struct payload_info){
        .starts_frame = d.begins,
        .ends_frame = d.ends,
        .starts_keyframe = vp9_starts_keyframe(&d),
        .has_layer = d.has_layer,
        .temporal_id = d.temporal_id,
        .spatial_id = d.spatial_id,
        .switching_up = d.switching_up,
        .picture_id_bits = d.picture_id_bits,
        .picture_id = d.picture_id,
        .has_tl0_pic_idx = d.has_tl0_pic_idx,
        .tl0_pic_idx = d.tl0_pic_idx,
        .width = d.width[top],
        .height = d.height[top],
    };
    return true;
}

static bool inspect_av1(struct payload_info *info, const uint8_t *payload, size_t size)
{
    struct av1_descriptor d;
    if (!av1_parse(&d, payload, size))
        return false;
    *info = (struct payload_info){
        .starts_frame = !d.continues,
        .starts_keyframe = d.starts_sequence,
        .has_layer = d.has_layer,
        .temporal_id = d.temporal_id,
        .spatial_id = d.spatial_id,
    };
    return true;
}

bool payload_inspect(enum payload_codec codec, struct payload_info *info, const uint8_t *payload,
                     size_t size)
{
    assert(is_codec(codec));
    *info = (struct payload_info){.starts_frame = false};
    switch (codec) {
    case PAYLOAD_H264:
        return inspect_h264(info, payload, size);
    case PAYLOAD_VP8:
        return inspect_vp8(info, payload, size);
    case PAYLOAD_VP9:
        return inspect_vp9(info, payload, size);
    case PAYLOAD_AV1:
        return inspect_av1(info, payload, size);
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        break;
    }
    *info =
        (struct payload_info){.starts_frame = true, .ends_frame = true, .starts_keyframe = true};
    return opus_samples(payload, size) > 0;
}

void payload_assemble_begin(struct payload_assembler *a, enum payload_codec codec, uint8_t *data,
                            size_t capacity)
{
    assert(is_codec(codec));
    *a = (struct payload_assembler){.codec = codec};
    switch (codec) {
    case PAYLOAD_H264:
        h264_assemble_begin(&a->of.h264, data, capacity);
        break;
    case PAYLOAD_VP8:
        vp8_assemble_begin(&a->of.vp8, data, capacity);
        break;
    case PAYLOAD_VP9:
        vp9_assemble_begin(&a->of.vp9, data, capacity);
        break;
    case PAYLOAD_AV1:
        av1_assemble_begin(&a->of.av1, data, capacity);
        break;
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        a->of.opus = (struct assemble){.data = data, .capacity = capacity};
        break;
    }
}

static void assemble_opus(struct assemble *a, const uint8_t *payload, size_t size)
{
    if (a->size > 0 || opus_samples(payload, size) == 0)
        a->broken = true;
    assemble_append(a, payload, size);
}

void payload_assemble(struct payload_assembler *a, const uint8_t *payload, size_t size)
{
    switch (a->codec) {
    case PAYLOAD_H264:
        h264_assemble(&a->of.h264, payload, size);
        break;
    case PAYLOAD_VP8:
        vp8_assemble(&a->of.vp8, payload, size);
        break;
    case PAYLOAD_VP9:
        vp9_assemble(&a->of.vp9, payload, size);
        break;
    case PAYLOAD_AV1:
        av1_assemble(&a->of.av1, payload, size);
        break;
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        assemble_opus(&a->of.opus, payload, size);
        break;
    }
}

struct packetize_unit payload_assemble_part(const struct payload_assembler *a)
{
    assert(payload_is_video(a->codec));
    if (a->codec == PAYLOAD_H264)
        return (struct packetize_unit){
            .data = a->of.h264.data, .size = a->of.h264.size, .tail = a->of.h264.tail};
    if (a->codec == PAYLOAD_AV1)
        return (struct packetize_unit){.data = a->of.av1.unit.data,
                                       .size = av1_assemble_part(&a->of.av1)};
    const struct assemble *unit = a->codec == PAYLOAD_VP8 ? &a->of.vp8.unit : &a->of.vp9.unit;
    return (struct packetize_unit){.data = unit->data, .size = unit->size};
}

bool payload_assemble_broken(const struct payload_assembler *a)
{
    switch (a->codec) {
    case PAYLOAD_H264:
        return a->of.h264.broken;
    case PAYLOAD_VP8:
        return a->of.vp8.unit.broken;
    case PAYLOAD_VP9:
        return a->of.vp9.unit.broken;
    case PAYLOAD_AV1:
        return a->of.av1.unit.broken;
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        break;
    }
    return a->of.opus.broken;
}

size_t payload_assemble_end(struct payload_assembler *a)
{
    switch (a->codec) {
    case PAYLOAD_H264:
        return h264_assemble_end(&a->of.h264) ? a->of.h264.size : 0;
    case PAYLOAD_VP8:
        return vp8_assemble_end(&a->of.vp8) ? a->of.vp8.unit.size : 0;
    case PAYLOAD_VP9:
        return vp9_assemble_end(&a->of.vp9) ? a->of.vp9.unit.size : 0;
    case PAYLOAD_AV1:
        return av1_assemble_end(&a->of.av1) ? a->of.av1.unit.size : 0;
    case PAYLOAD_OPUS:
    case PAYLOAD_CODECS:
        break;
    }
    return a->of.opus.broken ? 0 : a->of.opus.size;
}
