#include "rtp/control/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>

static struct history h;

static void test_gives_back_what_was_added(void **state)
{
    (void)state;
    static const uint16_t firsts[] = {0, 1, 1000, 32768, 65535, 65000};
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        uint16_t first = firsts[i];
        history_init(&h, first);
        for (unsigned k = 0; k < 3000; k++)
            assert_int_equal(history_add(&h, k / 9, (uint16_t)(k % 9)), (uint16_t)(first + k));
        for (unsigned k = 0; k < 3000; k++) {
            const struct history_entry *e = history_resend(&h, (uint16_t)(first + k), 5, 10);
            assert_int_equal(e != NULL, k >= 3000 - HISTORY_SIZE);
            if (!e)
                continue;
            assert_int_equal(e->frame_id, k / 9);
            assert_int_equal(e->packet, k % 9);
            assert_int_equal(e->seq, (uint16_t)(first + k));
        }
    }
}

static void test_knows_only_what_was_sent(void **state)
{
    (void)state;
    /* Every sequence number there is, with 0 to 3 packets sent. */
    for (unsigned n = 0; n <= 3; n++) {
        history_init(&h, 65534);
        for (unsigned k = 0; k < n; k++)
            history_add(&h, 1, 2);
        for (unsigned seq = 0; seq <= UINT16_MAX; seq++) {
            bool sent = (uint16_t)(seq - 65534) < n;
            assert_int_equal(history_resend(&h, (uint16_t)seq, 1, 0) != NULL, sent);
        }
    }
}

static void test_a_new_life_forgets(void **state)
{
    (void)state;
    history_init(&h, 100);
    history_add(&h, 1, 1);
    history_init(&h, 101);
    assert_null(history_resend(&h, 100, 1, 0));
    history_add(&h, 1, 1);
    assert_null(history_resend(&h, 100, 1, 0));
    assert_non_null(history_resend(&h, 101, 1, 0));
}

struct gap_row {
    uint32_t first_ms, second_ms, gap_ms;
    bool again;
};

static const struct gap_row gap_rows[] = {
    {1000, 1000, 20, false},    {1000, 1019, 20, false}, {1000, 1020, 20, true},
    {0, 10, 20, false},         {0, 21, 20, true},       {UINT32_MAX - 5, 10, 20, false},
    {UINT32_MAX, 19, 20, true}, {7, 7, 0, true},
};

static void test_not_again_within_the_gap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(gap_rows) / sizeof(gap_rows[0]); i++) {
        const struct gap_row *row = &gap_rows[i];
        history_init(&h, 9);
        history_add(&h, 1, 0);
        assert_non_null(history_resend(&h, 9, row->first_ms, row->gap_ms));
        assert_int_equal(history_resend(&h, 9, row->second_ms, row->gap_ms) != NULL, row->again);
    }
}

static void test_a_reused_slot_was_never_resent(void **state)
{
    (void)state;
    history_init(&h, 0);
    history_add(&h, 1, 0);
    assert_non_null(history_resend(&h, 0, 50, 100));
    for (unsigned k = 0; k < HISTORY_SIZE; k++)
        history_add(&h, 2, 0);
    assert_null(history_resend(&h, 0, 60, 100));
    assert_non_null(history_resend(&h, HISTORY_SIZE, 60, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_back_what_was_added),
        cmocka_unit_test(test_knows_only_what_was_sent),
        cmocka_unit_test(test_a_new_life_forgets),
        cmocka_unit_test(test_not_again_within_the_gap),
        cmocka_unit_test(test_a_reused_slot_was_never_resent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
