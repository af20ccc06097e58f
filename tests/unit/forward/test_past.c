#include "rtp/forward/past.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static struct past *begin(const struct past_start *start)
{
    struct past *p = past_new(100);
    assert_non_null(p);
    past_begin_run(p, start);
    return p;
}

static void a_join_is_squeezed_before_its_live_frame(void **state)
{
    (void)state;
    struct past *p = begin(&(struct past_start){
        .first_id = 10, .live_id = 40, .first_ts = 10000, .live_ts = 100000, .squeezed = true});
    for (uint64_t id = 10; id <= 40; id++)
        assert_int_equal(past_begin_frame(p, id, (uint32_t)id), 100000 - (40 - id) * PAST_STEP);
    assert_int_equal(past_begin_frame(p, 41, 103000), 103000);
    assert_int_equal(past_timestamp(&p->runs[p->run], 39, 1), 100000 - PAST_STEP);
    past_free(p);
}

static void a_single_frame_keeps_its_own(void **state)
{
    (void)state;
    struct past *p = begin(&(struct past_start){
        .first_id = 7, .live_id = 7, .first_ts = 5000, .live_ts = 5000, .squeezed = true});
    assert_int_equal(past_begin_frame(p, 7, 5000), 5000);
    assert_int_equal(past_begin_frame(p, 8, 8000), 8000);
    past_free(p);
}

/* Whatever was sent before, and however many frames come again: time goes on, and meets the frames'
 * own again. */
static void time_never_goes_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t live_ahead; /* of the newest timestamp */
        uint32_t n;          /* frames before the live one */
        uint32_t interval;
    } rows[] = {{0, 0, 3000},   {0, 30, 3000},  {0, 255, 3000},   {1, 5, 3000},   {3000, 10, 3000},
                {3000, 255, 9}, {100, 255, 90}, {90000, 4, 3000}, {0, 40, 90000}, {0, 20, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint32_t from = UINT32_MAX - 5000; /* and round */
        struct past *p = begin(&(struct past_start){
            .first_id = 1, .live_id = 1, .first_ts = from, .live_ts = from, .squeezed = true});
        uint32_t newest = past_begin_frame(p, 1, from), live = from + rows[i].live_ahead;
        past_begin_run(p, &(struct past_start){.layer = 1,
                                               .first_id = 500,
                                               .live_id = 500 + rows[i].n,
                                               .first_ts = live - rows[i].n * 3000,
                                               .live_ts = live,
                                               .interval = rows[i].interval,
                                               .squeezed = true});
        for (uint64_t k = 0; k <= rows[i].n + 40; k++) {
            uint32_t own = live + (uint32_t)(k - rows[i].n) * 3000;
            uint32_t ts = past_begin_frame(p, 500 + k, own);
            assert_true((int32_t)(ts - newest) > 0);
            assert_int_equal(past_timestamp(&p->runs[p->run], 500 + k, own), ts);
            assert_true(k < rows[i].n + 10 || ts == own);
            newest = ts;
        }
        past_free(p);
    }
}

static void a_late_run_has_its_own_times(void **state)
{
    (void)state;
    struct past *p = begin(&(struct past_start){
        .first_id = 1, .live_id = 1, .first_ts = 1000, .live_ts = 1000, .squeezed = true});
    past_begin_frame(p, 1, 1000);
    past_begin_run(p, &(struct past_start){
                          .first_id = 50, .live_id = 90, .first_ts = 150000, .live_ts = 270000});
    assert_int_equal(past_begin_frame(p, 50, 150000), 150000);
    assert_int_equal(past_begin_frame(p, 51, 153000), 153000);
    past_free(p);
}

static void packets_are_found_in_their_run(void **state)
{
    (void)state;
    struct past *p = begin(&(struct past_start){.layer = 2, .first_id = 1, .live_id = 1});
    struct past_packet found;
    for (unsigned run = 0; run < 3 * PAST_RUNS; run++) {
        uint64_t id = UINT64_C(0x500000000) + run;
        past_begin_run(
            p, &(struct past_start){.layer = (uint8_t)(run % 3), .first_id = id, .live_id = id});
        uint16_t first = past_add(p, id, 0), second = past_add(p, id, PAST_PACKETS_MAX - 1);
        assert_true(past_find(p, first, &found));
        assert_int_equal(found.packet, 0);
        assert_true(past_find(p, second, &found));
        assert_int_equal(found.packet, PAST_PACKETS_MAX - 1);
        assert_int_equal(found.frame_id, run);
        assert_int_equal(found.run->layer, run % 3);
        assert_false(past_find(p, (uint16_t)(second + 1), &found));
        /* Two packets a run: the oldest run's place was taken by this one. */
        assert_int_equal(past_find(p, (uint16_t)(second - 2 * (PAST_RUNS - 1)), &found),
                         run >= PAST_RUNS - 1);
        assert_false(past_find(p, (uint16_t)(second - 2 * PAST_RUNS), &found));
    }
    past_free(p);
}

static void a_run_may_go_on_for_days(void **state)
{
    (void)state;
    struct past *p = begin(&(struct past_start){.first_id = 1, .live_id = 1});
    struct past_packet found;
    for (uint32_t i = 0; i < 200000; i++) {
        uint16_t seq = past_add(p, 1 + i / 5, (uint16_t)(i % 5));
        assert_true(past_find(p, seq, &found));
        assert_int_equal(found.frame_id, 1 + i / 5);
        uint16_t old = (uint16_t)(seq - (i < HISTORY_SIZE ? i : HISTORY_SIZE - 1));
        assert_true(past_find(p, old, &found));
    }
    past_free(p);
}

static void resends_are_bounded(void **state)
{
    (void)state;
    struct past *p = past_new(0);
    for (uint16_t i = 0; i < PAST_RESENDS_MAX; i++)
        assert_true(past_queue_resend(p, i));
    assert_false(past_queue_resend(p, 1));
    assert_int_equal(p->resend_count, PAST_RESENDS_MAX);
    past_free(p);
    past_free(NULL);
}

/* A viewer pauses where frames of higher temporal layers were left out, and goes on. */
static void numbers_go_on_where_a_run_is_no_new_beginning(void **state)
{
    (void)state;
    struct past *p = begin(&(struct past_start){.first_id = 10, .live_id = 10});
    assert_int_equal(past_begin_number(p, 10, 500, true), 1);
    assert_int_equal(past_begin_number(p, 12, 502, false), 3); /* 11 was left out */
    past_begin_run(p, &(struct past_start){.first_id = 14, .live_id = 14});
    assert_int_equal(past_begin_number(p, 14, 504, false), 5); /* refers to two before it */
    past_begin_run(p, &(struct past_start){.first_id = 15, .live_id = 18});
    assert_int_equal(past_begin_number(p, 16, 506, false), 7); /* its first was left out, too */
    past_begin_run(p, &(struct past_start){.first_id = 10, .live_id = 10});
    assert_int_equal(past_begin_number(p, 10, 500, true), 8); /* the keyframe again */
    past_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_on_where_a_run_is_no_new_beginning),
        cmocka_unit_test(a_join_is_squeezed_before_its_live_frame),
        cmocka_unit_test(a_single_frame_keeps_its_own),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(a_late_run_has_its_own_times),
        cmocka_unit_test(packets_are_found_in_their_run),
        cmocka_unit_test(a_run_may_go_on_for_days),
        cmocka_unit_test(resends_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
