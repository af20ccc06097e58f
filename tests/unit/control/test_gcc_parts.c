/* test_gcc_parts.c - the delay detector, the rate control, the loss bound and the probes, each
 * alone. */
#include "rtp/control/gcc_delay.h"
#include "rtp/control/gcc_loss.h"
#include "rtp/control/gcc_probe.h"
#include "rtp/control/gcc_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

/* --- delay --- */

/* Trains of one packet every 20 ms, which wait `wait_us` and `growth` more of each millisecond. */
static enum gcc_usage run_trains(struct gcc_delay *d, int64_t from_us, int n, int64_t wait_us,
                                 double growth)
{
    for (int i = 0; i < n; i++) {
        int64_t sent = from_us + i * 20 * MS;
        gcc_delay_on_packet(d, sent, sent + 77 * SECOND + wait_us + (int64_t)(growth * i * 20000));
    }
    return gcc_delay_usage(d);
}

static void test_a_steady_way_is_normal(void **state)
{
    (void)state;
    static const double drifts[] = {0, 1e-4, -1e-4};
    for (size_t i = 0; i < 3; i++) {
        struct gcc_delay d;
        gcc_delay_init(&d);
        assert_int_equal(run_trains(&d, 0, 3000, 30000, drifts[i]), GCC_NORMAL);
        assert_in_range(gcc_delay_queue_us(&d), 0, 2000);
    }
}

static void test_a_growing_queue_is_overuse_and_a_draining_one_underuse(void **state)
{
    (void)state;
    struct gcc_delay d;
    gcc_delay_init(&d);
    assert_int_equal(run_trains(&d, 0, 100, 30000, 0), GCC_NORMAL);
    int n = 1;
    while (run_trains(&d, 2 * SECOND + (n - 1) * 20 * MS, 1, 30000 + n * 6000, 0) != GCC_OVERUSE &&
           n < 100)
        n++;
    assert_in_range(n, 2, 15); /* seen within 300 ms */
    assert_in_range(gcc_delay_queue_us(&d), n * 6000, n * 6000);
    int64_t from = 2 * SECOND + n * 20 * MS, wait = 30000 + n * 6000;
    for (n = 0; run_trains(&d, from + n * 20 * MS, 1, wait - n * 4000, 0) != GCC_UNDERUSE; n++)
        assert_in_range(n, 0, 30);
}

static void test_the_size_of_a_train_is_no_queue(void **state)
{
    (void)state;
    struct gcc_delay d;
    gcc_delay_init(&d);
    for (int i = 0; i < 300; i++) {
        /* every tenth train is a keyframe of 30 packets, 4 ms each on the way: 120 ms */
        int packets = i % 10 == 0 ? 30 : 3;
        int64_t sent = i * 200 * MS;
        for (int k = 0; k < packets; k++)
            gcc_delay_on_packet(&d, sent, sent + 20 * MS + k * 4 * MS);
        assert_int_equal(gcc_delay_usage(&d), GCC_NORMAL);
        assert_int_equal(gcc_delay_queue_us(&d), 0);
    }
}

static void test_a_clock_that_jumps_starts_over(void **state)
{
    (void)state;
    struct gcc_delay d;
    gcc_delay_init(&d);
    run_trains(&d, 0, 100, 30000, 0);
    run_trains(&d, 2 * SECOND, 100, 30000 + 100 * SECOND, 0);
    assert_int_equal(gcc_delay_usage(&d), GCC_NORMAL);
    assert_int_equal(gcc_delay_queue_us(&d), 0);
}

static void test_the_threshold_follows_and_stays_in_its_bounds(void **state)
{
    (void)state;
    struct gcc_delay d;
    gcc_delay_init(&d);
    run_trains(&d, 0, 1000, 0, 0);
    assert_true(d.threshold >= 6 && d.threshold < 6.1);
    for (int i = 0; i < 2000; i++) /* a queue that swings */
        run_trains(&d, (1000 + i) * 20 * MS, 1, 40000 + (i / 20 % 2 ? 1 : -1) * (i % 20) * 1200, 0);
    assert_true(d.threshold > 6.1 && d.threshold <= 600);
}

static void test_the_pace_of_a_queue(void **state)
{
    (void)state;
    struct gcc_delay d;
    gcc_delay_init(&d);
    for (int i = 0; i < 10; i++) {
        gcc_delay_age(&d);
        int64_t sent = i * 100 * MS;
        for (int k = 0; k < 20; k++) { /* 20 of 1000 bytes at once leave 4 ms apart: 2 Mbit/s */
            gcc_delay_on_arrival(&d, 1000, sent, sent + 10 * MS + (k + 1) * 4 * MS);
            gcc_delay_on_packet(&d, sent, sent + 10 * MS + (k + 1) * 4 * MS);
        }
    }
    assert_in_range(gcc_delay_busy_bps(&d), 1980000, 2020000);
}

/* --- rate --- */

static struct gcc_rate_input normal(uint64_t bps)
{
    return (struct gcc_rate_input){.usage = GCC_NORMAL,
                                   .acked_bps = bps,
                                   .acked_short_bps = bps,
                                   .sent_bps = bps,
                                   .rtt_us = 50 * MS};
}

static void test_the_rate_grows_8_percent_a_second(void **state)
{
    (void)state;
    struct gcc_rate r;
    gcc_rate_init(&r, 1000000, 50000, 10000000, 0);
    for (int i = 1; i <= 10; i++) {
        struct gcc_rate_input in = normal((uint64_t)r.bps);
        assert_false(gcc_rate_update(&r, &in, i * 100 * MS));
    }
    assert_in_range(r.bps, 1079000, 1081000);
}

static void test_it_grows_slowly_near_the_capacity(void **state)
{
    (void)state;
    struct gcc_rate r;
    gcc_rate_init(&r, 2000000, 50000, 10000000, 0);
    struct gcc_rate_input in = normal(2000000);
    in.usage = GCC_OVERUSE;
    in.queue_us = 100 * MS;
    assert_true(gcc_rate_update(&r, &in, SECOND));
    assert_in_range(r.bps, 1690000, 1710000);
    double before = r.bps;
    for (int i = 1; i <= 10; i++) {
        in = normal((uint64_t)r.bps);
        gcc_rate_update(&r, &in, SECOND + i * 100 * MS);
    }
    assert_in_range(r.bps - before, 30000, 80000);
}

static void test_an_application_limit_neither_raises_nor_lowers(void **state)
{
    (void)state;
    struct gcc_rate r;
    gcc_rate_init(&r, 5000000, 50000, 10000000, 0);
    for (int i = 1; i < 1000; i++) {
        struct gcc_rate_input in = normal(1000000);
        in.app_limited = true;
        in.usage = i % 10 == 0 ? GCC_OVERUSE : GCC_NORMAL; /* jitter */
        in.queue_us = 20 * MS;
        assert_false(gcc_rate_update(&r, &in, i * 100 * MS));
    }
    assert_in_range(r.bps, 5000000, 5000000);
    struct gcc_rate_input in = normal(1000000);
    in.usage = GCC_OVERUSE;
    in.app_limited = true;
    in.acked_bps = in.acked_short_bps = 600000; /* less arrives than is sent: that is the path */
    in.queue_us = 200 * MS;
    assert_true(gcc_rate_update(&r, &in, 200 * SECOND));
    assert_in_range(r.bps, 500000, 515000);
}

static void test_never_far_above_what_arrives_nor_out_of_bounds(void **state)
{
    (void)state;
    struct gcc_rate r;
    gcc_rate_init(&r, 1000000, 400000, 3000000, 0);
    struct gcc_rate_input in = normal(800000);
    for (int i = 1; i < 600; i++)
        gcc_rate_update(&r, &in, i * 100 * MS);
    assert_in_range(r.bps, 1200000, 1210000);
    in = normal(100000000);
    for (int i = 600; i < 2000; i++)
        gcc_rate_update(&r, &in, i * 100 * MS);
    assert_in_range(r.bps, 3000000, 3000000);
    in = normal(1000);
    in.usage = GCC_OVERUSE;
    in.sent_bps = 3000000;
    in.queue_us = SECOND;
    gcc_rate_update(&r, &in, 300 * SECOND);
    assert_in_range(r.bps, 400000, 400000);
}

/* --- loss --- */

static struct gcc_loss_input loss_input(double bps, double loss, bool calm)
{
    return (struct gcc_loss_input){.estimate_bps = bps,
                                   .acked_bps = (uint64_t)(bps * (1 - loss)),
                                   .rtt_us = 50 * MS,
                                   .calm = calm};
}

/* Loss at `fraction(bound)` for n observations a quarter second apart; the last bound. */
static double run_loss(struct gcc_loss *l, double bps, double fraction, int n, bool calm,
                       int64_t *now_us)
{
    for (int i = 0; i < n; i++) {
        double is = gcc_loss_bound(l, bps);
        struct gcc_loss_input in = loss_input(bps, 0, calm);
        in.acked_bps = (uint64_t)(is * (1 - fraction));
        *now_us += 250 * MS;
        gcc_loss_add(l, (uint32_t)(1000 * (1 - fraction)), (uint32_t)(1000 * fraction), 0);
        gcc_loss_update(l, &in, *now_us);
    }
    return gcc_loss_bound(l, bps);
}

static void test_little_loss_bounds_nothing(void **state)
{
    (void)state;
    struct gcc_loss l;
    int64_t now = 0;
    gcc_loss_init(&l, now);
    assert_in_range(run_loss(&l, 1e6, 0.019, 100, true, &now), 1000000, 1000000);
}

static void test_some_loss_holds_until_it_proves_to_be_the_paths(void **state)
{
    (void)state;
    struct gcc_loss l;
    int64_t now = 0;
    gcc_loss_init(&l, now);
    assert_in_range(run_loss(&l, 1e6, 0.05, 8, true, &now), 1000000, 1000000);
    assert_in_range(gcc_loss_bound(&l, 2e6), 1000000, 1000000);
    run_loss(&l, 2e6, 0.05, 40, true, &now);
    assert_in_range(gcc_loss_bound(&l, 2e6), 1400000, 2000000);

    gcc_loss_init(&l, now); /* with a queue it is not */
    run_loss(&l, 1e6, 0.05, 1, false, &now);
    assert_in_range(run_loss(&l, 2e6, 0.05, 100, false, &now), 1000000, 1000000);
}

static void test_much_loss_lowers_to_what_arrives(void **state)
{
    (void)state;
    struct gcc_loss l;
    int64_t now = 0;
    gcc_loss_init(&l, now);
    double bound = 2e6;
    for (int i = 0; i < 100; i++) { /* a policer at 1 Mbit/s */
        double loss = bound > 1e6 ? 1 - 1e6 / bound : 0;
        bound = run_loss(&l, 2e6, loss, 1, true, &now);
    }
    assert_in_range(bound, 950000, 1150000);
}

static void test_loss_that_stays_is_the_paths(void **state)
{
    (void)state;
    struct gcc_loss l;
    int64_t now = 0;
    gcc_loss_init(&l, now);
    double bound = run_loss(&l, 2e6, 0.15, 60, true, &now);
    assert_in_range(bound, 1700000, 2000000);
    assert_true(l.inherent > 0.1 && l.inherent <= 0.3);
    run_loss(&l, 2e6, 0, 40, true, &now); /* and is not forever */
    assert_true(l.inherent < 0.01);
}

static void test_late_packets_were_not_lost(void **state)
{
    (void)state;
    struct gcc_loss l;
    gcc_loss_init(&l, 0);
    struct gcc_loss_input in = loss_input(1e6, 0, true);
    gcc_loss_add(&l, 80, 20, 0);
    gcc_loss_add(&l, 20, 0, 20);
    gcc_loss_update(&l, &in, 300 * MS);
    assert_true(l.fraction <= 0);
    gcc_loss_add(&l, 10, 0, 1000); /* more than there were */
    gcc_loss_update(&l, &in, 2 * SECOND);
    assert_true(l.fraction <= 0);
    gcc_loss_add(&l, 0, 500, 0);
    gcc_loss_discard(&l, 2 * SECOND);
    gcc_loss_update(&l, &in, 4 * SECOND);
    assert_true(gcc_loss_bound(&l, 1e6) >= 1e6);
}

/* --- probes --- */

/* Sends a probe as it wants it over a path of `path_bps` in its way, every `lose`th packet lost. */
static struct gcc_probe_result run_probe(uint64_t bps, uint64_t path_bps, int lose)
{
    struct gcc_probe p;
    gcc_probe_init(&p);
    int64_t now = SECOND, free_us = 0;
    gcc_probe_begin(&p, bps, now);
    uint16_t seq = 65530;
    static struct twcc_result results[2000];
    unsigned n = 0;
    while (p.state == GCC_PROBE_ACTIVE) {
        assert_true(gcc_probe_next_timeout(&p) > now - 1000 || gcc_probe_wants(&p, now) > 0);
        for (uint32_t want; (want = gcc_probe_wants(&p, now)) > 0;) {
            unsigned bytes = want < 1200 ? want : 1200;
            gcc_probe_on_sent(&p, seq, bytes, now);
            free_us =
                (free_us > now ? free_us : now) + (int64_t)(bytes * UINT64_C(8000000) / path_bps);
            results[n] =
                (struct twcc_result){.seq = seq++,
                                     .bytes = (uint16_t)bytes,
                                     .sent_us = now,
                                     .arrived_us = free_us,
                                     .received = lose == 0 || (n + 1) % (unsigned)lose != 0};
            n++;
            assert_true(n < 2000);
        }
        int64_t next = gcc_probe_next_timeout(&p);
        now = next > now ? next : now + 1;
        gcc_probe_poll(&p, now);
    }
    assert_int_equal(p.state, GCC_PROBE_WAITING);
    assert_false(gcc_probe_poll(&p, now).done);
    assert_in_range(now - SECOND, 25 * MS, 400 * MS);
    for (unsigned i = 0; i < n; i++)
        gcc_probe_on_result(&p, &results[i]);
    return gcc_probe_poll(&p, now);
}

static void test_a_probe_finds_the_path(void **state)
{
    (void)state;
    static const struct {
        uint64_t bps, path_bps, low, high;
        bool limited;
    } rows[] = {
        {3000000, 100000000, 2900000, 3050000, false},
        {3000000, 1000000, 900000, 1000000, true},
        {24000000, 8000000, 7200000, 8000000, true},
        {300000, 250000, 200000, 250000, true},
        {100000000, 1000000000, 90000000, 105000000, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gcc_probe_result r = run_probe(rows[i].bps, rows[i].path_bps, 0);
        assert_true(r.done);
        assert_int_equal(r.limited, rows[i].limited);
        assert_in_range(r.bps, rows[i].low, rows[i].high);
    }
}

static void test_a_probe_that_is_lost_says_nothing(void **state)
{
    (void)state;
    struct gcc_probe_result r = run_probe(3000000, 100000000, 3);
    assert_true(r.done && r.bps <= 0);
}

static void test_a_probe_ends_without_feedback_and_without_packets(void **state)
{
    (void)state;
    struct gcc_probe p;
    gcc_probe_init(&p);
    assert_true(gcc_probe_next_timeout(&p) == INT64_MAX);
    gcc_probe_begin(&p, 3000000, 0);
    gcc_probe_on_sent(&p, 1, 1200, 0);
    assert_false(gcc_probe_poll(&p, 10 * MS).done);
    int64_t now = 10 * MS;
    for (int i = 0; i < 20000 && p.state != GCC_PROBE_IDLE; i++, now += MS)
        gcc_probe_poll(&p, now);
    assert_int_equal(p.state, GCC_PROBE_IDLE);
    assert_in_range(now, SECOND, 3 * SECOND);

    gcc_probe_begin(&p, 3000000, now);
    for (int i = 0; i < 20000 && p.state != GCC_PROBE_IDLE; i++, now += MS)
        gcc_probe_poll(&p, now);
    assert_int_equal(p.state, GCC_PROBE_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_steady_way_is_normal),
        cmocka_unit_test(test_a_growing_queue_is_overuse_and_a_draining_one_underuse),
        cmocka_unit_test(test_the_size_of_a_train_is_no_queue),
        cmocka_unit_test(test_a_clock_that_jumps_starts_over),
        cmocka_unit_test(test_the_threshold_follows_and_stays_in_its_bounds),
        cmocka_unit_test(test_the_pace_of_a_queue),
        cmocka_unit_test(test_the_rate_grows_8_percent_a_second),
        cmocka_unit_test(test_it_grows_slowly_near_the_capacity),
        cmocka_unit_test(test_an_application_limit_neither_raises_nor_lowers),
        cmocka_unit_test(test_never_far_above_what_arrives_nor_out_of_bounds),
        cmocka_unit_test(test_little_loss_bounds_nothing),
        cmocka_unit_test(test_some_loss_holds_until_it_proves_to_be_the_paths),
        cmocka_unit_test(test_much_loss_lowers_to_what_arrives),
        cmocka_unit_test(test_loss_that_stays_is_the_paths),
        cmocka_unit_test(test_late_packets_were_not_lost),
        cmocka_unit_test(test_a_probe_finds_the_path),
        cmocka_unit_test(test_a_probe_that_is_lost_says_nothing),
        cmocka_unit_test(test_a_probe_ends_without_feedback_and_without_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
