/* The sound of a stream, from a script of blocks to a forwarder that keeps what it is given. */
#include "server/source_audio.h"

#include "rtp/payload/payload.h"
#include "tests/unit/server/fake_forwarder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <opus/opus.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct forwarder forwarder;
static atomic_uint changes;

/* --- takes the place of audio.c: so many blocks, then an end or a stop --- */

#define BLOCKS_MAX 1000
#define LAG 312 /* samples by which Opus comes out late */

struct audio {
    int64_t place[BLOCKS_MAX];
    bool is_loud[BLOCKS_MAX];
    int n, next;
    const char *reason;
    bool may_return;
    int open_error;
    void (*before)(int block); /* called by the taker, ahead of each */

    /* below: under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped;
};

static struct audio script;

int audio_open(struct audio **out, const struct audio_config *config, char *error,
               size_t error_size)
{
    assert_string_equal(config->kind, "script");
    if (script.open_error) {
        snprintf(error, error_size, "not there");
        return script.open_error;
    }
    *out = &script;
    return 0;
}

int audio_start(struct audio *a)
{
    (void)a;
    return 0;
}

void audio_info(const struct audio *a, struct audio_info *out)
{
    (void)a;
    *out = (struct audio_info){.name = "Script"};
}

bool audio_take(struct audio *a, struct audio_block *out)
{
    if (a->next < a->n) {
        if (a->before)
            a->before(a->next);
        out->place = a->place[a->next];
        for (int i = 0; i < AUDIO_BLOCK_SAMPLES; i++) {
            int64_t at = (out->place + i) % 100; /* a saw of 480 Hz */
            out->pcm[2 * i] = out->pcm[2 * i + 1] =
                (int16_t)(a->is_loud[a->next] ? at * 160 - 8000 : 0);
        }
        a->next++;
        return true;
    }
    pthread_mutex_lock(&a->lock);
    while (!a->reason && !a->stopped)
        pthread_cond_wait(&a->changed, &a->lock);
    pthread_mutex_unlock(&a->lock);
    return false;
}

void audio_stats(struct audio *a, struct audio_stats *out)
{
    *out = (struct audio_stats){.captured = (uint64_t)a->n};
}

const char *audio_end_reason(const struct audio *a)
{
    return a->reason;
}

bool audio_may_return(const struct audio *a)
{
    return a->may_return;
}

void audio_stop(struct audio *a)
{
    pthread_mutex_lock(&a->lock);
    a->stopped = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void audio_close(struct audio *a)
{
    (void)a;
}

int64_t audio_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* `n` more blocks that follow each other from `place` on; where the next would be. */
static int64_t say(int n, int64_t place, bool is_loud)
{
    for (int i = 0; i < n; i++, place += AUDIO_BLOCK_SAMPLES) {
        assert_true(script.n < BLOCKS_MAX);
        script.place[script.n] = place;
        script.is_loud[script.n++] = is_loud;
    }
    return place;
}

/* --- the source --- */

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
    forwarder.is_watched = true;
    memset(&script, 0, sizeof(script));
    pthread_mutex_init(&script.lock, NULL);
    pthread_cond_init(&script.changed, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_false(forwarder.has_source);
    fake_finish(&forwarder);
    pthread_cond_destroy(&script.changed);
    pthread_mutex_destroy(&script.lock);
    return 0;
}

static struct source_audio *open_source(int frame_ms, bool dtx)
{
    const struct source_audio_config config = {
        .kind = "script",
        .coding = {.frame_ms = frame_ms, .bitrate_bps = 96000, .dtx = dtx},
        .forwarder = &forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = on_change,
    };
    struct source_audio *s = NULL;
    char error[128] = "";
    if (source_audio_open(&s, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return s;
}

/* Ends the script and lets the source work it off. */
static struct source_audio_stats play(struct source_audio *s)
{
    static struct histogram encode_us;
    struct source_audio_stats stats;
    struct source_audio_info info;
    script.reason = "that was all";
    assert_int_equal(source_audio_start(s), 0);
    const struct timespec pause = {.tv_nsec = 1000000};
    do {
        nanosleep(&pause, NULL);
        source_audio_info(s, &info);
    } while (!info.end_reason[0]);
    source_audio_stats(s, &stats);
    encode_us = *stats.encode_us;
    stats.encode_us = &encode_us;
    assert_int_equal(stats.capture.captured, script.n);
    return stats;
}

static const struct frame *frame(unsigned i)
{
    assert_true(i < forwarder.n_frames);
    return forwarder.frames[i];
}

static void frames_follow_the_samples(void **state)
{
    static const int lengths_ms[] = {20, 40, 60};
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        teardown(NULL);
        setup(NULL);
        const int64_t begin = INT64_C(48000) * 100000 + 7; /* RTP time wraps after a day */
        say(121, begin, true);
        struct source_audio *s = open_source(lengths_ms[k], false);
        struct source_audio_info info;
        source_audio_info(s, &info);
        assert_string_equal(info.name, "Script");
        assert_false(info.live);
        struct source_audio_stats stats = play(s);
        const unsigned n = 1200 / (unsigned)lengths_ms[k]; /* what does not fill a frame is left */
        assert_int_equal(forwarder.n_frames, n);
        assert_int_equal(stats.frames_encoded, n);
        assert_int_equal(stats.frames_silent + stats.frames_dropped + stats.gaps, 0);
        assert_int_equal(stats.encode_us->count, n);
        uint64_t bytes = 0;
        for (unsigned i = 0; i < n; i++) {
            const struct frame *f = frame(i);
            int64_t place = begin + (int64_t)i * lengths_ms[k] * 48 - LAG;
            assert_int_equal(f->id, i + 1);
            assert_int_equal(f->rtp_ts, (uint32_t)place);
            assert_int_equal(f->captured_us, place * 1000 / 48);
            assert_int_equal(f->codec, PAYLOAD_OPUS);
            assert_true(f->keyframe);
            assert_int_equal(f->payload.n_packets, 1);
            assert_int_equal(f->payload.packets[0].marker, i == 0);
            assert_int_equal(
                opus_packet_get_nb_samples(f->payload.data, f->payload.packets[0].size, 48000),
                lengths_ms[k] * 48);
            bytes += f->payload.packets[0].size;
        }
        assert_int_equal(stats.bytes, bytes);
        source_audio_close(s);
        assert_int_equal(atomic_load(&changes), 2); /* live, and ended */
    }
}

static void silence_is_a_step_of_the_time_and_not_of_the_ids(void **state)
{
    (void)state;
    int64_t place = say(100, 480000, true);
    place = say(300, place, false);
    say(20, place, true);
    struct source_audio *s = open_source(20, true);
    struct source_audio_stats stats = play(s);
    assert_int_equal(stats.frames_encoded + stats.frames_silent, 210);
    assert_true(stats.frames_silent > 80);
    assert_int_equal(stats.gaps, 0);
    unsigned steps = 0;
    for (unsigned i = 1; i < forwarder.n_frames; i++) {
        const struct frame *f = frame(i);
        assert_int_equal(f->id, i + 1);
        uint32_t step = f->rtp_ts - frame(i - 1)->rtp_ts;
        assert_int_equal(step % 960, 0);
        assert_int_equal(f->payload.packets[0].marker, step != 960);
        steps += step != 960;
    }
    assert_true(steps > 0);
    assert_int_equal(frame(forwarder.n_frames - 1)->rtp_ts, (uint32_t)(place + 9 * 960 - LAG));
    source_audio_close(s);
}

static void a_gap_begins_a_new_frame(void **state)
{
    (void)state;
    say(3, 480000, true);             /* a frame and half of one */
    say(4, 480000 + 48000, true);     /* after dropped blocks */
    say(2, 480000 + 2 * 48000, true); /* again, between two frames */
    struct source_audio *s = open_source(20, false);
    struct source_audio_stats stats = play(s);
    static const uint32_t want[] = {480000, 528000, 528960, 576000};
    assert_int_equal(forwarder.n_frames, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(frame(i)->rtp_ts, want[i] - LAG);
        assert_int_equal(frame(i)->payload.packets[0].marker, i != 2);
    }
    assert_int_equal(stats.gaps, 1); /* that which cost sound */
    source_audio_close(s);
}

/* --- while somebody listens --- */

static void come_and_go(int block)
{
    if (block == 101 || block == 301) /* in the middle of a frame */
        forwarder.source.watched(forwarder.source.arg, 0, true);
    if (block == 200 || block == 400)
        forwarder.source.watched(forwarder.source.arg, 0, false);
}

/* As a new encoder makes it: nothing of what was said before is in it. */
static void is_first_packet(const struct frame *f, int64_t place)
{
    const struct encode_opus_config coding = {.frame_ms = 20, .bitrate_bps = 96000};
    struct encode_opus *e;
    char error[128];
    int16_t pcm[2 * 960];
    uint8_t packet[ENCODE_OPUS_MAX_PACKET];
    for (int i = 0; i < 960; i++)
        pcm[2 * i] = pcm[2 * i + 1] = (int16_t)((place + i) % 100 * 160 - 8000);
    assert_int_equal(encode_opus_create(&e, &coding, error, sizeof(error)), 0);
    int size = encode_opus(e, pcm, packet);
    encode_opus_destroy(e);
    assert_int_equal(f->payload.packets[0].size, size);
    assert_memory_equal(f->payload.data, packet, (size_t)size);
}

static void nothing_is_encoded_for_nobody(void **state)
{
    (void)state;
    forwarder.is_watched = false;
    script.before = come_and_go;
    say(500, 480000, true);
    struct source_audio *s = open_source(20, false);
    struct source_audio_stats stats = play(s);
    assert_int_equal(forwarder.n_frames, 100);
    assert_int_equal(stats.frames_encoded, 100);
    assert_int_equal(stats.encode_us->count, 100);
    assert_int_equal(stats.frames_unheard, 150);
    static const int begin[] = {100, 300}; /* blocks: what was gathered when he came is his */
    for (unsigned i = 0; i < 2; i++) {
        int64_t place = 480000 + begin[i] * AUDIO_BLOCK_SAMPLES;
        const struct frame *f = frame(i * 50);
        assert_int_equal(f->rtp_ts, (uint32_t)(place - LAG));
        assert_int_equal(f->payload.packets[0].marker, true);
        is_first_packet(f, place);
    }
    source_audio_close(s);
    assert_int_equal(atomic_load(&changes), 2); /* it was live all the time */
}

static struct source_audio *tuned;

static void tune(int block)
{
    if (block == 200)
        source_audio_set_bitrate(tuned, 12000);
    if (block == 400)
        source_audio_set_bitrate(tuned, 1000000); /* as much as there is */
}

static size_t sum_of_sizes(unsigned from, unsigned to)
{
    size_t sum = 0;
    for (unsigned i = from; i < to; i++)
        sum += frame(i)->payload.packets[0].size;
    return sum;
}

static void rate_changes_while_it_runs(void **state)
{
    (void)state;
    say(600, 480000, true);
    struct source_audio_config config = {
        .kind = "script",
        .coding = {.frame_ms = 20, .bitrate_bps = 64000},
        .forwarder = &forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = on_change,
    };
    char error[128];
    assert_int_equal(source_audio_open(&tuned, &config, error, sizeof(error)), 0);
    script.before = tune;
    play(tuned);
    size_t first = sum_of_sizes(20, 100), low = sum_of_sizes(120, 200),
           high = sum_of_sizes(220, 300);
    assert_true(low * 2 < first);
    assert_true(high > first);
    source_audio_close(tuned);
}

static void who_ends_says_why_and_may_return(void **state)
{
    (void)state;
    script.may_return = true;
    say(2, 480000, true);
    struct source_audio *s = open_source(20, false);
    play(s);
    struct source_audio_info info;
    source_audio_info(s, &info);
    assert_false(info.live);
    assert_true(info.may_return);
    assert_string_equal(info.end_reason, "that was all");
    source_audio_close(s);
    assert_false(forwarder.has_source);
}

static void close_ends_a_source_that_runs(void **state)
{
    (void)state;
    say(50, 480000, true);
    struct source_audio *s = open_source(20, false);
    assert_int_equal(source_audio_start(s), 0);
    assert_true(fake_wait(&forwarder, 25));
    source_audio_close(s);
    assert_int_equal(atomic_load(&changes), 1);
}

static void what_cannot_be_had_is_said(void **state)
{
    (void)state;
    struct source_audio *s = NULL;
    char error[128] = "";
    struct source_audio_config config = {
        .kind = "script",
        .coding = {.frame_ms = 20, .bitrate_bps = 64000},
        .forwarder = &forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = on_change,
    };
    script.open_error = -ENODEV;
    assert_int_equal(source_audio_open(&s, &config, error, sizeof(error)), -ENODEV);
    assert_string_equal(error, "not there");
    config.coding.frame_ms = 30;
    assert_int_equal(source_audio_open(&s, &config, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "20, 40 or 60"));
    config.coding.frame_ms = 20;
    script.open_error = 0;
    assert_null(s);
    source_audio_close(NULL);

    s = open_source(20, false);
    assert_false(forwarder.has_source); /* any thread may open */
    forwarder.is_full = true;
    assert_int_equal(source_audio_start(s), -ENOMEM);
    assert_false(forwarder.has_source);
    source_audio_close(s); /* never started */
    assert_int_equal(atomic_load(&changes), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_follow_the_samples),     TEST(silence_is_a_step_of_the_time_and_not_of_the_ids),
        TEST(a_gap_begins_a_new_frame),      TEST(nothing_is_encoded_for_nobody),
        TEST(rate_changes_while_it_runs),    TEST(who_ends_says_why_and_may_return),
        TEST(close_ends_a_source_that_runs), TEST(what_cannot_be_had_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
