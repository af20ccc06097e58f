/* What another program put into a buffer: where the picture lies, what of it is new, and what is
 * not to be believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef AMPHI_PIPEWIRE

#include "capture/pipewire_frame.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/video/raw.h>

#define WIDTH 20
#define HEIGHT 10
#define NOW_US 5000000

static struct {
    uint8_t *memory;
    struct spa_chunk chunk;
    struct spa_data data;
    struct spa_meta_header header;
    struct spa_meta_region crop, damage[20];
    struct spa_meta meta[3];
    struct spa_buffer buffer;
    struct spa_video_info_raw format;
} given;

static struct pipewire_frame frame;

static int setup(void **state)
{
    (void)state;
    free(given.memory);
    given.memory = malloc(WIDTH * HEIGHT * 4);
    given.chunk = (struct spa_chunk){.size = WIDTH * HEIGHT * 4};
    given.data = (struct spa_data){.type = SPA_DATA_MemPtr,
                                   .maxsize = WIDTH * HEIGHT * 4,
                                   .data = given.memory,
                                   .chunk = &given.chunk};
    given.meta[0] = (struct spa_meta){SPA_META_Header, sizeof(given.header), &given.header};
    given.meta[1] = (struct spa_meta){SPA_META_VideoCrop, sizeof(given.crop), &given.crop};
    given.meta[2] = (struct spa_meta){SPA_META_VideoDamage, sizeof(given.damage), given.damage};
    given.header = (struct spa_meta_header){.pts = (NOW_US - 1000) * 1000LL, .seq = 7};
    given.crop = (struct spa_meta_region){.region = SPA_REGION(0, 0, 0, 0)};
    for (int i = 0; i < 20; i++)
        given.damage[i] = given.crop;
    given.buffer = (struct spa_buffer){.n_datas = 1, .datas = &given.data};
    given.format = (struct spa_video_info_raw){.format = SPA_VIDEO_FORMAT_BGRx,
                                               .size = SPA_RECTANGLE(WIDTH, HEIGHT)};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(given.memory);
    given.memory = NULL;
    return 0;
}

static bool read_frame(void)
{
    return pipewire_frame_read(&frame, &given.buffer, &given.format, NOW_US);
}

static bool read_with_metas(void)
{
    given.buffer.metas = given.meta;
    given.buffer.n_metas = 3;
    return read_frame();
}

static void expect_rect(const struct picture_rect *r, int x, int y, int width, int height)
{
    assert_int_equal(r->x, x);
    assert_int_equal(r->y, y);
    assert_int_equal(r->width, width);
    assert_int_equal(r->height, height);
}

static void a_plain_frame_is_read(void **state)
{
    (void)state;
    assert_true(read_frame());
    assert_ptr_equal(frame.pixels, given.memory);
    assert_int_equal(frame.stride, WIDTH * 4); /* computed: it was left out */
    assert_int_equal(frame.width, WIDTH);
    assert_int_equal(frame.height, HEIGHT);
    assert_false(frame.is_rgb || frame.damage.known || frame.taken_us || frame.sequence);
    given.format.format = SPA_VIDEO_FORMAT_RGBx;
    assert_true(read_frame());
    assert_true(frame.is_rgb);
    given.format.format = SPA_VIDEO_FORMAT_RGBA;
    assert_true(read_frame());
    assert_true(frame.is_rgb);
}

static void rows_may_be_padded_and_begin_late(void **state)
{
    (void)state;
    given.format.size = SPA_RECTANGLE(WIDTH - 3, HEIGHT - 1);
    given.chunk.stride = WIDTH * 4;
    given.chunk.offset = 12;
    assert_true(read_frame());
    assert_ptr_equal(frame.pixels, given.memory + 12);
    assert_int_equal(frame.stride, WIDTH * 4);
    assert_int_equal(frame.width, WIDTH - 4); /* even */
    assert_int_equal(frame.height, HEIGHT - 2);
}

static void what_lies_outside_is_refused(void **state)
{
    static const struct {
        uint32_t offset, size, maxsize;
        int32_t stride, flags;
    } rows[] = {
        {1, 800, 800, 80, 0},          {0, 800, 799, 80, 0},
        {0, 800, 800, 81, 0},          {0, 800, 800, 79, 0},
        {0, 800, 800, -80, 0},         {0, 0, 800, 80, 0},
        {0xffffffff, 800, 800, 80, 0}, {0, 800, 800, INT32_MAX, 0},
        {0, 800, 800, INT32_MIN, 0},   {0, 800, 800, 80, SPA_CHUNK_FLAG_CORRUPTED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        given.chunk = (struct spa_chunk){.offset = rows[i].offset,
                                         .size = rows[i].size,
                                         .stride = rows[i].stride,
                                         .flags = rows[i].flags};
        given.data.maxsize = rows[i].maxsize;
        assert_false(read_frame());
    }
    setup(NULL);
    assert_true(read_frame());
    given.data.data = NULL; /* it could not be mapped */
    assert_false(read_frame());
    given.data.data = given.memory;
    given.buffer.n_datas = 0;
    assert_false(read_frame());
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    static const struct spa_rectangle sizes[] = {
        {0, 10}, {10, 0}, {1, 10}, {10, 1}, {8193, 10}, {10, 8193}, {0xffffffff, 0xffffffff}};
    (void)state;
    given.data.maxsize = UINT32_MAX;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        given.format.size = sizes[i];
        assert_false(read_frame());
    }
}

static void time_and_number_are_read(void **state)
{
    static const int64_t unbelievable_us[] = {NOW_US + 1, NOW_US - 1000000, 0,
                                              -1,         INT64_MAX / 1000, INT64_MIN / 1000};
    (void)state;
    assert_true(read_with_metas());
    assert_int_equal(frame.taken_us, NOW_US - 1000);
    assert_int_equal(frame.sequence, 7);
    for (size_t i = 0; i < sizeof(unbelievable_us) / sizeof(unbelievable_us[0]); i++) {
        given.header.pts = unbelievable_us[i] * 1000;
        assert_true(read_with_metas());
        assert_int_equal(frame.taken_us, 0);
    }
    given.header.flags = SPA_META_HEADER_FLAG_CORRUPTED;
    assert_false(read_with_metas());
    given.meta[0].size = 4; /* too short to be one */
    assert_true(read_with_metas());
}

static void a_crop_is_the_picture(void **state)
{
    (void)state;
    given.crop.region = SPA_REGION(2, 3, 9, 5);
    assert_true(read_with_metas());
    assert_ptr_equal(frame.pixels, given.memory + 3 * WIDTH * 4 + 2 * 4);
    assert_int_equal(frame.left, 2);
    assert_int_equal(frame.top, 3);
    assert_int_equal(frame.width, 8);
    assert_int_equal(frame.height, 4);
    given.crop.region = SPA_REGION(15, 5, 100, 100); /* what of it lies within */
    assert_true(read_with_metas());
    assert_int_equal(frame.width, 4);
    assert_int_equal(frame.height, 4);
    given.crop.region = SPA_REGION(19, 9, 5, 5); /* nothing is left */
    assert_false(read_with_metas());
}

static void a_crop_that_cannot_be_is_ignored(void **state)
{
    static const struct spa_region regions[] = {
        {{-1, 0}, {5, 5}},         {{0, -1}, {5, 5}},         {{20, 0}, {5, 5}},
        {{0, 10}, {5, 5}},         {{0, 0}, {0, 5}},          {{INT32_MIN, INT32_MAX}, {5, 5}},
        {{0, 0}, {UINT32_MAX, 5}}, {{5, 5}, {5, UINT32_MAX}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        given.crop.region = regions[i];
        assert_true(read_with_metas());
        assert_int_equal(frame.width, WIDTH);
        assert_int_equal(frame.height, HEIGHT);
    }
}

static void damage_is_of_the_picture(void **state)
{
    (void)state;
    assert_true(read_with_metas());
    assert_false(frame.damage.known); /* an empty list says nothing */
    given.crop.region = SPA_REGION(2, 2, 10, 8);
    given.damage[0].region = SPA_REGION(4, 4, 2, 2);
    given.damage[1].region = SPA_REGION(0, 0, 5, 3);  /* partly outside */
    given.damage[2].region = SPA_REGION(15, 0, 2, 2); /* outside */
    given.damage[4].region = SPA_REGION(6, 6, 2, 2);  /* behind the end of the list */
    assert_true(read_with_metas());
    assert_true(frame.damage.known);
    assert_int_equal(frame.damage.n, 2);
    expect_rect(&frame.damage.rect[0], 2, 2, 2, 2);
    expect_rect(&frame.damage.rect[1], 0, 0, 3, 1);
    given.damage[1].region = SPA_REGION(INT32_MIN, 0, UINT32_MAX, 3);
    assert_true(read_with_metas());
    assert_false(frame.damage.known); /* what that means is anybody's guess */
}

static void much_damage_is_taken_together(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        given.damage[i].region = SPA_REGION(i, i % 10, 1, 1);
    assert_true(read_with_metas());
    assert_true(frame.damage.known && frame.damage.n <= PICTURE_DAMAGE_MAX);
    bool covered[WIDTH] = {false};
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < frame.damage.n; k++) {
            const struct picture_rect *r = &frame.damage.rect[k];
            covered[i] |=
                r->x <= i && i < r->x + r->width && r->y <= i % 10 && i % 10 < r->y + r->height;
        }
        assert_true(covered[i]);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_frame_is_read),
        TEST(rows_may_be_padded_and_begin_late),
        TEST(what_lies_outside_is_refused),
        TEST(sizes_that_cannot_be_are_refused),
        TEST(time_and_number_are_read),
        TEST(a_crop_is_the_picture),
        TEST(a_crop_that_cannot_be_is_ignored),
        TEST(damage_is_of_the_picture),
        TEST(much_damage_is_taken_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void nothing_to_test(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_to_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
