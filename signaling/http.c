#include "signaling/http.h"

#include "signaling/http_listen.h"
#include "signaling/http_shell.h"
#include "signaling/http_sniff.h"
#include "signaling/message.h"
#include "signaling/token.h"

#include <glib.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_US (1 * LWS_US_PER_SEC)
#define HEADERS_S 10     /* for a request's headers */
#define KEEPALIVE_S 15   /* between two requests */
#define HEADER_SIZE 4096 /* of a request */
#define FD_MAX 65536
#define LOG_PER_S 5
#define FORWARDED_MAX 1024
#define REFUSED_RETRY "10" /* seconds */

int64_t http_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void http_kill(struct http_connection *c)
{
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

/* What is counted under its address; loopback, and one that is gone, is 0. */
void http_note_client(struct http_connection *c)
{
    struct sockaddr_storage peer, client;
    socklen_t size = sizeof(peer);
    char forwarded[FORWARDED_MAX];
    c->client = 0;
    if (getpeername(lws_get_socket_fd(c->wsi), (struct sockaddr *)&peer, &size) != 0)
        return;
    int n = lws_hdr_copy(c->wsi, forwarded, sizeof(forwarded), WSI_TOKEN_X_FORWARDED_FOR);
    proxies_client(&c->http->proxies, (const struct sockaddr *)&peer, n > 0 ? forwarded : NULL,
                   &client);
    c->client = join_limit_key((const struct sockaddr *)&client);
}

unsigned http_admit(void *connection)
{
    struct http_connection *c = connection;
    return join_limit_take(c->http->joins, c->client, http_now_us());
}

unsigned http_guess(void *connection, bool wrong)
{
    struct http_connection *c = connection;
    uint64_t key = c->client;
    if (!wrong)
        return guess_limit_wait(c->http->guesses, key, http_now_us());
    guess_limit_wrong(c->http->guesses, key, http_now_us());
    return 0;
}

/* libwebsockets has one log for the whole process, and what it warns of is mostly what clients do.
 */
static void log_line(int level, const char *line)
{
    static int64_t second;
    static unsigned lines;
    int64_t now = http_now_us() / 1000000;
    lines = now == second ? lines + 1 : 1;
    second = now;
    if (lines <= LOG_PER_S)
        g_log("signaling", level == LLL_ERR ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO, "%.*s",
              (int)strcspn(line, "\n"), line);
}

/* --- connections --------------------------------------------------------------------------------
 */

static void link_connection(struct http *h, struct http_connection *c)
{
    c->link = &h->connections;
    c->next = h->connections;
    if (c->next)
        c->next->link = &c->next;
    h->connections = c;
    h->n_connections++;
}

static void on_connection_gone(struct http_connection *c)
{
    if (!c->wsi)
        return; /* its adoption fails: still the acceptor's */
    http_socket_close(c);
    http_transaction_end(c);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->http->n_connections--;
    connection_limit_give_back(c->http->addresses, c->address);
    free(c);
}

/* A method's letter in place of a handshake (22): it is told where to go. */
static bool is_plain(int fd)
{
    unsigned char first;
    return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first >= ' ';
}

/* What it is counted under: a proxy speaks for many, and one that is gone already stays for none.
 */
static uint64_t address_of(const struct http *h, int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    const struct sockaddr *address = (const struct sockaddr *)&peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || proxies_has(&h->proxies, address))
        return 0;
    return join_limit_key(address);
}

/* Without a connection of the library, which would hold the place that is refused. A request is
 * read, so that closing does not reset what answers it (RFC 9112 9.6). */
static void refuse_address(int fd)
{
    static const char answer[] = "HTTP/1.1 429 Too Many Requests\r\n"
                                 "Retry-After: " REFUSED_RETRY "\r\n"
                                 "Content-Length: 0\r\n"
                                 "Connection: close\r\n\r\n";
    if (is_plain(fd)) {
        char request[HEADER_SIZE];
        (void)recv(fd, request, sizeof(request), MSG_DONTWAIT);
        (void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(fd);
}

static void adopt(void *arg, int fd)
{
    struct http *h = arg;
    bool has_room = h->n_connections < h->max_connections;
    uint64_t address = has_room ? address_of(h, fd) : 0;
    h->n_refused += !has_room;
    if (!connection_limit_take(h->addresses, address)) {
        refuse_address(fd);
        return;
    }
    struct http_connection *c = has_room ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        connection_limit_give_back(h->addresses, address);
        close(fd);
        return;
    }
    c->http = h;
    c->address = address;
    c->is_tls = h->tls && !is_plain(fd);
    lws_adopt_desc_t desc = {
        .vh = h->vhost,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | (c->is_tls ? LWS_ADOPT_ALLOW_SSL : 0),
        .fd.sockfd = fd,
        .opaque = c,
    };
    struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&desc); /* closes fd when it fails */
    if (!wsi) {
        connection_limit_give_back(h->addresses, address);
        free(c);
        return;
    }
    c->wsi = wsi;
    link_connection(h, c);
}

/* ICE over TCP. */
static void give_away(void *arg, int fd)
{
    const struct http *h = arg;
    h->backend->tcp(h->backend->arg, fd);
}

static void on_acceptable(struct http *h, int listener)
{
    for (;;) {
        int fd = http_listen_accept(listener);
        if (fd == -EAGAIN)
            return;
        if (fd < 0) { /* no descriptors or memory: the poll would spin, so the tick tries again */
            lws_rx_flow_control(h->listener, 0);
            h->accept_paused = true;
            return;
        }
        http_sniff_take(h->sniff, fd, http_now_us());
    }
}

static int on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        on_acceptable(lws_context_user(lws_get_context(wsi)), lws_get_socket_fd(wsi));
    /* It stands in the list of protocols, but is none that a WebSocket may ask for. */
    return reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct http_connection *c = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
        const struct http *h = lws_context_user(lws_get_context(wsi));
        http_tls_use(h->tls, user);
    }
    if (!c || wsi != c->wsi)
        return 0; /* the library's own, the listener, or one that is being adopted */
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return http_transaction_begin(c);
    case LWS_CALLBACK_HTTP_BODY:
        return http_transaction_on_body(c, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_transaction_on_complete(c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return http_transaction_on_writable(c);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return http_transaction_confirm_upgrade(c, in);
    case LWS_CALLBACK_CLOSED_HTTP:
        http_transaction_end(c);
        break;
    case LWS_CALLBACK_ESTABLISHED:
        return http_socket_open(c);
    case LWS_CALLBACK_RECEIVE:
        return http_socket_on_data(c, in, len);
    case LWS_CALLBACK_RECEIVE_PONG:
        http_socket_on_pong(c);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return http_socket_on_writable(c);
    case LWS_CALLBACK_CLOSED:
        http_socket_close(c);
        break;
    case LWS_CALLBACK_WSI_DESTROY:
        on_connection_gone(c);
        break;
    default:
        break;
    }
    return 0;
}

/* The first is for all of HTTP too, and for WebSockets that name no subprotocol. */
static const struct lws_protocols protocols[] = {
    {.name = "amphi.v1",
     .callback = on_event,
     .rx_buffer_size = 2048,
     .tx_packet_size = HTTP_CHUNK},
    {.name = "listener", .callback = on_listener},
    {.name = NULL},
};

static void on_tick(lws_sorted_usec_list_t *tick)
{
    struct http *h = lws_container_of(tick, struct http, tick);
    int64_t now_us = http_now_us();
    if (h->accept_paused) {
        h->accept_paused = false;
        lws_rx_flow_control(h->listener, 1);
    }
    for (struct http_connection *c = h->connections; c; c = c->next) {
        http_transaction_tick(c, now_us);
        http_socket_tick(c, now_us);
    }
    routes_tick(h->routes, now_us);
    http_events_tick(h);
    http_sniff_tick(h->sniff, now_us);
    lws_sul_schedule(h->context, 0, tick, on_tick, TICK_US);
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* Its tables are as long as the limit of descriptors, which in containers may be a billion. */
static struct lws_context *create_context(const struct lws_context_creation_info *info)
{
    struct rlimit limit, lower;
    bool is_high = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > FD_MAX;
    if (is_high) {
        lower = limit;
        lower.rlim_cur = FD_MAX;
        setrlimit(RLIMIT_NOFILE, &lower);
    }
    struct lws_context *context = lws_create_context(info);
    if (is_high)
        setrlimit(RLIMIT_NOFILE, &limit);
    return context;
}

/* The loop is libev's: poll() over ten thousand mostly idle sockets costs milliseconds an event. */
static int start_library(struct http *h, char *error, size_t error_size)
{
    static const lws_retry_bo_t no_validity_checks = {0}; /* the pings are ours */
    h->loop = ev_loop_new(EVFLAG_AUTO);
    void *loops[] = {h->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .user = h,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBEV,
        .foreign_loops = loops,
        .max_http_header_pool = HTTP_CONNECTIONS_MAX,
        .max_http_header_data = HEADER_SIZE,
        .timeout_secs = HEADERS_S,
        .timeout_secs_ah_idle = HEADERS_S,
        .keepalive_timeout = KEEPALIVE_S,
        .retry_and_idle_policy = &no_validity_checks,
        .vhost_name = "amphi",
    };
    if (h->tls) { /* its certificate is ours to give (http_tls.h) */
        info.options |=
            LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        info.alpn = "http/1.1"; /* what we write ourselves */
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
    if (h->loop)
        h->context = create_context(&info);
    if (h->context)
        h->vhost = lws_create_vhost(h->context, &info);
    if (h->vhost)
        return 0;
    snprintf(error, error_size,
             "libwebsockets does not start; is libwebsockets-evlib-ev installed?");
    return -ENOTSUP;
}

/* The listener takes `fd` over; -1: there is none. */
static int start_listening(struct http *h, int fd)
{
    lws_adopt_desc_t desc = {
        .vh = h->vhost,
        .type = LWS_ADOPT_RAW_FILE_DESC,
        .fd.filefd = fd,
        .vh_prot_name = "listener",
    };
    if (fd >= 0) {
        h->port = http_listen_port(fd);
        h->listener = lws_adopt_descriptor_vhost_via_info(&desc);
        if (!h->listener)
            return -ENOMEM;
    }
    lws_sul_schedule(h->context, 0, &h->tick, on_tick, TICK_US);
    return 0;
}

static int start(struct http *h, int fd, char *error, size_t error_size)
{
    int status = h->routes ? start_library(h, error, error_size) : -ENOMEM;
    if (status == 0) {
        struct http_sniff_config config = {.loop = h->loop,
                                           .arg = h,
                                           .http = adopt,
                                           .stun = h->backend->tcp ? give_away : NULL,
                                           .waits = h->tls != NULL};
        status = http_sniff_create(&h->sniff, &config);
    }
    if (status != 0) {
        if (fd >= 0)
            close(fd);
        return status;
    }
    return start_listening(h, fd);
}

/* So that nobody can tell where in the table an address lies; without one it is only guessable. */
static uint64_t random_seed(void)
{
    char text[TOKEN_SIZE];
    uint64_t seed = 0;
    if (token_random(text, sizeof(text), TOKEN_BYTES) == 0)
        for (const char *c = text; *c; c++)
            seed = (seed ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return seed;
}

int http_set_policies(struct http *h, const char *allow_origin, const char *trusted_proxies,
                      char *error, size_t error_size)
{
    struct web_origins origins;
    struct proxies proxies;
    if (!web_origins_parse(&origins, allow_origin)) {
        snprintf(error, error_size, "\"%s\" is no list of origins like https://a.example",
                 allow_origin);
        return -EINVAL;
    }
    if (!proxies_parse(&proxies, trusted_proxies)) {
        snprintf(error, error_size, "\"%s\" is no list of networks like 10.0.0.0/8",
                 trusted_proxies);
        return -EINVAL;
    }
    h->origins = origins;
    h->proxies = proxies;
    return 0;
}

static int read_policies(struct http *h, const struct http_config *config, char *error, size_t size)
{
    int err = http_set_policies(h, config->allow_origin, config->trusted_proxies, error, size);
    if (err)
        return err;
    if (!config->tls_cert || !config->tls_key)
        return 0;
    return http_tls_create(&h->tls, config->tls_cert, config->tls_key, error, size);
}

int http_create(struct http **out, const struct http_config *config, char *error, size_t error_size)
{
    bool listens = config->address[0] != '\0';
    int fd = listens ? http_listen_open(config->address, config->port, error, error_size) : -1;
    if (listens && fd < 0)
        return fd;
    struct http *h = calloc(1, sizeof(*h));
    snprintf(error, error_size, "out of memory for HTTP");
    if (!h) {
        if (fd >= 0)
            close(fd);
        return -ENOMEM;
    }
    h->backend = config->backend;
    h->routes = routes_create(config->backend);
    h->max_connections = config->max_connections ? config->max_connections : HTTP_CONNECTIONS_MAX;
    if (h->max_connections > HTTP_CONNECTIONS_MAX)
        h->max_connections = HTTP_CONNECTIONS_MAX;
    h->viewers = g_hash_table_new(NULL, NULL);
    h->waiting = g_hash_table_new(NULL, NULL);
    h->opening = g_hash_table_new(NULL, NULL);
    h->events = g_hash_table_new(NULL, NULL);
    h->rooms = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    http_resume_create(h);
    h->joins = g_new(struct join_limit, 1);
    join_limit_init(h->joins, config->join_rate, config->join_burst, random_seed());
    h->addresses = connection_limit_create(config->max_per_address);
    h->guesses = g_new(struct guess_limit, 1);
    guess_limit_init(h->guesses, random_seed());
    int status = read_policies(h, config, error, error_size);
    if (status == 0)
        status = start(h, fd, error, error_size);
    else if (fd >= 0)
        close(fd);
    if (status != 0) {
        http_destroy(h);
        return status;
    }
    error[0] = '\0';
    *out = h;
    return 0;
}

void http_destroy(struct http *h)
{
    if (!h)
        return;
    if (h->context) {
        lws_sul_cancel(&h->tick);
        lws_context_destroy(h->context);
    }
    http_tls_destroy(h->tls);
    http_sniff_destroy(h->sniff);
    if (h->loop)
        ev_loop_destroy(h->loop);
    assert(!h->connections);
    g_hash_table_destroy(h->viewers);
    g_hash_table_destroy(h->waiting);
    g_hash_table_destroy(h->opening);
    g_hash_table_destroy(h->events);
    g_hash_table_destroy(h->rooms);
    http_resume_destroy(h);
    g_free(h->joins);
    connection_limit_destroy(h->addresses);
    g_free(h->guesses);
    routes_destroy(h->routes);
    free(h);
}

uint16_t http_port(const struct http *h)
{
    return h->port;
}

bool http_is_secure(const struct http *h)
{
    return h->tls != NULL;
}

int http_reload_certificate(struct http *h, char *error, size_t error_size)
{
    if (h->tls)
        return http_tls_reload(h->tls, error, error_size);
    snprintf(error, error_size, "there is no certificate: HTTPS was not asked for");
    return -ENOTSUP;
}

void http_set_max_per_address(struct http *h, unsigned most)
{
    connection_limit_set(h->addresses, most);
}

void http_service(struct http *h)
{
    ev_run(h->loop, EVRUN_ONCE);
}

void http_wake(struct http *h)
{
    lws_cancel_service(h->context);
}

void http_on_viewer(struct http *h, uint32_t viewer_id, enum backend_viewer_state state,
                    const char *reason)
{
    struct http_connection *c = g_hash_table_lookup(h->viewers, GUINT_TO_POINTER(viewer_id));
    if (c)
        http_socket_on_viewer(c, viewer_id, state, reason);
    else if (!http_resume_on_viewer(h, viewer_id, state))
        routes_on_viewer(h->routes, viewer_id, state);
}

void http_on_candidate(struct http *h, uint32_t viewer_id, const char *candidate)
{
    struct http_connection *c = g_hash_table_lookup(h->viewers, GUINT_TO_POINTER(viewer_id));
    if (c) {
        http_socket_on_candidate(c, viewer_id, candidate);
        return;
    }
    routes_on_candidate(h->routes, viewer_id, candidate);
    c = g_hash_table_lookup(h->waiting, GUINT_TO_POINTER(viewer_id));
    if (c && !candidate)
        http_transaction_resume(c);
}

void http_on_source_added(struct http *h, const struct backend_source_added *result)
{
    struct http_connection *c = g_hash_table_lookup(h->opening, GUINT_TO_POINTER(result->ticket));
    if (c)
        http_transaction_on_source(c, result);
    else
        free(result->list);
}

void http_on_publish_wish(struct http *h, uint32_t publisher_id, uint64_t bitrate_bps,
                          unsigned layers, const char *reason)
{
    struct http_connection *c = g_hash_table_lookup(h->viewers, GUINT_TO_POINTER(publisher_id));
    if (c)
        http_socket_on_publish_wish(c, publisher_id, bitrate_bps, layers, reason);
}

/* The next one is noted before a session is called: it may leave the room. A room is gone with its
 * last member, so the second list is asked for anew. */
static void tell_news(struct http *h, const char *code, enum session_ws_role role,
                      struct session_ws_news *news)
{
    const struct http_room *room = g_hash_table_lookup(h->rooms, code);
    for (struct http_connection *c = room ? room->members[role] : NULL, *next; c; c = next) {
        next = c->socket->next_member;
        http_socket_on_room(c, news);
    }
}

void http_on_room(struct http *h, const char *code)
{
    struct session_ws_news news;
    http_events_on_room(h);
    if (!g_hash_table_lookup(h->rooms, code))
        return;
    session_ws_make_news(&news, h->backend, code);
    tell_news(h, code, SESSION_WS_VIEWER, &news);
    tell_news(h, code, SESSION_WS_SHARER, &news);
    session_ws_drop_news(&news);
}

void http_on_drain(struct http *h, const char *url, unsigned ends_in_s)
{
    for (struct http_connection *c = h->connections; c; c = c->next)
        http_socket_on_drain(c, url, ends_in_s);
    if (!url)
        return; /* where they would come again is here, which takes nobody */
    routes_on_drain(h->routes);
    http_events_on_room(h);
}

static void broadcast(struct http *h, const char *code, char *text)
{
    http_socket_tell(h, code, SESSION_WS_VIEWER, text, NULL);
}

void http_on_focus(struct http *h, const char *code, unsigned slot)
{
    broadcast(h, code, message_focus(slot));
}

void http_on_cursor(struct http *h, const char *code, unsigned slot, double x, double y,
                    bool in_view)
{
    broadcast(h, code, message_cursor(slot, x, y, in_view));
}

void http_on_size(struct http *h, const char *code, unsigned slot, int width, int height)
{
    broadcast(h, code, message_size(slot, width, height));
}

void http_count(const struct http *h, struct http_counters *out)
{
    *out = (struct http_counters){
        .joins = h->joins->n_admitted,
        .joins_refused = h->joins->n_refused,
        .connections = h->n_connections,
        .connections_refused = h->n_refused,
        .address_refused = connection_limit_refused(h->addresses),
    };
}
