#include "server/source_opening.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct source_opening {
    struct source_opening_config config; /* immutable */

    /* below: under lock */
    pthread_mutex_t lock;
    bool is_open, is_abandoned;

    /* the thread's until is_open, then the owner's */
    struct opened opened;
    int err;
    char error[240];
};

int source_open_all(struct opened *out, const struct source_opening_config *config, char *error,
                    size_t error_size)
{
    *out = (struct opened){.media = config->media};
    int err = 0;
    if (config->video.kind) {
        err = source_open(&out->source, &config->video, error, error_size);
        if (err)
            out->source = NULL;
    }
    if (!err && config->audio.kind) {
        err = source_audio_open(&out->audio, &config->audio, error, error_size);
        if (err)
            out->audio = NULL;
    }
    if (err)
        opened_close(out);
    return err;
}

void opened_close(struct opened *o)
{
    source_close(o->source);
    source_audio_close(o->audio);
    free(o->media);
    *o = (struct opened){0};
}

static void discard(struct source_opening *o)
{
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static void *opening_thread(void *arg)
{
    struct source_opening *o = arg;
    pthread_setname_np(pthread_self(), "amphi-opening");
    o->err = source_open_all(&o->opened, &o->config, o->error, sizeof(o->error));
    pthread_mutex_lock(&o->lock);
    bool is_abandoned = o->is_abandoned;
    o->is_open = true;
    if (!is_abandoned && o->config.wake)
        o->config.wake(o->config.wake_arg); /* under the lock: not after it was abandoned */
    pthread_mutex_unlock(&o->lock);
    if (is_abandoned) {
        opened_close(&o->opened);
        discard(o);
    }
    return NULL;
}

static int start(struct source_opening *o)
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

int source_opening_begin(struct source_opening **out, const struct source_opening_config *config)
{
    struct source_opening *o = calloc(1, sizeof(*o));
    int err = o ? -pthread_mutex_init(&o->lock, NULL) : -ENOMEM;
    if (!err) {
        o->config = *config;
        err = start(o);
        if (err)
            pthread_mutex_destroy(&o->lock);
    }
    if (err) {
        free(o);
        free(config->media);
        return err;
    }
    *out = o;
    return 0;
}

int source_opening_take(struct source_opening *o, struct opened *out, char *error,
                        size_t error_size)
{
    pthread_mutex_lock(&o->lock);
    bool is_open = o->is_open;
    pthread_mutex_unlock(&o->lock);
    if (!is_open)
        return -EINPROGRESS;
    int err = o->err;
    *out = o->opened;
    if (err)
        snprintf(error, error_size, "%s", o->error);
    discard(o);
    return err;
}

void source_opening_abandon(struct source_opening *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    o->is_abandoned = true;
    bool is_open = o->is_open;
    pthread_mutex_unlock(&o->lock);
    if (is_open) {
        opened_close(&o->opened);
        discard(o);
    }
}
