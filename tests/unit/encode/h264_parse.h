/* h264_parse.h - just enough H.264 syntax to check what an encoder wrote. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct h264_nal {
    const uint8_t *data; /* from the header byte on */
    size_t size;
    int type;
};

/* The next NAL unit of an Annex B access unit; false at the end or where no start code stands. */
static inline bool h264_next_nal(const uint8_t **at, const uint8_t *end, struct h264_nal *nal)
{
    const uint8_t *p = *at;
    while (p < end && *p == 0)
        p++;
    if (p - *at < 2 || p >= end || *p != 1)
        return false;
    const uint8_t *start = ++p;
    while (p < end && !(end - p >= 3 && p[0] == 0 && p[1] == 0 && p[2] <= 1))
        p++;
    *at = p;
    *nal = (struct h264_nal){start, (size_t)(p - start), start[0] & 31};
    return nal->size > 0;
}

struct h264_bits {
    uint8_t data[256]; /* without emulation prevention */
    size_t size, at;   /* at: bits */
};

static inline struct h264_bits h264_bits_of(const struct h264_nal *nal)
{
    struct h264_bits b = {.size = 0};
    for (size_t i = 1; i < nal->size && b.size < sizeof(b.data); i++) {
        if (i >= 3 && nal->data[i] == 3 && nal->data[i - 1] == 0 && nal->data[i - 2] == 0)
            continue;
        b.data[b.size++] = nal->data[i];
    }
    return b;
}

static inline uint32_t h264_u(struct h264_bits *b, int n)
{
    uint32_t v = 0;
    for (; n > 0; n--, b->at++)
        v = v << 1 | (b->at < b->size * 8 ? b->data[b->at / 8] >> (7 - b->at % 8) & 1u : 0);
    return v;
}

static inline uint32_t h264_ue(struct h264_bits *b)
{
    int zeros = 0;
    while (zeros < 31 && h264_u(b, 1) == 0)
        zeros++;
    return (1u << zeros) - 1 + h264_u(b, zeros);
}

struct h264_sps {
    uint32_t profile, constraints, level, poc_type;
    int width, height; /* after cropping */
    bool has_colour, full_range;
    uint32_t primaries, transfer, matrix;
    bool has_restriction;
    uint32_t reorder;
};

static inline void h264_parse_vui(struct h264_bits *b, struct h264_sps *s)
{
    if (h264_u(b, 1) && h264_u(b, 8) == 255) /* aspect ratio */
        h264_u(b, 32);
    if (h264_u(b, 1)) /* overscan */
        h264_u(b, 1);
    if (h264_u(b, 1)) {
        h264_u(b, 3);
        s->full_range = h264_u(b, 1);
        s->has_colour = h264_u(b, 1);
        if (s->has_colour) {
            s->primaries = h264_u(b, 8);
            s->transfer = h264_u(b, 8);
            s->matrix = h264_u(b, 8);
        }
    }
    if (h264_u(b, 1)) { /* chroma location */
        h264_ue(b);
        h264_ue(b);
    }
    if (h264_u(b, 1)) { /* timing */
        h264_u(b, 32);
        h264_u(b, 32);
        h264_u(b, 1);
    }
    if (h264_u(b, 2) != 0) /* no encoder here writes HRD parameters */
        return;
    h264_u(b, 1);
    s->has_restriction = h264_u(b, 1);
    if (s->has_restriction) {
        h264_u(b, 1);
        for (int i = 0; i < 4; i++)
            h264_ue(b);
        s->reorder = h264_ue(b);
    }
}

/* An SPS of Baseline (H.264 7.3.2.1.1). */
static inline struct h264_sps h264_parse_sps(const struct h264_nal *nal)
{
    struct h264_bits b = h264_bits_of(nal);
    struct h264_sps s = {.profile = h264_u(&b, 8)};
    s.constraints = h264_u(&b, 8);
    s.level = h264_u(&b, 8);
    h264_ue(&b);
    h264_ue(&b);
    s.poc_type = h264_ue(&b);
    if (s.poc_type == 0)
        h264_ue(&b);
    h264_ue(&b);
    h264_u(&b, 1);
    s.width = (int)(h264_ue(&b) + 1) * 16;
    s.height = (int)(h264_ue(&b) + 1) * 16;
    h264_u(&b, 2);
    if (h264_u(&b, 1)) {
        uint32_t left = h264_ue(&b), right = h264_ue(&b);
        uint32_t top = h264_ue(&b), bottom = h264_ue(&b);
        s.width -= (int)(left + right) * 2;
        s.height -= (int)(top + bottom) * 2;
    }
    if (h264_u(&b, 1))
        h264_parse_vui(&b, &s);
    return s;
}

/* slice_type modulo 5: 0 P, 1 B, 2 I */
static inline int h264_slice_type(const struct h264_nal *nal)
{
    struct h264_bits b = h264_bits_of(nal);
    h264_ue(&b);
    return (int)(h264_ue(&b) % 5);
}
