#include "rtp/control/remb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MBPS UINT64_C(1000000)

static void rises_where_nothing_is_lost(void **state)
{
    (void)state;
    struct remb r;
    remb_init(&r, 0);
    assert_int_equal(r.bps, REMB_START_BPS);
    for (int i = 0; i < 60; i++)
        remb_update(&r, 1000, 0, r.bps);
    assert_true(r.bps > 20 * MBPS);
    /* One that sends little proves nothing. */
    remb_init(&r, 0);
    for (int i = 0; i < 60; i++)
        remb_update(&r, 1000, 0, MBPS);
    assert_in_range(r.bps, 2 * MBPS, 3 * MBPS);
}

static void falls_by_half_of_the_loss(void **state)
{
    (void)state;
    struct remb r;
    remb_init(&r, 0);
    remb_update(&r, 1000, 200, 2 * MBPS);
    assert_int_equal(r.bps, REMB_START_BPS - REMB_START_BPS / 10);
    uint64_t before = r.bps;
    remb_update(&r, 1000, 50, 2 * MBPS); /* between 2 and 10 %: as it is */
    remb_update(&r, 0, 0, 0);            /* nothing is known */
    assert_int_equal(r.bps, before);
    for (int i = 0; i < 100; i++)
        remb_update(&r, 10, 1000, 0); /* more than there was */
    assert_int_equal(r.bps, REMB_MIN_BPS);
}

static void never_above_its_limit(void **state)
{
    (void)state;
    struct remb r;
    remb_init(&r, MBPS);
    assert_int_equal(r.bps, MBPS);
    remb_update(&r, 1000, 0, 10 * MBPS);
    assert_int_equal(r.bps, MBPS);
    remb_set_max(&r, 2 * MBPS);
    for (int i = 0; i < 60; i++)
        remb_update(&r, 1000, 0, 10 * MBPS);
    assert_int_equal(r.bps, 2 * MBPS);
    remb_set_max(&r, 0);
    remb_update(&r, 1000, 0, 10 * MBPS);
    assert_true(r.bps > 2 * MBPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_where_nothing_is_lost),
        cmocka_unit_test(falls_by_half_of_the_loss),
        cmocka_unit_test(never_above_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
