#include "server/source_layer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void drop_encoder(struct source_layer *l)
{
    encoder_close(l->encoder);
    l->encoder = NULL;
    publisher_break(l->config.publisher, l->config.index);
}

static int open_encoder(struct source_layer *l, int width, int height,
                        const struct encoder_rate *rate, char *error, size_t error_size)
{
    const struct encoder_config config = {
        .codec = l->config.codec,
        .content = ENCODER_SCREEN,
        .width = width,
        .height = height,
        .fps = rate->fps,
        .bitrate_bps = rate->bitrate_bps,
        .rate_control = rate->rate_control,
        .threads = 1,
        .effort = l->config.effort,
        .temporal_layers = (int)l->config.temporal_layers,
        .on_ready = l->config.on_ready,
        .on_ready_arg = l->config.on_ready_arg,
    };
    int err = encoder_open(&l->encoder, l->config.encoder, &config, error, error_size);
    if (err) {
        l->encoder = NULL;
        return err;
    }
    l->width = width;
    l->height = height;
    l->format = encoder_ops(l->encoder)->input;
    l->rate = *rate;
    l->on_way = 0;
    l->keyframe_on_way_us = INT64_MAX;
    publisher_break(l->config.publisher, l->config.index);
    publisher_set_budget(l->config.publisher, l->config.index, rate->bitrate_bps);
    publisher_set_coding(l->config.publisher, l->config.index, l->config.codec,
                         encoder_ops(l->encoder)->name, width, height);
    return 0;
}

int source_layer_open(struct source_layer *l, const struct source_layer_config *config, int width,
                      int height, const struct encoder_rate *rate, char *error, size_t error_size)
{
    memset(l, 0, sizeof(*l));
    l->config = *config;
    l->quantizer = -1;
    return open_encoder(l, width, height, rate, error, error_size);
}

void source_layer_close(struct source_layer *l)
{
    encoder_close(l->encoder);
    l->encoder = NULL;
}

enum picture_format source_layer_format(const struct source_layer *l)
{
    return l->format;
}

static bool is_rate_changed(const struct source_layer *l, const struct encoder_rate *rate)
{
    return l->rate.bitrate_bps != rate->bitrate_bps || l->rate.fps != rate->fps ||
           l->rate.rate_control != rate->rate_control;
}

/* An encoder for this picture at this rate; a new one only where the one there is cannot do it. */
static int fit_encoder(struct source_layer *l, const struct picture *pic,
                       const struct encoder_rate *rate, char *error, size_t error_size)
{
    if (l->encoder && (pic->width != l->width || pic->height != l->height))
        drop_encoder(l);
    if (l->encoder && is_rate_changed(l, rate)) {
        int err = encoder_set_rate(l->encoder, rate);
        if (err) {
            drop_encoder(l);
        } else {
            l->rate = *rate;
            publisher_set_budget(l->config.publisher, l->config.index, rate->bitrate_bps);
        }
    }
    return l->encoder ? 0 : open_encoder(l, pic->width, pic->height, rate, error, error_size);
}

static void note_submitted(struct source_layer *l, int64_t begin_us)
{
    assert(l->on_way < SOURCE_LAYER_ON_WAY_MAX);
    l->submitted_us[(l->on_way_first + l->on_way++) % SOURCE_LAYER_ON_WAY_MAX] = begin_us;
}

static void note_received(struct source_layer *l)
{
    assert(l->on_way > 0);
    int64_t took_us = now_us() - l->submitted_us[l->on_way_first];
    histogram_add(&l->encode_us, took_us);
    publisher_set_cost(l->config.publisher, l->config.index, took_us);
    l->on_way_first = (l->on_way_first + 1) % SOURCE_LAYER_ON_WAY_MAX;
    l->on_way--;
}

/* What became of a picture is lost with it, as are those that refer to it. */
static void lose_picture(struct source_layer *l, int err)
{
    publisher_break(l->config.publisher, l->config.index);
    publisher_drop(l->config.publisher, l->config.index);
    l->keyframe_on_way_us = INT64_MAX;
    if (err == -ESHUTDOWN)
        drop_encoder(l);
}

/* A skipped picture of a wanted keyframe stays wanted. */
static void take_unit(struct source_layer *l, const struct encoded *unit)
{
    if (unit->captured_us >= l->keyframe_on_way_us)
        l->keyframe_on_way_us = INT64_MAX;
    if (unit->size == 0) {
        publisher_drop(l->config.publisher, l->config.index);
        return;
    }
    publisher_publish(l->config.publisher, l->config.index, unit, now_us());
    l->quantizer = unit->quantizer;
    l->unit_size = unit->size;
}

void source_layer_drain(struct source_layer *l)
{
    struct encoded unit;
    int err = 0;
    while (l->encoder && (err = encoder_receive(l->encoder, &unit)) != -EAGAIN) {
        if (err != -ESHUTDOWN)
            note_received(l);
        if (err)
            lose_picture(l, err);
        else
            take_unit(l, &unit);
    }
    atomic_store(&l->waits, publisher_keyframe_waits(l->config.publisher, l->config.index));
}

int source_layer_encode(struct source_layer *l, const struct picture *pic,
                        const struct encoder_rate *rate, uint64_t captured, char *error,
                        size_t error_size)
{
    int err = fit_encoder(l, pic, rate, error, error_size);
    if (err)
        return err;
    int64_t begin = now_us();
    /* one that is on its way need not be asked for again */
    bool keyframe =
        l->keyframe_on_way_us == INT64_MAX &&
        publisher_keyframe_due(l->config.publisher, l->config.index, pic->repeat, begin);
    err = encoder_submit(l->encoder, pic, keyframe);
    if (err == -EAGAIN) {
        publisher_drop(l->config.publisher, l->config.index); /* before it was encoded: nothing
                                                                 refers to it */
    } else if (err) {
        lose_picture(l, err);
    } else {
        note_submitted(l, begin);
        if (keyframe)
            l->keyframe_on_way_us = pic->captured_us;
    }
    source_layer_drain(l);
    publisher_tick(l->config.publisher, l->config.index, captured, now_us());
    return 0;
}
