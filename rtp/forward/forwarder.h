/* forwarder.h - the fan-out: N worker threads on one UDP port, each owning its viewers.
 *
 * Life: forwarder_create starts the workers, forwarder_destroy ends them (viewers get BYE and
 * close_notify). A stream is a place for a picture or for sound; it costs next to nothing until a
 * source attaches to it, and sources come and go while its viewers stay. Frames are published into
 * its layers by encode threads. Viewers are added by the signaling thread to the least loaded
 * worker and never move.
 *
 * Threads: forwarder_publish belongs to one thread per stream and layer; every other call to the
 * signaling thread. Workers tell the signaling thread about their viewers through a mailbox, read
 * with forwarder_next_event after `wake` was called (on a worker thread).
 *
 * All workers bind the one port with SO_REUSEPORT. A local username fragment says whose viewer it
 * is: two hex digits of the worker, eight of the viewer id, six random ones; so that a worker that
 * gets another's datagram passes it on.
 */
#pragma once

#include "rtp/forward/ingest.h"
#include "rtp/forward/viewer.h"
#include "rtp/session/ice_full.h"

#define FORWARDER_WORKERS_MAX 64
#define FORWARDER_STREAMS_MAX 65536 /* power of two */

struct forwarder;

struct forwarder_config {
    int n_workers;
    uint16_t udp_port; /* 0: any free one */
    unsigned max_viewers;
    unsigned max_handshakes;   /* DTLS, under way at a time; 0: WORKER_HANDSHAKES_MAX */
    bool disable_gso;          /* for tests and comparison */
    bool pin;                  /* each worker to a processor of its own, while there are as many */
    struct dtls_context *dtls; /* borrowed: outlives the forwarder */
    /* NULL: ICE-lite on the one port. Else every viewer comes through a full agent of its own,
     * which uses these. Borrowed, like dtls. */
    const struct ice_servers *ice;
    void (*wake)(void *arg); /* any thread: an event is waiting */
    void *wake_arg;
};

int forwarder_create(struct forwarder **out, const struct forwarder_config *config, char *error,
                     size_t error_size);
void forwarder_destroy(struct forwarder *f);
uint16_t forwarder_port(const struct forwarder *f);

/* Who feeds a stream. Called on worker threads, must not block; each worker speaks for its own
 * viewers. */
struct forwarder_source {
    void *arg;
    void (*want_keyframe)(void *arg, unsigned layer, uint32_t requests); /* NULL is fine */
    /* The first of a worker's viewers wants the layer, or will when it is connected; its last one
     * does not any more. Nothing is watched at first. NULL is fine. */
    void (*watched)(void *arg, unsigned layer, bool yes);
    /* Its layers come and go whatever is watched: viewers of one that stops go over to another. */
    bool as_sent;
};

/* -EAGAIN: FORWARDER_STREAMS_MAX; -ENOMEM. Sound has one layer. */
int forwarder_add_stream(struct forwarder *f, enum forwarder_kind kind, unsigned n_layers_max,
                         uint32_t *stream_id);
void forwarder_remove_stream(struct forwarder *f, uint32_t stream_id); /* detached; waits */
/* -ENOMEM. The first frame of each layer is to be a keyframe. The stream has no source. */
int forwarder_attach(struct forwarder *f, uint32_t stream_id, const struct forwarder_source *source,
                     unsigned n_layers);
/* Waits until no worker uses the source any more: afterwards it is never called again. Its threads
 * publish nothing any more. What is cached of it is dropped; viewers wait for the next source's
 * first keyframe. Nothing is done if there is no source. */
void forwarder_detach(struct forwarder *f, uint32_t stream_id);
/* Takes ownership of the caller's reference and gives the frame its id. A frame of sound is one
 * packet, and a keyframe. */
void forwarder_publish(struct forwarder *f, uint32_t stream_id, unsigned layer,
                       struct frame *frame);

/* A place for a viewer that will come: what its SDP needs. */
struct forwarder_seat {
    uint32_t viewer_id;
    struct ice_local ice;
};

int forwarder_reserve(struct forwarder *f, struct forwarder_seat *out); /* -EAGAIN: max_viewers */
/* The same for who is going to offer: with full ICE the agent is the controlling one. */
int forwarder_reserve_to_offer(struct forwarder *f, struct forwarder_seat *out);
void forwarder_cancel(struct forwarder *f, uint32_t viewer_id); /* a seat nobody came to */
/* config->id and config->peer.local are the seat's. The answer comes as events. */
int forwarder_add_viewer(struct forwarder *f, const struct viewer_config *config);
void forwarder_remove_viewer(struct forwarder *f, uint32_t viewer_id);

/* What a viewer wants of a stream from now on; of one it has no track for, or that left, nothing
 * happens. */
void forwarder_select(struct forwarder *f, uint32_t viewer_id, uint32_t stream_id,
                      const struct viewer_selection *selection);
/* The viewer's player asks for a keyframe, as with a PLI. Ignored where too much of it waits. */
void forwarder_want_keyframe(struct forwarder *f, uint32_t viewer_id, uint32_t stream_id);

/* A publisher. config->id and config->peer.local are a reserved seat's. Its streams have no source
 * (detach whatever fed them first); they are attached here, each with one layer, or one for each
 * RID. A stream stands in one track only. 0; -ENOENT no such seat or stream; -EINVAL; -EBUSY a
 * stream has a source; -ENOMEM.
 * What it publishes comes as events of kind FORWARDER_INGEST. */
int forwarder_add_ingest(struct forwarder *f, const struct ingest_config *config);
/* Its streams are detached afterwards, and nothing of it is published any more: another one, or
 * another source, may have them at once. Waits, like forwarder_detach. Viewers keep the last
 * picture they have. Needed also once it has closed by itself; until then its streams stay attached
 * and who joins gets what is cached. Unknown ids are fine. */
void forwarder_remove_ingest(struct forwarder *f, uint32_t id);
/* What it is to send at most from now on, all tracks together; 0: no limit. */
void forwarder_set_ingest_rate(struct forwarder *f, uint32_t id, uint64_t max_bps);

/* A connection whose first bytes are a framed STUN message (RFC 6544, RFC 4571): takes ownership.
 * It is given to the viewer that it names, or closed. */
void forwarder_add_tcp(struct forwarder *f, int fd);

enum forwarder_party { FORWARDER_VIEWER = 1, FORWARDER_INGEST };

struct forwarder_event {
    enum forwarder_party kind;
    uint32_t viewer_id;      /* or the ingest's: they are of one row of numbers */
    enum viewer_state state; /* VIEWER_CLOSED is the last event of a viewer, and of an ingest */
    /* Of an ingest, whose `state` says only whether it has closed. It comes again with the same
     * state when codec, size, profile or layers have changed, or a layer went live (`changed`):
     * forwarder_ingest has them. */
    enum ingest_state ingest_state;
    bool changed;
    enum peer_reason reason;
};

bool forwarder_next_event(struct forwarder *f, struct forwarder_event *out);

/* Of the agent that gathers for a seat, from forwarder_reserve on. After `wake` too. */
struct forwarder_candidate {
    uint32_t viewer_id;
    char *text; /* owned: free it; "candidate:..." (RFC 8839 5.1), NULL: there will be no more */
};

bool forwarder_next_candidate(struct forwarder *f, struct forwarder_candidate *out);
/* One of the peer's: "candidate:...", "": there will be no more. From forwarder_reserve on; ignored
 * without full ICE. */
void forwarder_add_candidate(struct forwarder *f, uint32_t viewer_id, const char *text);

/* A restart with these credentials of the peer (RFC 8445 9). Ours are new too, and with full ICE
 * the candidates are told again. Then it may also be we who restart: the peer's are "" at first,
 * and come later, with `ours` NULL. 0; -ENOENT: no such viewer; -EAGAIN. */
int forwarder_restart(struct forwarder *f, uint32_t viewer_id, const char *ufrag, const char *pwd,
                      struct ice_local *ours);
/* Likewise from new sockets on the addresses that this machine has now; the old ones are used until
 * the new ones have a pair. `ours` NULL: with the credentials that we had. */
int forwarder_move(struct forwarder *f, uint32_t viewer_id, struct ice_local *ours);
/* With full ICE, from reserve on: one more TURN server (ice_full_add_relay). */
int forwarder_add_relay(struct forwarder *f, uint32_t viewer_id, const struct ice_relay *relay);

/* --- statistics: a copy, taken by each worker on its own thread when asked --- */

struct forwarder_worker_stats {
    uint32_t viewers;
    uint64_t packets_sent, bytes_sent, send_calls, send_errors;
    uint64_t send_blocked; /* times the socket was full: its viewers went on when it was not */
    uint64_t datagrams_received, datagrams_passed_on;
    uint64_t datagrams_unknown; /* nobody's, or the other worker had too many waiting */
    uint64_t frames_dropped;    /* mailbox full */
    uint64_t loop_lag_p99_us;   /* over the last 1024 rounds: from being due or woken to done */
    uint32_t mailbox_high_water;
    uint32_t handshakes;          /* DTLS, under way */
    uint64_t handshakes_waited;   /* their datagrams that waited for another round of the worker */
    uint64_t handshakes_deferred; /* and those dropped, to be repeated: too many at a time */
    uint32_t tcp_connections;
    uint64_t tcp_refused; /* connections over a bound */
    bool gso;
};

/* Of a stream that has a source. */
struct forwarder_stream_stats {
    uint32_t stream_id;
    enum forwarder_kind kind;
    uint64_t keyframe_requests, joins_from_cache, joins_waited, keyframes_from_cache;
    /* Over the last 1024 frames of the slowest worker: from capture until the kernel had what its
     * viewers could be sent of the frame at once. 0: none yet. */
    uint64_t capture_to_send_us_p50, capture_to_send_us_p99;
    unsigned n_layers;
    struct forwarder_layer_stats {
        uint32_t watchers;
        uint64_t frames;   /* of this source */
        uint64_t rate_bps; /* of its payload */
        uint64_t keyframe_requests;
    } layers[FORWARDER_LAYERS_MAX];
};

/* Of a track whose stream has a source. */
struct forwarder_track_stats {
    uint32_t stream_id;
    enum forwarder_kind kind;
    bool started, paused;
    bool unsupported_codec; /* the stream's codec was not negotiated: nothing is sent */
    uint8_t layer, target_layer;
    uint8_t temporal;  /* the highest temporal_id that is sent; 255: all */
    uint32_t packets;  /* sent, without retransmissions by RTX */
    int fraction_lost; /* 1/256; -1: not known */
};

struct forwarder_viewer_stats {
    uint32_t id;
    enum viewer_state state;
    enum peer_reason reason;
    int64_t age_us, state_age_us;
    int64_t first_frame_us; /* after it was added; -1: not yet */
    /* of the last receiver report of its first picture that has one, else of sound; -1: not known
     */
    int64_t rtt_us, jitter_us;
    int fraction_lost;     /* 1/256 */
    int64_t report_age_us; /* since the newest receiver report of any track; -1: there is none */
    struct address remote;
    struct viewer_counters counters;
    uint64_t sent_bps; /* over the last whole second */
    /* What its path takes, what it is sent by, and what packets wait on the way, about; -1: nothing
     * has been heard of it. */
    int64_t estimate_bps, target_bps, queue_us;
    bool narrow;          /* the path: what it gets is measured out */
    enum layer_mode mode; /* of the first picture */
    uint32_t stream_id;   /* of its first track */
    /* of the first picture it has a source of */
    uint8_t layer, temporal;
    bool unsupported_codec; /* of any track */
    unsigned n_tracks;      /* those whose stream has a source */
    struct forwarder_track_stats tracks[VIEWER_TRACKS_MAX];
};

struct forwarder_ingest_stats {
    uint32_t id;
    enum ingest_state state;
    enum peer_reason reason;
    int64_t age_us, state_age_us;
    int64_t rtt_us;    /* -1: not known */
    int64_t silent_us; /* since anything of it came, be it only a check */
    struct address remote;
    uint64_t remb_bps; /* what it was last told to send at most; 0: nothing */
    struct ingest_counters counters;
    unsigned n_tracks;
    struct ingest_track_info tracks[INGEST_TRACKS_MAX];
};

struct forwarder_stats {
    /* streams: those that have a source */
    unsigned n_workers, n_streams, n_viewers, n_ingests;
    struct forwarder_worker_stats *workers;
    struct forwarder_stream_stats *streams;
    struct forwarder_viewer_stats *viewers;
    struct forwarder_ingest_stats *ingests;
};

int forwarder_stats(struct forwarder *f,
                    struct forwarder_stats *out); /* then forwarder_stats_free */
/* Of one publisher, now: 0; -ENOENT: no such ingest, or it has closed. */
int forwarder_ingest(struct forwarder *f, uint32_t id, struct forwarder_ingest_stats *out);
/* Its flight recorder, oldest first: how many; -ENOENT: no such viewer. */
int forwarder_recall(struct forwarder *f, uint32_t viewer_id,
                     struct viewer_decision out[VIEWER_DECISIONS]);
void forwarder_stats_free(struct forwarder_stats *s);
