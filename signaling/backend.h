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
#define BACKEND_STREAMS_MAX 8 /* per room */
#define BACKEND_CANDIDATES_MAX 16
#define BACKEND_FINGERPRINT_MAX 200
#define BACKEND_UFRAG_MAX 257
#define BACKEND_PWD_MAX 257
#define BACKEND_FINGERPRINTS_MAX 4
#define BACKEND_CANDIDATE_MAX 256 /* "candidate:..." with its terminator */
#define BACKEND_ICE_SERVERS_MAX 5
#define BACKEND_ICE_SERVER_TEXT_MAX 256

enum backend_codec { BACKEND_H264 = 1 };

struct backend_stream {
    char track_id[32];
    char window_name[64], app_name[32];
    bool is_focused, paused;
    int width, height;
    enum backend_codec codec;
    uint8_t h264_profile[3]; /* profile-level-id of the stream's own SPS */
};

struct backend_room {
    char code[BACKEND_ROOM_MAX];
    unsigned viewers;
    bool live; /* every stream below has been encoded at least once and can be watched */
    unsigned n_streams;
    struct backend_stream streams[BACKEND_STREAMS_MAX];
};

struct backend_candidate {
    char ip[48];
    uint16_t port;     /* UDP */
    uint16_t tcp_port; /* where it takes ICE over TCP, 0: nowhere */
};

/* A reserved place for one viewer: all that its SDP needs. */
struct backend_seat {
    bool offering; /* to `reserve`: we are to offer, and not to answer */
    uint32_t viewer_id;
    char ufrag[32], pwd[64];
    char fingerprint[BACKEND_FINGERPRINT_MAX]; /* "sha-256 AB:CD:..." */
    bool full_ice; /* an agent gathers: candidates come later, one by one (http_on_candidate) */
    unsigned n_candidates;
    struct backend_candidate candidates[BACKEND_CANDIDATES_MAX];
    char cname[32];
    struct {
        uint32_t ssrc, rtx_ssrc;
    } tracks[BACKEND_STREAMS_MAX]; /* in the order of backend_room.streams */
};

/* What was negotiated. */
struct backend_answer {
    char ufrag[BACKEND_UFRAG_MAX], pwd[BACKEND_PWD_MAX];
    bool dtls_client; /* our role: true if the peer is passive */
    unsigned n_fingerprints;
    char fingerprints[BACKEND_FINGERPRINTS_MAX][BACKEND_FINGERPRINT_MAX];
    unsigned n_tracks; /* accepted ones only */
    struct {
        unsigned stream; /* index into backend_room.streams as it was when the seat was taken */
        char mid[17];
        uint8_t payload_type, rtx_payload_type; /* rtx 0: not negotiated */
        /* header extension ids, 0: not negotiated */
        uint8_t transport_cc_id, playout_delay_id, mid_id;
    } tracks[BACKEND_STREAMS_MAX];
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

struct backend {
    void *arg;
    unsigned n_ice_servers;
    struct backend_ice_server ice_servers[BACKEND_ICE_SERVERS_MAX];
    bool (*room)(void *arg, const char *code, struct backend_room *out); /* false: no such room */
    /* 0; -ENOENT no such room; -EAGAIN full; -ENODATA nothing to watch yet. */
    int (*reserve)(void *arg, const char *code, struct backend_room *room,
                   struct backend_seat *seat);
    /* The viewer begins. 0, or -errno (-EINVAL: a fingerprint or credential is unusable). */
    int (*start)(void *arg, uint32_t viewer_id, const struct backend_answer *answer);
    /* Gives the seat back or ends the viewer; unknown ids are fine. */
    void (*leave)(void *arg, uint32_t viewer_id);
    /* With full ICE, else NULL: a candidate of the peer, "candidate:..."; "": there will be no
     * more. From reserve on; unknown ids are fine. */
    void (*candidate)(void *arg, uint32_t viewer_id, const char *text);
    /* The same: ICE restart with these credentials of the peer. 0 with ours, new ones, and the
     * candidates come again; or -errno. */
    int (*restart)(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                   struct backend_credentials *ours);
    /* A connection to the HTTP port that begins with a STUN message (RFC 6544, RFC 4571): the
     * backend's from now on, non-blocking, nothing read from it. NULL: there are none. */
    void (*tcp)(void *arg, int fd);

    bool (*is_admin)(void *arg, const char *bearer);   /* constant time; bearer may be NULL */
    bool metrics_open;                                 /* /metrics needs no token */
    char *(*stats_json)(void *arg, bool with_viewers); /* malloc'd; NULL: out of memory */
    char *(*metrics_text)(void *arg);                  /* malloc'd, Prometheus text format */
    /* NULL: fine; else one word for the 503 ("starting", "source-failed"). */
    const char *(*unhealthy)(void *arg);
    const char *(*unready)(void *arg);
};

/* What became of a viewer, from the server to signaling. */
enum backend_viewer_state {
    BACKEND_VIEWER_CONNECTING = 1,
    BACKEND_VIEWER_LIVE,
    BACKEND_VIEWER_CLOSED
};
