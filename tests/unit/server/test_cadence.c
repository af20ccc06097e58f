#include "server/cadence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void deadlines_do_not_drift(void **state)
{
    (void)state;
    static const struct {
        uint32_t rate, scale;
    } rows[] = {{30, 1}, {30000, 1001}, {60, 1}, {7, 3}, {240, 1}, {4294967295u, 4294967294u}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cadence c;
        cadence_init(&c, rows[i].rate, rows[i].scale, 1000);
        assert_true(c.next_us == 1000);
        /* after as many steps as the rate counts, exactly that many seconds have passed */
        uint64_t steps = rows[i].rate > 1000000 ? 1000000 : rows[i].rate * 1000ull;
        for (uint64_t n = 0; n < steps; n++)
            cadence_next(&c, c.next_us);
        uint64_t passed = steps * rows[i].scale / rows[i].rate * 1000000;
        if (rows[i].rate < 1000000)
            assert_true(c.next_us == 1000 + (int64_t)passed);
        else /* one in a second and a hair less */
            assert_true(c.next_us == 1000 + 999999999767);
    }
}

static void each_step_is_the_period_to_a_microsecond(void **state)
{
    (void)state;
    struct cadence c;
    cadence_init(&c, 30000, 1001, 0);
    int64_t last = 0;
    for (int n = 1; n <= 90000; n++) {
        cadence_next(&c, c.next_us);
        assert_in_range(c.next_us - last, 33366, 33367);
        assert_true(c.next_us == (int64_t)n * 1001000000 / 30000);
        last = c.next_us;
    }
}

static void who_is_a_little_late_catches_up_and_who_is_very_late_does_not(void **state)
{
    (void)state;
    struct cadence c;
    cadence_init(&c, 10, 1, 0);
    cadence_next(&c, 100000 + CADENCE_MAX_LATE_US);
    assert_true(c.next_us == 100000);
    cadence_next(&c, 200000 + CADENCE_MAX_LATE_US + 1);
    assert_true(c.next_us == 200000 + CADENCE_MAX_LATE_US + 1);
    cadence_next(&c, c.next_us);
    assert_true(c.next_us == 300000 + CADENCE_MAX_LATE_US + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_do_not_drift),
        cmocka_unit_test(each_step_is_the_period_to_a_microsecond),
        cmocka_unit_test(who_is_a_little_late_catches_up_and_who_is_very_late_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
