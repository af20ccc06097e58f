/* pending.h - the pictures on their way through an asynchronous encoder, in order.
 *
 *     FREE --enter--> ENCODING --begin--> FILLING --finish--> DONE --receive, then enter-->
 * ENCODING | leave (it was refused): FREE
 *
 * Each picture has a place from submit to receive, so that a callback, however late, never finds it
 * full, and what there is no place for is refused before it is encoded, when it costs no reference.
 * finish tells on_ready at once: no picture waits for the one after it.
 *
 * enter, leave, receive, room, lose and close belong to the encode thread, begin and finish to the
 * thread the library calls back on. Callbacks may come after close: the last one frees.
 */
#pragma once

#include "encode/encoder.h"

/* Hardware works on two pictures at a time; more than a few would be latency. */
#define PENDING_MAX 4
/* An encoder that has not answered for so long while pictures came in is taken for dead. */
#define PENDING_STALLED_US 2000000

struct pending;

struct pending_place {
    /* for who fills it, between begin and finish */
    struct encoded unit; /* data in `memory`; size 0: left out. captured_us is set */
    int result;          /* 0 or -errno */
    uint8_t *memory;     /* owned; stays with the place */
    size_t memory_size;
    bool wanted; /* somebody will receive it: worth filling */

    /* pending.c's own, under its lock */
    int state;
    uint64_t ticket;
    bool keyframe_wanted;
};

struct pending *pending_create(void (*on_ready)(void *arg), void *on_ready_arg); /* or NULL */

/* 0, -EAGAIN: full, or -ESHUTDOWN: lost, or the oldest is not answered since PENDING_STALLED_US. */
int pending_room(struct pending *p, int64_t captured_us);
/* Takes the next place, of which there must be one. *keyframe becomes true as well when one is due:
 * the first, after a loss, and when one that was wanted was left out. Returns what names it to the
 * library, never the same twice and never 0. */
uint64_t pending_enter(struct pending *p, int64_t captured_us, bool *keyframe);
/* What was entered last was refused with this -errno: as if it had never been. */
void pending_leave(struct pending *p, uint64_t ticket, int error);

/* The place of that ticket, to be filled and finished; NULL when it is not awaited (any more). */
struct pending_place *pending_begin(struct pending *p, uint64_t ticket);
void pending_finish(struct pending *p, struct pending_place *place);
/* At least that much memory in a place: 0 or -ENOMEM. */
int pending_reserve(struct pending_place *place, size_t size);

/* As encoder_ops.receive. A lost picture takes those with it that may refer to it. */
int pending_receive(struct pending *p, struct encoded *out);
void pending_lose(
    struct pending *p); /* the encoder is of no use any more: -ESHUTDOWN from now on */

/* From now on nothing is wanted and nobody told. False: it was lost, do not wait for it. */
bool pending_silence(struct pending *p);
/* After the library was closed. on_ready is not running any more when it returns. NULL is fine. */
void pending_close(struct pending *p);
