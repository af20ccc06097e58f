/* source.h - what a room shows: one stream of frames, published for as long as the source lives.
 *
 * Two kinds: a native source captures, converts and encodes (source_native.c); a file source plays
 * an encoded file in a loop (source_file.c). Both give their access units to a publisher.
 *
 * Life: source_open checks that the source can be had and says why not; source_start begins its
 * threads; source_close ends them and takes the stream from the forwarder. `on_change` is called on
 * one of its threads when the stream can first be watched, changes its size, or ends by itself.
 *
 * Keyframes of a native source: the first picture, a new size, a request within the budget
 * (rtp/control/keyframe.h), and the begin of a new GOP: after SOURCE_GOP_US once something changes,
 * and before the GOP outgrows what a new viewer can be started from (rtp/forward/stream.h). Those
 * of a file are where they are: a request is granted by the next one that passes.
 */
#pragma once

#include "encode/encoder.h"
#include "rtp/forward/forwarder.h"
#include "server/histogram.h"

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_GOP_US 4000000

struct source;

struct source_config {
    /* borrowed: outlive the source */
    const char *kind, *arg; /* "file" and its path, or as in capture.h; arg NULL: none */
    const char *encoder;    /* backend name, NULL: the first for the codec */
    enum codec codec;
    uint32_t bitrate_bps;
    int fps;                      /* of a file: only where it says no rate itself */
    struct forwarder *forwarder;  /* borrowed: outlives the source */
    void (*on_change)(void *arg); /* a thread of the source */
    void *on_change_arg;
};

/* 0, or -errno with a sentence in `error`. */
int source_open(struct source **out, const struct source_config *config, char *error,
                size_t error_size);
int source_start(struct source *s);
void source_close(struct source *s); /* NULL is fine */

/* What stands in the signaling and in the statistics; a consistent copy, any thread. */
struct source_info {
    uint32_t stream_id;
    char name[64], kind[16];     /* UTF-8 */
    const char *codec, *encoder; /* static texts; encoder "none": it was encoded before */
    bool live;                   /* a keyframe has been published, and the source has not ended */
    char end_reason[160];        /* "": has not ended by itself */
    int width, height;
    uint8_t h264_profile[3];
};

/* Of a file, captured is what was read of it; nothing is superseded, converted or encoded. */
struct source_stats {
    double capture_fps, encode_fps; /* over the last second or so */
    uint64_t bitrate_bps;           /* of what was published, over the same time */
    uint64_t frames_captured, frames_superseded;
    uint64_t frames_encoded; /* published */
    uint64_t frames_dropped; /* that became no frame: skipped by the encoder, or unusable */
    uint64_t keyframes, keyframe_requests, keyframe_requests_coalesced;
    const struct histogram *convert_us, *encode_us; /* borrowed: valid until source_close */
};

void source_info(struct source *s, struct source_info *out);
void source_stats(struct source *s, struct source_stats *out);
