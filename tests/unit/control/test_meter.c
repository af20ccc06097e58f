#include "rtp/control/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define WINDOW 500000

static void assert_near(uint64_t got, uint64_t want, unsigned percent)
{
    if (llabs((int64_t)(got - want)) * 100 > (int64_t)(want * percent))
        fail_msg("%llu is not about %llu", (unsigned long long)got, (unsigned long long)want);
}

static void test_nothing_is_known_at_first(void **state)
{
    (void)state;
    struct meter m;
    meter_init(&m);
    assert_int_equal(meter_bps(&m, WINDOW, 1000000), 0);
    meter_add(&m, 1000, 1000000);
    assert_int_equal(meter_bps(&m, WINDOW, 1000000), 0);
    assert_int_equal(meter_bps(&m, WINDOW, 1099999), 0);
    assert_int_equal(meter_bps(&m, WINDOW, 1100000), 80000); /* over what there was */
}

static void test_a_steady_rate(void **state)
{
    (void)state;
    static const int64_t origins[] = {0, 1, 49999, INT64_C(1) << 50, -123456789};
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        struct meter m;
        meter_init(&m);
        int64_t t = origins[i];
        for (int n = 0; n < 5000; n++, t += 1000) {
            meter_add(&m, 125, t); /* 1 Mbit/s */
            if (n > 110)
                assert_near(meter_bps(&m, WINDOW, t), 1000000, 2);
            if (n > 600)
                assert_near(meter_bps(&m, 100000, t), 1000000, 2);
        }
    }
}

static void test_what_is_older_than_the_window_is_forgotten(void **state)
{
    (void)state;
    struct meter m;
    meter_init(&m);
    for (int n = 0; n < 1000; n++)
        meter_add(&m, 1250, n * 1000);
    assert_near(meter_bps(&m, WINDOW, 1000000), 10000000, 2);
    assert_near(meter_bps(&m, WINDOW, 1250000), 5000000, 12);
    assert_int_equal(meter_bps(&m, WINDOW, 1600000), 0);
    meter_add(&m, 6250, 3600000000); /* after an hour */
    assert_near(meter_bps(&m, WINDOW, 3600000000), 100000, 11);
}

static void test_late_ones_count_where_they_belong(void **state)
{
    (void)state;
    struct meter a, b;
    meter_init(&a);
    meter_init(&b);
    for (int n = 0; n < 40; n++) {
        meter_add(&a, 100, n * 20000);
        meter_add(&b, 100, (n ^ 1) * 20000);
    }
    assert_int_equal(meter_bps(&a, WINDOW, 800000), meter_bps(&b, WINDOW, 800000));
    uint64_t before = meter_bps(&a, WINDOW, 800000);
    meter_add(&a, 100000, -METER_SLOTS * METER_SLOT_US); /* much too late */
    assert_int_equal(meter_bps(&a, WINDOW, 800000), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_a_steady_rate),
        cmocka_unit_test(test_what_is_older_than_the_window_is_forgotten),
        cmocka_unit_test(test_late_ones_count_where_they_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
