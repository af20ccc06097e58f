/* The table from bit rates to constant quality, and what lies between its steps. */
#include "encode/quality.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static void test_steps(void **state)
{
    static const struct {
        int kbps, cq, crf, percent;
    } rows[] = {
        {500, 40, 28, 50},   {1500, 32, 24, 65}, {3000, 24, 21, 75},  {6000, 18, 18, 85},
        {10000, 12, 16, 90}, {15000, 8, 14, 95}, {20000, 4, 12, 98},  {50000, 2, 10, 100},
        {0, 40, 28, 50},     {499, 40, 28, 50},  {1000, 36, 26, 58},  {2250, 28, 22, 70},
        {4500, 21, 19, 80},  {35000, 3, 11, 99}, {50001, 2, 10, 100},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t bps = (uint32_t)rows[i].kbps * 1000;
        assert_int_equal(quality_cq(bps), rows[i].cq);
        assert_int_equal(quality_crf(bps), rows[i].crf);
        assert_int_equal(quality_percent(bps), rows[i].percent);
    }
    assert_int_equal(quality_cq(UINT32_MAX), 2);
}

static void test_more_rate_is_never_worse(void **state)
{
    (void)state;
    for (uint32_t bps = 0; bps < 60000000; bps += 100000) {
        assert_true(quality_cq(bps + 100000) <= quality_cq(bps));
        assert_true(quality_crf(bps + 100000) <= quality_crf(bps));
        assert_true(quality_percent(bps + 100000) >= quality_percent(bps));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_more_rate_is_never_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
