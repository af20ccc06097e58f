/* http_socket.c - one WebSocket: puts messages together, queues outgoing ones, pings. */
#include "signaling/http_shell.h"

#include <glib.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void unmap_viewer(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    if (s->mapped_viewer != 0)
        g_hash_table_remove(c->http->viewers, GUINT_TO_POINTER(s->mapped_viewer));
    s->mapped_viewer = 0;
}

static void leave_room(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    struct http_room *room = s->room;
    if (!room)
        return;
    *s->member_link = s->next_member;
    if (s->next_member)
        s->next_member->socket->member_link = s->member_link;
    s->room = NULL;
    if (!room->members[SESSION_WS_VIEWER] && !room->members[SESSION_WS_SHARER])
        g_hash_table_remove(c->http->rooms, room->code);
}

static void enter_room(struct http_connection *c, const char *code)
{
    struct http_socket *s = c->socket;
    struct http_room *room = g_hash_table_lookup(c->http->rooms, code);
    if (!room) {
        room = g_new0(struct http_room, 1);
        g_strlcpy(room->code, code, sizeof(room->code));
        g_hash_table_insert(c->http->rooms, room->code, room);
    }
    struct http_connection **members = &room->members[s->session.role];
    s->room = room;
    s->is_sharer = s->session.role == SESSION_WS_SHARER;
    s->next_member = *members;
    s->member_link = members;
    if (s->next_member)
        s->next_member->socket->member_link = &s->next_member;
    *members = c;
}

static void settle_room(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    bool joined = s->session.joined, sharer = s->session.role == SESSION_WS_SHARER;
    if (s->room && (!joined || s->is_sharer != sharer || strcmp(s->room->code, s->session.room)))
        leave_room(c);
    if (joined && !s->room)
        enter_room(c, s->session.room);
}

/* After every call into the session: which viewer is its own, which room it is in, and whether it
 * is over. */
void http_socket_settle(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    settle_room(c);
    http_resume_settle(c);
    uint32_t viewer_id = s->session.viewer_id;
    if (viewer_id != s->mapped_viewer) {
        unmap_viewer(c);
        s->mapped_viewer = viewer_id;
        if (viewer_id != 0)
            g_hash_table_insert(c->http->viewers, GUINT_TO_POINTER(viewer_id), c);
    }
    if (s->session.finished)
        lws_callback_on_writable(c->wsi);
}

void http_socket_tell(struct http *h, const char *room, enum session_ws_role role, char *text,
                      const struct http_connection *except)
{
    const struct http_room *r = text ? g_hash_table_lookup(h->rooms, room) : NULL;
    int64_t now_us = r && role == SESSION_WS_SHARER ? http_now_us() : 0;
    for (struct http_connection *c = r ? r->members[role] : NULL, *next; c; c = next) {
        next = c->socket->next_member;
        if (c == except)
            continue;
        if (role == SESSION_WS_SHARER)
            session_ws_on_viewer_news(&c->socket->session, text, now_us);
        else
            session_ws_on_broadcast(&c->socket->session, text);
        http_socket_settle(c);
    }
    free(text);
}

static void tell(void *arg, const char *room, enum session_ws_role role, char *text)
{
    struct http_connection *c = arg;
    http_socket_tell(c->http, room, role, text, c);
}

/* Output of the session. One that does not read what it asks for is closed. */
static void queue_text(void *arg, char *text)
{
    struct http_connection *c = arg;
    struct http_socket *s = c->socket;
    size_t size = strlen(text);
    struct http_outgoing *out = NULL;
    if (s->queued + size <= HTTP_SOCKET_QUEUE_MAX)
        out = malloc(sizeof(*out) + LWS_PRE + size);
    if (!out) {
        free(text);
        http_kill(c);
        return;
    }
    out->next = NULL;
    out->size = size;
    memcpy(out->data + LWS_PRE, text, size);
    free(text);
    if (!s->first)
        s->progress_us = http_now_us();
    *s->last = out;
    s->last = &out->next;
    s->queued += size;
    lws_callback_on_writable(c->wsi);
}

static void *allocate(void *arg, size_t size)
{
    (void)arg;
    return calloc(1, size);
}

int http_socket_open(struct http_connection *c)
{
    int64_t now_us = http_now_us();
    struct http_socket *s = calloc(1, sizeof(*s));
    if (!s)
        return -1;
    assert(!c->socket);
    http_transaction_end(c);
    s->last = &s->first;
    s->pinged_us = now_us;
    c->socket = s;
    const struct session_ws_output output = {
        .arg = c,
        .emit = queue_text,
        .allocate = allocate,
        .admit = http_admit,
        .guess = http_guess,
        .tell = tell,
        .make_token = http_resume_make_token,
        .resume = http_resume_take,
    };
    session_ws_init(&s->session, c->http->backend, &output, c->room[0] != '\0' ? c->room : NULL,
                    now_us);
    return 0;
}

static void forget_incoming(struct http_socket *s)
{
    free(s->incoming);
    s->incoming = NULL;
    s->incoming_size = s->incoming_room = 0;
}

static bool keep(struct http_socket *s, const void *data, size_t size)
{
    if (s->incoming_size + size > s->incoming_room) {
        size_t room = 2 * (s->incoming_size + size);
        char *incoming = realloc(s->incoming, room);
        if (!incoming)
            return false;
        s->incoming = incoming;
        s->incoming_room = room;
    }
    memcpy(s->incoming + s->incoming_size, data, size);
    s->incoming_size += size;
    return true;
}

int http_socket_on_data(struct http_connection *c, const void *data, size_t size)
{
    struct http_socket *s = c->socket;
    bool last = lws_is_final_fragment(c->wsi);
    if (!s || s->session.finished)
        return 0;
    if (s->incoming_size + size > SDP_MAX) {
        s->oversize = true;
        session_ws_on_oversize(&s->session);
        forget_incoming(s);
        http_socket_settle(c);
        return 0;
    }
    if (last && s->incoming_size == 0 && !lws_frame_is_binary(c->wsi)) { /* nearly every message */
        session_ws_on_text(&s->session, data, size, http_now_us());
        http_socket_settle(c);
        return 0;
    }
    if (size > 0 && !keep(s, data, size))
        return -1;
    if (!last)
        return 0;
    if (lws_frame_is_binary(c->wsi))
        session_ws_on_binary(&s->session, http_now_us());
    else
        session_ws_on_text(&s->session, s->incoming, s->incoming_size, http_now_us());
    forget_incoming(s);
    http_socket_settle(c);
    return 0;
}

void http_socket_on_pong(struct http_connection *c)
{
    if (c->socket)
        c->socket->pings_missed = 0;
}

static int close_politely(struct http_connection *c)
{
    enum lws_close_status status = c->socket->oversize ? LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE
                                                       : LWS_CLOSE_STATUS_POLICY_VIOLATION;
    lws_close_reason(c->wsi, status, NULL, 0);
    return -1;
}

int http_socket_on_writable(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    if (!s)
        return 0;
    s->progress_us = http_now_us();
    struct http_outgoing *out = s->first;
    if (out) {
        int n = lws_write(c->wsi, out->data + LWS_PRE, out->size, LWS_WRITE_TEXT);
        s->first = out->next;
        s->queued -= out->size;
        if (!s->first)
            s->last = &s->first;
        free(out);
        if (n < 0)
            return -1;
    } else if (s->session.finished) {
        return close_politely(c);
    } else if (s->ping_wanted) {
        unsigned char frame[LWS_PRE + 1];
        s->ping_wanted = false;
        if (lws_write(c->wsi, frame + LWS_PRE, 0, LWS_WRITE_PING) < 0)
            return -1;
    }
    if (s->first || s->session.finished || s->ping_wanted)
        lws_callback_on_writable(c->wsi);
    return 0;
}

void http_socket_close(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    if (!s)
        return;
    unmap_viewer(c);
    leave_room(c);
    http_resume_keep(c);
    session_ws_on_socket_closed(&s->session);
    session_ws_finish(&s->session);
    c->socket = NULL;
    while (s->first) {
        struct http_outgoing *out = s->first;
        s->first = out->next;
        free(out);
    }
    forget_incoming(s);
    free(s);
}

void http_socket_tick(struct http_connection *c, int64_t now_us)
{
    struct http_socket *s = c->socket;
    if (!s)
        return;
    if (now_us >= session_ws_next_timeout(&s->session)) {
        session_ws_on_timeout(&s->session, now_us);
        http_socket_settle(c);
    }
    if (s->first && now_us - s->progress_us > HTTP_SOCKET_STALL_US) {
        http_kill(c);
        return;
    }
    if (now_us - s->pinged_us < HTTP_PING_US)
        return;
    if (s->pings_missed == HTTP_PINGS_MISSED_MAX) {
        http_kill(c);
        return;
    }
    s->pings_missed++;
    s->pinged_us = now_us;
    s->ping_wanted = true;
    lws_callback_on_writable(c->wsi);
}

void http_socket_on_viewer(struct http_connection *c, uint32_t viewer_id,
                           enum backend_viewer_state state, const char *reason)
{
    session_ws_on_viewer(&c->socket->session, viewer_id, state, reason);
    http_socket_settle(c);
}

void http_socket_on_candidate(struct http_connection *c, uint32_t viewer_id, const char *candidate)
{
    session_ws_on_candidate(&c->socket->session, viewer_id, candidate);
    http_socket_settle(c);
}

void http_socket_on_room(struct http_connection *c, struct session_ws_news *news)
{
    session_ws_on_room(&c->socket->session, news, http_now_us());
    http_socket_settle(c);
}

void http_socket_on_publish_wish(struct http_connection *c, uint32_t id, uint64_t bitrate_bps,
                                 unsigned layers, const char *reason)
{
    session_ws_on_publish_wish(&c->socket->session, id, bitrate_bps, layers, reason);
    http_socket_settle(c);
}

void http_socket_on_drain(struct http_connection *c, const char *url, unsigned ends_in_s)
{
    if (!c->socket)
        return;
    session_ws_on_drain(&c->socket->session, url, ends_in_s);
    http_socket_settle(c);
}
