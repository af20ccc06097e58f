/* test_ingest_parts.c - pictures that take long to arrive: they are published in parts, which are
 * the same pictures, and soon; and nobody waits for a rest that does not come. On a virtual clock.
 */
#include "tests/unit/forward/ingest_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define SLOW_BPS 4000000 /* 24 ms for a picture of UNIT_SIZE, four times that for a keyframe */
#define UNIT_SIZE 12000

static const struct ingest_extensions IDS = {
    .transport_cc = STAGE_TRANSPORT_ID, .mid = STAGE_MID_ID, .rid = STAGE_RID_ID};
static const struct sim_path_config CLEAN = {.delay_us = 10000};

static struct ingest_config configure(unsigned n_rids)
{
    struct ingest_config c = {.id = 1,
                              .seed = 7,
                              .cname = "test",
                              .rtcp_ssrc = 99,
                              .n_tracks = 1,
                              .tracks = {{.stream_id = 1,
                                          .kind = FORWARDER_VIDEO,
                                          .mid = "0",
                                          .n_rids = n_rids,
                                          .formats = {[PAYLOAD_H264] = {102, 103},
                                                      [PAYLOAD_VP8] = {96, 97},
                                                      [PAYLOAD_VP9] = {98, 99},
                                                      [PAYLOAD_AV1] = {45, 46}},
                                          .nack = true,
                                          .transport_cc = true,
                                          .extensions = IDS}}};
    for (unsigned i = 0; i < n_rids; i++)
        c.tracks[0].rids[i][0] = (char)('a' + i);
    return c;
}

static struct stage_flow video(enum payload_codec codec)
{
    static const uint8_t types[] = {
        [PAYLOAD_H264] = 102, [PAYLOAD_VP8] = 96, [PAYLOAD_VP9] = 98, [PAYLOAD_AV1] = 45};
    return (struct stage_flow){.codec = codec,
                               .ssrc = 0x1000,
                               .rtx_ssrc = 0x2000,
                               .payload_type = types[codec],
                               .rtx_payload_type = (uint8_t)(types[codec] + 1),
                               .mid = "0",
                               .width = 640,
                               .height = 360,
                               .every_us = 33333,
                               .unit_size = UNIT_SIZE,
                               .seq = 65000};
}

static struct ingest_layer_info layer_info(const struct ingest_stage *s, unsigned layer)
{
    struct ingest_track_info info;
    ingest_track_info(s->in, 0, &info, s->now_us);
    return info.layers[layer];
}

static const enum payload_codec codecs[] = {PAYLOAD_H264, PAYLOAD_VP8, PAYLOAD_VP9, PAYLOAD_AV1};
#define CODECS 4

static void a_slow_uplink_adds_little(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CODECS; i++) {
        struct ingest_config config = configure(0);
        struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, i + 1);
        struct stage_flow v = video(codecs[i]);
        ingest_stage_add(s, &v);
        s->up_bps = SLOW_BPS;
        ingest_stage_run(s, 10 * SECOND);
        struct ingest_layer_info info = layer_info(s, 0);
        print_message("%s: %d us at the median, 99 %%: %d us, %llu parts of %llu pictures\n",
                      payload_name(codecs[i]), (int)info.delay_us_p50, (int)info.delay_us_p99,
                      (unsigned long long)s->parts, (unsigned long long)info.frames);
        assert_in_range(s->flows[0].frames, 290, 300); /* every one that has arrived */
        assert_int_equal(info.frames, s->flows[0].frames);
        assert_int_equal(info.keyframes, s->flows[0].keyframes);
        assert_int_equal(info.frames_dropped + s->broken, 0);
        assert_true(s->parts > 2 * info.frames);
        assert_in_range(info.delay_us_p50, 0, 5000);
        assert_in_range(info.delay_us_p99, 1000, 2 * INGEST_PART_US);
        ingest_stage_free(s);
    }
}

static void what_comes_at_once_stays_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CODECS; i++) {
        struct ingest_config config = configure(0);
        struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, i + 1);
        struct stage_flow v = video(codecs[i]);
        ingest_stage_add(s, &v);
        s->up_bps = 200000000; /* 2 ms for a keyframe */
        ingest_stage_run(s, 5 * SECOND);
        assert_in_range(s->flows[0].frames, 149, 150);
        assert_int_equal(s->parts, 0);
        ingest_stage_free(s);
    }
}

/* The stage compares every picture that has its end, and allows a hole before a keyframe only. */
static void loss_does_no_harm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CODECS; i++) {
        bool repaired = i % 2 == 0;
        struct ingest_config config = configure(0);
        config.tracks[0].nack = repaired;
        struct sim_path_config path = {.delay_us = 10000, .jitter_us = 3000, .loss = 0.01};
        struct ingest_stage *s = ingest_stage_new(&config, &path, i + 10);
        struct stage_flow v = video(codecs[i / 2]);
        ingest_stage_add(s, &v);
        s->up_bps = 2 * SLOW_BPS;
        ingest_stage_run(s, 20 * SECOND);
        struct ingest_layer_info info = layer_info(s, 0);
        print_message("%s, %s: %llu of 600 pictures, %llu cut off\n", payload_name(codecs[i / 2]),
                      repaired ? "repaired" : "not repaired", (unsigned long long)info.frames,
                      (unsigned long long)s->broken);
        assert_true(s->parts > info.frames);
        assert_in_range(info.frames, repaired ? 590 : 60, 600);
        assert_true(repaired ? s->broken < 3 : s->broken > 5);
        ingest_stage_free(s);
    }
}

/* Parts of it are published, and the rest is under way. */
static struct ingest_stage *run_into_a_picture(enum payload_codec codec)
{
    struct ingest_config config = configure(0);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow v = video(codec);
    ingest_stage_add(s, &v);
    s->up_bps = SLOW_BPS;
    ingest_stage_run(s, 2 * SECOND);
    while (!s->pictures[0].n_parts)
        ingest_stage_run(s, 1000);
    return s;
}

static void a_rest_that_does_not_come_is_told(void **state)
{
    (void)state;
    struct ingest_stage *s = run_into_a_picture(PAYLOAD_VP8);
    s->flows[0].silent = true;
    for (struct sim_datagram *d; (d = sim_path_receive(&s->up, INT64_MAX));)
        free(d); /* its uplink is gone with all that was on it */
    ingest_stage_run(s, INGEST_REST_US - 100000);
    assert_int_equal(s->broken, 0);
    ingest_stage_run(s, 200000);
    assert_int_equal(s->broken, 1);
    assert_int_equal(s->pictures[0].n_parts, 0);
    uint64_t keyframes = s->flows[0].keyframes;
    s->flows[0].silent = false;
    ingest_stage_run(s, 3 * SECOND);
    assert_in_range(s->flows[0].keyframes, keyframes + 1, keyframes + 2); /* asked for */
    assert_true(s->flows[0].newest + 3 > s->flows[0].next_number);
    ingest_stage_free(s);
}

static void who_leaves_leaves_nothing_open(void **state)
{
    (void)state;
    struct ingest_stage *s = run_into_a_picture(PAYLOAD_H264);
    ingest_close(s->in, s->now_us);
    assert_int_equal(s->broken, 1);
    assert_int_equal(s->pictures[0].n_parts, 0);
    ingest_stage_free(s);
}

/* Their sizes are known with their first keyframes, which come in parts: the layers change places
 * in the middle of a picture. */
static void layers_change_places_between_parts(void **state)
{
    (void)state;
    struct ingest_config config = configure(2);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 3);
    struct stage_flow large = video(PAYLOAD_VP8), small = large;
    large.rid = "a";
    large.width = 1280;
    large.height = 720;
    large.rtx_ssrc = small.rtx_ssrc = 0;
    large.rtx_payload_type = small.rtx_payload_type = 0;
    small.rid = "b";
    small.ssrc = 0x1001;
    small.unit_size = UNIT_SIZE / 4;
    ingest_stage_add(s, &large);
    ingest_stage_add(s, &small);
    s->up_bps = 2 * SLOW_BPS;
    ingest_stage_run(s, 10 * SECOND);
    assert_int_equal(s->flows[0].layer, 1);
    assert_int_equal(s->flows[1].layer, 0);
    assert_true(s->parts > 300);
    assert_in_range(s->flows[0].frames, 200, 300);
    assert_in_range(s->flows[1].frames, 200, 300);
    assert_in_range(layer_info(s, 1).delay_us_p50, 0, 5000);
    ingest_stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_uplink_adds_little),
        cmocka_unit_test(what_comes_at_once_stays_whole),
        cmocka_unit_test(loss_does_no_harm),
        cmocka_unit_test(a_rest_that_does_not_come_is_told),
        cmocka_unit_test(who_leaves_leaves_nothing_open),
        cmocka_unit_test(layers_change_places_between_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
