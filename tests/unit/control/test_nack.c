#include "rtp/control/nack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define RTT 50000

static struct nack n;

static void start(uint16_t seq)
{
    nack_init(&n);
    nack_set_rtt(&n, RTT);
    nack_on_packet(&n, seq, 0);
}

static void assert_sums(void)
{
    assert_true(n.missing == n.recovered + n.lost + n.count);
    assert_true(n.count <= NACK_MAX);
}

static void test_nothing_missing(void **state)
{
    (void)state;
    uint16_t seqs[4];
    nack_init(&n);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_int_equal(nack_next(&n, seqs, 4, INT64_MAX), 0);
    for (unsigned i = 0; i < 200000; i++)
        nack_on_packet(&n, (uint16_t)(65000 + i), i);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_int_equal(n.missing, 0);
}

struct gap_row {
    uint16_t first, second;
    unsigned missing;
    uint16_t seqs[3];
};

static const struct gap_row gap_rows[] = {
    {10, 11, 0, {0}},
    {10, 12, 1, {11}},
    {10, 14, 3, {11, 12, 13}},
    {65534, 0, 1, {65535}},
    {65534, 2, 3, {65535, 0, 1}},
    {10, 10, 0, {0}},
    {10, 9, 0, {0}},
    {0, 65535, 0, {0}},
};

static void test_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(gap_rows) / sizeof(gap_rows[0]); i++) {
        const struct gap_row *row = &gap_rows[i];
        uint16_t seqs[8];
        start(row->first);
        nack_on_packet(&n, row->second, 1000);
        assert_int_equal(n.missing, row->missing);
        assert_int_equal(nack_next(&n, seqs, 8, 1000 + NACK_REORDER_US - 1), 0);
        if (row->missing)
            assert_true(nack_next_timeout(&n) == 1000 + NACK_REORDER_US);
        assert_int_equal(nack_next(&n, seqs, 8, 1000 + NACK_REORDER_US), row->missing);
        assert_memory_equal(seqs, row->seqs, row->missing * sizeof(seqs[0]));
        assert_int_equal(nack_next(&n, seqs, 8, 1000 + NACK_REORDER_US), 0);
        assert_sums();
    }
}

static void test_asks_once_per_round_trip_then_gives_up(void **state)
{
    (void)state;
    uint16_t seqs[4];
    start(1);
    nack_on_packet(&n, 3, 0);
    int64_t now = NACK_REORDER_US;
    for (unsigned i = 0; i < NACK_TRIES; i++) {
        assert_true(nack_next_timeout(&n) == now);
        assert_int_equal(nack_next(&n, seqs, 4, now - 1), 0);
        assert_int_equal(nack_next(&n, seqs, 4, now), 1);
        assert_int_equal(seqs[0], 2);
        now += RTT;
    }
    assert_int_equal(n.lost, 0); /* the last one asked for may still come */
    assert_int_equal(nack_next(&n, seqs, 4, now - 1), 0);
    assert_int_equal(n.lost, 0);
    assert_int_equal(nack_next(&n, seqs, 4, now), 0);
    assert_int_equal(n.lost, 1);
    assert_int_equal(n.asked, NACK_TRIES);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    nack_on_packet(&n, 2, now); /* too late */
    assert_int_equal(n.recovered, 0);
    assert_sums();
}

static void test_round_trip_has_a_floor(void **state)
{
    (void)state;
    uint16_t seqs[4];
    start(1);
    nack_set_rtt(&n, 0);
    nack_on_packet(&n, 3, 0);
    assert_int_equal(nack_next(&n, seqs, 4, 5000), 1);
    assert_true(nack_next_timeout(&n) == 5000 + NACK_RTT_MIN_US);
    nack_set_rtt(&n, -1);
    assert_int_equal(n.rtt_us, NACK_RTT_MIN_US);
}

static void test_what_comes_is_not_asked_for(void **state)
{
    (void)state;
    uint16_t seqs[8];
    start(1);
    nack_on_packet(&n, 6, 0); /* 2 to 5 missing */
    nack_on_packet(&n, 3, 500);
    nack_on_packet(&n, 3, 600); /* twice */
    assert_int_equal(nack_next(&n, seqs, 8, NACK_REORDER_US), 3);
    static const uint16_t want[] = {2, 4, 5};
    assert_memory_equal(seqs, want, sizeof(want));
    nack_on_packet(&n, 5, 9000);
    nack_on_packet(&n, 2, 9000);
    nack_on_packet(&n, 4, 9000);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_int_equal(n.recovered, 4);
    assert_sums();
}

static void test_little_room_loses_nothing(void **state)
{
    (void)state;
    uint16_t seqs[2];
    start(0);
    nack_on_packet(&n, 6, 0);
    for (uint16_t next = 1; next < 5; next += 2) {
        assert_int_equal(nack_next(&n, seqs, 2, 2000), 2);
        assert_int_equal(seqs[0], next);
        assert_int_equal(seqs[1], next + 1);
    }
    assert_true(nack_next_timeout(&n) == NACK_REORDER_US); /* one is still due */
    assert_int_equal(nack_next(&n, seqs, 2, 2000), 1);
    assert_int_equal(seqs[0], 5);
    assert_int_equal(nack_next(&n, seqs, 2, 2000), 0);
}

static void test_the_list_is_bounded(void **state)
{
    (void)state;
    start(0);
    nack_on_packet(&n, NACK_MAX + 1, 0); /* the widest gap */
    assert_int_equal(n.count, NACK_MAX);
    assert_int_equal(n.jumps, 0);
    nack_on_packet(&n, NACK_MAX + 4, 0); /* two more: the two oldest go */
    assert_int_equal(n.count, NACK_MAX);
    assert_int_equal(n.lost, 2);
    assert_int_equal(n.entry[0].seq, 3);
    assert_int_equal(n.entry[NACK_MAX - 1].seq, NACK_MAX + 3);
    assert_sums();
    nack_on_packet(&n, (uint16_t)(2 * NACK_MAX + 5), 0); /* all of them */
    assert_int_equal(n.count, NACK_MAX);
    assert_int_equal(n.lost, 2 + NACK_MAX);
    assert_sums();
}

static void test_a_jump_starts_over(void **state)
{
    (void)state;
    static const int jumps[] = {NACK_MAX + 2, 30000, -NACK_MAX - 1, -30000, -32768};
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        start(100);
        nack_on_packet(&n, 103, 0);
        nack_on_packet(&n, (uint16_t)(103 + jumps[i]), 0);
        assert_int_equal(n.jumps, 1);
        assert_int_equal(n.count, 0);
        assert_int_equal(n.lost, 2);
        nack_on_packet(&n, (uint16_t)(103 + jumps[i] + 2), 0);
        assert_int_equal(n.count, 1);
        assert_int_equal(n.entry[0].seq, (uint16_t)(103 + jumps[i] + 1));
        assert_sums();
    }
}

static void test_old_packets_are_no_jump(void **state)
{
    (void)state;
    start(1000);
    nack_on_packet(&n, 1002, 0);
    nack_on_packet(&n, 1002 - NACK_MAX, 0);
    assert_int_equal(n.jumps, 0);
    assert_int_equal(n.count, 1);
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Packets on their way, by time of arrival in ms: a packet every ms, 10 % lost, resent ones too. */
#define LINE_MS 64
struct line {
    unsigned n[LINE_MS];
    uint16_t seq[LINE_MS][64];
};

static void put(struct line *line, unsigned at_ms, uint16_t seq)
{
    unsigned slot = at_ms % LINE_MS;
    assert_true(line->n[slot] < 64);
    line->seq[slot][line->n[slot]++] = seq;
}

static void test_a_lossy_minute(void **state)
{
    (void)state;
    static struct line line;
    static uint8_t got[UINT16_MAX + 1];
    memset(&line, 0, sizeof(line));
    memset(got, 0, sizeof(got));
    uint64_t seed = 7;
    unsigned sent = 0;
    start(59999);
    nack_set_rtt(&n, 20000);
    for (unsigned ms = 0; ms < 61000; ms++) {
        int64_t now = ms * INT64_C(1000);
        if (ms < 60000 && draw(&seed) % 10)
            put(&line, ms + 10 + (draw(&seed) % 4 == 0), (uint16_t)(60000 + sent));
        sent += ms < 60000;
        unsigned slot = ms % LINE_MS;
        for (unsigned i = 0; i < line.n[slot]; i++) {
            got[line.seq[slot][i]] = 1;
            nack_on_packet(&n, line.seq[slot][i], now);
        }
        line.n[slot] = 0;
        uint16_t seqs[16];
        for (size_t k; (k = nack_next(&n, seqs, 16, now)) > 0;) {
            for (size_t i = 0; i < k; i++)
                if (draw(&seed) % 10)
                    put(&line, ms + 20, seqs[i]);
        }
        assert_true(nack_next_timeout(&n) > now);
        assert_sums();
    }
    unsigned holes = 0;
    for (unsigned i = 0; i + 100 < sent; i++)
        holes += !got[(uint16_t)(60000 + i)];
    assert_int_equal(holes, n.lost);
    assert_int_equal(n.count, 0);
    assert_in_range(n.missing, 5400, 15000); /* the lost ones, and those that were reordered */
    assert_in_range(n.lost, 0, 1);           /* ten tries at 10 % */
    assert_true(n.asked < n.missing * 5 / 4);
}

static void test_forgetting(void **state)
{
    (void)state;
    uint16_t seqs[8];
    start(65530);
    nack_on_packet(&n, 2, 1000); /* 65531 to 1 are missing */
    assert_int_equal(n.count, 7);
    nack_forget(&n, 65533);
    assert_int_equal(n.count, 5);
    assert_false(nack_is_missing(&n, 65532));
    assert_true(nack_is_missing(&n, 65533) && nack_is_missing(&n, 1));
    assert_int_equal(nack_next(&n, seqs, 8, 1000000), 5);
    assert_int_equal(seqs[0], 65533);
    nack_forget(&n, 3);
    assert_int_equal(n.count, 0);
    assert_int_equal(n.lost, 7);
    assert_sums();
}

static void test_the_round_trip_is_measured(void **state)
{
    (void)state;
    uint16_t seqs[8];
    start(10);
    nack_on_packet(&n, 13, 1000);
    assert_int_equal(nack_next(&n, seqs, 8, 10000), 2);
    nack_on_packet(&n, 11, 43000);
    assert_int_equal(n.sample_us, 33000);
    n.sample_us = 0;
    assert_int_equal(nack_next(&n, seqs, 8, 1000000), 1); /* a second time */
    nack_on_packet(&n, 12, 1010000);
    assert_int_equal(n.sample_us, 0); /* of which, nobody knows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_the_round_trip_is_measured),
        cmocka_unit_test(test_nothing_missing),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_asks_once_per_round_trip_then_gives_up),
        cmocka_unit_test(test_round_trip_has_a_floor),
        cmocka_unit_test(test_what_comes_is_not_asked_for),
        cmocka_unit_test(test_little_room_loses_nothing),
        cmocka_unit_test(test_the_list_is_bounded),
        cmocka_unit_test(test_a_jump_starts_over),
        cmocka_unit_test(test_old_packets_are_no_jump),
        cmocka_unit_test(test_a_lossy_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
