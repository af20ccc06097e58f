/* fake_forwarder.h - takes the place of forwarder.c in a test of who publishes: keeps what it is
 * given.
 *
 * Frames beyond FAKE_FRAMES_MAX are counted and let go, so that a source may run on.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "rtp/payload/h264.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define FAKE_FRAMES_MAX 512
#define FAKE_STREAM_ID 77

struct forwarder {
    bool is_full, has_source;
    bool is_watched; /* whatever attaches is, at once */
    struct forwarder_source source;
    unsigned n_layers;

    /* below: under lock */
    pthread_mutex_t lock;
    pthread_cond_t published;
    unsigned n_frames; /* given so far */
    struct frame *frames[FAKE_FRAMES_MAX];
    unsigned layers[FAKE_FRAMES_MAX]; /* of each */
    uint64_t ids[FORWARDER_LAYERS_MAX];
};

static inline void fake_init(struct forwarder *f)
{
    *f = (struct forwarder){.n_frames = 0};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->published, NULL);
}

static inline void fake_finish(struct forwarder *f)
{
    assert(!f->has_source);
    for (unsigned i = 0; i < f->n_frames && i < FAKE_FRAMES_MAX; i++)
        frame_unref(f->frames[i]);
    pthread_cond_destroy(&f->published);
    pthread_mutex_destroy(&f->lock);
}

int forwarder_attach(struct forwarder *f, uint32_t stream_id, const struct forwarder_source *source,
                     unsigned n_layers)
{
    if (f->is_full)
        return -ENOMEM;
    assert(!f->has_source && stream_id == FAKE_STREAM_ID);
    f->has_source = true;
    f->source = *source;
    f->n_layers = n_layers;
    for (unsigned i = 0; i < n_layers && f->is_watched; i++)
        source->watched(source->arg, i, true);
    return 0;
}

void forwarder_detach(struct forwarder *f, uint32_t stream_id)
{
    assert(f->has_source && stream_id == FAKE_STREAM_ID);
    f->has_source = false;
}

void forwarder_publish(struct forwarder *f, uint32_t stream_id, unsigned layer, struct frame *frame)
{
    assert(f->has_source && stream_id == FAKE_STREAM_ID && layer < f->n_layers);
    pthread_mutex_lock(&f->lock);
    frame->id = ++f->ids[layer];
    if (f->n_frames < FAKE_FRAMES_MAX) {
        f->frames[f->n_frames] = frame;
        f->layers[f->n_frames] = layer;
    } else {
        frame_unref(frame);
    }
    f->n_frames++;
    pthread_cond_broadcast(&f->published);
    pthread_mutex_unlock(&f->lock);
}

/* False if so many frames have not come within 20 seconds. */
static inline bool fake_wait(struct forwarder *f, unsigned n_frames)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 20;
    int err = 0;
    pthread_mutex_lock(&f->lock);
    while (f->n_frames < n_frames && err == 0)
        err = pthread_cond_timedwait(&f->published, &f->lock, &deadline);
    bool came = f->n_frames >= n_frames;
    pthread_mutex_unlock(&f->lock);
    return came;
}

/* Frame number i as an access unit; its size. */
static inline size_t fake_unit(struct forwarder *f, unsigned i, uint8_t *out, size_t room)
{
    pthread_mutex_lock(&f->lock);
    assert(i < f->n_frames && i < FAKE_FRAMES_MAX);
    const struct packetize *p = &f->frames[i]->payload;
    struct h264_assembler a;
    h264_assemble_begin(&a, out, room);
    for (unsigned k = 0; k < p->n_packets; k++)
        h264_assemble(&a, p->data + p->packets[k].offset, p->packets[k].size);
    pthread_mutex_unlock(&f->lock);
    return h264_assemble_end(&a) ? a.size : 0;
}
