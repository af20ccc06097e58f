#include "rtp/forward/worker_handshakes.h"
#include "rtp/forward/worker_inside.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <string.h>

int worker_handshakes_init(struct worker_handshakes *h, unsigned max)
{
    assert(max > 0);
    *h = (struct worker_handshakes){.max = max};
    return datagram_pool_init(&h->pool, WORKER_HANDSHAKES_WAITING_MAX);
}

void worker_handshakes_finish(struct worker_handshakes *h)
{
    datagram_pool_finish(&h->pool);
}

/* --- who is in the middle of one --- */

static void enter(struct worker_handshakes *h, struct worker_viewer *wv, int64_t now_us)
{
    wv->shaking = wv->has_shaken = true;
    wv->shaking_since_us = now_us;
    wv->shaking_older = h->newest;
    wv->shaking_newer = NULL;
    if (h->newest)
        h->newest->shaking_newer = wv;
    else
        h->oldest = wv;
    h->newest = wv;
    h->n++;
}

static void leave(struct worker_handshakes *h, struct worker_viewer *wv)
{
    if (!wv->shaking)
        return;
    wv->shaking = false;
    if (wv->shaking_older)
        wv->shaking_older->shaking_newer = wv->shaking_newer;
    else
        h->oldest = wv->shaking_newer;
    if (wv->shaking_newer)
        wv->shaking_newer->shaking_older = wv->shaking_older;
    else
        h->newest = wv->shaking_older;
    h->n--;
}

void worker_handshakes_leave(struct worker *w, struct worker_viewer *wv)
{
    leave(&w->handshakes, wv);
}

static bool admit(struct worker_handshakes *h, struct worker_viewer *wv, int64_t now_us)
{
    if (wv->shaking)
        return true;
    if (h->n >= h->max) {
        if (wv->has_shaken || now_us - h->oldest->shaking_since_us < WORKER_HANDSHAKES_TURN_US)
            return false;
        leave(h, h->oldest); /* should it go on, it needs a place that nobody wants */
    }
    enter(h, wv, now_us);
    return true;
}

/* --- its datagrams --- */

bool worker_handshakes_concern(const struct worker_viewer *wv, const uint8_t *data, size_t size)
{
    return worker_viewer_state(wv) == VIEWER_DTLS && datagram_kind(data, size) == DATAGRAM_DTLS;
}

static void deal(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                 const struct address *from, unsigned via)
{
    int64_t begun_us = worker_clock_us();
    (void)worker_viewer_deal(w, wv, data, size, from, via);
    w->handshakes.spent_us += worker_clock_us() - begun_us;
}

static void put_off(struct worker_handshakes *h, uint32_t viewer_id, const uint8_t *data,
                    size_t size, const struct address *from, unsigned via)
{
    struct pooled_datagram *d =
        size <= DATAGRAM_POOL_SIZE_MAX ? datagram_pool_take(&h->pool) : NULL;
    if (!d) {
        h->deferred++;
        return;
    }
    d->viewer_id = viewer_id;
    d->from = *from;
    d->via = via;
    d->size = size;
    memcpy(d->data, data, size);
    d->next = NULL;
    if (h->last)
        h->last->next = d;
    else
        h->first = d;
    h->last = d;
    h->waited++;
}

void worker_handshakes_give(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                            const struct address *from, unsigned via)
{
    struct worker_handshakes *h = &w->handshakes;
    if (!admit(h, wv, w->now_us))
        h->deferred++;
    else if (h->first || h->spent_us >= WORKER_HANDSHAKES_ROUND_US)
        put_off(h, wv->id, data, size, from, via);
    else
        deal(w, wv, data, size, from, via);
}

void worker_handshakes_run(struct worker *w)
{
    struct worker_handshakes *h = &w->handshakes;
    while (h->first && h->spent_us < WORKER_HANDSHAKES_ROUND_US) {
        struct pooled_datagram *d = h->first;
        h->first = d->next;
        if (!h->first)
            h->last = NULL;
        struct worker_viewer *wv = worker_viewer_find(w, d->viewer_id);
        if (wv)
            deal(w, wv, d->data, d->size, &d->from, d->via);
        datagram_pool_give(&h->pool, d);
    }
    h->spent_us = 0;
}

bool worker_handshakes_wait(const struct worker *w)
{
    return w->handshakes.first;
}
