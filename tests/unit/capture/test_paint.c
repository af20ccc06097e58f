#include "capture/paint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 64, HEIGHT = 32 };

static uint8_t pixels[HEIGHT * WIDTH * 4];

static struct picture blank(void)
{
    memset(pixels, 0, sizeof(pixels));
    return (struct picture){.format = PICTURE_BGRA,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {pixels},
                            .stride = {WIDTH * 4}};
}

static bool is_set(const struct picture *p, int x, int y)
{
    return p->plane[0][y * p->stride[0] + x * 4 + 3] != 0;
}

static void fill_is_exact_and_in_bgra(void **state)
{
    (void)state;
    struct picture p = blank();
    paint_fill(&p, 3, 5, 7, 2, 0x123456);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++)
            assert_int_equal(is_set(&p, x, y), x >= 3 && x < 10 && y >= 5 && y < 7);
    }
    const uint8_t *first = p.plane[0] + 5 * p.stride[0] + 3 * 4;
    assert_memory_equal(first, "\x56\x34\x12\xff", 4);
    paint_fill(&p, 0, 0, WIDTH, HEIGHT, 0xffffff); /* up to every edge */
    paint_fill(&p, WIDTH - 1, HEIGHT - 1, 1, 1, 0);
    assert_memory_equal(p.plane[0] + sizeof(pixels) - 8, "\xff\xff\xff\xff\0\0\0\xff", 8);
}

static void text_is_the_glyphs_scaled(void **state)
{
    static const char *const seven[] = {"#####", "....#", "...#.", "..#..",
                                        ".#...", ".#...", ".#..."};
    (void)state;
    struct picture p = blank();
    paint_text(&p, 2, 1, 3, " 7", 0xffffff); /* a space and a digit */
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int column = (x - 2 - 6 * 3) / 3, row = (y - 1) / 3;
            bool inside = x >= 2 + 6 * 3 && y >= 1 && column < 5 && row < 7;
            assert_int_equal(is_set(&p, x, y), inside && seven[row][column] == '#');
        }
    }
}

static void glyphs_are_told_apart(void **state)
{
    static const char text[] = "0123456789:.#";
    (void)state;
    uint8_t drawn[sizeof(text) - 1][sizeof(pixels)];
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        struct picture p = blank();
        paint_text(&p, 0, 0, 1, (const char[]){text[i], '\0'}, 0xffffff);
        memcpy(drawn[i], pixels, sizeof(pixels));
        for (size_t other = 0; other < i; other++)
            assert_memory_not_equal(drawn[i], drawn[other], sizeof(pixels));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill_is_exact_and_in_bgra),
        cmocka_unit_test(text_is_the_glyphs_scaled),
        cmocka_unit_test(glyphs_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
