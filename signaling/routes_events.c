/* routes_events.c - WHEP's server-sent events and the selection of layers.
 *
 * A stream of events says what is different from what it said before, so that nothing is queued for
 * a player that reads slowly or comes later: it gets the newest.
 */
#include "signaling/message_http.h"
#include "signaling/routes_inside.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_US (2 * INT64_C(1000000))   /* viewercount is told at most that often */
#define SILENT_US (15 * INT64_C(1000000)) /* then a comment keeps proxies from closing */

size_t routes_events_body_limit(enum routes_method method, const char *path)
{
    size_t n = strlen(path);
    bool of_json = (n > 4 && strcmp(path + n - 4, "/sse") == 0) ||
                   (n > 6 && strcmp(path + n - 6, "/layer") == 0);
    return of_json && method == ROUTES_POST ? ROUTES_JSON_MAX : 0;
}

/* --- streams -----------------------------------------------------------------------------------
 */

static struct routes_events *find(struct routes_session *s, uint32_t id)
{
    for (unsigned i = 0; i < ROUTES_EVENT_STREAMS; i++)
        if (s->events[i].id == id)
            return &s->events[i];
    return NULL;
}

static void drop(struct routes *r, struct routes_events *e)
{
    g_hash_table_remove(r->events, GUINT_TO_POINTER(e->id));
    free(e->layers);
    *e = (struct routes_events){.id = 0};
}

void routes_forget_events(struct routes *r, struct routes_session *s)
{
    for (unsigned i = 0; i < ROUTES_EVENT_STREAMS; i++)
        if (s->events[i].id != 0)
            drop(r, &s->events[i]);
}

/* NULL: it has as many as it may. */
static struct routes_events *add(struct routes *r, struct routes_session *s, unsigned wanted)
{
    struct routes_events *e = find(s, 0);
    if (!e)
        return NULL;
    r->last_events += r->last_events == UINT32_MAX ? 2 : 1;
    *e = (struct routes_events){.id = r->last_events, .wanted = wanted};
    g_hash_table_insert(r->events, GUINT_TO_POINTER(e->id), s);
    return e;
}

/* POST to .../sse */
static void make(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                 struct routes_session *s)
{
    unsigned wanted;
    const char *fault = message_read_events(&wanted, q->body ? q->body : "", q->body_size);
    if (q->body_size > 0 && !session_is_type(q->content_type, "application/json")) {
        answer_problem(a, 415, "the body has to be application/json");
        return;
    }
    if (fault) {
        answer_problem(a, 400, fault);
        return;
    }
    const struct routes_events *e = add(r, s, wanted);
    if (!e) {
        answer_problem(a, 409, "this session has four streams of events; DELETE one of them");
        return;
    }
    answer_begin(a, 201);
    answer_header(a, "Location: /whep/%s/%s/sse/%u", s->whep.resource.room, s->whep.resource.token,
                  (unsigned)e->id);
    answer_header(a, "Cache-Control: no-store");
}

/* GET: the answer goes on until the session ends. Who comes a second time replaces the first. */
static void receive(struct routes_answer *a, struct routes_events *e)
{
    answer_begin(a, 200);
    answer_header(a, "Cache-Control: no-store");
    answer_header(a, "X-Accel-Buffering: no"); /* nginx would collect them */
    answer_header(a, "Connection: close");
    answer_header(a, "Content-Type: text/event-stream");
    a->events = e->id;
    e->active = e->reconnected = false; /* it knows nothing */
    e->viewers = 0;
    e->counted_us = 0;
    free(e->layers);
    e->layers = NULL;
}

/* .../sse/{ID} */
static void serve_one(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                      struct routes_session *s, const char *id_text)
{
    size_t n = strspn(id_text, "0123456789");
    unsigned long long id =
        n > 0 && n <= 10 && id_text[n] == '\0' ? strtoull(id_text, NULL, 10) : 0;
    struct routes_events *e = id > 0 && id <= UINT32_MAX ? find(s, (uint32_t)id) : NULL;
    if (!e) {
        answer_not_found(a, "this stream of events has ended, or never was");
    } else if (q->method == ROUTES_GET) {
        receive(a, e);
    } else if (q->method == ROUTES_DELETE) {
        drop(r, e);
        answer_begin(a, 200);
    } else {
        answer_method_not_allowed(a, "GET, DELETE, OPTIONS");
    }
}

/* Some players open .../sse without asking for a stream first. */
static void serve_all(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                      struct routes_session *s)
{
    struct routes_events *e;
    if (q->method == ROUTES_POST)
        make(r, q, a, s);
    else if (q->method != ROUTES_GET)
        answer_method_not_allowed(a, "GET, POST, OPTIONS");
    else if ((e = add(r, s, MESSAGE_EVENTS_ALL)) != NULL)
        receive(a, e);
    else
        answer_problem(a, 409, "this session has four streams of events; DELETE one of them");
}

void routes_serve_events(struct routes *r, const struct routes_request *q, struct routes_answer *a,
                         struct routes_session *s, const char *rest)
{
    if (rest[0] == '\0')
        serve_all(r, q, a, s);
    else
        serve_one(r, q, a, s, rest + (rest[0] == '/'));
}

/* --- what is told ------------------------------------------------------------------------------
 */

/* One line of data, as jansson writes it. Takes the text, which may be NULL. */
static void tell(GString *out, const char *event, char *data)
{
    if (data)
        g_string_append_printf(out, "event: %s\ndata: %s\n\n", event, data);
    free(data);
}

static void tell_active(GString *out, struct routes_events *e, bool active)
{
    unsigned kind = active ? MESSAGE_EVENT_ACTIVE : MESSAGE_EVENT_INACTIVE;
    if (active != e->active && e->wanted & kind)
        tell(out, active ? "active" : "inactive", strdup("{}"));
    e->active = active;
}

static void tell_layers(GString *out, struct routes_events *e, const struct session_whep *s,
                        const struct backend_room *room)
{
    char *layers = e->wanted & MESSAGE_EVENT_LAYERS ? message_layers(s, room) : NULL;
    if (!layers || (e->layers && strcmp(layers, e->layers) == 0)) {
        free(layers);
        return;
    }
    free(e->layers);
    e->layers = strdup(layers);
    tell(out, "layers", layers);
}

static void tell_viewers(GString *out, struct routes_events *e, unsigned viewers, int64_t now_us)
{
    bool due = e->counted_us == 0 || now_us - e->counted_us >= COUNT_US;
    if (!due || !(e->wanted & MESSAGE_EVENT_VIEWERCOUNT) ||
        (e->counted_us != 0 && e->viewers == viewers))
        return;
    e->counted_us = now_us;
    e->viewers = viewers;
    tell(out, "viewercount", message_viewercount(viewers));
}

static void tell_reconnect(GString *out, struct routes_events *e, const struct routes *r)
{
    if (!r->drains || e->reconnected || !(e->wanted & MESSAGE_EVENT_RECONNECT))
        return;
    e->reconnected = true;
    tell(out, "reconnect", strdup("{}")); /* to the endpoint that it knows */
}

bool routes_take_events(struct routes *r, uint32_t id, int64_t now_us, char **text)
{
    struct backend_room room = {0};
    struct routes_session *s = g_hash_table_lookup(r->events, GUINT_TO_POINTER(id));
    *text = NULL;
    if (!s)
        return false;
    struct routes_events *e = find(s, id);
    GString *out = g_string_new(NULL);
    bool known = r->backend->room(r->backend->arg, s->whep.resource.room, &room);
    tell_active(out, e, known && room.live);
    if (known) {
        tell_layers(out, e, &s->whep, &room);
        tell_viewers(out, e, room.viewers, now_us);
    }
    tell_reconnect(out, e, r);
    if (out->len == 0 && now_us - e->spoke_us >= SILENT_US)
        g_string_append(out, ":\n\n");
    if (out->len > 0)
        e->spoke_us = now_us;
    *text = g_string_free(out, out->len == 0);
    return true;
}

void routes_on_drain(struct routes *r)
{
    r->drains = true;
}

/* --- layers ------------------------------------------------------------------------------------
 */

void routes_serve_layer(const struct routes_request *q, struct routes_answer *a,
                        struct routes_session *s)
{
    struct session_whep_layer wish;
    struct session_answer answer;
    if (q->method != ROUTES_POST) {
        answer_method_not_allowed(a, "POST, OPTIONS");
        return;
    }
    /* the draft's example has the second spelling */
    if (!session_is_type(q->content_type, "application/json") &&
        !session_is_type(q->content_type, "application/sjon")) {
        answer_problem(a, 415, "the body has to be application/json");
        return;
    }
    const char *fault = message_read_layer(&wish, q->body ? q->body : "", q->body_size);
    if (fault) {
        answer_problem(a, 400, fault);
        return;
    }
    session_whep_select(&s->whep, &answer, &wish);
    if (answer.status == 200)
        answer_begin(a, 200);
    else
        answer_problem(a, answer.status, answer.detail);
}
