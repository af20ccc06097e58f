#include "rtp/forward/viewer_internal.h"

#include <assert.h>
#include <string.h>

#define RTT_UNKNOWN_US 100000
#define SLIDE_OLD_US 1000000 /* a keyframe that is not worth being shown any more */
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
    t->red_payload_type = config->red_payload_type;
    t->selection = (struct viewer_selection){.layer = -1, .max_temporal = -1};
    t->replayed_us = INT64_MIN;
    t->mode = LAYER_FULL;
    t->best_layer = t->best_temporal = LAYER_ANY;
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

/* How many of its stream's layers it may have, from the smallest up: at least one. */
static unsigned count_allowed(const struct viewer_track *t)
{
    unsigned n = t->stream->n_layers;
    return t->selection.barred < n ? n - t->selection.barred : 1;
}

uint8_t viewer_track_limit(const struct viewer_track *t)
{
    unsigned allowed = count_allowed(t);
    int wanted = t->selection.layer;
    if (wanted >= 0 && (unsigned)wanted < allowed)
        return (uint8_t)wanted;
    return allowed < t->stream->n_layers || wanted >= 0 ? (uint8_t)(allowed - 1) : LAYER_ANY;
}

/* The largest is the best as long as nothing is known of what the viewer's way can take. */
static uint8_t choose_layer(const struct viewer_track *t)
{
    uint8_t largest = (uint8_t)(t->stream->n_layers - 1), limit = viewer_track_limit(t);
    if (t->best_layer < largest)
        largest = t->best_layer;
    return limit < largest ? limit : largest;
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
        uint8_t wanted =
            choose_layer(t); /* should it have gone it may come back if it is watched */
        t->target = stream_present_layer(t->stream, wanted, count_allowed(t));
        if (!t->unsupported)
            layers = (uint8_t)(1u << wanted | 1u << t->target | (t->started ? 1u << t->layer : 0));
    }
    set_watched(t, layers);
}

void viewer_track_leave(struct viewer *v, struct viewer_track *t)
{
    set_watched(t, 0);
    v->present &= ~bit(v, t);
    t->started = t->waiting = t->lost = t->unsupported = t->replays = t->asked = false;
    t->rejoins = t->held = t->in_picture = false;
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

/* Does a narrow path take it in a moment, or is there nothing behind its keyframe yet? */
static bool is_affordable(const struct viewer *v, const struct stream *s, unsigned layer)
{
    const struct stream_layer *l = &s->layers[layer];
    return l->keyframe_id == stream_newest_picture(s, layer) ||
           l->gop_bytes * 8 <= viewer_path_room_bits(v);
}

/* At most twice what a fresh keyframe would cost, or a second of the stream. */
static bool is_cheap(const struct stream *s, unsigned layer)
{
    const struct stream_layer *l = &s->layers[layer];
    return l->gop_bytes <= 2 * (uint64_t)l->start_bytes || l->gop_bytes * 8 <= l->rate_bps;
}

/* Where pictures are in parts, PAST_STEP is for all of one. */
static uint32_t line_step(const struct stream_layer *l, uint64_t live_id)
{
    uint64_t n = l->keyframe_id != 0 ? live_id - l->keyframe_id + 1 : l->gop_frames;
    return n > l->gop_frames ? (uint32_t)(PAST_STEP * l->gop_frames / n) + 1 : PAST_STEP;
}

static void begin_run(struct viewer *v, struct viewer_track *t, unsigned layer, uint64_t first_id,
                      bool squeezed)
{
    const struct stream *s = t->stream;
    const struct frame *first = stream_frame(s, layer, first_id);
    const struct frame *live = stream_frame(s, layer, stream_newest_id(s, layer));
    uint64_t live_id = frame_picture(live);
    const struct frame *before = stream_frame(s, layer, live_id - 1);
    t->layer = (uint8_t)layer;
    t->cursor_id = first_id;
    t->cursor_packet = 0;
    t->started = true;
    t->waiting = t->lost = t->replays = t->asked = t->rejoins = t->held = t->in_picture = false;
    if (t->past)
        past_begin_run(t->past, &(struct past_start){
                                    .layer = t->layer,
                                    .first_id = first_id,
                                    .live_id = live_id,
                                    .first_ts = first->rtp_ts,
                                    .live_ts = live->rtp_ts,
                                    .interval = before ? live->rtp_ts - before->rtp_ts : 0,
                                    .step = line_step(&s->layers[layer], live_id),
                                    .squeezed = squeezed,
                                });
    const struct stream_layer *l = &s->layers[layer];
    viewer_path_on_run(v, t, first_id == l->keyframe_id ? l->gop_bytes : 0);
    viewer_track_update(v, t);
}

/* The target, or else the nearest smaller layer, or else a larger one: rather that than nothing.
 * -1: none has a keyframe to start from. */
static int find_start(const struct viewer *v, const struct viewer_track *t)
{
    for (int i = t->target; i >= 0; i--) {
        if (stream_join_id(t->stream, (unsigned)i) != 0 && is_affordable(v, t->stream, (unsigned)i))
            return i;
    }
    if (viewer_path_room_bits(v) != UINT64_MAX)
        return -1;
    for (unsigned i = t->target + 1u; i < count_allowed(t); i++) {
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
        t->jumped = true;
    } else if (!t->joined && t->waiting) {
        t->stream->joins_waited++;
    } else if (!t->joined) {
        t->stream->joins_from_cache++;
    }
    t->joined = true;
}

static void start_track(struct viewer *v, struct viewer_track *t)
{
    int layer = find_start(v, t);
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
    if (t->kind == FORWARDER_VIDEO)
        viewer_path_begin(v);
    count_start(v, t);
    /* After a lost place the frames are merely late: the player has its time line by now. */
    begin_run(v, t, (unsigned)layer, join, !t->lost);
}

void viewer_start_tracks(struct viewer *v, const struct stream *only)
{
    struct viewer_track *t;
    for (uint32_t set = v->present; (t = viewer_take_track(v, &set));) {
        if (only && t->stream != only)
            continue;
        t->held = false;
        if (!t->started)
            start_track(v, t);
    }
}

/* Back to the cached keyframe, or over to another layer. A picture has just ended. False: nothing
 * goes on before there is a keyframe: of a smaller layer that a narrow path needs, or to rejoin. */
static bool change_run(struct viewer *v, struct viewer_track *t)
{
    bool moves = t->target != t->layer || t->rejoins;
    bool narrow = viewer_path_room_bits(v) != UINT64_MAX;
    uint64_t join = stream_join_id(t->stream, t->target);
    t->replays = false;
    bool may = join != 0 && is_supported(t, stream_frame(t->stream, t->target, join)) &&
               (narrow ? is_affordable(v, t->stream, t->target)
                       : t->target <= t->layer || t->rejoins || is_cheap(t->stream, t->target));
    if (may) {
        v->counters.layer_switches += t->target != t->layer;
        begin_run(v, t, t->target, join, true);
    } else if (!t->asked || !moves) {
        t->asked = moves;
        stream_want_keyframe(t->stream, t->target);
    }
    return may || !(t->rejoins || (narrow && t->target < t->layer));
}

/* The run has begun, and the pacer has held back all of it so far. */
static bool is_unsent(const struct viewer_track *t)
{
    return t->past && t->cursor_packet == 0 && t->past->runs[t->past->run].first_id == t->cursor_id;
}

/* Keyframes only, each while it is new. False: there is none to be sent. */
static bool next_slide(struct viewer *v, struct viewer_track *t)
{
    if (t->mode != LAYER_SLIDES)
        return false;
    if (is_unsent(t))
        return true;
    if (!t->slide_due)
        return false;
    const struct stream_layer *l = &t->stream->layers[t->target];
    const struct frame *keyframe = stream_frame(t->stream, t->target, l->keyframe_id);
    const struct frame *newest = stream_frame(t->stream, t->target, l->newest_id);
    bool shown = t->layer == t->target && l->keyframe_id < t->cursor_id;
    if (!keyframe || shown || newest->captured_us - keyframe->captured_us > SLIDE_OLD_US) {
        if (!t->asked)
            stream_want_keyframe(t->stream, t->target);
        t->asked = true;
        return false;
    }
    if (!is_supported(t, keyframe))
        return false;
    t->slide_due = false;
    begin_run(v, t, t->target, l->keyframe_id, true);
    return true;
}

/* A picture has ended, and another one is to begin. */
static bool may_go_on(struct viewer *v, struct viewer_track *t)
{
    if (t->mode != LAYER_FULL)
        return next_slide(v, t);
    return !(t->replays || t->rejoins || t->layer != t->target) || change_run(v, t);
}

void viewer_track_rejoin(struct viewer_track *t)
{
    t->rejoins = t->started;
    t->asked = t->in_picture = false;
    t->cursor_packet = 0;
    if (t->past)
        t->past->resend_count = 0;
}

/* Is the frame left out? Up goes the limit only with a frame of the base, since what lies between
 * may refer to what was skipped; and it stays within a picture. */
static bool is_skipped(struct viewer_track *t, const struct frame *f)
{
    if (f->part > 0)
        return f->temporal_id > t->temporal;
    int wanted = t->selection.max_temporal;
    uint8_t limit = (uint8_t)(wanted < 0 || wanted > ALL_TEMPORAL ? ALL_TEMPORAL : wanted);
    if (t->best_temporal < limit)
        limit = t->best_temporal;
    if (limit < t->temporal || f->temporal_id == 0)
        t->temporal = limit;
    return f->temporal_id > t->temporal;
}

/* Where the rest of a picture does not come, another one may begin. */
static void leave_broken(struct viewer_track *t)
{
    const struct frame *f = stream_frame(t->stream, t->layer, t->cursor_id);
    if (!f || t->cursor_packet > 0)
        return;
    t->in_picture = t->in_picture && f->part > 0 && !frame_is_broken(f);
    t->cursor_id += frame_is_broken(f);
}

const struct frame *viewer_next_frame(struct viewer *v, struct viewer_track *t)
{
    leave_broken(t);
    bool between = t->cursor_packet == 0 && !t->in_picture;
    t->held = between && t->started && !may_go_on(v, t);
    if (t->held)
        return NULL;
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
        } else if (frame_is_broken(f)) {
            leave_broken(t);
        } else if (t->cursor_packet == 0 && is_skipped(t, f)) {
            t->cursor_id++;
            v->counters.frames_skipped += f->part == 0;
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
        if (t->mode != LAYER_FULL || !is_late(t) || join <= t->cursor_id ||
            !is_affordable(v, t->stream, t->layer))
            continue;
        v->counters.keyframe_jumps++;
        t->jumped = true;
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
        bool turns = !t->in_picture && (t->replays || (t->layer != t->target && !t->asked));
        if (t->started && !t->held &&
            (turns || t->cursor_id <= stream_newest_id(t->stream, t->layer)))
            return true;
    }
    return viewer_has_resends(v);
}

/* Of what is cached from the layer's keyframe on; 0: nothing is. */
static int64_t gop_us(const struct stream *s, unsigned layer)
{
    const struct stream_layer *l = &s->layers[layer];
    const struct frame *keyframe = stream_frame(s, layer, l->keyframe_id);
    const struct frame *newest = stream_frame(s, layer, l->newest_id);
    return keyframe && newest ? newest->captured_us - keyframe->captured_us : 0;
}

static int64_t replay_gap_us(const struct viewer_track *t)
{
    int64_t gap_us = t->report.rtt_us < 0 ? RTT_UNKNOWN_US : t->report.rtt_us;
    gap_us = gap_us > VIEWER_REPLAY_GAP_US ? gap_us : VIEWER_REPLAY_GAP_US;
    if (!t->started || stream_join_id(t->stream, t->layer) == 0 || is_cheap(t->stream, t->layer))
        return gap_us;
    int64_t part_us = gop_us(t->stream, t->layer) / VIEWER_REPLAY_PARTS;
    return gap_us > part_us ? gap_us : part_us;
}

/* A keyframe of the encoder's costs everybody: it is only for those whom nothing else helps. */
static bool is_helped_by_cache(const struct viewer *v, const struct viewer_track *t)
{
    return t->started && stream_join_id(t->stream, t->layer) != 0 &&
           is_affordable(v, t->stream, t->layer) &&
           (t->n_replays < VIEWER_REPLAYS_MAX ||
            gop_us(t->stream, t->layer) < VIEWER_REPLAY_OLD_US);
}

/* One that asks before the last answer can have come is answered already. */
void viewer_track_need_keyframe(struct viewer *v, struct viewer_track *t, int64_t now_us)
{
    if (!t->stream || !(v->present & bit(v, t)) || t->unsupported || t->kind != FORWARDER_VIDEO)
        return;
    if (t->mode != LAYER_FULL || t->rejoins) {
        v->counters.keyframes_limited++; /* one comes as soon as the path takes it */
        return;
    }
    int64_t gap_us = replay_gap_us(t);
    bool any = t->replayed_us != INT64_MIN;
    if (any && now_us - t->replayed_us < gap_us) {
        v->counters.keyframes_limited++;
        return;
    }
    if (!any || now_us - t->replayed_us > 4 * gap_us)
        t->n_replays = 0;
    if (!is_helped_by_cache(v, t)) {
        t->n_replays = 0;
        stream_want_keyframe(t->stream, t->started ? t->layer : t->target);
        viewer_path_note(v, VIEWER_WHY_ASKED, t, now_us);
        return;
    }
    if (t->n_replays < VIEWER_REPLAYS_MAX)
        t->n_replays++;
    t->replayed_us = now_us;
    t->replays = true;
    v->counters.keyframes_from_cache++;
    t->stream->keyframes_from_cache++;
    viewer_path_note(v, VIEWER_WHY_CACHE, t, now_us);
}

/* Where it stood if nothing of that is lost, with the time that has passed squeezed; else as when
 * it joined. */
static void resume(struct viewer *v, struct viewer_track *t)
{
    const struct stream *s = t->stream;
    bool stood = t->past && t->cursor_id != 0 && t->cursor_packet == 0 && !t->in_picture &&
                 t->target == t->layer && stream_join_id(s, t->layer) <= t->cursor_id;
    const struct frame *next = stream_frame(s, t->layer, t->cursor_id);
    if (stood && t->cursor_id == stream_newest_id(s, t->layer) + 1) {
        t->started = true;
        viewer_track_update(v, t);
    } else if (stood && next && next->part == 0) {
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
