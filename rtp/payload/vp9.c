#include "rtp/payload/vp9.h"

#include "rtp/wire/bits.h"
#include "rtp/wire/bytes.h"

#include <errno.h>

/* The first byte (RFC 9628 4.2). */
#define HAS_PICTURE_ID 0x80
#define PREDICTED 0x40
#define HAS_LAYER 0x20
#define FLEXIBLE 0x10
#define BEGINS 0x08
#define ENDS 0x04
#define HAS_STRUCTURE 0x02
#define NOT_NEEDED 0x01
/* The first byte of the scalability structure (4.2.1): one layer, its size, no picture group. */
#define ONE_SIZE 0x10

#define FRAME_MARKER 2
#define SYNC_CODE 0x498342
#define CS_RGB 7

static void parse_picture_id(struct vp9_descriptor *d, struct bit_reader *r)
{
    d->picture_id_bits = get_bit(r) ? 15 : 7;
    d->picture_id = (uint16_t)get_bits(r, d->picture_id_bits);
}

static void parse_layer(struct vp9_descriptor *d, struct bit_reader *r)
{
    d->has_layer = true;
    d->temporal_id = (uint8_t)get_bits(r, 3);
    d->switching_up = get_bit(r);
    d->spatial_id = (uint8_t)get_bits(r, 3);
    d->inter_layer = get_bit(r);
    d->has_tl0_pic_idx = !d->flexible;
    if (d->has_tl0_pic_idx)
        d->tl0_pic_idx = (uint8_t)get_bits(r, 8);
}

static bool parse_references(struct vp9_descriptor *d, struct bit_reader *r)
{
    bool more = true;
    while (more) {
        if (d->n_references == VP9_MAX_REFERENCES)
            return false;
        d->references[d->n_references++] = (uint8_t)get_bits(r, 7);
        more = get_bit(r);
    }
    return true;
}

static void parse_structure(struct vp9_descriptor *d, struct bit_reader *r)
{
    d->n_spatial = (uint8_t)(get_bits(r, 3) + 1);
    d->has_sizes = get_bit(r);
    bool has_group = get_bit(r);
    (void)get_bits(r, 3);
    for (unsigned i = 0; d->has_sizes && i < d->n_spatial; i++) {
        d->width[i] = (uint16_t)get_bits(r, 16);
        d->height[i] = (uint16_t)get_bits(r, 16);
    }
    /* What the picture group says, every packet says of itself. */
    unsigned n = has_group ? get_bits(r, 8) : 0;
    for (unsigned i = 0; i < n && !r->overrun; i++) {
        (void)get_bits(r, 4);
        unsigned references = get_bits(r, 2);
        (void)get_bits(r, 2 + 8 * references);
    }
}

bool vp9_parse(struct vp9_descriptor *d, const uint8_t *payload, size_t size)
{
    if (size == 0)
        return false;
    struct bit_reader r = {.bytes = payload, .size = size, .at = 8};
    *d = (struct vp9_descriptor){
        .predicted = payload[0] & PREDICTED,
        .flexible = payload[0] & FLEXIBLE,
        .begins = payload[0] & BEGINS,
        .ends = payload[0] & ENDS,
        .not_needed = payload[0] & NOT_NEEDED,
    };
    if (payload[0] & HAS_PICTURE_ID)
        parse_picture_id(d, &r);
    if (payload[0] & HAS_LAYER)
        parse_layer(d, &r);
    /* References are told by PictureID, so there must be one (RFC 9628 4.2). */
    if (d->flexible && d->predicted && (d->picture_id_bits == 0 || !parse_references(d, &r)))
        return false;
    if (payload[0] & HAS_STRUCTURE)
        parse_structure(d, &r);
    d->size = r.at / 8;
    return !r.overrun && d->size < size;
}

bool vp9_starts_keyframe(const struct vp9_descriptor *d)
{
    return d->begins && !d->predicted && d->spatial_id == 0 && !d->inter_layer;
}

/* The start of the uncompressed header (VP9 7.2), up to frame_type; false: not a key frame. */
static bool read_keyframe_start(struct bit_reader *r, unsigned *profile)
{
    if (get_bits(r, 2) != FRAME_MARKER)
        return false;
    *profile = get_bits(r, 1);
    *profile |= get_bits(r, 1) << 1;
    if (*profile == 3 && get_bit(r))
        return false;
    bool show_existing_frame = get_bit(r);
    bool non_key_frame = get_bit(r);
    return !show_existing_frame && !non_key_frame && !r->overrun;
}

bool vp9_is_keyframe(const uint8_t *frame, size_t size)
{
    struct bit_reader r = {.bytes = frame, .size = size};
    unsigned profile;
    return read_keyframe_start(&r, &profile);
}

static bool skip_color_config(struct bit_reader *r, unsigned profile)
{
    if (profile >= 2)
        (void)get_bit(r); /* ten or twelve bits */
    bool odd = profile & 1;
    if (get_bits(r, 3) != CS_RGB) {
        (void)get_bits(r, odd ? 4 : 1); /* range, and subsampling */
        return true;
    }
    (void)get_bits(r, odd ? 1 : 0);
    return odd;
}

bool vp9_find_size(const uint8_t *frame, size_t size, uint16_t *width, uint16_t *height)
{
    struct bit_reader r = {.bytes = frame, .size = size};
    unsigned profile;
    if (!read_keyframe_start(&r, &profile))
        return false;
    (void)get_bits(&r, 2); /* show_frame, error_resilient_mode */
    if (get_bits(&r, 24) != SYNC_CODE || !skip_color_config(&r, profile))
        return false;
    uint32_t w = get_bits(&r, 16) + 1, h = get_bits(&r, 16) + 1;
    /* The structure has no place for 65536. */
    if (r.overrun || w > UINT16_MAX || h > UINT16_MAX)
        return false;
    *width = (uint16_t)w;
    *height = (uint16_t)h;
    return true;
}

int vp9_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *unit,
            size_t max_payload)
{
    const uint8_t *frame = unit->data;
    size_t size = unit->size;
    packetize_clear(out);
    if (size == 0 || frame[0] >> 6 != FRAME_MARKER)
        return -EBADMSG;
    /* An intra-only frame counts as predicted: receivers take what is not for a place to begin. */
    uint8_t predicted = vp9_is_keyframe(frame, size) ? 0 : PREDICTED;
    uint8_t first[6] = {BEGINS | predicted, ONE_SIZE};
    struct packetize_headers headers = {
        .first = first, .first_size = 1, .rest = predicted, .last_bits = ENDS};
    uint16_t width, height;
    if (!predicted && vp9_find_size(frame, size, &width, &height)) {
        first[0] |= HAS_STRUCTURE;
        put_u16(first + 2, width);
        put_u16(first + 4, height);
        headers.first_size = sizeof(first);
    }
    return packetize_part(out, &headers, cut, unit, max_payload);
}

int vp9_packetize(struct packetize *out, const uint8_t *frame, size_t size, size_t max_payload)
{
    struct packetize_cut cut = {.at = 0};
    struct packetize_unit unit = {.data = frame, .size = size, .whole = true};
    return vp9_cut(out, &cut, &unit, max_payload);
}

void vp9_assemble_begin(struct vp9_assembler *a, uint8_t *data, size_t capacity)
{
    *a = (struct vp9_assembler){.unit = {.data = data, .capacity = capacity}};
}

void vp9_assemble(struct vp9_assembler *a, const uint8_t *payload, size_t size)
{
    struct vp9_descriptor d;
    if (!vp9_parse(&d, payload, size) || d.begins == a->in_frame) {
        a->unit.broken = true;
        return;
    }
    assemble_append(&a->unit, payload + d.size, size - d.size);
    a->in_frame = !d.ends;
}

bool vp9_assemble_end(struct vp9_assembler *a)
{
    return !a->unit.broken && !a->in_frame && a->unit.size > 0;
}
