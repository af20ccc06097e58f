/* session_ws.h - one WebSocket session of amphi.v1: a viewer's, or a presenter's. Pure.
 *
 *            join: offer          answer           media flows
 *    OPEN ─────────────▶ OFFERED ────────▶ ANSWERED ──────────▶ LIVE
 *     ▲ │ nothing to watch:  │ 10 s, bad-sdp   ▲ transport ended  │
 *     │ └ stays, waiting     ▼                 │ │                ▼
 *     └──────── join ─────── CLOSED ◀──────────┼─┴────────────────┘
 *                              └───────────────┘ a presenter offers (from OPEN too): we answer
 *
 * CLOSED says that its media session is gone, not the socket: a join starts over, and from any
 * other state replaces the viewer. A presenter's offer comes when he likes; a new one that belongs
 * to the same transport changes what he sends, any other replaces what he sent. When the socket
 * closes an unanswered seat is given back, while media that flows is left to its own end: the shell
 * keeps such a session (session_ws_is_worth_keeping) for the socket that resumes it
 * (session_ws_take_over).
 *
 * After every call: look at `viewer_id` (0: none), which events are for it, at `joined`, `room` and
 * `role`, at session_ws_next_timeout, and at `finished`: send what is queued, then close the
 * socket. Life: session_ws_init, then calls, session_ws_on_socket_closed, session_ws_finish.
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

enum session_ws_role { SESSION_WS_VIEWER, SESSION_WS_SHARER, SESSION_WS_ROLES };

#define SESSION_WS_JOIN_US (30 * INT64_C(1000000))    /* from the socket's opening to a join */
#define SESSION_WS_ANSWER_US (10 * INT64_C(1000000))  /* from an offer to its answer */
#define SESSION_WS_AUDIENCE_US (2 * INT64_C(1000000)) /* between two `audience` */

/* A second: of what moves something in the server (select, keyframe, viewer-stats, ice; a
 * presenter's streams, focus, size, cursor), and of everything else (ping, offer, answer, join,
 * what cannot be read). */
#define SESSION_WS_MESSAGES_PER_S 40
#define SESSION_WS_SHARER_MESSAGES_PER_S 120
#define SESSION_WS_OTHERS_PER_S 30
#define SESSION_WS_VIEWER_NEWS_PER_S 50 /* viewer-joined, viewer-left to one presenter */

#define SESSION_WS_RESUME_MAX 64

struct session_ws;

struct session_ws_output {
    void *arg;
    void (*emit)(void *arg, char *text);       /* takes ownership of the malloc'd text */
    void *(*allocate)(void *arg, size_t size); /* zeroed, to be freed by the session; or NULL */
    /* Each of these may be NULL. Whether it may join now: 0, or in how many seconds. */
    unsigned (*admit)(void *arg);
    /* Whether its address may try a password: 0, or in how many seconds; `wrong`: one was not
     * right. */
    unsigned (*guess)(void *arg, bool wrong);
    /* To everybody of a role in a room, but itself; takes ownership of the malloc'd text. */
    void (*tell)(void *arg, const char *room, enum session_ws_role role, char *text);
    /* A new token for this session to be resumed with. False: there is none. */
    bool (*make_token)(void *arg, char out[SESSION_WS_RESUME_MAX]);
    /* Hands the session known by this token, if it is this room's and role's, to
     * session_ws_take_over. False: there is none. */
    bool (*resume)(void *arg, struct session_ws *by, const char *token, const char *room,
                   enum session_ws_role role);
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

struct session_ws_presenter; /* session_ws_inside.h */

struct session_ws {
    /* immutable after init */
    const struct backend *backend; /* borrowed: lives longer than every session */
    struct session_ws_output output;
    /* */
    enum session_ws_state state;
    enum session_ws_role role;
    uint32_t viewer_id; /* or publisher's */
    bool joined;        /* `room` is one it has joined, not only the one it came for */
    bool waiting;       /* joined before there was something to watch; the offer comes by itself */
    bool is_gopeep;     /* it said no name: GoPeep's page or program, which know fewer messages */
    bool by_token;      /* let in with a watch token, which may be good for one use */
    int best_layer;     /* of what it was granted */
    /* what it was told last */
    bool has_streams;
    uint8_t active_slots; /* bits */
    bool finished;
    uint8_t selected; /* bits: which of `selections` it has sent since its join */
    struct {
        int8_t layer, max_temporal;
        bool paused;
    } selections[BACKEND_STREAMS_MAX];
    unsigned n_messages, n_others, n_news; /* in the second that began at second_us */
    int64_t second_us;
    int64_t deadline_us, audience_us;
    char room[BACKEND_ROOM_MAX];
    char resume[SESSION_WS_RESUME_MAX]; /* its token, or "" */
    struct sdp_offered offered;
    struct session_ws_presenter *presenter; /* owned; of one that has joined as sharer */
};

/* `room` is a normalized code the client came for, or NULL. */
void session_ws_init(struct session_ws *s, const struct backend *backend,
                     const struct session_ws_output *output, const char *room, int64_t now_us);
void session_ws_finish(struct session_ws *s); /* frees what it owns, not its media session */
void session_ws_on_text(struct session_ws *s, const char *text, size_t size, int64_t now_us);
void session_ws_on_binary(struct session_ws *s, int64_t now_us);
void session_ws_on_oversize(struct session_ws *s); /* a message that was not even kept */
/* Its media session's news; others are ignored. */
void session_ws_on_viewer(struct session_ws *s, uint32_t viewer_id, enum backend_viewer_state state,
                          const char *reason);
/* Of the agent that gathers for it; NULL: there will be no more. */
void session_ws_on_candidate(struct session_ws *s, uint32_t viewer_id, const char *candidate);
/* What the server asks of its publisher. 0 bit/s: no limit; layers: bits, bit 0 the best. */
void session_ws_on_publish_wish(struct session_ws *s, uint32_t id, uint64_t bitrate_bps,
                                unsigned layers, const char *reason);
/* A room changed or went away: make the news once, tell every session, let go of them. */
void session_ws_make_news(struct session_ws_news *news, const struct backend *backend,
                          const char *code);
void session_ws_on_room(struct session_ws *s, struct session_ws_news *news, int64_t now_us);
void session_ws_drop_news(struct session_ws_news *news);
/* Something that is said to every viewer of a room; who has not joined does not hear it. */
void session_ws_on_broadcast(struct session_ws *s, const char *text);
/* To a presenter: a viewer came or went. Left out when there are too many of them. */
void session_ws_on_viewer_news(struct session_ws *s, const char *text, int64_t now_us);
/* The server ends when the last viewer has left, or in so many seconds. `url`: where else to go, or
 * NULL; GoPeep's programs are told nothing then. */
void session_ws_on_drain(struct session_ws *s, const char *url, unsigned ends_in_s);
void session_ws_on_socket_closed(struct session_ws *s);

/* Of a socket that closes, before session_ws_on_socket_closed: whether its media goes on and may be
 * resumed. Then `s` may be kept, as it is, for session_ws_take_over or session_ws_finish. */
bool session_ws_is_worth_keeping(const struct session_ws *s);
/* Gives `by` what `from` has; `from` is finished and its socket to be closed. */
void session_ws_take_over(struct session_ws *by, struct session_ws *from);

int64_t session_ws_next_timeout(const struct session_ws *s); /* INT64_MAX: never */
void session_ws_on_timeout(struct session_ws *s, int64_t now_us);
