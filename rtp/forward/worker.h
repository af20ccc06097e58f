/* worker.h - one thread of the fan-out: it owns its viewers, its socket and its view of every
 * stream.
 *
 * Life: worker_create for all workers, then worker_start, since they pass datagrams to each other
 * through `peers`; worker_quit, worker_join for all, then worker_destroy.
 *
 * Threads: everything is told to a worker through its mailbox, by any thread; only the forwarder
 * calls this. Each kind of message has a bound of its own and the mailbox has room for all of them
 * together, so that frames or datagrams that pile up never keep a viewer from being removed. Frames
 * and passed-on datagrams over their bound are dropped.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "rtp/forward/mailbox.h"
#include "rtp/forward/udp.h"

#include <semaphore.h>

#define WORKER_FRAMES_WAITING_MAX 1024
#define WORKER_DATAGRAMS_WAITING_MAX 1024
#define WORKER_GUESTS_WAITING_MAX 256
#define WORKER_CANDIDATES_WAITING_MAX 1024
#define WORKER_STREAMS_WAITING_MAX 256 /* to be added, or with a new source */
#define WORKER_WISHES_WAITING_MAX 1024 /* of viewers: selections, keyframes */
#define WORKER_NAME "amphi-worker"     /* and its index: the name of the thread */

struct worker;
struct worker_stream;
struct worker_feed;
struct worker_viewer;
struct tcp_guest;
struct worker_agent;
struct worker_wishes;

struct worker_config {
    unsigned index, n_workers;
    struct worker *const *peers; /* borrowed; all there before worker_start, this one included */
    uint32_t max_viewers;
    unsigned max_handshakes; /* under way at a time */
    bool pin;                /* to the processor of its index, of those the process may use */
    /* Viewer ids are distinct in their low bits: id & id_mask is a viewer's place. */
    uint32_t id_mask;
    uint64_t seed;             /* random */
    struct udp udp;            /* taken over on success */
    struct dtls_context *dtls; /* borrowed */
    struct mailbox *events;    /* borrowed; of struct forwarder_event */
    /* What publishers send goes there; takes ownership of the frame. */
    void (*publish)(void *arg, uint32_t stream_id, unsigned layer, struct frame *frame);
    void *publish_arg;
    /* Full ICE, or both NULL. Borrowed. */
    const struct ice_servers *ice;
    struct mailbox *candidates; /* of struct forwarder_candidate */
};

int worker_create(struct worker **out, const struct worker_config *config);
int worker_start(struct worker *w);
void worker_quit(struct worker *w); /* closes its viewers, then ends */
void worker_join(struct worker *w);
void worker_destroy(struct worker *w); /* not started, or joined; NULL is fine */

/* Made by the teller, so that what can fail fails there. */
struct worker_stream *worker_stream_new(uint32_t id, enum forwarder_kind kind);
void worker_stream_free(struct worker_stream *s); /* NULL is fine */
/* What a stream needs while it has a source. */
struct worker_feed *worker_feed_new(uint32_t stream_id, const struct forwarder_source *source,
                                    unsigned n_layers);
void worker_feed_free(struct worker_feed *f); /* NULL is fine */
struct worker_viewer *worker_viewer_new(const struct viewer_config *config);
void worker_viewer_free(struct worker_viewer *v); /* NULL is fine */

/* `wishes` is borrowed until worker_remove_ingest is done. */
struct worker_viewer *worker_ingest_new(const struct ingest_config *config,
                                        struct worker_wishes *wishes);

/* What the viewers of a publisher's streams want of it, whichever worker they are with: any of them
 * writes it down here and tells the publisher's own. Made for one publisher, by the teller, and the
 * teller's until its streams are detached. */
struct worker_wishes *worker_wishes_new(struct worker *w, uint32_t ingest_id);
void worker_wishes_free(struct worker_wishes *s); /* NULL is fine */
/* What is to be attached to the stream of this track. */
struct forwarder_source worker_wishes_source(struct worker_wishes *s, unsigned track);

/* Both take ownership; -EAGAIN: too many wait (worker_sync), it is the caller's. */
int worker_add_stream(struct worker *w, struct worker_stream *s);
int worker_attach(struct worker *w, struct worker_feed *feed);
void worker_detach(struct worker *w, uint32_t stream_id, sem_t *done);
void worker_remove_stream(struct worker *w, uint32_t id, sem_t *done);
void worker_sync(struct worker *w, sem_t *done); /* once all that was told before is done */
void worker_add_viewer(struct worker *w, struct worker_viewer *v /* takes ownership */);
void worker_remove_viewer(struct worker *w, uint32_t id);
/* Afterwards it publishes nothing and its wishes are not read any more. */
void worker_remove_ingest(struct worker *w, uint32_t id, sem_t *done);
int worker_set_ingest_rate(struct worker *w, uint32_t id, uint64_t max_bps); /* -EAGAIN */
void worker_tell_of_wishes(struct worker *w, uint32_t ingest_id); /* any worker's thread */
void worker_give_frame(struct worker *w, uint32_t stream_id, unsigned layer,
                       const struct frame *f /* takes ownership of one reference */);
/* -EAGAIN: too many wait. */
int worker_select(struct worker *w, uint32_t viewer_id, uint32_t stream_id,
                  const struct viewer_selection *selection);
int worker_want_keyframe(struct worker *w, uint32_t viewer_id, uint32_t stream_id);

/* Takes ownership; -EAGAIN: too many wait, it is the caller's. */
int worker_give_tcp(struct worker *w, struct tcp_guest *g);

/* With full ICE, for a seat that was reserved. */
int worker_give_agent(struct worker *w, struct worker_agent *a); /* the same */
void worker_cancel_agent(struct worker *w, uint32_t viewer_id);  /* the seat was given back */
/* Of the peer; takes ownership of the malloc'd text. -EAGAIN: too many wait, it is the caller's. */
int worker_give_candidate(struct worker *w, uint32_t viewer_id, char *text);
struct worker_restart {
    uint32_t viewer_id;
    struct ice_local local;
    char ufrag[ICE_UFRAG_MAX + 1], pwd[ICE_PWD_MAX + 1]; /* the peer's */
    bool moves; /* with new sockets, and with the old credentials if it has no others */
};
int worker_restart(struct worker *w, struct worker_restart *r /* the same */);
struct worker_relay {
    uint32_t viewer_id;
    struct ice_relay relay;
};
int worker_give_relay(struct worker *w, struct worker_relay *r /* the same */);

/* A copy of everything worth knowing, filled on the worker's thread. */
struct worker_query {
    sem_t *done;
    struct forwarder_worker_stats worker;
    struct forwarder_stream_stats *streams; /* borrowed: the asker's; in the order of attaching */
    unsigned n_streams, max_streams;
    struct forwarder_viewer_stats *viewers; /* borrowed: the asker's */
    unsigned n_viewers, max_viewers;
    struct forwarder_ingest_stats *ingests; /* borrowed: the asker's */
    unsigned n_ingests, max_ingests;
    uint32_t ingest_id; /* of this publisher alone: n_ingests is then 1, or 0; 0: all */
    /* Of this viewer alone, and nothing else; 0: all of the above. */
    uint32_t recall_id;
    struct viewer_decision *recalled; /* borrowed: VIEWER_DECISIONS */
    int n_recalled;                   /* -ENOENT: no such viewer */
};

void worker_ask(struct worker *w, struct worker_query *q);

/* The first ten characters of a local username fragment. */
#define WORKER_UFRAG_PREFIX 10
void worker_ufrag_write(char out[WORKER_UFRAG_PREFIX + 1], unsigned worker, uint32_t viewer_id);
bool worker_ufrag_read(const char *ufrag, unsigned *worker, uint32_t *viewer_id);
