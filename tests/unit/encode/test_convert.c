#include "encode/convert.h"
#include "encode/cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { CANARY = 0x5a };

static const unsigned masks[] = {0, CPU_SSE41, CPU_SSE41 | CPU_AVX2, ~0u};

/* A picture whose planes have `pad` bytes behind each row and a block of canaries all around. */
struct padded {
    struct picture pic;
    uint8_t *block; /* owned */
    size_t size;
};

static struct padded padded_new(enum picture_format format, int width, int height, int pad)
{
    struct padded p = {.pic = {.format = format, .width = width, .height = height}};
    int bytes = format == PICTURE_BGRA ? width * 4 : width;
    size_t stride = (size_t)(bytes + pad);
    p.size = stride * ((size_t)height * 3 + 3);
    p.block = malloc(p.size);
    assert_non_null(p.block);
    memset(p.block, CANARY, p.size);
    p.pic.plane[0] = p.block + stride;
    p.pic.stride[0] = (ptrdiff_t)stride;
    if (format == PICTURE_BGRA)
        return p;
    p.pic.plane[1] = p.pic.plane[0] + stride * ((size_t)height + 1);
    p.pic.stride[1] = p.pic.stride[2] = (ptrdiff_t)stride;
    p.pic.plane[2] = p.pic.plane[1] + stride * ((size_t)height + 1);
    return p;
}

static uint8_t byte_at(const struct picture *pic, int plane, int x, int y)
{
    return pic->plane[plane][y * pic->stride[plane] + x];
}

static void fill(struct picture *bgra, uint32_t seed)
{
    for (int y = 0; y < bgra->height; y++) {
        for (int x = 0; x < bgra->width * 4; x++) {
            seed = seed * 1664525u + 1013904223u;
            /* whole blocks of extremes among the noise */
            bool extreme = (x / 8 + y / 2) % 3 == 0;
            int value = extreme ? (x / 8 * 7 + y / 2 + x % 4) % 2 * 255 : (int)(seed >> 24);
            bgra->plane[0][y * bgra->stride[0] + x] = (uint8_t)value;
        }
    }
}

/* BT.709, limited range, by its definition */
struct yuv {
    double y, u, v;
};

static struct yuv reference(double b, double g, double r)
{
    double y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    return (struct yuv){16 + 219 * y / 255, 128 + 224 * (b - y) / 1.8556 / 255,
                        128 + 224 * (r - y) / 1.5748 / 255};
}

static double block_mean(const struct picture *bgra, int x, int y, int channel)
{
    return (byte_at(bgra, 0, x * 4 + channel, y) + byte_at(bgra, 0, x * 4 + 4 + channel, y) +
            byte_at(bgra, 0, x * 4 + channel, y + 1) +
            byte_at(bgra, 0, x * 4 + 4 + channel, y + 1)) /
           4.0;
}

static uint8_t chroma_at(const struct picture *out, int which, int x, int y)
{
    return out->format == PICTURE_NV12 ? byte_at(out, 1, x + which, y / 2)
                                       : byte_at(out, 1 + which, x / 2, y / 2);
}

/* By the weights of 7 and 8 bits luma is off by 0.87 and chroma by 0.68 at most, by its rounding up
 * twice chroma by another 0.33; then comes half a step for the last rounding. */
static void assert_close(const struct picture *bgra, const struct picture *out)
{
    for (int y = 0; y < out->height; y++) {
        for (int x = 0; x < out->width; x++) {
            struct yuv want = reference(byte_at(bgra, 0, x * 4, y), byte_at(bgra, 0, x * 4 + 1, y),
                                        byte_at(bgra, 0, x * 4 + 2, y));
            assert_true(fabs(byte_at(out, 0, x, y) - want.y) <= 1.4);
        }
    }
    for (int y = 0; y < out->height; y += 2) {
        for (int x = 0; x < out->width; x += 2) {
            struct yuv want = reference(block_mean(bgra, x, y, 0), block_mean(bgra, x, y, 1),
                                        block_mean(bgra, x, y, 2));
            assert_true(fabs(chroma_at(out, 0, x, y) - want.u) <= 1.6);
            assert_true(fabs(chroma_at(out, 1, x, y) - want.v) <= 1.6);
        }
    }
}

static void test_close_to_the_definition(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
        struct convert_dsp dsp;
        cpu_set_mask(masks[m]);
        convert_dsp_init(&dsp);
        for (int format = PICTURE_NV12; format <= PICTURE_I420; format++) {
            struct padded in = padded_new(PICTURE_BGRA, 198, 34, 0);
            struct padded out = padded_new((enum picture_format)format, 198, 34, 0);
            fill(&in.pic, 1);
            convert_picture(&dsp, &in.pic, &out.pic);
            assert_close(&in.pic, &out.pic);
            free(in.block);
            free(out.block);
        }
    }
    cpu_set_mask(~0u);
}

static void test_black_white_and_primaries(void **state)
{
    (void)state;
    static const uint8_t rows[][6] = {
        /* B G R -> Y U V of the standard's 8-bit colour bars */
        {0, 0, 0, 16, 128, 128},   {255, 255, 255, 235, 128, 128}, {128, 128, 128, 126, 128, 128},
        {255, 0, 0, 32, 240, 118}, {0, 255, 0, 173, 42, 26},       {0, 0, 255, 63, 102, 240},
    };
    for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
        struct convert_dsp dsp;
        cpu_set_mask(masks[m]);
        convert_dsp_init(&dsp);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct padded in = padded_new(PICTURE_BGRA, 64, 2, 0);
            struct padded out = padded_new(PICTURE_I420, 64, 2, 0);
            for (int k = 0; k < 64 * 2; k++)
                memcpy(in.pic.plane[0] + k * 4, rows[i], 3);
            convert_picture(&dsp, &in.pic, &out.pic);
            for (int plane = 0; plane < 3; plane++)
                assert_in_range(byte_at(&out.pic, plane, 5, 0), rows[i][3 + plane] - 1u,
                                rows[i][3 + plane] + 1u);
            free(in.block);
            free(out.block);
        }
    }
    cpu_set_mask(~0u);
}

/* Every byte that does not belong to a sample keeps its canary. */
static void assert_only_samples_written(const struct padded *p)
{
    size_t changed = 0, samples = 0;
    for (int plane = 0; plane < (p->pic.format == PICTURE_NV12 ? 2 : 3); plane++) {
        int width = plane == 0 || p->pic.format == PICTURE_NV12 ? p->pic.width : p->pic.width / 2;
        int height = plane == 0 ? p->pic.height : p->pic.height / 2;
        samples += (size_t)width * (size_t)height;
    }
    for (size_t i = 0; i < p->size; i++)
        changed += p->block[i] != CANARY;
    assert_int_equal(changed, samples);
}

static void test_strides(void **state)
{
    (void)state;
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    for (int format = PICTURE_NV12; format <= PICTURE_I420; format++) {
        for (int pad = 0; pad <= 72; pad += 24) {
            struct padded in = padded_new(PICTURE_BGRA, 130, 6, pad);
            struct padded out = padded_new((enum picture_format)format, 130, 6, pad);
            memset(in.block, 0xff, in.size); /* white: no sample is the canary */
            convert_picture(&dsp, &in.pic, &out.pic);
            assert_only_samples_written(&out);
            free(in.block);
            free(out.block);
        }
    }
}

static void test_bottom_up_source(void **state)
{
    (void)state;
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    struct padded in = padded_new(PICTURE_BGRA, 40, 8, 4);
    struct padded out = padded_new(PICTURE_NV12, 40, 8, 0);
    fill(&in.pic, 7);
    in.pic.plane[0] += 7 * in.pic.stride[0];
    in.pic.stride[0] = -in.pic.stride[0];
    convert_picture(&dsp, &in.pic, &out.pic);
    assert_close(&in.pic, &out.pic);
    free(in.block);
    free(out.block);
}

static void test_formats_agree(void **state)
{
    (void)state;
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    struct padded in = padded_new(PICTURE_BGRA, 150, 10, 12);
    struct padded nv12 = padded_new(PICTURE_NV12, 150, 10, 0);
    struct padded i420 = padded_new(PICTURE_I420, 150, 10, 8);
    fill(&in.pic, 3);
    in.pic.captured_us = 123456;
    in.pic.repeat = true;
    convert_picture(&dsp, &in.pic, &nv12.pic);
    convert_picture(&dsp, &in.pic, &i420.pic);
    for (int y = 0; y < 10; y++) {
        for (int x = 0; x < 150; x++) {
            assert_int_equal(byte_at(&nv12.pic, 0, x, y), byte_at(&i420.pic, 0, x, y));
            assert_int_equal(chroma_at(&nv12.pic, 0, x & ~1, y), chroma_at(&i420.pic, 0, x, y));
            assert_int_equal(chroma_at(&nv12.pic, 1, x & ~1, y), chroma_at(&i420.pic, 1, x, y));
        }
    }
    assert_int_equal(nv12.pic.captured_us, 123456);
    assert_true(nv12.pic.repeat);
    free(in.block);
    free(nv12.block);
    free(i420.block);
}

static void test_smallest(void **state)
{
    (void)state;
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    for (int format = PICTURE_NV12; format <= PICTURE_I420; format++) {
        struct padded in = padded_new(PICTURE_BGRA, 2, 2, 0);
        struct padded out = padded_new((enum picture_format)format, 2, 2, 2);
        memset(in.block, 0xff, in.size);
        convert_picture(&dsp, &in.pic, &out.pic);
        assert_only_samples_written(&out);
        assert_close(&in.pic, &out.pic);
        free(in.block);
        free(out.block);
    }
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Changes some pixels and says in which rectangles. */
static void damage(struct picture *bgra, uint32_t *seed)
{
    struct picture_damage *d = &bgra->damage;
    *d = (struct picture_damage){.known = true, .n = (int)(next(seed) % 5)};
    for (int i = 0; i < d->n; i++) {
        struct picture_rect *r = &d->rect[i];
        r->x = (int)(next(seed) % (uint32_t)bgra->width);
        r->y = (int)(next(seed) % (uint32_t)bgra->height);
        r->width = 1 + (int)(next(seed) % (uint32_t)(bgra->width - r->x));
        r->height = 1 + (int)(next(seed) % (uint32_t)(bgra->height - r->y));
        for (int y = r->y; y < r->y + r->height; y++)
            for (int x = 4 * r->x; x < 4 * (r->x + r->width); x++)
                bgra->plane[0][y * bgra->stride[0] + x] = (uint8_t)next(seed);
    }
}

/* Converting what changed gives what converting all of it gives, also where chroma is shared with a
 * pixel that did not change, and behind the last whole vector. */
static void test_damage_is_enough(void **state)
{
    (void)state;
    uint32_t seed = 11;
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    for (int format = PICTURE_NV12; format <= PICTURE_I420; format++) {
        struct padded in = padded_new(PICTURE_BGRA, 206, 38, 12);
        struct padded all = padded_new((enum picture_format)format, 206, 38, 4);
        struct padded some = padded_new((enum picture_format)format, 206, 38, 4);
        fill(&in.pic, 5);
        convert_damage(&dsp, &in.pic, &some.pic); /* not known: everything */
        for (int i = 0; i < 400; i++) {
            in.pic.captured_us = i;
            damage(&in.pic, &seed);
            convert_damage(&dsp, &in.pic, &some.pic);
            convert_picture(&dsp, &in.pic, &all.pic);
            assert_memory_equal(some.block, all.block, all.size);
            assert_int_equal(some.pic.captured_us, i);
            assert_int_equal(some.pic.damage.n, in.pic.damage.n);
        }
        free(in.block);
        free(all.block);
        free(some.block);
    }
}

/* And nothing else is read: that is what it is for. */
static void test_what_is_not_damaged_stays(void **state)
{
    (void)state;
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    struct padded in = padded_new(PICTURE_BGRA, 640, 8, 0);
    struct padded out = padded_new(PICTURE_NV12, 640, 8, 0);
    memset(in.block, 0xff, in.size);
    in.pic.damage = (struct picture_damage){.known = true, .n = 1, .rect = {{130, 3, 5, 1}}};
    convert_damage(&dsp, &in.pic, &out.pic);
    for (int y = 0; y < 8; y++) {
        for (int x = 0; x < 640; x++) {
            bool near = x >= 128 && x < 192 && (y == 2 || y == 3);
            assert_int_equal(byte_at(&out.pic, 0, x, y), near ? 235 : CANARY);
        }
    }
    in.pic.damage.n = 0;
    convert_damage(&dsp, &in.pic, &out.pic);
    assert_int_equal(byte_at(&out.pic, 0, 0, 0), CANARY);
    free(in.block);
    free(out.block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_to_the_definition),
        cmocka_unit_test(test_black_white_and_primaries),
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_bottom_up_source),
        cmocka_unit_test(test_formats_agree),
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_damage_is_enough),
        cmocka_unit_test(test_what_is_not_damaged_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
