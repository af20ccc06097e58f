#include "rtp/payload/h264_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct size_row {
    const char *name;
    size_t size;
    uint8_t sps[40];
    uint16_t width, height; /* 0: refused */
};

/* As encoders write them. */
static const struct size_row size_rows[] = {
    {"baseline",
     24,
     {0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0x00,
      0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc6, 0x0c, 0xa8, 0x80},
     1280,
     720},
    {"high, cropped",
     26,
     {0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44,
      0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6},
     1920,
     1080},
    {"only its header", 1, {0x67}, 0, 0},
    {"cut", 6, {0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01}, 0, 0},
    {"a width of 2^32", 10, {0x67, 0x42, 0xc0, 0x1f, 0xda, 0x00, 0x00, 0x00, 0x01, 0xff}, 0, 0},
};

static void sizes_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(size_rows) / sizeof(size_rows[0]); i++) {
        const struct size_row *row = &size_rows[i];
        uint8_t *exact = malloc(row->size);
        memcpy(exact, row->sps, row->size);
        uint16_t width = 0, height = 0;
        bool ok = h264_sps_size(exact, row->size, &width, &height);
        if (ok != (row->width != 0) || width != row->width || height != row->height)
            fail_msg("%s: %d %u x %u", row->name, ok, width, height);
        free(exact);
    }
}

static void any_bytes_do_no_harm(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t sps[64];
        memcpy(sps, size_rows[i % 2].sps, 26);
        for (unsigned k = 26; k < sizeof(sps); k++)
            sps[k] = (uint8_t)(random = random * 1664525 + 1013904223);
        for (unsigned k = 0; k < 3; k++) {
            random = random * 1664525 + 1013904223;
            sps[1 + (random >> 8) % 30] = (uint8_t)(random >> 20);
        }
        uint16_t width = 1, height = 1;
        if (h264_sps_size(sps, 2 + random % 60, &width, &height))
            assert_true(width > 0 && height > 0 && width <= 16384 && height <= 16384);
    }
}

static const uint8_t SPS_PPS_IDR[] = {0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0,    1, 0x68,
                                      4, 0, 0, 1, 0x68, 5, 0, 0, 1, 0x65, 9};
static const uint8_t IDR[] = {0, 0, 0, 1, 0x65, 9};
static const uint8_t PPS_IDR[] = {0, 0, 0, 1, 0x68, 6, 0, 0, 1, 0x65, 9};
static const uint8_t SLICE[] = {0, 0, 0, 1, 0x41, 9};

static void sets_are_kept(void **state)
{
    (void)state;
    struct h264_sets s;
    h264_sets_init(&s);
    assert_false(h264_sets_take(&s, IDR, sizeof(IDR)));
    assert_false(h264_sets_take(&s, PPS_IDR, sizeof(PPS_IDR))); /* of no SPS */
    assert_int_equal(s.size, 0);
    assert_true(h264_sets_take(&s, SLICE, sizeof(SLICE)));
    assert_true(h264_sets_take(&s, SPS_PPS_IDR, sizeof(SPS_PPS_IDR)));
    static const uint8_t kept[] = {0, 0, 0,    1, 0x67, 1, 2, 3, 0,    0,
                                   0, 1, 0x68, 4, 0,    0, 0, 1, 0x68, 5};
    assert_int_equal(s.size, sizeof(kept));
    assert_memory_equal(s.bytes, kept, sizeof(kept));
    /* One more PPS is one more, and the same again is not. */
    assert_false(h264_sets_take(&s, PPS_IDR, sizeof(PPS_IDR)));
    assert_int_equal(s.size, sizeof(kept) + 6);
    assert_false(h264_sets_take(&s, PPS_IDR, sizeof(PPS_IDR)));
    assert_int_equal(s.size, sizeof(kept) + 6);
    /* A new SPS takes the place of all. */
    assert_true(h264_sets_take(&s, SPS_PPS_IDR, sizeof(SPS_PPS_IDR)));
    assert_int_equal(s.size, sizeof(kept));
}

static void sets_have_a_largest_size(void **state)
{
    (void)state;
    struct h264_sets s;
    static uint8_t unit[H264_SETS_MAX + 100];
    h264_sets_init(&s);
    memset(unit, 7, sizeof(unit));
    memcpy(unit, (uint8_t[]){0, 0, 0, 1, 0x67}, 5);
    assert_true(h264_sets_take(&s, unit, sizeof(unit)));
    assert_int_equal(s.size, 0);
    assert_true(h264_sets_take(&s, unit, H264_SETS_MAX));
    assert_int_equal(s.size, H264_SETS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(any_bytes_do_no_harm),
        cmocka_unit_test(sets_are_kept),
        cmocka_unit_test(sets_have_a_largest_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
