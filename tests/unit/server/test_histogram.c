#include "server/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void an_empty_one_has_no_percentile(void **state)
{
    (void)state;
    static struct histogram h;
    assert_int_equal(histogram_percentile(&h, 0.5), 0);
    assert_int_equal(histogram_at_most(&h, UINT64_MAX), 0);
}

static void percentiles_are_within_an_eighth(void **state)
{
    (void)state;
    static struct histogram h;
    for (int64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    static const struct {
        double fraction;
        double want;
    } rows[] = {{0.01, 1000}, {0.5, 50000}, {0.9, 90000}, {0.99, 99000}, {1, 100000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double got = (double)histogram_percentile(&h, rows[i].fraction);
        assert_true(got >= rows[i].want && got <= rows[i].want * 1.125);
    }
    assert_int_equal(h.count, 100000);
    assert_int_equal(h.sum_us, 5000050000);
}

static void every_value_has_its_bucket(void **state)
{
    (void)state;
    static const int64_t values[] = {-5, 0, 1, 7, 8, 9, 15, 16, 17, 1023, 1024, 1 << 26, INT64_MAX};
    static struct histogram h;
    uint64_t n = 0;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++, n++) {
        histogram_add(&h, values[i]);
        assert_int_equal(histogram_at_most(&h, UINT64_MAX), n + 1);
    }
    assert_int_equal(histogram_at_most(&h, 0), 2); /* -5 counts as 0 */
    assert_int_equal(histogram_at_most(&h, 7), 4);
    assert_int_equal(histogram_at_most(&h, 8), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_has_no_percentile),
        cmocka_unit_test(percentiles_are_within_an_eighth),
        cmocka_unit_test(every_value_has_its_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
