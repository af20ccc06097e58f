/* layer_thread.h - a smaller layer on a thread of its own, so that it never delays the largest.
 *
 *     converting thread: layer_thread_offer ─▶ slots, newest wins ─▶ this thread:
 * source_layer_encode
 *
 * Life: layer_thread_open (which opens its encoder), layer_thread_start, offers, layer_thread_stop,
 * layer_thread_close. Opened, started, stopped and closed by one thread.
 *
 * A layer whose encoder cannot be had any more (its pictures have become too small) rests until
 * they have another size; its viewers are left with what they have.
 */
#pragma once

#include "capture/slots.h"
#include "server/source_layer.h"

#include <pthread.h>

#define LAYER_SLOTS 3

struct layer_picture {
    struct picture picture; /* planes owned */
    struct encoder_rate rate;
    uint64_t captured;
};

struct layer_thread {
    struct source_layer layer;
    unsigned divisor; /* how often the size is halved */

    struct slots slots;
    struct layer_picture in[LAYER_SLOTS]; /* each belongs to who holds its slot */
    bool has_slots, started;
    pthread_t thread;
};

/* `width` and `height` are those of the largest layer. */
int layer_thread_open(struct layer_thread *t, const struct source_layer_config *config,
                      unsigned divisor, int width, int height, const struct encoder_rate *rate,
                      char *error, size_t error_size);
int layer_thread_start(struct layer_thread *t);
/* `pic` as converted for the largest layer, `rate` this layer's. Never waits: 0, or -errno, and
 * then the layer goes without this picture. */
int layer_thread_offer(struct layer_thread *t, const struct picture *pic,
                       const struct encoder_rate *rate, uint64_t captured);
void layer_thread_stop(struct layer_thread *t);
void layer_thread_close(struct layer_thread *t); /* zeroed memory is fine */
