/* watcher.h - the media side of one viewer: ICE, DTLS, SRTP, and what it tells the server. Sans-IO.
 *
 *     ICE ─▶ DTLS ─▶ WAIT ─▶ WATCHING ─▶ ENDED
 *      └──────┴───────┴─────────┴─────▶ FAILED
 *
 * It is the controlling side, sends checks with USE-CANDIDATE and then one about each five seconds
 * for consent (RFC 7675), answers the server's checks, sends a receiver report each second,
 * transport-wide feedback, NACKs, and a PLI when a frame is broken or the first keyframe does not
 * come, all as a browser would. Like a browser that only receives it knows no round trip, and
 * repeats a NACK after 100 ms.
 *
 * WAIT ends with the first whole keyframe: until then every packet is opened and its frames are
 * followed; afterwards only where config.follow says so. Others are counted by their RTP header,
 * and what is retransmitted is opened to see what it repairs.
 *
 * Life: watcher_init; watcher_on_datagram and watcher_on_timeout in, then watcher_next_datagram
 * until it returns 0; watcher_finish. One thread.
 */
#pragma once

#include "rtp/control/nack.h"
#include "rtp/control/receive.h"
#include "rtp/session/seal.h"
#include "tests/load/frame_watch.h"
#include "tests/load/sdp_scan.h"
#include "tests/load/seq_tally.h"
#include "rtp/control/twcc_feedback.h"

enum watcher_state {
    WATCHER_ICE = 1,
    WATCHER_DTLS,
    WATCHER_WAIT,
    WATCHER_WATCHING,
    WATCHER_ENDED, /* the server said goodbye */
    WATCHER_FAILED,
};

struct watcher_config {
    const struct sdp_scan *remote; /* borrowed: lives as long as the watcher */
    const char *ufrag, *pwd;       /* our own; the same */
    struct address server;         /* where media comes from */
    struct dtls_context *dtls;
    bool follow;
    bool keep_dtls;      /* to say goodbye with; else it is freed once connected */
    int64_t feedback_us; /* between two transport-wide feedbacks; 0: none are sent */
    uint64_t seed;
};

struct watcher {
    struct watcher_config config;
    enum watcher_state state;
    const char *failure; /* why FAILED; a constant */
    uint64_t random;

    uint8_t transaction[12];
    bool checking;
    uint8_t answer[256]; /* to the server's newest check, to be sent */
    size_t answer_size;  /* 0: none */
    int64_t consent_us;  /* the last answer to a check */
    struct dtls *dtls;
    struct seal *seal;

    bool has_ssrc, has_rtx_ssrc;
    uint32_t ssrc, rtx_ssrc; /* learned from the packets */
    struct seq_tally tally;
    struct receive receive, receive_rtx;
    struct nack nack;
    struct twcc_feedback twcc;
    struct frame_watch *frames; /* owned; NULL once they are not followed any more */
    bool wants_pli;             /* when they are not followed */
    uint64_t nack_lost;         /* already answered with a PLI */

    /* deadlines, INT64_MAX: none */
    int64_t check_us, report_us, twcc_us, pli_us;

    /* when, -1: not yet */
    int64_t connected_us, first_packet_us, first_keyframe_us;
    uint64_t packets, bytes, rtx_packets, not_authentic, sender_reports;
    uint64_t nacks_sent, plis_sent, feedbacks_sent, checks_answered;
};

/* 0, -EINVAL for a fingerprint that cannot be used, -ENOMEM. */
int watcher_init(struct watcher *w, const struct watcher_config *config, int64_t now_us);
void watcher_finish(struct watcher *w); /* zeroed memory is fine */
void watcher_on_datagram(struct watcher *w, uint8_t *data, size_t size, int64_t now_us);
void watcher_on_timeout(struct watcher *w, int64_t now_us);
/* `room` is at least DTLS_MTU. */
size_t watcher_next_datagram(struct watcher *w, uint8_t *out, size_t room, int64_t now_us);
int64_t watcher_next_timeout(struct watcher *w, int64_t now_us);
/* Queues close_notify (with keep_dtls) and ends the watching. */
void watcher_leave(struct watcher *w, int64_t now_us);
