#include "signaling/routes.h"

#include "signaling/assets.h"
#include "signaling/message.h"
#include "signaling/qr.h"
#include "signaling/room_code.h"
#include "signaling/routes_answer.h"
#include "signaling/routes_inside.h"
#include "signaling/routes_sources.h"

#include <glib.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MOVED_PATH_MAX 255

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

/* --- paths --------------------------------------------------------------------------------------
 */

const char *routes_after(const char *path, const char *prefix)
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
    else if (strcmp(path, "/admin") == 0)
        serve_file(q, a, "admin.html", true);
    else if (strcmp(path, "/assets/qr.svg") == 0)
        serve_qr(q, a);
    else if ((rest = routes_after(path, "/assets/")) != NULL)
        serve_file(q, a, rest, false);
    else if (strcmp(path, "/healthz") == 0)
        serve_health(q, a, b->unhealthy(b->arg));
    else if (strcmp(path, "/readyz") == 0)
        serve_health(q, a, b->unready(b->arg));
    else if (strcmp(path, "/metrics") == 0)
        serve_metrics(r, q, a);
    else if (strcmp(path, "/api/v1/stats") == 0)
        serve_stats(r, q, a);
    else if ((rest = routes_after(path, "/api/v1/viewers/")) != NULL)
        serve_viewer(r, q, a, rest);
    else if (strcmp(path, "/api/v1/sources") == 0)
        routes_list_sources(b, q, a);
    else if ((rest = routes_after(path, "/api/v1/rooms/")) != NULL)
        routes_serve_room(b, q, a, rest);
    else if (strcmp(path, "/api/v1/rooms") == 0)
        routes_make_room(b, q, a);
    else if (strcmp(path, "/api/reserve") == 0)
        routes_reserve_room(b, q, a);
    else if ((rest = routes_after(path, "/whep/")) != NULL)
        routes_serve_sessions(r, q, a, rest, false);
    else if ((rest = routes_after(path, "/whip/")) != NULL)
        routes_serve_sessions(r, q, a, rest, true);
    else if (strcmp(path, "/ws") == 0 || routes_after(path, "/ws/"))
        serve_socket_path(q, a);
    else
        serve_room_page(q, a, path + 1);
}

/* Nothing there depends on cookies, so that any origin may. */
static bool is_for_other_sites(const char *path)
{
    return routes_after(path, "/whep/") || routes_after(path, "/whip/") ||
           routes_after(path, "/api/");
}

void routes_handle(struct routes *r, const struct routes_request *request,
                   struct routes_answer *answer)
{
    dispatch(r, request, answer);
    if (answer->waits_for != 0 || answer->waits_for_source != 0)
        return;
    if (is_for_other_sites(request->path))
        answer_cors(answer, request->method, request->allow_origin);
    answer_finish(answer);
    if (request->method == ROUTES_HEAD)
        answer->body_size = 0; /* Content-Length is what a GET would have */
}

void routes_source_added(const struct backend_source_added *result, enum routes_method method,
                         const char *allow_origin, struct routes_answer *answer)
{
    routes_answer_source(answer, result);
    answer_cors(answer, method, allow_origin);
    answer_finish(answer);
    if (method == ROUTES_HEAD)
        answer->body_size = 0;
}

void routes_refuse(struct routes_answer *answer, int status, const char *detail)
{
    answer_problem(answer, status, detail);
    answer_header(answer, "Connection: close");
    answer_finish(answer);
}

static bool is_host(const char *host)
{
    size_t n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]");
    return n > 0 && host[n] == '\0';
}

void routes_move_to_tls(struct routes_answer *answer, const char *host, const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    char escaped[3 * MOVED_PATH_MAX + 1];
    size_t n = 0;
    if (!is_host(host) || strlen(path) > MOVED_PATH_MAX) {
        routes_refuse(answer, 400, "this port is for HTTPS");
        return;
    }
    for (; *path; path++) /* it was decoded, so that anything may be in it */
        n += (size_t)sprintf(escaped + n, strchr(plain, *path) ? "%c" : "%%%02X",
                             (unsigned char)*path);
    escaped[n] = '\0';
    answer_begin(answer, 307);
    answer_header(answer, "Location: https://%s%s", host, escaped);
    answer_header(answer, "Connection: close");
    answer_problem_body(answer, "this port is for HTTPS");
    answer_finish(answer);
}

bool routes_body_is_optional(const char *path)
{
    return routes_after(path, "/api/");
}

size_t routes_body_limit(enum routes_method method, const char *path)
{
    bool posts = method == ROUTES_POST, patches = method == ROUTES_PATCH;
    const char *room = routes_after(path, "/api/v1/rooms/");
    if (posts && strcmp(path, "/api/v1/rooms") == 0)
        return ROUTES_JSON_MAX;
    if (room)
        return patches || (posts && strchr(room, '/')) ? ROUTES_JSON_MAX : 0;
    if (!routes_after(path, "/whep/") && !routes_after(path, "/whip/"))
        return 0;
    size_t json = routes_events_body_limit(method, path);
    if (json != 0)
        return json;
    return posts || patches ? SDP_MAX : 0; /* a PATCH may answer a counter-offer */
}

struct routes *routes_create(const struct backend *backend)
{
    struct routes *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->backend = backend;
    routes_sessions_create(r);
    return r;
}

void routes_destroy(struct routes *r)
{
    if (!r)
        return;
    routes_sessions_destroy(r);
    free(r);
}
