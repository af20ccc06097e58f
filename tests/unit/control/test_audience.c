#include "rtp/control/audience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_nobody(void **state)
{
    (void)state;
    struct audience a = {0};
    assert_int_equal(audience_top_bps(&a), 0);
    assert_int_equal(audience_middle_bps(&a), 0);
}

struct top_row {
    unsigned rich, poor;
    uint64_t low, high;
};

static const struct top_row top_rows[] = {
    {1, 0, 16000000, 20000000},   {1, 9, 16000000, 20000000}, {1, 10, 800000, 1000000},
    {2, 18, 16000000, 20000000},  {0, 5, 800000, 1000000},    {1000, 9000, 16000000, 20000000},
    {999, 9001, 800000, 1000000},
};

static void test_the_best_tenth(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(top_rows) / sizeof(top_rows[0]); i++) {
        struct audience a = {0};
        for (unsigned k = 0; k < top_rows[i].rich; k++)
            audience_add(&a, 20000000);
        for (unsigned k = 0; k < top_rows[i].poor; k++)
            audience_add(&a, 1000000);
        assert_in_range(audience_top_bps(&a), top_rows[i].low, top_rows[i].high);
    }
}

static void test_every_rate_has_its_place(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (uint64_t bps = 1; bps < UINT64_MAX / 2; bps += bps / 50 + 1) {
        struct audience a = {0};
        audience_add(&a, bps);
        uint64_t top = audience_top_bps(&a);
        assert_true(top >= before && (top <= bps || bps < 40000));
        assert_true(top * 5 >= bps * 4 || bps > 1000000000);
        before = top;
    }
    struct audience a = {0};
    audience_add(&a, UINT64_MAX);
    assert_in_range(audience_top_bps(&a), 1000000000, 4000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_the_best_tenth),
        cmocka_unit_test(test_every_rate_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
