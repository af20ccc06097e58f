/* routes.h - what is answered to an HTTP request: which path means what, and with which headers.
 *
 * No sockets here: the shell (http.c) hands in a whole request and sends the bytes of the answer.
 * Keeps the WHIP and WHEP sessions. Signaling thread only.
 */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>
#include <stddef.h>

#define ROUTES_HEAD_MAX 8192
#define ROUTES_JSON_MAX 16384 /* a body of JSON */
#define ROUTES_WHEP_MAX 16384 /* sessions; the backend's seats run out before */

struct routes;

enum routes_method {
    ROUTES_GET = 1,
    ROUTES_HEAD,
    ROUTES_POST,
    ROUTES_PUT,
    ROUTES_PATCH,
    ROUTES_DELETE,
    ROUTES_OPTIONS,
    ROUTES_OTHER,
};

struct routes_request {
    enum routes_method method;
    const char *path; /* decoded, without the query */
    /* NULL: not sent */
    const char *stream, *viewers, *text; /* of the query */
    const char *authorization, *content_type, *if_match, *if_none_match, *accept_encoding;
    const char *host; /* as the client calls us; `secure`: by https */
    bool secure;
    const char *allow_origin; /* of other sites, whose pages may read the answer; "*": all */
    const char *body;
    size_t body_size;
    int64_t now_us;
    /* Whether this address may join now: 0, or in how many seconds. NULL: it always may. */
    unsigned (*admit)(void *arg);
    void *admit_arg;
    /* Whether it may show a password or a secret now: 0, or in how many seconds; `wrong`: what it
     * showed was not right. NULL: it always may. */
    unsigned (*guess)(void *arg, bool wrong);
    void *guess_arg;
};

struct routes_answer {
    /* Not 0: there is no answer yet, but one by routes_resume, once this viewer's candidates are
     * complete or it takes too long; else routes_abandon. */
    uint32_t waits_for;
    /* Not 0: there is no answer yet, but one by routes_source_added for this ticket. */
    uint32_t waits_for_source;
    /* Not 0: the head is followed by what routes_take_events says, until it ends. */
    uint32_t events;
    int status;
    size_t head_size;
    char head[ROUTES_HEAD_MAX]; /* from the status line to the empty line */
    const void *body;
    size_t body_size;
    void *owned; /* what the caller has to free when the body is sent; may be NULL */
};

struct routes *routes_create(const struct backend *backend); /* NULL: out of memory */
void routes_destroy(struct routes *r);                       /* NULL is fine; its viewers go on */

/* How long a body may be for this request to be looked at; 0: it takes none. */
size_t routes_body_limit(enum routes_method method, const char *path);
bool routes_body_is_optional(const char *path); /* no Content-Length means none */
void routes_handle(struct routes *r, const struct routes_request *request,
                   struct routes_answer *answer);
/* An error that the shell found itself, like 413. */
void routes_refuse(struct routes_answer *answer, int status, const char *detail);

/* To a request without TLS where there is TLS: 307 to the same path of `host`, or 400. */
void routes_move_to_tls(struct routes_answer *answer, const char *host, const char *path);

/* For the answer that waits for it, if there is one. NULL: there will be no more. */
void routes_on_candidate(struct routes *r, uint32_t viewer_id, const char *candidate);
void routes_resume(struct routes *r, uint32_t viewer_id, const char *allow_origin,
                   struct routes_answer *answer);
void routes_source_added(const struct backend_source_added *result, enum routes_method method,
                         const char *allow_origin, struct routes_answer *answer);
void routes_abandon(struct routes *r, uint32_t viewer_id); /* nobody waits for it any more */
/* What there is to say on a stream of events: malloc'd, NULL is nothing. False: it has ended. To be
 * asked when a room changed, and each second. */
bool routes_take_events(struct routes *r, uint32_t events, int64_t now_us, char **text);
void routes_on_drain(struct routes *r); /* players that listen are told to come again */
void routes_tick(struct routes *r, int64_t now_us);
void routes_on_viewer(struct routes *r, uint32_t viewer_id, enum backend_viewer_state state);
