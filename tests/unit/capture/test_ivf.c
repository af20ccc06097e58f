#include "capture/ivf.h"

#include "tests/unit/capture/ivf_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

static struct ivf_writer w;

static void frames_come_with_their_times(void **state)
{
    (void)state;
    ivf_write_header(&w, "H264", 90000, 1);
    ivf_write_frame(&w, 7, (const uint8_t *)"abc", 3);
    ivf_write_frame(&w, 0x123456789abcdef0, NULL, 0);
    struct ivf ivf;
    assert_true(ivf_starts(w.data, w.size));
    assert_true(ivf_parse(&ivf, w.data, w.size));
    assert_string_equal(ivf.fourcc, "H264");
    assert_int_equal(ivf.rate, 90000);
    assert_int_equal(ivf.scale, 1);
    const uint8_t *at = ivf.frames, *end = w.data + w.size;
    struct ivf_frame frame;
    assert_int_equal(ivf_next(&frame, &at, end), 0);
    assert_int_equal(frame.size, 3);
    assert_memory_equal(frame.data, "abc", 3);
    assert_true(frame.timestamp == 7);
    assert_int_equal(ivf_next(&frame, &at, end), 0);
    assert_int_equal(frame.size, 0);
    assert_true(frame.timestamp == 0x123456789abcdef0);
    assert_int_equal(ivf_next(&frame, &at, end), -ENODATA);
}

static void a_longer_header_is_passed_over(void **state)
{
    (void)state;
    ivf_write_header(&w, "H264", 1, 1);
    w.data[6] = 36;
    ivf_write_number(&w, 0, 4);
    ivf_write_frame(&w, 0, (const uint8_t *)"x", 1);
    struct ivf ivf;
    assert_true(ivf_parse(&ivf, w.data, w.size));
    const uint8_t *at = ivf.frames;
    struct ivf_frame frame;
    assert_int_equal(ivf_next(&frame, &at, w.data + w.size), 0);
    assert_memory_equal(frame.data, "x", 1);
}

static void broken_headers_are_refused(void **state)
{
    (void)state;
    struct ivf ivf;
    ivf_write_header(&w, "H264", 1, 1);
    for (size_t cut = 0; cut < 32; cut++)
        assert_false(ivf_parse(&ivf, w.data, cut));
    assert_true(ivf_parse(&ivf, w.data, 32));
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {{0, 'd'}, {4, 1}, {6, 31}, {6, 33}, {7, 0xff}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ivf_write_header(&w, "H264", 1, 1);
        w.data[rows[i].at] = rows[i].value;
        if (ivf_parse(&ivf, w.data, w.size))
            fail_msg("row %zu was taken", i);
    }
}

static void a_cut_frame_is_told(void **state)
{
    (void)state;
    ivf_write_header(&w, "H264", 1, 1);
    size_t head = w.size;
    ivf_write_frame(&w, 1, (const uint8_t *)"0123456789", 10);
    for (size_t cut = head + 1; cut < w.size; cut++) {
        uint8_t *copy = malloc(cut);
        assert_non_null(copy);
        memcpy(copy, w.data, cut);
        const uint8_t *at = copy + head;
        struct ivf_frame frame;
        assert_int_equal(ivf_next(&frame, &at, copy + cut), -EBADMSG);
        free(copy);
    }
    w.data[head + 3] = 0xff; /* 4 GiB */
    const uint8_t *at = w.data + head;
    struct ivf_frame frame;
    assert_int_equal(ivf_next(&frame, &at, w.data + w.size), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_with_their_times),
        cmocka_unit_test(a_longer_header_is_passed_over),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(a_cut_frame_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
