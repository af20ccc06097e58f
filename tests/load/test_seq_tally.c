#include "tests/load/seq_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void take(struct seq_tally *t, const uint16_t *seqs, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        seq_tally_on_packet(t, seqs[i]);
}

#define TAKE(t, ...)                                                                               \
    take(t, (const uint16_t[]){__VA_ARGS__},                                                       \
         sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static void counts_nothing_of_packets_in_order(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    for (uint32_t i = 0; i < 200000; i++) /* over the wrap, three times */
        seq_tally_on_packet(&t, (uint16_t)(65530 + i));
    assert_int_equal(t.packets, 200000);
    assert_int_equal(t.missing + t.reordered + t.duplicates + t.stale, 0);
}

static void counts_a_gap_as_lost(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    TAKE(&t, 65534, 65535, 2, 3);
    assert_int_equal(t.missing, 2);
    assert_int_equal(seq_tally_lost(&t), 2);
    assert_int_equal(t.filled, 0);
}

static void knows_reordered_from_lost_and_doubled(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    TAKE(&t, 10, 13, 11, 11, 12, 13);
    assert_int_equal(t.reordered, 2);
    assert_int_equal(t.duplicates, 2);
    assert_int_equal(seq_tally_lost(&t), 0);
    assert_int_equal(t.filled, 2);
}

static void a_repaired_packet_stays_lost_on_the_wire(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    TAKE(&t, 10, 12);
    assert_true(seq_tally_on_repair(&t, 11));
    assert_false(seq_tally_on_repair(&t, 11));
    assert_false(seq_tally_on_repair(&t, 12)); /* was there */
    assert_false(seq_tally_on_repair(&t, 13)); /* not missing yet */
    assert_int_equal(t.repaired, 1);
    assert_int_equal(t.filled, 1);
    assert_int_equal(seq_tally_lost(&t), 1);
}

static void a_late_original_takes_the_loss_back(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    TAKE(&t, 10, 12);
    assert_true(seq_tally_on_repair(&t, 11));
    TAKE(&t, 11);
    assert_int_equal(t.reordered, 1);
    assert_int_equal(t.duplicates, 0);
    assert_int_equal(t.filled, 1);
    assert_int_equal(seq_tally_lost(&t), 0);
}

static void what_it_cannot_know_is_stale(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    TAKE(&t, 100, 99); /* from before the first */
    assert_int_equal(t.stale, 1);
    TAKE(&t, 100 + SEQ_TALLY_WINDOW, 100);
    assert_int_equal(t.stale, 2);
    assert_int_equal(t.missing, SEQ_TALLY_WINDOW - 1);
    assert_int_equal(t.duplicates, 0);
}

static void a_gap_wider_than_the_window_is_counted_whole(void **state)
{
    (void)state;
    struct seq_tally t;
    seq_tally_init(&t);
    TAKE(&t, 0, 1, 5000);
    assert_int_equal(t.missing, 4998);
    TAKE(&t, 4990); /* not taken for one that was seen before */
    assert_int_equal(t.reordered, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_nothing_of_packets_in_order),
        cmocka_unit_test(counts_a_gap_as_lost),
        cmocka_unit_test(knows_reordered_from_lost_and_doubled),
        cmocka_unit_test(a_repaired_packet_stays_lost_on_the_wire),
        cmocka_unit_test(a_late_original_takes_the_loss_back),
        cmocka_unit_test(what_it_cannot_know_is_stale),
        cmocka_unit_test(a_gap_wider_than_the_window_is_counted_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
