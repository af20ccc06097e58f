#include "capture/sps.h"

#include "tests/unit/capture/h264_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct h264_writer w;

/* The SPS without its start code. */
static const uint8_t *sps_of(const struct sps_fields *fields, size_t *size)
{
    memset(&w, 0, sizeof(w));
    write_sps(&w, fields);
    *size = w.size - 4;
    return w.data + 4;
}

static bool parse(struct sps *out, const struct sps_fields *fields)
{
    size_t size;
    const uint8_t *nal = sps_of(fields, &size);
    return sps_parse(out, nal, size);
}

static void sizes_are_those_after_cropping(void **state)
{
    (void)state;
    static const struct {
        struct sps_fields fields;
        uint32_t width, height;
    } rows[] = {
        {SPS_BASELINE(80, 45), 1280, 720},
        {SPS_BASELINE(1, 1), 16, 16},
        {SPS_BASELINE(1055, 1055), SPS_MAX_SIDE, SPS_MAX_SIDE},
        {{66, 0xc0, 40, 120, 68, .crops = true, .crop = {0, 0, 0, 4}}, 1920, 1080},
        {{66, 0xc0, 40, 10, 10, .crops = true, .crop = {1, 2, 3, 4}}, 154, 146},
        /* fields: rows are those of a field, and a crop unit is four rows */
        {{77, 0, 40, 120, 34, .fields = true, .crops = true, .crop = {0, 0, 0, 2}}, 1920, 1080},
        /* monochrome crops single pixels, 4:2:2 single rows, 4:4:4 single pixels */
        {{100, 0, 40, 2, 2, .chroma_format = 0, .depth = 8, .crops = true, .crop = {1, 0, 0, 1}},
         31,
         31},
        {{122, 0, 40, 2, 2, .chroma_format = 2, .depth = 10, .crops = true, .crop = {1, 0, 0, 1}},
         30,
         31},
        {{244, 0, 40, 2, 2, .chroma_format = 3, .depth = 8, .crops = true, .crop = {1, 0, 0, 1}},
         31,
         31},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sps sps;
        if (!parse(&sps, &rows[i].fields))
            fail_msg("row %zu was refused", i);
        if (sps.width != rows[i].width || sps.height != rows[i].height)
            fail_msg("row %zu: %ux%u", i, sps.width, sps.height);
        assert_int_equal(sps.frames_only, !rows[i].fields.fields);
    }
}

static void profile_and_format_are_told(void **state)
{
    (void)state;
    struct sps sps;
    assert_true(parse(&sps, &(struct sps_fields)SPS_BASELINE(4, 4)));
    assert_int_equal(sps.profile_idc, 66);
    assert_int_equal(sps.constraints, 0xc0);
    assert_int_equal(sps.level_idc, 31);
    assert_int_equal(sps.chroma_format, 1);
    assert_int_equal(sps.bit_depth, 8);
    assert_true(parse(&sps, &(struct sps_fields){110, 0, 41, 4, 4, .chroma_format = 2, .depth = 10,
                                                 .scaling_lists = true}));
    assert_int_equal(sps.chroma_format, 2);
    assert_int_equal(sps.bit_depth, 10);
    assert_int_equal(sps.width, 64); /* what follows the scaling lists is where it should be */
    assert_true(parse(&sps, &(struct sps_fields){244, 0, 41, 4, 4, .chroma_format = 3, .depth = 8,
                                                 .scaling_lists = true}));
    assert_int_equal(sps.width, 64);
}

static void scaling_lists_of_any_delta_are_passed(void **state)
{
    (void)state;
    /* none of these brings a list of 16 or 64 entries to a scale of 0 */
    static const int32_t deltas[] = {0, 256, -256, 0x7ffffffd, -0x7ffffffd};
    for (size_t i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
        struct sps sps;
        struct sps_fields fields = {100, 0, 41, 4, 3, .chroma_format = 1, .depth = 8};
        fields.scaling_lists = true;
        fields.scaling_delta = deltas[i];
        assert_true(parse(&sps, &fields));
        assert_int_equal(sps.width, 64);
        assert_int_equal(sps.height, 48);
    }
}

static void every_order_count_is_passed(void **state)
{
    (void)state;
    for (uint32_t type = 0; type <= 2; type++) {
        struct sps sps;
        struct sps_fields fields = SPS_BASELINE(20, 15);
        fields.order_type = type;
        fields.order_cycle = 255;
        assert_true(parse(&sps, &fields));
        assert_int_equal(sps.width, 320);
        assert_int_equal(sps.height, 240);
    }
    struct sps sps;
    struct sps_fields fields = SPS_BASELINE(20, 15);
    fields.order_type = 1;
    fields.order_cycle = 256;
    assert_false(parse(&sps, &fields));
}

static void timing_is_read_behind_the_rest_of_the_vui(void **state)
{
    (void)state;
    struct sps sps;
    struct sps_fields fields = SPS_BASELINE(20, 15);
    fields.has_vui = true;
    assert_true(parse(&sps, &fields));
    assert_int_equal(sps.tick, 0);
    assert_int_equal(sps.time_scale, 0);
    fields.tick = 1001; /* 00 00 03 e9: an emulation prevention byte goes in between */
    fields.time_scale = 60000;
    assert_true(parse(&sps, &fields));
    assert_int_equal(sps.tick, 1001);
    assert_int_equal(sps.time_scale, 60000);
    fields.tick = 0; /* forbidden, so nothing is said */
    assert_true(parse(&sps, &fields));
    assert_int_equal(sps.time_scale, 0);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    static const struct sps_fields rows[] = {
        SPS_BASELINE(1056, 1),
        SPS_BASELINE(1, 1056),
        SPS_BASELINE(0xffffffff, 0xffffffff),
        {66, 0xc0, 40, 1, 1, .crops = true, .crop = {8, 0, 0, 0}},
        {66, 0xc0, 40, 1, 1, .crops = true, .crop = {0, 0, 4, 4}},
        {66, 0xc0, 40, 1, 1, .crops = true, .crop = {0xfffffffe, 0xfffffffe, 0, 0}},
        {77, 0, 40, 1, 528, .fields = true},
        {100, 0, 40, 1, 1, .chroma_format = 4, .depth = 8},
        {100, 0, 40, 1, 1, .chroma_format = 1, .depth = 15},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sps sps;
        if (parse(&sps, &rows[i]))
            fail_msg("row %zu was taken: %ux%u", i, sps.width, sps.height);
    }
}

static void a_cut_sps_is_refused_and_a_cut_vui_passed_over(void **state)
{
    (void)state;
    struct sps_fields plain = SPS_BASELINE(120, 68), timed = SPS_BASELINE(120, 68);
    timed.has_vui = true;
    timed.tick = 1;
    timed.time_scale = 50;
    size_t plain_size, size, taken = 0;
    sps_of(&plain, &plain_size);
    const uint8_t *nal = sps_of(&timed, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1); /* so that reading past it is seen */
        assert_non_null(copy);
        memcpy(copy, nal, cut);
        struct sps sps;
        if (sps_parse(&sps, copy, cut)) {
            taken++;
            assert_int_equal(sps.width, 1920);
            assert_true(cut + 1 >= plain_size);
        }
        free(copy);
    }
    assert_true(taken > 5); /* all those cut within the VUI */
    struct sps sps;
    assert_false(sps_parse(&sps, (const uint8_t *)"\x68\x42\xc0\x1f\x80", 5)); /* a PPS */
    static const uint8_t zeros[64] = {0x67, 66, 0xc0, 31};
    assert_false(sps_parse(&sps, zeros, sizeof(zeros)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_after_cropping),
        cmocka_unit_test(profile_and_format_are_told),
        cmocka_unit_test(scaling_lists_of_any_delta_are_passed),
        cmocka_unit_test(every_order_count_is_passed),
        cmocka_unit_test(timing_is_read_behind_the_rest_of_the_vui),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(a_cut_sps_is_refused_and_a_cut_vui_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
