#include "rtp/control/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define START_US INT64_C(50000000)
#define SECOND INT64_C(1000000)
#define NTP_SECOND (UINT64_C(1) << 32)
#define DELAY_US 20000 /* of the path, at least */

static struct timing_group g;
static struct timing v, a;

static void begin(void)
{
    timing_group_init(&g);
    timing_init(&v, 90000, false);
    timing_init(&a, 48000, true);
}

static uint64_t ntp_at(int64_t taken_us)
{
    return NTP_SECOND * 3900000000u + (uint64_t)taken_us * NTP_SECOND / 1000000;
}

static uint32_t ticks(int64_t taken_us, uint32_t hz, uint32_t offset)
{
    return (uint32_t)(taken_us * hz / 1000000) + offset;
}

/* A frame that was taken then arrives `late_us` after the least delay. */
static int64_t give(struct timing *t, int64_t taken_us, uint32_t offset, int64_t late_us)
{
    uint32_t ts = ticks(taken_us, t->clock_hz, offset);
    int64_t now_us = START_US + taken_us + DELAY_US + late_us;
    timing_on_packet(t, &g, ts, now_us);
    return timing_place(t, &g, ts, now_us) - START_US - DELAY_US;
}

static void frames_keep_their_steps(void **state)
{
    (void)state;
    begin();
    int64_t before = -1;
    for (int64_t i = 0; i < 300; i++) {
        int64_t at = give(&v, i * 33333, UINT32_MAX - 100000, i * 7919 % 15000);
        assert_in_range(at - i * 33333 + 50, 0, 2000);
        assert_true(i == 0 || labs((at - before) - 33333) < 1800); /* a twentieth at most */
        before = at;
    }
    assert_int_equal(v.jumps, 0);
}

/* Sound and pictures of other clocks, with other offsets and another delay each. */
static void reports_tie_sound_to_pictures(void **state)
{
    (void)state;
    begin();
    int64_t video_us = 0, audio_us = 0;
    for (int64_t i = 0; i < 600; i++) {
        int64_t taken = i * 20000;
        if (i % 50 == 0) {
            timing_on_report(&v, ntp_at(taken), ticks(taken, 90000, 1000));
            timing_on_report(&a, ntp_at(taken), ticks(taken, 48000, 77777777));
        }
        audio_us = give(&a, taken, 77777777, 0) - taken;
        video_us = give(&v, taken, 1000, 80000) - taken; /* encoded for so long */
    }
    assert_in_range(audio_us + 1000, 0, 2000);
    assert_in_range(video_us + 1000, 0, 2000);
}

static void without_reports_each_is_by_its_own_packets(void **state)
{
    (void)state;
    begin();
    int64_t off_us = 0;
    for (int64_t i = 0; i < 100; i++)
        off_us = give(&v, i * 20000, 5, 80000) - i * 20000;
    assert_in_range(off_us, 79000, 80000);
}

static void a_clock_that_drifts_is_followed(void **state)
{
    (void)state;
    begin();
    for (int64_t i = 0; i < 9000; i++) { /* five minutes, 200 ppm fast */
        int64_t taken = i * 33333, now_us = START_US + taken + DELAY_US;
        uint32_t ts = ticks(taken + taken / 5000, 90000, 0);
        timing_on_packet(&v, &g, ts, now_us);
        int64_t at_us = timing_place(&v, &g, ts, now_us);
        assert_true(at_us <= now_us && now_us - at_us < 10000);
    }
    assert_int_equal(v.jumps, 0);
}

static void one_that_starts_over_jumps_but_never_back(void **state)
{
    (void)state;
    begin();
    int64_t last_us = 0;
    for (int64_t i = 0; i < 50; i++)
        last_us = give(&v, i * 33333, 0, 0);
    int64_t now_us = START_US + 50 * 33333 + DELAY_US;
    timing_on_packet(&v, &g, 0x70000000, now_us);
    int64_t at_us = timing_place(&v, &g, 0x70000000, now_us) - START_US - DELAY_US;
    assert_true(at_us > last_us);
    timing_on_packet(&v, &g, 0x60000000, now_us + 1000);
    assert_true(timing_place(&v, &g, 0x60000000, now_us + 1000) - START_US - DELAY_US > at_us);
}

/* Pictures that come in one burst are taken to be taken at their arrivals, microseconds apart: no
 * two have one RTP timestamp. */
static void no_two_pictures_have_one_timestamp(void **state)
{
    (void)state;
    begin();
    int64_t before_us = 0;
    for (uint32_t i = 0; i < 200; i++) {
        int64_t now_us = START_US + i * 7;
        timing_on_packet(&v, &g, i * 3000, now_us);
        int64_t at_us = timing_place(&v, &g, i * 3000, now_us);
        assert_true(at_us * 9 / 100 > before_us * 9 / 100);
        before_us = at_us;
    }
}

static void nonsense_of_reports_is_survived(void **state)
{
    (void)state;
    begin();
    timing_on_report(&v, 0, 5);
    assert_false(v.any_sr);
    int64_t before_us = INT64_MIN;
    for (int64_t i = 0; i < 500; i++) {
        if (i % 3 == 0)
            timing_on_report(&v, (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15),
                             (uint32_t)(i * 0x12345677));
        int64_t at_us = give(&v, i * 33333, 0, 0);
        assert_true(at_us > before_us);
        before_us = at_us;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_keep_their_steps),
        cmocka_unit_test(reports_tie_sound_to_pictures),
        cmocka_unit_test(without_reports_each_is_by_its_own_packets),
        cmocka_unit_test(a_clock_that_drifts_is_followed),
        cmocka_unit_test(one_that_starts_over_jumps_but_never_back),
        cmocka_unit_test(no_two_pictures_have_one_timestamp),
        cmocka_unit_test(nonsense_of_reports_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
