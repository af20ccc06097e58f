#include "server/server_inside.h"

#include "server/list_sources.h"
#include "server/metrics.h"
#include "server/stats.h"
#include "signaling/token.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

static bool on_is_admin(void *arg, const char *bearer)
{
    struct server *s = arg;
    return bearer && token_equal(bearer, s->admin_token);
}

static bool guest_of(void *arg, uint32_t viewer_id, struct stats_guest *out)
{
    const struct guest *g = server_find_guest(arg, viewer_id);
    if (!g)
        return false;
    out->room = g->room;
    out->kind = g->kind;
    out->has_report = g->reported_us != 0;
    out->report = g->report;
    return true;
}

static int take_stats(struct server *s, struct stats *out)
{
    const struct stats_config config = {
        .forwarder = s->forwarder,
        .rooms = &s->rooms,
        .draining = s->draining,
        .denied = &s->denied,
        .started_us = s->started_us,
        .now_us = server_now_us(),
        .guest = guest_of,
        .guest_arg = s,
    };
    int err = stats_take(out, &config);
    http_count(s->http, &out->http);
    return err;
}

static char *on_stats_json(void *arg, bool with_viewers)
{
    struct stats stats;
    char *text = take_stats(arg, &stats) == 0 ? stats_json(&stats, with_viewers) : NULL;
    stats_free(&stats);
    return text;
}

static char *on_viewer_json(void *arg, uint32_t viewer_id)
{
    struct server *s = arg;
    struct stats stats;
    struct viewer_decision decisions[VIEWER_DECISIONS];
    int n = forwarder_recall(s->forwarder, viewer_id, decisions);
    if (n < 0)
        return NULL;
    char *text =
        take_stats(s, &stats) == 0 ? stats_viewer_json(&stats, viewer_id, decisions, n) : NULL;
    stats_free(&stats);
    return text;
}

static char *on_viewer_story_json(void *arg, uint32_t viewer_id)
{
    const struct server *s = arg;
    struct viewer_decision decisions[VIEWER_DECISIONS];
    int n = forwarder_recall(s->forwarder, viewer_id, decisions);
    return n < 0 ? NULL : stats_decisions_json(decisions, n);
}

static int on_remove_viewer(void *arg, uint32_t viewer_id)
{
    struct server *s = arg;
    const struct guest *g = server_find_guest(s, viewer_id);
    if (!g || !g->started)
        return -ENOENT;
    if (g->presents) {
        s->backend.publish_end(s, viewer_id);
        return 0;
    }
    forwarder_remove_viewer(s->forwarder, viewer_id); /* its last event removes the guest */
    return 0;
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

/* A source that has ended, but may come back, is nothing to take the others away for. */
static const char *on_unready(void *arg)
{
    struct server *s = arg;
    if (s->draining)
        return "draining";
    if (!s->source_room || room_is_empty(s->source_room))
        return NULL;
    struct backend_room about;
    room_describe(s->source_room, &about);
    bool ended = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        ended |= about.streams[i].active && about.streams[i].end_reason[0];
    return about.live ? NULL : ended ? "source-ended" : "starting";
}

/* --- sources that come and go --- */

static int on_add_source(void *arg, const char *code, const char *source, const char *options,
                         uint32_t *ticket, char *error, size_t error_size)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    if (!room) {
        snprintf(error, error_size, "no room has this code");
        return -ENOENT;
    }
    struct media *media = g_new0(struct media, 1);
    media->coding = s->config.coding;
    int err = media_read(media, source, options, error, error_size);
    if (!err)
        err = adding_begin(s, room, media, ticket, error, error_size);
    g_free(media);
    return err;
}

static int on_remove_source(void *arg, const char *code, unsigned slot)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    int err = room ? room_remove_source(room, slot) : -ENOENT;
    if (err)
        return err;
    follow_clear(s->follow, room->slots[slot].video_stream);
    server_tell_room(s, room);
    return 0;
}

static const char *change_rate(struct media_coding *c, const struct backend_source_change *change)
{
    char number[16];
    const char *why = NULL;
    if (change->bitrate_kbps >= 0) {
        snprintf(number, sizeof(number), "%d", change->bitrate_kbps);
        why = media_set_bitrate(c, number);
    }
    if (!why && change->fps >= 0) {
        snprintf(number, sizeof(number), "%d", change->fps);
        why = media_set_fps(c, number);
    }
    if (!why && change->rate_control[0])
        why = media_set_rate_control(c, change->rate_control);
    return why;
}

static int on_set_source(void *arg, const char *code, unsigned slot,
                         const struct backend_source_change *change, char *error, size_t error_size)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    struct room_slot *place = room && slot < BACKEND_STREAMS_MAX ? &room->slots[slot] : NULL;
    if (!place || !place->source) {
        snprintf(error, error_size, "there is no such stream");
        return -ENOENT;
    }
    struct media_coding coding = place->media->coding;
    const char *why = change_rate(&coding, change);
    if (why) {
        snprintf(error, error_size, "the value %s", why);
        return -EINVAL;
    }
    bool new_rate = change->bitrate_kbps >= 0 || change->fps >= 0 || change->rate_control[0];
    if (new_rate && source_set_rate(place->source, &coding.rate) != 0) {
        snprintf(error, error_size, "a file plays at its own rate");
        return -ENOTSUP;
    }
    place->media->coding = coding;
    if (change->paused >= 0)
        source_set_paused(place->source, change->paused > 0);
    return 0;
}

static int on_list_sources(void *arg, uint32_t *ticket)
{
    return listing_begin(arg, ticket);
}

void admin_fill_backend(struct server *s, struct backend *out)
{
    out->is_admin = on_is_admin;
    out->metrics_open = s->config.metrics_open;
    out->stats_json = on_stats_json;
    out->viewer_json = on_viewer_json;
    out->viewer_story_json = on_viewer_story_json;
    out->remove_viewer = on_remove_viewer;
    out->metrics_text = on_metrics_text;
    out->unhealthy = on_unhealthy;
    out->unready = on_unready;
    out->add_source = on_add_source;
    out->remove_source = on_remove_source;
    out->set_source = on_set_source;
    out->list_sources = on_list_sources;
}
