#include "rtp/control/receive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SSRC 7
#define STEP_US 10000 /* between packets; 900 ticks */

/* Packet seq, sent and received right on time for its place in the stream. */
static bool on_time(struct receive *r, uint16_t seq, unsigned place)
{
    return receive_on_packet(r, seq, place * 900, (int64_t)place * STEP_US + 5000000);
}

static struct rtcp_report_block block_of(struct receive *r)
{
    struct rtcp_report_block b;
    assert_true(receive_block(r, &b, 1));
    return b;
}

static void test_nothing_received(void **state)
{
    (void)state;
    struct receive r;
    struct rtcp_report_block b;
    receive_init(&r, SSRC, 90000);
    assert_false(receive_block(&r, &b, 0));
}

struct loss_row {
    const char *name;
    unsigned n;
    uint16_t seqs[8];
    uint32_t highest;
    int32_t lost;
    uint8_t fraction;
};

static const struct loss_row loss_rows[] = {
    {"one", 1, {5}, 5, 0, 0},
    {"in order", 3, {5, 6, 7}, 7, 0, 0},
    {"one of four", 3, {5, 6, 8}, 8, 1, 64},
    {"nine of ten", 1 + 1, {5, 14}, 14, 8, 204},
    {"reordered", 4, {5, 7, 6, 8}, 8, 0, 0},
    {"duplicates", 4, {5, 5, 5, 6}, 6, -2, 0},
    {"a duplicate hides a loss", 3, {5, 5, 7}, 7, 0, 0},
    {"over the wrap", 3, {65534, 65535, 0}, 65536, 0, 0},
    {"lost at the wrap", 2, {65534, 1}, 65537, 2, 128},
    {"late over the wrap", 4, {65534, 0, 65535, 1}, 65537, 0, 0},
    {"half", 4, {0, 2, 4, 7}, 7, 4, 128},
};

static void test_loss(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(loss_rows) / sizeof(loss_rows[0]); i++) {
        const struct loss_row *row = &loss_rows[i];
        struct receive r;
        receive_init(&r, SSRC, 90000);
        for (unsigned k = 0; k < row->n; k++)
            assert_true(on_time(&r, row->seqs[k], k));
        struct rtcp_report_block b = block_of(&r);
        assert_int_equal(b.ssrc, SSRC);
        if (b.extended_highest_seq != row->highest || b.cumulative_lost != row->lost ||
            b.fraction_lost != row->fraction)
            fail_msg("%s: highest %u lost %d fraction %u", row->name, b.extended_highest_seq,
                     b.cumulative_lost, b.fraction_lost);
    }
}

static void test_fraction_is_of_the_interval(void **state)
{
    (void)state;
    struct receive r;
    receive_init(&r, SSRC, 90000);
    for (unsigned seq = 0; seq < 100; seq += 2)
        on_time(&r, (uint16_t)seq, seq);
    struct rtcp_report_block b = block_of(&r);
    assert_int_equal(b.fraction_lost, 49 * 256 / 99);
    assert_int_equal(b.cumulative_lost, 49);
    for (unsigned seq = 99; seq < 200; seq++)
        on_time(&r, (uint16_t)seq, seq);
    b = block_of(&r);
    assert_int_equal(b.fraction_lost, 0);
    assert_int_equal(b.cumulative_lost, 49);
    b = block_of(&r); /* nothing came since */
    assert_int_equal(b.fraction_lost, 0);
}

static void test_counts_through_many_wraps(void **state)
{
    (void)state;
    struct receive r;
    receive_init(&r, SSRC, 90000);
    uint32_t lost = 0;
    for (uint32_t i = 0; i < 300000; i++) {
        if (i % 10 == 3)
            lost++;
        else
            assert_true(on_time(&r, (uint16_t)(i + 60000), i));
    }
    struct rtcp_report_block b = block_of(&r);
    assert_true(b.extended_highest_seq == 300000 - 1 + 60000);
    assert_int_equal(b.cumulative_lost, lost);
    assert_int_equal(b.fraction_lost, 25);
}

static void test_a_jump_is_believed_at_the_second_packet(void **state)
{
    (void)state;
    struct receive r;
    receive_init(&r, SSRC, 90000);
    for (unsigned seq = 0; seq < 10; seq++)
        on_time(&r, (uint16_t)seq, seq);
    assert_false(on_time(&r, 30000, 10));
    assert_true(on_time(&r, 10, 11)); /* a stray one: the old line goes on */
    assert_false(on_time(&r, 40000, 12));
    assert_true(on_time(&r, 40001, 13));
    assert_true(on_time(&r, 40003, 14));
    struct rtcp_report_block b = block_of(&r);
    assert_int_equal(b.extended_highest_seq, 40003);
    assert_int_equal(b.cumulative_lost, 1);

    assert_true(on_time(&r, (uint16_t)(40003 + 2999), 15)); /* the widest dropout */
    assert_false(on_time(&r, (uint16_t)(43002 + 3000), 16));
    assert_true(on_time(&r, (uint16_t)(43002 - 99), 17)); /* the latest misorder */
    assert_false(on_time(&r, (uint16_t)(43002 - 100), 18));
}

static void test_cumulative_loss_is_clamped(void **state)
{
    (void)state;
    struct receive r;
    receive_init(&r, SSRC, 90000);
    for (uint32_t i = 0; i < 4000; i++)
        assert_true(on_time(&r, (uint16_t)(i * 2999), i));
    struct rtcp_report_block b = block_of(&r);
    assert_int_equal(b.cumulative_lost, 0x7fffff);
    assert_int_equal(b.fraction_lost, 255);

    receive_init(&r, SSRC, 90000);
    for (uint32_t i = 0; i < 0x800000 + 10; i++)
        on_time(&r, 1, 0);
    b = block_of(&r);
    assert_int_equal(b.cumulative_lost, -0x800000);
    assert_int_equal(b.fraction_lost, 0);
}

static void test_jitter(void **state)
{
    (void)state;
    struct receive r;
    receive_init(&r, SSRC, 90000);
    for (unsigned i = 0; i < 100; i++)
        on_time(&r, (uint16_t)i, i);
    assert_int_equal(block_of(&r).jitter, 0);

    /* Every second packet 1 ms late: each difference is 90 ticks, and that is the limit. */
    for (unsigned i = 100; i < 1000; i++)
        receive_on_packet(&r, (uint16_t)i, i * 900, (int64_t)i * STEP_US + 5000000 + i % 2 * 1000);
    assert_in_range(block_of(&r).jitter, 88, 90);

    /* The first step of RFC 3550 A.8: a sixteenth of the difference. */
    receive_init(&r, SSRC, 90000);
    on_time(&r, 0, 0);
    receive_on_packet(&r, 1, 900, STEP_US + 5000000 - 16000);
    assert_int_equal(block_of(&r).jitter, 90);
}

static void test_jitter_over_the_timestamp_wrap(void **state)
{
    (void)state;
    struct receive r;
    receive_init(&r, SSRC, 90000);
    for (unsigned i = 0; i < 100; i++)
        receive_on_packet(&r, (uint16_t)i, UINT32_MAX - 45000 + i * 900, (int64_t)i * STEP_US);
    assert_int_equal(block_of(&r).jitter, 0);
}

static void test_delay_since_sender_report(void **state)
{
    (void)state;
    struct receive r;
    struct rtcp_report_block b;
    receive_init(&r, SSRC, 90000);
    on_time(&r, 0, 0);
    assert_true(receive_block(&r, &b, 6000000));
    assert_int_equal(b.last_sr, 0);
    assert_int_equal(b.delay_since_last_sr, 0);
    receive_on_sender_report(&r, UINT64_C(0xb44db70520000000), 6000000);
    assert_true(receive_block(&r, &b, 6000000 + 5250000)); /* RFC 3550 6.4.1, figure 2 */
    assert_true(b.last_sr == 0xb7052000);
    assert_int_equal(b.delay_since_last_sr, 0x54000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_received),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_fraction_is_of_the_interval),
        cmocka_unit_test(test_counts_through_many_wraps),
        cmocka_unit_test(test_a_jump_is_believed_at_the_second_packet),
        cmocka_unit_test(test_cumulative_loss_is_clamped),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_jitter_over_the_timestamp_wrap),
        cmocka_unit_test(test_delay_since_sender_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
