/* operating.c - what is done to the program while it runs: it is drained, and told its options
 * anew. */
#define G_LOG_DOMAIN "server"

#include "server/server_inside.h"

#include "server/ice_setup.h"
#include "server/log.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- draining --- */

void server_drain(struct server *s)
{
    atomic_store(&s->drain_asked, true);
    http_wake(s->http);
}

/* Viewers that watch, and presenters that are there. */
static unsigned count_present(const struct server *s)
{
    GHashTableIter i;
    void *id, *guest;
    unsigned n = 0;
    g_hash_table_iter_init(&i, s->guests);
    while (g_hash_table_iter_next(&i, &id, &guest))
        n += ((const struct guest *)guest)->started && !((const struct guest *)guest)->lost;
    return n;
}

static void begin_drain(struct server *s, unsigned n, int64_t now_us)
{
    s->draining = true;
    s->drain_until_us = now_us + s->config.drain_s * INT64_C(1000000);
    if (n > 0 && s->config.drain_s > 0)
        g_info("draining: nobody new is taken; ends when the last of %u has left, or in %d s", n,
               s->config.drain_s);
    if (s->config.drain_s > 0 || s->config.drain_to[0])
        http_on_drain(s->http, s->config.drain_to[0] ? s->config.drain_to : NULL,
                      (unsigned)s->config.drain_s);
}

static void drain(struct server *s, int64_t now_us)
{
    unsigned n = count_present(s);
    if (!s->draining)
        begin_drain(s, n, now_us);
    if (n > 0 && now_us < s->drain_until_us)
        return;
    if (n > 0 && s->config.drain_s > 0)
        g_info("drained for long enough: %u are sent away", n);
    server_stop(s);
}

/* --- options anew --- */

void server_on_reload(struct server *s, server_reread_fn *reread, void *arg)
{
    s->reread = reread;
    s->reread_arg = arg;
}

void server_reload(struct server *s)
{
    atomic_store(&s->reload_asked, true);
    http_wake(s->http);
}

/* A room that had the limit of all has the new one. */
static void take_limits(struct server *s, const struct config *fresh)
{
    unsigned before = (unsigned)s->config.max_viewers_per_room;
    unsigned now = (unsigned)fresh->max_viewers_per_room;
    for (unsigned i = 0; i < s->rooms.n; i++) {
        unsigned *own = &s->rooms.list[i]->max_viewers;
        if (*own == before || (now > 0 && *own > now))
            *own = now;
    }
    s->rooms.config.max_viewers = now;
    s->rooms.config.idle_us = fresh->room_idle_s * INT64_C(1000000);
    s->config.max_viewers_per_room = fresh->max_viewers_per_room;
    s->config.room_idle_s = fresh->room_idle_s;
    s->config.max_connections_per_address = fresh->max_connections_per_address;
    http_set_max_per_address(s->http, (unsigned)fresh->max_connections_per_address);
}

static void take_rights(struct server *s, const struct config *fresh)
{
    struct rights *r = s->source_room ? &s->source_room->rights : NULL;
    /* what a presenter has changed since stays, unless it is said anew */
    if (r && strcmp(fresh->password, s->config.password) != 0) {
        explicit_bzero(r->password, sizeof(r->password));
        snprintf(r->password, sizeof(r->password), "%s", fresh->password);
        server_tell_room(s, s->source_room);
    }
    size_t n = strlen(fresh->secret);
    if (r && !s->config.publishes && n > 0 && n < sizeof(r->secret))
        memcpy(r->secret, fresh->secret, n + 1);
    memcpy(s->config.password, fresh->password, sizeof(s->config.password));
    memcpy(s->config.secret, fresh->secret, sizeof(s->config.secret));
    if (fresh->admin_token[0])
        memcpy(s->admin_token, fresh->admin_token, sizeof(s->admin_token));
    s->config.open_rooms = s->backend.open_rooms = fresh->open_rooms;
    s->config.metrics_open = s->backend.metrics_open = fresh->metrics_open;
}

/* The old key stays where the new one cannot be read. */
static void take_key(struct server *s, const struct config *fresh)
{
    struct watch_key key = {.size = 0};
    char why[512];
    if (fresh->token_key[0] && watch_key_read(&key, fresh->token_key, why, sizeof(why)) != 0) {
        g_warning("reload: --token-key: %s", why);
        return;
    }
    watch_tokens_set_key(&s->tokens, &key);
    explicit_bzero(&key, sizeof(key));
    memcpy(s->config.token_key, fresh->token_key, sizeof(s->config.token_key));
}

static void take_certificate(struct server *s)
{
    char why[512];
    if (http_is_secure(s->http) && http_reload_certificate(s->http, why, sizeof(why)) != 0)
        g_warning("reload: %s", why);
}

/* The old ones stay where the new ones cannot be read. */
static void take_policies(struct server *s, const struct config *fresh)
{
    char why[1200];
    if (http_set_policies(s->http, fresh->allow_origin, fresh->trusted_proxies, why, sizeof(why))) {
        g_warning("reload: --allow-origin, --trusted-proxy: %s; both stay as they are", why);
        return;
    }
    memcpy(s->config.allow_origin, fresh->allow_origin, sizeof(s->config.allow_origin));
    memcpy(s->config.trusted_proxies, fresh->trusted_proxies, sizeof(s->config.trusted_proxies));
}

static void take_ice_servers(struct server *s, const struct config *fresh)
{
    s->config.has_stun = fresh->has_stun;
    s->config.stun = fresh->stun;
    s->config.n_turn = fresh->n_turn;
    memcpy(s->config.turn, fresh->turn, sizeof(s->config.turn));
    memcpy(s->config.turn_user, fresh->turn_user, sizeof(s->config.turn_user));
    memcpy(s->config.turn_pass, fresh->turn_pass, sizeof(s->config.turn_pass));
    s->backend.n_ice_servers = 0;
    ice_setup_backend(&s->backend, &s->config);
}

static void reload(struct server *s)
{
    char why[512];
    struct config *fresh = malloc(sizeof(*fresh));
    int err = fresh && s->reread ? s->reread(s->reread_arg, fresh, why, sizeof(why)) : -1;
    if (err && fresh && s->reread)
        g_warning("reload: %s; everything stays as it is", why);
    if (!err) {
        take_limits(s, fresh);
        take_rights(s, fresh);
        take_key(s, fresh);
        take_certificate(s);
        take_policies(s, fresh);
        take_ice_servers(s, fresh);
        s->config.drain_s = fresh->drain_s;
        memcpy(s->config.drain_to, fresh->drain_to, sizeof(s->config.drain_to));
        log_set_level((enum log_level)fresh->log_level);
        g_info("options were read anew; addresses, ports, sources and threads stay as they are");
        explicit_bzero(fresh, sizeof(*fresh));
    }
    free(fresh);
}

void operating_round(struct server *s, int64_t now_us)
{
    if (atomic_exchange(&s->reload_asked, false))
        reload(s);
    if (atomic_load_explicit(&s->drain_asked, memory_order_relaxed))
        drain(s, now_us);
}
