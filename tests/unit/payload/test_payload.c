#include "rtp/payload/payload.h"

#include "rtp/payload/opus.h"
#include "tests/unit/payload/payload_fixture.h"

#include <errno.h>
#include <stdlib.h>

static void test_names(void **state)
{
    (void)state;
    for (int codec = PAYLOAD_H264; codec < PAYLOAD_CODECS; codec++)
        assert_int_equal(payload_find(payload_name((enum payload_codec)codec)), codec);
    assert_int_equal(PAYLOAD_H264, 1);
    assert_int_equal(payload_find("av1"), PAYLOAD_AV1);
    assert_int_equal(payload_find("OPUS"), PAYLOAD_OPUS);
    assert_int_equal(payload_find("H265"), 0);
    assert_int_equal(payload_find(""), 0);
    assert_int_equal(payload_clock_hz(PAYLOAD_OPUS), 48000);
    assert_int_equal(payload_clock_hz(PAYLOAD_VP9), 90000);
    assert_true(payload_is_video(PAYLOAD_AV1));
    assert_false(payload_is_video(PAYLOAD_OPUS));
}

/* A unit that the codec's packetizer takes and that comes back byte for byte. */
static size_t make_unit(enum payload_codec codec, uint8_t *out, size_t size, bool key,
                        uint32_t *seed)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(fixture_random(seed) | 0x80);
    switch (codec) {
    case PAYLOAD_H264:
        memcpy(out, key ? "\0\0\0\1\x65" : "\0\0\0\1\x41", 5);
        return size;
    case PAYLOAD_VP8:
        memcpy(out, key ? "\x10\0\0\x9d\1\x2a\x80\2\x68\1" : "\x11", key ? 10 : 1);
        return size;
    case PAYLOAD_VP9:
        /* 640x360 */
        memcpy(out, key ? "\x82\x49\x83\x42\x40\x27\xf0\x16\x70\xff" : "\x86", key ? 10 : 1);
        return size;
    case PAYLOAD_AV1: {
        static const uint8_t sequence[] = {0x0a, 6, 0, 0, 0, 0x24, 0xc4, 0xff};
        size_t at = key ? sizeof(sequence) : 0;
        memcpy(out, sequence, at);
        size_t left = size - at - 4;
        uint8_t frame[] = {0x32, (uint8_t)(0x80 | left), (uint8_t)(0x80 | left >> 7),
                           (uint8_t)(left >> 14)};
        size_t prefix = left < 128 ? 2 : left < 16384 ? 3 : 4;
        frame[prefix - 1] &= 0x7f;
        memcpy(out + at, frame, prefix);
        out[at + prefix] = key ? 0x10 : 0x30;
        return at + prefix + left;
    }
    case PAYLOAD_OPUS:
        out[0] = 0x78; /* one frame of CELT, 20 ms */
        return size;
    case PAYLOAD_CODECS:
        break;
    }
    return 0;
}

static void check_receiver(enum payload_codec codec, const struct packetize *p, const uint8_t *unit,
                           size_t size, bool key)
{
    static uint8_t back[70000];
    struct payload_assembler a;
    payload_assemble_begin(&a, codec, back, sizeof(back));
    assert_int_equal(payload_assemble_end(&a), 0);
    for (unsigned i = 0; i < p->n_packets; i++) {
        struct payload_info info;
        assert_true(payload_inspect(codec, &info, fixture_payload(p, i), p->packets[i].size));
        assert_int_equal(info.starts_keyframe, (key || codec == PAYLOAD_OPUS) && i == 0);
        assert_int_equal(info.starts_frame, i == 0);
        if (codec == PAYLOAD_VP9)
            assert_int_equal(info.ends_frame, i + 1 == p->n_packets);
        if (key && i == 0 && (codec == PAYLOAD_VP8 || codec == PAYLOAD_VP9)) {
            assert_int_equal(info.width, 640);
            assert_int_equal(info.height, 360);
        }
        payload_assemble(&a, fixture_payload(p, i), p->packets[i].size);
        assert_false(payload_assemble_broken(&a));
    }
    assert_int_equal(payload_assemble_end(&a), size);
    assert_memory_equal(back, unit, size);
}

static void test_every_codec_comes_back(void **state)
{
    (void)state;
    uint32_t seed = 20;
    static uint8_t unit[66000];
    for (unsigned round = 0; round < 5000; round++) {
        enum payload_codec codec = (enum payload_codec)(PAYLOAD_H264 + round % 5);
        bool key = fixture_random(&seed) % 3 == 0;
        size_t most = (size_t[]){100, 3000, 60000}[fixture_random(&seed) % 3];
        size_t size = 40 + fixture_random(&seed) % most;
        size_t max = PAYLOAD_MIN_SIZE + fixture_random(&seed) % 1200;
        if (codec == PAYLOAD_OPUS)
            size = 2 + size % (max - 1);
        size = make_unit(codec, unit, size, key, &seed);
        struct packetize p = fixture_room();
        assert_int_equal(payload_packetize(codec, &p, unit, size, max), 0);
        if (codec != PAYLOAD_OPUS) {
            assert_int_equal(payload_is_keyframe(codec, unit, size), key);
            fixture_assert_layout(&p, max);
            fixture_assert_equal_sizes(&p);
        }
        check_receiver(codec, &p, unit, size, key);
    }
}

static void test_a_missing_packet_is_seen(void **state)
{
    (void)state;
    uint32_t seed = 5;
    static uint8_t unit[5000], back[6000];
    for (int c = PAYLOAD_H264; c <= PAYLOAD_AV1; c++) {
        enum payload_codec codec = (enum payload_codec)c;
        size_t size = make_unit(codec, unit, sizeof(unit), true, &seed);
        struct packetize p = fixture_room();
        assert_int_equal(payload_packetize(codec, &p, unit, size, 1000), 0);
        struct payload_assembler a;
        payload_assemble_begin(&a, codec, back, sizeof(back));
        for (unsigned i = 1; i < p.n_packets; i++)
            payload_assemble(&a, fixture_payload(&p, i), p.packets[i].size);
        assert_true(payload_assemble_broken(&a));
        assert_int_equal(payload_assemble_end(&a), 0);
    }
}

static void test_random_payloads_do_no_harm(void **state)
{
    (void)state;
    uint32_t seed = 99;
    unsigned whole = 0, inspected = 0;
    for (unsigned round = 0; round < 40000; round++) {
        enum payload_codec codec = (enum payload_codec)(PAYLOAD_H264 + round % 5);
        uint8_t back[64];
        struct payload_assembler a;
        payload_assemble_begin(&a, codec, back, fixture_random(&seed) % sizeof(back));
        for (unsigned i = 0; i < 3; i++) {
            size_t size = fixture_random(&seed) % 24;
            uint8_t *exact = malloc(size + 1);
            for (size_t b = 0; b < size; b++)
                exact[1 + b] = (uint8_t)fixture_random(&seed);
            struct payload_info info;
            inspected += payload_inspect(codec, &info, exact + 1, size);
            payload_assemble(&a, exact + 1, size);
            free(exact);
        }
        whole += payload_assemble_end(&a) > 0;
    }
    assert_true(inspected > 1000);
    assert_true(whole > 10);
}

static void test_opus_packets(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[2];
        size_t size;
        uint32_t samples;
    } rows[] = {
        {{0x00}, 1, 480},     /* SILK 10 ms */
        {{0x18}, 1, 2880},    /* SILK 60 ms */
        {{0x19}, 1, 5760},    /* two of them */
        {{0x60}, 1, 480},     /* hybrid 10 ms */
        {{0x68}, 1, 960},     /* hybrid 20 ms */
        {{0x80}, 1, 120},     /* CELT 2.5 ms */
        {{0xfc}, 1, 960},     /* CELT 20 ms, stereo */
        {{0xfd}, 1, 1920},    /* two of them */
        {{0xfe}, 1, 1920},    /* two of different sizes */
        {{0xff, 6}, 2, 5760}, /* six of 20 ms */
        {{0xff, 7}, 2, 0},    /* more than 120 ms */
        {{0xff, 0}, 2, 0},    /* none */
        {{0xff}, 1, 0},       /* their number is missing */
        {{0}, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(opus_samples(rows[i].bytes, rows[i].size), rows[i].samples);

    uint8_t packet[200] = {0xfc};
    struct packetize p = fixture_room();
    assert_int_equal(opus_packetize(&p, packet, sizeof(packet), 200), 0);
    assert_int_equal(p.n_packets, 1);
    assert_false(p.packets[0].marker);
    fixture_assert_packet(&p, 0, packet, sizeof(packet));
    assert_int_equal(opus_packetize(&p, packet, sizeof(packet), 199), -ENOSPC);
    assert_int_equal(p.n_packets, 0);
    assert_int_equal(opus_packetize(&p, packet, 0, 199), -EBADMSG);
    p.max_packets = 0;
    assert_int_equal(opus_packetize(&p, packet, 1, 199), -ENOSPC);

    uint8_t back[200];
    struct payload_assembler a;
    payload_assemble_begin(&a, PAYLOAD_OPUS, back, sizeof(back));
    payload_assemble(&a, packet, 100);
    assert_int_equal(payload_assemble_end(&a), 100);
    payload_assemble(&a, packet, 100); /* one packet is all there is */
    assert_int_equal(payload_assemble_end(&a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_codec_comes_back),
        cmocka_unit_test(test_a_missing_packet_is_seen),
        cmocka_unit_test(test_random_payloads_do_no_harm),
        cmocka_unit_test(test_opus_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
