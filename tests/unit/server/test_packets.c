/* From each encoder into packets and back: byte for byte, also with its upper layers left out. */
#include "rtp/payload/payload.h"
#include "rtp/wire/dependency_descriptor.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/rig.h"

#define FRAMES 24
#define ROOM (1 << 20)

static enum payload_codec payload_of(enum codec codec)
{
    return payload_find(codec_name(codec));
}

/* What goes on the wire of a unit: AV1's temporal delimiter in front does not. */
static size_t skipped(const struct encoded *au, enum codec codec)
{
    return codec == CODEC_AV1 && au->data[0] == 0x12 && au->data[1] == 0 ? 2 : 0;
}

/* Through packets of at most `max_payload` and back into `back`; its size. */
static size_t through(enum payload_codec codec, const struct encoded *au, size_t max_payload,
                      uint8_t *back)
{
    static uint8_t data[ROOM];
    static struct packetize_packet packets[ROOM / PAYLOAD_MIN_SIZE];
    struct packetize p = {
        .data = data, .capacity = ROOM, .packets = packets, .max_packets = ROOM / PAYLOAD_MIN_SIZE};
    assert_int_equal(payload_packetize(codec, &p, au->data, au->size, max_payload), 0);
    assert_int_equal(payload_is_keyframe(codec, au->data, au->size), au->keyframe);
    struct payload_assembler a;
    payload_assemble_begin(&a, codec, back, ROOM);
    for (unsigned i = 0; i < p.n_packets; i++) {
        struct payload_info info;
        const uint8_t *payload = data + packets[i].offset;
        assert_true(payload_inspect(codec, &info, payload, packets[i].size));
        if (i == 0)
            assert_int_equal(info.starts_keyframe, au->keyframe);
        /* H.264 cuts one NAL unit at a time. */
        if (codec != PAYLOAD_H264 && i + 1 < p.n_packets)
            assert_int_equal(packets[i].size, packets[0].size);
        payload_assemble(&a, payload, packets[i].size);
    }
    return payload_assemble_end(&a);
}

static void check_comes_back(const struct encoder_ops *ops)
{
    static const size_t maxima[] = {PACKETIZE_MAX_PAYLOAD, 500, PAYLOAD_MIN_SIZE};
    static uint8_t back[ROOM];
    struct rig r = rig_new(ops, config_of(320, 240, 30, 1000000), SCENE_TEXT);
    for (int n = 0; n < FRAMES; n++) {
        struct encoded au = rig_encode(&r, n == 10);
        size_t skip = skipped(&au, ops->codec);
        for (size_t m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
            size_t size = through(payload_of(ops->codec), &au, maxima[m], back);
            assert_true(size > 0);
            if (ops->codec == CODEC_H264) /* sorted, and with start codes of four bytes */
                continue;
            assert_int_equal(size, au.size - skip);
            assert_memory_equal(back, au.data + skip, size);
        }
    }
    rig_free(&r);
}

static void test_every_encoder_comes_back(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_comes_back);
}

/* A viewer of layers up to `most` gets only frames that the descriptors let it decode. */
static void watch_layers(const struct encoder_ops *ops, unsigned layers, unsigned most)
{
    static uint8_t back[ROOM];
    struct encoder_config config = config_of(320, 240, 30, 1000000);
    config.temporal_layers = (int)layers;
    struct rig r = rig_new(ops, config, SCENE_TEXT);
    struct decoder *decoder = decoder_new(ops->codec);
    struct dependency_tracker tracker;
    dependency_tracker_init(&tracker, layers);
    bool sent[FRAMES] = {false};
    for (int n = 0; n < FRAMES; n++) {
        struct encoded au = rig_encode(&r, n == 10);
        struct dependency_frame f;
        assert_true(dependency_next(&tracker, &f, (uint16_t)n, au.temporal_id, au.keyframe));
        sent[n] = f.dti[most] != DEPENDENCY_ABSENT;
        assert_int_equal(sent[n], au.temporal_id <= most);
        if (!sent[n])
            continue;
        for (unsigned i = 0; i < f.n_references; i++)
            assert_true(sent[n - f.references[i]]);
        size_t size = through(payload_of(ops->codec), &au, PACKETIZE_MAX_PAYLOAD, back);
        struct picture decoded;
        assert_true(decoder_decode(decoder, back, size, &decoded));
    }
    decoder_free(decoder);
    rig_free(&r);
}

static void check_layers(const struct encoder_ops *ops)
{
    struct decoder *any = decoder_new(ops->codec);
    bool decodes = any && !rig_is_fake(ops); /* nothing decodes what the fake one makes */
    decoder_free(any);
    if (!decodes)
        return;
    for (unsigned layers = 1; layers <= 3; layers++) {
        for (unsigned most = 0; most < layers; most++)
            watch_layers(ops, layers, most);
    }
}

static void test_upper_layers_can_be_left_out(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_layers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_encoder_comes_back),
        cmocka_unit_test(test_upper_layers_can_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
