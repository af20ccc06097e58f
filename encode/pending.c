#include "encode/pending.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { FREE = 1, ENCODING, FILLING, DONE };

struct pending {
    /* immutable after create */
    void (*on_ready)(void *arg);
    void *on_ready_arg;

    /* below: under lock; the public part of a place that is FILLING or DONE is who fills or
     * receives it's */
    pthread_mutex_t lock;
    pthread_cond_t quiet; /* telling became 0 */
    int refs;             /* the encoder's and one per place that is ENCODING or FILLING */
    int telling;          /* threads inside on_ready */
    bool closed;          /* nobody wants to hear any more */
    bool lost;            /* the encoder is of no use any more */
    bool keyframe_due;    /* the next picture is to be one, asked for or not */
    bool broken;          /* a picture was lost and no keyframe came since */
    uint64_t next_ticket;
    unsigned head, tail; /* places in use: head to tail - 1, modulo PENDING_MAX */
    struct pending_place place[PENDING_MAX];
};

struct pending *pending_create(void (*on_ready)(void *arg), void *on_ready_arg)
{
    struct pending *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    if (pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        return NULL;
    }
    if (pthread_cond_init(&p->quiet, NULL) != 0) {
        pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
    }
    p->on_ready = on_ready;
    p->on_ready_arg = on_ready_arg;
    p->refs = 1;
    p->keyframe_due = true;
    p->next_ticket = 1;
    for (int i = 0; i < PENDING_MAX; i++)
        p->place[i].state = FREE;
    return p;
}

/* Unlocks, and frees with the last reference. */
static void unref_locked(struct pending *p)
{
    assert(p->refs > 0);
    bool last = --p->refs == 0;
    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    for (int i = 0; i < PENDING_MAX; i++)
        free(p->place[i].memory);
    pthread_cond_destroy(&p->quiet);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* --- the encode thread --- */

int pending_room(struct pending *p, int64_t captured_us)
{
    pthread_mutex_lock(&p->lock);
    const struct pending_place *oldest = &p->place[p->head % PENDING_MAX];
    bool full = p->tail - p->head == PENDING_MAX;
    if (full && oldest->state == ENCODING &&
        captured_us - oldest->unit.captured_us > PENDING_STALLED_US)
        p->lost = true;
    int r = p->lost ? -ESHUTDOWN : full ? -EAGAIN : 0;
    pthread_mutex_unlock(&p->lock);
    return r;
}

uint64_t pending_enter(struct pending *p, int64_t captured_us, bool *keyframe)
{
    pthread_mutex_lock(&p->lock);
    assert(p->tail - p->head < PENDING_MAX);
    struct pending_place *place = &p->place[p->tail++ % PENDING_MAX];
    assert(place->state == FREE || place->state == DONE);
    *keyframe |= p->keyframe_due;
    p->keyframe_due = false;
    place->state = ENCODING;
    place->ticket = p->next_ticket++;
    place->keyframe_wanted = *keyframe;
    place->result = 0;
    place->unit = (struct encoded){.captured_us = captured_us, .quantizer = -1};
    p->refs++;
    uint64_t ticket = place->ticket;
    pthread_mutex_unlock(&p->lock);
    return ticket;
}

void pending_leave(struct pending *p, uint64_t ticket, int error)
{
    pthread_mutex_lock(&p->lock);
    assert(p->tail != p->head);
    struct pending_place *place = &p->place[(p->tail - 1) % PENDING_MAX];
    assert(place->ticket == ticket);
    p->lost |= error == -ESHUTDOWN;
    p->keyframe_due = true;
    if (place->state != ENCODING) { /* it was answered all the same: receive tells how */
        pthread_mutex_unlock(&p->lock);
        return;
    }
    place->state = FREE;
    p->tail--;
    unref_locked(p);
}

int pending_receive(struct pending *p, struct encoded *out)
{
    pthread_mutex_lock(&p->lock);
    int r = p->lost ? -ESHUTDOWN : -EAGAIN;
    const struct pending_place *place = &p->place[p->head % PENDING_MAX];
    if (p->head != p->tail && place->state == DONE) {
        p->head++;
        r = place->result;
        *out = place->unit;
    }
    pthread_mutex_unlock(&p->lock);
    return r;
}

void pending_lose(struct pending *p)
{
    pthread_mutex_lock(&p->lock);
    p->lost = true;
    pthread_mutex_unlock(&p->lock);
}

bool pending_silence(struct pending *p)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    bool lost = p->lost;
    pthread_mutex_unlock(&p->lock);
    return !lost;
}

void pending_close(struct pending *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    while (p->telling > 0)
        pthread_cond_wait(&p->quiet, &p->lock);
    unref_locked(p);
}

/* --- the library's thread --- */

struct pending_place *pending_begin(struct pending *p, uint64_t ticket)
{
    struct pending_place *place = NULL;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < PENDING_MAX && !place; i++) {
        if (p->place[i].state == ENCODING && p->place[i].ticket == ticket)
            place = &p->place[i];
    }
    if (place) {
        place->state = FILLING;
        place->wanted = !p->closed;
    }
    pthread_mutex_unlock(&p->lock);
    return place;
}

int pending_reserve(struct pending_place *place, size_t size)
{
    if (size <= place->memory_size)
        return 0;
    size_t wanted = size > SIZE_MAX / 2 ? size : size * 2; /* seldom again */
    uint8_t *memory = realloc(place->memory, wanted);
    if (!memory)
        return -ENOMEM;
    place->memory = memory;
    place->memory_size = wanted;
    return 0;
}

/* What a result means for those after it. */
static void settle_locked(struct pending *p, struct pending_place *place)
{
    p->lost |= place->result == -ESHUTDOWN;
    if (place->result < 0) {
        p->broken = p->keyframe_due = true;
    } else if (place->unit.keyframe) {
        p->broken = p->keyframe_due = false;
    } else {
        p->keyframe_due |= place->keyframe_wanted;
        if (p->broken && place->unit.size > 0)
            place->result = -EIO;
    }
}

void pending_finish(struct pending *p, struct pending_place *place)
{
    pthread_mutex_lock(&p->lock);
    assert(place->state == FILLING);
    settle_locked(p, place);
    place->state = DONE;
    if (p->on_ready && !p->closed) {
        p->telling++;
        pthread_mutex_unlock(&p->lock);
        p->on_ready(p->on_ready_arg);
        pthread_mutex_lock(&p->lock);
        if (--p->telling == 0)
            pthread_cond_broadcast(&p->quiet);
    }
    unref_locked(p);
}
