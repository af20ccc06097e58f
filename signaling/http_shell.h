/* http_shell.h - what the files of the shell around libwebsockets share. Signaling thread only.
 *
 * A connection carries HTTP transactions one after the other, or becomes a WebSocket for the rest
 * of its life. Both are driven by libwebsockets' callbacks (http.c) and by a tick once a second.
 */
#pragma once

#include "signaling/backend.h"
#include "signaling/connection_limit.h"
#include "signaling/guess_limit.h"
#include "signaling/http_tls.h"
#include "signaling/join_limit.h"
#include "signaling/web_origins.h"
#include "signaling/proxies.h"
#include "signaling/qr.h"
#include "signaling/routes.h"
#include "signaling/session_ws.h"

#include <libwebsockets.h>

#define HTTP_CONNECTIONS_MAX 12000
#define HTTP_HOST_MAX 256
#define HTTP_CHUNK 65536                        /* written at once */
#define HTTP_REQUEST_US (20 * INT64_C(1000000)) /* for a body; for each part of an answer */
#define HTTP_GATHER_US (2 * INT64_C(1000000))   /* an answer waits for candidates */
#define HTTP_OPEN_US (60 * INT64_C(1000000))    /* or for a source that is being opened */
#define HTTP_DISCARD_MAX (1024 * 1024)          /* of a body nobody wants, to keep the connection */
#define HTTP_SOCKET_QUEUE_MAX (256 * 1024)      /* bytes that wait for one slow WebSocket */
#define HTTP_SOCKET_STALL_US (30 * INT64_C(1000000)) /* without taking any of them */
#define HTTP_PING_US (20 * INT64_C(1000000))
#define HTTP_PINGS_MISSED_MAX 2

/* A WebSocket message on its way out. */
struct http_outgoing {
    struct http_outgoing *next;
    size_t size;
    unsigned char data[]; /* LWS_PRE bytes of room, then the message */
};

/* Those that have joined one room. */
struct http_room {
    char code[BACKEND_ROOM_MAX];
    struct http_connection *members[SESSION_WS_ROLES];
};

/* By what token a session may be resumed: one with a socket, or one whose socket is gone. */
struct http_resume {
    char token[SESSION_WS_RESUME_MAX];
    struct http_connection *connection; /* borrowed; NULL: `kept` is it */
    struct session_ws kept;             /* owned */
};

struct http_socket {
    struct session_ws session;
    uint32_t mapped_viewer; /* in http.viewers */
    struct http_room *room; /* borrowed: of http.rooms, kept while it has members; or NULL */
    struct http_connection *next_member, **member_link;
    char token[SESSION_WS_RESUME_MAX]; /* its key in http.resumes, or "" */
    unsigned pings_missed;
    bool ping_wanted, oversize;
    bool is_sharer; /* which of the room's members it is */
    int64_t pinged_us, progress_us;
    size_t queued;
    struct http_outgoing *first, **last; /* owned */
    char *incoming;                      /* owned; a message that is not complete */
    size_t incoming_size, incoming_room;
};

/* One request and its answer. */
struct http_transaction {
    enum routes_method method;
    char allow_origin[WEB_ORIGIN_MAX]; /* "": none */
    char path[256], stream[16], viewers[16], text[QR_TEXT_MAX];
    char authorization[2200], content_type[128], host[256], if_match[128], if_none_match[256],
        accept_encoding[128];
    bool has_stream, has_viewers, has_text, has_authorization, has_content_type, has_if_match,
        has_if_none_match, has_accept_encoding, has_host;
    bool closes;        /* the connection, after the answer */
    bool answered;      /* `answer` is valid */
    uint32_t waits_for; /* a viewer's candidates, see routes.h; 0: it does not */
    lws_sorted_usec_list_t wait;
    uint32_t waits_for_source;          /* its ticket; 0: for none */
    struct http_connection *connection; /* borrowed: owns this */
    char *body;                         /* owned */
    size_t body_size, body_room, body_limit;
    size_t sent; /* of the answer */
    int64_t deadline_us;
    struct routes_answer answer;
    /* http_events.c: of an answer that goes on */
    bool events_begun, events_over;
    size_t events_sent;
    char *events_text; /* owned; what is being told; NULL: nothing */
};

struct http_connection {
    struct http_connection *next, **link; /* of all connections */
    struct http *http;                    /* borrowed: outlives its connections */
    struct lws *wsi;                      /* owns this */
    struct http_transaction *transaction; /* owned; NULL between requests */
    struct http_socket *socket;           /* owned; a WebSocket */
    char room[BACKEND_ROOM_MAX];          /* of /ws/{ROOM} */
    bool is_tls;
    uint64_t client;  /* join_limit_key of who asked last */
    uint64_t address; /* that of the peer, as it was counted; 0: exempt */
};

struct http {
    const struct backend *backend; /* borrowed */
    struct ev_loop *loop;          /* owned */
    struct http_sniff *sniff;      /* owned */
    struct lws_context *context;   /* owned */
    struct lws_vhost *vhost;
    struct lws *listener;
    struct http_tls *tls; /* owned; NULL: plain HTTP */
    struct web_origins origins;
    struct proxies proxies;
    struct routes *routes;               /* owned */
    struct http_connection *connections; /* owned by their wsi */
    unsigned n_connections, max_connections;
    uint64_t n_refused;
    struct _GHashTable *viewers; /* owned; viewer id -> struct http_connection with a WebSocket */
    struct _GHashTable *rooms;   /* owned; code -> struct http_room with members */
    struct _GHashTable *resumes; /* owned; token -> struct http_resume, owned */
    struct _GHashTable *kept;    /* owned; viewer id -> those of them without a socket */
    struct join_limit *joins;    /* owned */
    struct connection_limit *addresses; /* owned */
    struct guess_limit *guesses;        /* owned */
    struct _GHashTable *events;  /* owned; id of a stream of events -> struct http_connection */
    struct _GHashTable *waiting; /* owned; viewer id -> struct http_connection that waits for it */
    struct _GHashTable *opening; /* owned; ticket of a source -> the same */
    lws_sorted_usec_list_t tick;
    uint16_t port;
    bool accept_paused;
    unsigned char chunk[LWS_PRE + HTTP_CHUNK];
};

int64_t http_now_us(void);
/* Before each request: whom to count it for. The headers are still there. */
void http_note_client(struct http_connection *c);
unsigned http_admit(void *connection); /* whether its address may join: 0, or after how many s */
/* Whether its address may try a password: 0, or after how many s; `wrong`: one was not right. */
unsigned http_guess(void *connection, bool wrong);
void http_kill(struct http_connection *c); /* closes it, from outside of its own callbacks */

/* http_transaction.c. Each returns what libwebsockets' callback returns: nonzero closes. */
int http_transaction_begin(struct http_connection *c);
int http_transaction_on_body(struct http_connection *c, const void *data, size_t size);
int http_transaction_on_complete(struct http_connection *c);
int http_transaction_on_writable(struct http_connection *c);
void http_transaction_on_source(struct http_connection *c,
                                const struct backend_source_added *result);
void http_transaction_resume(struct http_connection *c); /* what it waited for is there */
void http_transaction_end(struct http_connection *c);
void http_transaction_tick(struct http_connection *c, int64_t now_us);
/* A request to upgrade: 0 goes on with it, 1 when it was answered instead. */
int http_transaction_confirm_upgrade(struct http_connection *c, const char *protocol);

/* http_events.c */
int http_events_on_writable(struct http_connection *c); /* of an answer whose head is sent */
void http_events_end(struct http_connection *c);
void http_events_on_room(struct http *h);
void http_events_tick(struct http *h);

/* http_socket.c */
int http_socket_open(struct http_connection *c);
int http_socket_on_data(struct http_connection *c, const void *data, size_t size);
void http_socket_on_pong(struct http_connection *c);
int http_socket_on_writable(struct http_connection *c);
void http_socket_close(struct http_connection *c);
void http_socket_tick(struct http_connection *c, int64_t now_us);
void http_socket_on_viewer(struct http_connection *c, uint32_t viewer_id,
                           enum backend_viewer_state state, const char *reason);
void http_socket_on_candidate(struct http_connection *c, uint32_t viewer_id, const char *candidate);
void http_socket_on_publish_wish(struct http_connection *c, uint32_t id, uint64_t bitrate_bps,
                                 unsigned layers, const char *reason);
void http_socket_on_room(struct http_connection *c, struct session_ws_news *news);
void http_socket_on_drain(struct http_connection *c, const char *url, unsigned ends_in_s);
/* To everybody of a role in a room but `except`; takes the malloc'd text, which may be NULL. */
void http_socket_tell(struct http *h, const char *room, enum session_ws_role role, char *text,
                      const struct http_connection *except);
void http_socket_settle(struct http_connection *c);

/* http_resume.c: sessions that may be resumed. */
void http_resume_create(struct http *h);
void http_resume_destroy(struct http *h);
void http_resume_settle(struct http_connection *c); /* its token may have changed */
void http_resume_keep(struct http_connection *c);   /* its socket closes */
bool http_resume_make_token(void *connection, char out[SESSION_WS_RESUME_MAX]);
bool http_resume_take(void *connection, struct session_ws *by, const char *token, const char *room,
                      enum session_ws_role role);
/* True if a session without a socket is this one's. */
bool http_resume_on_viewer(struct http *h, uint32_t viewer_id, enum backend_viewer_state state);
