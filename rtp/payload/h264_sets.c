#include "rtp/payload/h264_sets.h"

#include "rtp/wire/bits.h"

#include <string.h>

#define SPS_MAX 512 /* bytes looked at: the size stands before the VUI */
#define SIZE_MAX_PIXELS 16384

static unsigned nal_type(const struct h264_nal_unit *nal)
{
    return nal->data[0] & 0x1f;
}

void h264_sets_init(struct h264_sets *s)
{
    s->size = 0;
}

static void keep(struct h264_sets *s, const struct h264_nal_unit *nal)
{
    static const uint8_t start_code[4] = {0, 0, 0, 1};
    if (nal->size + sizeof(start_code) > sizeof(s->bytes) - s->size) {
        s->size = 0;
        return;
    }
    memcpy(s->bytes + s->size, start_code, sizeof(start_code));
    memcpy(s->bytes + s->size + sizeof(start_code), nal->data, nal->size);
    s->size += sizeof(start_code) + nal->size;
}

static bool is_kept(const struct h264_sets *s, const struct h264_nal_unit *nal)
{
    const uint8_t *data = s->bytes;
    size_t size = s->size;
    struct h264_nal_unit kept;
    while (h264_next_nal(&kept, &data, &size)) {
        if (kept.size == nal->size && memcmp(kept.data, nal->data, nal->size) == 0)
            return true;
    }
    return false;
}

bool h264_sets_take(struct h264_sets *s, const uint8_t *access_unit, size_t size)
{
    struct h264_nal_unit nal;
    bool has_sps = false, has_idr = false;
    while (h264_next_nal(&nal, &access_unit, &size)) {
        if (nal_type(&nal) == H264_SPS && !has_sps)
            s->size = 0;
        has_sps = has_sps || nal_type(&nal) == H264_SPS;
        has_idr = has_idr || nal_type(&nal) == H264_IDR;
        bool is_set = nal_type(&nal) == H264_SPS || (nal_type(&nal) == H264_PPS && s->size > 0);
        if (is_set && !is_kept(s, &nal))
            keep(s, &nal);
    }
    return has_sps || !has_idr;
}

/* Exp-Golomb, unsigned (9.1). */
static uint32_t get_ue(struct bit_reader *r)
{
    unsigned zeros = 0;
    while (!get_bit(r) && !r->overrun) {
        if (++zeros > 31) {
            r->overrun = true;
            return 0;
        }
    }
    return zeros == 0 ? 0 : (1u << zeros) - 1 + get_bits(r, zeros);
}

static int32_t get_se(struct bit_reader *r)
{
    uint32_t v = get_ue(r);
    return v & 1 ? (int32_t)(v / 2 + 1) : -(int32_t)(v / 2);
}

static void skip_scaling_list(struct bit_reader *r, unsigned n)
{
    int32_t last = 8, next = 8;
    for (unsigned i = 0; i < n && next != 0 && !r->overrun; i++) {
        next = (int32_t)(((int64_t)last + get_se(r) + 256) & 255);
        last = next == 0 ? last : next;
    }
}

static bool has_chroma(uint32_t profile_idc)
{
    static const uint8_t profiles[] = {100, 110, 122, 244, 44,  83, 86,
                                       118, 128, 138, 139, 134, 135};
    return memchr(profiles, (int)profile_idc, sizeof(profiles)) != NULL;
}

/* chroma_format_idc, and 3 becomes 0 where its planes are coded apart (7.4.2.1.1). */
static uint32_t read_chroma(struct bit_reader *r)
{
    uint32_t chroma = get_ue(r);
    bool apart = chroma == 3 && get_bit(r);
    (void)get_ue(r); /* bit depths */
    (void)get_ue(r);
    (void)get_bit(r);
    bool scaled = get_bit(r);
    for (unsigned i = 0; scaled && i < (chroma == 3 ? 12u : 8u); i++) {
        if (get_bit(r))
            skip_scaling_list(r, i < 6 ? 16 : 64);
    }
    return apart ? 0 : chroma;
}

static void skip_picture_order(struct bit_reader *r)
{
    uint32_t type = get_ue(r);
    if (type == 0)
        (void)get_ue(r);
    if (type != 1)
        return;
    (void)get_bit(r);
    (void)get_se(r);
    (void)get_se(r);
    uint32_t n = get_ue(r);
    for (uint32_t i = 0; i < n && !r->overrun; i++)
        (void)get_se(r);
}

/* The pictures of an SPS, in samples of luma. */
static bool read_size(struct bit_reader *r, uint32_t chroma, uint16_t *width, uint16_t *height)
{
    (void)get_ue(r); /* max_num_ref_frames */
    (void)get_bit(r);
    uint64_t w = ((uint64_t)get_ue(r) + 1) * 16, h = ((uint64_t)get_ue(r) + 1) * 16;
    bool frames_only = get_bit(r);
    if (!frames_only) {
        h *= 2;
        (void)get_bit(r);
    }
    (void)get_bit(r);
    uint64_t crop[4] = {0};
    for (unsigned i = 0, cropped = get_bit(r); cropped && i < 4; i++)
        crop[i] = get_ue(r);
    uint64_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
    uint64_t unit_y = (chroma == 1 ? 2u : 1u) * (frames_only ? 1u : 2u);
    uint64_t cut_x = (crop[0] + crop[1]) * unit_x, cut_y = (crop[2] + crop[3]) * unit_y;
    if (r->overrun || cut_x >= w || cut_y >= h || w - cut_x > SIZE_MAX_PIXELS ||
        h - cut_y > SIZE_MAX_PIXELS)
        return false;
    *width = (uint16_t)(w - cut_x);
    *height = (uint16_t)(h - cut_y);
    return true;
}

/* Without emulation_prevention_three_byte (7.3.1); the first SPS_MAX bytes. */
static size_t unescape(uint8_t *out, const uint8_t *nal, size_t size)
{
    size_t n = 0;
    unsigned zeros = 0;
    for (size_t i = 0; i < size && n < SPS_MAX; i++) {
        bool escape = zeros >= 2 && nal[i] == 3;
        zeros = nal[i] == 0 ? zeros + 1 : 0;
        if (!escape)
            out[n++] = nal[i];
    }
    return n;
}

bool h264_sps_size(const uint8_t *sps, size_t size, uint16_t *width, uint16_t *height)
{
    uint8_t plain[SPS_MAX];
    if (size < 5)
        return false;
    struct bit_reader r = {.bytes = plain, .size = unescape(plain, sps + 1, size - 1)};
    uint32_t profile_idc = get_bits(&r, 8);
    (void)get_bits(&r, 16); /* constraints, level */
    (void)get_ue(&r);
    uint32_t chroma = has_chroma(profile_idc) ? read_chroma(&r) : 1;
    (void)get_ue(&r); /* log2_max_frame_num_minus4 */
    skip_picture_order(&r);
    return read_size(&r, chroma, width, height);
}

bool h264_find_size(const uint8_t *access_unit, size_t size, uint16_t *width, uint16_t *height)
{
    struct h264_nal_unit nal;
    while (h264_next_nal(&nal, &access_unit, &size)) {
        if (nal_type(&nal) == H264_SPS)
            return h264_sps_size(nal.data, nal.size, width, height);
    }
    return false;
}
