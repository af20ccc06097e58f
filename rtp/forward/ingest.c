#include "rtp/forward/ingest_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const uint32_t ingest_pool_capacity[INGEST_POOLS] = {4096, 32768, 262144,
                                                     INGEST_UNIT_MAX + INGEST_UNIT_MAX / 8};

/* splitmix64: any seed will do. */
uint64_t ingest_draw(struct ingest *in)
{
    uint64_t z = in->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* --- life --- */

static int make_room(struct ingest *in)
{
    in->buffers = malloc(INGEST_BUFFERS * sizeof(*in->buffers));
    for (unsigned i = 0; i < INGEST_POOLS; i++) {
        uint32_t capacity = ingest_pool_capacity[i];
        in->pools[i] = frame_pool_new(capacity, (uint16_t)(capacity / 1024 + 32));
        if (!in->pools[i])
            return -ENOMEM;
    }
    return in->buffers ? 0 : -ENOMEM;
}

static void take_id(uint8_t *id, uint8_t offered)
{
    if (*id == 0)
        *id = offered;
}

/* One transport carries all m-lines, and an id means the same in all of them (RFC 8843 9.2). */
static void take_track(struct ingest *in, unsigned at, const struct ingest_track_config *c)
{
    struct ingest_track *t = &in->tracks[at];
    t->config = *c;
    t->n_layers = c->n_rids > 0 ? c->n_rids : 1;
    for (unsigned i = 0; i < INGEST_LAYERS_MAX; i++)
        t->layer_of[i] = (uint8_t)i;
    in->sends_transport_cc = in->sends_transport_cc || c->transport_cc;
    in->sends_remb = in->sends_remb || c->remb;
    take_id(&in->ids.transport_cc, c->extensions.transport_cc);
    take_id(&in->ids.mid, c->extensions.mid);
    take_id(&in->ids.rid, c->extensions.rid);
    take_id(&in->ids.repaired_rid, c->extensions.repaired_rid);
    take_id(&in->ids.dependency, c->extensions.dependency);
    take_id(&in->ids.abs_send_time, c->extensions.abs_send_time);
}

static void init(struct ingest *in, const struct ingest_config *config, int64_t now_us)
{
    in->id = config->id;
    in->state = INGEST_ICE;
    in->created_us = in->state_since_us = in->heard_us = now_us;
    memcpy(in->cname, config->cname, sizeof(in->cname));
    in->cname[sizeof(in->cname) - 1] = '\0';
    in->rtcp_ssrc = config->rtcp_ssrc;
    in->random = config->seed;
    in->published_us = INT64_MIN;
    in->rtt_us = -1;
    in->transport_due_us = in->report_due_us = INT64_MAX;
    timing_group_init(&in->clock);
    twcc_feedback_init(&in->transport);
    remb_init(&in->remb, config->max_bps);
    in->n_tracks = config->n_tracks;
    for (unsigned i = 0; i < in->n_tracks; i++)
        take_track(in, i, &config->tracks[i]);
    in->sends_transport_cc = in->sends_transport_cc && in->ids.transport_cc != 0;
    ingest_tell_sources(in);
}

int ingest_create(struct ingest **out, const struct ingest_config *config,
                  struct dtls_context *dtls, ingest_publish_fn *publish, void *publish_arg,
                  int64_t now_us)
{
    assert(config->id != 0 && config->rtcp_ssrc != 0);
    assert(config->n_tracks > 0 && config->n_tracks <= INGEST_TRACKS_MAX);
    struct ingest *in = calloc(1, sizeof(*in) + config->n_tracks * sizeof(in->tracks[0]));
    if (!in)
        return -ENOMEM;
    int rc = make_room(in);
    if (rc == 0)
        rc = peer_init(&in->peer, &config->peer, dtls, now_us);
    if (rc != 0) {
        ingest_destroy(in);
        return rc;
    }
    in->publish = publish;
    in->publish_arg = publish_arg;
    init(in, config, now_us);
    *out = in;
    return 0;
}

void ingest_destroy(struct ingest *in)
{
    if (!in)
        return;
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++)
        ingest_flow_free(in, ingest_flow_at(in, i));
    for (unsigned i = 0; i < INGEST_POOLS; i++)
        frame_pool_close(in->pools[i]);
    peer_finish(&in->peer);
    free(in->buffers);
    free(in);
}

/* --- state --- */

static bool is_legal(enum ingest_state from, enum ingest_state to)
{
    switch (from) {
    case INGEST_ICE:
        return to == INGEST_DTLS || to == INGEST_CLOSED;
    case INGEST_DTLS:
        return to == INGEST_WAIT_MEDIA || to == INGEST_CLOSED;
    case INGEST_WAIT_MEDIA:
        return to == INGEST_LIVE || to == INGEST_CLOSED;
    case INGEST_LIVE:
        return to == INGEST_WAIT_MEDIA || to == INGEST_CLOSED;
    case INGEST_CLOSED:
        return false;
    }
    return false;
}

static void set_state(struct ingest *in, enum ingest_state state, int64_t now_us)
{
    assert(is_legal(in->state, state));
    in->state = state;
    in->state_since_us = now_us;
}

static bool is_connected(const struct ingest *in)
{
    return in->state == INGEST_WAIT_MEDIA || in->state == INGEST_LIVE;
}

/* After anything that may have moved the transport. */
static void follow_peer(struct ingest *in, int64_t now_us)
{
    enum peer_state peer = in->peer.state;
    if (in->state == INGEST_ICE && (peer == PEER_DTLS || peer == PEER_CONNECTED))
        set_state(in, INGEST_DTLS, now_us);
    if (in->state == INGEST_DTLS && peer == PEER_CONNECTED) {
        set_state(in, INGEST_WAIT_MEDIA, now_us);
        in->report_due_us = now_us;
    }
    if (in->state == INGEST_CLOSED || peer != PEER_CLOSED)
        return;
    set_state(in, INGEST_CLOSED, now_us);
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (f)
            ingest_unit_cut_off(in, f);
    }
}

void ingest_note_published(struct ingest *in, int64_t now_us)
{
    in->published_us = now_us;
    if (in->state == INGEST_WAIT_MEDIA)
        set_state(in, INGEST_LIVE, now_us);
}

void ingest_on_rtt(struct ingest *in, int64_t sample_us)
{
    in->rtt_us = in->rtt_us < 0 ? sample_us : in->rtt_us + (sample_us - in->rtt_us) / 8;
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (f)
            nack_set_rtt(&f->nack, in->rtt_us);
    }
}

static unsigned pixels_of(const struct ingest_track *t, unsigned index)
{
    const struct ingest_flow *f = t->flows[index];
    return f ? (unsigned)f->width * f->height : 0;
}

/* Those whose size is known share out the places they have among themselves. What changes its place
 * goes on there with a keyframe. */
void ingest_sort_layers(struct ingest *in, struct ingest_track *t)
{
    bool moved = false;
    for (unsigned i = 0; i < t->n_layers; i++) {
        for (unsigned j = i + 1; j < t->n_layers; j++) {
            unsigned a = pixels_of(t, i), b = pixels_of(t, j);
            if (a == 0 || b == 0 || a == b || (a < b) == (t->layer_of[i] < t->layer_of[j]))
                continue;
            ingest_unit_cut_off(in, t->flows[i]);
            ingest_unit_cut_off(in, t->flows[j]);
            uint8_t layer = t->layer_of[i];
            t->layer_of[i] = t->layer_of[j];
            t->layer_of[j] = layer;
            ingest_unit_lose(in, t->flows[i]);
            ingest_unit_lose(in, t->flows[j]);
            moved = true;
        }
    }
    in->version += moved;
}

/* --- input --- */

static void take_input(struct ingest *in, enum peer_input input, const uint8_t *data, size_t size,
                       int64_t now_us)
{
    follow_peer(in, now_us);
    if (!is_connected(in))
        return;
    if (input == PEER_INPUT_RTP)
        ingest_on_rtp(in, data, size, now_us);
    else if (input == PEER_INPUT_RTCP)
        ingest_on_rtcp(in, data, size, now_us);
}

void ingest_on_datagram(struct ingest *in, uint8_t *data, size_t size, const struct address *from,
                        int64_t now_us)
{
    if (in->state == INGEST_CLOSED)
        return;
    uint64_t checks_before = in->peer.ice.checks;
    enum peer_input input = peer_on_datagram(&in->peer, data, &size, from, now_us);
    if (input != PEER_INPUT_NONE || in->peer.ice.checks != checks_before)
        in->heard_us = now_us;
    take_input(in, input, data, size, now_us);
}

bool ingest_on_stray(struct ingest *in, uint8_t *data, size_t size, const struct address *from,
                     int64_t now_us)
{
    if (in->state == INGEST_CLOSED || !peer_on_stray(&in->peer, data, &size, from, now_us))
        return false;
    in->heard_us = now_us;
    take_input(in, PEER_INPUT_RTCP, data, size, now_us);
    return true;
}

void ingest_restart(struct ingest *in, const struct ice_local *local, const char *remote_ufrag,
                    const char *remote_pwd)
{
    peer_restart(&in->peer, local, remote_ufrag, remote_pwd);
}

void ingest_on_path(struct ingest *in, const struct address *remote, int64_t now_us)
{
    if (in->state == INGEST_CLOSED)
        return;
    in->heard_us = now_us;
    peer_on_path(&in->peer, remote, now_us);
    follow_peer(in, now_us);
}

void ingest_on_path_lost(struct ingest *in, int64_t now_us)
{
    if (in->state == INGEST_CLOSED)
        return;
    peer_on_path_lost(&in->peer, now_us);
    follow_peer(in, now_us);
}

static int64_t silent_at(const struct ingest *in)
{
    return in->state == INGEST_LIVE ? in->published_us + INGEST_SILENT_US : INT64_MAX;
}

void ingest_on_timeout(struct ingest *in, int64_t now_us)
{
    if (in->state == INGEST_CLOSED)
        return;
    peer_on_timeout(&in->peer, now_us);
    follow_peer(in, now_us);
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        struct ingest_flow *f = ingest_flow_at(in, i);
        if (!f)
            continue;
        ingest_flow_on_time(in, f, now_us);
        ingest_unit_on_time(in, f, now_us);
    }
    if (now_us >= silent_at(in))
        set_state(in, INGEST_WAIT_MEDIA, now_us);
}

void ingest_close(struct ingest *in, int64_t now_us)
{
    if (in->state == INGEST_CLOSED)
        return;
    in->closing = is_connected(in);
    peer_close(&in->peer, now_us);
    follow_peer(in, now_us);
}

static struct ingest_flow *flow_of_layer(const struct ingest *in, unsigned track, unsigned layer)
{
    const struct ingest_track *t = &in->tracks[track];
    for (unsigned i = 0; i < t->n_layers; i++) {
        if (t->layer_of[i] == layer)
            return t->flows[i];
    }
    return NULL;
}

void ingest_want_keyframe(struct ingest *in, unsigned track, unsigned layer, uint32_t requests)
{
    assert(track < in->n_tracks);
    struct ingest_flow *f = flow_of_layer(in, track, layer);
    if (f && !ingest_is_sound(in, f))
        keyframe_want(&f->budget, requests);
}

void ingest_set_watched(struct ingest *in, unsigned track, unsigned layer, bool watched)
{
    assert(track < in->n_tracks && layer < INGEST_LAYERS_MAX);
    in->tracks[track].watched[layer] = watched;
}

void ingest_set_max_rate(struct ingest *in, uint64_t max_bps)
{
    remb_set_max(&in->remb, max_bps);
    if (is_connected(in) && in->sends_remb)
        in->report_due_us = 0; /* it is told at once */
}

/* --- output --- */

size_t ingest_send(struct ingest *in, uint8_t *out, size_t room, struct address *to, int64_t now_us)
{
    assert(room >= INGEST_DATAGRAM_MAX);
    if (in->closing) { /* with keys that close_notify gives up */
        in->closing = false;
        *to = in->peer.ice.remote;
        size_t size = ingest_write_bye(in, out, INGEST_DATAGRAM_MAX);
        if (size != 0)
            return size;
    }
    size_t size = peer_next_datagram(&in->peer, out, INGEST_DATAGRAM_MAX, to);
    if (size != 0 || !is_connected(in) || !peer_may_send(&in->peer))
        return size;
    *to = in->peer.ice.remote;
    return ingest_write_feedback(in, out, INGEST_DATAGRAM_MAX, now_us);
}

int64_t ingest_next_timeout(struct ingest *in, int64_t now_us)
{
    if (in->state == INGEST_CLOSED)
        return INT64_MAX;
    int64_t next_us = peer_next_timeout(&in->peer, now_us);
    if (!is_connected(in))
        return next_us;
    if (peer_may_send(&in->peer) && ingest_feedback_timeout(in) < next_us)
        next_us = ingest_feedback_timeout(in);
    if (silent_at(in) < next_us)
        next_us = silent_at(in);
    for (unsigned i = 0; i < INGEST_FLOWS(in); i++) {
        const struct ingest_flow *f = ingest_flow_at(in, i);
        if (f && ingest_flow_timeout(in, f) < next_us)
            next_us = ingest_flow_timeout(in, f);
        if (f && ingest_unit_timeout(f) < next_us)
            next_us = ingest_unit_timeout(f);
    }
    return next_us;
}

/* --- what is known --- */

enum ingest_state ingest_state(const struct ingest *in)
{
    return in->state;
}

const struct peer *ingest_peer(const struct ingest *in)
{
    return &in->peer;
}

uint32_t ingest_version(const struct ingest *in)
{
    return in->version;
}

const struct ingest_counters *ingest_counters(const struct ingest *in)
{
    return &in->counters;
}

int64_t ingest_rtt_us(const struct ingest *in)
{
    return in->rtt_us;
}

uint64_t ingest_remb_bps(const struct ingest *in)
{
    return in->remb_told_bps;
}

int64_t ingest_state_since_us(const struct ingest *in)
{
    return in->state_since_us;
}

int64_t ingest_created_us(const struct ingest *in)
{
    return in->created_us;
}

int64_t ingest_heard_us(const struct ingest *in)
{
    return in->heard_us;
}

unsigned ingest_n_tracks(const struct ingest *in)
{
    return in->n_tracks;
}

static bool is_active(const struct ingest_flow *f, int64_t now_us)
{
    return f && now_us - f->newest_us < INGEST_SILENT_US;
}

static void fill_layer(const struct ingest_flow *f, struct ingest_layer_info *out, int64_t now_us)
{
    out->known = true;
    out->active = is_active(f, now_us);
    out->live = f->live;
    out->ssrc = f->ssrc;
    out->rtx_ssrc = f->rtx_ssrc;
    out->codec = f->codec;
    out->width = f->width;
    out->height = f->height;
    memcpy(out->h264_profile, f->h264_profile, sizeof(out->h264_profile));
    out->n_temporal = f->n_temporal;
    out->packets = f->packets;
    out->bytes = f->bytes;
    out->missing = f->nack.missing;
    out->recovered = f->nack.recovered;
    out->lost = f->nack.lost;
    out->nacks = f->nack.asked;
    out->plis = f->plis;
    out->frames = f->frames;
    out->keyframes = f->keyframes;
    out->frames_dropped = f->frames_dropped;
    out->bps = meter_bps(&f->meter, INGEST_RATE_US, now_us);
    out->jitter_us = (int64_t)(f->receive.jitter_q4 >> 4) * 1000000 / f->receive.clock_hz;
    out->fraction_lost = f->fraction_lost;
    out->delay_us_p50 = worker_samples_percentile(&f->delay, 50);
    out->delay_us_p99 = worker_samples_percentile(&f->delay, 99);
}

void ingest_track_info(const struct ingest *in, unsigned track, struct ingest_track_info *out,
                       int64_t now_us)
{
    assert(track < in->n_tracks);
    const struct ingest_track *t = &in->tracks[track];
    *out = (struct ingest_track_info){
        .stream_id = t->config.stream_id, .kind = t->config.kind, .n_layers = t->n_layers};
    for (unsigned i = 0; i < t->n_layers; i++) {
        unsigned layer = t->layer_of[i];
        memcpy(out->layers[layer].rid, t->config.rids[i], sizeof(out->layers[layer].rid));
        out->layers[layer].fraction_lost = -1;
        if (t->flows[i])
            fill_layer(t->flows[i], &out->layers[layer], now_us);
        out->layers[layer].watched = t->watched[layer];
    }
}

uint8_t ingest_active_layers(const struct ingest *in, unsigned track, int64_t now_us)
{
    assert(track < in->n_tracks);
    const struct ingest_track *t = &in->tracks[track];
    unsigned layers = 0;
    for (unsigned i = 0; i < t->n_layers; i++) {
        if (is_active(t->flows[i], now_us) && t->flows[i]->live)
            layers |= 1u << t->layer_of[i];
    }
    return (uint8_t)layers;
}

const char *ingest_state_name(enum ingest_state s)
{
    switch (s) {
    case INGEST_ICE:
        return "ice";
    case INGEST_DTLS:
        return "dtls";
    case INGEST_WAIT_MEDIA:
        return "wait-media";
    case INGEST_LIVE:
        return "live";
    case INGEST_CLOSED:
        return "closed";
    }
    return "unknown";
}
