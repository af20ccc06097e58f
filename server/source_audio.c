#define G_LOG_DOMAIN "source"

#include "server/source_audio.h"

#include "rtp/payload/payload.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX (AUDIO_RATE_HZ / 1000 * ENCODE_OPUS_MAX_MS)

static_assert(ENCODE_OPUS_MAX_PACKET <= PACKETIZE_MAX_PAYLOAD, "a packet is one RTP payload");
static_assert(ENCODE_OPUS_CHANNELS == AUDIO_CHANNELS, "what is captured is what is encoded");

struct source_audio {
    /* immutable after open */
    struct source_audio_config config; /* kind and arg are gone after open */
    struct audio *audio;               /* owned */
    struct frame_pool *pool;           /* owned */
    bool is_attached, started;         /* the thread that opens and closes */
    pthread_t thread;

    /* encode thread only */
    struct encode_opus *encoder; /* owned */
    int64_t place;               /* of the first sample gathered */
    size_t gathered;             /* samples of each channel */
    int16_t pcm[SAMPLES_MAX * AUDIO_CHANNELS];
    bool rests;          /* nobody heard the last frame: the encoder has not seen it */
    int64_t spurt_place; /* where a frame would begin that follows the last one sent */

    /* any thread */
    _Atomic uint32_t wanted_bps; /* 0: as it is */
    atomic_int listeners;        /* workers that have some */
    _Atomic uint64_t frames_encoded, frames_silent, frames_unheard, frames_dropped, gaps, bytes;
    struct histogram encode_us;

    /* below: under lock */
    pthread_mutex_t lock;
    struct source_audio_info info;
};

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- the encode thread --- */

static void take_settings(struct source_audio *s)
{
    uint32_t bps = atomic_exchange_explicit(&s->wanted_bps, 0, memory_order_relaxed);
    if (bps > 0)
        encode_opus_set_bitrate(s->encoder, bps);
}

static void note_live(struct source_audio *s)
{
    pthread_mutex_lock(&s->lock);
    bool changed = !s->info.live;
    s->info.live = true;
    pthread_mutex_unlock(&s->lock);
    if (changed)
        s->config.on_change(s->config.on_change_arg);
}

static struct frame *make_frame(struct source_audio *s, const uint8_t *packet, size_t size)
{
    struct frame *f = frame_get(s->pool);
    if (!f)
        return NULL;
    if (payload_packetize(PAYLOAD_OPUS, &f->payload, packet, size, PACKETIZE_MAX_PAYLOAD) != 0) {
        frame_unref(f);
        return NULL;
    }
    f->payload.packets[0].marker = s->place != s->spurt_place;
    /* the time of what comes out of the decoder */
    int64_t heard = s->place - (int64_t)encode_opus_lookahead(s->encoder);
    f->captured_us = audio_place_us(heard);
    f->rtp_ts = (uint32_t)heard;
    f->keyframe = true;
    f->codec = PAYLOAD_OPUS;
    f->temporal_id = 0;
    return f;
}

/* What was encoded long ago is not to be heard in the first frame after a rest. */
static void wake_encoder(struct source_audio *s)
{
    if (s->rests)
        encode_opus_reset(s->encoder);
    s->rests = false;
}

static void encode_frame(struct source_audio *s)
{
    uint8_t packet[ENCODE_OPUS_MAX_PACKET];
    wake_encoder(s);
    take_settings(s);
    int64_t begin_us = audio_now_us();
    int size = encode_opus(s->encoder, s->pcm, packet);
    histogram_add(&s->encode_us, audio_now_us() - begin_us);
    if (size == 0) {
        count(&s->frames_silent, 1);
        return;
    }
    struct frame *f = size > 0 ? make_frame(s, packet, (size_t)size) : NULL;
    if (!f) {
        count(&s->frames_dropped, 1);
        return;
    }
    s->spurt_place = s->place + (int64_t)encode_opus_samples(s->encoder);
    count(&s->frames_encoded, 1);
    count(&s->bytes, (uint64_t)size);
    forwarder_publish(s->config.forwarder, s->config.stream_id, 0, f);
}

/* Whoever comes hears the next frame: nothing has to be there before him. */
static void use_frame(struct source_audio *s)
{
    if (atomic_load_explicit(&s->listeners, memory_order_relaxed) > 0) {
        encode_frame(s);
    } else {
        count(&s->frames_unheard, 1);
        s->rests = true;
    }
    note_live(s);
}

/* A frame holds no gap: what was gathered before one is lost with it. */
static void gather(struct source_audio *s, const struct audio_block *block)
{
    if (s->gathered > 0 && block->place != s->place + (int64_t)s->gathered) {
        s->gathered = 0;
        count(&s->gaps, 1);
    }
    if (s->gathered == 0)
        s->place = block->place;
    memcpy(s->pcm + s->gathered * AUDIO_CHANNELS, block->pcm, sizeof(block->pcm));
    s->gathered += AUDIO_BLOCK_SAMPLES;
    if (s->gathered < encode_opus_samples(s->encoder))
        return;
    use_frame(s);
    s->gathered = 0;
}

static void note_end(struct source_audio *s, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    s->info.live = false;
    s->info.may_return = audio_may_return(s->audio);
    snprintf(s->info.end_reason, sizeof(s->info.end_reason), "%s", reason);
    pthread_mutex_unlock(&s->lock);
    g_warning("stream=%u sound ended: %s", s->config.stream_id, reason);
    s->config.on_change(s->config.on_change_arg);
}

static void *encode_thread(void *arg)
{
    struct source_audio *s = arg;
    pthread_setname_np(pthread_self(), "amphi-opus");
    struct audio_block block;
    while (audio_take(s->audio, &block))
        gather(s, &block);
    const char *reason = audio_end_reason(s->audio);
    if (reason)
        note_end(s, reason);
    return NULL;
}

/* --- life --- */

static int open_parts(struct source_audio *s, char *error, size_t error_size)
{
    const struct audio_config config = {.kind = s->config.kind, .arg = s->config.arg};
    int err = encode_opus_create(&s->encoder, &s->config.coding, error, error_size);
    if (!err)
        err = audio_open(&s->audio, &config, error, error_size);
    if (err)
        return err;
    struct audio_info about;
    audio_info(s->audio, &about);
    snprintf(s->info.name, sizeof(s->info.name), "%s", about.name);
    s->pool = frame_pool_new(ENCODE_OPUS_MAX_PACKET, 1);
    if (!s->pool) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    return 0;
}

int source_audio_open(struct source_audio **out, const struct source_audio_config *config,
                      char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    struct source_audio *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return -ENOMEM;
    }
    s->config = *config;
    s->spurt_place = -1;
    int err = open_parts(s, error, error_size);
    s->config.kind = s->config.arg = NULL;
    if (err) {
        source_audio_close(s);
        return err;
    }
    *out = s;
    return 0;
}

/* A worker. */
static void on_watched(void *arg, unsigned layer, bool yes)
{
    struct source_audio *s = arg;
    (void)layer;
    atomic_fetch_add_explicit(&s->listeners, yes ? 1 : -1, memory_order_relaxed);
}

int source_audio_start(struct source_audio *s)
{
    assert(!s->started);
    /* nobody need ask for a keyframe: each packet is one */
    const struct forwarder_source source = {.arg = s, .watched = on_watched};
    int err = forwarder_attach(s->config.forwarder, s->config.stream_id, &source, 1);
    s->is_attached = err == 0;
    if (!err)
        err = audio_start(s->audio);
    if (err)
        return err;
    if (pthread_create(&s->thread, NULL, encode_thread, s) != 0) {
        audio_stop(s->audio);
        return -EAGAIN;
    }
    s->started = true;
    return 0;
}

void source_audio_close(struct source_audio *s)
{
    if (!s)
        return;
    if (s->audio)
        audio_stop(s->audio);
    if (s->started)
        pthread_join(s->thread, NULL);
    if (s->is_attached)
        forwarder_detach(s->config.forwarder, s->config.stream_id);
    frame_pool_close(s->pool);
    encode_opus_destroy(s->encoder);
    audio_close(s->audio);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* --- any thread --- */

void source_audio_set_bitrate(struct source_audio *s, uint32_t bitrate_bps)
{
    atomic_store_explicit(&s->wanted_bps, bitrate_bps, memory_order_relaxed);
}

void source_audio_info(struct source_audio *s, struct source_audio_info *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->info;
    pthread_mutex_unlock(&s->lock);
}

void source_audio_stats(struct source_audio *s, struct source_audio_stats *out)
{
    *out = (struct source_audio_stats){
        .frames_encoded = load(&s->frames_encoded),
        .frames_silent = load(&s->frames_silent),
        .frames_unheard = load(&s->frames_unheard),
        .frames_dropped = load(&s->frames_dropped),
        .gaps = load(&s->gaps),
        .bytes = load(&s->bytes),
        .encode_us = &s->encode_us,
    };
    audio_stats(s->audio, &out->capture); /* after what became of it: never less */
}
