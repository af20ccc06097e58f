/* capture.h - pictures from a source: a registry of backends and one thread per open source.
 *
 * Life: capture_open (any thread) checks the source and says in words why it cannot be had;
 * capture_start begins the thread; one consumer thread loops capture_take / capture_release;
 * capture_stop ends the thread and wakes the consumer, whose capture_take then returns NULL;
 * capture_close frees everything (after the consumer is done).
 *
 * Pictures travel through slots.h: the newest wins, the producer never waits, and one that was
 * never taken counts as superseded. A source whose picture does not change costs almost nothing
 * and still repeats its last picture once a second (picture.repeat is then true).
 */
#pragma once

#include "capture/picture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;
struct capture_sink; /* where a backend puts its pictures; see below */

struct capture_config {
    const char *kind; /* "screen", "window", "pattern" */
    const char *arg;  /* what followed the colon in --source, or NULL */
    int fps;          /* 1-120, the most the source may deliver */
};

/* What a person wants to know about a source; valid after capture_open. */
struct capture_info {
    char name[64]; /* UTF-8: "Screen", "Test pattern", the title of a window */
    char app[64];  /* of a window: the program it belongs to; else "" */
    int width, height;
};

struct capture_stats {
    uint64_t captured;   /* pictures published, repeats included */
    uint64_t repeats;    /* of those, repeats of an unchanged picture */
    uint64_t superseded; /* published but replaced by a newer one before it was taken */
};

/* 0, or -errno with a sentence for the user in `error`. */
int capture_open(struct capture **out, const struct capture_config *config, char *error,
                 size_t error_size);
int capture_start(struct capture *c);
void capture_info(const struct capture *c, struct capture_info *out);

const struct picture *capture_take(struct capture *c); /* blocks; NULL once stopped or ended */
/* The same for a consumer that also waits for an encoder: 0 with a picture in *out, -EINTR once
 * after capture_wake, -ESHUTDOWN where capture_take returns NULL. A picture comes first. */
int capture_take_or_wake(struct capture *c, const struct picture **out);
void capture_wake(struct capture *c); /* any thread */
void capture_release(struct capture *c, const struct picture *p);

/* Any thread: publish a picture soon even though nothing changed, because somebody waits for a
 * keyframe. Cheap, never blocks, may be called at any rate. */
void capture_poke(struct capture *c);

void capture_stats(struct capture *c, struct capture_stats *out); /* any thread */
/* Why the source ended by itself (window closed, display gone), or NULL while it runs. Valid once
 * capture_take returned NULL. */
const char *capture_end_reason(const struct capture *c);
/* Whether opening the same source again is worth trying now and then (the display went away, the
 * camera was unplugged) after it ended, and not when it is over for good (the window was closed).
 */
bool capture_may_return(const struct capture *c);
void capture_stop(struct capture *c);
void capture_close(struct capture *c); /* NULL is fine; stops first if need be */

/* --- for backends --- */

struct sources_entry; /* sources.h */

struct capture_ops {
    const char *kind;
    size_t priv_size; /* zeroed memory handed to every call below */
    /* Opening thread. Fills *info. 0, or -errno with a sentence in `error`; close follows a
     * failed open too. */
    int (*open)(void *priv, const struct capture_config *config, struct capture_info *info,
                char *error, size_t error_size);
    /* Capture thread: delivers pictures into the sink until capture_sink_wait says stop or the
     * source ends. 0 when told to stop, -errno with a sentence in `error` when it ended by itself:
     * -ENODEV if it may come back, anything else if not. */
    int (*run)(void *priv, struct capture_sink *sink, char *error, size_t error_size);
    void (*close)(void *priv); /* after run returned; priv may be half open */
    /* Any thread, nothing is open. What there is of the kind: how many, `max` at most; or -errno
     * with a sentence. NULL: nothing that could be listed. */
    int (*list)(struct sources_entry *out, int max, char *error, size_t error_size);
};

enum capture_wake {
    CAPTURE_WAKE_TIMEOUT = 1,
    CAPTURE_WAKE_FD,   /* `fd` is readable */
    CAPTURE_WAKE_POKE, /* a picture is wanted now, changed or not */
    CAPTURE_WAKE_STOP,
};

int64_t capture_now_us(void); /* CLOCK_MONOTONIC */
/* Waits until `deadline_us` (CLOCK_MONOTONIC; INT64_MAX = none), `fd` (-1 = none) is readable, a
 * poke or a stop. A poke is told once, a stop every time. */
enum capture_wake capture_sink_wait(struct capture_sink *sink, int fd, int64_t deadline_us);
/* A writable BGRA picture of this even size, or NULL when the consumer holds too many or memory is
 * out. Its old pixels are anything; rows are 64-byte aligned and 64 bytes past any row may be read.
 * The caller sets captured_us and repeat, and may set damage: since the picture it published last.
 * Exactly one of publish and cancel follows. */
struct picture *capture_sink_begin(struct capture_sink *sink, int width, int height);
/* The same for pixels that lie in memory of the platform: a picture like `*p`, whose native is set
 * and whose planes are valid. The sink owns the native from here on and calls `unref` on it, from
 * the capture or the closing thread, when its turn has come round again; it keeps at most as many
 * as it has slots. NULL: the native stays the caller's. */
struct picture *capture_sink_begin_native(struct capture_sink *sink, const struct picture *p,
                                          void (*unref)(void *native));
/* Between begin and publish, for who need not draw all of it: where the pixels in `p` are not those
 * of the picture published last. */
const struct picture_damage *capture_sink_stale(const struct capture_sink *sink,
                                                const struct picture *p);
void capture_sink_publish(struct capture_sink *sink, struct picture *p);
void capture_sink_cancel(struct capture_sink *sink, struct picture *p);
