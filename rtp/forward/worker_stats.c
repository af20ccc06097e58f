#include "rtp/forward/worker_inside.h"

#include <assert.h>
#include <errno.h>

static void fill_worker(struct worker *w, struct forwarder_worker_stats *out)
{
    const struct udp_counters *udp = udp_batch_counters(w->batch);
    struct worker_tcp_counters tcp = worker_tcp_counters(w->tcp);
    struct worker_agents_counters agents = {0};
    if (w->agents)
        agents = worker_agents_counters(w->agents);
    *out = (struct forwarder_worker_stats){
        .viewers = w->n_viewers - w->n_ingests,
        .packets_sent = udp->packets_sent + tcp.packets_sent + agents.packets_sent,
        .bytes_sent = udp->bytes_sent + tcp.bytes_sent + agents.bytes_sent,
        .send_calls = udp->send_calls + agents.send_calls,
        .send_errors = udp->send_errors + tcp.send_errors + agents.send_errors,
        .send_blocked = udp->send_blocked,
        .datagrams_received = w->datagrams_received,
        .datagrams_unknown = w->datagrams_unknown,
        .datagrams_passed_on = w->datagrams_passed_on,
        .frames_dropped = atomic_load_explicit(&w->frames_dropped, memory_order_relaxed),
        .loop_lag_p99_us = worker_samples_percentile(&w->lag, 99),
        .mailbox_high_water = (uint32_t)w->mailbox_high_water,
        .tcp_connections = tcp.connections,
        .tcp_refused = tcp.refused,
        .gso = udp_batch_gso(w->batch),
        .handshakes = w->handshakes.n,
        .handshakes_waited = w->handshakes.waited,
        .handshakes_deferred = w->handshakes.deferred,
    };
}

static void fill_stream(const struct worker_stream *ws, struct forwarder_stream_stats *out)
{
    const struct stream *s = &ws->stream;
    const struct worker_samples *delay = &ws->feed->capture_to_send;
    *out = (struct forwarder_stream_stats){
        .stream_id = s->id,
        .kind = s->kind,
        .joins_from_cache = s->joins_from_cache,
        .joins_waited = s->joins_waited,
        .keyframes_from_cache = s->keyframes_from_cache,
        .capture_to_send_us_p50 = worker_samples_percentile(delay, 50),
        .capture_to_send_us_p99 = worker_samples_percentile(delay, 99),
        .n_layers = s->n_layers,
    };
    for (unsigned i = 0; i < FORWARDER_LAYERS_MAX; i++)
        out->keyframe_requests += ws->keyframe_requests[i];
    for (unsigned i = 0; i < s->n_layers; i++)
        out->layers[i] = (struct forwarder_layer_stats){
            .watchers = s->watchers[i],
            .frames = s->layers[i].frames,
            .rate_bps = s->layers[i].rate_bps,
            .keyframe_requests = ws->keyframe_requests[i],
        };
}

static void fill_track(const struct viewer_track *t, struct forwarder_track_stats *out)
{
    *out = (struct forwarder_track_stats){
        .stream_id = t->stream->id,
        .kind = t->kind,
        .started = t->started,
        .paused = t->selection.paused,
        .unsupported_codec = t->unsupported,
        .layer = t->layer,
        .target_layer = t->target,
        .temporal = t->temporal,
        .packets = t->report.packets,
        .fraction_lost = t->report.any_block ? t->report.fraction_lost : -1,
    };
}

static void fill_tracks(const struct viewer *v, struct forwarder_viewer_stats *out)
{
    bool any_picture = false;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct viewer_track *t = &v->tracks[i];
        if (!t->stream || t->stream->n_layers == 0)
            continue;
        fill_track(t, &out->tracks[out->n_tracks++]);
        out->unsupported_codec = out->unsupported_codec || t->unsupported;
        if (t->kind != FORWARDER_VIDEO || any_picture)
            continue;
        any_picture = true;
        out->layer = t->layer;
        out->temporal = t->temporal;
        out->mode = t->mode;
    }
}

static void fill_path(const struct worker *w, const struct viewer_path *p,
                      struct forwarder_viewer_stats *out)
{
    out->estimate_bps = (int64_t)gcc_estimate_bps(&p->gcc);
    out->target_bps = (int64_t)gcc_target_bps(&p->gcc, w->now_us);
    out->queue_us = gcc_queue_us(&p->gcc);
    out->narrow = p->narrow;
}

/* What its receiver last said of a track that has been sent, pictures before sound. */
static const struct viewer_track *find_reported(const struct viewer *v)
{
    const struct viewer_track *found = NULL;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct viewer_track *t = &v->tracks[i];
        if (t->report.any_block && (!found || t->kind < found->kind))
            found = t;
    }
    return found;
}

static int64_t report_age(const struct worker *w, const struct viewer *v)
{
    int64_t age = -1;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct report *r = &v->tracks[i].report;
        int64_t us = w->now_us - r->last_block_us;
        if (r->any_block && (age < 0 || us < age))
            age = us;
    }
    return age;
}

static void fill_viewer(const struct worker *w, const struct worker_viewer *wv,
                        struct forwarder_viewer_stats *out)
{
    const struct viewer *v = &wv->viewer;
    *out = (struct forwarder_viewer_stats){
        .id = wv->id,
        .state = v->state,
        .reason = v->peer.reason,
        .age_us = w->now_us - v->created_us,
        .state_age_us = w->now_us - v->state_since_us,
        .first_frame_us = v->first_frame_us < 0 ? -1 : v->first_frame_us - v->created_us,
        .rtt_us = -1,
        .jitter_us = -1,
        .fraction_lost = -1,
        .report_age_us = report_age(w, v),
        .counters = v->counters,
        .sent_bps = wv->sent_bps,
        .estimate_bps = -1,
        .target_bps = -1,
        .queue_us = -1,
        .mode = LAYER_FULL,
        .stream_id = wv->stream_id,
    };
    if (v->peer.ice.selected)
        out->remote = v->peer.ice.remote;
    fill_tracks(v, out);
    if (viewer_path_is_known(v->path))
        fill_path(w, v->path, out);
    const struct viewer_track *t = find_reported(v);
    if (t) {
        out->rtt_us = t->report.rtt_us;
        out->fraction_lost = t->report.fraction_lost;
        out->jitter_us = (int64_t)t->report.jitter * 1000000 / t->report.clock_hz;
    }
}

static int recall(const struct worker *w, uint32_t id, struct viewer_decision *out)
{
    const struct worker_viewer *wv = worker_viewer_find(w, id);
    if (!wv || wv->ingest)
        return -ENOENT;
    const struct viewer_path *p = wv->viewer.path;
    int n = 0;
    uint32_t i = p && p->n_decisions > VIEWER_DECISIONS ? p->n_decisions - VIEWER_DECISIONS : 0;
    for (; p && i < p->n_decisions; i++)
        out[n++] = p->decisions[i % VIEWER_DECISIONS];
    return n;
}

static void fill_one_ingest(const struct worker *w, struct worker_query *q)
{
    const struct worker_viewer *wv = worker_viewer_find(w, q->ingest_id);
    if (wv && wv->ingest)
        worker_ingest_fill(w, wv, &q->ingests[q->n_ingests++]);
}

static void fill_sessions(const struct worker *w, struct worker_query *q)
{
    for (uint32_t i = 0; i < w->n_viewers; i++) {
        const struct worker_viewer *wv = w->viewers[i];
        if (wv->failed)
            continue; /* it never was one */
        if (wv->ingest) {
            if (q->n_ingests < q->max_ingests) /* else it was removed, and is on its way out */
                worker_ingest_fill(w, wv, &q->ingests[q->n_ingests++]);
            continue;
        }
        assert(q->n_viewers < q->max_viewers);
        fill_viewer(w, wv, &q->viewers[q->n_viewers++]);
    }
}

void worker_answer(struct worker *w, struct worker_query *q)
{
    if (q->ingest_id != 0) {
        fill_one_ingest(w, q);
        sem_post(q->done);
        return;
    }
    if (q->recall_id != 0) {
        q->n_recalled = recall(w, q->recall_id, q->recalled);
        sem_post(q->done);
        return;
    }
    fill_worker(w, &q->worker);
    for (const struct worker_stream *ws = w->first_fed; ws; ws = ws->next_fed) {
        assert(q->n_streams < q->max_streams);
        fill_stream(ws, &q->streams[q->n_streams++]);
    }
    fill_sessions(w, q);
    sem_post(q->done);
}
