#define G_LOG_DOMAIN "server"

#include "server/publish_host.h"

#include "server/ice_setup.h"
#include "server/publish_rate.h"
#include "server/server_inside.h"

#include <glib.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US 1000000
#define SILENCE_US 7000000   /* receivers report once a second, with sound alone each 5 s */
#define ADDRESSES_US 1000000 /* they have changed when they were the same twice */

struct publish_host {
    struct server *server;   /* borrowed */
    struct publish *publish; /* owned */
    bool stays;
    int64_t look_us, addresses_us; /* when it is due */
    uint64_t addresses, seen;      /* hashes: that the session began with; that were last seen */
    struct publish_rate rate;
    uint64_t told_bps[BACKEND_STREAMS_MAX]; /* what each source was last told; 0: nothing */
    unsigned times_live;
};

/* --- the addresses of this machine --- */

static uint64_t hash_bytes(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

/* In whatever order they are listed. */
static uint64_t hash_addresses(void)
{
    struct ifaddrs *list;
    uint64_t sum = 0;
    if (getifaddrs(&list) != 0)
        return 0;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !(i->ifa_flags & IFF_RUNNING))
            continue;
        if (i->ifa_addr->sa_family == AF_INET)
            sum += hash_bytes(&((const struct sockaddr_in *)i->ifa_addr)->sin_addr, 4);
        else if (i->ifa_addr->sa_family == AF_INET6)
            sum += hash_bytes(&((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, 16);
    }
    freeifaddrs(list);
    return sum;
}

static void look_at_addresses(struct publish_host *h, int64_t now_us)
{
    uint64_t hash = hash_addresses();
    bool settled = hash == h->seen;
    h->seen = hash;
    h->addresses_us = now_us + ADDRESSES_US;
    if (!settled || hash == h->addresses)
        return;
    h->addresses = hash;
    g_message("publishing: the addresses of this machine have changed");
    publish_on_addresses(h->publish);
}

/* --- the path, and what the encoders make --- */

static const struct forwarder_viewer_stats *find_viewer(const struct forwarder_stats *stats,
                                                        uint32_t id)
{
    for (unsigned i = 0; i < stats->n_viewers; i++) {
        if (stats->viewers[i].id == id)
            return &stats->viewers[i];
    }
    return NULL;
}

static struct room_slot *slot_of(const struct publish_host *h, unsigned i)
{
    struct room_slot *slot = &h->server->source_room->slots[i];
    return slot->source && strcmp(slot->media->video.kind, "file") != 0 ? slot : NULL;
}

/* What the person wants the pictures to take at most. */
static uint64_t wanted_bps(const struct publish_host *h)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *slot = slot_of(h, i);
        sum += slot ? slot->media->coding.rate.bitrate_bps : 0;
    }
    return sum;
}

/* The whole is shared as the person's rates are. Small changes are not worth an encoder's order. */
static void set_rates(struct publish_host *h, uint64_t all, uint64_t most)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *slot = slot_of(h, i);
        if (!slot) {
            h->told_bps[i] = 0;
            continue;
        }
        struct encoder_rate rate = slot->media->coding.rate;
        uint64_t bps = all >= most ? rate.bitrate_bps : rate.bitrate_bps * all / most;
        uint64_t told = h->told_bps[i] ? h->told_bps[i] : rate.bitrate_bps;
        uint64_t apart = bps > told ? bps - told : told - bps;
        if (apart == 0 || (apart < told / 33 && bps != rate.bitrate_bps))
            continue;
        h->told_bps[i] = bps;
        rate.bitrate_bps = (uint32_t)bps;
        (void)source_set_rate(slot->source, &rate);
    }
}

static void look_at_path(struct publish_host *h, int64_t now_us)
{
    struct publish_status status;
    struct forwarder_stats stats;
    struct publish_path path = {.target_bps = -1};
    publish_status(h->publish, &status);
    if (status.viewer_id == 0 || forwarder_stats(h->server->forwarder, &stats) != 0)
        return;
    const struct forwarder_viewer_stats *v = find_viewer(&stats, status.viewer_id);
    if (v) {
        path = (struct publish_path){.target_bps = v->target_bps, .narrow = v->narrow};
        publish_on_silence(h->publish, v->report_age_us > SILENCE_US);
    }
    forwarder_stats_free(&stats);
    uint64_t most = wanted_bps(h);
    if (most == 0)
        return;
    uint64_t all = publish_rate_next(&h->rate, &path, most, now_us);
    g_debug("publishing: %s path of %" G_GINT64_FORMAT " kbit/s, encoders make %" G_GUINT64_FORMAT,
            path.narrow ? "narrow" : "wide", path.target_bps / 1000, all / 1000);
    set_rates(h, all, most);
}

/* --- with the server, on its thread --- */

static void on_round(void *arg)
{
    struct publish_host *h = arg;
    struct publish_status status;
    int64_t now_us = server_now_us();
    if (now_us >= h->addresses_us)
        look_at_addresses(h, now_us);
    if (now_us >= h->look_us) {
        h->look_us = now_us + LOOK_US;
        look_at_path(h, now_us);
    }
    publish_round(h->publish, now_us);
    publish_status(h->publish, &status);
    if (status.state == PUBLISH_REFUSED && !h->stays)
        server_stop(h->server);
}

static void on_viewer(void *arg, uint32_t viewer_id, enum backend_viewer_state state,
                      const char *reason)
{
    struct publish_host *h = arg;
    publish_on_viewer(h->publish, viewer_id, state, reason, server_now_us());
}

static void on_candidate(void *arg, uint32_t viewer_id, const char *text)
{
    struct publish_host *h = arg;
    publish_on_candidate(h->publish, viewer_id, text);
}

static int on_relay(void *arg, uint32_t viewer_id, const struct ice_relay *relay)
{
    struct publish_host *h = arg;
    return forwarder_add_relay(h->server->forwarder, viewer_id, relay);
}

static int on_move(void *arg, uint32_t viewer_id, struct backend_credentials *ours)
{
    struct publish_host *h = arg;
    struct ice_local local;
    int rc = forwarder_move(h->server->forwarder, viewer_id, ours ? &local : NULL);
    if (rc != 0 || !ours)
        return rc;
    snprintf(ours->ufrag, sizeof(ours->ufrag), "%s", local.ufrag);
    snprintf(ours->pwd, sizeof(ours->pwd), "%s", local.pwd);
    return 0;
}

static void wake(void *arg)
{
    server_wake(arg);
}

/* --- life --- */

int publish_host_create(struct publish_host **out, struct server *s, const struct config *config,
                        bool stays, char *error, size_t error_size)
{
    struct publish_host *h = g_new0(struct publish_host, 1);
    h->server = s;
    h->stays = stays;
    h->addresses = h->seen = hash_addresses();
    const struct publish_config publishing = {
        .backend = server_backend(s),
        .room = server_room(s),
        .url = config->to,
        .secret = config->secret,
        .ca_file = config->ca_file[0] ? config->ca_file : NULL,
        .agent = {.arg = h, .add_relay = on_relay, .move = on_move},
        .wake = wake,
        .wake_arg = s,
    };
    int err = publish_create(&h->publish, &publishing);
    if (err) {
        snprintf(error, error_size, "--to: %s", err == -EINVAL ? "is no URL" : strerror(-err));
        g_free(h);
        return err;
    }
    const struct server_companion companion = {
        .arg = h, .on_round = on_round, .on_viewer = on_viewer, .on_candidate = on_candidate};
    server_join(s, &companion);
    *out = h;
    return 0;
}

void publish_host_destroy(struct publish_host *h)
{
    if (!h)
        return;
    publish_destroy(h->publish);
    g_free(h);
}

void publish_host_status(const struct publish_host *h, struct publish_status *out)
{
    publish_status(h->publish, out);
}

void publish_host_set_stopped(struct publish_host *h, bool stopped)
{
    publish_set_stopped(h->publish, stopped);
}

int publish_host_ask(struct publish_host *h, int tag, const char *method, const char *path,
                     const char *json)
{
    return whip_client_api(publish_client(h->publish), tag, method, path, json);
}

void publish_host_set_api(struct publish_host *h,
                          void (*on_api)(void *arg, const struct whip_reply *r), void *arg)
{
    publish_set_api(h->publish, on_api, arg);
}
