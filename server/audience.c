/* audience.c - how viewers fare, told to who presents, and what that asks of his encoder. */
#include "server/server_inside.h"

#include <glib.h>
#include <stdlib.h>

#define FRESH_US 1000000
#define CHANGE_PERCENT 15 /* a rate that differs by less is no news */
#define LIMIT_US 2000000
#define RAISE_US 10000000
#define AUDIO_BPS 128000 /* what sound may take besides */

static void forget(struct room *room)
{
    room->fare = (struct fare_room){0};
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        room->slots[i].rates = room->slots[i].small = (struct audience){0};
}

static void count_viewer(struct room *room, const struct forwarder_viewer_stats *v,
                         const struct backend_viewer_report *report)
{
    fare_add(&room->fare, v, report);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct room_slot *slot = &room->slots[i];
        if (!slot->source)
            continue;
        fare_add_picture(&slot->rates, v, slot->video_stream);
        fare_add_small(&slot->small, v, slot->video_stream);
    }
}

/* Of every room at once: the forwarder is asked as rarely for a thousand rooms as for one. */
static void refresh(struct server *s, int64_t now_us)
{
    struct forwarder_stats stats;
    if (now_us - s->fares_us < FRESH_US || forwarder_stats(s->forwarder, &stats) != 0)
        return;
    s->fares_us = now_us;
    for (unsigned i = 0; i < s->rooms.n; i++)
        forget(s->rooms.list[i]);
    for (unsigned i = 0; i < stats.n_viewers; i++) {
        const struct guest *g = server_find_guest(s, stats.viewers[i].id);
        if (g && g->room)
            count_viewer(g->room, &stats.viewers[i], g->reported_us ? &g->report : NULL);
    }
    forwarder_stats_free(&stats);
}

/* As signaling counts layers: bit 0 is the best one of the first picture. */
static unsigned watched_layers(const struct room *room)
{
    unsigned layers = 0;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (!room->slots[i].source && !feed_is_shown(&room->slots[i].feed))
            continue;
        for (int k = 0, before = -1; k < BACKEND_LAYERS_MAX; k++) {
            int index = room_layer(room, i, k);
            if (index == before) /* the smallest one, again; or there is none */
                break;
            layers |= (room->fare.watching >> index & 1u) << k;
            before = index;
        }
        break;
    }
    return layers;
}

static void tell(const struct room *room, struct backend_audience *out)
{
    fare_tell(&room->fare, out);
    out->layers = watched_layers(room);
}

static bool on_audience(void *arg, const char *code, struct backend_audience *out)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    if (!room)
        return false;
    int64_t now_us = server_now_us();
    room->used_us = now_us; /* he may be about to show something: the room waits for him */
    refresh(s, now_us);
    tell(room, out);
    return true;
}

/* --- what it asks of the encoder --- */

static bool is_news(const struct guest *g, const struct backend_audience *a)
{
    uint64_t before = g->wished_bps, now = a->usable_bps;
    uint64_t less = before < now ? before : now, more = before < now ? now : before;
    return a->layers != g->wished_layers || more - less > more / 100 * CHANGE_PERCENT;
}

/* One picture of one size: then what the viewers can take is what he is to send. */
static bool sends_one_picture(const struct room *room, uint32_t id)
{
    unsigned pictures = 0, layers = 0;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct feed *feed = &room->slots[i].feed;
        if (feed->presenter != id || !feed_is_shown(feed))
            continue;
        pictures += feed->has_video;
        layers += feed->n_layers;
    }
    return pictures == 1 && layers == 1;
}

void audience_wish(struct server *s, uint32_t id, struct guest *g, int64_t now_us)
{
    struct backend_audience a;
    refresh(s, now_us);
    tell(g->room, &a);
    if (a.viewers == a.joining || !is_news(g, &a))
        return; /* of an encoder that nobody watches nothing is asked: the next to come needs it */
    g->wished_bps = a.usable_bps;
    g->wished_layers = a.layers;
    http_on_publish_wish(s->http, id, a.usable_bps, a.layers, a.worst);
    bool limits = a.usable_bps > 0 && sends_one_picture(g->room, id);
    forwarder_set_ingest_rate(s->forwarder, id, limits ? a.usable_bps + AUDIO_BPS : 0);
}

/* Each source may take what the best tenth of those who watch it can take of it. */
static void limit_source(struct room_slot *slot, bool watched, int64_t now_us)
{
    uint64_t bps = 0, small_bps = 0;
    if (watched) {
        bps = fare_most_bps(&slot->rates, slot->most_bps, now_us - slot->most_us > RAISE_US);
        small_bps = fare_small_bps(&slot->small, slot->small_bps);
    }
    if (bps != slot->most_bps)
        slot->most_us = now_us;
    if (bps > 0 || slot->most_bps > 0 || small_bps > 0 || slot->small_bps > 0)
        source_set_most(slot->source, bps, small_bps);
    slot->most_bps = bps;
    slot->small_bps = small_bps;
}

static void limit_sources(struct room *room, int64_t now_us)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct room_slot *slot = &room->slots[i];
        if (slot->source)
            limit_source(slot, room->viewers > 0, now_us);
        else
            slot->most_bps = slot->small_bps = 0;
    }
}

void audience_tick(struct server *s, int64_t now_us)
{
    if (now_us - s->limited_us < LIMIT_US)
        return;
    s->limited_us = now_us;
    bool any = false;
    for (unsigned i = 0; i < s->rooms.n; i++)
        any = any || s->rooms.list[i]->viewers > 0;
    if (any)
        refresh(s, now_us);
    for (unsigned i = 0; i < s->rooms.n; i++)
        limit_sources(s->rooms.list[i], now_us);
}

void audience_fill_backend(struct backend *out)
{
    out->audience = on_audience;
}
