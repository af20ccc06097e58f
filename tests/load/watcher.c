#include "tests/load/watcher.h"

#include "rtp/session/ice_lite.h"
#include "rtp/wire/bytes.h"
#include "rtp/wire/extensions.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SENDER_SSRC = 1,        /* of one that sends no media, as browsers name themselves */
    CHECK_AGAIN_US = 50000, /* Chromium's, while there is no answer */
    CONSENT_US = 5000000,
    REPORT_US = 1000000,
    KEYFRAME_WAIT_US = 200000, /* from the first packet to the first PLI */
    PLI_GAP_US = 300000,
    ALERT = 21, /* DTLS content type */
};

/* splitmix64 */
static uint64_t next_random(struct watcher *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void fail(struct watcher *w, const char *why)
{
    w->state = WATCHER_FAILED;
    w->failure = why;
}

int watcher_init(struct watcher *w, const struct watcher_config *config, int64_t now_us)
{
    struct dtls_fingerprint fingerprint;
    memset(w, 0, sizeof(*w));
    w->config = *config;
    w->state = WATCHER_ICE;
    w->random = config->seed;
    w->consent_us = w->check_us = now_us;
    w->report_us = w->twcc_us = w->pli_us = INT64_MAX;
    w->connected_us = w->first_packet_us = w->first_keyframe_us = -1;
    seq_tally_init(&w->tally);
    nack_init(&w->nack);
    twcc_feedback_init(&w->twcc);
    if (!dtls_fingerprint_parse(&fingerprint, config->remote->fingerprint))
        return -EINVAL;
    w->frames = malloc(sizeof(*w->frames));
    if (!w->frames || dtls_create(&w->dtls, config->dtls, DTLS_CLIENT, &fingerprint, 1) != 0) {
        watcher_finish(w);
        return -ENOMEM;
    }
    frame_watch_init(w->frames);
    return 0;
}

void watcher_finish(struct watcher *w)
{
    dtls_destroy(w->dtls);
    seal_destroy(w->seal);
    free(w->frames);
    w->dtls = NULL;
    w->seal = NULL;
    w->frames = NULL;
}

/* --- ICE and DTLS --- */

/* After its address has changed a viewer is asked whether it is there. */
static void answer_check(struct watcher *w, const uint8_t *data, size_t size)
{
    struct ice_local own;
    snprintf(own.ufrag, sizeof(own.ufrag), "%s", w->config.ufrag);
    snprintf(own.pwd, sizeof(own.pwd), "%s", w->config.pwd);
    size_t n = ice_lite_answer(&own, data, size, &w->config.server, w->answer, sizeof(w->answer));
    if (n == 0)
        return;
    w->answer_size = n;
    w->checks_answered++;
}

static size_t take_answer(struct watcher *w, uint8_t *out, size_t room)
{
    size_t size = w->answer_size <= room ? w->answer_size : 0;
    memcpy(out, w->answer, size);
    w->answer_size = 0;
    return size;
}

static void on_stun(struct watcher *w, const uint8_t *data, size_t size, int64_t now_us)
{
    if (!ice_lite_is_success(data, size, w->config.remote->pwd, w->transaction)) {
        answer_check(w, data, size);
        return;
    }
    w->consent_us = now_us;
    if (w->state != WATCHER_ICE)
        return;
    w->state = WATCHER_DTLS;
    /* RFC 7675 5.1: each 5 s, spread by a fifth */
    w->check_us = now_us + CONSENT_US * 4 / 5 + (int64_t)(next_random(w) % (CONSENT_US * 2 / 5));
    dtls_start(w->dtls);
}

static void on_connected(struct watcher *w, int64_t now_us)
{
    struct seal_keys keys;
    dtls_keys(w->dtls, &keys);
    if (seal_create(&w->seal, &keys) != 0) {
        fail(w, "no memory");
        return;
    }
    w->state = WATCHER_WAIT;
    w->connected_us = now_us;
    w->report_us = now_us + REPORT_US;
    if (w->config.feedback_us > 0 && w->config.remote->transport_cc_id != 0)
        w->twcc_us = now_us + w->config.feedback_us;
    if (!w->config.keep_dtls) {
        dtls_destroy(w->dtls);
        w->dtls = NULL;
    }
}

static void on_dtls(struct watcher *w, const uint8_t *data, size_t size, int64_t now_us)
{
    if (w->seal && size > 0 && data[0] == ALERT) {
        w->state = WATCHER_ENDED; /* after the handshake there is no other alert than a goodbye */
        return;
    }
    if (!w->dtls)
        return;
    dtls_on_datagram(w->dtls, data, size);
    if (w->state == WATCHER_DTLS && dtls_state(w->dtls) == DTLS_CONNECTED)
        on_connected(w, now_us);
    else if (w->state == WATCHER_DTLS && dtls_state(w->dtls) != DTLS_HANDSHAKE)
        fail(w, "DTLS failed");
}

/* --- RTP --- */

static void on_first_keyframe(struct watcher *w)
{
    w->state = WATCHER_WATCHING;
    w->first_keyframe_us = w->frames->first_keyframe_us;
    if (!w->config.follow) {
        free(w->frames);
        w->frames = NULL;
    }
}

/* Sets the first packet's time too: until the first keyframe every viewer is followed. */
static void follow_frames(struct watcher *w, uint16_t seq, const struct rtp_header *h,
                          const uint8_t *payload, size_t size, int64_t now_us)
{
    if (!w->frames)
        return;
    frame_watch_on_packet(w->frames, seq, h->timestamp, h->marker, payload, size, &w->nack, now_us);
    if (w->first_packet_us < 0) {
        w->first_packet_us = now_us;
        w->pli_us = now_us + KEYFRAME_WAIT_US;
    }
    if (w->state == WATCHER_WAIT && w->frames->first_keyframe_us >= 0)
        on_first_keyframe(w);
}

static void on_media(struct watcher *w, const struct rtp_header *h, const uint8_t *packet,
                     int64_t now_us)
{
    if (!w->has_ssrc) {
        w->has_ssrc = true;
        w->ssrc = h->ssrc;
        receive_init(&w->receive, h->ssrc, RTP_VIDEO_CLOCK_HZ);
    }
    if (h->ssrc != w->ssrc)
        return;
    seq_tally_on_packet(&w->tally, h->seq);
    receive_on_packet(&w->receive, h->seq, h->timestamp, now_us);
    nack_on_packet(&w->nack, h->seq, now_us);
    follow_frames(w, h->seq, h, packet + h->header_size, h->payload_size, now_us);
}

/* RFC 4588 4: the original sequence number, then the original payload. */
static void on_rtx(struct watcher *w, const struct rtp_header *h, const uint8_t *packet,
                   int64_t now_us)
{
    if (!w->has_rtx_ssrc) {
        w->has_rtx_ssrc = true;
        w->rtx_ssrc = h->ssrc;
        receive_init(&w->receive_rtx, h->ssrc, RTP_VIDEO_CLOCK_HZ);
    }
    if (h->ssrc != w->rtx_ssrc)
        return;
    w->rtx_packets++;
    receive_on_packet(&w->receive_rtx, h->seq, h->timestamp, now_us);
    if (h->payload_size <= 2)
        return;
    const uint8_t *payload = packet + h->header_size;
    uint16_t seq = get_u16(payload);
    if (seq_tally_on_repair(&w->tally, seq)) {
        nack_on_packet(&w->nack, seq, now_us);
        follow_frames(w, seq, h, payload + 2, h->payload_size - 2, now_us);
    }
}

static void note_transport_seq(struct watcher *w, const struct rtp_header *h, int64_t now_us)
{
    size_t size;
    const uint8_t *value = extensions_find(h->extension_profile, h->extension, h->extension_size,
                                           w->config.remote->transport_cc_id, &size);
    if (value && size == 2)
        twcc_feedback_on_packet(&w->twcc, get_u16(value), now_us);
}

static void on_rtp(struct watcher *w, uint8_t *data, size_t size, int64_t now_us)
{
    const struct sdp_scan *remote = w->config.remote;
    struct rtp_header h;
    uint8_t type = data[1] & 0x7f;
    bool is_rtx = remote->rtx_payload_type != 0 && type == remote->rtx_payload_type;
    w->packets++;
    w->bytes += size;
    if (w->frames || is_rtx)
        size = unseal_rtp(w->seal, data, size);
    else
        data[0] &= 0xdf; /* how long its padding is cannot be read, and does not matter */
    if (size == 0 || !rtp_parse(&h, data, size)) {
        w->not_authentic++;
        return;
    }
    note_transport_seq(w, &h, now_us);
    if (is_rtx)
        on_rtx(w, &h, data, now_us);
    else if (type == remote->payload_type)
        on_media(w, &h, data, now_us);
}

static void on_rtcp(struct watcher *w, uint8_t *data, size_t size, int64_t now_us)
{
    struct rtcp_packet p;
    struct rtcp_sender_info info;
    size = unseal_rtcp(w->seal, data, size);
    if (size == 0)
        w->not_authentic++;
    const uint8_t *rest = data;
    while (rtcp_next(&p, &rest, &size)) {
        if (p.type != RTCP_SR || !rtcp_read_sender_info(&p, &info))
            continue;
        w->sender_reports++;
        if (w->has_ssrc && info.ssrc == w->ssrc)
            receive_on_sender_report(&w->receive, info.ntp, now_us);
    }
}

void watcher_on_datagram(struct watcher *w, uint8_t *data, size_t size, int64_t now_us)
{
    if (w->state == WATCHER_ENDED || w->state == WATCHER_FAILED)
        return;
    switch (datagram_kind(data, size)) {
    case DATAGRAM_STUN:
        on_stun(w, data, size, now_us);
        break;
    case DATAGRAM_DTLS:
        on_dtls(w, data, size, now_us);
        break;
    case DATAGRAM_RTP:
        if (w->seal)
            on_rtp(w, data, size, now_us);
        break;
    case DATAGRAM_RTCP:
        if (w->seal)
            on_rtcp(w, data, size, now_us);
        break;
    case DATAGRAM_UNKNOWN:
        break;
    }
}

/* --- what goes out --- */

static size_t write_check(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < w->check_us)
        return 0;
    if (w->state != WATCHER_ICE || !w->checking) { /* else the same is sent again */
        put_u64(w->transaction, next_random(w));
        put_u32(w->transaction + 8, (uint32_t)next_random(w));
    }
    w->checking = true;
    w->check_us = now_us + (w->state == WATCHER_ICE ? CHECK_AGAIN_US : CONSENT_US);
    return ice_lite_write_check(out, room, w->config.ufrag, w->config.remote->ufrag,
                                w->config.remote->pwd, w->config.seed, w->transaction);
}

static size_t write_nack(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    uint16_t seqs[NACK_MAX];
    if (nack_next_timeout(&w->nack) > now_us)
        return 0;
    size_t n = nack_next(&w->nack, seqs, NACK_MAX, now_us);
    if (w->frames)
        frame_watch_advance(w->frames, &w->nack, now_us); /* past what was given up */
    if (!w->frames && w->nack.lost > w->nack_lost) {
        w->nack_lost = w->nack.lost;
        w->wants_pli = true;
        if (w->pli_us < now_us)
            w->pli_us = now_us;
    }
    w->nacks_sent += n;
    return n > 0 ? rtcp_write_nack(out, room, SENDER_SSRC, w->ssrc, seqs, n) : 0;
}

/* When the next PLI may leave; INT64_MAX: none is wanted. */
static int64_t pli_deadline(const struct watcher *w)
{
    if (!w->has_ssrc)
        return INT64_MAX;
    if (w->frames && !w->frames->wants_keyframe)
        return INT64_MAX;
    if (!w->frames && !w->wants_pli)
        return INT64_MAX;
    return w->pli_us;
}

static size_t write_pli(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < pli_deadline(w))
        return 0;
    w->pli_us = now_us + PLI_GAP_US;
    w->wants_pli = false;
    w->plis_sent++;
    return rtcp_write_pli(out, room, SENDER_SSRC, w->ssrc);
}

static size_t write_report(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    if (now_us < w->report_us)
        return 0;
    w->report_us = now_us + REPORT_US;
    struct rtcp_report_block blocks[2];
    unsigned n = 0;
    if (w->has_ssrc && receive_block(&w->receive, &blocks[n], now_us))
        n++;
    if (w->has_rtx_ssrc && receive_block(&w->receive_rtx, &blocks[n], now_us))
        n++;
    size_t size = rtcp_write_rr(out, room, SENDER_SSRC, blocks, n);
    return size + rtcp_write_cname(out + size, room - size, SENDER_SSRC, w->config.ufrag);
}

static size_t write_feedback(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    bool full = twcc_feedback_waiting(&w->twcc) >= TWCC_FEEDBACK_PER_MESSAGE;
    if (w->twcc_us == INT64_MAX || (now_us < w->twcc_us && !full))
        return 0;
    size_t size = twcc_feedback_write(&w->twcc, out, room, SENDER_SSRC, w->ssrc);
    if (size == 0)
        w->twcc_us = now_us + w->config.feedback_us;
    else
        w->feedbacks_sent++;
    return size;
}

static size_t write_rtcp(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    size_t size = write_nack(w, out, room, now_us);
    if (size == 0)
        size = write_pli(w, out, room, now_us);
    if (size == 0)
        size = write_report(w, out, room, now_us);
    return size != 0 ? size : write_feedback(w, out, room, now_us);
}

size_t watcher_next_datagram(struct watcher *w, uint8_t *out, size_t room, int64_t now_us)
{
    size_t size = w->dtls ? dtls_next_datagram(w->dtls, out, room) : 0;
    if (w->state == WATCHER_ENDED || w->state == WATCHER_FAILED || size != 0)
        return size;
    size = take_answer(w, out, room);
    if (size == 0)
        size = write_check(w, out, room, now_us);
    if (size != 0 || !w->seal)
        return size;
    size = write_rtcp(w, out, room - SEAL_TRAILER_MAX, now_us);
    return size != 0 ? seal_rtcp(w->seal, out, size, room) : 0;
}

void watcher_on_timeout(struct watcher *w, int64_t now_us)
{
    if (w->dtls && now_us >= dtls_next_timeout(w->dtls, now_us))
        dtls_on_timeout(w->dtls);
    bool alive = w->state != WATCHER_ENDED && w->state != WATCHER_FAILED;
    if (alive && now_us > w->consent_us + ICE_CONSENT_US)
        fail(w, w->state == WATCHER_ICE ? "ICE timeout" : "consent lost");
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t watcher_next_timeout(struct watcher *w, int64_t now_us)
{
    if (w->state == WATCHER_ENDED || w->state == WATCHER_FAILED)
        return INT64_MAX;
    int64_t next = min_of(w->check_us, min_of(w->report_us, w->twcc_us));
    next = min_of(next, min_of(nack_next_timeout(&w->nack), pli_deadline(w)));
    if (w->dtls)
        next = min_of(next, dtls_next_timeout(w->dtls, now_us));
    return next;
}

void watcher_leave(struct watcher *w, int64_t now_us)
{
    if (w->frames)
        freeze_finish(&w->frames->freeze, now_us);
    if (w->dtls && w->seal)
        dtls_shutdown(w->dtls);
    if (w->state != WATCHER_FAILED)
        w->state = WATCHER_ENDED;
}
