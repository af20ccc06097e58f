#include "encode/scale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { CANARY = 0x5a };

static struct picture picture_new(enum picture_format format, int width, int height)
{
    ptrdiff_t stride = width + 6;
    size_t luma = (size_t)stride * (size_t)height;
    struct picture p = {.format = format, .width = width, .height = height};
    p.plane[0] = malloc(2 * luma);
    assert_non_null(p.plane[0]);
    memset(p.plane[0], CANARY, 2 * luma);
    p.stride[0] = p.stride[1] = stride;
    p.plane[1] = p.plane[0] + luma;
    if (format == PICTURE_I420) {
        p.stride[1] = p.stride[2] = stride / 2;
        p.plane[2] = p.plane[1] + luma / 4;
    }
    return p;
}

static void fill(struct picture *p, uint8_t y, uint8_t u, uint8_t v)
{
    for (int row = 0; row < p->height; row++)
        memset(p->plane[0] + row * p->stride[0], y, (size_t)p->width);
    for (int row = 0; row < p->height / 2; row++) {
        for (int x = 0; x < p->width / 2; x++) {
            if (p->format == PICTURE_NV12) {
                p->plane[1][row * p->stride[1] + 2 * x] = u;
                p->plane[1][row * p->stride[1] + 2 * x + 1] = v;
            } else {
                p->plane[1][row * p->stride[1] + x] = u;
                p->plane[2][row * p->stride[2] + x] = v;
            }
        }
    }
}

static int chroma_at(const struct picture *p, int which, int x, int y)
{
    return p->format == PICTURE_NV12 ? p->plane[1][y * p->stride[1] + 2 * x + which]
                                     : p->plane[1 + which][y * p->stride[1 + which] + x];
}

static void test_sizes(void **state)
{
    (void)state;
    static const int rows[][5] = {
        {1920, 1080, 0, 1920, 1080}, {1920, 1080, 1, 960, 540}, {1920, 1080, 2, 480, 270},
        {1366, 768, 1, 682, 384},    {1366, 768, 2, 340, 192},  {16, 4, 2, 4, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int width, height;
        scale_layer_size(rows[i][0], rows[i][1], (unsigned)rows[i][2], &width, &height);
        assert_int_equal(width, rows[i][3]);
        assert_int_equal(height, rows[i][4]);
    }
}

/* Uneven ratios are rounded down. */
static void test_colours_stay(void **state)
{
    (void)state;
    for (int format = PICTURE_NV12; format <= PICTURE_I420; format++) {
        struct picture in = picture_new((enum picture_format)format, 200, 120);
        struct picture out = picture_new((enum picture_format)format, 66, 40);
        fill(&in, 200, 40, 90);
        in.captured_us = 77;
        in.repeat = true;
        assert_int_equal(scale_picture(&in, &out), 0);
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 66; x++)
                assert_in_range(out.plane[0][y * out.stride[0] + x], 199, 200);
        for (int y = 0; y < 20; y++) {
            for (int x = 0; x < 33; x++) {
                assert_in_range(chroma_at(&out, 0, x, y), 39, 40);
                assert_in_range(chroma_at(&out, 1, x, y), 89, 90);
            }
        }
        assert_int_equal(out.plane[0][66], CANARY); /* beside the row */
        assert_int_equal(out.captured_us, 77);
        assert_true(out.repeat && !out.damage.known);
        free(in.plane[0]);
        free(out.plane[0]);
    }
}

/* A line of one pixel is not lost between the samples, as text would be. */
static void test_every_pixel_counts(void **state)
{
    (void)state;
    struct picture in = picture_new(PICTURE_I420, 64, 64);
    struct picture out = picture_new(PICTURE_I420, 16, 16);
    for (int line = 0; line < 4; line++) {
        fill(&in, 16, 128, 128);
        memset(in.plane[0] + (8 + line) * in.stride[0], 236, 64);
        assert_int_equal(scale_picture(&in, &out), 0);
        for (int x = 0; x < 16; x++)
            assert_in_range(out.plane[0][2 * out.stride[0] + x], 16 + 54, 16 + 56);
    }
    free(in.plane[0]);
    free(out.plane[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_colours_stay),
        cmocka_unit_test(test_every_pixel_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
