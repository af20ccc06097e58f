/* test_session.c - whole sessions of one viewer with a receiver, with loss, on a virtual clock.
 *
 * What every one of them proves beside its own point is in stage.c: frames are whole and the ones
 * that were published, sequence numbers are contiguous, no deadline spins.
 */
#include "tests/sim/stage.h"

#include "rtp/wire/rtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static struct stage *begin(const struct stage_config *config)
{
    struct stage *s = malloc(sizeof(*s));
    assert_non_null(s);
    stage_init(s, config);
    return s;
}

/* With a viewer that is connected before the first frame. */
static struct stage *begin_connected(const struct stage_config *config)
{
    struct stage *s = begin(config);
    s->paused = true;
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    s->paused = false;
    s->next_frame_us = s->now_us;
    return s;
}

/* The live frame when a track began: those before it are squeezed. */
static uint64_t live_id(const struct viewer_track *t)
{
    return t->past->runs[t->past->run].line_id;
}

static void end(struct stage *s)
{
    stage_finish(s);
    free(s);
}

/* Everything that was published has arrived, give or take what is still under way. */
static void assert_all_arrived(const struct stage *s, unsigned track)
{
    const struct stage_seen *seen = &s->seen[track];
    assert_int_equal(seen->skipped, 0);
    assert_int_equal(seen->frames, seen->newest_id - seen->first_id + 1);
    assert_in_range(seen->newest_id, s->next_id - 12, s->next_id - 1);
}

static void every_frame_arrives(void **state)
{
    (void)state;
    static const struct {
        double loss;
        int64_t delay_us;
        bool no_rtx;
    } rows[] = {
        {0, 10000, false},   {0, 30000, true},    {0.02, 10000, false}, {0.02, 30000, false},
        {0.02, 20000, true}, {0.05, 10000, true}, {0.05, 20000, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stage *s = begin_connected(&(struct stage_config){
            .seed = 100 + i,
            .gop = 120,
            .no_rtx = rows[i].no_rtx,
            .path = {.delay_us = rows[i].delay_us, .jitter_us = 1500, .loss = rows[i].loss},
        });
        stage_run(s, 60 * SECOND);
        const struct viewer_counters *c = &s->viewer->counters;
        assert_all_arrived(s, 0);
        /* Nobody can ask for what was lost before the first packet that came. */
        assert_in_range(s->receiver.frames_broken, 0, s->receiver.plis > 0);
        /* What comes twice because it was asked for twice is a replay to SRTP, but for RTX. */
        assert_in_range(s->receiver.not_authentic, 0, rows[i].no_rtx ? c->resent / 4 : 0);
        /* Whoever lost its first packets, all unknown to it, gets the keyframe once more. */
        assert_in_range(c->keyframes_from_cache, 0, s->receiver.plis);
        assert_in_range(c->frames_sent - (s->next_id - 1), 0, c->keyframes_from_cache * 30);
        assert_int_equal(c->keyframe_jumps, 0);
        assert_int_equal(c->bad_rtcp, 0);
        assert_int_equal(s->repeated, rows[i].no_rtx ? c->resent : 0);
        if (rows[i].loss > 0) {
            assert_true(s->down.lost > 200);
            assert_true(c->resent > 200);
            assert_int_equal(s->receiver.rtx_packets > 0, !rows[i].no_rtx);
        } else {
            assert_int_equal(c->nacks, 0);
            assert_int_equal(c->resent, 0);
        }
        /* Every datagram with media is counted; STUN, DTLS and RTCP are not. */
        assert_in_range(s->datagrams - c->packets_sent, 1, 300);
        end(s);
    }
}

/* As in the matrix of tests/net: packets are lost each way, and so are NACKs and repairs. */
static void loss_hardly_freezes(void **state)
{
    (void)state;
    static const struct {
        double loss;
        unsigned most; /* freezes in ten minutes */
    } rows[] = {{0.02, 0}, {0.05, 5}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stage *s = begin_connected(&(struct stage_config){
            .seed = 300 + i,
            .fps = 20,
            .gop = 80,
            .keyframe_size = 15000,
            .frame_size = 4500,
            .feedback = true,
            .path = {.delay_us = 25000, .jitter_us = 1500, .loss = rows[i].loss},
        });
        stage_run(s, 600 * SECOND);
        const struct viewer_counters *c = &s->viewer->counters;
        print_message("%.0f %%: %lu freezes, %lu resent, %lu of them twice\n", 100 * rows[i].loss,
                      s->seen[0].freezes, c->resent, c->resent_twice);
        assert_in_range(s->seen[0].freezes, 0, rows[i].most);
        if (rows[i].loss > 0.03) {
            assert_true(c->resent_twice > c->resent / 2);
            /* the player holds pictures for a round trip and a NACK that was lost */
            assert_in_range(s->viewer->tracks[0].playout_ms, 160, 250);
            s->down.config.loss = s->up.config.loss = 0;
            stage_run(s, 40 * SECOND);
            assert_int_equal(s->viewer->tracks[0].playout_ms, 0);
        }
        end(s);
    }
}

/* Over a long round trip pictures have to be held from the first losses on, which reports tell
 * after a second or more. */
static uint64_t first_freezes(double loss, bool feedback)
{
    uint64_t freezes = 0;
    for (unsigned i = 0; i < 12; i++) {
        struct stage *s = begin(&(struct stage_config){
            .seed = 500 + i,
            .fps = 20,
            .gop = 80,
            .keyframe_size = 15000,
            .frame_size = 4500,
            .feedback = feedback,
            .path = {.delay_us = 100000, .jitter_us = 1500, .loss = loss},
        });
        stage_run(s, 2 * SECOND);
        stage_connect(s);
        assert_true(stage_run_until_connected(s));
        stage_run(s, 10 * SECOND);
        assert_in_range(s->viewer->tracks[0].playout_ms, 300, 420);
        assert_int_equal(s->viewer->tracks[0].holding_ms, s->viewer->tracks[0].playout_ms);
        freezes += s->seen[0].freezes;
        end(s);
    }
    return freezes;
}

static void loss_is_known_at_once(void **state)
{
    (void)state;
    static const struct {
        double loss;
        unsigned most; /* freezes in two minutes of beginnings */
    } rows[] = {{0.02, 18}, {0.05, 20}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t now = first_freezes(rows[i].loss, true), late = first_freezes(rows[i].loss, false);
        print_message("%.0f %%: %lu freezes, %lu by reports alone\n", 100 * rows[i].loss, now,
                      late);
        assert_in_range(now, 0, rows[i].most);
        assert_true(late > 2 * now);
    }
}

static void goes_on_after_bursts(void **state)
{
    (void)state;
    struct stage *s = begin_connected(&(struct stage_config){
        .seed = 7,
        .path = {.delay_us = 25000, .burst_enter = 0.002, .burst_leave = 0.02, .burst_loss = 0.9},
    });
    stage_run(s, 60 * SECOND);
    assert_true(s->down.lost > 500);
    /* Whatever could not be repaired was bridged with a keyframe: the picture is live at the end.
     */
    assert_true(s->seen[0].frames > 1000);
    s->down.config = s->up.config = (struct sim_path_config){.delay_us = 25000};
    stage_run(s, 2 * SECOND);
    assert_in_range(s->seen[0].newest_id, s->next_id - 3, s->next_id - 1);
    end(s);
}

static void late_join_starts_from_the_cache(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 3, .path = {.delay_us = 10000}});
    stage_run(s, 5 * SECOND);
    stage_connect(s);
    uint64_t live = s->layers[0].newest_id;
    assert_true(stage_run_until_connected(s));
    stage_run(s, SECOND);

    assert_int_equal(s->seen[0].first_id, 1);
    assert_all_arrived(s, 0);
    assert_int_equal(s->keyframe_requests, 0);
    assert_int_equal(s->keyframes_made, 1);
    assert_int_equal(s->stream.joins_from_cache, 1);
    assert_int_equal(s->stream.joins_waited, 0);
    /* ICE, DTLS and the frame's own way: five ways of 10 ms, and the pacing of the first frames. */
    assert_in_range(s->first_frame_us - s->joined_us, 50000, 100000);
    assert_true(live_id(&s->viewer->tracks[0]) >= live);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    end(s);
}

/* The frames before the live one stand 1 ms apart, in whatever packet of whatever sending. */
static void late_join_squeezes_the_past(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){
        .seed = 4, .path = {.delay_us = 10000, .loss = 0.05}, .frame_size = 4000});
    stage_run(s, 3 * SECOND);
    s->paused = true;
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    const struct viewer_track *t = &s->viewer->tracks[0];
    stage_run(s, 2 * SECOND);
    assert_int_equal(live_id(t), s->layers[0].newest_id);
    uint32_t live = stream_frame(&s->stream, 0, live_id(t))->rtp_ts + t->timestamp_offset;
    const struct stage_seen *seen = &s->seen[0];
    assert_true(s->viewer->counters.resent > 0);
    assert_in_range(seen->newest_id, live_id(t) - 5, live_id(t));
    assert_int_equal(live - seen->newest_timestamp, (live_id(t) - seen->newest_id) * 90);
    assert_true(live_id(t) - seen->first_id > 80);
    assert_int_equal(live - seen->first_timestamp, (live_id(t) - seen->first_id) * 90);
    end(s);
}

static void join_waits_when_the_cache_is_no_start(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 5, .path = {.delay_us = 10000}});
    stage_run(s, 10 * SECOND); /* 300 frames since the only keyframe */
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    stage_run(s, SECOND);
    assert_int_equal(s->keyframe_requests, 1);
    assert_int_equal(s->keyframes_made, 2);
    assert_int_equal(s->stream.joins_from_cache, 0);
    assert_int_equal(s->stream.joins_waited, 1);
    assert_true(s->seen[0].first_id > 300);
    assert_all_arrived(s, 0);
    end(s);
}

static void a_flood_of_plis_asks_the_encoder_for_nothing(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 6, .path = {.delay_us = 5000}});
    stage_run(s, SECOND);
    uint64_t made = s->keyframes_made, asked = s->keyframe_requests;
    uint8_t pli[32];
    size_t size = rtcp_write_pli(pli, sizeof(pli), 1, STAGE_SSRC);
    for (int i = 0; i < 1000; i++) {
        stage_feed_rtcp(s, pli, size);
        stage_run(s, 1000);
    }
    const struct viewer_counters *c = &s->viewer->counters;
    assert_int_equal(c->plis, 1000);
    assert_int_equal(s->keyframes_made, made);
    assert_int_equal(s->keyframe_requests, asked);
    assert_in_range(c->keyframes_from_cache, 1, 2); /* one in half a second */
    assert_int_equal(c->keyframes_from_cache + c->keyframes_limited, 1000);
    assert_all_arrived(s, 0);
    assert_true(s->seen[0].again > 0);
    end(s);
}

static void a_slow_pacer_holds_keyframes_back(void **state)
{
    (void)state;
    struct stage *s = begin_connected(&(struct stage_config){.seed = 8,
                                                             .no_adapt = true,
                                                             .keyframe_size = 400000,
                                                             .gop = 60,
                                                             .path = {.delay_us = 5000}});
    const uint64_t rate_bps = 8000000;
    pacer_set_rate(&s->viewer->pacer, rate_bps, s->now_us);
    int64_t from = s->now_us;
    for (int i = 0; i < 5000; i++) {
        stage_run(s, 2000);
        uint64_t most = rate_bps / 8 * (uint64_t)(s->now_us - from) / 1000000;
        assert_true(s->viewer->counters.bytes_sent <=
                    most + VIEWER_PACE_BURST + VIEWER_TRAIN_BYTES);
    }
    assert_int_equal(s->seen[0].skipped, 0);
    assert_true(s->seen[0].frames > 280);
    assert_true(s->largest_train >= 16);
    /* A pacer that lets one packet go at a time would cost a send each. */
    assert_true(s->datagrams / s->trains >= 4);
    end(s);
}

static void a_lost_place_jumps_to_the_newest_keyframe(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 9, .gop = 30, .path = {.delay_us = 5000}});
    stage_run(s, 2 * SECOND);
    pacer_set_rate(&s->viewer->pacer, 0, s->now_us);
    stage_run(s, 10 * SECOND);
    uint64_t stood = s->seen[0].newest_id;
    pacer_set_rate(&s->viewer->pacer, VIEWER_PACE_BPS, s->now_us);
    stage_run(s, 2 * SECOND);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 1);
    assert_true(s->seen[0].skipped >= 200);
    assert_true(s->seen[0].newest_id > stood + 250);
    assert_in_range(s->seen[0].newest_id, s->next_id - 2, s->next_id - 1);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    end(s);
}

static void a_lost_place_waits_for_a_keyframe_if_there_is_none(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 10, .fps = 120, .path = {.delay_us = 5000}});
    stage_run(s, SECOND);
    uint64_t asked = s->keyframe_requests;
    pacer_set_rate(&s->viewer->pacer, 0, s->now_us);
    stage_run(s, 10 * SECOND); /* 1200 frames: the only keyframe leaves the ring */
    s->paused = true;
    pacer_set_rate(&s->viewer->pacer, VIEWER_PACE_BPS, s->now_us);
    stage_run(s, SECOND);
    assert_int_equal(s->viewer->state, VIEWER_WAIT_KEYFRAME);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 0);
    assert_int_equal(s->keyframe_requests - asked, 1);
    s->paused = false;
    s->next_frame_us = s->now_us;
    stage_run(s, SECOND);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 1);
    assert_int_equal(s->keyframe_requests - asked, 1);
    assert_in_range(s->seen[0].newest_id, s->next_id - 2, s->next_id - 1);
    end(s);
}

static void nothing_follows_a_gap_but_a_keyframe(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 11, .path = {.delay_us = 5000}});
    stage_run(s, 2 * SECOND);
    uint64_t sent = s->viewer->counters.frames_sent;
    stage_lose_frame(s);
    stage_publish(s, false);
    stage_publish(s, false);
    assert_int_equal(s->viewer->counters.frames_sent, sent);
    assert_int_equal(s->layers[0].gaps, 1);
    assert_int_equal(s->viewer->state, VIEWER_WAIT_KEYFRAME);
    stage_run(s, 2 * SECOND); /* the presenter answers the request */
    assert_int_equal(s->viewer->counters.keyframe_jumps, 1);
    assert_int_equal(s->receiver.plis, 0); /* the receiver saw no gap at all */
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    assert_in_range(s->seen[0].newest_id, s->next_id - 2, s->next_id - 1);
    end(s);
}

static void silence_loses_consent(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 12, .path = {.delay_us = 5000}});
    stage_run(s, 5 * SECOND);
    s->receiver.silent = true;
    stage_run(s, 27 * SECOND);
    assert_int_equal(s->viewer->state, VIEWER_PLAYING);
    stage_run(s, 4 * SECOND);
    assert_int_equal(s->viewer->state, VIEWER_CLOSED);
    assert_int_equal(s->viewer->peer.reason, PEER_REASON_CONSENT_LOST);
    assert_int_equal(viewer_next_timeout(s->viewer, s->now_us), INT64_MAX);
    uint64_t datagrams = s->datagrams;
    s->receiver.silent = false; /* too late */
    stage_run(s, 5 * SECOND);
    assert_int_equal(s->datagrams, datagrams);
    end(s);
}

static void the_receiver_may_leave(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 13, .path = {.delay_us = 5000}});
    stage_run(s, SECOND);
    receiver_close(&s->receiver);
    stage_run(s, SECOND);
    assert_int_equal(s->viewer->state, VIEWER_CLOSED);
    assert_int_equal(s->viewer->peer.reason, PEER_REASON_REMOTE_CLOSED);
    end(s);
}

static void closing_says_goodbye(void **state)
{
    (void)state;
    for (int no_rtx = 0; no_rtx <= 1; no_rtx++) {
        struct stage *s = begin_connected(
            &(struct stage_config){.seed = 14, .no_rtx = no_rtx, .path = {.delay_us = 5000}});
        stage_run(s, SECOND);
        viewer_close(s->viewer, s->now_us);
        assert_int_equal(s->viewer->state, VIEWER_CLOSED);
        stage_drain(s);
        viewer_close(s->viewer, s->now_us); /* twice is once */
        uint64_t datagrams = s->datagrams;
        stage_run(s, SECOND);
        assert_int_equal(s->datagrams, datagrams);
        assert_int_equal(s->receiver.byes, no_rtx ? 1 : 2);
        assert_int_equal(dtls_state(s->receiver.dtls), DTLS_CLOSED);
        assert_int_equal(s->viewer->peer.reason, PEER_REASON_LOCAL_CLOSED);
        end(s);
    }
}

/* The report says when a frame of the viewer's time line was captured. */
static void assert_report_is_true(const struct stage *s)
{
    const struct rtcp_sender_info *sr = &s->receiver.tracks[0].sr;
    double unix_s =
        (double)(sr->ntp >> 32) - 2208988800.0 + (double)(sr->ntp & 0xffffffff) / 4294967296.0;
    double clock_us = unix_s * 1e6 - (double)STAGE_UNIX_OFFSET_US;
    uint32_t expected =
        (uint32_t)(uint64_t)(clock_us * 0.09) + s->viewer->tracks[0].timestamp_offset;
    assert_in_range(sr->rtp_timestamp - expected + 50, 0, 100); /* half a millisecond */
    assert_in_range(sr->packets, 1, s->viewer->counters.packets_sent);
}

static void sender_reports_map_media_to_time(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 15, .path = {.delay_us = 20000}});
    stage_run(s, 4 * SECOND);
    stage_connect(s); /* its first frames are squeezed: the reports must not be */
    assert_true(stage_run_until_connected(s));
    for (int i = 0; i < 100 && !s->receiver.tracks[0].any_sr; i++)
        stage_run(s, 1000);
    for (int i = 0; i < 20; i++) {
        assert_report_is_true(s);
        stage_run(s, SECOND);
    }
    assert_in_range(s->receiver.sender_reports, 15, 30);
    const struct report *r = &s->viewer->tracks[0].report;
    assert_in_range(r->rtt_us, 38000, 42000);
    assert_int_equal(r->fraction_lost, 0);
    end(s);
}

static void receiver_reports_are_read(void **state)
{
    (void)state;
    struct stage *s = begin_connected(
        &(struct stage_config){.seed = 16, .path = {.delay_us = 15000, .loss = 0.05}});
    stage_run(s, 60 * SECOND);
    const struct report *r = &s->viewer->tracks[0].report;
    assert_true(r->any_block);
    assert_in_range(r->rtt_us, 28000, 34000);
    assert_in_range(r->cumulative_lost, 300, 3000);
    assert_int_equal((uint16_t)r->highest_seq >> 12,
                     (uint16_t)(s->viewer->tracks[0].past->history.next_seq - 1) >> 12);
    end(s);
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    for (int no_rtx = 0; no_rtx <= 1; no_rtx++) {
        struct stage *s = begin(&(struct stage_config){
            .seed = 17, .no_rtx = no_rtx, .path = {.delay_us = 10000, .loss = 0.03}});
        s->paused = true;
        stage_connect(s);
        assert_true(stage_run_until_connected(s));
        struct viewer_track *t = &s->viewer->tracks[0];
        t->seq = 65400;
        t->rtx_seq = 65530;
        s->viewer->transport_seq = 65500;
        s->any_transport_seq = false;
        t->timestamp_offset = UINT32_MAX - (uint32_t)(s->now_us * 9 / 100) - 9000;
        s->paused = false;
        s->next_frame_us = s->now_us;
        stage_run(s, 20 * SECOND);
        assert_all_arrived(s, 0);
        assert_int_equal(s->receiver.frames_broken, 0);
        assert_in_range(s->receiver.not_authentic, 0, no_rtx ? s->viewer->counters.resent / 4 : 0);
        assert_true(t->past->history.next_seq < 60000);
        end(s);
    }
}

static void a_stream_may_end(void **state)
{
    (void)state;
    struct stage *s =
        begin_connected(&(struct stage_config){.seed = 18, .path = {.delay_us = 5000}});
    stage_run(s, 2 * SECOND);
    uint16_t last = (uint16_t)(s->viewer->tracks[0].past->history.next_seq - 1);
    stage_end_stream(s);
    assert_int_equal(s->viewer->state, VIEWER_WAIT_KEYFRAME);
    stage_run(s, SECOND);
    uint64_t packets = s->viewer->counters.packets_sent, reports = s->receiver.sender_reports;
    uint8_t rtcp[64];
    stage_feed_rtcp(s, rtcp, rtcp_write_nack(rtcp, sizeof(rtcp), 1, STAGE_SSRC, &last, 1));
    stage_feed_rtcp(s, rtcp, rtcp_write_pli(rtcp, sizeof(rtcp), 1, STAGE_SSRC));
    stage_run(s, 10 * SECOND);
    assert_int_equal(s->viewer->counters.packets_sent, packets);
    assert_int_equal(s->viewer->counters.resend_misses, 1);
    assert_int_equal(s->receiver.sender_reports, reports);
    assert_int_equal(s->viewer->state, VIEWER_WAIT_KEYFRAME); /* checks still hold it open */
    end(s);
}

static void a_viewer_may_end_at_any_moment(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < 30; ms++) {
        struct stage *s = begin(&(struct stage_config){.seed = 19, .path = {.delay_us = 2000}});
        stage_run(s, SECOND);
        stage_connect(s);
        stage_run(s, ms * 1000);
        if (ms % 2) {
            viewer_close(s->viewer, s->now_us);
            stage_drain(s);
            assert_int_equal(s->viewer->state, VIEWER_CLOSED);
        }
        end(s);
    }
}

static void nobody_comes(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 20, .path = {.delay_us = 2000}});
    stage_connect(s);
    s->receiver.silent = true;
    stage_run(s, 9 * SECOND);
    assert_int_equal(s->viewer->state, VIEWER_ICE);
    stage_run(s, 2 * SECOND);
    assert_int_equal(s->viewer->state, VIEWER_CLOSED);
    assert_int_equal(s->viewer->peer.reason, PEER_REASON_ICE_TIMEOUT);
    assert_int_equal(s->datagrams, 0);
    end(s);
}

static void the_viewer_may_be_the_dtls_client(void **state)
{
    (void)state;
    struct stage *s = begin_connected(
        &(struct stage_config){.seed = 21, .role = DTLS_CLIENT, .path = {.delay_us = 5000}});
    stage_run(s, 5 * SECOND);
    assert_all_arrived(s, 0);
    end(s);
}

static void tracks_share_one_transport(void **state)
{
    (void)state;
    struct stage *s = begin_connected(&(struct stage_config){
        .seed = 22, .n_tracks = 3, .gop = 60, .path = {.delay_us = 10000, .loss = 0.02}});
    stage_run(s, 20 * SECOND);
    s->paused = true;
    stage_run(s, SECOND);
    for (unsigned i = 0; i < 3; i++)
        assert_all_arrived(s, i);
    assert_int_equal(s->viewer->counters.frames_sent, 3 * (s->next_id - 1));
    assert_int_equal(s->n_wire, 6);
    end(s);
}

static void tracks_take_turns(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){
        .seed = 23, .n_tracks = 3, .keyframe_size = 400000, .path = {.delay_us = 1000}});
    stage_publish(s, true);
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    s->paused = true;
    stage_run(s, 20000);
    for (unsigned i = 0; i < 3; i++) { /* far from the end of its first frame, each has begun */
        assert_in_range(s->viewer->tracks[i].past->history.count, 10, 300);
        assert_int_equal(s->viewer->tracks[i].cursor_id, 1);
    }
    stage_run(s, SECOND);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(s->seen[i].newest_id, s->next_id - 1);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_arrives),
        cmocka_unit_test(loss_hardly_freezes),
        cmocka_unit_test(loss_is_known_at_once),
        cmocka_unit_test(goes_on_after_bursts),
        cmocka_unit_test(late_join_starts_from_the_cache),
        cmocka_unit_test(late_join_squeezes_the_past),
        cmocka_unit_test(join_waits_when_the_cache_is_no_start),
        cmocka_unit_test(a_flood_of_plis_asks_the_encoder_for_nothing),
        cmocka_unit_test(a_slow_pacer_holds_keyframes_back),
        cmocka_unit_test(a_lost_place_jumps_to_the_newest_keyframe),
        cmocka_unit_test(a_lost_place_waits_for_a_keyframe_if_there_is_none),
        cmocka_unit_test(nothing_follows_a_gap_but_a_keyframe),
        cmocka_unit_test(silence_loses_consent),
        cmocka_unit_test(the_receiver_may_leave),
        cmocka_unit_test(closing_says_goodbye),
        cmocka_unit_test(sender_reports_map_media_to_time),
        cmocka_unit_test(receiver_reports_are_read),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(a_stream_may_end),
        cmocka_unit_test(a_viewer_may_end_at_any_moment),
        cmocka_unit_test(nobody_comes),
        cmocka_unit_test(the_viewer_may_be_the_dtls_client),
        cmocka_unit_test(tracks_share_one_transport),
        cmocka_unit_test(tracks_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
