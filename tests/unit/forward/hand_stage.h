/* hand_stage.h - one viewer that was connected by hand, the streams it has tracks of, and the
 * packets it sends, opened; on a virtual clock. For tests.
 *
 * Life: hand_new; hand_attach, hand_push, hand_run; look at `sent`; hand_free. A frame's payload
 * says which it is: its layer, its id, the packet.
 */
#pragma once

#include "rtp/forward/viewer_internal.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/dependency_descriptor.h"
#include "rtp/wire/rtcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HAND_VIDEO = 0, /* track and stream */
    HAND_AUDIO = 1,
    HAND_TRACKS = 2,
    HAND_SENT = 4000,
    HAND_H264 = 102,
    HAND_VP8 = 104,
    HAND_OPUS = 111,
    HAND_RED = 63,
    HAND_DEPENDENCY_ID = 4,
    HAND_HEAD = 16, /* bytes at the beginning of a payload */
};

#define HAND_SSRC 0x1000u /* + track */
#define HAND_RTX_SSRC 0x2000u
#define HAND_FAR_SSRC 0x3000u /* the other side's, of its reports */
#define HAND_START_US INT64_C(1000000000)

struct hand_packet {
    unsigned train, place; /* which train, and where in it */
    int64_t at_us;
    struct rtp_header header;
    size_t padding;
    uint64_t layer, id, packet, picture; /* picture: the id of its first part */
    uint64_t before_id;                  /* of sound that it brings, too; 0: none */
    size_t described_size;               /* of its dependency descriptor */
    uint8_t described[EXTENSIONS_DEPENDENCY_MAX];
};

struct hand {
    int64_t now_us;
    struct stream_news news;
    struct stream streams[HAND_TRACKS];
    struct stream_layer layers[HAND_TRACKS][FORWARDER_LAYERS_MAX];
    uint64_t next_id[HAND_TRACKS][FORWARDER_LAYERS_MAX];
    struct frame_pool *pool;
    uint16_t part;  /* of the next picture that is pushed */
    bool open;      /* its end is to come */
    bool describes; /* video has dependency descriptors, as AV1 has: a picture's parts the same */
    uint16_t number[FORWARDER_LAYERS_MAX]; /* of the newest picture */
    struct dependency_tracker tracker[FORWARDER_LAYERS_MAX];
    struct dependency_frame picture[FORWARDER_LAYERS_MAX];
    struct dtls_context *dtls;
    struct viewer *v;
    struct seal *far;
    uint32_t keyframes_wanted[FORWARDER_LAYERS_MAX];
    bool watched[HAND_TRACKS][FORWARDER_LAYERS_MAX];
    unsigned n_trains, n_sent, n_reports;         /* trains: of media */
    struct rtcp_sender_info reports[HAND_TRACKS]; /* the newest of each track */
    struct rtcp_report_block answer;              /* to a reference time of HAND_FAR_SSRC */
    struct hand_packet sent[HAND_SENT];
    uint8_t out[VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX];
};

static inline uint64_t hand_read(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void hand_on_rtcp(struct hand *h, uint8_t *data, size_t size)
{
    size = unseal_rtcp(h->far, data, size);
    assert_true(size > 0);
    const uint8_t *at = data;
    struct rtcp_packet p;
    struct rtcp_sender_info info;
    while (rtcp_next(&p, &at, &size)) {
        rtcp_read_dlrr(&p, HAND_FAR_SSRC, &h->answer);
        if (p.type != RTCP_SR || !rtcp_read_sender_info(&p, &info))
            continue;
        h->reports[info.ssrc - HAND_SSRC] = info;
        h->n_reports++;
    }
}

static inline void hand_on_rtp(struct hand *h, uint8_t *data, size_t size, unsigned place)
{
    assert_true(h->n_sent < HAND_SENT);
    struct hand_packet *p = &h->sent[h->n_sent++];
    size = unseal_rtp(h->far, data, size);
    assert_true(size > 0 && rtp_parse(&p->header, data, size));
    p->train = h->n_trains;
    p->place = place;
    p->at_us = h->now_us;
    p->padding = p->header.padding_size;
    bool rtx = p->header.ssrc >= HAND_RTX_SSRC;
    const uint8_t *payload = data + p->header.header_size + (rtx ? 2 : 0);
    assert_true(p->header.payload_size >= HAND_HEAD);
    if (p->header.payload_type == HAND_RED) { /* a block before (RFC 2198 3), and the current one */
        uint32_t head = (uint32_t)payload[0] << 24 | (uint32_t)payload[1] << 16 |
                        (uint32_t)payload[2] << 8 | payload[3];
        assert_int_equal(head >> 24, 0x80 | HAND_OPUS);
        assert_int_equal(payload[4], HAND_OPUS);
        p->before_id = hand_read(payload + 5 + 8);
        payload += 5 + (head & 0x3ff);
    }
    size_t described_size = 0;
    const uint8_t *described =
        extensions_find(p->header.extension_profile, p->header.extension, p->header.extension_size,
                        HAND_DEPENDENCY_ID, &described_size);
    p->described_size = described ? described_size : 0;
    if (described)
        memcpy(p->described, described, described_size);
    p->layer = payload[0];
    p->packet = payload[1];
    p->id = hand_read(payload + 8);
    p->picture = p->id - payload[2];
}

static inline void hand_drain(struct hand *h)
{
    struct viewer_train t;
    h->v->peer.ice.last_check_us = h->now_us; /* consent */
    while (viewer_send(h->v, &t, h->out, sizeof(h->out), h->now_us)) {
        assert_true((t.size + t.segment_size - 1) / t.segment_size == t.n_segments);
        bool media = datagram_kind(h->out, t.segment_size) == DATAGRAM_RTP;
        for (uint32_t at = 0, i = 0; at < t.size; at += t.segment_size, i++) {
            size_t size = t.size - at < t.segment_size ? t.size - at : t.segment_size;
            if (media)
                hand_on_rtp(h, h->out + at, size, i);
            else
                hand_on_rtcp(h, h->out + at, size);
        }
        h->n_trains += media;
    }
    assert_true(viewer_next_timeout(h->v, h->now_us) > h->now_us);
}

/* What the source is told. */
static inline void hand_take_news(struct hand *h)
{
    struct stream *s;
    while ((s = stream_news_take(&h->news))) {
        for (unsigned i = 0; i < s->n_layers; i++) {
            h->keyframes_wanted[i] += s->keyframe_requests[i];
            s->keyframe_requests[i] = 0;
            h->watched[s - h->streams][i] = s->watchers[i] > 0;
        }
    }
}

static inline void hand_run(struct hand *h, int64_t for_us)
{
    int64_t end_us = h->now_us + for_us;
    hand_drain(h);
    for (int64_t at; (at = viewer_next_timeout(h->v, h->now_us)) <= end_us;) {
        h->now_us = at;
        viewer_on_timeout(h->v, h->now_us);
        hand_drain(h);
    }
    h->now_us = end_us;
    hand_take_news(h);
}

static inline void hand_describe(struct hand *h, unsigned layer, struct frame *f)
{
    struct dependency_structure s;
    dependency_structure_init(&s, 3);
    if (f->id == 1)
        dependency_tracker_init(&h->tracker[layer], 3);
    if (f->part == 0)
        assert_true(dependency_next(&h->tracker[layer], &h->picture[layer], ++h->number[layer],
                                    f->temporal_id, f->keyframe));
    struct dependency_descriptor d = {.frame_number = h->number[layer], .frame = h->picture[layer]};
    f->dependency_size = (uint8_t)dependency_write(f->dependency, sizeof(f->dependency), &d, &s);
    d.has_structure = true;
    if (f->keyframe)
        f->dependency_full_size =
            (uint8_t)dependency_write(f->dependency_full, sizeof(f->dependency_full), &d, &s);
    assert_true(f->dependency_size >= DEPENDENCY_MIN_SIZE);
}

/* `sizes` of its packets. */
static inline void hand_push_sizes(struct hand *h, unsigned track, unsigned layer, bool keyframe,
                                   const uint16_t *sizes, uint16_t n, uint8_t temporal_id)
{
    struct frame *f = frame_get(h->pool);
    assert_non_null(f);
    f->id = ++h->next_id[track][layer];
    f->codec = track == HAND_VIDEO ? PAYLOAD_H264 : PAYLOAD_OPUS;
    f->captured_us = h->now_us;
    f->rtp_ts = (uint32_t)(track == HAND_VIDEO ? h->now_us * 9 / 100 : h->now_us * 48 / 1000);
    f->keyframe = keyframe;
    f->temporal_id = temporal_id;
    f->part = h->part;
    f->ends = !h->open;
    if (f->part > 0) {
        const struct frame *before = stream_frame(&h->streams[track], layer, f->id - 1);
        f->captured_us = before->captured_us;
        f->rtp_ts = before->rtp_ts;
    }
    for (uint16_t i = 0; i < n; i++) {
        uint8_t *at = f->payload.data + f->payload.size;
        memset(at, 0, sizes[i]);
        at[0] = (uint8_t)layer;
        at[1] = (uint8_t)i;
        at[2] = (uint8_t)f->part;
        memcpy(at + 8, &f->id, 8);
        f->payload.packets[i] = (struct packetize_packet){
            .offset = f->payload.size, .size = sizes[i], .marker = f->ends && i + 1 == n};
        f->payload.size += sizes[i];
    }
    f->payload.n_packets = n;
    if (h->describes && track == HAND_VIDEO)
        hand_describe(h, layer, f);
    uint8_t gone_before = h->streams[track].gone;
    stream_push(&h->streams[track], layer, f);
    if (h->streams[track].gone != gone_before)
        viewer_on_attach(h->v, &h->streams[track], h->now_us);
    if (viewer_wants_layer(h->v, &h->streams[track], layer)) {
        viewer_on_frame(h->v, &h->streams[track], h->now_us);
        hand_drain(h);
    }
    hand_take_news(h);
}

/* A picture of `n` packets of 1000 bytes. */
static inline void hand_push(struct hand *h, unsigned layer, bool keyframe, uint16_t n)
{
    uint16_t sizes[64] = {0}; /* of none when n is 0 */
    for (unsigned i = 0; i < n; i++)
        sizes[i] = 1000;
    hand_push_sizes(h, HAND_VIDEO, layer, keyframe, sizes, n, 0);
}

/* The next part of a picture, of which all the others have been pushed; n 0: the rest does not
 * come. */
static inline void hand_push_part(struct hand *h, unsigned layer, bool keyframe, uint16_t n,
                                  uint16_t part, bool open)
{
    h->part = part;
    h->open = open;
    hand_push(h, layer, keyframe, n);
    h->part = 0;
    h->open = false;
}

static inline void hand_push_sound(struct hand *h)
{
    hand_push_sizes(h, HAND_AUDIO, 0, true, &(const uint16_t){150}, 1, 0);
}

static inline void hand_attach(struct hand *h, unsigned track, unsigned n_layers)
{
    memset(h->layers[track], 0, sizeof(h->layers[track]));
    stream_attach(&h->streams[track], h->layers[track], n_layers);
    viewer_on_attach(h->v, &h->streams[track], h->now_us);
    hand_take_news(h);
}

static inline void hand_detach(struct hand *h, unsigned track)
{
    viewer_on_detach(h->v, &h->streams[track]);
    stream_detach(&h->streams[track]);
    hand_drain(h);
}

static inline void hand_select(struct hand *h, int layer, int max_temporal, bool paused)
{
    viewer_select(
        h->v, &h->streams[HAND_VIDEO],
        &(struct viewer_selection){.layer = layer, .max_temporal = max_temporal, .paused = paused},
        h->now_us);
    hand_drain(h);
    hand_take_news(h);
}

static inline void hand_pli(struct hand *h)
{
    uint8_t pli[64];
    size_t size = rtcp_write_pli(pli, sizeof(pli), 1, HAND_SSRC);
    viewer_on_rtcp(h->v, pli, size, h->now_us);
    hand_drain(h);
    hand_take_news(h);
}

static inline struct hand *hand_new(bool rtx)
{
    struct hand *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    h->now_us = HAND_START_US;
    h->pool = frame_pool_new(1 << 17, 200);
    assert_int_equal(dtls_context_create(&h->dtls), 0);
    struct viewer_config config = {
        .id = 1,
        .seed = 7,
        .cname = "hand",
        .peer = {.role = DTLS_SERVER, .n_fingerprints = 1, .fingerprints = {{.hash_size = 32}}},
        .n_tracks = HAND_TRACKS,
    };
    struct stream *streams[HAND_TRACKS];
    for (unsigned i = 0; i < HAND_TRACKS; i++) {
        bool video = i == HAND_VIDEO;
        streams[i] = &h->streams[i];
        stream_init(&h->streams[i], i + 1, video ? FORWARDER_VIDEO : FORWARDER_AUDIO, &h->news);
        config.tracks[i] = (struct viewer_track_config){
            .stream_id = i + 1,
            .kind = h->streams[i].kind,
            .ssrc = HAND_SSRC + i,
            .rtx_ssrc = HAND_RTX_SSRC + i,
            .extensions = {.transport_cc = 3,
                           .mid = 1,
                           .dependency = video ? HAND_DEPENDENCY_ID : 0},
            .mid = {(char)('0' + i)},
        };
        config.tracks[i].red_payload_type = video ? 0 : HAND_RED;
        config.tracks[i].formats[video ? PAYLOAD_H264 : PAYLOAD_OPUS] =
            (struct viewer_format){video ? HAND_H264 : HAND_OPUS, video && rtx ? 103 : 0};
    }
    struct viewer *v = h->v = malloc(viewer_size(HAND_TRACKS));
    assert_non_null(v);
    assert_int_equal(viewer_init(v, &config, streams, h->dtls, 0, h->now_us), 0);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    assert_int_equal(seal_create(&v->peer.seal, &keys), 0);
    assert_int_equal(seal_create(&h->far, &keys), 0);
    v->peer.ice.selected = true;
    assert_true(address_parse(&v->peer.ice.remote, "192.0.2.1", 1000));
    v->peer.state = PEER_CONNECTED;
    v->peer.deadline_us = INT64_MAX;
    viewer_set_state(v, VIEWER_DTLS, h->now_us);
    viewer_on_timeout(v, h->now_us);
    assert_int_equal(v->state, VIEWER_WAIT_KEYFRAME);
    return h;
}

static inline void hand_free(struct hand *h)
{
    viewer_finish(h->v);
    free(h->v);
    for (unsigned i = 0; i < HAND_TRACKS; i++)
        stream_detach(&h->streams[i]);
    seal_destroy(h->far);
    frame_pool_close(h->pool);
    dtls_context_destroy(h->dtls);
    free(h);
}

/* Sequence numbers of each track are contiguous; its timestamps do not go back, and rise from
 * picture to picture. */
static inline void hand_check(const struct hand *h)
{
    for (unsigned track = 0; track < HAND_TRACKS; track++) {
        const struct hand_packet *before = NULL;
        for (unsigned i = 0; i < h->n_sent; i++) {
            const struct hand_packet *p = &h->sent[i];
            if (p->header.ssrc != HAND_SSRC + track)
                continue;
            if (before) {
                assert_int_equal(p->header.seq, (uint16_t)(before->header.seq + 1));
                int32_t ahead = (int32_t)(p->header.timestamp - before->header.timestamp);
                bool same = p->picture == before->picture &&
                            (p->id == before->id + 1 || p->packet == before->packet + 1);
                assert_true(same ? ahead == 0 : ahead > 0);
            }
            before = p;
        }
    }
}
