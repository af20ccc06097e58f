#include "server/server_inside.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define LOST_US 60000000  /* a presenter who went without a word is waited for so long */
#define SILENT_US 6000000 /* nothing of one came for so long: viewers are told */
#define ASK_US 2000000    /* what one sends is looked at so often, besides when it changes */
#define ASKED_MAX 8       /* in one tick: each answer waits for a worker */

/* --- what one feeds --- */

static const struct ingest_track_info *find_track(const struct forwarder_ingest_stats *all,
                                                  uint32_t stream_id)
{
    for (unsigned i = 0; i < all->n_tracks; i++) {
        if (all->tracks[i].stream_id == stream_id)
            return &all->tracks[i];
    }
    return NULL;
}

/* His viewers are told that he is waited for: it may be his network. */
static bool note_silence(struct feed *feed, int64_t now_us)
{
    if (!feed_is_shown(feed) || feed->lost)
        return false;
    feed_lose(feed, now_us);
    return true;
}

/* What comes in at the moment, as its room shows it. */
static void look_at(struct server *s, uint32_t id, struct guest *g)
{
    struct forwarder_ingest_stats all;
    bool news = false;
    g->asked_us = server_now_us();
    if (!g->room || g->replaced || forwarder_ingest(s->forwarder, id, &all) != 0)
        return;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct room_slot *slot = &g->room->slots[i];
        if (slot->feed.presenter != id)
            continue;
        news |= all.silent_us >= SILENT_US
                    ? note_silence(&slot->feed, g->asked_us)
                    : feed_take(&slot->feed, find_track(&all, slot->video_stream),
                                find_track(&all, slot->audio_stream), g->asked_us);
    }
    if (news)
        room_changed(g->room);
}

static void end_feeds(struct room *room, uint32_t id)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (room->slots[i].feed.presenter == id)
            feed_end(&room->slots[i].feed);
    }
    room_changed(room);
}

/* False: nothing of his is waited for. */
static bool lose_feeds(struct room *room, uint32_t id, int64_t now_us)
{
    bool waits = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct feed *feed = &room->slots[i].feed;
        if (feed->presenter != id)
            continue;
        feed_lose(feed, now_us);
        waits |= feed->presenter != 0;
    }
    room_changed(room);
    return waits;
}

/* --- from the seat to the start --- */

static int on_publish_reserve(void *arg, const char *code, struct backend_seat *seat)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    struct forwarder_seat place;
    if (!room)
        return -ENOENT;
    if (s->draining)
        return -ESHUTDOWN;
    int err = forwarder_reserve(s->forwarder, &place);
    if (err)
        return err;
    struct guest *g = g_new0(struct guest, 1);
    g->room = room;
    g->presents = true;
    server_fill_seat(s, &place, &g->seat);
    server_add_guest(s, place.viewer_id, g);
    *seat = g->seat;
    return 0;
}

static int on_publish_slot(void *arg, const char *code, unsigned taken)
{
    const struct room *room = server_find_room(arg, code);
    for (unsigned i = 0; room && i < BACKEND_STREAMS_MAX; i++) {
        if (!room_is_native(room, i) && !(taken & 1u << i))
            return (int)i;
    }
    return room ? -ENOSPC : -ENOENT;
}

static bool copy(char *out, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (n >= room)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static bool fill_track(const struct room_slot *slot, const struct backend_publish_track *from,
                       struct ingest_track_config *to)
{
    *to = (struct ingest_track_config){
        .stream_id = from->audio ? slot->audio_stream : slot->video_stream,
        .kind = from->audio ? FORWARDER_AUDIO : FORWARDER_VIDEO,
        .ssrc = from->ssrc,
        .rtx_ssrc = from->rtx_ssrc,
        .n_rids = from->n_rids,
        .nack = from->nack,
        .transport_cc = from->transport_cc,
        .remb = from->remb,
        .extensions = {.transport_cc = from->transport_cc_id,
                       .mid = from->mid_id,
                       .rid = from->rid_id,
                       .repaired_rid = from->repaired_rid_id,
                       .dependency = from->dependency_id,
                       .abs_send_time = from->abs_send_time_id},
    };
    bool fits = from->n_rids <= BACKEND_LAYERS_MAX && copy(to->mid, sizeof(to->mid), from->mid);
    for (unsigned i = 0; fits && i < from->n_rids; i++)
        fits = copy(to->rids[i], sizeof(to->rids[i]), from->rids[i]);
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS && !from->audio; c++) {
        to->formats[c].payload_type = from->formats[c].payload_type;
        to->formats[c].rtx_payload_type = from->formats[c].rtx_payload_type;
    }
    if (from->audio)
        to->formats[PAYLOAD_OPUS].payload_type = from->opus_payload_type;
    return fits;
}

static bool fill_peer(const struct guest *g, const struct backend_publication *what,
                      struct peer_config *out)
{
    const struct server_peer peer = {
        .ufrag = what->ufrag,
        .pwd = what->pwd,
        .dtls_client = what->dtls_client,
        .n_fingerprints = what->n_fingerprints,
        .fingerprints = what->fingerprints,
    };
    return server_fill_peer(&g->seat, &peer, out);
}

static int fill_config(uint32_t id, const struct guest *g, const struct backend_publication *what,
                       struct ingest_config *out)
{
    *out = (struct ingest_config){.id = id};
    server_random(&out->seed, sizeof(out->seed));
    do {
        server_random(&out->rtcp_ssrc, sizeof(out->rtcp_ssrc));
    } while (out->rtcp_ssrc == 0);
    if (!copy(out->cname, sizeof(out->cname), g->seat.cname) || !fill_peer(g, what, &out->peer) ||
        what->n_tracks < 1 || what->n_tracks > INGEST_TRACKS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < what->n_tracks; i++) {
        const struct backend_publish_track *t = &what->tracks[i];
        if (t->slot >= BACKEND_STREAMS_MAX)
            return -EINVAL;
        if (room_is_native(g->room, t->slot))
            return -EBUSY;
        if (!fill_track(&g->room->slots[t->slot], t, &out->tracks[out->n_tracks++]))
            return -EINVAL;
    }
    return 0;
}

/* Whoever feeds the slot sends nothing more. What he has shown stays until the next one's is there.
 */
static void fence_off(struct server *s, struct room *room, unsigned slot)
{
    uint32_t id = room->slots[slot].feed.presenter;
    struct guest *g = id ? server_find_guest(s, id) : NULL;
    if (!g || g->replaced)
        return;
    forwarder_remove_ingest(s->forwarder, id);
    g->replaced = true;
    if (g->lost)
        server_drop_guest(s, id); /* his last event has come before */
}

/* What those who were fenced off had fed besides. */
static void end_left_over(struct server *s, struct room *room)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct feed *feed = &room->slots[i].feed;
        const struct guest *g = feed->presenter ? server_find_guest(s, feed->presenter) : NULL;
        if (feed->presenter && (!g || g->replaced))
            feed_end(feed);
    }
}

static void begin_feeds(struct room *room, uint32_t id, const struct backend_publication *what,
                        int64_t now_us)
{
    bool video[BACKEND_STREAMS_MAX] = {0}, audio[BACKEND_STREAMS_MAX] = {0};
    for (unsigned i = 0; i < what->n_tracks; i++) {
        if (what->tracks[i].audio)
            audio[what->tracks[i].slot] = true;
        else
            video[what->tracks[i].slot] = true;
    }
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (video[i] || audio[i])
            feed_begin(&room->slots[i].feed, id, video[i], audio[i], now_us);
    }
    for (unsigned i = 0; i < what->n_tracks; i++) {
        const struct backend_publish_track *t = &what->tracks[i];
        const struct backend_publish_info info = {.window_name = t->title,
                                                  .width = -1,
                                                  .height = -1,
                                                  .active = -1,
                                                  .focused = -1,
                                                  .paused = -1};
        if (!t->audio && t->title[0])
            (void)feed_inform(&room->slots[t->slot].feed, &info);
    }
}

static int on_publish_start(void *arg, uint32_t id, const struct backend_publication *what)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, id);
    struct ingest_config config;
    if (!g || !g->presents || !g->room)
        return -ENOENT;
    if (g->started)
        return -EALREADY;
    int err = room_open_streams(g->room);
    if (!err)
        err = fill_config(id, g, what, &config);
    if (err)
        return err;
    for (unsigned i = 0; i < what->n_tracks; i++)
        fence_off(s, g->room, what->tracks[i].slot);
    err = forwarder_add_ingest(s->forwarder, &config);
    if (!err) {
        g->started = true;
        snprintf(g->kind, sizeof(g->kind), "%s", what->kind);
        begin_feeds(g->room, id, what, server_now_us());
    }
    end_left_over(s, g->room);
    room_changed(g->room);
    return err;
}

/* --- while it runs --- */

static void on_publish_info(void *arg, uint32_t id, unsigned slot,
                            const struct backend_publish_info *info)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, id);
    if (!g || !g->presents || !g->started || !g->room || slot >= BACKEND_STREAMS_MAX ||
        g->room->slots[slot].feed.presenter != id)
        return;
    bool news = feed_inform(&g->room->slots[slot].feed, info);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && info->focused > 0; i++) {
        news |= g->room->slots[i].focused != (i == slot);
        g->room->slots[i].focused = i == slot;
    }
    if (info->active > 0)
        look_at(s, id, g); /* it may be there already */
    if (news)
        room_changed(g->room);
}

bool presenters_on_event(struct server *s, const struct forwarder_event *e, const char **reason)
{
    struct guest *g = server_find_guest(s, e->viewer_id);
    if (!g)
        return false;
    if (e->state != VIEWER_CLOSED) {
        look_at(s, e->viewer_id, g);
        return true;
    }
    if (g->replaced)
        *reason = "replaced";
    g->lost_us = server_now_us();
    g->lost = !g->replaced && !g->ended && g->room && lose_feeds(g->room, e->viewer_id, g->lost_us);
    if (!g->lost) {
        forwarder_remove_ingest(s->forwarder, e->viewer_id);
        server_drop_guest(s, e->viewer_id);
    }
    return true;
}

/* --- the end --- */

void presenters_leave(struct server *s, uint32_t id, struct guest *g)
{
    if (g->lost || g->replaced)
        return;
    if (g->started) {
        forwarder_remove_ingest(s->forwarder, id); /* what follows is as if he was lost */
        return;
    }
    forwarder_cancel(s->forwarder, id);
    server_drop_guest(s, id);
}

static void on_publish_end(void *arg, uint32_t id)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, id);
    if (!g || !g->presents)
        return;
    if (!g->started) {
        presenters_leave(s, id, g);
        return;
    }
    if (g->room && !g->replaced)
        end_feeds(g->room, id);
    g->ended = true;
    forwarder_remove_ingest(s->forwarder, id);
    if (g->lost)
        server_drop_guest(s, id);
}

/* Whose last event is still to come stays until then. */
static bool send_away(struct server *s, uint32_t id, struct guest *g)
{
    bool stays = g->started && !g->lost;
    if (g->started)
        forwarder_remove_ingest(s->forwarder, id);
    else
        forwarder_cancel(s->forwarder, id);
    g->room = NULL;
    g->ended = true;
    return stays;
}

void presenters_end_all(struct server *s, const struct room *room)
{
    GHashTableIter i;
    void *id, *guest;
    g_hash_table_iter_init(&i, s->guests);
    while (g_hash_table_iter_next(&i, &id, &guest)) {
        struct guest *g = guest;
        if (!g->presents || !g->room || (room && g->room != room))
            continue;
        if (!send_away(s, GPOINTER_TO_UINT(id), g))
            g_hash_table_iter_remove(&i);
    }
}

static bool has_waited(const struct guest *g, int64_t now_us)
{
    return g->lost && now_us - g->lost_us >= LOST_US;
}

/* A picture of somebody else that is kept for one who shows none there. */
static void give_up_feeds(struct room *room, uint32_t id, int64_t now_us)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct feed *feed = &room->slots[i].feed;
        if (feed->presenter != id || !feed->lost || now_us - feed->lost_us < LOST_US)
            continue;
        feed->arrived = feed->lost = false;
        room_changed(room);
    }
}

void presenters_tick(struct server *s, int64_t now_us)
{
    GHashTableIter i;
    void *id, *guest;
    unsigned asked = 0;
    g_hash_table_iter_init(&i, s->guests);
    while (g_hash_table_iter_next(&i, &id, &guest)) {
        struct guest *g = guest;
        if (!g->presents || !g->started || !g->room)
            continue;
        if (has_waited(g, now_us)) {
            end_feeds(g->room, GPOINTER_TO_UINT(id));
            forwarder_remove_ingest(s->forwarder, GPOINTER_TO_UINT(id));
            g_hash_table_iter_remove(&i);
            continue;
        }
        if (!g->lost && now_us - g->asked_us >= ASK_US && asked++ < ASKED_MAX) {
            look_at(s, GPOINTER_TO_UINT(id), g);
            audience_wish(s, GPOINTER_TO_UINT(id), g, now_us);
        }
        give_up_feeds(g->room, GPOINTER_TO_UINT(id), now_us);
    }
}

void presenters_fill_backend(struct server *s, struct backend *out)
{
    (void)s;
    out->publish_reserve = on_publish_reserve;
    out->publish_slot = on_publish_slot;
    out->publish_start = on_publish_start;
    out->publish_end = on_publish_end;
    out->publish_info = on_publish_info;
}
