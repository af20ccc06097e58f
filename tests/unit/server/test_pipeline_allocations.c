/* test_pipeline_allocations.c - from capture to wire nothing is allocated while pictures flow.
 *
 * The whole of it: capture, conversion, smaller layers, encoder, publisher, forwarder, seal, UDP,
 * and a viewer on loopback, with every allocation counted on every thread but the viewer's. With
 * the encoder that is ours there is none at all; with a codec library there is none outside
 * encoder_submit and encoder_receive.
 */
#include "tests/unit/server/encoder_allocations.h"

#include "rtp/session/cipher.h"
#include "server/source.h"
#include "tests/bench/pipeline_viewer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int __wrap_encoder_submit(struct encoder *e, const struct picture *pic, bool keyframe)
{
    allocations_inside = true;
    int err = __real_encoder_submit(e, pic, keyframe);
    allocations_inside = false;
    return err;
}

int __wrap_encoder_receive(struct encoder *e, struct encoded *out)
{
    allocations_inside = true;
    int err = __real_encoder_receive(e, out);
    allocations_inside = false;
    return err;
}

/* Frames come from pools, which grow until there is one for each that viewers may still need: those
 * of the newest GOP and of the two seconds before. Their rate is high so that GOPs are short. Where
 * the machine has become faster since, there is one frame more once in a while: so it is counted
 * again, for what is allocated per frame is there every time. */
enum { WARM_KEYFRAMES = 3, FRAMES = 100, FPS = 120, TRIES = 5 };

static void ignore(void *arg)
{
    (void)arg;
}

/* Until so many frames and keyframes have been published in all; how many frames have. */
static uint64_t play(struct pipeline_viewer *v, struct source *s, uint64_t frames,
                     uint64_t keyframes)
{
    struct source_stats stats = {0};
    int64_t end_us = loopback_now_us() + 30000000;
    while (stats.frames_encoded < frames || stats.keyframes < keyframes) {
        assert_true(loopback_now_us() < end_us);
        pipeline_viewer_run(v, loopback_now_us() + 5000);
        source_stats(s, &stats);
    }
    return stats.frames_encoded;
}

/* The linker's: where the program lies. */
extern char __executable_start;

struct allocated {
    uint64_t ours, in_encoder, packets;
};

static struct allocated count_once(struct pipeline_viewer *v, struct source *s, uint64_t *frames)
{
    uint64_t packets = v->loop.rtp;
    allocations_begin();
    *frames = play(v, s, *frames + FRAMES, 0);
    allocations_end();
    return (struct allocated){allocations_ours, allocations_apart, v->loop.rtp - packets};
}

static struct allocated count_with(const char *encoder, enum codec codec)
{
    struct pipeline_viewer v;
    struct source *s;
    char error[256] = "";
    pipeline_viewer_new(&v);
    const struct source_config config = {
        .kind = "pattern",
        .arg = "640x480",
        .encoder = encoder,
        .codec = codec,
        .rate = {.bitrate_bps = 1500000, .fps = FPS},
        .n_layers = 1,
        .forwarder = v.f,
        .stream_id = v.stream_id,
        .on_change = ignore,
    };
    if (source_open(&s, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(source_start(s), 0);
    pipeline_viewer_connect(&v);
    uint64_t warm = play(&v, s, 0, WARM_KEYFRAMES);

    v.loop.check_us = INT64_MAX; /* libnice's HMAC of a check allocates */
    struct allocated n = {.ours = 1};
    for (int i = 0; i < TRIES && n.ours > 0; i++)
        n = count_once(&v, s, &warm);
    printf("%s %s: %llu of ours, %llu in the encoder, %llu packets\n", encoder, codec_name(codec),
           (unsigned long long)n.ours, (unsigned long long)n.in_encoder,
           (unsigned long long)n.packets);
    if (n.ours > 0)
        printf("the first at %#tx of this program\n",
               (char *)atomic_load(&allocations_first_caller) - &__executable_start);
    source_close(s);
    pipeline_viewer_free(&v);
    return n;
}

static void with_our_encoder_nothing_is_allocated(void **state)
{
    (void)state;
    struct allocated n = count_with("fake", CODEC_H264);
    assert_int_equal(n.ours, 0);
    assert_int_equal(n.in_encoder, 0);
    assert_true(n.packets >= FRAMES / 2);
}

static void with_libraries_nothing_of_ours(void **state)
{
    (void)state;
    for (size_t i = 0; encoder_backends()[i]; i++) {
        const struct encoder_ops *ops = encoder_backends()[i];
        struct allocated n = count_with(ops->name, ops->codec);
        assert_int_equal(n.ours, 0);
        assert_true(n.packets >= FRAMES / 2);
    }
}

/* That the counter counts, and tells the two apart: opening a source allocates, and so does the
 * first picture in a codec library. */
static void opening_allocates(void **state)
{
    (void)state;
    struct pipeline_viewer v;
    struct source *s;
    char error[256];
    pipeline_viewer_new(&v);
    const struct source_config config = {
        .kind = "pattern",
        .codec = CODEC_H264,
        .encoder = "fake",
        .rate = {.bitrate_bps = 1500000, .fps = 30},
        .forwarder = v.f,
        .stream_id = v.stream_id,
        .on_change = ignore,
    };
    allocations_exempt = false;
    allocations_begin();
    assert_int_equal(source_open(&s, &config, error, sizeof(error)), 0);
    allocations_inside = true;
    void *volatile at = malloc(100); /* volatile: or a compiler leaves both calls out */
    free(at);
    allocations_inside = false;
    allocations_end();
    allocations_exempt = true;
    assert_true(atomic_load(&allocations_ours) > 0);
    assert_true(atomic_load(&allocations_apart) > 0);
    source_close(s);
    pipeline_viewer_free(&v);
}

static int setup(void **state)
{
    (void)state;
    allocations_exempt = true;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_our_encoder_nothing_is_allocated),
        cmocka_unit_test(with_libraries_nothing_of_ours),
        cmocka_unit_test(opening_allocates),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
