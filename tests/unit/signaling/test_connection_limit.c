/* test_connection_limit.c - how many connections one address may have at once. */
#include "signaling/connection_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void each_address_has_its_own(void **state)
{
    (void)state;
    struct connection_limit *l = connection_limit_create(2);
    for (uint64_t key = 1; key <= 5000; key++) {
        assert_true(connection_limit_take(l, key));
        assert_true(connection_limit_take(l, key));
        assert_false(connection_limit_take(l, key));
    }
    assert_int_equal(connection_limit_refused(l), 5000);
    assert_int_equal(connection_limit_addresses(l), 5000);
    connection_limit_give_back(l, 7);
    assert_true(connection_limit_take(l, 7));
    assert_false(connection_limit_take(l, 7));
    for (uint64_t key = 1; key <= 5000; key++) {
        connection_limit_give_back(l, key);
        connection_limit_give_back(l, key);
    }
    assert_int_equal(connection_limit_addresses(l), 0); /* nothing is kept of who has gone */
    connection_limit_destroy(l);
}

static void who_is_exempt_is_not_counted(void **state)
{
    (void)state;
    struct connection_limit *l = connection_limit_create(1);
    for (int i = 0; i < 3; i++)
        assert_true(connection_limit_take(l, 0));
    connection_limit_give_back(l, 0);
    assert_int_equal(connection_limit_addresses(l), 0);
    assert_int_equal(connection_limit_refused(l), 0);
    connection_limit_destroy(l);
    connection_limit_destroy(NULL);
}

static void the_limit_changes_while_they_are_there(void **state)
{
    (void)state;
    struct connection_limit *l = connection_limit_create(0);
    for (unsigned i = 0; i < CONNECTION_LIMIT; i++)
        assert_true(connection_limit_take(l, UINT64_MAX));
    assert_false(connection_limit_take(l, UINT64_MAX));
    connection_limit_set(l, CONNECTION_LIMIT + 1);
    assert_true(connection_limit_take(l, UINT64_MAX));
    connection_limit_set(l, 2);
    assert_false(connection_limit_take(l, UINT64_MAX));
    for (unsigned i = 0; i < CONNECTION_LIMIT; i++)
        connection_limit_give_back(l, UINT64_MAX);
    assert_true(connection_limit_take(l, UINT64_MAX));
    assert_false(connection_limit_take(l, UINT64_MAX));
    connection_limit_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_its_own),
        cmocka_unit_test(who_is_exempt_is_not_counted),
        cmocka_unit_test(the_limit_changes_while_they_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
