/* room.h - one broadcast: a code, eight slots for streams, and how many watch. Signaling thread.
 *
 * A slot has a stream of pictures and one of sound in the forwarder, which are made when the room
 * gets its first source and live as long as the room: viewers are given their tracks once. Sources
 * come into a slot and leave it. A room that waits for its presenter costs its own memory alone.
 *
 * Life: room_init; room_add_source before and after room_start, which starts those that are there;
 * room_tick now and then; room_finish closes them all.
 */
#pragma once

#include "server/fare.h"
#include "server/feed.h"
#include "server/media.h"
#include "server/rights.h"
#include "server/source.h"
#include "server/source_audio.h"
#include "server/source_opening.h"
#include "signaling/backend.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOM_AUDIO_RETRY_US 2000000

struct room_slot {
    uint32_t video_stream, audio_stream; /* the forwarder's; 0: not made yet, then for good */
    struct source *source;               /* owned; NULL: free */
    bool kept;                           /* free, for a source that is being opened */
    struct media *media;                 /* owned; of the source */
    struct feed feed;                    /* where it has no source */
    struct audience rates, small;        /* what its viewers' paths take of it; see fare.h */
    uint64_t most_bps, small_bps;        /* what its source may take therefore; 0: no limit */
    int64_t most_us;                     /* since when */
    bool has_audio;                      /* it is to have sound, which may be gone for now */
    struct source_audio *audio;          /* owned; NULL: to be opened again */
    struct source_opening *opening;      /* owned; NULL: not being opened again */
    int64_t audio_retry_us;
    char audio_reason[160];
    bool focused;
    char title[64], app[32]; /* of a window, as it is called now; "": as the source is called */
};

struct room_config {
    const char *code;            /* normalized; copied */
    struct forwarder *forwarder; /* borrowed: outlives the room */
    unsigned max_viewers;        /* 0: as many as the process takes */
    void (*wake)(void *arg);     /* any thread: what is shown has changed (room_take_change) */
    void *wake_arg;
};

struct room {
    /* immutable after init */
    char code[BACKEND_ROOM_MAX];
    int64_t created_us;
    struct forwarder *forwarder; /* borrowed */
    void (*wake)(void *arg);
    void *wake_arg;

    struct rights rights;
    char title[BACKEND_TITLE_MAX]; /* or "" */
    bool permanent;                /* does not end because nobody presents */
    bool started;
    bool has_streams;
    struct room_slot slots[BACKEND_STREAMS_MAX];
    unsigned max_viewers;           /* 0: as many as the process takes */
    unsigned seats;                 /* of viewers: reserved, or taken */
    unsigned viewers, viewers_peak; /* from answer to end */
    int64_t used_us;                /* when somebody last presented here */
    struct fare_room fare;          /* how its viewers fared when that was last asked */
    struct {
        int width, height;
    } told[BACKEND_STREAMS_MAX]; /* as its viewers know them; 0: not shown */

    atomic_bool changed; /* any thread */
};

/* "ADJECTIVE-NOUN-NNN" from 64 random bits. */
void room_make_code(char out[BACKEND_ROOM_MAX], uint64_t random);
void room_init(struct room *r, const struct room_config *config, int64_t now_us);
void room_finish(struct room *r); /* zeroed memory is fine */

/* Into the first free slot: -ENOSPC if there is none, -EAGAIN if the forwarder has no room for its
 * streams, else 0 or -errno; with a sentence. */
int room_add_source(struct room *r, const struct media *media, unsigned *slot, char *error,
                    size_t error_size);
/* The same in steps, for one that is opened elsewhere meanwhile: the slot is kept, then filled with
 * what was opened as `out` says (it is the room's from then on, and gone when it cannot be
 * started), or free again. */
int room_keep_slot(struct room *r, unsigned *slot, char *error, size_t error_size);
void room_opening_config(struct room *r, unsigned slot, struct media *media,
                         struct source_opening_config *out);
int room_fill_slot(struct room *r, unsigned slot, struct opened *opened, char *error,
                   size_t error_size);
void room_free_slot(struct room *r, unsigned slot);
int room_remove_source(struct room *r, unsigned slot); /* -ENOENT: nothing is there */
/* For whoever feeds its slots: its streams are there afterwards. 0 or -errno. */
int room_open_streams(struct room *r);
/* Of a slot that is taken. */
bool room_is_reconnecting(const struct room *r);          /* somebody who is gone is waited for */
bool room_is_native(const struct room *r, unsigned slot); /* a source is there, or is to come */
bool room_has_sound(const struct room *r, unsigned slot);
int room_layer(const struct room *r, unsigned slot, int layer); /* the forwarder's; see feed.h */
void room_changed(struct room *r);                              /* any thread: `wake` follows */
int room_start(struct room *r);
void room_tick(struct room *r, int64_t now_us); /* tries to have lost sound back */
bool room_is_empty(const struct room *r);       /* nobody presents, nor may come back */
bool room_take_change(struct room *r);          /* since it was last asked */

/* A viewer's way: a seat, then media, then gone. */
bool room_is_full(const struct room *r);
void room_seat_taken(struct room *r);
void room_viewer_added(struct room *r);
void room_viewer_left(struct room *r, bool started); /* started: it was added */
/* What signaling may know of it. It can be watched as soon as one of its sources can. */
void room_describe(const struct room *r, struct backend_room *out);
