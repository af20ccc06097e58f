/* stream.h - one worker's view of one stream: its last frames, and the GOP a new viewer starts
 * from.
 *
 * Pure; one worker thread. Holds one reference per cached frame. Frame ids of a stream are
 * contiguous; a gap (a frame this worker was never given) makes the GOP useless until the next
 * keyframe, which the stream then asks for.
 */
#pragma once

#include "rtp/forward/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAM_RING 512              /* frames, power of two */
#define STREAM_MAX_BYTES (16u << 20) /* of cached payload */
#define STREAM_HISTORY_US 2000000    /* kept for retransmission even before the GOP */
/* A GOP larger than this is no start for a viewer: it would be behind for too long. The source
 * begins a new GOP before these limits (server/source.h). */
#define STREAM_JOIN_MAX_FRAMES 256
#define STREAM_JOIN_MAX_BYTES (8u << 20)
#define STREAM_RATE_US 500000 /* its rate is measured over this long */

struct stream {
    uint32_t id; /* immutable after init */

    const struct frame *ring[STREAM_RING]; /* ref; by id % STREAM_RING */
    uint64_t oldest_id, newest_id;         /* 0, 0: empty */
    uint64_t keyframe_id;                  /* newest keyframe whose GOP is whole; 0: none */
    uint64_t cached_bytes, gop_bytes;

    /* payload bits per second over the last STREAM_RATE_US or the ones before, whichever was more;
     * 0: not known yet */
    uint64_t rate_bps;
    uint64_t last_rate_bps, rate_bytes;
    int64_t rate_since_us;

    /* asked for by viewers, taken by the worker after each input */
    uint32_t keyframe_requests;

    uint64_t joins_from_cache, joins_waited, gaps;
};

void stream_init(struct stream *s, uint32_t id);
void stream_finish(struct stream *s);
void stream_push(struct stream *s, const struct frame *f); /* takes ownership of one reference */
const struct frame *stream_frame(const struct stream *s, uint64_t id); /* borrowed; NULL: gone */
/* The keyframe a new viewer starts from, 0 if it must wait for one. */
uint64_t stream_join_id(const struct stream *s);
