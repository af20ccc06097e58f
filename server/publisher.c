#define G_LOG_DOMAIN "source"

#include "server/publisher.h"

#include "rtp/control/keyframe.h"
#include "rtp/payload/payload.h"
#include "rtp/wire/dependency_descriptor.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Frames come from pools of a few sizes, since a ring of hundreds of frames that each had room for
 * the largest keyframe would hold most of its memory empty. */
static const uint32_t pool_capacity[] = {24 << 10, 96 << 10, 384 << 10, 3 << 20};
enum { N_POOLS = sizeof(pool_capacity) / sizeof(pool_capacity[0]) };

#define TEMPORAL_LAYERS 3 /* the most an encoder makes; a stream may have fewer */
#define RATES_WINDOW_US 1000000
#define RATES_FRESH_US 3000000

/* What happened over the last whole window of about a second; written by one thread. */
struct rates {
    int64_t since_us;
    uint64_t captured, encoded, bytes; /* totals when the window began */
    uint64_t bytes_total;
    _Atomic uint32_t capture_milli_fps, encode_milli_fps;
    _Atomic uint64_t bps;
    _Atomic int64_t updated_us;
};

/* One layer. */
struct outlet {
    /* publishing thread only */
    struct keyframe_budget budget;
    bool broken;      /* what comes next must stand alone */
    bool has_changed; /* the coding: to be told with the next keyframe */
    uint64_t gop_frames, gop_bytes;
    int64_t gop_since_us;
    uint16_t number;   /* of the next frame, in its dependency descriptor */
    int64_t encode_us; /* of the units that come next */
    struct dependency_tracker tracker;
    struct dependency_structure structure; /* what a keyframe says of those after it */
    struct rates rates;

    /* any thread */
    atomic_uint keyframe_requests;
    atomic_int watchers; /* workers that have viewers for it */
    _Atomic uint64_t frames_encoded, frames_dropped, keyframes, requests, coalesced;
};

struct publisher {
    /* immutable after create */
    struct publisher_config config;
    struct frame_pool *pools[N_POOLS]; /* owned */

    /* immutable once attached */
    unsigned n_layers;
    struct outlet outlets[FORWARDER_LAYERS_MAX];

    bool attached; /* the thread that opens and closes */

    /* below: under lock */
    pthread_mutex_t lock;
    struct source_info info;
};

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void store(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* --- rates --- */

static uint32_t milli_per_second(uint64_t n, uint64_t ms)
{
    return (uint32_t)(n * 1000000 / ms);
}

void publisher_tick(struct publisher *p, unsigned layer, uint64_t captured, int64_t now_us)
{
    struct outlet *o = &p->outlets[layer];
    struct rates *r = &o->rates;
    if (now_us - r->since_us < RATES_WINDOW_US)
        return;
    uint64_t ms = (uint64_t)(now_us - r->since_us) / 1000;
    uint64_t encoded = load(&o->frames_encoded);
    atomic_store_explicit(&r->capture_milli_fps, milli_per_second(captured - r->captured, ms),
                          memory_order_relaxed);
    atomic_store_explicit(&r->encode_milli_fps, milli_per_second(encoded - r->encoded, ms),
                          memory_order_relaxed);
    store(&r->bps, (r->bytes_total - r->bytes) * 8000 / ms);
    atomic_store_explicit(&r->updated_us, now_us, memory_order_relaxed);
    r->since_us = now_us;
    r->captured = captured;
    r->encoded = encoded;
    r->bytes = r->bytes_total;
}

/* A source that has stalled for longer than its slowest repeat has no rate. */
static bool rates_fresh(const struct rates *r)
{
    return clock_us() - atomic_load_explicit(&r->updated_us, memory_order_relaxed) < RATES_FRESH_US;
}

/* --- what viewers want --- */

/* Worker threads. */
static void on_want_keyframe(void *arg, unsigned layer, uint32_t requests)
{
    struct publisher *p = arg;
    atomic_fetch_add_explicit(&p->outlets[layer].keyframe_requests, requests, memory_order_relaxed);
    p->config.wake(p->config.wake_arg);
}

/* Worker threads. */
static void on_watched(void *arg, unsigned layer, bool yes)
{
    struct publisher *p = arg;
    atomic_fetch_add_explicit(&p->outlets[layer].watchers, yes ? 1 : -1, memory_order_relaxed);
    p->config.wake(p->config.wake_arg);
}

static bool is_watched(const struct publisher *p, unsigned layer)
{
    return atomic_load_explicit(&p->outlets[layer].watchers, memory_order_relaxed) > 0;
}

bool publisher_is_wanted(const struct publisher *p, unsigned layer)
{
    if (layer + 1 < p->n_layers || is_watched(p, layer))
        return is_watched(p, layer);
    for (unsigned i = 0; i < layer; i++) {
        if (is_watched(p, i))
            return false;
    }
    return true;
}

static void take_requests(struct outlet *o)
{
    keyframe_want(&o->budget,
                  atomic_exchange_explicit(&o->keyframe_requests, 0, memory_order_relaxed));
    store(&o->requests, o->budget.requests);
    store(&o->coalesced, o->budget.coalesced);
}

static bool gop_is_over(const struct outlet *o, bool repeat, int64_t now_us)
{
    if (o->gop_frames >= STREAM_JOIN_MAX_FRAMES - 16 ||
        o->gop_bytes >= STREAM_JOIN_MAX_BYTES / 4 * 3)
        return true;
    return !repeat && now_us - o->gop_since_us >= SOURCE_GOP_US &&
           !keyframe_blurs(&o->budget, now_us);
}

bool publisher_keyframe_due(struct publisher *p, unsigned layer, bool repeat, int64_t now_us)
{
    struct outlet *o = &p->outlets[layer];
    take_requests(o);
    return o->broken || keyframe_due(&o->budget, now_us) || gop_is_over(o, repeat, now_us);
}

bool publisher_keyframe_waits(const struct publisher *p, unsigned layer)
{
    return p->outlets[layer].budget.wanted;
}

void publisher_set_budget(struct publisher *p, unsigned layer, uint32_t bitrate_bps)
{
    keyframe_set_rate(&p->outlets[layer].budget, bitrate_bps);
}

void publisher_set_cost(struct publisher *p, unsigned layer, int64_t encode_us)
{
    p->outlets[layer].encode_us = encode_us;
}

void publisher_break(struct publisher *p, unsigned layer)
{
    p->outlets[layer].broken = true;
}

void publisher_drop(struct publisher *p, unsigned layer)
{
    count(&p->outlets[layer].frames_dropped);
}

/* --- frames --- */

static enum payload_codec payload_of(enum codec codec)
{
    switch (codec) {
    case CODEC_H264:
        return PAYLOAD_H264;
    case CODEC_VP8:
        return PAYLOAD_VP8;
    case CODEC_VP9:
        return PAYLOAD_VP9;
    case CODEC_AV1:
        return PAYLOAD_AV1;
    }
    return PAYLOAD_H264;
}

/* In the smallest frame that has room; many small NAL units may need more packets than their bytes
 * let one expect, so the next size is tried, too. NULL: no room anywhere, or no memory. */
static struct frame *packetize(struct publisher *p, enum payload_codec codec,
                               const struct encoded *unit)
{
    /* FU-A adds two bytes to each fragment, STAP-A two to each unit: 1 % and a little */
    size_t need = unit->size + unit->size / 64 + 256;
    static_assert(PUBLISHER_MAX_UNIT + PUBLISHER_MAX_UNIT / 64 + 256 <= 3u << 20,
                  "the largest unit fits the largest frame");
    for (int i = 0; i < N_POOLS; i++) {
        if (need > pool_capacity[i])
            continue;
        struct frame *f = frame_get(p->pools[i]);
        if (!f)
            return NULL;
        int err =
            payload_packetize(codec, &f->payload, unit->data, unit->size, PACKETIZE_MAX_PAYLOAD);
        if (!err) {
            f->codec = (uint8_t)codec;
            return f;
        }
        frame_unref(f);
        if (err != -ENOSPC)
            return NULL;
    }
    return NULL;
}

/* AV1 alone: the other codecs say in their payload what a receiver needs. */
static void describe(struct outlet *o, const struct encoded *unit, struct frame *f)
{
    uint16_t number = o->number++;
    struct dependency_descriptor d = {.frame_number = number};
    if (f->codec != PAYLOAD_AV1 ||
        !dependency_next(&o->tracker, &d.frame, number, unit->temporal_id, unit->keyframe))
        return;
    f->dependency_size =
        (uint8_t)dependency_write(f->dependency, sizeof(f->dependency), &d, &o->structure);
    d.has_structure = unit->keyframe;
    if (unit->keyframe)
        f->dependency_full_size = (uint8_t)dependency_write(
            f->dependency_full, sizeof(f->dependency_full), &d, &o->structure);
}

static void begin_gop(struct outlet *o, int64_t now_us)
{
    o->gop_frames = o->gop_bytes = 0;
    o->gop_since_us = now_us;
    o->broken = false;
    keyframe_made(&o->budget, now_us);
    count(&o->keyframes);
}

/* The SDP must say what the SPS says; of several layers the largest one's holds for all. */
static bool take_profile(struct publisher *p, const struct encoded *unit)
{
    struct h264_profile profile;
    if (p->info.coding != CODEC_H264 || !h264_find_profile(&profile, unit->data, unit->size))
        return false;
    const uint8_t bytes[3] = {profile.profile_idc, profile.constraints, profile.level_idc};
    bool changed = memcmp(bytes, p->info.h264_profile, sizeof(bytes)) != 0;
    memcpy(p->info.h264_profile, bytes, sizeof(bytes));
    return changed;
}

/* The stream can be watched from its largest layer's first keyframe on. */
static void note_keyframe(struct publisher *p, unsigned layer, const struct encoded *unit)
{
    struct outlet *o = &p->outlets[layer];
    bool changed = o->has_changed;
    o->has_changed = false;
    pthread_mutex_lock(&p->lock);
    if (layer + 1 == p->n_layers) {
        changed |= take_profile(p, unit);
        changed |= !p->info.live;
        p->info.live = true;
        p->info.end_reason[0] = '\0';
    }
    pthread_mutex_unlock(&p->lock);
    if (changed)
        p->config.on_change(p->config.on_change_arg);
}

static enum payload_codec codec_of(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    enum codec codec = p->info.coding;
    pthread_mutex_unlock(&p->lock);
    return payload_of(codec);
}

void publisher_publish(struct publisher *p, unsigned layer, const struct encoded *unit,
                       int64_t now_us)
{
    struct outlet *o = &p->outlets[layer];
    take_requests(o);
    bool usable = unit->keyframe || !o->broken;
    struct frame *f = usable ? packetize(p, codec_of(p), unit) : NULL;
    if (!f) {
        publisher_break(p, layer);
        publisher_drop(p, layer);
        return;
    }
    keyframe_on_frame(&o->budget, unit->keyframe, (uint32_t)unit->size, o->encode_us);
    keyframe_on_quality(&o->budget, unit->keyframe, unit->quantizer, now_us);
    if (unit->keyframe)
        begin_gop(o, now_us);
    f->captured_us = unit->captured_us;
    f->rtp_ts = (uint32_t)(unit->captured_us * 9 / 100);
    f->temporal_id = unit->temporal_id;
    f->keyframe = unit->keyframe;
    describe(o, unit, f);
    o->gop_frames++;
    o->gop_bytes += unit->size;
    count(&o->frames_encoded);
    o->rates.bytes_total += unit->size;
    forwarder_publish(p->config.forwarder, p->config.stream_id, layer, f);
    if (unit->keyframe)
        note_keyframe(p, layer, unit);
}

/* --- what is known of it --- */

void publisher_set_name(struct publisher *p, const char *kind, const char *name)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->info.kind, sizeof(p->info.kind), "%s", kind);
    snprintf(p->info.name, sizeof(p->info.name), "%s", name);
    pthread_mutex_unlock(&p->lock);
}

void publisher_set_layers(struct publisher *p, unsigned n_layers)
{
    assert(!p->attached && n_layers >= 1 && n_layers <= FORWARDER_LAYERS_MAX);
    p->n_layers = p->info.n_layers = n_layers;
}

void publisher_set_coding(struct publisher *p, unsigned layer, enum codec codec,
                          const char *encoder, int width, int height)
{
    struct outlet *o = &p->outlets[layer];
    pthread_mutex_lock(&p->lock);
    struct source_layer_info *l = &p->info.layers[layer];
    o->has_changed |= l->width != width || l->height != height || p->info.coding != codec;
    l->width = width;
    l->height = height;
    p->info.coding = codec;
    p->info.codec = codec_name(codec);
    p->info.encoder = encoder;
    if (layer + 1 == p->n_layers) {
        p->info.width = width;
        p->info.height = height;
    }
    pthread_mutex_unlock(&p->lock);
}

void publisher_end(struct publisher *p, const char *reason)
{
    pthread_mutex_lock(&p->lock);
    bool changed = p->info.live || strcmp(p->info.end_reason, reason) != 0;
    p->info.live = false;
    snprintf(p->info.end_reason, sizeof(p->info.end_reason), "%s", reason);
    pthread_mutex_unlock(&p->lock);
    if (!changed)
        return;
    g_warning("stream=%u ended: %s", p->config.stream_id, reason);
    p->config.on_change(p->config.on_change_arg);
}

void publisher_set_paused(struct publisher *p, bool paused)
{
    pthread_mutex_lock(&p->lock);
    bool changed = p->info.paused != paused;
    p->info.paused = paused;
    pthread_mutex_unlock(&p->lock);
    if (changed)
        p->config.on_change(p->config.on_change_arg);
}

void publisher_info(struct publisher *p, struct source_info *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->info;
    pthread_mutex_unlock(&p->lock);
}

static double from_milli(const _Atomic uint32_t *milli)
{
    return atomic_load_explicit(milli, memory_order_relaxed) / 1e3;
}

static void add_layer_stats(const struct publisher *p, unsigned layer, struct source_stats *out)
{
    const struct outlet *o = &p->outlets[layer];
    struct source_layer_stats *l = &out->layers[layer];
    l->frames_encoded = load(&o->frames_encoded);
    l->keyframes = load(&o->keyframes);
    l->wanted = publisher_is_wanted(p, layer);
    out->frames_encoded += l->frames_encoded;
    out->keyframes += l->keyframes;
    out->frames_dropped += load(&o->frames_dropped);
    out->keyframe_requests += load(&o->requests);
    out->keyframe_requests_coalesced += load(&o->coalesced);
    const struct rates *r = &o->rates;
    if (!rates_fresh(r))
        return;
    l->encode_fps = from_milli(&r->encode_milli_fps);
    l->bitrate_bps = load(&r->bps);
    out->bitrate_bps += l->bitrate_bps;
    if (from_milli(&r->capture_milli_fps) > out->capture_fps)
        out->capture_fps = from_milli(&r->capture_milli_fps);
    if (l->encode_fps > out->encode_fps)
        out->encode_fps = l->encode_fps;
}

void publisher_stats(const struct publisher *p, struct source_stats *out)
{
    out->n_layers = p->n_layers;
    for (unsigned i = 0; i < p->n_layers; i++)
        add_layer_stats(p, i, out);
}

/* --- life --- */

static void outlet_init(struct outlet *o)
{
    dependency_structure_init(&o->structure, TEMPORAL_LAYERS);
    dependency_tracker_init(&o->tracker, TEMPORAL_LAYERS);
    o->broken = true;
    o->rates.since_us = clock_us();
    keyframe_init(&o->budget, KEYFRAME_MIN_GAP_US);
}

int publisher_create(struct publisher **out, const struct publisher_config *config)
{
    struct publisher *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    if (pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        return -ENOMEM;
    }
    p->config = *config;
    p->info.stream_id = config->stream_id;
    p->n_layers = p->info.n_layers = 1;
    for (unsigned i = 0; i < FORWARDER_LAYERS_MAX; i++)
        outlet_init(&p->outlets[i]);
    for (int i = 0; i < N_POOLS; i++) {
        p->pools[i] = frame_pool_new(pool_capacity[i], (uint16_t)(pool_capacity[i] / 1024 + 32));
        if (!p->pools[i]) {
            publisher_destroy(p);
            return -ENOMEM;
        }
    }
    *out = p;
    return 0;
}

void publisher_destroy(struct publisher *p)
{
    if (!p)
        return;
    assert(!p->attached);
    for (int i = 0; i < N_POOLS; i++)
        frame_pool_close(p->pools[i]);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int publisher_attach(struct publisher *p)
{
    assert(!p->attached);
    const struct forwarder_source source = {
        .arg = p, .want_keyframe = on_want_keyframe, .watched = on_watched};
    int err = forwarder_attach(p->config.forwarder, p->config.stream_id, &source, p->n_layers);
    p->attached = err == 0;
    return err;
}

void publisher_detach(struct publisher *p)
{
    if (p->attached)
        forwarder_detach(p->config.forwarder, p->config.stream_id);
    p->attached = false;
}
