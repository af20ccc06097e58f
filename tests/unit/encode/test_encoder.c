/* What every backend promises, checked on each that was built in. */
#include "encode/convert.h"
#include "encode/encoder.h"
#include "tests/unit/encode/h264_parse.h"
#include "tests/unit/encode/scene.h"
#ifdef HAVE_OPENH264
#include "tests/unit/encode/h264_decode.h"
#endif

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* An encoder with the scene it looks at. */
struct rig {
    struct encoder *e;
    struct encoder_config config;
    struct scene scene;
    struct picture yuv;
    struct convert_dsp dsp;
    int next; /* number of the next picture */
};

static struct encoder_config config_of(int width, int height, int fps, uint32_t bps)
{
    return (struct encoder_config){.codec = CODEC_H264,
                                   .content = ENCODER_SCREEN,
                                   .width = width,
                                   .height = height,
                                   .fps = fps,
                                   .bitrate_bps = bps,
                                   .threads = 1};
}

static struct rig rig_new(const char *backend, struct encoder_config config, enum scene_kind kind)
{
    char error[200] = "";
    struct rig r = {.config = config, .scene = scene_new(kind, config.width, config.height)};
    if (encoder_open(&r.e, backend, &config, error, sizeof(error)) != 0)
        fail_msg("%s: %s", backend, error);
    r.yuv = scene_yuv(encoder_ops(r.e)->input, config.width, config.height);
    convert_dsp_init(&r.dsp);
    return r;
}

static void rig_free(struct rig *r)
{
    encoder_close(r->e);
    free(r->yuv.plane[0]);
    scene_free(&r->scene);
}

static struct encoded rig_encode(struct rig *r, bool keyframe)
{
    struct encoded au = {0};
    struct picture bgra = scene_picture(&r->scene, r->next++, r->config.fps);
    convert_picture(&r->dsp, &bgra, &r->yuv);
    assert_int_equal(encoder_submit(r->e, &r->yuv, keyframe), 0);
    assert_int_equal(encoder_receive(r->e, &au), 0);
    assert_int_equal(au.captured_us, bgra.captured_us);
    return au;
}

static int set_rate(struct rig *r, uint32_t bps, int fps)
{
    const struct encoder_rate rate = {bps, fps, r->config.rate_control};
    return encoder_set_rate(r->e, &rate);
}

/* How many NAL units of which type, and whether the parameter sets come first. */
struct census {
    int sps, pps, idr, slice, other;
    struct h264_sps info;
    int slice_type;
    bool in_order;
};

static struct census census_of(const struct encoded *au)
{
    struct census c = {.in_order = true};
    const uint8_t *at = au->data, *end = au->data + au->size;
    struct h264_nal nal;
    while (h264_next_nal(&at, end, &nal)) {
        bool slices_seen = c.idr + c.slice > 0;
        if (nal.type == 7) {
            c.info = h264_parse_sps(&nal);
            c.in_order = c.in_order && c.pps == 0 && !slices_seen;
            c.sps++;
        } else if (nal.type == 8) {
            c.in_order = c.in_order && c.sps > 0 && !slices_seen;
            c.pps++;
        } else if (nal.type == 5 || nal.type == 1) {
            *(nal.type == 5 ? &c.idr : &c.slice) += 1;
            c.slice_type = h264_slice_type(&nal);
        } else {
            c.other += nal.type != 6; /* x264 tells its options in an SEI */
        }
    }
    assert_ptr_equal(at, end); /* nothing outside NAL units */
    return c;
}

static void assert_keyframe(const struct encoded *au)
{
    struct census c = census_of(au);
    assert_true(au->keyframe);
    assert_true(c.in_order);
    assert_int_equal(c.sps, 1);
    assert_int_equal(c.pps, 1);
    assert_int_equal(c.idr, 1);
    assert_int_equal(c.slice, 0);
    assert_int_equal(c.other, 0);
    assert_int_equal(c.slice_type, 2);
}

static void assert_delta(const struct encoded *au)
{
    struct census c = census_of(au);
    assert_false(au->keyframe);
    assert_int_equal(c.sps + c.pps + c.idr + c.other, 0);
    assert_int_equal(c.slice, 1);
    assert_int_equal(c.slice_type, 0); /* P: no B, so nothing to reorder */
}

static void each_backend(void (*check)(const char *backend))
{
    for (size_t i = 0; encoder_backends()[i]; i++)
        check(encoder_backends()[i]->name);
}

static void check_starts_with_idr(const char *backend)
{
    struct rig r = rig_new(backend, config_of(320, 240, 30, 500000), SCENE_TEXT);
    struct encoded au = rig_encode(&r, false);
    assert_keyframe(&au);
    assert_int_equal(encoder_receive(r.e, &au), -EAGAIN);
    au = rig_encode(&r, false);
    assert_delta(&au);
    rig_free(&r);
}

static void test_starts_with_idr(void **state)
{
    (void)state;
    each_backend(check_starts_with_idr);
}

static void check_sps(const char *backend)
{
    static const struct {
        int width, height, fps;
        uint32_t bps;
        uint32_t level;
    } rows[] = {
        {320, 240, 30, 500000, 13},     {322, 246, 30, 1500000, 20},
        {640, 360, 30, 1000000, 30},    {1280, 720, 30, 2500000, 31},
        {1366, 768, 60, 2500000, 42},   {1920, 1080, 30, 6000000, 40},
        {1920, 1080, 60, 8000000, 42},  {2560, 1440, 30, 8000000, 50},
        {3840, 2160, 30, 15000000, 51},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct encoder_config config =
            config_of(rows[i].width, rows[i].height, rows[i].fps, rows[i].bps);
        struct rig r = rig_new(backend, config, SCENE_NOISE);
        struct encoded au = rig_encode(&r, true);
        struct h264_sps sps = census_of(&au).info;
        assert_int_equal(sps.profile, 66);
        assert_int_equal(sps.constraints & 0xc0, 0xc0);
        assert_int_equal(sps.level, rows[i].level);
        assert_int_equal(sps.width, rows[i].width);
        assert_int_equal(sps.height, rows[i].height);
        assert_true(sps.poc_type == 2 || (sps.has_restriction && sps.reorder == 0));
        if (strcmp(backend, "fake") != 0) {
            assert_true(sps.has_colour);
            assert_false(sps.full_range);
            assert_int_equal(sps.primaries, 1);
            assert_int_equal(sps.transfer, 1);
            assert_int_equal(sps.matrix, 1);
        }
        rig_free(&r);
    }
}

static void test_sps_is_true(void **state)
{
    (void)state;
    each_backend(check_sps);
}

static void check_keyframe_on_demand(const char *backend)
{
    struct rig r = rig_new(backend, config_of(320, 240, 30, 500000), SCENE_TEXT);
    for (int n = 0; n < 40; n++) {
        bool wanted = n == 7 || n == 8 || n == 30;
        struct encoded au = rig_encode(&r, wanted);
        if (n == 0 || wanted)
            assert_keyframe(&au);
        else
            assert_delta(&au);
    }
    rig_free(&r);
}

static void test_keyframe_on_demand(void **state)
{
    (void)state;
    each_backend(check_keyframe_on_demand);
}

static void check_no_keyframe_unasked(const char *backend)
{
    for (int kind = SCENE_TEXT; kind <= SCENE_NOISE; kind++) {
        struct rig r = rig_new(backend, config_of(160, 128, 30, 300000), (enum scene_kind)kind);
        struct encoded au = rig_encode(&r, true);
        for (int n = 1; n <= 300; n++) {
            if (n % 100 == 0)
                r.next += 1000; /* a cut */
            au = rig_encode(&r, false);
            assert_delta(&au);
        }
        rig_free(&r);
    }
}

static void test_no_keyframe_unasked(void **state)
{
    (void)state;
    each_backend(check_no_keyframe_unasked);
}

static double kbps_of(struct rig *r, int pictures, int fps)
{
    size_t bytes = 0;
    for (int n = 0; n < pictures; n++) {
        struct encoded au = rig_encode(r, false);
        assert_delta(&au);
        bytes += au.size;
    }
    return (double)bytes * 8 * fps / pictures / 1e3;
}

static void check_rate(const char *backend)
{
    static const struct {
        uint32_t bps;
        int fps;
    } rows[] = {{600000, 30}, {1800000, 30}, {600000, 30}, {600000, 15}, {1200000, 60}};
    struct encoder_config config = config_of(320, 240, 60, 4000000);
    config.content = ENCODER_NATURAL;
    struct rig r = rig_new(backend, config, SCENE_NATURAL);
    rig_encode(&r, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(set_rate(&r, rows[i].bps, rows[i].fps), 0);
        kbps_of(&r, 60, rows[i].fps); /* time to settle, still without a keyframe */
        double kbps = kbps_of(&r, 120, rows[i].fps), want = rows[i].bps / 1e3;
        if (kbps < want * 0.7 || kbps > want * 1.3)
            fail_msg("%s: %.0f kbit/s, want %.0f at %d fps", backend, kbps, want, rows[i].fps);
    }
    rig_free(&r);
}

static void test_set_rate(void **state)
{
    (void)state;
    each_backend(check_rate);
}

static void check_high_fps(const char *backend)
{
    struct encoder_config config = config_of(320, 240, 120, 2400000);
    config.content = ENCODER_NATURAL;
    struct rig r = rig_new(backend, config, SCENE_NATURAL);
    rig_encode(&r, true);
    kbps_of(&r, 60, 120);
    double kbps = kbps_of(&r, 120, 120);
    assert_true(kbps > 1700 && kbps < 3100);
    assert_int_equal(set_rate(&r, 1200000, 120), 0);
    kbps_of(&r, 60, 120);
    kbps = kbps_of(&r, 120, 120);
    assert_true(kbps > 850 && kbps < 1550);
    rig_free(&r);
}

static void test_120_fps(void **state)
{
    (void)state;
    each_backend(check_high_fps);
}

static void check_rate_within_level(const char *backend)
{
    struct rig r = rig_new(backend, config_of(1280, 720, 30, 2000000), SCENE_TEXT);
    assert_int_equal(set_rate(&r, 14000000, 30), 0); /* all that 3.1 holds */
    assert_int_equal(set_rate(&r, 14000001, 30), -ERANGE);
    assert_int_equal(set_rate(&r, 2000000, 31), -ERANGE);
    assert_int_equal(set_rate(&r, 0, 30), -EINVAL);
    assert_int_equal(set_rate(&r, 2000000, 0), -EINVAL);
    assert_int_equal(set_rate(&r, 2000000, 121), -EINVAL);
    struct encoded au = rig_encode(&r, false);
    assert_keyframe(&au);
    rig_free(&r);
}

static void test_rate_within_level(void **state)
{
    (void)state;
    each_backend(check_rate_within_level);
}

static void check_wrong_picture(const char *backend)
{
    struct rig r = rig_new(backend, config_of(320, 240, 30, 500000), SCENE_TEXT);
    struct encoded au;
    r.yuv.width = 318;
    assert_int_equal(encoder_submit(r.e, &r.yuv, false), -EINVAL);
    r.yuv.width = 320;
    r.yuv.height = 242;
    assert_int_equal(encoder_submit(r.e, &r.yuv, false), -EINVAL);
    r.yuv.height = 240;
    r.yuv.format = PICTURE_BGRA;
    assert_int_equal(encoder_submit(r.e, &r.yuv, false), -EINVAL);
    r.yuv.format = encoder_ops(r.e)->input;
    assert_int_equal(encoder_receive(r.e, &au), -EAGAIN);
    au = rig_encode(&r, false);
    assert_keyframe(&au);
    rig_free(&r);
}

static void test_wrong_picture(void **state)
{
    (void)state;
    each_backend(check_wrong_picture);
}

/* Opens and encodes, or refuses at once with a sentence: never later. */
static void check_sizes(const char *backend)
{
    static const int sizes[][2] = {{2, 2},     {2, 64},      {14, 16},     {16, 14},
                                   {16, 16},   {18, 16},     {64, 2},      {8192, 16},
                                   {16, 4096}, {4096, 2304}, {4096, 2320}, {8192, 8192}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct encoder_config config = config_of(sizes[i][0], sizes[i][1], 10, 500000);
        struct encoder *e = NULL;
        char error[200] = "";
        if (encoder_open(&e, backend, &config, error, sizeof(error)) != 0) {
            assert_null(e);
            assert_true(strlen(error) > 10);
            assert_true(strcmp(backend, "openh264") == 0 || config.height == 8192);
            continue;
        }
        encoder_close(e);
        struct rig r = rig_new(backend, config, SCENE_NOISE);
        struct encoded au = rig_encode(&r, false);
        assert_keyframe(&au);
        rig_free(&r);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    each_backend(check_sizes);
}

static void check_tiny_rate(const char *backend)
{
    struct rig r = rig_new(backend, config_of(320, 240, 120, 1000), SCENE_TEXT);
    struct encoded au = rig_encode(&r, false);
    assert_keyframe(&au);
    set_rate(&r, 1, 120); /* may be refused, but must not end the stream */
    for (int n = 0; n < 5; n++) {
        au = rig_encode(&r, false);
        assert_delta(&au);
    }
    rig_free(&r);
}

static void test_tiny_rate(void **state)
{
    (void)state;
    each_backend(check_tiny_rate);
}

static int refused(const char *backend, struct encoder_config config)
{
    struct encoder *e = NULL;
    char error[200] = "";
    int ret = encoder_open(&e, backend, &config, error, sizeof(error));
    assert_null(e);
    assert_true(strlen(error) > 10);
    return ret;
}

static void test_refusals(void **state)
{
    (void)state;
    struct encoder_config good = config_of(320, 240, 30, 500000), c;
    c = good, c.width = 321;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.height = 0;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.width = PICTURE_MAX_WIDTH + 2;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.fps = 0;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.fps = 121;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.bitrate_bps = 0;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.threads = 0;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.bitrate_bps = UINT32_MAX;
    assert_int_equal(refused(NULL, c), -EINVAL);
    c = good, c.codec = CODEC_AV1;
    assert_int_equal(refused("fake", c), -ENOTSUP);
    c = good, c.codec = (enum codec)99;
    assert_int_equal(refused(NULL, c), -ENOTSUP);
    assert_int_equal(refused("nothing", good), -ENOTSUP);
    encoder_close(NULL);
}

static void test_names(void **state)
{
    (void)state;
    for (int codec = CODEC_H264; codec <= CODEC_AV1; codec++)
        assert_int_equal(codec_from_name(codec_name((enum codec)codec)), codec);
    assert_string_equal(codec_name(CODEC_VP9), "vp9");
    assert_int_equal(codec_from_name("h265"), 0);
    assert_int_equal(codec_from_name(""), 0);
    assert_null(codec_name((enum codec)0));
    assert_null(codec_name((enum codec)5));
}

static void test_default_backend(void **state)
{
    (void)state;
    struct encoder_config config = config_of(320, 240, 30, 500000);
    struct encoder *e;
    char error[200];
    assert_int_equal(encoder_open(&e, NULL, &config, error, sizeof(error)), 0);
    assert_ptr_equal(encoder_ops(e), encoder_backends()[0]);
    assert_string_not_equal(encoder_ops(e)->name, "fake");
    encoder_close(e);
}

static void check_threads(const char *backend)
{
    struct encoder_config config = config_of(640, 480, 30, 2000000);
    config.threads = 3;
    struct rig r = rig_new(backend, config, SCENE_TEXT);
    for (int n = 0; n < 10; n++) {
        struct encoded au = rig_encode(&r, n == 5);
        struct census c = census_of(&au);
        assert_int_equal(au.keyframe, n % 5 == 0);
        assert_in_range(c.idr + c.slice, 1, 3); /* at most a slice a thread */
        assert_true(c.idr == 0 || c.slice == 0);
    }
    rig_free(&r);
    config = config_of(64, 16, 30, 100000);
    config.threads = 100;
    r = rig_new(backend, config, SCENE_TEXT);
    struct encoded au = rig_encode(&r, false);
    assert_true(au.keyframe);
    rig_free(&r);
}

static void test_threads(void **state)
{
    (void)state;
    each_backend(check_threads);
}

static void test_fake_is_deterministic(void **state)
{
    (void)state;
    struct encoder_config config = config_of(640, 360, 30, 1000000);
    struct rig a = rig_new("fake", config, SCENE_NOISE), b = rig_new("fake", config, SCENE_TEXT);
    size_t bytes = 0;
    for (int n = 0; n < 90; n++) {
        struct encoded x = rig_encode(&a, n == 40), y = rig_encode(&b, n == 40);
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, x.size);
        bytes += x.size;
    }
    /* 88 pictures and two keyframes of eight times their size, off by a macroblock at most */
    size_t budget = 1000000 / 8 / 30;
    assert_in_range(bytes, budget * (88 + 2 * 8) - 400, budget * (88 + 2 * 8) + 400);
    rig_free(&a);
    rig_free(&b);
}

#ifdef HAVE_OPENH264
static void check_decodes(const char *backend, int threads)
{
    struct encoder_config config = config_of(642, 362, 30, 4000000);
    config.threads = threads;
    struct rig r = rig_new(backend, config, SCENE_TEXT);
    ISVCDecoder *decoder = h264_decoder_new();
    assert_non_null(decoder);
    for (int n = 0; n < 60; n++) {
        struct encoded au = rig_encode(&r, n == 45);
        struct picture decoded = {0};
        assert_true(h264_decode(decoder, au.data, au.size, &decoded));
        assert_int_equal(decoded.width, config.width);
        assert_int_equal(decoded.height, config.height);
        if (strcmp(backend, "fake") == 0)
            continue;
        /* the first pictures come out of an empty rate buffer */
        double mse = scene_mse(&r.yuv, &decoded);
        if (n >= 20 && n < 45 && mse > 65)
            fail_msg("%s: picture %d has a square error of %.0f", backend, n, mse);
    }
    h264_decoder_free(decoder);
    rig_free(&r);
}

static void test_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; encoder_backends()[i]; i++) {
        check_decodes(encoder_backends()[i]->name, 1);
        check_decodes(encoder_backends()[i]->name, 2);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_with_idr),
        cmocka_unit_test(test_sps_is_true),
        cmocka_unit_test(test_keyframe_on_demand),
        cmocka_unit_test(test_no_keyframe_unasked),
        cmocka_unit_test(test_set_rate),
        cmocka_unit_test(test_120_fps),
        cmocka_unit_test(test_rate_within_level),
        cmocka_unit_test(test_wrong_picture),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_tiny_rate),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_default_backend),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fake_is_deterministic),
#ifdef HAVE_OPENH264
        cmocka_unit_test(test_decodes),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
