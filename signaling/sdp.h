/* sdp.h - session descriptions: a bounded parser, what we agree to, and our offers and answers.
 *
 * Pure. A parsed description borrows the text it was parsed from. The way through it:
 *
 *   WebSocket: sdp_write_offer -> (peer) -> sdp_parse -> sdp_take_answer -> backend.start
 *   WHEP:      sdp_parse -> sdp_take_offer -> sdp_write_answer, backend.start
 *   to a WHIP server: sdp_write_sent -> (server) -> sdp_parse -> sdp_take_answer -> backend.start
 *
 *   publisher: sdp_parse -> sdp_take_publish_offer -> sdp_write_publish_answer, publish_start
 *
 * To viewers we only send: H.264, VP8, VP9 (profile 0), AV1 (main profile) and Opus. Our offer
 * reserves an m-line for every slot of the room, with all of these, so that streams come and go
 * without another; an answer to it, and ours to a WHEP offer, say which of them the peer takes. A
 * lite agent needs no remote candidates, so they are not kept; a full one's owner reads them with
 * sdp_next_candidate. Of a publisher we take the same codecs, in its own order of preference, and
 * its layers by RID. Everything is one bundled transport. Errors are sentences for the person who
 * sent the description.
 */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SDP_MAX 65536       /* a description that is parsed */
#define SDP_LINE_MAX 8192   /* one of its lines */
#define SDP_WRITE_MAX 49152 /* the longest description that is written, with its terminator */
#define SDP_MEDIA_MAX 16
#define SDP_FORMATS_MAX 96 /* per m-line */
#define SDP_FINGERPRINTS_MAX 8
#define SDP_SOURCES_MAX 8 /* of a=ssrc, and of FID groups, per m-line: more are not looked at */
#define SDP_RIDS_MAX 8    /* of a=rid with "send", per m-line: more are not looked at */
#define SDP_MID_MAX 16

/* Part of the parsed text, not terminated. `at` is NULL when it was not there. */
struct sdp_text {
    const char *at;
    size_t length;
};

#define SDP_AUDIO_SLOTS                                                                            \
    2 /* the first slots may have sound: each m-line delays a joining browser                      \
       */

/* The first ones are those of enum backend_codec. */
enum sdp_codec {
    SDP_CODEC_H264 = BACKEND_H264,
    SDP_CODEC_VP8 = BACKEND_VP8,
    SDP_CODEC_VP9 = BACKEND_VP9,
    SDP_CODEC_AV1 = BACKEND_AV1,
    SDP_CODEC_OPUS,
    SDP_CODEC_RTX,
    SDP_CODEC_RED, /* of sound: redundant audio data (RFC 2198) */
    SDP_CODEC_OTHER
};
enum sdp_direction { SDP_SENDRECV = 1, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };
enum sdp_setup { SDP_SETUP_ACTPASS = 1, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE, SDP_SETUP_HOLDCONN };

enum sdp_feedback { /* bits */
                    SDP_FEEDBACK_NACK = 1,
                    SDP_FEEDBACK_PLI = 2,
                    SDP_FEEDBACK_FIR = 4,
                    SDP_FEEDBACK_TRANSPORT_CC = 8,
                    SDP_FEEDBACK_REMB = 16,
};

struct sdp_format {
    uint8_t payload_type;
    uint8_t codec;    /* enum sdp_codec; 0 while no rtpmap was seen */
    uint8_t feedback; /* enum sdp_feedback */
    uint8_t apt;      /* of RTX; of RED, what its first block is */
    bool has_apt, has_fmtp;
    /* H.264 */
    bool has_profile, level_asymmetry;
    uint8_t packetization_mode;
    uint8_t profile[3];
    uint8_t profile_number; /* VP9 profile-id, AV1 profile */
};

/* Header extension ids, 0: not there. Only 1-14 are taken, which every receiver reads (RFC
 * 8285 4.2). */
struct sdp_extensions {
    uint8_t transport_cc, playout_delay, mid, dependency, rid, repaired_rid, abs_send_time;
};

struct sdp_transport {
    struct sdp_text ufrag, pwd;
    enum sdp_setup setup; /* 0: not there */
    unsigned n_fingerprints;
    struct sdp_text fingerprints[SDP_FINGERPRINTS_MAX];
};

/* a=rid:ID send RESTRICTIONS (RFC 8851) */
struct sdp_rid {
    struct sdp_text id, restrictions;
};

struct sdp_media {
    struct sdp_text kind, protocol, first_format, mid;
    struct sdp_text title;          /* of i= (RFC 8866 5.4) */
    struct sdp_text msid, track_id; /* of a=msid, or of an older a=ssrc:N msid: */
    unsigned port;
    enum sdp_direction direction;
    bool is_video, is_audio, is_rtp; /* is_rtp: of a DTLS-SRTP profile with feedback */
    bool rtcp_mux, rtcp_rsize, bundle_only, bundled;
    bool reference_time; /* it would send receiver reference times (RFC 3611 5.1) */
    struct sdp_transport transport;
    struct sdp_extensions extensions;
    unsigned n_formats;
    struct sdp_format formats[SDP_FORMATS_MAX];
    unsigned n_ssrcs;
    uint32_t ssrcs[SDP_SOURCES_MAX]; /* each once, as they come */
    unsigned n_repairs;
    struct {
        uint32_t ssrc, rtx_ssrc;
    } repairs[SDP_SOURCES_MAX]; /* of a=ssrc-group:FID */
    unsigned n_rids;
    struct sdp_rid rids[SDP_RIDS_MAX];
    struct sdp_text simulcast; /* what a=simulcast says behind "send" (RFC 8853) */
};

struct sdp {
    struct sdp_transport transport; /* of the session level */
    struct sdp_extensions extensions;
    enum sdp_direction direction;
    struct sdp_text bundle; /* the mids of the first a=group:BUNDLE */
    bool ice_lite, extmap_allow_mixed;
    unsigned n_media;
    struct sdp_media media[SDP_MEDIA_MAX];
};

/* What an offer of ours described, which its answer is checked against. */
struct sdp_offered {
    uint8_t profiles[BACKEND_STREAMS_MAX][3]; /* of H.264, by slot */
    bool full_ice;                            /* ours: the peer's may be lite */
    unsigned n_media;
    struct {
        uint8_t slot;
        bool audio;
    } media[SDP_MEDIA_MAX]; /* its m-lines; the mid is the index */
};

/* The m-line of the peer's offer that each accepted track goes to, rising. */
struct sdp_places {
    uint8_t media[2 * BACKEND_STREAMS_MAX];
};

/* 0, or -EBADMSG. `text` need not be terminated and must outlive `out`. */
int sdp_parse(struct sdp *out, const char *text, size_t size, char *error, size_t error_size);

/* Our offer of every slot of the room: video in the order of the slots, then audio. The codec that
 * a slot carries now is its first. The length, or -ENOSPC. */
int sdp_write_offer(char *out, size_t size, const struct backend_room *room,
                    const struct backend_seat *seat);
void sdp_note_offered(struct sdp_offered *out, const struct backend_room *room);
/* The same as a publisher (RFC 9725): with an m-line for what the room carries now, and no more.
 * The peer is a server, whose ICE may be lite where ours is full. */
int sdp_write_sent(char *out, size_t size, const struct backend_room *room,
                   const struct backend_seat *seat);
void sdp_note_sent(struct sdp_offered *out, const struct backend_room *room);
/* 0, or -EINVAL: the answer does not fit the offer or cannot be used. */
int sdp_take_answer(struct backend_answer *out, const struct sdp *answer,
                    const struct sdp_offered *offered, char *error, size_t error_size);

/* Chooses what of an offer we serve: its video m-lines get the room's active streams in the order
 * of their slots, or the first gets slot `only_slot` when that is not negative; the first audio
 * m-line gets the sound of the first of these streams, and so on. 0; -EINVAL: unusable; -ENOTSUP:
 * nothing fits. */
int sdp_take_offer(struct backend_answer *out, struct sdp_places *places, const struct sdp *offer,
                   const struct backend_room *room, int only_slot, char *error, size_t error_size);
/* The length, or -ENOSPC. */
int sdp_write_answer(char *out, size_t size, const struct sdp *offer,
                     const struct backend_room *room, const struct backend_seat *seat,
                     const struct backend_answer *plan, const struct sdp_places *places);

/* How a publisher's tracks are to be placed. */
struct sdp_publish_wish {
    /* The slot of the next picture, of which bit i of `taken` is not set, or negative: none. */
    int (*slot)(void *arg, unsigned taken);
    void *arg;
    bool whole; /* an m-line that cannot be taken is a refusal of it all (RFC 9725 4.4.3) */
};

/* Chooses what we take of a publisher's offer: each m=video that sends goes to a slot of its own,
 * each m=audio to the slot of the picture of the same a=msid, else of the first one that has no
 * sound yet; without any picture to a slot of its own. `kind` is left "". 0; -EINVAL: unusable;
 * -ENOTSUP: nothing fits, or with `whole` not everything does; -ENOSPC: there is no slot. */
int sdp_take_publish_offer(struct backend_publication *out, struct sdp_places *places,
                           const struct sdp *offer, const struct sdp_publish_wish *wish,
                           char *error, size_t error_size);
/* The length, or -ENOSPC. */
int sdp_write_publish_answer(char *out, size_t size, const struct sdp *offer,
                             const struct backend_seat *seat,
                             const struct backend_publication *plan,
                             const struct sdp_places *places);

/* Puts a candidate of ours ("candidate:...") into a description that was written for a seat with
 * full_ice; NULL: says that there will be no more. The new length, or -ENOSPC. */
int sdp_add_candidate(char *sdp, size_t size, const char *candidate);
/* The next candidate of a description or a fragment, "candidate:..."; "": it says that there will
 * be no more. False: none is left. `text` is moved on; what is too long is left out. */
bool sdp_next_candidate(struct sdp_text *text, char out[BACKEND_CANDIDATE_MAX]);

/* The profile-level-id to describe a slot's H.264 with: its own, or where it carries none what
 * every browser takes, constrained baseline. */
void sdp_h264_profile(uint8_t out[3], const struct backend_stream *slot);
/* How well a stream with this profile-level-id suits what a peer says it can receive: 0 not at all.
 */
int sdp_h264_fit(const uint8_t stream[3], const struct sdp_format *format);
/* "sha-256 AB:.." in one spelling. False if it is malformed or of a hash too weak to rely on. */
bool sdp_fingerprint(char out[BACKEND_FINGERPRINT_MAX], struct sdp_text value);
/* Whether it is made of that many ice-chars (RFC 8839 5.4). */
bool sdp_is_ice_text(struct sdp_text value, size_t min, size_t max);
bool sdp_text_is(struct sdp_text text, const char *word); /* ASCII case does not matter */

#define SDP_URI_TRANSPORT_CC                                                                       \
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define SDP_URI_PLAYOUT_DELAY "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
#define SDP_URI_MID "urn:ietf:params:rtp-hdrext:sdes:mid"
#define SDP_URI_RID "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
#define SDP_URI_REPAIRED_RID "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#define SDP_URI_ABS_SEND_TIME "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
#define SDP_URI_DEPENDENCY                                                                         \
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
