/* receiver.h - a small receiver that behaves like a browser, for tests. Sans-IO.
 *
 * It sends ICE checks with USE-CANDIDATE, takes part in DTLS, opens what it is sent, asks for lost
 * packets again, takes RTX and plain retransmissions, puts H.264 frames together in order and gives
 * each whole one to `on_frame`. A frame it cannot complete makes it ask for a keyframe (PLI) and
 * wait for it. Receiver reports go out every second, transport-wide feedback every 50 ms where
 * there is any to give.
 *
 * Life: receiver_init; receiver_on_datagram and receiver_on_timeout in, receiver_next_datagram out
 * until it returns 0; receiver_finish. One thread.
 */
#pragma once

#include "rtp/control/nack.h"
#include "rtp/control/receive.h"
#include "rtp/control/twcc_feedback.h"
#include "rtp/payload/h264.h"
#include "rtp/session/dtls.h"
#include "rtp/session/ice_lite.h"
#include "rtp/session/seal.h"

#define RECEIVER_TRACKS_MAX 8
#define RECEIVER_CHECK_US 2500000
#define RECEIVER_REPORT_US 1000000
#define RECEIVER_FEEDBACK_US 50000
#define RECEIVER_WINDOW 4096 /* packets, power of two */
#define RECEIVER_PAYLOAD_MAX 1200
#define RECEIVER_FRAME_MAX (1 << 20)

struct receiver_frame {
    unsigned track;
    uint32_t timestamp;
    const uint8_t *data; /* Annex B; valid during the call */
    size_t size;
};

struct receiver_track_config {
    uint32_t ssrc, rtx_ssrc;
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: packets are repeated as they were */
};

struct receiver_config {
    const struct ice_local *remote; /* the server's credentials */
    struct dtls_context *dtls;
    enum dtls_role role;
    struct dtls_fingerprint fingerprint; /* the server's */
    int64_t rtt_us;                      /* what it believes, for repeating requests */
    uint8_t transport_cc_id;             /* 0: no transport-wide feedback */
    unsigned n_tracks;
    struct receiver_track_config tracks[RECEIVER_TRACKS_MAX];
    void (*on_frame)(void *arg, const struct receiver_frame *frame);
    void *arg;
};

struct receiver_packet {
    bool full;
    bool marker;
    uint16_t seq;
    uint16_t size;
    uint32_t timestamp;
    uint8_t payload[RECEIVER_PAYLOAD_MAX];
};

struct receiver_track {
    struct receiver_track_config config;
    struct nack nack;
    struct receive receive, receive_rtx;
    struct receiver_packet *window; /* owned; by seq % RECEIVER_WINDOW */
    bool any;
    uint16_t next_seq; /* the next packet in order */

    struct h264_assembler assembler;
    uint8_t *frame; /* owned */
    bool in_frame;
    bool starting; /* the frame under way is one to start from: it must bring its parameter sets */
    uint32_t timestamp; /* of the frame under way */
    bool wants_keyframe;
    int64_t pli_us; /* not before */

    bool any_sr; /* the newest sender report */
    struct rtcp_sender_info sr;
    int64_t sr_us;
};

struct receiver {
    struct receiver_config config;
    uint64_t random;
    uint8_t transaction[12];
    bool ice_done;
    int64_t check_us, report_us;
    int64_t feedback_us; /* not before */
    struct twcc_feedback twcc;
    struct dtls *dtls;
    struct seal *seal;
    struct receiver_track tracks[RECEIVER_TRACKS_MAX];
    bool silent; /* sends nothing, not even checks */
    bool asks;   /* for lost packets */

    uint64_t packets, rtx_packets, late, duplicates, not_authentic;
    uint64_t frames, frames_broken, plis, nacked, sender_reports, byes;
};

int receiver_init(struct receiver *r, const struct receiver_config *config, uint64_t seed,
                  int64_t now_us);
void receiver_finish(struct receiver *r);
void receiver_on_datagram(struct receiver *r, uint8_t *data, size_t size, int64_t now_us);
size_t receiver_next_datagram(struct receiver *r, uint8_t *out, size_t room, int64_t now_us);
int64_t receiver_next_timeout(const struct receiver *r);
bool receiver_is_connected(const struct receiver *r);
void receiver_close(struct receiver *r); /* queues close_notify */
/* A sealed copy of a plain RTCP packet, to be sent as if it were the receiver's own. */
size_t receiver_seal_rtcp(struct receiver *r, uint8_t *packet, size_t size, size_t room);
