#include "rtp/forward/worker_inside.h"

#include <stdlib.h>

/* --- made by the teller --- */

struct worker_viewer *worker_ingest_new(const struct ingest_config *config,
                                        struct worker_wishes *wishes)
{
    struct worker_viewer *wv = calloc(1, sizeof(*wv));
    struct ingest_config *copy = malloc(sizeof(*copy));
    if (!wv || !copy) {
        free(wv);
        free(copy);
        return NULL;
    }
    *copy = *config;
    wv->ingest_config = copy;
    wv->id = config->id;
    wv->wishes = wishes;
    return wv;
}

struct worker_wishes *worker_wishes_new(struct worker *w, uint32_t ingest_id)
{
    struct worker_wishes *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->worker = w;
    s->ingest_id = ingest_id;
    for (unsigned i = 0; i < INGEST_TRACKS_MAX; i++)
        s->tracks[i].all = s;
    return s;
}

void worker_wishes_free(struct worker_wishes *s)
{
    free(s);
}

/* --- any worker's thread --- */

static void tell(struct worker_wishes *s)
{
    if (!atomic_exchange_explicit(&s->told, true, memory_order_acq_rel))
        worker_tell_of_wishes(s->worker, s->ingest_id);
}

static void want_keyframe(void *arg, unsigned layer, uint32_t requests)
{
    struct worker_track_wishes *t = arg;
    atomic_fetch_add_explicit(&t->keyframes[layer], requests, memory_order_relaxed);
    tell(t->all);
}

static void watched(void *arg, unsigned layer, bool yes)
{
    struct worker_track_wishes *t = arg;
    if (yes)
        atomic_fetch_add_explicit(&t->watchers[layer], 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&t->watchers[layer], 1, memory_order_relaxed);
    tell(t->all);
}

struct forwarder_source worker_wishes_source(struct worker_wishes *s, unsigned track)
{
    return (struct forwarder_source){.arg = &s->tracks[track],
                                     .want_keyframe = want_keyframe,
                                     .watched = watched,
                                     .as_sent = true};
}

/* --- the publisher's worker --- */

static void publish(void *arg, uint32_t stream_id, unsigned layer, struct frame *frame)
{
    struct worker *w = arg;
    w->config.publish(w->config.publish_arg, stream_id, layer, frame);
}

static void look_at_track(struct ingest *in, struct worker_track_wishes *t, unsigned track)
{
    for (unsigned i = 0; i < FORWARDER_LAYERS_MAX; i++) {
        unsigned n = atomic_exchange_explicit(&t->keyframes[i], 0, memory_order_relaxed);
        if (n > 0)
            ingest_want_keyframe(in, track, i, n);
        ingest_set_watched(in, track, i,
                           atomic_load_explicit(&t->watchers[i], memory_order_relaxed) > 0);
    }
}

/* What is written from here on is told again; what was written before it is read here. */
static void look(struct worker_viewer *wv)
{
    (void)atomic_exchange_explicit(&wv->wishes->told, false, memory_order_acq_rel);
    for (unsigned i = 0; i < ingest_n_tracks(wv->ingest); i++)
        look_at_track(wv->ingest, &wv->wishes->tracks[i], i);
}

int worker_ingest_start(struct worker *w, struct worker_viewer *wv)
{
    int rc = ingest_create(&wv->ingest, wv->ingest_config, w->config.dtls, publish, w, w->now_us);
    if (rc == 0)
        look(wv); /* its streams were there before it, and their viewers */
    return rc;
}

enum viewer_state worker_ingest_state(const struct worker_viewer *wv)
{
    switch (ingest_state(wv->ingest)) {
    case INGEST_ICE:
        return VIEWER_ICE;
    case INGEST_DTLS:
        return VIEWER_DTLS;
    case INGEST_WAIT_MEDIA:
        return VIEWER_WAIT_KEYFRAME;
    case INGEST_LIVE:
        return VIEWER_PLAYING;
    case INGEST_CLOSED:
        break;
    }
    return VIEWER_CLOSED;
}

static enum ingest_state state_from(enum viewer_state s)
{
    switch (s) {
    case VIEWER_ICE:
        return INGEST_ICE;
    case VIEWER_DTLS:
        return INGEST_DTLS;
    case VIEWER_WAIT_KEYFRAME:
        return INGEST_WAIT_MEDIA;
    case VIEWER_PLAYING:
        return INGEST_LIVE;
    case VIEWER_CLOSED:
        break;
    }
    return INGEST_CLOSED;
}

const char *worker_ingest_state_name(enum viewer_state s)
{
    return ingest_state_name(state_from(s));
}

bool worker_ingest_send(struct worker *w, struct worker_viewer *wv, struct viewer_train *train,
                        uint8_t *room)
{
    *train = (struct viewer_train){.n_segments = 1};
    size_t size = ingest_send(wv->ingest, room, UDP_TRAIN_ROOM, &train->to, w->now_us);
    train->segment_size = (uint16_t)size;
    train->size = (uint32_t)size;
    return size > 0;
}

void worker_ingest_describe(const struct worker_viewer *wv, struct forwarder_event *out)
{
    out->ingest_state = state_from(out->state);
    out->changed = wv->ingest && ingest_version(wv->ingest) != wv->told_version;
}

void worker_ingest_remove(struct worker *w, uint32_t id)
{
    struct worker_viewer *wv = w->by_id[id & w->config.id_mask];
    if (!wv || wv->id != id)
        return; /* it closed by itself, and the signaling thread knows */
    wv->wishes = NULL;
    worker_viewer_close(w, id);
}

static struct worker_viewer *find(const struct worker *w, uint32_t id)
{
    struct worker_viewer *wv = worker_viewer_find(w, id);
    return wv && wv->ingest ? wv : NULL;
}

void worker_ingest_limit(struct worker *w, uint32_t id, uint64_t max_bps)
{
    struct worker_viewer *wv = find(w, id);
    if (!wv)
        return; /* gone meanwhile */
    ingest_set_max_rate(wv->ingest, max_bps);
    worker_viewer_settle(w, wv);
}

void worker_ingest_look(struct worker *w, uint32_t id)
{
    struct worker_viewer *wv = find(w, id);
    if (!wv || !wv->wishes)
        return;
    look(wv);
    worker_viewer_settle(w, wv);
}

void worker_ingest_fill(const struct worker *w, const struct worker_viewer *wv,
                        struct forwarder_ingest_stats *out)
{
    const struct ingest *in = wv->ingest;
    const struct peer *peer = ingest_peer(in);
    *out = (struct forwarder_ingest_stats){
        .id = wv->id,
        .state = ingest_state(in),
        .reason = peer->reason,
        .age_us = w->now_us - ingest_created_us(in),
        .state_age_us = w->now_us - ingest_state_since_us(in),
        .rtt_us = ingest_rtt_us(in),
        .silent_us = w->now_us - ingest_heard_us(in),
        .remb_bps = ingest_remb_bps(in),
        .counters = *ingest_counters(in),
        .n_tracks = ingest_n_tracks(in),
    };
    if (peer->ice.selected)
        out->remote = peer->ice.remote;
    for (unsigned i = 0; i < out->n_tracks; i++)
        ingest_track_info(in, i, &out->tracks[i], w->now_us);
}
