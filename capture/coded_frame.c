#include "capture/coded_frame.h"

#define VP8_HEADER 10
#define OBU_SEQUENCE_HEADER 1
#define OBU_FRAME_HEADER 3
#define OBU_FRAME 6
#define OBU_SIZE_BYTES_MAX 8

/* --- VP8 --- */

static bool read_vp8(struct coded_frame *out, const uint8_t *p, size_t size)
{
    if (size < 3)
        return false;
    out->keyframe = (p[0] & 1) == 0;
    if (!out->keyframe)
        return true;
    if (size < VP8_HEADER || p[3] != 0x9d || p[4] != 0x01 || p[5] != 0x2a)
        return false;
    out->width = (p[6] | p[7] << 8) & 0x3fff;
    out->height = (p[8] | p[9] << 8) & 0x3fff;
    return out->width > 0 && out->height > 0;
}

/* --- VP9 --- */

struct bits {
    const uint8_t *at;
    size_t size, used; /* size in bytes, used in bits */
    bool bad;
};

static unsigned take(struct bits *b, unsigned n)
{
    unsigned value = 0;
    for (; n > 0; n--, b->used++) {
        if (b->used / 8 >= b->size) {
            b->bad = true;
            return 0;
        }
        value = value << 1 | (b->at[b->used / 8] >> (7 - b->used % 8) & 1u);
    }
    return value;
}

static bool read_vp9_size(struct coded_frame *out, struct bits *b)
{
    if (take(b, 24) != 0x498342) /* frame_sync_code */
        return false;
    if (out->profile > 0)
        return !b->bad;
    if (take(b, 3) != 7)  /* color_space, of which RGB has another profile */
        (void)take(b, 1); /* color_range */
    out->width = (int)take(b, 16) + 1;
    out->height = (int)take(b, 16) + 1;
    return !b->bad;
}

static bool read_vp9(struct coded_frame *out, const uint8_t *p, size_t size)
{
    struct bits b = {.at = p, .size = size};
    if (take(&b, 2) != 2) /* frame_marker */
        return false;
    unsigned low = take(&b, 1), high = take(&b, 1);
    out->profile = (uint8_t)(high << 1 | low);
    if (out->profile == 3)
        (void)take(&b, 1);
    if (take(&b, 1)) /* show_existing_frame */
        return !b.bad;
    out->keyframe = take(&b, 1) == 0;
    (void)take(&b, 2); /* show_frame, error_resilient_mode */
    return out->keyframe ? read_vp9_size(out, &b) && !b.bad : !b.bad;
}

/* --- AV1 --- */

struct obu {
    unsigned type;
    const uint8_t *data;
    size_t size;
};

/* 4.10.5: leb128(), at most 32 bits. */
static bool take_leb128(uint64_t *out, const uint8_t **at, const uint8_t *end)
{
    *out = 0;
    for (unsigned i = 0; i < OBU_SIZE_BYTES_MAX && *at < end; i++) {
        uint8_t byte = *(*at)++;
        *out |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return *out <= UINT32_MAX;
    }
    return false;
}

static bool next_obu(struct obu *out, const uint8_t **at, const uint8_t *end)
{
    if (*at == end)
        return false;
    uint8_t header = *(*at)++;
    bool has_extension = header & 4, has_size = header & 2;
    uint64_t size;
    if (header & 0x80 || !has_size || (has_extension && *at == end))
        return false;
    *at += has_extension;
    if (!take_leb128(&size, at, end) || size > (uint64_t)(end - *at))
        return false;
    *out = (struct obu){.type = header >> 3 & 15, .data = *at, .size = (size_t)size};
    *at += size;
    return true;
}

static bool read_av1(struct coded_frame *out, const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    struct obu obu;
    bool has_sequence = false, has_frame = false;
    while (next_obu(&obu, &p, end)) {
        if (obu.size == 0)
            continue;
        if (obu.type == OBU_SEQUENCE_HEADER) {
            has_sequence = true;
            out->profile = obu.data[0] >> 5;
        } else if (!has_frame && (obu.type == OBU_FRAME || obu.type == OBU_FRAME_HEADER)) {
            has_frame = true;
            /* show_existing_frame, then frame_type: KEY_FRAME is 0 */
            out->keyframe = has_sequence && (obu.data[0] & 0xe0) == 0;
        }
    }
    return p == end && has_frame;
}

bool coded_frame_read(struct coded_frame *out, enum coded_frame_codec codec, const uint8_t *data,
                      size_t size)
{
    *out = (struct coded_frame){.keyframe = false};
    switch (codec) {
    case CODED_FRAME_VP8:
        return read_vp8(out, data, size);
    case CODED_FRAME_VP9:
        return read_vp9(out, data, size);
    case CODED_FRAME_AV1:
        return read_av1(out, data, size);
    }
    return false;
}
