#include "rtp/forward/stream.h"

#include <assert.h>
#include <string.h>

void stream_init(struct stream *s, uint32_t id)
{
    memset(s, 0, sizeof(*s));
    s->id = id;
}

static void drop_oldest(struct stream *s)
{
    const struct frame **slot = &s->ring[s->oldest_id % STREAM_RING];
    if (*slot) {
        if (s->oldest_id == s->keyframe_id) {
            s->keyframe_id = 0;
            s->gop_bytes = 0;
        }
        s->cached_bytes -= (*slot)->payload.size;
        frame_unref(*slot);
        *slot = NULL;
    }
    s->oldest_id++;
}

static bool is_empty(const struct stream *s)
{
    return s->newest_id == 0 || s->oldest_id > s->newest_id;
}

void stream_finish(struct stream *s)
{
    while (!is_empty(s))
        drop_oldest(s);
    assert(s->cached_bytes == 0);
}

/* The frames before the gap stay, for retransmission. */
static void begin_after_gap(struct stream *s, const struct frame *f)
{
    s->gaps++;
    s->keyframe_id = 0;
    s->gop_bytes = 0;
    if (!f->keyframe)
        s->keyframe_requests++;
}

static bool has_surplus(const struct stream *s)
{
    if (s->oldest_id == s->newest_id)
        return false;
    const struct frame *oldest = s->ring[s->oldest_id % STREAM_RING];
    const struct frame *newest = s->ring[s->newest_id % STREAM_RING];
    if (!oldest) /* one that was never given */
        return true;
    if (s->cached_bytes > STREAM_MAX_BYTES)
        return true;
    bool in_gop = s->keyframe_id != 0 && s->oldest_id >= s->keyframe_id;
    return !in_gop && newest->captured_us - oldest->captured_us > STREAM_HISTORY_US;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A frame counts for the time after it. */
static void measure_rate(struct stream *s, const struct frame *f)
{
    int64_t elapsed_us = f->captured_us - s->rate_since_us;
    if (s->newest_id == 0) {
        s->rate_since_us = f->captured_us;
    } else if (elapsed_us >= STREAM_RATE_US) {
        uint64_t rate = s->rate_bytes * 8000000 / (uint64_t)elapsed_us;
        s->rate_bps = larger(rate, s->last_rate_bps);
        s->last_rate_bps = rate;
        s->rate_bytes = 0;
        s->rate_since_us = f->captured_us;
    }
    s->rate_bytes += f->payload.size;
}

void stream_push(struct stream *s, const struct frame *f)
{
    assert(f->id > s->newest_id && f->payload.n_packets > 0);
    measure_rate(s, f);
    if (s->newest_id != 0 && f->id != s->newest_id + 1)
        begin_after_gap(s, f);
    while (!is_empty(s) && f->id - s->oldest_id >= STREAM_RING)
        drop_oldest(s);
    if (is_empty(s))
        s->oldest_id = f->id;

    s->ring[f->id % STREAM_RING] = f;
    s->newest_id = f->id;
    s->cached_bytes += f->payload.size;
    if (f->keyframe) {
        s->keyframe_id = f->id;
        s->gop_bytes = 0;
    }
    if (s->keyframe_id != 0)
        s->gop_bytes += f->payload.size;
    while (has_surplus(s))
        drop_oldest(s);
}

const struct frame *stream_frame(const struct stream *s, uint64_t id)
{
    if (is_empty(s) || id < s->oldest_id || id > s->newest_id)
        return NULL;
    return s->ring[id % STREAM_RING];
}

uint64_t stream_join_id(const struct stream *s)
{
    if (s->keyframe_id == 0 || s->newest_id - s->keyframe_id >= STREAM_JOIN_MAX_FRAMES ||
        s->gop_bytes > STREAM_JOIN_MAX_BYTES)
        return 0;
    return s->keyframe_id;
}
