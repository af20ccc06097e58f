#include "rtp/forward/forwarder_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- streams --- */

struct forwarder_stream *forwarder_find_stream(const struct forwarder *f, uint32_t id)
{
    struct forwarder_stream *s =
        atomic_load_explicit(&f->streams[id % FORWARDER_STREAMS_MAX], memory_order_acquire);
    return s && s->id == id ? s : NULL;
}

static void set_stream(struct forwarder *f, uint32_t id, struct forwarder_stream *s)
{
    atomic_store_explicit(&f->streams[id % FORWARDER_STREAMS_MAX], s, memory_order_release);
}

void forwarder_wait(sem_t *done, unsigned n)
{
    while (n > 0) {
        if (sem_wait(done) == 0)
            n--; /* else a signal */
    }
}

void forwarder_wait_for(struct worker *w)
{
    sem_t done;
    sem_init(&done, 0, 0);
    worker_sync(w, &done);
    forwarder_wait(&done, 1);
    sem_destroy(&done);
}

/* The next id whose place is free; there is one. */
static uint32_t take_stream_id(struct forwarder *f)
{
    for (;;) {
        uint32_t id = f->next_stream_id++;
        if (id != 0 &&
            !atomic_load_explicit(&f->streams[id % FORWARDER_STREAMS_MAX], memory_order_relaxed))
            return id;
    }
}

static int tell_of_stream(struct forwarder *f, uint32_t id, enum forwarder_kind kind)
{
    struct worker_stream *views[FORWARDER_WORKERS_MAX];
    for (unsigned i = 0; i < f->n_workers; i++) {
        views[i] = worker_stream_new(id, kind);
        if (!views[i]) {
            while (i-- > 0)
                worker_stream_free(views[i]);
            return -ENOMEM;
        }
    }
    for (unsigned i = 0; i < f->n_workers; i++) {
        while (worker_add_stream(f->workers[i], views[i]) != 0)
            forwarder_wait_for(f->workers[i]);
    }
    return 0;
}

int forwarder_add_stream(struct forwarder *f, enum forwarder_kind kind, unsigned n_layers_max,
                         uint32_t *stream_id)
{
    assert(n_layers_max >= 1 && n_layers_max <= FORWARDER_LAYERS_MAX);
    assert(kind == FORWARDER_VIDEO || n_layers_max == 1);
    if (f->n_streams == FORWARDER_STREAMS_MAX)
        return -EAGAIN;
    struct forwarder_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->id = take_stream_id(f);
    s->kind = kind;
    s->n_layers_max = n_layers_max;
    int rc = tell_of_stream(f, s->id, kind);
    if (rc != 0) {
        free(s);
        return rc;
    }
    set_stream(f, s->id, s);
    f->n_streams++;
    *stream_id = s->id;
    return 0;
}

int forwarder_attach(struct forwarder *f, uint32_t stream_id, const struct forwarder_source *source,
                     unsigned n_layers)
{
    struct forwarder_stream *s = forwarder_find_stream(f, stream_id);
    assert(s && !s->attached && n_layers >= 1 && n_layers <= s->n_layers_max);
    struct worker_feed *feeds[FORWARDER_WORKERS_MAX];
    for (unsigned i = 0; i < f->n_workers; i++) {
        feeds[i] = worker_feed_new(stream_id, source, n_layers);
        if (!feeds[i]) {
            while (i-- > 0)
                worker_feed_free(feeds[i]);
            return -ENOMEM;
        }
    }
    for (unsigned i = 0; i < f->n_workers; i++) {
        while (worker_attach(f->workers[i], feeds[i]) != 0)
            forwarder_wait_for(f->workers[i]);
    }
    s->attached = true;
    f->n_attached++;
    return 0;
}

typedef void end_fn(struct worker *w, uint32_t stream_id, sem_t *done);

static void end_on_all(struct forwarder *f, end_fn *end, uint32_t stream_id)
{
    sem_t done;
    sem_init(&done, 0, 0);
    for (unsigned i = 0; i < f->n_workers; i++)
        end(f->workers[i], stream_id, &done);
    forwarder_wait(&done, f->n_workers);
    sem_destroy(&done);
}

void forwarder_detach(struct forwarder *f, uint32_t stream_id)
{
    struct forwarder_stream *s = forwarder_find_stream(f, stream_id);
    assert(s);
    if (!s->attached)
        return;
    end_on_all(f, worker_detach, stream_id);
    s->attached = false;
    f->n_attached--;
}

void forwarder_remove_stream(struct forwarder *f, uint32_t stream_id)
{
    struct forwarder_stream *s = forwarder_find_stream(f, stream_id);
    assert(s);
    forwarder_detach(f, stream_id);
    end_on_all(f, worker_remove_stream, stream_id);
    set_stream(f, stream_id, NULL);
    for (unsigned i = 0; s->ingested && i < f->n_workers; i++)
        forwarder_wait_for(f->workers[i]); /* it may have been about to publish */
    f->n_streams--;
    free(s);
}

void forwarder_publish(struct forwarder *f, uint32_t stream_id, unsigned layer, struct frame *frame)
{
    struct forwarder_stream *s = forwarder_find_stream(f, stream_id);
    if (!s) {
        frame_unref(frame); /* the stream has ended, and who publishes does not know yet */
        return;
    }
    assert(layer < s->n_layers_max && frame->codec > 0 && frame->codec < PAYLOAD_CODECS);
    assert(frame->payload.n_packets <= PAST_PACKETS_MAX);
    assert(!frame_is_broken(frame) || (frame->part > 0 && frame->ends));
    assert(s->kind == FORWARDER_VIDEO || (frame->payload.n_packets == 1 && frame->keyframe));
    frame->id = atomic_fetch_add_explicit(&s->newest_id[layer], 1, memory_order_relaxed) + 1;
    for (unsigned i = 0; i < f->n_workers; i++)
        worker_give_frame(f->workers[i], stream_id, layer, frame_ref(frame));
    frame_unref(frame);
}

/* --- statistics --- */

static void merge_stream(struct forwarder_stream_stats *all,
                         const struct forwarder_stream_stats *one)
{
    all->stream_id = one->stream_id;
    all->kind = one->kind;
    all->keyframe_requests += one->keyframe_requests;
    all->joins_from_cache += one->joins_from_cache;
    all->joins_waited += one->joins_waited;
    all->keyframes_from_cache += one->keyframes_from_cache;
    if (one->capture_to_send_us_p50 > all->capture_to_send_us_p50)
        all->capture_to_send_us_p50 = one->capture_to_send_us_p50;
    if (one->capture_to_send_us_p99 > all->capture_to_send_us_p99)
        all->capture_to_send_us_p99 = one->capture_to_send_us_p99;
    all->n_layers = one->n_layers;
    for (unsigned i = 0; i < one->n_layers; i++) {
        struct forwarder_layer_stats *sum = &all->layers[i];
        sum->watchers += one->layers[i].watchers;
        sum->keyframe_requests += one->layers[i].keyframe_requests;
        if (one->layers[i].frames > sum->frames) /* every worker gets all of them, or most */
            sum->frames = one->layers[i].frames;
        if (one->layers[i].rate_bps > sum->rate_bps)
            sum->rate_bps = one->layers[i].rate_bps;
    }
}

/* Sources come and go in the same order for every worker, so that their streams stand so too. */
static void merge(const struct worker_query *q, unsigned worker, struct forwarder_stats *out)
{
    out->workers[worker] = q->worker;
    out->n_viewers += q->n_viewers;
    out->n_ingests += q->n_ingests;
    assert(q->n_streams == out->n_streams);
    for (unsigned i = 0; i < out->n_streams; i++) {
        assert(worker == 0 || q->streams[i].stream_id == out->streams[i].stream_id);
        merge_stream(&out->streams[i], &q->streams[i]);
    }
}

int forwarder_stats(struct forwarder *f, struct forwarder_stats *out)
{
    struct forwarder_stats s = {.n_workers = f->n_workers, .n_streams = f->n_attached};
    struct worker_query *q = calloc(1, sizeof(*q));
    struct forwarder_stream_stats *streams = calloc(f->n_attached + 1, sizeof(*streams));
    s.workers = calloc(f->n_workers, sizeof(*s.workers));
    s.streams = calloc(f->n_attached + 1, sizeof(*s.streams));
    s.viewers = calloc(f->n_seats + 1, sizeof(*s.viewers));
    s.ingests = calloc(f->n_ingests + 1, sizeof(*s.ingests));
    if (!q || !streams || !s.workers || !s.streams || !s.viewers || !s.ingests) {
        free(q);
        free(streams);
        forwarder_stats_free(&s);
        return -ENOMEM;
    }
    sem_t done;
    sem_init(&done, 0, 0);
    /* One after the other: every worker has at most its seats' viewers, all together fit. */
    for (unsigned i = 0; i < f->n_workers; i++) {
        *q = (struct worker_query){.done = &done,
                                   .streams = streams,
                                   .max_streams = f->n_attached,
                                   .viewers = s.viewers + s.n_viewers,
                                   .max_viewers = f->n_seats - s.n_viewers,
                                   .ingests = s.ingests + s.n_ingests,
                                   .max_ingests = f->n_ingests - s.n_ingests};
        worker_ask(f->workers[i], q);
        forwarder_wait(&done, 1);
        merge(q, i, &s);
    }
    sem_destroy(&done);
    free(q);
    free(streams);
    *out = s;
    return 0;
}

int forwarder_recall(struct forwarder *f, uint32_t viewer_id,
                     struct viewer_decision out[VIEWER_DECISIONS])
{
    const struct seat *seat = forwarder_find_seat(f, viewer_id);
    struct worker_query *q = seat ? calloc(1, sizeof(*q)) : NULL;
    if (!q)
        return seat ? -ENOMEM : -ENOENT;
    sem_t done;
    sem_init(&done, 0, 0);
    q->done = &done;
    q->recall_id = viewer_id;
    q->recalled = out;
    worker_ask(f->workers[seat->worker], q);
    forwarder_wait(&done, 1);
    int n = q->n_recalled;
    sem_destroy(&done);
    free(q);
    return n;
}

void forwarder_stats_free(struct forwarder_stats *s)
{
    free(s->workers);
    free(s->streams);
    free(s->viewers);
    free(s->ingests);
    *s = (struct forwarder_stats){0};
}
