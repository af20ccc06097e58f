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
        .bitrate_bps = 500000,
        .fps = 60,
        .forwarder = &forwarder,
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
    forwarder.is_full = true;
    config = config_of("pattern", NULL);
    assert_int_equal(source_open(&s, &config, error, sizeof(error)), -EAGAIN);
    assert_non_null(strstr(error, "streams"));
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
    assert_true(forwarder.has_stream);
    source_close(s);
    assert_false(forwarder.has_stream);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pattern_is_published_and_a_keyframe_made_when_wanted),
        TEST(what_cannot_be_had_is_said),
        TEST(a_source_that_was_never_started_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
