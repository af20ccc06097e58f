#include "rtp/control/loss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define START INT64_C(5000000)

static void nothing_is_no_loss(void **state)
{
    (void)state;
    struct loss l = {0};
    assert_int_equal(loss_fraction(&l), 0);
    loss_add(&l, 0, 0, 0, START);
    assert_int_equal(loss_fraction(&l), 0);
    loss_add(&l, 100, 0, 0, START);
    assert_int_equal(loss_fraction(&l), 0);
}

static void parts_are_of_256(void **state)
{
    (void)state;
    static const struct {
        uint32_t received, lost;
        unsigned fraction;
    } rows[] = {{0, 1, 255}, {1, 1, 128}, {99, 1, 2}, {300, 1, 0}, {97, 3, 7}, {95, 5, 12}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct loss l = {0};
        loss_add(&l, rows[i].received, rows[i].lost, 0, START);
        assert_int_equal(loss_packets(&l), 0); /* they may still come */
        loss_add(&l, 0, 0, 0, START + 50000);
        assert_int_equal(loss_fraction(&l), rows[i].fraction);
        assert_int_equal(loss_packets(&l), rows[i].lost);
    }
}

static void what_was_only_late_is_not_lost(void **state)
{
    (void)state;
    struct loss l = {0};
    loss_add(&l, 90, 10, 0, START);
    loss_add(&l, 4, 0, 4, START + 50000);
    assert_int_equal(loss_packets(&l), 6);
    assert_int_equal(loss_fraction(&l), 6 * 256 / 100);
    /* of the window before, and never more than there was */
    loss_add(&l, 3, 1, 3, START + LOSS_WINDOW_US);
    assert_int_equal(loss_packets(&l), 3);
    loss_add(&l, 9, 0, 9, START + LOSS_WINDOW_US + 50000);
    assert_int_equal(loss_packets(&l), 0);
}

static void old_losses_are_forgotten(void **state)
{
    (void)state;
    struct loss l = {0};
    loss_add(&l, 50, 50, 0, START);
    loss_add(&l, 0, 0, 0, START + 50000);
    loss_add(&l, 100, 0, 0, START + LOSS_WINDOW_US);
    assert_int_equal(loss_fraction(&l), 64);
    loss_add(&l, 100, 0, 0, START + 2 * LOSS_WINDOW_US - 1);
    assert_int_equal(loss_packets(&l), 50);
    loss_add(&l, 100, 0, 0, START + 2 * LOSS_WINDOW_US);
    assert_int_equal(loss_packets(&l), 0);
    loss_add(&l, 50, 50, 0, START + 2 * LOSS_WINDOW_US);
    loss_add(&l, 50, 0, 0, START + 2 * LOSS_WINDOW_US + 50000);
    assert_int_equal(loss_packets(&l), 50);
    loss_add(&l, 1, 0, 0, START + 9 * LOSS_WINDOW_US); /* silent for long: nothing is known */
    assert_int_equal(loss_packets(&l), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_no_loss),
        cmocka_unit_test(parts_are_of_256),
        cmocka_unit_test(what_was_only_late_is_not_lost),
        cmocka_unit_test(old_losses_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
