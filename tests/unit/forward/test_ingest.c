/* test_ingest.c - a publisher's packets under everything a path does to them: what is published is
 * what it sent, byte for byte, and what it is told is what it has to know.
 */
#include "tests/unit/forward/ingest_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

#define VIDEO_STREAM 1
#define AUDIO_STREAM 2

static const struct ingest_extensions IDS = {.transport_cc = STAGE_TRANSPORT_ID,
                                             .mid = STAGE_MID_ID,
                                             .rid = STAGE_RID_ID,
                                             .repaired_rid = STAGE_REPAIRED_ID};

static struct ingest_config configure(void)
{
    return (struct ingest_config){
        .id = 1,
        .seed = 7,
        .cname = "test",
        .rtcp_ssrc = 99,
        .n_tracks = 2,
        .tracks = {{.stream_id = VIDEO_STREAM,
                    .kind = FORWARDER_VIDEO,
                    .mid = "0",
                    .formats = {[PAYLOAD_H264] = {102, 103}, [PAYLOAD_VP8] = {96, 97}},
                    .nack = true,
                    .transport_cc = true,
                    .remb = true,
                    .extensions = IDS},
                   {.stream_id = AUDIO_STREAM,
                    .kind = FORWARDER_AUDIO,
                    .mid = "1",
                    .formats = {[PAYLOAD_OPUS] = {111, 0}},
                    .transport_cc = true,
                    .extensions = IDS}}};
}

static struct stage_flow video(void)
{
    return (struct stage_flow){.codec = PAYLOAD_H264,
                               .ssrc = 0x1000,
                               .rtx_ssrc = 0x2000,
                               .payload_type = 102,
                               .rtx_payload_type = 103,
                               .mid = "0",
                               .every_us = 33333,
                               .unit_size = 8000,
                               .timestamp_offset = UINT32_MAX - 200000, /* it wraps soon */
                               .seq = 65000};
}

static struct stage_flow sound(void)
{
    return (struct stage_flow){.codec = PAYLOAD_OPUS,
                               .ssrc = 0x3000,
                               .payload_type = 111,
                               .mid = "1",
                               .every_us = 20000,
                               .unit_size = 120,
                               .timestamp_offset = 12345,
                               .seq = 32000};
}

static const struct sim_path_config CLEAN = {.delay_us = 10000};

static struct ingest_layer_info layer_info(const struct ingest_stage *s, unsigned track,
                                           unsigned layer)
{
    struct ingest_track_info info;
    ingest_track_info(s->in, track, &info, s->now_us);
    return info.layers[layer];
}

/* --- all is well --- */

static void what_is_sent_is_published(void **state)
{
    (void)state;
    struct ingest_config config = configure();
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow v = video(), a = sound();
    const struct stage_flow *pv = ingest_stage_add(s, &v), *pa = ingest_stage_add(s, &a);
    ingest_stage_run(s, 5 * SECOND);
    assert_int_equal(ingest_state(s->in), INGEST_LIVE);
    assert_in_range(pv->frames, 148, 151);
    assert_in_range(pa->frames, 248, 251);
    assert_int_equal(pv->keyframes, 1); /* nobody asked for another */
    assert_int_equal(pv->plis + pv->nacks, 0);
    assert_true(s->feedbacks > 50 && s->reports >= 4);
    assert_int_equal(s->rembs, 0); /* it estimates by itself */
    assert_int_equal(s->block.fraction_lost, 0);
    const struct ingest_counters *c = ingest_counters(s->in);
    assert_int_equal(c->malformed + c->unknown + c->late + c->overflows + c->bad_rtcp, 0);
    struct ingest_layer_info i = layer_info(s, 0, 0);
    assert_true(i.known && i.active && i.live);
    assert_int_equal(i.codec, PAYLOAD_H264);
    assert_int_equal(i.frames, pv->frames);
    assert_int_equal(i.lost, 0);
    assert_int_equal(i.h264_profile[0], 0x42);
    assert_true(i.bps > 500000 && i.delay_us_p99 < 1000);
    /* Together on one clock. */
    assert_true(pv->error_us < 2000 && pa->error_us < 2000);
    ingest_stage_free(s);
}

static void silence_is_noticed(void **state)
{
    (void)state;
    struct ingest_config config = configure();
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow v = video();
    ingest_stage_add(s, &v);
    ingest_stage_run(s, 2 * SECOND);
    assert_true(s->now_us - ingest_heard_us(s->in) < 50000);
    s->flows[0].silent = true;
    ingest_stage_run(s, 4 * SECOND);
    assert_int_equal(ingest_state(s->in), INGEST_WAIT_MEDIA);
    assert_false(layer_info(s, 0, 0).active);
    assert_true(s->now_us - ingest_heard_us(s->in) > 2900000);
    uint8_t nonsense[40] = {0x80, 102};
    ingest_on_datagram(s->in, nonsense, sizeof(nonsense), &s->address, s->now_us);
    assert_true(s->now_us - ingest_heard_us(s->in) > 2900000); /* anybody could send that */
    s->flows[0].silent = false;
    s->no_compare = true; /* its numbers went on */
    ingest_stage_run(s, SECOND);
    assert_int_equal(ingest_state(s->in), INGEST_LIVE);
    assert_true(s->now_us - ingest_heard_us(s->in) < 50000);
    ingest_stage_free(s);
}

/* --- a bad path --- */

static void loss_reordering_and_duplicates_change_nothing(void **state)
{
    (void)state;
    for (unsigned rtx = 0; rtx < 2; rtx++) {
        struct ingest_config config = configure();
        struct sim_path_config path = {.delay_us = 20000, .jitter_us = 15000, .loss = 0.03};
        struct ingest_stage *s = ingest_stage_new(&config, &path, 2 + rtx);
        struct stage_flow v = video();
        v.rtx_ssrc = rtx ? v.rtx_ssrc : 0;
        s->duplicates = 0.05;
        const struct stage_flow *pv = ingest_stage_add(s, &v);
        ingest_stage_run(s, 20 * SECOND);
        s->flows[0].silent = true;
        ingest_stage_run(s, SECOND);
        struct ingest_layer_info i = layer_info(s, 0, 0);
        assert_true(pv->nacks > 100 && i.recovered > 100);
        /* Of the first picture the first packet may come late: then the next keyframe is the first.
         */
        assert_in_range(i.lost, 0, 2);
        assert_in_range(pv->frames, 585, 601);
        assert_in_range(pv->frames + i.frames_dropped, 599, 601); /* each is either */
        assert_in_range(pv->keyframes, 3, 5); /* so that who joins has not too much to catch up */
        assert_true(ingest_counters(s->in)->duplicates > 0 || !rtx);
        if (rtx)
            assert_in_range(ingest_rtt_us(s->in), 30000, 90000);
        assert_true(pv->error_us < 20000);
        ingest_stage_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_is_published),
        cmocka_unit_test(silence_is_noticed),
        cmocka_unit_test(loss_reordering_and_duplicates_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
