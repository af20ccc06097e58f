#include "server/tui_sources.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct tui_sources {
    void (*wake)(void *arg); /* immutable after create, like the next two */
    void *wake_arg;
    pthread_t thread;
    struct sources_entry made[SOURCES_MAX]; /* the thread's */

    pthread_mutex_t lock;
    pthread_cond_t asked;
    /* under lock */
    bool stop, wanted;
    int n; /* -1: taken */
    struct sources_entry list[SOURCES_MAX];
};

static void *run(void *arg)
{
    struct tui_sources *s = arg;
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
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int tui_sources_create(struct tui_sources **out, void (*wake)(void *arg), void *wake_arg)
{
    struct tui_sources *s = calloc(1, sizeof(*s));
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

void tui_sources_destroy(struct tui_sources *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->asked);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void tui_sources_ask(struct tui_sources *s)
{
    pthread_mutex_lock(&s->lock);
    s->wanted = true;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
}

int tui_sources_take(struct tui_sources *s, struct sources_entry *out, int max)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n < max ? s->n : max;
    if (n > 0)
        memcpy(out, s->list, (size_t)n * sizeof(*out));
    s->n = -1;
    pthread_mutex_unlock(&s->lock);
    return n;
}
