#include "rtp/payload/h264.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct payload {
    size_t size;
    uint8_t bytes[16];
};

struct assemble_row {
    const char *name;
    bool ok;
    struct payload payloads[4]; /* size 0 ends the list */
    size_t size;                /* if ok */
    uint8_t bytes[32];
};

static const struct assemble_row rows[] = {
    {"nothing", false, {{0, {0}}}, 0, {0}},
    {"single", true, {{2, {0x65, 7}}}, 6, {0, 0, 0, 1, 0x65, 7}},
    {"single of one byte", true, {{1, {0x65}}}, 5, {0, 0, 0, 1, 0x65}},
    {"two", true, {{2, {6, 7}}, {1, {0x65}}}, 11, {0, 0, 0, 1, 6, 7, 0, 0, 0, 1, 0x65}},
    {"type 0", false, {{2, {0x60, 7}}}, 0, {0}},
    {"STAP-B", false, {{8, {25, 0, 1, 0, 1, 7}}}, 0, {0}},
    {"MTAP16", false, {{8, {26, 0, 1, 0, 1, 7}}}, 0, {0}},
    {"FU-B", false, {{8, {29, 0x85, 0, 1, 7}}}, 0, {0}},
    {"type 31", false, {{2, {31, 7}}}, 0, {0}},
    {"STAP-A",
     true,
     {{8, {24, 0, 2, 0x67, 1, 0, 1, 0x68}}},
     11,
     {0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68}},
    {"STAP-A empty", false, {{1, {24}}}, 0, {0}},
    {"STAP-A size cut", false, {{2, {24, 0}}}, 0, {0}},
    {"STAP-A size 0", false, {{6, {24, 0, 0, 0, 1, 0x67}}}, 0, {0}},
    {"STAP-A unit cut", false, {{4, {24, 0, 2, 0x67}}}, 0, {0}},
    {"STAP-A rest of a byte", false, {{5, {24, 0, 1, 0x67, 0}}}, 0, {0}},
    {"STAP-A in STAP-A", false, {{5, {24, 0, 2, 24, 0}}}, 0, {0}},
    {"FU-A", true, {{3, {0x7c, 0x85, 1}}, {3, {0x7c, 0x45, 2}}}, 7, {0, 0, 0, 1, 0x65, 1, 2}},
    {"FU-A of three",
     true,
     {{3, {0x7c, 0x85, 1}}, {4, {0x7c, 0x05, 2, 3}}, {3, {0x7c, 0x45, 4}}},
     9,
     {0, 0, 0, 1, 0x65, 1, 2, 3, 4}},
    {"FU-A without an end", false, {{3, {0x7c, 0x85, 1}}}, 0, {0}},
    {"FU-A without a start", false, {{3, {0x7c, 0x05, 1}}, {3, {0x7c, 0x45, 2}}}, 0, {0}},
    {"FU-A start and end", false, {{3, {0x7c, 0xc5, 1}}}, 0, {0}},
    {"FU-A two starts", false, {{3, {0x7c, 0x85, 1}}, {3, {0x7c, 0x85, 1}}}, 0, {0}},
    {"FU-A two ends",
     false,
     {{3, {0x7c, 0x85, 1}}, {3, {0x7c, 0x45, 1}}, {3, {0x7c, 0x45, 1}}},
     0,
     {0}},
    {"FU-A empty", false, {{2, {0x7c, 0x85}}, {3, {0x7c, 0x45, 2}}}, 0, {0}},
    {"FU-A header cut", false, {{1, {0x7c}}}, 0, {0}},
    {"FU-A of a STAP-A", false, {{3, {0x7c, 0x98, 1}}, {3, {0x7c, 0x58, 2}}}, 0, {0}},
    {"FU-A of type 0", false, {{3, {0x7c, 0x80, 1}}, {3, {0x7c, 0x40, 2}}}, 0, {0}},
    {"FU-A changes type", false, {{3, {0x7c, 0x85, 1}}, {3, {0x7c, 0x41, 2}}}, 0, {0}},
    {"single inside FU-A",
     false,
     {{3, {0x7c, 0x85, 1}}, {1, {0x41}}, {3, {0x7c, 0x45, 2}}},
     0,
     {0}},
    {"STAP-A inside FU-A",
     false,
     {{3, {0x7c, 0x85, 1}}, {4, {24, 0, 1, 0x67}}, {3, {0x7c, 0x45, 2}}},
     0,
     {0}},
};

/* Feeds the row's payloads from buffers of just their size. */
static bool assemble(const struct assemble_row *row, struct h264_assembler *a, uint8_t *data,
                     size_t capacity)
{
    h264_assemble_begin(a, data, capacity);
    for (unsigned i = 0; i < 4 && row->payloads[i].size > 0; i++) {
        uint8_t *exact = malloc(row->payloads[i].size);
        memcpy(exact, row->payloads[i].bytes, row->payloads[i].size);
        h264_assemble(a, exact, row->payloads[i].size);
        free(exact);
    }
    return h264_assemble_end(a);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct h264_assembler a;
        uint8_t data[64];
        if (assemble(&rows[i], &a, data, sizeof(data)) != rows[i].ok)
            fail_msg("%s: should be %d", rows[i].name, rows[i].ok);
        if (!rows[i].ok)
            continue;
        assert_int_equal(a.size, rows[i].size);
        assert_memory_equal(data, rows[i].bytes, rows[i].size);
    }
}

static void test_full_buffer_is_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t capacity = 0; rows[i].ok && capacity <= rows[i].size; capacity++) {
            struct h264_assembler a;
            uint8_t *exact = malloc(capacity + 1);
            bool whole = assemble(&rows[i], &a, exact + 1, capacity);
            assert_int_equal(whole, capacity == rows[i].size);
            assert_true(a.size <= capacity);
            free(exact);
        }
    }
}

static void test_empty_payload_is_broken(void **state)
{
    (void)state;
    static const uint8_t nal[] = {0x65, 1};
    struct h264_assembler a;
    uint8_t data[16];
    h264_assemble_begin(&a, data, sizeof(data));
    h264_assemble(&a, nal, 2);
    h264_assemble(&a, nal, 0);
    assert_false(h264_assemble_end(&a));
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#define NALS_MAX 12
#define AU_MAX (1 << 17)

struct layout {
    size_t n;
    uint8_t type[NALS_MAX];
    size_t at[NALS_MAX], size[NALS_MAX]; /* in au */
    size_t au_size;
    uint8_t au[AU_MAX];
};

/* A NAL unit may hold zeros, but neither a start code nor a zero at its end. */
static void put_nal(struct layout *l, uint64_t *seed, uint8_t type, size_t size)
{
    unsigned i = (unsigned)l->n++;
    static const uint8_t start_code[6] = {0, 0, 0, 0, 0, 1};
    size_t zeros = 3 + draw(seed) % 4;
    memcpy(l->au + l->au_size, start_code + 6 - zeros, zeros);
    l->au_size += zeros;
    l->type[i] = type;
    l->at[i] = l->au_size;
    l->size[i] = size;
    l->au[l->au_size++] = (uint8_t)((draw(seed) % 4) << 5 | type);
    for (size_t k = 1; k < size; k++) {
        bool zero = k + 1 < size && l->au[l->au_size - 1] != 0 && draw(seed) % 3 == 0;
        l->au[l->au_size++] = zero ? 0 : (uint8_t)(1 + draw(seed) % 255);
    }
}

static void draw_layout(struct layout *l, uint64_t *seed)
{
    static const uint8_t types[] = {1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 23, 0, 24, 28, 31};
    static const size_t limits[] = {1, 3, 40, 1200, 9000};
    l->n = 0;
    l->au_size = 0;
    size_t n = 1 + draw(seed) % (NALS_MAX - 1);
    while (l->n < n) {
        size_t limit = limits[draw(seed) % 5];
        put_nal(l, seed, types[draw(seed) % sizeof(types)], 1 + draw(seed) % limit);
    }
    put_nal(l, seed, 5, 1 + draw(seed) % limits[4]); /* so that there is something to send */
}

static bool is_set(uint8_t type)
{
    return type == H264_SPS || type == H264_PPS;
}

/* What has to come out: parameter sets first if they fit together, the unsendable left out. */
static size_t expect(const struct layout *l, size_t max_payload, uint8_t *out)
{
    size_t size = 0, sets = 0, together = 1;
    for (size_t i = 0; i < l->n; i++) {
        sets += is_set(l->type[i]);
        together += is_set(l->type[i]) ? 2 + l->size[i] : 0;
    }
    bool first = sets >= 2 && together <= max_payload;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < l->n; i++) {
            uint8_t type = l->type[i];
            if ((first && is_set(type)) != (pass == 0) || type == 0 || type > 23)
                continue;
            if (type >= 9 && type <= 12)
                continue;
            memcpy(out + size, "\0\0\0\1", 4);
            memcpy(out + size + 4, l->au + l->at[i], l->size[i]);
            size += 4 + l->size[i];
        }
    }
    return size;
}

static void check_packets(const struct packetize *p, size_t max_payload)
{
    uint32_t offset = 0;
    for (unsigned i = 0; i < p->n_packets; i++) {
        const struct packetize_packet *packet = &p->packets[i];
        assert_int_equal(packet->offset, offset);
        assert_true(packet->size > 0 && packet->size <= max_payload);
        assert_int_equal(packet->marker, i + 1 == p->n_packets);
        const uint8_t *bytes = p->data + packet->offset;
        if ((bytes[0] & 0x1f) == 28 && !(bytes[1] & 0x80)) {
            const struct packetize_packet *before = packet - 1;
            assert_true(packet->size == before->size ||
                        (bytes[1] & 0x40 && packet->size < before->size));
        }
        offset += packet->size;
    }
    assert_int_equal(offset, p->size);
}

static void test_packetize_then_assemble_is_identity(void **state)
{
    (void)state;
    static struct layout l;
    static uint8_t data[2 * AU_MAX], got[AU_MAX], want[AU_MAX];
    static struct packetize_packet packets[UINT16_MAX];
    uint64_t seed = 0x5eed;
    for (int round = 0; round < 1500; round++) {
        draw_layout(&l, &seed);
        size_t max_payload = draw(&seed) % 8 == 0 ? 4 + draw(&seed) % 60 : 100 + draw(&seed) % 1100;
        struct packetize p = {
            .data = data, .capacity = sizeof(data), .packets = packets, .max_packets = UINT16_MAX};
        assert_int_equal(h264_packetize(&p, l.au, l.au_size, max_payload), 0);
        check_packets(&p, max_payload);

        struct h264_assembler a;
        h264_assemble_begin(&a, got, sizeof(got));
        for (unsigned i = 0; i < p.n_packets; i++)
            h264_assemble(&a, data + packets[i].offset, packets[i].size);
        assert_true(h264_assemble_end(&a));
        assert_int_equal(a.size, expect(&l, max_payload, want));
        assert_memory_equal(got, want, a.size);

        /* Any packet lost inside a fragmented NAL unit shows. */
        unsigned lost = (unsigned)(draw(&seed) % p.n_packets);
        h264_assemble_begin(&a, got, sizeof(got));
        for (unsigned i = 0; i < p.n_packets; i++)
            if (i != lost)
                h264_assemble(&a, data + packets[i].offset, packets[i].size);
        const uint8_t *gone = data + packets[lost].offset;
        if ((gone[0] & 0x1f) == 28 && gone[1] & 0xc0)
            assert_false(h264_assemble_end(&a));
    }
}

struct start_row {
    bool starts;
    struct payload payload;
};

static const struct start_row start_rows[] = {
    {false, {0, {0}}},
    {true, {1, {0x65}}},
    {true, {1, {0x67}}},
    {false, {1, {0x68}}},
    {false, {1, {0x41}}},
    {false, {1, {6}}},
    {true, {8, {24, 0, 2, 0x67, 1, 0, 1, 0x68}}},
    {true, {8, {24, 0, 2, 0x68, 1, 0, 1, 0x65}}},
    {false, {8, {24, 0, 2, 0x68, 1, 0, 2, 0x65}}}, /* the second one is cut */
    {false, {7, {24, 0, 0, 0, 1, 0x65, 1}}},
    {false, {3, {24, 0, 1}}},
    {false, {1, {24}}},
    {true, {3, {0x7c, 0x85, 1}}},
    {true, {3, {0x7c, 0x87, 1}}},
    {false, {3, {0x7c, 0x05, 1}}},
    {false, {3, {0x7c, 0x45, 1}}},
    {false, {3, {0x7c, 0x81, 1}}},
    {false, {2, {0x7c, 0x85}}},
    {false, {1, {0x7c}}},
    {false, {5, {29, 0x85, 0, 0, 1}}},
};

static void test_starts_keyframe(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(start_rows) / sizeof(start_rows[0]); i++) {
        const struct payload *p = &start_rows[i].payload;
        uint8_t *exact = malloc(p->size + 1);
        memcpy(exact + 1, p->bytes, p->size);
        if (h264_payload_starts_keyframe(exact + 1, p->size) != start_rows[i].starts)
            fail_msg("row %zu", i);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_full_buffer_is_broken),
        cmocka_unit_test(test_empty_payload_is_broken),
        cmocka_unit_test(test_packetize_then_assemble_is_identity),
        cmocka_unit_test(test_starts_keyframe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
