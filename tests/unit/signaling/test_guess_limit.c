/* test_guess_limit.c - five wrong passwords a minute. */
#include "signaling/guess_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static int setup(void **state)
{
    struct guess_limit *l = malloc(sizeof(*l));
    guess_limit_init(l, 77);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void five_a_minute(void **state)
{
    struct guess_limit *l = *state;
    for (int i = 0; i < GUESS_LIMIT_TRIES; i++) {
        assert_int_equal(guess_limit_wait(l, 5, i * SECOND), 0);
        guess_limit_wrong(l, 5, i * SECOND);
    }
    assert_int_equal(guess_limit_wait(l, 5, 4 * SECOND), 56);
    assert_int_equal(guess_limit_wait(l, 5, 60 * SECOND - 1), 1);
    assert_int_equal(guess_limit_wait(l, 6, 4 * SECOND), 0); /* another address */
    assert_int_equal(guess_limit_wait(l, 5, 60 * SECOND), 0);
    guess_limit_wrong(l, 5, 60 * SECOND); /* any minute, not each one */
    assert_int_equal(guess_limit_wait(l, 5, 60 * SECOND), 1);
    assert_int_equal(guess_limit_wait(l, 5, 61 * SECOND), 0);
    assert_true(l->n_wrong == 6 && l->n_refused == 3);
}

static void loopback_is_limited_too(void **state)
{
    struct guess_limit *l = *state;
    for (int i = 0; i < GUESS_LIMIT_TRIES; i++)
        guess_limit_wrong(l, 0, SECOND);
    assert_int_equal(guess_limit_wait(l, 0, SECOND), 60);
}

/* However many addresses there are, one that is guessed from now is remembered. */
static void the_table_is_bounded(void **state)
{
    struct guess_limit *l = *state;
    for (uint64_t key = 100; key < 100 + 20 * GUESS_LIMIT_SETS * GUESS_LIMIT_WAYS; key++)
        guess_limit_wrong(l, key, (int64_t)key);
    for (int i = 0; i < GUESS_LIMIT_TRIES; i++)
        guess_limit_wrong(l, 5, 40000 + i);
    assert_int_equal(guess_limit_wait(l, 5, 50000), 60);
    for (uint64_t key = 1 << 20; key < (1 << 20) + GUESS_LIMIT_WAYS; key++)
        guess_limit_wrong(l, key, 50000);
    assert_int_equal(guess_limit_wait(l, 5, 50000), 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(five_a_minute),
        TEST(loopback_is_limited_too),
        TEST(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
