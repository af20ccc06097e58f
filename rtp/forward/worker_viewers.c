#define G_LOG_DOMAIN "forward"

#include "rtp/forward/worker_inside.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VIEWERS_PER_CLOCK 64
#define RATE_MIN_US 900000 /* a viewer younger than this waits for the next tick */
#define HELD_US 5000       /* how late the deadlines of a held viewer may become */
#define STRAY_SIZE_MAX 512
#define STRAY_TRIES_MAX 1000 /* a second; one costs about as much as a sent packet */

enum viewer_state worker_viewer_state(const struct worker_viewer *wv)
{
    if (wv->failed)
        return VIEWER_CLOSED;
    return wv->ingest ? worker_ingest_state(wv) : wv->viewer.state;
}

static enum viewer_state state_of(const struct worker_viewer *wv)
{
    return worker_viewer_state(wv);
}

static enum peer_reason reason_of(const struct worker_viewer *wv)
{
    return wv->failed ? PEER_REASON_LOCAL_CLOSED : worker_viewer_peer(wv)->reason;
}

/* --- life --- */

struct worker_viewer *worker_viewer_new(const struct viewer_config *config)
{
    struct worker_viewer *wv =
        calloc(1, offsetof(struct worker_viewer, viewer) + viewer_size(config->n_tracks));
    struct viewer_config *copy = malloc(sizeof(*copy));
    if (!wv || !copy) {
        free(wv);
        free(copy);
        return NULL;
    }
    *copy = *config;
    wv->config = copy;
    wv->id = config->id;
    wv->stream_id = config->tracks[0].stream_id;
    return wv;
}

void worker_viewer_free(struct worker_viewer *wv)
{
    if (!wv)
        return;
    if (!wv->config && !wv->ingest_config && !wv->ingest && !wv->failed)
        viewer_finish(&wv->viewer);
    ingest_destroy(wv->ingest);
    free(wv->ingest_config);
    free(wv->config);
    free(wv);
}

static void link_track(struct worker_viewer *wv, unsigned track, struct worker_stream *ws)
{
    for (unsigned i = 0; i < track; i++) {
        if (wv->links[i].stream == ws)
            return; /* a stream's viewers are told of a frame once */
    }
    struct worker_link *link = &wv->links[track];
    *link = (struct worker_link){.viewer = wv, .stream = ws, .next = ws->first};
    if (ws->first)
        ws->first->previous = link;
    ws->first = link;
}

static void unlink_track(struct worker_link *link)
{
    if (!link->stream)
        return;
    if (link->previous)
        link->previous->next = link->next;
    else
        link->stream->first = link->next;
    if (link->next)
        link->next->previous = link->previous;
    *link = (struct worker_link){0};
}

static int64_t unix_offset_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - worker_clock_us();
}

static int start_viewer(struct worker *w, struct worker_viewer *wv)
{
    struct stream *streams[VIEWER_TRACKS_MAX];
    struct worker_stream *found[VIEWER_TRACKS_MAX];
    const struct viewer_config *config = wv->config;
    for (unsigned i = 0; i < config->n_tracks; i++) {
        found[i] = worker_find_stream(w, config->tracks[i].stream_id);
        assert(found[i]); /* the forwarder checked, and its messages come in order */
        streams[i] = &found[i]->stream;
    }
    int rc = viewer_init(&wv->viewer, config, streams, w->config.dtls, unix_offset_us(), w->now_us);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < config->n_tracks; i++)
        link_track(wv, i, found[i]);
    wv->rate_since_us = w->now_us;
    return 0;
}

static int start(struct worker *w, struct worker_viewer *wv)
{
    struct peer_config *peer = wv->config ? &wv->config->peer : &wv->ingest_config->peer;
    peer->full_ice = w->agents != NULL;
    if (w->agents && !worker_agent_bind(w, wv))
        return -EADDRNOTAVAIL;
    int rc = wv->config ? start_viewer(w, wv) : worker_ingest_start(w, wv);
    if (rc == 0 && wv->agent)
        worker_agent_begin(w, wv, peer);
    return rc;
}

void worker_viewer_begin(struct worker *w, struct worker_viewer *wv)
{
    struct worker_viewer **place = &w->by_id[wv->id & w->config.id_mask];
    assert(!*place && w->n_viewers < w->config.max_viewers);
    *place = wv;
    wv->place = w->n_viewers;
    w->viewers[w->n_viewers++] = wv;
    w->n_ingests += wv->ingest_config != NULL;
    wv->is_ingest = wv->ingest_config != NULL;
    wv->failed = start(w, wv) != 0;
    free(wv->config);
    free(wv->ingest_config);
    wv->config = NULL;
    wv->ingest_config = NULL;
    worker_viewer_settle(w, wv);
}

static struct worker_viewer *find_viewer(const struct worker *w, uint32_t id)
{
    struct worker_viewer *wv = w->by_id[id & w->config.id_mask];
    return wv && wv->id == id ? wv : NULL;
}

struct worker_viewer *worker_viewer_find(const struct worker *w, uint32_t id)
{
    struct worker_viewer *wv = find_viewer(w, id);
    return wv && state_of(wv) != VIEWER_CLOSED ? wv : NULL;
}

static void forget_origin_before(struct worker *w, struct worker_viewer *wv)
{
    if (wv->has_origin_before)
        origins_remove_own(&w->origins, &wv->origin_before, wv->id);
    wv->has_origin_before = false;
}

static void forget_origin(struct worker *w, struct worker_viewer *wv)
{
    forget_origin_before(w, wv);
    if (wv->has_origin)
        origins_remove_own(&w->origins, &wv->origin, wv->id);
    wv->has_origin = false;
}

static void hold(struct worker *w, struct worker_viewer *wv)
{
    if (wv->held)
        return;
    wv->held = true;
    wv->held_previous = w->held_last;
    wv->held_next = NULL;
    if (w->held_last)
        w->held_last->held_next = wv;
    else
        w->held_first = wv;
    w->held_last = wv;
}

static void unhold(struct worker *w, struct worker_viewer *wv)
{
    if (!wv->held)
        return;
    wv->held = false;
    if (wv->held_previous)
        wv->held_previous->held_next = wv->held_next;
    else
        w->held_first = wv->held_next;
    if (wv->held_next)
        wv->held_next->held_previous = wv->held_previous;
    else
        w->held_last = wv->held_previous;
}

/* Of a closed viewer all but the news of it. */
static void withdraw(struct worker *w, struct worker_viewer *wv)
{
    unhold(w, wv);
    worker_tcp_leave(w, wv);
    if (wv->agent)
        worker_agent_leave(w, wv);
    heap_remove(&w->deadlines, &wv->deadline);
    forget_origin(w, wv);
    for (unsigned i = 0; i < VIEWER_TRACKS_MAX; i++)
        unlink_track(&wv->links[i]);
}

static void bury(struct worker *w, struct worker_viewer *wv)
{
    w->by_id[wv->id & w->config.id_mask] = NULL;
    struct worker_viewer *last = w->viewers[--w->n_viewers];
    w->viewers[wv->place] = last;
    last->place = wv->place;
    w->n_ingests -= wv->is_ingest;
    worker_viewer_free(wv);
}

/* --- what the signaling thread is told --- */

static const char *name_of(const struct worker_viewer *wv, enum viewer_state state)
{
    return wv->is_ingest ? worker_ingest_state_name(state) : viewer_state_name(state);
}

static void log_state(const struct worker_viewer *wv, enum viewer_state state)
{
    const char *before = wv->told ? name_of(wv, wv->told) : "new";
    const char *reason = state == VIEWER_CLOSED ? peer_reason_name(reason_of(wv)) : "";
    g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "MESSAGE", "%s id=%u %s -> %s%s%s",
                     wv->is_ingest ? "publisher" : "viewer", wv->id, before, name_of(wv, state),
                     *reason ? " reason=" : "", reason);
}

/* False if there was no room: the state is told later, or a later one instead of it. */
static bool tell(struct worker *w, struct worker_viewer *wv)
{
    enum viewer_state state = state_of(wv);
    struct forwarder_event e = {.kind = wv->is_ingest ? FORWARDER_INGEST : FORWARDER_VIEWER,
                                .viewer_id = wv->id,
                                .state = state,
                                .reason = reason_of(wv)};
    if (wv->is_ingest)
        worker_ingest_describe(wv, &e);
    if (mailbox_post(w->config.events, &e) != 0) {
        w->events_left = true;
        return false;
    }
    if (state != wv->told)
        log_state(wv, state);
    wv->told = state;
    wv->told_version = wv->ingest ? ingest_version(wv->ingest) : 0;
    return true;
}

static void tell_news(struct worker *w, struct worker_viewer *wv)
{
    bool news =
        state_of(wv) != wv->told || (wv->ingest && ingest_version(wv->ingest) != wv->told_version);
    if (news && tell(w, wv) && wv->told == VIEWER_CLOSED)
        bury(w, wv);
}

void worker_viewers_tell(struct worker *w)
{
    w->events_left = false;
    for (uint32_t i = w->n_viewers;
         i-- > 0;) /* backwards: the last one takes a buried one's place */
        tell_news(w, w->viewers[i]);
}

/* --- output --- */

/* Has it not proved that it is where it says it is, or does its TCP connection take nothing more?
 */
static bool is_stalled(const struct worker *w, const struct worker_viewer *wv)
{
    const struct address *to = &worker_viewer_peer(wv)->ice.remote;
    return !peer_may_send(worker_viewer_peer(wv)) ||
           (!address_is_udp(to) && worker_tcp_is_stalled(w, to));
}

static bool next_train(struct worker *w, struct worker_viewer *wv, struct viewer_train *train,
                       uint8_t *room)
{
    if (wv->ingest)
        return worker_ingest_send(w, wv, train, room);
    viewer_set_stalled(&wv->viewer, is_stalled(w, wv));
    return viewer_send(&wv->viewer, train, room, UDP_TRAIN_ROOM, w->now_us);
}

/* Media is pulled: what the socket has no room for is simply not made yet. */
static void drain(struct worker *w, struct worker_viewer *wv)
{
    struct viewer_train train;
    uint8_t *room;
    while ((room = udp_batch_room(w->batch))) {
        if (!next_train(w, wv, &train, room))
            break;
        if (wv->agent)
            worker_agent_send(w, wv, room, &train);
        else if (address_is_udp(&train.to))
            udp_batch_add(w->batch, &train);
        else
            worker_tcp_send(w, room, &train);
        w->trains++;
    }
    if (!room)
        hold(w, wv);
}

/* Never again in this round, whatever it says: one viewer must not hold up the others. */
static int64_t next_deadline(const struct worker *w, struct worker_viewer *wv)
{
    int64_t at = wv->ingest ? ingest_next_timeout(wv->ingest, w->now_us)
                            : viewer_next_timeout(&wv->viewer, w->now_us);
    int64_t earliest = w->now_us + (wv->held ? HELD_US : 1);
    return at > earliest ? at : earliest;
}

void worker_viewer_settle(struct worker *w, struct worker_viewer *wv)
{
    if (!wv->failed)
        drain(w, wv);
    if (state_of(wv) != VIEWER_DTLS)
        worker_handshakes_leave(w, wv);
    if (state_of(wv) == VIEWER_CLOSED)
        withdraw(w, wv);
    else
        heap_set(&w->deadlines, &wv->deadline, next_deadline(w, wv));
    tell_news(w, wv);
}

void worker_viewers_resume(struct worker *w)
{
    udp_batch_flush(w->batch);
    struct worker_viewer *last = w->held_last;
    while (w->held_first && !udp_batch_blocked(w->batch)) {
        struct worker_viewer *wv = w->held_first;
        bool was_last = wv == last;
        unhold(w, wv);
        worker_viewer_settle(w, wv);
        if (was_last)
            break;
    }
}

static void close_session(struct worker *w, struct worker_viewer *wv)
{
    if (wv->ingest)
        ingest_close(wv->ingest, w->now_us);
    else
        viewer_close(&wv->viewer, w->now_us);
}

void worker_viewer_close(struct worker *w, uint32_t id)
{
    struct worker_viewer *wv = find_viewer(w, id);
    if (!wv || state_of(wv) == VIEWER_CLOSED)
        return; /* it closed by itself, the event is on its way */
    close_session(w, wv);
    worker_viewer_settle(w, wv);
}

void worker_viewer_restart(struct worker *w, const struct worker_restart *r)
{
    struct worker_viewer *wv = worker_viewer_find(w, r->viewer_id);
    if (wv && wv->ingest)
        ingest_restart(wv->ingest, &r->local, r->ufrag, r->pwd);
    else if (wv)
        viewer_restart(&wv->viewer, &r->local, r->ufrag, r->pwd);
}

void worker_viewers_close_all(struct worker *w)
{
    while (w->n_viewers > 0) {
        struct worker_viewer *wv = w->viewers[w->n_viewers - 1];
        if (state_of(wv) != VIEWER_CLOSED) {
            close_session(w, wv);
            drain(w, wv);
        }
        withdraw(w, wv);
        bury(w, wv);
    }
}

void worker_viewers_on_frame(struct worker *w, struct worker_stream *ws, unsigned layer,
                             const struct frame *f)
{
    int64_t captured_us = f->captured_us;
    bool ends = f->ends;
    uint64_t trains_before = w->trains;
    unsigned n = 0;
    uint8_t gone_before = ws->stream.gone;
    stream_push(&ws->stream, layer, f);
    if (ws->stream.gone != gone_before)
        worker_viewers_on_attach(w, ws); /* its layers are others now */
    for (struct worker_link *link = ws->first, *next; link; link = next) {
        next = link->next;
        struct worker_viewer *wv = link->viewer;
        if (!viewer_wants_layer(&wv->viewer, &ws->stream, layer))
            continue;
        viewer_on_frame(&wv->viewer, &ws->stream, w->now_us);
        worker_viewer_settle(w, wv);
        if (++n % VIEWERS_PER_CLOCK == 0)
            w->now_us = worker_clock_us();
    }
    if (w->trains == trains_before)
        return;
    worker_flush(w);
    w->now_us = worker_clock_us();
    if (ends)
        worker_samples_add(&ws->feed->capture_to_send, w->now_us - captured_us);
}

void worker_viewers_on_attach(struct worker *w, struct worker_stream *ws)
{
    for (struct worker_link *link = ws->first, *next; link; link = next) {
        next = link->next;
        viewer_on_attach(&link->viewer->viewer, &ws->stream, w->now_us);
        worker_viewer_settle(w, link->viewer);
    }
}

void worker_viewers_on_detach(struct worker *w, struct worker_stream *ws)
{
    for (struct worker_link *link = ws->first, *next; link; link = next) {
        next = link->next;
        viewer_on_detach(&link->viewer->viewer, &ws->stream);
        worker_viewer_settle(w, link->viewer);
    }
}

void worker_viewers_on_stream_end(struct worker *w, struct worker_stream *ws)
{
    while (ws->first) {
        struct worker_viewer *wv = ws->first->viewer;
        unlink_track(ws->first);
        viewer_on_stream_end(&wv->viewer, &ws->stream);
        worker_viewer_settle(w, wv);
    }
}

void worker_viewers_tick(struct worker *w)
{
    for (uint32_t i = 0; i < w->n_viewers; i++) {
        struct worker_viewer *wv = w->viewers[i];
        int64_t elapsed_us = w->now_us - wv->rate_since_us;
        if (wv->failed || wv->is_ingest || elapsed_us < RATE_MIN_US)
            continue;
        uint64_t bytes = wv->viewer.counters.bytes_sent;
        wv->sent_bps = (bytes - wv->rate_bytes) * 8000000 / (uint64_t)elapsed_us;
        wv->rate_bytes = bytes;
        wv->rate_since_us = w->now_us;
    }
}

/* --- whose datagram is it --- */

static void pass_on(struct worker *w, unsigned to, const uint8_t *data, size_t size,
                    const struct address *from, unsigned via)
{
    struct worker *other = w->config.peers[to];
    struct pooled_datagram *d =
        size <= DATAGRAM_POOL_SIZE_MAX ? datagram_pool_take(&other->passed_on) : NULL;
    if (d) {
        d->from = *from;
        d->via = via;
        d->size = size;
        memcpy(d->data, data, size);
        struct worker_message m = {.type = WORKER_DATAGRAM, .datagram = d};
        if (worker_post_bounded(other, &m, &other->datagrams_waiting,
                                WORKER_DATAGRAMS_WAITING_MAX) == 0) {
            w->datagrams_passed_on++;
            return;
        }
        datagram_pool_give(&other->passed_on, d);
    }
    w->datagrams_unknown++;
}

/* Its handshake may go on where it began (ice_lite_on_record). */
static void leave_origin(struct worker *w, struct worker_viewer *wv, const struct address *next)
{
    struct address last = wv->origin;
    if (state_of(wv) != VIEWER_DTLS) {
        forget_origin(w, wv);
        return;
    }
    if (wv->has_origin_before && !address_equal(&wv->origin_before, next))
        forget_origin_before(w, wv);
    wv->origin_before = last;
    wv->has_origin_before = true;
}

/* A check from there was authentic: what else comes from there is this viewer's, on whichever
 * socket. Said again with every check, so that one that was lost or taken comes back. */
static void set_origin(struct worker *w, struct worker_viewer *wv, const struct address *from,
                       unsigned via)
{
    if (wv->has_origin && !address_equal(&wv->origin, from))
        leave_origin(w, wv, from);
    origins_set_own(&w->origins, from, wv->id);
    wv->origin = *from;
    wv->has_origin = true;
    if (via == w->config.index)
        return;
    struct worker *other = w->config.peers[via];
    struct worker_message m = {.type = WORKER_ORIGIN,
                               .origin = {.from = *from, .worker = w->config.index}};
    (void)worker_post_bounded(other, &m, &other->datagrams_waiting, WORKER_DATAGRAMS_WAITING_MAX);
}

bool worker_viewer_deal(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                        const struct address *from, unsigned via)
{
    const struct ice_lite *ice = &worker_viewer_peer(wv)->ice;
    uint64_t checks_before = ice->checks;
    if (wv->ingest)
        ingest_on_datagram(wv->ingest, data, size, from, w->now_us);
    else
        viewer_on_datagram(&wv->viewer, data, size, from, w->now_us);
    bool was_check = ice->checks != checks_before;
    if (was_check && ice->selected && address_equal(&ice->remote, from))
        set_origin(w, wv, from, via);
    if (state_of(wv) != VIEWER_DTLS)
        forget_origin_before(w, wv);
    worker_viewer_settle(w, wv);
    return was_check;
}

static bool give(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                 const struct address *from, unsigned via)
{
    if (!worker_handshakes_concern(wv, data, size))
        return worker_viewer_deal(w, wv, data, size, from, via);
    worker_handshakes_give(w, wv, data, size, from, via);
    return false;
}

bool worker_viewer_give(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                        const struct address *from)
{
    return give(w, wv, data, size, from, w->config.index);
}

/* The worker and viewer a datagram belongs to, by its username fragment or else by its address. */
static bool find_owner(struct worker *w, const uint8_t *data, size_t size,
                       const struct address *from, unsigned *worker, uint32_t *viewer_id)
{
    char ufrag[ICE_LOCAL_UFRAG_SIZE + 1];
    if (datagram_kind(data, size) == DATAGRAM_STUN && ice_lite_peek_ufrag(data, size, ufrag))
        return worker_ufrag_read(ufrag, worker, viewer_id) && *worker < w->config.n_workers;
    struct origin origin;
    if (!origins_find(&w->origins, from, &origin))
        return false;
    *worker = origin.foreign ? origin.id : w->config.index;
    *viewer_id = origin.foreign ? 0 : origin.id;
    return true;
}

/* Whose is an SRTCP packet from an address that is nobody's? Only its keys tell. So many viewers
 * are asked in a second: who floods us with strays keeps only others from being found early. */
static struct worker_viewer *find_moved(struct worker *w, const uint8_t *data, size_t size,
                                        const struct address *from)
{
    uint8_t copy[STRAY_SIZE_MAX];
    if (w->now_us - w->strays.since_us >= 1000000) {
        w->strays.since_us = w->now_us;
        w->strays.tries = 0;
    }
    for (uint32_t i = 0; i < w->n_viewers && w->strays.tries < STRAY_TRIES_MAX; i++) {
        struct worker_viewer *wv = w->viewers[w->strays.next++ % w->n_viewers];
        w->strays.tries++;
        memcpy(copy, data, size);
        if (wv->ingest ? ingest_on_stray(wv->ingest, copy, size, from, w->now_us)
                       : viewer_on_stray(&wv->viewer, copy, size, from, w->now_us))
            return wv;
    }
    return NULL;
}

/* A NAT has given one of our viewers another address, or it is a stranger. The report that a
 * browser sends next tells, long before its next check. It may be another worker's: it goes round
 * once. */
static void take_stray(struct worker *w, const uint8_t *data, size_t size,
                       const struct address *from, unsigned via)
{
    bool may_be = datagram_kind(data, size) == DATAGRAM_RTCP && size <= STRAY_SIZE_MAX &&
                  address_is_udp(from);
    struct worker_viewer *wv = may_be ? find_moved(w, data, size, from) : NULL;
    unsigned next = (w->config.index + 1) % w->config.n_workers;
    if (wv) {
        set_origin(w, wv, from, via);
        worker_viewer_settle(w, wv);
    } else if (may_be && next != via) {
        pass_on(w, next, data, size, from, via);
    } else {
        w->datagrams_unknown++;
    }
}

void worker_demux(struct worker *w, uint8_t *data, size_t size, const struct address *from,
                  unsigned via)
{
    unsigned owner = 0;
    uint32_t id = 0;
    bool known = find_owner(w, data, size, from, &owner, &id);
    if (known && owner != w->config.index && via == w->config.index) {
        pass_on(w, owner, data, size, from, via);
        return;
    }
    /* What was passed on once is not passed on again. */
    struct worker_viewer *wv = known && owner == w->config.index ? find_viewer(w, id) : NULL;
    if (wv && state_of(wv) != VIEWER_CLOSED)
        (void)give(w, wv, data, size, from, via);
    else
        take_stray(w, data, size, from, via);
}
