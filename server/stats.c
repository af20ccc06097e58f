#include "server/stats_inside.h"

#include "server/fare.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t entries_of(const char *path)
{
    DIR *dir = opendir(path);
    uint64_t n = 0;
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static uint64_t resident_bytes(void)
{
    unsigned long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void take_process(struct stats_process *p)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    p->cpu_us = (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
                (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
    p->rss_bytes = resident_bytes();
    p->threads = entries_of("/proc/self/task");
    p->open_fds = entries_of("/proc/self/fd");
    if (p->open_fds)
        p->open_fds--; /* the one that was reading the folder */
}

static void take_slot(struct stats_slot *out, const struct room_slot *slot, unsigned index)
{
    *out = (struct stats_slot){.index = index};
    source_info(slot->source, &out->info);
    source_stats(slot->source, &out->source);
    out->has_audio = slot->audio != NULL;
    if (!slot->audio)
        return;
    source_audio_info(slot->audio, &out->audio_info);
    source_audio_stats(slot->audio, &out->audio);
}

static int compare_streams(const void *a, const void *b)
{
    const struct forwarder_stream_stats *x = a, *y = b;
    return (x->stream_id > y->stream_id) - (x->stream_id < y->stream_id);
}

const struct forwarder_stream_stats *stats_find_stream(const struct forwarder_stats *f,
                                                       uint32_t stream_id)
{
    const struct forwarder_stream_stats key = {.stream_id = stream_id};
    if (f->n_streams == 0)
        return NULL;
    return bsearch(&key, f->streams, f->n_streams, sizeof(key), compare_streams);
}

static unsigned count_slots(const struct rooms *rooms)
{
    unsigned n = 0;
    for (unsigned i = 0; i < rooms->n; i++) {
        for (unsigned k = 0; k < BACKEND_STREAMS_MAX; k++)
            n += rooms->list[i]->slots[k].source != NULL;
    }
    return n;
}

static int take_rooms(struct stats *out, const struct rooms *rooms, int64_t now_us)
{
    out->rooms = calloc(rooms->n + 1, sizeof(*out->rooms));
    out->slots = calloc(count_slots(rooms) + 1, sizeof(*out->slots));
    if (!out->rooms || !out->slots)
        return -ENOMEM;
    struct stats_slot *slot = out->slots;
    for (unsigned i = 0; i < rooms->n; i++) {
        const struct room *room = rooms->list[i];
        struct stats_room *r = &out->rooms[out->n_rooms++];
        *r = (struct stats_room){.room = room, .age_us = now_us - room->created_us, .slots = slot};
        for (unsigned k = 0; k < BACKEND_STREAMS_MAX; k++) {
            if (!room->slots[k].source)
                continue;
            take_slot(slot, &room->slots[k], k);
            slot->stream = stats_find_stream(&out->forwarder, room->slots[k].video_stream);
            slot++;
        }
        r->n_slots = (unsigned)(slot - r->slots);
    }
    return 0;
}

int stats_take(struct stats *out, const struct stats_config *config)
{
    *out = (struct stats){
        .uptime_us = config->now_us - config->started_us,
        .draining = config->draining,
        .udp_port = forwarder_port(config->forwarder),
        .rooms_opened = config->rooms->n_opened,
        .rooms_idle_end = config->rooms->n_idle_end,
        .denied = *config->denied,
        .guest = config->guest,
        .guest_arg = config->guest_arg,
    };
    take_process(&out->process);
    int err = forwarder_stats(config->forwarder, &out->forwarder);
    if (err)
        return err;
    if (out->forwarder.n_streams > 0)
        qsort(out->forwarder.streams, out->forwarder.n_streams, sizeof(out->forwarder.streams[0]),
              compare_streams);
    return take_rooms(out, config->rooms, config->now_us);
}

void stats_free(struct stats *s)
{
    forwarder_stats_free(&s->forwarder);
    free(s->rooms);
    free(s->slots);
}

/* --- JSON --- */

void stats_set_int(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

void stats_set_real(json_t *o, const char *key, double value)
{
    json_object_set_new(o, key, json_real(value));
}

void stats_set_bool(json_t *o, const char *key, bool value)
{
    json_object_set_new(o, key, json_boolean(value));
}

void stats_set_text(json_t *o, const char *key, const char *value)
{
    json_object_set_new(o, key, json_string(value));
}

void stats_set_percentiles(json_t *o, const char *name, uint64_t p50, uint64_t p99)
{
    char key[64];
    snprintf(key, sizeof(key), "%s_p50", name);
    stats_set_int(o, key, p50);
    snprintf(key, sizeof(key), "%s_p99", name);
    stats_set_int(o, key, p99);
}

static json_t *process_json(const struct stats_process *p)
{
    json_t *o = json_object();
    stats_set_int(o, "cpu_us", p->cpu_us);
    stats_set_int(o, "rss_bytes", p->rss_bytes);
    stats_set_int(o, "threads", p->threads);
    stats_set_int(o, "open_fds", p->open_fds);
    return o;
}

static json_t *http_json(const struct http_counters *h)
{
    json_t *o = json_object();
    stats_set_int(o, "connections", h->connections);
    stats_set_int(o, "joins", h->joins);
    stats_set_int(o, "joins_refused", h->joins_refused);
    stats_set_int(o, "connections_refused", h->connections_refused);
    stats_set_int(o, "address_refused", h->address_refused);
    return o;
}

static json_t *denied_json(const struct stats_denied *d)
{
    json_t *o = json_object();
    stats_set_int(o, "watch_required", d->watch_required);
    stats_set_int(o, "watch_invalid", d->watch_invalid);
    stats_set_int(o, "watch_used", d->watch_used);
    stats_set_int(o, "publish", d->publish);
    return o;
}

static json_t *worker_json(const struct forwarder_worker_stats *w)
{
    json_t *o = json_object();
    stats_set_int(o, "viewers", w->viewers);
    stats_set_int(o, "packets_sent", w->packets_sent);
    stats_set_int(o, "bytes_sent", w->bytes_sent);
    stats_set_int(o, "send_calls", w->send_calls);
    stats_set_int(o, "send_errors", w->send_errors);
    stats_set_int(o, "datagrams_received", w->datagrams_received);
    stats_set_int(o, "datagrams_unknown", w->datagrams_unknown);
    stats_set_int(o, "datagrams_passed_on", w->datagrams_passed_on);
    stats_set_int(o, "frames_dropped", w->frames_dropped);
    stats_set_int(o, "loop_lag_p99_us", w->loop_lag_p99_us);
    stats_set_int(o, "mailbox_high_water", w->mailbox_high_water);
    stats_set_int(o, "tcp_connections", w->tcp_connections);
    stats_set_int(o, "tcp_refused", w->tcp_refused);
    stats_set_int(o, "send_blocked", w->send_blocked);
    stats_set_int(o, "handshakes", w->handshakes);
    stats_set_int(o, "handshakes_waited", w->handshakes_waited);
    stats_set_int(o, "handshakes_deferred", w->handshakes_deferred);
    json_object_set_new(o, "gso", json_boolean(w->gso));
    return o;
}

/* Nothing is sent before there is a viewer: then there is no figure, not a zero. */
static void set_send_delay(json_t *o, const struct forwarder_stream_stats *f)
{
    if (f->capture_to_send_us_p99 != 0) {
        stats_set_percentiles(o, "capture_to_send_us", f->capture_to_send_us_p50,
                              f->capture_to_send_us_p99);
        return;
    }
    json_object_set_new(o, "capture_to_send_us_p50", json_null());
    json_object_set_new(o, "capture_to_send_us_p99", json_null());
}

/* The best layer first, as viewers count them. */
static json_t *layers_json(const struct stats_slot *slot)
{
    json_t *list = json_array();
    for (unsigned i = slot->info.n_layers; i-- > 0;) {
        const struct source_layer_stats *l = &slot->source.layers[i];
        json_t *o = json_object();
        stats_set_int(o, "width", (uint64_t)slot->info.layers[i].width);
        stats_set_int(o, "height", (uint64_t)slot->info.layers[i].height);
        stats_set_real(o, "encode_fps", l->encode_fps);
        stats_set_int(o, "bitrate_bps", l->bitrate_bps);
        stats_set_int(o, "frames_encoded", l->frames_encoded);
        stats_set_int(o, "keyframes", l->keyframes);
        json_object_set_new(o, "encoding", json_boolean(l->wanted));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *audio_json(const struct stats_slot *slot)
{
    json_t *o = json_object();
    stats_set_text(o, "name", slot->audio_info.name);
    stats_set_text(o, "codec", "opus");
    json_object_set_new(o, "live", json_boolean(slot->audio_info.live));
    if (slot->audio_info.end_reason[0])
        stats_set_text(o, "end_reason", slot->audio_info.end_reason);
    stats_set_int(o, "blocks_captured", slot->audio.capture.captured);
    stats_set_int(o, "blocks_dropped", slot->audio.capture.overruns);
    stats_set_int(o, "reanchored", slot->audio.capture.reanchored);
    stats_set_int(o, "frames_encoded", slot->audio.frames_encoded);
    stats_set_int(o, "frames_silent", slot->audio.frames_silent);
    stats_set_int(o, "frames_unheard", slot->audio.frames_unheard);
    stats_set_int(o, "frames_dropped", slot->audio.frames_dropped);
    stats_set_int(o, "bytes_encoded", slot->audio.bytes);
    stats_set_percentiles(o, "encode_us", histogram_percentile(slot->audio.encode_us, 0.5),
                          histogram_percentile(slot->audio.encode_us, 0.99));
    return o;
}

static void set_source(json_t *o, const struct source_stats *source)
{
    stats_set_real(o, "capture_fps", source->capture_fps);
    stats_set_real(o, "encode_fps", source->encode_fps);
    stats_set_int(o, "bitrate_bps", source->bitrate_bps);
    stats_set_int(o, "frames_captured", source->frames_captured);
    stats_set_int(o, "frames_superseded", source->frames_superseded);
    stats_set_int(o, "frames_encoded", source->frames_encoded);
    stats_set_int(o, "frames_dropped", source->frames_dropped);
    stats_set_percentiles(o, "convert_us", histogram_percentile(source->convert_us, 0.5),
                          histogram_percentile(source->convert_us, 0.99));
    stats_set_percentiles(o, "encode_us", histogram_percentile(source->encode_us, 0.5),
                          histogram_percentile(source->encode_us, 0.99));
    stats_set_int(o, "keyframes", source->keyframes);
    stats_set_int(o, "keyframe_requests", source->keyframe_requests);
    stats_set_int(o, "keyframe_requests_coalesced", source->keyframe_requests_coalesced);
}

void stats_set_stream(json_t *o, const struct forwarder_stream_stats *f)
{
    set_send_delay(o, f);
    stats_set_int(o, "joins_from_cache", f->joins_from_cache);
    stats_set_int(o, "joins_waited", f->joins_waited);
    stats_set_int(o, "keyframes_from_cache", f->keyframes_from_cache);
}

static json_t *stream_json(const struct stats_slot *slot)
{
    const struct source_info *info = &slot->info;
    const struct forwarder_stream_stats *f = slot->stream;
    char track[16];
    snprintf(track, sizeof(track), "video%u", slot->index);
    json_t *o = json_object();
    stats_set_text(o, "track_id", track);
    stats_set_text(o, "name", info->name);
    stats_set_text(o, "codec", info->codec);
    stats_set_text(o, "encoder", info->encoder);
    stats_set_int(o, "width", (uint64_t)info->width);
    stats_set_int(o, "height", (uint64_t)info->height);
    json_object_set_new(o, "live", json_boolean(info->live));
    json_object_set_new(o, "paused", json_boolean(info->paused));
    if (info->end_reason[0])
        stats_set_text(o, "end_reason", info->end_reason);
    set_source(o, &slot->source);
    json_object_set_new(o, "layers", layers_json(slot));
    if (slot->has_audio)
        json_object_set_new(o, "audio", audio_json(slot));
    if (f)
        stats_set_stream(o, f);
    return o;
}

/* A figure nobody has measured yet is null, not zero. */
void stats_set_ms(json_t *o, const char *key, int64_t us)
{
    json_object_set_new(o, key, us < 0 ? json_null() : json_real((double)us / 1000));
}

void stats_set_known(json_t *o, const char *key, double value)
{
    json_object_set_new(o, key, value < 0 ? json_null() : json_real(value));
}

void stats_set_count(json_t *o, const char *key, int64_t value)
{
    json_object_set_new(o, key, value < 0 ? json_null() : json_integer(value));
}

/* What only the player can see. */
static void set_report(json_t *o, const struct stats_guest *g)
{
    static const struct backend_viewer_report nothing = {-1, -1, -1, -1, -1};
    const struct backend_viewer_report *r = g->has_report ? &g->report : &nothing;
    stats_set_count(o, "frames_decoded", r->decoded);
    stats_set_count(o, "frames_dropped", r->dropped);
    stats_set_count(o, "freezes", r->freezes);
    stats_set_known(o, "glass_to_glass_ms", r->glass_to_glass_ms);
    stats_set_known(o, "jitter_buffer_ms", r->jitter_buffer_ms);
}

/* null: all of them */
static void set_temporal(json_t *o, uint8_t temporal)
{
    stats_set_count(o, "temporal", temporal == LAYER_ANY ? -1 : temporal);
}

void stats_set_remote(json_t *o, const struct address *remote)
{
    char text[ADDRESS_TEXT_MAX] = "";
    if (address_size(remote))
        address_format(remote, text);
    stats_set_text(o, "remote", text);
    stats_set_text(o, "transport", !text[0] ? "" : address_is_udp(remote) ? "udp" : "tcp");
}

static json_t *viewer_json(const struct forwarder_viewer_stats *v, const struct stats_guest *guest)
{
    char id[16];
    struct fare fare;
    snprintf(id, sizeof(id), "%u", v->id);
    json_t *o = json_object();
    stats_set_text(o, "id", id);
    stats_set_text(o, "state", viewer_state_name(v->state));
    stats_set_text(o, "state_reason", peer_reason_name(v->reason));
    stats_set_real(o, "since_s", (double)v->state_age_us / 1e6);
    stats_set_remote(o, &v->remote);
    stats_set_ms(o, "rtt_ms", v->rtt_us);
    json_object_set_new(o, "loss_percent",
                        v->fraction_lost < 0 ? json_null()
                                             : json_real(v->fraction_lost * 100.0 / 256));
    stats_set_ms(o, "jitter_ms", v->jitter_us);
    stats_set_int(o, "sent_bps", v->sent_bps);
    stats_set_count(o, "target_bps", v->target_bps);
    stats_set_count(o, "estimate_bps", v->estimate_bps);
    stats_set_ms(o, "queue_ms", v->queue_us);
    json_object_set_new(o, "narrow", json_boolean(v->narrow));
    stats_set_text(o, "mode", layer_mode_name(v->mode));
    stats_set_int(o, "layer", v->layer);
    set_temporal(o, v->temporal);
    stats_set_int(o, "packets_sent", v->counters.packets_sent);
    stats_set_int(o, "bytes_sent", v->counters.bytes_sent);
    stats_set_int(o, "frames_sent", v->counters.frames_sent);
    stats_set_int(o, "nacks", v->counters.nacks);
    stats_set_int(o, "resent", v->counters.resent);
    stats_set_int(o, "resend_misses", v->counters.resend_misses);
    stats_set_int(o, "resend_limited", v->counters.resend_limited);
    stats_set_int(o, "plis", v->counters.plis);
    stats_set_int(o, "firs", v->counters.firs);
    stats_set_int(o, "keyframe_jumps", v->counters.keyframe_jumps);
    stats_set_int(o, "bad_rtcp", v->counters.bad_rtcp);
    stats_set_int(o, "keyframes_from_cache", v->counters.keyframes_from_cache);
    stats_set_int(o, "layer_switches", v->counters.layer_switches);
    stats_set_int(o, "frames_skipped", v->counters.frames_skipped);
    stats_set_int(o, "audio_sent", v->counters.audio_sent);
    stats_set_int(o, "audio_rode", v->counters.audio_rode);
    stats_set_int(o, "audio_repeated", v->counters.audio_repeated);
    json_object_set_new(o, "unsupported_codec", json_boolean(v->unsupported_codec));
    stats_set_ms(o, "first_frame_ms", v->first_frame_us);
    set_report(o, guest);
    fare_judge(&fare, v, guest->has_report ? &guest->report : NULL);
    stats_set_text(o, "trouble", fare.code);
    stats_set_text(o, "trouble_words", fare.words);
    return o;
}

static json_t *decision_json(const struct viewer_decision *d)
{
    json_t *o = json_object();
    stats_set_int(o, "at_ms", d->at_ms);
    stats_set_text(o, "why", viewer_why_name((enum viewer_why)d->why));
    stats_set_int(o, "target_bps", d->target_kbps * UINT64_C(1000));
    stats_set_int(o, "queue_ms", d->queue_ms);
    if (d->track == VIEWER_TRACKS_MAX) /* of the path */
        return o;
    stats_set_int(o, "track", d->track);
    stats_set_text(o, "mode", layer_mode_name((enum layer_mode)d->mode));
    stats_set_int(o, "layer", d->layer);
    set_temporal(o, d->temporal);
    return o;
}

void stats_find_guest(const struct stats *s, uint32_t viewer_id, struct stats_guest *out)
{
    *out = (struct stats_guest){0};
    if (s->guest && !s->guest(s->guest_arg, viewer_id, out))
        *out = (struct stats_guest){0};
}

static json_t *decisions_json(const struct viewer_decision *decisions, int n_decisions)
{
    json_t *list = json_array();
    for (int i = 0; i < n_decisions; i++)
        json_array_append_new(list, decision_json(&decisions[i]));
    return list;
}

char *stats_decisions_json(const struct viewer_decision *decisions, int n_decisions)
{
    json_t *list = decisions_json(decisions, n_decisions);
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

char *stats_viewer_json(const struct stats *s, uint32_t viewer_id,
                        const struct viewer_decision *decisions, int n_decisions)
{
    const struct forwarder_viewer_stats *v = NULL;
    for (unsigned i = 0; !v && i < s->forwarder.n_viewers; i++) {
        if (s->forwarder.viewers[i].id == viewer_id)
            v = &s->forwarder.viewers[i];
    }
    if (!v)
        return NULL;
    struct stats_guest guest;
    stats_find_guest(s, viewer_id, &guest);
    json_t *o = viewer_json(v, &guest);
    if (guest.room)
        stats_set_text(o, "room", guest.room->code);
    json_object_set_new(o, "decisions", decisions_json(decisions, n_decisions));
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(o);
    return text;
}

static json_t *room_json(const struct stats *s, const struct stats_room *r)
{
    json_t *o = json_object(), *streams = json_array();
    stats_set_text(o, "room", r->room->code);
    stats_set_real(o, "uptime_s", (double)r->age_us / 1e6);
    stats_set_int(o, "viewers", r->room->viewers);
    stats_set_int(o, "viewers_peak", r->room->viewers_peak);
    stats_set_bool(o, "password_required", r->room->rights.password[0] != '\0');
    stats_set_bool(o, "reconnecting", room_is_reconnecting(r->room));
    for (unsigned i = 0; i < r->n_slots; i++)
        json_array_append_new(streams, stream_json(&r->slots[i]));
    stats_list_feeds(s, r->room, streams);
    json_object_set_new(o, "streams", streams);
    return o;
}

/* Each viewer into the list of its room. */
static void list_viewers(const struct stats *s, json_t *rooms)
{
    GHashTable *lists = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; i < s->n_rooms; i++) {
        json_t *list = json_array();
        json_object_set_new(json_array_get(rooms, i), "viewers_list", list);
        g_hash_table_insert(lists, (void *)s->rooms[i].room, list);
    }
    for (unsigned i = 0; i < s->forwarder.n_viewers; i++) {
        struct stats_guest guest;
        stats_find_guest(s, s->forwarder.viewers[i].id, &guest);
        json_t *list = guest.room ? g_hash_table_lookup(lists, guest.room) : NULL;
        if (list)
            json_array_append_new(list, viewer_json(&s->forwarder.viewers[i], &guest));
    }
    g_hash_table_destroy(lists);
}

static json_t *rooms_json(const struct stats *s, bool with_viewers)
{
    json_t *rooms = json_array();
    for (unsigned i = 0; i < s->n_rooms; i++)
        json_array_append_new(rooms, room_json(s, &s->rooms[i]));
    stats_list_presenters(s, rooms);
    if (with_viewers)
        list_viewers(s, rooms);
    return rooms;
}

char *stats_json(const struct stats *s, bool with_viewers)
{
    json_t *root = json_object(), *workers = json_array();
    char node[64] = "";
    gethostname(node, sizeof(node) - 1);
    stats_set_text(root, "version", AMPHI_VERSION);
    stats_set_real(root, "uptime_s", (double)s->uptime_us / 1e6);
    stats_set_text(root, "node", node);
    stats_set_int(root, "udp_port", s->udp_port);
    stats_set_bool(root, "draining", s->draining);
    json_object_set_new(root, "process", process_json(&s->process));
    json_object_set_new(root, "http", http_json(&s->http));
    for (unsigned i = 0; i < s->forwarder.n_workers; i++)
        json_array_append_new(workers, worker_json(&s->forwarder.workers[i]));
    json_object_set_new(root, "workers", workers);
    json_object_set_new(root, "denied", denied_json(&s->denied));
    stats_set_int(root, "rooms_opened", s->rooms_opened);
    stats_set_int(root, "rooms_ended_idle", s->rooms_idle_end);
    json_object_set_new(root, "rooms", rooms_json(s, with_viewers));
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(root);
    return text;
}
