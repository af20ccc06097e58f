/* test_viewer_parts.c - pictures that come in parts, to their viewers: each is one picture to
 * everything that counts, chooses or sends again.
 */
#include "tests/sim/stage.h"
#include "tests/unit/forward/hand_stage.h"

#define SECOND INT64_C(1000000)
#define PART_US 6000

static struct hand *begin(unsigned n_layers)
{
    struct hand *h = hand_new(true);
    hand_attach(h, HAND_VIDEO, n_layers);
    return h;
}

static void end(struct hand *h)
{
    hand_check(h);
    assert_int_equal(h->v->state, VIEWER_PLAYING);
    hand_free(h);
}

/* Two packets each. */
static void push_parts(struct hand *h, unsigned layer, bool keyframe, uint16_t from, uint16_t to)
{
    for (uint16_t part = from; part <= to; part++) {
        hand_push_part(h, layer, keyframe && part == 0, 2, part, part < 2);
        hand_run(h, PART_US);
    }
}

static void push_whole(struct hand *h, unsigned layer, bool keyframe)
{
    push_parts(h, layer, keyframe, 0, 2);
    hand_run(h, 15333);
}

static void cut_off(struct hand *h, unsigned layer, uint16_t part)
{
    hand_push_part(h, layer, false, 0, part, false);
    hand_run(h, PART_US);
}

static unsigned count_markers(const struct hand *h)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->n_sent; i++)
        n += h->sent[i].header.marker;
    return n;
}

static void parts_are_one_picture(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_whole(h, 0, true);
    push_whole(h, 0, false);
    assert_int_equal(h->n_sent, 12);
    assert_int_equal(h->n_trains, 6);
    assert_int_equal(count_markers(h), 2);
    assert_true(h->sent[5].header.marker && h->sent[11].header.marker);
    assert_int_equal(h->v->counters.frames_sent, 2);
    assert_true(h->sent[2].at_us == h->sent[0].at_us + PART_US); /* as it came */
    uint8_t nack[64];
    uint16_t seqs[] = {h->sent[8].header.seq}; /* of the second part */
    size_t size = rtcp_write_nack(nack, sizeof(nack), 1, HAND_SSRC, seqs, 1);
    viewer_on_rtcp(h->v, nack, size, h->now_us);
    hand_drain(h);
    assert_int_equal(h->n_sent, 13);
    assert_int_equal(h->sent[12].header.timestamp, h->sent[8].header.timestamp);
    assert_int_equal(h->sent[12].id, h->sent[8].id);
    assert_false(h->sent[12].header.marker);
    end(h);
}

static void one_may_join_in_the_middle(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    hand_select(h, -1, -1, true);
    push_parts(h, 0, true, 0, 1);
    assert_int_equal(h->n_sent, 0);
    hand_select(h, -1, -1, false);
    assert_int_equal(h->n_sent, 4); /* what there is of the keyframe */
    assert_int_equal(h->v->counters.frames_sent, 0);
    push_parts(h, 0, true, 2, 2);
    assert_int_equal(h->n_sent, 6);
    assert_int_equal(h->v->counters.frames_sent, 1);
    push_whole(h, 0, false);

    hand_select(h, -1, -1, true);
    push_whole(h, 0, true);
    push_whole(h, 0, false);
    push_parts(h, 0, false, 0, 0);
    hand_select(h, -1, -1, false);
    assert_int_equal(h->n_sent, 12 + 6 + 6 + 2);
    assert_in_range(h->sent[18].header.timestamp - h->sent[12].header.timestamp, 1, 2 * PAST_STEP);
    push_parts(h, 0, false, 1, 2);
    push_whole(h, 0, false);
    assert_int_equal(h->n_sent, 12 + 12 + 6 + 6);
    assert_int_equal(count_markers(h), 6);
    end(h);
}

static void a_pause_in_the_middle_ends_at_a_keyframe(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_whole(h, 0, true);
    push_parts(h, 0, false, 0, 0);
    hand_select(h, -1, -1, true);
    push_parts(h, 0, false, 1, 2);
    assert_int_equal(h->n_sent, 8);
    hand_select(h, -1, -1, false);
    assert_int_equal(h->n_sent, 8 + 12); /* the GOP again */
    assert_int_equal(h->sent[8].id, 1);
    push_whole(h, 0, false);
    end(h);
}

static void layers_change_between_pictures(void **state)
{
    (void)state;
    for (unsigned broken = 0; broken < 2; broken++) {
        struct hand *h = begin(2);
        push_whole(h, 0, true);
        push_whole(h, 1, true);
        push_parts(h, 1, false, 0, 0);
        push_parts(h, 0, false, 0, 0);
        unsigned n = h->n_sent;
        assert_int_equal(h->sent[n - 1].layer, 1);
        hand_select(h, 0, -1, false);
        push_parts(h, 0, false, 1, 2);
        assert_int_equal(h->n_sent, n); /* not before the picture is over */
        assert_int_equal(h->v->tracks[HAND_VIDEO].layer, 1);
        if (broken) {
            cut_off(h, 1, 1);
        } else {
            push_parts(h, 1, false, 1, 2);
            assert_int_equal(h->sent[n + 3].layer, 1);
            n += 4;
        }
        assert_int_equal(h->v->tracks[HAND_VIDEO].layer, 0);
        assert_int_equal(h->n_sent, n + 12); /* that layer's GOP */
        assert_int_equal(h->sent[n].layer, 0);
        assert_int_equal(h->sent[n].id, 1);
        push_whole(h, 0, false);
        end(h);
    }
}

static void push_temporal(struct hand *h, unsigned part, bool open, bool keyframe, uint8_t id)
{
    h->part = (uint16_t)part;
    h->open = open;
    hand_push_sizes(h, HAND_VIDEO, 0, keyframe, (const uint16_t[]){900, 900}, 2, id);
    h->part = 0;
    h->open = false;
    hand_run(h, PART_US);
}

static void whole_pictures_are_left_out(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_temporal(h, 0, true, true, 0);
    push_temporal(h, 1, false, false, 0);
    push_temporal(h, 0, true, false, 1);
    hand_select(h, -1, 0, false); /* from the next picture on */
    push_temporal(h, 1, false, false, 1);
    assert_int_equal(h->n_sent, 8);
    push_temporal(h, 0, true, false, 1);
    push_temporal(h, 1, true, false, 1);
    hand_select(h, -1, -1, false);
    push_temporal(h, 2, false, false, 1);
    assert_int_equal(h->n_sent, 8);
    assert_int_equal(h->v->counters.frames_skipped, 1);
    push_temporal(h, 0, true, false, 0);
    push_temporal(h, 1, false, false, 0);
    assert_int_equal(h->n_sent, 12);
    end(h);
}

static void a_rest_that_does_not_come_is_no_loss(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    push_whole(h, 0, true);
    push_parts(h, 0, false, 0, 1);
    cut_off(h, 0, 2);
    hand_run(h, SECOND);
    push_parts(h, 0, true, 0, 0);
    cut_off(h, 0, 1); /* and so with a keyframe */
    push_whole(h, 0, true);
    push_whole(h, 0, false);
    assert_int_equal(h->n_sent, 6 + 4 + 2 + 6 + 6);
    assert_int_equal(count_markers(h), 3);
    assert_int_equal(h->v->counters.frames_sent, 3);
    assert_int_equal(h->v->counters.keyframe_jumps, 0);
    assert_int_equal(h->layers[HAND_VIDEO][0].gaps, 0);
    end(h);
}

/* --- whole sessions --- */

static void pictures_arrive_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct stage *s = malloc(sizeof(*s));
        assert_non_null(s);
        stage_init(s, &(struct stage_config){
                          .seed = 500 + i,
                          .gop = 90,
                          .frame_size = 20000,
                          .part_us = PART_US,
                          .cut_off = i < 3 ? 0 : 0.02,
                          .no_rtx = i % 3 == 2,
                          .path = {.delay_us = 20000, .jitter_us = 1500, .loss = i % 3 ? 0.02 : 0},
                      });
        stage_run(s, 777000 + i * 5000); /* it joins somewhere in the middle */
        stage_connect(s);
        assert_true(stage_run_until_connected(s));
        stage_run(s, 30 * SECOND);
        const struct stage_seen *seen = &s->seen[0];
        const struct viewer_counters *c = &s->viewer->counters;
        assert_true(seen->newest_id + 60 > s->next_id);
        assert_int_equal(c->keyframe_jumps, 0);
        assert_int_equal(s->layers[0].gaps, 0);
        if (i < 3) {
            assert_int_equal(seen->skipped, 0);
            assert_in_range(seen->frames, s->next_id - seen->first_id - 12, s->next_id);
        } else {
            assert_true(s->n_cut_off > 3 && seen->skipped > 3);
        }
        stage_finish(s);
        free(s);
    }
}

static int set_up(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_one_picture),
        cmocka_unit_test(one_may_join_in_the_middle),
        cmocka_unit_test(a_pause_in_the_middle_ends_at_a_keyframe),
        cmocka_unit_test(layers_change_between_pictures),
        cmocka_unit_test(whole_pictures_are_left_out),
        cmocka_unit_test(a_rest_that_does_not_come_is_no_loss),
        cmocka_unit_test(pictures_arrive_whole),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
