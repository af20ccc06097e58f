#include "rtp/forward/viewer_internal.h"

#include <assert.h>
#include <string.h>

#define FIRST_SEQ_MASK                                                                             \
    0x7fff /* so that losing the first packets cannot hide a wrap, RFC 3711 3.3.1 */

/* splitmix64: any seed will do. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Track by track in this order, so that one seed always gives the same numbers. */
static void draw_track(struct viewer_track *t, uint64_t *random)
{
    t->timestamp_offset = (uint32_t)draw(random);
    t->rtx_seq = (uint16_t)(draw(random) & FIRST_SEQ_MASK);
    t->seq = (uint16_t)(draw(random) & FIRST_SEQ_MASK);
    bool audio = t->kind == FORWARDER_AUDIO;
    report_init(&t->report, t->ssrc, audio ? RTP_AUDIO_CLOCK_HZ : RTP_VIDEO_CLOCK_HZ, draw(random));
}

int viewer_init(struct viewer *v, const struct viewer_config *config, struct stream *const *streams,
                struct dtls_context *dtls, int64_t unix_offset_us, int64_t now_us)
{
    assert(config->id != 0 && config->n_tracks > 0 && config->n_tracks <= VIEWER_TRACKS_MAX);
    memset(v, 0, sizeof(*v));
    int rc = peer_init(&v->peer, &config->peer, dtls, now_us);
    if (rc != 0)
        return rc;
    v->id = config->id;
    v->state = VIEWER_ICE;
    v->created_us = v->state_since_us = now_us;
    v->first_frame_us = -1;
    v->unix_offset_us = unix_offset_us;
    v->adapts = config->adapts;
    memcpy(v->cname, config->cname, sizeof(v->cname));
    v->cname[sizeof(v->cname) - 1] = '\0';
    v->pace_bps = VIEWER_PACE_BPS;
    pacer_init(&v->pacer, v->pace_bps, VIEWER_PACE_BURST, now_us);

    uint64_t random = config->seed;
    v->transport_seq = (uint16_t)draw(&random);
    v->n_tracks = config->n_tracks;
    v->audio_since_us = v->soonest_us = INT64_MAX;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        struct viewer_track *t = &v->tracks[i];
        viewer_track_init(t, &config->tracks[i], streams[i]);
        draw_track(t, &random);
        v->audio |= t->kind == FORWARDER_AUDIO ? 1u << i : 0;
        viewer_track_update(v, t);
    }
    return 0;
}

static void leave_all(struct viewer *v)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].stream)
            viewer_track_leave(v, &v->tracks[i]);
    }
}

void viewer_finish(struct viewer *v)
{
    leave_all(v);
    for (unsigned i = 0; i < v->n_tracks; i++)
        past_free(v->tracks[i].past);
    viewer_path_free(v->path);
    peer_finish(&v->peer);
}

static bool is_legal(enum viewer_state from, enum viewer_state to)
{
    switch (from) {
    case VIEWER_ICE:
        return to == VIEWER_DTLS || to == VIEWER_CLOSED;
    case VIEWER_DTLS:
        return to == VIEWER_WAIT_KEYFRAME || to == VIEWER_CLOSED;
    case VIEWER_WAIT_KEYFRAME:
        return to == VIEWER_PLAYING || to == VIEWER_CLOSED;
    case VIEWER_PLAYING:
        return to == VIEWER_WAIT_KEYFRAME || to == VIEWER_CLOSED;
    case VIEWER_CLOSED:
        return false;
    }
    return false;
}

void viewer_set_state(struct viewer *v, enum viewer_state state, int64_t now_us)
{
    assert(is_legal(v->state, state));
    v->state = state;
    v->state_since_us = now_us;
    if (state == VIEWER_CLOSED)
        leave_all(v);
}

void viewer_note_frame(struct viewer *v, int64_t now_us)
{
    v->counters.frames_sent++;
    if (v->first_frame_us < 0)
        v->first_frame_us = now_us;
    if (v->state == VIEWER_WAIT_KEYFRAME)
        viewer_set_state(v, VIEWER_PLAYING, now_us);
}

static bool is_connected(const struct viewer *v)
{
    return v->state == VIEWER_WAIT_KEYFRAME || v->state == VIEWER_PLAYING;
}

/* The streams' rate may have changed. */
static void follow_rate(struct viewer *v, int64_t now_us)
{
    uint64_t rate_bps = 0;
    const struct viewer_track *t;
    for (uint32_t set = v->present; (t = viewer_take_track(v, &set));)
        rate_bps += t->stream->layers[t->started ? t->layer : t->target].rate_bps;
    v->rate_bps = rate_bps;
    uint64_t pace_bps = rate_bps < PACER_RATE_MAX_BPS / 3 ? rate_bps * 5 / 2 : PACER_RATE_MAX_BPS;
    if (pace_bps < VIEWER_PACE_BPS)
        pace_bps = VIEWER_PACE_BPS;
    if (pace_bps == v->pace_bps)
        return;
    v->pace_bps = pace_bps;
    if (v->path)
        viewer_path_pace(v, now_us);
    else
        pacer_set_rate(&v->pacer, pace_bps, now_us);
}

/* After anything that may have moved the transport. */
static void follow_peer(struct viewer *v, int64_t now_us)
{
    enum peer_state peer = v->peer.state;
    if (v->state == VIEWER_ICE && (peer == PEER_DTLS || peer == PEER_CONNECTED))
        viewer_set_state(v, VIEWER_DTLS, now_us);
    if (v->state == VIEWER_DTLS && peer == PEER_CONNECTED) {
        viewer_set_state(v, VIEWER_WAIT_KEYFRAME, now_us);
        follow_rate(v, now_us);
        viewer_start_tracks(v, NULL);
    }
    if (v->state != VIEWER_CLOSED && peer == PEER_CLOSED)
        viewer_set_state(v, VIEWER_CLOSED, now_us);
}

void viewer_on_datagram(struct viewer *v, uint8_t *data, size_t size, const struct address *from,
                        int64_t now_us)
{
    if (v->state == VIEWER_CLOSED)
        return;
    enum peer_input input = peer_on_datagram(&v->peer, data, &size, from, now_us);
    follow_peer(v, now_us);
    if (input == PEER_INPUT_RTCP && is_connected(v))
        viewer_on_rtcp(v, data, size, now_us);
}

bool viewer_on_stray(struct viewer *v, uint8_t *data, size_t size, const struct address *from,
                     int64_t now_us)
{
    if (v->state == VIEWER_CLOSED || !peer_on_stray(&v->peer, data, &size, from, now_us))
        return false;
    follow_peer(v, now_us);
    if (is_connected(v))
        viewer_on_rtcp(v, data, size, now_us);
    return true;
}

void viewer_restart(struct viewer *v, const struct ice_local *local, const char *remote_ufrag,
                    const char *remote_pwd)
{
    peer_restart(&v->peer, local, remote_ufrag, remote_pwd);
}

void viewer_on_path(struct viewer *v, const struct address *remote, int64_t now_us)
{
    if (v->state == VIEWER_CLOSED)
        return;
    peer_on_path(&v->peer, remote, now_us);
    follow_peer(v, now_us);
}

void viewer_on_path_lost(struct viewer *v, int64_t now_us)
{
    if (v->state == VIEWER_CLOSED)
        return;
    peer_on_path_lost(&v->peer, now_us);
    follow_peer(v, now_us);
}

void viewer_on_frame(struct viewer *v, const struct stream *s, int64_t now_us)
{
    if (!is_connected(v))
        return;
    follow_rate(v, now_us);
    viewer_path_on_frame(v, now_us);
    viewer_start_tracks(v, s);
    if (s->kind == FORWARDER_AUDIO)
        viewer_on_audio(v, now_us);
}

void viewer_on_attach(struct viewer *v, struct stream *s, int64_t now_us)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].stream == s)
            viewer_track_update(v, &v->tracks[i]);
    }
    if (is_connected(v))
        follow_rate(v, now_us);
}

void viewer_on_detach(struct viewer *v, const struct stream *s)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].stream == s)
            viewer_track_leave(v, &v->tracks[i]);
    }
}

void viewer_on_stream_end(struct viewer *v, const struct stream *s)
{
    viewer_on_detach(v, s);
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].stream == s)
            v->tracks[i].stream = NULL;
    }
}

void viewer_on_timeout(struct viewer *v, int64_t now_us)
{
    if (v->state == VIEWER_CLOSED)
        return;
    peer_on_timeout(&v->peer, now_us);
    follow_peer(v, now_us);
}

void viewer_close(struct viewer *v, int64_t now_us)
{
    if (v->state == VIEWER_CLOSED)
        return;
    v->closing = is_connected(v);
    peer_close(&v->peer, now_us);
    follow_peer(v, now_us);
}

void viewer_set_stalled(struct viewer *v, bool stalled)
{
    if (v->stalled && !stalled)
        viewer_skip_late(v);
    v->stalled = stalled;
}

/* The only segment of its train. */
static bool single(struct viewer_train *train, const struct address *to, size_t size)
{
    *train = (struct viewer_train){
        .to = *to, .segment_size = (uint16_t)size, .n_segments = 1, .size = (uint32_t)size};
    return true;
}

/* RTCP BYE is protected with keys that close_notify gives up, so it goes first. */
static bool send_control(struct viewer *v, struct viewer_train *train, uint8_t *out, int64_t now_us)
{
    size_t size;
    if (v->closing) {
        v->closing = false;
        size = viewer_write_bye(v, out, VIEWER_DATAGRAM_MAX);
        if (size != 0)
            return single(train, &v->peer.ice.remote, size);
    }
    struct address to;
    size = peer_next_datagram(&v->peer, out, VIEWER_DATAGRAM_MAX, &to);
    if (size != 0)
        return single(train, &to, size);
    if (!is_connected(v))
        return false;
    size = viewer_write_report(v, out, VIEWER_DATAGRAM_MAX, now_us);
    return size != 0 && single(train, &v->peer.ice.remote, size);
}

/* Sound, then what was lost, then pictures, then what only probes. */
static bool send_rtp(struct viewer *v, struct viewer_train *train, uint8_t *out, int64_t now_us)
{
    bool may = pacer_available(&v->pacer, now_us) > 0 && viewer_path_may_send(v, now_us);
    if (viewer_send_audio(v, train, out, may, now_us))
        return true;
    if (may && (viewer_send_resends(v, train, out, now_us) ||
                viewer_send_media(v, train, out, NULL, now_us)))
        return true;
    uint32_t padding = viewer_path_padding(v, now_us);
    return padding > 0 && viewer_send_padding(v, train, out, padding);
}

bool viewer_send(struct viewer *v, struct viewer_train *train, uint8_t *out, size_t room,
                 int64_t now_us)
{
    assert(room >= VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX);
    if (send_control(v, train, out, now_us))
        return true;
    if (!is_connected(v) || v->stalled)
        return false;
    *train = (struct viewer_train){.to = v->peer.ice.remote};
    viewer_path_on_time(v, now_us);
    uint16_t first_seq = v->transport_seq;
    if (!send_rtp(v, train, out, now_us))
        return false;
    assert(train->size <= VIEWER_TRAIN_BYTES && train->n_segments <= VIEWER_TRAIN_MAX);
    v->counters.packets_sent += train->n_segments;
    v->counters.bytes_sent += train->size;
    pacer_spend(&v->pacer, train->size);
    if (v->path)
        viewer_path_on_sent(v, train, first_seq, now_us);
    return true;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t media_timeout(const struct viewer *v)
{
    int64_t at = pacer_next_timeout(&v->pacer);
    return v->path && v->path->narrow && v->path->train_us > at ? v->path->train_us : at;
}

int64_t viewer_next_timeout(struct viewer *v, int64_t now_us)
{
    if (v->state == VIEWER_CLOSED)
        return INT64_MAX;
    int64_t next = peer_next_timeout(&v->peer, now_us);
    if (!is_connected(v))
        return next;
    next = min(next, viewer_report_timeout(v));
    if (!v->stalled)
        next = min(next, viewer_audio_timeout(v));
    if (!v->stalled && viewer_has_media(v))
        next = min(next, media_timeout(v));
    if (!v->stalled)
        next = min(next, viewer_path_timeout(v));
    return next;
}

const char *viewer_state_name(enum viewer_state s)
{
    switch (s) {
    case VIEWER_ICE:
        return "ice";
    case VIEWER_DTLS:
        return "dtls";
    case VIEWER_WAIT_KEYFRAME:
        return "wait-keyframe";
    case VIEWER_PLAYING:
        return "playing";
    case VIEWER_CLOSED:
        return "closed";
    }
    return "unknown";
}
