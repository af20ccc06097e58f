/* The dependency descriptor, as a receiver that goes by it alone reads it. */
#include "tests/unit/forward/hand_stage.h"

static struct hand *begin(unsigned n_layers)
{
    struct hand *h = hand_new(true);
    h->describes = true;
    hand_attach(h, HAND_VIDEO, n_layers);
    return h;
}

/* Reads what was sent from packet `from` on: every packet says where its frame begins and ends,
 * numbers rise from frame to frame, what a frame refers to has come, and a structure stands in the
 * first packet of a keyframe and nowhere else. How many frames that were. */
static unsigned follow(const struct hand *h, unsigned from)
{
    static bool came[1 << 16];
    struct dependency_structure s = {.n_templates = 0};
    struct dependency_descriptor d;
    unsigned frames = 0;
    uint16_t newest = 0;
    memset(came, 0, sizeof(came));
    for (unsigned i = from; i < h->n_sent; i++) {
        const struct hand_packet *p = &h->sent[i];
        if (p->header.ssrc != HAND_SSRC)
            continue;
        assert_int_equal(dependency_read(&d, &s, p->described, p->described_size), 0);
        bool first = p->packet == 0 && p->id == p->picture;
        assert_int_equal(d.starts_frame, first);
        assert_int_equal(d.ends_frame, p->header.marker);
        assert_int_equal(d.has_structure, first && d.frame.n_references == 0);
        if (!d.starts_frame) {
            assert_int_equal(d.frame_number, newest);
            continue;
        }
        assert_true(frames == 0 || (int16_t)(d.frame_number - newest) > 0);
        for (unsigned k = 0; k < d.frame.n_references; k++)
            assert_true(came[(uint16_t)(d.frame_number - d.frame.references[k])]);
        newest = d.frame_number;
        came[newest] = true;
        frames++;
    }
    return frames;
}

static void every_packet_is_described(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    hand_push(h, 0, true, 5);
    for (int i = 0; i < 20; i++) {
        hand_run(h, 33333);
        hand_push(h, 0, i == 10, i == 10 ? 5 : 2);
    }
    hand_run(h, 33333);
    assert_int_equal(follow(h, 0), 21);
    /* a train is of one size, though the first packet's descriptor is longer */
    assert_true(h->sent[0].described_size > h->sent[1].described_size);
    assert_int_equal(h->sent[0].header.header_size, h->sent[1].header.header_size);
    assert_int_equal(h->sent[0].train, h->sent[1].train);
    hand_free(h);
}

static void parts_are_described_as_one(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    for (int i = 0; i < 12; i++) {
        for (uint16_t part = 0; part < 3; part++) {
            hand_push_part(h, 0, i % 6 == 0 && part == 0, 2, part, part < 2);
            hand_run(h, 6000);
        }
    }
    assert_int_equal(h->n_sent, 12 * 3 * 2);
    assert_int_equal(follow(h, 0), 12);
    unsigned from = h->n_sent;
    hand_pli(h); /* again from the cached keyframe */
    hand_run(h, 33333);
    assert_int_equal(follow(h, from), 6);
    hand_free(h);
}

static void numbers_go_on_from_run_to_run(void **state)
{
    (void)state;
    struct hand *h = begin(2);
    for (int i = 0; i < 40; i++) { /* the layers' own numbers are far apart */
        hand_push(h, 0, i == 0, 1);
        hand_run(h, 33333);
    }
    hand_push(h, 1, true, 4);
    hand_run(h, 33333);
    hand_push(h, 1, false, 2);
    hand_run(h, 600000);
    hand_pli(h); /* again from the cached keyframe, whose number is old */
    hand_run(h, 33333);
    hand_push(h, 1, false, 2);
    hand_run(h, 33333);
    hand_select(h, 0, -1, false);
    hand_push(h, 0, true, 2);
    hand_run(h, 33333);
    assert_true(h->v->counters.keyframes_from_cache > 0 && h->v->counters.layer_switches > 0);
    assert_true(follow(h, 0) > 40);
    hand_free(h);
}

static void what_is_left_out_is_referred_to_by_nobody(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    static const uint8_t temporal[] = {0, 2, 1, 2};
    const uint16_t sizes[] = {1000, 500};
    hand_select(h, -1, 1, false);
    for (int i = 0; i < 40; i++) {
        hand_push_sizes(h, HAND_VIDEO, 0, i == 0, sizes, 2, temporal[i % 4]);
        hand_run(h, 33333);
    }
    assert_int_equal(follow(h, 0), 20);
    hand_free(h);
}

/* As it was, structure and number. */
static void what_is_sent_again_is_described_again(void **state)
{
    (void)state;
    struct hand *h = begin(1);
    uint8_t nack[64];
    hand_push(h, 0, true, 3);
    hand_run(h, 33333);
    uint16_t seqs[] = {h->sent[0].header.seq, (uint16_t)(h->sent[0].header.seq + 1)};
    viewer_on_rtcp(h->v, nack, rtcp_write_nack(nack, sizeof(nack), 1, HAND_SSRC, seqs, 2),
                   h->now_us);
    hand_run(h, 33333);
    unsigned again = 0;
    for (unsigned i = 3; i < h->n_sent; i++) {
        const struct hand_packet *p = &h->sent[i], *was = &h->sent[p->packet];
        assert_int_equal(p->header.ssrc, HAND_RTX_SSRC);
        assert_int_equal(p->described_size, was->described_size);
        assert_memory_equal(p->described, was->described, p->described_size);
        again++;
    }
    assert_int_equal(again, 2);
    hand_free(h);
}

static void other_codecs_have_none(void **state)
{
    (void)state;
    struct hand *h = hand_new(true);
    hand_attach(h, HAND_VIDEO, 1);
    hand_push(h, 0, true, 3);
    hand_run(h, 33333);
    assert_int_equal(h->n_sent, 3);
    assert_int_equal(h->sent[0].described_size, 0);
    hand_free(h);
}

static int set_up(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packet_is_described),
        cmocka_unit_test(parts_are_described_as_one),
        cmocka_unit_test(numbers_go_on_from_run_to_run),
        cmocka_unit_test(what_is_left_out_is_referred_to_by_nobody),
        cmocka_unit_test(what_is_sent_again_is_described_again),
        cmocka_unit_test(other_codecs_have_none),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
