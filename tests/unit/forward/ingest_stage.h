/* ingest_stage.h - a publisher that was connected by hand, its lossy path and what comes out of it,
 * on a virtual clock. For tests.
 *
 * The publisher sends units whose bytes follow from their numbers, keeps its packets and sends them
 * again when asked (RTX, or as they were), and makes a keyframe when asked. Every frame that is
 * published is put together again and compared with what was sent, byte for byte; what is wrong
 * ends the program.
 *
 * Life: ingest_stage_new, ingest_stage_run, ingest_stage_free.
 */
#pragma once

#include "rtp/forward/ingest_internal.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"
#include "rtp/wire/rtcp.h"
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STAGE_START_US INT64_C(1000000000)
#define STAGE_FLOWS 4
#define STAGE_WINDOW 2048
#define STAGE_UNIT_MAX 100000
#define STAGE_MID_ID 4
#define STAGE_RID_ID 10
#define STAGE_REPAIRED_ID 11
#define STAGE_TRANSPORT_ID 3
/* Around what the ingest does, for who watches it. */
#ifndef STAGE_ENTER
#define STAGE_ENTER()
#define STAGE_LEAVE()
#endif
#define STAGE_SENDER_AHEAD_US INT64_C(5000000000) /* the publisher's clock before ours */

struct stage_packet {
    bool full, marker;
    uint16_t size;
    uint32_t timestamp;
    uint8_t payload[PACKETIZE_MAX_PAYLOAD];
};

struct stage_flow {
    /* the test's, before it sends */
    enum payload_codec codec;
    uint32_t ssrc, rtx_ssrc; /* 0: no RTX */
    uint8_t payload_type, rtx_payload_type;
    const char *mid, *rid; /* NULL: it says none */
    uint16_t width, height;
    int64_t every_us; /* from frame to frame */
    size_t unit_size;
    uint32_t timestamp_offset;
    uint16_t seq, rtx_seq;
    bool silent; /* for now */
    bool deaf;   /* to what it is asked */

    uint64_t next_number;
    int64_t next_us;
    bool wants_keyframe;
    struct stage_packet window[STAGE_WINDOW];
    uint64_t keyframes, resent, plis, nacks;

    /* what came out */
    uint64_t frames, newest; /* newest: number + 1 */
    uint64_t last_keyframe;
    unsigned layer; /* of the newest frame */
    int64_t captured_us;
    int64_t error_us; /* of its instant, at most: on our clock, without the path */
};

/* One that is being published. */
struct stage_picture {
    uint32_t stream_id;
    unsigned layer;
    uint16_t n_parts; /* so far; 0: none is open */
    bool keyframe;
    int64_t captured_us;
    struct payload_assembler assembler;
    uint8_t unit[STAGE_UNIT_MAX + 1000];
};

struct ingest_stage {
    int64_t now_us;
    uint64_t random;
    struct dtls_context *dtls;
    struct ingest *in;
    struct seal *far;
    struct address address;
    struct sim_path up, down;
    double duplicates; /* of what is sent, twice */
    uint64_t up_bps;   /* what its uplink takes; 0: anything at once */
    int64_t up_us;     /* when that has sent everything */
    uint16_t transport_seq;
    bool no_reports, no_compare;
    int64_t report_us;
    unsigned n_flows;
    struct stage_flow flows[STAGE_FLOWS];
    unsigned n_pictures;
    struct stage_picture pictures[STAGE_FLOWS];
    uint64_t parts, broken; /* parts: frames that are not whole pictures */
    uint64_t feedbacks, reports, rembs, remb_bps, byes, rtcp;
    struct rtcp_report_block block; /* of the newest report, the first */
};

/* --- units --- */

/* With its size, which takes no byte more than it needs, as an assembler writes it; the payload is
 * to follow. */
static inline size_t stage_put_obu(uint8_t *out, enum av1_obu_type type, size_t size)
{
    size_t n = 0;
    out[n++] = (uint8_t)(type << 3 | 2);
    for (; size > 0x7f; size >>= 7)
        out[n++] = (uint8_t)(size | 0x80);
    out[n++] = (uint8_t)size;
    return n;
}

/* A sequence header of 640x360, and a frame header that goes on with the number. */
static inline size_t stage_put_av1(uint8_t *out, bool keyframe)
{
    static const uint8_t sequence[] = {0, 0, 0, 0x24, 0xc4, 0xff, 0x67, 0x80};
    size_t n = 0;
    if (keyframe) {
        n = stage_put_obu(out, AV1_SEQUENCE_HEADER, sizeof(sequence));
        memcpy(out + n, sequence, sizeof(sequence));
        n += sizeof(sequence);
    }
    n += stage_put_obu(out + n, AV1_FRAME_HEADER, 1 + 8);
    out[n++] = keyframe ? 0x10 : 0x30; /* shown; its type */
    return n;
}

static inline size_t stage_put_head(uint8_t *out, const struct stage_flow *f, bool keyframe)
{
    static const uint8_t sets[] = {0,    0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8d, 0x8d,
                                   0x40, 0, 0, 0, 1,    0x68, 0xce, 0x3c, 0x80};
    if (f->codec == PAYLOAD_H264) {
        size_t n = keyframe ? sizeof(sets) : 0;
        memcpy(out, sets, n);
        memcpy(out + n, (uint8_t[]){0, 0, 0, 1, keyframe ? 0x65 : 0x41}, 5);
        return n + 5;
    }
    if (f->codec == PAYLOAD_VP8) {
        memcpy(out, (uint8_t[]){keyframe ? 0x10 : 0x11, 2, 0}, 3);
        if (!keyframe)
            return 3;
        memcpy(out + 3, (uint8_t[]){0x9d, 0x01, 0x2a}, 3);
        out[6] = (uint8_t)f->width;
        out[7] = (uint8_t)(f->width >> 8);
        out[8] = (uint8_t)f->height;
        out[9] = (uint8_t)(f->height >> 8);
        return 10;
    }
    if (f->codec == PAYLOAD_VP9) { /* 640x360 */
        memcpy(out, keyframe ? "\x82\x49\x83\x42\x40\x27\xf0\x16\x70\xff" : "\x86",
               keyframe ? 10 : 1);
        return keyframe ? 10 : 1;
    }
    if (f->codec == PAYLOAD_AV1)
        return stage_put_av1(out, keyframe);
    assert(f->codec == PAYLOAD_OPUS);
    out[0] = 0x78; /* one frame of 20 ms (RFC 6716 3.1) */
    return 1;
}

/* No byte of the body is 0, so that it holds no start code. With AV1 two tile groups. */
static inline size_t stage_make_unit(uint8_t *out, const struct stage_flow *f, uint64_t number,
                                     bool keyframe)
{
    size_t n = stage_put_head(out, f, keyframe);
    uint64_t random = f->ssrc ^ number << 20;
    size_t body = f->unit_size / 2 + sim_random(&random) % f->unit_size;
    body *= keyframe && f->codec != PAYLOAD_OPUS ? 4 : 1;
    assert(n + 8 + body + 8 <= STAGE_UNIT_MAX);
    for (int i = 7; i >= 0; i--)
        out[n++] = (uint8_t)((number >> 7 * i & 0x7f) | 0x80);
    for (size_t i = 0; i < body; i++) {
        if (f->codec == PAYLOAD_AV1 && (i == 0 || i == body / 3))
            n += stage_put_obu(out + n, AV1_TILE_GROUP, i == 0 ? body / 3 : body - body / 3);
        out[n++] = (uint8_t)(1 + ((random + i * 7919) ^ (i >> 3)) % 255);
    }
    return n;
}

static inline uint64_t stage_number_of(const uint8_t *unit, size_t size, size_t head)
{
    uint64_t number = 0;
    assert(size > head + 8);
    for (size_t i = 0; i < 8; i++)
        number = number << 7 | (unit[head + i] & 0x7fu);
    return number;
}

/* --- what comes out --- */

static inline struct stage_picture *stage_picture_of(struct ingest_stage *s, uint32_t stream_id,
                                                     unsigned layer)
{
    for (unsigned i = 0; i < s->n_pictures; i++) {
        if (s->pictures[i].stream_id == stream_id && s->pictures[i].layer == layer)
            return &s->pictures[i];
    }
    assert(s->n_pictures < STAGE_FLOWS);
    struct stage_picture *p = &s->pictures[s->n_pictures++];
    p->stream_id = stream_id;
    p->layer = layer;
    return p;
}

/* Puts the frame to its picture. The size of the unit, if it ends there; 0: its rest is to come,
 * or does not come. */
static inline size_t stage_put_part(struct ingest_stage *s, struct stage_picture *picture,
                                    const struct frame *frame)
{
    const struct packetize *p = &frame->payload;
    assert(frame->part == picture->n_parts && !(frame->part > 0 && frame->keyframe));
    if (frame->part == 0) {
        picture->keyframe = frame->keyframe;
        picture->captured_us = frame->captured_us;
        payload_assemble_begin(&picture->assembler, (enum payload_codec)frame->codec, picture->unit,
                               sizeof(picture->unit));
    }
    assert(frame->captured_us == picture->captured_us);
    assert(frame->codec == picture->assembler.codec);
    for (unsigned i = 0; i < p->n_packets; i++) {
        /* what GSO needs */
        assert(frame->codec == PAYLOAD_H264 || i + 1 == p->n_packets ||
               p->packets[i].size == p->packets[0].size);
        assert(p->packets[i].size <= PACKETIZE_MAX_PAYLOAD);
        bool last = frame->ends && i + 1 == p->n_packets;
        assert(frame->codec == PAYLOAD_OPUS || p->packets[i].marker == last);
        payload_assemble(&picture->assembler, p->data + p->packets[i].offset, p->packets[i].size);
    }
    s->parts += frame->part > 0 || !frame->ends;
    s->broken += p->n_packets == 0;
    picture->n_parts = frame->ends ? 0 : (uint16_t)(frame->part + 1);
    if (!frame->ends || p->n_packets == 0)
        return 0;
    size_t size = payload_assemble_end(&picture->assembler);
    assert(size > 0);
    return size;
}

/* Whose unit it is. */
static inline struct stage_flow *stage_flow_of(struct ingest_stage *s, const struct frame *frame,
                                               bool keyframe, const uint8_t *unit, size_t size,
                                               uint64_t *number)
{
    static uint8_t expected[STAGE_UNIT_MAX], head[64];
    for (unsigned i = 0; i < s->n_flows; i++) {
        struct stage_flow *f = &s->flows[i];
        if (f->codec != frame->codec)
            continue;
        *number = stage_number_of(unit, size, stage_put_head(head, f, keyframe));
        if (*number < f->next_number && stage_make_unit(expected, f, *number, keyframe) == size &&
            memcmp(expected, unit, size) == 0)
            return f;
    }
    return NULL;
}

static inline void stage_on_frame(void *arg, uint32_t stream_id, unsigned layer,
                                  struct frame *frame)
{
    struct ingest_stage *s = arg;
    struct stage_picture *picture = stage_picture_of(s, stream_id, layer);
    uint64_t number;
    size_t size = stage_put_part(s, picture, frame);
    bool keyframe = picture->keyframe;
    struct stage_flow *f = s->no_compare || size == 0
                               ? NULL
                               : stage_flow_of(s, frame, keyframe, picture->unit, size, &number);
    assert(f || s->no_compare || size == 0);
    if (f) {
        assert(number + 1 > f->newest && frame->captured_us > f->captured_us);
        bool gap = number != f->newest;
        assert(!gap || keyframe); /* nothing refers to what was lost */
        f->newest = number + 1;
        f->frames++;
        f->layer = layer;
        f->captured_us = frame->captured_us;
        if (keyframe)
            f->last_keyframe = number;
        uint32_t clock = frame->codec == PAYLOAD_OPUS ? 48 : 90;
        assert(frame->rtp_ts == (uint32_t)(frame->captured_us * clock / 1000));
        int64_t taken_us = STAGE_START_US + (int64_t)number * f->every_us;
        int64_t off_us = frame->captured_us - s->up.config.delay_us - taken_us;
        off_us = off_us < 0 ? -off_us : off_us;
        if (s->now_us > STAGE_START_US + 3000000 && off_us > f->error_us)
            f->error_us = off_us;
    }
    frame_unref(frame);
}

/* --- the publisher --- */

static inline uint8_t *stage_put_label(uint8_t *at, uint8_t id, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    if (size == 0)
        return at;
    *at++ = (uint8_t)(id << 4 | (size - 1));
    memcpy(at, text, size);
    return at + size;
}

/* One packet onto the wire. */
static inline void stage_send(struct ingest_stage *s, const struct stage_flow *f, bool rtx,
                              uint16_t seq, uint32_t timestamp, bool marker, const uint8_t *payload,
                              size_t size)
{
    uint8_t out[SIM_DATAGRAM_MAX + 100];
    struct rtp_header h = {.marker = marker,
                           .payload_type = rtx ? f->rtx_payload_type : f->payload_type,
                           .seq = seq,
                           .timestamp = timestamp,
                           .ssrc = rtx ? f->rtx_ssrc : f->ssrc};
    rtp_write(out, &h, true);
    uint8_t *at = out + RTP_HEADER_SIZE + 4;
    *at++ = STAGE_TRANSPORT_ID << 4 | 1;
    put_u16(at, s->transport_seq++);
    at = stage_put_label(at + 2, STAGE_MID_ID, f->mid);
    at = stage_put_label(at, rtx ? STAGE_REPAIRED_ID : STAGE_RID_ID, f->rid);
    while ((at - out) % 4 != 0)
        *at++ = 0;
    put_u16(out + RTP_HEADER_SIZE, 0xbede);
    put_u16(out + RTP_HEADER_SIZE + 2, (uint16_t)((at - out - RTP_HEADER_SIZE) / 4 - 1));
    size_t n = seal_rtp(s->far, out, (size_t)(at - out), payload, size);
    assert(n > 0 && n <= SIM_DATAGRAM_MAX);
    int64_t at_us = s->now_us;
    if (s->up_bps > 0) {
        s->up_us = (s->up_us > at_us ? s->up_us : at_us) + (int64_t)(n * 8000000 / s->up_bps);
        at_us = s->up_us;
    }
    sim_path_send(&s->up, out, n, at_us);
    if (sim_random_unit(&s->random) < s->duplicates)
        sim_path_send(&s->up, out, n, at_us);
}

static inline uint32_t stage_clock(const struct stage_flow *f)
{
    return f->codec == PAYLOAD_OPUS ? 48000 : 90000;
}

static inline uint32_t stage_timestamp(const struct stage_flow *f, int64_t at_us)
{
    return (uint32_t)((at_us - STAGE_START_US) * (stage_clock(f) / 1000) / 1000) +
           f->timestamp_offset;
}

static inline void stage_send_unit(struct ingest_stage *s, struct stage_flow *f, bool keyframe)
{
    static uint8_t unit[STAGE_UNIT_MAX], room[2 * STAGE_UNIT_MAX];
    static struct packetize_packet packets[512];
    struct packetize p = {
        .data = room, .capacity = sizeof(room), .packets = packets, .max_packets = 512};
    size_t size = stage_make_unit(unit, f, f->next_number++, keyframe);
    int rc = payload_packetize(f->codec, &p, unit, size, PACKETIZE_MAX_PAYLOAD - 37);
    assert(rc == 0);
    f->keyframes += keyframe;
    uint32_t timestamp = stage_timestamp(f, s->now_us);
    for (unsigned i = 0; i < p.n_packets; i++) {
        struct stage_packet *kept = &f->window[f->seq % STAGE_WINDOW];
        *kept = (struct stage_packet){.full = true,
                                      .marker = packets[i].marker,
                                      .size = packets[i].size,
                                      .timestamp = timestamp};
        memcpy(kept->payload, room + packets[i].offset, packets[i].size);
        stage_send(s, f, false, f->seq++, timestamp, kept->marker, kept->payload, kept->size);
    }
}

static inline void stage_resend(struct ingest_stage *s, struct stage_flow *f, uint16_t seq)
{
    uint8_t wrapped[PACKETIZE_MAX_PAYLOAD + 2];
    const struct stage_packet *p = &f->window[seq % STAGE_WINDOW];
    assert(p->full && (uint16_t)(f->seq - seq) <= STAGE_WINDOW); /* nobody asks for what was not */
    f->resent++;
    if (f->rtx_ssrc == 0) {
        stage_send(s, f, false, seq, p->timestamp, p->marker, p->payload, p->size);
        return;
    }
    put_u16(wrapped, seq);
    memcpy(wrapped + 2, p->payload, p->size);
    stage_send(s, f, true, f->rtx_seq++, p->timestamp, p->marker, wrapped, p->size + 2u);
}

static inline struct stage_flow *stage_find(struct ingest_stage *s, uint32_t ssrc)
{
    for (unsigned i = 0; i < s->n_flows; i++) {
        if (s->flows[i].ssrc == ssrc)
            return &s->flows[i];
    }
    return NULL;
}

static inline void stage_on_feedback(struct ingest_stage *s, const struct rtcp_packet *p)
{
    struct rtcp_feedback fb;
    uint16_t seqs[512];
    bool ok = rtcp_read_feedback(p, &fb);
    assert(ok);
    uint64_t bps;
    struct rtcp_transport_cc t;
    if (p->type == RTCP_PSFB && p->count == RTCP_AFB && rtcp_read_remb(&fb, &bps)) {
        s->rembs++;
        s->remb_bps = bps;
        return;
    }
    if (p->type == RTCP_RTPFB && p->count == RTCP_TRANSPORT_CC) {
        assert(rtcp_read_transport_cc(&fb, &t));
        s->feedbacks++;
        return;
    }
    struct stage_flow *f = stage_find(s, fb.media_ssrc);
    assert(f || s->no_compare);
    if (!f)
        return; /* it is sent by hand */
    if (p->type == RTCP_PSFB) {
        assert(p->count == RTCP_PLI);
        f->plis++;
        f->wants_keyframe = f->wants_keyframe || !f->deaf;
        return;
    }
    assert(p->count == RTCP_NACK);
    size_t n = rtcp_read_nack(&fb, seqs, 512);
    f->nacks += n;
    for (size_t i = 0; i < n && !f->deaf; i++)
        stage_resend(s, f, seqs[i]);
}

static inline void stage_on_rtcp(struct ingest_stage *s, const uint8_t *data, size_t size)
{
    struct rtcp_packet p;
    while (rtcp_next(&p, &data, &size)) {
        s->rtcp++;
        s->byes += p.type == RTCP_BYE;
        s->reports += p.type == RTCP_RR;
        if (p.type == RTCP_RR && p.count > 0)
            (void)rtcp_read_block(&p, 0, &s->block);
        if (p.type == RTCP_RTPFB || p.type == RTCP_PSFB)
            stage_on_feedback(s, &p);
    }
    assert(size == 0);
}

static inline void stage_send_rtcp(struct ingest_stage *s, uint8_t *packet, size_t size)
{
    size = seal_rtcp(s->far, packet, size, size + SEAL_TRAILER_MAX);
    assert(size > 0);
    sim_path_send(&s->up, packet, size, s->now_us);
}

static inline void stage_report(struct ingest_stage *s)
{
    for (unsigned i = 0; i < s->n_flows; i++) {
        const struct stage_flow *f = &s->flows[i];
        uint8_t out[100];
        struct rtcp_sender_info info = {
            .ssrc = f->ssrc,
            .ntp = rtcp_ntp_from_unix_us(s->now_us + STAGE_SENDER_AHEAD_US),
            .rtp_timestamp = stage_timestamp(f, s->now_us)};
        size_t size = rtcp_write_sr(out, sizeof(out) - SEAL_TRAILER_MAX, &info);
        if (!f->silent)
            stage_send_rtcp(s, out, size);
    }
}

static inline void stage_present(struct ingest_stage *s)
{
    for (unsigned i = 0; i < s->n_flows; i++) {
        struct stage_flow *f = &s->flows[i];
        if (s->now_us < f->next_us)
            continue;
        f->next_us += f->every_us;
        if (f->silent) {
            f->next_number++; /* time passes for it, too */
            continue;
        }
        bool keyframe = f->codec == PAYLOAD_OPUS || f->keyframes == 0 || f->wants_keyframe;
        f->wants_keyframe = false;
        stage_send_unit(s, f, keyframe);
    }
    if (s->now_us >= s->report_us && !s->no_reports) {
        s->report_us = s->now_us + 1000000;
        stage_report(s);
    }
}

/* --- running --- */

static inline void stage_drain(struct ingest_stage *s)
{
    uint8_t out[INGEST_DATAGRAM_MAX];
    struct address to;
    size_t size;
    unsigned n = 0;
    for (;;) {
        STAGE_ENTER();
        size = ingest_send(s->in, out, sizeof(out), &to, s->now_us);
        STAGE_LEAVE();
        if (size == 0)
            break;
        assert(size <= INGEST_DATAGRAM_MAX && ++n < 1000);
        assert(address_equal(&to, &s->address));
        sim_path_send(&s->down, out, size, s->now_us);
    }
}

static inline void stage_settle(struct ingest_stage *s)
{
    unsigned n = 0;
    stage_drain(s);
    while (ingest_next_timeout(s->in, s->now_us) <= s->now_us) {
        assert(++n < 1000); /* it spins */
        STAGE_ENTER();
        ingest_on_timeout(s->in, s->now_us);
        STAGE_LEAVE();
        stage_drain(s);
    }
}

static inline int64_t stage_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t stage_next(struct ingest_stage *s)
{
    int64_t next = stage_earlier(sim_path_next_timeout(&s->up), sim_path_next_timeout(&s->down));
    next = stage_earlier(next, ingest_next_timeout(s->in, s->now_us));
    if (!s->no_reports)
        next = stage_earlier(next, s->report_us);
    for (unsigned i = 0; i < s->n_flows; i++)
        next = stage_earlier(next, s->flows[i].next_us);
    return next;
}

static inline void ingest_stage_run(struct ingest_stage *s, int64_t for_us)
{
    int64_t end_us = s->now_us + for_us;
    for (;;) {
        stage_present(s);
        for (struct sim_datagram *d; (d = sim_path_receive(&s->up, s->now_us)); free(d)) {
            STAGE_ENTER();
            ingest_on_datagram(s->in, d->data, d->size, &s->address, s->now_us);
            STAGE_LEAVE();
            stage_drain(s);
        }
        stage_settle(s);
        for (struct sim_datagram *d; (d = sim_path_receive(&s->down, s->now_us)); free(d)) {
            size_t plain = unseal_rtcp(s->far, d->data, d->size);
            if (plain > 0)
                stage_on_rtcp(s, d->data, plain);
        }
        int64_t next_us = stage_next(s);
        if (next_us > end_us)
            break;
        s->now_us = next_us > s->now_us ? next_us : s->now_us;
    }
    s->now_us = end_us;
}

/* --- life --- */

/* Connected from the start, with keys of the test's. */
static inline struct ingest_stage *ingest_stage_new(const struct ingest_config *config,
                                                    const struct sim_path_config *path,
                                                    uint64_t seed)
{
    struct ingest_stage *s = calloc(1, sizeof(*s));
    struct ingest_config c = *config;
    assert(s);
    s->now_us = s->report_us = STAGE_START_US;
    s->random = seed;
    int rc = cipher_install(CIPHER_AUTO);
    assert(rc == 0);
    rc = dtls_context_create(&s->dtls);
    assert(rc == 0);
    bool ok = address_parse(&s->address, "192.0.2.7", 50000);
    assert(ok);
    c.peer = (struct peer_config){.full_ice = true, /* no checks are sent */
                                  .role = DTLS_SERVER,
                                  .n_fingerprints = 1,
                                  .fingerprints = {{.hash_size = 32}}};
    rc = ingest_create(&s->in, &c, s->dtls, stage_on_frame, s, s->now_us);
    assert(rc == 0);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    rc = seal_create(&s->in->peer.seal, &keys);
    assert(rc == 0);
    rc = seal_create(&s->far, &keys);
    assert(rc == 0);
    s->in->peer.ice.selected = s->in->peer.ice.proved = true;
    s->in->peer.ice.remote = s->address;
    s->in->peer.state = PEER_CONNECTED;
    s->in->peer.deadline_us = INT64_MAX;
    ingest_on_timeout(s->in, s->now_us);
    assert(ingest_state(s->in) == INGEST_WAIT_MEDIA);
    sim_path_init(&s->up, path, sim_random(&s->random));
    sim_path_init(&s->down, path, sim_random(&s->random));
    return s;
}

static inline void ingest_stage_free(struct ingest_stage *s)
{
    ingest_destroy(s->in);
    seal_destroy(s->far);
    sim_path_finish(&s->up);
    sim_path_finish(&s->down);
    dtls_context_destroy(s->dtls);
    free(s);
}

/* What it sends from the next step on. */
static inline struct stage_flow *ingest_stage_add(struct ingest_stage *s,
                                                  const struct stage_flow *flow)
{
    assert(s->n_flows < STAGE_FLOWS);
    struct stage_flow *f = &s->flows[s->n_flows++];
    *f = *flow;
    f->next_us = s->now_us;
    f->captured_us = INT64_MIN;
    return f;
}
