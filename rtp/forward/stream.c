#include "rtp/forward/stream.h"

#include <assert.h>
#include <string.h>

void stream_init(struct stream *s, uint32_t id, enum forwarder_kind kind, struct stream_news *news)
{
    memset(s, 0, sizeof(*s));
    s->id = id;
    s->kind = kind;
    s->news = news;
}

void stream_attach(struct stream *s, struct stream_layer *layers, unsigned n_layers)
{
    assert(s->n_layers == 0 && n_layers >= 1 && n_layers <= FORWARDER_LAYERS_MAX);
    s->layers = layers;
    s->n_layers = n_layers;
}

/* --- what the source is to be told --- */

static void note(struct stream *s)
{
    if (s->has_news)
        return;
    s->has_news = true;
    s->next_news = s->news->first;
    s->news->first = s;
}

struct stream *stream_news_take(struct stream_news *news)
{
    struct stream *s = news->first;
    if (!s)
        return NULL;
    news->first = s->next_news;
    s->next_news = NULL;
    s->has_news = false;
    return s;
}

void stream_want_keyframe(struct stream *s, unsigned layer)
{
    if (layer >= s->n_layers || s->kind != FORWARDER_VIDEO)
        return;
    s->keyframe_requests[layer]++;
    note(s);
}

void stream_count_watcher(struct stream *s, unsigned layer, bool comes)
{
    if (layer >= s->n_layers)
        return;
    assert(comes || s->watchers[layer] > 0);
    if (comes ? s->watchers[layer]++ == 0 : --s->watchers[layer] == 0)
        note(s);
}

/* --- one layer's frames --- */

static void forget_gop(struct stream_layer *l)
{
    l->keyframe_id = 0;
    l->gop_bytes = 0;
    l->gop_frames = 0;
}

static void drop_oldest(struct stream_layer *l)
{
    const struct frame **slot = &l->ring[l->oldest_id % STREAM_RING];
    if (*slot) {
        if (l->oldest_id == l->keyframe_id)
            forget_gop(l);
        l->cached_bytes -= (*slot)->payload.size;
        l->cached_frames -= (*slot)->part == 0;
        frame_unref(*slot);
        *slot = NULL;
    }
    l->oldest_id++;
}

static bool is_empty(const struct stream_layer *l)
{
    return l->newest_id == 0 || l->oldest_id > l->newest_id;
}

void stream_detach(struct stream *s)
{
    for (unsigned i = 0; i < s->n_layers; i++) {
        struct stream_layer *l = &s->layers[i];
        while (!is_empty(l))
            drop_oldest(l);
        assert(l->cached_bytes == 0);
        s->keyframe_requests[i] = 0;
        s->watchers[i] = 0;
    }
    s->layers = NULL;
    s->n_layers = 0;
    s->as_sent = false;
    s->gone = 0;
}

/* The frames before the gap stay, for retransmission. */
static void begin_after_gap(struct stream_layer *l)
{
    l->gaps++;
    forget_gop(l);
}

static bool has_surplus(const struct stream_layer *l)
{
    if (l->oldest_id == l->newest_id)
        return false;
    const struct frame *oldest = l->ring[l->oldest_id % STREAM_RING];
    const struct frame *newest = l->ring[l->newest_id % STREAM_RING];
    if (!oldest) /* one that was never given */
        return true;
    if (l->cached_bytes > STREAM_MAX_BYTES || l->cached_frames > STREAM_MAX_FRAMES)
        return true;
    bool in_gop = l->keyframe_id != 0 && l->oldest_id >= l->keyframe_id;
    return !in_gop && newest->captured_us - oldest->captured_us > STREAM_HISTORY_US;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#define MEAN_PART 4      /* of a new rate in the mean */
#define KEYFRAME_PARTS 4 /* of which a second's rate counts one */

static void smooth(uint64_t *mean, uint64_t value)
{
    *mean = *mean == 0 ? value : (*mean * (MEAN_PART - 1) + value) / MEAN_PART;
}

static void measure_temporal(struct stream_layer *l, int64_t elapsed_us)
{
    uint64_t bytes = l->keyframe_owed < l->keyframe_part ? l->keyframe_owed : l->keyframe_part;
    l->keyframe_owed -= (uint32_t)bytes;
    for (unsigned i = 0; i < FORWARDER_TEMPORAL_MAX; i++) {
        bytes += l->temporal_bytes[i];
        smooth(&l->mean_bps[i], bytes * 8000000 / (uint64_t)elapsed_us);
        l->temporal_bytes[i] = 0;
    }
}

static void count_frame(struct stream_layer *l, const struct frame *f)
{
    unsigned id =
        f->temporal_id < FORWARDER_TEMPORAL_MAX ? f->temporal_id : FORWARDER_TEMPORAL_MAX - 1;
    bool of_keyframe = f->keyframe || (f->part > 0 && frame_picture(f) == l->keyframe_id);
    l->rate_bytes += f->payload.size;
    l->picture_bytes = f->payload.size + (f->part > 0 ? l->picture_bytes : 0);
    if (!of_keyframe)
        l->temporal_bytes[id] += f->payload.size;
    if (l->n_temporal <= id)
        l->n_temporal = (uint8_t)(id + 1);
    if (!of_keyframe || !f->ends || frame_is_broken(f))
        return;
    l->keyframe_owed = l->picture_bytes;
    l->keyframe_part = l->picture_bytes / KEYFRAME_PARTS;
    uint64_t mean = l->keyframe_bytes;
    smooth(&mean, l->picture_bytes);
    l->keyframe_bytes = (uint32_t)mean;
}

/* A frame counts for the time after it. */
static void measure_rate(struct stream_layer *l, const struct frame *f)
{
    int64_t elapsed_us = f->captured_us - l->rate_since_us;
    if (l->newest_id == 0) {
        l->rate_since_us = f->captured_us;
    } else if (elapsed_us >= STREAM_RATE_US) {
        uint64_t rate = l->rate_bytes * 8000000 / (uint64_t)elapsed_us;
        l->rate_bps = larger(rate, l->last_rate_bps);
        l->last_rate_bps = rate;
        measure_temporal(l, elapsed_us);
        l->rate_bytes = 0;
        l->rate_since_us = f->captured_us;
    }
    count_frame(l, f);
}

static const struct frame *newest_frame(const struct stream_layer *l)
{
    return is_empty(l) ? NULL : l->ring[l->newest_id % STREAM_RING];
}

/* A layer that nobody watches is not encoded: what is cached of it shows what was once, while the
 * others have gone on for so long. */
static bool is_left_behind(const struct stream *s, unsigned layer, int64_t limit_us)
{
    const struct frame *own = newest_frame(&s->layers[layer]);
    for (unsigned i = 0; own && i < s->n_layers; i++) {
        const struct frame *other = newest_frame(&s->layers[i]);
        if (other && other->captured_us - own->captured_us > limit_us)
            return true;
    }
    return false;
}

/* A layer that is merely slow has no gap of its own. */
static bool was_left_behind(const struct stream *s, unsigned layer, const struct frame *f)
{
    const struct frame *own = newest_frame(&s->layers[layer]);
    return own && f->captured_us - own->captured_us > STREAM_GONE_US &&
           is_left_behind(s, layer, STREAM_GONE_US);
}

static void note_gone(struct stream *s)
{
    uint8_t gone = 0, empty = 0;
    for (unsigned i = 0; i < s->n_layers; i++) {
        if (is_empty(&s->layers[i]))
            empty |= (uint8_t)(1u << i);
        else if (is_left_behind(s, i, STREAM_GONE_US))
            gone |= (uint8_t)(1u << i);
    }
    s->gone = gone | empty;
}

uint8_t stream_present_layer(const struct stream *s, uint8_t layer, unsigned n_allowed)
{
    for (unsigned i = layer + 1u; i-- > 0;) {
        if (!(s->gone >> i & 1))
            return (uint8_t)i;
    }
    for (unsigned i = layer + 1u; i < n_allowed; i++) {
        if (!(s->gone >> i & 1))
            return (uint8_t)i;
    }
    return layer;
}

static void count_gop(struct stream_layer *l, const struct frame *f)
{
    if (f->keyframe) {
        forget_gop(l);
        l->keyframe_id = f->id;
    }
    if (l->keyframe_id == 0)
        return;
    l->gop_bytes += f->payload.size;
    l->gop_frames += f->part == 0;
    if (frame_picture(f) != l->keyframe_id)
        return;
    l->start_bytes = l->picture_bytes;
    if (frame_is_broken(f)) /* a keyframe without its end is no start */
        forget_gop(l);
}

void stream_push(struct stream *s, unsigned layer, const struct frame *f)
{
    assert(layer < s->n_layers);
    struct stream_layer *l = &s->layers[layer];
    assert(f->id > l->newest_id);
    assert(!frame_is_broken(f) || (f->part > 0 && f->ends));
    measure_rate(l, f);
    if (l->newest_id != 0 && f->id != l->newest_id + 1) {
        begin_after_gap(l);
        if (!f->keyframe)
            stream_want_keyframe(s, layer);
    } else if (!f->keyframe && l->keyframe_id != 0 && was_left_behind(s, layer, f)) {
        forget_gop(l); /* whoever stood here goes on, but nobody starts with the old ones */
        stream_want_keyframe(s, layer);
    }
    while (!is_empty(l) && f->id - l->oldest_id >= STREAM_RING)
        drop_oldest(l);
    if (is_empty(l))
        l->oldest_id = f->id;

    l->ring[f->id % STREAM_RING] = f;
    l->newest_id = f->id;
    l->frames += f->part == 0;
    l->cached_bytes += f->payload.size;
    l->cached_frames += f->part == 0;
    count_gop(l, f);
    while (has_surplus(l))
        drop_oldest(l);
    if (s->as_sent)
        note_gone(s);
}

const struct frame *stream_frame(const struct stream *s, unsigned layer, uint64_t id)
{
    if (layer >= s->n_layers)
        return NULL;
    const struct stream_layer *l = &s->layers[layer];
    if (is_empty(l) || id < l->oldest_id || id > l->newest_id)
        return NULL;
    return l->ring[id % STREAM_RING];
}

uint64_t stream_newest_id(const struct stream *s, unsigned layer)
{
    return layer < s->n_layers ? s->layers[layer].newest_id : 0;
}

uint64_t stream_newest_picture(const struct stream *s, unsigned layer)
{
    assert(layer < s->n_layers && !is_empty(&s->layers[layer]));
    return frame_picture(newest_frame(&s->layers[layer]));
}

uint64_t stream_join_id(const struct stream *s, unsigned layer)
{
    if (layer >= s->n_layers)
        return 0;
    const struct stream_layer *l = &s->layers[layer];
    if (l->keyframe_id == 0 || l->gop_frames > STREAM_JOIN_MAX_FRAMES ||
        l->newest_id - l->keyframe_id >= STREAM_JOIN_MAX_PARTS ||
        l->gop_bytes > STREAM_JOIN_MAX_BYTES || is_left_behind(s, layer, STREAM_STALE_US))
        return 0;
    return l->keyframe_id;
}
