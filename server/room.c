#include "server/room.h"

#include <assert.h>
#include <stdio.h>
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

void room_init(struct room *r, const char *code, int64_t now_us)
{
    *r = (struct room){.created_us = now_us};
    snprintf(r->code, sizeof(r->code), "%s", code);
}

void room_finish(struct room *r)
{
    for (unsigned i = 0; i < r->n_sources; i++)
        source_close(r->sources[i]);
    r->n_sources = 0;
}

void room_viewer_added(struct room *r)
{
    r->viewers++;
    if (r->viewers > r->viewers_peak)
        r->viewers_peak = r->viewers;
}

void room_viewer_removed(struct room *r)
{
    assert(r->viewers > 0);
    r->viewers--;
}

/* `index` is the source's place in the room: a track keeps its name when another one ends. */
static void describe_stream(const struct source_info *info, unsigned index,
                            struct backend_stream *out)
{
    *out = (struct backend_stream){
        .width = info->width,
        .height = info->height,
        .codec = BACKEND_H264,
        .n_layers = 1,
        .layers = {{.width = info->width, .height = info->height}},
    };
    snprintf(out->end_reason, sizeof(out->end_reason), "%s", info->end_reason);
    snprintf(out->track_id, sizeof(out->track_id), "video%u", index);
    snprintf(out->window_name, sizeof(out->window_name), "%s", info->name);
    snprintf(out->app_name, sizeof(out->app_name), "%s", info->kind);
    memcpy(out->h264_profile, info->h264_profile, sizeof(out->h264_profile));
}

void room_describe(const struct room *r, struct backend_room *out,
                   uint32_t stream_ids[BACKEND_STREAMS_MAX])
{
    *out = (struct backend_room){.viewers = r->viewers, .live = true, .presenter = true};
    memcpy(out->code, r->code, sizeof(out->code));
    if (stream_ids)
        memset(stream_ids, 0, BACKEND_STREAMS_MAX * sizeof(stream_ids[0]));
    for (unsigned i = 0; i < r->n_sources; i++) {
        struct source_info info;
        source_info(r->sources[i], &info);
        describe_stream(&info, i, &out->streams[i]);
        if (info.end_reason[0])
            continue;
        out->live = out->live && info.live;
        out->streams[i].active = true;
        out->streams[i].is_focused = out->n_streams == 0;
        if (stream_ids)
            stream_ids[i] = info.stream_id;
        out->n_streams++;
    }
    out->live = out->live && out->n_streams > 0;
}
