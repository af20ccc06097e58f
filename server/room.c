#include "server/room.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const adjectives[] = {
    "AMBER",  "BOLD",   "BRAVE",  "BRIGHT", "BRISK", "CALM",   "CLEAR",  "CLEVER",
    "COSMIC", "CRISP",  "DARING", "EAGER",  "EARLY", "EASY",   "FAIR",   "FANCY",
    "FINE",   "FLEET",  "FRESH",  "GENTLE", "GLAD",  "GOLDEN", "GRAND",  "GREEN",
    "HAPPY",  "HONEST", "JOLLY",  "KEEN",   "KIND",  "LIGHT",  "LIVELY", "LOYAL",
    "LUCKY",  "MELLOW", "MERRY",  "MIGHTY", "NEAT",  "NIMBLE", "NOBLE",  "PLAIN",
    "PROUD",  "QUICK",  "QUIET",  "RAPID",  "READY", "ROYAL",  "SHARP",  "SHINY",
    "SILVER", "SMART",  "SMOOTH", "SNUG",   "SOLID", "SPRY",   "STEADY", "SUNNY",
    "SWIFT",  "TIDY",   "TRUE",   "VIVID",  "WARM",  "WILD",   "WISE",   "ZESTY",
};
static const char *const nouns[] = {
    "ANCHOR",   "APPLE",   "ARROW",   "BADGER", "BEACON", "BIRCH",   "BREEZE", "BRIDGE",
    "BROOK",    "CANYON",  "CASTLE",  "CEDAR",  "CLOUD",  "COMET",   "CORAL",  "CRANE",
    "DELTA",    "DRAGON",  "EAGLE",   "EMBER",  "FALCON", "FERN",    "FINCH",  "FOREST",
    "FOX",      "GARDEN",  "GLACIER", "HARBOR", "HAWK",   "HERON",   "HILL",   "ISLAND",
    "LAGOON",   "LANTERN", "LARK",    "LION",   "LOTUS",  "MAPLE",   "MEADOW", "MOON",
    "MOUNTAIN", "OCEAN",   "ORCHID",  "OTTER",  "OWL",    "PANDA",   "PEARL",  "PINE",
    "PLANET",   "RAVEN",   "RIVER",   "ROBIN",  "SAIL",   "SPARROW", "SPRING", "STAR",
    "STONE",    "STORM",   "SUMMIT",  "TIGER",  "TULIP",  "VALLEY",  "WAVE",   "WILLOW",
};

enum {
    N_ADJECTIVES = sizeof(adjectives) / sizeof(adjectives[0]),
    N_NOUNS = sizeof(nouns) / sizeof(nouns[0]),
};

void room_make_code(char out[BACKEND_ROOM_MAX], uint64_t random)
{
    unsigned a = (unsigned)(random % N_ADJECTIVES);
    unsigned n = (unsigned)(random / N_ADJECTIVES % N_NOUNS);
    unsigned number = (unsigned)(random / N_ADJECTIVES / N_NOUNS % 1000);
    snprintf(out, BACKEND_ROOM_MAX, "%s-%s-%03u", adjectives[a], nouns[n], number);
}

void room_init(struct room *r, const struct room_config *config, int64_t now_us)
{
    *r = (struct room){
        .created_us = now_us,
        .used_us = now_us,
        .forwarder = config->forwarder,
        .max_viewers = config->max_viewers,
        .wake = config->wake,
        .wake_arg = config->wake_arg,
    };
    snprintf(r->code, sizeof(r->code), "%s", config->code);
}

static void empty_slot(struct room_slot *slot)
{
    source_close(slot->source);
    source_audio_close(slot->audio);
    source_opening_abandon(slot->opening);
    free(slot->media);
    *slot =
        (struct room_slot){.video_stream = slot->video_stream, .audio_stream = slot->audio_stream};
}

static void remove_streams(struct room *r)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct room_slot *slot = &r->slots[i];
        if (slot->video_stream)
            forwarder_remove_stream(r->forwarder, slot->video_stream);
        if (slot->audio_stream)
            forwarder_remove_stream(r->forwarder, slot->audio_stream);
        slot->video_stream = slot->audio_stream = 0;
    }
}

void room_finish(struct room *r)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        empty_slot(&r->slots[i]);
    remove_streams(r);
}

/* Of all its slots at once, so that a viewer of the first one has tracks for all. */
int room_open_streams(struct room *r)
{
    int err = 0;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && !r->has_streams && !err; i++) {
        struct room_slot *slot = &r->slots[i];
        err = forwarder_add_stream(r->forwarder, FORWARDER_VIDEO, FORWARDER_LAYERS_MAX,
                                   &slot->video_stream);
        if (!err)
            err = forwarder_add_stream(r->forwarder, FORWARDER_AUDIO, 1, &slot->audio_stream);
    }
    if (err)
        remove_streams(r);
    r->has_streams = !err;
    return err;
}

void room_changed(struct room *r)
{
    atomic_store(&r->changed, true);
    if (r->wake)
        r->wake(r->wake_arg);
}

/* Threads of the sources. */
static void on_source_change(void *arg)
{
    room_changed(arg);
}

bool room_take_change(struct room *r)
{
    return atomic_load_explicit(&r->changed, memory_order_relaxed) &&
           atomic_exchange(&r->changed, false);
}

/* --- sources --- */

static const char *text_or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static struct source_config source_config(struct room *r, const struct room_slot *slot,
                                          const struct media *m)
{
    return (struct source_config){
        .kind = m->video.kind,
        .arg = text_or_null(m->video.arg),
        .encoder = text_or_null(m->coding.encoder),
        .codec = m->coding.codec,
        .rate = m->coding.rate,
        .n_layers = m->coding.layers,
        .temporal_layers = m->coding.temporal_layers,
        .effort = m->coding.effort,
        .forwarder = r->forwarder,
        .stream_id = slot->video_stream,
        .on_change = on_source_change,
        .on_change_arg = r,
    };
}

static struct source_audio_config audio_config(struct room *r, const struct room_slot *slot,
                                               const struct media *m)
{
    return (struct source_audio_config){
        .kind = text_or_null(m->audio.kind),
        .arg = text_or_null(m->audio.arg),
        .coding = m->coding.sound,
        .forwarder = r->forwarder,
        .stream_id = slot->audio_stream,
        .on_change = on_source_change,
        .on_change_arg = r,
    };
}

static int start_slot(struct room_slot *slot)
{
    int err = source_start(slot->source);
    if (!err && slot->audio)
        err = source_audio_start(slot->audio);
    return err;
}

static bool is_taken(const struct room *r, unsigned slot)
{
    return room_is_native(r, slot) || r->slots[slot].feed.presenter;
}

int room_keep_slot(struct room *r, unsigned *slot, char *error, size_t error_size)
{
    unsigned i = 0;
    while (i < BACKEND_STREAMS_MAX && is_taken(r, i))
        i++;
    if (i == BACKEND_STREAMS_MAX) {
        snprintf(error, error_size, "the room has %d streams already", BACKEND_STREAMS_MAX);
        return -ENOSPC;
    }
    snprintf(error, error_size, "there is no memory for more streams");
    int err = room_open_streams(r);
    if (err)
        return err;
    r->slots[i].kept = true;
    *slot = i;
    return 0;
}

void room_free_slot(struct room *r, unsigned slot)
{
    r->slots[slot].kept = false;
}

void room_opening_config(struct room *r, unsigned slot, struct media *media,
                         struct source_opening_config *out)
{
    *out = (struct source_opening_config){
        .media = media,
        .video = source_config(r, &r->slots[slot], media),
        .audio = audio_config(r, &r->slots[slot], media),
    };
}

int room_fill_slot(struct room *r, unsigned slot, struct opened *opened, char *error,
                   size_t error_size)
{
    struct room_slot *s = &r->slots[slot];
    assert(s->kept && !s->source);
    s->kept = false;
    s->source = opened->source;
    s->audio = opened->audio;
    s->media = opened->media;
    s->has_audio = s->audio != NULL;
    int err = r->started ? start_slot(s) : 0;
    if (!err)
        return 0;
    snprintf(error, error_size, "cannot start its threads: %s", strerror(-err));
    empty_slot(s);
    return err;
}

int room_add_source(struct room *r, const struct media *media, unsigned *slot, char *error,
                    size_t error_size)
{
    struct source_opening_config config;
    struct opened opened;
    unsigned i;
    int err = room_keep_slot(r, &i, error, error_size);
    if (err)
        return err;
    struct media *copy = malloc(sizeof(*copy));
    if (!copy) {
        room_free_slot(r, i);
        return -ENOMEM;
    }
    *copy = *media;
    room_opening_config(r, i, copy, &config);
    err = source_open_all(&opened, &config, error, error_size);
    if (err)
        room_free_slot(r, i);
    else
        err = room_fill_slot(r, i, &opened, error, error_size);
    if (!err)
        *slot = i;
    return err;
}

int room_remove_source(struct room *r, unsigned slot)
{
    if (slot >= BACKEND_STREAMS_MAX || !r->slots[slot].source)
        return -ENOENT;
    empty_slot(&r->slots[slot]);
    return 0;
}

int room_start(struct room *r)
{
    int err = 0;
    r->started = true;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && !err; i++) {
        if (r->slots[i].source)
            err = start_slot(&r->slots[i]);
    }
    return err;
}

static void end_audio(struct room_slot *slot, const char *reason, int64_t now_us)
{
    snprintf(slot->audio_reason, sizeof(slot->audio_reason), "%s", reason);
    source_audio_close(slot->audio);
    slot->audio = NULL;
    slot->audio_retry_us = now_us + ROOM_AUDIO_RETRY_US;
}

static void begin_audio(struct room *r, struct room_slot *slot, int64_t now_us)
{
    slot->audio_retry_us = now_us + ROOM_AUDIO_RETRY_US;
    struct media *copy = malloc(sizeof(*copy)); /* the slot may be emptied meanwhile */
    if (!copy)
        return;
    *copy = *slot->media;
    const struct source_opening_config config = {
        .media = copy,
        .audio = audio_config(r, slot, copy),
    };
    if (source_opening_begin(&slot->opening, &config) != 0)
        slot->opening = NULL;
}

static void take_audio(struct room_slot *slot, int64_t now_us)
{
    struct opened opened;
    int err =
        source_opening_take(slot->opening, &opened, slot->audio_reason, sizeof(slot->audio_reason));
    if (err == -EINPROGRESS)
        return;
    free(opened.media);
    slot->audio = opened.audio;
    slot->opening = NULL;
    slot->audio_retry_us = now_us + ROOM_AUDIO_RETRY_US;
    if (!err && source_audio_start(slot->audio) != 0)
        end_audio(slot, "cannot start its threads", now_us);
}

/* Sound that ended by itself and may return is closed, and opened again when its time has come, on
 * a thread of its own: its server may be what hangs. */
static void tick_audio(struct room *r, struct room_slot *slot, int64_t now_us)
{
    struct source_audio_info info;
    if (slot->audio) {
        source_audio_info(slot->audio, &info);
        if (info.end_reason[0] && info.may_return)
            end_audio(slot, info.end_reason, now_us);
    } else if (slot->opening) {
        take_audio(slot, now_us);
    } else if (now_us >= slot->audio_retry_us) {
        begin_audio(r, slot, now_us);
    }
}

void room_tick(struct room *r, int64_t now_us)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (r->slots[i].has_audio)
            tick_audio(r, &r->slots[i], now_us);
    }
    if (!room_is_empty(r))
        r->used_us = now_us;
}

bool room_is_empty(const struct room *r)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (r->slots[i].source || r->slots[i].feed.presenter)
            return false;
    }
    return true;
}

bool room_is_native(const struct room *r, unsigned slot)
{
    return r->slots[slot].source || r->slots[slot].kept;
}

bool room_is_reconnecting(const struct room *r)
{
    bool is = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        is |= feed_is_shown(&r->slots[i].feed) && r->slots[i].feed.lost;
    return is;
}

bool room_has_sound(const struct room *r, unsigned slot)
{
    const struct room_slot *s = &r->slots[slot];
    return s->source ? s->has_audio : s->feed.has_audio;
}

/* Signaling counts layers from the best one, the forwarder from the smallest. */
int room_layer(const struct room *r, unsigned slot, int layer)
{
    struct source_info info;
    const struct room_slot *s = &r->slots[slot];
    if (layer < 0 || !s->source)
        return layer < 0 ? -1 : feed_layer(&s->feed, layer);
    source_info(s->source, &info);
    int n = (int)info.n_layers;
    return layer < n ? n - 1 - layer : 0;
}

/* --- what is known of it --- */

bool room_is_full(const struct room *r)
{
    return r->max_viewers > 0 && r->seats >= r->max_viewers;
}

void room_seat_taken(struct room *r)
{
    r->seats++;
}

void room_viewer_added(struct room *r)
{
    r->viewers++;
    if (r->viewers > r->viewers_peak)
        r->viewers_peak = r->viewers;
}

void room_viewer_left(struct room *r, bool started)
{
    assert(r->seats > 0 && (!started || r->viewers > 0));
    r->seats--;
    r->viewers -= started;
}

/* The best layer first, as signaling counts them. */
static void describe_layers(const struct source_info *info, const struct source_stats *stats,
                            struct backend_stream *out)
{
    out->n_layers = info->n_layers;
    for (unsigned i = 0; i < info->n_layers; i++) {
        unsigned from = info->n_layers - 1 - i;
        out->layers[i].width = info->layers[from].width;
        out->layers[i].height = info->layers[from].height;
        out->layers[i].bitrate_bps = (uint32_t)stats->layers[from].bitrate_bps;
    }
}

/* Whichever ended: of the picture rather than of the sound. */
static void describe_end(const struct room_slot *slot, const struct source_info *info,
                         struct backend_stream *out)
{
    snprintf(out->end_reason, sizeof(out->end_reason), "%s", info->end_reason);
    if (!info->end_reason[0] && slot->has_audio && !slot->audio && slot->audio_reason[0])
        snprintf(out->end_reason, sizeof(out->end_reason), "no sound: %.140s", slot->audio_reason);
}

static void describe_slot(const struct room_slot *slot, unsigned index, struct source_info *info,
                          struct backend_stream *out)
{
    struct source_stats stats;
    source_info(slot->source, info);
    source_stats(slot->source, &stats);
    *out = (struct backend_stream){
        .active = true,
        .has_audio = slot->has_audio,
        .paused = info->paused,
        .width = info->width,
        .height = info->height,
        .codec = (enum backend_codec)info->coding,
    };
    snprintf(out->track_id, sizeof(out->track_id), "video%u", index);
    snprintf(out->window_name, sizeof(out->window_name), "%s",
             slot->title[0] ? slot->title : info->name);
    snprintf(out->app_name, sizeof(out->app_name), "%s", slot->app[0] ? slot->app : info->kind);
    memcpy(out->h264_profile, info->h264_profile, sizeof(out->h264_profile));
    describe_layers(info, &stats, out);
    describe_end(slot, info, out);
}

void room_describe(const struct room *r, struct backend_room *out)
{
    *out = (struct backend_room){.viewers = r->viewers};
    memcpy(out->code, r->code, sizeof(out->code));
    memcpy(out->title, r->title, sizeof(out->title));
    out->password_required = r->rights.password[0] != '\0';
    unsigned n_live = 0, first = BACKEND_STREAMS_MAX;
    bool any_focused = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *slot = &r->slots[i];
        struct source_info info = {.live = true};
        out->presenter |= slot->source || slot->feed.presenter;
        if (slot->source)
            describe_slot(slot, i, &info, &out->streams[i]);
        else if (feed_is_shown(&slot->feed))
            feed_describe(&slot->feed, i, &out->streams[i]);
        if (!out->streams[i].active)
            continue;
        out->streams[i].is_focused = slot->focused;
        out->n_streams++;
        first = i < first ? i : first;
        any_focused |= slot->focused;
        n_live += info.live;
    }
    out->live = n_live > 0;
    out->reconnecting = room_is_reconnecting(r);
    if (!any_focused && first < BACKEND_STREAMS_MAX)
        out->streams[first].is_focused = true;
}
