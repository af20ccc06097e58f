#include "capture/capture.h"
#include "capture/capture_backends.h"
#include "capture/slots.h"
#include "capture/waker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One WRITING, one READY, one IN_USE: the producer never waits (slots.h). */
#define N_SLOTS 3
/* Rows start at multiples of this and as many bytes follow the last row, so that a reader of whole
 * vectors may pass the end of any row. */
#define ALIGN 64

struct buffer {
    struct picture picture;
    uint8_t *memory; /* owned; replaced only while the slot is WRITING */
    size_t size;
    uint64_t content; /* which change of the source these pixels show */
    /* What picture.damage has to be if the picture published before was never taken: the slots
     * alone know, and only when this one is taken. */
    struct picture_damage unseen;
    void (*unref)(void *native); /* of picture.native; NULL: the pixels are in `memory` */
};

struct capture_sink {
    struct slots slots;
    struct buffer buffer[N_SLOTS]; /* each belongs to who holds its slot */
    struct waker waker;

    /* capture thread only */
    uint64_t content;                     /* changes published so far */
    int width, height;                    /* of the picture published last */
    struct picture_damage unseen;         /* its damage since the last one that may be taken */
    struct picture_damage stale[N_SLOTS]; /* where a buffer's pixels are not yet its pixels */

    /* any thread: set before the waker wakes and read after it, which orders them */
    atomic_bool stop, poke;
    _Atomic uint64_t repeats;
};

struct capture {
    /* immutable after open */
    const struct capture_ops *ops;
    void *priv; /* owned; capture thread only while it runs */
    struct capture_info info;

    struct capture_sink sink;
    uint64_t taken_content; /* consumer thread only */
    pthread_t thread;
    bool started, joined; /* thread that starts and stops */

    char reason[256];
    bool may_return;
    atomic_bool ended; /* released after `reason` and `may_return` were written */
};

static const struct capture_ops *const backends[] = {
#ifdef AMPHI_MAC
    &capture_mac_screen_ops, /* before the X server a Mac may have, too */
    &capture_mac_window_ops,
#endif
#ifdef AMPHI_X11
    &capture_x11_screen_ops, /* a display of $DISPLAY */
    &capture_x11_window_ops,
#endif
#ifdef AMPHI_V4L2
    &capture_v4l2_ops,
#endif
#ifdef AMPHI_PIPEWIRE
    &capture_portal_ops,
    &capture_pipewire_ops,
#endif
    &capture_pattern_ops, /* everywhere */
    NULL,
};

const struct capture_ops *const *capture_backends(void)
{
    return backends;
}

int64_t capture_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- the sink: what a backend sees --- */

static int sink_init(struct capture_sink *sink)
{
    int r = slots_init(&sink->slots, N_SLOTS);
    if (r < 0)
        return r;
    r = waker_init(&sink->waker);
    if (r < 0)
        slots_finish(&sink->slots);
    return r;
}

static void drop_native(struct buffer *b)
{
    if (b->unref)
        b->unref(b->picture.native);
    b->unref = NULL;
    b->picture.native = NULL;
}

static void sink_finish(struct capture_sink *sink)
{
    waker_finish(&sink->waker);
    for (int i = 0; i < N_SLOTS; i++) {
        drop_native(&sink->buffer[i]);
        free(sink->buffer[i].memory);
    }
    slots_finish(&sink->slots);
}

/* True if `fd` (or the deadline, or a poke or stop) may be due; the caller looks which. */
static bool sink_poll(struct capture_sink *sink, int fd, int64_t deadline_us)
{
    int64_t left_us = deadline_us == INT64_MAX ? INT64_MAX : deadline_us - capture_now_us();
    int due = waker_wait(&sink->waker, fd, left_us);
    if (due & WAKER_WOKEN)
        waker_clear(&sink->waker);
    return due & WAKER_FD; /* an error or hang-up too: the backend's read will tell */
}

enum capture_wake capture_sink_wait(struct capture_sink *sink, int fd, int64_t deadline_us)
{
    for (;;) {
        bool fd_ready = sink_poll(sink, fd, deadline_us);
        if (atomic_load(&sink->stop))
            return CAPTURE_WAKE_STOP;
        if (atomic_exchange(&sink->poke, false))
            return CAPTURE_WAKE_POKE; /* a descriptor stays readable and comes next time */
        if (fd_ready)
            return CAPTURE_WAKE_FD;
        if (deadline_us != INT64_MAX && capture_now_us() >= deadline_us)
            return CAPTURE_WAKE_TIMEOUT;
    }
}

static bool reserve(struct buffer *b, size_t size)
{
    if (size <= b->size)
        return true;
    free(b->memory);
    b->size = 0;
    b->memory = aligned_alloc(ALIGN, size);
    if (!b->memory)
        return false;
    memset(b->memory, 0, size); /* the padding is read, if not looked at */
    b->size = size;
    return true;
}

struct picture *capture_sink_begin(struct capture_sink *sink, int width, int height)
{
    assert(width >= 2 && width <= PICTURE_MAX_WIDTH && width % 2 == 0);
    assert(height >= 2 && height <= PICTURE_MAX_HEIGHT && height % 2 == 0);
    int slot = slots_begin_write(&sink->slots);
    if (slot < 0)
        return NULL;
    struct buffer *b = &sink->buffer[slot];
    drop_native(b);
    if (b->picture.width != width || b->picture.height != height)
        sink->stale[slot] = (struct picture_damage){0};
    size_t stride = ((size_t)width * 4 + ALIGN - 1) / ALIGN * ALIGN;
    if (!reserve(b, stride * (size_t)height + ALIGN)) {
        sink->stale[slot] = (struct picture_damage){0};
        slots_cancel(&sink->slots, slot);
        return NULL;
    }
    b->picture = (struct picture){
        .format = PICTURE_BGRA,
        .width = width,
        .height = height,
        .plane = {b->memory},
        .stride = {(ptrdiff_t)stride},
    };
    return &b->picture;
}

struct picture *capture_sink_begin_native(struct capture_sink *sink, const struct picture *p,
                                          void (*unref)(void *native))
{
    assert(p->native && p->width % 2 == 0 && p->height % 2 == 0);
    int slot = slots_begin_write(&sink->slots);
    if (slot < 0)
        return NULL;
    struct buffer *b = &sink->buffer[slot];
    drop_native(b);
    b->picture = *p;
    b->unref = unref;
    return &b->picture;
}

static int slot_of(const struct capture_sink *sink, const struct picture *p)
{
    int slot = 0;
    while (slot < N_SLOTS && p != &sink->buffer[slot].picture)
        slot++;
    assert(slot < N_SLOTS);
    return slot;
}

const struct picture_damage *capture_sink_stale(const struct capture_sink *sink,
                                                const struct picture *p)
{
    return &sink->stale[slot_of(sink, p)];
}

/* Keeps the books on what this picture changes: the other buffers now lack it. */
static void account_damage(struct capture_sink *sink, int slot, struct picture *p)
{
    static const struct picture_damage none = {.known = true};
    if (p->width != sink->width || p->height != sink->height)
        p->damage = (struct picture_damage){0}; /* of other pictures, or of none */
    else if (p->repeat)
        p->damage = none;
    sink->width = p->width;
    sink->height = p->height;
    for (int i = 0; i < N_SLOTS; i++)
        picture_damage_merge(&sink->stale[i], &p->damage);
    sink->stale[slot] = p->native ? (struct picture_damage){0} : none;
    picture_damage_merge(&sink->unseen, &p->damage);
    sink->buffer[slot].unseen = sink->unseen;
}

void capture_sink_publish(struct capture_sink *sink, struct picture *p)
{
    int slot = slot_of(sink, p);
    assert(!p->repeat || sink->content > 0); /* there is nothing to repeat before the first */
    assert(!p->repeat || (p->width == sink->width && p->height == sink->height));
    bool repeat = p->repeat;
    if (!repeat)
        sink->content++;
    sink->buffer[slot].content = sink->content;
    account_damage(sink, slot, p);
    const struct picture_damage damage = p->damage;
    if (!slots_publish(&sink->slots, slot)) /* from here the picture is not ours */
        sink->unseen = damage;              /* the one before was taken */
    if (repeat)
        atomic_fetch_add_explicit(&sink->repeats, 1, memory_order_release);
}

void capture_sink_cancel(struct capture_sink *sink, struct picture *p)
{
    int slot = slot_of(sink, p);
    sink->stale[slot] = (struct picture_damage){0}; /* it may have been written to */
    slots_cancel(&sink->slots, slot);
}

/* --- opening and the thread --- */

static int refuse(char *error, size_t error_size, int code, const char *sentence)
{
    snprintf(error, error_size, "%s", sentence);
    return code;
}

int capture_open_ops(struct capture **out, const struct capture_ops *ops,
                     const struct capture_config *config, char *error, size_t error_size)
{
    if (config->fps < 1 || config->fps > 120)
        return refuse(error, error_size, -EINVAL, "frames per second must be 1 to 120");
    struct capture *c = calloc(1, sizeof(*c));
    if (!c)
        return refuse(error, error_size, -ENOMEM, "out of memory");
    int r = sink_init(&c->sink);
    if (r < 0) {
        free(c);
        return refuse(error, error_size, r, "cannot make what wakes a capture thread");
    }
    c->ops = ops;
    c->priv = calloc(1, ops->priv_size);
    r = c->priv ? ops->open(c->priv, config, &c->info, error, error_size)
                : refuse(error, error_size, -ENOMEM, "out of memory");
    if (r < 0) {
        capture_close(c);
        return r;
    }
    *out = c;
    return 0;
}

/* What a build without a source of this kind would have needed, or NULL. */
static const char *missing_library(const char *kind)
{
    static const struct {
        const char *kind, *library;
    } optional[] = {
        {"screen", "the XCB libraries were"},
        {"window", "the XCB libraries were"},
        {"camera", "libturbojpeg or libyuv was"},
        {"portal", "libpipewire, GIO or libyuv was"},
        {"pipewire", "libpipewire, GIO or libyuv was"},
    };
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
        if (strcmp(optional[i].kind, kind) == 0)
            return optional[i].library;
    }
    return NULL;
}

int capture_open(struct capture **out, const struct capture_config *config, char *error,
                 size_t error_size)
{
    char known[96] = "";
    for (const struct capture_ops *const *ops = backends; *ops; ops++) {
        if (strcmp((*ops)->kind, config->kind) == 0)
            return capture_open_ops(out, *ops, config, error, error_size);
        size_t n = strlen(known);
        snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", (*ops)->kind);
    }
    const char *library = missing_library(config->kind);
    if (library) {
        snprintf(error, error_size, "this build has no source \"%s\": %s missing", config->kind,
                 library);
        return -ENOTSUP;
    }
    snprintf(error, error_size, "unknown source \"%s\": there are %s", config->kind, known);
    return -EINVAL;
}

static void *capture_thread(void *arg)
{
    struct capture *c = arg;
    waker_name_thread("capture");
    int r = c->ops->run(c->priv, &c->sink, c->reason, sizeof(c->reason));
    if (r < 0) {
        if (c->reason[0] == '\0')
            snprintf(c->reason, sizeof(c->reason), "the source ended: %s", strerror(-r));
        c->may_return = r == -ENODEV;
        atomic_store_explicit(&c->ended, true, memory_order_release);
    }
    slots_close(&c->sink.slots);
    return NULL;
}

int capture_start(struct capture *c)
{
    assert(!c->started);
    /* Signals are for the main thread; above all a SIGPIPE from a display that went away. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&c->thread, NULL, capture_thread, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return -r;
    c->started = true;
    return 0;
}

void capture_info(const struct capture *c, struct capture_info *out)
{
    *out = c->info;
}

static const struct picture *taken(struct capture *c, int slot)
{
    /* A repeat may have superseded the change it repeats: for the consumer it is that change. */
    struct buffer *b = &c->sink.buffer[slot];
    b->picture.repeat = b->content == c->taken_content;
    if (slots_has_superseded(&c->sink.slots, slot))
        b->picture.damage = b->unseen;
    c->taken_content = b->content;
    return &b->picture;
}

const struct picture *capture_take(struct capture *c)
{
    int slot = slots_take(&c->sink.slots);
    return slot < 0 ? NULL : taken(c, slot);
}

int capture_take_or_wake(struct capture *c, const struct picture **out)
{
    int slot = slots_take_or_wake(&c->sink.slots);
    if (slot < 0)
        return slot;
    *out = taken(c, slot);
    return 0;
}

void capture_wake(struct capture *c)
{
    slots_wake(&c->sink.slots);
}

void capture_release(struct capture *c, const struct picture *p)
{
    slots_release(&c->sink.slots, slot_of(&c->sink, p));
}

void capture_poke(struct capture *c)
{
    if (!atomic_exchange(&c->sink.poke, true))
        waker_wake(&c->sink.waker);
}

void capture_stats(struct capture *c, struct capture_stats *out)
{
    /* Repeats are counted after their publication and read before it: never more than captured. */
    out->repeats = atomic_load_explicit(&c->sink.repeats, memory_order_acquire);
    slots_counts(&c->sink.slots, &out->captured, &out->superseded);
}

const char *capture_end_reason(const struct capture *c)
{
    return atomic_load_explicit(&c->ended, memory_order_acquire) ? c->reason : NULL;
}

bool capture_may_return(const struct capture *c)
{
    return atomic_load_explicit(&c->ended, memory_order_acquire) && c->may_return;
}

void capture_stop(struct capture *c)
{
    atomic_store(&c->sink.stop, true);
    waker_wake(&c->sink.waker);
    slots_close(&c->sink.slots);
    if (c->started && !c->joined) {
        pthread_join(c->thread, NULL);
        c->joined = true;
    }
}

void capture_close(struct capture *c)
{
    if (!c)
        return;
    capture_stop(c);
    if (c->priv)
        c->ops->close(c->priv);
    free(c->priv);
    sink_finish(&c->sink);
    free(c);
}
