/* What every backend promises about its quality: a picture that stays becomes ever better, and
 * constant quality keeps below its ceiling. */
#include "encode/encoder.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/rig.h"

#include <errno.h>

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

/* A keyframe on a refined page costs what a page costs once, and not again with the next picture.
 */
static void check_keyframe_on_still(const struct encoder_ops *ops)
{
    if (rig_is_fake(ops))
        return;
    struct rig r = rig_new(ops, config_of(640, 360, 30, 800000), SCENE_TEXT);
    rig_encode(&r, true);
    for (int n = 0; n < 120; n++)
        rig_repeat(&r, false);
    struct encoded au = rig_repeat(&r, true);
    assert_true(au.keyframe);
    size_t keyframe = au.size, rest = 0;
    for (int n = 0; n < 5; n++) {
        au = rig_repeat(&r, false);
        assert_false(au.keyframe);
        rest += au.size;
    }
    if (keyframe > 800000 / 8 || rest > 800000 / 8)
        fail_msg("%s %s: %zu bytes, then %zu", ops->name, codec_name(ops->codec), keyframe, rest);
    rig_free(&r);
}

static void test_keyframe_on_still_picture(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_keyframe_on_still);
}

/* What is sharp and repeated once a second costs next to nothing and loses nothing. */
static void check_rest(const struct encoder_ops *ops)
{
    struct decoder *decoder = ops->codec != CODEC_AV1 ? NULL : decoder_new(ops->codec);
    if (!decoder)
        return;
    struct rig r = rig_new(ops, config_of(640, 360, 30, 2500000), SCENE_TEXT);
    struct picture decoded;
    struct encoded au = rig_encode(&r, true);
    assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
    r.yuv.repeat = true;
    for (int n = 0; n < 60; n++) {
        au = rig_repeat(&r, false);
        assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
    }
    double sharp = scene_mse(&r.yuv, &decoded);
    r.fps = 1;
    au = rig_repeat(&r, false); /* a second after this one is the next */
    assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
    for (int n = 0; n < 5; n++) {
        au = rig_repeat(&r, false);
        assert_true(decoder_decode(decoder, au.data, au.size, &decoded));
        assert_in_range(au.size, 1, 200);
    }
    assert_true(scene_mse(&r.yuv, &decoded) <= sharp * 1.1);
    r.fps = 30;
    r.yuv.repeat = false;
    size_t first = rig_encode(&r, false).size;
    assert_true(first > 200); /* and awake at once */
    decoder_free(decoder);
    rig_free(&r);
}

static void test_repeats_of_a_sharp_picture_cost_nothing(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_rest);
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
    rig_kbps(&r, 45);
    assert_true(rig_kbps(&r, 45) < 4500);
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
    rig_kbps(&r, 45);
    double kbps = rig_kbps(&r, 60);
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
    struct rig r = rig_natural(ops, 30, 6000000);
    const struct encoder_rate quality = {1500000, 30, ENCODER_QUALITY};
    const struct encoder_rate rate = {6000000, 30, ENCODER_CBR};
    rig_kbps(&r, 30);
    int fine = mean_quantizer(&r, 30);
    assert_int_equal(encoder_set_rate(r.e, &quality), is_live ? 0 : -ERANGE);
    rig_kbps(&r, 30);
    int coarse = mean_quantizer(&r, 30);
    if (is_live)
        assert_true(coarse >= 32 * 100 / 63 && fine < coarse);
    assert_int_equal(encoder_set_rate(r.e, &rate), 0);
    rig_kbps(&r, 30);
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
        cmocka_unit_test(test_still_pictures_are_refined),
        cmocka_unit_test(test_keyframe_on_still_picture),
        cmocka_unit_test(test_repeats_of_a_sharp_picture_cost_nothing),
        cmocka_unit_test(test_quality_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
