/* The native kind of source: one thread takes the newest picture of a capture, converts it unless
 * it is a repeat, encodes it, and publishes what comes out. */
#include "server/source_ops.h"

#include "capture/capture.h"
#include "encode/convert.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* More than any encoder holds. */
#define MAX_ON_WAY 16

struct native {
    /* immutable after open */
    struct source_config config;
    struct publisher *publisher; /* borrowed: the source's */
    struct capture *capture;     /* owned */
    struct convert_dsp dsp;
    pthread_t thread;

    /* encode thread only */
    struct encoder *encoder;  /* owned; NULL: to be opened for the next picture's size */
    struct picture converted; /* what the encoder takes; planes owned */
    bool has_converted;
    /* Of the pictures the encoder has, oldest first, when they were submitted. */
    int64_t submitted_us[MAX_ON_WAY];
    unsigned on_way_first, on_way;
    int64_t keyframe_on_way_us; /* captured_us of one that was asked for; INT64_MAX: none */

    /* any thread */
    struct histogram convert_us, encode_us;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t captured(const struct native *n)
{
    struct capture_stats stats;
    capture_stats(n->capture, &stats);
    return stats.captured;
}

/* --- the encoder and the picture it takes --- */

static int converted_alloc(struct native *n, int width, int height, enum picture_format format)
{
    free(n->converted.plane[0]);
    n->converted = (struct picture){.format = format, .width = width, .height = height};
    n->has_converted = false;
    ptrdiff_t stride = (width + 63) / 64 * 64;
    size_t luma = (size_t)stride * (size_t)height;
    uint8_t *memory = aligned_alloc(64, (luma + luma / 2 + 127) / 64 * 64);
    if (!memory)
        return -ENOMEM;
    n->converted.plane[0] = memory;
    n->converted.plane[1] = memory + luma;
    n->converted.stride[0] = n->converted.stride[1] = stride;
    if (format == PICTURE_I420) {
        n->converted.stride[1] = n->converted.stride[2] = stride / 2;
        n->converted.plane[2] = memory + luma + luma / 4;
    }
    return 0;
}

/* An asynchronous encoder has something; any thread. */
static void on_ready(void *arg)
{
    struct native *n = arg;
    capture_wake(n->capture);
}

static int open_encoder(struct native *n, int width, int height, char *error, size_t error_size)
{
    const struct encoder_config config = {
        .codec = n->config.codec,
        .content = ENCODER_SCREEN,
        .width = width,
        .height = height,
        .fps = n->config.fps,
        .bitrate_bps = n->config.bitrate_bps,
        .threads = 1,
        .on_ready = on_ready,
        .on_ready_arg = n,
    };
    struct encoder *encoder;
    int err = encoder_open(&encoder, n->config.encoder, &config, error, error_size);
    if (err)
        return err;
    err = converted_alloc(n, width, height, encoder_ops(encoder)->input);
    if (err) {
        snprintf(error, error_size, "no memory for pictures of %dx%d", width, height);
        encoder_close(encoder);
        return err;
    }
    n->encoder = encoder;
    n->on_way = 0;
    n->keyframe_on_way_us = INT64_MAX;
    publisher_break(n->publisher);
    publisher_set_coding(n->publisher, codec_name(n->config.codec), encoder_ops(encoder)->name,
                         width, height);
    return 0;
}

/* --- the encode thread --- */

/* A new one is opened for the next picture. */
static void close_encoder(struct native *n)
{
    encoder_close(n->encoder);
    n->encoder = NULL;
}

static void note_submitted(struct native *n, int64_t begin_us)
{
    assert(n->on_way < MAX_ON_WAY);
    n->submitted_us[(n->on_way_first + n->on_way++) % MAX_ON_WAY] = begin_us;
}

static void note_received(struct native *n)
{
    assert(n->on_way > 0);
    histogram_add(&n->encode_us, now_us() - n->submitted_us[n->on_way_first]);
    n->on_way_first = (n->on_way_first + 1) % MAX_ON_WAY;
    n->on_way--;
}

/* What became of a picture is lost with it, as are those that refer to it. */
static void lose_picture(struct native *n, int err)
{
    publisher_break(n->publisher);
    publisher_drop(n->publisher);
    n->keyframe_on_way_us = INT64_MAX;
    if (err == -ESHUTDOWN)
        close_encoder(n);
}

/* Every access unit the encoder has ready; a skipped picture of a wanted keyframe stays wanted. */
static void drain_encoder(struct native *n)
{
    struct encoded unit;
    int err;
    while (n->encoder && (err = encoder_receive(n->encoder, &unit)) != -EAGAIN) {
        if (err != -ESHUTDOWN)
            note_received(n);
        if (err) {
            lose_picture(n, err);
            continue;
        }
        if (unit.captured_us >= n->keyframe_on_way_us)
            n->keyframe_on_way_us = INT64_MAX;
        if (unit.size)
            publisher_publish(n->publisher, &unit, now_us());
        else
            publisher_drop(n->publisher);
    }
}

static int fit_encoder(struct native *n, const struct picture *pic, char *error, size_t size)
{
    if (n->encoder && (pic->width != n->converted.width || pic->height != n->converted.height))
        close_encoder(n);
    return n->encoder ? 0 : open_encoder(n, pic->width, pic->height, error, size);
}

/* The picture as the encoder takes it: itself, if the source delivers it so. */
static const struct picture *fit_picture(struct native *n, const struct picture *pic)
{
    if (pic->format == n->converted.format)
        return pic;
    int64_t begin = now_us();
    if (!pic->repeat || !n->has_converted)
        convert_picture(&n->dsp, pic, &n->converted);
    n->has_converted = true;
    n->converted.captured_us = pic->captured_us;
    n->converted.repeat = pic->repeat;
    histogram_add(&n->convert_us, now_us() - begin);
    return &n->converted;
}

static int encode_picture(struct native *n, const struct picture *pic, char *error, size_t size)
{
    int err = fit_encoder(n, pic, error, size);
    if (err)
        return err;
    pic = fit_picture(n, pic);
    int64_t begin = now_us();
    /* one that is on its way need not be asked for again */
    bool keyframe = publisher_keyframe_due(n->publisher, pic->repeat, begin) &&
                    n->keyframe_on_way_us == INT64_MAX;
    err = encoder_submit(n->encoder, pic, keyframe);
    if (err == -EAGAIN) {
        publisher_drop(n->publisher); /* before it was encoded: nothing refers to it */
    } else if (err) {
        lose_picture(n, err);
    } else {
        note_submitted(n, begin);
        if (keyframe)
            n->keyframe_on_way_us = pic->captured_us;
    }
    drain_encoder(n);
    publisher_tick(n->publisher, captured(n), now_us());
    return 0;
}

static void *encode_thread(void *arg)
{
    struct native *n = arg;
    pthread_setname_np(pthread_self(), "amphi-encode");
    char error[160] = "";
    const struct picture *pic;
    int err = 0;
    for (;;) {
        int taken = capture_take_or_wake(n->capture, &pic);
        if (taken == -EINTR) {
            drain_encoder(n);
        } else if (taken == 0) {
            err = encode_picture(n, pic, error, sizeof(error));
            capture_release(n->capture, pic);
        }
        if (err || (taken < 0 && taken != -EINTR))
            break;
        /* a request inside the gap waits for a picture to ride on: an idle source must give one */
        if (publisher_keyframe_waits(n->publisher) && n->keyframe_on_way_us == INT64_MAX)
            capture_poke(n->capture);
    }
    const char *reason = error[0] ? error : capture_end_reason(n->capture);
    if (reason)
        publisher_end(n->publisher, reason);
    return NULL;
}

/* --- what source.c calls --- */

static int native_open(void *priv, const struct source_config *config, struct publisher *publisher,
                       char *error, size_t error_size)
{
    struct native *n = priv;
    n->config = *config;
    n->publisher = publisher;
    convert_dsp_init(&n->dsp);
    const struct capture_config capture = {
        .kind = config->kind, .arg = config->arg, .fps = config->fps};
    int err = capture_open(&n->capture, &capture, error, error_size);
    if (err)
        return err;
    struct capture_info about;
    capture_info(n->capture, &about);
    publisher_set_name(publisher, config->kind, about.name);
    /* opened here, so that a wrong size or backend is said before anything starts */
    return open_encoder(n, about.width, about.height, error, error_size);
}

static int native_start(void *priv)
{
    struct native *n = priv;
    int err = capture_start(n->capture);
    if (err)
        return err;
    if (pthread_create(&n->thread, NULL, encode_thread, n) != 0) {
        capture_stop(n->capture);
        return -EAGAIN;
    }
    return 0;
}

static void native_stop(void *priv)
{
    struct native *n = priv;
    capture_stop(n->capture);
    pthread_join(n->thread, NULL);
}

static void native_wake(void *priv)
{
    struct native *n = priv;
    capture_poke(n->capture);
}

static void native_stats(void *priv, struct source_stats *out)
{
    struct native *n = priv;
    struct capture_stats stats;
    capture_stats(n->capture, &stats);
    out->frames_captured = stats.captured;
    out->frames_superseded = stats.superseded;
    out->convert_us = &n->convert_us;
    out->encode_us = &n->encode_us;
}

static void native_close(void *priv)
{
    struct native *n = priv;
    encoder_close(n->encoder);
    capture_close(n->capture);
    free(n->converted.plane[0]);
}

const struct source_ops source_native_ops = {
    .priv_size = sizeof(struct native),
    .open = native_open,
    .start = native_start,
    .stop = native_stop,
    .wake = native_wake,
    .stats = native_stats,
    .close = native_close,
};
