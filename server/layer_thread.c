#define G_LOG_DOMAIN "source"

#include "server/layer_thread.h"

#include "encode/planes.h"
#include "encode/scale.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

static void on_ready(void *arg)
{
    slots_wake(&((struct layer_thread *)arg)->slots);
}

int layer_thread_open(struct layer_thread *t, const struct source_layer_config *config,
                      unsigned divisor, int width, int height, const struct encoder_rate *rate,
                      char *error, size_t error_size)
{
    memset(t, 0, sizeof(*t));
    t->divisor = divisor;
    int err = slots_init(&t->slots, LAYER_SLOTS);
    if (err) {
        snprintf(error, error_size, "out of memory");
        return err;
    }
    t->has_slots = true;
    struct source_layer_config own = *config;
    own.on_ready = on_ready;
    own.on_ready_arg = t;
    scale_layer_size(width, height, divisor, &width, &height);
    return source_layer_open(&t->layer, &own, width, height, rate, error, error_size);
}

/* --- the converting thread --- */

static int fill(struct layer_picture *in, const struct picture *pic, int width, int height)
{
    if (in->picture.width != width || in->picture.height != height ||
        in->picture.format != pic->format) {
        int err = planes_alloc(&in->picture, pic->format, width, height);
        if (err)
            return err;
    }
    return scale_picture(pic, &in->picture);
}

int layer_thread_offer(struct layer_thread *t, const struct picture *pic,
                       const struct encoder_rate *rate, uint64_t captured)
{
    int width, height;
    scale_layer_size(pic->width, pic->height, t->divisor, &width, &height);
    int slot = slots_begin_write(&t->slots);
    if (slot < 0)
        return slot;
    struct layer_picture *in = &t->in[slot];
    int err = fill(in, pic, width, height);
    if (err) {
        slots_cancel(&t->slots, slot);
        return err;
    }
    in->rate = *rate;
    in->captured = captured;
    slots_publish(&t->slots, slot);
    return 0;
}

/* --- the layer's own --- */

/* Pictures of one size that no encoder takes are not tried again and again. */
struct refused {
    int width, height;
};

static void encode(struct layer_thread *t, const struct layer_picture *in, struct refused *refused)
{
    char error[160];
    const struct picture *pic = &in->picture;
    if (pic->width == refused->width && pic->height == refused->height)
        return;
    if (source_layer_encode(&t->layer, pic, &in->rate, in->captured, error, sizeof(error)) == 0)
        return;
    g_warning("layer %u of %dx%d rests: %s", t->layer.config.index, pic->width, pic->height, error);
    *refused = (struct refused){pic->width, pic->height};
}

static void *layer_main(void *arg)
{
    struct layer_thread *t = arg;
    struct refused refused = {0};
    pthread_setname_np(pthread_self(), "amphi-layer");
    for (;;) {
        int slot = slots_take_or_wake(&t->slots);
        if (slot == -ESHUTDOWN)
            return NULL;
        if (slot < 0) {
            source_layer_drain(&t->layer);
            continue;
        }
        encode(t, &t->in[slot], &refused);
        slots_release(&t->slots, slot);
    }
}

int layer_thread_start(struct layer_thread *t)
{
    int err = pthread_create(&t->thread, NULL, layer_main, t);
    t->started = err == 0;
    return -err;
}

void layer_thread_stop(struct layer_thread *t)
{
    if (!t->started)
        return;
    slots_close(&t->slots);
    pthread_join(t->thread, NULL);
    t->started = false;
}

void layer_thread_close(struct layer_thread *t)
{
    source_layer_close(&t->layer);
    if (t->has_slots)
        slots_finish(&t->slots);
    for (int i = 0; i < LAYER_SLOTS; i++)
        planes_free(&t->in[i].picture);
    t->has_slots = false;
}
