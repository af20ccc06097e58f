#include "tests/load/delay_line.h"
#include "tests/load/impair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void nothing_is_changed_without_a_reason(void **state)
{
    (void)state;
    struct impair p;
    impair_init(&p, &(struct impair_config){0}, 1);
    assert_true(impair_is_idle(&p.config));
    for (int64_t now_us = 0; now_us < 1000; now_us++)
        assert_int_equal(impair_admit(&p, 1200, now_us), now_us);
}

static void loses_the_share_it_was_told(void **state)
{
    (void)state;
    struct impair p, twin;
    const struct impair_config config = {.loss = 0.1};
    unsigned lost = 0;
    impair_init(&p, &config, 42);
    impair_init(&twin, &config, 42);
    for (int i = 0; i < 100000; i++) {
        int64_t at_us = impair_admit(&p, 100, i);
        assert_int_equal(at_us, impair_admit(&twin, 100, i)); /* the same seed, the same fate */
        lost += at_us == IMPAIR_LOST;
    }
    assert_int_equal(lost, p.lost);
    assert_in_range(lost, 9500, 10500);
    impair_init(&p, &(struct impair_config){.loss = 1}, 1);
    assert_int_equal(impair_admit(&p, 1, 0), IMPAIR_LOST);
}

static void jitter_delays_and_keeps_the_order(void **state)
{
    (void)state;
    struct impair p;
    int64_t last_us = 0, most_us = 0, least_us = INT64_MAX;
    impair_init(&p, &(struct impair_config){.jitter_us = 20000}, 7);
    for (int64_t now_us = 0; now_us < 100000000; now_us += 25000) {
        int64_t at_us = impair_admit(&p, 100, now_us);
        assert_true(at_us >= now_us && at_us <= now_us + 20000 && at_us >= last_us);
        most_us = at_us - now_us > most_us ? at_us - now_us : most_us;
        least_us = at_us - now_us < least_us ? at_us - now_us : least_us;
        last_us = at_us;
    }
    assert_true(most_us > 19000 && least_us < 1000);
    for (int i = 0; i < 100; i++) {
        int64_t at_us = impair_admit(&p, 100, 100000000);
        assert_true(at_us >= last_us);
        last_us = at_us;
    }
}

static void only_picked_ones_are_overtaken(void **state)
{
    (void)state;
    struct impair p;
    unsigned late = 0;
    impair_init(&p, &(struct impair_config){.reorder = 0.05}, 7);
    for (int64_t now_us = 0; now_us < 1000000; now_us += 100) {
        int64_t at_us = impair_admit(&p, 100, now_us);
        assert_true(at_us == now_us || at_us == now_us + IMPAIR_REORDER_US);
        late += at_us != now_us;
    }
    assert_in_range(late, 400, 600);
}

static void a_rate_lets_a_burst_through_then_queues_then_drops(void **state)
{
    (void)state;
    struct impair p;
    impair_init(&p, &(struct impair_config){.rate_bps = 1000000}, 1);
    unsigned at_once = 0, queued = 0, lost = 0;
    for (int i = 0; i < 100; i++) {
        int64_t at_us = impair_admit(&p, 1000, 5000000);
        at_once += at_us == 5000000;
        queued += at_us > 5000000;
        lost += at_us == IMPAIR_LOST;
        assert_true(at_us <= 5000000 + IMPAIR_QUEUE_US);
    }
    assert_int_equal(at_once, IMPAIR_BURST_BYTES / 1000);
    assert_int_equal(queued, IMPAIR_QUEUE_US / 8000); /* 8 ms each */
    assert_int_equal(lost, p.overflowed);
    assert_int_equal(lost, 100 - at_once - queued);
}

static void a_rate_is_kept_over_time(void **state)
{
    (void)state;
    struct impair p;
    uint64_t bytes = 0;
    impair_init(&p, &(struct impair_config){.rate_bps = 800000}, 1);
    for (int64_t now_us = 0; now_us < 10000000; now_us += 1000) /* 9.6 Mbit/s come */
        bytes += impair_admit(&p, 1200, now_us) != IMPAIR_LOST ? 1200 : 0;
    assert_in_range(bytes, 1000000, 1000000 + IMPAIR_BURST_BYTES + 32000); /* 10 s, the queue */
}

static void the_line_gives_back_in_order_of_time(void **state)
{
    (void)state;
    struct delay_line d;
    uint32_t random = 5;
    delay_line_init(&d);
    assert_int_equal(delay_line_next(&d), INT64_MAX);
    assert_null(delay_line_take(&d, INT64_MAX - 1));
    for (uint32_t i = 0; i < 5000; i++) {
        random = random * 1664525 + 1013904223;
        assert_true(delay_line_put(&d, state, (const uint8_t *)&i, sizeof(i), random >> 24));
    }
    int64_t last_us = -1;
    uint32_t last = 0;
    for (int i = 0; i < 4000; i++) {
        struct delay_line_item *item = delay_line_take(&d, 300);
        uint32_t which;
        assert_non_null(item);
        assert_int_equal(item->size, sizeof(which));
        memcpy(&which, item->data, sizeof(which));
        assert_true(item->at_us > last_us || which > last); /* of equals the first in */
        assert_true(item->at_us >= last_us);
        last_us = item->at_us;
        last = which;
        free(item);
    }
    assert_null(delay_line_take(&d, delay_line_next(&d) - 1));
    delay_line_finish(&d); /* with a thousand inside */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_changed_without_a_reason),
        cmocka_unit_test(loses_the_share_it_was_told),
        cmocka_unit_test(jitter_delays_and_keeps_the_order),
        cmocka_unit_test(only_picked_ones_are_overtaken),
        cmocka_unit_test(a_rate_lets_a_burst_through_then_queues_then_drops),
        cmocka_unit_test(a_rate_is_kept_over_time),
        cmocka_unit_test(the_line_gives_back_in_order_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
