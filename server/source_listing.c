#include "server/source_listing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct source_listing {
    void (*wake)(void *arg); /* immutable after create, like the next two */
    void *wake_arg;
    pthread_t thread;
    struct sources_entry made[SOURCES_MAX]; /* the thread's */

    pthread_mutex_t lock;
    pthread_cond_t asked;
    /* under lock */
    bool stop, wanted, is_left; /* left: the thread frees it */
    int n;                      /* -1: taken */
    struct sources_entry list[SOURCES_MAX];
};

static void discard(struct source_listing *s)
{
    pthread_cond_destroy(&s->asked);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void *run(void *arg)
{
    struct source_listing *s = arg;
    char notes[1024];
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        if (!s->wanted) {
            pthread_cond_wait(&s->asked, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        int n = sources_list(s->made, SOURCES_MAX, notes, sizeof(notes));
        pthread_mutex_lock(&s->lock);
        s->wanted = false;
        s->n = n;
        memcpy(s->list, s->made, (size_t)n * sizeof(s->list[0]));
        if (!s->stop)
            s->wake(s->wake_arg);
    }
    bool is_left = s->is_left;
    pthread_mutex_unlock(&s->lock);
    if (is_left)
        discard(s);
    return NULL;
}

int source_listing_create(struct source_listing **out, void (*wake)(void *arg), void *wake_arg)
{
    struct source_listing *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->wake = wake;
    s->wake_arg = wake_arg;
    s->n = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->asked, NULL);
    int err = pthread_create(&s->thread, NULL, run, s);
    if (err) {
        free(s);
        return -err;
    }
    *out = s;
    return 0;
}

void source_listing_destroy(struct source_listing *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    pthread_t thread = s->thread;
    bool is_left = s->wanted;
    s->stop = true;
    s->is_left = is_left;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
    if (is_left) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    discard(s);
}

void source_listing_ask(struct source_listing *s)
{
    pthread_mutex_lock(&s->lock);
    s->wanted = true;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
}

int source_listing_take(struct source_listing *s, struct sources_entry *out, int max)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n < max ? s->n : max;
    if (n > 0)
        memcpy(out, s->list, (size_t)n * sizeof(*out));
    s->n = -1;
    pthread_mutex_unlock(&s->lock);
    return n;
}
