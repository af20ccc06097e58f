#include "rtp/forward/worker_tcp.h"

#include "rtp/forward/worker_inside.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 64
#define READS_PER_ROUND 8 /* of one connection: it must not hold up the others */

struct tcp_guest {
    struct tcp tcp;
    bool passed_on, checked, waits_for_room; /* the last: for EPOLLOUT */
    uint32_t viewer_id;                      /* 0: nobody's yet */
    struct tcp_guest *next;                  /* of the same viewer */
    int64_t deadline_us;
};

/* A path is a serial number above the index of its slot, so that one is not used again soon. */
struct worker_tcp {
    int epoll_fd; /* owned */
    uint32_t max, n, n_pending, mask, serial;
    struct tcp_guest **slots; /* owned, they too */
    uint32_t *unused;         /* owned; indexes of empty slots, max - n of them */
    struct worker_tcp_counters counters;
};

/* --- life --- */

int tcp_guest_new(struct tcp_guest **out, int fd)
{
    struct tcp_guest *g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    int rc = tcp_open(&g->tcp, fd);
    if (rc != 0) {
        free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void tcp_guest_free(struct tcp_guest *g)
{
    tcp_close(&g->tcp);
    free(g);
}

int worker_tcp_create(struct worker_tcp **out, uint32_t max_viewers)
{
    struct worker_tcp *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->max = 2 * max_viewers + WORKER_TCP_PENDING_MAX;
    while (t->mask < t->max)
        t->mask = 2 * t->mask + 1;
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->slots = calloc(t->max, sizeof(struct tcp_guest *));
    t->unused = calloc(t->max, sizeof(*t->unused));
    if (t->epoll_fd < 0 || !t->slots || !t->unused) {
        worker_tcp_destroy(t);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < t->max; i++)
        t->unused[i] = t->max - 1 - i;
    *out = t;
    return 0;
}

void worker_tcp_destroy(struct worker_tcp *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; t->slots && i < t->max; i++) {
        if (t->slots[i])
            tcp_guest_free(t->slots[i]);
    }
    if (t->epoll_fd >= 0)
        close(t->epoll_fd);
    free(t->slots);
    free(t->unused);
    free(t);
}

int worker_tcp_fd(const struct worker_tcp *t)
{
    return t->epoll_fd;
}

bool worker_tcp_is_used(const struct worker_tcp *t)
{
    return t->n > 0;
}

struct worker_tcp_counters worker_tcp_counters(const struct worker_tcp *t)
{
    struct worker_tcp_counters c = t->counters;
    c.connections = t->n;
    return c;
}

/* --- connections and their paths --- */

static struct tcp_guest *find(const struct worker_tcp *t, uint32_t path)
{
    uint32_t slot = path & t->mask;
    struct tcp_guest *g = slot < t->max ? t->slots[slot] : NULL;
    return g && g->tcp.from.path == path ? g : NULL;
}

static void watch(struct worker_tcp *t, struct tcp_guest *g, bool for_room)
{
    struct epoll_event e = {.events = EPOLLIN | (for_room ? (uint32_t)EPOLLOUT : 0),
                            .data.u32 = g->tcp.from.path};
    if (g->waits_for_room == for_room)
        return;
    int rc = epoll_ctl(t->epoll_fd, EPOLL_CTL_MOD, g->tcp.fd, &e);
    assert(rc == 0);
    g->waits_for_room = for_room;
}

/* It has a slot and a path from here on, and is in the epoll set. */
static int enter(struct worker_tcp *t, struct tcp_guest *g)
{
    if (t->n == t->max || t->n_pending == WORKER_TCP_PENDING_MAX)
        return -EAGAIN;
    uint32_t slot = t->unused[t->max - 1 - t->n], path;
    do
        path = (++t->serial * (t->mask + 1) | slot) & ~ADDRESS_PATH_UDP;
    while (path == 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = path};
    if (epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, g->tcp.fd, &e) != 0)
        return -errno;
    g->tcp.from.path = path;
    t->slots[slot] = g;
    t->n++;
    t->n_pending++;
    return 0;
}

/* The opposite: it is the caller's then. */
static void remove_guest(struct worker_tcp *t, struct tcp_guest *g)
{
    uint32_t slot = g->tcp.from.path & t->mask;
    assert(t->slots[slot] == g);
    int rc = epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, g->tcp.fd, NULL);
    assert(rc == 0);
    t->slots[slot] = NULL;
    t->n--;
    t->n_pending -= !g->checked;
    t->unused[t->max - 1 - t->n] = slot;
    g->tcp.from.path = 0;
}

static void unlink_guest(struct worker_viewer *wv, const struct tcp_guest *g)
{
    assert(wv); /* its connections go before it does */
    struct tcp_guest **link = &wv->tcp;
    while (*link != g)
        link = &(*link)->next;
    *link = g->next;
}

static void close_guest(struct worker *w, struct tcp_guest *g)
{
    if (g->viewer_id)
        unlink_guest(worker_viewer_find(w, g->viewer_id), g);
    remove_guest(w->tcp, g);
    tcp_guest_free(g);
}

void worker_tcp_leave(struct worker *w, struct worker_viewer *wv)
{
    while (wv->tcp) {
        struct tcp_guest *g = wv->tcp;
        wv->tcp = g->next;
        remove_guest(w->tcp, g);
        tcp_guest_free(g);
    }
}

/* --- in --- */

static void pass_on(struct worker *w, struct tcp_guest *g, unsigned to)
{
    remove_guest(w->tcp, g);
    g->passed_on = true;
    if (worker_give_tcp(w->config.peers[to], g) != 0) {
        w->tcp->counters.refused++;
        tcp_guest_free(g);
    }
}

static bool may_join(const struct worker_viewer *wv)
{
    unsigned n = 0;
    for (const struct tcp_guest *g = wv->tcp; g; g = g->next)
        n++;
    return n < WORKER_TCP_PER_VIEWER;
}

/* Whose is it? The check is only believed to say where to ask. It may be gone afterwards; it is
 * nobody's still if its viewer is not there yet. */
static void find_owner(struct worker *w, struct tcp_guest *g, const uint8_t *data, size_t size)
{
    char ufrag[ICE_LOCAL_UFRAG_SIZE + 1];
    unsigned owner;
    uint32_t viewer_id;
    if (datagram_kind(data, size) != DATAGRAM_STUN || !ice_lite_peek_ufrag(data, size, ufrag) ||
        !worker_ufrag_read(ufrag, &owner, &viewer_id) || owner >= w->config.n_workers)
        return;
    if (owner != w->config.index) {
        if (!g->passed_on)
            pass_on(w, g, owner);
        return;
    }
    struct worker_viewer *wv = worker_viewer_find(w, viewer_id);
    if (!wv)
        return;
    if (!may_join(wv)) {
        w->tcp->counters.refused++;
        close_guest(w, g);
        return;
    }
    g->viewer_id = viewer_id;
    g->next = wv->tcp;
    wv->tcp = g;
}

/* The frame that stands first in g->tcp.in. False: the connection is gone. */
static bool on_frame(struct worker *w, uint32_t path, uint8_t *data, size_t size)
{
    struct tcp_guest *g = find(w->tcp, path);
    if (g->viewer_id == 0) {
        find_owner(w, g, data, size);
        g = find(w->tcp, path);
        if (!g)
            return false;
    }
    w->datagrams_received++;
    struct worker_viewer *wv = g->viewer_id ? worker_viewer_find(w, g->viewer_id) : NULL;
    if (!wv) {
        w->datagrams_unknown++;
        return true;
    }
    struct address from = g->tcp.from; /* the viewer may close, and its connections with it */
    bool was_check = worker_viewer_give(w, wv, data, size, &from);
    g = find(w->tcp, path);
    if (g && was_check) {
        w->tcp->n_pending -= !g->checked;
        g->checked = true;
        g->deadline_us = w->now_us + WORKER_TCP_SILENT_US;
    }
    return g != NULL;
}

/* Every whole frame that has come. False: the connection is gone. */
static bool read_frames(struct worker *w, struct tcp_guest *g)
{
    uint32_t path = g->tcp.from.path;
    uint8_t *data;
    size_t size;
    int rc;
    while ((rc = framing_peek(&g->tcp.in, &data, &size)) == 1) {
        if (!on_frame(w, path, data, size))
            return false;
        framing_drop(&g->tcp.in);
    }
    if (rc == 0)
        return true;
    close_guest(w, g);
    return false;
}

static void on_readable(struct worker *w, struct tcp_guest *g)
{
    for (int i = 0; i < READS_PER_ROUND; i++) {
        if (!read_frames(w, g))
            return;
        int n = tcp_receive(&g->tcp);
        if (n == -EAGAIN)
            return;
        if (n < 0) {
            close_guest(w, g);
            return;
        }
    }
    (void)read_frames(w, g); /* the rest is still readable */
}

void worker_tcp_take(struct worker *w, struct tcp_guest *g)
{
    g->deadline_us = w->now_us + WORKER_TCP_PENDING_US;
    if (enter(w->tcp, g) != 0) {
        w->tcp->counters.refused++;
        tcp_guest_free(g);
        return;
    }
    on_readable(w, g); /* what another worker has read is told by no event */
}

static void on_writable(struct worker *w, struct tcp_guest *g)
{
    int rc = tcp_flush(&g->tcp);
    if (rc == -EAGAIN)
        return;
    if (rc != 0) {
        close_guest(w, g);
        return;
    }
    watch(w->tcp, g, false);
    struct worker_viewer *wv = g->viewer_id ? worker_viewer_find(w, g->viewer_id) : NULL;
    if (wv)
        worker_viewer_settle(w, wv);
}

void worker_tcp_run(struct worker *w)
{
    struct epoll_event ready[EVENTS_PER_ROUND];
    int n = epoll_wait(w->tcp->epoll_fd, ready, EVENTS_PER_ROUND, 0);
    for (int i = 0; i < n; i++) {
        struct tcp_guest *g = find(w->tcp, ready[i].data.u32);
        if (g && ready[i].events & EPOLLOUT)
            on_writable(w, g);
        g = find(w->tcp, ready[i].data.u32);
        if (g && ready[i].events & ~(uint32_t)EPOLLOUT)
            on_readable(w, g);
    }
}

void worker_tcp_tick(struct worker *w)
{
    struct worker_tcp *t = w->tcp;
    for (uint32_t i = 0; t->n > 0 && i < t->max; i++) {
        if (t->slots[i] && w->now_us >= t->slots[i]->deadline_us)
            close_guest(w, t->slots[i]);
    }
}

/* --- out --- */

static struct tcp_guest *find_path(const struct worker_tcp *t, const struct address *to)
{
    struct tcp_guest *g = find(t, to->path);
    return g && address_equal(&g->tcp.from, to) ? g : NULL;
}

bool worker_tcp_is_stalled(const struct worker *w, const struct address *to)
{
    const struct tcp_guest *g = find_path(w->tcp, to);
    return !g || tcp_is_full(&g->tcp);
}

void worker_tcp_send(struct worker *w, const uint8_t *data, const struct viewer_train *train)
{
    struct worker_tcp *t = w->tcp;
    struct tcp_guest *g = find_path(t, &train->to);
    if (!g || tcp_send(&g->tcp, data, train) != 0) {
        /* One that is over is told by epoll, where nobody holds it. */
        t->counters.send_errors += train->n_segments;
        return;
    }
    t->counters.packets_sent += train->n_segments;
    t->counters.bytes_sent += train->size;
    watch(t, g, tcp_is_full(&g->tcp));
}
