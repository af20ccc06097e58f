#include "rtp/forward/forwarder_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct forwarder_ingest *find_ingest(const struct forwarder *f, uint32_t id)
{
    struct forwarder_ingest *g = f->ingests;
    while (g && g->id != id)
        g = g->next;
    return g;
}

static unsigned n_layers_of(const struct ingest_track_config *c)
{
    return c->n_rids > 0 ? c->n_rids : 1;
}

static int check_track(const struct forwarder *f, const struct ingest_config *config, unsigned at)
{
    const struct ingest_track_config *c = &config->tracks[at];
    const struct forwarder_stream *s = forwarder_find_stream(f, c->stream_id);
    if (!s)
        return -ENOENT;
    if (s->attached)
        return -EBUSY;
    if (s->kind != c->kind || c->n_rids > INGEST_LAYERS_MAX || n_layers_of(c) > s->n_layers_max)
        return -EINVAL;
    for (unsigned i = 0; i < at; i++) {
        if (config->tracks[i].stream_id == c->stream_id)
            return -EINVAL;
    }
    return 0;
}

static int check(const struct forwarder *f, const struct ingest_config *config)
{
    if (config->n_tracks < 1 || config->n_tracks > INGEST_TRACKS_MAX || config->rtcp_ssrc == 0)
        return -EINVAL;
    for (unsigned i = 0; i < config->n_tracks; i++) {
        int rc = check_track(f, config, i);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void detach_first(struct forwarder *f, const struct forwarder_ingest *g, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (forwarder_find_stream(f, g->stream_ids[i]))
            forwarder_detach(f, g->stream_ids[i]);
    }
}

static int attach_all(struct forwarder *f, struct forwarder_ingest *g,
                      const struct ingest_config *config)
{
    for (unsigned i = 0; i < config->n_tracks; i++) {
        struct forwarder_source source = worker_wishes_source(g->wishes, i);
        uint32_t id = config->tracks[i].stream_id;
        int rc = forwarder_attach(f, id, &source, n_layers_of(&config->tracks[i]));
        if (rc != 0) {
            detach_first(f, g, i);
            return rc;
        }
        forwarder_find_stream(f, id)->ingested = true;
        g->stream_ids[g->n_tracks++] = id;
    }
    return 0;
}

static void free_ingest(struct forwarder_ingest *g)
{
    worker_wishes_free(g->wishes);
    free(g);
}

int forwarder_add_ingest(struct forwarder *f, const struct ingest_config *config)
{
    struct seat *seat = forwarder_find_seat(f, config->id);
    if (!seat || seat->state != SEAT_RESERVED)
        return -ENOENT;
    int rc = check(f, config);
    if (rc != 0)
        return rc;
    struct worker *w = f->workers[seat->worker];
    struct forwarder_ingest *g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    g->id = config->id;
    g->worker = seat->worker;
    g->wishes = worker_wishes_new(w, g->id);
    struct worker_viewer *wv = g->wishes ? worker_ingest_new(config, g->wishes) : NULL;
    rc = wv ? attach_all(f, g, config) : -ENOMEM;
    if (rc != 0) {
        worker_viewer_free(wv);
        forwarder_wait_for(w); /* it may still be told of wishes */
        free_ingest(g);
        return rc;
    }
    g->next = f->ingests;
    f->ingests = g;
    f->n_ingests++;
    seat->state = SEAT_TAKEN;
    worker_add_viewer(w, wv);
    return 0;
}

static void unlink_ingest(struct forwarder *f, const struct forwarder_ingest *g)
{
    struct forwarder_ingest **at = &f->ingests;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    f->n_ingests--;
}

void forwarder_remove_ingest(struct forwarder *f, uint32_t id)
{
    struct forwarder_ingest *g = find_ingest(f, id);
    if (!g)
        return;
    struct worker *w = f->workers[g->worker];
    struct seat *seat = forwarder_find_seat(f, id);
    if (seat && seat->state == SEAT_TAKEN)
        seat->state = SEAT_LEAVING; /* until its last event is read */
    sem_t done;
    sem_init(&done, 0, 0);
    worker_remove_ingest(w, id, &done);
    forwarder_wait(&done, 1);
    sem_destroy(&done);
    detach_first(f, g, g->n_tracks);
    forwarder_wait_for(w); /* what it was told of wishes is read: the seat may be another's */
    unlink_ingest(f, g);
    free_ingest(g);
}

void forwarder_free_ingests(struct forwarder *f)
{
    while (f->ingests) {
        struct forwarder_ingest *g = f->ingests;
        unlink_ingest(f, g);
        free_ingest(g);
    }
}

void forwarder_set_ingest_rate(struct forwarder *f, uint32_t id, uint64_t max_bps)
{
    const struct forwarder_ingest *g = find_ingest(f, id);
    if (!g)
        return;
    while (worker_set_ingest_rate(f->workers[g->worker], id, max_bps) != 0)
        forwarder_wait_for(f->workers[g->worker]);
}

int forwarder_ingest(struct forwarder *f, uint32_t id, struct forwarder_ingest_stats *out)
{
    const struct forwarder_ingest *g = find_ingest(f, id);
    struct worker_query *q = g ? calloc(1, sizeof(*q)) : NULL;
    if (!q)
        return g ? -ENOMEM : -ENOENT;
    sem_t done;
    sem_init(&done, 0, 0);
    q->done = &done;
    q->ingest_id = id;
    q->ingests = out;
    q->max_ingests = 1;
    worker_ask(f->workers[g->worker], q);
    forwarder_wait(&done, 1);
    int rc = q->n_ingests > 0 ? 0 : -ENOENT;
    sem_destroy(&done);
    free(q);
    return rc;
}
