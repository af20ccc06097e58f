#include "rtp/payload/av1.h"
#include "rtp/wire/bits.h"

#include "tests/unit/payload/payload_fixture.h"

#include <errno.h>
#include <stdlib.h>

#define UNIT_MAX 200000

struct unit {
    uint8_t bytes[UNIT_MAX];
    size_t size;
};

/* Appends an OBU with its size field (AV1 5.3); `extension` below 0: none. */
static void put_obu(struct unit *u, enum av1_obu_type type, int extension, const uint8_t *payload,
                    size_t size)
{
    u->bytes[u->size++] = (uint8_t)(type << 3 | 2 | (extension >= 0 ? 4 : 0));
    if (extension >= 0)
        u->bytes[u->size++] = (uint8_t)extension;
    size_t n = size;
    do {
        u->bytes[u->size++] = (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
    } while (n >>= 7);
    assert_true(size <= UNIT_MAX - u->size);
    for (size_t i = 0; i < size; i++)
        u->bytes[u->size++] = payload ? payload[i] : (uint8_t)(i * 31 + size);
}

static int assemble(const struct packetize *p, struct unit *back)
{
    struct av1_assembler a;
    av1_assemble_begin(&a, back->bytes, UNIT_MAX);
    for (unsigned i = 0; i < p->n_packets; i++)
        av1_assemble(&a, fixture_payload(p, i), p->packets[i].size);
    back->size = a.unit.size;
    return av1_assemble_end(&a);
}

static void assert_round_trip(const struct packetize *p, const struct unit *u)
{
    static struct unit back;
    assert_true(assemble(p, &back));
    assert_int_equal(back.size, u->size);
    assert_memory_equal(back.bytes, u->bytes, u->size);
}

static const uint8_t key_header[] = {0x10, 1, 2, 3}, delta_header[] = {0x30, 1, 2, 3};
static const uint8_t sequence[] = {0, 0, 0, 0x24, 0xc4, 0xff};

static void test_splits_obus(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x12, 0, 0x0a, 1, 9, 0x36, 0x28, 2, 7, 8, 0x30, 5, 6};
    static const struct {
        enum av1_obu_type type;
        size_t at, size;
        uint8_t header_size;
    } rows[] = {{AV1_TEMPORAL_DELIMITER, 2, 0, 1},
                {AV1_SEQUENCE_HEADER, 4, 1, 1},
                {AV1_FRAME, 8, 2, 2},
                {AV1_FRAME, 11, 2, 1}}; /* the last one without a size field */
    const uint8_t *p = bytes;
    size_t size = sizeof(bytes);
    struct av1_obu obu;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(av1_next_obu(&obu, &p, &size), 1);
        assert_int_equal(obu.type, rows[i].type);
        assert_ptr_equal(obu.payload, bytes + rows[i].at);
        assert_int_equal(obu.payload_size, rows[i].size);
        assert_int_equal(obu.header_size, rows[i].header_size);
        assert_int_equal(obu.header[0] & 2, 0);
    }
    assert_int_equal(av1_next_obu(&obu, &p, &size), 0);
}

static void test_refuses_malformed_obus(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } rows[] = {
        {{0x92, 0}, 2},                                                  /* forbidden bit */
        {{0x36}, 1},                                                     /* no extension */
        {{0x32}, 1},                                                     /* no size */
        {{0x32, 0x80}, 2},                                               /* half a size */
        {{0x32, 1}, 2},                                                  /* less than its size */
        {{0x32, 2, 1}, 3},                                               /* less than its size */
        {{0x32, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, 10}, /* nine bytes */
        {{0x32, 0xff, 0xff, 0xff, 0xff, 0x7f}, 6},                       /* 35 bits */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t *exact = malloc(rows[i].size);
        memcpy(exact, rows[i].bytes, rows[i].size);
        const uint8_t *p = exact;
        size_t size = rows[i].size;
        struct av1_obu obu;
        struct packetize out = fixture_room();
        assert_int_equal(av1_next_obu(&obu, &p, &size), -EBADMSG);
        assert_int_equal(av1_packetize(&out, exact, rows[i].size, 100), -EBADMSG);
        assert_int_equal(out.n_packets, 0);
        assert_false(av1_is_keyframe(exact, rows[i].size));
        free(exact);
    }
}

static void test_finds_keyframes(void **state)
{
    (void)state;
    static const uint8_t existing_header[] = {0x80}, intra_header[] = {0x50}, still[] = {0x18, 0};
    static const struct {
        const uint8_t *sequence, *frame;
        enum av1_obu_type type;
        bool key;
    } rows[] = {
        {sequence, key_header, AV1_FRAME, true},
        {sequence, key_header, AV1_FRAME_HEADER, true},
        {NULL, key_header, AV1_FRAME, false}, /* nobody can begin without a sequence header */
        {sequence, delta_header, AV1_FRAME, false},
        {sequence, intra_header, AV1_FRAME, false},
        {sequence, existing_header, AV1_FRAME_HEADER, false},
        {still, delta_header, AV1_FRAME, true}, /* its header has no frame type */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct unit u;
        u.size = 0;
        put_obu(&u, AV1_TEMPORAL_DELIMITER, -1, NULL, 0);
        if (rows[i].sequence)
            put_obu(&u, AV1_SEQUENCE_HEADER, -1, rows[i].sequence, 2);
        put_obu(&u, rows[i].type, -1, rows[i].frame, 1);
        assert_int_equal(av1_is_keyframe(u.bytes, u.size), rows[i].key);
    }
    assert_false(av1_is_keyframe(NULL, 0));
}

static void test_packets_by_the_byte(void **state)
{
    (void)state;
    static struct unit u;
    static const uint8_t whole[] = {0x28, 7, 0x08, 0, 0, 0, 0x24, 0xc4, 0xff, 0x30, 0x10, 1, 2, 3};
    u.size = 0;
    put_obu(&u, AV1_TEMPORAL_DELIMITER, -1, NULL, 0);
    put_obu(&u, AV1_SEQUENCE_HEADER, -1, sequence, sizeof(sequence));
    put_obu(&u, AV1_FRAME, -1, key_header, sizeof(key_header));
    put_obu(&u, AV1_PADDING, -1, NULL, 20);
    struct packetize p = fixture_room();
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 100), 0);
    assert_int_equal(p.n_packets, 1);
    fixture_assert_packet(&p, 0, whole, sizeof(whole)); /* W=2, N; no size fields */

    static const uint8_t one[] = {0x10, 0x30, 0x30, 1, 2, 3};
    u.size = 0;
    put_obu(&u, AV1_FRAME, -1, delta_header, sizeof(delta_header));
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 100), 0);
    fixture_assert_packet(&p, 0, one, sizeof(one));

    /* Four elements do not fit W, so that each has its length. */
    static const uint8_t four[] = {0, 2, 0x28, 1, 2, 0x28, 2, 2, 0x28, 3, 3, 0x34, 0x20, 4};
    u.size = 0;
    for (uint8_t i = 1; i <= 3; i++)
        put_obu(&u, AV1_METADATA, -1, &i, 1);
    put_obu(&u, AV1_FRAME, 0x20, (const uint8_t[]){4}, 1);
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 100), 0);
    fixture_assert_packet(&p, 0, four, sizeof(four));
    assert_round_trip(&p, &u);
}

static void test_fragments(void **state)
{
    (void)state;
    static struct unit u;
    u.size = 0;
    put_obu(&u, AV1_SEQUENCE_HEADER, -1, sequence, sizeof(sequence));
    uint8_t frame[100] = {0x10};
    put_obu(&u, AV1_FRAME, 0x08, frame, sizeof(frame));
    struct packetize p = fixture_room();
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 40), 0);
    assert_int_equal(p.n_packets, 3);
    fixture_assert_layout(&p, 40);
    fixture_assert_equal_sizes(&p);
    assert_int_equal(fixture_payload(&p, 0)[0], 0x68); /* Y, W=2, N */
    assert_int_equal(fixture_payload(&p, 1)[0], 0xd0); /* Z, Y, W=1 */
    assert_int_equal(fixture_payload(&p, 2)[0], 0x90); /* Z, W=1 */
    assert_round_trip(&p, &u);

    struct av1_descriptor d;
    assert_true(av1_parse(&d, fixture_payload(&p, 0), p.packets[0].size));
    assert_true(d.starts_sequence && d.continued && !d.continues);
    assert_true(d.has_layer && d.temporal_id == 0 && d.spatial_id == 1);
    assert_true(av1_parse(&d, fixture_payload(&p, 1), p.packets[1].size));
    assert_true(!d.starts_sequence && d.continued && d.continues && !d.has_layer);
}

/* A frame as encoders make it: packets are equal, as few as can be, and end in the frame. */
static void test_packets_are_equal(void **state)
{
    (void)state;
    static const size_t maxima[] = {32, 100, 1139, 1140};
    for (unsigned key = 0; key < 2; key++) {
        for (size_t m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
            size_t max = maxima[m];
            for (size_t size = 1; size <= 5000; size += size < 2400 ? 1 : 97) {
                static struct unit u;
                u.size = 0;
                if (key)
                    put_obu(&u, AV1_SEQUENCE_HEADER, -1, sequence, sizeof(sequence));
                put_obu(&u, AV1_FRAME, -1, NULL, size);
                struct packetize p = fixture_room();
                assert_int_equal(av1_packetize(&p, u.bytes, u.size, max), 0);
                fixture_assert_layout(&p, max);
                fixture_assert_equal_sizes(&p);
                size_t total = size + 1 + (key ? sizeof(sequence) + 2 : 0);
                assert_true(p.n_packets <= (total + max - 2) / (max - 1) + 1);
                for (unsigned i = 0; i + 1 < p.n_packets; i++)
                    assert_true(fixture_payload(&p, i)[0] & 0x40);
                assert_round_trip(&p, &u);
            }
        }
    }
}

/* Wherever the edge between two OBUs falls, no packet but the last ends there or is shorter. */
static void test_edges_in_every_place(void **state)
{
    (void)state;
    for (size_t a = 1; a <= 200; a++) {
        for (size_t b = 1; b <= 130; b++) {
            static struct unit u;
            u.size = 0;
            put_obu(&u, AV1_TILE_GROUP, -1, NULL, a);
            put_obu(&u, AV1_TILE_GROUP, -1, NULL, b);
            struct packetize p = fixture_room();
            assert_int_equal(av1_packetize(&p, u.bytes, u.size, 60), 0);
            fixture_assert_layout(&p, 60);
            fixture_assert_equal_sizes(&p);
            for (unsigned i = 0; i + 1 < p.n_packets; i++)
                assert_true(fixture_payload(&p, i)[0] & 0x40);
            assert_round_trip(&p, &u);
        }
    }
}

static void test_any_unit_comes_back(void **state)
{
    (void)state;
    uint32_t seed = 4711;
    unsigned uneven = 0;
    for (unsigned round = 0; round < 4000; round++) {
        static struct unit u;
        u.size = 0;
        unsigned n = 1 + fixture_random(&seed) % (round % 8 == 0 ? 40 : 6);
        for (unsigned i = 0; i < n; i++) {
            static const enum av1_obu_type types[] = {AV1_SEQUENCE_HEADER, AV1_FRAME_HEADER,
                                                      AV1_TILE_GROUP, AV1_METADATA, AV1_FRAME};
            enum av1_obu_type type = types[fixture_random(&seed) % 5];
            size_t most = (size_t[]){3, 40, 200, 3000}[fixture_random(&seed) % 4];
            put_obu(&u, type, (int)(fixture_random(&seed) % 512) - 256, NULL,
                    fixture_random(&seed) % most);
        }
        size_t max = AV1_MIN_PAYLOAD + fixture_random(&seed) % (round % 2 ? 30 : 1200);
        struct packetize p = fixture_room();
        assert_int_equal(av1_packetize(&p, u.bytes, u.size, max), 0);
        fixture_assert_layout(&p, max);
        for (unsigned i = 0; i + 1 < p.n_packets; i++) {
            if (p.packets[i].size != p.packets[0].size) {
                uneven++;
                break;
            }
        }
        for (unsigned i = 0; i < p.n_packets; i++) {
            struct av1_descriptor d;
            assert_true(av1_parse(&d, fixture_payload(&p, i), p.packets[i].size));
            assert_int_equal(d.continues, i > 0 && fixture_payload(&p, i - 1)[0] & 0x40 ? 1 : 0);
        }
        assert_round_trip(&p, &u);
    }
    assert_true(uneven < 400); /* many tiny OBUs in tiny packets */
}

static void test_needs_its_room(void **state)
{
    (void)state;
    static struct unit u;
    u.size = 0;
    put_obu(&u, AV1_METADATA, -1, NULL, 5);
    put_obu(&u, AV1_FRAME, -1, NULL, 200);
    struct packetize p = fixture_room();
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 60), 0);
    uint32_t size = p.size;
    uint16_t packets = p.n_packets;
    for (uint32_t capacity = 0; capacity < size; capacity++) {
        p.capacity = capacity;
        assert_int_equal(av1_packetize(&p, u.bytes, u.size, 60), -ENOSPC);
        assert_int_equal(p.n_packets, 0);
        assert_int_equal(p.size, 0);
    }
    p.capacity = size;
    for (uint16_t n = 0; n < packets; n++) {
        p.max_packets = n;
        assert_int_equal(av1_packetize(&p, u.bytes, u.size, 60), -ENOSPC);
    }
    p.max_packets = packets;
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 60), 0);
    /* Nor does a receiver write more than it has. */
    for (size_t capacity = 0; capacity <= u.size; capacity++) {
        uint8_t *exact = malloc(capacity + 1);
        struct av1_assembler a;
        av1_assemble_begin(&a, exact + 1, capacity);
        for (unsigned i = 0; i < p.n_packets; i++)
            av1_assemble(&a, fixture_payload(&p, i), p.packets[i].size);
        assert_int_equal(av1_assemble_end(&a), capacity == u.size);
        free(exact);
    }
}

static void test_nothing_to_send(void **state)
{
    (void)state;
    static struct unit u;
    struct packetize p = fixture_room();
    u.size = 0;
    assert_int_equal(av1_packetize(&p, u.bytes, 0, 100), -EBADMSG);
    put_obu(&u, AV1_TEMPORAL_DELIMITER, -1, NULL, 0);
    put_obu(&u, AV1_TILE_LIST, -1, NULL, 5);
    put_obu(&u, AV1_PADDING, -1, NULL, 5);
    assert_int_equal(av1_packetize(&p, u.bytes, u.size, 100), -EBADMSG);
}

static const struct {
    const char *name;
    uint8_t bytes[12];
    size_t size;
} bad_payloads[] = {
    {"empty", {0}, 0},
    {"only a header", {0x10}, 1},
    {"a sequence begins with a fragment", {0x98, 0x30, 1}, 3},
    {"an empty element", {0x00, 0}, 2},
    {"an element cut", {0x00, 3, 0x30, 1}, 4},
    {"half a length", {0x00, 0x80}, 2},
    {"an endless length", {0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 11},
    {"two counted, one there", {0x20, 2, 0x30, 1}, 4},
    {"three counted, two there", {0x30, 1, 0x30, 1, 0x30}, 5},
    {"trailing garbage", {0x00, 1, 0x30, 9}, 4},
};

static void test_malformed_payloads_break_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_payloads) / sizeof(bad_payloads[0]); i++) {
        uint8_t *exact = malloc(bad_payloads[i].size + 1), back[64];
        memcpy(exact + 1, bad_payloads[i].bytes, bad_payloads[i].size);
        struct av1_descriptor d;
        struct av1_assembler a;
        if (av1_parse(&d, exact + 1, bad_payloads[i].size))
            fail_msg("%s is parsed", bad_payloads[i].name);
        av1_assemble_begin(&a, back, sizeof(back));
        av1_assemble(&a, exact + 1, bad_payloads[i].size);
        if (!a.unit.broken || av1_assemble_end(&a))
            fail_msg("%s is assembled", bad_payloads[i].name);
        free(exact);
    }
}

static void test_out_of_place_breaks_it(void **state)
{
    (void)state;
    static const uint8_t whole[] = {0x10, 0x30, 1}, begin[] = {0x50, 0x30, 1}, end[] = {0x90, 2};
    static const uint8_t bad_size[] = {0x10, 0x32, 5, 1}, good_size[] = {0x10, 0x32, 1, 9};
    uint8_t back[16];
    struct av1_assembler a;

    av1_assemble_begin(&a, back, sizeof(back));
    av1_assemble(&a, begin, sizeof(begin));
    assert_false(av1_assemble_end(&a)); /* not over */
    av1_assemble(&a, end, sizeof(end));
    assert_true(av1_assemble_end(&a));
    assert_int_equal(a.unit.size, 4);
    assert_memory_equal(back, "\x32\2\1\2", 4);
    av1_assemble(&a, end, sizeof(end)); /* goes on with nothing */
    assert_false(av1_assemble_end(&a));

    av1_assemble_begin(&a, back, sizeof(back));
    av1_assemble(&a, begin, sizeof(begin));
    av1_assemble(&a, whole, sizeof(whole)); /* the end is missing */
    assert_false(av1_assemble_end(&a));

    /* Size fields should not be there, but may. */
    av1_assemble_begin(&a, back, sizeof(back));
    av1_assemble(&a, good_size, sizeof(good_size));
    assert_true(av1_assemble_end(&a));
    assert_memory_equal(back, "\x32\1\x9", 3);
    av1_assemble(&a, bad_size, sizeof(bad_size));
    assert_false(av1_assemble_end(&a));

    /* A delimiter must be ignored. */
    static const uint8_t delimiter[] = {0x20, 1, 0x10, 0x30, 1};
    av1_assemble_begin(&a, back, sizeof(back));
    av1_assemble(&a, delimiter, sizeof(delimiter));
    assert_true(av1_assemble_end(&a));
    assert_int_equal(a.unit.size, 3);
}

/* A sequence header with what `flags` says: 1 a still picture's short one, 2 timing, 4 a decoder
 * model, 8 display delays; two operating points. */
static size_t put_sequence(uint8_t *out, size_t room, unsigned flags, uint32_t w, uint32_t h)
{
    struct bit_writer b = {.bytes = out, .size = room};
    put_bits(&b, 4, 0);
    put_bit(&b, flags & 1);
    if (flags & 1) {
        put_bits(&b, 5, 8);
    } else {
        put_bit(&b, flags & 2);
        if (flags & 2) {
            put_bits(&b, 32, 1);
            put_bits(&b, 32, 30);
            put_bit(&b, true);
            put_bits(&b, 3, 3); /* uvlc() of 2 */
            put_bit(&b, flags & 4);
            if (flags & 4) {
                put_bits(&b, 5, 9);
                put_bits(&b, 32, 7);
                put_bits(&b, 10, 0x155);
            }
        }
        put_bit(&b, flags & 8);
        put_bits(&b, 5, 1);
        for (unsigned i = 0; i < 2; i++) {
            put_bits(&b, 12, 0x101);
            put_bits(&b, 5, i ? 9 : 5);
            if (i)
                put_bit(&b, true);
            if ((flags & 6) == 6) {
                put_bit(&b, true);
                put_bits(&b, 10, 0x3ff);
                put_bits(&b, 10, 0);
                put_bit(&b, true);
            }
            if (flags & 8) {
                put_bit(&b, true);
                put_bits(&b, 4, 3);
            }
        }
    }
    put_bits(&b, 4, 11);
    put_bits(&b, 4, 10);
    put_bits(&b, 12, w - 1);
    put_bits(&b, 11, h - 1);
    assert_false(b.overrun);
    return (b.at + 7) / 8;
}

static void test_finds_the_size(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 16; flags++) {
        uint8_t header[64] = {0};
        struct unit u = {.size = 0};
        size_t size = put_sequence(header, sizeof(header), flags, 1366, 768);
        put_obu(&u, AV1_TEMPORAL_DELIMITER, -1, NULL, 0);
        put_obu(&u, AV1_SEQUENCE_HEADER, -1, header, size);
        uint16_t width = 0, height = 0;
        assert_true(av1_find_size(u.bytes, u.size, &width, &height));
        assert_int_equal(width, 1366);
        assert_int_equal(height, 768);
        for (size_t cut = 0; cut + 1 < size; cut++) {
            struct unit part = {.size = 0};
            put_obu(&part, AV1_SEQUENCE_HEADER, -1, header, cut);
            assert_false(av1_find_size(part.bytes, part.size, &width, &height));
        }
    }
    struct unit none = {.size = 0};
    uint16_t width, height;
    put_obu(&none, AV1_FRAME, -1, delta_header, sizeof(delta_header));
    assert_false(av1_find_size(none.bytes, none.size, &width, &height));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_obus),
        cmocka_unit_test(test_refuses_malformed_obus),
        cmocka_unit_test(test_finds_keyframes),
        cmocka_unit_test(test_finds_the_size),
        cmocka_unit_test(test_packets_by_the_byte),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_packets_are_equal),
        cmocka_unit_test(test_edges_in_every_place),
        cmocka_unit_test(test_any_unit_comes_back),
        cmocka_unit_test(test_needs_its_room),
        cmocka_unit_test(test_nothing_to_send),
        cmocka_unit_test(test_malformed_payloads_break_it),
        cmocka_unit_test(test_out_of_place_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
