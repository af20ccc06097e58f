/* framing: frames come out as they went in, wherever the stream was cut. */
#include "rtp/session/framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define STREAM_MAX 16384

struct stream {
    uint8_t bytes[STREAM_MAX];
    size_t size;
    size_t frames[64];
    unsigned n_frames;
};

/* Frame `n` is all of its number's byte, so that a mix-up shows. */
static void append(struct stream *s, size_t size)
{
    framing_write(s->bytes + s->size, size);
    memset(s->bytes + s->size + FRAMING_HEADER, (int)(s->n_frames + 1), size);
    s->size += FRAMING_HEADER + size;
    s->frames[s->n_frames++] = size;
}

static void append_null(struct stream *s)
{
    memset(s->bytes + s->size, 0, FRAMING_HEADER);
    s->size += FRAMING_HEADER;
}

static unsigned take_all(struct framing *f, const struct stream *s, unsigned n)
{
    uint8_t *frame;
    size_t size;
    int rc;
    while ((rc = framing_peek(f, &frame, &size)) == 1) {
        assert_true(n < s->n_frames);
        assert_int_equal(size, s->frames[n]);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(frame[i], n + 1);
        frame[0] ^= 0xff; /* it may be modified, and that harms no other */
        framing_drop(f);
        n++;
    }
    assert_int_equal(rc, 0);
    return n;
}

/* The stream in pieces of at most `piece` bytes, the first of them `first` long. */
static void read_in_pieces(const struct stream *s, size_t first, size_t piece)
{
    struct framing f;
    unsigned n = 0;
    framing_init(&f);
    for (size_t at = 0; at < s->size;) {
        size_t room, want = at == 0 ? first : piece;
        uint8_t *to = framing_room(&f, &room);
        assert_true(room > 0);
        size_t size = want < room ? want : room;
        size = size < s->size - at ? size : s->size - at;
        memcpy(to, s->bytes + at, size);
        framing_added(&f, size);
        at += size;
        n = take_all(&f, s, n);
    }
    assert_int_equal(n, s->n_frames);
}

static void test_split_at_every_byte(void **state)
{
    (void)state;
    struct stream s = {0};
    append_null(&s);
    append(&s, 1);
    append(&s, 20);
    append_null(&s);
    append_null(&s);
    append(&s, 255);
    append(&s, 256);
    append(&s, FRAMING_FRAME_MAX);
    append(&s, 2);
    append(&s, FRAMING_FRAME_MAX - 1);
    append_null(&s);
    for (size_t first = 1; first <= s.size; first++)
        read_in_pieces(&s, first, STREAM_MAX);
    for (size_t piece = 1; piece < 600; piece++)
        read_in_pieces(&s, piece, piece);
}

static void test_many_null_packets_leave_room(void **state)
{
    (void)state;
    struct stream s = {0};
    for (int i = 0; i < 3000; i++)
        append_null(&s);
    append(&s, 5);
    read_in_pieces(&s, STREAM_MAX, STREAM_MAX);
    read_in_pieces(&s, 3, 3);
}

static void test_a_frame_too_long_is_refused(void **state)
{
    (void)state;
    for (size_t size = FRAMING_FRAME_MAX; size <= UINT16_MAX; size++) {
        struct framing f;
        uint8_t *frame;
        size_t room, got;
        framing_init(&f);
        framing_write(framing_room(&f, &room), size);
        framing_added(&f, 1);
        assert_int_equal(framing_peek(&f, &frame, &got), 0); /* half of a header says nothing */
        framing_added(&f, 1);
        int want = size > FRAMING_FRAME_MAX ? -EMSGSIZE : 0;
        assert_int_equal(framing_peek(&f, &frame, &got), want);
        assert_int_equal(framing_peek(&f, &frame, &got), want); /* and stays so */
    }
}

static void test_the_frames_before_a_bad_one_are_read(void **state)
{
    (void)state;
    struct framing f;
    uint8_t *frame;
    size_t room, size;
    framing_init(&f);
    uint8_t *to = framing_room(&f, &room);
    assert_true(room >= FRAMING_HEADER + FRAMING_FRAME_MAX);
    memcpy(to, (uint8_t[]){0, 3, 'a', 'b', 'c', 'G', 'E', 'T', ' '}, 9);
    framing_added(&f, 9);
    assert_int_equal(framing_peek(&f, &frame, &size), 1);
    assert_int_equal(size, 3);
    assert_memory_equal(frame, "abc", 3);
    framing_drop(&f);
    assert_int_equal(framing_peek(&f, &frame, &size), -EMSGSIZE);
}

static void test_nothing_is_no_frame(void **state)
{
    (void)state;
    struct framing f;
    uint8_t *frame;
    size_t size, room;
    framing_init(&f);
    assert_int_equal(framing_peek(&f, &frame, &size), 0);
    framing_added(&f, 0);
    assert_int_equal(framing_peek(&f, &frame, &size), 0);
    framing_room(&f, &room);
    assert_int_equal(room, FRAMING_HEADER + FRAMING_FRAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_at_every_byte),
        cmocka_unit_test(test_many_null_packets_leave_room),
        cmocka_unit_test(test_a_frame_too_long_is_refused),
        cmocka_unit_test(test_the_frames_before_a_bad_one_are_read),
        cmocka_unit_test(test_nothing_is_no_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
