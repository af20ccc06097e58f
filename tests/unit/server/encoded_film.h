/* encoded_film.h - a short film from one of the encoders, and where its pictures are. */
#pragma once

#include "encode/encoder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILM_MAX 64

struct film {
    uint8_t *data; /* owned */
    size_t size;
    unsigned n;
    size_t offset[FILM_MAX + 1]; /* of picture i, and the end */
    bool keyframe[FILM_MAX];
};

static inline void film_draw(struct picture *p, unsigned n)
{
    for (int y = 0; y < p->height; y++) {
        for (int x = 0; x < p->width; x++)
            p->plane[0][y * p->stride[0] + x] = (uint8_t)(x * 3 + y * 2 + (int)n * 8);
    }
}

static inline struct picture film_picture(const struct encoder *e, int width, int height)
{
    size_t luma = (size_t)width * (size_t)height;
    uint8_t *memory = malloc(luma + luma / 2);
    assert(memory);
    memset(memory, 128, luma + luma / 2);
    bool planes = encoder_ops(e)->input == PICTURE_I420;
    return (struct picture){
        .format = encoder_ops(e)->input,
        .width = width,
        .height = height,
        .plane = {memory, memory + luma, planes ? memory + luma + luma / 4 : NULL},
        .stride = {width, planes ? width / 2 : width, width / 2},
    };
}

static inline void film_add(struct film *f, const struct encoded *unit)
{
    f->data = realloc(f->data, f->size + unit->size);
    assert(f->data && f->n < FILM_MAX);
    memcpy(f->data + f->size, unit->data, unit->size);
    f->keyframe[f->n++] = unit->keyframe;
    f->size += unit->size;
    f->offset[f->n] = f->size;
}

/* `backend` NULL: the first one. A keyframe first and then every `gop` pictures. */
static inline void film_make_of(struct film *f, enum codec codec, const char *backend, int width,
                                int height, unsigned pictures, unsigned gop)
{
    const struct encoder_config config = {
        .codec = codec,
        .content = ENCODER_NATURAL,
        .width = width,
        .height = height,
        .fps = 30,
        .bitrate_bps = 2000000,
        .threads = 1,
    };
    struct encoder *e;
    char error[160];
    *f = (struct film){.size = 0};
    int err = encoder_open(&e, backend, &config, error, sizeof(error));
    assert(err == 0);
    (void)err;
    struct picture p = film_picture(e, width, height);
    for (unsigned i = 0; i < pictures; i++) {
        struct encoded unit;
        p.captured_us = 1000000 + (int64_t)i * 1000000 / 30;
        film_draw(&p, i);
        err = encoder_submit(e, &p, i % gop == 0);
        assert(err == 0);
        while (encoder_receive(e, &unit) == 0) {
            if (unit.size)
                film_add(f, &unit);
        }
    }
    free(p.plane[0]);
    encoder_close(e);
}

static inline void film_make(struct film *f, const char *backend, int width, int height,
                             unsigned pictures, unsigned gop)
{
    film_make_of(f, CODEC_H264, backend, width, height, pictures, gop);
}

static inline void film_free(struct film *f)
{
    free(f->data);
}
