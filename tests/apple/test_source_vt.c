/* A whole native source with an encoder that answers when it likes: the test pattern, the encode
 * thread and the publisher, with VideoToolbox on the fake between them. */
#include "server/source.h"

#include "tests/apple/fake_apple.h"
#include "tests/unit/server/fake_forwarder.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct forwarder forwarder;

static void on_change(void *arg)
{
    (void)arg;
}

static struct source *start(int fps)
{
    const struct source_config config = {
        .kind = "pattern",
        .arg = "384x240",
        .encoder = "videotoolbox",
        .codec = CODEC_H264,
        .rate = {.bitrate_bps = 1000000, .fps = fps},
        .forwarder = &forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = on_change,
    };
    struct source *s;
    char error[256];
    fake_init(&forwarder);
    if (source_open(&s, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(source_start(s), 0);
    return s;
}

static void stop(struct source *s)
{
    source_close(s);
    fake_finish(&forwarder);
    fake_reset();
}

static unsigned published(void)
{
    pthread_mutex_lock(&forwarder.lock);
    unsigned n = forwarder.n_frames;
    pthread_mutex_unlock(&forwarder.lock);
    return n;
}

/* Keyframes among the first n; each frame is of a later picture than the one before. */
static unsigned keyframes_of(unsigned n)
{
    unsigned keyframes = 0;
    pthread_mutex_lock(&forwarder.lock);
    for (unsigned i = 0; i < n; i++) {
        keyframes += forwarder.frames[i]->keyframe;
        if (i > 0)
            assert_true(forwarder.frames[i]->captured_us > forwarder.frames[i - 1]->captured_us);
    }
    pthread_mutex_unlock(&forwarder.lock);
    return keyframes;
}

static uint64_t captured(struct source *s)
{
    struct source_stats stats;
    source_stats(s, &stats);
    return stats.frames_captured;
}

/* When the encode thread is not woken, or the encoder holds a picture back, each is published after
 * the next was captured. A slow machine may make it look so now and then, but not every time. */
static void what_was_encoded_is_published_before_the_next(void **state)
{
    (void)state;
    fake_hold();
    struct source *s = start(4);
    int before_the_next = 0;
    for (unsigned n = 0; before_the_next < 2; n++) {
        assert_true(n < 40);
        while (fake_calls(FAKE_ENCODE) <= n)
            sched_yield();
        uint64_t so_far = captured(s);
        fake_let(1);
        assert_true(fake_wait(&forwarder, n + 1));
        before_the_next += captured(s) == so_far;
    }
    stop(s);
}

static void the_first_keyframe_is_made_once(void **state)
{
    (void)state;
    fake_hold();
    struct source *s = start(60);
    while (fake_calls(FAKE_ENCODE) < 3) /* more go in while the first is on its way */
        sched_yield();
    fake_let_go();
    assert_true(fake_wait(&forwarder, 12));
    assert_true(forwarder.frames[0]->keyframe);
    assert_int_equal(keyframes_of(12), 1);
    stop(s);
}

static void what_there_is_no_room_for_costs_no_keyframe(void **state)
{
    (void)state;
    struct source *s = start(60);
    assert_true(fake_wait(&forwarder, 3));
    fake_hold();
    struct source_stats stats;
    do {
        sched_yield();
        source_stats(s, &stats);
    } while (stats.frames_dropped < 3);
    unsigned n = published() + 20;
    fake_let_go();
    assert_true(fake_wait(&forwarder, n));
    assert_int_equal(keyframes_of(n), 1);
    stop(s);
}

static void a_wanted_keyframe_comes_once(void **state)
{
    (void)state;
    struct source *s = start(60);
    assert_true(fake_wait(&forwarder, 3));
    unsigned n = 3;
    forwarder.source.want_keyframe(forwarder.source.arg, 0, 1);
    while (keyframes_of(n) < 2) {
        assert_true(n < FAKE_FRAMES_MAX / 2);
        assert_true(fake_wait(&forwarder, ++n));
    }
    assert_true(fake_wait(&forwarder, n + 20));
    assert_int_equal(keyframes_of(n + 20), 2);
    stop(s);
}

static void another_encoder_follows_one_that_was_taken_away(void **state)
{
    (void)state;
    struct source *s = start(60);
    assert_true(fake_wait(&forwarder, 5));
    assert_int_equal(fake_calls(FAKE_CREATE_SESSION), 1);
    unsigned n = published();
    fake_take_sessions_away();
    while (keyframes_of(n) < 2) {
        assert_true(n < FAKE_FRAMES_MAX / 2);
        assert_true(fake_wait(&forwarder, ++n));
    }
    assert_true(fake_wait(&forwarder, n + 10));
    assert_int_equal(keyframes_of(n + 10), 2);
    assert_int_equal(fake_calls(FAKE_CREATE_SESSION), 2);
    struct source_info info;
    source_info(s, &info);
    assert_string_equal(info.end_reason, "");
    stop(s);
}

static void a_source_may_be_closed_at_any_moment(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct source *s = start(120);
        for (int k = 0; k < i * 20; k++)
            sched_yield();
        if (i % 3 == 0)
            fake_hold();
        stop(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_published_before_the_next),
        cmocka_unit_test(the_first_keyframe_is_made_once),
        cmocka_unit_test(what_there_is_no_room_for_costs_no_keyframe),
        cmocka_unit_test(a_wanted_keyframe_comes_once),
        cmocka_unit_test(another_encoder_follows_one_that_was_taken_away),
        cmocka_unit_test(a_source_may_be_closed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
