#include "capture/audio_blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNK = 441 }; /* no divisor of a block */

/* A device: sample i was taken at start_us + i / rate, and it says so with some jitter. */
struct device {
    double start_us, rate_hz;
    int64_t jitter_us;
    size_t taken;
    uint32_t random;
};

static int64_t says(struct device *d)
{
    int64_t us = (int64_t)(d->start_us + (double)d->taken * 1e6 / d->rate_hz);
    if (!d->jitter_us)
        return us;
    d->random = d->random * 1664525 + 1013904223;
    return us + (int64_t)(d->random >> 8) % (2 * d->jitter_us + 1) - d->jitter_us;
}

/* Both channels of sample i: its number, so that a reader knows which one it got. */
static void record(struct device *d, int16_t *pcm, size_t samples)
{
    for (size_t i = 0; i < samples; i++, d->taken++) {
        pcm[2 * i] = (int16_t)(d->taken % 20000);
        pcm[2 * i + 1] = (int16_t)-pcm[2 * i];
    }
}

struct outcome {
    int64_t n, first, last; /* blocks, and places */
    int64_t worst_us;       /* how far a block stood from when its first sample was taken */
    bool has_gap;
};

/* Runs the device for so many chunks; what came out until then is judged from `judge` on. */
static struct outcome run(struct audio_blocks *b, struct device *d, int chunks, int judge)
{
    struct outcome o = {.last = -1};
    for (int k = 0; k < chunks; k++) {
        int16_t pcm[2 * CHUNK];
        audio_blocks_measure(b, says(d));
        record(d, pcm, CHUNK);
        struct audio_block block;
        for (size_t at = 0, n; at < CHUNK; at += n) {
            n = audio_blocks_feed(b, pcm + 2 * at, CHUNK - at, &block);
            assert_true(n > 0 || block.place >= 0);
            if (block.place < 0)
                continue;
            if (o.n++ == 0)
                o.first = block.place;
            else
                assert_true(block.place >= o.last + AUDIO_BLOCK_SAMPLES);
            o.has_gap |= o.n > 1 && block.place != o.last + AUDIO_BLOCK_SAMPLES;
            o.last = block.place;
            size_t number = d->taken - d->taken % 20000 + (size_t)block.pcm[0];
            if (number > d->taken)
                number -= 20000;
            int64_t off = audio_place_us(block.place) -
                          (int64_t)(d->start_us + (double)number * 1e6 / d->rate_hz);
            if (k >= judge && llabs(off) > o.worst_us)
                o.worst_us = llabs(off);
            assert_int_equal(block.pcm[1], -block.pcm[0]);
        }
    }
    return o;
}

static void samples_pass_unchanged_and_without_gap(void **state)
{
    (void)state;
    struct audio_blocks b;
    audio_blocks_init(&b);
    struct device d = {.start_us = 5e9, .rate_hz = AUDIO_RATE_HZ};
    int64_t next = -1;
    size_t number = 0;
    for (int k = 0; k < 1000; k++) {
        int16_t pcm[2 * CHUNK];
        audio_blocks_measure(&b, says(&d));
        record(&d, pcm, CHUNK);
        struct audio_block block;
        for (size_t at = 0; at < CHUNK;) {
            at += audio_blocks_feed(&b, pcm + 2 * at, CHUNK - at, &block);
            if (block.place < 0)
                continue;
            assert_int_equal(block.place, next < 0 ? audio_place(5000000000) : next);
            next = block.place + AUDIO_BLOCK_SAMPLES;
            for (int i = 0; i < AUDIO_BLOCK_SAMPLES; i++, number++)
                assert_int_equal(block.pcm[2 * i], number % 20000);
        }
    }
    assert_int_equal(b.reanchored, 0);
    assert_int_equal(b.stretched, 0);
}

static void a_device_whose_clock_is_off_is_followed_without_a_jump(void **state)
{
    static const double rates[] = {47952, 47990, 48010, 48048}; /* 1000 and 200 ppm */
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct audio_blocks b;
        audio_blocks_init(&b);
        struct device d = {.start_us = 7e9, .rate_hz = rates[i], .jitter_us = 3000};
        struct outcome o = run(&b, &d, 60000, 0); /* 9 minutes */
        assert_false(o.has_gap);
        assert_int_equal(b.reanchored, 0);
        assert_true(b.stretched > 1000);
        assert_true(o.worst_us < 6000); /* of which 3000 may come from the first thing it said */
    }
}

static void jitter_alone_changes_little(void **state)
{
    (void)state;
    struct audio_blocks b;
    audio_blocks_init(&b);
    struct device d = {.start_us = 7e9, .rate_hz = AUDIO_RATE_HZ, .jitter_us = 15000};
    struct outcome o = run(&b, &d, 60000, 2000);
    assert_int_equal(b.reanchored, 0);
    assert_false(o.has_gap);
    assert_true(o.worst_us < 6000);
}

static void a_wrong_start_is_corrected(void **state)
{
    static const int64_t wrong_us[] = {-15000, 15000};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct audio_blocks b;
        audio_blocks_init(&b);
        struct device d = {.start_us = 7e9, .rate_hz = AUDIO_RATE_HZ};
        audio_blocks_measure(&b, (int64_t)d.start_us + wrong_us[i]);
        struct outcome o = run(&b, &d, 2000, 1500);
        assert_int_equal(b.reanchored, 0);
        assert_true(o.worst_us < 2000);
    }
}

static void a_hole_moves_the_time_line_forward(void **state)
{
    static const double holes_us[] = {30e3, 250e3, 3600e6};
    (void)state;
    for (size_t i = 0; i < sizeof(holes_us) / sizeof(holes_us[0]); i++) {
        struct audio_blocks b;
        audio_blocks_init(&b);
        struct device d = {.start_us = 7e9, .rate_hz = AUDIO_RATE_HZ};
        struct outcome before = run(&b, &d, 100, 0);
        d.start_us += holes_us[i];
        struct outcome o = run(&b, &d, 2000, 1500);
        assert_int_equal(b.reanchored, 1);
        assert_true(o.worst_us < 2000);
        assert_in_range(audio_place_us(o.last - before.last), (int64_t)(18.3e6 + holes_us[i]),
                        (int64_t)(18.5e6 + holes_us[i]));
    }
}

/* run() checks that no place goes back. */
static void what_is_too_much_is_left_out(void **state)
{
    static const double back_us[] = {30e3, 250e3, 2e6};
    (void)state;
    for (size_t i = 0; i < sizeof(back_us) / sizeof(back_us[0]); i++) {
        struct audio_blocks b;
        audio_blocks_init(&b);
        struct device d = {.start_us = 7e9, .rate_hz = AUDIO_RATE_HZ};
        struct outcome before = run(&b, &d, 100, 0);
        d.start_us -= back_us[i];
        struct outcome o = run(&b, &d, 2000, 1500);
        assert_int_equal(b.reanchored, 1);
        assert_true(o.worst_us < 2000);
        assert_true(o.first >= before.last + AUDIO_BLOCK_SAMPLES);
    }
}

static void one_absurd_word_of_the_device_heals(void **state)
{
    static const int64_t words[] = {0, INT64_C(7000000000) + 3600000000};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct audio_blocks b;
        audio_blocks_init(&b);
        struct device d = {.start_us = 7e9, .rate_hz = AUDIO_RATE_HZ};
        run(&b, &d, 100, 0);
        audio_blocks_measure(&b, words[i]);
        if (words[i] == 0) {
            struct outcome o = run(&b, &d, 2000, 1500);
            assert_true(o.worst_us < 2000 && o.n > 1500);
            assert_int_equal(b.reanchored, 2);
        } else { /* places cannot go back: an hour is left out, but nothing breaks */
            struct audio_block block;
            audio_blocks_measure(&b, says(&d));
            assert_int_equal(audio_blocks_feed(&b, NULL, 48000, &block), 48000);
            assert_int_equal(block.place, -1);
        }
    }
}

static void silence_needs_no_samples(void **state)
{
    (void)state;
    struct audio_blocks b;
    audio_blocks_init(&b);
    audio_blocks_measure(&b, 1000000);
    struct audio_block block;
    memset(&block, 0x55, sizeof(block));
    assert_int_equal(audio_blocks_feed(&b, NULL, 100, &block), 100);
    assert_int_equal(block.place, -1);
    assert_int_equal(audio_blocks_feed(&b, NULL, 1000, &block), 380);
    assert_int_equal(block.place, 48000);
    for (int i = 0; i < 2 * AUDIO_BLOCK_SAMPLES; i++)
        assert_int_equal(block.pcm[i], 0);
}

static void stretched_blocks_keep_the_form_of_the_sound(void **state)
{
    (void)state;
    struct audio_blocks b;
    for (int way = -1; way <= 1; way += 2) {
        audio_blocks_init(&b);
        audio_blocks_measure(&b, 1000000);
        for (int i = 0; i < 200; i++)
            audio_blocks_measure(&b, 1000000 + way * 10000);
        int16_t ramp[2 * 500];
        for (int i = 0; i < 500; i++)
            ramp[2 * i] = ramp[2 * i + 1] = (int16_t)(i * 60 - 15000);
        struct audio_block block;
        size_t used = audio_blocks_feed(&b, ramp, 500, &block);
        assert_int_equal(used, AUDIO_BLOCK_SAMPLES - way);
        assert_int_equal(b.stretched, 1);
        assert_int_equal(block.pcm[0], -15000);
        assert_int_equal(block.pcm[2 * 479], ramp[2 * (used - 1)]);
        for (int i = 1; i < AUDIO_BLOCK_SAMPLES; i++)
            assert_in_range(block.pcm[2 * i] - block.pcm[2 * i - 2], 59, 61);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_pass_unchanged_and_without_gap),
        cmocka_unit_test(a_device_whose_clock_is_off_is_followed_without_a_jump),
        cmocka_unit_test(jitter_alone_changes_little),
        cmocka_unit_test(a_wrong_start_is_corrected),
        cmocka_unit_test(a_hole_moves_the_time_line_forward),
        cmocka_unit_test(what_is_too_much_is_left_out),
        cmocka_unit_test(one_absurd_word_of_the_device_heals),
        cmocka_unit_test(silence_needs_no_samples),
        cmocka_unit_test(stretched_blocks_keep_the_form_of_the_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
