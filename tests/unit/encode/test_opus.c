/* What the encoder makes is given to the library's own decoder. */
#include "encode/encode_opus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <opus/opus.h>

enum { RATE = 48000, MAX_SAMPLES = RATE / 1000 * ENCODE_OPUS_MAX_MS };

static struct encode_opus *create(struct encode_opus_config config)
{
    struct encode_opus *e = NULL;
    char error[128] = "";
    if (encode_opus_create(&e, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return e;
}

static OpusDecoder *create_decoder(void)
{
    int r;
    OpusDecoder *d = opus_decoder_create(RATE, 2, &r);
    assert_non_null(d);
    return d;
}

static int triangle(size_t at, size_t period, int loud)
{
    int64_t place = (int64_t)(at % period) * 4 * loud / (int64_t)period;
    return (int)(place < 2 * loud ? place - loud : 3 * loud - place);
}

/* A voice with harmonics that rises and falls, different left and right, from sample `at` on. */
static void make_sound(int16_t *pcm, size_t samples, size_t at)
{
    for (size_t i = 0; i < samples; i++, at++) {
        size_t step = at / 9600 % 4; /* a new syllable each 200 ms */
        int loud = 5000 + triangle(at, 9600, 4000);
        pcm[2 * i] = (int16_t)(triangle(at, 240 + 30 * step, loud));
        pcm[2 * i + 1] = (int16_t)(triangle(at, 300 - 20 * step, loud) / 2);
    }
}

static double power(const int16_t *pcm, size_t samples)
{
    double sum = 0;
    for (size_t i = 0; i < 2 * samples; i++)
        sum += (double)pcm[i] * pcm[i];
    return sum / (double)(2 * samples);
}

static void every_length_of_frame_decodes(void **state)
{
    static const int lengths_ms[] = {20, 40, 60};
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct encode_opus *e =
            create((struct encode_opus_config){.frame_ms = lengths_ms[k], .bitrate_bps = 96000});
        OpusDecoder *d = create_decoder();
        size_t samples = encode_opus_samples(e);
        assert_int_equal(samples, lengths_ms[k] * 48);
        int16_t in[2 * MAX_SAMPLES], out[2 * MAX_SAMPLES];
        uint8_t packet[ENCODE_OPUS_MAX_PACKET];
        size_t bytes = 0, frames = 3000 / (size_t)lengths_ms[k];
        for (size_t i = 0; i < frames; i++) {
            make_sound(in, samples, i * samples);
            int size = encode_opus(e, in, packet);
            assert_in_range(size, 3, sizeof(packet));
            bytes += (size_t)size;
            assert_int_equal(opus_packet_get_nb_channels(packet), 2);
            assert_int_equal(opus_decode(d, packet, size, out, MAX_SAMPLES, 0), samples);
        }
        /* 6.5 ms of delay of the codec move the sound, not its power */
        double loudness = power(out, samples) / power(in, samples);
        assert_true(loudness > 0.5 && loudness < 2);
        assert_in_range(bytes * 8 / 3, 60000, 120000);
        opus_decoder_destroy(d);
        encode_opus_destroy(e);
    }
}

static size_t bytes_of_a_second(struct encode_opus *e, size_t *at)
{
    int16_t in[2 * MAX_SAMPLES];
    uint8_t packet[ENCODE_OPUS_MAX_PACKET];
    size_t samples = encode_opus_samples(e), bytes = 0;
    for (size_t n = 0; n < RATE; n += samples, *at += samples) {
        make_sound(in, samples, *at);
        int size = encode_opus(e, in, packet);
        assert_true(size >= 0);
        bytes += (size_t)size;
    }
    return bytes;
}

static void rate_changes_while_it_runs(void **state)
{
    (void)state;
    struct encode_opus *e =
        create((struct encode_opus_config){.frame_ms = 20, .bitrate_bps = 128000});
    size_t at = 0, high = bytes_of_a_second(e, &at);
    encode_opus_set_bitrate(e, 24000);
    size_t low = bytes_of_a_second(e, &at);
    assert_true(low * 3 < high);
    encode_opus_set_bitrate(e, 0);
    assert_true(bytes_of_a_second(e, &at) < low);
    encode_opus_set_bitrate(e, UINT32_MAX);
    assert_true(bytes_of_a_second(e, &at) > high);
    encode_opus_destroy(e);
}

static void silence_sends_next_to_nothing(void **state)
{
    (void)state;
    for (int dtx = 0; dtx < 2; dtx++) {
        struct encode_opus *e =
            create((struct encode_opus_config){.frame_ms = 20, .bitrate_bps = 64000, .dtx = dtx});
        int16_t in[2 * 960];
        uint8_t packet[ENCODE_OPUS_MAX_PACKET];
        size_t at = 0;
        bytes_of_a_second(e, &at);
        memset(in, 0, sizeof(in));
        int sent = 0, after_gap = 0;
        for (int i = 0; i < 150; i++) {
            int size = encode_opus(e, in, packet);
            assert_true(size >= 0);
            sent += size > 0;
        }
        make_sound(in, 960, at);
        after_gap = encode_opus(e, in, packet);
        assert_true(after_gap > 2);
        if (dtx)
            assert_in_range(sent, 2,
                            60); /* the tail, the first of silence, a refresh now and then */
        else
            assert_int_equal(sent, 150);
        encode_opus_destroy(e);
    }
}

/* A click at a known place comes out of the decoder just as much later. */
static void what_is_decoded_lags_by_the_lookahead(void **state)
{
    (void)state;
    enum { SAMPLES = 960, CLICK = 5 * SAMPLES + 300 };
    /* SILK, and CELT */
    for (uint32_t bps = 12000; bps <= 96000; bps += 84000) {
        struct encode_opus *e =
            create((struct encode_opus_config){.frame_ms = 20, .bitrate_bps = bps});
        OpusDecoder *d = create_decoder();
        size_t loudest = 0, at = 0;
        int peak = 0;
        for (size_t i = 0; i < 10; i++) {
            int16_t in[2 * SAMPLES] = {0}, out[2 * SAMPLES];
            uint8_t packet[ENCODE_OPUS_MAX_PACKET];
            for (size_t k = 0; k < SAMPLES; k++) {
                if (i * SAMPLES + k >= CLICK && i * SAMPLES + k < CLICK + 8)
                    in[2 * k] = in[2 * k + 1] = 20000;
            }
            int size = encode_opus(e, in, packet);
            assert_true(size > 0);
            /* RFC 6716 3.1: below 16 it has a SILK layer */
            assert_int_equal(packet[0] >> 3 < 16, bps < 64000);
            assert_int_equal(opus_decode(d, packet, size, out, SAMPLES, 0), SAMPLES);
            for (size_t k = 0; k < SAMPLES; k++, at++) {
                if (abs(out[2 * k]) > peak) {
                    peak = abs(out[2 * k]);
                    loudest = at;
                }
            }
        }
        size_t lag = encode_opus_lookahead(e);
        assert_in_range(lag, 100, 960);
        assert_in_range(loudest + 48, CLICK + lag, CLICK + lag + 96); /* to 1 ms */
        opus_decoder_destroy(d);
        encode_opus_destroy(e);
    }
}

static void wrong_settings_are_refused_in_words(void **state)
{
    static const struct {
        struct encode_opus_config config;
        const char *word;
    } rows[] = {
        {{.frame_ms = 0, .bitrate_bps = 64000}, "20, 40 or 60"},
        {{.frame_ms = 10, .bitrate_bps = 64000}, "20, 40 or 60"},
        {{.frame_ms = 80, .bitrate_bps = 64000}, "20, 40 or 60"},
        {{.frame_ms = 20, .bitrate_bps = 0}, "6000 to 160000"},
        {{.frame_ms = 20, .bitrate_bps = 160001}, "6000 to 160000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct encode_opus *e = NULL;
        char error[128] = "";
        assert_int_equal(encode_opus_create(&e, &rows[i].config, error, sizeof(error)), -EINVAL);
        assert_null(e);
        if (!strstr(error, rows[i].word))
            fail_msg("%s", error);
    }
    encode_opus_destroy(NULL);
}

/* White noise as loud as can be, at the highest rate, is the largest there is. */
static void packets_fit_what_they_are_promised(void **state)
{
    (void)state;
    struct encode_opus *e =
        create((struct encode_opus_config){.frame_ms = 60, .bitrate_bps = ENCODE_OPUS_MAX_BPS});
    uint32_t random = 1;
    for (int i = 0; i < 50; i++) {
        int16_t in[2 * MAX_SAMPLES];
        uint8_t packet[ENCODE_OPUS_MAX_PACKET + 16];
        memset(packet, 0xa5, sizeof(packet));
        for (int k = 0; k < 2 * MAX_SAMPLES; k++) {
            random = random * 1664525 + 1013904223;
            in[k] = (int16_t)(random >> 16);
        }
        assert_in_range(encode_opus(e, in, packet), 3, ENCODE_OPUS_MAX_PACKET);
        for (size_t k = ENCODE_OPUS_MAX_PACKET; k < sizeof(packet); k++)
            assert_int_equal(packet[k], 0xa5);
    }
    encode_opus_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_of_frame_decodes),
        cmocka_unit_test(rate_changes_while_it_runs),
        cmocka_unit_test(silence_sends_next_to_nothing),
        cmocka_unit_test(what_is_decoded_lags_by_the_lookahead),
        cmocka_unit_test(wrong_settings_are_refused_in_words),
        cmocka_unit_test(packets_fit_what_they_are_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
