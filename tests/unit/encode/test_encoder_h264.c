/* What every H.264 backend promises beyond what all do: which NAL units, and what the SPS says. */
#include "encode/encoder.h"
#include "tests/unit/encode/h264_parse.h"
#include "tests/unit/encode/rig.h"

#include <errno.h>

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

static void check_starts_with_idr(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(320, 240, 30, 500000), SCENE_TEXT);
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
    each_backend(CODEC_H264, check_starts_with_idr);
}

static void check_keyframe_on_demand(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(320, 240, 30, 500000), SCENE_TEXT);
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
    each_backend(CODEC_H264, check_keyframe_on_demand);
}

static void check_no_keyframe_unasked(const struct encoder_ops *ops)
{
    for (int kind = SCENE_TEXT; kind <= SCENE_NOISE; kind++) {
        struct rig r = rig_new(ops, config_of(160, 128, 30, 300000), (enum scene_kind)kind);
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
    each_backend(CODEC_H264, check_no_keyframe_unasked);
}

static void check_sps(const struct encoder_ops *ops)
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
        struct rig r = rig_new(ops, config, SCENE_NOISE);
        struct encoded au = rig_encode(&r, true);
        struct h264_sps sps = census_of(&au).info;
        assert_int_equal(sps.profile, 66);
        assert_int_equal(sps.constraints & 0xc0, 0xc0);
        assert_int_equal(sps.level, rows[i].level);
        assert_int_equal(sps.width, rows[i].width);
        assert_int_equal(sps.height, rows[i].height);
        assert_true(sps.poc_type == 2 || (sps.has_restriction && sps.reorder == 0));
        if (!rig_is_fake(ops)) {
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
    each_backend(CODEC_H264, check_sps);
}

static void check_rate_within_level(const struct encoder_ops *ops)
{
    struct rig r = rig_new(ops, config_of(1280, 720, 30, 2000000), SCENE_TEXT);
    assert_int_equal(rig_set_rate(&r, 14000000, 30), 0); /* all that 3.1 holds */
    assert_int_equal(rig_set_rate(&r, 14000001, 30), -ERANGE);
    assert_int_equal(rig_set_rate(&r, 2000000, 31), -ERANGE);
    assert_int_equal(rig_set_rate(&r, 0, 30), -EINVAL);
    assert_int_equal(rig_set_rate(&r, 2000000, 0), -EINVAL);
    assert_int_equal(rig_set_rate(&r, 2000000, 121), -EINVAL);
    struct encoded au = rig_encode(&r, false);
    assert_keyframe(&au);
    rig_free(&r);
}

static void test_rate_within_level(void **state)
{
    (void)state;
    each_backend(CODEC_H264, check_rate_within_level);
}

static void check_threads(const struct encoder_ops *ops)
{
    struct encoder_config config = config_of(640, 480, 30, 2000000);
    config.threads = 3;
    struct rig r = rig_new(ops, config, SCENE_TEXT);
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
    r = rig_new(ops, config, SCENE_TEXT);
    struct encoded au = rig_encode(&r, false);
    assert_true(au.keyframe);
    rig_free(&r);
}

static void test_threads(void **state)
{
    (void)state;
    each_backend(CODEC_H264, check_threads);
}

static const struct encoder_ops *fake(void)
{
    size_t i = 0;
    while (!rig_is_fake(encoder_backends()[i]))
        i++;
    return encoder_backends()[i];
}

static void test_fake_is_deterministic(void **state)
{
    (void)state;
    struct encoder_config config = config_of(640, 360, 30, 1000000);
    struct rig a = rig_new(fake(), config, SCENE_NOISE), b = rig_new(fake(), config, SCENE_TEXT);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_with_idr),       cmocka_unit_test(test_keyframe_on_demand),
        cmocka_unit_test(test_no_keyframe_unasked),   cmocka_unit_test(test_sps_is_true),
        cmocka_unit_test(test_rate_within_level),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fake_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
