#include "rtp/wire/extensions.h"

#include "rtp/wire/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t *find(const struct extensions_block *b, uint8_t id, size_t *size)
{
    return extensions_find(get_u16(b->bytes), b->bytes + 4, b->size - 4u, id, size);
}

struct build_row {
    struct extensions_ids ids;
    const char *mid;
    uint8_t size;
};

static const struct build_row build_rows[] = {
    {{0, 0, 0, 0}, "0", 0},
    {{1, 0, 0, 0}, NULL, 8},
    {{0, 14, 0, 0}, NULL, 8},
    {{0, 0, 3, 0}, NULL, 0},
    {{0, 0, 3, 0}, "", 0},
    {{0, 0, 3, 0}, "v", 8},
    {{1, 2, 3, 0}, "0", 16},
    {{14, 13, 12, 0}, "0123456789abcdef", 28},
    {{1, 2, 3, 0}, "0123456789abcdefg", 12}, /* a MID that does not fit is left out */
    {{15, 16, 255, 15}, "0", 0},             /* no ids of the one-byte form */
    {{0, 0, 0, 4}, NULL, 8},
    {{14, 13, 12, 11}, "0123456789abcdef", 32},
};

static void test_builds_what_was_negotiated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(build_rows) / sizeof(build_rows[0]); i++) {
        const struct build_row *row = &build_rows[i];
        struct extensions_block b;
        extensions_build(&b, &row->ids, 0, 0, row->mid);
        assert_int_equal(b.size, row->size);
        assert_true(b.size <= EXTENSIONS_MAX_SIZE);
        if (b.size == 0) {
            assert_int_equal(b.transport_cc_at, 0);
            continue;
        }
        assert_int_equal(get_u16(b.bytes), 0xbede);
        assert_int_equal(get_u16(b.bytes + 2), b.size / 4 - 1);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct extensions_ids ids = {.transport_cc = 5, .playout_delay = 12, .mid = 4};
    struct extensions_block b;
    size_t size;
    extensions_build(&b, &ids, 120, 40950, "video0");

    extensions_set_playout(&b, 160, 800);
    assert_memory_equal(find(&b, 12, &size), "\x01\x00\x50", 3);
    extensions_set_playout(&b, 120, 40950);
    put_u16(b.bytes + b.transport_cc_at, 0xabcd);
    const uint8_t *value = find(&b, 5, &size);
    assert_non_null(value);
    assert_int_equal(size, 2);
    assert_int_equal(get_u16(value), 0xabcd);

    value = find(&b, 12, &size);
    assert_non_null(value);
    assert_int_equal(size, 3);
    assert_int_equal(get_u24(value) >> 12, 12);
    assert_int_equal(get_u24(value) & 0xfff, 4095);

    value = find(&b, 4, &size);
    assert_non_null(value);
    assert_int_equal(size, 6);
    assert_memory_equal(value, "video0", 6);

    assert_null(find(&b, 0, &size));
    assert_null(find(&b, 1, &size));
}

/* A keyframe's first packet has the long descriptor, the others the short one, in equal blocks. */
static void test_dependency_descriptor_has_its_place(void **state)
{
    (void)state;
    const struct extensions_ids ids = {.transport_cc = 1, .mid = 4, .dependency = 7};
    static const uint8_t value[16] = {0x82, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t zeros[3];
    for (size_t room = 3; room <= EXTENSIONS_DEPENDENCY_MAX; room++) {
        for (size_t n = 3; n <= room; n++) {
            struct extensions_block b, other;
            size_t size;
            extensions_build(&b, &ids, 0, 0, "0123456789abcdef");
            assert_memory_equal(find(&b, 7, &size), zeros, 3);
            assert_int_equal(size, 3);
            put_u16(b.bytes + b.transport_cc_at, 0xabcd);
            other = b;
            extensions_set_dependency(&other, value, room, room);
            extensions_set_dependency(&b, value, n, room);
            assert_int_equal(b.size, other.size);
            assert_true(b.size <= EXTENSIONS_MAX_SIZE && b.size % 4 == 0);
            assert_int_equal(get_u16(b.bytes + 2), b.size / 4 - 1);
            assert_int_equal(get_u16(b.bytes + b.transport_cc_at), 0xabcd);
            assert_ptr_equal(find(&b, 7, &size), b.bytes + b.dependency_at);
            assert_int_equal(size, n);
            assert_memory_equal(b.bytes + b.dependency_at, value, n);
            assert_memory_equal(find(&b, 4, &size), "0123456789abcdef", 16);
            /* And back to the size of other frames. */
            extensions_set_dependency(&b, value, 3, 3);
            extensions_build(&other, &ids, 0, 0, "0123456789abcdef");
            assert_int_equal(b.size, other.size);
        }
    }
}

static void test_no_place_for_a_dependency_descriptor(void **state)
{
    (void)state;
    const struct extensions_ids ids = {.transport_cc = 1};
    struct extensions_block b, before;
    extensions_build(&b, &ids, 0, 0, NULL);
    before = b;
    extensions_set_dependency(&b, (const uint8_t *)"abc", 3, 16);
    assert_int_equal(b.dependency_at, 0);
    assert_int_equal(b.size, before.size);
    assert_memory_equal(b.bytes, before.bytes, sizeof(b.bytes));
}

static void test_playout_delay_is_capped(void **state)
{
    (void)state;
    const struct extensions_ids ids = {.playout_delay = 1};
    struct extensions_block b;
    extensions_build(&b, &ids, 65535, 65535, NULL);
    assert_int_equal(get_u24(b.bytes + 5), 0xffffff);
    extensions_build(&b, &ids, 0, 0, NULL);
    assert_int_equal(get_u24(b.bytes + 5), 0);
}

/* The figure of RFC 8285 4.2: 1 byte, 2 bytes, two of padding, 4 bytes. */
static const uint8_t one_byte[] = {0x10, 0xa1, 0x21, 0xb1, 0xb2, 0,
                                   0,    0x33, 0xc1, 0xc2, 0xc3, 0xc4};
/* The figure of RFC 8285 4.3: 0 bytes, 1 byte, padding, 4 bytes. */
static const uint8_t two_byte[] = {1, 0, 2, 1, 0xb1, 0, 3, 4, 0xc1, 0xc2, 0xc3, 0xc4};

static void test_figures_of_the_rfc(void **state)
{
    (void)state;
    size_t size = 99;
    assert_ptr_equal(extensions_find(0xbede, one_byte, sizeof(one_byte), 1, &size), one_byte + 1);
    assert_int_equal(size, 1);
    assert_ptr_equal(extensions_find(0xbede, one_byte, sizeof(one_byte), 2, &size), one_byte + 3);
    assert_int_equal(size, 2);
    assert_ptr_equal(extensions_find(0xbede, one_byte, sizeof(one_byte), 3, &size), one_byte + 8);
    assert_int_equal(size, 4);
    assert_null(extensions_find(0xbede, one_byte, sizeof(one_byte), 4, &size));

    for (uint16_t appbits = 0; appbits < 16; appbits++) {
        uint16_t profile = (uint16_t)(0x1000 | appbits);
        assert_non_null(extensions_find(profile, two_byte, sizeof(two_byte), 1, &size));
        assert_int_equal(size, 0);
        assert_ptr_equal(extensions_find(profile, two_byte, sizeof(two_byte), 2, &size),
                         two_byte + 4);
        assert_int_equal(size, 1);
        assert_ptr_equal(extensions_find(profile, two_byte, sizeof(two_byte), 3, &size),
                         two_byte + 8);
        assert_int_equal(size, 4);
    }
    assert_null(extensions_find(0x1010, two_byte, sizeof(two_byte), 2, &size));
    assert_null(extensions_find(0, two_byte, sizeof(two_byte), 2, &size));
}

static void test_reserved_ids_end_it(void **state)
{
    (void)state;
    size_t size;
    static const uint8_t fifteen[] = {0x10, 1, 0xf0, 1, 0x20, 1};
    static const uint8_t zero[] = {0x10, 1, 0x01, 1, 1, 0x20, 1, 0};
    assert_non_null(extensions_find(0xbede, fifteen, sizeof(fifteen), 1, &size));
    assert_null(extensions_find(0xbede, fifteen, sizeof(fifteen), 2, &size));
    assert_null(extensions_find(0xbede, fifteen, sizeof(fifteen), 15, &size));
    assert_non_null(extensions_find(0xbede, zero, sizeof(zero), 1, &size));
    assert_null(extensions_find(0xbede, zero, sizeof(zero), 2, &size));
}

static void test_truncated_at_every_size(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof(one_byte); n++) {
        uint8_t *exact = malloc(n + 1);
        size_t size;
        memcpy(exact + 1, one_byte, n);
        bool found = extensions_find(0xbede, exact + 1, n, 3, &size);
        assert_int_equal(found, n == sizeof(one_byte));
        memcpy(exact + 1, two_byte, n);
        found = extensions_find(0x1000, exact + 1, n, 3, &size);
        assert_int_equal(found, n == sizeof(two_byte));
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds_what_was_negotiated),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_dependency_descriptor_has_its_place),
        cmocka_unit_test(test_no_place_for_a_dependency_descriptor),
        cmocka_unit_test(test_playout_delay_is_capped),
        cmocka_unit_test(test_figures_of_the_rfc),
        cmocka_unit_test(test_reserved_ids_end_it),
        cmocka_unit_test(test_truncated_at_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
