#include "server/fare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOSS_PERCENT 5
#define QUEUE_US 300000
#define DROPPED_PERCENT 10
#define SHOWN_MIN 300   /* pictures, before how many were dropped says anything */
#define MOST_PERCENT 90 /* of what paths take */
#define MOST_AUDIO_BPS 110000
#define MOST_MIN_BPS 150000 /* less is no picture */
#define MOST_MAX_BPS 40000000
#define RAISE_PERCENT 130
#define SAME_PERCENT 15
#define UNLIMITED_BPS 1000000000 /* more than any picture takes */

static int loss_percent(const struct forwarder_viewer_stats *v)
{
    return v->fraction_lost < 0 ? 0 : v->fraction_lost * 100 / 256;
}

/* 0 where too little is known. */
static int dropped_percent(const struct backend_viewer_report *r)
{
    int64_t all = r && r->decoded >= 0 && r->dropped >= 0 ? r->decoded + r->dropped : 0;
    return all >= SHOWN_MIN ? (int)(r->dropped * 100 / all) : 0;
}

static void poor(struct fare *out, unsigned weight, const char *code)
{
    out->level = FARE_POOR;
    out->weight = weight;
    out->code = code;
}

/* The worst first. */
static void judge_playing(struct fare *out, const struct forwarder_viewer_stats *v,
                          const struct backend_viewer_report *report)
{
    int loss = loss_percent(v), dropped = dropped_percent(report);
    if (v->unsupported_codec) {
        snprintf(out->words, sizeof(out->words), "a viewer's browser cannot decode this codec");
        poor(out, 1000, "no-common-codec");
    } else if (v->mode == LAYER_AUDIO) {
        snprintf(out->words, sizeof(out->words), "a viewer's network takes only the sound");
        poor(out, 900, "network-too-slow");
    } else if (v->mode == LAYER_SLIDES) {
        snprintf(out->words, sizeof(out->words), "a viewer's network takes a picture now and then");
        poor(out, 800, "network-too-slow");
    } else if (loss >= LOSS_PERCENT) {
        snprintf(out->words, sizeof(out->words), "a viewer's network loses %d %% of the packets",
                 loss);
        poor(out, 600 + (unsigned)loss, "packet-loss");
    } else if (dropped >= DROPPED_PERCENT) {
        snprintf(out->words, sizeof(out->words),
                 "a viewer's device is too slow: it drops %d %% of the pictures", dropped);
        poor(out, 400 + (unsigned)dropped, "decoder-too-slow");
    } else if (v->queue_us >= QUEUE_US) {
        snprintf(out->words, sizeof(out->words),
                 "a viewer's network is too slow: packets wait %" PRId64 " ms", v->queue_us / 1000);
        poor(out, 300, "network-too-slow");
    }
}

void fare_judge(struct fare *out, const struct forwarder_viewer_stats *v,
                const struct backend_viewer_report *report)
{
    *out =
        (struct fare){.level = v->state == VIEWER_PLAYING ? FARE_GOOD : FARE_JOINING, .code = ""};
    if (v->state == VIEWER_PLAYING || v->unsupported_codec)
        judge_playing(out, v, report);
}

/* 0: it is not held back. */
static uint64_t held_to_bps(const struct forwarder_viewer_stats *v)
{
    return v->narrow && v->estimate_bps > 0 ? (uint64_t)v->estimate_bps : 0;
}

static void add_rate(struct fare_room *room, const struct forwarder_viewer_stats *v)
{
    uint64_t held_to = held_to_bps(v);
    audience_add(&room->rates, held_to > 0 ? held_to : UNLIMITED_BPS);
    room->watching |= 1u << v->layer;
}

void fare_add(struct fare_room *room, const struct forwarder_viewer_stats *v,
              const struct backend_viewer_report *report)
{
    struct fare one;
    if (v->state == VIEWER_CLOSED)
        return;
    fare_judge(&one, v, report);
    room->viewers++;
    room->good += one.level == FARE_GOOD;
    room->poor += one.level == FARE_POOR;
    room->joining += one.level == FARE_JOINING;
    if (one.weight > room->worst.weight)
        room->worst = one;
    if (v->state == VIEWER_PLAYING && v->layer < LAYER_STREAMS_MAX)
        add_rate(room, v);
}

/* If the viewer watches it; among how many it does. */
static const struct forwarder_track_stats *find_picture(const struct forwarder_viewer_stats *v,
                                                        uint32_t id, unsigned *pictures)
{
    const struct forwarder_track_stats *found = NULL;
    *pictures = 0;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct forwarder_track_stats *t = &v->tracks[i];
        if (t->kind != FORWARDER_VIDEO || t->paused || t->unsupported_codec)
            continue;
        (*pictures)++;
        if (t->stream_id == id)
            found = t;
    }
    return v->state == VIEWER_PLAYING ? found : NULL;
}

static void add_picture(struct audience *rates, uint64_t held_to, unsigned pictures)
{
    uint64_t rest = held_to > MOST_AUDIO_BPS ? held_to - MOST_AUDIO_BPS : 0;
    audience_add(rates, held_to > 0 ? rest / pictures : UNLIMITED_BPS);
}

void fare_add_picture(struct audience *rates, const struct forwarder_viewer_stats *v, uint32_t id)
{
    unsigned pictures;
    if (find_picture(v, id, &pictures))
        add_picture(rates, held_to_bps(v), pictures);
}

void fare_add_small(struct audience *small, const struct forwarder_viewer_stats *v, uint32_t id)
{
    unsigned pictures;
    const struct forwarder_track_stats *t = find_picture(v, id, &pictures);
    uint64_t held_to = held_to_bps(v);
    if (t && t->layer == 0 && held_to > 0)
        add_picture(small, held_to, pictures);
}

static uint64_t usable_bps(const struct audience *rates)
{
    uint64_t top = audience_top_bps(rates);
    return top < UNLIMITED_BPS / 2 ? top : 0;
}

void fare_tell(const struct fare_room *room, struct backend_audience *out)
{
    *out = (struct backend_audience){
        .viewers = room->viewers,
        .good = room->good,
        .poor = room->poor,
        .joining = room->joining,
        .usable_bps = usable_bps(&room->rates),
    };
    memcpy(out->worst, room->worst.words, sizeof(out->worst));
}

/* Of a path's share what an encoder may take; the same as before if it is about that. */
static uint64_t encoder_bps(uint64_t path_bps, uint64_t before)
{
    uint64_t bps = path_bps / 100 * MOST_PERCENT;
    bps = bps > MOST_MIN_BPS ? bps : MOST_MIN_BPS;
    uint64_t less = bps < before ? bps : before, more = bps < before ? before : bps;
    return more - less <= more / 100 * SAME_PERCENT ? before : bps;
}

uint64_t fare_small_bps(const struct audience *small, uint64_t before)
{
    return small->viewers > 0 ? encoder_bps(audience_middle_bps(small), before) : 0;
}

uint64_t fare_most_bps(const struct audience *rates, uint64_t before, bool raises)
{
    uint64_t usable = usable_bps(rates);
    if (rates->viewers == 0)
        return before; /* nobody says anything */
    if (usable == 0) {
        uint64_t next = before / 100 * RAISE_PERCENT;
        return !raises ? before : next < MOST_MAX_BPS ? next : 0;
    }
    return encoder_bps(usable, before);
}
