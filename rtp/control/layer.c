#include "rtp/control/layer.h"

#include <assert.h>
#include <stddef.h>

#define STAY_PERCENT 105  /* measured rates and targets sway: this much over is no reason to go */
#define MOVE_PERCENT 115  /* the same for the last rung whose pictures move */
#define CLIMB_PERCENT 115 /* of the rung's rate must be proven */
#define WANT_PERCENT 130  /* so that a probe that falls a little short still proves enough */
#define TAKEN_BACK_US 10000000
#define SETTLED_US 30000000

/* --- the ladder --- */

static void add(struct layer_rung *rungs, unsigned *n, struct layer_rung rung)
{
    assert(*n < LAYER_RUNGS_MAX);
    /* what costs as much as something better is no rung */
    while (*n > 1 && rungs[*n - 1].bps >= rung.bps)
        (*n)--;
    rungs[(*n)++] = rung;
}

static const struct layer_stream *lowest_live(const struct layer_stream *streams, unsigned n,
                                              uint8_t *index)
{
    for (unsigned i = 0; i < n; i++) {
        if (streams[i].live) {
            *index = (uint8_t)i;
            return &streams[i];
        }
    }
    return NULL;
}

/* Temporal layers of a stream are rungs only above the whole of the stream below it: a sharper
 * picture is no gain if it stutters and costs less than the smooth one. */
static void add_stream(struct layer_rung *rungs, unsigned *n, const struct layer_stream *s,
                       uint8_t index, uint64_t audio_bps)
{
    assert(s->n_temporal >= 1 && s->n_temporal <= LAYER_TEMPORAL_MAX);
    uint64_t below_bps = rungs[*n - 1].mode == LAYER_FULL ? rungs[*n - 1].bps : 0;
    for (uint8_t t = 0; t < s->n_temporal; t++) {
        uint64_t bps = s->bps[t] + audio_bps;
        if (t + 1 < s->n_temporal && bps <= below_bps)
            continue;
        add(rungs, n,
            (struct layer_rung){.mode = LAYER_FULL, .stream = index, .temporal = t, .bps = bps});
    }
}

unsigned layer_ladder(struct layer_rung rungs[LAYER_RUNGS_MAX], const struct layer_stream *streams,
                      unsigned n, uint64_t audio_bps)
{
    assert(n <= LAYER_STREAMS_MAX);
    unsigned count = 0;
    uint8_t low = 0;
    add(rungs, &count, (struct layer_rung){.mode = LAYER_AUDIO, .bps = audio_bps});
    const struct layer_stream *lowest = lowest_live(streams, n, &low);
    if (!lowest)
        return count;
    uint64_t slides_bps = lowest->keyframe_bytes * UINT64_C(8000000) / LAYER_SLIDE_MAX_US;
    if (slides_bps > 0)
        add(rungs, &count,
            (struct layer_rung){
                .mode = LAYER_SLIDES, .stream = low, .bps = audio_bps + slides_bps});
    for (unsigned i = low; i < n; i++) {
        if (streams[i].live)
            add_stream(rungs, &count, &streams[i], (uint8_t)i, audio_bps);
    }
    return count;
}

/* --- the decision --- */

void layer_init(struct layer *l)
{
    *l = (struct layer){
        .max_stream = LAYER_ANY,
        .max_temporal = LAYER_ANY,
        .fits_since_us = INT64_MAX,
        .hold_us = LAYER_HOLD_US,
        .up_us = INT64_MIN / 2,
        .down_us = INT64_MIN / 2,
    };
}

void layer_select(struct layer *l, uint8_t stream, uint8_t temporal)
{
    l->max_stream = stream;
    l->max_temporal = temporal;
}

/* The lowest stream there is may always be taken, whatever was selected. */
static bool is_allowed(const struct layer *l, const struct layer_rung *rungs, unsigned i)
{
    const struct layer_rung *r = &rungs[i];
    if (i <= 1 || r->mode != LAYER_FULL || r->stream < l->max_stream)
        return true;
    if (r->stream != rungs[1].stream && r->stream != l->max_stream)
        return false;
    return r->temporal <= l->max_temporal;
}

static bool is_same(const struct layer_rung *a, const struct layer_rung *b)
{
    return a->mode == b->mode && a->stream == b->stream && a->temporal == b->temporal;
}

/* The highest rung that is allowed and costs, times percent, no more than bps; the lowest if none.
 */
static unsigned highest(const struct layer *l, const struct layer_rung *rungs, unsigned n,
                        uint64_t bps, unsigned percent)
{
    unsigned best = 0;
    for (unsigned i = 1; i < n; i++) {
        if (is_allowed(l, rungs, i) && rungs[i].bps <= bps / percent * 100)
            best = i;
    }
    return best;
}

/* Its place on this ladder; n: it is not there any more. */
static unsigned find(const struct layer_rung *rungs, unsigned n, const struct layer_rung *rung)
{
    unsigned i = 0;
    while (i < n && !is_same(&rungs[i], rung))
        i++;
    return i;
}

static bool step(struct layer *l, const struct layer_rung *rung)
{
    bool changed = !l->decided || !is_same(rung, &l->now);
    l->now = *rung;
    l->decided = true;
    return changed;
}

static bool go_down(struct layer *l, const struct layer_rung *rung, int64_t now_us)
{
    if (now_us - l->up_us < TAKEN_BACK_US)
        l->hold_us = 2 * l->hold_us < LAYER_HOLD_MAX_US ? 2 * l->hold_us : LAYER_HOLD_MAX_US;
    l->down_us = now_us;
    l->fits_since_us = INT64_MAX;
    l->downs++;
    return step(l, rung);
}

static bool go_up(struct layer *l, const struct layer_rung *rung, int64_t now_us)
{
    l->up_us = now_us;
    l->fits_since_us = INT64_MAX;
    l->ups++;
    return step(l, rung);
}

static bool moves(const struct layer_rung *rung)
{
    return rung->mode == LAYER_FULL;
}

/* What it may go up to; `at` or lower: nothing. */
static unsigned find_better(const struct layer *l, const struct layer_rung *rungs, unsigned n,
                            unsigned at, uint64_t proven_bps)
{
    unsigned better = highest(l, rungs, n, proven_bps, CLIMB_PERCENT);
    if (moves(&rungs[at]) || moves(&rungs[better]))
        return better;
    return highest(l, rungs, n, proven_bps, 100);
}

static int64_t hold_us(const struct layer *l)
{
    bool slides = !moves(&l->now) && l->hold_us > LAYER_HOLD_SLIDES_US;
    return slides ? LAYER_HOLD_SLIDES_US : l->hold_us;
}

bool layer_decide(struct layer *l, const struct layer_rung *rungs, unsigned n, uint64_t target_bps,
                  uint64_t proven_bps, int64_t now_us)
{
    assert(n > 0);
    if (!l->decided)
        return step(l, &rungs[highest(l, rungs, n, target_bps, 100)]);
    int64_t moved_us = l->down_us > l->up_us ? l->down_us : l->up_us;
    if (now_us - moved_us > l->hold_us + SETTLED_US)
        l->hold_us = LAYER_HOLD_US;

    unsigned at = find(rungs, n, &l->now);
    if (at == n) /* the ladder has changed under it */
        return step(l, &rungs[highest(l, rungs, n, target_bps, 100)]);
    if (!is_allowed(l, rungs, at))
        return step(l, &rungs[highest(l, rungs, at, target_bps, 100)]);
    l->now.bps = rungs[at].bps;
    unsigned fits = highest(l, rungs, n, target_bps, 100);
    unsigned stay = moves(&rungs[at]) && !moves(&rungs[fits]) ? MOVE_PERCENT : STAY_PERCENT;
    if (fits < at && rungs[at].bps > target_bps / 100 * stay)
        return go_down(l, &rungs[fits], now_us);

    uint64_t proven = proven_bps < target_bps ? proven_bps : target_bps;
    unsigned better = find_better(l, rungs, n, at, proven);
    if (better <= at) {
        l->fits_since_us = INT64_MAX;
        return false;
    }
    if (l->fits_since_us == INT64_MAX)
        l->fits_since_us = now_us;
    if (now_us - l->fits_since_us < hold_us(l))
        return false;
    return go_up(l, &rungs[better], now_us);
}

uint64_t layer_top_bps(const struct layer *l, const struct layer_rung *rungs, unsigned n)
{
    return rungs[highest(l, rungs, n, UINT64_MAX, 100)].bps;
}

uint64_t layer_wanted_bps(const struct layer *l, const struct layer_rung *rungs, unsigned n)
{
    return layer_top_bps(l, rungs, n) / 100 * WANT_PERCENT;
}

const char *layer_mode_name(enum layer_mode mode)
{
    switch (mode) {
    case LAYER_AUDIO:
        return "audio";
    case LAYER_SLIDES:
        return "slides";
    case LAYER_FULL:
        return "full";
    }
    return "unknown";
}

int64_t layer_slide_gap_us(uint32_t keyframe_bytes, uint64_t audio_bps, uint64_t target_bps)
{
    if (target_bps <= audio_bps)
        return LAYER_SLIDE_MAX_US;
    uint64_t gap_us = keyframe_bytes * UINT64_C(8000000) / (target_bps - audio_bps);
    if (gap_us < LAYER_SLIDE_MIN_US)
        return LAYER_SLIDE_MIN_US;
    return gap_us < LAYER_SLIDE_MAX_US ? (int64_t)gap_us : LAYER_SLIDE_MAX_US;
}
