#include "rtp/payload/red.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t old_bytes[2000], new_bytes[2000];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(old_bytes); i++) {
        old_bytes[i] = (uint8_t)(i * 7 + 1);
        new_bytes[i] = (uint8_t)(i * 13 + 5);
    }
    return 0;
}

static struct red_block block(const uint8_t *data, size_t size, uint32_t rtp_ts)
{
    return (struct red_block){.data = data, .size = size, .rtp_ts = rtp_ts};
}

/* Written out by hand from RFC 2198 section 3: PT 111, offset 960, length 3. */
static void bytes_are_those_of_the_rfc(void **state)
{
    (void)state;
    static const uint8_t want[] = {0x80 | 111, 0x0f, 0x00, 0x03, 111, 0xa1, 0xa2, 0xa3, 0xb1, 0xb2};
    const struct red_block previous = block((const uint8_t[]){0xa1, 0xa2, 0xa3}, 3, 1000);
    const struct red_block current = block((const uint8_t[]){0xb1, 0xb2}, 2, 1960);
    uint8_t out[64];
    assert_int_equal(red_build(out, sizeof(out), 111, &previous, &current), sizeof(want));
    assert_memory_equal(out, want, sizeof(want));
}

static void without_a_previous_one_there_is_one_block(void **state)
{
    (void)state;
    static const uint8_t want[] = {63, 0xb1, 0xb2};
    const struct red_block current = block((const uint8_t[]){0xb1, 0xb2}, 2, 1960);
    uint8_t out[64];
    assert_int_equal(red_build(out, sizeof(out), 63, NULL, &current), sizeof(want));
    assert_memory_equal(out, want, sizeof(want));
}

/* A receiver's reading of the payload; checks every byte. */
static void check(const uint8_t *red, int size, bool has_previous, const struct red_block *previous,
                  const struct red_block *current)
{
    const size_t header = has_previous ? 5 : 1, old_size = has_previous ? previous->size : 0;
    assert_int_equal(size, header + old_size + current->size);
    if (has_previous) {
        assert_int_equal(red[0], 0x80 | 111);
        uint32_t word = (uint32_t)red[1] << 16 | (uint32_t)red[2] << 8 | red[3];
        assert_int_equal(word >> 10, (uint32_t)(current->rtp_ts - previous->rtp_ts));
        assert_int_equal(word & 1023, previous->size);
        assert_memory_equal(red + header, previous->data, previous->size);
    }
    assert_int_equal(red[header - 1], 111);
    assert_memory_equal(red + header + old_size, current->data, current->size);
}

static void what_cannot_be_said_is_left_out(void **state)
{
    static const struct {
        size_t old_size;
        uint32_t old_ts, new_ts;
        bool is_in;
    } rows[] = {
        {1023, 0, 16383, true},
        {1024, 0, 960, false},
        {0, 0, 960, false},
        {10, 0, 16384, false},
        {10, 0, 1, true},
        {10, 5, 5, false},
        {10, 960, 0, false},               /* newer than the current one */
        {10, UINT32_MAX - 479, 480, true}, /* across the wrap */
        {10, 0, UINT32_MAX - 100, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct red_block previous = block(old_bytes, rows[i].old_size, rows[i].old_ts);
        const struct red_block current = block(new_bytes, 80, rows[i].new_ts);
        uint8_t out[1200];
        int size = red_build(out, sizeof(out), 111, &previous, &current);
        check(out, size, rows[i].is_in, &previous, &current);
    }
}

static void every_room_is_respected(void **state)
{
    (void)state;
    const struct red_block previous = block(old_bytes, 20, 0), current = block(new_bytes, 30, 960);
    for (size_t room = 0; room < 70; room++) {
        uint8_t *out = malloc(room ? room : 1); /* the sanitizer sees a byte too far */
        int size = red_build(out, room, 111, &previous, &current);
        if (room < 31)
            assert_int_equal(size, -ENOSPC);
        else
            check(out, size, room >= 55, &previous, &current);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_the_rfc),
        cmocka_unit_test(without_a_previous_one_there_is_one_block),
        cmocka_unit_test(what_cannot_be_said_is_left_out),
        cmocka_unit_test(every_room_is_respected),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
