#include "signaling/routes.h"

#include "signaling/assets.h"
#include "signaling/message.h"
#include "signaling/qr.h"
#include "signaling/room_code.h"
#include "signaling/routes_answer.h"
#include "signaling/routes_sources.h"
#include "signaling/session_whep.h"
#include "signaling/token.h"

#include <glib.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct routes {
    const struct backend *backend; /* borrowed */
    GHashTable *by_token;          /* char* (in the session) -> struct session_whep, owned */
    GHashTable *by_viewer;         /* viewer id -> struct session_whep */
    GHashTable *waiting;           /* viewer id -> struct waiting, owned */
};

/* A WHEP answer that waits for its candidates. */
struct waiting {
    char token[TOKEN_SIZE]; /* of its session, which may have ended meanwhile */
    int status;             /* 201, or 200 of an ICE restart */
    size_t room;
    char sdp[]; /* terminated */
};

#define WAITING_CANDIDATES_SIZE 8192

#define CSP                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self' ws: wss:; media-src 'self' blob:; base-uri 'none'; form-action 'self'; "   \
    "frame-ancestors 'self'"

/* --- pages --------------------------------------------------------------------------------------
 */

static void serve_file(const struct routes_request *q, struct routes_answer *a, const char *name,
                       bool page)
{
    if (answer_other_method(q, a))
        return;
    const struct asset *file = assets_find(name);
    if (!file) {
        answer_not_found(a, "there is no such file");
        return;
    }
    bool packed = file->gzip.size > 0 && assets_gzip_accepted(q->accept_encoding);
    const struct asset_form *form = packed ? &file->gzip : &file->plain;
    bool fresh = q->if_none_match && (strcmp(q->if_none_match, "*") == 0 ||
                                      strstr(q->if_none_match, form->etag) != NULL);
    answer_begin(a, fresh ? 304 : 200);
    answer_header(a, "ETag: %s", form->etag);
    answer_header(a, "Vary: Accept-Encoding");
    answer_header(a, "Cache-Control: %s", page ? "no-cache" : "public, max-age=0, must-revalidate");
    if (page)
        answer_header(a, "Content-Security-Policy: " CSP);
    if (packed && !fresh)
        answer_header(a, "Content-Encoding: gzip");
    if (!fresh)
        answer_body(a, file->content_type, form->data, form->size);
}

/* A link that the presenter page shows; drawn here, where the library is. */
static void serve_qr(const struct routes_request *q, struct routes_answer *a)
{
    if (answer_other_method(q, a))
        return;
    if (!q->text || q->text[0] == '\0') {
        answer_problem(a, 400, "the query has no text=... of at most 299 bytes");
        return;
    }
    answer_text(a, "image/svg+xml", qr_svg(q->text));
}

/* /{ROOM}: the page is the same for every room, and says itself when there is none. */
static void serve_room_page(const struct routes_request *q, struct routes_answer *a,
                            const char *name)
{
    static const char *const taken[] = {"api", "assets", "whep",    "whip",
                                        "ws",  "admin",  "present", "metrics"};
    char code[BACKEND_ROOM_MAX];
    bool is_room = room_code_normalize(code, name);
    for (unsigned i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        is_room &= strcmp(name, taken[i]) != 0;
    if (is_room)
        serve_file(q, a, "viewer.html", true);
    else
        answer_not_found(a, "there is no such page");
}

/* --- admin and health ---------------------------------------------------------------------------
 */

static void serve_stats(const struct routes *r, const struct routes_request *q,
                        struct routes_answer *a)
{
    if (answer_other_method(q, a))
        return;
    if (!answer_is_admin(r->backend, q)) {
        answer_unauthorized(a);
        return;
    }
    bool viewers = q->viewers && strcmp(q->viewers, "1") == 0;
    answer_text(a, "application/json", r->backend->stats_json(r->backend->arg, viewers));
}

/* The id in /api/v1/viewers/{id}; 0, which nobody has: it is none. */
static uint32_t viewer_id_of(const char *text)
{
    size_t n = strspn(text, "0123456789");
    unsigned long long id = n > 0 && n <= 10 && text[n] == '\0' ? strtoull(text, NULL, 10) : 0;
    return id <= UINT32_MAX ? (uint32_t)id : 0;
}

static void serve_viewer(const struct routes *r, const struct routes_request *q,
                         struct routes_answer *a, const char *id_text)
{
    const struct backend *b = r->backend;
    uint32_t id = viewer_id_of(id_text);
    char *text;
    if (q->method == ROUTES_OPTIONS)
        answer_options(a, "GET, DELETE, OPTIONS");
    else if (q->method != ROUTES_GET && q->method != ROUTES_DELETE)
        answer_method_not_allowed(a, "GET, DELETE, OPTIONS");
    else if (!answer_is_admin(b, q))
        answer_unauthorized(a);
    else if (q->method == ROUTES_DELETE && id != 0 && b->remove_viewer(b->arg, id) == 0)
        answer_begin(a, 204);
    else if (q->method == ROUTES_GET && id != 0 && (text = b->viewer_json(b->arg, id)) != NULL)
        answer_text(a, "application/json", text);
    else
        answer_not_found(a, "there is no such viewer");
}

static void serve_metrics(const struct routes *r, const struct routes_request *q,
                          struct routes_answer *a)
{
    if (answer_other_method(q, a))
        return;
    if (!r->backend->metrics_open && !answer_is_admin(r->backend, q)) {
        answer_unauthorized(a);
        return;
    }
    answer_text(a, "text/plain; version=0.0.4; charset=utf-8",
                r->backend->metrics_text(r->backend->arg));
}

static void serve_health(const struct routes_request *q, struct routes_answer *a, const char *word)
{
    if (answer_other_method(q, a))
        return;
    answer_begin(a, word ? 503 : 200);
    answer_header(a, "Cache-Control: no-store");
    if (word)
        answer_header(a, "Retry-After: 1");
    char text[96];
    snprintf(text, sizeof(text), "{\"status\":\"%.64s\"}\n", word ? word : "ok");
    if (!answer_owned_text(a, "application/json", strdup(text)))
        answer_problem(a, 500, "the server is out of memory");
}

static void serve_room(const struct routes *r, const struct routes_request *q,
                       struct routes_answer *a, const char *name)
{
    char code[BACKEND_ROOM_MAX];
    struct backend_room room = {0};
    if (strchr(name, '/')) {
        routes_serve_sources(r->backend, q, a, name);
        return;
    }
    if (answer_other_method(q, a))
        return;
    if (!room_code_normalize(code, name) || !r->backend->room(r->backend->arg, code, &room))
        answer_not_found(a, "there is no room with this code");
    else
        answer_text(a, "application/json", message_room(&room));
}

/* --- WHEP ---------------------------------------------------------------------------------------
 */

/* The number of ?stream=N: -1 when there is none, -2 when it is no number. */
static int stream_of(const struct routes_request *q)
{
    if (!q->stream)
        return -1;
    size_t n = strspn(q->stream, "0123456789");
    return n > 0 && n <= 4 && q->stream[n] == '\0' ? atoi(q->stream) : -2;
}

static void whep_problem(struct routes_answer *a, const struct session_whep_answer *from)
{
    answer_begin(a, from->status);
    if (from->retry_after_s != 0)
        answer_header(a, "Retry-After: %u", from->retry_after_s);
    if (from->status == 415) {
        answer_header(a, "Accept-Post: application/sdp");
        answer_header(a, "Accept-Patch: application/trickle-ice-sdpfrag");
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

static void whep_created(const struct routes *r, struct routes_answer *a,
                         const struct session_whep *s, const char *sdp, size_t size)
{
    answer_begin(a, 201);
    answer_header(a, "Location: /whep/%s/%s", s->room, s->token);
    answer_header(a, "ETag: %s", s->etag);
    answer_header(a, "Accept-Patch: application/trickle-ice-sdpfrag");
    answer_header(a, "Cache-Control: no-store");
    link_ice_servers(r, a);
    a->owned = g_memdup2(sdp, size);
    answer_body(a, "application/sdp", a->owned, size);
}

static void whep_wait(struct routes *r, struct routes_answer *a, const struct session_whep *s,
                      const struct session_whep_answer *from)
{
    size_t room = from->sdp_size + WAITING_CANDIDATES_SIZE;
    struct waiting *w = g_malloc(sizeof(*w) + room);
    w->room = room;
    w->status = from->status;
    memcpy(w->token, s->token, sizeof(w->token));
    memcpy(w->sdp, from->sdp, from->sdp_size);
    w->sdp[from->sdp_size] = '\0';
    g_hash_table_insert(r->waiting, GUINT_TO_POINTER(s->viewer_id), w);
    *a = (struct routes_answer){.waits_for = s->viewer_id};
}

static void whep_restarted(struct routes_answer *a, const struct session_whep *s, const char *sdp)
{
    answer_begin(a, 200);
    answer_header(a, "ETag: %s", s->etag);
    answer_header(a, "Cache-Control: no-store");
    size_t size = strlen(sdp);
    a->owned = g_memdup2(sdp, size);
    answer_body(a, "application/trickle-ice-sdpfrag", a->owned, size);
}

static void whep_keep(struct routes *r, struct routes_answer *a, const struct session_whep *s,
                      const struct session_whep_answer *from)
{
    struct session_whep *kept = g_memdup2(s, sizeof(*s));
    g_hash_table_insert(r->by_token, kept->token, kept);
    g_hash_table_insert(r->by_viewer, GUINT_TO_POINTER(kept->viewer_id), kept);
    if (s->gathers)
        whep_wait(r, a, kept, from);
    else
        whep_created(r, a, kept, from->sdp, from->sdp_size);
}

static struct session_whep_request whep_request(const struct routes_request *q)
{
    return (struct session_whep_request){
        .content_type = q->content_type,
        .if_match = q->if_match,
        .body = q->body ? q->body : "",
        .body_size = q->body_size,
        .stream = stream_of(q),
    };
}

static void too_many_joins(struct routes_answer *a, unsigned wait_s)
{
    answer_begin(a, 429);
    answer_header(a, "Retry-After: %u", wait_s);
    answer_problem_body(a, "there are too many joins from your address; try again in a moment");
}

static void whep_post(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                      const char *code)
{
    char token[TOKEN_SIZE], tag[TOKEN_SIZE];
    struct session_whep session;
    struct session_whep_answer answer;
    struct session_whep_request request = whep_request(q);
    unsigned wait_s = q->admit ? q->admit(q->admit_arg) : 0;
    if (wait_s != 0) {
        too_many_joins(a, wait_s);
    } else if (request.stream == -2) {
        answer_problem(a, 400, "?stream= is the number of a stream, counted from 0");
    } else if (g_hash_table_size(r->by_token) >= ROUTES_WHEP_MAX) {
        answer_problem(a, 503, "every seat is taken; try again in a moment");
    } else if (token_random(token, sizeof(token), TOKEN_BYTES) != 0 ||
               token_random(tag, sizeof(tag), 6) != 0) {
        answer_problem(a, 500, "the server has no random numbers");
    } else {
        session_whep_post(&session, &answer, r->backend, code, &request, token, tag);
        if (answer.status == 201)
            whep_keep(r, a, &session, &answer);
        else
            whep_problem(a, &answer);
    }
}

/* /whep/{ROOM}. What is reserved for later answers with nothing (RFC 9725 4.1). */
static void serve_whep_endpoint(struct routes *r, const struct routes_request *q,
                                struct routes_answer *a, const char *code)
{
    static const char allow[] = "POST, GET, HEAD, OPTIONS";
    struct backend_room room;
    switch (q->method) {
    case ROUTES_POST:
        whep_post(r, q, a, code);
        break;
    case ROUTES_OPTIONS:
        answer_options(a, allow);
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

static void whep_delete(struct routes *r, struct routes_answer *a, struct session_whep *s)
{
    struct session_whep_answer answer;
    g_hash_table_remove(r->by_viewer, GUINT_TO_POINTER(s->viewer_id)); /* its end is no news */
    session_whep_delete(s, &answer);
    answer_begin(a, answer.status);
    g_hash_table_remove(r->by_token, s->token);
}

static void whep_patch(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                       struct session_whep *s)
{
    char tag[TOKEN_SIZE];
    struct session_whep_answer answer;
    struct session_whep_request request = whep_request(q);
    if (token_random(tag, sizeof(tag), 6) != 0) {
        answer_problem(a, 500, "the server has no random numbers");
        return;
    }
    if (g_hash_table_contains(r->waiting, GUINT_TO_POINTER(s->viewer_id))) {
        answer_problem(a, 409, "an ICE restart of this session is under way");
        return;
    }
    request.tag = tag;
    session_whep_patch(s, &answer, &request);
    if (answer.status == 204)
        answer_begin(a, 204);
    else if (answer.status == 200)
        whep_wait(r, a, s, &answer);
    else
        whep_problem(a, &answer);
}

/* /whep/{ROOM}/{TOKEN} */
static void serve_whep_session(struct routes *r, const struct routes_request *q,
                               struct routes_answer *a, const char *code, const char *token)
{
    static const char allow[] = "GET, HEAD, PATCH, DELETE, OPTIONS";
    struct session_whep *s = g_hash_table_lookup(r->by_token, token);
    if (q->method == ROUTES_OPTIONS) {
        answer_options(a, allow);
        answer_header(a, "Accept-Patch: application/trickle-ice-sdpfrag");
        return;
    }
    if (!s || strcmp(s->room, code) != 0) {
        answer_not_found(a, "this session has ended, or never was");
        return;
    }
    switch (q->method) {
    case ROUTES_DELETE:
        whep_delete(r, a, s);
        break;
    case ROUTES_PATCH:
        whep_patch(r, q, a, s);
        break;
    case ROUTES_GET:
    case ROUTES_HEAD:
        answer_begin(a, 200);
        answer_header(a, "ETag: %s", s->etag);
        answer_body(a, "application/sdp", "", 0);
        break;
    default:
        answer_method_not_allowed(a, allow);
    }
}

static void serve_whep(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                       const char *rest)
{
    char code[BACKEND_ROOM_MAX], name[BACKEND_ROOM_MAX];
    const char *slash = strchr(rest, '/');
    size_t n = slash ? (size_t)(slash - rest) : strlen(rest);
    snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, rest);
    if (!room_code_normalize(code, name))
        answer_not_found(a, "there is no room with this code");
    else if (slash)
        serve_whep_session(r, q, a, code, slash + 1);
    else
        serve_whep_endpoint(r, q, a, code);
}

/* --- paths --------------------------------------------------------------------------------------
 */

/* What follows `prefix` in `path`, or NULL. */
static const char *after(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}

static void serve_socket_path(const struct routes_request *q, struct routes_answer *a)
{
    if (answer_other_method(q, a))
        return;
    answer_begin(a, 426);
    answer_header(a, "Upgrade: websocket");
    answer_header(a, "Connection: Upgrade");
    answer_problem_body(a, "this is a WebSocket, of subprotocol amphi.v1");
}

static void dispatch(struct routes *r, const struct routes_request *q, struct routes_answer *a)
{
    const char *path = q->path, *rest;
    const struct backend *b = r->backend;
    if (strcmp(path, "/") == 0)
        serve_file(q, a, "index.html", true);
    else if (strcmp(path, "/present") == 0)
        serve_file(q, a, "present.html", true);
    else if (strcmp(path, "/assets/qr.svg") == 0)
        serve_qr(q, a);
    else if ((rest = after(path, "/assets/")) != NULL)
        serve_file(q, a, rest, false);
    else if (strcmp(path, "/healthz") == 0)
        serve_health(q, a, b->unhealthy(b->arg));
    else if (strcmp(path, "/readyz") == 0)
        serve_health(q, a, b->unready(b->arg));
    else if (strcmp(path, "/metrics") == 0)
        serve_metrics(r, q, a);
    else if (strcmp(path, "/api/v1/stats") == 0)
        serve_stats(r, q, a);
    else if ((rest = after(path, "/api/v1/viewers/")) != NULL)
        serve_viewer(r, q, a, rest);
    else if (strcmp(path, "/api/v1/sources") == 0)
        routes_list_sources(b, q, a);
    else if ((rest = after(path, "/api/v1/rooms/")) != NULL)
        serve_room(r, q, a, rest);
    else if ((rest = after(path, "/whep/")) != NULL)
        serve_whep(r, q, a, rest);
    else if (strcmp(path, "/ws") == 0 || after(path, "/ws/"))
        serve_socket_path(q, a);
    else
        serve_room_page(q, a, path + 1);
}

/* Players on other sites use these. Nothing here depends on cookies, so that any origin may. */
static void add_cors(struct routes_answer *a, const struct routes_request *q)
{
    if (!after(q->path, "/whep/") && !after(q->path, "/api/"))
        return;
    answer_header(a, "Access-Control-Allow-Origin: *");
    answer_header(a,
                  "Access-Control-Expose-Headers: Location, ETag, Link, Retry-After, Accept-Patch");
    if (q->method != ROUTES_OPTIONS)
        return;
    answer_header(a, "Access-Control-Allow-Methods: GET, HEAD, POST, PATCH, DELETE, OPTIONS");
    answer_header(a, "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match");
    answer_header(a, "Access-Control-Max-Age: 600");
}

void routes_handle(struct routes *r, const struct routes_request *request,
                   struct routes_answer *answer)
{
    dispatch(r, request, answer);
    if (answer->waits_for != 0)
        return;
    add_cors(answer, request);
    answer_finish(answer);
    if (request->method == ROUTES_HEAD)
        answer->body_size = 0; /* Content-Length is what a GET would have */
}

void routes_on_candidate(struct routes *r, uint32_t viewer_id, const char *candidate)
{
    struct waiting *w = g_hash_table_lookup(r->waiting, GUINT_TO_POINTER(viewer_id));
    if (w)
        (void)sdp_add_candidate(w->sdp, w->room, candidate); /* the others are enough */
}

void routes_resume(struct routes *r, uint32_t viewer_id, struct routes_answer *answer)
{
    static const struct routes_request post = {.method = ROUTES_POST, .path = "/whep/"};
    struct waiting *w = g_hash_table_lookup(r->waiting, GUINT_TO_POINTER(viewer_id));
    assert(w); /* nobody resumes twice */
    const struct session_whep *s = g_hash_table_lookup(r->by_token, w->token);
    if (s && w->status == 201)
        whep_created(r, answer, s, w->sdp, strlen(w->sdp));
    else if (s)
        whep_restarted(answer, s, w->sdp);
    else
        answer_problem(answer, 500, "the server could not gather a candidate for this session");
    g_hash_table_remove(r->waiting, GUINT_TO_POINTER(viewer_id));
    add_cors(answer, &post);
    answer_finish(answer);
}

void routes_abandon(struct routes *r, uint32_t viewer_id)
{
    struct session_whep *s = g_hash_table_lookup(r->by_viewer, GUINT_TO_POINTER(viewer_id));
    const struct waiting *w = g_hash_table_lookup(r->waiting, GUINT_TO_POINTER(viewer_id));
    struct routes_answer unread;
    if (s && w && w->status == 201) /* nobody knows of it; after a restart its client still does */
        whep_delete(r, &unread, s);
    g_hash_table_remove(r->waiting, GUINT_TO_POINTER(viewer_id));
}

void routes_refuse(struct routes_answer *answer, int status, const char *detail)
{
    answer_problem(answer, status, detail);
    answer_header(answer, "Connection: close");
    answer_finish(answer);
}

size_t routes_body_limit(enum routes_method method, const char *path)
{
    bool writes = method == ROUTES_POST || method == ROUTES_PATCH;
    if (writes && after(path, "/api/v1/rooms/") && strstr(path, "/sources"))
        return ROUTES_JSON_MAX;
    if (!after(path, "/whep/"))
        return 0;
    if (method == ROUTES_POST)
        return SDP_MAX;
    return method == ROUTES_PATCH ? SESSION_WHEP_FRAGMENT_MAX : 0;
}

void routes_on_viewer(struct routes *r, uint32_t viewer_id, enum backend_viewer_state state)
{
    struct session_whep *s = g_hash_table_lookup(r->by_viewer, GUINT_TO_POINTER(viewer_id));
    if (!s)
        return;
    session_whep_on_viewer(s, state);
    if (session_whep_is_over(s)) {
        g_hash_table_remove(r->by_viewer, GUINT_TO_POINTER(viewer_id));
        g_hash_table_remove(r->by_token, s->token);
    }
}

struct routes *routes_create(const struct backend *backend)
{
    struct routes *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->backend = backend;
    r->by_token = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    r->by_viewer = g_hash_table_new(NULL, NULL);
    r->waiting = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return r;
}

void routes_destroy(struct routes *r)
{
    if (!r)
        return;
    g_hash_table_destroy(r->waiting);
    g_hash_table_destroy(r->by_viewer);
    g_hash_table_destroy(r->by_token);
    free(r);
}
