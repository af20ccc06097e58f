#include "rtp/payload/vp8.h"

#include "tests/unit/payload/payload_fixture.h"

#include <errno.h>
#include <stdlib.h>

/* 176x144, scaled for display by 5/4 and 5/3, which is no part of the size. */
static const uint8_t keyframe[] = {0x10, 2, 0, 0x9d, 1, 0x2a, 0xb0, 0x40, 0x90, 0x80, 7, 7};

struct parse_row {
    const char *name;
    uint8_t bytes[8];
    size_t size; /* with one byte of VP8 data at least */
    struct vp8_descriptor d;
};

static const struct parse_row parse_rows[] = {
    {"shortest", {0, 1}, 2, {.size = 1}},
    {"start", {0x10, 1}, 2, {.size = 1, .partition_start = true}},
    {"not referred to", {0x20, 1}, 2, {.size = 1, .non_reference = true}},
    {"partition", {0x17, 1}, 2, {.size = 1, .partition_start = true, .partition = 7}},
    {"extended, with nothing", {0x80, 0, 1}, 3, {.size = 2}},
    {"short id", {0x80, 0x80, 0x7f, 1}, 4, {.size = 3, .picture_id_bits = 7, .picture_id = 127}},
    {"long id",
     {0x80, 0x80, 0xff, 0xfe, 1},
     5,
     {.size = 4, .picture_id_bits = 15, .picture_id = 32766}},
    {"TL0PICIDX",
     {0x80, 0x40, 200, 1},
     4,
     {.size = 3, .has_tl0_pic_idx = true, .tl0_pic_idx = 200}},
    {"TID without KEYIDX",
     {0x80, 0x20, 0xbf, 1},
     4,
     {.size = 3, .has_layer = true, .temporal_id = 2, .layer_sync = true}},
    {"KEYIDX without TID",
     {0x80, 0x10, 0xff, 1},
     4,
     {.size = 3, .has_key_idx = true, .key_idx = 31}},
    {"all of it, as libwebrtc writes it",
     {0x90, 0xf0, 0x92, 0x34, 9, 0x43, 1},
     7,
     {.size = 6,
      .partition_start = true,
      .picture_id_bits = 15,
      .picture_id = 0x1234,
      .has_tl0_pic_idx = true,
      .tl0_pic_idx = 9,
      .has_layer = true,
      .temporal_id = 1,
      .has_key_idx = true,
      .key_idx = 3}},
};

static bool is_same(const struct vp8_descriptor *a, const struct vp8_descriptor *b)
{
    return a->size == b->size && a->non_reference == b->non_reference &&
           a->partition_start == b->partition_start && a->partition == b->partition &&
           a->picture_id_bits == b->picture_id_bits && a->picture_id == b->picture_id &&
           a->has_tl0_pic_idx == b->has_tl0_pic_idx && a->tl0_pic_idx == b->tl0_pic_idx &&
           a->has_layer == b->has_layer && a->temporal_id == b->temporal_id &&
           a->layer_sync == b->layer_sync && a->has_key_idx == b->has_key_idx &&
           a->key_idx == b->key_idx;
}

static void test_parses_every_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(parse_rows) / sizeof(parse_rows[0]); i++) {
        const struct parse_row *row = &parse_rows[i];
        /* At every size, so that a read past the end is seen. */
        for (size_t size = 0; size <= row->size; size++) {
            uint8_t *exact = malloc(size + 1);
            memcpy(exact + 1, row->bytes, size);
            struct vp8_descriptor d;
            if (vp8_parse(&d, exact + 1, size) != (size == row->size))
                fail_msg("%s: size %zu", row->name, size);
            if (size == row->size && !is_same(&d, &row->d))
                fail_msg("%s", row->name);
            free(exact);
        }
    }
}

static void test_reads_the_frame_header(void **state)
{
    (void)state;
    uint16_t width = 0, height = 0;
    assert_true(vp8_is_keyframe(keyframe, sizeof(keyframe)));
    assert_true(vp8_find_size(keyframe, sizeof(keyframe), &width, &height));
    assert_int_equal(width, 176);
    assert_int_equal(height, 144);
    for (size_t size = 0; size < 10; size++)
        assert_false(vp8_find_size(keyframe, size, &width, &height));
    uint8_t other[sizeof(keyframe)];
    memcpy(other, keyframe, sizeof(other));
    other[0] |= 1;
    assert_false(vp8_is_keyframe(other, sizeof(other)));
    assert_false(vp8_find_size(other, sizeof(other), &width, &height));
    other[0] = keyframe[0];
    other[4] = 2; /* no start code */
    assert_false(vp8_find_size(other, sizeof(other), &width, &height));
    assert_false(vp8_is_keyframe(NULL, 0));
}

static void test_packets_by_the_byte(void **state)
{
    (void)state;
    static const uint8_t a[] = {0x10, 1, 2, 3}, b[] = {0, 4, 5, 6}, c[] = {0, 7};
    static const uint8_t frame[] = {1, 2, 3, 4, 5, 6, 7};
    struct packetize p = fixture_room();
    assert_int_equal(vp8_packetize(&p, frame, sizeof(frame), 4), 0);
    assert_int_equal(p.n_packets, 3);
    fixture_assert_packet(&p, 0, a, sizeof(a));
    fixture_assert_packet(&p, 1, b, sizeof(b));
    fixture_assert_packet(&p, 2, c, sizeof(c));
    fixture_assert_layout(&p, 4);
    assert_int_equal(vp8_packetize(&p, frame, sizeof(frame), 8), 0);
    assert_int_equal(p.n_packets, 1);
    assert_int_equal(vp8_packetize(&p, frame, 0, 8), -EBADMSG);
    assert_int_equal(p.n_packets, 0);
}

static void test_packets_are_equal(void **state)
{
    (void)state;
    static uint8_t frame[6000], back[6000];
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 7);
    static const size_t maxima[] = {32, 100, 1139, 1140};
    for (size_t m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
        for (size_t size = 1; size <= sizeof(frame); size += size < 2400 ? 1 : 97) {
            struct packetize p = fixture_room();
            assert_int_equal(vp8_packetize(&p, frame, size, maxima[m]), 0);
            fixture_assert_layout(&p, maxima[m]);
            fixture_assert_equal_sizes(&p);
            assert_int_equal(p.n_packets, (size + maxima[m] - 2) / (maxima[m] - 1));
            struct vp8_assembler a;
            vp8_assemble_begin(&a, back, size); /* it needs no more room than the frame */
            for (unsigned i = 0; i < p.n_packets; i++)
                vp8_assemble(&a, fixture_payload(&p, i), p.packets[i].size);
            assert_true(vp8_assemble_end(&a));
            assert_int_equal(a.unit.size, size);
            assert_memory_equal(back, frame, size);
        }
    }
}

static void test_out_of_place_breaks_it(void **state)
{
    (void)state;
    static const uint8_t first[] = {0x10, 1, 2}, rest[] = {0, 3}, second[] = {0x11, 4};
    static const uint8_t empty[] = {0};
    uint8_t back[8];
    struct vp8_assembler a;

    vp8_assemble_begin(&a, back, sizeof(back));
    vp8_assemble(&a, first, sizeof(first));
    vp8_assemble(&a, rest, sizeof(rest));
    vp8_assemble(&a, second, sizeof(second)); /* a new partition begins */
    assert_true(vp8_assemble_end(&a));
    assert_memory_equal(back, "\1\2\3\4", 4);
    vp8_assemble(&a, first, sizeof(first)); /* a new frame begins */
    assert_false(vp8_assemble_end(&a));

    vp8_assemble_begin(&a, back, sizeof(back));
    assert_false(vp8_assemble_end(&a)); /* nothing came */
    vp8_assemble(&a, rest, sizeof(rest));
    assert_false(vp8_assemble_end(&a));

    vp8_assemble_begin(&a, back, sizeof(back));
    vp8_assemble(&a, first, sizeof(first));
    vp8_assemble(&a, empty, sizeof(empty));
    assert_false(vp8_assemble_end(&a));

    vp8_assemble_begin(&a, back, 2);
    vp8_assemble(&a, first, sizeof(first));
    assert_true(vp8_assemble_end(&a));
    vp8_assemble(&a, rest, sizeof(rest)); /* one byte too many */
    assert_false(vp8_assemble_end(&a));
    assert_int_equal(a.unit.size, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses_every_field),
        cmocka_unit_test(test_reads_the_frame_header),
        cmocka_unit_test(test_packets_by_the_byte),
        cmocka_unit_test(test_packets_are_equal),
        cmocka_unit_test(test_out_of_place_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
