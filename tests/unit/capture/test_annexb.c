#include "capture/annexb.h"

#include "tests/unit/capture/h264_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct h264_writer w;

static void nal_units_come_without_zeros_around_them(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 0, 1, 0x67, 1, 2,    0, 0, 0, 0, 1, 0x68, 3,
                                    0, 0, 1, 0, 0,    1, 0x65, 0, 0, 3, 0, 0, 0};
    const uint8_t *at = bytes, *end = bytes + sizeof(bytes);
    struct annexb_nal nal;
    assert_true(annexb_next(&nal, &at, end));
    assert_int_equal(annexb_type(&nal), ANNEXB_SPS);
    assert_ptr_equal(nal.start, bytes + 1);
    assert_ptr_equal(nal.data, bytes + 4);
    assert_int_equal(nal.size, 3);
    assert_true(annexb_next(&nal, &at, end));
    assert_int_equal(annexb_type(&nal), ANNEXB_PPS);
    assert_int_equal(nal.size, 2);
    assert_true(annexb_next(&nal, &at, end)); /* an empty one in between is none */
    assert_int_equal(annexb_type(&nal), ANNEXB_IDR);
    assert_int_equal(nal.size, 4);
    assert_false(annexb_next(&nal, &at, end));
    assert_ptr_equal(at, end);
    assert_false(annexb_next(&nal, &at, end));
}

static void starts_are_told_from_anything_else(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool starts;
    } rows[] = {
        {"\0\0\1\x67", 4, true},
        {"\0\0\0\1\x67", 5, true},
        {"\0\0\0\0\0\1", 6, true},
        {"\0\1\x67", 3, false},
        {"\0\0\2\1", 4, false},
        {"\0\0\0\0", 4, false},
        {"\x67\0\0\1", 4, false},
        {"", 0, false},
        {"\0\0\0\x18"
         "ftyp",
         8, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (annexb_starts((const uint8_t *)rows[i].bytes, rows[i].size) != rows[i].starts)
            fail_msg("row %zu", i);
    }
}

static void slices_tell_where_and_what_they_are(void **state)
{
    (void)state;
    static const uint32_t first[] = {0, 1, 79, 8159, 0xfffffffe};
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        memset(&w, 0, sizeof(w));
        write_slice(&w, 0x41, first[i], 5 + SLICE_B);
        const uint8_t *at = w.data;
        struct annexb_nal nal;
        struct annexb_slice slice;
        assert_true(annexb_next(&nal, &at, w.data + w.size));
        assert_true(annexb_slice(&slice, &nal));
        assert_int_equal(slice.first_mb, first[i]);
        assert_int_equal(slice.type, SLICE_B);
        nal.size = 1;
        assert_false(annexb_slice(&slice, &nal));
    }
    static const uint8_t endless[] = {0x41, 0, 0, 0, 0, 0, 0x80}, sps[] = {0x67, 0xff, 0xff};
    struct annexb_slice slice;
    struct annexb_nal nal = {.data = endless, .size = sizeof(endless)};
    assert_false(annexb_slice(&slice, &nal));
    nal = (struct annexb_nal){.data = sps, .size = sizeof(sps)};
    assert_false(annexb_slice(&slice, &nal));
}

/* How many NAL units each picture has. */
static void assert_pictures(const int *nal_units, int pictures)
{
    const uint8_t *at = w.data, *end = w.data + w.size;
    for (int i = 0; i < pictures; i++) {
        const uint8_t *next = annexb_picture_end(at, end);
        struct annexb_nal nal;
        int n = 0;
        while (annexb_next(&nal, &at, next))
            n++;
        if (n != nal_units[i])
            fail_msg("picture %d has %d NAL units", i, n);
        at = next;
    }
    assert_ptr_equal(at, end);
}

static void pictures_end_before_what_announces_the_next(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    write_nal(&w, 0x09, 1); /* AUD */
    write_sps(&w, &(struct sps_fields)SPS_BASELINE(1, 1));
    write_pps(&w);
    write_nal(&w, 0x06, 9); /* SEI */
    write_idr(&w);
    write_slice(&w, 0x65, 7, SLICE_I);
    write_nal(&w, 0x0c, 9); /* filler belongs to the picture before it */
    write_nal(&w, 0x06, 9);
    write_delta(&w);
    write_delta(&w);
    write_slice(&w, 0x41, 3, SLICE_P);
    write_slice(&w, 0x41, 5, SLICE_P);
    write_nal(&w, 0x0a, 0); /* end of sequence */
    write_nal(&w, 0x09, 1);
    write_delta(&w);
    write_nal(&w, 0x68, 4);
    write_idr(&w);
    assert_pictures((const int[]){7, 2, 4, 2, 2}, 5);
}

static void what_stands_between_slices_of_a_picture_does_not_end_it(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    for (int i = 0; i < 2; i++) {
        write_nal(&w, 0x6e, 2); /* prefix NAL units, one per slice */
        write_slice(&w, 0x41, 0, SLICE_P);
        write_nal(&w, 0x6e, 2);
        write_slice(&w, 0x41, 9, SLICE_P);
    }
    assert_pictures((const int[]){4, 4}, 2);
}

static void a_stream_that_starts_within_a_picture_splits_after_it(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    write_slice(&w, 0x41, 40, SLICE_P);
    write_sps(&w, &(struct sps_fields)SPS_BASELINE(1, 1));
    write_pps(&w);
    write_idr(&w);
    assert_pictures((const int[]){1, 3}, 2);
    static const uint8_t nothing[4] = {0};
    assert_ptr_equal(annexb_picture_end(nothing, nothing + 4), nothing + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nal_units_come_without_zeros_around_them),
        cmocka_unit_test(starts_are_told_from_anything_else),
        cmocka_unit_test(slices_tell_where_and_what_they_are),
        cmocka_unit_test(pictures_end_before_what_announces_the_next),
        cmocka_unit_test(what_stands_between_slices_of_a_picture_does_not_end_it),
        cmocka_unit_test(a_stream_that_starts_within_a_picture_splits_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
