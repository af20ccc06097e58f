/* worker_samples: percentiles by their definition, and that only the last 1024 count. */
#include "rtp/forward/worker_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_none_and_one(void **unused)
{
    (void)unused;
    struct worker_samples s = {0};
    assert_int_equal(worker_samples_percentile(&s, 50), 0);
    worker_samples_add(&s, 7);
    assert_int_equal(worker_samples_percentile(&s, 1), 7);
    assert_int_equal(worker_samples_percentile(&s, 99), 7);
}

static void test_hundred(void **unused)
{
    (void)unused;
    struct worker_samples s = {0};
    for (int i = 0; i < 100; i++)
        worker_samples_add(&s, (i * 37) % 100 + 1); /* 1..100 in some order */
    assert_int_equal(worker_samples_percentile(&s, 1), 1);
    assert_int_equal(worker_samples_percentile(&s, 50), 50);
    assert_int_equal(worker_samples_percentile(&s, 99), 99);
    assert_int_equal(worker_samples_percentile(&s, 100), 100);
}

static void test_old_ones_are_forgotten(void **unused)
{
    (void)unused;
    struct worker_samples s = {0};
    for (int i = 0; i < 5000; i++)
        worker_samples_add(&s, 1000000);
    for (int i = 0; i < WORKER_SAMPLES; i++)
        worker_samples_add(&s, 3);
    assert_int_equal(worker_samples_percentile(&s, 100), 3);
}

static void test_clamped(void **unused)
{
    (void)unused;
    struct worker_samples s = {0};
    worker_samples_add(&s, -5);
    assert_int_equal(worker_samples_percentile(&s, 50), 0);
    worker_samples_add(&s, INT64_MAX);
    assert_int_equal(worker_samples_percentile(&s, 100), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_and_one),
        cmocka_unit_test(test_hundred),
        cmocka_unit_test(test_old_ones_are_forgotten),
        cmocka_unit_test(test_clamped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
