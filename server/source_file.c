/* The file kind of source: an encoded file, read whole, whose pictures are published one after the
 * other at its rate, again from its first keyframe when it ends, and never encoded again.
 *
 * Read and not mapped: a mapped file that somebody makes shorter would end the program (SIGBUS).
 */
#define G_LOG_DOMAIN "source"

#include "server/source_ops.h"

#include "capture/access_units.h"
#include "server/cadence.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILE_SIZE (1u << 30)

struct file {
    /* immutable after open */
    struct publisher *publisher; /* borrowed: the source's */
    uint8_t *data;               /* owned: the whole file */
    size_t size;
    uint8_t *joined; /* owned: room for any unit with its parameter sets */
    uint32_t rate, rate_scale;
    pthread_t thread;

    /* play thread only */
    struct access_units units;

    /* any thread */
    _Atomic uint64_t frames_read;
    atomic_bool paused;
    struct histogram nothing; /* is converted or encoded */

    /* below: under lock */
    bool has_lock;
    pthread_mutex_t lock;
    pthread_cond_t stopping;
    bool stop;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- the play thread --- */

/* False if there is nothing more to wait for. */
static bool wait_until(struct file *f, int64_t deadline_us)
{
    const struct timespec deadline = {.tv_sec = (time_t)(deadline_us / 1000000),
                                      .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    int err = 0;
    pthread_mutex_lock(&f->lock);
    while (!f->stop && err == 0)
        err = pthread_cond_timedwait(&f->stopping, &f->lock, &deadline);
    bool stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return !stop;
}

/* The next picture as a viewer needs it, keyframes with their parameter sets. */
static struct encoded next_unit(struct file *f)
{
    struct access_unit unit;
    if (!access_units_next(&f->units, &unit)) {
        access_units_rewind(&f->units);
        access_units_next(&f->units, &unit); /* was there when the file was opened */
    }
    struct encoded out = {.data = unit.data, .size = unit.size, .keyframe = unit.keyframe};
    if (unit.headers) {
        memcpy(f->joined, unit.headers, unit.headers_size);
        memcpy(f->joined + unit.headers_size, unit.data, unit.size);
        out.data = f->joined;
        out.size += unit.headers_size;
    }
    return out;
}

static enum codec codec_of(const struct file *f)
{
    switch (f->units.codec) {
    case ACCESS_UNITS_H264:
        return CODEC_H264;
    case ACCESS_UNITS_VP8:
        return CODEC_VP8;
    case ACCESS_UNITS_VP9:
        return CODEC_VP9;
    case ACCESS_UNITS_AV1:
        return CODEC_AV1;
    }
    return CODEC_H264;
}

static void set_coding(struct file *f)
{
    const struct sps *sps = &f->units.cursor.sps;
    publisher_set_coding(f->publisher, 0, codec_of(f), "none", (int)sps->width, (int)sps->height);
}

/* A paused file goes on unseen, and is seen again from its next keyframe on. */
static void publish(struct file *f, const struct encoded *unit)
{
    if (atomic_load_explicit(&f->paused, memory_order_relaxed))
        publisher_break(f->publisher, 0);
    else
        publisher_publish(f->publisher, 0, unit, now_us());
}

static void *play_thread(void *arg)
{
    struct file *f = arg;
    pthread_setname_np(pthread_self(), "amphi-file");
    struct cadence cadence;
    cadence_init(&cadence, f->rate, f->rate_scale, now_us());
    uint64_t frames = 0;
    while (wait_until(f, cadence.next_us)) {
        struct encoded unit = next_unit(f);
        unit.captured_us = cadence.next_us;
        if (unit.keyframe)
            set_coding(f);
        atomic_store_explicit(&f->frames_read, ++frames, memory_order_relaxed);
        publish(f, &unit);
        publisher_tick(f->publisher, 0, frames, now_us());
        cadence_next(&cadence, now_us());
    }
    return NULL;
}

/* --- reading --- */

static int read_all(struct file *f, int fd, char *error, size_t error_size)
{
    f->data = malloc(f->size + 1);
    if (!f->data) {
        snprintf(error, error_size, "no memory for its %zu bytes", f->size);
        return -ENOMEM;
    }
    for (size_t at = 0; at < f->size;) {
        ssize_t n = read(fd, f->data + at, f->size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            snprintf(error, error_size, "cannot be read: %s",
                     n < 0 ? strerror(errno) : "it became shorter meanwhile");
            return -EIO;
        }
        at += (size_t)n;
    }
    return 0;
}

static int read_open(struct file *f, int fd, char *error, size_t error_size)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        snprintf(error, error_size, "is not a regular file");
        return -EINVAL;
    }
    if (about.st_size > MAX_FILE_SIZE) {
        snprintf(error, error_size, "is larger than 1 GiB");
        return -EFBIG;
    }
    f->size = (size_t)about.st_size;
    return read_all(f, fd, error, error_size);
}

static int read_file(struct file *f, const char *path, char *error, size_t error_size)
{
    /* not to wait for the writer of a named pipe */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int err = -errno;
        snprintf(error, error_size, "cannot be opened: %s", strerror(-err));
        return err;
    }
    int err = read_open(f, fd, error, error_size);
    close(fd);
    return err;
}

/* --- what source.c calls --- */

static int load(struct file *f, const struct source_config *config, char *error, size_t error_size)
{
    int err = read_file(f, config->arg, error, error_size);
    if (!err)
        err = access_units_open(&f->units, f->data, f->size, error, error_size);
    if (err)
        return err;
    if (f->units.max_unit_size > PUBLISHER_MAX_UNIT) {
        snprintf(error, error_size, "has a picture of %zu bytes: %u are the most",
                 f->units.max_unit_size, PUBLISHER_MAX_UNIT);
        return -EFBIG;
    }
    f->joined = malloc(f->units.max_unit_size);
    if (!f->joined) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    f->rate = f->units.rate ? f->units.rate : (uint32_t)config->rate.fps;
    f->rate_scale = f->units.rate ? f->units.rate_scale : 1;
    return 0;
}

static int make_lock(struct file *f)
{
    pthread_condattr_t monotonic;
    int err = pthread_condattr_init(&monotonic);
    if (err)
        return -err;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    err = pthread_cond_init(&f->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (err)
        return -err;
    err = pthread_mutex_init(&f->lock, NULL);
    if (err)
        pthread_cond_destroy(&f->stopping);
    f->has_lock = err == 0;
    return -err;
}

/* What viewers read: the last part of the path, in whole characters. */
static void set_name(struct file *f, const char *path)
{
    struct source_info info;
    char *name = g_filename_display_basename(path), *end = name;
    for (char *p = name; *p && g_utf8_next_char(p) - name < (ptrdiff_t)sizeof(info.name);)
        end = p = g_utf8_next_char(p);
    *end = '\0';
    publisher_set_name(f->publisher, "file", name);
    g_free(name);
}

static void say(const struct file *f, const char *path)
{
    const struct access_units *u = &f->units;
    g_info("file=%s size=%" PRIu32 "x%" PRIu32 " fps=%.3f (%s) pictures=%" PRIu64
           " keyframes=%" PRIu64,
           path, u->first.sps.width, u->first.sps.height, (double)f->rate / f->rate_scale,
           u->rate ? "its own" : "--fps", u->n_units, u->n_keyframes);
    if (u->n_skipped)
        g_info("file=%s: %" PRIu64 " pictures before its first keyframe are left out", path,
               u->n_skipped);
    if (u->longest_gop > STREAM_JOIN_MAX_FRAMES)
        g_warning("file=%s: up to %" PRIu64 " pictures from keyframe to keyframe: who joins late "
                  "waits for the next one",
                  path, u->longest_gop);
}

static int file_open(void *priv, const struct source_config *config, struct publisher *publisher,
                     char *error, size_t error_size)
{
    struct file *f = priv;
    f->publisher = publisher;
    if (!config->arg) {
        snprintf(error, error_size, "needs a path: file:PATH");
        return -EINVAL;
    }
    char why[128];
    int err = load(f, config, why, sizeof(why));
    if (err) {
        snprintf(error, error_size, "%.100s %s", config->arg, why);
        return err;
    }
    if (make_lock(f) != 0) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    set_name(f, config->arg);
    set_coding(f);
    say(f, config->arg);
    return 0;
}

static int file_start(void *priv)
{
    struct file *f = priv;
    return -pthread_create(&f->thread, NULL, play_thread, f);
}

static void file_stop(void *priv)
{
    struct file *f = priv;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->stopping);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
}

/* A keyframe cannot be made: the request is granted by the next one of the file. */
static void file_wake(void *priv)
{
    (void)priv;
}

static void file_set_paused(void *priv, bool paused)
{
    struct file *f = priv;
    atomic_store_explicit(&f->paused, paused, memory_order_relaxed);
}

static void file_stats(void *priv, struct source_stats *out)
{
    struct file *f = priv;
    out->frames_captured = atomic_load_explicit(&f->frames_read, memory_order_relaxed);
    out->convert_us = out->encode_us = &f->nothing;
}

static void file_close(void *priv)
{
    struct file *f = priv;
    if (f->has_lock) {
        pthread_cond_destroy(&f->stopping);
        pthread_mutex_destroy(&f->lock);
    }
    free(f->joined);
    free(f->data);
}

const struct source_ops source_file_ops = {
    .priv_size = sizeof(struct file),
    .open = file_open,
    .start = file_start,
    .stop = file_stop,
    .wake = file_wake,
    .set_paused = file_set_paused,
    .stats = file_stats,
    .close = file_close,
};
