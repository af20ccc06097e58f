/* worker_inside.h - what the files of the worker share: its state, all of it its own thread's
 * unless said.
 *
 *     worker.c          the loop, the mailbox, the clock
 *     worker_streams.c  streams and their sources
 *     worker_viewers.c  one viewer: its life, its output, its deadline, whose datagram is it
 *     worker_ingest.c   where a publisher is another kind of viewer, and what it is told
 *     worker_tcp.c      TCP connections: whose they are, in and out
 *     worker_agent.c    full ICE agents and their paths
 *     worker_handshakes.c  how much of DTLS at a time
 *     worker_stats.c    the answer to a query
 */
#pragma once

#include "rtp/forward/datagram_pool.h"
#include "rtp/forward/heap.h"
#include "rtp/forward/origins.h"
#include "rtp/forward/worker.h"
#include "rtp/forward/worker_agent.h"
#include "rtp/forward/worker_handshakes.h"
#include "rtp/forward/worker_samples.h"
#include "rtp/forward/worker_tcp.h"

#include <stdatomic.h>

/* One track of a viewer in the list of its stream. */
struct worker_link {
    struct worker_viewer *viewer;
    struct worker_stream *stream; /* NULL: in no list */
    struct worker_link *previous, *next;
};

/* What a stream has only while it has a source. */
struct worker_feed {
    uint32_t stream_id;
    struct forwarder_source source;
    struct worker_samples capture_to_send;
    bool told[FORWARDER_LAYERS_MAX]; /* that the layer is watched */
    unsigned n_layers;
    struct stream_layer layers[];
};

struct worker_stream {
    struct stream stream;
    struct worker_link *first;
    uint64_t keyframe_requests[FORWARDER_LAYERS_MAX]; /* passed to its sources */
    struct worker_feed *feed;                         /* owned; NULL: no source */
    struct worker_stream *previous_fed, *next_fed;    /* of those that have one */
};

/* Of one publisher; see worker.h. */
struct worker_wishes {
    /* immutable */
    struct worker *worker; /* borrowed: the publisher's */
    uint32_t ingest_id;

    /* any thread */
    atomic_bool told; /* the publisher's worker will look */
    struct worker_track_wishes {
        struct worker_wishes *all;                   /* immutable */
        atomic_uint keyframes[FORWARDER_LAYERS_MAX]; /* asked for since it last looked */
        atomic_uint watchers[FORWARDER_LAYERS_MAX];  /* workers with viewers of the layer */
    } tracks[INGEST_TRACKS_MAX];
};

/* A viewer, or a publisher, which comes and goes in the same way. */
struct worker_viewer {
    struct viewer_config *config; /* owned; NULL once the viewer lives */
    /* Of a publisher, whose `viewer` is not used. */
    struct ingest_config *ingest_config; /* owned; NULL once it lives */
    struct ingest *ingest;               /* owned */
    struct worker_wishes *wishes;        /* borrowed; NULL: nobody wants anything any more */
    uint32_t told_version;
    bool is_ingest;         /* set when it begins */
    bool failed;            /* could not be made: closed from the start */
    uint32_t id, stream_id; /* of the first track */
    uint32_t place;         /* in worker.viewers */
    enum viewer_state told; /* the last one the signaling thread knows of; 0: none */
    struct heap_node deadline;
    struct worker_link links[VIEWER_TRACKS_MAX];
    struct address origin;        /* where its datagrams come from, if has_origin */
    struct address origin_before; /* and in a handshake where they came from until then */
    bool has_origin, has_origin_before;
    struct tcp_guest *tcp;      /* its connections; worker_tcp.c's */
    struct worker_agent *agent; /* its only way, with full ICE; worker_agent.c's */
    bool held;                  /* in worker.held: has something to send, but the socket was full */
    struct worker_viewer *held_previous, *held_next;
    bool shaking; /* in the middle of its handshake; worker_handshakes.c's, as what follows */
    bool has_shaken;
    int64_t shaking_since_us;
    struct worker_viewer *shaking_older, *shaking_newer;

    /* the last whole second */
    int64_t rate_since_us;
    uint64_t rate_bytes, sent_bps;

    struct viewer viewer; /* and its tracks behind it */
};

enum worker_message_type {
    WORKER_ADD_STREAM = 1,
    WORKER_ATTACH,
    WORKER_DETACH,
    WORKER_REMOVE_STREAM,
    WORKER_ADD_VIEWER,
    WORKER_REMOVE_VIEWER,
    WORKER_REMOVE_INGEST,
    WORKER_INGEST_RATE,
    WORKER_INGEST_WISHES,
    WORKER_FRAME,
    WORKER_SELECT,
    WORKER_WANT_KEYFRAME,
    WORKER_DATAGRAM,
    WORKER_ORIGIN, /* datagrams from that address belong to that worker */
    WORKER_TCP,
    WORKER_ADD_AGENT,
    WORKER_CANCEL_AGENT,
    WORKER_CANDIDATE,
    WORKER_RESTART,
    WORKER_RELAY,
    WORKER_QUERY,
    WORKER_SYNC,
    WORKER_QUIT,
};

struct worker_message {
    enum worker_message_type type;
    union {
        struct worker_stream *stream; /* owned */
        struct worker_feed *feed;     /* owned */
        struct {
            uint32_t stream_id;
            sem_t *done;
        } end; /* of a stream, or of its source; or of waiting for the worker */
        struct worker_viewer *viewer; /* owned */
        uint32_t viewer_id;           /* or the publisher's */
        struct {
            uint32_t id;
            sem_t *done;      /* WORKER_REMOVE_INGEST */
            uint64_t max_bps; /* WORKER_INGEST_RATE */
        } ingest;
        struct {
            uint32_t stream_id;
            unsigned layer;
            const struct frame *frame; /* ref */
        } frame;
        struct {
            uint32_t viewer_id, stream_id;
            struct viewer_selection selection;
        } wish;
        struct pooled_datagram *datagram; /* of another worker's viewer; from the reader's pool */
        struct {
            struct address from;
            unsigned worker;
        } origin;
        struct tcp_guest *guest;    /* owned */
        struct worker_agent *agent; /* owned */
        struct {
            uint32_t viewer_id;
            char *text; /* owned */
        } candidate;
        struct worker_restart *restart; /* owned */
        struct worker_relay *relay;     /* owned */
        struct worker_query *query;
    };
};

struct worker {
    /* immutable after create */
    struct worker_config config;
    int epoll_fd, wake_fd; /* owned */
    pthread_t thread;
    bool started; /* forwarder's thread */

    struct mailbox inbox;
    struct datagram_pool passed_on; /* what others read for this one */
    /* any thread; relaxed: bounds and counters that order nothing */
    atomic_uint frames_waiting, datagrams_waiting; /* datagrams and origins */
    atomic_uint guests_waiting, agents_waiting, candidates_waiting;
    atomic_uint streams_waiting, wishes_waiting;
    atomic_ullong frames_dropped;

    /* below: the worker's thread */
    int64_t now_us; /* read once per round and per 64 viewers */
    bool quit, mail_left, events_left;
    int64_t next_tick_us;
    struct heap deadlines;
    struct origins origins;
    struct udp_receiver *receiver;                /* owned */
    struct udp_batch *batch;                      /* owned */
    uint64_t trains;                              /* ever given to the batch */
    struct worker_viewer *held_first, *held_last; /* in the order they are to go on */
    bool watching_writable;
    struct worker_tcp *tcp;       /* owned */
    struct worker_agents *agents; /* owned; NULL without full ICE */
    struct worker_handshakes handshakes;

    struct worker_stream **streams; /* owned, they too; by id % FORWARDER_STREAMS_MAX */
    struct worker_stream *first_fed, *last_fed;
    struct stream_news news;
    struct worker_viewer **viewers; /* owned, they too; in no order; publishers among them */
    uint32_t n_viewers, n_ingests;  /* n_viewers: of all */
    struct worker_viewer **by_id;   /* by id & id_mask */

    struct {
        int64_t since_us;
        unsigned tries; /* of STRAY_TRIES_MAX in the second since then */
        uint32_t next;  /* of `viewers`: where the next search goes on */
    } strays;
    uint64_t datagrams_received, datagrams_unknown, datagrams_passed_on;
    struct worker_samples lag;
    size_t mailbox_high_water;
};

int64_t worker_clock_us(void);
/* One that is bounded by itself (mail_bound). */
void worker_post(struct worker *w, const struct worker_message *m);
/* -EAGAIN: over its bound; the message is then still the caller's. */
int worker_post_bounded(struct worker *w, const struct worker_message *m, atomic_uint *waiting,
                        unsigned max);

void worker_flush(struct worker *w); /* what waits in the batch, unless the socket is full */

/* worker_streams.c */
struct worker_stream *worker_find_stream(const struct worker *w, uint32_t id);
void worker_stream_begin(struct worker *w, struct worker_stream *ws);
void worker_stream_end(struct worker *w, uint32_t id);
void worker_stream_attach(struct worker *w, struct worker_feed *feed);
void worker_stream_detach(struct worker *w, uint32_t id);
void worker_stream_take(struct worker *w, uint32_t id, unsigned layer,
                        const struct frame *f /* takes ownership of one reference */);
void worker_streams_pass_news(struct worker *w); /* to their sources */
void worker_streams_free(struct worker *w);

/* worker_ingest.c: of a publisher */
int worker_ingest_start(struct worker *w, struct worker_viewer *wv); /* 0 or -errno */
enum viewer_state worker_ingest_state(const struct worker_viewer *wv);
const char *worker_ingest_state_name(enum viewer_state s);
/* Its next datagram; false: there is none. `room` is UDP_TRAIN_ROOM. */
bool worker_ingest_send(struct worker *w, struct worker_viewer *wv, struct viewer_train *train,
                        uint8_t *room);
/* What an event says of a publisher beside what it says of a viewer. */
void worker_ingest_describe(const struct worker_viewer *wv, struct forwarder_event *out);
void worker_ingest_remove(struct worker *w, uint32_t id);
void worker_ingest_limit(struct worker *w, uint32_t id, uint64_t max_bps);
void worker_ingest_look(struct worker *w, uint32_t id); /* there are wishes */
void worker_ingest_fill(const struct worker *w, const struct worker_viewer *wv,
                        struct forwarder_ingest_stats *out);

static inline const struct peer *worker_viewer_peer(const struct worker_viewer *wv)
{
    return wv->ingest ? ingest_peer(wv->ingest) : &wv->viewer.peer;
}

enum viewer_state worker_viewer_state(const struct worker_viewer *wv);
void worker_viewer_begin(struct worker *w, struct worker_viewer *wv);
void worker_viewer_restart(struct worker *w, const struct worker_restart *r); /* ICE-lite */
/* After any input: what it has to send goes to the batch, its deadline is filed, its state told. It
 * may be gone afterwards. */
void worker_viewer_settle(struct worker *w, struct worker_viewer *wv);
void worker_viewers_resume(struct worker *w); /* the socket is writable again */
void worker_viewer_close(struct worker *w, uint32_t id);
struct worker_viewer *worker_viewer_find(const struct worker *w,
                                         uint32_t id); /* not a closed one; or a publisher */
/* A datagram of its own, which is modified. Returns whether it was an authentic check. The viewer
 * may be gone afterwards. */
bool worker_viewer_give(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                        const struct address *from);
/* The same at once, whatever it costs. `via` is the worker whose socket it came to. */
bool worker_viewer_deal(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                        const struct address *from, unsigned via);
void worker_viewers_close_all(struct worker *w); /* at the end; nobody is told */
void worker_viewers_on_frame(struct worker *w, struct worker_stream *ws, unsigned layer,
                             const struct frame *f);
void worker_viewers_on_attach(struct worker *w, struct worker_stream *ws);
void worker_viewers_on_detach(struct worker *w, struct worker_stream *ws);
void worker_viewers_on_stream_end(struct worker *w, struct worker_stream *ws);
void worker_viewers_tell(struct worker *w); /* the states that found no room */
void worker_viewers_tick(struct worker *w); /* once a second */

/* `via` is the worker whose socket it came to. `data` is modified. */
void worker_demux(struct worker *w, uint8_t *data, size_t size, const struct address *from,
                  unsigned via);

void worker_answer(struct worker *w, struct worker_query *q);
