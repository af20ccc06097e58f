#include "capture/audio.h"
#include "capture/audio_backends.h"
#include "capture/waker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct audio_sink {
    struct audio_blocks blocks; /* capture thread only */
    struct waker stop;          /* woken from audio_stop on */

    /* below: under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a block came, or `closed` */
    bool closed;
    unsigned first, n; /* of the ring */
    struct audio_stats stats;
    struct audio_block ring[AUDIO_RING_BLOCKS];
};

struct audio {
    /* immutable after open */
    const struct audio_ops *ops;
    void *priv; /* owned; capture thread only while it runs */
    struct audio_info info;

    struct audio_sink sink;
    pthread_t thread;
    bool started, joined; /* thread that starts and stops */

    char reason[256];
    bool may_return;
    atomic_bool ended; /* released after `reason` and `may_return` were written */
};

static const struct audio_ops *const backends[] = {
    &audio_tone_ops, /* everywhere */
#ifdef AMPHI_MAC
    &audio_mac_monitor_ops,
#endif
#ifdef AMPHI_PULSE
    &audio_default_ops, /* of a PulseAudio server */
    &audio_monitor_ops, /* the same */
    &audio_pulse_ops,   /* the same */
#endif
};

int64_t audio_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- the sink: what a backend sees --- */

static int sink_init(struct audio_sink *sink)
{
    audio_blocks_init(&sink->blocks);
    int r = waker_init(&sink->stop);
    if (r < 0)
        return r;
    r = pthread_mutex_init(&sink->lock, NULL);
    if (r == 0) {
        r = pthread_cond_init(&sink->changed, NULL);
        if (r == 0)
            return 0;
        pthread_mutex_destroy(&sink->lock);
    }
    waker_finish(&sink->stop);
    return -r;
}

static void sink_finish(struct audio_sink *sink)
{
    pthread_cond_destroy(&sink->changed);
    pthread_mutex_destroy(&sink->lock);
    waker_finish(&sink->stop);
}

static void sink_close(struct audio_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->closed = true;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

int audio_sink_fd(struct audio_sink *sink)
{
    return waker_fd(&sink->stop);
}

bool audio_sink_wait(struct audio_sink *sink, int64_t deadline_us)
{
    for (;;) {
        if (waker_wait(&sink->stop, -1, deadline_us - audio_now_us()) != 0)
            return false;
        if (audio_now_us() >= deadline_us)
            return true;
    }
}

static void push(struct audio_sink *sink, const struct audio_block *block)
{
    pthread_mutex_lock(&sink->lock);
    if (sink->n == AUDIO_RING_BLOCKS) {
        sink->first = (sink->first + 1) % AUDIO_RING_BLOCKS;
        sink->n--;
        sink->stats.overruns++;
    }
    sink->ring[(sink->first + sink->n) % AUDIO_RING_BLOCKS] = *block;
    sink->n++;
    sink->stats.captured++;
    sink->stats.reanchored = sink->blocks.reanchored;
    sink->stats.stretched = sink->blocks.stretched;
    pthread_cond_signal(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

void audio_sink_write(struct audio_sink *sink, const int16_t *pcm, size_t samples, int64_t first_us)
{
    struct audio_block block;
    audio_blocks_measure(&sink->blocks, first_us);
    while (samples > 0) {
        size_t n = audio_blocks_feed(&sink->blocks, pcm, samples, &block);
        samples -= n;
        if (pcm)
            pcm += n * AUDIO_CHANNELS;
        if (block.place >= 0)
            push(sink, &block);
    }
}

/* --- opening and the thread --- */

static int refuse(char *error, size_t error_size, int code, const char *sentence)
{
    snprintf(error, error_size, "%s", sentence);
    return code;
}

int audio_open_ops(struct audio **out, const struct audio_ops *ops,
                   const struct audio_config *config, char *error, size_t error_size)
{
    struct audio *a = calloc(1, sizeof(*a));
    if (!a)
        return refuse(error, error_size, -ENOMEM, "out of memory");
    int r = sink_init(&a->sink);
    if (r < 0) {
        free(a);
        return refuse(error, error_size, r, "cannot make what wakes an audio thread");
    }
    a->ops = ops;
    a->priv = calloc(1, ops->priv_size);
    r = a->priv ? ops->open(a->priv, config, &a->info, error, error_size)
                : refuse(error, error_size, -ENOMEM, "out of memory");
    if (r < 0) {
        audio_close(a);
        return r;
    }
    *out = a;
    return 0;
}

#ifndef AMPHI_PULSE
static bool needs_pulse(const char *kind)
{
    return strcmp(kind, "default") == 0 || strcmp(kind, "monitor") == 0 ||
           strcmp(kind, "pulse") == 0;
}
#endif

int audio_open(struct audio **out, const struct audio_config *config, char *error,
               size_t error_size)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i]->kind, config->kind) == 0)
            return audio_open_ops(out, backends[i], config, error, error_size);
    }
#ifndef AMPHI_PULSE
    if (needs_pulse(config->kind))
        return refuse(error, error_size, -ENOTSUP,
                      "this build has no sound capture: the PulseAudio library was missing");
#endif
    snprintf(error, error_size,
             "unknown audio source \"%s\": use default, monitor, pulse:NAME or tone", config->kind);
    return -EINVAL;
}

int audio_list(struct audio_input *out, int max, char *error, size_t error_size)
{
#ifdef AMPHI_PULSE
    return audio_pulse_list(out, max, error, error_size);
#else
    (void)out;
    (void)max;
    return refuse(error, error_size, -ENOTSUP,
                  "this build has no sound capture: the PulseAudio library was missing");
#endif
}

static void *audio_thread(void *arg)
{
    struct audio *a = arg;
    waker_name_thread("audio");
    int r = a->ops->run(a->priv, &a->sink, a->reason, sizeof(a->reason));
    if (r < 0) {
        if (a->reason[0] == '\0')
            snprintf(a->reason, sizeof(a->reason), "the sound ended: %s", strerror(-r));
        a->may_return = r == -ENODEV;
        atomic_store_explicit(&a->ended, true, memory_order_release);
    }
    sink_close(&a->sink);
    return NULL;
}

int audio_start(struct audio *a)
{
    assert(!a->started);
    /* signals are for the main thread */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&a->thread, NULL, audio_thread, a);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return -r;
    a->started = true;
    return 0;
}

void audio_info(const struct audio *a, struct audio_info *out)
{
    *out = a->info;
}

bool audio_take(struct audio *a, struct audio_block *out)
{
    struct audio_sink *sink = &a->sink;
    pthread_mutex_lock(&sink->lock);
    while (sink->n == 0 && !sink->closed)
        pthread_cond_wait(&sink->changed, &sink->lock);
    bool any = sink->n > 0;
    if (any) {
        *out = sink->ring[sink->first];
        sink->first = (sink->first + 1) % AUDIO_RING_BLOCKS;
        sink->n--;
    }
    pthread_mutex_unlock(&sink->lock);
    return any;
}

void audio_stats(struct audio *a, struct audio_stats *out)
{
    pthread_mutex_lock(&a->sink.lock);
    *out = a->sink.stats;
    pthread_mutex_unlock(&a->sink.lock);
}

const char *audio_end_reason(const struct audio *a)
{
    return atomic_load_explicit(&a->ended, memory_order_acquire) ? a->reason : NULL;
}

bool audio_may_return(const struct audio *a)
{
    return audio_end_reason(a) != NULL && a->may_return;
}

void audio_stop(struct audio *a)
{
    waker_wake(&a->sink.stop);
    sink_close(&a->sink);
    if (a->started && !a->joined) {
        pthread_join(a->thread, NULL);
        a->joined = true;
    }
}

void audio_close(struct audio *a)
{
    if (!a)
        return;
    audio_stop(a);
    if (a->priv)
        a->ops->close(a->priv);
    free(a->priv);
    sink_finish(&a->sink);
    free(a);
}
