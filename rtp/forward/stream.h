/* stream.h - one worker's view of one stream: who feeds it, in which layers, who wants which of
 * them, and of every layer the last frames and the GOP a new viewer starts from.
 *
 * Life: stream_init; stream_attach when a source comes, with memory for its layers; stream_detach
 * when it goes: nothing is left of its frames then. Many streams never have a source, so that
 * without one they are small. Layer 0 is the smallest, each next one has more pixels.
 *
 * Pure; one worker thread. Holds one reference per cached frame. Frame ids of a layer are
 * contiguous and go on from source to source; a gap (a frame this worker was never given) makes the
 * GOP useless until the next keyframe, which the stream then asks for. Every frame of sound is a
 * keyframe, and nobody asks for one.
 *
 * What the source must be told (keyframes wanted, layers that begin or cease to be watched) is
 * counted here and the stream put into the list of those with news, which the worker goes through
 * after each input.
 */
#pragma once

#include "rtp/forward/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define FORWARDER_LAYERS_MAX 3
#define FORWARDER_TEMPORAL_MAX 4

#define STREAM_RING 2048             /* parts of pictures, power of two */
#define STREAM_MAX_FRAMES 512        /* pictures */
#define STREAM_MAX_BYTES (16u << 20) /* of cached payload */
#define STREAM_HISTORY_US 2000000    /* kept for retransmission even before the GOP */
/* A GOP larger than this is no start for a viewer: it would be behind for too long. The source
 * begins a new GOP before these limits (server/source.h). */
#define STREAM_JOIN_MAX_FRAMES 256 /* pictures */
#define STREAM_JOIN_MAX_PARTS (STREAM_RING / 4 * 3)
#define STREAM_JOIN_MAX_BYTES (8u << 20)
/* A layer that was not encoded for so long, while others were, is no start until its next keyframe:
 * at once where it is this stale, else from its next frame on. */
#define STREAM_STALE_US 1500000
#define STREAM_GONE_US 500000
#define STREAM_RATE_US 500000 /* its rate is measured over this long */

enum forwarder_kind { FORWARDER_VIDEO = 1, FORWARDER_AUDIO };

struct stream_layer {
    const struct frame *ring[STREAM_RING]; /* ref; by id % STREAM_RING */
    uint64_t oldest_id, newest_id;         /* 0, 0: empty */
    uint64_t keyframe_id;                  /* newest keyframe whose GOP is whole; 0: none */
    uint64_t cached_bytes, gop_bytes;
    unsigned cached_frames, gop_frames; /* pictures */
    uint32_t picture_bytes;             /* of the newest one, so far */
    uint32_t start_bytes;               /* of that keyframe, so far */

    /* payload bits per second over the last STREAM_RATE_US or the ones before, whichever was more;
     * 0: not known yet */
    uint64_t rate_bps;
    uint64_t last_rate_bps, rate_bytes;
    int64_t rate_since_us;
    /* smoothed over about 2 s, up to and with each temporal layer; 0: not known yet. Of keyframes
     * it counts one in four seconds: more come only because somebody asks, such as who is shown
     * nothing else, and shall not be kept from the rest by that */
    uint64_t mean_bps[FORWARDER_TEMPORAL_MAX];
    uint64_t temporal_bytes[FORWARDER_TEMPORAL_MAX]; /* of each alone, since rate_since_us */
    uint8_t n_temporal;                              /* seen */
    uint32_t keyframe_bytes;                         /* mean; 0: none yet */
    uint32_t keyframe_owed, keyframe_part;           /* of the newest, for the mean rates */

    uint64_t frames /* pictures */, gaps;
};

struct stream;

struct stream_news {
    struct stream *first; /* NULL: none */
};

struct stream {
    /* immutable after init */
    uint32_t id;
    enum forwarder_kind kind;
    struct stream_news *news; /* borrowed */

    unsigned n_layers;           /* of the source; 0: there is none */
    bool as_sent;                /* layers come and go by themselves; set after stream_attach */
    uint8_t gone;                /* of such ones those that do not come now, a bit each */
    struct stream_layer *layers; /* borrowed while attached */

    unsigned watchers[FORWARDER_LAYERS_MAX]; /* tracks that want the layer, now or soon */
    /* asked for since the worker last took them */
    uint32_t keyframe_requests[FORWARDER_LAYERS_MAX];
    struct stream *next_news;
    bool has_news;

    uint64_t joins_from_cache, joins_waited, keyframes_from_cache;
};

void stream_init(struct stream *s, uint32_t id, enum forwarder_kind kind, struct stream_news *news);
/* `layers` are zeroed. */
void stream_attach(struct stream *s, struct stream_layer *layers, unsigned n_layers);
void stream_detach(struct stream *s); /* nothing is done if none is attached */

/* Takes ownership of one reference. A source is attached and has that layer. */
void stream_push(struct stream *s, unsigned layer, const struct frame *f);
/* Borrowed; NULL: gone, or the layer is not there. */
const struct frame *stream_frame(const struct stream *s, unsigned layer, uint64_t id);
/* 0: the layer is empty, or not there. */
uint64_t stream_newest_id(const struct stream *s, unsigned layer);
/* The first part of the newest picture. The layer is not empty. */
uint64_t stream_newest_picture(const struct stream *s, unsigned layer);
/* The layer that is to be had instead of one that has gone: the nearest smaller one, or else a
 * larger one below `n_allowed`; itself if it comes, or none does. */
uint8_t stream_present_layer(const struct stream *s, uint8_t layer, unsigned n_allowed);
/* The keyframe a new viewer starts from, 0 if it must wait for one. */
uint64_t stream_join_id(const struct stream *s, unsigned layer);

/* Both have no effect while there is no source. */
void stream_want_keyframe(struct stream *s, unsigned layer);
void stream_count_watcher(struct stream *s, unsigned layer, bool comes);
/* The next one with news, which is then out of the list; NULL: none. */
struct stream *stream_news_take(struct stream_news *news);
