#include "server/audio_opening.h"

#include "server/media.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum state {
    OPENING,
    OPENED,    /* the owner's: the thread touches it no more */
    ABANDONED, /* the thread's */
};

struct audio_opening {
    atomic_int state;

    /* the thread's until OPENED, then the owner's */
    struct source_audio_config config;
    struct media_place place;   /* what it points to */
    struct source_audio *sound; /* owned; NULL: `err` says why */
    int err;
    char error[160];
};

static void discard(struct audio_opening *o)
{
    source_audio_close(o->sound);
    free(o);
}

static void *opening_thread(void *arg)
{
    struct audio_opening *o = arg;
    pthread_setname_np(pthread_self(), "amphi-sound");
    o->err = source_audio_open(&o->sound, &o->config, o->error, sizeof(o->error));
    if (o->err)
        o->sound = NULL;
    if (atomic_exchange(&o->state, OPENED) == ABANDONED)
        discard(o);
    return NULL;
}

static int start(struct audio_opening *o)
{
    pthread_attr_t detached;
    pthread_t thread;
    int err = pthread_attr_init(&detached);
    if (err)
        return -err;
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    err = pthread_create(&thread, &detached, opening_thread, o);
    pthread_attr_destroy(&detached);
    return -err;
}

int audio_opening_begin(struct audio_opening **out, const struct source_audio_config *config)
{
    struct audio_opening *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->config = *config;
    snprintf(o->place.kind, sizeof(o->place.kind), "%s", config->kind);
    o->config.kind = o->place.kind;
    if (config->arg) {
        snprintf(o->place.arg, sizeof(o->place.arg), "%s", config->arg);
        o->config.arg = o->place.arg;
    }
    int err = start(o);
    if (err)
        free(o);
    else
        *out = o;
    return err;
}

int audio_opening_take(struct audio_opening *o, struct source_audio **out, char *error,
                       size_t error_size)
{
    if (atomic_load(&o->state) == OPENING)
        return -EINPROGRESS;
    int err = o->err;
    if (err)
        snprintf(error, error_size, "%s", o->error);
    else
        *out = o->sound;
    free(o);
    return err;
}

void audio_opening_abandon(struct audio_opening *o)
{
    if (o && atomic_exchange(&o->state, ABANDONED) == OPENED)
        discard(o);
}
