/* viewer.h - one viewer's session: transport, the packets it gets, and what it asks for. Sans-IO.
 *
 *     ICE ─▶ DTLS ─▶ WAIT_KEYFRAME ◀─▶ PLAYING ─▶ CLOSED
 *
 * Owned by one worker thread. After any input the worker drains viewer_send until it returns false
 * and files viewer_next_timeout. Media is pulled: a track is a cursor (frame id, packet index) into
 * its stream, moved on as the pacer allows, so that a slow viewer holds no queue of its own. Per
 * packet it keeps 12 bytes (history.h); the media stays in the stream's shared frames. Its memory,
 * viewer_size bytes, is the caller's.
 *
 * RTP timestamps of a viewer: a frame's own plus a random offset; the frames before the live one at
 * the time of joining are squeezed into 1 ms steps before it, so that the player does not wait
 * between them. Retransmission is RTX (RFC 4588) where negotiated. Where it is not, the packet is
 * sent again with the very same bytes: then no transport-wide sequence number is written, since the
 * same SRTP index must never protect two different headers.
 */
#pragma once

#include "rtp/control/history.h"
#include "rtp/control/pacer.h"
#include "rtp/control/report.h"
#include "rtp/forward/stream.h"
#include "rtp/session/peer.h"
#include "rtp/wire/extensions.h"

#define VIEWER_TRACKS_MAX 8
#define VIEWER_TRAIN_MAX 64      /* segments in one train (UDP_MAX_SEGMENTS) */
#define VIEWER_TRAIN_BYTES 65000 /* in one train: what one UDP_SEGMENT send may hold */
#define VIEWER_DATAGRAM_MAX 1232 /* the largest datagram a viewer sends */
/* Keyframes and the first GOP leave at 2.5 times the rate of the viewer's streams, at least at this
 * one: so that what piled up is sent in good time, and as trains with pauses in between. */
#define VIEWER_PACE_BPS 50000000
#define VIEWER_PACE_BURST 65536 /* bytes that may leave at once */
#define VIEWER_LATE_US 1000000  /* of a stalled viewer: then it goes on at a newer keyframe */
#define VIEWER_CNAME_MAX 32
#define VIEWER_NACKS_PER_RTCP_MAX 256

enum viewer_state {
    VIEWER_ICE = 1,
    VIEWER_DTLS,
    VIEWER_WAIT_KEYFRAME,
    VIEWER_PLAYING,
    VIEWER_CLOSED,
};

struct viewer_track_config {
    uint32_t stream_id;
    uint32_t ssrc, rtx_ssrc;
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: RTX not negotiated */
    struct extensions_ids extensions;
    char mid[EXTENSIONS_MID_MAX + 1];
};

struct viewer_config {
    uint32_t id;   /* never 0 */
    uint64_t seed; /* random: first sequence numbers, timestamp offsets, report dither */
    char cname[VIEWER_CNAME_MAX];
    struct peer_config peer;
    unsigned n_tracks;
    struct viewer_track_config tracks[VIEWER_TRACKS_MAX];
};

struct viewer_track {
    /* immutable after init */
    struct stream *stream; /* borrowed: the worker keeps streams longer than their viewers; NULL
                              once it ended */
    uint32_t ssrc, rtx_ssrc;
    uint8_t payload_type, rtx_payload_type;
    uint32_t timestamp_offset;
    struct extensions_block extensions;

    bool joined;        /* has been started once */
    bool started;       /* a keyframe has been chosen to start from, and the cursor follows it */
    bool waiting;       /* has asked for a keyframe to start from */
    uint64_t cursor_id; /* next frame to send */
    uint16_t cursor_packet; /* next packet of it */
    uint64_t live_id;       /* frames before this one are squeezed in time */
    uint32_t live_rtp_ts;   /* that frame's own */
    bool any_fir;
    uint8_t last_fir_seq;
    uint16_t rtx_seq;
    struct history history;
    struct report report;
    /* sequence numbers waiting to be resent, in the order they were asked for; bounded */
    uint16_t resend[VIEWER_NACKS_PER_RTCP_MAX];
    uint16_t resend_head, resend_count;
};

/* Every counter is monotonic. */
struct viewer_counters {
    uint64_t packets_sent, bytes_sent; /* RTP datagrams, retransmissions included */
    uint64_t frames_sent;
    uint64_t nacks;          /* sequence numbers asked for */
    uint64_t resent;         /* packets sent again */
    uint64_t resend_misses;  /* asked for, but no longer known */
    uint64_t resend_limited; /* asked for again too soon, or over the bound: left out */
    uint64_t plis, firs;
    uint64_t keyframe_jumps; /* the cursor fell out of the ring: went on at a keyframe */
    uint64_t bad_rtcp;
};

struct viewer {
    uint32_t id;
    enum viewer_state state;
    int64_t created_us, state_since_us;
    int64_t first_frame_us; /* when the first frame had been sent whole; -1: not yet */
    struct peer peer;
    struct pacer pacer;
    uint64_t pace_bps; /* what the pacer was last told */
    char cname[VIEWER_CNAME_MAX];
    uint16_t transport_seq; /* next transport-wide sequence number */
    struct viewer_counters counters;
    int64_t unix_offset_us; /* CLOCK_REALTIME - CLOCK_MONOTONIC, given at init */
    bool closing;           /* RTCP BYE is still to be sent */
    bool stalled;           /* see viewer_set_stalled */
    unsigned n_tracks;
    unsigned next_track; /* whose turn it is to send media */
    struct viewer_track tracks[];
};

/* Datagrams back to back in the caller's buffer: all of segment_size but the last, which may be
 * shorter. That is what UDP_SEGMENT wants. */
struct viewer_train {
    struct address to;
    uint16_t segment_size, n_segments;
    uint32_t size;
};

static inline size_t viewer_size(unsigned n_tracks)
{
    return sizeof(struct viewer) + n_tracks * sizeof(struct viewer_track);
}

/* `streams[i]` belongs to config->tracks[i]. */
int viewer_init(struct viewer *v, const struct viewer_config *config, struct stream *const *streams,
                struct dtls_context *dtls, int64_t unix_offset_us, int64_t now_us);
void viewer_finish(struct viewer *v);

/* `data` is modified (decrypted in place). */
void viewer_on_datagram(struct viewer *v, uint8_t *data, size_t size, const struct address *from,
                        int64_t now_us);
/* With config->peer.full_ice: see peer_on_path. */
void viewer_on_path(struct viewer *v, const struct address *remote, int64_t now_us);
void viewer_on_path_lost(struct viewer *v, int64_t now_us);
/* A stream of this viewer has a new frame. */
void viewer_on_frame(struct viewer *v, const struct stream *s, int64_t now_us);
void viewer_on_stream_end(struct viewer *v, const struct stream *s);
void viewer_on_timeout(struct viewer *v, int64_t now_us);
void viewer_close(struct viewer *v, int64_t now_us); /* RTCP BYE, close_notify, VIEWER_CLOSED */

/* A stalled viewer sends no media, for its way out takes none, or there is none; the cursors wait.
 * When that ends, a track that is VIEWER_LATE_US behind goes on at a newer keyframe, if there is
 * one: none is asked for, since that would cost the other viewers. */
void viewer_set_stalled(struct viewer *v, bool stalled);

/* The next train, or false: nothing to send now. `room` >= VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX.
 */
bool viewer_send(struct viewer *v, struct viewer_train *train, uint8_t *out, size_t room,
                 int64_t now_us);
int64_t viewer_next_timeout(struct viewer *v, int64_t now_us);
const char *viewer_state_name(enum viewer_state s); /* "ice", "dtls", "wait-keyframe", ... */
