/* http_transaction.c - one HTTP request: collects it, has routes.c answer it, sends the answer. */
#include "signaling/http_shell.h"

#include "signaling/room_code.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static enum routes_method method_of(int lws_method)
{
    switch (lws_method) {
    case LWSHUMETH_GET:
        return ROUTES_GET;
    case LWSHUMETH_HEAD:
        return ROUTES_HEAD;
    case LWSHUMETH_POST:
        return ROUTES_POST;
    case LWSHUMETH_PUT:
        return ROUTES_PUT;
    case LWSHUMETH_PATCH:
        return ROUTES_PATCH;
    case LWSHUMETH_DELETE:
        return ROUTES_DELETE;
    case LWSHUMETH_OPTIONS:
        return ROUTES_OPTIONS;
    default:
        return ROUTES_OTHER;
    }
}

/* False when the header is there but longer than we look at. */
static bool read_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size,
                        bool *present)
{
    *present = lws_hdr_total_length(wsi, token) > 0;
    return !*present || lws_hdr_copy(wsi, out, (int)size, token) > 0;
}

static bool read_query(struct lws *wsi, const char *name, char *out, size_t size)
{
    char raw[QR_TEXT_MAX + 16];
    const char *value = lws_get_urlarg_by_name(wsi, name, raw, sizeof(raw));
    if (!value)
        return false;
    if (*value == '=')
        value++;
    g_strlcpy(out, value, size);
    return true;
}

static bool read_headers(struct lws *wsi, struct http_transaction *t)
{
    t->has_stream = read_query(wsi, "stream=", t->stream, sizeof(t->stream));
    t->has_viewers = read_query(wsi, "viewers=", t->viewers, sizeof(t->viewers));
    t->has_text = read_query(wsi, "text=", t->text, sizeof(t->text));
    if (!read_header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, t->accept_encoding,
                     sizeof(t->accept_encoding), &t->has_accept_encoding))
        t->has_accept_encoding = false; /* too long to look at: nothing is packed then */
    return read_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, t->authorization,
                       sizeof(t->authorization), &t->has_authorization) &&
           read_header(wsi, WSI_TOKEN_HOST, t->host, sizeof(t->host), &t->has_host) &&
           read_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, t->content_type, sizeof(t->content_type),
                       &t->has_content_type) &&
           read_header(wsi, WSI_TOKEN_HTTP_IF_MATCH, t->if_match, sizeof(t->if_match),
                       &t->has_if_match) &&
           read_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, t->if_none_match,
                       sizeof(t->if_none_match), &t->has_if_none_match);
}

/* The Content-Length: -1 when there is none, -2 when it cannot be read. */
static int64_t body_length(struct lws *wsi)
{
    char text[24];
    bool present;
    bool fits = read_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text), &present);
    if (!present)
        return -1;
    size_t n = fits ? strspn(text, "0123456789") : 0;
    return n > 0 && n <= 12 && text[n] == '\0' ? atoll(text) : -2;
}

/* Copies the next part of the answer behind LWS_PRE of the chunk. */
static size_t fill_chunk(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    const struct routes_answer *a = &t->answer;
    unsigned char *out = c->http->chunk + LWS_PRE;
    size_t n = 0;
    if (t->sent < a->head_size) {
        n = a->head_size - t->sent;
        memcpy(out, a->head + t->sent, n);
    }
    size_t at = t->sent + n - a->head_size, rest = a->body_size - at;
    if (rest > HTTP_CHUNK - n)
        rest = HTTP_CHUNK - n;
    if (rest > 0)
        memcpy(out + n, (const char *)a->body + at, rest);
    return n + rest;
}

/* Sends a part of the answer; libwebsockets keeps what the kernel does not take. */
static bool send_part(struct http_connection *c)
{
    size_t n = fill_chunk(c);
    c->transaction->sent += n;
    return lws_write(c->wsi, c->http->chunk + LWS_PRE, n, LWS_WRITE_HTTP) >= 0;
}

static bool is_sent(const struct http_transaction *t)
{
    return t->sent == t->answer.head_size + t->answer.body_size;
}

static void on_waited(lws_sorted_usec_list_t *wait)
{
    struct http_transaction *t = lws_container_of(wait, struct http_transaction, wait);
    http_transaction_resume(t->connection);
}

static void wait_for(struct http_transaction *t, uint32_t viewer_id)
{
    struct http *h = t->connection->http;
    t->waits_for = viewer_id;
    g_hash_table_insert(h->waiting, GUINT_TO_POINTER(viewer_id), t->connection);
    lws_sul_schedule(h->context, 0, &t->wait, on_waited, HTTP_GATHER_US);
}

static void stop_waiting(struct http_transaction *t)
{
    lws_sul_cancel(&t->wait);
    g_hash_table_remove(t->connection->http->waiting, GUINT_TO_POINTER(t->waits_for));
    t->waits_for = 0;
}

static void wait_for_source(struct http_transaction *t, uint32_t ticket)
{
    t->waits_for_source = ticket;
    t->deadline_us = http_now_us() + HTTP_OPEN_US;
    g_hash_table_insert(t->connection->http->opening, GUINT_TO_POINTER(ticket), t->connection);
}

static void stop_waiting_for_source(struct http_transaction *t)
{
    g_hash_table_remove(t->connection->http->opening, GUINT_TO_POINTER(t->waits_for_source));
    t->waits_for_source = 0;
}

static const char *allow_origin(const struct http_transaction *t)
{
    return t->allow_origin[0] != '\0' ? t->allow_origin : NULL;
}

static void begin_answer(struct http_connection *c)
{
    c->transaction->answered = true;
    c->transaction->deadline_us = http_now_us() + HTTP_REQUEST_US;
    lws_callback_on_writable(c->wsi);
}

void http_transaction_resume(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    uint32_t viewer_id = t->waits_for;
    stop_waiting(t);
    routes_resume(c->http->routes, viewer_id, allow_origin(t), &t->answer);
    begin_answer(c);
}

void http_transaction_on_source(struct http_connection *c,
                                const struct backend_source_added *result)
{
    struct http_transaction *t = c->transaction;
    stop_waiting_for_source(t);
    routes_source_added(result, t->method, allow_origin(t), &t->answer);
    begin_answer(c);
}

/* Whether the client came by https, as far as a proxy of ours is to be believed. */
static bool is_secure(const struct http_connection *c)
{
    static const char name[] = "x-forwarded-proto:";
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    char proto[16];
    if (lws_is_ssl(c->wsi))
        return true;
    if (c->http->proxies.n == 0 ||
        getpeername(lws_get_socket_fd(c->wsi), (struct sockaddr *)&peer, &size) != 0 ||
        !proxies_has(&c->http->proxies, (const struct sockaddr *)&peer))
        return false;
    int n = lws_hdr_custom_copy(c->wsi, proto, sizeof(proto), name, sizeof(name) - 1);
    return n > 0 && g_ascii_strcasecmp(proto, "https") == 0;
}

static void ask_routes(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    struct routes_request request = {
        .method = t->method,
        .path = t->path,
        .stream = t->has_stream ? t->stream : NULL,
        .viewers = t->has_viewers ? t->viewers : NULL,
        .text = t->has_text ? t->text : NULL,
        .authorization = t->has_authorization ? t->authorization : NULL,
        .content_type = t->has_content_type ? t->content_type : NULL,
        .if_match = t->has_if_match ? t->if_match : NULL,
        .if_none_match = t->has_if_none_match ? t->if_none_match : NULL,
        .accept_encoding = t->has_accept_encoding ? t->accept_encoding : NULL,
        .host = t->has_host ? t->host : NULL,
        .secure = is_secure(c),
        .allow_origin = allow_origin(t),
        .body = t->body,
        .body_size = t->body_size,
        .now_us = http_now_us(),
        .admit = http_admit,
        .admit_arg = c,
        .guess = http_guess,
        .guess_arg = c,
    };
    routes_handle(c->http->routes, &request, &t->answer);
    t->answered = t->answer.waits_for == 0 && t->answer.waits_for_source == 0;
    if (t->answer.waits_for != 0)
        wait_for(t, t->answer.waits_for);
    if (t->answer.waits_for_source != 0)
        wait_for_source(t, t->answer.waits_for_source);
}

static void refuse(struct http_connection *c, int status, const char *detail)
{
    routes_refuse(&c->transaction->answer, status, detail);
    c->transaction->answered = true;
}

/* The answer to what cannot be read to its end: sent at once, then the connection closes. */
static int refuse_and_close(struct http_connection *c, int status, const char *detail)
{
    refuse(c, status, detail);
    send_part(c);
    http_transaction_end(c);
    return -1;
}

static struct http_transaction *transaction_new(struct http_connection *c)
{
    struct http_transaction *t = calloc(1, sizeof(*t));
    http_transaction_end(c);
    if (t) {
        t->deadline_us = http_now_us() + HTTP_REQUEST_US;
        t->connection = c;
    }
    c->transaction = t;
    return t;
}

/* Method, path and headers. False if they are longer than anything that is served here. */
static bool read_request(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    char *path = NULL;
    int size = 0;
    t->method = method_of(lws_http_get_uri_and_method(c->wsi, &path, &size));
    if (!path || size < 1 || (size_t)size >= sizeof(t->path))
        return false;
    memcpy(t->path, path, (size_t)size);
    return t->path[0] == '/' && read_headers(c->wsi, t);
}

/* Whether a request without a length means that it has no body (RFC 9112 6.3). */
static bool may_be_empty(const struct http_connection *c)
{
    return lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) == 0 &&
           routes_body_is_optional(c->transaction->path);
}

/* To the same path of the same host, over TLS. */
static int move_to_tls(struct http_connection *c)
{
    char host[HTTP_HOST_MAX];
    int n = lws_hdr_copy(c->wsi, host, sizeof(host), WSI_TOKEN_HOST);
    routes_move_to_tls(&c->transaction->answer, n > 0 ? host : "", c->transaction->path);
    c->transaction->answered = true;
    send_part(c);
    http_transaction_end(c);
    return -1;
}

static bool has_to_move(const struct http_connection *c)
{
    return c->http->tls && !c->is_tls;
}

/* Whether its page, if it is one's, may use this server (web_origins.h). Notes for CORS which. */
static bool is_welcome(const struct http_connection *c, struct http_transaction *t)
{
    char origin[WEB_ORIGIN_MAX], host[HTTP_HOST_MAX];
    bool has_origin, has_host;
    bool any = c->http->origins.any;
    if (any)
        strcpy(t->allow_origin, "*");
    if (any)
        return true;
    if (!read_header(c->wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin), &has_origin) ||
        !read_header(c->wsi, WSI_TOKEN_HOST, host, sizeof(host), &has_host) ||
        !web_origins_allow(&c->http->origins, has_origin ? origin : NULL, has_host ? host : NULL))
        return false;
    if (has_origin)
        g_strlcpy(t->allow_origin, origin, sizeof(t->allow_origin));
    return true;
}

int http_transaction_begin(struct http_connection *c)
{
    struct http_transaction *t = transaction_new(c);
    if (!t)
        return -1;
    if (!read_request(c))
        return refuse_and_close(c, 400, "the path or a header is longer than anything served here");
    if (has_to_move(c))
        return move_to_tls(c);
    http_note_client(c);
    bool only_reads = t->method == ROUTES_GET || t->method == ROUTES_HEAD;
    if (!is_welcome(c, t) && !only_reads)
        return refuse_and_close(c, 403, "pages of this origin may not use this server");
    int64_t length = body_length(c->wsi);
    bool takes_body =
        t->method == ROUTES_POST || t->method == ROUTES_PUT || t->method == ROUTES_PATCH;
    if (length == -2)
        return refuse_and_close(c, 400, "the Content-Length cannot be read");
    if (length == -1 && takes_body && !may_be_empty(c))
        return refuse_and_close(c, 411, "a body needs a Content-Length");
    t->closes = length == -1 && takes_body; /* libwebsockets waits for one */
    if (length > HTTP_DISCARD_MAX)
        return refuse_and_close(c, 413, "a body is never that long here");
    t->body_limit = routes_body_limit(t->method, t->path);
    if (length > 0 && t->body_limit > 0 && (size_t)length > t->body_limit)
        refuse(c, 413, "the body is longer than this path takes");
    else if (length <= 0 || t->body_limit == 0)
        ask_routes(c);
    if (length <= 0)
        lws_callback_on_writable(c->wsi);
    return 0;
}

int http_transaction_on_body(struct http_connection *c, const void *data, size_t size)
{
    struct http_transaction *t = c->transaction;
    if (!t || t->answered || size == 0)
        return 0; /* discarded: at most HTTP_DISCARD_MAX bytes */
    if (t->body_size + size > t->body_limit)
        return -1; /* more than its Content-Length */
    if (t->body_size + size > t->body_room) {
        size_t room = 2 * (t->body_size + size);
        char *body = realloc(t->body, room);
        if (!body)
            return -1;
        t->body = body;
        t->body_room = room;
    }
    memcpy(t->body + t->body_size, data, size);
    t->body_size += size;
    return 0;
}

int http_transaction_on_complete(struct http_connection *c)
{
    if (!c->transaction)
        return 0;
    if (!c->transaction->answered)
        ask_routes(c);
    if (c->transaction->waits_for_source == 0)
        c->transaction->deadline_us = http_now_us() + HTTP_REQUEST_US;
    lws_callback_on_writable(c->wsi);
    return 0;
}

/* Whether bytes that came behind a request wait in libwebsockets, which tells it of all connections
 * together only. A request that begins there is never served: of its body libwebsockets 4.1 never
 * finds the end, and holds up everybody while it looks for it. */
static bool is_pipelining(const struct http_connection *c)
{
    return lws_service_adjust_timeout(c->http->context, 1, 0) == 0;
}

int http_transaction_on_writable(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    if (!t || !t->answered)
        return 0;
    bool last = is_pipelining(c); /* RFC 9112 9.3.2: what stays unanswered is sent again */
    if (!send_part(c))
        return -1;
    if (!is_sent(t)) {
        t->deadline_us = http_now_us() + HTTP_REQUEST_US;
        lws_callback_on_writable(c->wsi);
        return 0;
    }
    if (t->answer.events != 0)
        return http_events_on_writable(c);
    last |= t->closes;
    http_transaction_end(c);
    return last || lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

void http_transaction_end(struct http_connection *c)
{
    struct http_transaction *t = c->transaction;
    if (!t)
        return;
    http_events_end(c);
    c->transaction = NULL;
    if (t->waits_for != 0) {
        routes_abandon(c->http->routes, t->waits_for);
        stop_waiting(t);
    }
    if (t->waits_for_source != 0)
        stop_waiting_for_source(t); /* the source comes nevertheless */
    free(t->answer.owned);
    free(t->body);
    free(t);
}

void http_transaction_tick(struct http_connection *c, int64_t now_us)
{
    if (c->transaction && now_us > c->transaction->deadline_us)
        http_kill(c);
}

/* Whether it is /ws or /ws/{ROOM}, whose room is noted. */
static bool is_socket_path(struct http_connection *c, const char *path)
{
    c->room[0] = '\0';
    if (strcmp(path, "/ws") == 0 || strcmp(path, "/ws/") == 0)
        return true;
    return strncmp(path, "/ws/", 4) == 0 && room_code_normalize(c->room, path + 4);
}

int http_transaction_confirm_upgrade(struct http_connection *c, const char *protocol)
{
    struct http_transaction *t = transaction_new(c);
    if (!t)
        return -1;
    bool readable = read_request(c);
    if (readable && has_to_move(c))
        return move_to_tls(c);
    if (readable && !is_welcome(c, t))
        return refuse_and_close(c, 403, "pages of this origin may not use this server");
    http_note_client(c);
    if (readable && t->method == ROUTES_GET && g_ascii_strcasecmp(protocol, "websocket") == 0 &&
        is_socket_path(c, t->path)) {
        http_transaction_end(c);
        return 0;
    }
    if (!readable || body_length(c->wsi) > 0)
        return refuse_and_close(c, 400, "this request cannot be upgraded");
    ask_routes(c); /* RFC 9110 7.8: an Upgrade may be ignored */
    while (!is_sent(t))
        if (!send_part(c))
            return -1;
    http_transaction_end(c);
    return -1; /* what follows in the same packet cannot be seen from here */
}
