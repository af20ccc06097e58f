#include "rtp/payload/h264.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SC 0, 0, 0, 1

/* A packetize over static buffers. */
static struct packetize room(uint32_t capacity, uint16_t max_packets)
{
    static uint8_t data[1 << 20];
    static struct packetize_packet packets[4096];
    assert_true(capacity <= sizeof(data) && max_packets <= 4096);
    return (struct packetize){
        .data = data, .capacity = capacity, .packets = packets, .max_packets = max_packets};
}

static void assert_packet(const struct packetize *p, unsigned i, const void *bytes, size_t size)
{
    assert_true(i < p->n_packets);
    assert_int_equal(p->packets[i].size, size);
    assert_memory_equal(p->data + p->packets[i].offset, bytes, size);
}

struct nal_row {
    const char *name;
    size_t size;
    uint8_t bytes[24];
    size_t n;
    size_t at[3], length[3];
};

static const struct nal_row nal_rows[] = {
    {"empty", 0, {0}, 0, {0}, {0}},
    {"no start code", 4, {0x65, 1, 2, 3}, 0, {0}, {0}},
    {"only zeros", 6, {0}, 0, {0}, {0}},
    {"start code without a NAL unit", 4, {0, 0, 0, 1}, 0, {0}, {0}},
    {"start code of three", 5, {0, 0, 1, 0x65, 9}, 1, {3}, {2}},
    {"start code of four", 6, {0, 0, 0, 1, 0x65, 9}, 1, {4}, {2}},
    {"zeros in front", 9, {0, 0, 0, 0, 0, 0, 1, 0x65, 9}, 1, {7}, {2}},
    {"garbage in front", 8, {7, 1, 3, 0, 0, 1, 0x65, 9}, 1, {6}, {2}},
    {"trailing zeros", 8, {0, 0, 1, 0x65, 9, 0, 0, 0}, 1, {3}, {2}},
    {"both start codes", 11, {0, 0, 1, 7, 1, 0, 0, 0, 1, 8, 2}, 2, {3, 9}, {2, 2}},
    {"one byte each", 8, {0, 0, 1, 7, 0, 0, 1, 8}, 2, {3, 7}, {1, 1}},
    {"an empty one between", 11, {0, 0, 1, 7, 0, 0, 1, 0, 0, 1, 8}, 2, {3, 10}, {1, 1}},
    {"a start code at the end", 7, {0, 0, 1, 7, 0, 0, 1}, 1, {3}, {1}},
    {"zeros that are no start code", 11, {0, 0, 1, 5, 0, 0, 3, 0, 0, 2, 6}, 1, {3}, {8}},
    {"ones that are no start code", 9, {0, 0, 1, 5, 1, 1, 0, 1, 1}, 1, {3}, {6}},
    {"three", 14, {0, 0, 1, 9, 9, 0, 0, 1, 7, 0, 0, 1, 8, 8}, 3, {3, 8, 12}, {2, 1, 2}},
};

static void test_splits_annex_b(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof(nal_rows) / sizeof(nal_rows[0]); r++) {
        const struct nal_row *row = &nal_rows[r];
        uint8_t *exact = malloc(row->size + 1);
        memcpy(exact + 1, row->bytes, row->size);
        const uint8_t *data = exact + 1;
        size_t size = row->size, n = 0;
        struct h264_nal_unit nal;
        for (; h264_next_nal(&nal, &data, &size); n++) {
            if (n >= row->n || nal.data != exact + 1 + row->at[n] || nal.size != row->length[n])
                fail_msg("%s: unit %zu at %td size %zu", row->name, n, nal.data - exact - 1,
                         nal.size);
        }
        if (n != row->n)
            fail_msg("%s: %zu units", row->name, n);
        assert_int_equal(size, 0);
        free(exact);
    }
}

static void test_finds_profile_and_keyframe(void **state)
{
    (void)state;
    static const uint8_t key[] = {SC, 9,  0xf0, SC, 0x67, 0x42, 0xe0, 0x1f,
                                  1,  SC, 0x68, 1,  SC,   0x65, 1};
    static const uint8_t delta[] = {SC, 9, 0xf0, SC, 0x41, 0x42, 0xe0, 0x1f};
    static const uint8_t short_sps[] = {SC, 0x67, 0x42, 0xe0, SC, 0x65, 1};
    struct h264_profile p = {0};
    assert_true(h264_find_profile(&p, key, sizeof(key)));
    assert_int_equal(p.profile_idc, 0x42);
    assert_int_equal(p.constraints, 0xe0);
    assert_int_equal(p.level_idc, 0x1f);
    assert_true(h264_is_keyframe(key, sizeof(key)));
    assert_false(h264_find_profile(&p, delta, sizeof(delta)));
    assert_false(h264_is_keyframe(delta, sizeof(delta)));
    assert_false(h264_find_profile(&p, short_sps, sizeof(short_sps)));
    assert_true(h264_is_keyframe(short_sps, sizeof(short_sps)));
    assert_false(h264_is_keyframe(NULL, 0));
    for (size_t size = 0; size < sizeof(key); size++) {
        assert_int_equal(h264_find_profile(&p, key, size), size >= 14);
        assert_int_equal(h264_is_keyframe(key, size), size == sizeof(key) - 1);
    }
}

/* AUD, SPS, PPS, SEI, IDR as an encoder writes them. */
static const uint8_t keyframe[] = {SC,   9,    0xf0, SC, 0x67, 0x42, 0xe0, 0x1f, SC,  0x28, 0xce,
                                   0x3c, SC,   6,    5,  1,    7,    0x80, 0,    0,   1,    0x65,
                                   0x88, 0x84, 0,    0,  0,    1,    12,   0xff, 0x80};

static void test_keyframe_layout(void **state)
{
    (void)state;
    static const uint8_t stap[] = {0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x28, 0xce, 0x3c};
    static const uint8_t sei[] = {6, 5, 1, 7, 0x80}, idr[] = {0x65, 0x88, 0x84};
    struct packetize p = room(1000, 10);
    assert_int_equal(h264_packetize(&p, keyframe, sizeof(keyframe), 1140), 0);
    assert_int_equal(p.n_packets, 3);
    assert_packet(&p, 0, stap, sizeof(stap));
    assert_packet(&p, 1, sei, sizeof(sei));
    assert_packet(&p, 2, idr, sizeof(idr));
    assert_false(p.packets[0].marker || p.packets[1].marker);
    assert_true(p.packets[2].marker);
    assert_int_equal(p.size, sizeof(stap) + sizeof(sei) + sizeof(idr));
}

static void test_parameter_sets(void **state)
{
    (void)state;
    static const uint8_t lone[] = {SC, 0x67, 1, 2, 3, SC, 0x65, 9};
    static const uint8_t late[] = {SC, 0x65, 9, SC, 0x27, 1, SC, 0xa8, 2, SC, 0x68, 3};
    static const uint8_t stap[] = {0xf8, 0, 2, 0x27, 1, 0, 2, 0xa8, 2, 0, 2, 0x68, 3};
    struct packetize p = room(1000, 10);

    assert_int_equal(h264_packetize(&p, lone, sizeof(lone), 100), 0);
    assert_int_equal(p.n_packets, 2); /* a STAP-A of one would be a waste */
    assert_packet(&p, 0, lone + 4, 4);

    /* They go first, since a receiver needs them first; F and NRI are the most of any. */
    assert_int_equal(h264_packetize(&p, late, sizeof(late), sizeof(stap)), 0);
    assert_int_equal(p.n_packets, 2);
    assert_packet(&p, 0, stap, sizeof(stap));
    assert_packet(&p, 1, late + 4, 2);

    /* One byte less, and they go alone. */
    assert_int_equal(h264_packetize(&p, late, sizeof(late), sizeof(stap) - 1), 0);
    assert_int_equal(p.n_packets, 4);
    assert_packet(&p, 0, late + 4, 2);
    assert_packet(&p, 3, late + sizeof(late) - 2, 2);
    assert_true(p.packets[3].marker);
}

static void test_fragments_by_the_byte(void **state)
{
    (void)state;
    static const uint8_t au[] = {SC, 0x65, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t a[] = {0x7c, 0x85, 1, 2, 3}, b[] = {0x7c, 0x05, 4, 5, 6},
                         c[] = {0x7c, 0x45, 7};
    struct packetize p = room(1000, 10);
    assert_int_equal(h264_packetize(&p, au, sizeof(au), 5), 0);
    assert_int_equal(p.n_packets, 3);
    assert_packet(&p, 0, a, sizeof(a));
    assert_packet(&p, 1, b, sizeof(b));
    assert_packet(&p, 2, c, sizeof(c));
    assert_int_equal(h264_packetize(&p, au, sizeof(au), 8), 0);
    assert_int_equal(p.n_packets, 1);
    assert_packet(&p, 0, au + 4, 8);
}

static void test_fragments_are_equal(void **state)
{
    (void)state;
    static uint8_t au[20000];
    memset(au, 0xaa, sizeof(au));
    memcpy(au, "\0\0\1\x65", 4);
    static const size_t maxima[] = {3, 4, 10, 100, 1139, 1140, 1200};
    for (size_t m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
        size_t max = maxima[m];
        size_t sizes = max < 100 ? 200 : 5000;
        for (size_t nal = max + 1; nal < max + sizes; nal++) {
            struct packetize p = room(1 << 20, 4096);
            assert_int_equal(h264_packetize(&p, au, 3 + nal, max), 0);
            unsigned n = p.n_packets;
            assert_int_equal(n, (nal - 1 + max - 3) / (max - 2)); /* as few as can be */
            for (unsigned i = 0; i + 1 < n; i++)
                assert_int_equal(p.packets[i].size, p.packets[0].size);
            assert_true(p.packets[0].size <= max);
            assert_true(p.packets[n - 1].size <= p.packets[0].size);
            assert_true(p.packets[0].size - p.packets[n - 1].size < (int)n);
            assert_true(p.packets[n - 1].size > 2);
        }
    }
}

static void test_needs_its_room(void **state)
{
    (void)state;
    static const uint8_t au[] = {SC, 0x67, 1, SC, 0x68, 2, SC, 0x65, 1,
                                 2,  3,    4, 5,  6,    7, SC, 0x65, 1};
    struct packetize p = room(1000, 10);
    assert_int_equal(h264_packetize(&p, au, sizeof(au), 6), 0);
    uint32_t size = p.size;
    uint16_t packets = p.n_packets;
    for (uint32_t capacity = 0; capacity < size; capacity++) {
        p = room(capacity, packets);
        assert_int_equal(h264_packetize(&p, au, sizeof(au), 6), -ENOSPC);
        assert_int_equal(p.n_packets, 0);
        assert_int_equal(p.size, 0);
    }
    for (uint16_t n = 0; n < packets; n++) {
        p = room(size, n);
        assert_int_equal(h264_packetize(&p, au, sizeof(au), 6), -ENOSPC);
        assert_int_equal(p.n_packets, 0);
    }
    p = room(size, packets);
    assert_int_equal(h264_packetize(&p, au, sizeof(au), 6), 0);
}

static void test_nothing_to_send(void **state)
{
    (void)state;
    static const uint8_t left_out[][6] = {
        {SC, 9, 0xf0}, {SC, 10}, {SC, 11}, {SC, 12, 0xff}, {SC, 0, 1},
        {SC, 24, 1},   {SC, 28}, {SC, 31}, {1, 2, 3},      {0},
    };
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        struct packetize p = room(1000, 10);
        assert_int_equal(h264_packetize(&p, left_out[i], 6, 100), -EBADMSG);
        assert_int_equal(p.n_packets, 0);
    }
    struct packetize p = room(1000, 10);
    assert_int_equal(h264_packetize(&p, NULL, 0, 100), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_annex_b),
        cmocka_unit_test(test_finds_profile_and_keyframe),
        cmocka_unit_test(test_keyframe_layout),
        cmocka_unit_test(test_parameter_sets),
        cmocka_unit_test(test_fragments_by_the_byte),
        cmocka_unit_test(test_fragments_are_equal),
        cmocka_unit_test(test_needs_its_room),
        cmocka_unit_test(test_nothing_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
