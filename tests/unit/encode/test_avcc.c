#include "encode/avcc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Each in memory of its own size: AddressSanitizer sees a read or write beyond it. */
static bool convert(const uint8_t *in, size_t size, int length_size, uint8_t **out,
                    struct avcc_unit *unit)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, in, size);
    copy = realloc(copy, size ? size : 1);
    struct avcc_unit again;
    bool ok = avcc_to_annexb(copy, size, length_size, NULL, unit);
    *out = NULL;
    if (ok) {
        *out = malloc(unit->size);
        assert_true(avcc_to_annexb(copy, size, length_size, *out, &again));
        assert_int_equal(again.size, unit->size);
        assert_int_equal(again.idr, unit->idr);
        assert_int_equal(again.is_reference, unit->is_reference);
    }
    free(copy);
    return ok;
}

static void slices_get_start_codes(void **state)
{
    (void)state;
    const struct {
        const uint8_t *in;
        size_t in_size;
        int length_size;
        const uint8_t *out;
        size_t out_size;
        bool idr, is_reference;
    } rows[] = {
        {BYTES(0, 0, 0, 2, 0x65, 9), 4, BYTES(0, 0, 0, 1, 0x65, 9), true, true},
        {BYTES(0, 0, 0, 1, 0x41), 4, BYTES(0, 0, 0, 1, 0x41), false, true},
        {BYTES(0, 0, 0, 1, 0x01), 4, BYTES(0, 0, 0, 1, 0x01), false, false},
        {BYTES(0, 0, 2, 0x41, 7), 3, BYTES(0, 0, 0, 1, 0x41, 7), false, true},
        {BYTES(0, 2, 0x41, 7), 2, BYTES(0, 0, 0, 1, 0x41, 7), false, true},
        {BYTES(2, 0x41, 7, 1, 0x41), 1, BYTES(0, 0, 0, 1, 0x41, 7, 0, 0, 0, 1, 0x41), false, true},
        /* SEI, delimiter, parameter sets and filler go */
        {BYTES(3, 6, 1, 1, 2, 9, 16, 2, 0x67, 1, 1, 0x68, 2, 0x65, 5, 1, 12), 1,
         BYTES(0, 0, 0, 1, 0x65, 5), true, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct avcc_unit unit;
        uint8_t *out;
        assert_true(convert(rows[i].in, rows[i].in_size, rows[i].length_size, &out, &unit));
        assert_int_equal(unit.size, rows[i].out_size);
        assert_memory_equal(out, rows[i].out, unit.size);
        assert_int_equal(unit.idr, rows[i].idr);
        assert_int_equal(unit.is_reference, rows[i].is_reference);
        free(out);
    }
}

static void what_does_not_add_up_is_refused(void **state)
{
    (void)state;
    const struct {
        const uint8_t *in;
        size_t size;
        int length_size;
    } rows[] = {
        {BYTES(0), 4},                         /* no whole length */
        {BYTES(0, 0, 0, 2, 0x65), 4},          /* longer than what is there */
        {BYTES(255, 255, 255, 255, 0x65), 4},  /* much longer */
        {BYTES(0, 0, 0, 0), 4},                /* empty */
        {BYTES(0, 0, 0, 1, 0x65, 0, 0, 0), 4}, /* something follows */
        {BYTES(0, 0, 0, 1, 0xe5), 4},          /* forbidden bit */
        {BYTES(0, 0, 0, 1, 6), 4},             /* no slice */
        {BYTES(0x65), 0},
        {BYTES(0, 0, 0, 0, 1, 0x65), 5},
    };
    struct avcc_unit unit;
    uint8_t *out;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(convert(rows[i].in, rows[i].size, rows[i].length_size, &out, &unit));
    assert_false(avcc_to_annexb(NULL, 0, 4, NULL, &unit));
}

static void random_bytes_are_measured_as_they_are_written(void **state)
{
    (void)state;
    uint32_t random = 3;
    int good = 0;
    for (int i = 0; i < 50000; i++) {
        uint8_t in[40];
        size_t size = (random >> 8) % sizeof(in);
        for (size_t k = 0; k < size; k++) {
            random = random * 1664525 + 1013904223;
            in[k] = (random >> 24) % 8;
        }
        random = random * 1664525 + 1013904223;
        struct avcc_unit unit;
        uint8_t *out;
        good += convert(in, size, (int)(random >> 16) % 4 + 1, &out, &unit);
        free(out);
    }
    assert_true(good > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_get_start_codes),
        cmocka_unit_test(what_does_not_add_up_is_refused),
        cmocka_unit_test(random_bytes_are_measured_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
