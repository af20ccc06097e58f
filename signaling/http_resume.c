/* http_resume.c - sessions that may be resumed: with a token, by another socket, while media flows.
 *
 * A socket that is gone for the client may look alive from here for a minute, so a session is taken
 * from a socket as well. There are as many without a socket as the backend has viewers at most. */
#include "signaling/http_shell.h"

#include "signaling/message.h"
#include "signaling/token.h"

#include <glib.h>
#include <string.h>

static void free_resume(void *value)
{
    struct http_resume *r = value;
    session_ws_finish(&r->kept);
    g_free(r);
}

void http_resume_create(struct http *h)
{
    h->resumes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_resume);
    h->kept = g_hash_table_new(NULL, NULL);
}

void http_resume_destroy(struct http *h)
{
    g_hash_table_destroy(h->kept);
    g_hash_table_destroy(h->resumes);
}

static void forget(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    if (s->token[0] != '\0')
        g_hash_table_remove(c->http->resumes, s->token);
    s->token[0] = '\0';
}

void http_resume_settle(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    if (strcmp(s->token, s->session.resume) == 0)
        return;
    forget(c);
    if (s->session.resume[0] == '\0')
        return;
    struct http_resume *r = g_new0(struct http_resume, 1);
    r->connection = c;
    memcpy(r->token, s->session.resume, sizeof(r->token));
    memcpy(s->token, r->token, sizeof(s->token));
    g_hash_table_replace(c->http->resumes, r->token, r);
}

void http_resume_keep(struct http_connection *c)
{
    struct http_socket *s = c->socket;
    struct http_resume *r = g_hash_table_lookup(c->http->resumes, s->token);
    if (!r || !session_ws_is_worth_keeping(&s->session)) {
        forget(c);
        return;
    }
    r->connection = NULL;
    r->kept = s->session;
    s->session.presenter = NULL; /* it went along */
    s->token[0] = '\0';
    g_hash_table_insert(c->http->kept, GUINT_TO_POINTER(r->kept.viewer_id), r);
}

bool http_resume_make_token(void *connection, char out[SESSION_WS_RESUME_MAX])
{
    (void)connection;
    return token_random(out, SESSION_WS_RESUME_MAX, TOKEN_BYTES) == 0;
}

bool http_resume_take(void *connection, struct session_ws *by, const char *token, const char *room,
                      enum session_ws_role role)
{
    struct http_connection *c = connection;
    struct http_resume *r = g_hash_table_lookup(c->http->resumes, token);
    if (!r || r->connection == c)
        return false;
    struct http_connection *other = r->connection;
    struct session_ws *from = other ? &other->socket->session : &r->kept;
    if (strcmp(from->room, room) != 0 || from->role != role || !session_ws_is_worth_keeping(from))
        return false;
    if (!other)
        g_hash_table_remove(c->http->kept, GUINT_TO_POINTER(from->viewer_id));
    session_ws_take_over(by, from);
    if (other)
        http_socket_settle(other);
    else
        g_hash_table_remove(c->http->resumes, r->token);
    return true;
}

bool http_resume_on_viewer(struct http *h, uint32_t viewer_id, enum backend_viewer_state state)
{
    struct backend_room room = {0};
    struct http_resume *r = g_hash_table_lookup(h->kept, GUINT_TO_POINTER(viewer_id));
    if (!r)
        return false;
    if (state == BACKEND_VIEWER_LIVE && r->kept.state == SESSION_WS_ANSWERED)
        r->kept.state = SESSION_WS_LIVE;
    if (state != BACKEND_VIEWER_CLOSED)
        return true;
    if (r->kept.role == SESSION_WS_VIEWER && h->backend->room(h->backend->arg, r->kept.room, &room))
        http_socket_tell(h, r->kept.room, SESSION_WS_SHARER,
                         message_viewer("viewer-left", viewer_id, room.viewers), NULL);
    g_hash_table_remove(h->kept, GUINT_TO_POINTER(viewer_id));
    g_hash_table_remove(h->resumes, r->token);
    return true;
}
