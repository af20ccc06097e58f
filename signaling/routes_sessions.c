/* routes_sessions.c - /whip/{ROOM} and /whep/{ROOM}: POST makes a session, whose own path takes
 * PATCH and DELETE. Answers of a full ICE agent wait here for its candidates. */
#include "signaling/message_http.h"
#include "signaling/room_code.h"
#include "signaling/routes_inside.h"
#include "signaling/session_whip.h"

#include <glib.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FRAGMENT "application/trickle-ice-sdpfrag"

/* An answer that waits for its candidates. */
struct waiting {
    char token[TOKEN_SIZE]; /* of its session, which may have ended meanwhile */
    int status;             /* 201, 406 of a counter-offer, or 200 of an ICE restart */
    size_t room;
    char sdp[]; /* terminated */
};

#define WAITING_CANDIDATES_SIZE 8192
#define LOST_US (300 * INT64_C(1000000)) /* a lost publisher may say so long that it ends */

static const char *kind_of(const struct routes_session *s)
{
    return s->publishes ? "whip" : "whep";
}

static struct session_resource *resource_of(struct routes_session *s)
{
    return &s->whep.resource;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void problem(struct routes_answer *a, const struct session_answer *from)
{
    answer_begin(a, from->status);
    if (from->retry_after_s != 0)
        answer_header(a, "Retry-After: %u", from->retry_after_s);
    if (from->status == 401)
        answer_header(a, ANSWER_CHALLENGE);
    if (from->status == 415) {
        answer_header(a, "Accept-Post: application/sdp");
        answer_header(a, "Accept-Patch: " FRAGMENT);
    }
    answer_problem_body(a, from->detail);
}

/* RFC 9725 4.6 */
static void link_ice_servers(const struct routes *r, struct routes_answer *a)
{
    for (unsigned i = 0; i < r->backend->n_ice_servers; i++) {
        const struct backend_ice_server *s = &r->backend->ice_servers[i];
        if (s->username[0] == '\0')
            answer_header(a, "Link: <%s>; rel=\"ice-server\"", s->url);
        else
            answer_header(a,
                          "Link: <%s>; rel=\"ice-server\"; username=\"%s\"; credential=\"%s\"; "
                          "credential-type=\"password\"",
                          s->url, s->username, s->credential);
    }
}

static void link_extensions(struct routes_answer *a, const struct session_resource *s)
{
    answer_header(a,
                  "Link: </whep/%s/%s/sse>; "
                  "rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; "
                  "events=\"" MESSAGE_EVENTS_NAMES "\"",
                  s->room, s->token);
    answer_header(a, "Link: </whep/%s/%s/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\"",
                  s->room, s->token);
}

/* Until when a counter-offer may be answered. */
static void counter_type(char out[96])
{
    struct tm tm;
    char date[40];
    time_t until = time(NULL) + SESSION_WHEP_ANSWER_US / 1000000;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&until, &tm));
    snprintf(out, 96, "application/sdp; valid-until=\"%s\"", date);
}

/* 201, or 406 with an offer of ours. */
static void created(const struct routes *r, struct routes_answer *a, struct routes_session *s,
                    int status, const char *sdp, size_t size)
{
    const struct session_resource *res = resource_of(s);
    char type[96] = "application/sdp";
    answer_begin(a, status);
    answer_header(a, "Location: /%s/%s/%s", kind_of(s), res->room, res->token);
    answer_header(a, "ETag: %s", res->etag);
    answer_header(a, "Accept-Patch: %s" FRAGMENT, status == 406 ? "application/sdp, " : "");
    answer_header(a, "Cache-Control: no-store");
    link_ice_servers(r, a);
    if (!s->publishes)
        link_extensions(a, res);
    if (status == 406)
        counter_type(type);
    a->owned = g_memdup2(sdp, size);
    answer_body(a, type, a->owned, size);
}

static void restarted(struct routes_answer *a, struct routes_session *s, const char *sdp)
{
    answer_begin(a, 200);
    answer_header(a, "ETag: %s", resource_of(s)->etag);
    answer_header(a, "Cache-Control: no-store");
    size_t size = strlen(sdp);
    a->owned = g_memdup2(sdp, size);
    answer_body(a, FRAGMENT, a->owned, size);
}

static void wait_for_candidates(struct routes *r, struct routes_answer *a, struct routes_session *s,
                                const struct session_answer *from)
{
    size_t room = from->sdp_size + WAITING_CANDIDATES_SIZE;
    struct waiting *w = g_malloc(sizeof(*w) + room);
    w->room = room;
    w->status = from->status;
    memcpy(w->token, resource_of(s)->token, sizeof(w->token));
    memcpy(w->sdp, from->sdp, from->sdp_size);
    w->sdp[from->sdp_size] = '\0';
    g_hash_table_insert(r->waiting, GUINT_TO_POINTER(resource_of(s)->id), w);
    *a = (struct routes_answer){.waits_for = resource_of(s)->id};
}

static void keep(struct routes *r, struct routes_answer *a, const struct routes_session *s,
                 const struct session_answer *from)
{
    struct routes_session *kept = g_memdup2(s, sizeof(*s));
    struct session_resource *res = resource_of(kept);
    g_hash_table_insert(r->by_token, res->token, kept);
    g_hash_table_insert(r->by_viewer, GUINT_TO_POINTER(res->id), kept);
    if (res->gathers)
        wait_for_candidates(r, a, kept, from);
    else
        created(r, a, kept, from->status, from->sdp, from->sdp_size);
}

/* --- requests ----------------------------------------------------------------------------------
 */

/* The number of ?stream=N: -1 when there is none, -2 when it is no number. */
static int stream_of(const struct routes_request *q)
{
    if (!q->stream)
        return -1;
    size_t n = strspn(q->stream, "0123456789");
    return n > 0 && n <= 4 && q->stream[n] == '\0' ? atoi(q->stream) : -2;
}

static struct session_request session_request(const struct routes_request *q)
{
    return (struct session_request){
        .content_type = q->content_type,
        .if_match = q->if_match,
        .bearer = answer_bearer(q),
        .body = q->body ? q->body : "",
        .body_size = q->body_size,
        .stream = stream_of(q),
        .now_us = q->now_us,
        .guess = q->guess,
        .guess_arg = q->guess_arg,
    };
}

static void make_session(struct routes *r, const struct session_request *request,
                         struct routes_answer *a, const char *code, bool publishes)
{
    struct routes_session session = {.publishes = publishes};
    struct session_answer answer;
    if (publishes)
        session_whip_post(resource_of(&session), &answer, r->backend, code, request);
    else
        session_whep_post(&session.whep, &answer, r->backend, code, request);
    if (answer.status == 201 || (answer.status == 406 && answer.sdp_size > 0))
        keep(r, a, &session, &answer);
    else
        problem(a, &answer);
}

static void post(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                 const char *code, bool publishes)
{
    char token[TOKEN_SIZE], tag[TOKEN_SIZE];
    struct session_request request = session_request(q);
    unsigned wait_s = q->admit ? q->admit(q->admit_arg) : 0;
    request.token = token;
    request.tag = tag;
    if (wait_s != 0)
        answer_too_many(a, wait_s);
    else if (request.stream == -2)
        answer_problem(a, 400, "?stream= is the number of a stream, counted from 0");
    else if (g_hash_table_size(r->by_token) >= ROUTES_WHEP_MAX)
        answer_retry(a, 503, SESSION_RETRY_S, "every seat is taken; try again in a moment");
    else if (token_random(token, sizeof(token), TOKEN_BYTES) != 0 ||
             token_random(tag, sizeof(tag), 6) != 0)
        answer_problem(a, 500, "the server has no random numbers");
    else
        make_session(r, &request, a, code, publishes);
}

/* What is reserved for later answers with nothing (RFC 9725 4.1). */
static void serve_endpoint(struct routes *r, const struct routes_request *q,
                           struct routes_answer *a, const char *code, bool publishes)
{
    static const char allow[] = "POST, GET, HEAD, OPTIONS";
    struct backend_room room;
    switch (q->method) {
    case ROUTES_POST:
        post(r, q, a, code, publishes);
        break;
    case ROUTES_OPTIONS:
        answer_begin(a, 200); /* RFC 9725 4.2: not 204 */
        answer_header(a, "Allow: %s", allow);
        answer_header(a, "Accept-Post: application/sdp");
        break;
    case ROUTES_GET:
    case ROUTES_HEAD:
        if (!r->backend->room(r->backend->arg, code, &room)) {
            answer_not_found(a, "there is no room with this code");
            break;
        }
        answer_begin(a, 200);
        answer_header(a, "Accept-Post: application/sdp");
        answer_body(a, "application/sdp", "", 0);
        break;
    default:
        answer_method_not_allowed(a, allow);
    }
}

/* --- sessions ----------------------------------------------------------------------------------
 */

static void forget(struct routes *r, struct routes_session *s)
{
    routes_forget_events(r, s);
    g_hash_table_remove(r->by_token, resource_of(s)->token);
}

static void end(struct routes *r, struct routes_answer *a, struct routes_session *s)
{
    struct session_answer answer;
    if (!s->lost) /* its end is no news */
        g_hash_table_remove(r->by_viewer, GUINT_TO_POINTER(resource_of(s)->id));
    if (s->publishes)
        session_whip_delete(resource_of(s), &answer);
    else
        session_whep_delete(&s->whep, &answer);
    answer_begin(a, answer.status);
    forget(r, s);
}

/* RFC 9725 5: a flood of them is held off. */
static bool may_patch(struct routes_session *s, int64_t now_us)
{
    if (now_us - s->patched_us >= 1000000 || s->n_patches == 0) {
        s->patched_us = now_us;
        s->n_patches = 0;
    }
    return s->n_patches++ < ROUTES_PATCHES;
}

static void patch(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                  struct routes_session *s)
{
    char tag[TOKEN_SIZE];
    struct session_answer answer;
    struct session_request request = session_request(q);
    if (!may_patch(s, q->now_us)) {
        answer_retry(a, 429, 1, "this session is changed too often; gather candidates first");
        return;
    }
    if (token_random(tag, sizeof(tag), 6) != 0) {
        answer_problem(a, 500, "the server has no random numbers");
        return;
    }
    if (g_hash_table_contains(r->waiting, GUINT_TO_POINTER(resource_of(s)->id))) {
        answer_retry(a, 409, SESSION_RETRY_S, "an ICE restart of this session is under way");
        return;
    }
    request.tag = tag;
    if (s->publishes)
        session_resource_patch(resource_of(s), &answer, &request);
    else
        session_whep_patch(&s->whep, &answer, &request);
    if (answer.status == 204)
        answer_begin(a, 204);
    else if (answer.status == 200)
        wait_for_candidates(r, a, s, &answer);
    else
        problem(a, &answer);
}

/* /whep/{ROOM}/{TOKEN} itself */
static void serve_session(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                          struct routes_session *s)
{
    switch (q->method) {
    case ROUTES_DELETE:
        end(r, a, s);
        break;
    case ROUTES_PATCH:
        patch(r, q, a, s);
        break;
    case ROUTES_GET:
    case ROUTES_HEAD:
        answer_begin(a, 200);
        answer_header(a, "ETag: %s", resource_of(s)->etag);
        answer_body(a, "application/sdp", "", 0);
        break;
    default:
        answer_method_not_allowed(a, "GET, HEAD, PATCH, DELETE, OPTIONS");
    }
}

/* `rest`: {TOKEN} and what is behind it. Who has the token has the session: it is as unguessable as
 * a secret, and a player's EventSource cannot show one. */
static void serve_path(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                       const char *code, const char *rest, bool publishes)
{
    size_t n = strcspn(rest, "/");
    char token[TOKEN_SIZE];
    snprintf(token, sizeof(token), "%.*s", n < sizeof(token) ? (int)n : 0, rest);
    struct routes_session *s = g_hash_table_lookup(r->by_token, token);
    if (q->method == ROUTES_OPTIONS) {
        answer_begin(a, 200);
        answer_header(a, "Allow: GET, HEAD, POST, PATCH, DELETE, OPTIONS");
        answer_header(a, "Accept-Patch: " FRAGMENT);
    } else if (!s || s->publishes != publishes || strcmp(resource_of(s)->room, code) != 0 ||
               (s->lost && q->method != ROUTES_DELETE)) {
        answer_not_found(a, "this session has ended, or never was");
    } else if (rest[n] == '\0') {
        serve_session(r, q, a, s);
    } else if (!publishes && strcmp(rest + n, "/layer") == 0) {
        routes_serve_layer(q, a, s);
    } else if (!publishes && routes_after(rest + n, "/sse")) {
        routes_serve_events(r, q, a, s, rest + n + 4);
    } else {
        answer_not_found(a, "there is no such path");
    }
}

void routes_serve_sessions(struct routes *r, const struct routes_request *q,
                           struct routes_answer *a, const char *rest, bool publishes)
{
    char code[BACKEND_ROOM_MAX], name[BACKEND_ROOM_MAX];
    const char *slash = strchr(rest, '/');
    size_t n = slash ? (size_t)(slash - rest) : strlen(rest);
    snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, rest);
    if (!room_code_normalize(code, name))
        answer_not_found(a, "there is no room with this code");
    else if (slash)
        serve_path(r, q, a, code, slash + 1, publishes);
    else
        serve_endpoint(r, q, a, code, publishes);
}

/* --- answers that wait -------------------------------------------------------------------------
 */

void routes_on_candidate(struct routes *r, uint32_t viewer_id, const char *candidate)
{
    struct waiting *w = g_hash_table_lookup(r->waiting, GUINT_TO_POINTER(viewer_id));
    if (w)
        (void)sdp_add_candidate(w->sdp, w->room, candidate); /* the others are enough */
}

void routes_resume(struct routes *r, uint32_t viewer_id, const char *allow_origin,
                   struct routes_answer *answer)
{
    struct waiting *w = g_hash_table_lookup(r->waiting, GUINT_TO_POINTER(viewer_id));
    assert(w); /* nobody resumes twice */
    struct routes_session *s = g_hash_table_lookup(r->by_token, w->token);
    if (s && w->status != 200)
        created(r, answer, s, w->status, w->sdp, strlen(w->sdp));
    else if (s)
        restarted(answer, s, w->sdp);
    else
        answer_problem(answer, 500, "the server could not gather a candidate for this session");
    g_hash_table_remove(r->waiting, GUINT_TO_POINTER(viewer_id));
    answer_cors(answer, ROUTES_POST, allow_origin);
    answer_finish(answer);
}

void routes_abandon(struct routes *r, uint32_t viewer_id)
{
    struct routes_session *s = g_hash_table_lookup(r->by_viewer, GUINT_TO_POINTER(viewer_id));
    const struct waiting *w = g_hash_table_lookup(r->waiting, GUINT_TO_POINTER(viewer_id));
    struct routes_answer unread;
    if (s && w && w->status != 200) /* nobody knows of it; after a restart its client still does */
        end(r, &unread, s);
    g_hash_table_remove(r->waiting, GUINT_TO_POINTER(viewer_id));
}

static gboolean is_lost_in(gpointer token, gpointer session, gpointer room)
{
    struct routes_session *s = session;
    (void)token;
    return s->lost && strcmp(resource_of(s)->room, room) == 0;
}

/* A publisher may end its DTLS before it says DELETE: until then its room waits for it, so that the
 * DELETE still has to be understood. One of each room is kept. */
static void lose(struct routes *r, struct routes_session *s)
{
    g_hash_table_foreach_remove(r->by_token, is_lost_in, resource_of(s)->room);
    s->lost = true;
}

void routes_on_viewer(struct routes *r, uint32_t viewer_id, enum backend_viewer_state state)
{
    struct routes_session *s = g_hash_table_lookup(r->by_viewer, GUINT_TO_POINTER(viewer_id));
    if (!s || state != BACKEND_VIEWER_CLOSED)
        return;
    g_hash_table_remove(r->by_viewer, GUINT_TO_POINTER(viewer_id));
    if (s->publishes) {
        lose(r, s);
        return;
    }
    resource_of(s)->id = 0;
    forget(r, s);
}

static gboolean is_stale(gpointer token, gpointer session, gpointer now_us)
{
    struct routes_session *s = session;
    int64_t now = *(const int64_t *)now_us;
    (void)token;
    if (s->lost && s->lost_us == 0)
        s->lost_us = now;
    return s->lost && now - s->lost_us > LOST_US;
}

void routes_tick(struct routes *r, int64_t now_us)
{
    GHashTableIter sessions;
    gpointer each;
    g_hash_table_iter_init(&sessions, r->by_viewer);
    while (g_hash_table_iter_next(&sessions, NULL, &each)) {
        struct routes_session *s = each;
        session_whep_tick(&s->whep, now_us);
        if (!session_whep_is_over(&s->whep)) /* a publisher's never is, by itself */
            continue;
        g_hash_table_iter_remove(&sessions);
        forget(r, s);
    }
    g_hash_table_foreach_remove(r->by_token, is_stale, &now_us);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void free_session(gpointer session)
{
    struct routes_session *s = session;
    for (unsigned i = 0; i < ROUTES_EVENT_STREAMS; i++)
        free(s->events[i].layers);
    g_free(s);
}

void routes_sessions_create(struct routes *r)
{
    r->by_token = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_session);
    r->by_viewer = g_hash_table_new(NULL, NULL);
    r->waiting = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    r->events = g_hash_table_new(NULL, NULL);
}

void routes_sessions_destroy(struct routes *r)
{
    g_hash_table_destroy(r->events);
    g_hash_table_destroy(r->waiting);
    g_hash_table_destroy(r->by_viewer);
    g_hash_table_destroy(r->by_token);
}
