#include "rtp/forward/viewer_internal.h"

#define START_MIN_BPS 3000000
#define START_MAX_BPS 50000000
#define START_PERCENT 130
#define MIN_BPS 50000
#define MAX_BPS 200000000
#define WIRE_PERCENT 105 /* of payload: headers and tags */
#define GUESS_FACTOR 3   /* from a layer to the next one, of which nothing is known */
#define DECIDE_US 200000
#define RAMP_US 3000000 /* the longest that the first probes are waited for */
/* of what its best rungs take, layer_wanted_bps's margin included */
#define WIDE_PERCENT 190
#define NARROW_PERCENT 150
#define WANTED_PERCENT 240 /* above WIDE_PERCENT, though a probe falls a little short */
#define TRAIN_US 5000
#define LOSSY 26 /* of 256 */
#define AWAY_US 1000000

const char *viewer_why_name(enum viewer_why why)
{
    switch (why) {
    case VIEWER_WHY_LAYER:
        return "layer";
    case VIEWER_WHY_NARROW:
        return "narrow";
    case VIEWER_WHY_WIDE:
        return "wide";
    case VIEWER_WHY_AWAY:
        return "away";
    case VIEWER_WHY_BACK:
        return "back";
    case VIEWER_WHY_CACHE:
        return "keyframe-cached";
    case VIEWER_WHY_ASKED:
        return "keyframe-asked";
    }
    return "unknown";
}

void viewer_path_note(struct viewer *v, enum viewer_why why, const struct viewer_track *t,
                      int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p || !p->begun)
        return;
    int64_t queue_ms = gcc_queue_us(&p->gcc) / 1000;
    p->decisions[p->n_decisions++ % VIEWER_DECISIONS] = (struct viewer_decision){
        .at_ms = (uint32_t)((now_us - v->created_us) / 1000),
        .target_kbps = (uint32_t)(gcc_target_bps(&p->gcc, now_us) / 1000),
        .queue_ms = (uint16_t)(queue_ms < UINT16_MAX ? queue_ms : UINT16_MAX),
        .why = (uint8_t)why,
        .mode = (uint8_t)(t ? t->mode : LAYER_FULL),
        .track = (uint8_t)(t ? t - v->tracks : VIEWER_TRACKS_MAX),
        .layer = t ? t->target : 0,
        .temporal = t ? t->best_temporal : LAYER_ANY,
    };
}

/* --- life --- */

void viewer_path_begin(struct viewer *v)
{
    if (v->path || !v->adapts)
        return;
    struct viewer_path *p = viewer_path_new(v->n_tracks);
    if (!p)
        return;
    v->path = p;
    p->numbered = true;
    p->due_us = p->informed_us = p->decide_us = INT64_MAX;
    for (unsigned i = 0; i < v->n_tracks; i++) {
        const struct viewer_track *t = &v->tracks[i];
        layer_init(&p->tracks[i].layer);
        if (t->kind == FORWARDER_VIDEO && t->extensions.transport_cc_at == 0)
            p->numbered = false;
    }
}

static uint64_t wire_bps(uint64_t payload_bps)
{
    return payload_bps / 100 * WIRE_PERCENT;
}

/* What plays takes. */
static uint64_t needed_bps(struct viewer *v)
{
    uint64_t bps = 0;
    const struct viewer_track *t;
    for (uint32_t set = v->present; (t = viewer_take_track(v, &set));) {
        const struct stream_layer *l = &t->stream->layers[t->started ? t->layer : t->target];
        uint64_t mean = l->mean_bps[FORWARDER_TEMPORAL_MAX - 1];
        bps += wire_bps(mean > 0 ? mean : l->rate_bps);
    }
    return bps;
}

static void begin(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    uint64_t bps = needed_bps(v) / 100 * START_PERCENT;
    bps = bps < START_MIN_BPS ? START_MIN_BPS : bps < START_MAX_BPS ? bps : START_MAX_BPS;
    p->begun = true;
    p->start_bps = bps;
    gcc_init(&p->gcc,
             &(struct gcc_config){.start_bps = bps, .min_bps = MIN_BPS, .max_bps = MAX_BPS},
             now_us);
}

void viewer_path_on_sent(struct viewer *v, const struct viewer_train *train, uint16_t first_seq,
                         int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p->begun)
        begin(v, now_us);
    if (p->narrow)
        p->train_us = now_us + (gcc_probing(&p->gcc) ? TRAIN_US / 2 : TRAIN_US);
    if (!p->numbered) {
        meter_add(&p->gcc.sent, train->size, now_us);
        return;
    }
    unsigned n = (uint16_t)(v->transport_seq - first_seq);
    if (n > 0) {
        unsigned last = train->size - (train->n_segments - 1u) * train->segment_size;
        gcc_on_sent_train(&p->gcc, first_seq, n, train->segment_size, last, now_us);
    }
    if (p->due_us != INT64_MAX)
        p->due_us = gcc_next_timeout(&p->gcc);
}

/* --- what each track may have --- */

static void fill_stream(struct layer_stream *out, const struct stream_layer *l)
{
    unsigned n = l->n_temporal > 0 ? l->n_temporal : 1;
    *out = (struct layer_stream){
        .live = true, .n_temporal = (uint8_t)n, .keyframe_bytes = l->keyframe_bytes};
    for (unsigned i = 0; i < n; i++)
        out->bps[i] = wire_bps(l->mean_bps[i]);
}

static bool is_known(const struct layer_stream *s)
{
    return s->bps[s->n_temporal - 1] > 0;
}

/* A layer that nobody has watched yet is not measured: what the others say of it. */
static void guess(struct layer_stream *s, const struct layer_stream *known, bool above)
{
    uint64_t bps = known->bps[known->n_temporal - 1];
    s->n_temporal = 1;
    s->bps[0] = above ? bps * GUESS_FACTOR : bps / GUESS_FACTOR;
    s->keyframe_bytes = above ? known->keyframe_bytes : known->keyframe_bytes / GUESS_FACTOR;
}

/* False: nothing is known of any layer. */
static bool fill_streams(struct layer_stream *streams, const struct stream *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->n_layers; i++) {
        fill_stream(&streams[i], &s->layers[i]);
        any = any || is_known(&streams[i]);
    }
    for (unsigned i = 1; any && i < s->n_layers; i++) {
        if (!is_known(&streams[i]) && is_known(&streams[i - 1]))
            guess(&streams[i], &streams[i - 1], true);
    }
    for (unsigned i = s->n_layers - 1; any && i-- > 0;) {
        if (!is_known(&streams[i]))
            guess(&streams[i], &streams[i + 1], false);
    }
    return any;
}

struct ladder {
    struct layer_rung rungs[LAYER_RUNGS_MAX];
    struct layer_stream streams[LAYER_STREAMS_MAX];
    unsigned n; /* 0: not known */
};

static void climb(struct ladder *l, const struct viewer_track *t)
{
    l->n = 0;
    if (fill_streams(l->streams, t->stream))
        l->n = layer_ladder(l->rungs, l->streams, t->stream->n_layers, 0);
}

static uint64_t top_bps(const struct ladder *l)
{
    return l->n > 0 ? l->rungs[l->n - 1].bps : 0;
}

static uint8_t temporal_limit(int selected)
{
    return selected < 0 || selected > LAYER_ANY ? LAYER_ANY : (uint8_t)selected;
}

/* Rather than for what is left of a large frame the viewer waits for the smaller picture. */
static bool is_long(const struct viewer *v, const struct viewer_track *t)
{
    const struct frame *f = stream_frame(t->stream, t->layer, t->cursor_id);
    if (t->cursor_packet == 0 || !f)
        return false;
    uint64_t left = f->payload.size - f->payload.packets[t->cursor_packet].offset;
    return left * 8 > viewer_path_room_bits(v) / 4;
}

static void follow_rung(struct viewer *v, struct viewer_track *t, const struct layer_stream *s,
                        int64_t now_us)
{
    struct viewer_path_track *pt = &v->path->tracks[t - v->tracks];
    const struct layer_rung *now = &pt->layer.now;
    enum layer_mode before = t->mode;
    uint8_t layer = t->target;
    t->mode = now->mode;
    if (now->mode != LAYER_AUDIO)
        t->best_layer = now->stream;
    bool all = now->mode != LAYER_FULL || now->temporal + 1 >= s[now->stream].n_temporal;
    t->best_temporal = all ? LAYER_ANY : now->temporal;
    viewer_track_update(v, t);
    if (layer != t->target || before != t->mode)
        t->asked = false;
    if (before != LAYER_FULL && t->mode == LAYER_FULL)
        viewer_track_rejoin(t);
    if (before == LAYER_FULL && t->mode == LAYER_SLIDES)
        pt->slide_us = now_us;
    if ((t->target < layer || t->mode < before) && is_long(v, t)) {
        t->cursor_packet = 0;
        viewer_track_rejoin(t);
    }
    viewer_path_note(v, VIEWER_WHY_LAYER, t, now_us);
}

static void decide_track(struct viewer *v, struct viewer_track *t, const struct ladder *l,
                         double share, int64_t now_us)
{
    struct viewer_path *p = v->path;
    struct viewer_path_track *pt = &p->tracks[t - v->tracks];
    uint64_t target = (uint64_t)((double)gcc_target_bps(&p->gcc, now_us) * share);
    uint64_t proven = (uint64_t)((double)gcc_proven_bps(&p->gcc) * share);
    t->held = false;
    if (layer_decide(&pt->layer, l->rungs, l->n, target, proven, now_us))
        follow_rung(v, t, l->streams, now_us);
    if (t->mode != LAYER_SLIDES || t->slide_due || now_us < pt->slide_us)
        return;
    t->slide_due = true;
    t->asked = false;
    uint32_t size = l->streams[pt->layer.now.stream].keyframe_bytes;
    pt->slide_us = now_us + layer_slide_gap_us(size, 0, target);
}

static uint64_t audio_bps(struct viewer *v)
{
    uint64_t bps = 0;
    const struct viewer_track *t;
    for (uint32_t set = v->present & v->audio; (t = viewer_take_track(v, &set));)
        bps += t->stream->layers[0].rate_bps * 3 / 2; /* small packets: much of them is header */
    return bps;
}

/* --- how fast --- */

static void set_pace(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    uint64_t target = gcc_target_bps(&p->gcc, now_us);
    bool narrow = target < p->top_bps / 100 * (p->narrow ? WIDE_PERCENT : NARROW_PERCENT);
    if (narrow != p->narrow) {
        p->narrow = narrow;
        p->train_us = now_us;
        viewer_path_note(v, narrow ? VIEWER_WHY_NARROW : VIEWER_WHY_WIDE, NULL, now_us);
    }
    uint64_t bps = narrow ? gcc_pace_bps(&p->gcc, now_us) : v->pace_bps;
    int64_t burst = narrow ? (int64_t)(bps * TRAIN_US / 8000000) : VIEWER_PACE_BURST;
    pacer_set_rate(&v->pacer, bps, now_us);
    v->pacer.burst_bytes = burst > VIEWER_DATAGRAM_MAX ? burst : VIEWER_DATAGRAM_MAX;
    if (v->pacer.balance_bytes > v->pacer.burst_bytes)
        v->pacer.balance_bytes = v->pacer.burst_bytes;
}

/* --- decisions --- */

static void decide_tracks(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    struct ladder l;
    struct viewer_track *t;
    uint64_t all = 0, audio = audio_bps(v);
    p->top_bps = audio;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        struct layer *layer = &p->tracks[t - v->tracks].layer;
        climb(&l, t);
        if (l.n == 0)
            continue;
        layer_select(layer, viewer_track_limit(t), temporal_limit(t->selection.max_temporal));
        p->top_bps += layer_wanted_bps(layer, l.rungs, l.n);
        all += top_bps(&l);
    }
    if (all == 0)
        return;
    gcc_set_wanted(&p->gcc, p->top_bps / 100 * WANTED_PERCENT);
    set_pace(v, now_us);
    uint64_t target = gcc_target_bps(&p->gcc, now_us);
    double pictures = target > audio ? (double)(target - audio) / (double)target : 0;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        climb(&l, t);
        if (l.n > 0 && !t->unsupported)
            decide_track(v, t, &l, pictures * (double)top_bps(&l) / (double)all, now_us);
    }
    if (p->narrow)
        viewer_skip_late(v);
}

bool viewer_path_is_known(const struct viewer_path *p)
{
    if (!p || !p->begun)
        return false;
    return p->numbered ? p->gcc.has_feedback : p->gcc.has_remb || p->lossy;
}

/* The first probes are still under way, and nothing speaks against what was supposed. */
static bool is_ramping(const struct viewer_path *p, int64_t now_us)
{
    return p->gcc.ramping && now_us - p->informed_us < RAMP_US &&
           gcc_estimate_bps(&p->gcc) >= p->start_bps;
}

static void decide(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    p->decide_us = now_us + DECIDE_US;
    if (p->informed_us == INT64_MAX)
        p->informed_us = now_us;
    bool away = p->numbered && gcc_stalled(&p->gcc, now_us);
    if (away != p->away) {
        p->away = away;
        viewer_path_note(v, away ? VIEWER_WHY_AWAY : VIEWER_WHY_BACK, NULL, now_us);
    }
    if (!is_ramping(p, now_us)) {
        if (away)
            set_pace(v, now_us);
        else
            decide_tracks(v, now_us);
    }
    p->due_us = gcc_next_timeout(&p->gcc);
}

/* --- what comes in --- */

bool viewer_path_on_feedback(struct viewer *v, const struct rtcp_feedback *f, int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p || !p->begun || !p->numbered)
        return true;
    bool was_away = gcc_stalled(&p->gcc, now_us) && now_us - p->gcc.feedback_us >= AWAY_US;
    if (!gcc_on_feedback(&p->gcc, f, now_us))
        return false;
    struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; was_away && (t = viewer_take_track(v, &set));)
        viewer_track_rejoin(t);
    decide(v, now_us);
    return true;
}

void viewer_path_on_remb(struct viewer *v, uint64_t bps, int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p || !p->begun || p->numbered)
        return;
    gcc_on_remb(&p->gcc, bps, now_us);
    decide(v, now_us);
}

void viewer_path_on_report(struct viewer *v, const struct report *r, int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p || !p->begun || p->numbered)
        return;
    p->lossy = p->lossy || r->fraction_lost > LOSSY;
    gcc_on_report(&p->gcc, r->fraction_lost, r->rtt_us, now_us);
    if (viewer_path_is_known(p))
        decide(v, now_us);
}

void viewer_path_on_frame(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p)
        return;
    if (now_us >= p->decide_us)
        decide(v, now_us);
    /* what the trains of this frame are to be counted in */
    __builtin_prefetch(&p->gcc.twcc.packet[v->transport_seq % TWCC_PACKETS], 1);
    __builtin_prefetch(&p->gcc.twcc.next_seq, 1);
    __builtin_prefetch(&p->gcc.probe);
    __builtin_prefetch(&p->gcc.sent, 1);
}

void viewer_path_on_time(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p || now_us < p->due_us)
        return;
    gcc_on_timeout(&p->gcc, now_us);
    if (p->narrow)
        set_pace(v, now_us);
    p->due_us = gcc_next_timeout(&p->gcc);
}

/* --- what goes out --- */

bool viewer_path_may_send(const struct viewer *v, int64_t now_us)
{
    return !v->path || !v->path->narrow || now_us >= v->path->train_us;
}

uint32_t viewer_path_padding(const struct viewer *v, int64_t now_us)
{
    const struct viewer_path *p = v->path;
    return p && p->begun && p->numbered ? gcc_padding(&p->gcc, now_us) : 0;
}

int64_t viewer_path_timeout(const struct viewer *v)
{
    return v->path ? v->path->due_us : INT64_MAX;
}

uint64_t viewer_path_room_bits(const struct viewer *v)
{
    const struct viewer_path *p = v->path;
    return p && p->narrow ? gcc_estimate_bps(&p->gcc) / 2 : UINT64_MAX;
}
