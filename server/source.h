/* source.h - what a slot of a room shows: one stream of frames, published for as long as the source
 * lives.
 *
 * Two kinds: a native source captures, converts and encodes (source_native.c), in one layer or
 * several; a file source plays an encoded file in a loop (source_file.c). Both give their access
 * units to a publisher.
 *
 * Life: source_open checks that the source can be had and says why not; source_start begins its
 * threads and attaches them to the stream; source_close ends them and detaches them. `on_change` is
 * called on one of its threads when the stream can first be watched, changes its size, pauses, ends
 * by itself or comes back.
 *
 * A native source whose display or device went away tries to have it back, from SOURCE_RETRY_MIN_US
 * to SOURCE_RETRY_MAX_US later; meanwhile its end_reason says what is wrong.
 *
 * Keyframes of a native source: the first picture, a new size, a request within the budget
 * (rtp/control/keyframe.h), and the begin of a new GOP: after SOURCE_GOP_US once something changes
 * (later where the last keyframe is still paid for with quality), and before the GOP outgrows what
 * a new viewer can be started from (rtp/forward/stream.h). Those of a file are where they are: a
 * request is granted by the next one that passes.
 */
#pragma once

#include "encode/encoder.h"
#include "rtp/forward/forwarder.h"
#include "server/histogram.h"

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_GOP_US 4000000
#define SOURCE_RETRY_MIN_US 1000000
#define SOURCE_RETRY_MAX_US 5000000

struct source;
struct capture_ops;

/* Of a native source, for tests and comparisons: what it does otherwise. */
struct source_trial {
    const struct capture_ops *capture; /* instead of the one that `kind` says; NULL: that one */
    bool converts_all;                 /* the whole of each picture, whatever is damaged */
    bool waits_for_newer; /* lets go of a picture that was there before the source came for it */
};

struct source_config {
    /* borrowed: outlive the source */
    const char *kind, *arg; /* "file" and its path, or as in capture.h; arg NULL: none */
    const char *encoder;    /* backend name, NULL: the first for the codec */
    enum codec codec;
    struct encoder_rate rate; /* of the largest layer; fps of a file: only where it says none */
    unsigned n_layers;        /* at most; 0 is 1. Small pictures have fewer, a file has one */
    unsigned temporal_layers; /* 0 is 1; an encoder may make fewer */
    enum encoder_effort effort;
    struct forwarder *forwarder;  /* borrowed: outlives the source */
    uint32_t stream_id;           /* a stream without a source */
    void (*on_change)(void *arg); /* a thread of the source */
    void *on_change_arg;
    struct source_trial trial;
};

/* 0, or -errno with a sentence in `error`. */
int source_open(struct source **out, const struct source_config *config, char *error,
                size_t error_size);
int source_start(struct source *s);
/* What of a native source may change while it runs: from its next picture on. A file's rate is its
 * own: -ENOTSUP. */
int source_set_rate(struct source *s, const struct encoder_rate *rate);
/* What its viewers can take: its largest layer takes no more, whatever its rate, and the smallest
 * of several no more than `small_bps`, if that is not too little for it. 0: no limit. Any thread;
 * nothing happens to a file. */
void source_set_most(struct source *s, uint64_t bps, uint64_t small_bps);
/* A paused source publishes nothing and keeps its viewers. */
void source_set_paused(struct source *s, bool paused);
void source_close(struct source *s); /* NULL is fine */

/* What stands in the signaling and in the statistics; a consistent copy, any thread. */
struct source_info {
    uint32_t stream_id;
    char name[64], kind[16];     /* UTF-8 */
    const char *codec, *encoder; /* static texts; encoder "none": it was encoded before */
    enum codec coding;
    bool live; /* a keyframe has been published, and the source has not ended */
    bool paused;
    char end_reason[160]; /* "": goes on; else why it ended, or cannot go on for now */
    int width, height;    /* of the largest layer */
    uint8_t h264_profile[3];
    unsigned n_layers;
    struct source_layer_info {
        int width, height;
    } layers[FORWARDER_LAYERS_MAX]; /* the smallest first */
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
    /* frames_captured to keyframe_requests_coalesced are of the largest layer or of all together,
     * as makes sense; these of each, the smallest first */
    unsigned n_layers;
    struct source_layer_stats {
        double encode_fps;
        uint64_t bitrate_bps, frames_encoded, keyframes;
        bool wanted; /* it is being encoded */
    } layers[FORWARDER_LAYERS_MAX];
};

void source_info(struct source *s, struct source_info *out);
void source_stats(struct source *s, struct source_stats *out);
