/* What every backend promises about its rate and quality: it holds the rate by the clock, changes
 * it live, and makes a picture that stays ever better. */
#include "encode/encoder.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/rig.h"

#include <errno.h>

static double kbps_of(struct rig *r, int pictures)
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

static void assert_kbps(struct rig *r, int pictures, double want)
{
    double kbps = kbps_of(r, pictures);
    if (kbps < want * 0.7 || kbps > want * 1.3)
        fail_msg("%s %s: %.0f kbit/s, want %.0f at %d fps", r->ops->name, codec_name(r->ops->codec),
                 kbps, want, r->fps);
}

static struct rig natural_rig(const struct encoder_ops *ops, int fps, uint32_t bps)
{
    struct encoder_config config = config_of(320, 240, fps, bps);
    config.content = ENCODER_NATURAL;
    struct rig r = rig_new(ops, config, SCENE_NATURAL);
    rig_encode(&r, true);
    return r;
}

static void check_set_rate(const struct encoder_ops *ops)
{
    static const struct {
        uint32_t bps;
        int fps;
    } rows[] = {{600000, 30}, {1800000, 30}, {600000, 30}, {600000, 15}, {1200000, 60}};
    struct rig r = natural_rig(ops, 60, 4000000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rig_set_rate(&r, rows[i].bps, rows[i].fps), 0);
        kbps_of(&r, 60); /* time to settle, still without a keyframe */
        assert_kbps(&r, 120, rows[i].bps / 1e3);
    }
    rig_free(&r);
}

static void test_set_rate(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_set_rate);
}

static void check_120_fps(const struct encoder_ops *ops)
{
    struct rig r = natural_rig(ops, 120, 2400000);
    kbps_of(&r, 60);
    assert_kbps(&r, 120, 2400);
    assert_int_equal(rig_set_rate(&r, 1200000, 120), 0);
    kbps_of(&r, 60);
    assert_kbps(&r, 120, 1200);
    rig_free(&r);
}

static void test_120_fps(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_120_fps);
}

/* Pictures that come at a third of the promised rate are given three times the bits. The fake does
 * without a clock. */
static void check_follows_the_clock(const struct encoder_ops *ops)
{
    if (rig_is_fake(ops))
        return;
    struct rig r = natural_rig(ops, 30, 300000);
    r.fps = 10;
    kbps_of(&r, 40);
    assert_kbps(&r, 80, 300);
    rig_free(&r);
}

static void test_follows_the_clock(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_follows_the_clock);
}

/* A pause is not saved up: what follows it takes less than half a second of the rate. */
static void check_pause(const struct encoder_ops *ops)
{
    struct rig r = natural_rig(ops, 30, 900000);
    kbps_of(&r, 60);
    r.at_us += 20000000;
    r.next += 600;
    struct encoded au = rig_encode(&r, false);
    assert_in_range(au.size, 1, 900000 / 8 / 2);
    kbps_of(&r, 30);
    assert_kbps(&r, 90, 900);
    rig_free(&r);
}

static void test_pause(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_pause);
}

static void check_odd_rates(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(320, 240, 120, 1000), SCENE_TEXT);
    struct encoded au = rig_encode(&r, false);
    assert_true(au.keyframe);
    assert_int_equal(rig_set_rate(&r, 0, 30), -EINVAL);
    assert_int_equal(rig_set_rate(&r, 2000000, 0), -EINVAL);
    assert_int_equal(rig_set_rate(&r, 2000000, 121), -EINVAL);
    assert_int_equal(rig_set_rate(&r, UINT32_MAX, 30), -ERANGE);
    struct encoder_rate wrong = {500000, 30, (enum encoder_rate_control)7};
    assert_int_equal(encoder_set_rate(r.e, &wrong), -EINVAL);
    rig_set_rate(&r, 1, 120); /* may be refused, but must not end the stream */
    for (int n = 0; n < 5; n++) {
        au = rig_encode(&r, false);
        assert_true(au.size > 0);
        assert_false(au.keyframe);
    }
    rig_free(&r);
}

static void test_odd_rates(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_odd_rates);
}

/* A page that stands still is refined until nothing is left to see, at the rate or below it, and
 * the quantizer says so. */
static void check_still(const struct encoder_ops *ops)
{
    enum { REPEATS = 90 };
    struct decoder *decoder = rig_is_fake(ops) ? NULL : decoder_new(ops->codec);
    if (!decoder)
        return;
    struct rig r = rig_new(ops, config_of(640, 360, 30, 800000), SCENE_TEXT);
    struct picture decoded;
    struct encoded au;
    for (int n = 0; n < 30; n++) {
        au = rig_encode(&r, false);
        assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
    }
    double before = scene_mse(&r.yuv, &decoded), after = before;
    int coarse = au.quantizer;
    size_t bytes = 0;
    r.yuv.repeat = true;
    for (int n = 0; n < REPEATS; n++) {
        au = rig_repeat(&r, false);
        bytes += au.size;
        assert_false(au.keyframe);
        assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
        after = scene_mse(&r.yuv, &decoded);
    }
    if (after > 2 || after > before || au.quantizer > coarse || au.quantizer > 50)
        fail_msg("%s %s: square error %.1f, then %.1f, quantizer %d, then %d", ops->name,
                 codec_name(ops->codec), before, after, coarse, au.quantizer);
    assert_in_range(bytes, 1, 800000 / 8 * REPEATS / 30 * 13 / 10);
    decoder_free(decoder);
    rig_free(&r);
}

static void test_still_pictures_are_refined(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_still);
}

static int mean_quantizer(struct rig *r, int pictures)
{
    int sum = 0;
    for (int n = 0; n < pictures; n++) {
        struct encoded au = rig_encode(r, false);
        assert_false(au.keyframe);
        sum += au.quantizer;
    }
    return sum / pictures;
}

/* In quality mode what is easy stays below the rate, since the quantizer falls no further. */
static void check_quality(const struct encoder_ops *ops)
{
    if (rig_is_fake(ops))
        return;
    struct encoder_config config = config_of(320, 240, 30, 6000000);
    config.content = ENCODER_NATURAL;
    config.rate_control = ENCODER_QUALITY;
    struct rig r = rig_new(ops, config, SCENE_NATURAL);
    rig_encode(&r, true);
    kbps_of(&r, 60);
    assert_true(kbps_of(&r, 60) < 4500);
    assert_in_range(mean_quantizer(&r, 30), 18 * 100 / 63, 18 * 100 / 51 + 8);
    rig_free(&r);
}

/* What is hard is made worse until it keeps to the ceiling. */
static void check_quality_ceiling(const struct encoder_ops *ops)
{
    if (rig_is_fake(ops))
        return;
    struct encoder_config config = config_of(640, 360, 30, 600000);
    config.content = ENCODER_NATURAL;
    config.rate_control = ENCODER_QUALITY;
    struct rig r = rig_new(ops, config, SCENE_NATURAL);
    rig_encode(&r, true);
    kbps_of(&r, 60);
    double kbps = kbps_of(&r, 90);
    if (kbps > 600 * 1.3)
        fail_msg("%s %s: %.0f kbit/s", ops->name, codec_name(ops->codec), kbps);
    rig_free(&r);
}

/* Live where the library can, and where it cannot, said at once and without harm. */
static void check_quality_live(const struct encoder_ops *ops)
{
    bool is_live = ops->codec != CODEC_H264;
    if (rig_is_fake(ops))
        return;
    struct rig r = natural_rig(ops, 30, 6000000);
    const struct encoder_rate quality = {1500000, 30, ENCODER_QUALITY};
    const struct encoder_rate rate = {6000000, 30, ENCODER_CBR};
    kbps_of(&r, 30);
    int fine = mean_quantizer(&r, 30);
    assert_int_equal(encoder_set_rate(r.e, &quality), is_live ? 0 : -ERANGE);
    kbps_of(&r, 30);
    int coarse = mean_quantizer(&r, 30);
    if (is_live)
        assert_true(coarse >= 32 * 100 / 63 && fine < coarse);
    assert_int_equal(encoder_set_rate(r.e, &rate), 0);
    kbps_of(&r, 30);
    assert_true(mean_quantizer(&r, 30) <= coarse);
    rig_free(&r);
}

static void test_quality_mode(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_quality);
    each_backend((enum codec)0, check_quality_ceiling);
    each_backend((enum codec)0, check_quality_live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_rate),          cmocka_unit_test(test_120_fps),
        cmocka_unit_test(test_follows_the_clock), cmocka_unit_test(test_pause),
        cmocka_unit_test(test_odd_rates),         cmocka_unit_test(test_still_pictures_are_refined),
        cmocka_unit_test(test_quality_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
