#include "rtp/wire/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_reads_big_endian(void **state)
{
    (void)state;
    static const uint8_t b[8] = {0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    assert_int_equal(get_u16(b), 0xfedc);
    assert_int_equal(get_u24(b), 0xfedcba);
    assert_true(get_u32(b) == 0xfedcba98u);
    assert_true(get_u64(b) == UINT64_C(0xfedcba9876543210));
}

static void test_writes_what_it_reads_and_no_more(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0, 1, 0x80, 0xff00, 0x7fffff, 0xffffffff, UINT64_MAX, UINT64_C(0x8000000000000001)};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        uint64_t v = values[i];
        uint8_t b[9] = {0};
        put_u16(b, (uint16_t)v);
        assert_int_equal(get_u16(b), v & 0xffff);
        assert_int_equal(b[2], 0);
        put_u24(b, (uint32_t)v);
        assert_int_equal(get_u24(b), v & 0xffffff);
        assert_int_equal(b[3], 0);
        put_u32(b, (uint32_t)v);
        assert_true(get_u32(b) == (uint32_t)v);
        assert_int_equal(b[4], 0);
        put_u64(b, v);
        assert_true(get_u64(b) == v);
        assert_int_equal(b[8], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_big_endian),
        cmocka_unit_test(test_writes_what_it_reads_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
