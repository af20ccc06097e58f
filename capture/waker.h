/* waker.h - one thread waits for a descriptor or a time, and any thread may wake it.
 *
 * Life: waker_init, the others, waker_finish once nobody uses it. A wake is kept until waker_clear.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct waker {
    int fd[2]; /* owned: a pipe, since not every system has eventfd */
};

int waker_init(struct waker *w); /* 0 or -errno */
void waker_finish(struct waker *w);

void waker_wake(struct waker *w);    /* any thread; never blocks */
int waker_fd(const struct waker *w); /* readable once woken; borrowed */
void waker_clear(struct waker *w);

enum { WAKER_WOKEN = 1, WAKER_FD = 2 };
/* Waits until woken, until `fd` (-1 = none) is readable or broken, or for `left_us` (INT64_MAX =
 * for ever): which of the two it is, or 0; that also before the time when a signal came. */
int waker_wait(struct waker *w, int fd, int64_t left_us);

void waker_name_thread(const char *name); /* the calling thread, for people who look for it */
