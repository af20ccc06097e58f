#include "rtp/forward/worker_inside.h"
#include "rtp/wire/rtp.h"

#include <assert.h>

static void fill_worker(struct worker *w, struct forwarder_worker_stats *out)
{
    const struct udp_counters *udp = udp_batch_counters(w->batch);
    struct worker_tcp_counters tcp = worker_tcp_counters(w->tcp);
    struct worker_agents_counters agents = {0};
    if (w->agents)
        agents = worker_agents_counters(w->agents);
    *out = (struct forwarder_worker_stats){
        .viewers = w->n_viewers,
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
    *out = (struct forwarder_stream_stats){
        .stream_id = ws->stream.id,
        .keyframe_requests = ws->keyframe_requests,
        .joins_from_cache = ws->stream.joins_from_cache,
        .joins_waited = ws->stream.joins_waited,
        .capture_to_send_us_p50 = worker_samples_percentile(&ws->capture_to_send, 50),
        .capture_to_send_us_p99 = worker_samples_percentile(&ws->capture_to_send, 99),
    };
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
        .counters = v->counters,
        .sent_bps = wv->sent_bps,
        .stream_id = wv->stream_id,
    };
    if (v->peer.ice.selected)
        out->remote = v->peer.ice.remote;
    const struct report *report = &v->tracks[0].report;
    if (report->any_block) {
        out->rtt_us = report->rtt_us;
        out->fraction_lost = report->fraction_lost;
        out->jitter_us = (int64_t)report->jitter * 1000000 / RTP_VIDEO_CLOCK_HZ;
    }
}

void worker_answer(struct worker *w, struct worker_query *q)
{
    fill_worker(w, &q->worker);
    q->n_streams = w->n_streams;
    for (unsigned i = 0; i < w->n_streams; i++)
        fill_stream(w->streams[i], &q->streams[i]);
    for (uint32_t i = 0; i < w->n_viewers; i++) {
        if (w->viewers[i]->failed)
            continue; /* it never was one */
        assert(q->n_viewers < q->max_viewers);
        fill_viewer(w, w->viewers[i], &q->viewers[q->n_viewers++]);
    }
    sem_post(q->done);
}
