/* rooms.h - every room of the process, by its code. Signaling thread.
 *
 * Life: rooms_init, rooms_open and rooms_close as rooms come and go, rooms_finish closes what is
 * left. `list` has them in the order they were opened in: that of --source first.
 */
#pragma once

#include "server/room.h"

#include <stdbool.h>
#include <stdint.h>

struct rooms_config {
    struct forwarder *forwarder; /* borrowed: outlives the rooms */
    unsigned max;
    unsigned max_viewers;    /* of each; 0: as many as the process takes */
    int64_t idle_us;         /* a room where nobody presents ends after this time */
    void (*wake)(void *arg); /* any thread: a room has changed */
    void *wake_arg;
};

struct rooms {
    struct rooms_config config;
    struct _GHashTable *by_code; /* code -> struct room, owned */
    unsigned n;
    struct room **list;  /* owned; the rooms are the table's */
    uint64_t n_opened;   /* since it began */
    uint64_t n_idle_end; /* of those, that ended for nobody presented */
};

int rooms_init(struct rooms *r, const struct rooms_config *config); /* 0, -ENOMEM */
void rooms_finish(struct rooms *r);                                 /* zeroed memory is fine */

/* `code` is normalized; NULL: one is made up. 0; -EEXIST the code is taken; -ENOSPC there are `max`
 * rooms; -ENOMEM. */
int rooms_open(struct rooms *r, const char *code, int64_t now_us, struct room **out);
void rooms_close(struct rooms *r, struct room *room); /* whoever knew it has forgotten it */

struct room *rooms_find(const struct rooms *r, const char *code); /* or NULL */
/* Whose slot has this stream of pictures; or NULL. */
struct room *rooms_find_stream(const struct rooms *r, uint32_t video_stream, unsigned *slot);
/* One that nobody has presented in for so long that it ends; or NULL. */
struct room *rooms_find_idle(const struct rooms *r, int64_t now_us);
void rooms_tick(struct rooms *r, int64_t now_us);
