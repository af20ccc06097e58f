#include "tests/load/freeze.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

struct player {
    struct freeze f;
    uint32_t timestamp;
    int64_t now_us;
};

static void show(struct player *p, uint32_t step, int64_t after_us)
{
    p->timestamp += step;
    p->now_us += after_us;
    freeze_on_timestamp(&p->f, p->timestamp, false);
    freeze_on_frame(&p->f, p->now_us);
}

static void play(struct player *p, unsigned fps, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++)
        show(p, 90000 / fps, 1000000 / fps);
}

static void steady_frames_are_no_freeze(void **state)
{
    (void)state;
    struct player p = {.timestamp = UINT32_MAX - 90000};
    freeze_init(&p.f);
    play(&p, 30, 300);
    freeze_finish(&p.f, p.now_us + 33333);
    assert_int_equal(p.f.freezes, 0);
    assert_int_equal(p.f.skipped, 0);
    assert_in_range(freeze_interval_us(&p.f), 33000, 34000);
}

static void a_pause_counts_from_200_ms_over_the_interval(void **state)
{
    (void)state;
    struct player p = {0};
    freeze_init(&p.f);
    play(&p, 25, 20);
    show(&p, 3600, 40000 + FREEZE_US);
    assert_int_equal(p.f.freezes, 0);
    show(&p, 3600, 40000 + FREEZE_US + 1);
    assert_int_equal(p.f.freezes, 1);
    assert_int_equal(p.f.longest_us, FREEZE_US + 1);
    assert_int_equal(p.f.frozen_us, FREEZE_US + 1);
}

static void frames_that_were_never_sent_freeze_too(void **state)
{
    (void)state;
    struct player p = {0};
    freeze_init(&p.f);
    play(&p, 30, 30);
    show(&p, 15 * 3000, 15 * 33333);
    assert_int_equal(p.f.freezes, 1);
    assert_int_equal(p.f.skipped, 14);
}

static void a_slow_source_is_not_judged(void **state)
{
    (void)state;
    struct player p = {0};
    freeze_init(&p.f);
    play(&p, 4, 20);
    show(&p, 22500, 2000000);
    freeze_finish(&p.f, p.now_us + 10000000);
    assert_int_equal(p.f.freezes, 0);
}

static void a_join_in_small_steps_says_nothing_about_the_source(void **state)
{
    (void)state;
    struct player p = {0};
    freeze_init(&p.f);
    for (int i = 0; i < 60; i++)
        show(&p, 90, 0);
    assert_int_equal(freeze_interval_us(&p.f), 0);
    play(&p, 30, 4);
    assert_in_range(freeze_interval_us(&p.f), 33000, 34000);
    assert_int_equal(p.f.freezes + p.f.skipped, 0);
}

static void broken_frames_tell_the_interval_and_the_end_is_judged(void **state)
{
    (void)state;
    struct player p = {0};
    freeze_init(&p.f);
    show(&p, 3000, 0);
    for (int i = 0; i < 10; i++)
        freeze_on_timestamp(&p.f, p.timestamp += 3000, true);
    freeze_finish(&p.f, p.now_us + 5000000);
    assert_int_equal(p.f.freezes, 1);
    assert_int_equal(p.f.skipped, 0);
}

static void older_timestamps_change_nothing(void **state)
{
    (void)state;
    struct player p = {0};
    freeze_init(&p.f);
    play(&p, 30, 10);
    unsigned n = p.f.n_steps;
    freeze_on_timestamp(&p.f, p.timestamp, false);
    freeze_on_timestamp(&p.f, p.timestamp - 3000, false);
    assert_int_equal(p.f.n_steps, n);
    assert_int_equal(p.f.timestamp, p.timestamp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_frames_are_no_freeze),
        cmocka_unit_test(a_pause_counts_from_200_ms_over_the_interval),
        cmocka_unit_test(frames_that_were_never_sent_freeze_too),
        cmocka_unit_test(a_slow_source_is_not_judged),
        cmocka_unit_test(a_join_in_small_steps_says_nothing_about_the_source),
        cmocka_unit_test(broken_frames_tell_the_interval_and_the_end_is_judged),
        cmocka_unit_test(older_timestamps_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
