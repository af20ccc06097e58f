/* test_pace.c - how fast a viewer is sent to, and that a slow one costs its neighbours nothing. */
#include "tests/sim/stage.h"

#include "rtp/forward/viewer_internal.h"
#include "rtp/payload/h264.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/rtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

/* --- one viewer --- */

static struct stage *begin(const struct stage_config *config)
{
    struct stage *s = malloc(sizeof(*s));
    assert_non_null(s);
    stage_init(s, config);
    stage_connect(s);
    assert_true(stage_run_until_connected(s));
    return s;
}

static void end(struct stage *s)
{
    stage_finish(s);
    free(s);
}

/* 50 Mbit/s of payload are more than that on the wire. */
static void a_fast_stream_is_paced_faster(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 1,
                                                   .gop = 30,
                                                   .keyframe_size = 600000,
                                                   .frame_size = 208000,
                                                   .path = {.delay_us = 5000}});
    stage_run(s, 6 * SECOND);
    assert_in_range(s->viewer->pace_bps, 120000000, 200000000);
    assert_int_equal(s->viewer->pacer.rate_bps, s->viewer->pace_bps);
    assert_int_equal(s->seen[0].skipped, 0);
    assert_in_range(s->seen[0].newest_id, s->next_id - 2, s->next_id - 1);
    assert_int_equal(s->viewer->counters.keyframe_jumps, 0);
    end(s);
}

static void a_slow_stream_has_the_least_pace(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){.seed = 2, .path = {.delay_us = 5000}});
    stage_run(s, 3 * SECOND);
    assert_in_range(s->layers[0].rate_bps, 1500000, 4000000);
    assert_int_equal(s->viewer->pace_bps, VIEWER_PACE_BPS);
    assert_int_equal(s->viewer->pacer.rate_bps, VIEWER_PACE_BPS);
    end(s);
}

static void rates_of_all_tracks_add_up(void **state)
{
    (void)state;
    struct stage *s = begin(&(struct stage_config){
        .seed = 3, .n_tracks = 3, .frame_size = 83000, .path = {.delay_us = 5000}});
    stage_run(s, 3 * SECOND);
    assert_in_range(s->viewer->pace_bps, s->layers[0].rate_bps * 15 / 2 - 10,
                    s->layers[0].rate_bps * 15 / 2);
    stage_end_stream(s);
    stage_run(s, SECOND);
    end(s);
}

/* --- neighbours: viewers of one stream, connected by hand --- */

enum { VIEWERS = 3, SLOW = 1, SECONDS = 20, FPS = 30, GOP = 60, SCRATCH = 64 * 1232 };

struct watched {
    struct viewer *v; /* owned */
    uint64_t digest;  /* of when what left */
};

struct house {
    struct stream_news news;
    struct stream_layer layer;
    struct stream stream;
    struct frame_pool *pool;
    struct dtls_context *dtls;
    int64_t now_us;
    uint64_t next_id;
    struct watched watched[VIEWERS];
    unsigned n_viewers;
    uint64_t slow_bps; /* of viewer SLOW */
    uint8_t scratch[SCRATCH];
};

static void move_in(struct house *h, unsigned i)
{
    struct viewer_config config = {
        .id = i + 1,
        .seed = i + 1,
        .cname = "house",
        .peer = {.role = DTLS_SERVER, .n_fingerprints = 1, .fingerprints = {{.hash_size = 32}}},
        .n_tracks = 1,
        .tracks = {{.stream_id = 1,
                    .kind = FORWARDER_VIDEO,
                    .ssrc = 10 + i,
                    .formats = {[PAYLOAD_H264] = {102, 0}}}},
    };
    struct stream *streams[1] = {&h->stream};
    struct viewer *v = h->watched[i].v = malloc(viewer_size(1));
    assert_non_null(v);
    assert_int_equal(viewer_init(v, &config, streams, h->dtls, 0, h->now_us), 0);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    assert_int_equal(seal_create(&v->peer.seal, &keys), 0);
    v->peer.ice.selected = true;
    assert_true(address_parse(&v->peer.ice.remote, "192.0.2.1", (uint16_t)(1000 + i)));
    v->peer.state = PEER_CONNECTED;
    v->peer.deadline_us = INT64_MAX;
    viewer_set_state(v, VIEWER_DTLS, h->now_us);
    viewer_on_timeout(v, h->now_us);
    assert_int_equal(v->state, VIEWER_WAIT_KEYFRAME);
}

static void drain(struct house *h, struct watched *w)
{
    struct viewer_train train;
    while (viewer_send(w->v, &train, h->scratch, SCRATCH, h->now_us)) {
        w->digest = (w->digest ^ (uint64_t)h->now_us ^ train.size) * UINT64_C(0x100000001b3);
        w->v->peer.ice.last_check_us = h->now_us; /* consent */
    }
}

static void publish(struct house *h)
{
    static uint8_t unit[80000];
    bool keyframe = (h->next_id - 1) % GOP == 0;
    memset(unit, 1, sizeof(unit));
    memcpy(unit, (uint8_t[]){0, 0, 0, 1, keyframe ? 0x65 : 0x41}, 5);
    struct frame *f = frame_get(h->pool);
    assert_non_null(f);
    assert_int_equal(
        h264_packetize(&f->payload, unit, keyframe ? sizeof(unit) : 10000, PACKETIZE_MAX_PAYLOAD),
        0);
    f->id = h->next_id++;
    f->codec = PAYLOAD_H264;
    f->captured_us = h->now_us;
    f->rtp_ts = (uint32_t)(f->id * 3000);
    f->keyframe = keyframe;
    stream_push(&h->stream, 0, f);
    for (unsigned i = 0; i < h->n_viewers; i++) {
        viewer_on_frame(h->watched[i].v, &h->stream, h->now_us);
        drain(h, &h->watched[i]);
    }
}

static struct house *live(unsigned n_viewers, uint64_t slow_bps)
{
    struct house *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    assert_int_equal(dtls_context_create(&h->dtls), 0);
    h->pool = frame_pool_new(100000, 128);
    stream_init(&h->stream, 1, FORWARDER_VIDEO, &h->news);
    stream_attach(&h->stream, &h->layer, 1);
    h->now_us = 1000 * SECOND;
    h->next_id = 1;
    h->n_viewers = n_viewers;
    for (unsigned i = 0; i < n_viewers; i++)
        move_in(h, i);
    if (n_viewers > SLOW)
        pacer_set_rate(&h->watched[SLOW].v->pacer, slow_bps, h->now_us);
    int64_t end_us = h->now_us + SECONDS * SECOND, frame_us = h->now_us;
    for (; h->now_us < end_us; h->now_us += 1000) {
        if (h->now_us >= frame_us) {
            publish(h);
            frame_us += SECOND / FPS;
        }
        for (unsigned i = 0; i < n_viewers; i++) {
            if (viewer_next_timeout(h->watched[i].v, h->now_us) <= h->now_us) {
                viewer_on_timeout(h->watched[i].v, h->now_us);
                drain(h, &h->watched[i]);
            }
        }
    }
    return h;
}

static void tear_down(struct house *h)
{
    for (unsigned i = 0; i < h->n_viewers; i++) {
        viewer_finish(h->watched[i].v);
        free(h->watched[i].v);
    }
    stream_detach(&h->stream);
    frame_pool_close(h->pool);
    dtls_context_destroy(h->dtls);
    free(h);
}

static void a_slow_viewer_is_alone(void **state)
{
    (void)state;
    static const uint64_t rates[] = {400000, 40000, 0};
    struct house *alone = live(1, 0);
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        struct house *h = live(VIEWERS, rates[r]);
        for (unsigned i = 0; i < VIEWERS; i++) {
            const struct watched *w = &h->watched[i];
            const struct viewer_counters *c = &w->v->counters;
            if (i == SLOW) {
                /* What it gets begins at a keyframe each time, and is counted. */
                assert_int_equal(c->keyframe_jumps > 0, rates[r] > 0);
                assert_true(c->frames_sent < h->next_id / 2);
                assert_true(c->bytes_sent <=
                            rates[r] / 8 * SECONDS + VIEWER_PACE_BURST + VIEWER_TRAIN_BYTES);
                continue;
            }
            assert_int_equal(c->frames_sent, h->next_id - 1);
            assert_int_equal(c->keyframe_jumps, 0);
            assert_int_equal(c->packets_sent, alone->watched[0].v->counters.packets_sent);
            if (i == 0) /* to the microsecond and byte what it got when it lived alone */
                assert_int_equal(w->digest, alone->watched[0].digest);
        }
        /* Nobody asked for a keyframe on its behalf but when the cache had none. */
        assert_int_equal(h->stream.keyframe_requests[0], VIEWERS);
        tear_down(h);
    }
    tear_down(alone);
}

static int setup(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fast_stream_is_paced_faster),
        cmocka_unit_test(a_slow_stream_has_the_least_pace),
        cmocka_unit_test(rates_of_all_tracks_add_up),
        cmocka_unit_test(a_slow_viewer_is_alone),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
