#include "capture/barcode.h"
#include "tests/unit/capture/read_barcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MARGIN 8

static uint8_t pixels[(BARCODE_HEIGHT + MARGIN) * (BARCODE_WIDTH + MARGIN) * 4];

static struct picture blank(void)
{
    memset(pixels, 0x5a, sizeof(pixels));
    return (struct picture){
        .format = PICTURE_BGRA,
        .width = BARCODE_WIDTH + MARGIN,
        .height = BARCODE_HEIGHT + MARGIN,
        .plane = {pixels},
        .stride = {(BARCODE_WIDTH + MARGIN) * 4},
    };
}

/* The CRCs come from long division by x^8 + x^2 + x + 1, done elsewhere. */
static void bits_are_those_of_the_format(void **state)
{
    static const struct {
        int64_t realtime_us;
        uint64_t bits;
    } rows[] = {
        {0, 0xb200000000d1},
        {99, 0xb200000000d1},
        {100, 0xb200000001d6},
        {0x12345678LL * 100, 0xb212345678cd},
        {0xffffffffLL * 100, 0xb2ffffffff0f},
        {0x100000000LL * 100, 0xb200000000d1}, /* wraps */
        {0x1ffffffffLL * 100 + 99, 0xb2ffffffff0f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(barcode_bits(rows[i].realtime_us), rows[i].bits);
}

static void what_is_drawn_is_read_back(void **state)
{
    (void)state;
    struct picture p = blank();
    uint32_t value = 1, got;
    for (int i = 0; i < 500; i++) {
        value = value * 1664525 + 1013904223;
        barcode_draw(&p, (int64_t)value * 100 + i % 100);
        assert_true(read_barcode(&p, &got));
        assert_int_equal(got, value);
    }
}

static void any_wrong_cell_is_noticed(void **state)
{
    (void)state;
    struct picture p = blank();
    uint32_t got;
    for (int cell = 0; cell < BARCODE_COLUMNS * BARCODE_ROWS; cell++) {
        barcode_draw(&p, 123456789012345);
        assert_true(read_barcode(&p, &got));
        for (int y = 0; y < BARCODE_CELL; y++) {
            uint8_t *row = p.plane[0] + (cell / 24 * 16 + y) * p.stride[0] + cell % 24 * 64;
            for (int x = 0; x < BARCODE_CELL * 4; x++)
                row[x] ^= 0xff;
        }
        assert_false(read_barcode(&p, &got));
    }
}

static void nothing_else_is_touched(void **state)
{
    (void)state;
    struct picture p = blank();
    barcode_draw(&p, 1);
    for (int y = 0; y < p.height; y++) {
        for (int x = 0; x < p.width * 4; x++) {
            uint8_t byte = p.plane[0][y * p.stride[0] + x];
            if (y < BARCODE_HEIGHT && x < BARCODE_WIDTH * 4)
                assert_true(byte == 0 || byte == 0xff);
            else
                assert_int_equal(byte, 0x5a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_format),
        cmocka_unit_test(what_is_drawn_is_read_back),
        cmocka_unit_test(any_wrong_cell_is_noticed),
        cmocka_unit_test(nothing_else_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
