/* source_opening.h - opens what goes into a slot, picture, sound or both, on a thread of its own: a
 * display or a sound server that hangs may take seconds to be given up, and signaling waits for
 * nobody.
 *
 * Life: source_opening_begin; after `wake` source_opening_take, which ends it, or at any time
 * source_opening_abandon, which ends it, too, and never waits. What nobody takes any more is closed
 * where it was opened. One thread begins, takes and abandons.
 */
#pragma once

#include "server/media.h"
#include "server/source.h"
#include "server/source_audio.h"

#include <stddef.h>

/* To be closed in this order: source, audio, media. */
struct opened {
    struct source *source;      /* owned; NULL: no picture was asked for */
    struct source_audio *audio; /* owned; NULL: no sound was asked for */
    struct media *media;        /* owned, malloc'd; the source borrows from it */
};

struct source_opening_config {
    struct media *media;              /* malloc'd: taken over */
    struct source_config video;       /* kind NULL: no picture */
    struct source_audio_config audio; /* kind NULL: no sound */
    /* Any thread, not after source_opening_abandon: there is something to take. NULL is fine. */
    void (*wake)(void *arg);
    void *wake_arg;
};

struct source_opening;

/* On this thread, however long it takes. 0, or -errno with a sentence. */
int source_open_all(struct opened *out, const struct source_opening_config *config, char *error,
                    size_t error_size);
void opened_close(struct opened *o); /* zeroed is fine */

/* 0, or -errno, when `media` is gone nevertheless. */
int source_opening_begin(struct source_opening **out, const struct source_opening_config *config);
/* -EINPROGRESS: not yet. Else 0 with what is to be started, or -errno with a sentence. */
int source_opening_take(struct source_opening *o, struct opened *out, char *error,
                        size_t error_size);
void source_opening_abandon(struct source_opening *o); /* NULL is fine */
