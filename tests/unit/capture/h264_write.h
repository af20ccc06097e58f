/* h264_write.h - small H.264 byte streams, bit by bit: headers are real, slices hold only the begin
 * of their header and filling. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct h264_writer {
    uint8_t data[1 << 16];
    size_t size;
    unsigned bits, zeros; /* bits of the last byte in use; zero bytes before it */
    uint8_t byte;
};

static inline void write_byte(struct h264_writer *w, uint8_t byte)
{
    assert(w->size < sizeof(w->data));
    w->data[w->size++] = byte;
}

static inline void write_bit(struct h264_writer *w, unsigned bit)
{
    w->byte = (uint8_t)(w->byte << 1 | bit);
    if (++w->bits < 8)
        return;
    if (w->zeros == 2 && w->byte <= 3) {
        write_byte(w, 3);
        w->zeros = 0;
    }
    write_byte(w, w->byte);
    w->zeros = w->byte == 0 ? w->zeros + 1 : 0;
    w->bits = w->byte = 0;
}

static inline void write_u(struct h264_writer *w, unsigned n, uint32_t value)
{
    while (n-- > 0)
        write_bit(w, value >> n & 1);
}

static inline void write_ue(struct h264_writer *w, uint32_t value)
{
    unsigned n = 0;
    while (((uint64_t)value + 1) >> (n + 1))
        n++;
    write_u(w, n, 0);
    write_u(w, 1, 1);
    write_u(w, n, (uint32_t)(value + 1 - (1u << n)));
}

static inline void write_se(struct h264_writer *w, int32_t value)
{
    write_ue(w, value > 0 ? (uint32_t)value * 2 - 1 : (uint32_t)-value * 2);
}

static inline void begin_nal(struct h264_writer *w, uint8_t header)
{
    static const uint8_t start_code[] = {0, 0, 0, 1};
    for (size_t i = 0; i < sizeof(start_code); i++)
        write_byte(w, start_code[i]);
    write_byte(w, header);
    w->zeros = 0;
}

static inline void end_nal(struct h264_writer *w)
{
    write_bit(w, 1);
    while (w->bits)
        write_bit(w, 0);
}

struct sps_fields {
    uint8_t profile, constraints, level;
    uint32_t columns, rows;      /* macroblocks; rows of a field if `fields` */
    bool fields, crops, has_vui; /* has_vui: with every part before the timing */
    uint32_t crop[4];            /* left, right, top, bottom */
    uint32_t order_type, order_cycle;
    uint32_t chroma_format, depth; /* only written for profile 100 and above */
    bool scaling_lists;
    int32_t scaling_delta;     /* of every entry but those of list 2, which ends at once */
    uint32_t tick, time_scale; /* 0: no timing */
};

#define SPS_BASELINE(c, r)                                                                         \
    {                                                                                              \
        .profile = 66, .constraints = 0xc0, .level = 31, .columns = c, .rows = r                   \
    }

static inline void write_chroma(struct h264_writer *w, const struct sps_fields *f)
{
    write_ue(w, f->chroma_format);
    if (f->chroma_format == 3)
        write_u(w, 1, 0);
    write_ue(w, f->depth - 8);
    write_ue(w, f->depth - 8);
    write_u(w, 1, 0);
    write_u(w, 1, f->scaling_lists);
    for (int i = 0; f->scaling_lists && i < (f->chroma_format == 3 ? 12 : 8); i++) {
        write_u(w, 1, i != 1);
        for (int k = 0; i != 1 && k < (i < 6 ? 16 : 64); k++) {
            write_se(w,
                     i == 2 ? -8 : f->scaling_delta); /* list 2 ends at once: the next scale is 0 */
            if (i == 2)
                break;
        }
    }
}

static inline void write_vui(struct h264_writer *w, const struct sps_fields *f)
{
    write_u(w, 1, 1); /* aspect ratio, extended */
    write_u(w, 8, 255);
    write_u(w, 32, 0x00010001);
    write_u(w, 2, 3); /* overscan */
    write_u(w, 1, 1); /* signal type with colours */
    write_u(w, 5, 0x0b);
    write_u(w, 24, 0x010101);
    write_u(w, 1, 1); /* chroma location */
    write_ue(w, 1);
    write_ue(w, 1);
    write_u(w, 1, f->time_scale != 0);
    if (f->time_scale) {
        write_u(w, 32, f->tick);
        write_u(w, 32, f->time_scale);
        write_u(w, 1, 1);
    }
    write_u(w, 4, 0);
}

static inline void write_order_count(struct h264_writer *w, const struct sps_fields *f)
{
    write_ue(w, f->order_type);
    if (f->order_type == 0)
        write_ue(w, 4);
    if (f->order_type != 1)
        return;
    write_u(w, 1, 1);
    write_se(w, -3);
    write_se(w, 5);
    write_ue(w, f->order_cycle);
    for (uint32_t i = 0; i < f->order_cycle; i++)
        write_se(w, (int32_t)i - 2);
}

static inline void write_sps(struct h264_writer *w, const struct sps_fields *f)
{
    begin_nal(w, 0x67);
    write_u(w, 8, f->profile);
    write_u(w, 8, f->constraints);
    write_u(w, 8, f->level);
    write_ue(w, 0);
    if (f->profile >= 100)
        write_chroma(w, f);
    write_ue(w, 0);
    write_order_count(w, f);
    write_ue(w, 1);
    write_u(w, 1, 0);
    write_ue(w, f->columns - 1);
    write_ue(w, f->rows - 1);
    write_u(w, 1, !f->fields);
    if (f->fields)
        write_u(w, 1, 0);
    write_u(w, 1, 1);
    write_u(w, 1, f->crops);
    for (int i = 0; f->crops && i < 4; i++)
        write_ue(w, f->crop[i]);
    write_u(w, 1, f->has_vui);
    if (f->has_vui)
        write_vui(w, f);
    end_nal(w);
}

/* Any NAL unit with filling. */
static inline void write_nal(struct h264_writer *w, uint8_t header, size_t filling)
{
    begin_nal(w, header);
    for (size_t i = 0; i < filling; i++)
        write_byte(w, 0xa5);
}

static inline void write_pps(struct h264_writer *w)
{
    write_nal(w, 0x68, 4);
}

enum { SLICE_P = 0, SLICE_B = 1, SLICE_I = 2 };

static inline void write_slice(struct h264_writer *w, uint8_t header, uint32_t first_mb,
                               uint32_t type)
{
    begin_nal(w, header);
    write_ue(w, first_mb);
    write_ue(w, type);
    end_nal(w);
    for (int i = 0; i < 20; i++)
        write_byte(w, 0x5a);
}

static inline void write_idr(struct h264_writer *w)
{
    write_slice(w, 0x65, 0, SLICE_I);
}

static inline void write_delta(struct h264_writer *w)
{
    write_slice(w, 0x41, 0, SLICE_P);
}
