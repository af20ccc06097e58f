/* What every backend promises, whatever its codec, checked on each that was built in. */
#include "encode/encoder.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/rig.h"

#include <errno.h>

/* What the bitstream itself says. */
static bool is_key_in_stream(enum codec codec, const struct encoded *au)
{
    const uint8_t *p = au->data;
    switch (codec) {
    case CODEC_H264: /* an SPS stands first */
        return (p[4] & 31) == 7;
    case CODEC_VP8: /* RFC 6386 9.1 */
        return (p[0] & 1) == 0;
    case CODEC_VP9: /* frame marker 2, profile 0, not an existing frame, frame_type */
        assert_int_equal(p[0] & 0xf8, 0x80);
        return (p[0] & 4) == 0;
    case CODEC_AV1: /* a temporal delimiter, and behind it a sequence header or not (AV1 5.3.2) */
        assert_int_equal(p[0], 0x12);
        assert_int_equal(p[1], 0);
        return (p[2] >> 3 & 15) == 1;
    }
    return false;
}

static void assert_kind(const struct rig *r, const struct encoded *au, bool keyframe)
{
    assert_true(au->size > 0);
    assert_int_equal(au->keyframe, keyframe);
    assert_int_equal(is_key_in_stream(r->ops->codec, au), keyframe);
    assert_int_equal(au->temporal_id, 0);
    if (rig_is_fake(r->ops))
        assert_int_equal(au->quantizer, -1);
    else
        assert_in_range(au->quantizer, 0, 100);
}

/* Nothing is held back: whatever is submitted is there at once, and only once. */
static void check_starts_with_keyframe(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(320, 240, 30, 500000), SCENE_TEXT);
    struct encoded au = rig_encode(&r, false);
    assert_kind(&r, &au, true);
    assert_int_equal(encoder_receive(r.e, &au), -EAGAIN);
    au = rig_encode(&r, false);
    assert_kind(&r, &au, false);
    assert_int_equal(encoder_receive(r.e, &au), -EAGAIN);
    rig_free(&r);
}

static void test_starts_with_keyframe(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_starts_with_keyframe);
}

static void check_keyframe_on_demand(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(320, 240, 30, 500000), SCENE_TEXT);
    for (int n = 0; n < 40; n++) {
        bool wanted = n == 0 || n == 7 || n == 8 || n == 30;
        struct encoded au = rig_encode(&r, wanted);
        assert_kind(&r, &au, wanted);
        struct decoder *fresh = wanted ? decoder_new(ops->codec) : NULL;
        struct picture decoded;
        if (fresh)
            assert_true(decoder_decode(fresh, au.data, au.size, &decoded));
        decoder_free(fresh);
    }
    rig_free(&r);
}

static void test_keyframe_on_demand(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_keyframe_on_demand);
}

static void check_no_keyframe_unasked(const struct encoder_ops *ops)
{
    for (int kind = SCENE_TEXT; kind <= SCENE_NOISE; kind++) {
        struct rig r = rig_new(ops, config_of(160, 128, 30, 300000), (enum scene_kind)kind);
        struct encoded au = rig_encode(&r, true);
        for (int n = 1; n <= 210; n++) {
            if (n % 70 == 0)
                r.next += 1000; /* a cut */
            au = rig_encode(&r, false);
            assert_kind(&r, &au, false);
        }
        rig_free(&r);
    }
}

static void test_no_keyframe_unasked(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_no_keyframe_unasked);
}

static void check_wrong_picture(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(320, 240, 30, 500000), SCENE_TEXT);
    struct encoded au;
    r.yuv.width = 318;
    assert_int_equal(encoder_submit(r.e, &r.yuv, false), -EINVAL);
    r.yuv.width = 320;
    r.yuv.height = 242;
    assert_int_equal(encoder_submit(r.e, &r.yuv, false), -EINVAL);
    r.yuv.height = 240;
    r.yuv.format = PICTURE_BGRA;
    assert_int_equal(encoder_submit(r.e, &r.yuv, false), -EINVAL);
    r.yuv.format = ops->input;
    assert_int_equal(encoder_receive(r.e, &au), -EAGAIN);
    au = rig_encode(&r, false);
    assert_kind(&r, &au, true);
    rig_free(&r);
}

static void test_wrong_picture(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_wrong_picture);
}

/* Opens and encodes, or refuses at once with a sentence: never later. */
static void check_sizes(const struct encoder_ops *ops)
{
    static const int sizes[][2] = {{2, 2},     {2, 64},      {14, 16},     {16, 14},    {16, 16},
                                   {18, 16},   {64, 2},      {322, 246},   {8192, 16},  {16, 4096},
                                   {16, 8192}, {4096, 2304}, {4096, 2320}, {8192, 8192}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct encoder_config config = config_of(sizes[i][0], sizes[i][1], 10, 500000);
        struct encoder *e = NULL;
        char error[200] = "";
        config.codec = ops->codec;
        if (ops->codec != CODEC_H264 && config.width * config.height > 1000000)
            continue; /* there is no limit to be found, and much to be encoded */
        if (encoder_open(&e, ops->name, &config, error, sizeof(error)) != 0) {
            assert_null(e);
            assert_true(strlen(error) > 10);
            assert_int_equal(ops->codec, CODEC_H264);
            assert_true(strcmp(ops->name, "openh264") == 0 || config.height == 8192);
            continue;
        }
        encoder_close(e);
        struct rig r = rig_new(ops, config, SCENE_NOISE);
        struct encoded au = rig_encode(&r, false);
        assert_kind(&r, &au, true);
        rig_free(&r);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_sizes);
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

static void check_refusals(const struct encoder_ops *ops)
{
    struct encoder_config good = config_of(320, 240, 30, 500000), c;
    good.codec = ops->codec;
    c = good, c.width = 321;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.height = 0;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.width = PICTURE_MAX_WIDTH + 2;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.fps = 0;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.fps = 121;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.bitrate_bps = 0;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.bitrate_bps = UINT32_MAX;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.threads = 0;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.temporal_layers = 4;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.temporal_layers = -1;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.effort = (enum encoder_effort)3;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.rate_control = (enum encoder_rate_control)7;
    assert_int_equal(refused(ops->name, c), -EINVAL);
    c = good, c.codec = (enum codec)99;
    assert_int_equal(refused(NULL, c), -ENOTSUP);
    assert_int_equal(refused(ops->name, c), -ENOTSUP);
    assert_int_equal(refused("nothing", good), -ENOTSUP);
}

static void test_refusals(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_refusals);
    struct encoder_config av1 = config_of(320, 240, 30, 500000);
    av1.codec = CODEC_AV1;
    assert_int_equal(refused("fake", av1), -ENOTSUP);
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

/* A name and a codec find just that one; no name finds the first of the codec, never the fake. */
static void check_is_found(const struct encoder_ops *ops)
{
    struct encoder_config config = config_of(320, 240, 30, 500000);
    config.codec = ops->codec;
    struct encoder *e;
    char error[200];
    assert_int_equal(encoder_open(&e, ops->name, &config, error, sizeof(error)), 0);
    assert_ptr_equal(encoder_ops(e), ops);
    encoder_close(e);
    assert_int_equal(encoder_open(&e, NULL, &config, error, sizeof(error)), 0);
    assert_int_equal(encoder_ops(e)->codec, ops->codec);
    assert_false(rig_is_fake(encoder_ops(e)));
    encoder_close(e);
}

static void test_backends_are_found(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_is_found);
}

/* Several threads make no difference but for the time. */
static void check_decodes(const struct encoder_ops *ops, int threads, enum encoder_content content)
{
    struct encoder_config config = config_of(642, 362, 30, 4000000);
    config.threads = threads;
    config.content = content;
    struct rig r = rig_new(ops, config, content == ENCODER_SCREEN ? SCENE_TEXT : SCENE_NATURAL);
    struct decoder *decoder = decoder_new(ops->codec);
    for (int n = 0; decoder && n < 60; n++) {
        struct encoded au = rig_encode(&r, n == 45);
        struct picture decoded = {0};
        assert_int_equal(au.keyframe, n == 0 || n == 45);
        assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
        assert_int_equal(decoded.width, config.width);
        assert_int_equal(decoded.height, config.height);
        if (rig_is_fake(ops))
            continue;
        if (ops->codec == CODEC_VP9 || ops->codec == CODEC_AV1)
            assert_true(decoder->is_bt709);
        /* the first pictures come out of an empty rate buffer */
        double mse = scene_mse(&r.yuv, &decoded);
        if (n >= 20 && n < 45 && mse > 65)
            fail_msg("%s %s: picture %d has a square error of %.0f", ops->name,
                     codec_name(ops->codec), n, mse);
    }
    decoder_free(decoder);
    rig_free(&r);
}

static void check_decodes_any_way(const struct encoder_ops *ops)
{
    check_decodes(ops, 1, ENCODER_SCREEN);
    check_decodes(ops, 3, ENCODER_SCREEN);
    check_decodes(ops, 100, ENCODER_NATURAL);
}

static void test_decodes(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_decodes_any_way);
}

/* More effort is never paid with more than the rate allows, and every one gives pictures. */
static void test_every_effort_encodes(void **state)
{
    (void)state;
    for (const struct encoder_ops *const *ops = encoder_backends(); *ops; ops++) {
        for (int effort = ENCODER_EFFORT_NORMAL; effort <= ENCODER_EFFORT_MORE; effort++) {
            struct encoder_config config = config_of(320, 240, 30, 500000);
            config.content = ENCODER_NATURAL;
            config.effort = (enum encoder_effort)effort;
            struct rig r = rig_new(*ops, config, SCENE_NATURAL);
            assert_true(rig_encode(&r, true).keyframe);
            assert_in_range(rig_kbps(&r, 30), 100, 900);
            rig_free(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_effort_encodes),
        cmocka_unit_test(test_starts_with_keyframe),
        cmocka_unit_test(test_keyframe_on_demand),
        cmocka_unit_test(test_no_keyframe_unasked),
        cmocka_unit_test(test_wrong_picture),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_backends_are_found),
        cmocka_unit_test(test_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
