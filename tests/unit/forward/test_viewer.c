/* test_viewer.c - one viewer in detail: what feedback does to it and what its packets look like.
 *
 * Sessions as a whole are in test_session.c.
 */
#include "tests/sim/stage.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/rtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define FOREIGN 0xdead

/* A viewer that has played for two seconds and has nothing left to send. */
static struct stage *begin(const struct stage_config *config)
{
    struct stage *s = malloc(sizeof(*s));
    assert_non_null(s);
    stage_init(s, config);
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    stage_run(s, 2 * SECOND);
    s->paused = true;
    stage_run(s, SECOND);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    return s;
}

static void end(struct stage *s)
{
    stage_finish(s);
    free(s);
}

static uint16_t last_seq(const struct stage *s)
{
    return (uint16_t)(s->viewer->tracks[0].past->history.next_seq - 1);
}

static void feed_nack(struct stage *s, uint32_t ssrc, uint16_t first, unsigned n)
{
    uint8_t rtcp[1200];
    uint16_t seqs[256];
    for (unsigned i = 0; i < n; i++)
        seqs[i] = (uint16_t)(first + i);
    size_t size = rtcp_write_nack(rtcp, sizeof(rtcp), 1, ssrc, seqs, n);
    assert_int_not_equal(size, 0);
    stage_feed_rtcp(s, rtcp, size);
}

/* --- feedback --- */

static void feedback_about_others_is_counted_and_ignored(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 1});
    const struct viewer_counters *c = &s->viewer->counters;
    uint64_t asked = s->keyframe_requests;
    uint8_t rtcp[64];
    feed_nack(s, FOREIGN, last_seq(s), 1);
    assert_int_equal(c->bad_rtcp, 1);
    feed_nack(s, STAGE_RTX_SSRC, 1, 1); /* no RTX of RTX */
    assert_int_equal(c->bad_rtcp, 2);
    stage_feed_rtcp(s, rtcp, rtcp_write_pli(rtcp, sizeof(rtcp), 1, FOREIGN));
    assert_int_equal(c->bad_rtcp, 3);
    stage_feed_rtcp(s, rtcp, rtcp_write_fir(rtcp, sizeof(rtcp), 1, FOREIGN, 1));
    assert_int_equal(c->bad_rtcp, 4);
    struct rtcp_report_block blocks[3] = {
        {.ssrc = FOREIGN}, {.ssrc = STAGE_RTX_SSRC}, {.ssrc = STAGE_SSRC, .fraction_lost = 77}};
    stage_feed_rtcp(s, rtcp, rtcp_write_rr(rtcp, sizeof(rtcp), 1, blocks, 2));
    assert_int_equal(c->bad_rtcp, 5);
    assert_int_equal(c->nacks + c->plis + c->firs + c->resent, 0);
    assert_int_equal(s->keyframe_requests, asked);
    uint8_t two[128];
    stage_feed_rtcp(s, two, rtcp_write_rr(two, sizeof(two), 1, blocks, 3));
    assert_int_equal(s->viewer->tracks[0].report.fraction_lost, 77); /* ours, behind the foreign */
    end(s);
}

static void malformed_feedback_is_counted(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 2});
    static const struct {
        size_t size;
        uint8_t bytes[24];
    } rows[] = {
        /* a NACK, a PLI's and a FIR's without what they are about */
        {12, {0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0x10, 0}},
        {8, {0x81, 206, 0, 1, 0, 0, 0, 1}},
        {12, {0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0x10, 0}},
        /* longer than the datagram; a report that promises a block */
        {12, {0x81, 206, 0, 9, 0, 0, 0, 1, 0, 0, 0x10, 0}},
        {8, {0x81, 201, 0, 1, 0, 0, 0, 1}},
        /* a good packet and a broken one behind it */
        {20, {0x80, 201, 0, 1, 0, 0, 0, 1, 0x40, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0x10, 0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t before = s->viewer->counters.bad_rtcp;
        stage_feed_rtcp(s, rows[i].bytes, rows[i].size);
        assert_int_equal(s->viewer->counters.bad_rtcp, before + 1);
    }
    end(s);
}

static void unused_feedback_is_no_error(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 3});
    static const struct {
        size_t size;
        uint8_t bytes[24];
    } rows[] = {
        /* REMB, transport-wide feedback, another AFB, source description, XR, BYE, application */
        {24, {0x8f, 206, 0,   5,   0, 0, 0,    1,    0, 0, 0,    0,
              'R',  'E', 'M', 'B', 1, 3, 0xff, 0xff, 0, 0, 0x10, 0}},
        {24, {0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0x10, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 1, 4, 0}},
        {16, {0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 'X', 'X', 'X', 'X'}},
        {16, {0x81, 202, 0, 3, 0, 0, 0, 1, 1, 4, 'a', 'b', 'c', 'd', 0, 0}},
        {8, {0x80, 207, 0, 1, 0, 0, 0, 1}},
        {8, {0x81, 203, 0, 1, 0, 0, 0, 1}},
        {12, {0x80, 204, 0, 2, 0, 0, 0, 1, 'a', 'b', 'c', 'd'}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        stage_feed_rtcp(s, rows[i].bytes, rows[i].size);
    assert_int_equal(s->viewer->counters.bad_rtcp, 0);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    end(s);
}

static void a_repeated_fir_is_the_same_command(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 4});
    uint64_t asked = s->keyframe_requests;
    static const uint8_t seqs[] = {0, 0, 0, 1, 1, 2, 255, 0};
    uint8_t rtcp[64];
    for (size_t i = 0; i < sizeof(seqs); i++)
        stage_feed_rtcp(s, rtcp, rtcp_write_fir(rtcp, sizeof(rtcp), 1, STAGE_SSRC, seqs[i]));
    const struct viewer_counters *c = &s->viewer->counters;
    assert_int_equal(c->firs, 5);
    assert_int_equal(c->keyframes_from_cache + c->keyframes_limited, 5);
    assert_int_equal(s->keyframe_requests, asked);
    end(s);
}

/* --- retransmission --- */

static void what_is_no_longer_known_is_a_miss(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 5});
    const struct viewer_counters *c = &s->viewer->counters;
    feed_nack(s, STAGE_SSRC, (uint16_t)(last_seq(s) + 1), 1); /* not sent yet */
    feed_nack(s, STAGE_SSRC, (uint16_t)(last_seq(s) - HISTORY_SIZE), 1);
    assert_int_equal(c->resend_misses, 2);
    /* Still in the history, but its frame has left the stream. */
    uint16_t old = last_seq(s);
    s->now_us += 5 * SECOND;
    stage_publish(s, true);
    feed_nack(s, STAGE_SSRC, old, 1);
    assert_int_equal(c->resend_misses, 3);
    assert_int_equal(c->nacks, 3);
    assert_int_equal(c->resent, 0);
    end(s);
}

static void asking_again_too_soon_is_limited(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 6});
    const struct viewer_counters *c = &s->viewer->counters;
    static const struct {
        int64_t rtt_us, gap_ms;
    } rows[] = {{-1, 20}, {60000, 45}, {1000, 5}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        s->viewer->tracks[0].report.rtt_us = rows[i].rtt_us;
        uint64_t resent = c->resent, limited = c->resend_limited;
        uint16_t seq = (uint16_t)(last_seq(s) - i);
        feed_nack(s, STAGE_SSRC, seq, 1);
        assert_int_equal(c->resent, resent + 1);
        s->now_us += (rows[i].gap_ms - 1) * 1000;
        feed_nack(s, STAGE_SSRC, seq, 1);
        assert_int_equal(c->resent, resent + 1);
        assert_int_equal(c->resend_limited, limited + 1);
        s->now_us += 1000;
        feed_nack(s, STAGE_SSRC, seq, 1);
        assert_int_equal(c->resent, resent + 2);
    }
    assert_int_equal(c->resend_misses, 0);
    end(s);
}

static void a_flood_of_nacks_is_bounded(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 7});
    const struct viewer_counters *c = &s->viewer->counters;
    pacer_set_rate(&s->viewer->pacer, 0, s->now_us);
    pacer_spend(&s->viewer->pacer, 10 * VIEWER_PACE_BURST);
    for (int i = 0; i < 20; i++)
        feed_nack(s, STAGE_SSRC, (uint16_t)(last_seq(s) - 199), 200);
    assert_int_equal(c->nacks, 4000);
    assert_int_equal(c->resent, 0);
    assert_int_equal(c->resend_limited, 4000 - PAST_RESENDS_MAX);
    pacer_set_rate(&s->viewer->pacer, VIEWER_PACE_BPS, s->now_us);
    s->viewer->tracks[0].report.rtt_us = SECOND;
    stage_run(s, SECOND / 2);
    assert_int_equal(c->resent, 200); /* each once */
    assert_int_equal(c->resend_limited, 4000 - 200);
    assert_int_equal(s->viewer->tracks[0].past->resend_count, 0);
    end(s);
}

/* All that viewer_send gives, opened by the receiver. */
struct opened {
    unsigned n;
    struct {
        size_t size;
        uint8_t sealed[VIEWER_DATAGRAM_MAX], plain[VIEWER_DATAGRAM_MAX];
        struct rtp_header header;
    } packet[64];
};

static void open_packets(struct stage *s, struct opened *o)
{
    static uint8_t out[VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX];
    struct viewer_train train;
    o->n = 0;
    while (viewer_send(s->viewer, &train, out, sizeof(out), s->now_us)) {
        for (uint32_t at = 0; at < train.size; at += train.segment_size) {
            size_t left = train.size - at;
            size_t size = left < train.segment_size ? left : train.segment_size;
            if (datagram_kind(out + at, size) != DATAGRAM_RTP)
                continue;
            assert_true(o->n < 64);
            memcpy(o->packet[o->n].sealed, out + at, size);
            memcpy(o->packet[o->n].plain, out + at, size);
            size_t plain = unseal_rtp(s->receiver.seal, o->packet[o->n].plain, size);
            o->packet[o->n].size = size;
            if (plain != 0) /* else a replay */
                assert_true(rtp_parse(&o->packet[o->n].header, o->packet[o->n].plain, plain));
            o->n++;
        }
    }
}

/* Publishes a frame and takes its packets before the stage does. */
static void send_frame(struct stage *s, struct opened *o)
{
    struct viewer *v = s->viewer;
    s->viewer = NULL;
    s->now_us += 33333;
    stage_publish(s, false);
    s->viewer = v;
    viewer_on_frame(v, &s->stream, s->now_us);
    open_packets(s, o);
    assert_true(o->n > 2);
}

static void ask_again(struct stage *s, uint16_t first, unsigned n, struct opened *o)
{
    uint8_t rtcp[128];
    uint16_t seqs[16];
    for (unsigned i = 0; i < n; i++)
        seqs[i] = (uint16_t)(first + i);
    size_t size = rtcp_write_nack(rtcp, sizeof(rtcp), 1, STAGE_SSRC, seqs, n);
    size = receiver_seal_rtcp(&s->receiver, rtcp, size, sizeof(rtcp));
    viewer_on_datagram(s->viewer, rtcp, size, &s->address, s->now_us);
    open_packets(s, o);
}

static void rtx_carries_the_original(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 8});
    static struct opened first, again;
    uint16_t rtx_seq = s->viewer->tracks[0].rtx_seq;
    send_frame(s, &first);
    ask_again(s, first.packet[0].header.seq, first.n, &again);
    assert_int_equal(again.n, first.n);
    for (unsigned i = 0; i < first.n; i++) {
        const struct rtp_header *a = &first.packet[i].header, *b = &again.packet[i].header;
        const uint8_t *payload = again.packet[i].plain + b->header_size;
        assert_int_equal(b->ssrc, STAGE_RTX_SSRC);
        assert_int_equal(b->payload_type, 103);
        assert_int_equal(b->seq, (uint16_t)(rtx_seq + i));
        assert_int_equal(b->timestamp, a->timestamp);
        assert_int_equal(b->marker, a->marker);
        assert_int_equal(a->marker, i + 1 == first.n);
        assert_int_equal(get_u16(payload), a->seq);
        assert_int_equal(b->payload_size, a->payload_size + 2);
        assert_memory_equal(payload + 2, first.packet[i].plain + a->header_size, a->payload_size);
    }
    end(s);
}

static void without_rtx_the_very_same_bytes_go_again(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 9, .no_rtx = true});
    static struct opened first, again;
    send_frame(s, &first);
    uint32_t sent = s->viewer->tracks[0].report.packets;
    ask_again(s, first.packet[0].header.seq, first.n, &again);
    assert_int_equal(again.n, first.n);
    for (unsigned i = 0; i < first.n; i++) {
        assert_int_equal(again.packet[i].size, first.packet[i].size);
        assert_memory_equal(again.packet[i].sealed, first.packet[i].sealed, first.packet[i].size);
    }
    assert_int_equal(s->viewer->tracks[0].report.packets, sent + first.n);
    end(s);
}

/* --- packets --- */

static const uint8_t *extension(const struct rtp_header *h, uint8_t id, size_t *size)
{
    return extensions_find(h->extension_profile, h->extension, h->extension_size, id, size);
}

static void packets_carry_the_negotiated_extensions(void **state)
{
    (void)state;
    for (int no_rtx = 0; no_rtx <= 1; no_rtx++) {
        struct stage *s = begin(&(struct stage_config){.seed = 10, .no_rtx = no_rtx});
        static struct opened o;
        send_frame(s, &o);
        for (unsigned i = 0; i < o.n; i++) {
            const struct rtp_header *h = &o.packet[i].header;
            size_t size;
            const uint8_t *value = extension(h, 5, &size);
            assert_non_null(value);
            assert_int_equal(size, 3);
            assert_int_equal(get_u24(value), 0); /* play at once */
            value = extension(h, 1, &size);
            assert_non_null(value);
            assert_int_equal(size, 1);
            assert_int_equal(value[0], '0');
            assert_int_equal(extension(h, STAGE_TRANSPORT_CC_ID, &size) == NULL, no_rtx);
        }
        end(s);
    }
}

static void timestamps_are_the_frames_own_and_an_offset(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 11});
    static struct opened o;
    uint32_t before = 0;
    for (int n = 0; n < 5; n++) {
        send_frame(s, &o);
        const struct frame *f = stream_frame(&s->stream, 0, s->layers[0].newest_id);
        uint32_t expected = f->rtp_ts + s->viewer->tracks[0].timestamp_offset;
        for (unsigned i = 0; i < o.n; i++)
            assert_int_equal(o.packet[i].header.timestamp, expected);
        assert_true(n == 0 || (int32_t)(expected - before) > 0);
        before = expected;
    }
    end(s);
}

static void a_large_frame_goes_in_full_trains(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 12, .keyframe_size = 300000});
    pacer_set_rate(&s->viewer->pacer, 1000000000, s->now_us);
    stage_run(s, SECOND);
    uint64_t trains = s->trains, datagrams = s->datagrams;
    s->largest_train = 0;
    stage_publish(s, true);
    stage_run(s, 50000);
    assert_int_equal(s->viewer->counters.frames_sent, s->next_id - 1);
    assert_true(s->datagrams - datagrams > 260);
    assert_true(s->largest_train >= 50); /* the burst at once, as one UDP_SEGMENT send */
    assert_true((s->datagrams - datagrams) / (s->trains - trains) >= 12);
    end(s);
}

static void push_sizes(struct stage *s, const uint16_t *sizes, uint16_t n)
{
    struct frame *f = frame_get(s->pool);
    assert_non_null(f);
    struct packetize *p = &f->payload;
    for (uint16_t i = 0; i < n; i++) {
        p->packets[i] =
            (struct packetize_packet){.offset = p->size, .size = sizes[i], .marker = i + 1 == n};
        p->size += sizes[i];
    }
    memset(p->data, 1, p->size);
    p->n_packets = n;
    f->id = s->next_id++;
    f->codec = PAYLOAD_H264;
    f->captured_us = s->now_us;
    f->rtp_ts = (uint32_t)(s->now_us * 9 / 100);
    stream_push(&s->stream, 0, f);
    viewer_on_frame(s->viewer, &s->stream, s->now_us);
}

/* Equal sizes and at most one shorter at the end, since that is what UDP_SEGMENT can cut. */
static void trains_end_where_sizes_change(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 17});
    static const uint16_t sizes[] = {100, 100, 50, 50, 100, 100, 100, 30, 200, 200};
    static const unsigned expected[] = {3, 1, 4, 2};
    static uint8_t out[VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX];
    push_sizes(s, sizes, sizeof(sizes) / sizeof(sizes[0]));
    uint16_t first = (uint16_t)(last_seq(s) + 1);
    struct viewer_train train;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(viewer_send(s->viewer, &train, out, sizeof(out), s->now_us));
        assert_int_equal(train.n_segments, expected[i]);
    }
    assert_false(viewer_send(s->viewer, &train, out, sizeof(out), s->now_us));

    uint8_t rtcp[64]; /* the same for retransmissions */
    uint16_t seqs[10];
    for (uint16_t i = 0; i < 10; i++)
        seqs[i] = (uint16_t)(first + i);
    size_t size = rtcp_write_nack(rtcp, sizeof(rtcp), 1, STAGE_SSRC, seqs, 10);
    size = receiver_seal_rtcp(&s->receiver, rtcp, size, sizeof(rtcp));
    viewer_on_datagram(s->viewer, rtcp, size, &s->address, s->now_us);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(viewer_send(s->viewer, &train, out, sizeof(out), s->now_us));
        assert_int_equal(train.n_segments, expected[i]);
    }
    assert_false(viewer_send(s->viewer, &train, out, sizeof(out), s->now_us));
    end(s);
}

static void nothing_to_send_is_nothing_to_wait_for(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 13});
    struct viewer *v = s->viewer;
    pacer_spend(&v->pacer, 2 * VIEWER_PACE_BURST); /* empty, but nobody waits for it */
    int64_t next = viewer_next_timeout(v, s->now_us);
    assert_int_equal(next, v->tracks[0].report.next_us);
    stage_publish(s, false);
    assert_int_equal(viewer_next_timeout(v, s->now_us), pacer_next_timeout(&v->pacer));
    stage_run(s, SECOND / 10);
    assert_int_equal(v->counters.frames_sent, s->next_id - 1);
    end(s);
}

static void viewers_draw_their_own_numbers(void **state)
{
    (void)state;
    struct stage *a = begin(&(struct stage_config){.seed = 14});
    struct stage *b = begin(&(struct stage_config){.seed = 15});
    const struct viewer_track *s = &a->viewer->tracks[0], *t = &b->viewer->tracks[0];
    assert_int_not_equal(s->timestamp_offset, t->timestamp_offset);
    assert_int_not_equal(s->past->history.next_seq, t->past->history.next_seq);
    assert_int_not_equal(s->rtx_seq, t->rtx_seq);
    end(a);
    end(b);
}

static void datagrams_from_elsewhere_are_dropped(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 16});
    struct address other;
    assert_true(address_parse(&other, "198.51.100.1", 4000));
    uint8_t rtcp[64];
    size_t size = rtcp_write_pli(rtcp, sizeof(rtcp), 1, STAGE_SSRC);
    size = receiver_seal_rtcp(&s->receiver, rtcp, size, sizeof(rtcp));
    viewer_on_datagram(s->viewer, rtcp, size, &other, s->now_us);
    assert_int_equal(s->viewer->counters.plis, 0);
    uint8_t noise[40];
    memset(noise, 0xff, sizeof(noise));
    viewer_on_datagram(s->viewer, noise, sizeof(noise), &s->address, s->now_us);
    viewer_on_datagram(s->viewer, noise, 0, &s->address, s->now_us);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    end(s);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(viewer_state_name(VIEWER_ICE), "ice");
    assert_string_equal(viewer_state_name(VIEWER_DTLS), "dtls");
    assert_string_equal(viewer_state_name(VIEWER_WAIT_KEYFRAME), "wait-keyframe");
    assert_string_equal(viewer_state_name(VIEWER_PLAYING), "playing");
    assert_string_equal(viewer_state_name(VIEWER_CLOSED), "closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feedback_about_others_is_counted_and_ignored),
        cmocka_unit_test(malformed_feedback_is_counted),
        cmocka_unit_test(unused_feedback_is_no_error),
        cmocka_unit_test(a_repeated_fir_is_the_same_command),
        cmocka_unit_test(what_is_no_longer_known_is_a_miss),
        cmocka_unit_test(asking_again_too_soon_is_limited),
        cmocka_unit_test(a_flood_of_nacks_is_bounded),
        cmocka_unit_test(rtx_carries_the_original),
        cmocka_unit_test(without_rtx_the_very_same_bytes_go_again),
        cmocka_unit_test(packets_carry_the_negotiated_extensions),
        cmocka_unit_test(timestamps_are_the_frames_own_and_an_offset),
        cmocka_unit_test(a_large_frame_goes_in_full_trains),
        cmocka_unit_test(trains_end_where_sizes_change),
        cmocka_unit_test(nothing_to_send_is_nothing_to_wait_for),
        cmocka_unit_test(viewers_draw_their_own_numbers),
        cmocka_unit_test(datagrams_from_elsewhere_are_dropped),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
