/* encode_vt.c when VideoToolbox fails: whatever call says no, nothing leaks, nothing is told twice,
 * the stream either goes on with a keyframe or says that it is over. */
#include "tests/apple/vt_rig.h"

#include <stdatomic.h>

/* --- each call fails once --- */

static void a_failed_open_is_explained_and_closed(void **state)
{
    struct rig *r = *state;
    static const enum fake_call calls[] = {FAKE_CREATE_OBJECT, FAKE_CREATE_SESSION,
                                           FAKE_SET_PROPERTY, FAKE_PREPARE};
    const struct encoder_config cbr = rig_config(r);
    for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
        int failed = 0;
        for (unsigned nth = 1; nth <= 24; nth++) {
            struct encoder_config config = cbr;
            config.temporal_layers = 2;
            config.rate_control = nth % 2 ? ENCODER_QUALITY : ENCODER_CBR;
            fake_fail(calls[c], kVTAllocationFailedErr, nth);
            int err = rig_open_with(r, &config);
            if (err == 0) { /* it could do without, or was not reached: then it works */
                assert_int_equal(rig_submit(r, 0, false), 0);
                struct encoded unit;
                assert_int_equal(rig_next(r, &unit), 0);
                assert_true(unit.keyframe);
            } else {
                assert_true(r->error[0] != '\0');
                failed++;
            }
            rig_close(r);
            fake_reset();
        }
        assert_true(failed > 0);
    }
}

struct tally {
    int taken, came, lost, refused, dropped, keyframes;
};

/* What the encode thread does with what there is: after an error the next picture is a keyframe. */
static void drain(struct rig *r, struct tally *t, bool *keyframe, bool *over)
{
    struct encoded unit;
    struct picture pic = {.width = 0};
    while (t->came + t->lost + t->dropped < t->taken && !*over) {
        int err = rig_next(r, &unit);
        if (err == -ESHUTDOWN) {
            *over = true;
        } else if (err < 0) {
            t->lost++;
            *keyframe = true;
        } else if (unit.size == 0) {
            t->dropped++;
        } else {
            t->came++;
            t->keyframes += unit.keyframe;
            check_syntax(r, &unit);
            assert_true(h264_decode(r->decoder, unit.data, unit.size, &pic));
            check_shades(&pic, (int)((unit.captured_us - time_of(0)) / PERIOD_US));
        }
    }
}

/* Pictures go in `burst` at a time, so that others are on their way when one fails. */
static struct tally stream(struct rig *r, int pictures, int burst)
{
    struct tally t = {.taken = 0};
    bool keyframe = false, over = false;
    for (int i = 0; i < pictures && !over; i++) {
        int err = rig_submit(r, i, keyframe);
        t.taken += err == 0;
        t.refused += err == -EAGAIN;
        if (err == 0)
            keyframe = false;
        else if (err != -EAGAIN)
            keyframe = true;
        over = err == -ESHUTDOWN;
        if (i % burst == burst - 1)
            drain(r, &t, &keyframe, &over);
    }
    drain(r, &t, &keyframe, &over);
    return t;
}

static void one_failed_picture_costs_a_keyframe_and_no_more(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum fake_call call;
        OSStatus status;
    } rows[] = {
        {FAKE_POOL_BUFFER, kCVReturnError},
        {FAKE_POOL_BUFFER, kCVReturnAllocationFailed},
        {FAKE_LOCK_BUFFER, kCVReturnError},
        {FAKE_ENCODE, kVTParameterErr},
        {FAKE_ENCODE, kVTAllocationFailedErr},
        {FAKE_CALLBACK, kVTParameterErr},
        {FAKE_NOT_READY, 1},
        {FAKE_NO_BLOCK, 1},
        {FAKE_NO_DESCRIPTION, 1},
        {FAKE_PARAMETER_SET, kCMFormatDescriptionError_InvalidParameter},
        {FAKE_DATA_POINTER, kCMBlockBufferStructureAllocationFailedErr},
        {FAKE_CUT_UNIT, 1},
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        for (unsigned nth = 1; nth <= 8; nth++) {
            rig_open(r);
            fake_fail(rows[row].call, rows[row].status, nth);
            struct tally t = stream(r, 24, 3);
            assert_int_equal(t.came + t.lost, t.taken);
            assert_int_equal(t.dropped + t.refused, 0);
            assert_in_range(24 - t.came, 1, 3); /* the one and those of its burst after it */
            /* the first, one at once, and the one asked for when the loss is known */
            assert_in_range(t.keyframes, 1, 3);
            rig_close(r);
            fake_reset();
        }
    }
}

static void a_unit_that_cannot_be_put_together_is_lost_alone(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    fake_fail_always(FAKE_SCATTER, 1);
    fake_fail(FAKE_CONTIGUOUS, kCMBlockBufferStructureAllocationFailedErr, 5);
    struct tally t = stream(r, 24, 1);
    assert_int_equal(t.lost, 1);
    assert_int_equal(t.came, 23);
    assert_int_equal(t.keyframes, 2);
}

static void no_call_that_always_fails_hangs_or_crashes(void **state)
{
    struct rig *r = *state;
    for (enum fake_call call = FAKE_POOL; call < FAKE_CALLS; call++) {
        if (call == FAKE_KEEP)
            continue; /* has a test of its own */
        rig_open(r);
        fake_fail_always(call, kVTParameterErr);
        struct tally t = stream(r, 12, 2);
        assert_true(t.came + t.lost + t.dropped <= t.taken);
        rig_close(r);
        fake_reset();
    }
}

/* --- what rate control leaves out --- */

static void a_picture_left_out_is_told_and_costs_nothing(void **state)
{
    struct rig *r = *state;
    static const enum fake_call drops[] = {FAKE_DROP, FAKE_DROP_EARLY};
    for (int k = 0; k < 2; k++) {
        rig_open(r);
        fake_fail(drops[k], 1, 4);
        struct tally t = stream(r, 12, 3);
        assert_int_equal(t.taken, 12);
        assert_int_equal(t.dropped, 1);
        assert_int_equal(t.came, 11);
        assert_int_equal(t.keyframes, 1);
        rig_close(r);
        fake_reset();
    }
}

static void a_keyframe_left_out_comes_with_the_next_picture(void **state)
{
    struct rig *r = *state;
    static const enum fake_call drops[] = {FAKE_DROP, FAKE_DROP_EARLY};
    for (int k = 0; k < 2; k++) {
        struct encoded unit;
        rig_open(r);
        fake_fail(drops[k], 1, 1);
        assert_int_equal(rig_submit(r, 0, false), 0);
        assert_int_equal(rig_next(r, &unit), 0);
        assert_int_equal(unit.size, 0);
        assert_int_equal(rig_submit(r, 1, false), 0);
        rig_expect(r, 1, true); /* the first was to be one */
        fake_fail(drops[k], 1, 1);
        assert_int_equal(rig_submit(r, 2, true), 0);
        assert_int_equal(rig_next(r, &unit), 0);
        assert_int_equal(unit.size, 0);
        assert_int_equal(rig_submit(r, 3, false), 0);
        rig_expect(r, 3, true);
        assert_int_equal(rig_submit(r, 4, false), 0);
        rig_expect(r, 4, false);
        rig_close(r);
        fake_reset();
    }
}

/* --- what must not be there twice or after the end --- */

static void a_callback_told_twice_counts_once(void **state)
{
    struct rig *r = *state;
    rig_open(r);
    fake_fail_always(FAKE_CALL_TWICE, 1);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(rig_submit(r, i, false), 0);
        rig_expect(r, i, i == 0);
    }
    rig_expect_nothing(r);
    assert_int_equal(rig_ready(r), 12);
}

static void callbacks_after_close_touch_nothing(void **state)
{
    struct rig *r = *state;
    for (int pending = 1; pending <= 4; pending++) {
        rig_open(r);
        unsigned ready = rig_ready(r);
        fake_hold();
        for (int i = 0; i < pending; i++)
            assert_int_equal(rig_submit(r, i, false), 0);
        rig_close(r); /* frees what the encoder had; AddressSanitizer watches */
        fake_let_go();
        fake_wait_callbacks((unsigned)pending);
        assert_int_equal(rig_ready(r), ready);
        fake_reset();
    }
}

static void close_may_come_at_any_moment(void **state)
{
    struct rig *r = *state;
    for (int round = 0; round < 150; round++) {
        rig_open(r);
        for (int i = 0; i < round % 5; i++)
            rig_submit(r, i, false);
        if (round % 3 == 0)
            rig_wait_ready(r, rig_ready(r));
        rig_close(r);
        unsigned ready = rig_ready(r);
        fake_reset(); /* waits for the last callback */
        assert_int_equal(rig_ready(r), ready);
    }
}

/* on_ready that has begun ends before close does. */
struct slow_listener {
    atomic_bool begun, may_end, ended;
};

static void listen_slowly(void *arg)
{
    struct slow_listener *s = arg;
    s->begun = true;
    while (!s->may_end)
        sched_yield();
    s->ended = true;
}

static void *let_end(void *arg)
{
    struct slow_listener *s = arg;
    sched_yield();
    s->may_end = true;
    return NULL;
}

static void close_waits_for_who_is_being_told(void **state)
{
    struct rig *r = *state;
    for (int round = 0; round < 20; round++) {
        struct slow_listener listener = {false, false, false};
        struct encoder_config config = rig_config(r);
        config.on_ready = listen_slowly;
        config.on_ready_arg = &listener;
        assert_int_equal(rig_open_with(r, &config), 0);
        assert_int_equal(rig_submit(r, 0, false), 0);
        while (!listener.begun)
            sched_yield();
        fake_hold(); /* so that it is not CompleteFrames that waits */
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, let_end, &listener), 0);
        rig_close(r);
        assert_true(listener.ended);
        pthread_join(thread, NULL);
        fake_reset();
    }
}

static void nobody_has_to_listen(void **state)
{
    struct rig *r = *state;
    struct encoder_config config = rig_config(r);
    struct encoded unit;
    config.on_ready = NULL;
    assert_int_equal(rig_open_with(r, &config), 0);
    assert_int_equal(rig_submit(r, 0, false), 0);
    fake_wait_callbacks(1);
    assert_int_equal(encode_vt_ops.receive(r->priv, &unit), 0);
    rig_check(r, &unit, 0);
}

/* --- the end of a session --- */

static void a_session_taken_away_asks_for_another_encoder(void **state)
{
    struct rig *r = *state;
    struct encoded unit;
    rig_open(r);
    assert_int_equal(rig_submit(r, 0, false), 0);
    rig_expect(r, 0, true);
    fake_take_sessions_away();
    for (int i = 1; i < 4; i++) {
        assert_int_equal(rig_submit(r, i, true), -ESHUTDOWN);
        assert_int_equal(encode_vt_ops.receive(r->priv, &unit), -ESHUTDOWN);
    }
    const struct encoder_rate rate = {.bitrate_bps = 1000000, .fps = 30};
    assert_true(encode_vt_ops.set_rate(r->priv, &rate) < 0);
    rig_close(r);
    fake_reset();
    rig_open(r); /* the rebuild: the next picture, with a keyframe of its own accord */
    assert_int_equal(rig_submit(r, 5, false), 0);
    rig_expect(r, 5, true);
}

static void pictures_on_their_way_end_with_their_session(void **state)
{
    struct rig *r = *state;
    struct encoded unit;
    rig_open(r);
    fake_hold();
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_submit(r, i, false), 0);
    fake_let(1);
    rig_wait_ready(r, 1);
    fake_take_sessions_away();
    fake_let_go();
    rig_wait_ready(r, 3);
    rig_expect(r, 0, true); /* what had come is not thrown away */
    for (int i = 0; i < 4; i++)
        assert_int_equal(rig_next(r, &unit), -ESHUTDOWN);
    assert_int_equal(rig_submit(r, 3, true), -ESHUTDOWN);
}

static void an_encoder_that_answers_no_more_is_given_up(void **state)
{
    struct rig *r = *state;
    struct encoded unit;
    int taken = 0;
    rig_open(r);
    fake_hold();
    while (rig_submit(r, taken, false) == 0)
        taken++;
    struct picture pic = rig_picture(r, taken);
    pic.captured_us = time_of(0) + 1900000;
    assert_int_equal(rig_submit_picture(r, &pic, false), -EAGAIN);
    pic.captured_us = time_of(0) + 2100000;
    assert_int_equal(rig_submit_picture(r, &pic, false), -ESHUTDOWN);
    assert_int_equal(encode_vt_ops.receive(r->priv, &unit), -ESHUTDOWN);
    rig_close(r); /* which does not wait for it */
    fake_let_go();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_failed_open_is_explained_and_closed),
        RIG_TEST(one_failed_picture_costs_a_keyframe_and_no_more),
        RIG_TEST(a_unit_that_cannot_be_put_together_is_lost_alone),
        RIG_TEST(no_call_that_always_fails_hangs_or_crashes),
        RIG_TEST(a_picture_left_out_is_told_and_costs_nothing),
        RIG_TEST(a_keyframe_left_out_comes_with_the_next_picture),
        RIG_TEST(a_callback_told_twice_counts_once),
        RIG_TEST(callbacks_after_close_touch_nothing),
        RIG_TEST(close_may_come_at_any_moment),
        RIG_TEST(close_waits_for_who_is_being_told),
        RIG_TEST(nobody_has_to_listen),
        RIG_TEST(a_session_taken_away_asks_for_another_encoder),
        RIG_TEST(pictures_on_their_way_end_with_their_session),
        RIG_TEST(an_encoder_that_answers_no_more_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
