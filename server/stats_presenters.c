#include "server/stats_inside.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const codec_names[PAYLOAD_CODECS] = {
    [PAYLOAD_H264] = "h264", [PAYLOAD_VP8] = "vp8",   [PAYLOAD_VP9] = "vp9",
    [PAYLOAD_AV1] = "av1",   [PAYLOAD_OPUS] = "opus",
};

/* "": nothing has come that has one. */
static const char *name_of(unsigned codec)
{
    return codec < PAYLOAD_CODECS && codec_names[codec] ? codec_names[codec] : "";
}

/* --- streams of a room that are not its own --- */

static json_t *feed_layers_json(const struct feed *f)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < f->n_layers; i++) {
        json_t *o = json_object();
        stats_set_int(o, "width", (uint64_t)f->layers[i].width);
        stats_set_int(o, "height", (uint64_t)f->layers[i].height);
        stats_set_int(o, "bitrate_bps", f->layers[i].bitrate_bps);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *feed_json(const struct stats *s, const struct room_slot *slot, unsigned index)
{
    const struct feed *f = &slot->feed;
    const struct forwarder_stream_stats *stream =
        stats_find_stream(&s->forwarder, slot->video_stream);
    struct backend_stream about;
    char id[16];
    feed_describe(f, index, &about);
    snprintf(id, sizeof(id), "%u", f->presenter);
    json_t *o = json_object();
    stats_set_text(o, "track_id", about.track_id);
    stats_set_text(o, "publisher", id);
    stats_set_text(o, "name", about.window_name);
    stats_set_text(o, "codec", f->has_video ? name_of(f->codec) : "opus");
    stats_set_int(o, "width", (uint64_t)about.width);
    stats_set_int(o, "height", (uint64_t)about.height);
    stats_set_bool(o, "live", !f->lost);
    stats_set_bool(o, "paused", f->paused);
    if (about.end_reason[0])
        stats_set_text(o, "end_reason", about.end_reason);
    stats_set_real(o, "encode_fps", f->lost ? 0 : f->fps);
    stats_set_int(o, "bitrate_bps", f->n_layers && !f->lost ? f->layers[0].bitrate_bps : 0);
    json_object_set_new(o, "layers", feed_layers_json(f));
    if (stream)
        stats_set_stream(o, stream);
    return o;
}

void stats_list_feeds(const struct stats *s, const struct room *room, json_t *streams)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *slot = &room->slots[i];
        if (!slot->source && feed_is_shown(&slot->feed))
            json_array_append_new(streams, feed_json(s, slot, i));
    }
}

/* --- who sends them --- */

static json_t *layer_json(const struct ingest_layer_info *l)
{
    json_t *o = json_object();
    stats_set_text(o, "rid", l->rid);
    stats_set_text(o, "codec", name_of(l->codec));
    stats_set_int(o, "width", l->width);
    stats_set_int(o, "height", l->height);
    stats_set_bool(o, "active", l->active);
    stats_set_bool(o, "live", l->live);
    stats_set_bool(o, "watched", l->watched);
    stats_set_int(o, "bitrate_bps", l->bps);
    stats_set_int(o, "packets", l->packets);
    stats_set_int(o, "bytes", l->bytes);
    stats_set_int(o, "missing", l->missing);
    stats_set_int(o, "recovered", l->recovered);
    stats_set_int(o, "lost", l->lost);
    stats_set_int(o, "nacks", l->nacks);
    stats_set_int(o, "plis", l->plis);
    stats_set_int(o, "frames", l->frames);
    stats_set_int(o, "keyframes", l->keyframes);
    stats_set_int(o, "frames_dropped", l->frames_dropped);
    stats_set_ms(o, "jitter_ms", l->jitter_us);
    stats_set_known(o, "loss_percent", l->fraction_lost * 100.0 / 256);
    stats_set_percentiles(o, "added_delay_us", l->delay_us_p50, l->delay_us_p99);
    return o;
}

/* By its slot: "video0", "audio0". */
static void set_track_id(json_t *o, const struct room *room, const struct ingest_track_info *t)
{
    char id[16];
    bool audio = t->kind == FORWARDER_AUDIO;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *slot = &room->slots[i];
        if (t->stream_id != (audio ? slot->audio_stream : slot->video_stream))
            continue;
        snprintf(id, sizeof(id), "%s%u", audio ? "audio" : "video", i);
        stats_set_text(o, "track_id", id);
    }
}

/* The best layer first, as viewers count them; of those only that came. */
static json_t *track_json(const struct room *room, const struct ingest_track_info *t)
{
    json_t *o = json_object(), *layers = json_array();
    set_track_id(o, room, t);
    for (unsigned i = t->n_layers; i-- > 0;) {
        if (t->layers[i].known)
            json_array_append_new(layers, layer_json(&t->layers[i]));
    }
    json_object_set_new(o, "layers", layers);
    return o;
}

static void set_sums(json_t *o, const struct forwarder_ingest_stats *p)
{
    uint64_t bps = 0;
    int lost = -1;
    for (unsigned i = 0; i < p->n_tracks; i++) {
        for (unsigned k = 0; k < p->tracks[i].n_layers; k++) {
            const struct ingest_layer_info *l = &p->tracks[i].layers[k];
            if (!l->known)
                continue;
            bps += l->bps;
            lost = l->fraction_lost > lost ? l->fraction_lost : lost;
        }
    }
    stats_set_int(o, "bitrate_bps", bps);
    stats_set_known(o, "loss_percent", lost * 100.0 / 256); /* of the worst layer */
}

static void set_counters(json_t *o, const struct ingest_counters *c)
{
    stats_set_int(o, "packets", c->packets);
    stats_set_int(o, "bytes", c->bytes);
    stats_set_int(o, "unknown", c->unknown);
    stats_set_int(o, "malformed", c->malformed);
    stats_set_int(o, "padding", c->padding);
    stats_set_int(o, "duplicates", c->duplicates);
    stats_set_int(o, "late", c->late);
    stats_set_int(o, "overflows", c->overflows);
    stats_set_int(o, "rtx", c->rtx);
    stats_set_int(o, "nacks", c->nacks);
    stats_set_int(o, "plis", c->plis);
    stats_set_int(o, "feedback", c->feedback);
    stats_set_int(o, "bad_rtcp", c->bad_rtcp);
    stats_set_int(o, "no_frames", c->no_frames);
}

static json_t *presenter_json(const struct forwarder_ingest_stats *p, const struct stats_guest *g)
{
    char id[16];
    json_t *o = json_object(), *tracks = json_array();
    snprintf(id, sizeof(id), "%u", p->id);
    stats_set_text(o, "id", id);
    stats_set_text(o, "kind", g->kind ? g->kind : "");
    stats_set_text(o, "state", ingest_state_name(p->state));
    stats_set_text(o, "state_reason", peer_reason_name(p->reason));
    stats_set_real(o, "since_s", (double)p->state_age_us / 1e6);
    stats_set_real(o, "uptime_s", (double)p->age_us / 1e6);
    stats_set_remote(o, &p->remote);
    stats_set_ms(o, "rtt_ms", p->rtt_us);
    set_sums(o, p);
    stats_set_count(o, "limit_bps", p->remb_bps ? (int64_t)p->remb_bps : -1);
    set_counters(o, &p->counters);
    for (unsigned i = 0; i < p->n_tracks; i++)
        json_array_append_new(tracks, track_json(g->room, &p->tracks[i]));
    json_object_set_new(o, "tracks", tracks);
    return o;
}

void stats_list_presenters(const struct stats *s, json_t *rooms)
{
    GHashTable *lists = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; i < s->n_rooms; i++) {
        json_t *list = json_array();
        json_object_set_new(json_array_get(rooms, i), "publishers", list);
        g_hash_table_insert(lists, (void *)s->rooms[i].room, list);
    }
    for (unsigned i = 0; i < s->forwarder.n_ingests; i++) {
        struct stats_guest guest;
        stats_find_guest(s, s->forwarder.ingests[i].id, &guest);
        json_t *list = guest.room ? g_hash_table_lookup(lists, guest.room) : NULL;
        if (list)
            json_array_append_new(list, presenter_json(&s->forwarder.ingests[i], &guest));
    }
    g_hash_table_destroy(lists);
}
