#include "rtp/payload/vp9.h"

#include "rtp/wire/bits.h"
#include "tests/unit/payload/payload_fixture.h"

#include <errno.h>
#include <stdlib.h>

/* The start of a keyframe's uncompressed header (VP9 7.2). */
static size_t write_keyframe(uint8_t *out, unsigned profile, unsigned color_space, uint32_t width,
                             uint32_t height)
{
    struct bit_writer w = {.bytes = out, .size = 32};
    put_bits(&w, 2, 2);
    put_bits(&w, 1, profile & 1);
    put_bits(&w, 1, profile >> 1);
    if (profile == 3)
        put_bit(&w, false);
    put_bits(&w, 4, 2); /* not an existing one, key, shown, not error resilient */
    put_bits(&w, 24, 0x498342);
    if (profile >= 2)
        put_bit(&w, true);
    put_bits(&w, 3, color_space);
    if (color_space != 7) {
        put_bit(&w, true);
        put_bits(&w, profile & 1 ? 3 : 0, profile & 1 ? 6 : 0);
    } else {
        put_bits(&w, profile & 1, 0);
    }
    put_bits(&w, 16, width - 1);
    put_bits(&w, 16, height - 1);
    put_bits(&w, 8, 0x55);
    assert_false(w.overrun);
    return (w.at + 7) / 8;
}

static void test_finds_the_size_in_every_profile(void **state)
{
    (void)state;
    for (unsigned profile = 0; profile < 4; profile++) {
        for (unsigned color_space = 0; color_space < 8; color_space++) {
            uint8_t frame[32] = {0};
            uint16_t width = 0, height = 0;
            size_t size = write_keyframe(frame, profile, color_space, 1920, 1080);
            assert_true(vp9_is_keyframe(frame, size));
            /* RGB is for the odd profiles only. */
            bool valid = color_space != 7 || profile & 1;
            assert_int_equal(vp9_find_size(frame, size, &width, &height), valid);
            if (!valid)
                continue;
            assert_int_equal(width, 1920);
            assert_int_equal(height, 1080);
            for (size_t cut = 0; cut < size - 1; cut++) {
                uint8_t *exact = malloc(cut + 1);
                memcpy(exact + 1, frame, cut);
                assert_false(vp9_find_size(exact + 1, cut, &width, &height));
                assert_int_equal(vp9_is_keyframe(exact + 1, cut), cut > 0);
                free(exact);
            }
        }
    }
    uint8_t frame[32] = {0};
    uint16_t width, height;
    size_t size = write_keyframe(frame, 0, 2, 65536, 16);
    assert_false(vp9_find_size(frame, size, &width, &height)); /* does not fit the structure */
    assert_true(vp9_is_keyframe(frame, size));
    frame[0] ^= 4; /* not a key frame */
    assert_false(vp9_is_keyframe(frame, size));
    frame[0] ^= 4 | 8; /* shows an existing one */
    assert_false(vp9_is_keyframe(frame, size));
    frame[0] = 0x30; /* profile 3, reserved bit clear, but no frame marker */
    assert_false(vp9_is_keyframe(frame, size));
}

struct parse_row {
    const char *name;
    uint8_t bytes[24];
    size_t size; /* with one byte of VP9 data */
    struct vp9_descriptor d;
};

static const struct parse_row parse_rows[] = {
    {"shortest", {0x0c, 1}, 2, {.size = 1, .begins = true, .ends = true}},
    {"short id",
     {0xc0, 0x7f, 1},
     3,
     {.size = 2, .predicted = true, .picture_id_bits = 7, .picture_id = 127}},
    {"long id", {0x80, 0x92, 0x34, 1}, 4, {.size = 3, .picture_id_bits = 15, .picture_id = 0x1234}},
    {"layers, non-flexible",
     {0x21, 0x53, 77, 1},
     4,
     {.size = 3,
      .not_needed = true,
      .has_layer = true,
      .temporal_id = 2,
      .switching_up = true,
      .spatial_id = 1,
      .inter_layer = true,
      .has_tl0_pic_idx = true,
      .tl0_pic_idx = 77}},
    {"layers, flexible",
     {0x30, 0x2e, 1},
     3,
     {.size = 2, .flexible = true, .has_layer = true, .temporal_id = 1, .spatial_id = 7}},
    {"references",
     {0xd0, 5, 0x03, 0xff, 0x08, 1},
     6,
     {.size = 5,
      .predicted = true,
      .flexible = true,
      .picture_id_bits = 7,
      .picture_id = 5,
      .n_references = 3,
      .references = {1, 127, 4}}},
    {"structure without anything", {0x02, 0x40, 1}, 3, {.size = 2, .n_spatial = 3}},
    {"sizes of two layers",
     {0x02, 0x30, 1, 64, 0, 180, 2, 128, 1, 104, 1},
     11,
     {.size = 10, .n_spatial = 2, .has_sizes = true, .width = {320, 640}, .height = {180, 360}}},
    {"picture group",
     {0x02, 0x08, 3, 0x00, 0x54, 1, 0x38, 2, 3, 1},
     10,
     {.size = 9, .n_spatial = 1}},
};

static bool is_same(const struct vp9_descriptor *a, const struct vp9_descriptor *b)
{
    return a->size == b->size && a->predicted == b->predicted && a->flexible == b->flexible &&
           a->begins == b->begins && a->ends == b->ends && a->not_needed == b->not_needed &&
           a->picture_id_bits == b->picture_id_bits && a->picture_id == b->picture_id &&
           a->has_layer == b->has_layer && a->temporal_id == b->temporal_id &&
           a->spatial_id == b->spatial_id && a->switching_up == b->switching_up &&
           a->inter_layer == b->inter_layer && a->has_tl0_pic_idx == b->has_tl0_pic_idx &&
           a->tl0_pic_idx == b->tl0_pic_idx && a->n_references == b->n_references &&
           !memcmp(a->references, b->references, sizeof(a->references)) &&
           a->n_spatial == b->n_spatial && a->has_sizes == b->has_sizes &&
           !memcmp(a->width, b->width, sizeof(a->width)) &&
           !memcmp(a->height, b->height, sizeof(a->height));
}

static void test_parses_every_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(parse_rows) / sizeof(parse_rows[0]); i++) {
        const struct parse_row *row = &parse_rows[i];
        for (size_t size = 0; size <= row->size; size++) {
            uint8_t *exact = malloc(size + 1);
            memcpy(exact + 1, row->bytes, size);
            struct vp9_descriptor d;
            if (vp9_parse(&d, exact + 1, size) != (size == row->size))
                fail_msg("%s: size %zu", row->name, size);
            if (size == row->size && !is_same(&d, &row->d))
                fail_msg("%s", row->name);
            free(exact);
        }
    }
}

static void test_refuses_impossible_references(void **state)
{
    (void)state;
    static const uint8_t four[] = {0xd0, 5, 3, 3, 3, 2, 1, 1};
    static const uint8_t without_id[] = {0x50, 2, 1};
    struct vp9_descriptor d;
    assert_false(vp9_parse(&d, four, sizeof(four)));
    assert_false(vp9_parse(&d, without_id, sizeof(without_id)));
}

static void test_where_one_can_begin(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[4];
        bool starts;
    } rows[] = {
        {{0x08, 1}, true},           /* begins, not predicted */
        {{0x00, 1}, false},          /* later packet */
        {{0x48, 1}, false},          /* predicted */
        {{0x28, 0x00, 1, 1}, true},  /* the base layer */
        {{0x28, 0x03, 1, 1}, false}, /* the layer above it, of the same picture */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vp9_descriptor d;
        assert_true(vp9_parse(&d, rows[i].bytes, 4));
        assert_int_equal(vp9_starts_keyframe(&d), rows[i].starts);
    }
}

static void test_descriptors_we_send(void **state)
{
    (void)state;
    uint8_t frame[200] = {0};
    (void)write_keyframe(frame, 0, 2, 640, 360);
    struct packetize p = fixture_room();
    static const uint8_t first[] = {0x0a, 0x10, 2, 128, 1, 104};
    assert_int_equal(vp9_packetize(&p, frame, sizeof(frame), 100), 0);
    assert_int_equal(p.n_packets, 3);
    fixture_assert_layout(&p, 100);
    fixture_assert_equal_sizes(&p);
    assert_memory_equal(fixture_payload(&p, 0), first, sizeof(first));
    assert_int_equal(fixture_payload(&p, 1)[0], 0x00);
    assert_int_equal(fixture_payload(&p, 2)[0], 0x04);

    frame[0] |= 4; /* predicted */
    assert_int_equal(vp9_packetize(&p, frame, sizeof(frame), 150), 0);
    assert_int_equal(p.n_packets, 2);
    assert_int_equal(fixture_payload(&p, 0)[0], 0x48);
    assert_int_equal(fixture_payload(&p, 1)[0], 0x44);
    assert_int_equal(vp9_packetize(&p, frame, sizeof(frame), 300), 0);
    assert_int_equal(p.n_packets, 1);
    assert_int_equal(fixture_payload(&p, 0)[0], 0x4c);

    assert_int_equal(vp9_packetize(&p, frame, 0, 300), -EBADMSG);
    frame[0] = 0;
    assert_int_equal(vp9_packetize(&p, frame, sizeof(frame), 300), -EBADMSG);
    assert_int_equal(p.n_packets, 0);
}

static void test_packets_are_equal(void **state)
{
    (void)state;
    static uint8_t frame[5000], back[5000];
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 7);
    static const size_t maxima[] = {32, 100, 1139, 1140};
    for (unsigned key = 0; key < 2; key++) {
        (void)write_keyframe(frame, 0, 2, 640, 360);
        frame[0] |= key ? 0 : 4;
        for (size_t m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
            for (size_t size = 11; size <= sizeof(frame); size += size < 2400 ? 1 : 97) {
                struct packetize p = fixture_room();
                assert_int_equal(vp9_packetize(&p, frame, size, maxima[m]), 0);
                fixture_assert_layout(&p, maxima[m]);
                fixture_assert_equal_sizes(&p);
                struct vp9_assembler a;
                vp9_assemble_begin(&a, back, size);
                for (unsigned i = 0; i < p.n_packets; i++)
                    vp9_assemble(&a, fixture_payload(&p, i), p.packets[i].size);
                assert_true(vp9_assemble_end(&a));
                assert_int_equal(a.unit.size, size);
                assert_memory_equal(back, frame, size);
            }
        }
    }
}

static void test_layer_frames_of_a_picture(void **state)
{
    (void)state;
    static const uint8_t a1[] = {0x08, 1}, a2[] = {0x04, 2}, b[] = {0x2c, 3, 9, 3};
    uint8_t back[8];
    struct vp9_assembler a;
    vp9_assemble_begin(&a, back, sizeof(back));
    assert_false(vp9_assemble_end(&a));
    vp9_assemble(&a, a1, sizeof(a1));
    assert_false(vp9_assemble_end(&a)); /* not over */
    vp9_assemble(&a, a2, sizeof(a2));
    assert_true(vp9_assemble_end(&a));
    vp9_assemble(&a, b, sizeof(b));
    assert_true(vp9_assemble_end(&a));
    assert_int_equal(a.unit.size, 3);
    assert_memory_equal(back, "\1\2\3", 3);
    vp9_assemble(&a, a2, sizeof(a2)); /* its beginning is missing */
    assert_false(vp9_assemble_end(&a));

    vp9_assemble_begin(&a, back, sizeof(back));
    vp9_assemble(&a, a1, sizeof(a1));
    vp9_assemble(&a, b, sizeof(b)); /* the end of the one before is missing */
    assert_false(vp9_assemble_end(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_size_in_every_profile),
        cmocka_unit_test(test_parses_every_field),
        cmocka_unit_test(test_refuses_impossible_references),
        cmocka_unit_test(test_where_one_can_begin),
        cmocka_unit_test(test_descriptors_we_send),
        cmocka_unit_test(test_packets_are_equal),
        cmocka_unit_test(test_layer_frames_of_a_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
