/* follow.h - what the presenter works in: which of the shown windows has the focus, where the
 * cursor is, and what windows are called now.
 *
 * A thread asks the X display FOLLOW_US apart, and only while something on it is shown; a display
 * that is gone is asked for again. News wait until they are taken, the newest of a kind for each
 * place: nothing piles up. A place is what the caller numbers so: a stream of pictures.
 *
 * Life: follow_create, follow_set and follow_clear as sources come and go, follow_next after `wake`
 * was called, follow_destroy. Threads: all of that on one; `wake` is called on the thread of its
 * own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FOLLOW_US 200000

struct follow;

int follow_create(struct follow **out, void (*wake)(void *arg), void *wake_arg);
void follow_destroy(struct follow *f); /* NULL is fine */

/* `kind` and `arg` as in capture.h, arg NULL: none. Kinds that are not on an X display are not
 * followed, nor is what there is no memory for. */
void follow_set(struct follow *f, uint32_t place, const char *kind, const char *arg);
void follow_clear(struct follow *f, uint32_t place); /* one that is not followed is fine */

struct follow_news {
    uint32_t place;
    bool new_focus, new_cursor, new_name; /* which of what follows */
    bool focused;
    bool cursor_in_view;
    double cursor_x, cursor_y; /* 0 to 100 % of the picture */
    char title[64], app[32];   /* UTF-8, whole characters */
};

bool follow_next(struct follow *f, struct follow_news *out);
