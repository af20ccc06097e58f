/* Layers, temporal layers, pauses, sources that come and go, and keyframes from the cache. */
#include "tests/unit/forward/hand_stage.h"

static struct hand *begin(unsigned n_layers)
{
    struct hand *h = hand_new(true);
    hand_attach(h, HAND_VIDEO, n_layers);
    return h;
}

/* One picture of every layer, as a source gives them. */
static void push_all(struct hand *h, bool keyframe)
{
    unsigned n = h->streams[HAND_VIDEO].n_layers;
    for (unsigned i = 0; i < n; i++)
        hand_push(h, i, keyframe, (uint16_t)((keyframe ? 4 : 1) * (i + 1)));
    hand_run(h, 33333);
}

static const struct hand_packet *last(const struct hand *h)
{
    return &h->sent[h->n_sent - 1];
}

/* From which frame on it came after packet `from`, and that nothing of it is left out. */
static uint64_t first_of_run(const struct hand *h, unsigned from, uint64_t layer)
{
    while (h->sent[from].layer != layer)
        from++;
    for (unsigned i = from + 1; i < h->n_sent; i++) {
        assert_int_equal(h->sent[i].layer, layer);
        assert_in_range(h->sent[i].id, h->sent[i - 1].id, h->sent[i - 1].id + 1);
    }
    return h->sent[from].id;
}

static void the_largest_plays(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    assert_true(h->watched[HAND_VIDEO][2]);
    assert_false(h->watched[HAND_VIDEO][0] || h->watched[HAND_VIDEO][1]);
    hand_push(h, 2, true, 3);
    hand_push(h, 0, true, 3);
    push_all(h, false);
    assert_int_equal(first_of_run(h, 0, 2), 1);
    assert_int_equal(h->v->tracks[0].layer, 2);
    hand_check(h);
    hand_free(h);
}

/* Rather a small picture than none. */
static void it_begins_with_what_is_there(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    hand_push(h, 0, true, 3);
    assert_int_equal(last(h)->layer, 0);
    assert_true(h->watched[HAND_VIDEO][0] && h->watched[HAND_VIDEO][2]);
    hand_run(h, 33333);
    hand_push(h, 2, true, 3);
    hand_push(h, 0, false, 3); /* of the instant before: not wanted any more */
    assert_int_equal(last(h)->layer, 2);
    assert_false(h->watched[HAND_VIDEO][0]);
    assert_int_equal(h->v->counters.layer_switches, 1);
    hand_check(h);
    hand_free(h);
}

static void bar(struct hand *h, int layer, uint8_t barred)
{
    const struct viewer_selection wanted = {.layer = layer, .max_temporal = -1, .barred = barred};
    viewer_select(h->v, &h->streams[HAND_VIDEO], &wanted, h->now_us);
    hand_drain(h);
    hand_take_news(h);
}

/* Whatever it asks for, and even where there is nothing else to start from. */
static void what_is_barred_is_never_sent(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    bar(h, -1, 1);
    assert_false(h->watched[HAND_VIDEO][2]);
    hand_push(h, 2, true, 3);
    assert_int_equal(h->n_sent, 0);
    hand_push(h, 1, true, 3);
    assert_int_equal(last(h)->layer, 1);
    for (int layer = -1; layer <= 3; layer++) {
        bar(h, layer, 1);
        hand_run(h, 33333);
        push_all(h, true);
        assert_int_equal(last(h)->layer, layer == 0 ? 0 : 1);
    }
    bar(h, 2, 7); /* of three, one is left */
    hand_run(h, 33333);
    push_all(h, true);
    assert_int_equal(last(h)->layer, 0);
    for (unsigned i = 0; i < h->n_sent; i++)
        assert_int_not_equal(h->sent[i].layer, 2);
    bar(h, -1, 0);
    hand_run(h, 33333);
    push_all(h, true);
    assert_int_equal(last(h)->layer, 2);
    hand_check(h);
    hand_free(h);
}

/* A publisher stops sending its largest layer, and sends it again. */
static void from_a_layer_that_goes_to_another(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    h->streams[HAND_VIDEO].as_sent = true;
    hand_push(h, 0, true, 3);
    hand_push(h, 1, true, 3);
    hand_run(h, 33333);
    assert_int_equal(last(h)->layer, 1); /* the largest never came */
    assert_true(h->watched[HAND_VIDEO][2]);
    push_all(h, true);
    for (int i = 0; i < 10; i++)
        push_all(h, false);
    assert_int_equal(last(h)->layer, 2);
    assert_false(h->watched[HAND_VIDEO][1]);
    for (int i = 0; i < 30; i++) {
        hand_push(h, 0, false, 2);
        hand_push(h, 1, i == 20, 2);
        hand_run(h, 33333);
    }
    assert_int_equal(last(h)->layer, 1);
    assert_true(h->watched[HAND_VIDEO][1] && h->watched[HAND_VIDEO][2]);
    bar(h, -1, 2); /* the smallest alone is left */
    for (int i = 0; i < 30; i++) {
        hand_push(h, 1, false, 2);
        hand_run(h, 33333);
    }
    assert_int_equal(last(h)->layer, 0); /* rather nothing than what is barred */
    bar(h, -1, 0);
    push_all(h, true);
    push_all(h, false);
    assert_int_equal(last(h)->layer, 2);
    assert_false(h->watched[HAND_VIDEO][1]);
    hand_check(h);
    hand_free(h);
}

static void down_it_goes_at_once(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    push_all(h, true);
    for (int i = 0; i < 50; i++)
        push_all(h, false);
    unsigned before = h->n_sent;
    uint32_t asked = h->keyframes_wanted[0];
    hand_select(h, 0, -1, false);
    assert_true(h->n_sent > before); /* before the next picture comes */
    assert_int_equal(first_of_run(h, before, 0), 1);
    push_all(h, false);
    assert_int_equal(last(h)->id, 52);
    assert_int_equal(h->keyframes_wanted[0], asked);
    assert_true(h->watched[HAND_VIDEO][0]);
    assert_false(h->watched[HAND_VIDEO][2]);
    hand_check(h);
    hand_free(h);
}

static void up_it_goes_with_a_keyframe(void **state)
{
    (void)state;
    struct hand *h = begin(2);
    hand_select(h, 0, -1, false);
    push_all(h, true);
    for (int i = 0; i < 100; i++)
        push_all(h, false);
    h->layers[HAND_VIDEO][1].rate_bps = 100000; /* 100 frames of 2 packets are too much for it */
    unsigned before = h->n_sent;
    hand_select(h, 1, -1, false);
    push_all(h, false);
    push_all(h, false);
    assert_int_equal(h->keyframes_wanted[1], 1); /* asked for once */
    assert_true(h->watched[HAND_VIDEO][0] && h->watched[HAND_VIDEO][1]);
    assert_int_equal(last(h)->layer, 0); /* the old one goes on */
    push_all(h, true);
    assert_int_equal(first_of_run(h, before, 1), 104);
    assert_false(h->watched[HAND_VIDEO][0]);
    hand_check(h);
    hand_free(h);
}

static void up_it_goes_at_once_where_that_is_cheap(void **state)
{
    (void)state;
    struct hand *h = begin(2);
    hand_select(h, 0, -1, false);
    push_all(h, true);
    push_all(h, false);
    unsigned before = h->n_sent;
    hand_select(h, -1, -1, false);
    push_all(h, false);
    assert_int_equal(first_of_run(h, before, 1), 1);
    assert_int_equal(h->keyframes_wanted[1], 0);
    hand_check(h);
    hand_free(h);
}

/* A layer that was not encoded meanwhile shows what was once, however cheap it is. */
static void what_was_left_behind_is_no_start(void **state)
{
    (void)state;
    struct hand *h = begin(2);
    push_all(h, true);
    hand_select(h, 0, -1, false);
    for (int i = 0; i < 60; i++) {
        hand_push(h, 0, false, 1);
        hand_run(h, 33333);
    }
    unsigned before = h->n_sent;
    uint32_t asked = h->keyframes_wanted[1];
    hand_select(h, 1, -1, false);
    hand_push(h, 0, false, 1);
    hand_run(h, 33333);
    assert_int_equal(h->keyframes_wanted[1], asked + 1);
    push_all(h, false); /* the first one after the rest is no start either */
    assert_int_equal(last(h)->layer, 0);
    push_all(h, true);
    assert_int_equal(first_of_run(h, before, 1), 3);
    hand_check(h);
    hand_free(h);
}

static void back_and_forth_stays_in_order(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    push_all(h, true);
    for (int i = 0; i < 90; i++) {
        if (i % 3 == 0)
            hand_select(h, i / 3 % 4 - 1, -1, false);
        push_all(h, i % 10 == 9);
    }
    assert_true(h->v->counters.layer_switches >= 10);
    hand_check(h);
    hand_free(h);
}

/* What was sent before the change is sent again as it was. */
static void packets_of_the_old_layer_are_sent_again(void **state)
{
    (void)state;
    struct hand *h = begin(2);
    push_all(h, true);
    push_all(h, false);
    struct hand_packet lost = *last(h);
    hand_select(h, 0, -1, false);
    push_all(h, false);
    assert_int_equal(lost.layer, 1);
    assert_int_equal(last(h)->layer, 0);
    uint8_t nack[64];
    size_t size = rtcp_write_nack(nack, sizeof(nack), 1, HAND_SSRC, &lost.header.seq, 1);
    viewer_on_rtcp(h->v, nack, size, h->now_us);
    hand_drain(h);
    assert_int_equal(last(h)->header.ssrc, HAND_RTX_SSRC);
    assert_int_equal(last(h)->layer, 1);
    assert_int_equal(last(h)->id, lost.id);
    assert_int_equal(last(h)->header.timestamp, lost.header.timestamp);
    hand_free(h);
}

static void push_temporal(struct hand *h, unsigned i)
{
    static const uint8_t ids[] = {0, 2, 1, 2};
    hand_push_sizes(h, HAND_VIDEO, 0, i == 0, (const uint16_t[]){900, 900}, 2, ids[i % 4]);
    hand_run(h, 33333);
}

static void frames_above_the_limit_are_left_out(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    for (unsigned i = 0; i < 8; i++)
        push_temporal(h, i);
    assert_int_equal(h->n_sent, 16);
    hand_select(h, -1, 0, false);
    for (unsigned i = 8; i < 17; i++)
        push_temporal(h, i);
    assert_int_equal(h->n_sent, 16 + 3 * 2);
    assert_int_equal(h->v->counters.frames_skipped, 6);
    hand_select(h, -1, 2, false); /* not before the next frame of the base */
    for (unsigned i = 17; i < 20; i++)
        push_temporal(h, i);
    assert_int_equal(h->n_sent, 16 + 3 * 2);
    for (unsigned i = 20; i < 24; i++)
        push_temporal(h, i);
    assert_int_equal(h->n_sent, 16 + 3 * 2 + 4 * 2);
    assert_int_equal(h->v->state, VIEWER_PLAYING);
    hand_check(h); /* no number is left out */
    hand_free(h);
}

static void nothing_is_sent_while_paused(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_all(h, true);
    hand_select(h, -1, -1, true);
    assert_false(h->watched[HAND_VIDEO][0]);
    unsigned before = h->n_sent;
    for (int i = 0; i < 20; i++)
        push_all(h, false);
    assert_int_equal(h->n_sent, before);
    assert_int_equal(h->v->state, VIEWER_WAIT_KEYFRAME);
    hand_pli(h);
    hand_select(h, -1, -1, false); /* goes on where it stood */
    assert_int_equal(h->sent[before].id, 2);
    assert_int_equal(last(h)->id, 21);
    assert_int_equal(h->n_sent, before + 20);
    hand_select(h, -1, -1, true);
    hand_select(h, -1, -1, false); /* nothing new: nothing comes again */
    assert_int_equal(h->n_sent, before + 20);
    push_all(h, false);
    assert_int_equal(last(h)->id, 22);
    hand_select(h, -1, -1, true);
    push_all(h, true);
    push_all(h, false);
    hand_select(h, -1, -1, false); /* a newer keyframe */
    assert_int_equal(h->sent[before + 21].id, 23);
    assert_int_equal(h->keyframes_wanted[0], 0);
    hand_check(h);
    hand_free(h);
}

static void sources_come_and_go(void **state)
{
    (void)state;
    struct hand *h = begin(3);
    push_all(h, true);
    push_all(h, false);
    hand_detach(h, HAND_VIDEO);
    hand_run(h, 100000);
    assert_int_equal(h->v->state, VIEWER_WAIT_KEYFRAME);
    uint32_t asked = h->keyframes_wanted[0] + h->keyframes_wanted[2];
    hand_pli(h); /* nobody is there to be asked */
    unsigned before = h->n_sent;
    hand_attach(h, HAND_VIDEO, 1);
    assert_true(h->watched[HAND_VIDEO][0]);
    push_all(h, true);
    push_all(h, false);
    assert_int_equal(h->n_sent, before + 5);
    assert_int_equal(h->sent[before].id, 3); /* ids go on */
    assert_int_equal(h->keyframes_wanted[0] + h->keyframes_wanted[2], asked);
    assert_int_equal(h->v->state, VIEWER_PLAYING);
    assert_int_equal(h->v->counters.keyframe_jumps, 0);
    hand_check(h);
    hand_free(h);
}

static void a_codec_that_was_not_negotiated_is_not_sent(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_all(h, true);
    struct viewer_track *t = &h->v->tracks[HAND_VIDEO];
    hand_detach(h, HAND_VIDEO);
    hand_attach(h, HAND_VIDEO, 1);
    t->formats[PAYLOAD_H264].payload_type = 0;
    unsigned before = h->n_sent;
    push_all(h, true);
    push_all(h, false);
    assert_int_equal(h->n_sent, before);
    assert_true(t->unsupported);
    assert_false(h->watched[HAND_VIDEO][0]);
    hand_pli(h);
    assert_int_equal(h->keyframes_wanted[0], 0);
    hand_detach(h, HAND_VIDEO);
    t->formats[PAYLOAD_H264].payload_type = HAND_VP8;
    hand_attach(h, HAND_VIDEO, 1);
    assert_false(t->unsupported);
    push_all(h, true);
    assert_int_equal(last(h)->header.payload_type, HAND_VP8);
    hand_free(h);
}

/* --- keyframes from the cache --- */

static void a_request_is_served_from_the_cache(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_all(h, true);
    push_all(h, false);
    push_all(h, false);
    uint32_t asked = h->keyframes_wanted[0];
    unsigned before = h->n_sent;
    hand_pli(h);
    assert_int_equal(h->n_sent, before + 6); /* all that came, with new numbers */
    assert_int_equal(h->sent[before].id, 1);
    assert_int_equal(h->keyframes_wanted[0], asked);
    assert_int_equal(h->v->counters.keyframes_from_cache, 1);
    assert_int_equal(h->streams[HAND_VIDEO].keyframes_from_cache, 1);
    hand_pli(h); /* the answer is on its way */
    assert_int_equal(h->n_sent, before + 6);
    assert_int_equal(h->v->counters.keyframes_limited, 1);
    assert_int_equal(h->keyframes_wanted[0], asked);
    push_all(h, false);
    assert_int_equal(last(h)->id, 4);
    hand_check(h);
    hand_free(h);
}

static void whom_the_cache_does_not_help_the_encoder_does(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_all(h, true);
    uint32_t asked = h->keyframes_wanted[0];
    for (int i = 0; i < VIEWER_REPLAYS_MAX; i++) {
        hand_pli(h);
        hand_run(h, VIEWER_REPLAY_GAP_US);
    }
    assert_int_equal(h->v->counters.keyframes_from_cache, VIEWER_REPLAYS_MAX);
    assert_int_equal(h->keyframes_wanted[0], asked);
    hand_pli(h); /* a new one would be much like the one that is cached */
    assert_int_equal(h->v->counters.keyframes_from_cache, VIEWER_REPLAYS_MAX + 1);
    assert_int_equal(h->keyframes_wanted[0], asked);
    hand_run(h, VIEWER_REPLAY_OLD_US);
    push_all(h, false);
    for (int i = 0; i < VIEWER_REPLAYS_MAX; i++) {
        hand_pli(h);
        hand_run(h, VIEWER_REPLAY_GAP_US);
    }
    assert_int_equal(h->keyframes_wanted[0], asked);
    hand_pli(h);
    assert_int_equal(h->v->counters.keyframes_from_cache, 2 * VIEWER_REPLAYS_MAX + 1);
    assert_int_equal(h->keyframes_wanted[0], asked + 1);
    hand_free(h);
}

/* A second of it can be had at once, eight seconds every two. */
static void what_is_much_comes_less_often(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_all(h, true);
    for (int i = 0; i < 60; i++) {
        hand_run(h, 8000000 / 60 - 33333);
        push_all(h, false);
    }
    h->layers[HAND_VIDEO][0].rate_bps = 60000 * 8; /* 64000 bytes are more than a second of it */
    unsigned before = h->n_sent;
    hand_pli(h);
    assert_int_equal(h->n_sent, before + 64);
    hand_run(h, 1900000);
    hand_pli(h);
    assert_int_equal(h->n_sent, before + 64);
    assert_int_equal(h->v->counters.keyframes_limited, 1);
    hand_run(h, 100000);
    hand_pli(h);
    assert_int_equal(h->n_sent, before + 128);
    h->layers[HAND_VIDEO][0].rate_bps = 64000 * 8;
    hand_run(h, VIEWER_REPLAY_GAP_US);
    hand_pli(h);
    assert_int_equal(h->n_sent, before + 192);
    assert_int_equal(h->keyframes_wanted[0], 0);
    hand_check(h);
    hand_free(h);
}

/* The frame under way is sent whole before it goes back. */
static void no_frame_is_broken_off(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_all(h, true);
    pacer_spend(&h->v->pacer, pacer_available(&h->v->pacer, h->now_us) - 1);
    hand_push(h, 0, false, 60);
    assert_true(last(h)->packet < 59);
    unsigned before = h->n_sent;
    uint64_t under_way = last(h)->packet;
    assert_true(under_way < 59);
    hand_pli(h);
    hand_run(h, 50000);
    assert_int_equal(h->v->counters.keyframes_from_cache, 1);
    unsigned rest = (unsigned)(59 - under_way);
    assert_int_equal(h->sent[before + rest - 1].id, 2);
    assert_int_equal(h->sent[before + rest].id, 1);
    assert_int_equal(last(h)->id, 2);
    hand_check(h);
    hand_free(h);
}

static int setup(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_plays),
        cmocka_unit_test(it_begins_with_what_is_there),
        cmocka_unit_test(what_is_barred_is_never_sent),
        cmocka_unit_test(from_a_layer_that_goes_to_another),
        cmocka_unit_test(down_it_goes_at_once),
        cmocka_unit_test(up_it_goes_with_a_keyframe),
        cmocka_unit_test(up_it_goes_at_once_where_that_is_cheap),
        cmocka_unit_test(what_was_left_behind_is_no_start),
        cmocka_unit_test(back_and_forth_stays_in_order),
        cmocka_unit_test(packets_of_the_old_layer_are_sent_again),
        cmocka_unit_test(frames_above_the_limit_are_left_out),
        cmocka_unit_test(nothing_is_sent_while_paused),
        cmocka_unit_test(sources_come_and_go),
        cmocka_unit_test(a_codec_that_was_not_negotiated_is_not_sent),
        cmocka_unit_test(a_request_is_served_from_the_cache),
        cmocka_unit_test(whom_the_cache_does_not_help_the_encoder_does),
        cmocka_unit_test(what_is_much_comes_less_often),
        cmocka_unit_test(no_frame_is_broken_off),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
