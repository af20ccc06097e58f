/* viewer.h - one viewer's session: transport, the packets it gets, and what it asks for. Sans-IO.
 *
 *     ICE ─▶ DTLS ─▶ WAIT_KEYFRAME ◀─▶ PLAYING ─▶ CLOSED
 *
 * Owned by one worker thread. After any input the worker drains viewer_send until it returns false
 * and files viewer_next_timeout. Media is pulled: a track is a cursor (frame id, packet index) into
 * its stream, moved on as the pacer allows, so that a slow viewer holds no queue of its own. Per
 * packet it keeps 12 bytes (past.h); the media stays in the stream's shared frames. Its memory,
 * viewer_size bytes, is the caller's.
 *
 * RTP timestamps of a viewer: a frame's own plus a random offset; the frames before the live one,
 * which it gets when it joins, changes layers or needs a keyframe again, are squeezed (past.h).
 * Retransmission is RTX (RFC 4588) where negotiated. Where it is not, the packet is sent again with
 * the very same bytes: then no transport-wide sequence number is written, since the same SRTP index
 * must never protect two different headers.
 *
 * A track is a reserved place for a stream: it may have no source for long. Of a stream with
 * several layers it plays one. It changes at the frame's end: at once where the other layer's
 * cached GOP will do (down: always; up: where that is not much), else with that layer's next
 * keyframe, and the old layer goes on until then. A keyframe that a player asks for comes from the
 * cache, for it alone, where that costs it less than a second of the stream; else the source is
 * asked.
 *
 * Sound goes before everything else. Its packet rides behind the last one of a picture's train, or
 * before a picture that is smaller still; it waits up to 10 ms for one and then goes alone. It is
 * never sent again; where packets are lost each brings the one before it, too (RED), if the player
 * takes that.
 */
#pragma once

#include "rtp/control/loss.h"
#include "rtp/control/pacer.h"
#include "rtp/control/report.h"
#include "rtp/forward/past.h"
#include "rtp/forward/viewer_path.h"
#include "rtp/forward/stream.h"
#include "rtp/payload/payload.h"
#include "rtp/session/peer.h"
#include "rtp/wire/extensions.h"

#define VIEWER_TRACKS_MAX 16
#define VIEWER_TRAIN_MAX 64      /* segments in one train (UDP_MAX_SEGMENTS) */
#define VIEWER_TRAIN_BYTES 65000 /* in one train: what one UDP_SEGMENT send may hold */
#define VIEWER_DATAGRAM_MAX 1232 /* the largest datagram a viewer sends */
/* Keyframes and the first GOP leave at 2.5 times the rate of the viewer's streams, at least at this
 * one: so that what piled up is sent in good time, and as trains with pauses in between. */
#define VIEWER_PACE_BPS 50000000
#define VIEWER_PACE_BURST 65536     /* bytes that may leave at once */
#define VIEWER_LATE_US 1000000      /* of a stalled viewer: then it goes on at a newer keyframe */
#define VIEWER_AUDIO_LATE_US 200000 /* older sound is left out where there is newer */
#define VIEWER_AUDIO_WAIT_US 10000  /* the longest that sound waits for a train to ride on */
/* Between two keyframes from the cache: this, a round trip, and a part of the time of what follows
 * the keyframe, so that a stream sent again and again is at most five times the stream. */
#define VIEWER_REPLAY_GAP_US 500000
#define VIEWER_REPLAY_PARTS 4
/* So many in a row that did not help, and what follows has become this long: the encoder is asked.
 */
#define VIEWER_REPLAYS_MAX 3
#define VIEWER_REPLAY_OLD_US 10000000
#define VIEWER_CNAME_MAX 32
#define VIEWER_NACKS_PER_RTCP_MAX 256

enum viewer_state {
    VIEWER_ICE = 1,
    VIEWER_DTLS,
    VIEWER_WAIT_KEYFRAME,
    VIEWER_PLAYING,
    VIEWER_CLOSED,
};

struct viewer_format {
    uint8_t payload_type;     /* 0: not negotiated */
    uint8_t rtx_payload_type; /* 0: RTX not negotiated */
};

struct viewer_track_config {
    uint32_t stream_id;
    enum forwarder_kind kind; /* the stream's */
    uint32_t ssrc, rtx_ssrc;
    struct viewer_format formats[PAYLOAD_CODECS]; /* by enum payload_codec */
    uint8_t red_payload_type; /* of sound with the packet before (RFC 2198); 0: not negotiated */
    struct extensions_ids extensions;
    char mid[EXTENSIONS_MID_MAX + 1];
};

struct viewer_config {
    uint32_t id;   /* never 0 */
    uint64_t seed; /* random: first sequence numbers, timestamp offsets, report dither */
    char cname[VIEWER_CNAME_MAX];
    struct peer_config peer;
    bool adapts; /* to what its path takes, as far as it says so: viewer_path.c. Else it gets all */
    unsigned n_tracks;
    struct viewer_track_config tracks[VIEWER_TRACKS_MAX];
};

/* What a viewer wants of a stream. */
struct viewer_selection {
    int layer;        /* -1: the best for it; else this one, or the largest there is */
    int max_temporal; /* -1: all; else no frame of a higher temporal_id */
    bool paused;      /* nothing at all */
    uint8_t barred;   /* layers from the largest down that it may not have; the smallest it may */
};

struct viewer_track {
    /* immutable after init */
    struct stream *stream; /* borrowed: the worker keeps streams longer than their viewers; NULL
                              once it ended */
    enum forwarder_kind kind;
    uint32_t ssrc, rtx_ssrc;
    uint32_t timestamp_offset;
    bool pads; /* video, sent again by RTX whatever its codec: what is sent first may be padded */
    struct viewer_format formats[PAYLOAD_CODECS];
    uint8_t red_payload_type; /* of sound; 0: none */

    /* where it stands */
    bool started;     /* the cursor follows the stream */
    bool joined;      /* has been started once */
    bool waiting;     /* has asked for a keyframe to start from */
    bool lost;        /* the cursor fell out of the ring */
    bool unsupported; /* the stream's codec was not negotiated */
    bool replays;     /* goes back to the cached keyframe with the next frame */
    bool asked;       /* for a keyframe of the target layer */
    uint8_t layer;    /* that plays */
    uint8_t target;   /* that is to play */
    uint8_t watched;  /* the layers it counts as a watcher of, a bit each */
    uint8_t temporal; /* frames above this are skipped now */
    uint16_t seq;     /* sound: the next one; video: the first one, while there is no past */
    uint16_t rtx_seq;
    uint16_t cursor_packet; /* next packet of the next frame to send */
    uint64_t cursor_id;     /* that frame */
    struct past *past;      /* owned; of video that has played */
    /* as the path allows (viewer_path.h) */
    enum layer_mode mode;
    uint8_t best_layer;    /* LAYER_ANY: nothing is known against the largest */
    uint8_t best_temporal; /* LAYER_ANY: all */
    bool rejoins;          /* goes on at a keyframe, with nothing before it */
    bool held;             /* there are frames, but none to be sent */
    bool jumped;           /* went on at a keyframe: still to be noted */
    bool slide_due;        /* of slides, the next one */
    bool in_picture;       /* between two parts of one */
    uint8_t codec;         /* of the newest frame that was sent */
    struct extensions_block extensions;
    struct extensions_block described; /* the same with a dependency descriptor; size 0: never */
    struct report report;
    uint16_t playout_ms;  /* that its player is to hold pictures for, */
    uint16_t holding_ms;  /* and that it is asked to by now */
    bool playout_guessed; /* by the soonest feedback: no report has told the round trip yet */
    int64_t repaired_us;  /* when that was last needed, or of sound that each packet comes twice */
    bool repeats;         /* sound: each packet brings the one before, too */

    struct viewer_selection selection;
    int64_t replayed_us; /* when a keyframe last came from the cache; INT64_MIN: never */
    uint8_t n_replays;   /* in a row */
    bool any_fir;
    uint8_t last_fir_seq;
};

/* Every counter is monotonic. */
struct viewer_counters {
    uint64_t packets_sent, bytes_sent; /* RTP datagrams, retransmissions included */
    uint64_t frames_sent;
    uint64_t nacks;          /* sequence numbers asked for */
    uint64_t resent;         /* packets sent again */
    uint64_t resent_twice;   /* of those resent, once more at once */
    uint64_t resend_misses;  /* asked for, but no longer known */
    uint64_t resend_limited; /* asked for again too soon, or over the bound: left out */
    uint64_t plis, firs;
    uint64_t keyframes_from_cache; /* asked for, and answered with the cached GOP */
    uint64_t keyframes_limited;    /* asked for again while the last answer was on its way */
    uint64_t keyframe_jumps;       /* the cursor fell out of the ring: went on at a keyframe */
    uint64_t layer_switches;
    uint64_t frames_skipped;         /* above the temporal limit */
    uint64_t audio_sent, audio_rode; /* packets of sound; those that left in a picture's train */
    uint64_t audio_repeated;         /* of those sent, that brought the one before, too */
    uint64_t audio_skipped;          /* that were too late */
    uint64_t padding_sent, padding_bytes; /* RTP datagrams that only probe */
    uint64_t bad_rtcp;
};

struct viewer {
    uint32_t id;
    enum viewer_state state;
    int64_t created_us, state_since_us;
    int64_t first_frame_us; /* when the first frame had been sent whole; -1: not yet */
    struct peer peer;
    struct pacer pacer;
    struct viewer_path *path; /* owned; NULL until a picture plays */
    uint64_t rate_bps;        /* of its streams */
    uint64_t pace_bps;        /* what the pacer is told as long as no path is known */
    char cname[VIEWER_CNAME_MAX];
    uint16_t transport_seq; /* next transport-wide sequence number */
    struct viewer_counters counters;
    struct loss loss;       /* as its feedback tells */
    int64_t soonest_us;     /* that feedback came after what it is about; INT64_MAX: none came */
    int64_t unix_offset_us; /* CLOCK_REALTIME - CLOCK_MONOTONIC, given at init */
    /* Its newest reference time (RFC 3611 4.4), which reports answer, so that it can compare its
     * clock with ours: from capture to screen is a sum over both. */
    struct {
        uint32_t ssrc, ntp; /* the middle of its time; ssrc 0: there was none */
        int64_t at_us;
    } reference;
    bool closing; /* RTCP BYE is still to be sent */
    bool stalled; /* see viewer_set_stalled */
    bool adapts;  /* immutable after init */
    unsigned n_tracks;
    unsigned next_track; /* whose turn it is to send media */
    /* tracks, a bit each, so that those that are only reserved cost nothing */
    uint32_t audio;         /* immutable: of sound */
    uint32_t present;       /* whose stream has a source, and which are not paused */
    uint32_t sent;          /* that have sent anything */
    int64_t audio_since_us; /* when sound came that waits; INT64_MAX: none */
    bool audio_alone;       /* it could not ride, and waits no more */
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

/* `streams[i]` belongs to config->tracks[i]; they are watched from here on. */
int viewer_init(struct viewer *v, const struct viewer_config *config, struct stream *const *streams,
                struct dtls_context *dtls, int64_t unix_offset_us, int64_t now_us);
void viewer_finish(struct viewer *v);

/* `data` is modified (decrypted in place). */
void viewer_on_datagram(struct viewer *v, uint8_t *data, size_t size, const struct address *from,
                        int64_t now_us);
/* One from an address that is nobody's; was it this viewer's? (peer_on_stray) */
bool viewer_on_stray(struct viewer *v, uint8_t *data, size_t size, const struct address *from,
                     int64_t now_us);
/* Without config->peer.full_ice: see peer_restart. */
void viewer_restart(struct viewer *v, const struct ice_local *local, const char *remote_ufrag,
                    const char *remote_pwd);
/* With config->peer.full_ice: see peer_on_path. */
void viewer_on_path(struct viewer *v, const struct address *remote, int64_t now_us);
void viewer_on_path_lost(struct viewer *v, int64_t now_us);
/* A stream of this viewer has a new frame. Needs not be told where viewer_wants_layer is false. */
void viewer_on_frame(struct viewer *v, const struct stream *s, int64_t now_us);
bool viewer_wants_layer(const struct viewer *v, const struct stream *s, unsigned layer);
/* A stream of this viewer has a source; before stream_detach: it has none any more; it ends. */
void viewer_on_attach(struct viewer *v, struct stream *s, int64_t now_us);
void viewer_on_detach(struct viewer *v, const struct stream *s);
void viewer_on_stream_end(struct viewer *v, const struct stream *s);
void viewer_select(struct viewer *v, const struct stream *s, const struct viewer_selection *wanted,
                   int64_t now_us);
/* The player cannot go on with what it has: as a PLI. */
void viewer_want_keyframe(struct viewer *v, const struct stream *s, int64_t now_us);
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
