#include "rtp/forward/worker_agent.h"

#include "rtp/forward/worker_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 64
#define TURN_EVERY_US 1000000
#define TURNS 32 /* in that time */

/* What epoll gives back. */
struct agent_watch {
    struct worker_agent *agent;
    int fd;
    short events;
};

struct worker_agent {
    struct worker_agents *all;            /* NULL until taken */
    struct worker_agent *previous, *next; /* of all, or of those that are to be freed */
    uint32_t id;                          /* the viewer's */
    struct ice_local local;
    struct ice_full *ice;         /* owned; NULL: could not be made */
    struct ice_full *old;         /* owned; its pair is used until `ice` has one; NULL: none */
    struct worker_viewer *viewer; /* NULL before it begins and after it has ended */
    bool news;                    /* its viewer has to be settled */
    bool ready;                   /* descriptors change no more */
    bool controlling;
    bool closing, gone; /* gone: to be freed */
    int64_t close_by_us;
    struct heap_node due;
    unsigned n_watched;
    struct agent_watch watched[2 * ICE_FULL_POLL_MAX];
};

struct worker_agents {
    struct worker *worker; /* borrowed: owns this */
    int epoll_fd;          /* owned */
    struct heap dues;
    struct worker_agent *first;  /* owned */
    struct worker_agent **by_id; /* by id & id_mask; the closing ones are no longer there */
    unsigned n_closing;

    /* Callbacks and events point to agents: what ends meanwhile is freed when that is over. */
    unsigned depth;
    struct worker_agent *freed; /* owned */
    struct worker_agents_counters ended;
};

/* --- life --- */

struct worker_agent *worker_agent_new(uint32_t viewer_id, const struct ice_local *local,
                                      bool controlling)
{
    struct worker_agent *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->id = viewer_id;
    a->local = *local;
    a->controlling = controlling;
    return a;
}

void worker_agent_free(struct worker_agent *a)
{
    if (!a)
        return;
    ice_full_destroy(a->ice);
    ice_full_destroy(a->old);
    explicit_bzero(&a->local, sizeof(a->local));
    free(a);
}

int worker_agents_create(struct worker_agents **out, struct worker *w)
{
    uint32_t room = w->config.id_mask + 1;
    struct worker_agents *all = calloc(1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    all->worker = w;
    all->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    all->by_id = calloc(room, sizeof(struct worker_agent *));
    if (all->epoll_fd < 0 || !all->by_id ||
        heap_init(&all->dues, room + WORKER_AGENTS_CLOSING_MAX) != 0) {
        worker_agents_destroy(all);
        return -ENOMEM;
    }
    *out = all;
    return 0;
}

void worker_agents_destroy(struct worker_agents *all)
{
    if (!all)
        return;
    while (all->first) {
        struct worker_agent *a = all->first;
        all->first = a->next;
        worker_agent_free(a);
    }
    heap_finish(&all->dues);
    if (all->epoll_fd >= 0)
        close(all->epoll_fd);
    free(all->by_id);
    free(all);
}

int worker_agents_fd(const struct worker_agents *all)
{
    return all->epoll_fd;
}

int64_t worker_agents_timeout(const struct worker_agents *all)
{
    const struct heap_node *first = heap_first(&all->dues);
    return first ? first->at_us : INT64_MAX;
}

static void add_counters_of(struct worker_agents_counters *sum, const struct ice_full *ice)
{
    if (!ice)
        return;
    const struct ice_full_counters *c = ice_full_counters(ice);
    sum->packets_sent += c->packets_sent;
    sum->bytes_sent += c->bytes_sent;
    sum->send_calls += c->send_calls;
    sum->send_errors += c->send_errors;
}

static void add_counters(struct worker_agents_counters *sum, const struct worker_agent *a)
{
    add_counters_of(sum, a->ice);
    add_counters_of(sum, a->old);
}

struct worker_agents_counters worker_agents_counters(const struct worker_agents *all)
{
    struct worker_agents_counters sum = all->ended;
    for (const struct worker_agent *a = all->first; a; a = a->next)
        add_counters(&sum, a);
    return sum;
}

static void enter(struct worker_agents *all)
{
    all->depth++;
}

static void leave(struct worker_agents *all)
{
    if (--all->depth > 0)
        return;
    while (all->freed) {
        struct worker_agent *a = all->freed;
        all->freed = a->next;
        worker_agent_free(a);
    }
}

static struct worker_agent **place_of(struct worker_agents *all, uint32_t id)
{
    return &all->by_id[id & all->worker->config.id_mask];
}

static struct worker_agent *find(struct worker_agents *all, uint32_t id)
{
    struct worker_agent *a = *place_of(all, id);
    return a && a->id == id ? a : NULL;
}

/* Under enter. */
static void discard(struct worker_agents *all, struct worker_agent *a)
{
    assert(all->depth > 0 && !a->gone && *place_of(all, a->id) != a);
    a->gone = true;
    all->n_closing -= a->closing;
    add_counters(&all->ended, a);
    heap_remove(&all->dues, &a->due);
    if (a->previous)
        a->previous->next = a->next;
    else
        all->first = a->next;
    if (a->next)
        a->next->previous = a->previous;
    a->next = all->freed;
    all->freed = a;
}

/* --- descriptors and timeouts --- */

static bool is_watched(const struct worker_agent *a, const struct pollfd *fds, unsigned n)
{
    bool same = a->ready && n == a->n_watched;
    for (unsigned i = 0; same && i < n; i++)
        same = a->watched[i].fd == fds[i].fd && a->watched[i].events == fds[i].events;
    return same;
}

/* While it connects, libnice may close a descriptor and get the same number for another one, which
 * epoll does not know: then all are said anew. */
static void watch(struct worker_agents *all, struct worker_agent *a, const struct pollfd *fds,
                  unsigned n)
{
    if (is_watched(a, fds, n))
        return;
    for (unsigned i = 0; i < a->n_watched; i++)
        (void)epoll_ctl(all->epoll_fd, EPOLL_CTL_DEL, a->watched[i].fd, NULL);
    for (unsigned i = 0; i < n; i++) {
        a->watched[i] = (struct agent_watch){.agent = a, .fd = fds[i].fd, .events = fds[i].events};
        struct epoll_event e = {.events = (uint32_t)(fds[i].events & (POLLIN | POLLOUT)),
                                .data.ptr = &a->watched[i]};
        (void)epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, fds[i].fd, &e);
    }
    a->n_watched = n;
    a->ready = ice_full_state(a->ice) == ICE_FULL_READY && ice_full_has_gathered(a->ice) && !a->old;
}

/* libnice ticks about once a second for each agent, mostly for nothing, and nothing it does then is
 * urgent once it is connected: it waits for the agent's turn, which it shares with others. */
static int64_t its_turn(const struct worker_agent *a, int64_t at_us)
{
    int64_t phase_us = (int64_t)(a->id % TURNS) * (TURN_EVERY_US / TURNS);
    int64_t since_us = (at_us - phase_us) % TURN_EVERY_US;
    return since_us == 0 ? at_us : at_us + TURN_EVERY_US - since_us;
}

static void file(struct worker_agents *all, struct worker_agent *a)
{
    struct pollfd fds[2 * ICE_FULL_POLL_MAX];
    unsigned n = ice_full_poll(a->ice, fds);
    n += a->old ? ice_full_poll(a->old, fds + n) : 0;
    watch(all, a, fds, n);
    int64_t at_us = ice_full_timeout(a->ice);
    if (a->old && ice_full_timeout(a->old) < at_us)
        at_us = ice_full_timeout(a->old);
    if (a->closing && a->close_by_us < at_us)
        at_us = a->close_by_us;
    if (a->ready && !ice_full_is_relayed(a->ice) && at_us != INT64_MAX)
        at_us = its_turn(a, at_us);
    /* Never again in this round, whatever it says: one agent must not hold up the others. */
    int64_t now_us = all->worker->now_us;
    heap_set(&all->dues, &a->due, at_us > now_us ? at_us : now_us + 1);
}

static void drop_old(struct worker_agents *all, struct worker_agent *a)
{
    add_counters_of(&all->ended, a->old);
    ice_full_destroy(a->old);
    a->old = NULL;
}

/* After anything that was done to the agent. Under enter. */
static void settle(struct worker_agents *all, struct worker_agent *a)
{
    struct worker_viewer *wv = a->viewer;
    if (a->gone)
        return;
    if (a->old && !a->closing && ice_full_state(a->ice) == ICE_FULL_READY)
        drop_old(all, a);
    if (a->closing && (ice_full_is_closed(a->ice) || all->worker->now_us >= a->close_by_us)) {
        discard(all, a);
        return;
    }
    file(all, a);
    if (!wv || !a->news)
        return;
    a->news = false;
    worker_viewer_settle(all->worker, wv); /* it may end here, and this agent with it */
}

/* --- what an agent tells --- */

static void on_candidate(void *arg, const char *text)
{
    struct worker_agent *a = arg;
    struct forwarder_candidate c = {.viewer_id = a->id, .text = text ? strdup(text) : NULL};
    if ((!text || c.text) && mailbox_post(a->all->worker->config.candidates, &c) == 0)
        return;
    free(c.text);
    a->all->ended.candidates_lost++;
}

static void on_datagram(void *arg, uint8_t *data, size_t size)
{
    struct worker_agent *a = arg;
    struct worker *w = a->all->worker;
    w->datagrams_received++;
    if (!a->viewer) {
        w->datagrams_unknown++;
        return;
    }
    /* libnice lets nothing in but from the peer's candidates */
    struct address from = worker_viewer_peer(a->viewer)->ice.remote;
    (void)worker_viewer_give(w, a->viewer, data, size, &from);
}

static void on_path(struct worker_viewer *wv, const struct address *remote, int64_t now_us)
{
    if (wv->ingest)
        ingest_on_path(wv->ingest, remote, now_us);
    else
        viewer_on_path(&wv->viewer, remote, now_us);
}

static void on_path_lost(struct worker_viewer *wv, int64_t now_us)
{
    if (wv->ingest)
        ingest_on_path_lost(wv->ingest, now_us);
    else
        viewer_on_path_lost(&wv->viewer, now_us);
}

static void on_state(void *arg, enum ice_full_state state, const struct address *remote)
{
    struct worker_agent *a = arg;
    int64_t now_us = a->all->worker->now_us;
    if (!a->viewer)
        return;
    if (state == ICE_FULL_READY)
        on_path(a->viewer, remote, now_us);
    else if (state == ICE_FULL_FAILED && !a->old && worker_viewer_peer(a->viewer)->ice.selected)
        on_path_lost(a->viewer, now_us);
    a->ready = false;
    a->news = true;
}

/* --- orders --- */

/* NULL: no socket could be bound. */
static struct ice_full *make(struct worker *w, struct worker_agent *a)
{
    struct ice_full *ice;
    struct ice_full_config config = {
        .servers = w->config.ice,
        .events = {.arg = a,
                   .on_candidate = on_candidate,
                   .on_datagram = on_datagram,
                   .on_state = on_state},
        .local = a->local,
        .controlling = a->controlling,
    };
    if (ice_full_create(&ice, &config) != 0)
        return NULL;
    if (!w->config.udp.gso)
        ice_full_disable_gso(ice);
    return ice;
}

void worker_agent_take(struct worker *w, struct worker_agent *a)
{
    struct worker_agents *all = w->agents;
    struct worker_agent **place = place_of(all, a->id);
    assert(!*place);
    *place = a;
    a->all = all;
    a->next = all->first;
    if (all->first)
        all->first->previous = a;
    all->first = a;
    a->ice = make(w, a);
    if (a->ice)
        file(all, a);
    else
        on_candidate(a, NULL);
}

/* It belongs to nobody any more. Under enter. */
static void retire(struct worker_agents *all, struct worker_agent *a)
{
    *place_of(all, a->id) = NULL;
    a->viewer = NULL;
    if (a->ice && all->n_closing < WORKER_AGENTS_CLOSING_MAX) {
        ice_full_close(a->ice);
        a->closing = true;
        a->close_by_us = all->worker->now_us + ICE_FULL_CLOSE_US;
        all->n_closing++;
        settle(all, a);
    } else {
        discard(all, a);
    }
}

void worker_agent_cancel(struct worker *w, uint32_t viewer_id)
{
    struct worker_agents *all = w->agents;
    struct worker_agent *a = find(all, viewer_id);
    assert(a && !a->viewer); /* orders come in order, and a seat is given back once */
    enter(all);
    retire(all, a);
    leave(all);
}

void worker_agent_add_candidate(struct worker *w, uint32_t viewer_id, const char *text)
{
    struct worker_agents *all = w->agents;
    struct worker_agent *a = find(all, viewer_id);
    if (!a || !a->ice)
        return; /* its viewer has ended meanwhile */
    enter(all);
    ice_full_add_candidate(a->ice, text);
    settle(all, a);
    leave(all);
}

void worker_agent_add_relay(struct worker *w, const struct worker_relay *r)
{
    struct worker_agents *all = w->agents;
    struct worker_agent *a = find(all, r->viewer_id);
    if (!a || !a->ice)
        return; /* its viewer has ended meanwhile */
    enter(all);
    a->ready = false;
    if (!ice_full_add_relay(a->ice, &r->relay))
        on_candidate(a, NULL); /* whoever waits for the end of them has it */
    settle(all, a);
    leave(all);
}

/* What has a pair goes on until the new one has. */
static void move(struct worker_agents *all, struct worker_agent *a)
{
    struct ice_full *fresh = make(all->worker, a);
    if (!fresh)
        return;
    ice_full_hand_over(a->ice, fresh);
    if (a->old)
        drop_old(all, a);
    a->old = a->ice;
    a->ice = fresh;
    a->ready = false;
}

void worker_agent_restart(struct worker *w, const struct worker_restart *r)
{
    struct worker_agents *all = w->agents;
    struct worker_agent *a = find(all, r->viewer_id);
    if (!a || !a->viewer)
        return; /* it has ended meanwhile */
    enter(all);
    if (r->local.ufrag[0])
        a->local = r->local;
    if (r->moves)
        move(all, a);
    bool ok = r->moves || !r->local.ufrag[0] || ice_full_restart(a->ice, &r->local);
    if (ok && r->ufrag[0])
        (void)ice_full_set_remote(a->ice, r->ufrag, r->pwd);
    settle(all, a);
    leave(all);
}

bool worker_agent_bind(struct worker *w, struct worker_viewer *wv)
{
    wv->agent = find(w->agents, wv->id);
    assert(wv->agent); /* taken when the seat was reserved */
    return wv->agent->ice != NULL;
}

void worker_agent_begin(struct worker *w, struct worker_viewer *wv,
                        const struct peer_config *config)
{
    struct worker_agents *all = w->agents;
    struct worker_agent *a = wv->agent;
    enter(all);
    a->viewer = wv;
    /* Credentials that are none lead nowhere: then the viewer's own deadline ends it. */
    (void)ice_full_set_remote(a->ice, config->remote_ufrag, config->remote_pwd);
    a->news = false; /* the caller settles its viewer */
    file(all, a);
    leave(all);
}

void worker_agent_leave(struct worker *w, struct worker_viewer *wv)
{
    struct worker_agents *all = w->agents;
    enter(all);
    retire(all, wv->agent);
    wv->agent = NULL;
    leave(all);
}

void worker_agent_send(struct worker *w, struct worker_viewer *wv, const uint8_t *data,
                       const struct viewer_train *train)
{
    struct worker_agent *a = wv->agent;
    struct ice_full *ice = a->old ? a->old : a->ice;
    (void)ice_full_send(ice, data, train->size, train->segment_size);
    if (ice_full_is_relayed(ice))
        file(w->agents, a);
}

/* --- the loop --- */

static void run_agent(struct worker_agents *all, struct worker_agent *a)
{
    if (a->old)
        ice_full_run(a->old, all->worker->now_us);
    ice_full_run(a->ice, all->worker->now_us);
    settle(all, a);
}

static void run_dues(struct worker_agents *all)
{
    struct heap_node *first;
    while ((first = heap_first(&all->dues)) && first->at_us <= all->worker->now_us)
        run_agent(all, (struct worker_agent *)((char *)first - offsetof(struct worker_agent, due)));
}

void worker_agents_run(struct worker *w)
{
    struct worker_agents *all = w->agents;
    struct epoll_event events[EVENTS_PER_ROUND];
    int n = epoll_wait(all->epoll_fd, events, EVENTS_PER_ROUND, 0);
    enter(all);
    for (int i = 0; i < n; i++) {
        const struct agent_watch *ready = events[i].data.ptr;
        struct worker_agent *a = ready->agent;
        if (a->gone)
            continue;
        ice_full_on_ready(a->ice, ready->fd, (short)events[i].events);
        if (a->old)
            ice_full_on_ready(a->old, ready->fd, (short)events[i].events);
        run_agent(all, a);
    }
    run_dues(all);
    leave(all);
}

void worker_agents_end(struct worker *w)
{
    struct worker_agents *all = w->agents;
    enter(all);
    for (uint32_t i = 0; i <= w->config.id_mask; i++) {
        if (all->by_id[i])
            retire(all, all->by_id[i]);
    }
    leave(all);
    while (all->first) {
        struct epoll_event e;
        int64_t us = worker_agents_timeout(all) - w->now_us;
        (void)epoll_wait(all->epoll_fd, &e, 1, us < 0 ? 0 : (int)((us + 999) / 1000));
        w->now_us = worker_clock_us();
        worker_agents_run(w);
    }
}
