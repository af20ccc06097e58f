/* ingest.h - one publisher's session: what a browser, OBS or any WHIP client sends is repaired, put
 * together again and published as frames like those of a native encoder. Sans-IO.
 *
 *     ICE ─▶ DTLS ─▶ WAIT_MEDIA ◀─▶ LIVE ─▶ CLOSED
 *
 * Owned by one worker thread. After any input the worker drains ingest_send until it returns 0 and
 * files ingest_next_timeout; frames leave through config.publish while input is taken and time
 * passes: a picture the moment its last packet is there, and in parts where that takes long
 * (README.md). LIVE means that something was published within INGEST_SILENT_US.
 *
 * Each SSRC that carries a layer is a flow (ingest_flow.c): it asks for what is missing once per
 * round trip (rtp/control/nack.h), holds what comes behind a gap for INGEST_HOLD_US at most, and
 * then goes on with the next keyframe, which it asks for under the keyframe budget. Which SSRC is
 * what: told by the offer, or learnt from MID, RID and repaired RID (RFC 8843 9.2, RFC 8852), or
 * from a payload type that only one m-line has. Layer 0 of a stream is its smallest: of RIDs, as
 * their pictures turn out; their order in the offer until then.
 *
 * Frames stand on our one clock: a publisher's sender reports tie its tracks together
 * (rtp/control/timing.h), and what arrived with the least delay ties them to us.
 *
 * What a publisher can make us hold is bounded: INGEST_BUFFERS packets behind gaps, units of
 * INGEST_UNIT_MAX bytes, INGEST_SSRCS_MAX SSRCs; the rest is dropped and counted. Memory comes with
 * the session and with the first packet of a flow, none per packet.
 */
#pragma once

#include "rtp/control/remb.h"
#include "rtp/control/timing.h"
#include "rtp/control/twcc_feedback.h"
#include "rtp/forward/frame.h"
#include "rtp/forward/stream.h"
#include "rtp/payload/payload.h"
#include "rtp/session/peer.h"

#define INGEST_TRACKS_MAX 16
#define INGEST_LAYERS_MAX FORWARDER_LAYERS_MAX
#define INGEST_RID_MAX 16
#define INGEST_CNAME_MAX 32
#define INGEST_SSRCS_MAX 64
#define INGEST_BUFFERS 1024        /* packets that wait behind gaps, of all flows */
#define INGEST_DATAGRAM_MAX 1232   /* the largest datagram it sends */
#define INGEST_PACKET_MAX 1500     /* the largest payload it takes */
#define INGEST_UNIT_MAX (2u << 20) /* bytes of a picture */
#define INGEST_SILENT_US 3000000   /* nothing published for so long: WAIT_MEDIA */
#define INGEST_HOLD_US 500000      /* a gap keeps what is behind it for so long at most */
#define INGEST_REORDER_US 30000    /* and for so long where nothing can be asked for again */
#define INGEST_AUDIO_HOLD_US 60000 /* sound is not worth waiting for */

enum ingest_state {
    INGEST_ICE = 1,
    INGEST_DTLS,
    INGEST_WAIT_MEDIA,
    INGEST_LIVE,
    INGEST_CLOSED,
};

struct ingest_format {
    uint8_t payload_type;     /* 0: not negotiated */
    uint8_t rtx_payload_type; /* 0: RTX not negotiated */
};

/* Header extension ids of this publisher's session; 0: not negotiated. */
struct ingest_extensions {
    uint8_t transport_cc, mid, rid, repaired_rid, dependency, abs_send_time;
};

/* One m-line, and the stream it feeds. */
struct ingest_track_config {
    uint32_t stream_id;
    enum forwarder_kind kind; /* the stream's */
    char mid[EXTENSIONS_MID_MAX + 1];
    uint32_t ssrc, rtx_ssrc; /* 0: not told */
    unsigned n_rids;         /* 0: no simulcast */
    char rids[INGEST_LAYERS_MAX][INGEST_RID_MAX + 1];
    struct ingest_format formats[PAYLOAD_CODECS]; /* by enum payload_codec */
    bool nack, transport_cc, remb;                /* feedback that was negotiated */
    struct ingest_extensions extensions;
};

/* Takes ownership of the frame. Called while input is taken; must not call back. */
typedef void ingest_publish_fn(void *arg, uint32_t stream_id, unsigned layer, struct frame *frame);

struct ingest_config {
    uint32_t id;   /* never 0; a seat's */
    uint64_t seed; /* random: dither */
    char cname[INGEST_CNAME_MAX];
    struct peer_config peer;
    uint32_t rtcp_ssrc; /* ours, of all our reports; never 0 */
    uint64_t max_bps;   /* what the publisher is to send at most (REMB); 0: no limit */
    unsigned n_tracks;
    struct ingest_track_config tracks[INGEST_TRACKS_MAX];
};

/* Every counter is monotonic. */
struct ingest_counters {
    uint64_t packets, bytes;      /* RTP, authentic ones; bytes with headers */
    uint64_t unknown;             /* of an SSRC or payload type that is nobody's */
    uint64_t malformed;           /* RTP or payload that cannot be read */
    uint64_t padding;             /* packets without payload */
    uint64_t duplicates, late;    /* came twice; came after it was given up */
    uint64_t overflows;           /* gaps given up since too much waited behind them */
    uint64_t rtx;                 /* retransmissions that came */
    uint64_t nacks, plis;         /* sequence numbers asked for again; keyframes asked for */
    uint64_t feedback;            /* transport-wide reports sent */
    uint64_t bad_rtcp, no_frames; /* malformed RTCP; pictures lost for want of memory */
};

/* What is known of one layer of a track. */
struct ingest_layer_info {
    bool known;  /* its SSRC is; else nothing below counts */
    bool active; /* something came within the last INGEST_SILENT_US */
    bool live;   /* a keyframe was published */
    uint32_t ssrc, rtx_ssrc;
    char rid[INGEST_RID_MAX + 1];
    uint8_t codec;          /* enum payload_codec; 0: none yet */
    uint16_t width, height; /* 0: not known */
    uint8_t h264_profile[3];
    uint8_t n_temporal; /* seen */
    bool watched;       /* by any viewer */
    uint64_t packets, bytes;
    uint64_t missing, recovered, lost; /* packets: ever missed, of them come, given up */
    uint64_t nacks, plis;
    uint64_t frames, keyframes, frames_dropped; /* published; of them; lost or of no use */
    uint64_t bps;                               /* of payloads, over about half a second */
    int64_t jitter_us;
    int fraction_lost; /* 1/256, of the last report */
    /* From a packet's arrival until its frame was published, over the last 1024 packets. */
    uint64_t delay_us_p50, delay_us_p99;
};

struct ingest_track_info {
    uint32_t stream_id;
    enum forwarder_kind kind;
    unsigned n_layers; /* the smallest first */
    struct ingest_layer_info layers[INGEST_LAYERS_MAX];
};

struct ingest;

/* Allocates. `publish` gets what comes in; 0 or -errno. */
int ingest_create(struct ingest **out, const struct ingest_config *config,
                  struct dtls_context *dtls, ingest_publish_fn *publish, void *publish_arg,
                  int64_t now_us);
void ingest_destroy(struct ingest *in); /* NULL is fine */

/* `data` is modified (decrypted in place). */
void ingest_on_datagram(struct ingest *in, uint8_t *data, size_t size, const struct address *from,
                        int64_t now_us);
/* One from an address that is nobody's; was it this publisher's? (peer_on_stray) */
bool ingest_on_stray(struct ingest *in, uint8_t *data, size_t size, const struct address *from,
                     int64_t now_us);
/* Without config->peer.full_ice: see peer_restart. */
void ingest_restart(struct ingest *in, const struct ice_local *local, const char *remote_ufrag,
                    const char *remote_pwd);
/* With config->peer.full_ice: see peer_on_path. */
void ingest_on_path(struct ingest *in, const struct address *remote, int64_t now_us);
void ingest_on_path_lost(struct ingest *in, int64_t now_us);
void ingest_on_timeout(struct ingest *in, int64_t now_us);
void ingest_close(struct ingest *in, int64_t now_us); /* RTCP BYE, close_notify, INGEST_CLOSED */

/* Viewers of the track's layer want a keyframe; some watch it, or none do. */
void ingest_want_keyframe(struct ingest *in, unsigned track, unsigned layer, uint32_t requests);
void ingest_set_watched(struct ingest *in, unsigned track, unsigned layer, bool watched);
void ingest_set_max_rate(struct ingest *in, uint64_t max_bps); /* 0: no limit */

/* The next datagram; 0: none. `room` >= INGEST_DATAGRAM_MAX. */
size_t ingest_send(struct ingest *in, uint8_t *out, size_t room, struct address *to,
                   int64_t now_us);
int64_t ingest_next_timeout(struct ingest *in, int64_t now_us);

enum ingest_state ingest_state(const struct ingest *in);
const struct peer *ingest_peer(const struct ingest *in);
/* Counts up whenever what ingest_track_info says of codec, size, profile, layers or live changes.
 */
uint32_t ingest_version(const struct ingest *in);
const struct ingest_counters *ingest_counters(const struct ingest *in);
int64_t ingest_rtt_us(const struct ingest *in);    /* -1: not known */
uint64_t ingest_remb_bps(const struct ingest *in); /* last told to the publisher; 0: nothing */
int64_t ingest_state_since_us(const struct ingest *in);
int64_t ingest_created_us(const struct ingest *in);
/* When anything of it last came that was authentic: media, a report, a check. */
int64_t ingest_heard_us(const struct ingest *in);
unsigned ingest_n_tracks(const struct ingest *in);
void ingest_track_info(const struct ingest *in, unsigned track, struct ingest_track_info *out,
                       int64_t now_us);
/* Which layers of the track have something to show, a bit each: what a viewer may be given. */
uint8_t ingest_active_layers(const struct ingest *in, unsigned track, int64_t now_us);
const char *ingest_state_name(enum ingest_state s); /* "ice", "dtls", "wait-media", "live", ... */
