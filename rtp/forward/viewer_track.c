#include "rtp/forward/viewer_internal.h"

#include <assert.h>
#include <string.h>

#define RTT_UNKNOWN_US 100000
#define ALL_TEMPORAL UINT8_MAX

static uint32_t bit(const struct viewer *v, const struct viewer_track *t)
{
    return 1u << (t - v->tracks);
}

void viewer_track_init(struct viewer_track *t, const struct viewer_track_config *config,
                       struct stream *stream)
{
    assert(config->kind == stream->kind);
    memset(t, 0, sizeof(*t));
    t->stream = stream;
    t->kind = config->kind;
    t->ssrc = config->ssrc;
    t->rtx_ssrc = config->rtx_ssrc;
    memcpy(t->formats, config->formats, sizeof(t->formats));
    t->selection = (struct viewer_selection){.layer = -1, .max_temporal = -1};
    t->replayed_us = INT64_MIN;
    t->pads = t->kind == FORWARDER_VIDEO;
    for (unsigned i = 0; i < PAYLOAD_CODECS; i++)
        t->pads = t->pads && (!t->formats[i].payload_type || t->formats[i].rtx_payload_type);

    struct extensions_ids ids = config->extensions;
    if (t->kind == FORWARDER_VIDEO && !t->pads)
        ids.transport_cc = 0; /* a packet is sent again with the very same bytes */
    if (t->kind == FORWARDER_VIDEO && ids.dependency != 0)
        extensions_build(&t->described, &ids, 0, 0, config->mid);
    ids.dependency = 0;
    extensions_build(&t->extensions, &ids, 0, 0, config->mid);
}

/* --- what it wants --- */

/* The largest is the best as long as nothing is known of what the viewer's way can take. */
static uint8_t choose_layer(const struct viewer_track *t)
{
    unsigned largest = t->stream->n_layers - 1;
    int wanted = t->selection.layer;
    return (uint8_t)(wanted >= 0 && (unsigned)wanted < largest ? (unsigned)wanted : largest);
}

static void set_watched(struct viewer_track *t, uint8_t layers)
{
    for (unsigned i = 0; t->watched != layers && i < FORWARDER_LAYERS_MAX; i++) {
        if ((t->watched ^ layers) >> i & 1)
            stream_count_watcher(t->stream, i, layers >> i & 1);
    }
    t->watched = layers;
}

void viewer_track_update(struct viewer *v, struct viewer_track *t)
{
    uint8_t layers = 0;
    v->present &= ~bit(v, t);
    if (!t->stream)
        return;
    if (t->stream->n_layers > 0 && !t->selection.paused && v->state != VIEWER_CLOSED) {
        v->present |= bit(v, t);
        t->target = choose_layer(t);
        if (!t->unsupported)
            layers = (uint8_t)(1u << t->target | (t->started ? 1u << t->layer : 0));
    }
    set_watched(t, layers);
}

void viewer_track_leave(struct viewer *v, struct viewer_track *t)
{
    set_watched(t, 0);
    v->present &= ~bit(v, t);
    t->started = t->waiting = t->lost = t->unsupported = t->replays = t->asked = false;
    t->cursor_id = 0; /* what comes next is new */
    t->cursor_packet = 0;
    if (!t->past)
        return;
    v->counters.resend_misses += t->past->resend_count;
    t->past->resend_count = 0;
}

bool viewer_wants_layer(const struct viewer *v, const struct stream *s, unsigned layer)
{
    struct viewer *any = (struct viewer *)v; /* nothing is changed */
    const struct viewer_track *t;
    for (uint32_t set = v->present; (t = viewer_take_track(any, &set));) {
        if (t->stream == s && (!t->started || t->watched >> layer & 1))
            return true;
    }
    return false;
}

/* --- runs --- */

/* At most twice what a fresh keyframe would cost, or a second of the stream. */
static bool is_cheap(const struct stream *s, unsigned layer)
{
    const struct stream_layer *l = &s->layers[layer];
    const struct frame *keyframe = stream_frame(s, layer, l->keyframe_id);
    return l->gop_bytes <= 2 * (uint64_t)keyframe->payload.size || l->gop_bytes * 8 <= l->rate_bps;
}

static void begin_run(struct viewer *v, struct viewer_track *t, unsigned layer, uint64_t first_id,
                      bool squeezed)
{
    const struct stream *s = t->stream;
    uint64_t live_id = stream_newest_id(s, layer);
    const struct frame *first = stream_frame(s, layer, first_id);
    const struct frame *live = stream_frame(s, layer, live_id);
    const struct frame *before = stream_frame(s, layer, live_id - 1);
    t->layer = (uint8_t)layer;
    t->cursor_id = first_id;
    t->cursor_packet = 0;
    t->started = true;
    t->waiting = t->lost = t->replays = t->asked = false;
    if (t->past)
        past_begin_run(t->past, &(struct past_start){
                                    .layer = t->layer,
                                    .first_id = first_id,
                                    .live_id = live_id,
                                    .first_ts = first->rtp_ts,
                                    .live_ts = live->rtp_ts,
                                    .interval = before ? live->rtp_ts - before->rtp_ts : 0,
                                    .squeezed = squeezed,
                                });
    viewer_track_update(v, t);
}

/* The target, or else the nearest smaller layer, or else a larger one: rather that than nothing.
 * -1: none has a keyframe to start from. */
static int find_start(const struct viewer_track *t)
{
    for (int i = t->target; i >= 0; i--) {
        if (stream_join_id(t->stream, (unsigned)i) != 0)
            return i;
    }
    for (unsigned i = t->target + 1u; i < t->stream->n_layers; i++) {
        if (stream_join_id(t->stream, i) != 0)
            return (int)i;
    }
    return -1;
}

static bool is_supported(const struct viewer_track *t, const struct frame *f)
{
    return t->formats[f->codec].payload_type != 0;
}

static void count_start(struct viewer *v, struct viewer_track *t)
{
    if (t->lost) {
        v->counters.keyframe_jumps++;
    } else if (!t->joined && t->waiting) {
        t->stream->joins_waited++;
    } else if (!t->joined) {
        t->stream->joins_from_cache++;
    }
    t->joined = true;
}

static void start_track(struct viewer *v, struct viewer_track *t)
{
    int layer = find_start(t);
    if (layer < 0) {
        if (!t->waiting)
            stream_want_keyframe(t->stream, t->target);
        t->waiting = true;
        return;
    }
    uint64_t join = stream_join_id(t->stream, (unsigned)layer);
    bool unsupported = !is_supported(t, stream_frame(t->stream, (unsigned)layer, join));
    if (unsupported != t->unsupported) {
        t->unsupported = unsupported;
        viewer_track_update(v, t);
    }
    if (unsupported)
        return;
    if (t->kind == FORWARDER_VIDEO && !t->past && !(t->past = past_new(t->seq)))
        return;
    count_start(v, t);
    /* After a lost place the frames are merely late: the player has its time line by now. */
    begin_run(v, t, (unsigned)layer, join, !t->lost);
}

void viewer_start_tracks(struct viewer *v, const struct stream *only)
{
    struct viewer_track *t;
    for (uint32_t set = v->present; (t = viewer_take_track(v, &set));) {
        if (!t->started && (!only || t->stream == only))
            start_track(v, t);
    }
}

/* Back to the cached keyframe, or over to another layer. A frame has just ended. */
static void change_run(struct viewer *v, struct viewer_track *t)
{
    bool moves = t->target != t->layer;
    uint64_t join = stream_join_id(t->stream, t->target);
    t->replays = false;
    bool may = join != 0 && is_supported(t, stream_frame(t->stream, t->target, join)) &&
               (t->target < t->layer || is_cheap(t->stream, t->target));
    if (may) {
        v->counters.layer_switches += moves;
        begin_run(v, t, t->target, join, true);
    } else if (!t->asked || !moves) {
        t->asked = moves;
        stream_want_keyframe(t->stream, t->target);
    }
}

/* Is the frame left out? Up goes the limit only with a frame of the base, since what lies between
 * may refer to what was skipped. */
static bool is_skipped(struct viewer_track *t, const struct frame *f)
{
    int wanted = t->selection.max_temporal;
    uint8_t limit = (uint8_t)(wanted < 0 || wanted > ALL_TEMPORAL ? ALL_TEMPORAL : wanted);
    if (limit < t->temporal || f->temporal_id == 0)
        t->temporal = limit;
    return f->temporal_id > t->temporal;
}

const struct frame *viewer_next_frame(struct viewer *v, struct viewer_track *t)
{
    if (t->cursor_packet == 0 && t->started && (t->replays || t->layer != t->target))
        change_run(v, t);
    while (t->started && t->cursor_id <= stream_newest_id(t->stream, t->layer)) {
        const struct frame *f = stream_frame(t->stream, t->layer, t->cursor_id);
        if (!f) {
            /* It fell out of the ring, or was never given to it: what follows needs a keyframe. */
            t->started = false;
            t->lost = true;
            start_track(v, t);
        } else if (!is_supported(t, f)) {
            t->started = false;
            t->unsupported = true;
            viewer_track_update(v, t);
        } else if (t->cursor_packet == 0 && is_skipped(t, f)) {
            t->cursor_id++;
            v->counters.frames_skipped++;
        } else {
            return f;
        }
    }
    return NULL;
}

/* --- events --- */

/* A new viewer is behind on purpose until it has reached the frame that was live when it joined. */
static bool is_late(const struct viewer_track *t)
{
    if (!t->started || !t->past || t->cursor_id <= t->past->runs[t->past->run].line_id)
        return false;
    const struct frame *next = stream_frame(t->stream, t->layer, t->cursor_id);
    const struct frame *newest =
        stream_frame(t->stream, t->layer, stream_newest_id(t->stream, t->layer));
    return next && newest->captured_us - next->captured_us >= VIEWER_LATE_US;
}

void viewer_skip_late(struct viewer *v)
{
    struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        uint64_t join = stream_join_id(t->stream, t->layer);
        if (!is_late(t) || join <= t->cursor_id)
            continue;
        v->counters.keyframe_jumps++;
        begin_run(v, t, t->layer, join, false);
    }
}

bool viewer_has_resends(const struct viewer *v)
{
    struct viewer *any = (struct viewer *)v; /* nothing is changed */
    const struct viewer_track *t;
    for (uint32_t set = v->present & v->sent & ~v->audio; (t = viewer_take_track(any, &set));) {
        if (t->past->resend_count > 0)
            return true;
    }
    return false;
}

bool viewer_has_media(const struct viewer *v)
{
    struct viewer *any = (struct viewer *)v; /* nothing is changed */
    const struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(any, &set));) {
        bool turns = t->replays || (t->layer != t->target && !t->asked);
        if (t->started && (turns || t->cursor_id <= stream_newest_id(t->stream, t->layer)))
            return true;
    }
    return viewer_has_resends(v);
}

/* One that asks before the last answer can have come is answered already. Whoever is not helped by
 * the cache again and again needs something else. */
void viewer_track_need_keyframe(struct viewer *v, struct viewer_track *t, int64_t now_us)
{
    if (!t->stream || !(v->present & bit(v, t)) || t->unsupported || t->kind != FORWARDER_VIDEO)
        return;
    int64_t gap_us = t->report.rtt_us < 0 ? RTT_UNKNOWN_US : t->report.rtt_us;
    gap_us = gap_us > VIEWER_REPLAY_GAP_US ? gap_us : VIEWER_REPLAY_GAP_US;
    bool any = t->replayed_us != INT64_MIN;
    if (any && now_us - t->replayed_us < gap_us) {
        v->counters.keyframes_limited++;
        return;
    }
    if (!any || now_us - t->replayed_us > 4 * gap_us)
        t->n_replays = 0;
    bool cached = t->started && stream_join_id(t->stream, t->layer) != 0 &&
                  is_cheap(t->stream, t->layer) && t->n_replays < VIEWER_REPLAYS_MAX;
    if (!cached) {
        t->n_replays = 0;
        stream_want_keyframe(t->stream, t->started ? t->layer : t->target);
        return;
    }
    t->n_replays++;
    t->replayed_us = now_us;
    t->replays = true;
    v->counters.keyframes_from_cache++;
    t->stream->keyframes_from_cache++;
}

/* Where it stood if nothing of that is lost, with the time that has passed squeezed; else as when
 * it joined. */
static void resume(struct viewer *v, struct viewer_track *t)
{
    const struct stream *s = t->stream;
    bool stood = t->past && t->cursor_id != 0 && t->cursor_packet == 0 && t->target == t->layer &&
                 stream_join_id(s, t->layer) <= t->cursor_id;
    if (stood && t->cursor_id == stream_newest_id(s, t->layer) + 1) {
        t->started = true;
        viewer_track_update(v, t);
    } else if (stood && stream_frame(s, t->layer, t->cursor_id)) {
        begin_run(v, t, t->layer, t->cursor_id, true);
    } else {
        start_track(v, t);
    }
}

void viewer_select(struct viewer *v, const struct stream *s, const struct viewer_selection *wanted,
                   int64_t now_us)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        struct viewer_track *t = &v->tracks[i];
        if (!t->stream || t->stream != s)
            continue;
        bool was_paused = t->selection.paused;
        t->selection = *wanted;
        t->asked = false;
        t->started = t->started && !wanted->paused;
        t->waiting = t->waiting && !wanted->paused;
        viewer_track_update(v, t);
        bool connected = v->state == VIEWER_WAIT_KEYFRAME || v->state == VIEWER_PLAYING;
        if (was_paused && v->present & bit(v, t) && connected)
            resume(v, t);
    }
    viewer_on_audio(v, now_us);
}

void viewer_want_keyframe(struct viewer *v, const struct stream *s, int64_t now_us)
{
    for (unsigned i = 0; i < v->n_tracks; i++) {
        if (v->tracks[i].stream == s)
            viewer_track_need_keyframe(v, &v->tracks[i], now_us);
    }
}
