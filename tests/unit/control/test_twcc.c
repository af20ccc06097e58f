#include "rtp/control/twcc.h"

#include "tests/unit/control/feedback_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define LOST FEEDBACK_LOST

static struct twcc twcc;
static struct twcc_result results[FEEDBACK_MAX];

static int setup(void **state)
{
    (void)state;
    twcc_init(&twcc);
    return 0;
}

/* Feeds one feedback in; returns how many results there were. */
static unsigned feed(uint16_t first, const int64_t *at_us, unsigned n, int64_t now_us)
{
    struct feedback_bytes bytes;
    struct rtcp_feedback f = feedback_write(&bytes, first, at_us, n);
    struct rtcp_transport_cc t;
    assert_true(rtcp_read_transport_cc(&f, &t));
    twcc_begin(&twcc, &t, now_us);
    unsigned found = 0;
    while (twcc_next(&twcc, &t, &results[found]))
        found++;
    return found;
}

static void test_each_packet_gets_its_result(void **state)
{
    (void)state;
    const uint16_t first = 65534; /* over the wrap */
    const int64_t at[] = {1000000, LOST, 1000500, 999750};
    for (uint16_t i = 0; i < 5; i++)
        twcc_on_sent(&twcc, (uint16_t)(first + i), 100u + i, 32000 + i / 2 * 3200);
    assert_int_equal(twcc.in_flight, 510);

    assert_int_equal(feed(first, at, 4, 100000), 4);
    assert_int_equal(twcc.in_flight, 104);
    for (uint16_t i = 0; i < 4; i++) {
        assert_int_equal(results[i].seq, (uint16_t)(first + i));
        assert_int_equal(results[i].bytes, 100 + i);
        assert_int_equal(results[i].sent_us, 32000 + i / 2 * 3200);
        assert_int_equal(results[i].received, at[i] != LOST);
        if (results[i].received)
            assert_int_equal(results[i].arrived_us - results[0].arrived_us, at[i] - at[0]);
    }
    assert_int_equal(twcc.received, 3);
    assert_int_equal(twcc.lost, 1);
    assert_int_equal(twcc.unknown, 0);
}

static void test_a_fate_is_told_once(void **state)
{
    (void)state;
    const int64_t some[] = {1000000, LOST, 1000000}, late[] = {1000000, 1002000, 1000000};
    for (uint16_t i = 0; i < 3; i++)
        twcc_on_sent(&twcc, i, 1000, 0);
    assert_int_equal(feed(0, some, 3, 1000), 3);
    assert_int_equal(feed(0, some, 3, 2000), 0);
    assert_int_equal(feed(0, late, 3, 3000), 1); /* it was only late */
    assert_int_equal(results[0].seq, 1);
    assert_true(results[0].received && results[0].was_lost);
    assert_int_equal(feed(0, some, 3, 4000), 0);
}

static void test_what_was_never_sent_is_counted(void **state)
{
    (void)state;
    const int64_t at[] = {1, 2, 3};
    assert_int_equal(feed(7, at, 3, 0), 0);
    assert_int_equal(twcc.unknown, 3);
    twcc_on_sent(&twcc, 8, 1000, 0);
    assert_int_equal(feed(7, at, 3, 0), 1);
    assert_int_equal(twcc.unknown, 5);
    assert_int_equal(twcc.in_flight, 0);
}

static void test_only_the_newest_are_remembered(void **state)
{
    (void)state;
    int64_t at[100];
    uint32_t all = 0;
    for (unsigned i = 0; i < 100; i++)
        at[i] = 5000000 + i;
    for (unsigned i = 0; i < 3 * TWCC_PACKETS; i++) {
        twcc_on_sent(&twcc, (uint16_t)i, 1 + i % 7, i * 10);
        all += 1 + i % 7;
        if (i >= TWCC_PACKETS)
            all -= 1 + (i - TWCC_PACKETS) % 7;
        assert_int_equal(twcc.in_flight, all);
    }
    assert_int_equal(feed(2 * TWCC_PACKETS - 50, at, 100, 40000), 50);
    assert_int_equal(twcc.unknown, 50);
    assert_int_equal(results[0].seq, 2 * TWCC_PACKETS);
    assert_int_equal(results[0].sent_us, 2 * TWCC_PACKETS * 10 / 32 * 32);
}

static void test_old_ones_are_forgotten(void **state)
{
    (void)state;
    const int64_t at[] = {1, 2, 3};
    twcc_on_sent(&twcc, 0, 100, 0);
    twcc_on_sent(&twcc, 1, 100, 7000000);
    twcc_on_sent(&twcc, 2, 100, 8000100);
    assert_int_equal(twcc.in_flight, 200); /* the first is older than 8 s */
    assert_int_equal(feed(0, at, 3, 8100000), 2);
    assert_int_equal(results[0].sent_us, 7000000 / 32 * 32);

    twcc_on_sent(&twcc, 3, 100, 9000000); /* then silence */
    assert_int_equal(feed(3, at, 1, 30000000), 0);
    assert_int_equal(twcc.in_flight, 0);
    twcc_on_sent(&twcc, 4, 100, 60000000);
    assert_int_equal(feed(4, at, 1, 60000000), 1);
    assert_int_equal(results[0].sent_us, 60000000 / 32 * 32);
}

static void test_lost_feedback_leaves_what_it_was_about(void **state)
{
    (void)state;
    const int64_t at[] = {1, 2};
    for (uint16_t i = 0; i < 10; i++)
        twcc_on_sent(&twcc, i, 100u + i, 0);
    assert_int_equal(feed(0, at, 2, 0), 2);
    assert_int_equal(results[0].skipped + results[1].skipped, 0);
    assert_int_equal(feed(5, at, 2, 0), 2);
    assert_int_equal(results[0].skipped, 102 + 103 + 104);
    assert_int_equal(results[1].skipped, 0);
    assert_int_equal(twcc.in_flight, 107 + 108 + 109);
    assert_int_equal(feed(2, at, 2, 0), 2); /* it was only late */
    assert_int_equal(results[0].skipped, 0);
}

static void test_a_gap_in_the_numbers_starts_over(void **state)
{
    (void)state;
    const int64_t at[] = {1, 2};
    twcc_on_sent(&twcc, 0, 100, 0);
    twcc_on_sent(&twcc, 2, 100, 0);
    assert_int_equal(twcc.in_flight, 100);
    assert_int_equal(feed(0, at, 2, 0), 0);
    twcc_on_sent(&twcc, 3, 100000, 0);
    assert_int_equal(twcc.in_flight, 100 + TWCC_PACKET_MAX);
}

static void test_the_reference_time_wraps(void **state)
{
    (void)state;
    int64_t at = INT64_C(64000) * ((1 << 24) - 2), before = 0;
    for (uint16_t i = 0; i < 100; i++, at += 50000) {
        twcc_on_sent(&twcc, i, 100, i * 50000);
        int64_t wrapped = at % (INT64_C(64000) << 24);
        assert_int_equal(feed(i, &wrapped, 1, i * 50000), 1);
        if (i > 0)
            assert_int_equal(results[0].arrived_us - before, 50000);
        before = results[0].arrived_us;
    }
    /* an older one after a newer one, over the wrap and back */
    twcc_on_sent(&twcc, 100, 100, 5000000);
    int64_t back = INT64_C(64000) * ((1 << 24) - 1);
    assert_int_equal(feed(100, &back, 1, 5000000), 1);
    assert_in_range(before - results[0].arrived_us, 4000000, 6000000);
}

/* A train is its packets, one after the other, also where the ring is full and a gap is before it.
 */
static void test_a_train_is_its_packets(void **state)
{
    (void)state;
    static const struct {
        unsigned n, bytes, last, gap;
    } rows[] = {{1, 1200, 300, 0}, {2, 1200, 1200, 0}, {64, 1100, 40, 0},  {9, 1200, 700, 0},
                {3, 500, 500, 2},  {1, 90, 90, 1},     {64, 1232, 1232, 0}};
    static struct twcc one, train;
    twcc_init(&one);
    twcc_init(&train);
    uint16_t seq = 65000;
    int64_t now_us = 1000000;
    for (unsigned k = 0; k < 200; k++) {
        unsigned n = rows[k % 7].n, bytes = rows[k % 7].bytes, last = rows[k % 7].last;
        seq = (uint16_t)(seq + (k >= 100 ? rows[k % 7].gap : 0));
        for (unsigned i = 0; i < n; i++)
            twcc_on_sent(&one, (uint16_t)(seq + i), i + 1 < n ? bytes : last, now_us);
        twcc_on_sent_train(&train, seq, n, bytes, last, now_us);
        assert_memory_equal(&one, &train, sizeof(one));
        seq = (uint16_t)(seq + n);
        now_us += k % 50 == 49 ? 9000000 : 5000;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_packet_gets_its_result, setup),
        cmocka_unit_test_setup(test_a_fate_is_told_once, setup),
        cmocka_unit_test_setup(test_what_was_never_sent_is_counted, setup),
        cmocka_unit_test_setup(test_only_the_newest_are_remembered, setup),
        cmocka_unit_test_setup(test_old_ones_are_forgotten, setup),
        cmocka_unit_test_setup(test_lost_feedback_leaves_what_it_was_about, setup),
        cmocka_unit_test_setup(test_a_gap_in_the_numbers_starts_over, setup),
        cmocka_unit_test(test_a_train_is_its_packets),
        cmocka_unit_test_setup(test_the_reference_time_wraps, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
