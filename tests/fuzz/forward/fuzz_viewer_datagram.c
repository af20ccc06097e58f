/* fuzz_viewer_datagram.c - a connected viewer under any feedback, datagrams, frames, sound,
 * selections, sources and time.
 *
 * An input is a row of steps: a byte says what happens, two bytes or one say how much, and bytes
 * that arrive follow. After every step the viewer is drained and what it sends must keep to its
 * rules.
 */
#include "rtp/forward/viewer_internal.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"
#include "rtp/wire/rtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(c) ((c) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

#define SSRC 0x1000 /* track i: SSRC + i; two of the picture, RTX on the first one only; sound */
#define RTX_SSRC 0x2000
#define FIRST_SEQ 65500
#define PAYLOAD_MAX 1000
#define PACKETS_MAX 64
#define LAYERS 2
#define TRACKS 3
#define AUDIO 2 /* the track */
#define STEPS_MAX 400
#define START_US INT64_C(1000000000)

enum step {
    STEP_RTCP,
    STEP_DATAGRAM,
    STEP_FRAME,
    STEP_TIME,
    STEP_LOSE,
    STEP_RATE,
    STEP_END,
    STEP_SOUND,
    STEP_SELECT,
    STEP_SOURCE,
    STEP_WANT,
    STEPS
};

struct world {
    int64_t now_us;
    uint64_t next_id[LAYERS], next_sound;
    struct frame_pool *pool;
    struct stream_news news;
    struct stream_layer layers[LAYERS], sound_layer;
    struct stream stream, sound;
    bool ended;
    struct viewer *viewer;
    struct address address;
    uint16_t next_seq[TRACKS], next_rtx_seq;
};

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static void watch(struct world *w, const uint8_t *packet, size_t size)
{
    struct rtp_header h;
    CHECK(size <= VIEWER_DATAGRAM_MAX);
    if (datagram_kind(packet, size) != DATAGRAM_RTP)
        return;
    CHECK(rtp_parse(&h, packet, size));
    if (h.ssrc == RTX_SSRC) {
        CHECK(h.seq == w->next_rtx_seq++);
        return;
    }
    uint16_t *next = &w->next_seq[h.ssrc - SSRC];
    int16_t ahead = (int16_t)(h.seq - *next);
    /* In order; behind that only the same packet again, where there is no RTX. */
    CHECK(h.ssrc != SSRC + 1 ? ahead == 0 : ahead <= 0 && ahead >= -HISTORY_SIZE);
    if (ahead == 0)
        ++*next;
}

static void drain(struct world *w)
{
    static uint8_t out[VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX];
    struct viewer_train train;
    while (viewer_send(w->viewer, &train, out, sizeof(out), w->now_us)) {
        CHECK(train.n_segments > 0 && train.n_segments <= VIEWER_TRAIN_MAX);
        CHECK(train.size <= VIEWER_TRAIN_BYTES);
        CHECK((train.size + train.segment_size - 1) / train.segment_size == train.n_segments);
        for (uint32_t at = 0; at < train.size; at += train.segment_size) {
            size_t left = train.size - at;
            watch(w, out + at, left < train.segment_size ? left : train.segment_size);
        }
    }
    CHECK(viewer_next_timeout(w->viewer, w->now_us) > w->now_us);
}

static void init_viewer(struct world *w, struct dtls_context *dtls)
{
    struct viewer_config config = {
        .id = 1,
        .seed = 1,
        .cname = "fuzz",
        .peer = {.role = DTLS_SERVER, .n_fingerprints = 1, .fingerprints = {{.hash_size = 32}}},
        .n_tracks = TRACKS,
    };
    for (unsigned i = 0; i < TRACKS; i++) {
        config.tracks[i] = (struct viewer_track_config){
            .stream_id = i == AUDIO ? 2 : 1,
            .ssrc = SSRC + i,
            .rtx_ssrc = RTX_SSRC + i,
            .kind = i == AUDIO ? FORWARDER_AUDIO : FORWARDER_VIDEO,
            .formats = {[PAYLOAD_H264] = {102, i == 0 ? 103 : 0}, [PAYLOAD_OPUS] = {111, 0}},
            .extensions = {.transport_cc = 3, .mid = 1},
            .mid = "0",
        };
    }
    struct stream *streams[TRACKS] = {&w->stream, &w->stream, &w->sound};
    struct viewer *v = w->viewer = malloc(viewer_size(config.n_tracks));
    CHECK(v && viewer_init(v, &config, streams, dtls, 0, w->now_us) == 0);
    for (unsigned i = 0; i < TRACKS; i++)
        v->tracks[i].seq = w->next_seq[i] = FIRST_SEQ;
    w->next_rtx_seq = v->tracks[0].rtx_seq;

    /* Connected at once, with keys of our own. */
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    CHECK(seal_create(&v->peer.seal, &keys) == 0);
    v->peer.ice.selected = true;
    v->peer.ice.remote = w->address;
    v->peer.state = PEER_CONNECTED;
    v->peer.deadline_us = INT64_MAX;
    viewer_set_state(v, VIEWER_DTLS, w->now_us);
    viewer_on_timeout(v, w->now_us);
    CHECK(v->state == VIEWER_WAIT_KEYFRAME);
}

static void step_frame(struct world *w, uint8_t kind, uint8_t packets)
{
    unsigned layer = kind >> 2 & 1;
    if (w->ended || layer >= w->stream.n_layers)
        return;
    struct frame *f = frame_get(w->pool);
    CHECK(f);
    struct packetize *p = &f->payload;
    p->n_packets = (uint16_t)(1 + packets % PACKETS_MAX);
    for (uint16_t i = 0; i < p->n_packets; i++) {
        /* equal sizes, or each its own */
        uint16_t size = PAYLOAD_MAX;
        if (kind & 2)
            size = (uint16_t)(1 + (i * 313 + kind) % PAYLOAD_MAX);
        bool last = i + 1 == p->n_packets;
        p->packets[i] = (struct packetize_packet){.offset = p->size, .size = size, .marker = last};
        memset(p->data + p->size, kind, size);
        p->size += size;
    }
    f->id = w->next_id[layer]++;
    f->codec = kind >> 3 == 31 ? PAYLOAD_VP8 : PAYLOAD_H264; /* that is not negotiated */
    f->temporal_id = kind & 1 ? 0 : kind >> 3 & 3;
    f->captured_us = w->now_us;
    f->rtp_ts = (uint32_t)(w->now_us * 9 / 100);
    f->keyframe = kind & 1;
    stream_push(&w->stream, layer, f);
    viewer_on_frame(w->viewer, &w->stream, w->now_us);
}

static void step_sound(struct world *w, uint8_t size)
{
    if (w->sound.n_layers == 0)
        return;
    struct frame *f = frame_get(w->pool);
    CHECK(f);
    f->payload.packets[0] = (struct packetize_packet){.size = (uint16_t)(1 + size)};
    memset(f->payload.data, size, 1u + size);
    f->payload.size = 1u + size;
    f->payload.n_packets = 1;
    f->id = w->next_sound++;
    f->codec = PAYLOAD_OPUS;
    f->captured_us = w->now_us;
    f->rtp_ts = (uint32_t)(w->now_us * 48 / 1000);
    f->keyframe = true;
    stream_push(&w->sound, 0, f);
    viewer_on_frame(w->viewer, &w->sound, w->now_us);
}

static void step_select(struct world *w, uint8_t how)
{
    struct viewer_selection wanted = {
        .layer = how % 4 - 1, .max_temporal = how / 4 % 4 - 1, .paused = how / 16 % 4 == 0};
    viewer_select(w->viewer, how & 64 ? &w->sound : &w->stream, &wanted, w->now_us);
}

/* The source goes, or another one comes. */
static void step_source(struct world *w, uint8_t how)
{
    struct stream *s = how & 1 ? &w->sound : &w->stream;
    struct stream_layer *layers = how & 1 ? &w->sound_layer : w->layers;
    unsigned n = how & 1 ? 1 : 1 + (how >> 1 & 1);
    if (w->ended)
        return;
    if (s->n_layers > 0) {
        viewer_on_detach(w->viewer, s);
        stream_detach(s);
        return;
    }
    memset(layers, 0, n * sizeof(*layers));
    stream_attach(s, layers, n);
    viewer_on_attach(w->viewer, s, w->now_us);
}

static void take_news(struct world *w)
{
    struct stream *s;
    while ((s = stream_news_take(&w->news)))
        memset(s->keyframe_requests, 0, sizeof(s->keyframe_requests));
}

static void step_bytes(struct world *w, struct input *in, bool rtcp)
{
    uint8_t datagram[255];
    size_t size = take(in);
    size = size < in->size ? size : in->size;
    memcpy(datagram, in->data, size);
    in->data += size;
    in->size -= size;
    if (!rtcp)
        viewer_on_datagram(w->viewer, datagram, size, &w->address, w->now_us);
    else if (w->viewer->state != VIEWER_CLOSED)
        viewer_on_rtcp(w->viewer, datagram, size, w->now_us);
}

/* In steps of its own deadlines, as a worker would; `consent` keeps it alive. */
static void step_time(struct world *w, int64_t for_us, bool consent)
{
    int64_t end = w->now_us + for_us;
    if (consent)
        w->viewer->peer.ice.last_check_us = end;
    for (;;) {
        int64_t next = viewer_next_timeout(w->viewer, w->now_us);
        if (next > end)
            break;
        w->now_us = next;
        viewer_on_timeout(w->viewer, w->now_us);
        drain(w);
    }
    w->now_us = end;
}

static void step_end(struct world *w, uint8_t how)
{
    if (how % 8 == 0) {
        viewer_close(w->viewer, w->now_us);
    } else if (how % 8 == 1 && !w->ended) {
        w->ended = true;
        viewer_on_stream_end(w->viewer, &w->stream);
        stream_detach(&w->stream);
    }
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take(in) % STEPS;
    if (what == STEP_RTCP || what == STEP_DATAGRAM) {
        step_bytes(w, in, what == STEP_RTCP);
        return;
    }
    uint8_t a = take(in);
    switch (what) {
    case STEP_FRAME:
        step_frame(w, a, take(in));
        break;
    case STEP_TIME:
        step_time(w, (int64_t)a * a * 300, a != 255);
        break;
    case STEP_LOSE:
        w->next_id[a & 1] += a;
        break;
    case STEP_RATE:
        pacer_set_rate(&w->viewer->pacer, (uint64_t)a * a * a * 10, w->now_us);
        break;
    case STEP_END:
        step_end(w, a);
        break;
    case STEP_SOUND:
        step_sound(w, a);
        break;
    case STEP_SELECT:
        step_select(w, a);
        break;
    case STEP_SOURCE:
        step_source(w, a);
        break;
    case STEP_WANT:
        viewer_want_keyframe(w->viewer, &w->stream, w->now_us);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dtls_context *dtls; /* the process's, so never freed */
    if (!dtls)
        CHECK(cipher_install(CIPHER_AUTO) == 0 && dtls_context_create(&dtls) == 0);
    static struct world w;
    w = (struct world){.now_us = START_US, .next_id = {1, 1}, .next_sound = 1};
    CHECK(address_parse(&w.address, "192.0.2.1", 5000));
    w.pool = frame_pool_new(PACKETS_MAX * PAYLOAD_MAX, PACKETS_MAX);
    stream_init(&w.stream, 1, FORWARDER_VIDEO, &w.news);
    stream_attach(&w.stream, w.layers, LAYERS);
    stream_init(&w.sound, 2, FORWARDER_AUDIO, &w.news);
    stream_attach(&w.sound, &w.sound_layer, 1);
    init_viewer(&w, dtls);

    struct input in = {data, size};
    for (int i = 0; i < STEPS_MAX && in.size > 0; i++) {
        step(&w, &in);
        drain(&w);
        take_news(&w);
    }
    viewer_finish(w.viewer);
    free(w.viewer);
    stream_detach(&w.stream);
    stream_detach(&w.sound);
    frame_pool_close(w.pool);
    return 0;
}
