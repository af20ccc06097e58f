#include "capture/access_units.h"

#include "tests/unit/capture/h264_write.h"
#include "tests/unit/capture/ivf_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>

static struct h264_writer w;
static struct ivf_writer ivf;
static struct access_units units;
static char error[128];

static const struct sps_fields small = SPS_BASELINE(20, 15);

static void begin(void)
{
    memset(&w, 0, sizeof(w));
}

static void write_keyframe(void)
{
    write_sps(&w, &small);
    write_pps(&w);
    write_idr(&w);
}

static int open_bytes(const void *data, size_t size)
{
    error[0] = '\0';
    return access_units_open(&units, data, size, error, sizeof(error));
}

static int open_written(void)
{
    return open_bytes(w.data, w.size);
}

static void assert_refused(int err, const char *says)
{
    if (err >= 0 || !strstr(error, says) || strchr(error, '\n'))
        fail_msg("%d \"%s\", not \"%s\"", err, error, says);
}

static void pictures_come_in_order_and_again_after_a_rewind(void **state)
{
    (void)state;
    size_t ends[4];
    begin();
    write_keyframe();
    for (int i = 0; i < 3; i++) {
        /* the first zero of a start code of four bytes goes with the picture before it */
        ends[i] = w.size + 1;
        write_delta(&w);
    }
    ends[3] = w.size;
    assert_int_equal(open_written(), 0);
    assert_int_equal(units.n_units, 4);
    assert_int_equal(units.n_keyframes, 1);
    assert_int_equal(units.n_skipped, 0);
    assert_int_equal(units.longest_gop, 4);
    assert_int_equal(units.first.sps.width, 320);
    assert_int_equal(units.first.sps.height, 240);
    assert_int_equal(units.first.sps.level_idc, 31);
    for (int round = 0; round < 3; round++) {
        struct access_unit unit;
        const uint8_t *at = w.data;
        for (int i = 0; i < 4; i++) {
            assert_true(access_units_next(&units, &unit));
            assert_ptr_equal(unit.data, at);
            assert_ptr_equal(unit.data + unit.size, w.data + ends[i]);
            assert_int_equal(unit.keyframe, i == 0);
            assert_null(unit.headers);
            at += unit.size;
        }
        assert_false(access_units_next(&units, &unit));
        assert_false(access_units_next(&units, &unit));
        access_units_rewind(&units);
    }
}

static void what_stands_before_the_first_keyframe_is_left_out(void **state)
{
    (void)state;
    begin();
    write_slice(&w, 0x41, 30, SLICE_P);
    write_delta(&w);
    write_slice(&w, 0x41, 0, SLICE_B); /* not played, so nobody minds */
    write_idr(&w);                     /* of no use without parameter sets */
    size_t start = w.size + 1;
    write_keyframe();
    write_delta(&w);
    assert_int_equal(open_written(), 0);
    assert_int_equal(units.n_skipped, 4);
    assert_int_equal(units.n_units, 2);
    struct access_unit unit;
    for (int round = 0; round < 2; round++) {
        assert_true(access_units_next(&units, &unit));
        assert_ptr_equal(unit.data, w.data + start);
        assert_true(unit.keyframe);
        assert_true(access_units_next(&units, &unit));
        assert_false(access_units_next(&units, &unit));
        access_units_rewind(&units);
    }
}

static void keyframes_without_parameter_sets_are_given_the_last_ones(void **state)
{
    (void)state;
    begin();
    write_nal(&w, 0x09, 1);
    size_t headers = w.size + 1;
    write_sps(&w, &small);
    write_pps(&w);
    size_t headers_size = w.size - headers;
    write_idr(&w);
    write_delta(&w);
    write_idr(&w);
    write_delta(&w);
    write_pps(&w); /* without an SPS it does not stand alone either */
    write_idr(&w);
    assert_int_equal(open_written(), 0);
    assert_int_equal(units.n_keyframes, 3);
    assert_int_equal(units.longest_gop, 2);
    static const bool keyframe[] = {true, false, true, false, true};
    size_t max = 0;
    for (int i = 0; i < 5; i++) {
        struct access_unit unit;
        assert_true(access_units_next(&units, &unit));
        assert_int_equal(unit.keyframe, keyframe[i]);
        if (i == 0 || !unit.keyframe) {
            assert_null(unit.headers);
            assert_int_equal(unit.headers_size, 0);
        } else {
            assert_ptr_equal(unit.headers, w.data + headers);
            assert_int_equal(unit.headers_size, headers_size);
        }
        if (unit.size + unit.headers_size > max)
            max = unit.size + unit.headers_size;
    }
    assert_int_equal(units.max_unit_size, max);
}

static void a_new_size_is_told_with_its_picture(void **state)
{
    (void)state;
    begin();
    write_keyframe();
    write_sps(&w, &(struct sps_fields)SPS_BASELINE(40, 30));
    write_pps(&w);
    write_idr(&w);
    assert_int_equal(open_written(), 0);
    struct access_unit unit;
    for (int round = 0; round < 2; round++) {
        assert_true(access_units_next(&units, &unit));
        assert_int_equal(units.cursor.sps.width, 320);
        assert_true(access_units_next(&units, &unit));
        assert_int_equal(units.cursor.sps.width, 640);
        access_units_rewind(&units);
    }
}

static void write_timed(uint32_t time_scale, uint32_t tick)
{
    begin();
    struct sps_fields fields = small;
    fields.has_vui = true;
    fields.time_scale = time_scale;
    fields.tick = tick;
    write_sps(&w, &fields);
    write_pps(&w);
    write_idr(&w);
}

static void the_rate_of_a_byte_stream_is_that_of_its_vui(void **state)
{
    (void)state;
    static const struct {
        uint32_t time_scale, tick, rate, scale;
    } rows[] = {
        {50, 1, 25, 1},   {60000, 1001, 30000, 1001},
        {480, 1, 240, 1}, {2, 1, 1, 1},
        {481, 1, 0, 0}, /* more than anybody shows */
        {1, 1, 0, 0},   /* less than one in a second */
        {0, 0, 0, 0},     {0xffffffff, 0x7fffffff, 0xffffffff, 0xfffffffe},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_timed(rows[i].time_scale, rows[i].tick);
        assert_int_equal(open_written(), 0);
        if (units.rate != rows[i].rate || units.rate_scale != rows[i].scale)
            fail_msg("row %zu: %u/%u", i, units.rate, units.rate_scale);
    }
}

/* A keyframe and deltas at these times. */
static int open_ivf(uint32_t rate, uint32_t scale, const uint64_t *times, int n)
{
    ivf_write_header(&ivf, "H264", rate, scale);
    for (int i = 0; i < n; i++) {
        begin();
        if (i == 0)
            write_keyframe();
        else
            write_delta(&w);
        ivf_write_frame(&ivf, times[i], w.data, w.size);
    }
    return open_bytes(ivf.data, ivf.size);
}

static void the_rate_of_ivf_is_the_mean_of_its_times(void **state)
{
    (void)state;
    static const struct {
        uint32_t rate, scale;
        uint64_t times[4];
        uint32_t out, out_scale;
    } rows[] = {
        {30, 1, {0, 1, 2, 3}, 30, 1},
        {30000, 1001, {5, 6, 7, 8}, 30000, 1001},
        {90000, 1, {0, 1500, 4500, 4500 + 1500}, 45, 1},
        {1000, 1, {100, 133, 167, 200}, 30, 1},
        {30, 1, {0, 1, 1, 2}, 0, 0}, /* out of order */
        {30, 1, {3, 2, 1, 0}, 0, 0},
        {30, 0, {0, 1, 2, 3}, 0, 0},
        {0, 1, {0, 1, 2, 3}, 0, 0},
        {1000, 1, {0, 1, 2, 3}, 0, 0},
        {30, 1, {0, 1, 2, UINT64_MAX}, 0, 0},
        {0xffffffff, 0xffffff, {0, 3, 6, 9}, 85, 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(open_ivf(rows[i].rate, rows[i].scale, rows[i].times, 4), 0);
        assert_int_equal(units.n_units, 4);
        double rate = units.rate ? (double)units.rate / units.rate_scale : 0;
        double wanted = rows[i].out_scale ? (double)rows[i].out / rows[i].out_scale : 0;
        if (rate < wanted * 0.99 || rate > wanted * 1.01)
            fail_msg("row %zu: %u/%u", i, units.rate, units.rate_scale);
        if (rows[i].out_scale == 1001)
            assert_int_equal(units.rate_scale, 1001);
    }
}

static void ivf_without_times_has_the_rate_of_its_vui(void **state)
{
    (void)state;
    write_timed(100, 1);
    ivf_write_header(&ivf, "H264", 30, 1);
    ivf_write_frame(&ivf, 0, w.data, w.size);
    assert_int_equal(open_bytes(ivf.data, ivf.size), 0);
    assert_int_equal(units.rate, 50);
    assert_int_equal(units.rate_scale, 1);
}

static void an_ivf_frame_is_a_picture_and_may_be_only_parameter_sets(void **state)
{
    (void)state;
    ivf_write_header(&ivf, "H264", 30, 1);
    begin();
    write_sps(&w, &small);
    write_pps(&w);
    size_t headers_size = w.size - 1; /* from the start code of three bytes */
    ivf_write_frame(&ivf, 0, w.data, w.size);
    ivf_write_frame(&ivf, 1, NULL, 0);
    begin();
    write_idr(&w);
    ivf_write_frame(&ivf, 2, w.data, w.size);
    size_t at = ivf.size - w.size;
    assert_int_equal(open_bytes(ivf.data, ivf.size), 0);
    assert_int_equal(units.n_units, 1);
    struct access_unit unit;
    assert_true(access_units_next(&units, &unit));
    assert_ptr_equal(unit.data, ivf.data + at);
    assert_int_equal(unit.size, w.size);
    assert_int_equal(unit.headers_size, headers_size);
    assert_true(unit.keyframe);
    assert_false(access_units_next(&units, &unit));
}

static void what_browsers_do_not_play_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct sps_fields sps;
        uint32_t slice;
        const char *says;
    } rows[] = {
        {SPS_BASELINE(20, 15), SLICE_B, "B pictures"},
        {{77, 0, 31, 20, 15, .fields = true}, SLICE_P, "interlaced"},
        {{110, 0, 31, 20, 15, .chroma_format = 1, .depth = 10}, SLICE_P, "8-bit 4:2:0"},
        {{244, 0, 31, 20, 15, .chroma_format = 3, .depth = 8}, SLICE_P, "8-bit 4:2:0"},
        {SPS_BASELINE(2000, 15), SLICE_P, "cannot be read"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        write_sps(&w, &rows[i].sps);
        write_pps(&w);
        write_idr(&w);
        write_slice(&w, 0x41, 0, rows[i].slice);
        int err = open_written();
        assert_refused(err, rows[i].says);
        assert_int_equal(err, -ENOTSUP);
    }
    begin(); /* also when only a later one is so */
    write_keyframe();
    write_sps(&w, &rows[1].sps);
    write_pps(&w);
    write_idr(&w);
    assert_refused(open_written(), "interlaced");
}

static void other_files_are_refused_by_name(void **state)
{
    (void)state;
    static const uint8_t transport_stream[376] = {[0] = 0x47, [188] = 0x47};
    static const uint8_t zeros[64] = {0};
    static const struct {
        const void *bytes;
        size_t size;
        const char *says;
    } rows[] = {
        {"", 0, "empty"},
        {"x", 1, "neither"},
        {"hello, this is text", 19, "neither"},
        {zeros, sizeof(zeros), "neither"},
        {"\0\0\0\x20"
         "ftypisom\0\0\2\0",
         16, "MP4"},
        {"\x1a\x45\xdf\xa3\x01\0\0\0", 8, "Matroska"},
        {"RIFF\0\0\0\0AVI ", 12, "AVI"},
        {transport_stream, sizeof(transport_stream), "transport stream"},
        {"DKIF", 4, "IVF header"},
        {"\0\0\0\1", 4, "no H.264 keyframe"},
        {"\0\0\1\x40\1\x0c\1\xff\xff\0\0\1\x42\1\1\1\0\0\1\x26\1\xaf", 22, "no H.264 keyframe"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_refused(open_bytes(rows[i].bytes, rows[i].size), rows[i].says);
}

static void what_is_no_frame_of_its_codec_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"VP80", "no keyframe"}, {"VP90", "broken"}, {"AV01", "broken"}, {"????", "not known"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ivf_write_header(&ivf, rows[i][0], 30, 1);
        ivf_write_frame(&ivf, 0, (const uint8_t *)"abc", 3);
        assert_refused(open_bytes(ivf.data, ivf.size), rows[i][1]);
    }
}

static void cut_and_empty_ivf_is_refused(void **state)
{
    (void)state;
    static const uint64_t times[] = {0, 1, 2};
    assert_int_equal(open_ivf(30, 1, times, 3), 0);
    assert_refused(open_bytes(ivf.data, ivf.size - 1), "cut off after 2 pictures");
    assert_refused(open_bytes(ivf.data, 32), "no H.264 keyframe");
    ivf_write_header(&ivf, "H264", 30, 1); /* sizes before NAL units, as in MP4 */
    ivf_write_frame(&ivf, 0, (const uint8_t *)"\0\0\0\5\x65\x88\x80\x40\x20", 9);
    assert_refused(open_bytes(ivf.data, ivf.size), "no H.264 keyframe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_in_order_and_again_after_a_rewind),
        cmocka_unit_test(what_stands_before_the_first_keyframe_is_left_out),
        cmocka_unit_test(keyframes_without_parameter_sets_are_given_the_last_ones),
        cmocka_unit_test(a_new_size_is_told_with_its_picture),
        cmocka_unit_test(the_rate_of_a_byte_stream_is_that_of_its_vui),
        cmocka_unit_test(the_rate_of_ivf_is_the_mean_of_its_times),
        cmocka_unit_test(ivf_without_times_has_the_rate_of_its_vui),
        cmocka_unit_test(an_ivf_frame_is_a_picture_and_may_be_only_parameter_sets),
        cmocka_unit_test(what_browsers_do_not_play_is_refused),
        cmocka_unit_test(other_files_are_refused_by_name),
        cmocka_unit_test(what_is_no_frame_of_its_codec_is_refused),
        cmocka_unit_test(cut_and_empty_ivf_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
