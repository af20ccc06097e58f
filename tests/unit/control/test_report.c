#include "rtp/control/report.h"
#include "rtp/wire/rtp.h"

#include "rtp/control/receive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SSRC 0x1234abcd
#define OFFSET INT64_C(1700000000000000) /* of our clock to UNIX time */

/* A report about one frame captured at 1 s of our clock. */
static struct report sending(void)
{
    struct report r;
    report_init(&r, SSRC, RTP_VIDEO_CLOCK_HZ, 1);
    report_on_frame(&r, 90000, 1000000, 1005000);
    report_on_sent(&r, 10, 9000);
    return r;
}

static void read_report(const uint8_t *data, size_t size, struct rtcp_sender_info *info)
{
    struct rtcp_packet p;
    assert_true(rtcp_next(&p, &data, &size));
    assert_true(rtcp_read_sender_info(&p, info));
    assert_true(rtcp_next(&p, &data, &size));
    assert_int_equal(p.type, RTCP_SDES);
    assert_memory_equal(p.body + 6, "amphi", 5);
    assert_int_equal(size, 0);
}

static void test_due_with_the_first_frame_sent(void **state)
{
    (void)state;
    struct report r;
    report_init(&r, SSRC, RTP_VIDEO_CLOCK_HZ, 1);
    assert_true(r.next_us == INT64_MAX);
    assert_true(r.rtt_us == -1);
    assert_false(report_due(&r, INT64_MAX - 1));
    report_on_frame(&r, 90000, 1000000, 1005000);
    assert_false(report_due(&r, 1005000)); /* nothing has left yet */
    report_on_sent(&r, 10, 9000);
    assert_false(report_due(&r, 1004999));
    assert_true(report_due(&r, 1005000));
    report_on_frame(&r, 93000, 1033333, 1035000);
    assert_true(r.next_us == 1005000); /* later frames do not put it off */
}

static void test_says_what_was_sent(void **state)
{
    (void)state;
    struct report r = sending();
    struct rtcp_sender_info info;
    uint8_t b[100];
    size_t size = report_write(&r, b, sizeof(b), "amphi", OFFSET, 1005000);
    read_report(b, size, &info);
    assert_true(info.ssrc == SSRC);
    assert_int_equal(info.packets, 10);
    assert_int_equal(info.octets, 9000);
    assert_true(info.ntp == rtcp_ntp_from_unix_us(OFFSET + 1005000));
    assert_int_equal(info.rtp_timestamp, 90450); /* 5 ms after the frame */
    assert_false(report_due(&r, 1005000));

    report_on_sent(&r, UINT32_MAX, UINT32_MAX); /* counters wrap */
    report_on_frame(&r, UINT32_MAX, 2000000, 2000000);
    read_report(b, report_write(&r, b, sizeof(b), "amphi", OFFSET, 2001000), &info);
    assert_int_equal(info.packets, 9);
    assert_int_equal(info.octets, 8999);
    assert_int_equal(info.rtp_timestamp, 89); /* so does the timestamp */
}

static void test_timestamp_and_clock_stay_on_one_line(void **state)
{
    (void)state;
    struct report r = sending();
    for (int64_t now = 1005000; now < 100000000; now += 777777) {
        struct rtcp_sender_info info;
        uint8_t b[100];
        report_on_frame(&r, (uint32_t)((now - 40000) * 9 / 100), now - 40000, now);
        read_report(b, report_write(&r, b, sizeof(b), "amphi", OFFSET, now), &info);
        int64_t off = (int64_t)info.rtp_timestamp - now * 9 / 100;
        assert_true(off >= -1 && off <= 1);
    }
}

static void test_interval_is_dithered(void **state)
{
    (void)state;
    uint8_t b[100];
    int64_t shortest = INT64_MAX, longest = 0, total = 0;
    struct report r = sending(), same = sending();
    for (int i = 0; i < 10000; i++) {
        report_write(&r, b, sizeof(b), "amphi", OFFSET, i);
        report_write(&same, b, sizeof(b), "amphi", OFFSET, i);
        assert_true(r.next_us == same.next_us); /* all chance comes from the seed */
        int64_t interval = r.next_us - i;
        shortest = interval < shortest ? interval : shortest;
        longest = interval > longest ? interval : longest;
        total += interval;
    }
    assert_in_range(shortest, 500000, 510000);
    assert_in_range(longest, 1490000, 1499999);
    assert_in_range(total / 10000, 980000, 1020000);

    struct report other;
    report_init(&other, SSRC, RTP_VIDEO_CLOCK_HZ, 2);
    report_write(&other, b, sizeof(b), "amphi", OFFSET, 9999);
    assert_true(other.next_us != r.next_us);
}

static void test_no_room(void **state)
{
    (void)state;
    struct report r = sending();
    uint8_t b[48];
    size_t size = report_write(&r, b, sizeof(b), "amphi", OFFSET, 1005000);
    assert_int_equal(size, 28 + 16);
    for (size_t room = 0; room < size; room++) {
        r = sending();
        assert_int_equal(report_write(&r, b, room, "amphi", OFFSET, 1005000), 0);
        assert_false(report_due(&r, 1005000)); /* or its caller would spin */
    }
}

/* RFC 3550 6.4.1, figure 2: received at 11:33:36.5, from a report sent at 11:33:25.125. */
static void test_round_trip_of_the_rfc(void **state)
{
    (void)state;
    struct report r = sending();
    struct rtcp_report_block b = {
        .ssrc = SSRC, .last_sr = 0xb7052000, .delay_since_last_sr = 0x00054000};
    report_on_block(&r, &b, INT64_C(816003000000000), INT64_C(216500000));
    assert_true(r.rtt_us == 6125000);
}

struct rtt_row {
    const char *name;
    int64_t sr_us, arrival_us, delay_us; /* of the receiver */
    int64_t rtt_us;                      /* -1: refused */
};

static const struct rtt_row rtt_rows[] = {
    {"20 ms", 5000000, 6020000, 1000000, 20000},
    {"at once", 5000000, 5000000, 0, 0},
    {"a little early", 5000000, 5999500, 1000000, 0},
    {"early", 5000000, 5990000, 1000000, -1},
    {"long", 5000000, 14900000, 0, 9900000},
    {"too long", 5000000, 15100000, 0, -1},
    {"delay from nowhere", 5000000, 6000000, 60000000, -1},
    {"report from the future", 50000000, 6000000, 0, -1},
};

static void test_rtt_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rtt_rows) / sizeof(rtt_rows[0]); i++) {
        const struct rtt_row *row = &rtt_rows[i];
        struct report r = sending();
        struct rtcp_report_block b = {
            .ssrc = SSRC,
            .last_sr = (uint32_t)(rtcp_ntp_from_unix_us(OFFSET + row->sr_us) >> 16),
            .delay_since_last_sr = (uint32_t)(row->delay_us * 1024 / 15625),
        };
        report_on_block(&r, &b, OFFSET, row->arrival_us);
        if (row->rtt_us < 0 ? r.rtt_us != -1
                            : r.rtt_us < row->rtt_us - 50 || r.rtt_us > row->rtt_us + 50)
            fail_msg("%s: %lld", row->name, (long long)r.rtt_us);
        assert_int_equal(r.bad_rtts, row->rtt_us < 0);
        assert_true(r.any_block);
    }
}

static void test_a_bad_rtt_keeps_the_old_one(void **state)
{
    (void)state;
    struct report r = sending();
    struct rtcp_report_block b = {
        .ssrc = SSRC, .last_sr = (uint32_t)(rtcp_ntp_from_unix_us(OFFSET + 1000000) >> 16)};
    report_on_block(&r, &b, OFFSET, 1030000);
    assert_in_range(r.rtt_us, 29950, 30050);
    b.last_sr = 0; /* none received: says nothing, and is no lie */
    report_on_block(&r, &b, OFFSET, 2000000);
    assert_int_equal(r.bad_rtts, 0);
    b.last_sr = 1;
    b.delay_since_last_sr = UINT32_MAX;
    report_on_block(&r, &b, OFFSET, 3000000);
    assert_int_equal(r.bad_rtts, 1);
    assert_in_range(r.rtt_us, 29950, 30050);
    assert_true(r.last_block_us == 3000000);
}

static void test_blocks_that_cannot_be(void **state)
{
    (void)state;
    struct report r;
    struct rtcp_report_block b = {.ssrc = SSRC, .fraction_lost = 9, .cumulative_lost = 10};
    report_init(&r, SSRC, RTP_VIDEO_CLOCK_HZ, 1);
    report_on_block(&r, &b, OFFSET, 1); /* nothing was sent */
    assert_false(r.any_block);
    assert_int_equal(r.bad_blocks, 1);

    r = sending();
    b.cumulative_lost = 11;
    report_on_block(&r, &b, OFFSET, 1);
    assert_false(r.any_block);
    assert_int_equal(r.bad_blocks, 1);

    b.ssrc = SSRC + 1; /* another's */
    report_on_block(&r, &b, OFFSET, 1);
    assert_false(r.any_block);
    assert_int_equal(r.bad_blocks, 1);

    b = (struct rtcp_report_block){SSRC, 9, 10, 0x10005, 90, 0, 0};
    report_on_block(&r, &b, OFFSET, 77);
    assert_true(r.any_block);
    assert_int_equal(r.fraction_lost, 9);
    assert_int_equal(r.cumulative_lost, 10);
    assert_int_equal(r.highest_seq, 0x10005);
    assert_int_equal(r.jitter, 90);
    assert_true(r.last_block_us == 77);
    b.cumulative_lost = -3; /* duplicates */
    report_on_block(&r, &b, OFFSET, 78);
    assert_int_equal(r.cumulative_lost, -3);
}

/* Sender report there, receiver report back, with other clocks at both ends. */
static void test_both_ends_together(void **state)
{
    (void)state;
    static const int64_t one_way_us[] = {0, 1000, 25000, 400000};
    for (size_t i = 0; i < sizeof(one_way_us) / sizeof(one_way_us[0]); i++) {
        struct report r = sending();
        struct receive receiver;
        struct rtcp_sender_info info;
        struct rtcp_report_block block;
        int64_t skew = INT64_C(987654321), now = 1005000;
        uint8_t b[100];
        receive_init(&receiver, SSRC, 90000);
        read_report(b, report_write(&r, b, sizeof(b), "amphi", OFFSET, now), &info);
        now += one_way_us[i];
        receive_on_sender_report(&receiver, info.ntp, now + skew);
        receive_on_packet(&receiver, 1, 90000, now + skew);
        now += 654321;
        assert_true(receive_block(&receiver, &block, now + skew));
        now += one_way_us[i];
        report_on_block(&r, &block, OFFSET, now);
        int64_t off = r.rtt_us - 2 * one_way_us[i];
        assert_true(off >= -50 && off <= 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_with_the_first_frame_sent),
        cmocka_unit_test(test_says_what_was_sent),
        cmocka_unit_test(test_timestamp_and_clock_stay_on_one_line),
        cmocka_unit_test(test_interval_is_dithered),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_round_trip_of_the_rfc),
        cmocka_unit_test(test_rtt_limits),
        cmocka_unit_test(test_a_bad_rtt_keeps_the_old_one),
        cmocka_unit_test(test_blocks_that_cannot_be),
        cmocka_unit_test(test_both_ends_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
