/* publisher.h - access units become the published frames of one stream.
 *
 * Packetizes each unit into a frame of the pool that fits, numbers it, gives it to the forwarder
 * and keeps what is known of the stream: its figures, its state, the budget of its keyframes.
 *
 * Life: publisher_create, publisher_add_stream; units until the source has ended or its thread has;
 * publisher_remove_stream, after which `wake` is not called any more; publisher_destroy.
 *
 * Viewers cannot see a gap before packetizing, so whatever is lost there is told with
 * publisher_break (a unit that finds no room does it itself): units are dropped from then on until
 * a keyframe, which publisher_keyframe_due asks for. A new publisher begins in that state.
 *
 * Threads: one thread publishes, the others only ask for publisher_info and publisher_stats.
 */
#pragma once

#include "encode/encoder.h"
#include "rtp/forward/forwarder.h"
#include "server/source.h"

/* The most bytes of a unit that always fit a frame. */
#define PUBLISHER_MAX_UNIT 3000000u

struct publisher;

struct publisher_config {
    struct forwarder *forwarder;  /* borrowed: outlives the publisher */
    void (*on_change)(void *arg); /* publishing thread; see source.h */
    void *on_change_arg;
    void (*wake)(void *arg); /* worker threads, must not block: a keyframe is wanted */
    void *wake_arg;
};

int publisher_create(struct publisher **out, const struct publisher_config *config);
void publisher_destroy(struct publisher *p); /* NULL is fine */
/* What people read; before the stream is added. */
void publisher_set_name(struct publisher *p, const char *kind, const char *name);
int publisher_add_stream(struct publisher *p);
void publisher_remove_stream(struct publisher *p); /* nothing is done if none was added */

/* --- the publishing thread; before it runs, the one that opens --- */

/* `codec` and `encoder` are static texts. Told to viewers with the next keyframe. */
void publisher_set_coding(struct publisher *p, const char *codec, const char *encoder, int width,
                          int height);
/* Takes in the requests so far. Is the next picture to be a keyframe? `repeat`: it shows nothing
 * new. */
bool publisher_keyframe_due(struct publisher *p, bool repeat, int64_t now_us);
bool publisher_keyframe_waits(const struct publisher *p); /* one is wanted, now or after its gap */
void publisher_break(struct publisher *p);
void publisher_drop(struct publisher *p); /* counts a picture that became no unit */
void publisher_publish(struct publisher *p, const struct encoded *unit, int64_t now_us);
/* After each picture: how many came from the source so far, for the rates. */
void publisher_tick(struct publisher *p, uint64_t captured, int64_t now_us);
void publisher_end(struct publisher *p, const char *reason); /* the source ended by itself */

/* --- any thread --- */

void publisher_info(struct publisher *p, struct source_info *out);
/* Fills in what is known here: rates, frames encoded and dropped, keyframes. */
void publisher_stats(const struct publisher *p, struct source_stats *out);
