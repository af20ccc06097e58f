#define G_LOG_DOMAIN "server"

#include "server/server.h"

#include "rtp/forward/forwarder.h"
#include "rtp/session/cipher.h"
#include "server/ice_setup.h"
#include "server/metrics.h"
#include "server/room.h"
#include "server/stats.h"
#include "signaling/http.h"
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

/* A viewer from its seat to its end. */
struct guest {
    struct room *room; /* borrowed: the server's */
    struct backend_seat seat;
    uint32_t streams[BACKEND_STREAMS_MAX]; /* by slot, when the seat was taken; 0: none */
    bool started;
};

struct server {
    /* immutable after create */
    struct config config;
    int64_t started_us;
    struct backend backend;
    struct ice_servers ice;      /* with --ice full */
    struct dtls_context *dtls;   /* owned */
    struct forwarder *forwarder; /* owned */
    struct http *http;           /* owned */
    char fingerprint[DTLS_FINGERPRINT_TEXT_MAX];
    char admin_token[CONFIG_TEXT_MAX];
    char url[256];
    unsigned n_candidates;
    struct backend_candidate candidates[BACKEND_CANDIDATES_MAX];

    /* signaling thread only */
    bool has_room;
    struct room room;
    GHashTable *guests; /* viewer id -> struct guest, owned */

    /* any thread */
    atomic_bool stop, sources_changed;
    sem_t stopped; /* whoever said stop does not touch `http` any more */
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void random_bytes(void *out, size_t size)
{
    /* at most 256 bytes never come short once the pool is ready (getrandom(2)) */
    assert(size <= 256);
    ssize_t n = getrandom(out, size, 0);
    assert(n == (ssize_t)size);
    (void)n;
}

static bool has_ssrc(const struct backend_seat *seat, uint32_t ssrc)
{
    bool found = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        found |= seat->video[i].ssrc == ssrc || seat->video[i].rtx_ssrc == ssrc ||
                 seat->audio[i].ssrc == ssrc;
    return found;
}

/* All of a viewer's packets are protected with one key, so that two alike would be two packets
 * under one nonce (RFC 7714 8.1). */
static uint32_t random_ssrc(const struct backend_seat *seat)
{
    uint32_t ssrc;
    do {
        random_bytes(&ssrc, sizeof(ssrc));
    } while (ssrc == 0 || has_ssrc(seat, ssrc));
    return ssrc;
}

/* Any thread. */
static void wake(void *arg)
{
    http_wake(((struct server *)arg)->http);
}

/* Encode threads. */
static void on_source_change(void *arg)
{
    struct server *s = arg;
    atomic_store(&s->sources_changed, true);
    http_wake(s->http); /* sources start after signaling and end before it */
}

/* --- the backend: what signaling asks --- */

static struct room *find_room(struct server *s, const char *code)
{
    return s->has_room && strcmp(s->room.code, code) == 0 ? &s->room : NULL;
}

static bool on_room(void *arg, const char *code, struct backend_room *out)
{
    struct room *room = find_room(arg, code);
    if (room)
        room_describe(room, out, NULL);
    return room != NULL;
}

static void fill_seat(struct server *s, const struct forwarder_seat *seat, struct backend_seat *out)
{
    *out = (struct backend_seat){.viewer_id = seat->viewer_id, .full_ice = s->config.ice_full};
    snprintf(out->ufrag, sizeof(out->ufrag), "%s", seat->ice.ufrag);
    snprintf(out->pwd, sizeof(out->pwd), "%s", seat->ice.pwd);
    snprintf(out->fingerprint, sizeof(out->fingerprint), "%s", s->fingerprint);
    if (!s->config.ice_full) {
        out->n_candidates = s->n_candidates;
        memcpy(out->candidates, s->candidates, sizeof(out->candidates));
    }
    uint64_t name;
    random_bytes(&name, sizeof(name));
    snprintf(out->cname, sizeof(out->cname), "%016llx", (unsigned long long)name);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        out->video[i].ssrc = random_ssrc(out);
        out->video[i].rtx_ssrc = random_ssrc(out);
        out->audio[i].ssrc = random_ssrc(out);
    }
}

static int on_reserve(void *arg, const char *code, struct backend_room *room,
                      struct backend_seat *seat)
{
    struct server *s = arg;
    struct room *r = find_room(s, code);
    if (!r)
        return -ENOENT;
    uint32_t streams[BACKEND_STREAMS_MAX];
    room_describe(r, room, streams);
    if (!room->live)
        return -ENODATA;
    struct forwarder_seat place;
    int err = seat->offering ? forwarder_reserve_to_offer(s->forwarder, &place)
                             : forwarder_reserve(s->forwarder, &place);
    if (err)
        return err;
    struct guest *guest = g_new0(struct guest, 1);
    guest->room = r;
    memcpy(guest->streams, streams, sizeof(guest->streams));
    fill_seat(s, &place, &guest->seat);
    g_hash_table_insert(s->guests, GUINT_TO_POINTER(place.viewer_id), guest);
    *seat = guest->seat;
    return 0;
}

static bool copy(char *out, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (n >= room)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static bool fill_peer(const struct guest *g, const struct backend_answer *answer,
                      struct peer_config *out)
{
    out->role = answer->dtls_client ? DTLS_CLIENT : DTLS_SERVER;
    if (!copy(out->local.ufrag, sizeof(out->local.ufrag), g->seat.ufrag) ||
        !copy(out->local.pwd, sizeof(out->local.pwd), g->seat.pwd) ||
        !copy(out->remote_ufrag, sizeof(out->remote_ufrag), answer->ufrag) ||
        !copy(out->remote_pwd, sizeof(out->remote_pwd), answer->pwd))
        return false;
    /* a hash we do not take is skipped: one that fits is enough (RFC 8122 5) */
    for (unsigned i = 0; i < answer->n_fingerprints; i++) {
        if (out->n_fingerprints < DTLS_FINGERPRINTS_MAX &&
            dtls_fingerprint_parse(&out->fingerprints[out->n_fingerprints],
                                   answer->fingerprints[i]))
            out->n_fingerprints++;
    }
    return out->n_fingerprints > 0;
}

static bool fill_tracks(const struct guest *g, const struct backend_answer *answer,
                        struct viewer_config *out)
{
    for (unsigned i = 0; i < answer->n_tracks; i++) {
        unsigned slot = answer->tracks[i].slot;
        if (answer->tracks[i].audio || g->streams[slot] == 0)
            continue;
        struct viewer_track_config *t = &out->tracks[out->n_tracks++];
        *t = (struct viewer_track_config){
            .stream_id = g->streams[slot],
            .kind = FORWARDER_VIDEO,
            .ssrc = g->seat.video[slot].ssrc,
            .rtx_ssrc = g->seat.video[slot].rtx_ssrc,
            .extensions =
                {
                    .transport_cc = answer->tracks[i].transport_cc_id,
                    .playout_delay = answer->tracks[i].playout_delay_id,
                    .mid = answer->tracks[i].mid_id,
                },
        };
        for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++) /* the same as payload_codec's */
            t->formats[c] = (struct viewer_format){
                .payload_type = answer->tracks[i].formats[c].payload_type,
                .rtx_payload_type = answer->tracks[i].formats[c].rtx_payload_type,
            };
        if (!copy(t->mid, sizeof(t->mid), answer->tracks[i].mid))
            return false;
    }
    return out->n_tracks > 0;
}

static int on_start(void *arg, uint32_t viewer_id, const struct backend_answer *answer)
{
    struct server *s = arg;
    struct guest *g = g_hash_table_lookup(s->guests, GUINT_TO_POINTER(viewer_id));
    if (!g || g->started)
        return -ENOENT;
    struct viewer_config config = {.id = viewer_id};
    random_bytes(&config.seed, sizeof(config.seed));
    if (!copy(config.cname, sizeof(config.cname), g->seat.cname) ||
        !fill_peer(g, answer, &config.peer) || !fill_tracks(g, answer, &config))
        return -EINVAL;
    int err = forwarder_add_viewer(s->forwarder, &config);
    if (err)
        return err;
    g->started = true;
    room_viewer_added(g->room);
    return 0;
}

static void on_leave(void *arg, uint32_t viewer_id)
{
    struct server *s = arg;
    struct guest *g = g_hash_table_lookup(s->guests, GUINT_TO_POINTER(viewer_id));
    if (!g || !s->forwarder)
        return;
    if (g->started) {
        forwarder_remove_viewer(s->forwarder, viewer_id); /* its last event removes the guest */
        return;
    }
    forwarder_cancel(s->forwarder, viewer_id);
    g_hash_table_remove(s->guests, GUINT_TO_POINTER(viewer_id));
}

/* Of the peer. */
static void on_candidate(void *arg, uint32_t viewer_id, const char *text)
{
    struct server *s = arg;
    forwarder_add_candidate(s->forwarder, viewer_id, text);
}

static int on_restart(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                      struct backend_credentials *ours)
{
    struct server *s = arg;
    struct ice_local local;
    int rc = forwarder_restart(s->forwarder, viewer_id, ufrag, pwd, &local);
    if (rc != 0)
        return rc;
    snprintf(ours->ufrag, sizeof(ours->ufrag), "%s", local.ufrag);
    snprintf(ours->pwd, sizeof(ours->pwd), "%s", local.pwd);
    return 0;
}

/* ICE over TCP. */
static void on_tcp(void *arg, int fd)
{
    struct server *s = arg;
    forwarder_add_tcp(s->forwarder, fd);
}

static bool on_is_admin(void *arg, const char *bearer)
{
    struct server *s = arg;
    return bearer && token_equal(bearer, s->admin_token);
}

static int take_stats(struct server *s, struct stats *out)
{
    return stats_take(out, s->forwarder, s->has_room ? &s->room : NULL, s->started_us, now_us());
}

static char *on_stats_json(void *arg, bool with_viewers)
{
    struct stats stats;
    char *text = take_stats(arg, &stats) == 0 ? stats_json(&stats, with_viewers) : NULL;
    stats_free(&stats);
    return text;
}

static char *on_metrics_text(void *arg)
{
    struct stats stats;
    char *text = take_stats(arg, &stats) == 0 ? metrics_text(&stats) : NULL;
    stats_free(&stats);
    return text;
}

static const char *on_unhealthy(void *arg)
{
    (void)arg;
    return NULL; /* the thread that answers is alive, and that is what is asked */
}

static const char *on_unready(void *arg)
{
    struct server *s = arg;
    for (unsigned i = 0; s->has_room && i < s->room.n_sources; i++) {
        struct source_info info;
        source_info(s->room.sources[i], &info);
        if (info.end_reason[0])
            return "source-ended";
        if (!info.live)
            return "starting";
    }
    return NULL;
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

static void handle_event(struct server *s, const struct forwarder_event *e)
{
    http_on_viewer(s->http, e->viewer_id, state_for_signaling(e->state),
                   peer_reason_name(e->reason));
    struct guest *g = g_hash_table_lookup(s->guests, GUINT_TO_POINTER(e->viewer_id));
    if (e->state != VIEWER_CLOSED || !g)
        return;
    room_viewer_removed(g->room);
    g_hash_table_remove(s->guests, GUINT_TO_POINTER(e->viewer_id));
}

static void handle_events(struct server *s)
{
    struct forwarder_candidate c;
    while (forwarder_next_candidate(s->forwarder, &c)) {
        http_on_candidate(s->http, c.viewer_id, c.text);
        free(c.text);
    }
    struct forwarder_event e;
    while (forwarder_next_event(s->forwarder, &e))
        handle_event(s, &e);
    if (atomic_exchange(&s->sources_changed, false) && s->has_room)
        http_on_room(s->http, s->room.code);
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

static int open_sources(struct server *s, char *error, size_t error_size)
{
    char code[BACKEND_ROOM_MAX];
    uint64_t random;
    random_bytes(&random, sizeof(random));
    room_make_code(code, random);
    room_init(&s->room, s->config.room[0] ? s->config.room : code, now_us());
    s->has_room = true;
    for (unsigned i = 0; i < s->config.n_sources; i++) {
        const struct config_source *c = &s->config.sources[i];
        const struct source_config config = {
            .kind = c->kind,
            .arg = c->arg[0] ? c->arg : NULL,
            .encoder = s->config.encoder[0] ? s->config.encoder : NULL,
            .codec = s->config.codec,
            .bitrate_bps = s->config.bitrate_bps,
            .fps = s->config.fps,
            .forwarder = s->forwarder,
            .on_change = on_source_change,
            .on_change_arg = s,
        };
        char why[256];
        int err = source_open(&s->room.sources[i], &config, why, sizeof(why));
        if (err) {
            snprintf(error, error_size, "--source %s: %s", c->kind, why);
            return err;
        }
        s->room.n_sources++;
    }
    return 0;
}

static int start_sources(struct server *s, char *error, size_t error_size)
{
    for (unsigned i = 0; i < s->room.n_sources; i++) {
        int err = source_start(s->room.sources[i]);
        if (err) {
            snprintf(error, error_size, "cannot start a thread for source %u: %s", i,
                     strerror(-err));
            return err;
        }
    }
    return 0;
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
        unsigned n = ice_setup_addresses(&s->config, found);
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
    s->backend = (struct backend){
        .arg = s,
        .room = on_room,
        .reserve = on_reserve,
        .start = on_start,
        .leave = on_leave,
        .candidate = s->config.ice_full ? on_candidate : NULL,
        .restart = s->config.ice_full ? on_restart : NULL,
        /* an agent has sockets of its own */
        .tcp = s->config.no_ice_tcp || s->config.ice_full ? NULL : on_tcp,
        .is_admin = on_is_admin,
        .metrics_open = s->config.metrics_open,
        .stats_json = on_stats_json,
        .metrics_text = on_metrics_text,
        .unhealthy = on_unhealthy,
        .unready = on_unready,
    };
    ice_setup_backend(&s->backend, &s->config);
    struct http_config config = {.port = s->config.listen_port, .backend = &s->backend};
    snprintf(config.address, sizeof(config.address), "%s", s->config.listen_ip);
    return http_create(&s->http, &config, error, error_size);
}

static void make_url(struct server *s)
{
    const char *ip = s->config.listen_ip;
    bool any = strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
    const char *host = any && s->n_candidates ? s->candidates[0].ip : ip;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(s->url, sizeof(s->url), "http://%s%s%s:%u/%s", v6 ? "[" : "", host, v6 ? "]" : "",
             http_port(s->http), s->has_room ? s->room.code : "");
}

static int open_all(struct server *s, char *error, size_t error_size)
{
    int err = open_transport(s, error, error_size);
    if (err)
        return err;
    announce(s);
    if (s->config.n_sources) {
        err = open_sources(s, error, error_size);
        if (err)
            return err;
    }
    err = open_signaling(s, error, error_size);
    if (err)
        return err;
    offer_tcp(s);
    make_url(s);
    return start_sources(s, error, error_size);
}

int server_create(struct server **out, const struct config *config, char *error, size_t error_size)
{
    struct server *s = calloc(1, sizeof(*s));
    if (!s) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    s->config = *config;
    s->started_us = now_us();
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
    if (s->has_room)
        room_finish(&s->room);
    forwarder_destroy(s->forwarder);
    s->forwarder = NULL;
    http_destroy(s->http);
    g_hash_table_destroy(s->guests);
    sem_destroy(&s->stopped);
    dtls_context_destroy(s->dtls);
    free(s);
}

const char *server_url(const struct server *s)
{
    return s->url;
}

const char *server_admin_token(const struct server *s)
{
    return s->admin_token;
}
