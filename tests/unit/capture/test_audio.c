/* The thread, the ring and the tone; a backend of our own says when it writes and ends. */
#include "capture/audio.h"
#include "capture/audio_backends.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct audio *open_audio(const char *kind, const char *arg)
{
    struct audio *a = NULL;
    char error[256] = "";
    const struct audio_config config = {.kind = kind, .arg = arg};
    if (audio_open(&a, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return a;
}

/* --- a backend that writes `blocks` and then does as it is told --- */

static struct {
    int blocks, result;
    const char *reason;
    sem_t written;
    int opened, closed;
} script;

static int script_open(void *priv, const struct audio_config *config, struct audio_info *info,
                       char *error, size_t error_size)
{
    (void)priv;
    (void)info;
    script.opened++;
    if (!config->arg)
        return 0;
    snprintf(error, error_size, "%s", config->arg);
    return -ENODEV;
}

static int script_run(void *priv, struct audio_sink *sink, char *error, size_t error_size)
{
    (void)priv;
    for (int i = 0; i < script.blocks; i++) {
        int16_t pcm[2 * AUDIO_BLOCK_SAMPLES];
        for (int k = 0; k < 2 * AUDIO_BLOCK_SAMPLES; k++)
            pcm[k] = (int16_t)i;
        audio_sink_write(sink, pcm, AUDIO_BLOCK_SAMPLES, 1000000 + i * 10000);
    }
    sem_post(&script.written);
    if (script.reason)
        snprintf(error, error_size, "%s", script.reason);
    if (!script.result)
        assert_false(audio_sink_wait(sink, INT64_MAX));
    return script.result;
}

static void script_close(void *priv)
{
    (void)priv;
    script.closed++;
}

static const struct audio_ops script_ops = {.kind = "script",
                                            .priv_size = 1,
                                            .open = script_open,
                                            .run = script_run,
                                            .close = script_close};

static struct audio *open_script(int blocks, int result, const char *reason)
{
    script.blocks = blocks;
    script.result = result;
    script.reason = reason;
    struct audio *a = NULL;
    char error[64];
    const struct audio_config config = {.kind = "script"};
    assert_int_equal(audio_open_ops(&a, &script_ops, &config, error, sizeof(error)), 0);
    assert_int_equal(audio_start(a), 0);
    sem_wait(&script.written);
    return a;
}

static int setup(void **state)
{
    (void)state;
    memset(&script, 0, sizeof(script));
    return sem_init(&script.written, 0, 0);
}

static int teardown(void **state)
{
    (void)state;
    return sem_destroy(&script.written);
}

/* --- tests --- */

static void a_late_consumer_loses_the_oldest(void **state)
{
    (void)state;
    struct audio *a = open_script(AUDIO_RING_BLOCKS + 7, 0, NULL);
    struct audio_stats stats;
    audio_stats(a, &stats);
    assert_int_equal(stats.captured, AUDIO_RING_BLOCKS + 7);
    assert_int_equal(stats.overruns, 7);
    assert_int_equal(stats.reanchored, 0);
    struct audio_block block;
    for (int i = 7; i < AUDIO_RING_BLOCKS + 7; i++) {
        assert_true(audio_take(a, &block));
        assert_int_equal(block.pcm[0], i);
        assert_int_equal(block.place, 48000 + i * AUDIO_BLOCK_SAMPLES);
    }
    audio_stop(a);
    assert_false(audio_take(a, &block));
    assert_null(audio_end_reason(a));
    assert_false(audio_may_return(a));
    audio_close(a);
    assert_int_equal(script.closed, 1);
}

static void what_came_before_the_end_is_handed_out(void **state)
{
    (void)state;
    struct audio *a = open_script(3, -ENODEV, "unplugged");
    struct audio_block block;
    for (int i = 0; i < 3; i++)
        assert_true(audio_take(a, &block));
    assert_false(audio_take(a, &block));
    assert_string_equal(audio_end_reason(a), "unplugged");
    assert_true(audio_may_return(a));
    audio_close(a);
}

static void an_end_without_words_gets_some(void **state)
{
    (void)state;
    struct audio *a = open_script(0, -EIO, NULL);
    struct audio_block block;
    assert_false(audio_take(a, &block));
    assert_non_null(strstr(audio_end_reason(a), strerror(EIO)));
    assert_false(audio_may_return(a));
    audio_close(a);
}

static void *take_until_end(void *arg)
{
    struct audio_block block;
    while (audio_take(arg, &block))
        continue;
    return NULL;
}

static void stop_wakes_who_waits(void **state)
{
    (void)state;
    struct audio *a = open_script(1, 0, NULL);
    pthread_t consumer;
    assert_int_equal(pthread_create(&consumer, NULL, take_until_end, a), 0);
    audio_stop(a);
    assert_int_equal(pthread_join(consumer, NULL), 0);
    audio_close(a);
}

static void what_cannot_be_had_is_said(void **state)
{
    static const struct {
        const char *kind, *arg, *word;
    } rows[] = {
        {"cassette", NULL, "use default, monitor, pulse:NAME or tone"},
        {"", NULL, "unknown audio source"},
        {"tone", "boop", "tone:beep"},
        {"tone", "", "tone:beep"},
#ifdef AMPHI_PULSE
        {"pulse", NULL, "pulse:NAME"},
        {"pulse", "", "pulse:NAME"},
        {"default", "x", "takes no argument"},
        {"monitor", "", "takes no argument"},
#endif
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct audio *a = NULL;
        char error[256] = "";
        const struct audio_config config = {.kind = rows[i].kind, .arg = rows[i].arg};
        assert_int_equal(audio_open(&a, &config, error, sizeof(error)), -EINVAL);
        assert_null(a);
        if (!strstr(error, rows[i].word))
            fail_msg("%s: %s", rows[i].kind, error);
    }
    struct audio *a = NULL;
    char error[64] = "";
    const struct audio_config config = {.kind = "script", .arg = "not today"};
    assert_int_equal(audio_open_ops(&a, &script_ops, &config, error, sizeof(error)), -ENODEV);
    assert_string_equal(error, "not today");
    assert_int_equal(script.opened, script.closed);
    audio_close(NULL);
}

static void what_was_never_started_closes(void **state)
{
    (void)state;
    struct audio *a = open_audio("tone", NULL);
    struct audio_info info;
    audio_info(a, &info);
    assert_string_equal(info.name, "Test tone");
    audio_close(a);
}

static void the_tone_is_one_of_440_hz(void **state)
{
    (void)state;
    int64_t before_us = audio_now_us();
    struct audio *a = open_audio("tone", NULL);
    assert_int_equal(audio_start(a), 0);
    int crossings = 0, last = 0;
    int64_t place = -1;
    for (int n = 0; n < 50; n++) {
        struct audio_block block;
        assert_true(audio_take(a, &block));
        assert_true(place < 0 || block.place == place + AUDIO_BLOCK_SAMPLES);
        place = block.place;
        assert_true(audio_place_us(place) >= before_us - 1000);
        assert_true(audio_place_us(place + AUDIO_BLOCK_SAMPLES) <= audio_now_us() + 1000);
        for (int i = 0; i < AUDIO_BLOCK_SAMPLES; i++) {
            assert_int_equal(block.pcm[2 * i], block.pcm[2 * i + 1]);
            crossings += last < 0 && block.pcm[2 * i] >= 0;
            last = block.pcm[2 * i];
        }
    }
    assert_in_range(crossings, 219, 221); /* in half a second */
    audio_close(a);
}

static void beeps_begin_at_whole_seconds(void **state)
{
    (void)state;
    struct audio *a = open_audio("tone", "beep");
    assert_int_equal(audio_start(a), 0);
    int64_t first_loud = -1, last_loud = -1;
    for (int n = 0; n < 120; n++) {
        struct audio_block block;
        assert_true(audio_take(a, &block));
        for (int i = 0; i < AUDIO_BLOCK_SAMPLES; i++) {
            if (abs(block.pcm[2 * i]) < 500)
                continue;
            int64_t in_second = (block.place + i) % AUDIO_RATE_HZ;
            assert_in_range(in_second, 0, AUDIO_RATE_HZ / 50);
            if (first_loud < 0 || in_second < first_loud)
                first_loud = in_second;
            if (in_second > last_loud)
                last_loud = in_second;
        }
    }
    assert_in_range(first_loud, 0, 4);
    assert_in_range(last_loud, AUDIO_RATE_HZ / 50 - 10, AUDIO_RATE_HZ / 50);
    audio_close(a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_late_consumer_loses_the_oldest), TEST(what_came_before_the_end_is_handed_out),
        TEST(an_end_without_words_gets_some),   TEST(stop_wakes_who_waits),
        TEST(what_cannot_be_had_is_said),       TEST(what_was_never_started_closes),
        TEST(the_tone_is_one_of_440_hz),        TEST(beeps_begin_at_whole_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
