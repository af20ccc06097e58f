#include "rtp/control/keyframe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define GAP 500000

static void assert_sums(const struct keyframe_budget *b)
{
    assert_true(b->requests == b->coalesced + b->granted + (b->wanted ? 1 : 0));
}

static void test_the_first_is_granted_at_once(void **state)
{
    (void)state;
    struct keyframe_budget b;
    keyframe_init(&b, GAP);
    assert_false(keyframe_due(&b, 0));
    assert_true(keyframe_next_timeout(&b) == INT64_MAX);
    keyframe_want(&b, 0);
    assert_false(keyframe_due(&b, 0));
    keyframe_want(&b, 1);
    assert_true(keyframe_due(&b, 0));
    assert_true(keyframe_next_timeout(&b) <= 0);
    keyframe_made(&b, 0);
    assert_false(keyframe_due(&b, 10 * GAP));
    assert_sums(&b);
}

struct due_row {
    int64_t made_us, now_us;
    bool due;
};

static const struct due_row due_rows[] = {
    {0, 0, false},
    {0, GAP - 1, false},
    {0, GAP, true},
    {1000000, 1000000 + GAP - 1, false},
    {1000000, 1000000 + GAP, true},
    {1000000, 900000, false}, /* a clock that runs back grants nothing */
};

static void test_a_request_within_the_gap_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(due_rows) / sizeof(due_rows[0]); i++) {
        const struct due_row *row = &due_rows[i];
        struct keyframe_budget b;
        keyframe_init(&b, GAP);
        keyframe_made(&b, row->made_us);
        keyframe_want(&b, 1);
        assert_int_equal(keyframe_due(&b, row->now_us), row->due);
        assert_true(keyframe_next_timeout(&b) == row->made_us + GAP);
        assert_true(keyframe_due(&b, keyframe_next_timeout(&b)));
    }
}

static void test_requests_are_coalesced(void **state)
{
    (void)state;
    struct keyframe_budget b;
    keyframe_init(&b, GAP);
    keyframe_want(&b, 5);
    keyframe_want(&b, 3);
    assert_int_equal(b.requests, 8);
    assert_int_equal(b.coalesced, 7);
    assert_int_equal(b.granted, 0);
    assert_sums(&b);
    keyframe_made(&b, 100);
    assert_int_equal(b.granted, 1);
    assert_sums(&b);
    keyframe_made(&b, 200); /* nobody asked */
    assert_int_equal(b.granted, 1);
    assert_sums(&b);
}

static void test_a_thousand_viewers_cost_one_each_gap(void **state)
{
    (void)state;
    struct keyframe_budget b;
    unsigned made = 0;
    keyframe_init(&b, KEYFRAME_MIN_GAP_US);
    /* 10 s at 30 fps; every viewer asks at every frame */
    for (int64_t now = 0; now < 10000000; now += 33333) {
        keyframe_want(&b, 1000);
        if (keyframe_due(&b, now)) {
            keyframe_made(&b, now);
            made++;
        }
        assert_sums(&b);
    }
    assert_in_range(made, 9, 10);
    assert_int_equal(b.granted, made);
}

/* An encoder at 30 fps that keeps its rate: what keyframes take, the others have less. */
struct encoder_row {
    const char *name;
    uint64_t rate_bps;
    double keyframe_size; /* times another frame */
    int64_t frame_us, keyframe_us;
};

static const struct encoder_row encoder_rows[] = {
    {"small keyframes", 2500000, 3, 8000, 10000},   {"large keyframes", 2500000, 12, 8000, 14000},
    {"text on a screen", 1000000, 30, 5000, 20000}, {"slow keyframes", 8000000, 1.5, 6000, 300000},
    {"all alike", 4000000, 1, 8000, 8000},
};

static void test_lossy_viewers_cost_a_tenth_at_most(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(encoder_rows) / sizeof(encoder_rows[0]); i++) {
        const struct encoder_row *row = &encoder_rows[i];
        print_message("%s\n", row->name);
        struct keyframe_budget b;
        keyframe_init(&b, KEYFRAME_MIN_GAP_US);
        keyframe_set_rate(&b, row->rate_bps);
        double frame_bytes = (double)row->rate_bps / 8 / 30, owed = 0, extra_bits = 0, extra_us = 0;
        unsigned made = 0;
        int64_t last = -10000000, gap = INT64_MAX;
        const int64_t minutes = 10 * INT64_C(60000000);
        for (int64_t n = 0, now = 0; now < minutes; n++, now = n * 1000000 / 30) {
            if (n > 0)
                keyframe_want(&b, n % 30 < 20 ? 7 : 6); /* 200 viewers, one PLI a second each */
            bool first = n == 0, keyframe = first || keyframe_due(&b, now);
            double bytes = keyframe ? frame_bytes * row->keyframe_size : frame_bytes;
            double paid_back = keyframe ? 0 : owed < 0.3 * bytes ? owed : 0.3 * bytes;
            owed += (keyframe ? bytes - frame_bytes : 0) - paid_back;
            int64_t encode_us = keyframe ? row->keyframe_us : row->frame_us;
            keyframe_on_frame(&b, keyframe, (uint32_t)(bytes - paid_back), encode_us);
            if (!keyframe)
                continue;
            keyframe_made(&b, now);
            assert_sums(&b);
            if (first)
                continue;
            made++;
            gap = now - last < gap ? now - last : gap;
            last = now;
            extra_bits += 8 * (bytes - frame_bytes);
            extra_us += (double)(row->keyframe_us - row->frame_us);
        }
        assert_true(gap >= 1000000);                              /* never above one a second */
        assert_true(made >= minutes / KEYFRAME_PRICE_MAX_US - 2); /* and nobody waits forever */
        assert_true(extra_bits <= 0.105 * (double)row->rate_bps * (double)minutes / 1e6);
        assert_true(extra_us <= 0.105 * (double)minutes);
    }
}

static void test_two_in_a_row_may_be_owed(void **state)
{
    (void)state;
    struct keyframe_budget b;
    keyframe_init(&b, GAP);
    keyframe_set_rate(&b, 1000000);
    keyframe_on_frame(&b, false, 5000, 0);
    keyframe_on_frame(&b, true, 55000, 0);
    assert_in_range(keyframe_price_us(&b), 3999999, 4000000); /* 400 kbit at 100 kbit/s */
    int64_t now = 0;
    for (int i = 0; i < 2; i++, now += GAP) {
        keyframe_want(&b, 1);
        assert_true(keyframe_due(&b, now));
        keyframe_made(&b, now);
    }
    keyframe_want(&b, 1);
    assert_false(keyframe_due(&b, now));
    assert_in_range(keyframe_next_timeout(&b), 3999000, 4000000);
    keyframe_made(&b, now); /* one that came by itself grants it and costs nothing */
    assert_false(b.wanted);
    keyframe_want(&b, 1);
    assert_in_range(keyframe_next_timeout(&b), 3999000, 4000000);
    assert_true(keyframe_due(&b, 4000000));
}

static void test_the_price_has_bounds(void **state)
{
    (void)state;
    struct keyframe_budget b;
    keyframe_init(&b, GAP);
    keyframe_on_frame(&b, true, UINT32_MAX, 0);
    assert_int_equal(keyframe_price_us(&b), 0); /* the rate is not known */
    keyframe_set_rate(&b, 1);
    assert_int_equal(keyframe_price_us(&b), KEYFRAME_PRICE_MAX_US);
    keyframe_init(&b, GAP);
    keyframe_set_rate(&b, 1000000);
    keyframe_on_frame(&b, true, 100, 1000); /* cheaper than the others */
    keyframe_on_frame(&b, false, 200, 2000);
    assert_int_equal(keyframe_price_us(&b), 0);
    keyframe_on_frame(&b, true, 100, INT64_MAX / 2);
    assert_int_equal(keyframe_price_us(&b), KEYFRAME_PRICE_MAX_US);
}

/* Blurred by 50 of 80 after every keyframe, and as sharp as before two seconds later. */
static void test_a_blurred_picture_is_let_become_sharp(void **state)
{
    (void)state;
    struct keyframe_budget b;
    keyframe_init(&b, KEYFRAME_MIN_GAP_US);
    unsigned made = 0;
    double missing = 0;
    int64_t keyframe_us = -10000000;
    for (int64_t n = 0; n < 600 * 30; n++) {
        int64_t now = n * 1000000 / 30, since = now - keyframe_us;
        if (n > 90)
            keyframe_want(&b, 7);
        bool keyframe = n == 0 || keyframe_due(&b, now);
        if (keyframe)
            since = 0;
        int blur = since < 2000000 && n > 90 ? (int)(50 - since * 50 / 2000000) : 0;
        missing += blur / 80.0;
        keyframe_on_quality(&b, keyframe, 20 + blur, now);
        if (!keyframe)
            continue;
        keyframe_us = now;
        keyframe_made(&b, now);
        made++;
    }
    assert_true(missing / (600 * 30) < 0.11);
    assert_in_range(made, 600 / 10, 600 / 5);
}

static void test_quality_that_is_not_known_costs_nothing(void **state)
{
    (void)state;
    struct keyframe_budget b;
    keyframe_init(&b, GAP);
    for (int64_t n = 0; n < 100; n++) {
        keyframe_on_quality(&b, n % 10 == 0, n % 2 ? -1 : 101, n * 33333);
        if (n % 10 == 0)
            keyframe_made(&b, n * 33333);
    }
    keyframe_want(&b, 1);
    assert_int_equal(keyframe_next_timeout(&b), 90 * 33333 + GAP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_is_granted_at_once),
        cmocka_unit_test(test_a_request_within_the_gap_waits),
        cmocka_unit_test(test_requests_are_coalesced),
        cmocka_unit_test(test_a_thousand_viewers_cost_one_each_gap),
        cmocka_unit_test(test_lossy_viewers_cost_a_tenth_at_most),
        cmocka_unit_test(test_two_in_a_row_may_be_owed),
        cmocka_unit_test(test_the_price_has_bounds),
        cmocka_unit_test(test_a_blurred_picture_is_let_become_sharp),
        cmocka_unit_test(test_quality_that_is_not_known_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
