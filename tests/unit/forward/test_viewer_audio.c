/* Sound: behind a picture's train, or alone after a while; never twice. */
#include "tests/unit/forward/hand_stage.h"

static struct hand *begin(bool rtx)
{
    struct hand *h = hand_new(rtx);
    hand_attach(h, HAND_VIDEO, 1);
    hand_attach(h, HAND_AUDIO, 1);
    hand_push(h, 0, true, 3);
    hand_run(h, 20000);
    h->n_sent = h->n_trains = 0;
    return h;
}

static const struct hand_packet *last(const struct hand *h)
{
    return &h->sent[h->n_sent - 1];
}

static void it_rides_behind_the_picture(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_push_sound(h);
    assert_int_equal(h->n_sent, 0); /* it waits */
    hand_run(h, 4000);
    assert_int_equal(h->n_sent, 0);
    hand_push(h, 0, false, 5);
    assert_int_equal(h->n_sent, 6);
    assert_int_equal(h->n_trains, 1); /* one message of one sendmmsg */
    assert_int_equal(last(h)->header.ssrc, HAND_SSRC + HAND_AUDIO);
    assert_int_equal(last(h)->header.payload_type, HAND_OPUS);
    assert_int_equal(last(h)->place, 5);
    assert_int_equal(h->v->counters.audio_rode, 1);
    hand_run(h, 20000);
    assert_int_equal(h->v->counters.audio_sent, 1);
    hand_check(h);
    hand_free(h);
}

/* The last packet of a frame is often a little shorter: then it is padded for the rider's sake. */
static void a_shorter_last_packet_is_padded(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {1000, 1000, 990};
    for (int rtx = 0; rtx <= 1; rtx++) {
        struct hand *h = begin(rtx);
        hand_push_sound(h);
        hand_push_sizes(h, HAND_VIDEO, 0, false, sizes, 3, 0);
        assert_int_equal(h->n_sent, 4);
        /* Without RTX the same bytes must come again, whether or not somebody rode with them. */
        assert_int_equal(h->n_trains, rtx ? 1 : 2);
        assert_int_equal(h->v->counters.audio_rode, rtx);
        assert_int_equal(h->sent[2].padding, rtx ? 10 : 0);
        assert_int_equal(h->sent[2].header.payload_size, 990);
        assert_true(h->sent[2].header.marker);
        assert_int_equal(last(h)->header.ssrc, HAND_SSRC + HAND_AUDIO);
        h->n_sent = 0;
        hand_push_sizes(h, HAND_VIDEO, 0, false, sizes, 3, 0); /* nobody rides */
        assert_int_equal(h->sent[2].padding, 0);
        hand_check(h);
        hand_free(h);
    }
}

static void a_small_picture_rides_behind_it(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_push_sound(h);
    hand_push_sizes(h, HAND_VIDEO, 0, false, (const uint16_t[]){60, 1000}, 2, 0);
    assert_int_equal(h->n_sent, 3);
    assert_int_equal(h->n_trains, 2);
    assert_int_equal(h->sent[0].header.ssrc, HAND_SSRC + HAND_AUDIO);
    assert_int_equal(h->sent[1].header.ssrc, HAND_SSRC);
    assert_int_equal(h->sent[1].train, 0);
    assert_int_equal(h->v->counters.audio_rode, 1);
    hand_check(h);
    hand_free(h);
}

static void much_shorter_ones_are_not_padded(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_push_sound(h);
    hand_push_sizes(h, HAND_VIDEO, 0, false, (const uint16_t[]){1000, 700}, 2, 0);
    assert_int_equal(h->n_trains, 2); /* it goes by itself right behind */
    assert_int_equal(h->v->counters.audio_rode, 0);
    assert_int_equal(h->v->counters.audio_sent, 1);
    assert_int_equal(h->sent[1].padding, 0);
    hand_free(h);
}

static void alone_it_leaves_after_ten_milliseconds(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    int64_t came_us = h->now_us;
    hand_push_sound(h);
    assert_int_equal(viewer_next_timeout(h->v, h->now_us), came_us + VIEWER_AUDIO_WAIT_US);
    hand_run(h, 30000);
    assert_int_equal(h->n_sent, 1);
    assert_int_equal(last(h)->at_us, came_us + VIEWER_AUDIO_WAIT_US);
    assert_int_equal(h->v->counters.audio_rode, 0);
    hand_free(h);
}

static void a_still_picture_is_not_waited_for(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_run(h, 200000);
    h->n_sent = 0;
    hand_push_sound(h);
    assert_int_equal(h->n_sent, 1);
    hand_free(h);
}

static void it_does_not_wait_for_the_pacer(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    pacer_set_rate(&h->v->pacer, 0, h->now_us);
    pacer_spend(&h->v->pacer, 10 * VIEWER_PACE_BURST);
    hand_push(h, 0, false, 5);
    for (int i = 0; i < 10; i++) {
        hand_push_sound(h);
        hand_run(h, 20000);
    }
    assert_int_equal(h->v->counters.audio_sent, 10);
    assert_int_equal(h->n_sent, 10);
    hand_free(h);
}

static void what_is_late_is_left_out(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    viewer_set_stalled(h->v, true);
    for (int i = 0; i < 50; i++) {
        hand_push_sound(h);
        hand_run(h, 20000);
    }
    assert_int_equal(h->n_sent, 0);
    viewer_set_stalled(h->v, false);
    hand_run(h, 20000);
    assert_int_equal(h->v->counters.audio_sent, 1);
    assert_int_equal(h->v->counters.audio_skipped, 49);
    assert_int_equal(last(h)->id, 50);
    hand_push_sound(h);
    hand_run(h, 20000);
    assert_int_equal(last(h)->id, 51);
    hand_check(h);
    hand_free(h);
}

static void it_goes_before_what_is_sent_again(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_push(h, 0, false, 4);
    uint16_t seq = last(h)->header.seq;
    h->n_sent = 0;
    hand_push_sound(h);
    uint8_t nack[64];
    size_t size = rtcp_write_nack(nack, sizeof(nack), 1, HAND_SSRC, &seq, 1);
    viewer_on_rtcp(h->v, nack, size, h->now_us);
    hand_drain(h);
    assert_int_equal(h->n_sent, 2);
    assert_int_equal(h->sent[0].header.ssrc, HAND_SSRC + HAND_AUDIO);
    assert_int_equal(h->sent[1].header.ssrc, HAND_RTX_SSRC);
    hand_free(h);
}

static void it_is_never_sent_again(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_push_sound(h);
    hand_run(h, 20000);
    uint16_t seq = last(h)->header.seq;
    uint8_t rtcp[64];
    h->n_sent = 0;
    size_t size = rtcp_write_nack(rtcp, sizeof(rtcp), 1, HAND_SSRC + HAND_AUDIO, &seq, 1);
    viewer_on_rtcp(h->v, rtcp, size, h->now_us);
    size = rtcp_write_pli(rtcp, sizeof(rtcp), 1, HAND_SSRC + HAND_AUDIO);
    viewer_on_rtcp(h->v, rtcp, size, h->now_us);
    hand_run(h, 100000);
    assert_int_equal(h->n_sent, 0);
    assert_int_equal(h->v->counters.resend_misses, 1);
    assert_int_equal(h->keyframes_wanted[0], 0);
    assert_int_equal(h->v->counters.keyframes_from_cache, 0);
    hand_free(h);
}

/* One clock for both, as the reports say: what was captured together is played together. */
static void reports_tie_sound_and_picture_to_one_clock(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    for (int i = 0; i < 400; i++) {
        hand_push_sound(h);
        hand_run(h, 5000);
        if (i % 2 == 0)
            hand_push(h, 0, false, 2);
        hand_run(h, 15000);
        h->n_sent = 0;
    }
    assert_true(h->n_reports >= 8);
    static const uint32_t clock_hz[HAND_TRACKS] = {90000, 48000};
    for (unsigned i = 0; i < HAND_TRACKS; i++) {
        const struct rtcp_sender_info *r = &h->reports[i];
        double s = (double)(r->ntp >> 32) - 2208988800.0 + (double)(r->ntp & 0xffffffff) / 0x1p32;
        uint32_t own = (uint32_t)(uint64_t)(s * clock_hz[i]);
        int32_t off = (int32_t)(r->rtp_timestamp - h->v->tracks[i].timestamp_offset - own);
        assert_in_range(off + (int32_t)clock_hz[i] / 1000, 0, clock_hz[i] / 500); /* 1 ms */
    }
    hand_free(h);
}

/* So that a player can compare its clock with ours (RFC 3611 4.4, 4.5). */
static void reference_times_are_answered(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    uint8_t rtcp[32];
    hand_push(h, 0, false, 2);
    hand_run(h, 2000000);
    assert_int_equal(h->answer.ssrc, 0); /* nobody has asked */
    size_t size = rtcp_write_rrtr(rtcp, sizeof(rtcp), HAND_FAR_SSRC, UINT64_C(0x1122334455667788));
    int64_t asked_us = h->now_us;
    viewer_on_rtcp(h->v, rtcp, size, asked_us);
    for (; h->answer.ssrc == 0 && h->now_us < asked_us + 2000000; hand_run(h, 1000))
        ;
    assert_int_equal(h->answer.last_sr, 0x33445566);
    double s = h->answer.delay_since_last_sr / 65536.0;
    assert_true(s <= (double)(h->now_us - asked_us) / 1e6 && s > 0);
    assert_int_equal(h->v->counters.bad_rtcp, 0);
    h->answer.ssrc = 0;
    hand_run(h, 62000000); /* no answer to what was long ago */
    h->answer.ssrc = 0;
    unsigned reports = h->n_reports;
    hand_run(h, 2000000);
    assert_true(h->n_reports > reports);
    assert_int_equal(h->answer.ssrc, 0);
    hand_free(h);
}

static void sound_alone_plays(void **state)
{
    (void)state;
    struct hand *h = hand_new(true);
    hand_attach(h, HAND_AUDIO, 1);
    hand_push_sound(h);
    assert_int_equal(h->n_sent, 1); /* nothing to wait for */
    assert_int_equal(h->v->state, VIEWER_PLAYING);
    hand_attach(h, HAND_VIDEO, 1); /* a picture that is not there yet */
    hand_run(h, 20000);
    hand_detach(h, HAND_VIDEO);
    hand_detach(h, HAND_AUDIO);
    hand_run(h, 20000);
    assert_int_equal(h->v->state, VIEWER_WAIT_KEYFRAME);
    hand_free(h);
}

/* Of the last second, as the far end says. */
static void report_loss(struct hand *h, uint8_t fraction)
{
    uint8_t rtcp[64];
    struct rtcp_report_block block = {.ssrc = HAND_SSRC + HAND_AUDIO, .fraction_lost = fraction};
    size_t size = rtcp_write_rr(rtcp, sizeof(rtcp), HAND_FAR_SSRC, &block, 1);
    viewer_on_rtcp(h->v, rtcp, size, h->now_us);
}

/* Packets of sound, 20 ms apart; how many of them brought the one before. */
static unsigned play(struct hand *h, unsigned n)
{
    unsigned from = h->n_sent, twice = 0;
    for (unsigned i = 0; i < n; i++) {
        hand_push_sound(h);
        hand_run(h, 20000);
    }
    assert_int_equal(h->n_sent - from, n);
    for (unsigned i = from; i < h->n_sent; i++) {
        const struct hand_packet *p = &h->sent[i];
        bool red = p->header.payload_type == HAND_RED;
        assert_int_equal(p->header.payload_type, red ? HAND_RED : HAND_OPUS);
        assert_int_equal(p->before_id, red ? p->id - 1 : 0);
        twice += red;
    }
    return twice;
}

static void where_much_is_lost_each_brings_the_one_before(void **state)
{
    (void)state;
    struct hand *h = hand_new(true);
    hand_attach(h, HAND_AUDIO, 1);
    assert_int_equal(play(h, 10), 0);
    report_loss(h, 5);
    assert_int_equal(play(h, 50), 0);
    report_loss(h, 6);
    assert_int_equal(play(h, 50), 50);
    report_loss(h, 0); /* goes on for a while */
    assert_int_equal(play(h, 400), 400);
    report_loss(h, 0);
    assert_int_equal(play(h, 60), 60);
    report_loss(h, 0);
    assert_int_equal(play(h, 50), 0);
    assert_int_equal(h->v->counters.audio_repeated, 510);
    hand_check(h);
    hand_free(h);
}

/* What would not fit its header, or the datagram, is left out. */
static void what_cannot_be_said_comes_once(void **state)
{
    (void)state;
    struct hand *h = hand_new(true);
    hand_attach(h, HAND_AUDIO, 1);
    assert_int_equal(play(h, 2), 0);
    report_loss(h, 26);
    assert_int_equal(play(h, 1), 1);
    hand_run(h, 400000); /* silence: 14 bits of samples are no more than 341 ms */
    assert_int_equal(play(h, 1), 0);
    assert_int_equal(play(h, 1), 1);
    hand_push_sizes(h, HAND_AUDIO, 0, true, &(const uint16_t){1030}, 1, 0);
    hand_run(h, 20000);
    assert_int_equal(last(h)->header.payload_type, HAND_OPUS);
    assert_int_equal(play(h, 1), 0);
    assert_int_equal(play(h, 1), 1);
    hand_check(h);
    hand_free(h);
}

static void sound_that_comes_twice_rides(void **state)
{
    (void)state;
    struct hand *h = begin(true);
    hand_push_sound(h);
    hand_run(h, 20000);
    report_loss(h, 26);
    h->n_sent = h->n_trains = 0;
    for (int i = 0; i < 3; i++) {
        hand_push_sound(h);
        hand_push_sizes(h, HAND_VIDEO, 0, false, (const uint16_t[]){1000, 950}, 2, 0);
        hand_run(h, 2000);
    }
    assert_int_equal(h->n_trains, 3);
    assert_int_equal(last(h)->header.payload_type, HAND_RED);
    /* larger than this picture, smaller than that one */
    hand_push_sound(h);
    hand_push_sizes(h, HAND_VIDEO, 0, false, (const uint16_t[]){290}, 1, 0);
    hand_run(h, 2000);
    hand_push_sound(h);
    hand_push_sizes(h, HAND_VIDEO, 0, false, (const uint16_t[]){310}, 1, 0);
    assert_int_equal(h->v->counters.audio_rode, 5);
    assert_int_equal(h->v->counters.audio_repeated, 5);
    hand_check(h);
    hand_free(h);
}

static void who_takes_no_red_gets_none(void **state)
{
    (void)state;
    struct hand *h = hand_new(true);
    h->v->tracks[HAND_AUDIO].red_payload_type = 0;
    hand_attach(h, HAND_AUDIO, 1);
    assert_int_equal(play(h, 2), 0);
    report_loss(h, 26);
    assert_int_equal(play(h, 50), 0);
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
        cmocka_unit_test(it_rides_behind_the_picture),
        cmocka_unit_test(a_shorter_last_packet_is_padded),
        cmocka_unit_test(a_small_picture_rides_behind_it),
        cmocka_unit_test(much_shorter_ones_are_not_padded),
        cmocka_unit_test(alone_it_leaves_after_ten_milliseconds),
        cmocka_unit_test(a_still_picture_is_not_waited_for),
        cmocka_unit_test(it_does_not_wait_for_the_pacer),
        cmocka_unit_test(what_is_late_is_left_out),
        cmocka_unit_test(it_goes_before_what_is_sent_again),
        cmocka_unit_test(it_is_never_sent_again),
        cmocka_unit_test(reports_tie_sound_and_picture_to_one_clock),
        cmocka_unit_test(reference_times_are_answered),
        cmocka_unit_test(sound_alone_plays),
        cmocka_unit_test(where_much_is_lost_each_brings_the_one_before),
        cmocka_unit_test(what_cannot_be_said_comes_once),
        cmocka_unit_test(sound_that_comes_twice_rides),
        cmocka_unit_test(who_takes_no_red_gets_none),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
