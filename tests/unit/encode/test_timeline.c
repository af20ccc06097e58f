/* Time stamps follow the clock, cut pauses, and rise whatever the clock does. */
#include "encode/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static void test_steps(void **state)
{
    static const struct {
        int64_t captured_us, at_us;
    } rows[] = {
        {7000000, 0},
        {7033333, 33333},
        {7100000, 100000},
        {7350000, 350000},    /* the longest step that is followed */
        {7600001, 600000},    /* a microsecond more */
        {3607600001, 850000}, /* an hour's pause */
        {3607600001, 850001}, /* the same time again */
        {5, 850002},          /* a clock that went back */
        {INT64_MAX, 1100002}, /* and as far forth as it can */
        {INT64_MAX - 1, 1100003},
    };
    (void)state;
    struct timeline t = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(timeline_next(&t, rows[i].captured_us), rows[i].at_us);
}

static void test_replan(void **state)
{
    (void)state;
    struct timeline t = {0};
    int64_t us = 1000000;
    timeline_plan(&t, 30);
    for (int n = 0; n < 100; n++) { /* steady, but for a little jitter */
        timeline_next(&t, us += n % 2 ? 30000 : 36000);
        assert_false(timeline_replan(&t));
    }
    int plans = 0;
    for (int n = 0; n < 60; n++) {
        timeline_next(&t, us += 100000);
        plans += timeline_replan(&t);
    }
    assert_in_range(plans, 1, 10); /* in steps of a fifth, and then no more */
    assert_in_range(t.planned_us, 80000, 101000);
    for (int n = 0; n < 60; n++) {
        timeline_next(&t, us += 1);
        timeline_replan(&t);
    }
    assert_in_range(t.planned_us, 1, 100);
    timeline_plan(&t, 60);
    assert_false(timeline_replan(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_replan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
