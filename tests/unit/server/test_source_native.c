/* The native kind of source, from the pattern to a forwarder that keeps what it is given. */
#include "server/source.h"

#include "tests/unit/server/fake_forwarder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

static struct forwarder forwarder;
static atomic_uint changes;

static void on_change(void *arg)
{
    (void)arg;
    atomic_fetch_add(&changes, 1);
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&changes, 0);
    fake_init(&forwarder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_finish(&forwarder);
    return 0;
}

static struct source_config config_of(const char *kind, const char *arg)
{
    return (struct source_config){
        .kind = kind,
        .arg = arg,
        .encoder = "fake",
        .codec = CODEC_H264,
        .rate = {.bitrate_bps = 500000, .fps = 60},
        .forwarder = &forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = on_change,
    };
}

static void a_pattern_is_published_and_a_keyframe_made_when_wanted(void **state)
{
    (void)state;
    const struct source_config config = config_of("pattern", "640x480");
    struct source *s;
    char error[256];
    assert_int_equal(source_open(&s, &config, error, sizeof(error)), 0);
    struct source_info info;
    source_info(s, &info);
    assert_string_equal(info.kind, "pattern");
    assert_string_equal(info.encoder, "fake");
    assert_int_equal(info.width, 640);
    assert_int_equal(info.height, 480);
    assert_int_equal(info.stream_id, FAKE_STREAM_ID);
    assert_false(info.live);
    assert_int_equal(source_start(s), 0);
    assert_true(fake_wait(&forwarder, 2));
    forwarder.source.want_keyframe(forwarder.source.arg, 0, 1);
    unsigned n = 2, keyframes = 0;
    while (keyframes < 2) {
        assert_true(fake_wait(&forwarder, n));
        keyframes = 0;
        pthread_mutex_lock(&forwarder.lock);
        for (unsigned i = 0; i < n; i++)
            keyframes += forwarder.frames[i]->keyframe;
        pthread_mutex_unlock(&forwarder.lock);
        assert_true(n++ < FAKE_FRAMES_MAX);
    }
    source_info(s, &info);
    assert_true(info.live);
    assert_int_equal(atomic_load(&changes), 1);
    struct source_stats stats;
    source_stats(s, &stats);
    assert_int_equal(stats.keyframe_requests, 1);
    assert_int_equal(stats.keyframe_requests_coalesced, 0);
    assert_true(stats.frames_encoded >= 2 && stats.frames_captured >= stats.frames_encoded);
    assert_true(histogram_percentile(stats.encode_us, 1) > 0);
    source_close(s);
    assert_true(forwarder.frames[0]->keyframe);
    for (unsigned i = 1; i < n - 1; i++) {
        assert_int_equal(forwarder.frames[i]->id, forwarder.frames[i - 1]->id + 1);
        assert_true(forwarder.frames[i]->captured_us > forwarder.frames[i - 1]->captured_us);
    }
}

static void what_cannot_be_had_is_said(void **state)
{
    (void)state;
    struct source *s = NULL;
    char error[256] = "";
    struct source_config config = config_of("pattern", "1x1");
    assert_true(source_open(&s, &config, error, sizeof(error)) < 0);
    assert_true(error[0] != '\0');
    config = config_of("pattern", NULL);
    config.encoder = "none such";
    assert_true(source_open(&s, &config, error, sizeof(error)) < 0);
    assert_null(s);
    source_close(NULL);
}

static void a_source_that_was_never_started_closes(void **state)
{
    (void)state;
    const struct source_config config = config_of("pattern", NULL);
    struct source *s;
    char error[256];
    assert_int_equal(source_open(&s, &config, error, sizeof(error)), 0);
    assert_false(forwarder.has_source);
    source_close(s);
    assert_false(forwarder.has_source);
}

static bool has_frame_of(unsigned layer, unsigned from)
{
    bool found = false;
    pthread_mutex_lock(&forwarder.lock);
    for (unsigned i = from; i < forwarder.n_frames && i < FAKE_FRAMES_MAX; i++)
        found |= forwarder.layers[i] == layer;
    pthread_mutex_unlock(&forwarder.lock);
    return found;
}

static void wait_for_frame_of(unsigned layer, unsigned from)
{
    for (unsigned n = from + 1; !has_frame_of(layer, from); n++)
        assert_true(fake_wait(&forwarder, n));
}

static unsigned frames_now(void)
{
    pthread_mutex_lock(&forwarder.lock);
    unsigned n = forwarder.n_frames;
    pthread_mutex_unlock(&forwarder.lock);
    return n;
}

static struct source *start(const struct source_config *config)
{
    struct source *s;
    char error[256] = "";
    int err = source_open(&s, config, error, sizeof(error));
    if (err)
        fail_msg("%s", error);
    assert_int_equal(source_start(s), 0);
    return s;
}

static void layers_nobody_watches_are_not_encoded(void **state)
{
    (void)state;
    struct source_config config = config_of("pattern", "1280x720");
    config.n_layers = 3;
    struct source *s = start(&config);
    struct source_info info;
    source_info(s, &info);
    assert_int_equal(info.n_layers, 3);
    assert_int_equal(info.layers[0].width, 320);
    assert_int_equal(info.layers[1].height, 360);
    assert_int_equal(info.width, 1280);
    assert_int_equal(forwarder.n_layers, 3);
    assert_true(fake_wait(&forwarder, 5));
    assert_false(has_frame_of(0, 0) || has_frame_of(1, 0));
    forwarder.source.watched(forwarder.source.arg, 0, true);
    wait_for_frame_of(0, 0);
    /* now that the smallest is watched, nobody watches the largest */
    struct source_stats stats;
    source_stats(s, &stats);
    assert_true(stats.layers[0].wanted && !stats.layers[2].wanted);
    forwarder.source.watched(forwarder.source.arg, 2, true);
    wait_for_frame_of(2, frames_now());
    assert_false(has_frame_of(1, 0));
    source_close(s);
    for (unsigned i = 0; i < FAKE_FRAMES_MAX && i < forwarder.n_frames; i++) {
        if (forwarder.frames[i]->id == 1)
            assert_true(forwarder.frames[i]->keyframe);
    }
}

static void small_pictures_have_fewer_layers(void **state)
{
    (void)state;
    struct source_config config = config_of("pattern", "640x360");
    config.n_layers = 3;
    struct source *s = start(&config);
    struct source_info info;
    source_info(s, &info);
    assert_int_equal(info.n_layers, 2); /* 160x90 shows nothing */
    source_close(s);
}

static void a_paused_source_sends_nothing(void **state)
{
    (void)state;
    const struct source_config config = config_of("pattern", "640x360");
    struct source *s = start(&config);
    assert_true(fake_wait(&forwarder, 3));
    source_set_paused(s, true);
    struct source_info info;
    source_info(s, &info);
    assert_true(info.paused && info.live);
    struct source_stats before, after;
    source_stats(s, &before);
    do { /* pictures go on to be taken */
        source_stats(s, &after);
    } while (after.frames_captured < before.frames_captured + 5);
    unsigned n = frames_now();
    source_stats(s, &before);
    do {
        source_stats(s, &after);
    } while (after.frames_captured < before.frames_captured + 5);
    assert_int_equal(frames_now(), n);
    source_set_paused(s, false);
    assert_true(fake_wait(&forwarder, n + 2));
    source_close(s);
}

static void rate_and_frame_rate_change_without_a_keyframe(void **state)
{
    (void)state;
    const struct source_config config = config_of("pattern", "640x360");
    struct source *s = start(&config);
    assert_true(fake_wait(&forwarder, 3));
    assert_int_equal(source_set_rate(s, &(struct encoder_rate){.bitrate_bps = 90000, .fps = 10}),
                     0);
    unsigned from = frames_now() + 2; /* the new rate holds by then */
    assert_true(fake_wait(&forwarder, from + 8));
    source_close(s);
    int64_t took_us =
        forwarder.frames[from + 7]->captured_us - forwarder.frames[from - 1]->captured_us;
    assert_true(took_us >= 700000); /* eight tenths of a second, of which one may have been late */
    for (unsigned i = from; i < from + 8; i++)
        assert_false(forwarder.frames[i]->keyframe);
}

static void temporal_layers_are_told_apart(void **state)
{
    (void)state;
    struct source_config config = config_of("pattern", "384x240");
    config.encoder = "vpx";
    config.codec = CODEC_VP8;
    config.temporal_layers = 2;
    struct source *s = start(&config);
    assert_true(fake_wait(&forwarder, 12));
    source_close(s);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(forwarder.frames[i]->temporal_id, i % 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pattern_is_published_and_a_keyframe_made_when_wanted),
        TEST(what_cannot_be_had_is_said),
        TEST(a_source_that_was_never_started_closes),
        TEST(layers_nobody_watches_are_not_encoded),
        TEST(small_pictures_have_fewer_layers),
        TEST(a_paused_source_sends_nothing),
        TEST(rate_and_frame_rate_change_without_a_keyframe),
        TEST(temporal_layers_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
