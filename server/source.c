#define G_LOG_DOMAIN "source"

#include "server/source.h"

#include "encode/convert.h"
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

/* What happened over the last whole window of about a second; written by one thread. */
struct rates {
    int64_t since_us;
    uint64_t captured, encoded, bytes; /* totals when the window began */
    uint64_t bytes_total;
    _Atomic uint32_t capture_milli_fps, encode_milli_fps;
    _Atomic uint64_t bps;
    _Atomic int64_t updated_us;
};

struct source {
    /* immutable after open */
    struct source_config config;
    char kind[16], arg[128], encoder_name[32]; /* what config points to */
    struct capture *capture;                   /* owned */
    uint32_t stream_id;
    bool has_stream, started;
    struct frame_pool *pools[N_POOLS]; /* owned */
    struct convert_dsp dsp;
    pthread_t thread;

    /* encode thread only */
    struct encoder *encoder;  /* owned; NULL: to be opened for the next picture's size */
    struct picture converted; /* what the encoder takes; planes owned */
    bool has_converted;
    struct keyframe_budget budget;
    bool force_keyframe; /* something was lost: the next picture must stand alone */
    uint64_t next_frame_id;
    uint64_t gop_frames, gop_bytes;
    int64_t gop_since_us;
    struct rates rates;

    /* any thread */
    atomic_uint keyframe_requests;
    _Atomic uint64_t frames_encoded, frames_dropped, keyframes, requests, coalesced;
    struct histogram convert_us, encode_us;

    /* below: under lock */
    pthread_mutex_t lock;
    struct source_info info;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- rates --- */

static uint32_t milli_per_second(uint64_t n, uint64_t ms)
{
    return (uint32_t)(n * 1000000 / ms);
}

static void rates_tick(struct source *s, int64_t now)
{
    struct rates *r = &s->rates;
    if (now - r->since_us < 1000000)
        return;
    uint64_t ms = (uint64_t)(now - r->since_us) / 1000;
    struct capture_stats captured;
    capture_stats(s->capture, &captured);
    uint64_t encoded = atomic_load_explicit(&s->frames_encoded, memory_order_relaxed);
    atomic_store_explicit(&r->capture_milli_fps,
                          milli_per_second(captured.captured - r->captured, ms),
                          memory_order_relaxed);
    atomic_store_explicit(&r->encode_milli_fps, milli_per_second(encoded - r->encoded, ms),
                          memory_order_relaxed);
    atomic_store_explicit(&r->bps, (r->bytes_total - r->bytes) * 8000 / ms, memory_order_relaxed);
    atomic_store_explicit(&r->updated_us, now, memory_order_relaxed);
    r->since_us = now;
    r->captured = captured.captured;
    r->encoded = encoded;
    r->bytes = r->bytes_total;
}

/* A source that has stalled for longer than its slowest repeat has no rate. */
static bool rates_fresh(const struct rates *r)
{
    return now_us() - atomic_load_explicit(&r->updated_us, memory_order_relaxed) < 3000000;
}

/* --- the picture the encoder takes --- */

static int converted_alloc(struct source *s, int width, int height, enum picture_format format)
{
    free(s->converted.plane[0]);
    s->converted = (struct picture){.format = format, .width = width, .height = height};
    s->has_converted = false;
    ptrdiff_t stride = (width + 63) / 64 * 64;
    size_t luma = (size_t)stride * (size_t)height;
    uint8_t *memory = aligned_alloc(64, (luma + luma / 2 + 127) / 64 * 64);
    if (!memory)
        return -ENOMEM;
    s->converted.plane[0] = memory;
    s->converted.plane[1] = memory + luma;
    s->converted.stride[0] = s->converted.stride[1] = stride;
    if (format == PICTURE_I420) {
        s->converted.stride[1] = s->converted.stride[2] = stride / 2;
        s->converted.plane[2] = memory + luma + luma / 4;
    }
    return 0;
}

static void set_end_reason(struct source *s, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    s->info.live = false;
    snprintf(s->info.end_reason, sizeof(s->info.end_reason), "%s", reason);
    pthread_mutex_unlock(&s->lock);
}

static int open_encoder(struct source *s, int width, int height, char *error, size_t error_size)
{
    const struct encoder_config config = {
        .codec = s->config.codec,
        .content = ENCODER_SCREEN,
        .width = width,
        .height = height,
        .fps = s->config.fps,
        .bitrate_bps = s->config.bitrate_bps,
        .threads = 1,
    };
    struct encoder *encoder;
    int err = encoder_open(&encoder, s->config.encoder, &config, error, error_size);
    if (err)
        return err;
    err = converted_alloc(s, width, height, encoder_ops(encoder)->input);
    if (err) {
        snprintf(error, error_size, "no memory for pictures of %dx%d", width, height);
        encoder_close(encoder);
        return err;
    }
    s->encoder = encoder;
    s->force_keyframe = true;
    pthread_mutex_lock(&s->lock);
    s->info.encoder = encoder_ops(encoder)->name;
    s->info.width = width;
    s->info.height = height;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* --- publishing --- */

static struct frame *frame_for(struct source *s, size_t size)
{
    /* FU-A adds two bytes to each fragment, STAP-A two to each unit: 1 % and a little */
    size_t need = size + size / 64 + 256;
    for (int i = 0; i < N_POOLS; i++) {
        if (need <= pool_capacity[i])
            return frame_get(s->pools[i]);
    }
    return NULL;
}

/* The stream can be watched from its first keyframe on, whose SPS says what the SDP must. */
static void note_keyframe(struct source *s, const struct encoded *unit)
{
    struct h264_profile profile;
    if (!h264_find_profile(&profile, unit->data, unit->size))
        return;
    pthread_mutex_lock(&s->lock);
    bool was_live = s->info.live;
    s->info.live = true;
    const uint8_t bytes[3] = {profile.profile_idc, profile.constraints, profile.level_idc};
    bool changed = !was_live || memcmp(bytes, s->info.h264_profile, 3) != 0;
    memcpy(s->info.h264_profile, bytes, 3);
    pthread_mutex_unlock(&s->lock);
    if (changed)
        s->config.on_change(s->config.on_change_arg);
}

static void publish(struct source *s, const struct encoded *unit, int64_t now)
{
    struct frame *f = frame_for(s, unit->size);
    if (!f || h264_packetize(&f->payload, unit->data, unit->size, PACKETIZE_MAX_PAYLOAD) != 0) {
        /* viewers would go on from a picture they never got: the next one must stand alone */
        frame_unref(f);
        count(&s->frames_dropped);
        s->force_keyframe = true;
        return;
    }
    f->id = s->next_frame_id++;
    f->captured_us = unit->captured_us;
    f->rtp_ts = (uint32_t)(unit->captured_us * 9 / 100);
    f->keyframe = unit->keyframe;
    if (unit->keyframe) {
        s->gop_frames = s->gop_bytes = 0;
        s->gop_since_us = now;
        keyframe_made(&s->budget, now);
        count(&s->keyframes);
    }
    s->gop_frames++;
    s->gop_bytes += unit->size;
    count(&s->frames_encoded);
    s->rates.bytes_total += unit->size;
    forwarder_publish(s->config.forwarder, s->stream_id, f);
    if (unit->keyframe)
        note_keyframe(s, unit);
}

/* --- the encode thread --- */

static bool gop_is_over(const struct source *s, const struct picture *pic, int64_t now)
{
    if (s->gop_frames >= STREAM_JOIN_MAX_FRAMES - 16 ||
        s->gop_bytes >= STREAM_JOIN_MAX_BYTES / 4 * 3)
        return true;
    return !pic->repeat && now - s->gop_since_us >= SOURCE_GOP_US;
}

static bool want_keyframe(struct source *s, const struct picture *pic, int64_t now)
{
    unsigned n = atomic_exchange_explicit(&s->keyframe_requests, 0, memory_order_relaxed);
    if (n)
        keyframe_want(&s->budget, n);
    atomic_store_explicit(&s->requests, s->budget.requests, memory_order_relaxed);
    atomic_store_explicit(&s->coalesced, s->budget.coalesced, memory_order_relaxed);
    return s->force_keyframe || keyframe_due(&s->budget, now) || gop_is_over(s, pic, now);
}

/* Every access unit the encoder has ready; a skipped picture of a wanted keyframe stays wanted. */
static void drain_encoder(struct source *s)
{
    struct encoded unit;
    while (encoder_receive(s->encoder, &unit) == 0) {
        if (!unit.size) {
            count(&s->frames_dropped);
            continue;
        }
        if (unit.keyframe)
            s->force_keyframe = false;
        publish(s, &unit, now_us());
    }
}

static int encode_picture(struct source *s, const struct picture *pic, char *error, size_t size)
{
    if (s->encoder && (pic->width != s->converted.width || pic->height != s->converted.height)) {
        encoder_close(s->encoder);
        s->encoder = NULL;
    }
    if (!s->encoder) {
        int err = open_encoder(s, pic->width, pic->height, error, size);
        if (err)
            return err;
    }
    int64_t begin = now_us();
    if (!pic->repeat || !s->has_converted)
        convert_picture(&s->dsp, pic, &s->converted);
    s->has_converted = true;
    s->converted.captured_us = pic->captured_us;
    s->converted.repeat = pic->repeat;
    int64_t converted = now_us();
    histogram_add(&s->convert_us, converted - begin);

    bool keyframe = want_keyframe(s, pic, converted);
    if (encoder_submit(s->encoder, &s->converted, keyframe) != 0) {
        count(&s->frames_dropped);
        s->force_keyframe = true;
        return 0;
    }
    histogram_add(&s->encode_us, now_us() - converted);
    drain_encoder(s);
    rates_tick(s, now_us());
    return 0;
}

static void *encode_thread(void *arg)
{
    struct source *s = arg;
    pthread_setname_np(pthread_self(), "amphi-encode");
    char error[160] = "";
    const struct picture *pic;
    while ((pic = capture_take(s->capture)) != NULL) {
        int err = encode_picture(s, pic, error, sizeof(error));
        capture_release(s->capture, pic);
        if (err)
            break;
        /* a request inside the gap waits for a picture to ride on: an idle source must give one */
        if (s->budget.wanted)
            capture_poke(s->capture);
    }
    const char *reason = error[0] ? error : capture_end_reason(s->capture);
    if (reason) {
        set_end_reason(s, reason);
        g_warning("stream=%u ended: %s", s->stream_id, reason);
        s->config.on_change(s->config.on_change_arg);
    }
    return NULL;
}

/* Worker threads. */
static void on_want_keyframe(void *arg, uint32_t requests)
{
    struct source *s = arg;
    atomic_fetch_add_explicit(&s->keyframe_requests, requests, memory_order_relaxed);
    capture_poke(s->capture);
}

/* --- life --- */

static int open_parts(struct source *s, char *error, size_t error_size)
{
    const struct capture_config capture = {
        .kind = s->config.kind, .arg = s->config.arg, .fps = s->config.fps};
    int err = capture_open(&s->capture, &capture, error, error_size);
    if (err)
        return err;
    struct capture_info about;
    capture_info(s->capture, &about);
    snprintf(s->info.name, sizeof(s->info.name), "%s", about.name);
    snprintf(s->info.kind, sizeof(s->info.kind), "%s", s->config.kind);
    s->info.codec = codec_name(s->config.codec);
    /* opened here, so that a wrong size or backend is said before anything starts */
    err = open_encoder(s, about.width, about.height, error, error_size);
    if (err)
        return err;
    for (int i = 0; i < N_POOLS; i++) {
        s->pools[i] = frame_pool_new(pool_capacity[i], (uint16_t)(pool_capacity[i] / 1024 + 32));
        if (!s->pools[i])
            return -ENOMEM;
    }
    const struct forwarder_source source = {.arg = s, .want_keyframe = on_want_keyframe};
    err = forwarder_add_stream(s->config.forwarder, &source, &s->stream_id);
    if (err) {
        snprintf(error, error_size, "no more streams can be added");
        return err;
    }
    s->has_stream = true;
    s->info.stream_id = s->stream_id;
    return 0;
}

int source_open(struct source **out, const struct source_config *config, char *error,
                size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return -ENOMEM;
    }
    s->config = *config;
    snprintf(s->kind, sizeof(s->kind), "%s", config->kind);
    snprintf(s->arg, sizeof(s->arg), "%s", config->arg ? config->arg : "");
    snprintf(s->encoder_name, sizeof(s->encoder_name), "%s",
             config->encoder ? config->encoder : "");
    s->config.kind = s->kind;
    s->config.arg = config->arg ? s->arg : NULL;
    s->config.encoder = config->encoder ? s->encoder_name : NULL;
    s->next_frame_id = 1;
    keyframe_init(&s->budget, KEYFRAME_MIN_GAP_US);
    convert_dsp_init(&s->dsp);
    s->rates.since_us = now_us();
    int err = open_parts(s, error, error_size);
    if (err) {
        source_close(s);
        return err;
    }
    *out = s;
    return 0;
}

int source_start(struct source *s)
{
    assert(!s->started);
    int err = capture_start(s->capture);
    if (err)
        return err;
    if (pthread_create(&s->thread, NULL, encode_thread, s) != 0) {
        capture_stop(s->capture);
        return -EAGAIN;
    }
    s->started = true;
    return 0;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    if (s->started) {
        capture_stop(s->capture);
        pthread_join(s->thread, NULL);
    }
    /* no worker calls on_want_keyframe after this, so the capture may go */
    if (s->has_stream)
        forwarder_remove_stream(s->config.forwarder, s->stream_id);
    encoder_close(s->encoder);
    capture_close(s->capture);
    for (int i = 0; i < N_POOLS; i++)
        frame_pool_close(s->pools[i]);
    free(s->converted.plane[0]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void source_info(struct source *s, struct source_info *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->info;
    pthread_mutex_unlock(&s->lock);
}

void source_stats(struct source *s, struct source_stats *out)
{
    struct capture_stats captured;
    capture_stats(s->capture, &captured);
    *out = (struct source_stats){
        .frames_captured = captured.captured,
        .frames_superseded = captured.superseded,
        .frames_encoded = atomic_load_explicit(&s->frames_encoded, memory_order_relaxed),
        .frames_dropped = atomic_load_explicit(&s->frames_dropped, memory_order_relaxed),
        .keyframes = atomic_load_explicit(&s->keyframes, memory_order_relaxed),
        .keyframe_requests = atomic_load_explicit(&s->requests, memory_order_relaxed),
        .keyframe_requests_coalesced = atomic_load_explicit(&s->coalesced, memory_order_relaxed),
        .convert_us = &s->convert_us,
        .encode_us = &s->encode_us,
    };
    if (rates_fresh(&s->rates)) {
        const struct rates *r = &s->rates;
        out->capture_fps = atomic_load_explicit(&r->capture_milli_fps, memory_order_relaxed) / 1e3;
        out->encode_fps = atomic_load_explicit(&r->encode_milli_fps, memory_order_relaxed) / 1e3;
        out->bitrate_bps = atomic_load_explicit(&r->bps, memory_order_relaxed);
    }
}
