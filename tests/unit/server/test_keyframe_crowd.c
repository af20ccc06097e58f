/* test_keyframe_crowd.c - 200 viewers with bad networks, each of which asks for a keyframe once a
 * second, and a relay that asks at every frame, before a real encoder, on a virtual clock: what
 * that costs all the others, and how long one waits who is shown nothing. */
#include "rtp/control/keyframe.h"
#include "rtp/forward/viewer_internal.h"
#include "rtp/payload/h264.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/rtcp.h"
#include "server/source.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/rig.h"

#include <math.h>

#define SECOND INT64_C(1000000)
#define ENCODE_US 8000 /* a keyframe takes twice that */

enum {
    LOSSY = 200,
    RELAY = LOSSY,
    VIEWERS,
    FPS = 30,
    SECONDS = 20,
    SIZE = 1 << 20,
    SCRATCH = 128 << 10
};
enum { WIDTH = 480, HEIGHT = 272 };

struct crowd {
    struct rig rig;
    struct decoder *decoder;
    struct keyframe_budget budget;
    struct stream_news news;
    struct stream_layer layer;
    struct stream stream;
    struct frame_pool *pool;
    struct dtls_context *dtls;
    struct viewer *viewers[VIEWERS]; /* owned; the last one is a relay */
    bool lossy;                      /* they ask */
    uint64_t lost_id;                /* of a frame that no viewer is given */
    int64_t now_us, last_keyframe_us, closest_us;
    int64_t lost_us, back_us; /* when it was lost, and when the next keyframe came; 0: not yet */
    unsigned gop_frames;
    unsigned keyframes;
    double psnr; /* sum */
    uint8_t scratch[SCRATCH];
};

static void drain(struct crowd *c, struct viewer *v)
{
    struct viewer_train t;
    v->peer.ice.last_check_us = c->now_us; /* consent */
    while (viewer_send(v, &t, c->scratch, SCRATCH, c->now_us))
        ;
}

static struct viewer *seat(struct crowd *c, uint32_t id)
{
    struct viewer_config config = {
        .adapts = true,
        .id = id,
        .seed = id,
        .cname = "crowd",
        .peer = {.role = DTLS_SERVER, .n_fingerprints = 1, .fingerprints = {{.hash_size = 32}}},
        .n_tracks = 1,
        .tracks = {{.stream_id = 1,
                    .kind = FORWARDER_VIDEO,
                    .ssrc = 1,
                    .rtx_ssrc = 2,
                    .formats = {[PAYLOAD_H264] = {102, 103}},
                    .extensions = {.transport_cc = 3}}},
    };
    struct stream *streams[1] = {&c->stream};
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    struct viewer *v = malloc(viewer_size(1));
    assert_non_null(v);
    assert_int_equal(viewer_init(v, &config, streams, c->dtls, 0, c->now_us), 0);
    assert_int_equal(seal_create(&v->peer.seal, &keys), 0);
    v->peer.ice.selected = true;
    assert_true(address_parse(&v->peer.ice.remote, "192.0.2.1", (uint16_t)(1000 + id)));
    v->peer.state = PEER_CONNECTED;
    v->peer.deadline_us = INT64_MAX;
    viewer_set_state(v, VIEWER_DTLS, c->now_us);
    viewer_on_timeout(v, c->now_us);
    return v;
}

static struct crowd *gather(const struct encoder_ops *ops, enum scene_kind kind, uint32_t bps,
                            bool lossy)
{
    struct crowd *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    struct encoder_config config = config_of(WIDTH, HEIGHT, FPS, bps);
    config.content = kind == SCENE_TEXT ? ENCODER_SCREEN : ENCODER_NATURAL;
    c->rig = rig_new(ops, config, kind);
    c->decoder = decoder_new(ops->codec);
    c->lossy = lossy;
    c->now_us = 1000 * SECOND;
    c->closest_us = INT64_MAX;
    keyframe_init(&c->budget, KEYFRAME_MIN_GAP_US);
    keyframe_set_rate(&c->budget, bps);
    assert_int_equal(dtls_context_create(&c->dtls), 0);
    c->pool = frame_pool_new(SIZE, 1024);
    assert_non_null(c->pool);
    stream_init(&c->stream, 1, FORWARDER_VIDEO, &c->news);
    stream_attach(&c->stream, &c->layer, 1);
    for (unsigned i = 0; i < VIEWERS; i++)
        c->viewers[i] = seat(c, i + 1);
    return c;
}

static void part(struct crowd *c)
{
    for (unsigned i = 0; i < VIEWERS; i++) {
        viewer_finish(c->viewers[i]);
        free(c->viewers[i]);
    }
    stream_detach(&c->stream);
    frame_pool_close(c->pool);
    dtls_context_destroy(c->dtls);
    decoder_free(c->decoder);
    rig_free(&c->rig);
    free(c);
}

static void note_keyframe(struct crowd *c)
{
    if (c->keyframes++ > 0 && c->now_us - c->last_keyframe_us < c->closest_us)
        c->closest_us = c->now_us - c->last_keyframe_us;
    c->last_keyframe_us = c->now_us;
    if (c->lost_us != 0 && c->back_us == 0)
        c->back_us = c->now_us;
    c->gop_frames = 0;
    keyframe_made(&c->budget, c->now_us);
}

/* As a publisher does (server/publisher.c). */
static bool is_due(const struct crowd *c)
{
    bool over =
        c->now_us - c->last_keyframe_us >= SOURCE_GOP_US && !keyframe_blurs(&c->budget, c->now_us);
    return c->keyframes == 0 || over || c->gop_frames >= STREAM_JOIN_MAX_FRAMES - 16 ||
           keyframe_due(&c->budget, c->now_us);
}

static struct encoded encode(struct crowd *c)
{
    struct picture decoded = {.plane = {NULL}};
    struct encoded au = rig_encode(&c->rig, is_due(c));
    assert_true(decoder_decode(c->decoder, au.data, au.size, &decoded));
    c->psnr += 10 * log10(255 * 255 / fmax(scene_mse(&c->rig.yuv, &decoded), 0.1));
    if (au.keyframe)
        note_keyframe(c);
    c->gop_frames++;
    keyframe_on_frame(&c->budget, au.keyframe, (uint32_t)au.size,
                      au.keyframe ? 2 * ENCODE_US : ENCODE_US);
    keyframe_on_quality(&c->budget, au.keyframe, au.quantizer, c->now_us);
    return au;
}

static void publish(struct crowd *c, uint64_t id)
{
    struct encoded au = encode(c);
    if (id == c->lost_id) {
        c->lost_us = c->now_us;
        return;
    }
    struct frame *f = frame_get(c->pool);
    assert_non_null(f);
    assert_int_equal(h264_packetize(&f->payload, au.data, au.size, PACKETIZE_MAX_PAYLOAD), 0);
    f->id = id;
    f->codec = PAYLOAD_H264;
    f->captured_us = c->now_us;
    f->rtp_ts = (uint32_t)(c->now_us * 9 / 100);
    f->keyframe = au.keyframe;
    stream_push(&c->stream, 0, f);
    for (unsigned i = 0; i < VIEWERS; i++) {
        viewer_on_frame(c->viewers[i], &c->stream, c->now_us);
        drain(c, c->viewers[i]);
    }
}

/* Each once a second, at a time of its own; the relay for whoever asks it. */
static void complain(struct crowd *c, uint64_t id)
{
    uint8_t pli[32];
    size_t size = rtcp_write_pli(pli, sizeof(pli), 1, 1);
    for (unsigned i = 0; i < VIEWERS; i++) {
        if ((id + i) % FPS == 0 || i == RELAY) {
            viewer_on_rtcp(c->viewers[i], pli, size, c->now_us);
            drain(c, c->viewers[i]);
        }
    }
}

/* The mean PSNR of what was shown. */
static double broadcast(struct crowd *c)
{
    for (uint64_t id = 1; id <= SECONDS * FPS; id++) {
        while (stream_news_take(&c->news)) {
            keyframe_want(&c->budget, c->stream.keyframe_requests[0]);
            c->stream.keyframe_requests[0] = 0;
        }
        publish(c, id);
        if (c->lossy)
            complain(c, id);
        c->now_us += SECOND / FPS;
    }
    return c->psnr / (SECONDS * FPS);
}

static void count(const struct crowd *c, uint64_t *plis, uint64_t *answered)
{
    *plis = *answered = 0;
    for (unsigned i = 0; i < VIEWERS; i++) {
        *plis += c->viewers[i]->counters.plis;
        *answered += c->viewers[i]->counters.keyframes_from_cache;
    }
}

struct broadcast_row {
    const char *name;
    enum scene_kind kind;
    uint32_t bps;
};

/* Where hardly anything moves keyframes are dear, most of all at low rates. */
static const struct broadcast_row rows[] = {
    {"text, 300 kbit/s", SCENE_TEXT, 300000},       {"text, 400 kbit/s", SCENE_TEXT, 400000},
    {"text, 600 kbit/s", SCENE_TEXT, 600000},       {"text, 1.5 Mbit/s", SCENE_TEXT, 1500000},
    {"natural, 300 kbit/s", SCENE_NATURAL, 300000}, {"natural, 400 kbit/s", SCENE_NATURAL, 400000},
    {"natural, 600 kbit/s", SCENE_NATURAL, 600000}, {"natural, 1.5 Mbit/s", SCENE_NATURAL, 1500000},
};

static void check_crowd(const struct encoder_ops *ops, const struct broadcast_row *row)
{
    struct crowd *quiet = gather(ops, row->kind, row->bps, false);
    struct crowd *lossy = gather(ops, row->kind, row->bps, true);
    double without = broadcast(quiet), with = broadcast(lossy);
    uint64_t plis, answered;
    count(lossy, &plis, &answered);
    print_message("%s, %s: %lu PLIs, %lu answered from the cache, %u keyframes, %.1f dB after %u "
                  "keyframes, %.1f dB\n",
                  ops->name, row->name, plis, answered, lossy->keyframes, with, quiet->keyframes,
                  without);
    assert_int_equal(plis, (LOSSY + FPS) * SECONDS);
    assert_true(answered >= LOSSY * SECONDS / 4); /* nobody is left with nothing for long */
    assert_true(quiet->closest_us >= SECOND && lossy->closest_us >= SECOND);
    assert_true(with >= without * 0.9);
    part(quiet);
    part(lossy);
}

/* A frame has gone for all of them, so that the cache is no help to anybody. */
static void check_black(const struct encoder_ops *ops, const struct broadcast_row *row)
{
    struct crowd *c = gather(ops, row->kind, row->bps, true);
    c->lost_id = 8 * FPS;
    broadcast(c);
    int64_t waited_us = c->back_us - c->lost_us;
    print_message("%s, %s: a keyframe after %ld ms\n", ops->name, row->name, waited_us / 1000);
    assert_in_range(waited_us, 1, KEYFRAME_PRICE_MAX_US);
    assert_true(c->closest_us >= SECOND);
    part(c);
}

static void check_rows(const struct encoder_ops *ops)
{
    for (size_t i = 0; !rig_is_fake(ops) && i < sizeof(rows) / sizeof(rows[0]); i++)
        check_crowd(ops, &rows[i]);
}

static void check_black_rows(const struct encoder_ops *ops)
{
    if (rig_is_fake(ops))
        return;
    check_black(ops, &rows[0]); /* the dearest */
    check_black(ops, &rows[4]);
}

static void lossy_viewers_cost_the_others_a_tenth_at_most(void **state)
{
    (void)state;
    assert_int_equal(cipher_install(CIPHER_AUTO), 0);
    each_backend(CODEC_H264, check_rows);
}

static void who_is_black_does_not_wait_for_long(void **state)
{
    (void)state;
    assert_int_equal(cipher_install(CIPHER_AUTO), 0);
    each_backend(CODEC_H264, check_black_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lossy_viewers_cost_the_others_a_tenth_at_most),
        cmocka_unit_test(who_is_black_does_not_wait_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
