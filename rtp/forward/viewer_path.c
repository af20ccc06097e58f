#include "rtp/forward/viewer_internal.h"

#define START_MIN_BPS 3000000
#define START_MAX_BPS 50000000
#define START_PERCENT 130
#define MIN_BPS 50000
#define MAX_BPS 200000000
#define WIRE_PERCENT 105 /* of payload: headers and tags */
#define GUESS_FACTOR 3   /* from a layer to the next one, of which nothing is known */
#define DECIDE_US 200000
/* of what its best rungs take */
#define WIDE_PERCENT 175
#define NARROW_PERCENT 145
#define WANTED_PERCENT 200 /* above WIDE_PERCENT, though a probe falls a little short */
#define BOUNDLESS_BPS (UINT64_C(1) << 40)
#define TRAIN_US 5000
#define CATCH_UP_US 800000
#define KEYFRAME_US 100000
#define HURRY_MIN_BPS 5000000
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
    case VIEWER_WHY_LOSSY:
        return "lossy";
    case VIEWER_WHY_CLEAN:
        return "clean";
    case VIEWER_WHY_JUMP:
        return "keyframe-jump";
    case VIEWER_WHY_TWICE:
        return "sound-twice";
    case VIEWER_WHY_ONCE:
        return "sound-once";
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
    p->due_us = p->decide_us = INT64_MAX;
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

static uint64_t audio_bps(struct viewer *v)
{
    uint64_t bps = 0;
    const struct viewer_track *t;
    for (uint32_t set = v->present & v->audio; (t = viewer_take_track(v, &set));)
        bps += t->stream->layers[0].rate_bps * 3 / 2; /* small packets: much of them is header */
    return bps;
}

/* Of all tracks; what the ladders' tops take, selected or not. 0: not known. */
static uint64_t measure_tops(struct viewer *v, uint64_t audio)
{
    struct viewer_path *p = v->path;
    struct ladder l;
    uint64_t all = 0;
    const struct viewer_track *t;
    p->top_bps = audio;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        struct layer *layer = &p->tracks[t - v->tracks].layer;
        climb(&l, t);
        if (l.n == 0)
            continue;
        layer_select(layer, viewer_track_limit(t), temporal_limit(t->selection.max_temporal));
        p->top_bps += layer_top_bps(layer, l.rungs, l.n);
        all += top_bps(&l);
    }
    return all;
}

static void want(struct viewer_path *p)
{
    bool more = p->gcc.ramping || gcc_is_limited(&p->gcc);
    gcc_set_wanted(&p->gcc, more ? p->top_bps / 100 * WANTED_PERCENT : 0);
}

/* --- what is sent --- */

static void begin(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    uint64_t bps = needed_bps(v) / 100 * START_PERCENT;
    bps = bps < START_MIN_BPS ? START_MIN_BPS : bps < START_MAX_BPS ? bps : START_MAX_BPS;
    p->begun = true;
    gcc_init(&p->gcc,
             &(struct gcc_config){.start_bps = bps, .min_bps = MIN_BPS, .max_bps = MAX_BPS},
             now_us);
    measure_tops(v, audio_bps(v));
    want(p);
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

/* What layers are chosen by: as long as nothing has shown it to be a limit it is none. */
static uint64_t takes_bps(const struct viewer_path *p, uint64_t bps)
{
    return gcc_is_limited(&p->gcc) ? bps : BOUNDLESS_BPS;
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
    uint64_t target = takes_bps(p, gcc_estimate_bps(&p->gcc));
    uint64_t proven = takes_bps(p, gcc_proven_bps(&p->gcc));
    target = (uint64_t)((double)target * share);
    proven = (uint64_t)((double)proven * share);
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

/* --- how fast --- */

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void viewer_path_on_run(struct viewer *v, const struct viewer_track *t, uint64_t bytes)
{
    struct viewer_path *p = v->path;
    if (!p || t->kind != FORWARDER_VIDEO)
        return;
    const struct stream_layer *l = &t->stream->layers[t->layer];
    uint64_t keyframe_bps = l->keyframe_bytes * UINT64_C(8000000) / KEYFRAME_US;
    p->hurry_bps =
        max(p->hurry_bps, max(bytes * 8000000 / CATCH_UP_US + l->rate_bps, keyframe_bps));
}

static bool has_caught_up(struct viewer *v)
{
    const struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        if (t->started && t->past && t->cursor_id <= t->past->runs[t->past->run].line_id)
            return false;
    }
    return true;
}

/* Nothing has shown a limit; that is no reason to overrun one that is not known. */
static uint64_t wide_pace_bps(struct viewer *v)
{
    struct viewer_path *p = v->path;
    bool known = viewer_path_is_known(p);
    if (!known && p->hurry_bps == 0)
        return v->pace_bps;
    uint64_t bps = known ? gcc_estimate_bps(&p->gcc) / 2 * 3 : HURRY_MIN_BPS;
    bps = max(max(bps, p->hurry_bps), v->rate_bps / 2 * 5);
    return bps < v->pace_bps ? bps : v->pace_bps;
}

static bool has_moving_pictures(struct viewer *v)
{
    const struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; (t = viewer_take_track(v, &set));) {
        if (t->mode == LAYER_FULL)
            return true;
    }
    return false;
}

/* A slide takes a second or more: sent any faster than the path takes it, it makes a queue that is
 * taken for the path's. */
static uint64_t narrow_pace_bps(struct viewer *v, int64_t now_us)
{
    const struct gcc *g = &v->path->gcc;
    if (gcc_probing(g) || has_moving_pictures(v))
        return gcc_pace_bps(g, now_us);
    return gcc_target_bps(g, now_us);
}

static void set_pace(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    uint64_t target = gcc_target_bps(&p->gcc, now_us);
    uint64_t enough = p->top_bps / 100 * (p->narrow ? WIDE_PERCENT : NARROW_PERCENT);
    bool narrow = gcc_is_limited(&p->gcc) && target < enough;
    if (narrow != p->narrow) {
        p->narrow = narrow;
        p->train_us = now_us;
        viewer_path_note(v, narrow ? VIEWER_WHY_NARROW : VIEWER_WHY_WIDE, NULL, now_us);
    }
    uint64_t bps = narrow ? narrow_pace_bps(v, now_us) : wide_pace_bps(v);
    int64_t burst = narrow ? (int64_t)(bps * TRAIN_US / 8000000) : VIEWER_PACE_BURST;
    pacer_set_rate(&v->pacer, bps, now_us);
    v->pacer.burst_bytes = burst > VIEWER_DATAGRAM_MAX ? burst : VIEWER_DATAGRAM_MAX;
    if (v->pacer.balance_bytes > v->pacer.burst_bytes)
        v->pacer.balance_bytes = v->pacer.burst_bytes;
}

void viewer_path_pace(struct viewer *v, int64_t now_us)
{
    if (v->path->begun)
        set_pace(v, now_us);
    else
        pacer_set_rate(&v->pacer, wide_pace_bps(v), now_us);
}

/* --- decisions --- */

static void decide_tracks(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    struct ladder l;
    struct viewer_track *t;
    uint64_t audio = audio_bps(v), all = measure_tops(v, audio);
    if (all == 0)
        return;
    want(p);
    set_pace(v, now_us);
    uint64_t target = takes_bps(p, gcc_estimate_bps(&p->gcc));
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

static void decide(struct viewer *v, int64_t now_us)
{
    struct viewer_path *p = v->path;
    p->decide_us = now_us + DECIDE_US;
    bool away = p->numbered && gcc_stalled(&p->gcc, now_us);
    if (away != p->away) {
        p->away = away;
        viewer_path_note(v, away ? VIEWER_WHY_AWAY : VIEWER_WHY_BACK, NULL, now_us);
    }
    if (away)
        set_pace(v, now_us);
    else
        decide_tracks(v, now_us);
    p->due_us = gcc_next_timeout(&p->gcc);
}

/* --- what comes in --- */

bool viewer_path_on_feedback(struct viewer *v, const struct rtcp_feedback *f, int64_t now_us)
{
    struct viewer_path *p = v->path;
    if (!p || !p->begun || !p->numbered)
        return true;
    bool was_silent = gcc_stalled(&p->gcc, now_us) && now_us - p->gcc.feedback_us >= AWAY_US;
    if (!gcc_on_feedback(&p->gcc, f, now_us))
        return false;
    const struct gcc_news *news = &p->gcc.news;
    loss_add(&v->loss, news->received, news->lost, news->late, now_us);
    if (news->rtt_us >= 0 && news->rtt_us < v->soonest_us)
        v->soonest_us = news->rtt_us;
    viewer_follow_loss(v, now_us);
    bool was_away = was_silent && news->lost > news->received;
    struct viewer_track *t;
    for (uint32_t set = v->present & ~v->audio; was_away && (t = viewer_take_track(v, &set));)
        viewer_track_rejoin(t);
    bool due = p->decide_us == INT64_MAX || now_us >= p->decide_us || p->away;
    if (due || p->gcc.ramping || gcc_is_limited(&p->gcc))
        decide(v, now_us);
    else
        p->due_us = gcc_next_timeout(&p->gcc);
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
    bool hurries = p->hurry_bps > 0;
    if (hurries && has_caught_up(v))
        p->hurry_bps = 0;
    if (now_us >= p->decide_us)
        decide(v, now_us);
    else if (hurries)
        viewer_path_pace(v, now_us);
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
