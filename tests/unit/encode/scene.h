/* scene.h - synthetic moving pictures, the same on every run, and how well one was kept.
 *
 * A scene is a tile of BGRA that repeats; a picture of it is a window that moves. SCENE_TEXT is a
 * page of coloured glyphs scrolling by 4 rows a picture, SCENE_NATURAL two soft textures drifting
 * over each other under sensor noise, SCENE_NOISE nothing that could be predicted.
 */
#pragma once

#include "capture/picture.h"

#include <stdlib.h>
#include <string.h>

enum scene_kind { SCENE_TEXT = 1, SCENE_NATURAL, SCENE_NOISE };

struct scene {
    enum scene_kind kind;
    int width, height;
    uint8_t *page; /* owned: BGRA, the picture twice in height, so that any window is contiguous */
    uint8_t *layer[2]; /* owned: SCENE_NATURAL's textures, twice in both directions */
};

static inline uint32_t scene_hash(uint32_t a, uint32_t b)
{
    uint32_t x = a * 0x9e3779b1u ^ b * 0x85ebca77u;
    x = (x ^ x >> 15) * 0x2c1b3c6du;
    x = (x ^ x >> 12) * 0x297a2d39u;
    return x ^ x >> 15;
}

enum { SCENE_GLYPH_W = 10, SCENE_GLYPH_H = 20 };

/* ink of a glyph's pixel, 0 to 255: a few strokes with soft edges */
static inline int scene_ink(uint32_t glyph, int x, int y)
{
    int ink = 0;
    if (x < 1 || x > 8 || y < 3 || y > 16)
        return 0;
    for (uint32_t s = 0; s < 3; s++) {
        uint32_t h = scene_hash(glyph + 77, s);
        int at = s == 0 ? 2 + (int)(h % 5) : 4 + (int)(h % 11);
        int slope = s == 2 ? (int)(h >> 8 & 3) - 1 : 0;
        int d = s == 0 ? abs(x - at) * 128 : abs((y - at) * 128 - slope * (x - 5) * 110);
        int v = 255 - d;
        ink = v > ink ? v : ink;
    }
    return ink;
}

static inline void scene_draw_text(struct scene *s)
{
    static const uint8_t inks[4][3] = {{30, 30, 30}, {160, 40, 20}, {20, 90, 20}, {40, 30, 170}};
    for (int y = 0; y < 2 * s->height; y++) {
        int line = y % s->height / SCENE_GLYPH_H;
        for (int x = 0; x < s->width; x++) {
            int column = x / SCENE_GLYPH_W;
            uint32_t word = scene_hash((uint32_t)line, (uint32_t)column / 6);
            uint32_t glyph = scene_hash((uint32_t)line * 512 + (uint32_t)column, 5) % 64;
            bool blank = column % 6 >= 3 + (int)(word % 3) || column > 40 + (int)(word % 150);
            int ink =
                blank ? 0 : scene_ink(glyph, x % SCENE_GLYPH_W, y % s->height % SCENE_GLYPH_H);
            uint8_t *p = s->page + ((size_t)y * (size_t)s->width + (size_t)x) * 4;
            for (int c = 0; c < 3; c++)
                p[c] = (uint8_t)(250 - (250 - inks[word >> 8 & 3][c]) * ink / 255);
            p[3] = 255;
        }
    }
}

/* value noise of five octaves, periodic in 256 texels */
static inline int scene_texture(uint32_t seed, int x, int y)
{
    double sum = 0, amplitude = 0.5;
    for (int cell = 64; cell >= 4; cell /= 2, amplitude *= 0.6) {
        int n = 256 / cell, i = x / cell % n, j = y / cell % n;
        double fx = (x % cell) / (double)cell, fy = (y % cell) / (double)cell;
        double corner[4];
        for (int k = 0; k < 4; k++)
            corner[k] = scene_hash(seed + (uint32_t)cell,
                                   (uint32_t)(((i + k % 2) % n) * 1024 + (j + k / 2) % n)) %
                        256;
        double top = corner[0] + (corner[1] - corner[0]) * fx;
        double bottom = corner[2] + (corner[3] - corner[2]) * fx;
        sum += amplitude * (top + (bottom - top) * fy);
    }
    return (int)(sum / 1.16);
}

static inline struct scene scene_new(enum scene_kind kind, int width, int height)
{
    struct scene s = {.kind = kind, .width = width, .height = height};
    s.page = calloc((size_t)width * (size_t)height * 2, 4);
    for (int l = 0; kind == SCENE_NATURAL && l < 2; l++) {
        s.layer[l] = malloc(256 * 256);
        for (int i = 0; s.layer[l] && i < 256 * 256; i++)
            s.layer[l][i] = (uint8_t)scene_texture((uint32_t)l * 999, i % 256, i / 256);
    }
    if (!s.page || (kind == SCENE_NATURAL && (!s.layer[0] || !s.layer[1])))
        abort();
    if (kind == SCENE_TEXT)
        scene_draw_text(&s);
    return s;
}

static inline void scene_free(struct scene *s)
{
    free(s->page);
    free(s->layer[0]);
    free(s->layer[1]);
}

static inline void scene_draw_natural(struct scene *s, uint32_t n)
{
    for (uint32_t y = 0; y < (uint32_t)s->height; y++) {
        uint8_t *p = s->page + (size_t)y * (size_t)s->width * 4;
        uint32_t noise = scene_hash(n, y) | 1;
        for (uint32_t x = 0; x < (uint32_t)s->width; x++, p += 4) {
            int a = s->layer[0][((y + n) & 255) * 256 + ((x + 3 * n) & 255)];
            int b = s->layer[1][((y / 2 + 256 - (n & 255)) & 255) * 256 + ((x / 2 + n / 2) & 255)];
            noise = noise * 1664525u + 1013904223u;
            int v = (2 * a + 3 * b) / 5 + (int)(noise >> 30);
            p[0] = (uint8_t)(v * 3 / 4);
            p[1] = (uint8_t)(v < 252 ? v : 252);
            p[2] = (uint8_t)((v + b) / 2);
        }
    }
}

static inline void scene_draw_noise(struct scene *s, uint32_t n)
{
    uint32_t noise = scene_hash(n, 1) | 1;
    uint8_t *p = s->page;
    for (size_t i = 0; i < (size_t)s->width * (size_t)s->height; i++, p += 4) {
        noise = noise * 1664525u + 1013904223u;
        memcpy(p, &noise, 4);
        p[0] = p[1] = p[2] = (uint8_t)(noise >> 24);
    }
}

/* Picture number n; valid until the next call. */
static inline struct picture scene_picture(struct scene *s, int n, int fps)
{
    size_t row = s->kind == SCENE_TEXT ? (size_t)(4 * n % s->height) : 0;
    if (s->kind == SCENE_NATURAL)
        scene_draw_natural(s, (uint32_t)n);
    else if (s->kind == SCENE_NOISE)
        scene_draw_noise(s, (uint32_t)n);
    return (struct picture){
        .format = PICTURE_BGRA,
        .width = s->width,
        .height = s->height,
        .plane = {s->page + row * (size_t)s->width * 4},
        .stride = {s->width * 4},
        .captured_us = 1000000 + (int64_t)n * 1000000 / fps,
    };
}

/* An NV12 or I420 picture in one block that plane[0] owns. */
static inline struct picture scene_yuv(enum picture_format format, int width, int height)
{
    size_t luma = (size_t)width * (size_t)height;
    uint8_t *p = calloc(1, luma * 3 / 2);
    if (!p)
        abort();
    return (struct picture){
        .format = format,
        .width = width,
        .height = height,
        .plane = {p, p + luma, format == PICTURE_I420 ? p + luma + luma / 4 : NULL},
        .stride = {width, format == PICTURE_I420 ? width / 2 : width, width / 2},
    };
}

/* Mean square error of the luma: 65 is a PSNR of 30 dB, 6.5 one of 40 dB. */
static inline double scene_mse(const struct picture *a, const struct picture *b)
{
    uint64_t sum = 0;
    for (int y = 0; y < a->height; y++) {
        const uint8_t *p = a->plane[0] + y * a->stride[0], *q = b->plane[0] + y * b->stride[0];
        for (int x = 0; x < a->width; x++)
            sum += (uint64_t)((p[x] - q[x]) * (p[x] - q[x]));
    }
    return (double)sum / a->width / a->height;
}
