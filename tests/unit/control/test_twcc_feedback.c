#include "rtp/control/twcc_feedback.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/rtcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What a sender understands of one message. */
struct report {
    uint16_t base, n;
    uint8_t count;
    int64_t at_us[1024]; /* -1: not received */
};

static unsigned read_symbols(const uint8_t *fci, unsigned n, uint8_t *symbols)
{
    unsigned got = 0, at = 8;
    for (; got < n; at += 2) {
        unsigned chunk = get_u16(fci + at);
        if (!(chunk & 0x8000)) {
            for (unsigned i = 0; i < (chunk & 0x1fff) && got < n; i++)
                symbols[got++] = (uint8_t)(chunk >> 13 & 3);
        } else if (!(chunk & 0x4000)) {
            for (unsigned i = 0; i < 14 && got < n; i++)
                symbols[got++] = (uint8_t)(chunk >> (13 - i) & 1);
        } else {
            for (unsigned i = 0; i < 7 && got < n; i++)
                symbols[got++] = (uint8_t)(chunk >> (12 - 2 * i) & 3);
        }
    }
    return at;
}

static void read_report(struct report *r, const uint8_t *data, size_t size)
{
    struct rtcp_packet p;
    struct rtcp_feedback f;
    uint8_t symbols[1024];
    assert_true(rtcp_next(&p, &data, &size));
    assert_int_equal(size, 0);
    assert_int_equal(p.type, RTCP_RTPFB);
    assert_int_equal(p.count, RTCP_TRANSPORT_CC);
    assert_true(rtcp_read_feedback(&p, &f));
    assert_int_equal(f.sender_ssrc, 7);
    assert_int_equal(f.media_ssrc, 9);
    r->base = get_u16(f.fci);
    r->n = get_u16(f.fci + 2);
    r->count = f.fci[7];
    int64_t now_us = (int64_t)get_u24(f.fci + 4) * 64000;
    unsigned at = read_symbols(f.fci, r->n, symbols);
    for (unsigned i = 0; i < r->n; i++) {
        r->at_us[i] = -1;
        if (symbols[i] == 0)
            continue;
        assert_in_range(symbols[i], 1, 2);
        now_us += 250 * (symbols[i] == 1 ? f.fci[at] : (int16_t)get_u16(f.fci + at));
        at += symbols[i];
        r->at_us[i] = now_us;
    }
    assert_int_equal(at, f.fci_size); /* the padding is not part of it */
}

static bool next_report(struct twcc_feedback *t, struct report *r)
{
    uint8_t out[TWCC_FEEDBACK_MAX];
    size_t size = twcc_feedback_write(t, out, sizeof(out), 7, 9);
    if (size == 0)
        return false;
    assert_int_equal(size % 4, 0);
    read_report(r, out, size);
    return true;
}

static void reports_each_packet_once_with_its_time(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    twcc_feedback_init(&t);
    assert_false(next_report(&t, &r));
    for (unsigned i = 0; i < 20; i++)
        twcc_feedback_on_packet(&t, (uint16_t)(65530 + i), 1000000 + 1000 * i);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.base, 65530);
    assert_int_equal(r.n, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(r.at_us[i], 1000000 + 1000 * i);
    assert_false(next_report(&t, &r));
    twcc_feedback_on_packet(&t, 14, 1100000);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.base, 14);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.count, 1);
}

static void says_what_did_not_come(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    twcc_feedback_init(&t);
    twcc_feedback_on_packet(&t, 100, 5000000);
    twcc_feedback_on_packet(&t, 103, 5000500);
    twcc_feedback_on_packet(&t, 200, 5000750);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.n, 101);
    for (unsigned i = 0; i < r.n; i++)
        assert_int_equal(r.at_us[i] >= 0, i == 0 || i == 3 || i == 100);
    twcc_feedback_on_packet(&t, 203, 5001000); /* 201 and 202 are missing in front */
    assert_true(next_report(&t, &r));
    assert_int_equal(r.base, 201);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.at_us[0], -1);
    assert_int_equal(r.at_us[2], 5001000);
}

static void writes_large_and_negative_deltas(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    twcc_feedback_init(&t);
    twcc_feedback_on_packet(&t, 1, 64000);
    twcc_feedback_on_packet(&t, 3, 64000 + 255 * 250); /* the largest small one */
    twcc_feedback_on_packet(&t, 4, 64000 + 511 * 250); /* 256: a large one */
    twcc_feedback_on_packet(&t, 2, 64000 + 600 * 250); /* reordered: 3 is before it */
    assert_true(next_report(&t, &r));
    assert_int_equal(r.n, 4);
    assert_int_equal(r.at_us[0], 64000);
    assert_int_equal(r.at_us[1], 64000 + 600 * 250);
    assert_int_equal(r.at_us[2], 64000 + 255 * 250);
    assert_int_equal(r.at_us[3], 64000 + 511 * 250);
}

static void a_pause_too_long_for_a_delta_begins_a_new_message(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    twcc_feedback_init(&t);
    twcc_feedback_on_packet(&t, 1, 0);
    twcc_feedback_on_packet(&t, 2, 9000000); /* 36000 ticks */
    assert_true(next_report(&t, &r));
    assert_int_equal(r.n, 1);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.base, 2);
    assert_int_equal(r.at_us[0], 9000000);
    assert_false(next_report(&t, &r));
}

static void one_that_comes_after_its_report_is_reported_again(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    twcc_feedback_init(&t);
    twcc_feedback_on_packet(&t, 10, 100000);
    twcc_feedback_on_packet(&t, 12, 101000);
    assert_true(next_report(&t, &r));
    twcc_feedback_on_packet(&t, 11, 102000);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.base, 11);
    assert_int_equal(r.at_us[0], 102000);
}

static void what_does_not_fit_the_window_is_left_out(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    twcc_feedback_init(&t);
    for (unsigned i = 0; i < 600; i++)
        twcc_feedback_on_packet(&t, (uint16_t)i, (int64_t)i * 300000); /* each a large delta */
    assert_int_equal(t.left_out, 600 - TWCC_FEEDBACK_WINDOW);
    assert_int_equal(twcc_feedback_waiting(&t), TWCC_FEEDBACK_WINDOW);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.n, TWCC_FEEDBACK_PER_MESSAGE);
    assert_true(next_report(&t, &r));
    assert_int_equal(r.n, TWCC_FEEDBACK_WINDOW - TWCC_FEEDBACK_PER_MESSAGE);
    assert_false(next_report(&t, &r));
    twcc_feedback_on_packet(&t, 30000, 200000000); /* far away */
    assert_true(next_report(&t, &r));
    assert_int_equal(r.base, 30000);
    uint8_t small[TWCC_FEEDBACK_MAX - 1];
    twcc_feedback_on_packet(&t, 30001, 200000000);
    assert_int_equal(twcc_feedback_write(&t, small, sizeof(small), 7, 9), 0);
}

static void any_pattern_is_read_back(void **state)
{
    (void)state;
    struct twcc_feedback t;
    struct report r;
    uint32_t random = 3;
    int64_t now_us = 123456789, at_us[300];
    uint16_t seq = 0;
    twcc_feedback_init(&t);
    for (int round = 0; round < 300; round++) {
        unsigned n = 0, from = seq, density = random >> 28;
        for (; n < 300; n++, seq++) {
            random = random * 1664525 + 1013904223;
            at_us[n] = -1;
            now_us += random >> 28 ? random >> 22 : 100000;
            if (n == 299 || n == 0 || (random >> 20) % 16 > density)
                twcc_feedback_on_packet(&t, seq, at_us[n] = now_us);
        }
        assert_true(next_report(&t, &r));
        assert_int_equal(r.base, (uint16_t)from);
        assert_int_equal(r.n, n);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(r.at_us[i], at_us[i] < 0 ? -1 : at_us[i] / 250 * 250);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_each_packet_once_with_its_time),
        cmocka_unit_test(says_what_did_not_come),
        cmocka_unit_test(writes_large_and_negative_deltas),
        cmocka_unit_test(a_pause_too_long_for_a_delta_begins_a_new_message),
        cmocka_unit_test(one_that_comes_after_its_report_is_reported_again),
        cmocka_unit_test(what_does_not_fit_the_window_is_left_out),
        cmocka_unit_test(any_pattern_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
