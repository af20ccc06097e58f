/* test_gcc.c - the estimator's interface; what it finds on whole paths is in tests/sim. */
#include "rtp/control/gcc.h"

#include "tests/unit/control/feedback_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

static const struct gcc_config config = {
    .start_bps = 1000000, .min_bps = 100000, .max_bps = 20000000};
static struct gcc gcc;
static uint16_t seq;
static int64_t now;

static int setup(void **state)
{
    (void)state;
    now = SECOND;
    seq = 65000;
    gcc_init(&gcc, &config, now);
    return 0;
}

/* Sends n packets at once and has them arrive, or not, 20 ms later; feedback comes after another
 * 20 ms. */
static void round_trip(unsigned n, bool lost)
{
    int64_t at[FEEDBACK_MAX];
    struct feedback_bytes bytes;
    uint16_t first = seq;
    for (unsigned i = 0; i < n; i++) {
        gcc_on_sent(&gcc, seq++, 1200, now);
        at[i] = lost && i % 2 ? FEEDBACK_LOST : now + 20 * MS + i * 250;
    }
    now += 40 * MS;
    struct rtcp_feedback f = feedback_write(&bytes, first, at, n);
    assert_true(gcc_on_feedback(&gcc, &f, now));
}

static void test_it_begins_at_the_start_rate(void **state)
{
    (void)state;
    assert_int_equal(gcc_estimate_bps(&gcc), 1000000);
    assert_int_equal(gcc_target_bps(&gcc, now), 1000000);
    assert_int_equal(gcc_proven_bps(&gcc), 1000000);
    assert_true(gcc_pace_bps(&gcc, now) > 1000000);
    assert_int_equal(gcc_padding(&gcc, now), 0);
    assert_true(gcc_next_timeout(&gcc) == INT64_MAX);
}

static void test_it_probes_with_the_first_feedback(void **state)
{
    (void)state;
    round_trip(4, false);
    assert_true(gcc_probing(&gcc));
    assert_true(gcc_next_timeout(&gcc) <= now + 2500); /* padding is asked for at once */
    uint32_t padding = gcc_padding(&gcc, now);
    assert_in_range(padding, 500, 5000);
    assert_in_range(gcc_pace_bps(&gcc, now), 3000000, 3000000);
    gcc_on_sent(&gcc, seq++, padding, now);
    assert_int_equal(gcc_padding(&gcc, now), 0);
    assert_true(gcc_next_timeout(&gcc) > now);
    /* a probe that nobody feeds ends */
    for (int i = 0; i < 100 && gcc.probe.state != GCC_PROBE_IDLE; i++) {
        now = gcc_next_timeout(&gcc) > now ? gcc_next_timeout(&gcc) : now + 1000;
        gcc_on_timeout(&gcc, now);
    }
    assert_int_equal(gcc.probe.state, GCC_PROBE_IDLE);
    assert_int_equal(gcc.counters.probes_failed, 1);
    assert_int_equal(gcc_estimate_bps(&gcc), 1000000);
}

static void test_no_probe_for_what_is_of_no_use(void **state)
{
    (void)state;
    gcc_set_wanted(&gcc, 900000);
    round_trip(4, false);
    assert_false(gcc_probing(&gcc));
    for (int i = 0; i < 1000; i++) {
        round_trip(4, false);
        assert_int_equal(gcc_padding(&gcc, now), 0);
    }
    assert_int_equal(gcc.counters.probes, 0);
}

static void test_malformed_feedback_is_counted(void **state)
{
    (void)state;
    static const uint8_t zeros[64] = {0};
    for (size_t size = 0; size <= sizeof(zeros); size++) {
        const struct rtcp_feedback f = {.fci = zeros, .fci_size = size};
        assert_false(gcc_on_feedback(&gcc, &f, now));
    }
    assert_int_equal(gcc.counters.bad_feedbacks, sizeof(zeros) + 1);
    assert_false(gcc.has_feedback);
}

static void test_feedback_about_nothing_changes_nothing(void **state)
{
    (void)state;
    const int64_t at[] = {1, 2, 3};
    struct feedback_bytes bytes;
    struct rtcp_feedback f = feedback_write(&bytes, 7, at, 3);
    for (int i = 0; i < 100; i++, now += 100 * MS)
        assert_true(gcc_on_feedback(&gcc, &f, now));
    assert_int_equal(gcc_estimate_bps(&gcc), 1000000);
    assert_int_equal(gcc_target_bps(&gcc, now), 1000000);
    assert_int_equal(gcc.twcc.unknown, 300);
}

static void test_long_silence_halves_the_target_until_feedback_comes(void **state)
{
    (void)state;
    gcc_set_wanted(&gcc, 1000000);
    round_trip(20, false);
    assert_int_equal(gcc_target_bps(&gcc, now + 60 * SECOND), 1000000); /* nothing is under way */
    gcc_on_sent(&gcc, seq++, 1200, now);
    assert_false(gcc_stalled(&gcc, now + 500 * MS));
    assert_true(gcc_stalled(&gcc, now + SECOND));
    assert_int_equal(gcc_target_bps(&gcc, now + 2 * SECOND), 1000000); /* it may be busy */
    assert_int_equal(gcc_target_bps(&gcc, now + 3 * SECOND), 500000);
    assert_int_equal(gcc_target_bps(&gcc, now + 7 * SECOND / 2), 250000);
    assert_int_equal(gcc_target_bps(&gcc, now + 60 * SECOND), 100000);
    assert_int_equal(gcc_estimate_bps(&gcc), 1000000);
    now += 3 * SECOND;
    round_trip(20, true); /* the path was away: its losses are not the rate's fault */
    assert_int_equal(gcc_target_bps(&gcc, now), 1000000);
    assert_int_equal(gcc.counters.stalls, 1);
}

static void test_heavy_loss_lowers(void **state)
{
    (void)state;
    gcc_set_wanted(&gcc, 1000000);
    for (int i = 0; i < 20; i++)
        round_trip(5, false);
    for (int i = 0; i < 50; i++)
        round_trip(5, true);
    assert_in_range(gcc_estimate_bps(&gcc), 300000, 900000);
}

static void test_without_feedback_remb_is_the_estimate(void **state)
{
    (void)state;
    gcc_on_remb(&gcc, 3000000, now);
    assert_int_equal(gcc_estimate_bps(&gcc), 3000000);
    gcc_on_remb(&gcc, UINT64_MAX, now);
    assert_int_equal(gcc_estimate_bps(&gcc), 20000000);
    gcc_on_remb(&gcc, 0, now);
    assert_int_equal(gcc_estimate_bps(&gcc), 100000);
    gcc_on_remb(&gcc, 4000000, now);
    for (int i = 0; i < 5; i++, now += SECOND)
        gcc_on_report(&gcc, 64, 50 * MS, now); /* 25 % are lost */
    assert_in_range(gcc_estimate_bps(&gcc), 2000000, 3900000);
    assert_int_equal(gcc.counters.probes, 0);

    round_trip(4, false); /* with it, both are ignored */
    uint64_t before = gcc_estimate_bps(&gcc);
    gcc_on_remb(&gcc, 200000, now);
    gcc_on_report(&gcc, 255, 50 * MS, now);
    assert_int_equal(gcc_estimate_bps(&gcc), before);
}

static void test_without_feedback_and_remb_reports_decide(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < 1000; k += 10) {
            gcc_on_sent(&gcc, seq++, (unsigned)(gcc_target_bps(&gcc, now) / 800), now);
            now += 10 * MS;
        }
        gcc_on_report(&gcc, 0, 50 * MS, now);
    }
    uint64_t grown = gcc_estimate_bps(&gcc);
    assert_in_range(grown, 1500000, 12000000);
    assert_int_equal(gcc_target_bps(&gcc, now), grown); /* no feedback is no stall here */
    for (int i = 0; i < 4; i++, now += SECOND)
        gcc_on_report(&gcc, 128, -1, now);
    assert_in_range(gcc_estimate_bps(&gcc), 100000, grown * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_it_begins_at_the_start_rate, setup),
        cmocka_unit_test_setup(test_it_probes_with_the_first_feedback, setup),
        cmocka_unit_test_setup(test_no_probe_for_what_is_of_no_use, setup),
        cmocka_unit_test_setup(test_malformed_feedback_is_counted, setup),
        cmocka_unit_test_setup(test_feedback_about_nothing_changes_nothing, setup),
        cmocka_unit_test_setup(test_long_silence_halves_the_target_until_feedback_comes, setup),
        cmocka_unit_test_setup(test_heavy_loss_lowers, setup),
        cmocka_unit_test_setup(test_without_feedback_remb_is_the_estimate, setup),
        cmocka_unit_test_setup(test_without_feedback_and_remb_reports_decide, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
