#include "encode/h264_level.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_usual_sizes(void **state)
{
    (void)state;
    static const struct {
        int width, height, fps;
        uint32_t bps;
        int level;
    } rows[] = {
        {176, 144, 15, 64000, 10},        {176, 144, 30, 192000, 11},
        {320, 240, 10, 192000, 11},       {320, 240, 20, 384000, 12},
        {352, 288, 30, 768000, 13},       {352, 288, 30, 2000000, 20},
        {352, 480, 25, 2000000, 21},      {640, 480, 15, 4000000, 22},
        {640, 480, 30, 4000000, 30},      {640, 480, 30, 10000001, 31},
        {1280, 720, 30, 2500000, 31},     {1280, 720, 30, 14000001, 32},
        {1280, 720, 60, 6000000, 32},     {1920, 1080, 30, 6000000, 40},
        {1920, 1080, 30, 20000001, 41},   {1920, 1080, 60, 6000000, 42},
        {2560, 1440, 30, 6000000, 50},    {3840, 2160, 30, 15000000, 51},
        {3840, 2160, 60, 15000000, 52},   {3840, 2160, 120, 15000000, 60},
        {7680, 4320, 30, 15000000, 60},   {7680, 4320, 60, 15000000, 61},
        {7680, 4320, 120, 240000001, 62},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(h264_level_idc(rows[i].width, rows[i].height, rows[i].fps, rows[i].bps),
                         rows[i].level);
}

static void test_edges_of_a_row(void **state)
{
    (void)state;
    /* 4.0: 8192 macroblocks a picture, 245760 a second, 20 Mbit/s */
    assert_int_equal(h264_level_idc(2048, 1024, 30, 20000000), 40);
    assert_int_equal(h264_level_idc(2048, 1024, 31, 20000000), 42);
    assert_int_equal(h264_level_idc(2048, 1024, 30, 20000001), 41);
    assert_int_equal(h264_level_idc(2048, 1026, 1, 20000000), 42);
    /* a started macroblock counts as one */
    assert_int_equal(h264_level_idc(1280, 720, 30, 1000000), 31);
    assert_int_equal(h264_level_idc(1282, 720, 30, 1000000), 32);
}

static void test_side_limit(void **state)
{
    (void)state;
    /* 3.1: MaxFS 3600, so no side may exceed sqrt(28800) = 169 macroblocks */
    assert_int_equal(h264_level_idc(169 * 16, 16, 30, 1000000), 31);
    assert_int_equal(h264_level_idc(170 * 16, 16, 30, 1000000), 32);
    assert_int_equal(h264_level_idc(16, 170 * 16, 30, 1000000), 32);
}

static void test_nothing_fits(void **state)
{
    (void)state;
    assert_int_equal(h264_level_idc(8192, 8192, 1, 1000000), 0);
    assert_int_equal(h264_level_idc(1920, 1080, 30, 800000001), 0);
    assert_int_equal(h264_level_idc(1920, 1080, 30, 800000000), 62);
    assert_int_equal(h264_level_idc(320, 240, 30, UINT32_MAX), 0);
}

static void test_choose_says_why_not(void **state)
{
    (void)state;
    char error[200] = "";
    struct encoder_config c = {.width = 1920, .height = 1080, .fps = 30, .bitrate_bps = 6000000};
    assert_int_equal(h264_level_choose(&c, error, sizeof(error)), 40);
    assert_string_equal(error, "");
    c.width = c.height = 8192;
    assert_int_equal(h264_level_choose(&c, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "8192x8192"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual_sizes),         cmocka_unit_test(test_edges_of_a_row),
        cmocka_unit_test(test_side_limit),          cmocka_unit_test(test_nothing_fits),
        cmocka_unit_test(test_choose_says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
