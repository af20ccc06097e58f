/* The native kind of source: one thread takes the newest picture of a capture, converts what
 * changed of it, gives scaled copies to the smaller layers' threads and encodes the largest layer
 * itself.
 *
 * It also owns the capture: when that ends and may return, it is opened again now and then. Others
 * only wake or poke it, under `lock`. */
#define G_LOG_DOMAIN "source"

#include "server/source_ops.h"

#include "capture/capture_backends.h"
#include "encode/convert.h"
#include "encode/planes.h"
#include "encode/scale.h"
#include "server/source_layer.h"
#include "server/layer_thread.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A window that is being resized has a new size with every picture; until it has kept one for so
 * long its pictures are fitted into the old size, which costs no keyframe. */
#define RESIZE_US 250000
/* A picture that stays is submitted again until it is as sharp as can be seen, or for so long. */
#define REFINE_US 8000000    /* a page of text at 1 Mbit/s is not there before */
#define REFINED_QUANTIZER 24 /* of 100, see encoder.h; the finest that openh264 goes to is 23 */
#define REFINED_REPEATS 30   /* that are no finer: the whole of the picture has had its turn */
#define REFINED_BYTES 160    /* a unit that says that nothing is left to gain */
#define SMALLEST_LAYER 128   /* pixels of its shorter side */
#define LAYER_RATE_DIVISOR 3 /* of half the size: a quarter of the pixels, less well predicted */
#define LAYER_RATE_MIN 150000u

struct native {
    /* immutable after open */
    struct source_config config;
    struct publisher *publisher; /* borrowed: the source's */
    struct convert_dsp dsp;
    unsigned n_layers; /* the largest is the last */
    pthread_t thread;

    /* the source's thread only */
    struct source_layer layer;  /* the largest */
    struct layer_thread *small; /* owned: n_layers - 1, the smallest first */
    struct picture converted;   /* of the size that was captured; planes owned */
    struct picture fitted;      /* the same in the size that is still encoded; planes owned */
    bool has_converted;
    int new_width, new_height; /* of a picture that waits to have kept it */
    int64_t resize_us;         /* until then; 0: none */
    int64_t changed_us;        /* when it last showed something new */
    int finest;                /* quantizer since then, of those that are fine enough */
    unsigned fine_repeats;     /* since that one came first */
    int64_t due_us;            /* with a lower rate than the capture's: of the next picture */
    uint64_t captured_before;  /* by captures that have ended */
    uint64_t superseded_before;

    /* any thread */
    struct histogram convert_us;

    /* below: under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* `stop` */
    bool has_lock;
    struct capture *capture; /* owned by the source's thread once it runs; NULL: gone for now */
    struct encoder_rate rate;
    uint32_t most_bps;  /* of the largest layer; 0: no limit */
    uint32_t small_bps; /* of the smallest of several; the same */
    bool paused, stop;
    uint64_t captured, superseded; /* in all */
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- layers --- */

static struct encoder_rate layer_rate(const struct encoder_rate *largest, unsigned divisor)
{
    struct encoder_rate rate = *largest;
    for (; divisor > 0; divisor--)
        rate.bitrate_bps /= LAYER_RATE_DIVISOR;
    uint32_t least = largest->bitrate_bps < LAYER_RATE_MIN ? largest->bitrate_bps : LAYER_RATE_MIN;
    if (rate.bitrate_bps < least)
        rate.bitrate_bps = least;
    return rate;
}

/* As many as asked for, but none so small that nothing could be seen in it. */
static unsigned usable_layers(unsigned wanted, int width, int height)
{
    unsigned n = 1;
    while (n < wanted && n < FORWARDER_LAYERS_MAX) {
        int w, h;
        scale_layer_size(width, height, n, &w, &h);
        if (w < SMALLEST_LAYER || h < SMALLEST_LAYER)
            break;
        n++;
    }
    return n;
}

static void on_ready(void *arg)
{
    struct native *n = arg;
    pthread_mutex_lock(&n->lock);
    if (n->capture)
        capture_wake(n->capture);
    pthread_mutex_unlock(&n->lock);
}

static struct source_layer_config layer_config(struct native *n, unsigned index)
{
    return (struct source_layer_config){
        .publisher = n->publisher,
        .index = index,
        .encoder = n->config.encoder,
        .codec = n->config.codec,
        .temporal_layers = n->config.temporal_layers,
        .effort = n->config.effort,
        .on_ready = on_ready,
        .on_ready_arg = n,
    };
}

/* Opened before anything starts, so that a wrong size or backend is said at once. */
static int open_layers(struct native *n, int width, int height, char *error, size_t error_size)
{
    n->n_layers = usable_layers(n->config.n_layers, width, height);
    publisher_set_layers(n->publisher, n->n_layers);
    n->small = calloc(FORWARDER_LAYERS_MAX, sizeof(*n->small));
    if (!n->small) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    struct source_layer_config config = layer_config(n, n->n_layers - 1);
    int err = source_layer_open(&n->layer, &config, width, height, &n->rate, error, error_size);
    for (unsigned i = 0; i + 1 < n->n_layers && !err; i++) {
        unsigned divisor = n->n_layers - 1 - i;
        struct encoder_rate rate = layer_rate(&n->rate, divisor);
        config.index = i;
        err = layer_thread_open(&n->small[i], &config, divisor, width, height, &rate, error,
                                error_size);
    }
    return err;
}

/* For those whose paths do not take it; below a third of its own there would be little to see. */
static uint32_t held_back(uint32_t bps, uint32_t most_bps)
{
    uint32_t least = bps / LAYER_RATE_DIVISOR;
    return most_bps >= bps ? bps : most_bps > least ? most_bps : least;
}

static void offer_to_small(struct native *n, const struct picture *pic,
                           const struct encoder_rate *rate, uint32_t smallest_bps,
                           uint64_t captured)
{
    for (unsigned i = 0; i + 1 < n->n_layers; i++) {
        struct encoder_rate own = layer_rate(rate, n->small[i].divisor);
        if (i == 0 && smallest_bps > 0)
            own.bitrate_bps = held_back(own.bitrate_bps, smallest_bps);
        if (publisher_is_wanted(n->publisher, i))
            (void)layer_thread_offer(&n->small[i], pic, &own, captured);
    }
}

/* --- one picture --- */

/* As the encoders take it, in *out; what the platform captured so already is taken as it is. */
static int convert(struct native *n, const struct picture *pic, const struct picture **result,
                   char *error, size_t error_size)
{
    struct picture *out = &n->converted;
    int64_t begin = now_us();
    *result = pic;
    if (pic->format == source_layer_format(&n->layer))
        return 0;
    if (out->width != pic->width || out->height != pic->height) {
        n->has_converted = false;
        int err = planes_alloc(out, source_layer_format(&n->layer), pic->width, pic->height);
        if (err) {
            snprintf(error, error_size, "no memory for pictures of %dx%d", pic->width, pic->height);
            return err;
        }
    }
    if (!n->has_converted || n->config.trial.converts_all)
        convert_picture(&n->dsp, pic, out);
    else if (!pic->repeat)
        convert_damage(&n->dsp, pic, out);
    n->has_converted = true;
    out->captured_us = pic->captured_us;
    out->repeat = pic->repeat;
    histogram_add(&n->convert_us, now_us() - begin);
    *result = out;
    return 0;
}

/* Whether the picture is still to be shown in the old size. */
static bool is_resizing(struct native *n, const struct picture *pic, int64_t now)
{
    if (!n->layer.encoder || (pic->width == n->layer.width && pic->height == n->layer.height)) {
        n->resize_us = 0;
        return false;
    }
    if (n->resize_us == 0 || pic->width != n->new_width || pic->height != n->new_height) {
        n->new_width = pic->width;
        n->new_height = pic->height;
        n->resize_us = now + RESIZE_US;
    }
    if (now < n->resize_us)
        return true;
    n->resize_us = 0;
    return false;
}

/* The picture in the size that is encoded; NULL: it has to be left out. */
static const struct picture *fit(struct native *n, const struct picture *pic, int64_t now)
{
    if (!is_resizing(n, pic, now))
        return pic;
    struct picture *out = &n->fitted;
    if ((out->width != n->layer.width || out->height != n->layer.height) &&
        planes_alloc(out, source_layer_format(&n->layer), n->layer.width, n->layer.height) != 0)
        return NULL;
    return scale_picture(pic, out) == 0 ? out : NULL;
}

/* Notes what became of a picture. */
static void follow_refinement(struct native *n, const struct picture *pic, int64_t now)
{
    int quantizer = n->layer.quantizer;
    if (!pic->repeat) {
        n->changed_us = now;
        n->finest = REFINED_QUANTIZER + 1;
    }
    if (quantizer >= 0 && quantizer < n->finest) {
        n->finest = quantizer;
        n->fine_repeats = 0;
    } else if (n->finest <= REFINED_QUANTIZER) {
        n->fine_repeats++;
    }
}

static bool is_sharp(const struct native *n)
{
    return (n->finest <= REFINED_QUANTIZER && n->fine_repeats >= REFINED_REPEATS) ||
           n->layer.unit_size < REFINED_BYTES;
}

/* Is another look at the same pixels worth it? */
static bool wants_repeat(struct native *n, int64_t now)
{
    if (n->resize_us != 0 || atomic_load(&n->layer.waits))
        return true;
    for (unsigned i = 0; i + 1 < n->n_layers; i++) {
        if (publisher_is_wanted(n->publisher, i) && atomic_load(&n->small[i].layer.waits))
            return true;
    }
    return publisher_is_wanted(n->publisher, n->n_layers - 1) && !is_sharp(n) &&
           now - n->changed_us < REFINE_US;
}

/* With a lower rate than the capture's, pictures in between are left out, each before it is
 * encoded. */
static bool is_too_soon(struct native *n, const struct picture *pic, int fps)
{
    int64_t interval_us = 1000000 / fps;
    if (fps >= n->config.rate.fps)
        return false;
    if (pic->captured_us < n->due_us)
        return true;
    int64_t late_us = pic->captured_us - n->due_us;
    n->due_us = late_us < interval_us ? n->due_us + interval_us : pic->captured_us + interval_us;
    return false;
}

struct wishes {
    struct encoder_rate rate;
    uint32_t top_bps;   /* of the largest layer: what its viewers take */
    uint32_t small_bps; /* of the smallest of several; 0: whatever it is */
    bool paused, stop;
    uint64_t captured;
};

/* What others want now; and what they may know of the capture. */
static struct wishes exchange(struct native *n)
{
    struct capture_stats stats;
    capture_stats(n->capture, &stats);
    pthread_mutex_lock(&n->lock);
    n->captured = n->captured_before + stats.captured;
    n->superseded = n->superseded_before + stats.superseded;
    bool limited = n->most_bps > 0 && n->most_bps < n->rate.bitrate_bps;
    struct wishes w = {.rate = n->rate,
                       .top_bps = limited ? n->most_bps : n->rate.bitrate_bps,
                       .small_bps = n->small_bps,
                       .paused = n->paused,
                       .stop = n->stop,
                       .captured = n->captured};
    pthread_mutex_unlock(&n->lock);
    return w;
}

static int show(struct native *n, const struct picture *pic, const struct wishes *w, char *error,
                size_t error_size)
{
    int64_t now = now_us();
    const struct picture *out;
    int err = convert(n, pic, &out, error, error_size);
    if (err || w->paused)
        return err;
    if (is_too_soon(n, pic, w->rate.fps)) {
        capture_poke(n->capture); /* what it shows comes then */
        return 0;
    }
    out = fit(n, out, now);
    if (!out) {
        publisher_drop(n->publisher, n->n_layers - 1);
        return 0;
    }
    offer_to_small(n, out, &w->rate, w->small_bps, w->captured);
    struct encoder_rate top = w->rate;
    top.bitrate_bps = w->top_bps;
    if (publisher_is_wanted(n->publisher, n->n_layers - 1))
        err = source_layer_encode(&n->layer, out, &top, w->captured, error, error_size);
    follow_refinement(n, pic, now);
    /* a backend paces what it is asked for by its frame rate */
    if (!err && wants_repeat(n, now))
        capture_poke(n->capture);
    return err;
}

/* --- the source's thread --- */

/* Until the capture ends, cannot be shown, or the source is stopped. */
static void run_capture(struct native *n, char *error, size_t error_size)
{
    n->has_converted = false;
    for (;;) {
        const struct picture *pic;
        int64_t came_us = now_us();
        int rc = capture_take_or_wake(n->capture, &pic);
        if (rc == -ESHUTDOWN)
            break;
        struct wishes w = exchange(n);
        if (rc == -EINTR)
            source_layer_drain(&n->layer);
        else if (n->config.trial.waits_for_newer && pic->captured_us < came_us)
            n->has_converted = false; /* what it damaged is gone with it */
        else
            rc = show(n, pic, &w, error, error_size);
        if (rc != -EINTR)
            capture_release(n->capture, pic);
        if (w.stop || error[0])
            return;
    }
    const char *reason = capture_end_reason(n->capture);
    snprintf(error, error_size, "%s", reason ? reason : "");
}

/* Whether it is worth trying again. */
static bool close_capture(struct native *n, bool failed_here)
{
    struct capture *c = n->capture;
    struct capture_stats stats;
    bool again = failed_here || capture_may_return(c);
    capture_stats(c, &stats);
    n->captured_before += stats.captured;
    n->superseded_before += stats.superseded;
    pthread_mutex_lock(&n->lock);
    n->capture = NULL;
    pthread_mutex_unlock(&n->lock);
    capture_close(c);
    return again;
}

/* False: the source is stopped. */
static bool rest(struct native *n, int64_t us)
{
    int64_t until = now_us() + us;
    const struct timespec deadline = {.tv_sec = (time_t)(until / 1000000),
                                      .tv_nsec = (long)(until % 1000000) * 1000};
    int err = 0;
    pthread_mutex_lock(&n->lock);
    while (!n->stop && err == 0)
        err = pthread_cond_timedwait(&n->changed, &n->lock, &deadline);
    bool stop = n->stop;
    pthread_mutex_unlock(&n->lock);
    return !stop;
}

static int open_capture(struct native *n, struct capture **out, char *error, size_t error_size)
{
    const struct capture_config config = {
        .kind = n->config.kind, .arg = n->config.arg, .fps = n->config.rate.fps};
    if (n->config.trial.capture)
        return capture_open_ops(out, n->config.trial.capture, &config, error, error_size);
    return capture_open(out, &config, error, error_size);
}

/* False: the source is stopped. */
static bool reopen_capture(struct native *n)
{
    char error[160];
    struct capture *c;
    for (int64_t pause = SOURCE_RETRY_MIN_US; rest(n, pause); pause *= 2) {
        if (pause > SOURCE_RETRY_MAX_US / 2)
            pause = SOURCE_RETRY_MAX_US / 2;
        if (open_capture(n, &c, error, sizeof(error)) != 0) {
            publisher_end(n->publisher, error);
            continue;
        }
        if (capture_start(c) != 0) {
            capture_close(c);
            continue;
        }
        publisher_break(n->publisher, n->n_layers - 1);
        pthread_mutex_lock(&n->lock);
        n->capture = c;
        bool stop = n->stop; /* then nobody wakes it any more */
        pthread_mutex_unlock(&n->lock);
        return !stop;
    }
    return false;
}

static bool is_stopped(struct native *n)
{
    pthread_mutex_lock(&n->lock);
    bool stop = n->stop;
    pthread_mutex_unlock(&n->lock);
    return stop;
}

static void *source_thread(void *arg)
{
    struct native *n = arg;
    pthread_setname_np(pthread_self(), "amphi-encode");
    do {
        char error[160] = "";
        run_capture(n, error, sizeof(error));
        if (is_stopped(n))
            break;
        bool failed_here = !capture_end_reason(n->capture);
        bool again = close_capture(n, failed_here);
        publisher_end(n->publisher, error);
        if (!again)
            break;
    } while (reopen_capture(n));
    return NULL;
}

/* --- what source.c calls --- */

static int make_lock(struct native *n)
{
    pthread_condattr_t monotonic;
    int err = pthread_condattr_init(&monotonic);
    if (err)
        return -err;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    err = pthread_cond_init(&n->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (err)
        return -err;
    err = pthread_mutex_init(&n->lock, NULL);
    if (err)
        pthread_cond_destroy(&n->changed);
    n->has_lock = err == 0;
    return -err;
}

static int native_open(void *priv, const struct source_config *config, struct publisher *publisher,
                       char *error, size_t error_size)
{
    struct native *n = priv;
    n->config = *config;
    n->publisher = publisher;
    n->rate = config->rate;
    convert_dsp_init(&n->dsp);
    int err = make_lock(n);
    if (err) {
        snprintf(error, error_size, "out of memory");
        return err;
    }
    err = open_capture(n, &n->capture, error, error_size);
    if (err)
        return err;
    struct capture_info about;
    capture_info(n->capture, &about);
    publisher_set_name(publisher, config->kind, about.name);
    return open_layers(n, about.width, about.height, error, error_size);
}

static void stop_small(struct native *n)
{
    for (unsigned i = 0; i + 1 < n->n_layers; i++)
        layer_thread_stop(&n->small[i]);
}

static int native_start(void *priv)
{
    struct native *n = priv;
    int err = capture_start(n->capture);
    for (unsigned i = 0; i + 1 < n->n_layers && !err; i++)
        err = layer_thread_start(&n->small[i]);
    if (!err)
        err = -pthread_create(&n->thread, NULL, source_thread, n);
    if (err)
        stop_small(n);
    return err;
}

static void native_stop(void *priv)
{
    struct native *n = priv;
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    if (n->capture)
        capture_wake(n->capture);
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
    pthread_join(n->thread, NULL);
    stop_small(n);
}

static void poke(struct native *n)
{
    pthread_mutex_lock(&n->lock);
    if (n->capture)
        capture_poke(n->capture);
    pthread_mutex_unlock(&n->lock);
}

static void native_wake(void *priv)
{
    poke(priv);
}

static int native_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct native *n = priv;
    pthread_mutex_lock(&n->lock);
    n->rate = *rate;
    if (n->rate.fps > n->config.rate.fps) /* the capture gives no more */
        n->rate.fps = n->config.rate.fps;
    pthread_mutex_unlock(&n->lock);
    return 0;
}

static void native_set_most(void *priv, uint64_t bps, uint64_t small_bps)
{
    struct native *n = priv;
    pthread_mutex_lock(&n->lock);
    n->most_bps = bps < UINT32_MAX ? (uint32_t)bps : 0;
    n->small_bps = small_bps < UINT32_MAX ? (uint32_t)small_bps : 0;
    pthread_mutex_unlock(&n->lock);
}

static void native_set_paused(void *priv, bool paused)
{
    struct native *n = priv;
    pthread_mutex_lock(&n->lock);
    n->paused = paused;
    pthread_mutex_unlock(&n->lock);
    poke(n);
}

static void native_stats(void *priv, struct source_stats *out)
{
    struct native *n = priv;
    pthread_mutex_lock(&n->lock);
    out->frames_captured = n->captured;
    out->frames_superseded = n->superseded;
    pthread_mutex_unlock(&n->lock);
    out->convert_us = &n->convert_us;
    out->encode_us = &n->layer.encode_us;
}

static void native_close(void *priv)
{
    struct native *n = priv;
    for (unsigned i = 0; n->small && i < FORWARDER_LAYERS_MAX; i++)
        layer_thread_close(&n->small[i]);
    free(n->small);
    source_layer_close(&n->layer);
    capture_close(n->capture);
    planes_free(&n->converted);
    planes_free(&n->fitted);
    if (n->has_lock) {
        pthread_cond_destroy(&n->changed);
        pthread_mutex_destroy(&n->lock);
    }
}

const struct source_ops source_native_ops = {
    .priv_size = sizeof(struct native),
    .open = native_open,
    .start = native_start,
    .stop = native_stop,
    .wake = native_wake,
    .set_rate = native_set_rate,
    .set_most = native_set_most,
    .set_paused = native_set_paused,
    .stats = native_stats,
    .close = native_close,
};
