#include "rtp/forward/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    struct frame_pool *pool;
    struct stream_news news;
    struct stream_layer layer;
    struct stream stream;
    int64_t now_us;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->pool = frame_pool_new(1 << 20, 4);
    stream_init(&f->stream, 7, FORWARDER_VIDEO, &f->news);
    stream_attach(&f->stream, &f->layer, 1);
    *state = f;
    return f->pool ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    stream_detach(&f->stream);
    frame_pool_close(f->pool);
    free(f);
    return 0;
}

/* `after_us` after the one before. */
static void push(struct fixture *f, uint64_t id, bool keyframe, uint32_t size, int64_t after_us)
{
    struct frame *frame = frame_get(f->pool);
    assert_non_null(frame);
    f->now_us += after_us;
    frame->id = id;
    frame->captured_us = f->now_us;
    frame->keyframe = keyframe;
    frame->payload.size = size;
    frame->payload.n_packets = 1;
    stream_push(&f->stream, 0, frame);
}

/* The next part of the picture that the newest frame belongs to; size 0: its rest does not come. */
static void push_part(struct fixture *f, uint16_t part, bool ends, uint32_t size)
{
    struct frame *frame = frame_get(f->pool);
    assert_non_null(frame);
    frame->id = f->layer.newest_id + 1;
    frame->captured_us = f->now_us;
    frame->keyframe = false;
    frame->part = part;
    frame->ends = ends;
    frame->payload.size = size;
    frame->payload.n_packets = size > 0;
    stream_push(&f->stream, 0, frame);
}

/* The first part, of one that has more. */
static void push_open(struct fixture *f, bool keyframe, uint32_t size, int64_t after_us)
{
    struct frame *frame = frame_get(f->pool);
    assert_non_null(frame);
    f->now_us += after_us;
    frame->id = f->layer.newest_id + 1;
    frame->captured_us = f->now_us;
    frame->keyframe = keyframe;
    frame->ends = false;
    frame->payload.size = size;
    frame->payload.n_packets = 1;
    stream_push(&f->stream, 0, frame);
}

/* `bytes` and the GOP are what they would be counted to be. */
static void assert_sums(const struct stream *stream)
{
    const struct stream_layer *s = stream->layers;
    uint64_t bytes = 0, gop = 0;
    for (uint64_t id = s->oldest_id; id <= s->newest_id && id != 0; id++) {
        const struct frame *f = stream_frame(stream, 0, id);
        if (!f)
            continue;
        assert_int_equal(f->id, id);
        bytes += f->payload.size;
        if (s->keyframe_id != 0 && id >= s->keyframe_id)
            gop += f->payload.size;
    }
    assert_int_equal(s->cached_bytes, bytes);
    assert_int_equal(s->gop_bytes, gop);
    assert_true(s->newest_id - s->oldest_id < STREAM_RING);
    assert_true(s->cached_frames <= STREAM_MAX_FRAMES);
    assert_true(s->cached_bytes <= STREAM_MAX_BYTES);
}

static void an_empty_one_gives_nothing(void **state)
{
    struct fixture *f = *state;
    assert_null(stream_frame(&f->stream, 0, 0));
    assert_null(stream_frame(&f->stream, 0, 1));
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
}

static void the_first_frame_need_be_neither_1_nor_a_keyframe(void **state)
{
    struct fixture *f = *state;
    push(f, 1000, false, 10, 0);
    assert_non_null(stream_frame(&f->stream, 0, 1000));
    assert_null(stream_frame(&f->stream, 0, 999));
    assert_null(stream_frame(&f->stream, 0, 1001));
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    assert_int_equal(f->layer.gaps, 0);
    assert_int_equal(f->stream.keyframe_requests[0], 0);
    push(f, 1001, true, 10, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 1001);
}

static void history_is_kept_before_the_gop(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 100; id++)
        push(f, id, id % 10 == 1, 100, 100000);
    /* Frame 100 is of 10.0 s, the keyframe 91 of 9.1 s: 2 s of history go back to 80. */
    assert_int_equal(f->layer.oldest_id, 80);
    assert_int_equal(stream_join_id(&f->stream, 0), 91);
    assert_null(stream_frame(&f->stream, 0, 79));
    assert_sums(&f->stream);
}

static void the_gop_is_kept_before_the_history(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 100; id++)
        push(f, id, id == 1 || id == 21, 100, 100000);
    assert_int_equal(f->layer.oldest_id, 21);
    assert_int_equal(stream_join_id(&f->stream, 0), 21);
    assert_sums(&f->stream);
}

static void its_rate_is_measured(void **state)
{
    struct fixture *f = *state;
    uint64_t id = 1;
    push(f, id++, true, 10000, 12345678);
    for (int i = 1; i < 10; i++)
        push(f, id++, false, 10000, 50000);
    assert_int_equal(f->layer.rate_bps, 0); /* 450 ms are too short to know */
    push(f, id++, false, 10000, 50000);
    assert_int_equal(f->layer.rate_bps, 1600000);
    for (int i = 0; i < 50; i++) {
        push(f, id++, i == 0, i == 0 ? 260000 : 10000, 50000);
        /* What a keyframe adds is remembered for one more measurement. */
        uint64_t want = i < 9 ? 1600000 : i < 29 ? 5600000 : 1600000;
        assert_int_equal(f->layer.rate_bps, want);
    }
    push(f, id++, false, 1000, 60000000); /* a still picture: one frame a minute */
    push(f, id++, false, 1000, 60000000);
    push(f, id++, false, 1000, 60000000);
    assert_in_range(f->layer.rate_bps, 100, 200);
    f->now_us -= 50000000; /* a clock that goes back does no harm */
    push(f, id++, false, 1000, 0);
    assert_in_range(f->layer.rate_bps, 100, 200);
}

static void a_long_gop_is_no_start(void **state)
{
    struct fixture *f = *state;
    push(f, 1, true, 100, 0);
    for (uint64_t id = 2; id <= STREAM_JOIN_MAX_FRAMES; id++)
        push(f, id, false, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 1);
    push(f, STREAM_JOIN_MAX_FRAMES + 1, false, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    assert_int_equal(f->layer.keyframe_id, 1); /* it is only too long, not broken */
    push(f, STREAM_JOIN_MAX_FRAMES + 2, true, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), STREAM_JOIN_MAX_FRAMES + 2);
}

static void a_heavy_gop_is_no_start(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 8; id++)
        push(f, id, id == 1, 1 << 20, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 1);
    push(f, 9, false, 1, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    assert_sums(&f->stream);
}

static void bytes_are_bounded(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 40; id++) {
        push(f, id, id == 1, 1 << 20, 1000);
        assert_sums(&f->stream);
    }
    assert_int_equal(f->layer.oldest_id, 25);
    assert_int_equal(f->layer.keyframe_id, 0); /* its keyframe had to leave */
    assert_int_equal(f->layer.gop_bytes, 0);
    assert_int_equal(f->stream.keyframe_requests[0], 0); /* whoever joins asks */
}

static void frames_are_bounded(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 3 * STREAM_MAX_FRAMES; id++) {
        push(f, id, id == 1, 10, 10);
        assert_sums(&f->stream);
    }
    assert_int_equal(f->layer.oldest_id, 2 * STREAM_MAX_FRAMES + 1);
    assert_int_equal(f->layer.keyframe_id, 0);
    assert_null(stream_frame(&f->stream, 0, 2 * STREAM_MAX_FRAMES));
}

static void a_gap_breaks_the_gop_and_asks_once(void **state)
{
    struct fixture *f = *state;
    push(f, 1, true, 100, 0);
    push(f, 2, false, 100, 1000);
    push(f, 4, false, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    assert_int_equal(f->layer.gaps, 1);
    assert_int_equal(f->stream.keyframe_requests[0], 1);
    push(f, 5, false, 100, 1000);
    assert_int_equal(f->stream.keyframe_requests[0], 1);
    assert_non_null(stream_frame(&f->stream, 0, 2)); /* for retransmission */
    assert_null(stream_frame(&f->stream, 0, 3));
    assert_non_null(stream_frame(&f->stream, 0, 4));
    assert_sums(&f->stream);
    push(f, 6, true, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 6);
    push(f, 8, true, 100, 1000); /* the gap brought its own keyframe */
    assert_int_equal(stream_join_id(&f->stream, 0), 8);
    assert_int_equal(f->layer.gaps, 2);
    assert_int_equal(f->stream.keyframe_requests[0], 1);
    for (uint64_t id = 9; id < 9 + STREAM_MAX_FRAMES; id++) { /* past the holes */
        push(f, id, false, 100, 100);
        assert_sums(&f->stream);
    }
}

static void a_gap_may_be_wider_than_the_ring(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 300; id++)
        push(f, id, id == 1, 100, 1000);
    push(f, 1u << 31, false, 100, 1000);
    assert_int_equal(f->layer.oldest_id, 1u << 31);
    assert_int_equal(f->layer.cached_bytes, 100);
    assert_null(stream_frame(&f->stream, 0, 300));
    assert_sums(&f->stream);
}

static void one_frame_is_always_kept(void **state)
{
    struct fixture *f = *state;
    push(f, 1, false, 100, 0);
    push(f, 2, false, 100, 3600 * INT64_C(1000000));
    assert_null(stream_frame(&f->stream, 0, 1));
    assert_non_null(stream_frame(&f->stream, 0, 2));
}

static void parts_count_as_one_picture(void **state)
{
    struct fixture *f = *state;
    push_open(f, true, 100, 0);
    assert_int_equal(stream_join_id(&f->stream, 0), 1); /* the rest follows */
    push_part(f, 1, false, 200);
    push_part(f, 2, true, 300);
    assert_int_equal(f->layer.frames, 1);
    assert_int_equal(f->layer.keyframe_bytes, 600);
    assert_int_equal(f->layer.start_bytes, 600);
    assert_int_equal(stream_newest_picture(&f->stream, 0), 1);
    for (unsigned i = 1; i < STREAM_JOIN_MAX_FRAMES; i++) {
        push_open(f, false, 10, 1000);
        push_part(f, 1, true, 10);
        assert_sums(&f->stream);
    }
    assert_int_equal(f->layer.frames, STREAM_JOIN_MAX_FRAMES);
    assert_int_equal(f->layer.keyframe_bytes, 600);
    assert_int_equal(stream_join_id(&f->stream, 0), 1);
    push_open(f, false, 10, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    assert_int_equal(stream_newest_picture(&f->stream, 0), f->layer.newest_id);
}

static void too_many_parts_are_no_start(void **state)
{
    struct fixture *f = *state;
    push_open(f, true, 100, 0);
    for (uint16_t part = 1; part < STREAM_JOIN_MAX_PARTS; part++)
        push_part(f, part, false, 10);
    assert_int_equal(stream_join_id(&f->stream, 0), 1);
    push_part(f, STREAM_JOIN_MAX_PARTS, true, 10);
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    for (unsigned i = 0; i < STREAM_RING; i++)
        push(f, f->layer.newest_id + 1, false, 10, 10);
    assert_sums(&f->stream);
}

static void a_keyframe_without_its_end_is_no_start(void **state)
{
    struct fixture *f = *state;
    push(f, 1, true, 100, 0);
    push_open(f, false, 100, 1000);
    push_part(f, 1, true, 0);
    assert_int_equal(stream_join_id(&f->stream, 0), 1); /* what was before it is to be seen */
    push_open(f, true, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 4);
    push_part(f, 1, false, 100);
    push_part(f, 2, true, 0);
    assert_int_equal(stream_join_id(&f->stream, 0), 0);
    assert_int_equal(f->layer.keyframe_bytes, 100);
    assert_sums(&f->stream);
    push(f, 7, true, 100, 1000);
    assert_int_equal(stream_join_id(&f->stream, 0), 7);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(parts_count_as_one_picture),
        TEST(too_many_parts_are_no_start),
        TEST(a_keyframe_without_its_end_is_no_start),
        TEST(an_empty_one_gives_nothing),
        TEST(the_first_frame_need_be_neither_1_nor_a_keyframe),
        TEST(history_is_kept_before_the_gop),
        TEST(the_gop_is_kept_before_the_history),
        TEST(its_rate_is_measured),
        TEST(a_long_gop_is_no_start),
        TEST(a_heavy_gop_is_no_start),
        TEST(bytes_are_bounded),
        TEST(frames_are_bounded),
        TEST(a_gap_breaks_the_gop_and_asks_once),
        TEST(a_gap_may_be_wider_than_the_ring),
        TEST(one_frame_is_always_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
