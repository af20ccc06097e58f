#include "rtp/forward/worker_inside.h"

#include <assert.h>
#include <stdlib.h>

/* --- made by the teller --- */

struct worker_stream *worker_stream_new(uint32_t id, enum forwarder_kind kind)
{
    struct worker_stream *ws = calloc(1, sizeof(*ws));
    if (ws)
        stream_init(&ws->stream, id, kind, NULL); /* the worker's news, once it is there */
    return ws;
}

void worker_stream_free(struct worker_stream *ws)
{
    if (!ws)
        return;
    assert(!ws->first);
    stream_detach(&ws->stream);
    worker_feed_free(ws->feed);
    free(ws);
}

struct worker_feed *worker_feed_new(uint32_t stream_id, const struct forwarder_source *source,
                                    unsigned n_layers)
{
    struct worker_feed *f = calloc(1, sizeof(*f) + n_layers * sizeof(f->layers[0]));
    if (!f)
        return NULL;
    f->stream_id = stream_id;
    f->source = *source;
    f->n_layers = n_layers;
    return f;
}

void worker_feed_free(struct worker_feed *f)
{
    free(f);
}

/* --- the worker's thread --- */

static struct worker_stream **place_of(const struct worker *w, uint32_t id)
{
    return &w->streams[id % FORWARDER_STREAMS_MAX];
}

struct worker_stream *worker_find_stream(const struct worker *w, uint32_t id)
{
    struct worker_stream *ws = *place_of(w, id);
    return ws && ws->stream.id == id ? ws : NULL;
}

void worker_stream_begin(struct worker *w, struct worker_stream *ws)
{
    struct worker_stream **place = place_of(w, ws->stream.id);
    assert(!*place); /* the forwarder gives ids whose places are free */
    ws->stream.news = &w->news;
    *place = ws;
}

/* What was wanted before is the source's business no more, or not yet known to it. */
static void pass_news(struct worker_stream *ws)
{
    struct stream *s = &ws->stream;
    struct worker_feed *feed = ws->feed;
    for (unsigned i = 0; i < s->n_layers; i++) {
        bool watched = s->watchers[i] > 0;
        if (watched != feed->told[i] && feed->source.watched)
            feed->source.watched(feed->source.arg, i, watched);
        feed->told[i] = watched;
        uint32_t n = s->keyframe_requests[i];
        s->keyframe_requests[i] = 0;
        ws->keyframe_requests[i] += n;
        if (n > 0 && feed->source.want_keyframe)
            feed->source.want_keyframe(feed->source.arg, i, n);
    }
}

void worker_streams_pass_news(struct worker *w)
{
    struct stream *s;
    while ((s = stream_news_take(&w->news)))
        pass_news((struct worker_stream *)((char *)s - offsetof(struct worker_stream, stream)));
}

void worker_stream_attach(struct worker *w, struct worker_feed *feed)
{
    struct worker_stream *ws = worker_find_stream(w, feed->stream_id);
    assert(ws && !ws->feed);
    ws->feed = feed;
    ws->next_fed = NULL;
    ws->previous_fed = w->last_fed;
    if (w->last_fed)
        w->last_fed->next_fed = ws;
    else
        w->first_fed = ws;
    w->last_fed = ws;
    stream_attach(&ws->stream, feed->layers, feed->n_layers);
    ws->stream.as_sent = feed->source.as_sent;
    worker_viewers_on_attach(w, ws);
}

void worker_stream_detach(struct worker *w, uint32_t id)
{
    struct worker_stream *ws = worker_find_stream(w, id);
    assert(ws);
    if (!ws->feed)
        return;
    worker_viewers_on_detach(w, ws);
    stream_detach(&ws->stream);
    worker_feed_free(ws->feed);
    ws->feed = NULL;
    if (ws->previous_fed)
        ws->previous_fed->next_fed = ws->next_fed;
    else
        w->first_fed = ws->next_fed;
    if (ws->next_fed)
        ws->next_fed->previous_fed = ws->previous_fed;
    else
        w->last_fed = ws->previous_fed;
}

void worker_stream_end(struct worker *w, uint32_t id)
{
    struct worker_stream *ws = worker_find_stream(w, id);
    assert(ws);
    worker_stream_detach(w, id);
    worker_viewers_on_stream_end(w, ws);
    worker_streams_pass_news(w); /* it is in that list no more */
    *place_of(w, id) = NULL;
    worker_stream_free(ws);
}

void worker_stream_take(struct worker *w, uint32_t id, unsigned layer, const struct frame *f)
{
    struct worker_stream *ws = worker_find_stream(w, id);
    if (ws && layer < ws->stream.n_layers)
        worker_viewers_on_frame(w, ws, layer, f);
    else
        frame_unref(f); /* of a source that does not know yet that it has ended */
}

void worker_streams_free(struct worker *w)
{
    for (unsigned i = 0; w->streams && i < FORWARDER_STREAMS_MAX; i++)
        worker_stream_free(w->streams[i]);
    free(w->streams);
}
