/* forwarder_inside.h - what the files of the forwarder share: its state.
 *
 *     forwarder.c          workers, seats, viewers
 *     forwarder_streams.c  streams and their sources, statistics
 *     forwarder_ingest.c   publishers
 */
#pragma once

#include "rtp/forward/worker.h"

#include <stdatomic.h>

enum seat_state { SEAT_FREE, SEAT_RESERVED, SEAT_TAKEN, SEAT_LEAVING };

struct seat {
    enum seat_state state;
    uint32_t id;
    unsigned worker;
};

struct forwarder_stream {
    /* immutable */
    uint32_t id;
    enum forwarder_kind kind;
    unsigned n_layers_max;

    /* the signaling thread */
    bool attached;
    bool ingested; /* ever by a publisher, whose worker may still publish */

    /* of each layer, its publishing thread; another one's after the source has changed */
    _Atomic uint64_t newest_id[FORWARDER_LAYERS_MAX];
};

/* A publisher, from its beginning until it is removed, be it closed or not. */
struct forwarder_ingest {
    struct forwarder_ingest *next;
    uint32_t id;
    unsigned worker;
    struct worker_wishes *wishes; /* owned */
    unsigned n_tracks;
    uint32_t stream_ids[INGEST_TRACKS_MAX];
};

struct forwarder {
    /* immutable after create */
    unsigned n_workers;
    struct worker *workers[FORWARDER_WORKERS_MAX]; /* owned */
    uint16_t port;
    unsigned max_viewers;
    uint32_t id_mask;
    struct mailbox events;
    struct udp_locals locals; /* any worker */
    bool full_ice;
    struct mailbox candidates; /* only with full ICE */
    /* By id % FORWARDER_STREAMS_MAX, owned: set by the signaling thread, read by publishing ones,
     * whose streams are there while they publish. */
    _Atomic(struct forwarder_stream *) *streams;

    /* below: the signaling thread */
    struct seat *seats; /* owned; by id & id_mask */
    unsigned n_seats, load[FORWARDER_WORKERS_MAX];
    uint32_t next_viewer_id, next_stream_id, next_tcp;
    unsigned n_streams, n_attached, n_ingests;
    struct forwarder_ingest *ingests; /* owned */
    unsigned since_trim;              /* viewers that came or went */
};

struct seat *forwarder_find_seat(struct forwarder *f, uint32_t id); /* NULL: it is free */
struct forwarder_stream *forwarder_find_stream(const struct forwarder *f, uint32_t id);
/* Until the worker has read all that was told before: then there is room again for more. */
void forwarder_wait_for(struct worker *w);
void forwarder_wait(sem_t *done, unsigned n);     /* until it was posted so often */
void forwarder_free_ingests(struct forwarder *f); /* at the end; the workers have ended */
