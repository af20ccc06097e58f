/* session_ws.h - one viewer's WebSocket session of amphi.v1. Pure.
 *
 *            join: offer          answer           media flows
 *    OPEN ─────────────▶ OFFERED ────────▶ ANSWERED ──────────▶ LIVE
 *     ▲ │ nothing to watch:  │ 10 s, bad-sdp   │ transport ended  │
 *     │ └ stays, waiting     ▼                 ▼                  ▼
 *     └──────── join ─────── CLOSED ◀──────────┴──────────────────┘
 *
 * CLOSED says that its viewer is gone, not the socket: a join starts over, and from any other state
 * replaces the viewer. When the socket closes an unanswered seat is given back, while media that
 * flows is left to its own end. After every call: look at `viewer_id` (0: none), which events are
 * for it, at session_ws_next_timeout, and at `finished`: send what is queued, then close the
 * socket.
 */
#pragma once

#include "signaling/backend.h"
#include "signaling/sdp.h"

enum session_ws_state {
    SESSION_WS_OPEN = 1,
    SESSION_WS_OFFERED,
    SESSION_WS_ANSWERED,
    SESSION_WS_LIVE,
    SESSION_WS_CLOSED,
};

#define SESSION_WS_JOIN_US (30 * INT64_C(1000000))   /* from the socket's opening to a join */
#define SESSION_WS_ANSWER_US (10 * INT64_C(1000000)) /* from an offer to its answer */

/* Messages that move something in the server (select, keyframe, viewer-stats, ice), a second. */
#define SESSION_WS_MESSAGES_PER_S 40

struct session_ws_output {
    void *arg;
    void (*emit)(void *arg, char *text); /* takes ownership of the malloc'd text */
    /* Whether it may join now: 0, or in how many seconds. NULL: it always may. */
    unsigned (*admit)(void *arg);
};

/* What a room's change means to its members, written once for all of them. */
struct session_ws_news {
    const char *code;
    bool exists;
    struct backend_room room;
    char *streams_info;                     /* owned */
    char *activated[BACKEND_STREAMS_MAX];   /* owned; NULL until somebody is to be told */
    char *deactivated[BACKEND_STREAMS_MAX]; /* owned; the same */
};

struct session_ws {
    /* immutable after init */
    const struct backend *backend; /* borrowed: lives longer than every session */
    struct session_ws_output output;
    /* */
    enum session_ws_state state;
    uint32_t viewer_id;
    bool joined;  /* `room` is one it has joined, not only the one it came for */
    bool waiting; /* joined before there was something to watch; the offer comes by itself */
    /* what it was told last */
    bool has_streams;
    uint8_t active_slots; /* bits */
    bool finished;
    uint8_t selected; /* bits: which of `selections` it has sent since its join */
    struct {
        int8_t layer, max_temporal;
        bool paused;
    } selections[BACKEND_STREAMS_MAX];
    unsigned n_messages; /* in the second that began at second_us */
    int64_t second_us;
    int64_t deadline_us;
    char room[BACKEND_ROOM_MAX];
    struct sdp_offered offered;
};

/* `room` is a normalized code the client came for, or NULL. */
void session_ws_init(struct session_ws *s, const struct backend *backend,
                     const struct session_ws_output *output, const char *room, int64_t now_us);
void session_ws_on_text(struct session_ws *s, const char *text, size_t size, int64_t now_us);
void session_ws_on_binary(struct session_ws *s);
void session_ws_on_oversize(struct session_ws *s); /* a message that was not even kept */
/* Its viewer's news; others are ignored. */
void session_ws_on_viewer(struct session_ws *s, uint32_t viewer_id, enum backend_viewer_state state,
                          const char *reason);
/* Of the agent that gathers for its viewer; NULL: there will be no more. */
void session_ws_on_candidate(struct session_ws *s, uint32_t viewer_id, const char *candidate);
/* A room changed or went away: make the news once, tell every session, let go of them. */
void session_ws_make_news(struct session_ws_news *news, const struct backend *backend,
                          const char *code);
void session_ws_on_room(struct session_ws *s, struct session_ws_news *news, int64_t now_us);
void session_ws_drop_news(struct session_ws_news *news);
/* Something that is said to every member of a room; who has not joined does not hear it. */
void session_ws_on_broadcast(struct session_ws *s, const char *text);
void session_ws_on_socket_closed(struct session_ws *s);

int64_t session_ws_next_timeout(const struct session_ws *s); /* INT64_MAX: never */
void session_ws_on_timeout(struct session_ws *s, int64_t now_us);
