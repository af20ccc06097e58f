#include "rtp/control/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>

struct refill_row {
    uint64_t rate_bps;
    int64_t burst, spend, elapsed_us, want;
};

static const struct refill_row refill_rows[] = {
    {8000000, 1000, 0, 0, 1000},
    {8000000, 1000, 1000, 0, 0},
    {8000000, 1000, 1000, 1, 1}, /* 1 byte a microsecond */
    {8000000, 1000, 1000, 999, 999},
    {8000000, 1000, 1000, 1000, 1000},
    {8000000, 1000, 1000, INT64_MAX / 2, 1000}, /* never more than the burst */
    {8000000, 1000, 3000, 500, -1500},
    {8000000, 1000, 1000, -5, 0}, /* a clock that runs back earns nothing */
    {1, 1000, 1000, 7999999, 0},
    {1, 1000, 1000, 8000000, 1},
    {0, 1000, 1000, 1000000000, 0},
    {PACER_RATE_MAX_BPS, INT64_C(1) << 33, INT64_C(1) << 33, 600000, 7500000000},
};

static void test_refill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refill_rows) / sizeof(refill_rows[0]); i++) {
        const struct refill_row *row = &refill_rows[i];
        struct pacer p;
        pacer_init(&p, row->rate_bps, row->burst, 777);
        pacer_spend(&p, row->spend);
        assert_true(pacer_available(&p, 777 + row->elapsed_us) == row->want);
    }
}

static void test_asking_often_costs_no_rate(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1000, 333333, 2600000, 50000001};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct pacer often, seldom;
        pacer_init(&often, rates[i], 10000000, 0);
        pacer_init(&seldom, rates[i], 10000000, 0);
        pacer_spend(&often, 10000000);
        pacer_spend(&seldom, 10000000);
        for (int64_t now = 1; now <= 1000000; now++)
            pacer_available(&often, now);
        assert_true(often.balance_bytes == (int64_t)(rates[i] / 8));
        assert_true(pacer_available(&seldom, 1000000) == often.balance_bytes);
    }
}

static void test_timeout_is_the_first_positive_moment(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1, 999, 2600000, 8000000, 123456789, PACER_RATE_MAX_BPS};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        for (int64_t debt = 0; debt < 3000; debt += 7) {
            struct pacer p;
            pacer_init(&p, rates[i], 500, 100);
            assert_true(pacer_next_timeout(&p) <= 100);
            pacer_spend(&p, 500 + debt);
            pacer_available(&p, 103); /* leaves a remainder */
            int64_t when = pacer_next_timeout(&p);
            if (p.balance_bytes > 0)
                continue;
            assert_true(when > 103);
            assert_true(pacer_available(&p, when - 1) <= 0);
            assert_true(pacer_next_timeout(&p) == when);
            assert_true(pacer_available(&p, when) > 0);
        }
    }
    struct pacer p;
    pacer_init(&p, 0, 500, 0);
    pacer_spend(&p, 500);
    assert_true(pacer_next_timeout(&p) == INT64_MAX);
}

static void test_a_new_rate_counts_from_now(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 8000000, 10000, 0);
    pacer_spend(&p, 10000);
    pacer_set_rate(&p, 16000000, 1000);
    assert_int_equal(pacer_available(&p, 1000), 1000);
    assert_int_equal(pacer_available(&p, 2000), 3000);
    pacer_set_rate(&p, 0, 2000);
    assert_int_equal(pacer_available(&p, 9000), 3000);
    pacer_set_rate(&p, 8000000, 9000);
    assert_int_equal(pacer_available(&p, 9010), 3010);
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#define EVENTS 600

/* The invariant of the header, over every interval of a random run. */
static void test_never_more_than_the_invariant(void **state)
{
    (void)state;
    static int64_t at[EVENTS], sent[EVENTS];
    uint64_t seed = 42;
    for (int round = 0; round < 10; round++) {
        uint64_t rate = 100000 + draw(&seed) % 20000000;
        int64_t burst = 1200 + (int64_t)(draw(&seed) % 20000), train = 12000, now = 0;
        struct pacer p;
        pacer_init(&p, rate, burst, now);
        for (int i = 0; i < EVENTS; i++) {
            now += (int64_t)(draw(&seed) % 10000);
            if (pacer_available(&p, now) <= 0)
                now = pacer_next_timeout(&p);
            bool idle = pacer_available(&p, now) <= 0;
            assert_false(idle);
            at[i] = now;
            sent[i] = 1 + (int64_t)(draw(&seed) % (uint64_t)train);
            pacer_spend(&p, sent[i]);
            assert_true(p.balance_bytes > -train);
        }
        for (int from = 0; from < EVENTS; from++) {
            int64_t total = 0;
            for (int to = from; to < EVENTS; to++) {
                total += sent[to];
                int64_t earned = (int64_t)rate * (at[to] - at[from]) / 8000000 + 1;
                assert_true(total <= earned + burst + train);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refill),
        cmocka_unit_test(test_asking_often_costs_no_rate),
        cmocka_unit_test(test_timeout_is_the_first_positive_moment),
        cmocka_unit_test(test_a_new_rate_counts_from_now),
        cmocka_unit_test(test_never_more_than_the_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
