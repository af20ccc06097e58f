/* bench_viewer.c - a worker's way without the socket: frames given to connected viewers and trains
 * taken from them, beside the bare loop of the same header writes and seals; and what it costs to
 * follow their paths, feedback every 100 ms included. Time is virtual. */
#include "rtp/control/twcc_feedback.h"
#include "rtp/forward/viewer_internal.h"
#include "rtp/payload/h264.h"
#include "tests/bench/bench.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 31, FRAMES = 20, FRAME_US = 33333, SCRATCH = 512 << 10, HANDSHAKE_STEPS = 100 };
enum { FEEDBACK_FRAMES = 3, WAY_US = 10000 };

struct stage {
    struct stream_news news;
    struct stream_layer layer;
    struct stream stream;
    struct stream reserved; /* has no source: all other tracks' */
    struct frame_pool *pool;
    uint64_t next_id;
    int64_t now_us;
    struct dtls_context *server, *client;
    struct dtls_fingerprint server_fingerprint, client_fingerprint;
    bool adapts;
    struct viewer *viewers[BENCH_VIEWERS]; /* owned */
    uint16_t reported[BENCH_VIEWERS];      /* transport-wide numbers below are */
    struct twcc_feedback feedback;
    struct seal *floor[BENCH_VIEWERS];
    uint32_t floor_timestamp;
    uint16_t floor_seq;
    uint8_t scratch[SCRATCH];
};

static void fingerprint(struct dtls_fingerprint *out, const struct dtls_context *ctx)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(ctx, text);
    if (!dtls_fingerprint_parse(out, text))
        abort();
}

/* --- connecting: a client in memory --- */

static void connect_viewer(struct stage *s, struct viewer *v, const struct ice_local *local)
{
    struct address from;
    struct dtls *client;
    if (!address_parse(&from, "192.0.2.1", (uint16_t)(1000 + v->id)) ||
        dtls_create(&client, s->client, DTLS_CLIENT, &s->server_fingerprint, 1) != 0)
        abort();
    uint8_t transaction[12] = {1};
    size_t size =
        ice_lite_write_check(s->scratch, 600, "bench", local->ufrag, local->pwd, 1, transaction);
    viewer_on_datagram(v, s->scratch, size, &from, s->now_us);
    dtls_start(client);
    for (int i = 0; i < HANDSHAKE_STEPS && v->state < VIEWER_WAIT_KEYFRAME; i++) {
        while ((size = dtls_next_datagram(client, s->scratch, 2048)) > 0)
            viewer_on_datagram(v, s->scratch, size, &from, s->now_us);
        struct viewer_train train;
        while (viewer_send(v, &train, s->scratch, SCRATCH, s->now_us)) {
            if (s->scratch[0] >= 20 && s->scratch[0] < 64)
                dtls_on_datagram(client, s->scratch, train.size);
        }
    }
    if (v->state != VIEWER_WAIT_KEYFRAME)
        abort();
    dtls_destroy(client);
}

static void add_viewer(struct stage *s, uint32_t i)
{
    struct ice_local local = {.pwd = "benchbenchbenchbenchbenc"};
    memcpy(local.ufrag, "00000000benchben", ICE_LOCAL_UFRAG_SIZE);
    struct viewer_config config = {
        .adapts = s->adapts,
        .id = i + 1,
        .seed = i,
        .cname = "bench",
        .peer = {.local = local,
                 .role = DTLS_SERVER,
                 .n_fingerprints = 1,
                 .fingerprints = {s->client_fingerprint}},
        .n_tracks = 1,
        .tracks = {{.stream_id = 1,
                    .ssrc = 1,
                    .rtx_ssrc = 2,
                    .kind = FORWARDER_VIDEO,
                    .formats = {[PAYLOAD_H264] = {102, 103}},
                    .extensions = {.transport_cc = 3}}},
    };
    struct stream *streams[VIEWER_TRACKS_MAX] = {&s->stream};
    for (; config.n_tracks < VIEWER_TRACKS_MAX; config.n_tracks++) {
        streams[config.n_tracks] = &s->reserved;
        config.tracks[config.n_tracks] = (struct viewer_track_config){
            .stream_id = 2, .kind = FORWARDER_VIDEO, .ssrc = 10 + config.n_tracks};
    }
    struct viewer *v = s->viewers[i] = malloc(viewer_size(config.n_tracks));
    if (!v || viewer_init(v, &config, streams, s->server, 0, s->now_us) != 0)
        abort();
    connect_viewer(s, v, &local);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM, .local = {(uint8_t)i, 1}};
    if (seal_create(&s->floor[i], &keys) != 0)
        abort();
}

static struct stage *stage_new(bool adapts)
{
    struct stage *s = calloc(1, sizeof(*s));
    if (!s || dtls_context_create(&s->server) != 0 || dtls_context_create(&s->client) != 0)
        abort();
    fingerprint(&s->server_fingerprint, s->server);
    fingerprint(&s->client_fingerprint, s->client);
    s->adapts = adapts;
    stream_init(&s->stream, 1, FORWARDER_VIDEO, &s->news);
    stream_attach(&s->stream, &s->layer, 1);
    stream_init(&s->reserved, 2, FORWARDER_VIDEO, &s->news);
    s->now_us = 1000000;
    s->next_id = 1;
    s->pool = frame_pool_new(16384, 64);
    if (!s->pool)
        abort();
    for (uint32_t i = 0; i < BENCH_VIEWERS; i++)
        add_viewer(s, i);
    return s;
}

static void stage_free(struct stage *s)
{
    for (int i = 0; i < BENCH_VIEWERS; i++) {
        viewer_finish(s->viewers[i]);
        free(s->viewers[i]);
        seal_destroy(s->floor[i]);
    }
    stream_detach(&s->stream);
    frame_pool_close(s->pool);
    dtls_context_destroy(s->server);
    dtls_context_destroy(s->client);
    free(s);
}

/* --- the two ways --- */

static void push_frame(struct stage *s)
{
    struct frame *f = frame_get(s->pool);
    size_t size;
    const uint8_t *unit = bench_access_unit(&size);
    if (!f || h264_packetize(&f->payload, unit, size, PACKETIZE_MAX_PAYLOAD) != 0)
        abort();
    f->id = s->next_id++;
    f->codec = PAYLOAD_H264;
    f->captured_us = s->now_us;
    f->rtp_ts = (uint32_t)(f->id * 3000);
    f->keyframe = f->id == 1;
    stream_push(&s->stream, 0, f);
}

static uint64_t drive(struct stage *s, struct viewer *v, size_t *used)
{
    uint64_t packets = 0;
    struct viewer_train train;
    viewer_on_frame(v, &s->stream, s->now_us);
    for (;;) {
        if (SCRATCH - *used < VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX)
            *used = 0;
        if (!viewer_send(v, &train, s->scratch + *used, SCRATCH - *used, s->now_us))
            break;
        *used += train.size;
        packets += train.n_segments;
    }
    (void)viewer_next_timeout(v, s->now_us);
    return packets;
}

/* All that was sent has arrived; returns what it took to read that. */
static int64_t report(struct stage *s, int i)
{
    uint8_t out[TWCC_FEEDBACK_MAX];
    struct viewer *v = s->viewers[i];
    twcc_feedback_init(&s->feedback);
    for (; s->reported[i] != v->transport_seq; s->reported[i]++)
        twcc_feedback_on_packet(&s->feedback, s->reported[i], s->now_us);
    size_t size = twcc_feedback_write(&s->feedback, out, sizeof(out), 2, 1);
    int64_t before = bench_thread_cpu_ns();
    viewer_on_rtcp(v, out, size, s->now_us + WAY_US);
    return bench_thread_cpu_ns() - before;
}

static double run_viewers(void *arg)
{
    struct stage *s = arg;
    uint64_t packets = 0;
    int64_t spent_ns = 0;
    size_t used = 0;
    for (int f = 0; f < FRAMES; f++) {
        push_frame(s);
        s->now_us += FRAME_US;
        int64_t before = bench_thread_cpu_ns();
        for (int i = 0; i < BENCH_VIEWERS; i++)
            packets += drive(s, s->viewers[i], &used);
        spent_ns += bench_thread_cpu_ns() - before;
        for (int i = 0; s->adapts && f % FEEDBACK_FRAMES == 0 && i < BENCH_VIEWERS; i++)
            spent_ns += report(s, i);
    }
    /* at least; the reports come on top */
    if (packets < FRAMES * BENCH_VIEWERS * BENCH_FRAME_PACKETS)
        return -1;
    return (double)spent_ns / (double)packets;
}

static double run_floor(void *arg)
{
    struct stage *s = arg;
    int64_t spent_ns = 0;
    size_t used = 0;
    for (int f = 0; f < FRAMES; f++) {
        const struct packetize *frame = bench_frame();
        int64_t before = bench_thread_cpu_ns();
        for (int i = 0; i < BENCH_VIEWERS; i++) {
            if (SCRATCH - used < VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX)
                used = 0;
            for (int k = 0; k < BENCH_FRAME_PACKETS; k++) {
                const struct packetize_packet *p = &frame->packets[k];
                uint8_t *out = s->scratch + used;
                size_t n = bench_write_header(out, (uint16_t)(s->floor_seq + k), s->floor_timestamp,
                                              1, p->marker);
                n = seal_rtp(s->floor[i], out, n, frame->data + p->offset, p->size);
                if (n == 0)
                    return -1;
                used += n;
            }
        }
        s->floor_seq = (uint16_t)(s->floor_seq + BENCH_FRAME_PACKETS);
        s->floor_timestamp += 3000;
        spent_ns += bench_thread_cpu_ns() - before;
    }
    return (double)spent_ns / FRAMES / BENCH_VIEWERS / BENCH_FRAME_PACKETS;
}

void bench_viewer(void)
{
    struct stage *s = stage_new(false), *adapting = stage_new(true);
    bench_compare("viewers, no socket", &(struct bench_side){"viewer_send", run_viewers, s},
                  &(struct bench_side){"header + seal_rtp", run_floor, s}, ROUNDS);
    bench_compare("viewers, paths followed",
                  &(struct bench_side){"with feedback", run_viewers, adapting},
                  &(struct bench_side){"viewer_send", run_viewers, s}, ROUNDS);
    stage_free(adapting);
    stage_free(s);
}
