#include "signaling/message.h"
#include "signaling/message_http.h"
#include "signaling/room_code.h"
#include "signaling/routes_inside.h"
#include "signaling/routes_sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void no_room(struct routes_answer *a)
{
    answer_not_found(a, "there is no room with this code");
}

/* "https://host" of a request, for links back to us; "" when it did not say. */
static void origin_of(const struct routes_request *q, char out[300])
{
    out[0] = '\0';
    if (q->host && strspn(q->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789.-:[]_") == strlen(q->host))
        snprintf(out, 300, "%s://%.256s", q->secure ? "https" : "http", q->host);
}

static bool is_json(const struct routes_request *q, struct routes_answer *a)
{
    bool is = q->body_size == 0 ||
              (q->content_type && strncmp(q->content_type, "application/json", 16) == 0);
    if (!is)
        answer_problem(a, 415, "the body has to be application/json");
    return is;
}

static bool read_wish(const struct routes_request *q, struct routes_answer *a,
                      struct message_room_wish *out, bool makes)
{
    if (!is_json(q, a))
        return false;
    const char *fault = message_read_room_wish(out, q->body ? q->body : "", q->body_size, makes);
    if (fault)
        answer_problem(a, 400, fault);
    return !fault;
}

/* --- making ------------------------------------------------------------------------------------
 */

static bool may_make(const struct backend *backend, const struct routes_request *q,
                     struct routes_answer *a)
{
    if (!backend->make_room) {
        answer_problem(a, 501, "this server has the rooms it was started with, and makes no more");
        return false;
    }
    if (answer_is_admin(backend, q))
        return true;
    if (!backend->open_rooms) {
        answer_unauthorized(a);
        return false;
    }
    unsigned wait_s = q->admit ? q->admit(q->admit_arg) : 0;
    if (wait_s != 0)
        answer_too_many(a, wait_s);
    return wait_s == 0;
}

static bool make(const struct backend *backend, struct routes_answer *a,
                 const struct backend_room_wish *wish, struct backend_room_made *made)
{
    struct backend_room_wish asked = *wish;
    char code[BACKEND_ROOM_MAX];
    int status = 0;
    if (asked.code && asked.code[0] == '\0')
        asked.code = NULL;
    if (asked.code && !room_code_normalize(code, asked.code))
        status = -EINVAL;
    else if (asked.code)
        asked.code = code;
    if (status == 0)
        status = backend->make_room(backend->arg, &asked, made);
    if (status == -EEXIST)
        answer_problem(a, 409, "this code is taken; choose another one, or none");
    else if (status == -EINVAL)
        answer_problem(a, 422, "a code is 1 to 63 of A-Z, 0-9 and '-', and no path of the server");
    else if (status == -ENOSPC)
        answer_retry(a, 503, 60, "the server has as many rooms as it may; try again later");
    else if (status != 0)
        answer_problem(a, 500, "the server could not make a room");
    return status == 0;
}

void routes_make_room(const struct backend *backend, const struct routes_request *q,
                      struct routes_answer *a)
{
    struct message_room_wish wish;
    struct backend_room_made made;
    char origin[300];
    if (q->method == ROUTES_OPTIONS) {
        answer_options(a, "POST, OPTIONS");
        return;
    }
    if (q->method != ROUTES_POST) {
        answer_method_not_allowed(a, "POST, OPTIONS");
        return;
    }
    if (!may_make(backend, q, a) || !read_wish(q, a, &wish, true))
        return;
    bool is_made = make(backend, a, &wish.wish, &made);
    message_room_wish_finish(&wish);
    if (!is_made)
        return;
    origin_of(q, origin);
    answer_begin(a, 201);
    answer_header(a, "Location: /api/v1/rooms/%s", made.code);
    answer_header(a, "Cache-Control: no-store");
    if (!answer_owned_text(a, "application/json", message_room_made(&made, origin)))
        answer_problem(a, 500, "the server is out of memory");
}

/* GoPeep's program sends no body, and takes 200 alone for success. */
void routes_reserve_room(const struct backend *backend, const struct routes_request *q,
                         struct routes_answer *a)
{
    static const struct backend_room_wish any = {.max_viewers = -1};
    struct backend_room_made made;
    if (q->method == ROUTES_OPTIONS)
        answer_options(a, "POST, OPTIONS");
    else if (q->method != ROUTES_POST)
        answer_method_not_allowed(a, "POST, OPTIONS");
    else if (may_make(backend, q, a) && make(backend, a, &any, &made))
        answer_text(a, "application/json", message_reserved(&made));
}

/* --- one room ----------------------------------------------------------------------------------
 */

static void describe(const struct backend *backend, struct routes_answer *a, const char *code)
{
    struct backend_room room = {0};
    if (!backend->room(backend->arg, code, &room))
        no_room(a);
    else
        answer_text(a, "application/json", message_room(&room));
}

/* Its presenter's secret, or the admin's token. */
static bool may_change(const struct backend *backend, const struct routes_request *q,
                       struct routes_answer *a, const char *code)
{
    const struct backend_credential shown = {.bearer = answer_bearer(q)};
    if (answer_is_admin(backend, q))
        return true;
    unsigned wait_s = shown.bearer && q->guess ? q->guess(q->guess_arg, false) : 0;
    if (wait_s != 0) {
        answer_too_many(a, wait_s);
        return false;
    }
    enum backend_access access = backend->may_publish
                                     ? backend->may_publish(backend->arg, code, &shown)
                                     : BACKEND_ACCESS_REQUIRED;
    if (access == BACKEND_ACCESS_GRANTED)
        return true;
    if (access == BACKEND_ACCESS_NO_ROOM) {
        no_room(a);
    } else if (access == BACKEND_ACCESS_REQUIRED) {
        answer_challenge(a, "this needs the room's secret or the admin token");
    } else {
        if (q->guess)
            q->guess(q->guess_arg, true);
        answer_problem(a, 403, "this is neither the room's secret nor the admin token");
    }
    return false;
}

static void changed(struct routes_answer *a, int status)
{
    if (status == 0)
        answer_begin(a, 204);
    else if (status == -ENOENT)
        no_room(a);
    else if (status == -EINVAL)
        answer_problem(a, 422, "the room cannot be changed like this");
    else if (status == -EBUSY || status == -EPERM)
        answer_problem(a, 409, "this room shows the server's own sources, and stays");
    else
        answer_problem(a, 500, "the server could not change the room");
}

static void change(const struct backend *backend, const struct routes_request *q,
                   struct routes_answer *a, const char *code)
{
    struct message_room_wish wish;
    if (!backend->change_room) {
        answer_problem(a, 501, "this server's rooms stay as they are");
        return;
    }
    if (!may_change(backend, q, a, code) || !read_wish(q, a, &wish, false))
        return;
    changed(a, backend->change_room(backend->arg, code, &wish.wish));
    message_room_wish_finish(&wish);
}

static void end(const struct backend *backend, const struct routes_request *q,
                struct routes_answer *a, const char *code)
{
    if (!backend->end_room)
        answer_problem(a, 501, "this server's rooms stay while it runs");
    else if (may_change(backend, q, a, code))
        changed(a, backend->end_room(backend->arg, code));
}

/* --- tokens to watch ---------------------------------------------------------------------------
 */

static void make_token(const struct backend *backend, const struct routes_request *q,
                       struct routes_answer *a, const char *code)
{
    char origin[300];
    struct backend_token_wish wish;
    struct backend_token made;
    if (!may_change(backend, q, a, code) || !is_json(q, a))
        return;
    const char *fault = message_read_token_wish(&wish, q->body ? q->body : "", q->body_size);
    if (fault) {
        answer_problem(a, 400, fault);
        return;
    }
    int status =
        backend->make_token ? backend->make_token(backend->arg, code, &wish, &made) : -ENOTSUP;
    if (status == -ENOTSUP) {
        answer_problem(a, 501, "this server has no secret to sign tokens with (--token-key)");
    } else if (status == -ENOENT) {
        no_room(a);
    } else if (status != 0) {
        answer_problem(a, 500, "the server could not make a token");
    } else {
        origin_of(q, origin);
        answer_begin(a, 201);
        answer_header(a, "Cache-Control: no-store");
        if (!answer_owned_text(a, "application/json", message_token(&made, origin, code)))
            answer_problem(a, 500, "the server is out of memory");
    }
}

/* "{ROOM}/tokens". False: it is another path. */
static bool serve_tokens(const struct backend *backend, const struct routes_request *q,
                         struct routes_answer *a, const char *path)
{
    char name[BACKEND_ROOM_MAX], code[BACKEND_ROOM_MAX];
    size_t n = strcspn(path, "/");
    if (strcmp(path + n, "/tokens") != 0)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)n, path);
    if (n >= sizeof(name) || !room_code_normalize(code, name))
        no_room(a);
    else if (q->method == ROUTES_OPTIONS)
        answer_options(a, "POST, OPTIONS");
    else if (q->method != ROUTES_POST)
        answer_method_not_allowed(a, "POST, OPTIONS");
    else
        make_token(backend, q, a, code);
    return true;
}

void routes_serve_room(const struct backend *backend, const struct routes_request *q,
                       struct routes_answer *a, const char *name)
{
    static const char allow[] = "GET, HEAD, PATCH, DELETE, OPTIONS";
    char code[BACKEND_ROOM_MAX];
    if (serve_tokens(backend, q, a, name))
        return;
    if (strchr(name, '/')) {
        routes_serve_sources(backend, q, a, name);
        return;
    }
    if (!room_code_normalize(code, name)) {
        no_room(a);
        return;
    }
    switch (q->method) {
    case ROUTES_GET:
    case ROUTES_HEAD:
        describe(backend, a, code);
        break;
    case ROUTES_PATCH:
        change(backend, q, a, code);
        break;
    case ROUTES_DELETE:
        end(backend, q, a, code);
        break;
    case ROUTES_OPTIONS:
        answer_options(a, allow);
        break;
    default:
        answer_method_not_allowed(a, allow);
    }
}
