#include "rtp/payload/vp8.h"

#include "rtp/wire/bytes.h"

/* The first byte (RFC 7741 4.2). */
#define EXTENDED 0x80
#define NON_REFERENCE 0x20
#define PARTITION_START 0x10
#define PARTITION 0x07
/* The byte of extensions. */
#define HAS_PICTURE_ID 0x80
#define HAS_TL0_PIC_IDX 0x40
#define HAS_LAYER 0x20
#define HAS_KEY_IDX 0x10

#define KEYFRAME_HEADER_SIZE 10

static bool parse_picture_id(struct vp8_descriptor *d, const uint8_t *p, size_t size)
{
    if (d->size >= size)
        return false;
    bool longer = p[d->size] & 0x80;
    if (longer && size - d->size < 2)
        return false;
    d->picture_id_bits = longer ? 15 : 7;
    d->picture_id = longer ? get_u16(p + d->size) & 0x7fff : p[d->size];
    d->size = (uint8_t)(d->size + (longer ? 2 : 1));
    return true;
}

static bool parse_extensions(struct vp8_descriptor *d, const uint8_t *p, size_t size)
{
    if (size < 2)
        return false;
    uint8_t has = p[d->size++];
    if (has & HAS_PICTURE_ID && !parse_picture_id(d, p, size))
        return false;
    if (has & HAS_TL0_PIC_IDX) {
        if (d->size >= size)
            return false;
        d->has_tl0_pic_idx = true;
        d->tl0_pic_idx = p[d->size++];
    }
    if (has & (HAS_LAYER | HAS_KEY_IDX)) {
        if (d->size >= size)
            return false;
        uint8_t both = p[d->size++];
        d->has_layer = has & HAS_LAYER;
        d->temporal_id = d->has_layer ? both >> 6 : 0;
        d->layer_sync = d->has_layer && both & 0x20;
        d->has_key_idx = has & HAS_KEY_IDX;
        d->key_idx = d->has_key_idx ? both & 0x1f : 0;
    }
    return true;
}

bool vp8_parse(struct vp8_descriptor *d, const uint8_t *payload, size_t size)
{
    if (size == 0)
        return false;
    *d = (struct vp8_descriptor){
        .size = 1,
        .non_reference = payload[0] & NON_REFERENCE,
        .partition_start = payload[0] & PARTITION_START,
        .partition = payload[0] & PARTITION,
    };
    if (payload[0] & EXTENDED && !parse_extensions(d, payload, size))
        return false;
    return d->size < size;
}

bool vp8_starts_frame(const struct vp8_descriptor *d)
{
    return d->partition_start && d->partition == 0;
}

bool vp8_is_keyframe(const uint8_t *frame, size_t size)
{
    return size > 0 && (frame[0] & 1) == 0; /* RFC 6386 9.1: 0 is a key frame */
}

bool vp8_find_size(const uint8_t *frame, size_t size, uint16_t *width, uint16_t *height)
{
    if (size < KEYFRAME_HEADER_SIZE || !vp8_is_keyframe(frame, size) ||
        get_u24(frame + 3) != 0x9d012a)
        return false;
    /* Little-endian, and the two bits above are a scaling factor for the display. */
    *width = (uint16_t)((frame[7] & 0x3f) << 8 | frame[6]);
    *height = (uint16_t)((frame[9] & 0x3f) << 8 | frame[8]);
    return true;
}

int vp8_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *frame,
            size_t max_payload)
{
    static const uint8_t first = PARTITION_START;
    static const struct packetize_headers headers = {.first = &first, .first_size = 1};
    return packetize_part(out, &headers, cut, frame, max_payload);
}

int vp8_packetize(struct packetize *out, const uint8_t *frame, size_t size, size_t max_payload)
{
    struct packetize_cut cut = {.at = 0};
    struct packetize_unit unit = {.data = frame, .size = size, .whole = true};
    return vp8_cut(out, &cut, &unit, max_payload);
}

void vp8_assemble_begin(struct vp8_assembler *a, uint8_t *data, size_t capacity)
{
    *a = (struct vp8_assembler){.unit = {.data = data, .capacity = capacity}};
}

void vp8_assemble(struct vp8_assembler *a, const uint8_t *payload, size_t size)
{
    struct vp8_descriptor d;
    /* The first packet begins partition 0, and no other does. */
    if (!vp8_parse(&d, payload, size) || vp8_starts_frame(&d) != (a->unit.size == 0)) {
        a->unit.broken = true;
        return;
    }
    assemble_append(&a->unit, payload + d.size, size - d.size);
}

bool vp8_assemble_end(struct vp8_assembler *a)
{
    return !a->unit.broken && a->unit.size > 0;
}
