/* routes_inside.h - what the files of routes share: the table of WHIP and WHEP sessions, and who
 * serves which paths. For routes*.c alone. Signaling thread only.
 */
#pragma once

#include "signaling/routes.h"
#include "signaling/routes_answer.h"
#include "signaling/session_whep.h"

#define ROUTES_EVENT_STREAMS 4 /* of one session */
#define ROUTES_PATCHES 20      /* a second, of one session */

/* A stream of events to one WHEP player. */
struct routes_events {
    uint32_t id;     /* 0: there is none; else never used again */
    unsigned wanted; /* enum message_event, bits */
    /* what was told */
    bool active, reconnected;
    unsigned viewers;
    int64_t counted_us, spoke_us;
    char *layers; /* owned; NULL: nothing yet */
};

struct routes_session {
    bool publishes;           /* of `whep` the resource alone is in use */
    bool lost;                /* its publisher's media has ended: it takes DELETE alone */
    int64_t lost_us;          /* 0: not known yet */
    struct session_whep whep; /* its token is the key */
    struct routes_events events[ROUTES_EVENT_STREAMS];
    int64_t patched_us; /* when the second began in which PATCHes are counted */
    unsigned n_patches;
};

struct routes {
    const struct backend *backend; /* borrowed */
    struct _GHashTable *by_token;  /* char* (in the session) -> struct routes_session, owned */
    struct _GHashTable *by_viewer; /* viewer or publisher id -> struct routes_session */
    struct _GHashTable *waiting;   /* viewer or publisher id -> struct waiting, owned */
    struct _GHashTable *events;    /* id of a stream of events -> struct routes_session */
    uint32_t last_events;
    bool drains; /* players are to come again */
};

/* What follows `prefix` in `path`, or NULL. */
const char *routes_after(const char *path, const char *prefix);

/* routes_sessions.c: /whip/{ROOM} and /whep/{ROOM}, and what is behind them. */
void routes_sessions_create(struct routes *r);
void routes_sessions_destroy(struct routes *r);
void routes_serve_sessions(struct routes *r, const struct routes_request *q,
                           struct routes_answer *a, const char *rest, bool publishes);

/* routes_events.c: /whep/{ROOM}/{TOKEN}/sse and /layer. */
void routes_serve_events(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                         struct routes_session *s, const char *rest);
void routes_serve_layer(const struct routes_request *q, struct routes_answer *a,
                        struct routes_session *s);
void routes_forget_events(struct routes *r, struct routes_session *s);
size_t routes_events_body_limit(enum routes_method method, const char *path);

/* routes_rooms.c: /api/v1/rooms, /api/v1/rooms/{ROOM} and its /tokens, /api/reserve. */
void routes_make_room(const struct backend *backend, const struct routes_request *q,
                      struct routes_answer *a);
void routes_serve_room(const struct backend *backend, const struct routes_request *q,
                       struct routes_answer *a, const char *name);
void routes_reserve_room(const struct backend *backend, const struct routes_request *q,
                         struct routes_answer *a);
