#include "tests/sim/receiver.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/extensions.h"
#include "rtp/wire/rtp.h"
#include "tests/sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SENDER_SSRC 1 /* a receiver that sends no media, as Chromium names itself */
#define PLI_GAP_US 300000
#define FIRST_KEYFRAME_US 500000 /* until it asks for the first one */
#define RECEIVER_UFRAG "rcvr"

static int init_track(struct receiver_track *t, const struct receiver_track_config *config,
                      int64_t rtt_us)
{
    t->config = *config;
    nack_init(&t->nack);
    nack_set_rtt(&t->nack, rtt_us);
    receive_init(&t->receive, config->ssrc, RTP_VIDEO_CLOCK_HZ);
    receive_init(&t->receive_rtx, config->rtx_ssrc, RTP_VIDEO_CLOCK_HZ);
    t->window = calloc(RECEIVER_WINDOW, sizeof(*t->window));
    t->frame = malloc(RECEIVER_FRAME_MAX);
    t->wants_keyframe = true;
    t->pli_us = INT64_MAX;
    return t->window && t->frame ? 0 : -ENOMEM;
}

int receiver_init(struct receiver *r, const struct receiver_config *config, uint64_t seed,
                  int64_t now_us)
{
    memset(r, 0, sizeof(*r));
    r->config = *config;
    r->random = seed;
    r->check_us = now_us;
    r->report_us = INT64_MAX;
    r->asks = true;
    twcc_feedback_init(&r->twcc);
    int rc = dtls_create(&r->dtls, config->dtls, config->role, &config->fingerprint, 1);
    for (unsigned i = 0; rc == 0 && i < config->n_tracks; i++)
        rc = init_track(&r->tracks[i], &config->tracks[i], config->rtt_us);
    if (rc != 0)
        receiver_finish(r);
    return rc;
}

void receiver_finish(struct receiver *r)
{
    for (unsigned i = 0; i < RECEIVER_TRACKS_MAX; i++) {
        free(r->tracks[i].window);
        free(r->tracks[i].frame);
    }
    dtls_destroy(r->dtls);
    seal_destroy(r->seal);
    memset(r, 0, sizeof(*r));
}

bool receiver_is_connected(const struct receiver *r)
{
    return r->seal != NULL;
}

/* --- frames, from packets in order --- */

static void lose_frame(struct receiver *r, struct receiver_track *t, int64_t now_us)
{
    if (t->in_frame)
        r->frames_broken++;
    t->in_frame = false;
    if (!t->wants_keyframe)
        t->pli_us = now_us;
    t->wants_keyframe = true;
}

static void finish_frame(struct receiver *r, struct receiver_track *t, int64_t now_us)
{
    struct h264_assembler *a = &t->assembler;
    bool whole = h264_assemble_end(a);
    if (!whole || (t->starting && (a->size < 5 || (a->data[4] & 0x1f) != H264_SPS))) {
        lose_frame(r, t, now_us);
        return;
    }
    t->in_frame = false;
    r->frames++;
    struct receiver_frame frame = {
        .track = (unsigned)(t - r->tracks),
        .timestamp = t->timestamp,
        .data = a->data,
        .size = a->size,
    };
    r->config.on_frame(r->config.arg, &frame);
}

static void take_packet(struct receiver *r, struct receiver_track *t,
                        const struct receiver_packet *p, int64_t now_us)
{
    if (t->in_frame && t->timestamp != p->timestamp)
        lose_frame(r, t, now_us); /* its end never came */
    if (!t->in_frame) {
        if (t->wants_keyframe && !h264_payload_starts_keyframe(p->payload, p->size))
            return;
        t->starting = t->wants_keyframe;
        t->wants_keyframe = false;
        t->in_frame = true;
        t->timestamp = p->timestamp;
        h264_assemble_begin(&t->assembler, t->frame, RECEIVER_FRAME_MAX);
    }
    h264_assemble(&t->assembler, p->payload, p->size);
    if (p->marker)
        finish_frame(r, t, now_us);
}

static bool is_awaited(const struct receiver_track *t, uint16_t seq)
{
    for (unsigned i = 0; i < t->nack.count; i++) {
        if (t->nack.entry[i].seq == seq)
            return true;
    }
    return false;
}

static void advance(struct receiver *r, struct receiver_track *t, int64_t now_us)
{
    while (t->any && (int16_t)(t->nack.highest_seq - t->next_seq) >= 0) {
        struct receiver_packet *p = &t->window[t->next_seq % RECEIVER_WINDOW];
        if (p->full && p->seq == t->next_seq) {
            p->full = false;
            take_packet(r, t, p, now_us);
        } else if (is_awaited(t, t->next_seq)) {
            return;
        } else {
            lose_frame(r, t, now_us);
        }
        t->next_seq++;
    }
}

static void store_packet(struct receiver *r, struct receiver_track *t, uint16_t seq,
                         const struct rtp_header *h, const uint8_t *payload, size_t size,
                         int64_t now_us)
{
    if (!t->any) {
        t->any = true;
        t->next_seq = seq;
        t->pli_us = now_us + FIRST_KEYFRAME_US;
    }
    nack_on_packet(&t->nack, seq, now_us);
    struct receiver_packet *p = &t->window[seq % RECEIVER_WINDOW];
    if ((uint16_t)(seq - t->next_seq) >= RECEIVER_WINDOW) {
        r->late++;
        return;
    }
    if (p->full && p->seq == seq) {
        r->duplicates++;
        return;
    }
    assert(size <= RECEIVER_PAYLOAD_MAX);
    p->full = true;
    p->marker = h->marker;
    p->seq = seq;
    p->size = (uint16_t)size;
    p->timestamp = h->timestamp;
    memcpy(p->payload, payload, size);
    advance(r, t, now_us);
}

/* --- what comes in --- */

static void note_arrival(struct receiver *r, const struct rtp_header *h, int64_t now_us)
{
    size_t size;
    const uint8_t *value = extensions_find(h->extension_profile, h->extension, h->extension_size,
                                           r->config.transport_cc_id, &size);
    if (!value || size != 2)
        return;
    if (twcc_feedback_waiting(&r->twcc) == 0 && r->feedback_us < now_us)
        r->feedback_us = now_us + RECEIVER_FEEDBACK_US;
    twcc_feedback_on_packet(&r->twcc, get_u16(value), now_us);
}

static void on_rtp(struct receiver *r, uint8_t *data, size_t size, int64_t now_us)
{
    struct rtp_header h;
    size = unseal_rtp(r->seal, data, size);
    if (size == 0 || !rtp_parse(&h, data, size)) {
        r->not_authentic++;
        return;
    }
    r->packets++;
    note_arrival(r, &h, now_us);
    const uint8_t *payload = data + h.header_size;
    for (unsigned i = 0; i < r->config.n_tracks; i++) {
        struct receiver_track *t = &r->tracks[i];
        if (h.ssrc == t->config.ssrc && h.payload_type == t->config.payload_type) {
            receive_on_packet(&t->receive, h.seq, h.timestamp, now_us);
            store_packet(r, t, h.seq, &h, payload, h.payload_size, now_us);
        } else if (h.ssrc == t->config.rtx_ssrc && h.payload_size > 2 &&
                   h.payload_type == t->config.rtx_payload_type) {
            r->rtx_packets++;
            receive_on_packet(&t->receive_rtx, h.seq, h.timestamp, now_us);
            store_packet(r, t, get_u16(payload), &h, payload + 2, h.payload_size - 2, now_us);
        }
    }
}

static void on_sender_report(struct receiver *r, const struct rtcp_packet *p, int64_t now_us)
{
    struct rtcp_sender_info info;
    if (!rtcp_read_sender_info(p, &info))
        return;
    for (unsigned i = 0; i < r->config.n_tracks; i++) {
        struct receiver_track *t = &r->tracks[i];
        if (info.ssrc != t->config.ssrc)
            continue;
        r->sender_reports++;
        receive_on_sender_report(&t->receive, info.ntp, now_us);
        t->any_sr = true;
        t->sr = info;
        t->sr_us = now_us;
    }
}

static void on_rtcp(struct receiver *r, uint8_t *data, size_t size, int64_t now_us)
{
    size = unseal_rtcp(r->seal, data, size);
    if (size == 0) {
        r->not_authentic++;
        return;
    }
    const uint8_t *rest = data;
    struct rtcp_packet p;
    while (rtcp_next(&p, &rest, &size)) {
        if (p.type == RTCP_SR)
            on_sender_report(r, &p, now_us);
        else if (p.type == RTCP_BYE)
            r->byes += p.count;
    }
}

static void follow_dtls(struct receiver *r, int64_t now_us)
{
    if (r->seal || dtls_state(r->dtls) != DTLS_CONNECTED)
        return;
    struct seal_keys keys;
    dtls_keys(r->dtls, &keys);
    if (seal_create(&r->seal, &keys) == 0)
        r->report_us = now_us + RECEIVER_REPORT_US;
}

void receiver_on_datagram(struct receiver *r, uint8_t *data, size_t size, int64_t now_us)
{
    switch (datagram_kind(data, size)) {
    case DATAGRAM_STUN:
        if (!r->ice_done &&
            ice_lite_is_success(data, size, r->config.remote->pwd, r->transaction)) {
            r->ice_done = true;
            dtls_start(r->dtls);
        }
        break;
    case DATAGRAM_DTLS:
        dtls_on_datagram(r->dtls, data, size);
        follow_dtls(r, now_us);
        break;
    case DATAGRAM_RTP:
        if (r->seal)
            on_rtp(r, data, size, now_us);
        break;
    case DATAGRAM_RTCP:
        if (r->seal)
            on_rtcp(r, data, size, now_us);
        break;
    case DATAGRAM_UNKNOWN:
        break;
    }
}

/* --- what goes out --- */

static size_t write_check(struct receiver *r, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < r->check_us)
        return 0;
    r->check_us = now_us + RECEIVER_CHECK_US;
    put_u64(r->transaction, sim_random(&r->random));
    put_u32(r->transaction + 8, (uint32_t)sim_random(&r->random));
    return ice_lite_write_check(out, room, RECEIVER_UFRAG, r->config.remote->ufrag,
                                r->config.remote->pwd, 1, r->transaction);
}

static size_t write_nack(struct receiver *r, struct receiver_track *t, uint8_t *out, size_t room,
                         int64_t now_us)
{
    uint16_t seqs[NACK_MAX];
    if (nack_next_timeout(&t->nack) > now_us)
        return 0;
    size_t n = nack_next(&t->nack, seqs, NACK_MAX, now_us);
    advance(r, t, now_us); /* past what was given up */
    if (n == 0 || !r->asks)
        return 0;
    r->nacked += n;
    return rtcp_write_nack(out, room, SENDER_SSRC, t->config.ssrc, seqs, n);
}

static size_t write_pli(struct receiver *r, struct receiver_track *t, uint8_t *out, size_t room,
                        int64_t now_us)
{
    if (!t->wants_keyframe || now_us < t->pli_us)
        return 0;
    t->pli_us = now_us + PLI_GAP_US;
    r->plis++;
    return rtcp_write_pli(out, room, SENDER_SSRC, t->config.ssrc);
}

static size_t write_report(struct receiver *r, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < r->report_us)
        return 0;
    r->report_us = now_us + RECEIVER_REPORT_US;
    struct rtcp_report_block blocks[2 * RECEIVER_TRACKS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < r->config.n_tracks; i++) {
        n += receive_block(&r->tracks[i].receive, &blocks[n], now_us);
        n += receive_block(&r->tracks[i].receive_rtx, &blocks[n], now_us);
    }
    return rtcp_write_rr(out, room, SENDER_SSRC, blocks, n);
}

size_t receiver_seal_rtcp(struct receiver *r, uint8_t *packet, size_t size, size_t room)
{
    return seal_rtcp(r->seal, packet, size, room);
}

static size_t write_feedback(struct receiver *r, uint8_t *out, size_t room, int64_t now_us)
{
    for (unsigned i = 0; i < r->config.n_tracks; i++) {
        size_t size = write_nack(r, &r->tracks[i], out, room, now_us);
        if (size == 0)
            size = write_pli(r, &r->tracks[i], out, room, now_us);
        if (size != 0)
            return size;
    }
    size_t size = write_report(r, out, room, now_us);
    if (size != 0 || now_us < r->feedback_us)
        return size;
    return twcc_feedback_write(&r->twcc, out, room, SENDER_SSRC, r->config.tracks[0].ssrc);
}

size_t receiver_next_datagram(struct receiver *r, uint8_t *out, size_t room, int64_t now_us)
{
    if (r->silent)
        return 0;
    size_t size = dtls_next_datagram(r->dtls, out, room);
    if (size == 0)
        size = write_check(r, out, room, now_us);
    if (size != 0 || !r->seal)
        return size;
    size = write_feedback(r, out, room, now_us);
    return size != 0 ? seal_rtcp(r->seal, out, size, room) : 0;
}

int64_t receiver_next_timeout(const struct receiver *r)
{
    if (r->silent)
        return INT64_MAX;
    int64_t next = r->check_us < r->report_us ? r->check_us : r->report_us;
    if (twcc_feedback_waiting(&r->twcc) > 0 && r->feedback_us < next)
        next = r->feedback_us;
    for (unsigned i = 0; r->seal && i < r->config.n_tracks; i++) {
        const struct receiver_track *t = &r->tracks[i];
        int64_t nack = nack_next_timeout(&t->nack);
        if (nack < next)
            next = nack;
        if (t->wants_keyframe && t->pli_us < next)
            next = t->pli_us;
    }
    return next;
}

void receiver_close(struct receiver *r)
{
    dtls_shutdown(r->dtls);
}
