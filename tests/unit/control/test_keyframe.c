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
    assert_in_range(made, 18, 20);
    assert_int_equal(b.granted, made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_is_granted_at_once),
        cmocka_unit_test(test_a_request_within_the_gap_waits),
        cmocka_unit_test(test_requests_are_coalesced),
        cmocka_unit_test(test_a_thousand_viewers_cost_one_each_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
