/* encode_vt.c as it is meant to be used: every picture once, in order, as soon as it exists. */
#include "tests/apple/vt_rig.h"

static void each_picture_comes_once_and_in_order(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(rig_submit(r, i, false), 0);
        if (i % 3 == 2) { /* up to three are on their way */
            for (int k = i - 2; k <= i; k++)
                rig_expect(r, k, k == 0); /* the first keyframe once, and no other */
        }
    }
    rig_expect_nothing(r);
    assert_int_equal(rig_ready(r), 60);
}

/* An encoder that hands out a picture when the next one is submitted waits here for ever. */
static void a_picture_needs_no_other_to_come(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_wait_ready(r, (unsigned)i + 1); /* told without being asked */
        rig_expect(r, i, i == 0);
        rig_expect_nothing(r);
    }
}

static void late_callbacks_cost_no_picture(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    assert_int_equal(rig_submit(r, 0, false), 0);
    rig_expect(r, 0, true);
    fake_hold();
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_expect_nothing(r);
    }
    fake_let(1);
    rig_expect(r, 1, false);
    rig_expect_nothing(r);
    fake_let_go();
    rig_expect(r, 2, false);
    rig_expect(r, 3, false);
    for (int i = 4; i < 20; i++) { /* and the delay does not stay */
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_expect(r, i, false);
    }
}

static void what_is_too_much_is_refused_before_it_is_encoded(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    fake_hold();
    int taken = 0, refused = 0;
    while (refused < 3) {
        int err = rig_submit(r, taken + refused, false);
        taken += err == 0;
        refused += err == -EAGAIN;
        assert_true(err == 0 || err == -EAGAIN);
    }
    assert_in_range(taken, 2, 8);
    assert_int_equal(fake_calls(FAKE_ENCODE), taken);
    fake_let_go();
    for (int i = 0; i < taken; i++)
        rig_expect(r, i, i == 0);
    assert_int_equal(rig_submit(r, taken + refused, false), 0);
    rig_expect(r, taken + refused, false); /* nothing was lost, so no keyframe was needed */
}

static void an_exhausted_pool_refuses_pictures(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    fake_fail_always(FAKE_KEEP, 1);
    int err = 0, taken = 0;
    for (; taken < 16 && (err = rig_submit(r, taken, false)) == 0; taken++)
        rig_expect(r, taken, taken == 0);
    assert_int_equal(err, -EAGAIN);
    assert_int_equal(rig_submit(r, taken + 1, false), -EAGAIN);
    rig_expect_nothing(r);
    assert_in_range(taken, 3, 8); /* bounded, and some */
}

/* --- the platform's own pixels --- */

static CVPixelBufferRef surface(struct rig *r, int number, OSType format)
{
    CVPixelBufferRef b;
    struct picture pic = rig_picture(r, number);
    assert_int_equal(CVPixelBufferCreate(NULL, WIDTH, HEIGHT, format, NULL, &b), 0);
    CVPixelBufferLockBaseAddress(b, 0);
    for (size_t plane = 0; plane < 2; plane++) {
        uint8_t *to = CVPixelBufferGetBaseAddressOfPlane(b, plane);
        for (int y = 0; y < (plane ? HEIGHT / 2 : HEIGHT); y++)
            memcpy(to + (size_t)y * CVPixelBufferGetBytesPerRowOfPlane(b, plane),
                   pic.plane[plane] + y * WIDTH, WIDTH);
    }
    CVPixelBufferUnlockBaseAddress(b, 0);
    return b;
}

static void a_surface_of_the_capture_is_not_copied(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    fake_hold();
    for (int i = 0; i < 3; i++) {
        CVPixelBufferRef b = surface(r, i, kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange);
        struct picture pic = {.format = PICTURE_NV12,
                              .width = WIDTH,
                              .height = HEIGHT,
                              .captured_us = time_of(i),
                              .native = b}; /* no planes: nothing but the surface can be read */
        assert_int_equal(encode_vt_ops.submit(r->priv, &pic, false), 0);
        assert_ptr_equal(fake_last_pixels(), b);
        CVPixelBufferRelease(b); /* the capture's reference is gone before it is encoded */
    }
    fake_let_go();
    for (int i = 0; i < 3; i++)
        rig_expect(r, i, i == 0);
    assert_int_equal(fake_calls(FAKE_POOL_BUFFER), 0);
    assert_int_equal(fake_calls(FAKE_POOL), 0);
}

static void a_surface_of_another_kind_is_copied(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    CVPixelBufferRef b = surface(r, 9, kCVPixelFormatType_32BGRA);
    struct picture pic = rig_picture(r, 0);
    pic.native = b;
    assert_int_equal(rig_submit_picture(r, &pic, false), 0);
    assert_ptr_not_equal(fake_last_pixels(), b);
    CVPixelBufferRelease(b);
    rig_expect(r, 0, true);
    assert_int_equal(fake_calls(FAKE_POOL_BUFFER), 1);
}

/* --- what the stream is like --- */

static void keyframes_come_when_asked_for(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(rig_submit(r, i, i == 7 || i == 8 || i == 25), 0);
        rig_expect(r, i, i == 0 || i == 7 || i == 8 || i == 25);
    }
}

static void the_stream_says_what_it_is(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    assert_int_equal(rig_submit(r, 0, false), 0);
    struct encoded unit;
    assert_int_equal(rig_next(r, &unit), 0);
    rig_check(r, &unit, 0);
    assert_int_equal(unit.temporal_id, 0);
    assert_in_range(unit.quantizer, 0, 100);
    assert_int_equal(r->sps.profile, 66);
    assert_true(r->sps.has_colour);
    assert_int_equal(r->sps.primaries, 1); /* BT.709 */
    assert_int_equal(r->sps.transfer, 1);
    assert_int_equal(r->sps.matrix, 1);
    assert_false(r->sps.full_range);
    assert_true(fake_was_low_latency());
    assert_ptr_equal(fake_property(kVTCompressionPropertyKey_RealTime), kCFBooleanTrue);
    assert_ptr_equal(fake_property(kVTCompressionPropertyKey_AllowFrameReordering),
                     kCFBooleanFalse);
    assert_ptr_equal(fake_property(kVTCompressionPropertyKey_ProfileLevel),
                     kVTProfileLevel_H264_ConstrainedBaseline_AutoLevel);
}

static void a_unit_in_pieces_is_put_together(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    fake_fail_always(FAKE_SCATTER, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_expect(r, i, i == 0);
    }
}

static void upper_layer_pictures_are_told_apart(void **state)
{
    struct rig *r = *state;
    struct encoder_config config = rig_config(r);
    config.temporal_layers = 2;
    assert_int_equal(rig_open_with(r, &config), 0);
    for (int i = 0; i < 8; i++) {
        struct encoded unit;
        assert_int_equal(rig_submit(r, i, false), 0);
        assert_int_equal(rig_next(r, &unit), 0);
        assert_int_equal(unit.temporal_id, i % 2);
    }
}

static void equal_capture_times_are_no_step_back(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    for (int i = 0; i < 4; i++) { /* the fake aborts where time does not rise */
        struct picture pic = rig_picture(r, i);
        struct encoded unit;
        pic.captured_us = time_of(0) - i;
        assert_int_equal(rig_submit_picture(r, &pic, false), 0);
        assert_int_equal(rig_next(r, &unit), 0);
        assert_int_equal(unit.captured_us, time_of(0) - i);
    }
}

/* --- rates --- */

static double property(CFStringRef key)
{
    double value = -1;
    CFTypeRef number = fake_property(key);
    if (number)
        CFNumberGetValue(number, kCFNumberDoubleType, &value);
    return value;
}

static void rates_change_without_a_keyframe(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    assert_true(property(kVTCompressionPropertyKey_AverageBitRate) == 2000000);
    assert_true(property(kVTCompressionPropertyKey_ExpectedFrameRate) == 30);
    for (int i = 0; i < 9; i++) {
        const struct encoder_rate rate = {
            .bitrate_bps = (uint32_t)(500000 * (i + 1)), .fps = 15, .rate_control = ENCODER_CBR};
        assert_int_equal(encode_vt_ops.set_rate(r->priv, &rate), 0);
        assert_true(property(kVTCompressionPropertyKey_AverageBitRate) == 500000 * (i + 1));
        assert_true(property(kVTCompressionPropertyKey_ExpectedFrameRate) == 15);
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_expect(r, i, i == 0);
    }
    const struct encoder_rate other = {
        .bitrate_bps = 500000, .fps = 15, .rate_control = ENCODER_QUALITY};
    assert_int_equal(encode_vt_ops.set_rate(r->priv, &other), -ERANGE);
}

static void quality_has_the_rate_for_a_ceiling(void **state)
{
    struct rig *r = *state;
    struct encoder_config config = rig_config(r);
    config.rate_control = ENCODER_QUALITY;
    config.bitrate_bps = 6000000;
    assert_int_equal(rig_open_with(r, &config), 0);
    assert_false(fake_was_low_latency());
    assert_true(property(kVTCompressionPropertyKey_Quality) == 0.85);
    CFArrayRef limits = fake_property(kVTCompressionPropertyKey_DataRateLimits);
    double bytes, seconds;
    assert_int_equal(CFArrayGetCount(limits), 2);
    CFNumberGetValue(CFArrayGetValueAtIndex(limits, 0), kCFNumberDoubleType, &bytes);
    CFNumberGetValue(CFArrayGetValueAtIndex(limits, 1), kCFNumberDoubleType, &seconds);
    assert_true(bytes == 750000 && seconds == 1);
    const struct encoder_rate rate = {
        .bitrate_bps = 500000, .fps = 30, .rate_control = ENCODER_QUALITY};
    assert_int_equal(encode_vt_ops.set_rate(r->priv, &rate), 0);
    assert_true(property(kVTCompressionPropertyKey_Quality) == 0.5);
    assert_int_equal(rig_submit(r, 0, false), 0);
    rig_expect(r, 0, true);
}

static void without_low_latency_there_is_the_ordinary_encoder(void **state)
{
    struct rig *r = *state;
    fake_lack_low_latency();
    rig_open(r);
    assert_false(fake_was_low_latency());
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_expect(r, i, i == 0);
    }
}

static void what_cannot_be_encoded_is_refused_in_words(void **state)
{
    struct rig *r = *state;
    struct encoder_config config = rig_config(r);
    config.width = 8192;
    assert_int_equal(rig_open_with(r, &config), -ENOTSUP);
    assert_non_null(strstr(r->error, "8192x96"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(each_picture_comes_once_and_in_order),
        RIG_TEST(a_picture_needs_no_other_to_come),
        RIG_TEST(late_callbacks_cost_no_picture),
        RIG_TEST(what_is_too_much_is_refused_before_it_is_encoded),
        RIG_TEST(an_exhausted_pool_refuses_pictures),
        RIG_TEST(a_surface_of_the_capture_is_not_copied),
        RIG_TEST(a_surface_of_another_kind_is_copied),
        RIG_TEST(keyframes_come_when_asked_for),
        RIG_TEST(the_stream_says_what_it_is),
        RIG_TEST(a_unit_in_pieces_is_put_together),
        RIG_TEST(upper_layer_pictures_are_told_apart),
        RIG_TEST(equal_capture_times_are_no_step_back),
        RIG_TEST(rates_change_without_a_keyframe),
        RIG_TEST(quality_has_the_rate_for_a_ceiling),
        RIG_TEST(without_low_latency_there_is_the_ordinary_encoder),
        RIG_TEST(what_cannot_be_encoded_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
