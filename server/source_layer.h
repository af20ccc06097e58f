/* source_layer.h - one size of a native source: converted pictures become units, units are
 * published.
 *
 * Life: source_layer_open checks that an encoder can be had; source_layer_encode for every picture,
 * of any size: another one than before gets another encoder and begins with a keyframe;
 * source_layer_drain when an asynchronous encoder has told that something is ready;
 * source_layer_close. One thread, but for encode_us.
 */
#pragma once

#include "encode/encoder.h"
#include "server/histogram.h"
#include "server/publisher.h"

#include <stdatomic.h>

#define SOURCE_LAYER_ON_WAY_MAX 16 /* more than any encoder holds */

struct source_layer_config {
    struct publisher *publisher; /* borrowed */
    unsigned index;              /* 0: the smallest */
    const char *encoder;         /* borrowed; NULL: the first for the codec */
    enum codec codec;
    unsigned temporal_layers;
    enum encoder_effort effort;
    void (*on_ready)(void *arg); /* encoder.h; NULL is fine */
    void *on_ready_arg;
};

struct source_layer {
    struct source_layer_config config;
    struct encoder *encoder;    /* owned; NULL: to be opened for the next picture */
    enum picture_format format; /* what it takes, and the next one will */
    int width, height;
    struct encoder_rate rate; /* that the encoder has */

    int quantizer;    /* of the newest unit: 0 (best) to 100, -1 unknown */
    size_t unit_size; /* its bytes */
    /* Of the pictures the encoder has, oldest first, when they were submitted. */
    int64_t submitted_us[SOURCE_LAYER_ON_WAY_MAX];
    unsigned on_way_first, on_way;
    int64_t keyframe_on_way_us; /* captured_us of one that was asked for; INT64_MAX: none */

    atomic_bool waits; /* any thread: a keyframe is wanted and could not be made yet */

    struct histogram encode_us; /* any thread reads */
};

/* 0, or -errno with a sentence in `error`; close follows a failed open too. */
int source_layer_open(struct source_layer *l, const struct source_layer_config *config, int width,
                      int height, const struct encoder_rate *rate, char *error, size_t error_size);
enum picture_format source_layer_format(const struct source_layer *l); /* what its encoder takes */
/* 0, or -errno with a sentence in `error`: no encoder can be had for this picture. `captured` is
 * how many pictures came from the source so far. */
int source_layer_encode(struct source_layer *l, const struct picture *pic,
                        const struct encoder_rate *rate, uint64_t captured, char *error,
                        size_t error_size);
void source_layer_drain(struct source_layer *l);
void source_layer_close(struct source_layer *l); /* zeroed memory is fine */
