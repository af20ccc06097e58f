/* test_cut.c - a unit that is cut while it is still coming: whatever there was of it at which time,
 * its packets make the same unit as those of the whole one.
 */
#include "rtp/payload/payload.h"
#include "tests/unit/payload/payload_fixture.h"

#include <errno.h>

#define UNIT_MAX 60000
#define MAX_PAYLOAD 1140

static const enum payload_codec codecs[] = {PAYLOAD_H264, PAYLOAD_VP8, PAYLOAD_VP9, PAYLOAD_AV1};
#define CODECS 4

static size_t put_nal(uint8_t *out, uint8_t header, size_t size, uint32_t *seed)
{
    memcpy(out, (uint8_t[]){0, 0, 0, 1, header}, 5);
    for (size_t i = 0; i < size; i++)
        out[5 + i] = (uint8_t)(fixture_random(seed) | 0x80);
    return size + 5;
}

/* Sets, SEI, slices of all sizes, fillers between them and behind. */
static size_t make_h264(uint8_t *out, size_t size, bool key, uint32_t *seed)
{
    size_t n = 0;
    n += put_nal(out, 0x09, 1, seed);
    if (key) {
        n += put_nal(out + n, 0x67, 12, seed);
        n += put_nal(out + n, 0x68, 4, seed);
    }
    n += put_nal(out + n, 0x06, fixture_random(seed) % 40 + 1, seed);
    while (n < size) {
        size_t slice = fixture_random(seed) % (fixture_random(seed) % 2 ? 300 : 9000);
        n += put_nal(out + n, key ? 0x65 : 0x41, slice, seed);
        if (fixture_random(seed) % 4 == 0)
            n += put_nal(out + n, 0x0c, fixture_random(seed) % 2000, seed);
    }
    return n;
}

static size_t put_obu(uint8_t *out, enum av1_obu_type type, uint8_t first, size_t size,
                      uint32_t *seed)
{
    size_t n = 0;
    int extension = (int)(fixture_random(seed) % 2);
    out[n++] = (uint8_t)(type << 3 | extension << 2 | 2);
    if (extension)
        out[n++] = 0x20;
    for (size_t left = size; n < 2 || left > 0 || out[n - 1] & 0x80; left >>= 7)
        out[n++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    for (size_t i = 0; i < size; i++)
        out[n + i] = (uint8_t)fixture_random(seed);
    out[n] = first;
    return n + size;
}

/* A sequence header, metadata, a frame header and tile groups of all sizes. */
static size_t make_av1(uint8_t *out, size_t size, bool key, uint32_t *seed)
{
    size_t n = key ? put_obu(out, AV1_SEQUENCE_HEADER, 0, 11, seed) : 0;
    if (fixture_random(seed) % 3 == 0)
        n += put_obu(out + n, AV1_METADATA, 1, 1 + fixture_random(seed) % 40, seed);
    n += put_obu(out + n, AV1_FRAME_HEADER, key ? 0x10 : 0x30, 1 + fixture_random(seed) % 20, seed);
    while (n < size)
        n += put_obu(out + n, AV1_TILE_GROUP, 0,
                     1 + fixture_random(seed) % (fixture_random(seed) % 2 ? 300 : 9000), seed);
    return n;
}

static size_t make_unit(enum payload_codec codec, uint8_t *out, size_t size, bool key,
                        uint32_t *seed)
{
    if (codec == PAYLOAD_H264)
        return make_h264(out, size, key, seed);
    if (codec == PAYLOAD_AV1)
        return make_av1(out, size, key, seed);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)fixture_random(seed);
    if (codec == PAYLOAD_VP8)
        memcpy(out, key ? "\x10\0\0\x9d\1\x2a\x80\2\x68\1" : "\x11", key ? 10 : 1);
    else
        memcpy(out, key ? "\x82\x49\x83\x42\x40\x27\xf0\x16\x70\xff" : "\x86", key ? 10 : 1);
    return size;
}

struct taker {
    struct payload_assembler assembler;
    uint8_t unit[UNIT_MAX + 20000];
    unsigned n_packets, n_markers, n_parts, n_first;
    bool key;
};

static void take(struct taker *t, enum payload_codec codec, const struct packetize *p, bool whole)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < p->n_packets; i++) {
        struct payload_info info;
        const uint8_t *payload = fixture_payload(p, i);
        assert_int_equal(p->packets[i].offset, at);
        at += p->packets[i].size;
        assert_in_range(p->packets[i].size, 1, MAX_PAYLOAD);
        assert_true(payload_inspect(codec, &info, payload, p->packets[i].size));
        if (codec == PAYLOAD_AV1) /* a receiver may take it for the end */
            assert_true(p->packets[i].marker || whole || payload[0] & 0x40);
        if (codec == PAYLOAD_AV1 && t->n_packets + i == 0)
            assert_int_equal(info.starts_keyframe, t->key);
        t->n_first += codec == PAYLOAD_AV1 ? t->n_packets + i == 0 || info.starts_keyframe
                                           : codec != PAYLOAD_H264 && info.starts_frame;
        if (!whole && (codec == PAYLOAD_VP8 || codec == PAYLOAD_VP9))
            assert_int_equal(p->packets[i].size, MAX_PAYLOAD);
        if (!whole && codec == PAYLOAD_AV1)
            assert_int_equal(p->packets[i].size, p->packets[0].size);
        if (codec == PAYLOAD_VP9)
            assert_int_equal(info.ends_frame, p->packets[i].marker);
        payload_assemble(&t->assembler, payload, p->packets[i].size);
        assert_false(payload_assemble_broken(&t->assembler));
        t->n_markers += p->packets[i].marker;
    }
    assert_int_equal(p->size, at);
    t->n_packets += p->n_packets;
    t->n_parts += p->n_packets > 0;
    if (whole)
        assert_true(p->n_packets > 0 && p->packets[p->n_packets - 1].marker);
}

/* What a receiver has of the unit when it is sent whole. */
static size_t assemble_whole(enum payload_codec codec, const uint8_t *unit, size_t size,
                             size_t max_payload, uint8_t *out)
{
    struct packetize p = fixture_room();
    struct payload_assembler a;
    assert_int_equal(payload_packetize(codec, &p, unit, size, max_payload), 0);
    payload_assemble_begin(&a, codec, out, UNIT_MAX + 20000);
    for (unsigned i = 0; i < p.n_packets; i++)
        payload_assemble(&a, fixture_payload(&p, i), p.packets[i].size);
    return payload_assemble_end(&a);
}

/* A publisher's packets one after the other, with a part cut here and there. */
static void cut_by_chance(struct taker *t, enum payload_codec codec, const uint8_t *unit,
                          size_t size, unsigned often, uint32_t *seed)
{
    static uint8_t arrived[UNIT_MAX + 20000], room[UNIT_MAX + 20000];
    static struct packetize_packet packets[2000];
    static struct packetize_packet theirs[4000];
    static uint8_t their_room[UNIT_MAX + 40000];
    struct packetize in = {
        .data = their_room, .capacity = sizeof(their_room), .packets = theirs, .max_packets = 4000};
    struct packetize out = {
        .data = room, .capacity = sizeof(room), .packets = packets, .max_packets = 2000};
    struct payload_assembler a;
    struct packetize_cut cut = {.at = 0};
    memset(t, 0, sizeof(*t));
    t->key = payload_is_keyframe(codec, unit, size);
    payload_assemble_begin(&t->assembler, codec, t->unit, sizeof(t->unit));
    payload_assemble_begin(&a, codec, arrived, sizeof(arrived));
    assert_int_equal(payload_packetize(codec, &in, unit, size, 100 + fixture_random(seed) % 1100),
                     0);
    for (unsigned i = 0; i < in.n_packets; i++) {
        payload_assemble(&a, fixture_payload(&in, i), in.packets[i].size);
        if (fixture_random(seed) % often != 0)
            continue;
        struct packetize_unit some = payload_assemble_part(&a);
        assert_int_equal(payload_cut(codec, &out, &cut, &some, MAX_PAYLOAD), 0);
        take(t, codec, &out, false);
    }
    struct packetize_unit all = payload_assemble_part(&a);
    all.whole = true;
    assert_int_equal(payload_assemble_end(&a), all.size);
    assert_int_equal(payload_cut(codec, &out, &cut, &all, MAX_PAYLOAD), 0);
    take(t, codec, &out, true);
}

static void parts_make_the_same_unit(void **state)
{
    (void)state;
    static uint8_t unit[UNIT_MAX + 20000], expected[UNIT_MAX + 20000];
    static struct taker t;
    uint32_t seed = 1;
    unsigned parts = 0;
    for (unsigned i = 0; i < 1200; i++) {
        enum payload_codec codec = codecs[i % CODECS];
        size_t limit = i % 2 ? 5000 : UNIT_MAX - 10000;
        size_t size = make_unit(codec, unit, 20 + fixture_random(&seed) % limit, i % 5 == 0, &seed);
        size_t expected_size = assemble_whole(codec, unit, size, MAX_PAYLOAD, expected);
        cut_by_chance(&t, codec, unit, size, 1 + i % 7, &seed);
        assert_int_equal(payload_assemble_end(&t.assembler), expected_size);
        assert_memory_equal(t.unit, expected, expected_size);
        assert_int_equal(t.n_markers, 1);
        assert_int_equal(t.n_first, codec != PAYLOAD_H264);
        parts += t.n_parts;
    }
    assert_true(parts > 2000);
}

/* Of H.264 and AV1 one NAL unit or OBU, and of the latter one that is still coming: without its
 * size. */
static void make_single(enum payload_codec codec, uint8_t *out, size_t size, uint32_t *seed)
{
    (void)make_unit(codec, out, size, false, seed);
    if (codec == PAYLOAD_H264)
        (void)put_nal(out, 0x41, size, seed);
    if (codec == PAYLOAD_AV1)
        out[0] = AV1_FRAME << 3;
}

/* Never the last byte before the end is known, and nothing that does not fill a packet. */
static void something_is_left_for_the_end(void **state)
{
    (void)state;
    static uint8_t unit[UNIT_MAX];
    uint32_t seed = 2;
    for (unsigned i = 0; i < CODECS; i++) {
        size_t full = codecs[i] == PAYLOAD_H264 ? MAX_PAYLOAD - 2 + 5 : MAX_PAYLOAD - 1;
        memset(unit, 0xff, sizeof(unit));
        make_single(codecs[i], unit, full, &seed);
        for (size_t size = full - 1; size <= full + 1; size++) {
            struct packetize p = fixture_room();
            struct packetize_cut cut = {.at = 0};
            struct packetize_unit some = {.data = unit, .size = size};
            assert_int_equal(payload_cut(codecs[i], &p, &cut, &some, MAX_PAYLOAD), 0);
            assert_int_equal(p.n_packets, size > full);
            assert_int_equal(cut.at, size > full ? full : 0);
            some.whole = true;
            assert_int_equal(payload_cut(codecs[i], &p, &cut, &some, MAX_PAYLOAD), 0);
            /* AV1's even packets have room for lengths of elements */
            assert_in_range(p.n_packets, 1, codecs[i] == PAYLOAD_AV1 ? 2 : 1);
            assert_true(p.packets[p.n_packets - 1].marker);
        }
    }
}

static void without_room_nothing_has_happened(void **state)
{
    (void)state;
    static uint8_t unit[UNIT_MAX];
    uint32_t seed = 3;
    for (unsigned i = 0; i < CODECS; i++) {
        make_single(codecs[i], unit, 10000, &seed);
        for (unsigned whole = 0; whole < 2; whole++) {
            struct packetize p = fixture_room();
            struct packetize_cut cut = {.at = 0};
            struct packetize_unit some = {.data = unit, .size = 8000, .whole = whole};
            p.capacity = 3000;
            assert_int_equal(payload_cut(codecs[i], &p, &cut, &some, MAX_PAYLOAD), -ENOSPC);
            assert_int_equal(p.n_packets + p.size, 0);
            assert_true(cut.at + cut.obu == 0 && !cut.in_nal);
            p = fixture_room();
            p.max_packets = 6;
            assert_int_equal(payload_cut(codecs[i], &p, &cut, &some, MAX_PAYLOAD), -ENOSPC);
            assert_true(cut.at + cut.obu == 0 && !cut.in_nal);
        }
    }
}

/* What no encoder makes, but anybody may send: start codes inside of a NAL unit, zeros at its end.
 * Whatever comes out, it is within bounds and ends. */
static void nonsense_does_no_harm(void **state)
{
    (void)state;
    static uint8_t unit[4000];
    uint32_t seed = 4;
    for (unsigned i = 0; i < 3000; i++) {
        size_t size = put_nal(unit, 0x41, 3000, &seed);
        for (unsigned k = 0; k < 40; k++) {
            size_t at = 5 + fixture_random(&seed) % (size - 10);
            memcpy(unit + at, "\0\0\0\1", fixture_random(&seed) % 4 + 1);
        }
        memset(unit + size - i % 20, 0, i % 20);
        struct packetize p = fixture_room();
        struct packetize_cut cut = {.at = 0};
        for (size_t to = 5; to < size; to += fixture_random(&seed) % 900) {
            struct packetize_unit some = {.data = unit, .size = to};
            assert_int_equal(payload_cut(PAYLOAD_H264, &p, &cut, &some, 400), 0);
            assert_true(cut.at <= to);
        }
        struct packetize_unit all = {.data = unit, .size = size, .whole = true};
        int rc = payload_cut(PAYLOAD_H264, &p, &cut, &all, 400);
        assert_true(rc == 0 || rc == -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_make_the_same_unit),
        cmocka_unit_test(something_is_left_for_the_end),
        cmocka_unit_test(without_room_nothing_has_happened),
        cmocka_unit_test(nonsense_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
