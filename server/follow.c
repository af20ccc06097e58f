#include "server/follow.h"

#include "capture/windows.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AGAIN_US 2000000 /* a display that is gone */
#define NAMES_EVERY 5    /* rounds */
#define MOVED 0.05       /* percent: less is no movement */

struct place {
    bool used;
    char kind[16], arg[64];
    struct follow_news known; /* as told, or to be told */
};

struct follow {
    /* immutable after create */
    void (*wake)(void *arg);
    void *wake_arg;
    pthread_t thread;

    /* its own thread only */
    struct windows *windows; /* owned; NULL: no display */
    unsigned rounds;

    /* below: under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* `stop`, or that something is used */
    bool stop;
    unsigned n_places;    /* used or not: indices stay */
    struct place *places; /* owned */
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- its own thread --- */

static bool is_any_used(const struct follow *f)
{
    for (unsigned i = 0; i < f->n_places; i++) {
        if (f->places[i].used)
            return true;
    }
    return false;
}

/* Until the next round, or for as long as nothing is followed. False: the end. */
static bool rest(struct follow *f, int64_t us)
{
    int64_t until = now_us() + us;
    const struct timespec deadline = {.tv_sec = (time_t)(until / 1000000),
                                      .tv_nsec = (long)(until % 1000000) * 1000};
    int err = 0;
    pthread_mutex_lock(&f->lock);
    while (!f->stop && (err == 0 || !is_any_used(f))) {
        if (is_any_used(f))
            err = pthread_cond_timedwait(&f->changed, &f->lock, &deadline);
        else
            pthread_cond_wait(&f->changed, &f->lock);
    }
    bool stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return !stop;
}

static void copy_characters(char *out, size_t room, const char *text)
{
    const char *end = text;
    while (*end && (size_t)(g_utf8_next_char(end) - text) < room)
        end = g_utf8_next_char(end);
    memcpy(out, text, (size_t)(end - text));
    out[end - text] = '\0';
}

static bool is_moved(const struct follow_news *known, const struct windows_look *look)
{
    double dx = known->cursor_x - look->cursor_x, dy = known->cursor_y - look->cursor_y;
    return known->cursor_in_view != look->cursor_in_view || dx > MOVED || dx < -MOVED ||
           dy > MOVED || dy < -MOVED;
}

/* Whether there is anything new. */
static bool take_look(struct follow_news *known, const struct windows_look *look)
{
    bool focus = known->focused != look->focused, cursor = is_moved(known, look);
    known->new_focus |= focus;
    known->focused = look->focused;
    known->new_cursor |= cursor;
    if (cursor) {
        known->cursor_in_view = look->cursor_in_view;
        known->cursor_x = look->cursor_x;
        known->cursor_y = look->cursor_y;
    }
    return focus || cursor;
}

static bool take_names(struct follow_news *known, const char *title, const char *app)
{
    char short_title[sizeof(known->title)], short_app[sizeof(known->app)];
    copy_characters(short_title, sizeof(short_title), title);
    copy_characters(short_app, sizeof(short_app), app);
    if (strcmp(known->title, short_title) == 0 && strcmp(known->app, short_app) == 0)
        return false;
    memcpy(known->title, short_title, sizeof(short_title));
    memcpy(known->app, short_app, sizeof(short_app));
    known->new_name = true;
    return true;
}

/* One source: asked without the lock, since the display may take its time. */
static bool look_at(struct follow *f, unsigned index, bool names)
{
    struct windows_look look;
    char title[256] = "", app[64] = "";
    pthread_mutex_lock(&f->lock);
    struct place asked = f->places[index];
    pthread_mutex_unlock(&f->lock);
    if (!asked.used ||
        windows_look(f->windows, asked.kind, asked.arg[0] ? asked.arg : NULL, &look) != 0)
        return false;
    bool named = names && look.id != 0 &&
                 windows_names(f->windows, look.id, title, sizeof(title), app, sizeof(app)) == 0;

    pthread_mutex_lock(&f->lock);
    struct place *p = &f->places[index];
    bool same = p->used && p->known.place == asked.known.place &&
                strcmp(p->kind, asked.kind) == 0 && strcmp(p->arg, asked.arg) == 0;
    bool news = same && take_look(&p->known, &look);
    if (same && named)
        news |= take_names(&p->known, title, app);
    pthread_mutex_unlock(&f->lock);
    return news;
}

/* They do not become fewer. */
static unsigned count_places(struct follow *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned n = f->n_places;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* How long to rest afterwards. */
static int64_t look_around(struct follow *f)
{
    if (!f->windows && windows_open(&f->windows) != 0) {
        f->windows = NULL;
        return AGAIN_US;
    }
    int err = windows_update(f->windows);
    if (err == -ENODEV) {
        windows_close(f->windows);
        f->windows = NULL;
        return AGAIN_US;
    }
    bool news = false, names = f->rounds++ % NAMES_EVERY == 0;
    unsigned n = count_places(f);
    for (unsigned i = 0; i < n && err == 0; i++)
        news |= look_at(f, i, names);
    if (news)
        f->wake(f->wake_arg);
    return FOLLOW_US;
}

static void *follow_thread(void *arg)
{
    struct follow *f = arg;
    pthread_setname_np(pthread_self(), "amphi-follow");
    int64_t pause_us = 0;
    while (rest(f, pause_us))
        pause_us = look_around(f);
    windows_close(f->windows);
    return NULL;
}

/* --- the others' --- */

int follow_create(struct follow **out, void (*wake)(void *arg), void *wake_arg)
{
    struct follow *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->wake = wake;
    f->wake_arg = wake_arg;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&f->lock, NULL);
    int err = -pthread_create(&f->thread, NULL, follow_thread, f);
    if (err) {
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return err;
    }
    *out = f;
    return 0;
}

void follow_destroy(struct follow *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f->places);
    free(f);
}

static bool is_on_display(const char *kind)
{
    return strcmp(kind, "screen") == 0 || strcmp(kind, "window") == 0;
}

static struct place *find_place(struct follow *f, uint32_t place)
{
    for (unsigned i = 0; i < f->n_places; i++) {
        if (f->places[i].used && f->places[i].known.place == place)
            return &f->places[i];
    }
    return NULL;
}

static struct place *free_place(struct follow *f)
{
    for (unsigned i = 0; i < f->n_places; i++) {
        if (!f->places[i].used)
            return &f->places[i];
    }
    struct place *more = realloc(f->places, (f->n_places + 1) * sizeof(*more));
    if (!more)
        return NULL;
    f->places = more;
    return &more[f->n_places++];
}

void follow_set(struct follow *f, uint32_t place, const char *kind, const char *arg)
{
    struct place new = {.used = true, .known = {.place = place}};
    follow_clear(f, place);
    if (!is_on_display(kind))
        return;
    snprintf(new.kind, sizeof(new.kind), "%s", kind);
    if (arg)
        snprintf(new.arg, sizeof(new.arg), "%s", arg);
    pthread_mutex_lock(&f->lock);
    struct place *at = free_place(f);
    if (at)
        *at = new;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void follow_clear(struct follow *f, uint32_t place)
{
    pthread_mutex_lock(&f->lock);
    struct place *at = find_place(f, place);
    if (at)
        *at = (struct place){.used = false};
    pthread_mutex_unlock(&f->lock);
}

bool follow_next(struct follow *f, struct follow_news *out)
{
    bool found = false;
    pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; i < f->n_places && !found; i++) {
        struct follow_news *n = &f->places[i].known;
        found = n->new_focus || n->new_cursor || n->new_name;
        if (!found)
            continue;
        *out = *n;
        n->new_focus = n->new_cursor = n->new_name = false;
    }
    pthread_mutex_unlock(&f->lock);
    return found;
}
