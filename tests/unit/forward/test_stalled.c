/* A viewer whose way out takes nothing for a while, on a virtual clock: it makes no media
 * meanwhile, nothing is lost by that, and what is too late gives way to a newer keyframe. */
#include "tests/sim/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

/* It has played for two seconds and then is stalled for `stalled_us`; then runs on. */
static struct stage *stall(unsigned gop, int64_t stalled_us)
{
    struct stage *s = malloc(sizeof(*s));
    assert_non_null(s);
    stage_init(s, &(struct stage_config){.seed = 77, .gop = gop});
    s->paused = true;
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    s->paused = false;
    s->next_frame_us = s->now_us;
    stage_run(s, 2 * SECOND);
    const struct viewer_counters *c = &s->viewer->counters;
    uint64_t packets = c->packets_sent, reports = s->viewer->tracks[0].report.packets;
    uint64_t datagrams = s->datagrams;
    viewer_set_stalled(s->viewer, true);
    stage_run(s, stalled_us);
    assert_int_equal(c->packets_sent, packets);
    assert_int_equal(s->viewer->tracks[0].report.packets, reports);
    if (stalled_us > 2 * SECOND)
        assert_true(s->datagrams > datagrams); /* control goes on */
    viewer_set_stalled(s->viewer, false);
    stage_run(s, 4 * SECOND);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    assert_in_range(s->seen[0].newest_id, s->next_id - 3, s->next_id - 1);
    assert_int_equal(s->receiver.not_authentic, 0);
    return s;
}

static void end(struct stage *s)
{
    stage_finish(s);
    free(s);
}

static void nothing_is_left_out(struct stage *s, unsigned asked)
{
    assert_int_equal(s->seen[0].skipped, 0);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 0);
    assert_int_equal(s->keyframe_requests, asked);
    end(s);
}

static void a_short_one_only_delays(void **state)
{
    (void)state;
    nothing_is_left_out(stall(10, VIEWER_LATE_US - 100000), 1); /* though keyframes come often */
}

static void without_a_newer_keyframe_nothing_is_left_out(void **state)
{
    (void)state;
    nothing_is_left_out(stall(0, 3 * SECOND), 1); /* none is asked for but the first */
}

static void a_late_one_goes_on_at_the_newest_keyframe(void **state)
{
    (void)state;
    struct stage *s = stall(30, 3 * SECOND);
    assert_in_range(s->seen[0].skipped, 60, 92);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 1);
    const struct viewer_path *p = s->viewer->path;
    unsigned jumps = 0;
    for (unsigned i = 0; i < VIEWER_DECISIONS && i < p->n_decisions; i++)
        jumps += p->decisions[i].why == VIEWER_WHY_JUMP;
    assert_int_equal(jumps, 1); /* as the viewer can be told */
    assert_int_equal(s->keyframe_requests, 1);
    end(s);
}

static void one_that_fell_out_of_the_ring_does_too(void **state)
{
    (void)state;
    struct stage *s = stall(120, 12 * SECOND);
    assert_in_range(s->seen[0].skipped, 120, 362);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 1);
    assert_int_equal(s->keyframe_requests, 1);
    end(s);
}

/* A new viewer gets a GOP that is old from its beginning on: that is no reason to leave it out. */
static void a_new_viewer_gets_its_gop(void **state)
{
    (void)state;
    struct stage *s = malloc(sizeof(*s));
    assert_non_null(s);
    stage_init(s, &(struct stage_config){.seed = 78, .gop = 100});
    stage_run(s, 3 * SECOND); /* 90 frames */
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    for (int i = 0; i < 200; i++) {
        viewer_set_stalled(s->viewer, true);
        stage_run(s, 5000);
        viewer_set_stalled(s->viewer, false);
        stage_run(s, 2000);
    }
    stage_run(s, SECOND);
    assert_int_equal(s->seen[0].first_id, 1);
    nothing_is_left_out(s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_one_only_delays),
        cmocka_unit_test(without_a_newer_keyframe_nothing_is_left_out),
        cmocka_unit_test(a_late_one_goes_on_at_the_newest_keyframe),
        cmocka_unit_test(one_that_fell_out_of_the_ring_does_too),
        cmocka_unit_test(a_new_viewer_gets_its_gop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
