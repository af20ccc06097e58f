#include "signaling/routes_sources.h"

#include "signaling/message.h"
#include "signaling/room_code.h"
#include "signaling/routes_answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool may_ask(const struct backend *backend, const struct routes_request *q,
                    struct routes_answer *a)
{
    bool may = answer_is_admin(backend, q);
    if (!may)
        answer_unauthorized(a);
    return may;
}

static void cannot(struct routes_answer *a)
{
    answer_problem(a, 501, "this server cannot change its sources while it runs");
}

static int status_of(int error)
{
    switch (error) {
    case -ENOENT:
        return 404;
    case -ENOSPC:
    case -EBUSY:
    case -EEXIST:
        return 409;
    case -EAGAIN:
        return 503;
    case -ENOMEM:
    case -EIO:
        return 500;
    default:
        return 422;
    }
}

static void failed(struct routes_answer *a, int error, const char *sentence)
{
    const char *detail = sentence[0] != '\0' ? sentence : strerror(-error);
    answer_problem(a, status_of(error), detail);
}

void routes_list_sources(const struct backend *backend, const struct routes_request *q,
                         struct routes_answer *a)
{
    if (answer_other_method(q, a) || !may_ask(backend, q, a))
        return;
    uint32_t ticket = 0;
    int status = backend->list_sources ? backend->list_sources(backend->arg, &ticket) : -ENOTSUP;
    if (!backend->list_sources)
        cannot(a);
    else if (status == -EINPROGRESS)
        *a = (struct routes_answer){.waits_for_source = ticket};
    else
        failed(a, status, "");
}

static bool is_json(const struct routes_request *q, struct routes_answer *a)
{
    if (q->content_type && strncmp(q->content_type, "application/json", 16) == 0)
        return true;
    answer_problem(a, 415, "the body has to be application/json");
    return false;
}

static void add(const struct backend *backend, const struct routes_request *q,
                struct routes_answer *a, const char *room)
{
    char error[240] = "";
    uint32_t ticket = 0;
    struct message_source source;
    if (!is_json(q, a))
        return;
    if (!message_read_source(&source, q->body ? q->body : "", q->body_size)) {
        answer_problem(a, 400,
                       "the body is a JSON object with a \"source\", like "
                       "{\"source\":\"screen\",\"bitrate_kbps\":3000}");
        return;
    }
    int status = backend->add_source(backend->arg, room, source.source, source.options, &ticket,
                                     error, sizeof(error));
    message_source_finish(&source);
    if (status == -EINPROGRESS)
        *a = (struct routes_answer){.waits_for_source = ticket};
    else
        failed(a, status, error);
}

void routes_answer_source(struct routes_answer *a, const struct backend_source_added *result)
{
    if (result->status != 0) {
        failed(a, result->status, result->error);
        return;
    }
    if (result->list) {
        answer_text(a, "application/json", result->list);
        return;
    }
    answer_begin(a, 201);
    answer_header(a, "Location: /api/v1/rooms/%s/sources/video%u", result->room, result->slot);
    answer_header(a, "Cache-Control: no-store");
    if (!answer_owned_text(a, "application/json", message_track(result->slot)))
        answer_problem(a, 500, "the server is out of memory");
}

static void change(const struct backend *backend, const struct routes_request *q,
                   struct routes_answer *a, const char *room, unsigned slot)
{
    char error[240] = "";
    struct backend_source_change wanted;
    if (!is_json(q, a))
        return;
    const char *fault = message_read_change(&wanted, q->body ? q->body : "", q->body_size);
    if (fault) {
        answer_problem(a, 400, fault);
        return;
    }
    int status = backend->set_source(backend->arg, room, slot, &wanted, error, sizeof(error));
    if (status != 0)
        failed(a, status, error);
    else
        answer_begin(a, 204);
}

static void remove_one(const struct backend *backend, struct routes_answer *a, const char *room,
                       unsigned slot)
{
    int status = backend->remove_source(backend->arg, room, slot);
    if (status != 0)
        failed(a, status, status == -ENOENT ? "this track carries no source" : "");
    else
        answer_begin(a, 204);
}

/* .../sources */
static void serve_all(const struct backend *backend, const struct routes_request *q,
                      struct routes_answer *a, const char *room)
{
    if (q->method == ROUTES_OPTIONS)
        answer_options(a, "POST, OPTIONS");
    else if (q->method != ROUTES_POST)
        answer_method_not_allowed(a, "POST, OPTIONS");
    else if (!may_ask(backend, q, a))
        return;
    else if (!backend->add_source)
        cannot(a);
    else
        add(backend, q, a, room);
}

/* .../sources/{trackId} */
static void serve_one(const struct backend *backend, const struct routes_request *q,
                      struct routes_answer *a, const char *room, const char *track)
{
    unsigned slot;
    bool known = q->method == ROUTES_PATCH || q->method == ROUTES_DELETE;
    if (q->method == ROUTES_OPTIONS)
        answer_options(a, "PATCH, DELETE, OPTIONS");
    else if (!known)
        answer_method_not_allowed(a, "PATCH, DELETE, OPTIONS");
    else if (!may_ask(backend, q, a))
        return;
    else if (q->method == ROUTES_PATCH ? !backend->set_source : !backend->remove_source)
        cannot(a);
    else if (!message_slot(track, &slot))
        answer_not_found(a, "there is no such track; they are video0 to video7");
    else if (q->method == ROUTES_PATCH)
        change(backend, q, a, room, slot);
    else
        remove_one(backend, a, room, slot);
}

void routes_serve_sources(const struct backend *backend, const struct routes_request *q,
                          struct routes_answer *a, const char *rest)
{
    char name[BACKEND_ROOM_MAX], code[BACKEND_ROOM_MAX];
    const char *slash = strchr(rest, '/');
    size_t n = (size_t)(slash - rest);
    snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, rest);
    if (!room_code_normalize(code, name))
        answer_not_found(a, "there is no room with this code");
    else if (strcmp(slash, "/sources") == 0)
        serve_all(backend, q, a, code);
    else if (strncmp(slash, "/sources/", 9) == 0)
        serve_one(backend, q, a, code, slash + 9);
    else
        answer_not_found(a, "there is no such path");
}
