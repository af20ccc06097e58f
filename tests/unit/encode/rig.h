/* rig.h - an encoder with the scene it looks at and a clock of its own. */
#pragma once

#include "encode/convert.h"
#include "encode/encoder.h"
#include "tests/unit/encode/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct rig {
    const struct encoder_ops *ops;
    struct encoder *e;
    struct encoder_config config;
    struct scene scene;
    struct picture yuv;
    struct convert_dsp dsp;
    int next;      /* number of the next picture of the scene */
    int fps;       /* by which time advances */
    int64_t at_us; /* of the next picture */
};

static inline struct encoder_config config_of(int width, int height, int fps, uint32_t bps)
{
    return (struct encoder_config){.codec = CODEC_H264,
                                   .content = ENCODER_SCREEN,
                                   .width = width,
                                   .height = height,
                                   .fps = fps,
                                   .bitrate_bps = bps,
                                   .threads = 1};
}

/* The codec is the one of `ops`, whatever the configuration says. */
static inline struct rig rig_new(const struct encoder_ops *ops, struct encoder_config config,
                                 enum scene_kind kind)
{
    char error[200] = "";
    config.codec = ops->codec;
    struct rig r = {.ops = ops, .config = config, .fps = config.fps, .at_us = 5000000};
    if (encoder_open(&r.e, ops->name, &config, error, sizeof(error)) != 0)
        fail_msg("%s %s: %s", ops->name, codec_name(ops->codec), error);
    r.scene = scene_new(kind, config.width, config.height);
    r.yuv = scene_yuv(ops->input, config.width, config.height);
    convert_dsp_init(&r.dsp);
    return r;
}

static inline void rig_free(struct rig *r)
{
    encoder_close(r->e);
    free(r->yuv.plane[0]);
    scene_free(&r->scene);
}

/* Submits what stands in `yuv` once more. */
static inline struct encoded rig_repeat(struct rig *r, bool keyframe)
{
    struct encoded au = {0};
    r->yuv.captured_us = r->at_us;
    r->at_us += 1000000 / r->fps;
    assert_int_equal(encoder_submit(r->e, &r->yuv, keyframe), 0);
    assert_int_equal(encoder_receive(r->e, &au), 0);
    assert_int_equal(au.captured_us, r->yuv.captured_us);
    return au;
}

static inline struct encoded rig_encode(struct rig *r, bool keyframe)
{
    struct picture bgra = scene_picture(&r->scene, r->next++, r->fps);
    convert_picture(&r->dsp, &bgra, &r->yuv);
    return rig_repeat(r, keyframe);
}

static inline int rig_set_rate(struct rig *r, uint32_t bps, int fps)
{
    const struct encoder_rate rate = {bps, fps, r->config.rate_control};
    int ret = encoder_set_rate(r->e, &rate);
    if (ret == 0)
        r->fps = fps;
    return ret;
}

static inline bool rig_is_fake(const struct encoder_ops *ops)
{
    return strcmp(ops->name, "fake") == 0;
}

/* Calls `check` with each backend for `codec`, 0: for every one. */
static inline void each_backend(enum codec codec, void (*check)(const struct encoder_ops *ops))
{
    for (size_t i = 0; encoder_backends()[i]; i++) {
        if (!codec || encoder_backends()[i]->codec == codec)
            check(encoder_backends()[i]);
    }
}

/* The rate of so many pictures more, none of which may be a keyframe. */
static inline double rig_kbps(struct rig *r, int pictures)
{
    size_t bytes = 0;
    int64_t start_us = r->at_us;
    for (int n = 0; n < pictures; n++) {
        struct encoded au = rig_encode(r, false);
        assert_false(au.keyframe);
        bytes += au.size;
    }
    return (double)bytes * 8 * 1000 / (double)(r->at_us - start_us);
}

/* Has encoded one keyframe of 320x240 natural pictures. */
static inline struct rig rig_natural(const struct encoder_ops *ops, int fps, uint32_t bps)
{
    struct encoder_config config = config_of(320, 240, fps, bps);
    config.content = ENCODER_NATURAL;
    struct rig r = rig_new(ops, config, SCENE_NATURAL);
    rig_encode(&r, true);
    return r;
}
