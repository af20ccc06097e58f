#include "rtp/control/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define AUDIO 40000

static const struct layer_stream streams[] = {
    {.live = true, .n_temporal = 1, .bps = {300000}, .keyframe_bytes = 10000},
    {.live = true, .n_temporal = 3, .bps = {250000, 600000, 900000}, .keyframe_bytes = 30000},
    {.live = true, .n_temporal = 1, .bps = {2500000}, .keyframe_bytes = 80000},
};

static struct layer_rung rungs[LAYER_RUNGS_MAX];
static unsigned n_rungs;
static struct layer layer;
static int64_t now;

static int setup(void **state)
{
    (void)state;
    n_rungs = layer_ladder(rungs, streams, 3, AUDIO);
    layer_init(&layer);
    now = 0;
    return 0;
}

static void assert_rung(const struct layer_rung *r, enum layer_mode mode, unsigned stream,
                        unsigned temporal)
{
    assert_int_equal(r->mode, mode);
    assert_int_equal(r->stream, stream);
    assert_int_equal(r->temporal, temporal);
}

static void assert_ascending(void)
{
    assert_in_range(n_rungs, 1, LAYER_RUNGS_MAX);
    assert_int_equal(rungs[0].mode, LAYER_AUDIO);
    for (unsigned i = 1; i < n_rungs; i++)
        assert_true(rungs[i].bps > rungs[i - 1].bps || i == 1);
}

static void test_the_ladder(void **state)
{
    (void)state;
    assert_ascending();
    assert_int_equal(n_rungs, 6);
    assert_rung(&rungs[0], LAYER_AUDIO, 0, 0);
    assert_int_equal(rungs[0].bps, AUDIO);
    assert_rung(&rungs[1], LAYER_SLIDES, 0, 0);
    assert_int_equal(rungs[1].bps, AUDIO + 8000);
    assert_rung(&rungs[2], LAYER_FULL, 0, 0);
    assert_rung(&rungs[3], LAYER_FULL, 1, 1); /* 0 costs less than the whole stream below */
    assert_rung(&rungs[4], LAYER_FULL, 1, 2);
    assert_rung(&rungs[5], LAYER_FULL, 2, 0);
    assert_int_equal(rungs[5].bps, AUDIO + 2500000);
}

static void test_odd_ladders(void **state)
{
    (void)state;
    n_rungs = layer_ladder(rungs, NULL, 0, AUDIO);
    assert_int_equal(n_rungs, 1);
    struct layer_stream odd[LAYER_STREAMS_MAX] = {{.live = false}};
    n_rungs = layer_ladder(rungs, odd, LAYER_STREAMS_MAX, AUDIO);
    assert_int_equal(n_rungs, 1);
    for (unsigned i = 0; i < LAYER_STREAMS_MAX; i++) {
        odd[i] = (struct layer_stream){
            .live = true, .n_temporal = LAYER_TEMPORAL_MAX, .keyframe_bytes = 1};
        for (unsigned t = 0; t < LAYER_TEMPORAL_MAX; t++)
            odd[i].bps[t] = 100 * i + 10 * t + 5;
    }
    n_rungs = layer_ladder(rungs, odd, LAYER_STREAMS_MAX, 0);
    assert_ascending();
    for (unsigned i = 0; i < LAYER_STREAMS_MAX; i++) /* a better stream that costs less */
        odd[i].bps[LAYER_TEMPORAL_MAX - 1] = 1000 - 100 * i;
    n_rungs = layer_ladder(rungs, odd, LAYER_STREAMS_MAX, 0);
    assert_ascending();
    assert_rung(&rungs[n_rungs - 1], LAYER_FULL, 3, 3);
    odd[0].live = odd[1].live = false;
    n_rungs = layer_ladder(rungs, odd, LAYER_STREAMS_MAX, 0);
    assert_ascending();
    assert_int_equal(rungs[1].stream, 2);
}

/* Decides ten times a second for `us`; how often it changed. */
static int run(uint64_t bps, int64_t us)
{
    int changes = 0;
    for (int64_t end = now + us; now < end; now += SECOND / 10)
        changes += layer_decide(&layer, rungs, n_rungs, bps, bps, now);
    return changes;
}

struct fit_row {
    uint64_t bps;
    enum layer_mode mode;
    unsigned stream, temporal;
};

static const struct fit_row fit_rows[] = {
    {0, LAYER_AUDIO, 0, 0},       {47000, LAYER_AUDIO, 0, 0},  {49000, LAYER_SLIDES, 0, 0},
    {339000, LAYER_SLIDES, 0, 0}, {341000, LAYER_FULL, 0, 0},  {641000, LAYER_FULL, 1, 1},
    {2539000, LAYER_FULL, 1, 2},  {2541000, LAYER_FULL, 2, 0}, {UINT64_MAX, LAYER_FULL, 2, 0},
};

static void test_the_first_choice_and_every_way_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fit_rows) / sizeof(fit_rows[0]); i++) {
        const struct fit_row *row = &fit_rows[i];
        layer_init(&layer);
        assert_true(layer_decide(&layer, rungs, n_rungs, row->bps, row->bps, 0));
        assert_rung(&layer.now, row->mode, row->stream, row->temporal);
        assert_false(layer_decide(&layer, rungs, n_rungs, row->bps, row->bps, 1));

        layer_init(&layer);
        layer_decide(&layer, rungs, n_rungs, 10000000, 10000000, 0);
        bool down = row->bps < 2500000 * 95 / 100;
        assert_int_equal(layer_decide(&layer, rungs, n_rungs, row->bps, row->bps, 1), down);
        if (down)
            assert_rung(&layer.now, row->mode, row->stream, row->temporal); /* at once */
        else
            assert_rung(&layer.now, LAYER_FULL, 2, 0);
    }
}

static void test_up_after_the_hold_and_only_by_what_is_proven(void **state)
{
    (void)state;
    run(700000, SECOND);
    assert_rung(&layer.now, LAYER_FULL, 1, 1);
    assert_false(layer_decide(&layer, rungs, n_rungs, 5000000, 5000000, now));
    assert_false(layer_decide(&layer, rungs, n_rungs, 5000000, 5000000, now + LAYER_HOLD_US - 1));
    assert_true(layer_decide(&layer, rungs, n_rungs, 5000000, 5000000, now + LAYER_HOLD_US));
    assert_rung(&layer.now, LAYER_FULL, 2, 0);

    setup(NULL);
    run(700000, SECOND);
    for (int i = 0; i < 1000; i++, now += SECOND / 10) /* an estimate that nothing has shown */
        assert_false(layer_decide(&layer, rungs, n_rungs, 5000000, 700000, now));
    for (int i = 0; i < 1000; i++, now += SECOND / 10) /* nor does it last */
        assert_false(layer_decide(&layer, rungs, n_rungs, 5000000, i % 15 ? 5000000 : 800000, now));
    assert_int_equal(run(2540000 * 114 / 100, 10 * SECOND), 1); /* not enough for the highest */
    assert_rung(&layer.now, LAYER_FULL, 1, 2);
}

static void test_a_swaying_target_changes_nothing(void **state)
{
    (void)state;
    run(3000000, SECOND);
    for (int i = 0; i < 1000; i++, now += SECOND / 10)
        assert_false(layer_decide(&layer, rungs, n_rungs, i % 2 ? 2450000 : 2900000, 2900000, now));
    run(1000000, SECOND);
    assert_rung(&layer.now, LAYER_FULL, 1, 2);
    assert_int_equal(run(2700000, 60 * SECOND), 0);
}

static void test_steps_that_are_taken_back_come_later_each_time(void **state)
{
    (void)state;
    run(1000000, SECOND);
    int64_t before = 0;
    for (int i = 0; i < 8; i++) {
        int64_t from = now;
        while (!layer_decide(&layer, rungs, n_rungs, 4000000, 4000000, now))
            now += SECOND / 10;
        assert_true(now - from >= before && now - from <= LAYER_HOLD_MAX_US + SECOND);
        before = now - from;
        now += SECOND;
        assert_true(layer_decide(&layer, rungs, n_rungs, 1000000, 1000000, now));
    }
    assert_true(before >= 30 * SECOND);
    assert_int_equal(layer.ups, 8);
    assert_int_equal(layer.downs, 8);
    run(1000000, 100 * SECOND); /* calm: as at the beginning */
    assert_int_equal(run(4000000, LAYER_HOLD_US + SECOND), 1);
}

/* A path of 1.5 Mbit/s, of which the estimate is what it is after a queue, and a stream of 1.4:
 * with the usual margins it would have slides for ever, and nothing there is to lose. */
static void test_slides_are_left_for_whatever_fits(void **state)
{
    (void)state;
    static const struct layer_stream small = {
        .live = true, .n_temporal = 1, .bps = {1400000}, .keyframe_bytes = 100000};
    struct layer_rung two[LAYER_RUNGS_MAX];
    unsigned n = layer_ladder(two, &small, 1, 0);
    layer_decide(&layer, two, n, 5000000, 5000000, now);
    now += SECOND;
    assert_false(layer_decide(&layer, two, n, 1260000, 1260000, now)); /* 1.4, or about */
    assert_rung(&layer.now, LAYER_FULL, 0, 0);
    now += SECOND;
    assert_true(layer_decide(&layer, two, n, 1200000, 1200000, now));
    assert_rung(&layer.now, LAYER_SLIDES, 0, 0);

    for (int i = 0; i < 600; i++, now += SECOND / 10)
        assert_false(layer_decide(&layer, two, n, 1390000, 1390000, now));
    int64_t from = now;
    while (!layer_decide(&layer, two, n, 1430000, 1430000, now))
        now += SECOND / 10;
    assert_rung(&layer.now, LAYER_FULL, 0, 0);
    assert_in_range(now - from, LAYER_HOLD_US, 2 * LAYER_HOLD_US);

    for (int i = 0; i < 8; i++) { /* taken back again and again: still tried now and then */
        now += SECOND;
        assert_true(layer_decide(&layer, two, n, 1000000, 1000000, now));
        from = now;
        while (!layer_decide(&layer, two, n, 1430000, 1430000, now))
            now += SECOND / 10;
        assert_true(now - from <= LAYER_HOLD_SLIDES_US + SECOND);
    }
    assert_true(now - from >= LAYER_HOLD_SLIDES_US);
}

static void test_a_selected_layer_is_the_highest(void **state)
{
    (void)state;
    layer_select(&layer, 1, 1);
    run(10000000, 10 * SECOND);
    assert_rung(&layer.now, LAYER_FULL, 1, 1);
    assert_in_range(layer_wanted_bps(&layer, rungs, n_rungs), 640000, 900000);
    run(400000, SECOND);
    assert_rung(&layer.now, LAYER_FULL, 0, 0); /* still never black */
    run(10000000, 20 * SECOND);
    assert_rung(&layer.now, LAYER_FULL, 1, 1); /* and sticky */
    layer_select(&layer, LAYER_ANY, LAYER_ANY);
    run(10000000, 20 * SECOND);
    assert_rung(&layer.now, LAYER_FULL, 2, 0);
    assert_in_range(layer_wanted_bps(&layer, rungs, n_rungs), 3200000, 3400000);
    layer_select(&layer, 0, LAYER_ANY);
    assert_int_equal(run(10000000, 20 * SECOND), 1); /* a choice is followed at once */
    assert_rung(&layer.now, LAYER_FULL, 0, 0);
}

static void test_a_stream_that_ends(void **state)
{
    (void)state;
    run(10000000, SECOND);
    n_rungs = layer_ladder(rungs, streams, 2, AUDIO);
    assert_true(layer_decide(&layer, rungs, n_rungs, 10000000, 10000000, now));
    assert_rung(&layer.now, LAYER_FULL, 1, 2);
    n_rungs = layer_ladder(rungs, NULL, 0, AUDIO);
    assert_true(layer_decide(&layer, rungs, n_rungs, 10000000, 10000000, now));
    assert_rung(&layer.now, LAYER_AUDIO, 0, 0);
}

static void test_the_pace_of_slides(void **state)
{
    (void)state;
    assert_true(layer_slide_gap_us(10000, AUDIO, 0) == LAYER_SLIDE_MAX_US);
    assert_true(layer_slide_gap_us(10000, AUDIO, AUDIO) == LAYER_SLIDE_MAX_US);
    assert_true(layer_slide_gap_us(10000, AUDIO, AUDIO + 40000) == 2 * SECOND);
    assert_true(layer_slide_gap_us(10000, AUDIO, 10000000) == LAYER_SLIDE_MIN_US);
    assert_true(layer_slide_gap_us(UINT32_MAX, 0, 1) == LAYER_SLIDE_MAX_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_ladder, setup),
        cmocka_unit_test_setup(test_odd_ladders, setup),
        cmocka_unit_test_setup(test_the_first_choice_and_every_way_down, setup),
        cmocka_unit_test_setup(test_up_after_the_hold_and_only_by_what_is_proven, setup),
        cmocka_unit_test_setup(test_a_swaying_target_changes_nothing, setup),
        cmocka_unit_test_setup(test_steps_that_are_taken_back_come_later_each_time, setup),
        cmocka_unit_test_setup(test_slides_are_left_for_whatever_fits, setup),
        cmocka_unit_test_setup(test_a_selected_layer_is_the_highest, setup),
        cmocka_unit_test_setup(test_a_stream_that_ends, setup),
        cmocka_unit_test_setup(test_the_pace_of_slides, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
