#include "capture/sps.h"

#include "capture/bit_reader.h"

#define NAL_SPS 7
#define ASPECT_EXTENDED 255

/* The profiles whose SPS tells the chroma format (7.3.2.1.1). */
static bool has_chroma_format(uint8_t profile)
{
    static const uint8_t profiles[] = {100, 110, 122, 244, 44,  83, 86,
                                       118, 128, 138, 139, 134, 135};
    for (size_t i = 0; i < sizeof(profiles); i++) {
        if (profiles[i] == profile)
            return true;
    }
    return false;
}

/* 7.3.2.1.1.1: a scale of 0 ends the list. */
static void skip_scaling_list(struct bit_reader *r, int entries)
{
    uint32_t scale = 8; /* modulo 256, so a delta may be anything */
    for (int i = 0; i < entries && scale != 0; i++)
        scale = (scale + (uint32_t)bit_reader_se(r)) & 255;
}

static void read_chroma(struct bit_reader *r, struct sps *s)
{
    uint32_t format = bit_reader_ue(r);
    if (format == 3)
        bit_reader_u(r, 1); /* separate_colour_plane_flag */
    uint32_t luma = bit_reader_ue(r), chroma = bit_reader_ue(r);
    bit_reader_u(r, 1);
    if (format > 3 || luma > 6 || chroma > 6) {
        r->bad = true;
        return;
    }
    s->chroma_format = (uint8_t)format;
    s->bit_depth = (uint8_t)(8 + (luma > chroma ? luma : chroma));
    if (!bit_reader_u(r, 1))
        return;
    int lists = format == 3 ? 12 : 8;
    for (int i = 0; i < lists && !r->bad; i++) {
        if (bit_reader_u(r, 1))
            skip_scaling_list(r, i < 6 ? 16 : 64);
    }
}

static void skip_order_count(struct bit_reader *r)
{
    uint32_t type = bit_reader_ue(r);
    if (type == 0) {
        bit_reader_ue(r);
    } else if (type == 1) {
        bit_reader_u(r, 1);
        bit_reader_se(r);
        bit_reader_se(r);
        uint32_t cycle = bit_reader_ue(r);
        if (cycle > 255)
            r->bad = true;
        for (uint32_t i = 0; i < cycle && !r->bad; i++)
            bit_reader_se(r);
    }
}

/* One side: macroblocks of 16, less what is cropped in units of `unit` pixels. */
static bool crop(uint32_t *out, uint64_t blocks, uint32_t unit, uint64_t cropped)
{
    uint64_t full = blocks * 16;
    if (full > SPS_MAX_SIDE || cropped * unit >= full)
        return false;
    *out = (uint32_t)(full - cropped * unit);
    return true;
}

static bool read_size(struct bit_reader *r, struct sps *s)
{
    uint64_t columns = (uint64_t)bit_reader_ue(r) + 1, rows = (uint64_t)bit_reader_ue(r) + 1;
    s->frames_only = bit_reader_u(r, 1);
    if (!s->frames_only)
        bit_reader_u(r, 1); /* mb_adaptive_frame_field_flag */
    bit_reader_u(r, 1);     /* direct_8x8_inference_flag */
    uint64_t across = 0, down = 0;
    if (bit_reader_u(r, 1)) {
        across = bit_reader_ue(r);
        across += bit_reader_ue(r);
        down = bit_reader_ue(r);
        down += bit_reader_ue(r);
    }
    if (r->bad)
        return false;
    uint32_t fields = s->frames_only ? 1 : 2; /* rows count those of a field */
    bool half_width = s->chroma_format == 1 || s->chroma_format == 2;
    return crop(&s->width, columns, half_width ? 2 : 1, across) &&
           crop(&s->height, rows * fields, (s->chroma_format == 1 ? 2 : 1) * fields, down);
}

/* As far as the timing (E.1.1). */
static void read_vui(struct bit_reader *r, struct sps *s)
{
    if (bit_reader_u(r, 1) && bit_reader_u(r, 8) == ASPECT_EXTENDED)
        bit_reader_u(r, 32);
    if (bit_reader_u(r, 1)) /* overscan */
        bit_reader_u(r, 1);
    if (bit_reader_u(r, 1)) { /* video signal type */
        bit_reader_u(r, 4);
        if (bit_reader_u(r, 1))
            bit_reader_u(r, 24);
    }
    if (bit_reader_u(r, 1)) { /* chroma location */
        bit_reader_ue(r);
        bit_reader_ue(r);
    }
    if (!bit_reader_u(r, 1))
        return;
    uint32_t tick = bit_reader_u(r, 32), time_scale = bit_reader_u(r, 32);
    if (r->bad || tick == 0 || time_scale == 0)
        return;
    s->tick = tick;
    s->time_scale = time_scale;
}

bool sps_parse(struct sps *out, const uint8_t *nal, size_t size)
{
    if (size < 4 || (nal[0] & 0x1f) != NAL_SPS)
        return false;
    struct sps s = {.chroma_format = 1, .bit_depth = 8};
    struct bit_reader r = bit_reader_of(nal + 1, size - 1);
    s.profile_idc = (uint8_t)bit_reader_u(&r, 8);
    s.constraints = (uint8_t)bit_reader_u(&r, 8);
    s.level_idc = (uint8_t)bit_reader_u(&r, 8);
    bit_reader_ue(&r); /* seq_parameter_set_id */
    if (has_chroma_format(s.profile_idc))
        read_chroma(&r, &s);
    bit_reader_ue(&r); /* log2_max_frame_num_minus4 */
    skip_order_count(&r);
    bit_reader_ue(&r); /* max_num_ref_frames */
    bit_reader_u(&r, 1);
    if (!read_size(&r, &s))
        return false;
    if (bit_reader_u(&r, 1))
        read_vui(&r, &s);
    *out = s;
    return true;
}
