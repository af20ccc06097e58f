/* portal.h - asks the person at the desktop which screen or window to share
 * (org.freedesktop.portal.ScreenCast), and hears when they end it.
 *
 * Life: portal_open looks for the portal; portal_share asks, which takes as long as the person
 * does; while the share lasts its owner polls portal_fd and calls portal_dispatch; portal_close,
 * which ends the share. One thread at a time. Nothing but the waiter waits for anything that may
 * hang.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct portal;

/* Waits until `fd` is readable or, from CLOCK_MONOTONIC, for `deadline_us` (INT64_MAX: none). False
 * gives up. */
typedef bool portal_wait_fn(void *arg, int fd, int64_t deadline_us);

struct portal_share {
    int pipewire_fd;    /* a connection to PipeWire; the caller owns it */
    uint32_t node;      /* what to look at there */
    bool is_remembered; /* the next time nobody need be asked */
    int width, height;  /* 0: not told */
};

/* 0, or -errno with a sentence: -ENODEV if there is no session bus or no portal on it. Takes a few
 * seconds at most. */
int portal_open(struct portal **out, char *error, size_t error_size);
/* `name` (portal_token.h) is that under which the share is remembered. 0, or -errno with a
 * sentence: -ECANCELED when the waiter gave up, -EACCES when the person declined, -ENODEV when the
 * portal went away. Once only. */
int portal_share(struct portal *p, const char *name, portal_wait_fn *wait, void *arg,
                 struct portal_share *out, char *error, size_t error_size);
void portal_close(struct portal *p); /* NULL is fine */

int portal_fd(const struct portal *p); /* borrowed; readable when portal_dispatch has work */
/* 0 while the share lasts; -EACCES, with a sentence, once the person ended it, -ENODEV when the
 * portal went away. Never waits. */
int portal_dispatch(struct portal *p, char *error, size_t error_size);
