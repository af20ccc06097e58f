/* http_events.c - answers that go on: server-sent events, as routes.c says them.
 *
 * What is to be told is asked for only while nothing waits to be sent, so that a client that reads
 * slowly costs no more memory than one telling.
 */
#include "signaling/http_shell.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static void ask_on(struct http_connection *c, int64_t now_us)
{
    struct http_transaction *t = c->transaction;
    char *text;
    if (t->events_text)
        return;
    bool goes_on = routes_take_events(c->http->routes, t->answer.events, now_us, &text);
    t->events_text = text;
    t->events_sent = 0;
    t->events_over = !goes_on;
    t->deadline_us = text || !goes_on ? now_us + HTTP_REQUEST_US : INT64_MAX;
    if (text || !goes_on)
        lws_callback_on_writable(c->wsi);
}

static void ask_each(struct http *h)
{
    GHashTableIter streams;
    gpointer each;
    int64_t now_us = http_now_us();
    g_hash_table_iter_init(&streams, h->events);
    while (g_hash_table_iter_next(&streams, NULL, &each))
        ask_on(each, now_us);
}

void http_events_on_room(struct http *h)
{
    ask_each(h);
}

void http_events_tick(struct http *h)
{
    ask_each(h);
}

/* Its head is sent. Who received this stream before has lost it. */
static void begin(struct http_connection *c)
{
    gpointer key = GUINT_TO_POINTER(c->transaction->answer.events);
    struct http_connection *before = g_hash_table_lookup(c->http->events, key);
    c->transaction->events_begun = true;
    if (before)
        http_kill(before);
    g_hash_table_insert(c->http->events, key, c);
    lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
    ask_on(c, http_now_us());
}

int http_events_on_writable(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    if (!t->events_begun) {
        begin(c);
        return 0;
    }
    size_t n = t->events_text ? strlen(t->events_text + t->events_sent) : 0;
    if (n > HTTP_CHUNK)
        n = HTTP_CHUNK;
    if (n > 0) {
        memcpy(c->http->chunk + LWS_PRE, t->events_text + t->events_sent, n);
        if (lws_write(c->wsi, c->http->chunk + LWS_PRE, n, LWS_WRITE_HTTP) < 0)
            return -1;
        t->events_sent += n;
        lws_callback_on_writable(c->wsi);
        return 0;
    }
    free(t->events_text);
    t->events_text = NULL;
    t->deadline_us = INT64_MAX;
    return t->events_over ? -1 : 0;
}

void http_events_end(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    gpointer key = GUINT_TO_POINTER(t->answer.events);
    if (t->events_begun && g_hash_table_lookup(c->http->events, key) == c)
        g_hash_table_remove(c->http->events, key);
    free(t->events_text);
}
