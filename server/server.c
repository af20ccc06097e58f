#define G_LOG_DOMAIN "server"

#include "server/server_inside.h"

#include "rtp/session/cipher.h"
#include "server/ice_setup.h"
#include "signaling/token.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define TICK_US 500000 /* of what the room looks after by itself */

int64_t server_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void server_random(void *out, size_t size)
{
    /* at most 256 bytes never come short once the pool is ready (getrandom(2)) */
    assert(size <= 256);
    ssize_t n = getrandom(out, size, 0);
    assert(n == (ssize_t)size);
    (void)n;
}

struct room *server_find_room(struct server *s, const char *code)
{
    return rooms_find(&s->rooms, code);
}

struct guest *server_find_guest(struct server *s, uint32_t viewer_id)
{
    return g_hash_table_lookup(s->guests, GUINT_TO_POINTER(viewer_id));
}

/* Any thread. */
static void wake(void *arg)
{
    http_wake(((struct server *)arg)->http);
}

/* Encode threads. */
static void on_room_change(void *arg)
{
    struct server *s = arg;
    atomic_store(&s->rooms_changed, true);
    http_wake(s->http); /* sources start after signaling and end before it */
}

/* --- what the forwarder tells --- */

static enum backend_viewer_state state_for_signaling(enum viewer_state state)
{
    switch (state) {
    case VIEWER_ICE:
    case VIEWER_DTLS:
        return BACKEND_VIEWER_CONNECTING;
    case VIEWER_WAIT_KEYFRAME:
    case VIEWER_PLAYING:
        return BACKEND_VIEWER_LIVE;
    case VIEWER_CLOSED:
        return BACKEND_VIEWER_CLOSED;
    }
    return BACKEND_VIEWER_CLOSED;
}

void server_add_guest(struct server *s, uint32_t id, struct guest *guest)
{
    g_hash_table_insert(s->guests, GUINT_TO_POINTER(id), guest);
}

void server_drop_guest(struct server *s, uint32_t viewer_id)
{
    const struct guest *g = server_find_guest(s, viewer_id);
    if (!g)
        return;
    if (g->room && !g->presents)
        room_viewer_left(g->room, g->started);
    g_hash_table_remove(s->guests, GUINT_TO_POINTER(viewer_id));
}

static void tell_viewer(struct server *s, const struct forwarder_event *e, const char *reason)
{
    enum backend_viewer_state state = state_for_signaling(e->state);
    http_on_viewer(s->http, e->viewer_id, state, reason);
    for (unsigned i = 0; i < s->n_companions; i++) {
        const struct server_companion *c = &s->companions[i];
        if (c->on_viewer)
            c->on_viewer(c->arg, e->viewer_id, state, reason);
    }
}

static void tell_candidate(struct server *s, const struct forwarder_candidate *candidate)
{
    http_on_candidate(s->http, candidate->viewer_id, candidate->text);
    for (unsigned i = 0; i < s->n_companions; i++) {
        const struct server_companion *c = &s->companions[i];
        if (c->on_candidate)
            c->on_candidate(c->arg, candidate->viewer_id, candidate->text);
    }
}

static void handle_event(struct server *s, const struct forwarder_event *e)
{
    const char *reason = peer_reason_name(e->reason);
    if (e->kind == FORWARDER_INGEST) {
        if (presenters_on_event(s, e, &reason))
            tell_viewer(s, e, reason);
        return;
    }
    if (e->state == VIEWER_CLOSED)
        server_drop_guest(s, e->viewer_id); /* first: who is told counts without it */
    tell_viewer(s, e, reason);
}

void server_tell_room(struct server *s, struct room *room)
{
    struct backend_room about;
    room_describe(room, &about);
    http_on_room(s->http, room->code);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct backend_stream *now = &about.streams[i];
        bool shown = now->active && room->told[i].width != 0;
        if (shown && (now->width != room->told[i].width || now->height != room->told[i].height))
            http_on_size(s->http, room->code, i, now->width, now->height);
        room->told[i].width = now->active ? now->width : 0;
        room->told[i].height = now->active ? now->height : 0;
    }
}

/* Its guests are nobody's until the last the forwarder tells of them. */
static void send_guests_away(struct server *s, struct room *room)
{
    GHashTableIter i;
    void *id, *guest;
    g_hash_table_iter_init(&i, s->guests);
    while (g_hash_table_iter_next(&i, &id, &guest)) {
        struct guest *g = guest;
        if (g->room != room || g->presents)
            continue;
        g->room = NULL;
        if (g->started) {
            forwarder_remove_viewer(s->forwarder, GPOINTER_TO_UINT(id));
            continue;
        }
        forwarder_cancel(s->forwarder, GPOINTER_TO_UINT(id));
        g_hash_table_iter_remove(&i);
    }
}

void server_end_room(struct server *s, struct room *room)
{
    char code[BACKEND_ROOM_MAX];
    memcpy(code, room->code, sizeof(code));
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (room->slots[i].source)
            follow_clear(s->follow, room->slots[i].video_stream);
    }
    presenters_end_all(s, room);
    adding_end_all(s, room);
    send_guests_away(s, room);
    if (room == s->source_room)
        s->source_room = NULL;
    rooms_close(&s->rooms, room);
    http_on_room(s->http, code);
}

/* Which of the shown windows has the focus; a focus on what is not shown changes nothing. */
static void take_focus(struct server *s, struct room *room, unsigned slot, bool focused)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && focused; i++)
        room->slots[i].focused = i == slot;
    if (focused)
        http_on_focus(s->http, room->code, slot);
}

static void take_follow_news(struct server *s)
{
    struct follow_news n;
    while (follow_next(s->follow, &n)) {
        unsigned index;
        struct room *room = rooms_find_stream(&s->rooms, n.place, &index);
        struct room_slot *slot = room ? &room->slots[index] : NULL;
        if (!slot || !slot->source)
            continue;
        if (n.new_name) {
            memcpy(slot->title, n.title, sizeof(slot->title));
            memcpy(slot->app, n.app, sizeof(slot->app));
            server_tell_room(s, room);
        }
        if (n.new_focus)
            take_focus(s, room, index, n.focused);
        if (n.new_cursor)
            http_on_cursor(s->http, room->code, index, n.cursor_x, n.cursor_y, n.cursor_in_view);
    }
}

static void tell_changed_rooms(struct server *s)
{
    if (!atomic_exchange(&s->rooms_changed, false))
        return;
    for (unsigned i = 0; i < s->rooms.n; i++) {
        if (room_take_change(s->rooms.list[i]))
            server_tell_room(s, s->rooms.list[i]);
    }
}

static void tick(struct server *s, int64_t now_us)
{
    presenters_tick(s, now_us);
    audience_tick(s, now_us);
    rooms_tick(&s->rooms, now_us);
    for (struct room *idle; (idle = rooms_find_idle(&s->rooms, now_us)) != NULL;) {
        s->rooms.n_idle_end++;
        server_end_room(s, idle);
    }
    s->next_tick_us = now_us + TICK_US;
}

static void handle_events(struct server *s)
{
    struct forwarder_candidate c;
    while (forwarder_next_candidate(s->forwarder, &c)) {
        tell_candidate(s, &c);
        free(c.text);
    }
    struct forwarder_event e;
    while (forwarder_next_event(s->forwarder, &e))
        handle_event(s, &e);
    tell_changed_rooms(s);
    take_follow_news(s);
    int64_t now_us = server_now_us();
    if (now_us >= s->next_tick_us)
        tick(s, now_us);
    adding_round(s);
    listing_round(s);
    operating_round(s, now_us);
    for (unsigned i = 0; i < s->n_companions; i++) {
        if (s->companions[i].on_round)
            s->companions[i].on_round(s->companions[i].arg);
    }
}

/* --- life --- */

static void announce(struct server *s)
{
    struct address found[BACKEND_CANDIDATES_MAX];
    s->n_candidates = ice_setup_addresses(&s->config, found);
    for (unsigned i = 0; i < s->n_candidates; i++) {
        const struct address *a = &found[i];
        const void *ip = a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr
                                                     : (const void *)&a->in.sin_addr;
        inet_ntop(a->sa.sa_family, ip, s->candidates[i].ip, sizeof(s->candidates[i].ip));
        s->candidates[i].port = forwarder_port(s->forwarder);
    }
}

static bool is_any(const struct address *a)
{
    return a->sa.sa_family == AF_INET ? a->in.sin_addr.s_addr == htonl(INADDR_ANY)
                                      : IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

static bool is_loopback(const struct address *a)
{
    return a->sa.sa_family == AF_INET ? ntohl(a->in.sin_addr.s_addr) >> 24 == 127
                                      : IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

/* Does a connection to this address and the HTTP port arrive here? What the user advertised is
 * expected to lead to where we listen, but not to loopback: in between is a proxy then. */
static bool is_listened_at(const struct server *s, const struct backend_candidate *c)
{
    struct address listen, a;
    if (!address_parse(&listen, s->config.listen_ip, 0) || !address_parse(&a, c->ip, 0))
        return false;
    bool same_family = listen.sa.sa_family == a.sa.sa_family;
    if (is_any(&listen))
        return same_family || listen.sa.sa_family == AF_INET6; /* "::" takes IPv4 as well */
    if (s->config.n_advertise > 0 && !is_loopback(&listen))
        return same_family;
    return address_equal(&listen, &a);
}

static void offer_tcp(struct server *s)
{
    for (unsigned i = 0; i < s->n_candidates && s->backend.tcp; i++) {
        if (is_listened_at(s, &s->candidates[i]))
            s->candidates[i].tcp_port = http_port(s->http);
    }
}

static int open_source(struct server *s, unsigned i, char *error, size_t error_size)
{
    struct media *media = g_new0(struct media, 1);
    media->video = s->config.sources[i];
    if (i == 0)
        media->audio = s->config.audio;
    media->coding = s->config.coding;
    char why[256];
    unsigned slot;
    int err = room_add_source(s->source_room, media, &slot, why, sizeof(why));
    if (err)
        snprintf(error, error_size, "--source %s: %s", media->video.kind, why);
    else
        follow_set(s->follow, s->source_room->slots[slot].video_stream, media->video.kind,
                   media->video.arg[0] ? media->video.arg : NULL);
    g_free(media);
    return err;
}

static int open_rooms(struct server *s)
{
    const struct rooms_config config = {
        .forwarder = s->forwarder,
        .max = (unsigned)s->config.max_rooms,
        .max_viewers = (unsigned)s->config.max_viewers_per_room,
        .idle_us = s->config.room_idle_s * INT64_C(1000000),
        .wake = on_room_change,
        .wake_arg = s,
    };
    return rooms_init(&s->rooms, &config);
}

static int open_source_room(struct server *s, char *error, size_t error_size)
{
    const char *code = s->config.room[0] ? s->config.room : NULL;
    int err = rooms_open(&s->rooms, code, server_now_us(), &s->source_room);
    if (err) {
        snprintf(error, error_size, "there is no memory for a room");
        return err;
    }
    s->source_room->permanent = true;
    hosting_give_rights(s->source_room, s->config.publishes ? "" : s->config.secret,
                        s->config.password);
    for (unsigned i = 0; i < s->config.n_sources && !err; i++)
        err = open_source(s, i, error, error_size);
    return err;
}

static int start_source_room(struct server *s, char *error, size_t error_size)
{
    int err = s->source_room ? room_start(s->source_room) : 0;
    if (err)
        snprintf(error, error_size, "cannot start the sources: %s", strerror(-err));
    return err;
}

static int open_transport(struct server *s, char *error, size_t error_size)
{
    snprintf(error, error_size, "SRTP or DTLS cannot be set up on this machine");
    int err = cipher_install(CIPHER_AUTO);
    if (!err)
        err = dtls_context_create(&s->dtls);
    if (err)
        return err;
    dtls_context_fingerprint(s->dtls, s->fingerprint);
    if (s->config.ice_full) {
        struct address found[BACKEND_CANDIDATES_MAX];
        unsigned n = ice_setup_roams(&s->config) ? 0 : ice_setup_addresses(&s->config, found);
        err = ice_setup_servers(&s->ice, &s->config, found, n, error, error_size);
        if (err)
            return err;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const struct forwarder_config config = {
        .n_workers = s->config.workers               ? s->config.workers
                     : cores > FORWARDER_WORKERS_MAX ? FORWARDER_WORKERS_MAX
                     : cores < 1                     ? 1
                                                     : (int)cores,
        .udp_port = s->config.udp_port,
        .pin = s->config.pin_workers,
        .max_viewers = (unsigned)s->config.max_viewers,
        .dtls = s->dtls,
        .ice = s->config.ice_full ? &s->ice : NULL,
        .wake = wake,
        .wake_arg = s,
    };
    return forwarder_create(&s->forwarder, &config, error, error_size);
}

static int open_signaling(struct server *s, char *error, size_t error_size)
{
    s->backend.arg = s;
    viewers_fill_backend(s, &s->backend);
    presenters_fill_backend(s, &s->backend);
    audience_fill_backend(&s->backend);
    admin_fill_backend(s, &s->backend);
    hosting_fill_backend(s, &s->backend);
    ice_setup_backend(&s->backend, &s->config);
    const struct config *c = &s->config;
    struct http_config config = {.port = c->listen_port,
                                 .max_per_address = (unsigned)c->max_connections_per_address,
                                 .backend = &s->backend,
                                 .tls_cert = c->tls_cert[0] ? c->tls_cert : NULL,
                                 .tls_key = c->tls_key[0] ? c->tls_key : NULL,
                                 .allow_origin = c->allow_origin,
                                 .trusted_proxies = c->trusted_proxies};
    if (!s->config.publishes || s->config.listens)
        snprintf(config.address, sizeof(config.address), "%s", s->config.listen_ip);
    return http_create(&s->http, &config, error, error_size);
}

static void make_url(struct server *s)
{
    const char *ip = s->config.listen_ip;
    bool any = strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
    const char *host = any && s->n_candidates ? s->candidates[0].ip : ip;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(s->url, sizeof(s->url), "%s://%s%s%s:%u/%s",
             http_is_secure(s->http) ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
             http_port(s->http), s->source_room ? s->source_room->code : "");
}

static int open_tokens(struct server *s, char *error, size_t error_size)
{
    watch_tokens_init(&s->tokens);
    if (!s->config.token_key[0])
        return 0;
    struct watch_key key;
    char why[512];
    int err = watch_key_read(&key, s->config.token_key, why, sizeof(why));
    if (err)
        snprintf(error, error_size, "--token-key: %s", why);
    else
        watch_tokens_set_key(&s->tokens, &key);
    explicit_bzero(&key, sizeof(key));
    return err;
}

static int open_all(struct server *s, char *error, size_t error_size)
{
    int err = open_tokens(s, error, error_size);
    if (!err)
        err = open_transport(s, error, error_size);
    if (err)
        return err;
    announce(s);
    err = open_rooms(s);
    if (err) {
        snprintf(error, error_size, "there is no memory for rooms");
        return err;
    }
    err = open_signaling(s, error, error_size); /* first: the others' threads wake it */
    if (!err) {
        err = follow_create(&s->follow, wake, s);
        if (err)
            snprintf(error, error_size, "cannot start a thread: %s", strerror(-err));
    }
    if (!err && (s->config.n_sources || s->config.room[0]))
        err = open_source_room(s, error, error_size);
    if (err)
        return err;
    offer_tcp(s);
    make_url(s);
    return start_source_room(s, error, error_size);
}

int server_create(struct server **out, const struct config *config, char *error, size_t error_size)
{
    struct server *s = calloc(1, sizeof(*s));
    if (!s) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    s->config = *config;
    s->started_us = server_now_us();
    sem_init(&s->stopped, 0, 0);
    s->guests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (config->admin_token[0])
        memcpy(s->admin_token, config->admin_token, sizeof(s->admin_token));
    else
        token_random(s->admin_token, sizeof(s->admin_token), 24);
    int err = open_all(s, error, error_size);
    if (err) {
        server_destroy(s);
        return err;
    }
    *out = s;
    return 0;
}

void server_run(struct server *s)
{
    while (!atomic_load(&s->stop)) {
        http_service(s->http);
        handle_events(s);
    }
    while (sem_wait(&s->stopped) != 0) {
    }
}

void server_stop(struct server *s)
{
    atomic_store(&s->stop, true);
    http_wake(s->http);
    sem_post(&s->stopped);
}

void server_destroy(struct server *s)
{
    if (!s)
        return;
    /* sources first: they call into both others; then viewers get their goodbye; signaling last,
     * since workers wake it */
    follow_destroy(s->follow);
    adding_end_all(s, NULL);
    listing_end(s);
    if (s->forwarder)
        presenters_end_all(s, NULL);
    rooms_finish(&s->rooms);
    forwarder_destroy(s->forwarder);
    s->forwarder = NULL;
    http_destroy(s->http);
    g_hash_table_destroy(s->guests);
    sem_destroy(&s->stopped);
    dtls_context_destroy(s->dtls);
    watch_tokens_finish(&s->tokens);
    free(s);
}

void server_wake(struct server *s)
{
    http_wake(s->http);
}

void server_join(struct server *s, const struct server_companion *companion)
{
    assert(s->n_companions < SERVER_COMPANIONS_MAX);
    s->companions[s->n_companions++] = *companion;
}

const struct backend *server_backend(const struct server *s)
{
    return &s->backend;
}

const char *server_room(const struct server *s)
{
    return s->source_room ? s->source_room->code : "";
}

const char *server_url(const struct server *s)
{
    return s->url;
}

const char *server_secret(const struct server *s)
{
    return s->source_room ? s->source_room->rights.secret : "";
}

const char *server_admin_token(const struct server *s)
{
    return s->admin_token;
}
