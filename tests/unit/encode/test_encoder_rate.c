/* What every backend promises about its rate: it holds it by the clock and changes it live. */
#include "encode/encoder.h"
#include "tests/unit/encode/rig.h"

#include <errno.h>

static void assert_kbps(struct rig *r, int pictures, double want)
{
    double kbps = rig_kbps(r, pictures);
    if (kbps < want * 0.7 || kbps > want * 1.3)
        fail_msg("%s %s: %.0f kbit/s, want %.0f at %d fps", r->ops->name, codec_name(r->ops->codec),
                 kbps, want, r->fps);
}

static void check_set_rate(const struct encoder_ops *ops)
{
    static const struct {
        uint32_t bps;
        int fps;
    } rows[] = {{600000, 30}, {1800000, 30}, {600000, 30}, {600000, 15}, {1200000, 60}};
    struct rig r = rig_natural(ops, 60, 4000000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rig_set_rate(&r, rows[i].bps, rows[i].fps), 0);
        rig_kbps(&r, 60); /* time to settle, still without a keyframe */
        assert_kbps(&r, 90, rows[i].bps / 1e3);
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
    struct rig r = rig_natural(ops, 120, 2400000);
    rig_kbps(&r, 60);
    assert_kbps(&r, 90, 2400);
    assert_int_equal(rig_set_rate(&r, 1200000, 120), 0);
    rig_kbps(&r, 60);
    assert_kbps(&r, 90, 1200);
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
    struct rig r = rig_natural(ops, 30, 300000);
    r.fps = 10;
    rig_kbps(&r, 40);
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
    struct rig r = rig_natural(ops, 30, 900000);
    rig_kbps(&r, 60);
    r.at_us += 20000000;
    r.next += 600;
    struct encoded au = rig_encode(&r, false);
    assert_in_range(au.size, 1, 900000 / 8 / 2);
    rig_kbps(&r, 30);
    assert_kbps(&r, 60, 900);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_rate),          cmocka_unit_test(test_120_fps),
        cmocka_unit_test(test_follows_the_clock), cmocka_unit_test(test_pause),
        cmocka_unit_test(test_odd_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
