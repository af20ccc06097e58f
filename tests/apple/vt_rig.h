/* vt_rig.h - encode_vt.c on the fake: pictures with a number in their colours go in, and what comes
 * out is parsed and decoded. The rig obeys encoder.h as the encode thread has to.
 */
#pragma once

#include "encode/backends.h"
#include "tests/apple/fake_apple.h"
#include "tests/unit/encode/h264_decode.h"
#include "tests/unit/encode/h264_parse.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WIDTH = 144, HEIGHT = 96, PERIOD_US = 33333 };

struct rig {
    void *priv; /* owned: the encoder's */
    bool open;
    char error[200];
    ISVCDecoder *decoder; /* owned */
    int decoded;          /* units */
    struct h264_sps sps;  /* of the last keyframe */
    uint8_t luma[WIDTH * HEIGHT], chroma[WIDTH * HEIGHT / 2];

    /* below: under lock */
    pthread_mutex_t lock;
    pthread_cond_t told;
    unsigned ready; /* calls of on_ready */
};

static inline void rig_on_ready(void *arg)
{
    struct rig *r = arg;
    pthread_mutex_lock(&r->lock);
    r->ready++;
    pthread_cond_broadcast(&r->told);
    pthread_mutex_unlock(&r->lock);
}

static inline unsigned rig_ready(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned n = r->ready;
    pthread_mutex_unlock(&r->lock);
    return n;
}

static inline void rig_wait_ready(struct rig *r, unsigned n)
{
    pthread_mutex_lock(&r->lock);
    while (r->ready < n)
        pthread_cond_wait(&r->told, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static inline struct encoder_config rig_config(struct rig *r)
{
    return (struct encoder_config){.codec = CODEC_H264,
                                   .content = ENCODER_SCREEN,
                                   .width = WIDTH,
                                   .height = HEIGHT,
                                   .fps = 30,
                                   .bitrate_bps = 2000000,
                                   .threads = 1,
                                   .temporal_layers = 1,
                                   .on_ready = rig_on_ready,
                                   .on_ready_arg = r};
}

static inline int rig_open_with(struct rig *r, const struct encoder_config *config)
{
    assert_false(r->open);
    r->priv = calloc(1, encode_vt_ops.priv_size);
    assert_non_null(r->priv);
    r->open = true;
    r->error[0] = '\0';
    return encode_vt_ops.open(r->priv, config, r->error, sizeof(r->error));
}

static inline void rig_open(struct rig *r)
{
    const struct encoder_config config = rig_config(r);
    assert_int_equal(rig_open_with(r, &config), 0);
}

static inline void rig_close(struct rig *r)
{
    if (!r->open)
        return;
    encode_vt_ops.close(r->priv);
    free(r->priv);
    r->open = false;
}

static inline int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    if (!r || pthread_mutex_init(&r->lock, NULL) != 0 || pthread_cond_init(&r->told, NULL) != 0)
        return -1;
    r->decoder = h264_decoder_new();
    *state = r;
    return r->decoder ? 0 : -1;
}

static inline int rig_teardown(void **state)
{
    struct rig *r = *state;
    rig_close(r);
    fake_reset(); /* aborts if anything is left */
    h264_decoder_free(r->decoder);
    pthread_cond_destroy(&r->told);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return 0;
}

/* --- pictures --- */

static inline int64_t time_of(int number)
{
    return 1000000 + (int64_t)number * PERIOD_US;
}

static inline int shade_of(int number)
{
    return 40 + number * 23 % 160;
}

/* The left half has the picture's shade, the right half the opposite one. */
static inline struct picture rig_picture(struct rig *r, int number)
{
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        r->luma[i] = (uint8_t)(i % WIDTH < WIDTH / 2 ? shade_of(number) : 235 - shade_of(number));
    memset(r->chroma, 100 + number % 50, sizeof(r->chroma));
    return (struct picture){.format = PICTURE_NV12,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {r->luma, r->chroma},
                            .stride = {WIDTH, WIDTH},
                            .captured_us = time_of(number)};
}

static inline int rig_submit_picture(struct rig *r, struct picture *pic, bool keyframe)
{
    int err = encode_vt_ops.submit(r->priv, pic, keyframe);
    /* the picture is the caller's again: what becomes of it must not matter */
    memset(r->luma, 0, sizeof(r->luma));
    memset(r->chroma, 0, sizeof(r->chroma));
    return err;
}

static inline int rig_submit(struct rig *r, int number, bool keyframe)
{
    struct picture pic = rig_picture(r, number);
    return rig_submit_picture(r, &pic, keyframe);
}

/* What receive says once it says something. */
static inline int rig_next(struct rig *r, struct encoded *unit)
{
    for (;;) {
        unsigned seen = rig_ready(r);
        int err = encode_vt_ops.receive(r->priv, unit);
        if (err != -EAGAIN)
            return err;
        rig_wait_ready(r, seen + 1);
    }
}

/* SPS, PPS and IDR slices, or slices of type 1 alone. */
static inline void check_syntax(struct rig *r, const struct encoded *unit)
{
    const uint8_t *at = unit->data, *end = at + unit->size;
    struct h264_nal nal;
    int n = 0, slices = 0;
    for (; h264_next_nal(&at, end, &nal); n++) {
        if (unit->keyframe && n == 0) {
            assert_int_equal(nal.type, 7);
            r->sps = h264_parse_sps(&nal);
        } else if (unit->keyframe && n == 1) {
            assert_int_equal(nal.type, 8);
        } else {
            assert_int_equal(nal.type, unit->keyframe ? 5 : 1);
            slices++;
        }
    }
    assert_ptr_equal(at, end);
    assert_true(slices > 0);
}

static inline void check_shades(const struct picture *pic, int number)
{
    assert_int_equal(pic->width, WIDTH);
    assert_int_equal(pic->height, HEIGHT);
    const uint8_t *bottom = pic->plane[0] + (HEIGHT - 2) * pic->stride[0];
    assert_in_range(bottom[4], shade_of(number) - 6, shade_of(number) + 6);
    assert_in_range(bottom[WIDTH - 4], 235 - shade_of(number) - 6, 235 - shade_of(number) + 6);
    assert_in_range(pic->plane[1][(HEIGHT / 2 - 2) * pic->stride[1] + 3], 100 + number % 50 - 6,
                    100 + number % 50 + 6);
}

/* The unit is that picture, whole, and decodes after the ones checked before. */
static inline void rig_check(struct rig *r, const struct encoded *unit, int number)
{
    struct picture pic = {.width = 0};
    assert_true(unit->size > 0);
    assert_int_equal(unit->captured_us, time_of(number));
    check_syntax(r, unit);
    assert_true(h264_decode(r->decoder, unit->data, unit->size, &pic));
    check_shades(&pic, number);
    r->decoded++;
}

static inline void rig_expect(struct rig *r, int number, bool keyframe)
{
    struct encoded unit;
    assert_int_equal(rig_next(r, &unit), 0);
    assert_int_equal(unit.keyframe, keyframe);
    rig_check(r, &unit, number);
}

static inline void rig_expect_nothing(struct rig *r)
{
    struct encoded unit;
    assert_int_equal(encode_vt_ops.receive(r->priv, &unit), -EAGAIN);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
