/* backend.h - what signaling asks of the rest of the program, and nothing more.
 *
 * The server fills a `struct backend`; sessions (session_ws.h, session_whep.h) and the HTTP shell
 * (http.h) call it, all on the signaling thread. Signaling knows SDP and JSON; it knows neither
 * RTP sessions nor encoders: those are behind the numbers and texts here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKEND_ROOM_MAX 64   /* characters of a room code, with its terminator */
#define BACKEND_STREAMS_MAX 8 /* slots of a room */
#define BACKEND_LAYERS_MAX 3
#define BACKEND_TITLE_MAX 128
#define BACKEND_PASSWORD_MAX 129
#define BACKEND_SECRET_MAX 65
#define BACKEND_RID_MAX 17
#define BACKEND_CANDIDATES_MAX 16
#define BACKEND_FINGERPRINT_MAX 200
#define BACKEND_UFRAG_MAX 257
#define BACKEND_PWD_MAX 257
#define BACKEND_FINGERPRINTS_MAX 4
#define BACKEND_CANDIDATE_MAX 256 /* "candidate:..." with its terminator */
#define BACKEND_ICE_SERVERS_MAX 5
#define BACKEND_ICE_SERVER_TEXT_MAX 256

/* Of video; the values of enum payload_codec. */
enum backend_codec { BACKEND_H264 = 1, BACKEND_VP8, BACKEND_VP9, BACKEND_AV1, BACKEND_CODECS };

/* What a slot of a room carries. The track of slot i is called "video<i>". */
struct backend_stream {
    bool active; /* it carries a stream; else only end_reason counts, and the names */
    bool has_audio;
    bool is_focused, paused;
    char track_id[32];
    char window_name[64], app_name[32];
    /* "" while all is well; else why it ended, or why there is no picture at the moment, in words
     * for a person. */
    char end_reason[160];
    int width, height;
    enum backend_codec codec;
    uint8_t h264_profile[3]; /* profile-level-id of the stream's own SPS */
    unsigned n_layers;       /* 1-3 */
    struct {
        int width, height;
        uint32_t bitrate_bps;
    } layers[BACKEND_LAYERS_MAX]; /* the best one first */
};

struct backend_room {
    char code[BACKEND_ROOM_MAX];
    unsigned viewers;
    bool live;         /* at least one active stream can be watched */
    bool presenter;    /* somebody publishes, or may come back */
    bool reconnecting; /* who published has gone without a word and may come back */
    bool password_required;
    bool makes_tokens;                                  /* see make_token */
    char title[BACKEND_TITLE_MAX];                      /* or "" */
    unsigned n_streams;                                 /* active ones */
    struct backend_stream streams[BACKEND_STREAMS_MAX]; /* by slot: sparse */
};

struct backend_candidate {
    char ip[48];
    uint16_t port;     /* UDP */
    uint16_t tcp_port; /* where it takes ICE over TCP, 0: nowhere */
};

/* A reserved place for one viewer: all that its SDP needs. */
struct backend_seat {
    bool offering;  /* to `reserve`: we are to offer, and not to answer */
    int best_layer; /* to `reserve`: of the grant; 0: no layer is barred */
    uint32_t viewer_id;
    char ufrag[32], pwd[64];
    char fingerprint[BACKEND_FINGERPRINT_MAX]; /* "sha-256 AB:CD:..." */
    bool full_ice; /* an agent gathers: candidates come later, one by one (http_on_candidate) */
    unsigned n_candidates;
    struct backend_candidate candidates[BACKEND_CANDIDATES_MAX];
    char cname[32];
    /* by slot */
    struct {
        uint32_t ssrc, rtx_ssrc;
    } video[BACKEND_STREAMS_MAX];
    struct {
        uint32_t ssrc;
    } audio[BACKEND_STREAMS_MAX];
};

/* What was negotiated. */
struct backend_answer {
    char ufrag[BACKEND_UFRAG_MAX], pwd[BACKEND_PWD_MAX];
    bool dtls_client; /* our role: true if the peer is passive */
    unsigned n_fingerprints;
    char fingerprints[BACKEND_FINGERPRINTS_MAX][BACKEND_FINGERPRINT_MAX];
    unsigned n_tracks; /* accepted ones only */
    struct {
        unsigned slot;
        bool audio;
        char mid[17];
        /* of video, by enum backend_codec; 0: not negotiated */
        struct {
            uint8_t payload_type, rtx_payload_type;
        } formats[BACKEND_CODECS];
        uint8_t opus_payload_type; /* of audio */
        uint8_t red_payload_type;  /* of audio: Opus in RED (RFC 2198); 0: not negotiated */
        /* header extension ids, 0: not negotiated */
        uint8_t transport_cc_id, playout_delay_id, mid_id, dependency_id;
    } tracks[2 * BACKEND_STREAMS_MAX];
};

/* --- who may what --- */

/* What somebody shows to be let in; each may be NULL. A bearer is a password or a watch token. */
struct backend_credential {
    const char *bearer, *secret;
};

enum backend_access {
    BACKEND_ACCESS_GRANTED = 1,
    BACKEND_ACCESS_NO_ROOM,
    BACKEND_ACCESS_REQUIRED,  /* nothing was shown, and something is needed */
    BACKEND_ACCESS_INVALID,   /* what was shown is wrong */
    BACKEND_ACCESS_TOKEN_USED /* a token of one use, a second time; or it has run out */
};

struct backend_grant {
    int best_layer; /* counted from 0, the best; what a seat is reserved with */
};

struct backend_room_wish {
    const char *code, *password, *title; /* NULL: none, or as it is; password "": none any more */
    int max_viewers;                     /* negative: as it is; 0: no limit of its own */
    /* To make_room: of 16 characters or more; NULL: one that nobody can guess. */
    const char *secret;
};

struct backend_room_made {
    char code[BACKEND_ROOM_MAX], secret[BACKEND_SECRET_MAX];
};

#define BACKEND_TOKEN_MAX 512

/* A signed token that lets one viewer watch once, in the place of the password. */
struct backend_token_wish {
    unsigned lasts_s; /* until then it has to be shown */
    int max_layer;    /* the best layer that its viewer is sent; 0: no layer is barred */
};

struct backend_token {
    char text[BACKEND_TOKEN_MAX];
    int64_t expires_s; /* Unix time */
};

/* --- publishing: what comes in from a browser, OBS, GoPeep, any WHIP client --- */

/* One m-line of what a publisher sends, as it was agreed. */
struct backend_publish_track {
    bool audio;
    unsigned slot; /* where it goes */
    char mid[17];
    char title[64];          /* its name, UTF-8 that may be cut or malformed; "": not told */
    char track_id[64];       /* the publisher's own, of a=msid; "": not told, or longer */
    uint32_t ssrc, rtx_ssrc; /* 0: not told: learnt from mid, rid, payload type */
    unsigned n_rids;         /* simulcast; 0: none */
    char rids[BACKEND_LAYERS_MAX][BACKEND_RID_MAX]; /* as they were offered, in any order */
    struct {
        uint8_t payload_type, rtx_payload_type;
    } formats[BACKEND_CODECS]; /* by enum backend_codec; 0: not negotiated */
    uint8_t opus_payload_type;
    bool nack, transport_cc, remb; /* feedback that was agreed */
    /* header extension ids, 0: not negotiated */
    uint8_t transport_cc_id, mid_id, rid_id, repaired_rid_id, dependency_id, abs_send_time_id;
};

struct backend_publication {
    char ufrag[BACKEND_UFRAG_MAX], pwd[BACKEND_PWD_MAX];
    bool dtls_client; /* our role */
    unsigned n_fingerprints;
    char fingerprints[BACKEND_FINGERPRINTS_MAX][BACKEND_FINGERPRINT_MAX];
    char kind[16]; /* "whip", "browser", "gopeep": shown in stats */
    unsigned n_tracks;
    struct backend_publish_track tracks[2 * BACKEND_STREAMS_MAX];
};

/* What a presenter says of one of its streams; negative, NULL: as it is. */
struct backend_publish_info {
    const char *window_name, *app_name;
    int width, height;
    int active, focused, paused;
};

/* How the viewers of a room fare. */
struct backend_audience {
    unsigned viewers, good, poor, joining;
    char worst[96];      /* what limits the worst one, in words; "" while all is well */
    uint64_t usable_bps; /* what the best tenth can take of the first picture; 0: not known */
    unsigned layers;     /* that somebody watches, a bit each, bit 0 the best */
};

/* A STUN or TURN server for the browsers. The texts have no spaces, quotes, backslashes, angle
 * brackets or control characters. */
struct backend_ice_server {
    char url[BACKEND_ICE_SERVER_TEXT_MAX];
    char username[BACKEND_ICE_SERVER_TEXT_MAX], credential[BACKEND_ICE_SERVER_TEXT_MAX]; /* or "" */
};

struct backend_credentials {
    char ufrag[32], pwd[64];
};

/* What a player says of itself; -1: it does not know. */
struct backend_viewer_report {
    int64_t decoded, dropped, freezes; /* frames, frames, times; since it began */
    double glass_to_glass_ms, jitter_buffer_ms;
};

/* Of a source that runs; negative, or "": as it is. */
struct backend_source_change {
    int bitrate_kbps, fps;
    int paused;
    char rate_control[16]; /* "cbr", "quality" */
};

struct backend {
    void *arg;
    unsigned n_ice_servers;
    struct backend_ice_server ice_servers[BACKEND_ICE_SERVERS_MAX];
    bool (*room)(void *arg, const char *code, struct backend_room *out); /* false: no such room */
    /* 0; -ENOENT no such room; -EAGAIN full; -ENODATA nothing to watch yet; -ESHUTDOWN the server
     * is about to stop. */
    int (*reserve)(void *arg, const char *code, struct backend_room *room,
                   struct backend_seat *seat);
    /* The viewer begins. 0, or -errno (-EINVAL: a fingerprint or credential is unusable). */
    int (*start)(void *arg, uint32_t viewer_id, const struct backend_answer *answer);
    /* Gives the seat back or ends the viewer; unknown ids are fine. */
    void (*leave)(void *arg, uint32_t viewer_id);
    /* With full ICE, else NULL: a candidate of the peer, "candidate:..."; "": there will be no
     * more. From reserve on; unknown ids are fine. */
    void (*candidate)(void *arg, uint32_t viewer_id, const char *text);
    /* ICE restart with these credentials of the peer: 0 with ours, new ones, or -errno. With full
     * ICE the candidates come again, and who restarts it himself says nothing of the peer at first
     * ("", ""), and gives its answer with `ours` NULL. May be NULL. */
    int (*restart)(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                   struct backend_credentials *ours);
    /* A connection to the HTTP port that begins with a STUN message (RFC 6544, RFC 4571): the
     * backend's from now on, non-blocking, nothing read from it. NULL: there are none. */
    void (*tcp)(void *arg, int fd);

    /* What a viewer wants to receive of a slot: a layer (0 is the best one, -1 what fits), temporal
     * layers up to max_temporal (-1: all that fit), or nothing at all. From start on. */
    void (*select)(void *arg, uint32_t viewer_id, unsigned slot, int layer, int max_temporal,
                   bool paused);
    void (*keyframe)(void *arg, uint32_t viewer_id, unsigned slot); /* its player is stuck */
    void (*viewer_report)(void *arg, uint32_t viewer_id, const struct backend_viewer_report *r);

    /* The admin's. Each may be NULL: this server cannot. Room codes are normalized. `add_source`:
     * -EINPROGRESS: it is being opened, and http_on_source_added follows with this ticket, which is
     * not 0; -ENOENT no such room, -ENOSPC no slot is free, -EAGAIN too many are being opened, else
     * -errno; with a sentence. `options` is a JSON object: the request without its "source". */
    int (*add_source)(void *arg, const char *room, const char *source, const char *options,
                      uint32_t *ticket, char *error, size_t error_size);
    int (*remove_source)(void *arg, const char *room, unsigned slot); /* 0, -ENOENT */
    int (*set_source)(void *arg, const char *room, unsigned slot,
                      const struct backend_source_change *change, char *error, size_t error_size);
    /* What could be added: -EINPROGRESS: http_on_source_added follows with this ticket, which is
     * not 0, and a list; -EAGAIN too many ask, else -errno. */
    int (*list_sources)(void *arg, uint32_t *ticket);

    char *(*viewer_json)(void *arg, uint32_t viewer_id); /* malloc'd; NULL: there is none */
    /* malloc'd: what was decided for this viewer, oldest first, a JSON array; NULL: nothing is
     * known. May be NULL. */
    char *(*viewer_story_json)(void *arg, uint32_t viewer_id);
    int (*remove_viewer)(void *arg, uint32_t viewer_id); /* 0, -ENOENT */

    /* Rooms. Each may be NULL: this server has those it was started with. `make_room`: 0; -EEXIST
     * the code is taken; -EINVAL it is no code; -ENOSPC no more rooms. `change_room`, `end_room`:
     * 0, -ENOENT. Who may do it is asked of may_publish or is_admin before. */
    bool open_rooms; /* anyone may make one */
    int (*make_room)(void *arg, const struct backend_room_wish *wish,
                     struct backend_room_made *out);
    int (*change_room)(void *arg, const char *code, const struct backend_room_wish *wish);
    int (*end_room)(void *arg, const char *code);
    /* 0; -ENOENT; -ENOTSUP there is no key to sign with; -EIO. */
    int (*make_token)(void *arg, const char *code, const struct backend_token_wish *wish,
                      struct backend_token *out);
    /* Constant time in what is secret. A token that may be used once is used up by may_watch. */
    enum backend_access (*may_watch)(void *arg, const char *code,
                                     const struct backend_credential *shown,
                                     struct backend_grant *out);
    enum backend_access (*may_publish)(void *arg, const char *code,
                                       const struct backend_credential *shown);

    /* Publishing; NULL: this server takes none. The seat's id is of the same numbers as viewers':
     * leave, candidate, restart and http_on_viewer mean it too. `publish_reserve`: 0; -ENOENT no
     * such room; -EAGAIN full; -ESHUTDOWN. `publish_start` puts the publisher into the slots of its
     * tracks; whoever published there before, but for a native source, is fenced off: closed with
     * the reason "replaced". 0; -EINVAL; -EBUSY: a native source has the slot. `publish_slot`:
     * where a publisher's next picture may go: the first slot without a native source of which bit
     * i of `taken` is not set; -ENOSPC. */
    int (*publish_reserve)(void *arg, const char *code, struct backend_seat *seat);
    int (*publish_slot)(void *arg, const char *code, unsigned taken);
    int (*publish_start)(void *arg, uint32_t id, const struct backend_publication *what);
    /* Ended on purpose: its streams end at once, where those of one that was lost wait for it. */
    void (*publish_end)(void *arg, uint32_t id);
    void (*publish_info)(void *arg, uint32_t id, unsigned slot,
                         const struct backend_publish_info *info);
    bool (*audience)(void *arg, const char *code,
                     struct backend_audience *out); /* false: no room */

    bool (*is_admin)(void *arg, const char *bearer);   /* constant time; bearer may be NULL */
    bool metrics_open;                                 /* /metrics needs no token */
    char *(*stats_json)(void *arg, bool with_viewers); /* malloc'd; NULL: out of memory */
    char *(*metrics_text)(void *arg);                  /* malloc'd, Prometheus text format */
    /* NULL: fine; else one word for the 503 ("starting", "source-failed"). */
    const char *(*unhealthy)(void *arg);
    const char *(*unready)(void *arg);
};

/* What became of a source that was added, or what could be, from the server to signaling. */
struct backend_source_added {
    uint32_t ticket;
    int status; /* 0, or -errno as of add_source */
    char room[BACKEND_ROOM_MAX];
    unsigned slot;
    char error[240]; /* a sentence, or "" */
    char *list;      /* malloc'd JSON, taken over: of list_sources; else NULL */
};

/* What became of a viewer, from the server to signaling. */
enum backend_viewer_state {
    BACKEND_VIEWER_CONNECTING = 1,
    BACKEND_VIEWER_LIVE,
    BACKEND_VIEWER_CLOSED
};
