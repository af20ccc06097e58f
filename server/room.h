/* room.h - one broadcast: a code, its native sources, and how many watch. Signaling thread. */
#pragma once

#include "server/source.h"
#include "signaling/backend.h"

#include <stdbool.h>
#include <stdint.h>

struct room {
    char code[BACKEND_ROOM_MAX];
    int64_t created_us;
    unsigned n_sources;
    struct source *sources[BACKEND_STREAMS_MAX]; /* owned */
    unsigned viewers, viewers_peak;              /* from answer to end */
};

/* "ADJECTIVE-NOUN-NNN" from 64 random bits. */
void room_make_code(char out[BACKEND_ROOM_MAX], uint64_t random);
void room_init(struct room *r, const char *code, int64_t now_us);
void room_finish(struct room *r); /* closes its sources */
void room_viewer_added(struct room *r);
void room_viewer_removed(struct room *r);
/* What signaling may know of it: the sources that have not ended. A room is live when all of them
 * are. `stream_ids`, unless NULL, gets theirs by slot; 0: none. */
void room_describe(const struct room *r, struct backend_room *out,
                   uint32_t stream_ids[BACKEND_STREAMS_MAX]);
