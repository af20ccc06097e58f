/* test_viewer_path.c - viewers of one broadcast in up to three layers, with sound where a test says
 * so, each behind a link of its own, on a virtual clock: what they get of it, and when.
 *
 * A receiver here reports arrivals (transport-wide feedback every 50 ms), asks for a keyframe when
 * it cannot go on, and never for lost packets. A frame's payload says which it is.
 */
#include "rtp/forward/viewer_internal.h"

#include "rtp/control/keyframe.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"
#include "rtp/wire/rtcp.h"
#include "rtp/control/twcc_feedback.h"
#include "tests/sim/bottleneck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define FEEDBACK_US 50000
#define PLI_US 300000
#define SSRC 0x1000
#define RTX_SSRC 0x2000
#define SOUND_SSRC 0x3000
#define SOUND_US 20000
#define TRANSPORT_CC_ID 3

enum { LAYERS = 3, MANY = 3, FPS = 30, PACKETS = 65536, PACKET = 1100, SCRATCH = 64 * 1232 };

static const uint64_t rates[LAYERS] = {300000, 800000, 2500000};

struct info {
    uint16_t transport_seq, packet, n_packets;
    uint8_t layer;
    bool media, sound, keyframe;
    uint64_t id;
};

struct seat {
    struct viewer *v;        /* owned */
    struct seal *far;        /* owned */
    struct bottleneck *link; /* owned */
    uint32_t sent;
    struct info info[PACKETS];

    struct twcc_feedback twcc;
    int64_t feedback_us, pli_us;
    bool silent, blackout;
    int64_t busy_until_us; /* reads nothing, and says nothing, before */

    uint64_t frame_id; /* under way */
    unsigned packets;
    bool decodes;
    uint8_t layer; /* of the newest picture */
    uint64_t newest_id;
    int64_t picture_us;     /* when it came */
    int64_t longest_gap_us; /* without one */
    uint64_t pictures, digest, padding, most_train;

    uint64_t sounds; /* pieces that came */
    int64_t sound_us, longest_silence_us;
};

struct house {
    struct stream_news news;
    struct stream_layer layers[LAYERS];
    struct stream stream, sound;
    struct stream_layer sound_layer;
    uint64_t sound_id; /* the next one; 0: there is no sound */
    const uint64_t *rates;
    struct keyframe_budget keyframes[LAYERS];
    uint64_t next_id[LAYERS], keyframes_made;
    struct frame_pool *pool;
    struct dtls_context *dtls;
    int64_t now_us, frame_us, sound_us;
    unsigned n_layers, n;
    unsigned gop; /* 0: keyframes come only when they are asked for */
    struct seat seats[MANY];
    uint8_t scratch[SCRATCH];
};

/* --- receivers --- */

static void on_picture(struct house *h, struct seat *s, const struct info *i)
{
    s->decodes = i->keyframe || (s->decodes && i->layer == s->layer && i->id == s->newest_id + 1);
    if (!s->decodes)
        return;
    int64_t gap_us = h->now_us - s->picture_us;
    if (s->picture_us > 0 && gap_us > s->longest_gap_us)
        s->longest_gap_us = gap_us;
    s->layer = i->layer;
    s->newest_id = i->id;
    s->picture_us = h->now_us;
    s->pictures++;
}

static void on_sound(struct house *h, struct seat *s)
{
    int64_t gap_us = h->now_us - s->sound_us;
    if (s->sounds > 0 && gap_us > s->longest_silence_us)
        s->longest_silence_us = gap_us;
    s->sound_us = h->now_us;
    s->sounds++;
}

static void on_arrival(struct house *h, struct seat *s, const struct info *i)
{
    twcc_feedback_on_packet(&s->twcc, i->transport_seq, h->now_us);
    if (i->sound)
        on_sound(h, s);
    if (!i->media)
        return;
    if (i->packet == 0) {
        s->frame_id = i->id << 2 | i->layer;
        s->packets = 0;
    }
    if (s->frame_id == (i->id << 2 | i->layer) && i->packet == s->packets)
        s->packets++;
    if (i->packet + 1 == i->n_packets && s->packets == i->n_packets)
        on_picture(h, s, i);
    else if (i->packet + 1 == i->n_packets)
        s->decodes = false;
}

static void drain(struct house *h, struct seat *s);

static void give(struct house *h, struct seat *s, const uint8_t *rtcp, size_t size)
{
    viewer_on_rtcp(s->v, rtcp, size, h->now_us);
    drain(h, s);
}

static void answer(struct house *h, struct seat *s)
{
    struct bottleneck_packet p;
    uint8_t out[TWCC_FEEDBACK_MAX];
    if (h->now_us < s->busy_until_us)
        return;
    while (bottleneck_receive(s->link, &p, h->now_us))
        on_arrival(h, s, &s->info[p.seq % PACKETS]);
    if (s->silent || s->blackout)
        return;
    if (h->now_us >= s->feedback_us) {
        s->feedback_us = h->now_us + FEEDBACK_US;
        for (size_t size; (size = twcc_feedback_write(&s->twcc, out, sizeof(out), 1, SSRC)) > 0;)
            give(h, s, out, size);
    }
    if (!s->decodes && h->now_us >= s->pli_us) {
        s->pli_us = h->now_us + PLI_US;
        give(h, s, out, rtcp_write_pli(out, sizeof(out), 1, SSRC));
    }
}

/* --- viewers --- */

static void read_info(struct seat *s, uint8_t *data, size_t size, struct info *i)
{
    struct rtp_header r;
    size_t value_size;
    size = unseal_rtp(s->far, data, size);
    assert_true(size > 0 && rtp_parse(&r, data, size));
    const uint8_t *value = extensions_find(r.extension_profile, r.extension, r.extension_size,
                                           TRANSPORT_CC_ID, &value_size);
    assert_non_null(value);
    *i = (struct info){
        .transport_seq = get_u16(value), .media = r.ssrc == SSRC, .sound = r.ssrc == SOUND_SSRC};
    s->padding += r.ssrc == RTX_SSRC && r.payload_size == 0;
    if (!i->media)
        return;
    const uint8_t *p = data + r.header_size;
    i->layer = p[0];
    i->keyframe = p[1] != 0;
    i->packet = get_u16(p + 2);
    i->n_packets = get_u16(p + 4);
    memcpy(&i->id, p + 8, sizeof(i->id));
}

static void drain(struct house *h, struct seat *s)
{
    struct viewer_train t;
    s->v->peer.ice.last_check_us = h->now_us; /* consent */
    while (viewer_send(s->v, &t, h->scratch, SCRATCH, h->now_us)) {
        if (datagram_kind(h->scratch, t.segment_size) != DATAGRAM_RTP)
            continue;
        s->digest = (s->digest ^ (uint64_t)h->now_us ^ t.size) * UINT64_C(0x100000001b3);
        s->most_train = t.n_segments > s->most_train ? t.n_segments : s->most_train;
        for (uint32_t at = 0; at < t.size; at += t.segment_size) {
            size_t size = t.size - at < t.segment_size ? t.size - at : t.segment_size;
            read_info(s, h->scratch + at, size, &s->info[s->sent % PACKETS]);
            if (!s->blackout)
                bottleneck_send(s->link, 0, s->sent, (unsigned)size, h->now_us);
            s->sent++;
        }
    }
    assert_true(viewer_next_timeout(s->v, h->now_us) > h->now_us);
}

static void move_in(struct house *h, uint64_t link_bps)
{
    struct seat *s = &h->seats[h->n++];
    struct viewer_config config = {
        .adapts = true,
        .id = h->n,
        .seed = h->n,
        .cname = "house",
        .peer = {.role = DTLS_SERVER, .n_fingerprints = 1, .fingerprints = {{.hash_size = 32}}},
        .n_tracks = 2,
        .tracks = {{.stream_id = 1,
                    .kind = FORWARDER_VIDEO,
                    .ssrc = SSRC,
                    .rtx_ssrc = RTX_SSRC,
                    .formats = {[PAYLOAD_H264] = {102, 103}},
                    .extensions = {.transport_cc = TRANSPORT_CC_ID}},
                   {.stream_id = 2,
                    .kind = FORWARDER_AUDIO,
                    .ssrc = SOUND_SSRC,
                    .formats = {[PAYLOAD_OPUS] = {111, 0}},
                    .extensions = {.transport_cc = TRANSPORT_CC_ID}}},
    };
    struct stream *streams[2] = {&h->stream, &h->sound};
    struct viewer *v = s->v = malloc(viewer_size(2));
    s->link = malloc(sizeof(*s->link));
    assert_true(v && s->link);
    bottleneck_init(s->link, link_bps, 20000, 300000, h->n);
    twcc_feedback_init(&s->twcc);
    assert_int_equal(viewer_init(v, &config, streams, h->dtls, 0, h->now_us), 0);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    assert_int_equal(seal_create(&v->peer.seal, &keys), 0);
    assert_int_equal(seal_create(&s->far, &keys), 0);
    v->peer.ice.selected = true;
    assert_true(address_parse(&v->peer.ice.remote, "192.0.2.1", (uint16_t)(1000 + h->n)));
    v->peer.state = PEER_CONNECTED;
    v->peer.deadline_us = INT64_MAX;
    viewer_set_state(v, VIEWER_DTLS, h->now_us);
    viewer_on_timeout(v, h->now_us);
    s->pli_us = h->now_us + SECOND;
}

/* --- the presenter --- */

static void publish_layer(struct house *h, unsigned layer)
{
    struct keyframe_budget *b = &h->keyframes[layer];
    bool over = h->gop > 0 && h->next_id[layer] % h->gop == 0;
    bool keyframe = h->next_id[layer] == 1 || over || keyframe_due(b, h->now_us);
    size_t size = (size_t)h->rates[layer] / 8 / FPS * (keyframe ? 5 : 1);
    unsigned n = (unsigned)((size + PACKET - 1) / PACKET);
    struct frame *f = frame_get(h->pool);
    assert_non_null(f);
    f->id = h->next_id[layer]++;
    f->codec = PAYLOAD_H264;
    f->captured_us = h->now_us;
    f->rtp_ts = (uint32_t)(h->now_us * 9 / 100);
    f->keyframe = keyframe;
    for (unsigned i = 0; i < n; i++) {
        uint8_t *at = f->payload.data + f->payload.size;
        memset(at, 0, 16);
        at[0] = (uint8_t)layer;
        at[1] = keyframe;
        put_u16(at + 2, (uint16_t)i);
        put_u16(at + 4, (uint16_t)n);
        memcpy(at + 8, &f->id, sizeof(f->id));
        uint16_t bytes = (uint16_t)(size / n > 16 ? size / n : 16);
        f->payload.packets[i] = (struct packetize_packet){
            .offset = f->payload.size, .size = bytes, .marker = i + 1 == n};
        f->payload.size += bytes;
    }
    f->payload.n_packets = (uint16_t)n;
    if (keyframe)
        keyframe_made(b, h->now_us);
    h->keyframes_made += keyframe;
    stream_push(&h->stream, layer, f);
    for (unsigned i = 0; i < h->n; i++) {
        if (!viewer_wants_layer(h->seats[i].v, &h->stream, layer))
            continue;
        viewer_on_frame(h->seats[i].v, &h->stream, h->now_us);
        drain(h, &h->seats[i]);
    }
}

/* 32 kbit/s of it. */
static void publish_sound(struct house *h)
{
    struct frame *f = frame_get(h->pool);
    assert_non_null(f);
    f->id = h->sound_id++;
    f->codec = PAYLOAD_OPUS;
    f->captured_us = h->now_us;
    f->rtp_ts = (uint32_t)(h->now_us * 48 / 1000);
    f->keyframe = true;
    f->payload.size = 80;
    memset(f->payload.data, 0, f->payload.size);
    f->payload.packets[0] = (struct packetize_packet){.size = 80, .marker = true};
    f->payload.n_packets = 1;
    stream_push(&h->sound, 0, f);
    for (unsigned i = 0; i < h->n; i++) {
        viewer_on_frame(h->seats[i].v, &h->sound, h->now_us);
        drain(h, &h->seats[i]);
    }
    h->sound_us += SOUND_US;
}

static void take_news(struct house *h)
{
    while (stream_news_take(&h->news)) {
        for (unsigned i = 0; i < h->n_layers; i++) {
            keyframe_want(&h->keyframes[i], h->stream.keyframe_requests[i]);
            h->stream.keyframe_requests[i] = 0;
        }
    }
}

static void run(struct house *h, int64_t for_us)
{
    int64_t end_us = h->now_us + for_us;
    for (; h->now_us < end_us; h->now_us += 500) {
        for (unsigned i = 0; h->now_us >= h->frame_us && i < h->n_layers; i++)
            publish_layer(h, i);
        if (h->now_us >= h->frame_us)
            h->frame_us += SECOND / FPS;
        if (h->sound_id > 0 && h->now_us >= h->sound_us)
            publish_sound(h);
        for (unsigned i = 0; i < h->n; i++) {
            struct seat *s = &h->seats[i];
            if (viewer_next_timeout(s->v, h->now_us) <= h->now_us) {
                viewer_on_timeout(s->v, h->now_us);
                drain(h, s);
            }
            answer(h, s);
        }
        take_news(h);
    }
}

static struct house *build_with(unsigned n_layers, const uint64_t *layer_rates, bool sound)
{
    struct house *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    assert_int_equal(dtls_context_create(&h->dtls), 0);
    h->pool = frame_pool_new(100000, 128);
    stream_init(&h->stream, 1, FORWARDER_VIDEO, &h->news);
    stream_attach(&h->stream, h->layers, n_layers);
    stream_init(&h->sound, 2, FORWARDER_AUDIO, &h->news);
    if (sound)
        stream_attach(&h->sound, &h->sound_layer, 1);
    h->sound_id = sound;
    h->n_layers = n_layers;
    h->rates = layer_rates;
    h->now_us = h->frame_us = h->sound_us = 1000 * SECOND;
    for (unsigned i = 0; i < n_layers; i++) {
        keyframe_init(&h->keyframes[i], KEYFRAME_MIN_GAP_US);
        h->next_id[i] = 1;
    }
    run(h, 2 * SECOND); /* it has been on for a while */
    return h;
}

static struct house *build(unsigned n_layers)
{
    return build_with(n_layers, rates, false);
}

static void tear_down(struct house *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        viewer_finish(h->seats[i].v);
        free(h->seats[i].v);
        free(h->seats[i].link);
        seal_destroy(h->seats[i].far);
    }
    stream_detach(&h->stream);
    stream_detach(&h->sound);
    frame_pool_close(h->pool);
    dtls_context_destroy(h->dtls);
    free(h);
}

/* With AMPHI_EXPLAIN set: who decided what when. */
static void explain(const struct house *h)
{
    if (!getenv("AMPHI_EXPLAIN"))
        return;
    for (unsigned i = 0; i < h->n; i++) {
        const struct seat *s = &h->seats[i];
        const struct viewer_path *p = s->v->path;
        print_message("seat %u layer %u pictures %lu gap %ld ms sounds %lu silence %ld ms "
                      "wait p95 %d ms estimate %lu\n",
                      i, s->layer, s->pictures, s->longest_gap_us / 1000, s->sounds,
                      s->longest_silence_us / 1000, bottleneck_wait_ms(s->link, 0, 0.95),
                      gcc_estimate_bps(&p->gcc));
        uint32_t k = p->n_decisions > VIEWER_DECISIONS ? p->n_decisions - VIEWER_DECISIONS : 0;
        for (; k < p->n_decisions; k++) {
            const struct viewer_decision *d = &p->decisions[k % VIEWER_DECISIONS];
            print_message("  %u ms %s mode %u layer %u target %u kbit/s queue %u ms\n", d->at_ms,
                          viewer_why_name((enum viewer_why)d->why), d->mode, d->layer,
                          d->target_kbps, d->queue_ms);
        }
    }
}

/* --- what they get --- */

static void a_narrow_link_gets_a_smaller_layer(void **state)
{
    (void)state;
    struct house *h = build(LAYERS);
    move_in(h, 1000000);
    struct seat *s = &h->seats[0];
    run(h, 6 * SECOND);
    bottleneck_forget(s->link);
    s->longest_gap_us = 0;
    run(h, 14 * SECOND);
    explain(h);
    assert_in_range(s->layer, 0, 1);
    assert_in_range(bottleneck_wait_ms(s->link, 0, 0.95), 0, 200);
    assert_in_range(s->longest_gap_us, 0, SECOND);
    assert_true(s->decodes);

    s->link->rate_bps = 20000000;
    run(h, 20 * SECOND);
    explain(h);
    assert_int_equal(s->layer, 2);
    tear_down(h);
}

/* Nobody is to notice that the path is watched. */
static void assert_untouched(const struct seat *s, int64_t for_us)
{
    const struct viewer_counters *c = &s->v->counters;
    assert_int_equal(s->layer, LAYERS - 1);
    assert_true(s->decodes);
    assert_true(s->pictures + 2 >= (uint64_t)(for_us / SECOND) * FPS);
    assert_int_equal(c->keyframe_jumps, 0);
    assert_int_equal(c->frames_skipped, 0);
    assert_int_equal(c->layer_switches, 0);
    assert_true(c->padding_bytes * 100 < c->bytes_sent * 3);
}

static void an_unhindered_path_costs_nothing(void **state)
{
    (void)state;
    struct house *h = build(LAYERS);
    move_in(h, 100000000);
    move_in(h, 6000000);
    struct seat *s = &h->seats[0];
    run(h, 5 * SECOND);
    uint64_t padding = s->v->counters.padding_bytes;
    assert_in_range(padding, 1000, 60000); /* it did probe, for a moment */
    run(h, 55 * SECOND);
    explain(h);
    assert_untouched(s, 60 * SECOND);
    assert_untouched(&h->seats[1], 60 * SECOND);
    assert_int_equal(s->v->counters.padding_bytes, padding);
    assert_false(s->v->path->narrow);
    assert_true(s->longest_gap_us < 50000);
    assert_in_range(gcc_estimate_bps(&s->v->path->gcc), rates[2] * 9 / 5, 100000000);
    tear_down(h);
}

/* Its packets come late and all at once, its feedback too, and nothing of that is the path's. */
static void a_busy_receiver_is_left_alone(void **state)
{
    (void)state;
    static const int64_t busy_us[] = {40000, 150000, 300000, 700000, 1500000, 2500000};
    for (unsigned i = 0; i < sizeof(busy_us) / sizeof(*busy_us); i++) {
        struct house *h = build(LAYERS);
        move_in(h, 100000000);
        struct seat *s = &h->seats[0];
        for (unsigned k = 0; k < 12; k++) {
            run(h, 1700000 + k * 133000);
            s->busy_until_us = h->now_us + busy_us[i];
            run(h, busy_us[i]);
        }
        run(h, 2 * SECOND);
        explain(h);
        assert_untouched(s, 0);
        assert_false(s->v->path->narrow);
        tear_down(h);
    }
}

static void each_at_its_best(void **state)
{
    (void)state;
    struct house *alone = build(LAYERS);
    move_in(alone, 20000000);
    run(alone, 20 * SECOND);
    struct house *h = build(LAYERS);
    move_in(h, 20000000);
    move_in(h, 450000);
    run(h, 20 * SECOND);
    explain(h);
    assert_int_equal(h->seats[0].layer, 2);
    assert_int_equal(h->seats[0].longest_gap_us, alone->seats[0].longest_gap_us);
    assert_true(h->seats[0].longest_gap_us < 50000);
    /* to the microsecond and byte what it got when it lived alone */
    assert_int_equal(h->seats[0].digest, alone->seats[0].digest);
    assert_int_equal(h->seats[1].layer, 0);
    assert_true(h->seats[1].picture_us > h->now_us - SECOND);
    tear_down(h);
    tear_down(alone);
}

/* A broadcast that the slow one can see move, and one of which it can have a picture now and then.
 */
struct broadcast {
    unsigned n_layers;
    uint64_t rates[LAYERS];
    uint64_t pictures;      /* of the slow one, at least, in the last 30 s */
    int64_t longest_gap_us; /* and at most without one */
};

static const struct broadcast broadcasts[] = {
    {3, {156000, 625000, 2500000}, 29 * FPS, 200000},
    {1, {2500000}, 12, 4 * SECOND},
};

static void run_measured(struct house *h)
{
    run(h, 10 * SECOND);
    for (unsigned i = 0; i < h->n; i++) {
        h->seats[i].longest_gap_us = h->seats[i].longest_silence_us = 0;
        h->seats[i].pictures = h->seats[i].sounds = 0;
    }
    run(h, 30 * SECOND);
}

static void one_is_slow_and_one_is_fast(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(broadcasts) / sizeof(broadcasts[0]); i++) {
        const struct broadcast *b = &broadcasts[i];
        struct house *alone = build_with(b->n_layers, b->rates, true);
        alone->gop = 4 * FPS;
        move_in(alone, 20000000);
        run_measured(alone);
        struct house *h = build_with(b->n_layers, b->rates, true);
        h->gop = 4 * FPS;
        move_in(h, 20000000);
        move_in(h, 300000);
        run_measured(h);
        explain(h);
        const struct seat *fast = &h->seats[0], *slow = &h->seats[1];
        assert_int_equal(fast->layer, b->n_layers - 1);
        /* of one layer it is sent the keyframes, too, that the slow one needs */
        assert_true(b->n_layers == 1 || fast->digest == alone->seats[0].digest);
        assert_true(fast->pictures + 2 >= 30 * FPS);
        assert_true(fast->longest_gap_us < 100000);
        assert_true(slow->pictures >= b->pictures);
        assert_true(slow->picture_us > h->now_us - b->longest_gap_us);
        assert_in_range(slow->longest_gap_us, 0, b->longest_gap_us);
        for (unsigned k = 0; k < h->n; k++) {
            assert_true(h->seats[k].sounds + 2 >= 30 * SECOND / SOUND_US);
            assert_true(h->seats[k].longest_silence_us < 200000);
        }
        tear_down(h);
        tear_down(alone);
    }
}

static void the_picture_is_back_after_a_blackout(void **state)
{
    (void)state;
    static const unsigned layers[] = {1, 3};
    for (unsigned i = 0; i < 2; i++) {
        struct house *h = build(layers[i]);
        move_in(h, 4000000);
        struct seat *s = &h->seats[0];
        run(h, 15 * SECOND);
        s->blackout = true;
        run(h, 3 * SECOND);
        s->blackout = false;
        int64_t back_us = h->now_us;
        run(h, SECOND);
        explain(h);
        assert_true(s->picture_us > back_us);
        assert_true(s->decodes);
        run(h, 10 * SECOND);
        assert_int_equal(s->layer, layers[i] - 1);
        assert_true(s->picture_us > h->now_us - 100000);
        tear_down(h);
    }
}

static void one_layer_becomes_slides(void **state)
{
    (void)state;
    struct house *h = build(1);
    move_in(h, 100000);
    struct seat *s = &h->seats[0];
    run(h, 60 * SECOND);
    explain(h);
    assert_true(s->pictures > 4);
    assert_true(s->picture_us > h->now_us - 15 * SECOND);
    uint64_t pictures = s->pictures;
    s->link->rate_bps = 10000000;
    run(h, 20 * SECOND);
    explain(h);
    assert_true(s->pictures > pictures + 150);
    assert_true(s->picture_us > h->now_us - 100000);
    tear_down(h);
}

static void without_feedback_nothing_changes(void **state)
{
    (void)state;
    struct house *h = build(LAYERS);
    move_in(h, 20000000);
    struct seat *s = &h->seats[0];
    s->silent = true;
    run(h, 10 * SECOND);
    assert_int_equal(s->layer, 2);
    assert_int_equal(s->padding, 0);
    assert_int_equal(s->v->path->n_decisions, 0);
    assert_int_equal(s->v->pacer.rate_bps, VIEWER_PACE_BPS);
    assert_in_range(s->pictures, 295, 370);
    tear_down(h);
}

static int setup(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_link_gets_a_smaller_layer),
        cmocka_unit_test(an_unhindered_path_costs_nothing),
        cmocka_unit_test(a_busy_receiver_is_left_alone),
        cmocka_unit_test(each_at_its_best),
        cmocka_unit_test(one_is_slow_and_one_is_fast),
        cmocka_unit_test(the_picture_is_back_after_a_blackout),
        cmocka_unit_test(one_layer_becomes_slides),
        cmocka_unit_test(without_feedback_nothing_changes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
