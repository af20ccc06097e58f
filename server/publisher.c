#define G_LOG_DOMAIN "source"

#include "server/publisher.h"

#include "rtp/control/keyframe.h"
#include "rtp/payload/h264.h"

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

struct publisher {
    /* immutable after create */
    struct publisher_config config;
    struct frame_pool *pools[N_POOLS]; /* owned */

    /* the thread that opens and closes */
    bool has_stream;
    uint32_t stream_id; /* does not change while units are published */

    /* publishing thread only */
    struct keyframe_budget budget;
    bool broken;      /* what comes next must stand alone */
    bool has_changed; /* the size: to be told with the next keyframe */
    uint64_t gop_frames, gop_bytes;
    int64_t gop_since_us;
    struct rates rates;

    /* any thread */
    atomic_uint keyframe_requests;
    _Atomic uint64_t frames_encoded, frames_dropped, keyframes, requests, coalesced;

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

void publisher_tick(struct publisher *p, uint64_t captured, int64_t now_us)
{
    struct rates *r = &p->rates;
    if (now_us - r->since_us < RATES_WINDOW_US)
        return;
    uint64_t ms = (uint64_t)(now_us - r->since_us) / 1000;
    uint64_t encoded = load(&p->frames_encoded);
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

/* --- keyframes --- */

/* Worker threads. */
static void on_want_keyframe(void *arg, unsigned layer, uint32_t requests)
{
    (void)layer; /* the only one */
    struct publisher *p = arg;
    atomic_fetch_add_explicit(&p->keyframe_requests, requests, memory_order_relaxed);
    p->config.wake(p->config.wake_arg);
}

static void take_requests(struct publisher *p)
{
    keyframe_want(&p->budget,
                  atomic_exchange_explicit(&p->keyframe_requests, 0, memory_order_relaxed));
    store(&p->requests, p->budget.requests);
    store(&p->coalesced, p->budget.coalesced);
}

static bool gop_is_over(const struct publisher *p, bool repeat, int64_t now_us)
{
    if (p->gop_frames >= STREAM_JOIN_MAX_FRAMES - 16 ||
        p->gop_bytes >= STREAM_JOIN_MAX_BYTES / 4 * 3)
        return true;
    return !repeat && now_us - p->gop_since_us >= SOURCE_GOP_US;
}

bool publisher_keyframe_due(struct publisher *p, bool repeat, int64_t now_us)
{
    take_requests(p);
    return p->broken || keyframe_due(&p->budget, now_us) || gop_is_over(p, repeat, now_us);
}

bool publisher_keyframe_waits(const struct publisher *p)
{
    return p->budget.wanted;
}

void publisher_break(struct publisher *p)
{
    p->broken = true;
}

void publisher_drop(struct publisher *p)
{
    count(&p->frames_dropped);
}

/* --- frames --- */

/* In the smallest frame that has room; many small NAL units may need more packets than their bytes
 * let one expect, so the next size is tried, too. NULL: no room anywhere, or no memory. */
static struct frame *packetize(struct publisher *p, const struct encoded *unit)
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
        int err = h264_packetize(&f->payload, unit->data, unit->size, PACKETIZE_MAX_PAYLOAD);
        if (!err)
            return f;
        frame_unref(f);
        if (err != -ENOSPC)
            return NULL;
    }
    return NULL;
}

static void begin_gop(struct publisher *p, int64_t now_us)
{
    p->gop_frames = p->gop_bytes = 0;
    p->gop_since_us = now_us;
    p->broken = false;
    keyframe_made(&p->budget, now_us);
    count(&p->keyframes);
}

/* The stream can be watched from its first keyframe on, whose SPS says what the SDP must. */
static void note_keyframe(struct publisher *p, const struct encoded *unit)
{
    struct h264_profile profile;
    if (!h264_find_profile(&profile, unit->data, unit->size))
        return;
    const uint8_t bytes[3] = {profile.profile_idc, profile.constraints, profile.level_idc};
    pthread_mutex_lock(&p->lock);
    bool changed =
        p->has_changed || !p->info.live || memcmp(bytes, p->info.h264_profile, sizeof(bytes)) != 0;
    p->info.live = true;
    memcpy(p->info.h264_profile, bytes, sizeof(bytes));
    pthread_mutex_unlock(&p->lock);
    p->has_changed = false;
    if (changed)
        p->config.on_change(p->config.on_change_arg);
}

void publisher_publish(struct publisher *p, const struct encoded *unit, int64_t now_us)
{
    take_requests(p);
    bool usable = unit->keyframe || !p->broken;
    struct frame *f = usable ? packetize(p, unit) : NULL;
    if (!f) {
        publisher_break(p);
        publisher_drop(p);
        return;
    }
    if (unit->keyframe)
        begin_gop(p, now_us);
    f->codec = PAYLOAD_H264;
    f->captured_us = unit->captured_us;
    f->rtp_ts = (uint32_t)(unit->captured_us * 9 / 100);
    f->keyframe = unit->keyframe;
    p->gop_frames++;
    p->gop_bytes += unit->size;
    count(&p->frames_encoded);
    p->rates.bytes_total += unit->size;
    forwarder_publish(p->config.forwarder, p->stream_id, 0, f);
    if (unit->keyframe)
        note_keyframe(p, unit);
}

/* --- what is known --- */

void publisher_set_name(struct publisher *p, const char *kind, const char *name)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->info.kind, sizeof(p->info.kind), "%s", kind);
    snprintf(p->info.name, sizeof(p->info.name), "%s", name);
    pthread_mutex_unlock(&p->lock);
}

void publisher_set_coding(struct publisher *p, const char *codec, const char *encoder, int width,
                          int height)
{
    pthread_mutex_lock(&p->lock);
    p->has_changed |= p->info.width != width || p->info.height != height;
    p->info.codec = codec;
    p->info.encoder = encoder;
    p->info.width = width;
    p->info.height = height;
    pthread_mutex_unlock(&p->lock);
}

void publisher_end(struct publisher *p, const char *reason)
{
    pthread_mutex_lock(&p->lock);
    p->info.live = false;
    snprintf(p->info.end_reason, sizeof(p->info.end_reason), "%s", reason);
    pthread_mutex_unlock(&p->lock);
    g_warning("stream=%u ended: %s", p->stream_id, reason);
    p->config.on_change(p->config.on_change_arg);
}

void publisher_info(struct publisher *p, struct source_info *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->info;
    pthread_mutex_unlock(&p->lock);
}

void publisher_stats(const struct publisher *p, struct source_stats *out)
{
    out->frames_encoded = load(&p->frames_encoded);
    out->frames_dropped = load(&p->frames_dropped);
    out->keyframes = load(&p->keyframes);
    out->keyframe_requests = load(&p->requests);
    out->keyframe_requests_coalesced = load(&p->coalesced);
    const struct rates *r = &p->rates;
    if (!rates_fresh(r))
        return;
    out->capture_fps = atomic_load_explicit(&r->capture_milli_fps, memory_order_relaxed) / 1e3;
    out->encode_fps = atomic_load_explicit(&r->encode_milli_fps, memory_order_relaxed) / 1e3;
    out->bitrate_bps = load(&r->bps);
}

/* --- life --- */

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
    p->broken = true;
    p->rates.since_us = clock_us();
    keyframe_init(&p->budget, KEYFRAME_MIN_GAP_US);
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
    assert(!p->has_stream);
    for (int i = 0; i < N_POOLS; i++)
        frame_pool_close(p->pools[i]);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int publisher_add_stream(struct publisher *p)
{
    assert(!p->has_stream);
    const struct forwarder_source source = {.arg = p, .want_keyframe = on_want_keyframe};
    int err = forwarder_add_stream(p->config.forwarder, FORWARDER_VIDEO, 1, &p->stream_id);
    if (err)
        return err;
    err = forwarder_attach(p->config.forwarder, p->stream_id, &source, 1);
    if (err) {
        forwarder_remove_stream(p->config.forwarder, p->stream_id);
        return err;
    }
    p->has_stream = true;
    pthread_mutex_lock(&p->lock);
    p->info.stream_id = p->stream_id;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

void publisher_remove_stream(struct publisher *p)
{
    if (!p->has_stream)
        return;
    forwarder_remove_stream(p->config.forwarder, p->stream_id);
    p->has_stream = false;
}
