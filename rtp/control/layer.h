/* layer.h - which of a broadcast's layers one viewer gets. Pure.
 *
 * What there is forms a ladder, worst first:
 *
 *     audio alone · slides (keyframes only) · temporal layers · simulcast layers
 *
 * of rungs with their measured rates, and a viewer stands on one: never black, for the lowest costs
 * nothing above the audio. Down it goes at once, when its rung does not fit the target any more. Up
 * only when a rung fits with a margin what was proven (by arrivals or a probe) for the whole hold
 * time; a step up that had to be taken back doubles the hold. Moving pictures are given up for
 * slides only when they do not fit by far, and come back without a margin: an estimate is what the
 * path takes less a tenth or so, and slides of a stream show next to nothing of it. A layer that
 * was selected by hand is the highest rung there is: below it the same rules hold.
 *
 * Life: layer_init; then layer_ladder and layer_decide a few times a second and after each change
 * of the target. The caller switches streams at the next keyframe of the new one, and until it is
 * there goes on with the old one if it goes up, with nothing at all if it goes down.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LAYER_STREAMS_MAX 4 /* simulcast layers, lowest first */
#define LAYER_TEMPORAL_MAX 4
#define LAYER_RUNGS_MAX (2 + LAYER_STREAMS_MAX * LAYER_TEMPORAL_MAX)
#define LAYER_ANY UINT8_MAX

#define LAYER_HOLD_US 2000000
#define LAYER_HOLD_MAX_US 60000000
#define LAYER_HOLD_SLIDES_US 15000000 /* to leave slides, at most */
#define LAYER_SLIDE_MIN_US 1000000    /* between slides */
#define LAYER_SLIDE_MAX_US 10000000

enum layer_mode {
    LAYER_AUDIO = 1, /* alone */
    LAYER_SLIDES,    /* keyframes only */
    LAYER_FULL,
};

struct layer_stream {
    bool live;                        /* is or can be encoded */
    uint8_t n_temporal;               /* 1: no temporal layers */
    uint64_t bps[LAYER_TEMPORAL_MAX]; /* up to and with each temporal layer; what is not measured
                                         yet as it is configured */
    uint32_t keyframe_bytes;          /* mean */
};

struct layer_rung {
    enum layer_mode mode;
    uint8_t stream, temporal;
    uint64_t bps; /* audio included */
};

struct layer {
    struct layer_rung now;
    bool decided;
    uint8_t max_stream, max_temporal; /* selected; LAYER_ANY: none */
    int64_t fits_since_us;            /* a better rung; INT64_MAX: none does */
    int64_t hold_us, up_us, down_us;
    uint32_t ups, downs;
};

/* Writes the rungs, cheapest first; returns how many: at least 1. */
unsigned layer_ladder(struct layer_rung rungs[LAYER_RUNGS_MAX], const struct layer_stream *streams,
                      unsigned n, uint64_t audio_bps);
void layer_init(struct layer *l);
/* The highest layers wanted; LAYER_ANY: up to what the path takes. */
void layer_select(struct layer *l, uint8_t stream, uint8_t temporal);
/* True if l->now is another rung than before, other than in its rate. */
bool layer_decide(struct layer *l, const struct layer_rung *rungs, unsigned n, uint64_t target_bps,
                  uint64_t proven_bps, int64_t now_us);
uint64_t layer_top_bps(const struct layer *l, const struct layer_rung *rungs, unsigned n);
/* The most it could put to use, margins included: for gcc_set_wanted. */
uint64_t layer_wanted_bps(const struct layer *l, const struct layer_rung *rungs, unsigned n);
const char *layer_mode_name(enum layer_mode mode); /* "audio", "slides", "full" */
/* How long from one slide to the next. */
int64_t layer_slide_gap_us(uint32_t keyframe_bytes, uint64_t audio_bps, uint64_t target_bps);
