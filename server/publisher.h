/* publisher.h - access units become the published frames of one stream, in one to three layers.
 *
 * Packetizes each unit into a frame of the pool that fits, gives it to the forwarder and keeps what
 * is known of the stream: its figures, its state, the budget of its keyframes, who watches.
 *
 * Life: publisher_create, publisher_attach; units until the source's threads have ended;
 * publisher_detach, after which `wake` is not called any more; publisher_destroy.
 *
 * Viewers cannot see a gap before packetizing, so whatever is lost there is told with
 * publisher_break (a unit that finds no room does it itself): units of that layer are dropped from
 * then on until a keyframe, which publisher_keyframe_due asks for. Every layer begins in that
 * state.
 *
 * Threads: each layer has one thread that publishes it, the others only ask for publisher_info and
 * publisher_stats. Layer 0 is the smallest, as in the forwarder.
 */
#pragma once

#include "encode/encoder.h"
#include "rtp/forward/forwarder.h"
#include "server/source.h"

/* The most bytes of a unit that always fit a frame. */
#define PUBLISHER_MAX_UNIT 3000000u

struct publisher;

struct publisher_config {
    struct forwarder *forwarder; /* borrowed: outlives the publisher */
    uint32_t stream_id;
    void (*on_change)(void *arg); /* publishing threads; see source.h */
    void *on_change_arg;
    void (*wake)(void *arg); /* worker threads, must not block: a keyframe or a layer is wanted */
    void *wake_arg;
};

int publisher_create(struct publisher **out, const struct publisher_config *config);
void publisher_destroy(struct publisher *p); /* NULL is fine */
/* What people read; before it is attached. */
void publisher_set_name(struct publisher *p, const char *kind, const char *name);
void publisher_set_layers(struct publisher *p, unsigned n_layers); /* before too; 1 if not said */
int publisher_attach(struct publisher *p);
void publisher_detach(struct publisher *p); /* nothing is done if it is not attached */

/* --- the publishing thread of the layer; before it runs, the one that opens --- */

/* `encoder` is a static text. Told to viewers with the next keyframe. */
void publisher_set_coding(struct publisher *p, unsigned layer, enum codec codec,
                          const char *encoder, int width, int height);
/* Takes in the requests so far. Is the next picture to be a keyframe? `repeat`: it shows nothing
 * new. */
bool publisher_keyframe_due(struct publisher *p, unsigned layer, bool repeat, int64_t now_us);
/* One is wanted, now or after its gap. */
bool publisher_keyframe_waits(const struct publisher *p, unsigned layer);
/* Is it worth encoding? A layer that nobody watches is not, but for the largest one when nobody
 * watches at all: the next to come begins with what is cached. */
bool publisher_is_wanted(const struct publisher *p, unsigned layer);
/* What keyframes on request are paid from (rtp/control/keyframe.h): the rate the encoder has, and
 * how long the units that come next took it; 0: not known. */
void publisher_set_budget(struct publisher *p, unsigned layer, uint32_t bitrate_bps);
void publisher_set_cost(struct publisher *p, unsigned layer, int64_t encode_us);
void publisher_break(struct publisher *p, unsigned layer);
void publisher_drop(struct publisher *p, unsigned layer); /* a picture that became no unit */
void publisher_publish(struct publisher *p, unsigned layer, const struct encoded *unit,
                       int64_t now_us);
/* After each picture: how many came from the source so far, for the rates. */
void publisher_tick(struct publisher *p, unsigned layer, uint64_t captured, int64_t now_us);

/* --- any thread of the source --- */

/* The source cannot go on, for good or until the next keyframe comes. */
void publisher_end(struct publisher *p, const char *reason);
void publisher_set_paused(struct publisher *p, bool paused);

/* --- any thread --- */

void publisher_info(struct publisher *p, struct source_info *out);
/* Fills in what is known here: rates, frames encoded and dropped, keyframes. */
void publisher_stats(const struct publisher *p, struct source_stats *out);
