#include "tests/load/frame_watch.h"

#include "rtp/payload/h264.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* One packetized frame: a keyframe with its parameter sets, or a slice. */
struct cut {
    uint8_t data[16384];
    struct packetize_packet packets[64];
    struct packetize p;
};

struct stage {
    struct frame_watch watch;
    struct nack nack;
    struct cut key, delta;
    uint16_t seq;
    uint32_t timestamp;
    int64_t now_us;
};

static void cut(struct cut *c, const uint8_t *head, size_t head_size, size_t size)
{
    static uint8_t unit[8192];
    memset(unit, 0x55, sizeof(unit));
    memcpy(unit, head, head_size);
    c->p = (struct packetize){
        .data = c->data, .capacity = sizeof(c->data), .packets = c->packets, .max_packets = 64};
    assert_int_equal(h264_packetize(&c->p, unit, size, 1000), 0);
}

static int setup(void **state)
{
    static const uint8_t key[] = {0, 0, 0,    1,    0x67, 0x42, 0xc0, 0x1f, 0x11, 0, 0,
                                  0, 1, 0x68, 0xce, 0x38, 0x80, 0,    0,    0,    1, 0x65};
    static const uint8_t delta[] = {0, 0, 0, 1, 0x41};
    struct stage *s = calloc(1, sizeof(*s));
    frame_watch_init(&s->watch);
    nack_init(&s->nack);
    cut(&s->key, key, sizeof(key), 4000);
    cut(&s->delta, delta, sizeof(delta), 2500);
    assert_int_equal(s->key.p.n_packets, 5); /* STAP-A and four fragments */
    assert_int_equal(s->delta.p.n_packets, 3);
    s->seq = 65530;
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void give(struct stage *s, const struct cut *c, unsigned i, uint16_t seq)
{
    const struct packetize_packet *p = &c->p.packets[i];
    nack_on_packet(&s->nack, seq, s->now_us);
    frame_watch_on_packet(&s->watch, seq, s->timestamp, p->marker, c->data + p->offset, p->size,
                          &s->nack, s->now_us);
}

/* All packets but those in the bit mask. */
static void frame(struct stage *s, const struct cut *c, unsigned without)
{
    s->timestamp += 3000;
    s->now_us += 33333;
    for (unsigned i = 0; i < c->p.n_packets; i++) {
        if (!(without >> i & 1))
            give(s, c, i, (uint16_t)(s->seq + i));
    }
    s->seq = (uint16_t)(s->seq + c->p.n_packets);
}

static void give_up(struct stage *s)
{
    uint16_t seqs[NACK_MAX];
    for (int i = 0; i <= NACK_TRIES; i++)
        nack_next(&s->nack, seqs, NACK_MAX, s->now_us += NACK_RTT_DEFAULT_US);
    frame_watch_advance(&s->watch, &s->nack, s->now_us);
}

static void counts_whole_frames_from_the_first_keyframe_on(void **state)
{
    struct stage *s = *state;
    frame(s, &s->delta, 0);
    assert_true(s->watch.wants_keyframe);
    assert_int_equal(s->watch.first_keyframe_us, -1);
    frame(s, &s->key, 0);
    assert_int_equal(s->watch.first_keyframe_us, s->now_us);
    frame(s, &s->delta, 0);
    assert_int_equal(s->watch.frames, 2);
    assert_int_equal(s->watch.keyframes, 1);
    assert_int_equal(s->watch.broken, 0);
    assert_false(s->watch.wants_keyframe);
}

static void waits_for_a_missing_packet_and_takes_it_late(void **state)
{
    struct stage *s = *state;
    frame(s, &s->key, 0);
    frame(s, &s->delta, 1 << 1);
    uint16_t hole = (uint16_t)(s->seq - 2);
    uint32_t timestamp = s->timestamp;
    frame(s, &s->delta, 0);
    assert_int_equal(s->watch.frames, 1);
    s->timestamp = timestamp;
    give(s, &s->delta, 1, hole);
    assert_int_equal(s->watch.frames, 3);
    assert_int_equal(s->watch.broken, 0);
}

static void a_packet_given_up_breaks_until_the_next_keyframe(void **state)
{
    struct stage *s = *state;
    frame(s, &s->key, 0);
    frame(s, &s->delta, 1 << 2); /* without its end */
    frame(s, &s->delta, 0);
    give_up(s);
    assert_int_equal(s->watch.broken, 1);
    assert_true(s->watch.wants_keyframe);
    frame(s, &s->delta, 0);
    assert_int_equal(s->watch.frames, 1);
    frame(s, &s->key, 0);
    assert_int_equal(s->watch.frames, 2);
    assert_int_equal(s->watch.broken, 1);
}

static void a_whole_keyframe_ends_the_waiting(void **state)
{
    struct stage *s = *state;
    frame(s, &s->key, 0);
    frame(s, &s->delta, 1 << 0);
    frame(s, &s->key, 1 << 3); /* not whole: goes on waiting */
    assert_int_equal(s->watch.frames, 1);
    frame(s, &s->key, 0);
    assert_int_equal(s->watch.frames, 2);
    assert_int_equal(s->watch.broken, 1);
    frame(s, &s->delta, 0);
    assert_int_equal(s->watch.frames, 3);
}

static void before_the_first_keyframe_the_order_may_be_any(void **state)
{
    struct stage *s = *state;
    static const unsigned order[] = {2, 4, 1, 0, 3};
    for (unsigned i = 0; i < 5; i++)
        give(s, &s->key, order[i], (uint16_t)(s->seq + order[i]));
    assert_int_equal(s->watch.frames, 1);
    s->seq = (uint16_t)(s->seq + 5);
    frame(s, &s->delta, 0);
    assert_int_equal(s->watch.frames, 2);
}

static void payloads_that_do_not_fit_together_break_a_frame(void **state)
{
    struct stage *s = *state;
    frame(s, &s->key, 0);
    s->timestamp += 3000;
    give(s, &s->delta, 0, s->seq++); /* a first fragment, and then another one */
    give(s, &s->delta, 0, s->seq++);
    assert_int_equal(s->watch.broken, 1);
    frame(s, &s->key, 0);
    s->timestamp += 3000;
    nack_on_packet(&s->nack, s->seq, s->now_us);
    frame_watch_on_packet(&s->watch, s->seq, s->timestamp, true, (const uint8_t[]){0x78, 0, 9}, 3,
                          &s->nack, s->now_us); /* a STAP-A longer than its packet */
    assert_int_equal(s->watch.broken, 2);
    assert_int_equal(s->watch.frames, 2);
}

static void bytes_of_any_kind_do_no_harm(void **state)
{
    struct stage *s = *state;
    uint32_t random = 1;
    uint8_t payload[32];
    for (int i = 0; i < 100000; i++) {
        for (unsigned k = 0; k < sizeof(payload); k++)
            payload[k] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        uint16_t seq = (uint16_t)(s->seq + payload[0] % 16);
        s->seq = (uint16_t)(s->seq + payload[1] % 3);
        nack_on_packet(&s->nack, seq, s->now_us);
        frame_watch_on_packet(&s->watch, seq, s->timestamp, payload[2] & 1, payload + 3,
                              payload[3] % 29, &s->nack, s->now_us++);
    }
    frame(s, &s->key, 0);
    assert_true(s->watch.frames >= s->watch.keyframes);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(counts_whole_frames_from_the_first_keyframe_on),
        T(waits_for_a_missing_packet_and_takes_it_late),
        T(a_packet_given_up_breaks_until_the_next_keyframe),
        T(a_whole_keyframe_ends_the_waiting),
        T(before_the_first_keyframe_the_order_may_be_any),
        T(payloads_that_do_not_fit_together_break_a_frame),
        T(bytes_of_any_kind_do_no_harm),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
