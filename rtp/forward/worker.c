#include "rtp/forward/worker_inside.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_US 1000000
#define TELL_AGAIN_US 10000
#define MAIL_PER_ROUND 1024
#define RECEIVES_PER_ROUND 8

enum { EPOLL_MAIL, EPOLL_UDP, EPOLL_TCP, EPOLL_AGENTS, EPOLL_ALL };

int64_t worker_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- what is told to a worker: any thread --- */

static void wake(void *arg)
{
    struct worker *w = arg;
    uint64_t one = 1;
    ssize_t n = write(w->wake_fd, &one, sizeof(one));
    assert(n == sizeof(one) || errno == EAGAIN); /* full of wakes is awake enough */
}

/* The bounds of every kind together are the mailbox's capacity (worker_create). */
void worker_post(struct worker *w, const struct worker_message *m)
{
    int rc = mailbox_post(&w->inbox, m);
    assert(rc == 0);
}

int worker_post_bounded(struct worker *w, const struct worker_message *m, atomic_uint *waiting,
                        unsigned max)
{
    if (atomic_fetch_add_explicit(waiting, 1, memory_order_relaxed) >= max) {
        atomic_fetch_sub_explicit(waiting, 1, memory_order_relaxed);
        return -EAGAIN;
    }
    worker_post(w, m);
    return 0;
}

int worker_add_stream(struct worker *w, struct worker_stream *s)
{
    return worker_post_bounded(w, &(struct worker_message){.type = WORKER_ADD_STREAM, .stream = s},
                               &w->streams_waiting, WORKER_STREAMS_WAITING_MAX);
}

int worker_attach(struct worker *w, struct worker_feed *feed)
{
    return worker_post_bounded(w, &(struct worker_message){.type = WORKER_ATTACH, .feed = feed},
                               &w->streams_waiting, WORKER_STREAMS_WAITING_MAX);
}

static void post_end(struct worker *w, enum worker_message_type type, uint32_t stream_id,
                     sem_t *done)
{
    worker_post(
        w, &(struct worker_message){.type = type, .end = {.stream_id = stream_id, .done = done}});
}

void worker_detach(struct worker *w, uint32_t stream_id, sem_t *done)
{
    post_end(w, WORKER_DETACH, stream_id, done);
}

void worker_remove_stream(struct worker *w, uint32_t id, sem_t *done)
{
    post_end(w, WORKER_REMOVE_STREAM, id, done);
}

void worker_sync(struct worker *w, sem_t *done)
{
    post_end(w, WORKER_SYNC, 0, done);
}

void worker_add_viewer(struct worker *w, struct worker_viewer *v)
{
    worker_post(w, &(struct worker_message){.type = WORKER_ADD_VIEWER, .viewer = v});
}

void worker_remove_viewer(struct worker *w, uint32_t id)
{
    worker_post(w, &(struct worker_message){.type = WORKER_REMOVE_VIEWER, .viewer_id = id});
}

void worker_remove_ingest(struct worker *w, uint32_t id, sem_t *done)
{
    worker_post(w, &(struct worker_message){.type = WORKER_REMOVE_INGEST,
                                            .ingest = {.id = id, .done = done}});
}

int worker_set_ingest_rate(struct worker *w, uint32_t id, uint64_t max_bps)
{
    struct worker_message m = {.type = WORKER_INGEST_RATE,
                               .ingest = {.id = id, .max_bps = max_bps}};
    return worker_post_bounded(w, &m, &w->wishes_waiting, WORKER_WISHES_WAITING_MAX);
}

void worker_tell_of_wishes(struct worker *w, uint32_t ingest_id)
{
    worker_post(w, &(struct worker_message){.type = WORKER_INGEST_WISHES, .viewer_id = ingest_id});
}

void worker_give_frame(struct worker *w, uint32_t stream_id, unsigned layer, const struct frame *f)
{
    struct worker_message m = {.type = WORKER_FRAME,
                               .frame = {.stream_id = stream_id, .layer = layer, .frame = f}};
    if (worker_post_bounded(w, &m, &w->frames_waiting, WORKER_FRAMES_WAITING_MAX) != 0) {
        atomic_fetch_add_explicit(&w->frames_dropped, 1, memory_order_relaxed);
        frame_unref(f);
    }
}

int worker_select(struct worker *w, uint32_t viewer_id, uint32_t stream_id,
                  const struct viewer_selection *selection)
{
    struct worker_message m = {
        .type = WORKER_SELECT,
        .wish = {.viewer_id = viewer_id, .stream_id = stream_id, .selection = *selection}};
    return worker_post_bounded(w, &m, &w->wishes_waiting, WORKER_WISHES_WAITING_MAX);
}

int worker_want_keyframe(struct worker *w, uint32_t viewer_id, uint32_t stream_id)
{
    struct worker_message m = {.type = WORKER_WANT_KEYFRAME,
                               .wish = {.viewer_id = viewer_id, .stream_id = stream_id}};
    return worker_post_bounded(w, &m, &w->wishes_waiting, WORKER_WISHES_WAITING_MAX);
}

int worker_give_tcp(struct worker *w, struct tcp_guest *g)
{
    return worker_post_bounded(w, &(struct worker_message){.type = WORKER_TCP, .guest = g},
                               &w->guests_waiting, WORKER_GUESTS_WAITING_MAX);
}

int worker_give_agent(struct worker *w, struct worker_agent *a)
{
    return worker_post_bounded(w, &(struct worker_message){.type = WORKER_ADD_AGENT, .agent = a},
                               &w->agents_waiting, w->config.max_viewers);
}

void worker_cancel_agent(struct worker *w, uint32_t viewer_id)
{
    worker_post(w, &(struct worker_message){.type = WORKER_CANCEL_AGENT, .viewer_id = viewer_id});
}

int worker_give_candidate(struct worker *w, uint32_t viewer_id, char *text)
{
    struct worker_message m = {.type = WORKER_CANDIDATE,
                               .candidate = {.viewer_id = viewer_id, .text = text}};
    return worker_post_bounded(w, &m, &w->candidates_waiting, WORKER_CANDIDATES_WAITING_MAX);
}

int worker_restart(struct worker *w, struct worker_restart *r)
{
    return worker_post_bounded(w, &(struct worker_message){.type = WORKER_RESTART, .restart = r},
                               &w->candidates_waiting, WORKER_CANDIDATES_WAITING_MAX);
}

int worker_give_relay(struct worker *w, struct worker_relay *r)
{
    return worker_post_bounded(w, &(struct worker_message){.type = WORKER_RELAY, .relay = r},
                               &w->candidates_waiting, WORKER_CANDIDATES_WAITING_MAX);
}

void worker_ask(struct worker *w, struct worker_query *q)
{
    worker_post(w, &(struct worker_message){.type = WORKER_QUERY, .query = q});
}

void worker_quit(struct worker *w)
{
    worker_post(w, &(struct worker_message){.type = WORKER_QUIT});
}

void worker_ufrag_write(char out[WORKER_UFRAG_PREFIX + 1], unsigned worker, uint32_t viewer_id)
{
    snprintf(out, WORKER_UFRAG_PREFIX + 1, "%02x%08x", worker & 0xff, viewer_id);
}

bool worker_ufrag_read(const char *ufrag, unsigned *worker, uint32_t *viewer_id)
{
    uint64_t v = 0;
    for (int i = 0; i < WORKER_UFRAG_PREFIX; i++) {
        char c = ufrag[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *worker = (unsigned)(v >> 32);
    *viewer_id = (uint32_t)v;
    return true;
}

/* --- the worker's thread --- */

void worker_flush(struct worker *w)
{
    if (!udp_batch_blocked(w->batch)) /* else epoll says when */
        udp_batch_flush(w->batch);
}

static void on_wish(struct worker *w, const struct worker_message *m)
{
    atomic_fetch_sub_explicit(&w->wishes_waiting, 1, memory_order_relaxed);
    struct worker_viewer *wv = worker_viewer_find(w, m->wish.viewer_id);
    struct worker_stream *ws = worker_find_stream(w, m->wish.stream_id);
    if (!wv || wv->ingest || !ws)
        return; /* gone meanwhile */
    if (m->type == WORKER_SELECT)
        viewer_select(&wv->viewer, &ws->stream, &m->wish.selection, w->now_us);
    else
        viewer_want_keyframe(&wv->viewer, &ws->stream, w->now_us);
    worker_viewer_settle(w, wv);
}

static void forget_relay(struct worker_relay *r)
{
    explicit_bzero(r, sizeof(*r)); /* its credentials */
    free(r);
}

/* With full ICE. */
static void on_agent_message(struct worker *w, const struct worker_message *m)
{
    if (m->type == WORKER_ADD_AGENT) {
        atomic_fetch_sub_explicit(&w->agents_waiting, 1, memory_order_relaxed);
        worker_agent_take(w, m->agent);
        return;
    }
    if (m->type == WORKER_CANCEL_AGENT) {
        worker_agent_cancel(w, m->viewer_id);
        return;
    }
    atomic_fetch_sub_explicit(&w->candidates_waiting, 1, memory_order_relaxed);
    if (m->type == WORKER_CANDIDATE) {
        worker_agent_add_candidate(w, m->candidate.viewer_id, m->candidate.text);
        free(m->candidate.text);
    } else if (m->type == WORKER_RELAY) {
        worker_agent_add_relay(w, m->relay);
        forget_relay(m->relay);
    } else {
        if (w->agents)
            worker_agent_restart(w, m->restart);
        else
            worker_viewer_restart(w, m->restart);
        free(m->restart);
    }
}

static void on_message(struct worker *w, const struct worker_message *m)
{
    switch (m->type) {
    case WORKER_ADD_STREAM:
        atomic_fetch_sub_explicit(&w->streams_waiting, 1, memory_order_relaxed);
        worker_stream_begin(w, m->stream);
        break;
    case WORKER_ATTACH:
        atomic_fetch_sub_explicit(&w->streams_waiting, 1, memory_order_relaxed);
        worker_stream_attach(w, m->feed);
        break;
    case WORKER_DETACH:
        worker_stream_detach(w, m->end.stream_id);
        sem_post(m->end.done);
        break;
    case WORKER_REMOVE_STREAM:
        worker_stream_end(w, m->end.stream_id);
        sem_post(m->end.done);
        break;
    case WORKER_ADD_VIEWER:
        worker_viewer_begin(w, m->viewer);
        break;
    case WORKER_REMOVE_VIEWER:
        worker_viewer_close(w, m->viewer_id);
        break;
    case WORKER_REMOVE_INGEST:
        worker_ingest_remove(w, m->ingest.id);
        sem_post(m->ingest.done);
        break;
    case WORKER_INGEST_RATE:
        atomic_fetch_sub_explicit(&w->wishes_waiting, 1, memory_order_relaxed);
        worker_ingest_limit(w, m->ingest.id, m->ingest.max_bps);
        break;
    case WORKER_INGEST_WISHES:
        worker_ingest_look(w, m->viewer_id);
        break;
    case WORKER_FRAME:
        atomic_fetch_sub_explicit(&w->frames_waiting, 1, memory_order_relaxed);
        worker_stream_take(w, m->frame.stream_id, m->frame.layer, m->frame.frame);
        break;
    case WORKER_SELECT:
    case WORKER_WANT_KEYFRAME:
        on_wish(w, m);
        break;
    case WORKER_DATAGRAM:
        atomic_fetch_sub_explicit(&w->datagrams_waiting, 1, memory_order_relaxed);
        worker_demux(w, m->datagram->data, m->datagram->size, &m->datagram->from, m->datagram->via);
        datagram_pool_give(&w->passed_on, m->datagram);
        break;
    case WORKER_ORIGIN:
        atomic_fetch_sub_explicit(&w->datagrams_waiting, 1, memory_order_relaxed);
        origins_set_foreign(&w->origins, &m->origin.from, m->origin.worker);
        break;
    case WORKER_TCP:
        atomic_fetch_sub_explicit(&w->guests_waiting, 1, memory_order_relaxed);
        worker_tcp_take(w, m->guest);
        break;
    case WORKER_ADD_AGENT:
    case WORKER_CANCEL_AGENT:
    case WORKER_CANDIDATE:
    case WORKER_RESTART:
    case WORKER_RELAY:
        on_agent_message(w, m);
        break;
    case WORKER_QUERY:
        worker_answer(w, m->query);
        break;
    case WORKER_SYNC:
        sem_post(m->end.done);
        break;
    case WORKER_QUIT:
        w->quit = true;
        break;
    }
}

/* A message that nobody will read any more. */
static void dispose(const struct worker_message *m)
{
    if (m->type == WORKER_ADD_STREAM)
        worker_stream_free(m->stream);
    else if (m->type == WORKER_ATTACH)
        worker_feed_free(m->feed);
    else if (m->type == WORKER_ADD_VIEWER)
        worker_viewer_free(m->viewer);
    else if (m->type == WORKER_FRAME)
        frame_unref(m->frame.frame);
    else if (m->type == WORKER_TCP)
        tcp_guest_free(m->guest);
    else if (m->type == WORKER_ADD_AGENT)
        worker_agent_free(m->agent);
    else if (m->type == WORKER_CANDIDATE)
        free(m->candidate.text);
    else if (m->type == WORKER_RESTART)
        free(m->restart);
    else if (m->type == WORKER_RELAY)
        forget_relay(m->relay);
}

static size_t mail_waiting(struct worker *w)
{
    pthread_mutex_lock(&w->inbox.lock);
    size_t n = w->inbox.count;
    pthread_mutex_unlock(&w->inbox.lock);
    return n;
}

static void read_mail(struct worker *w)
{
    uint64_t ignored;
    ssize_t rc = read(w->wake_fd, &ignored, sizeof(ignored)); /* before, so that no wake is lost */
    (void)rc;
    struct worker_message m;
    size_t n = mail_waiting(w);
    for (int i = 0; n > 0 && i < MAIL_PER_ROUND; i++, n = mail_waiting(w)) {
        if (n > w->mailbox_high_water)
            w->mailbox_high_water = n;
        if (mailbox_take(&w->inbox, &m))
            on_message(w, &m);
    }
    w->mail_left = n > 0;
}

static void read_socket(struct worker *w)
{
    struct udp_inbox in;
    for (int round = 0; round < RECEIVES_PER_ROUND; round++) {
        unsigned n = udp_receive(&w->config.udp, w->receiver, &in);
        for (unsigned i = 0; i < n; i++) {
            w->datagrams_received++;
            if (in.datagram[i].size > 0)
                worker_demux(w, in.datagram[i].data, in.datagram[i].size, &in.datagram[i].from,
                             w->config.index);
            else
                w->datagrams_unknown++;
        }
        if (n < UDP_RECEIVE_BATCH)
            return;
    }
}

static void run_deadlines(struct worker *w)
{
    struct heap_node *first;
    while ((first = heap_first(&w->deadlines)) && first->at_us <= w->now_us) {
        struct worker_viewer *wv =
            (struct worker_viewer *)((char *)first - offsetof(struct worker_viewer, deadline));
        if (wv->ingest)
            ingest_on_timeout(wv->ingest, w->now_us);
        else
            viewer_on_timeout(&wv->viewer, w->now_us);
        worker_viewer_settle(w, wv); /* files a later one */
    }
    if (w->now_us >= w->next_tick_us) {
        worker_viewers_tick(w);
        worker_tcp_tick(w);
        w->next_tick_us = w->now_us + TICK_US;
    }
}

static int64_t next_deadline(const struct worker *w)
{
    bool any = w->n_viewers > 0 || worker_tcp_is_used(w->tcp);
    int64_t at = any ? w->next_tick_us : INT64_MAX;
    const struct heap_node *first = heap_first(&w->deadlines);
    if (first && first->at_us < at)
        at = first->at_us;
    if (w->events_left && w->now_us + TELL_AGAIN_US < at)
        at = w->now_us + TELL_AGAIN_US;
    if (w->agents && worker_agents_timeout(w->agents) < at)
        at = worker_agents_timeout(w->agents);
    return w->mail_left || worker_handshakes_wait(w) ? w->now_us : at;
}

static int wait_for_events(const struct worker *w, struct epoll_event *events, int max,
                           int64_t at_us)
{
    if (at_us == INT64_MAX)
        return epoll_wait(w->epoll_fd, events, max, -1);
    int64_t us = at_us - w->now_us > 0 ? at_us - w->now_us : 0;
    struct timespec wait = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    int n = epoll_pwait2(w->epoll_fd, events, max, &wait, NULL);
    /* Before Linux 5.11, or in a sandbox that does not know it: whole milliseconds, late rather
     * than early. */
    if (n < 0 && (errno == ENOSYS || errno == EPERM))
        n = epoll_wait(w->epoll_fd, events, max, us < 3600000000 ? (int)((us + 999) / 1000) : -1);
    return n;
}

static void watch_writable(struct worker *w)
{
    bool wanted = udp_batch_blocked(w->batch);
    if (wanted == w->watching_writable)
        return;
    struct epoll_event e = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.u32 = EPOLL_UDP};
    int rc = epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, w->config.udp.fd, &e);
    assert(rc == 0);
    w->watching_writable = wanted;
}

static void run_round(struct worker *w)
{
    struct epoll_event events[EPOLL_ALL];
    int64_t due = next_deadline(w);
    int n = wait_for_events(w, events, EPOLL_ALL, due);
    w->now_us = worker_clock_us();
    int64_t begun = due < w->now_us ? due : w->now_us;

    bool mail = w->mail_left, datagrams = false, writable = false, connections = false;
    bool agents = w->agents && worker_agents_timeout(w->agents) <= w->now_us;
    for (int i = 0; i < n; i++) {
        mail = mail || events[i].data.u32 == EPOLL_MAIL;
        connections = connections || events[i].data.u32 == EPOLL_TCP;
        agents = agents || events[i].data.u32 == EPOLL_AGENTS;
        bool udp = events[i].data.u32 == EPOLL_UDP;
        datagrams = datagrams || (udp && events[i].events & ~(uint32_t)EPOLLOUT);
        writable = writable || (udp && events[i].events & EPOLLOUT);
    }
    if (writable)
        worker_viewers_resume(w);
    if (mail)
        read_mail(w);
    if (datagrams)
        read_socket(w);
    if (connections)
        worker_tcp_run(w);
    if (agents)
        worker_agents_run(w);
    run_deadlines(w);
    worker_handshakes_run(w);
    worker_flush(w);
    watch_writable(w);
    worker_streams_pass_news(w);
    if (w->events_left)
        worker_viewers_tell(w);
    worker_samples_add(&w->lag, worker_clock_us() - begun);
}

static void *worker_thread(void *arg)
{
    struct worker *w = arg;
    w->now_us = worker_clock_us();
    w->next_tick_us = w->now_us + TICK_US;
    while (!w->quit)
        run_round(w);
    w->now_us = worker_clock_us();
    worker_viewers_close_all(w);
    udp_batch_flush(w->batch); /* the last chance: what does not leave now is lost */
    if (w->agents)
        worker_agents_end(w);
    return NULL;
}

/* --- life: the forwarder's thread --- */

static int watch(struct worker *w, int fd, uint32_t what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = what};
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

static int open_fds(struct worker *w)
{
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->epoll_fd < 0 || w->wake_fd < 0)
        return -errno;
    int rc = watch(w, w->wake_fd, EPOLL_MAIL);
    return rc != 0 ? rc : watch(w, w->config.udp.fd, EPOLL_UDP);
}

static int allocate(struct worker *w)
{
    const struct worker_config *c = &w->config;
    w->receiver = udp_receiver_new();
    w->batch = udp_batch_new(&w->config.udp);
    w->viewers = calloc(c->max_viewers, sizeof(*w->viewers));
    w->by_id = calloc((size_t)c->id_mask + 1, sizeof(*w->by_id));
    w->streams = calloc(FORWARDER_STREAMS_MAX, sizeof(struct worker_stream *));
    if (!w->receiver || !w->batch || !w->viewers || !w->by_id || !w->streams)
        return -ENOMEM;
    int rc = worker_tcp_create(&w->tcp, c->max_viewers);
    if (rc == 0)
        rc = worker_handshakes_init(&w->handshakes, c->max_handshakes);
    if (rc == 0)
        rc = watch(w, worker_tcp_fd(w->tcp), EPOLL_TCP);
    if (rc == 0 && c->ice)
        rc = worker_agents_create(&w->agents, w);
    if (rc == 0 && c->ice)
        rc = watch(w, worker_agents_fd(w->agents), EPOLL_AGENTS);
    if (rc == 0)
        rc = datagram_pool_init(&w->passed_on, WORKER_DATAGRAMS_WAITING_MAX);
    if (rc == 0)
        rc = heap_init(&w->deadlines, c->max_viewers);
    return rc != 0 ? rc : origins_init(&w->origins, 2 * c->max_viewers, c->max_viewers, c->seed);
}

/* All that may wait at a time, each kind with its own bound: so that post() always has room.
 *
 * A seat's viewer is added once and removed once before its last event is read, after which another
 * may sit there; that one's coming may be told before the worker has read of the first one's going
 * only if that one closed by itself: 3 per seat. The wishes for a publisher are told once until
 * they are looked at, and its seat is given back to nobody before: 1 per seat. Of the calls that
 * wait for the worker (a stream's or a source's end, a query, a sync) one is under way; and there
 * is one quit. */
static size_t mail_bound(const struct worker_config *config)
{
    size_t seats = config->max_viewers;
    size_t bound = WORKER_FRAMES_WAITING_MAX + WORKER_DATAGRAMS_WAITING_MAX +
                   WORKER_GUESTS_WAITING_MAX + WORKER_STREAMS_WAITING_MAX +
                   WORKER_WISHES_WAITING_MAX + 4 * seats + 1 + 1;
    /* Agents that wait are bounded by the seats, and each is cancelled at most once, as are those
     * that were there before. */
    if (config->ice)
        bound += WORKER_CANDIDATES_WAITING_MAX + 3 * seats;
    return bound;
}

int worker_create(struct worker **out, const struct worker_config *config)
{
    assert(config->max_viewers > 0 && config->max_viewers <= config->id_mask);
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->config = *config;
    w->epoll_fd = w->wake_fd = -1;
    size_t capacity = mail_bound(config);
    int rc = mailbox_init(&w->inbox, sizeof(struct worker_message), capacity, wake, w);
    if (rc != 0) {
        free(w);
        return rc;
    }
    rc = open_fds(w);
    if (rc == 0)
        rc = allocate(w);
    if (rc != 0) {
        w->config.udp.fd = -1; /* stays the caller's */
        worker_destroy(w);
        return rc;
    }
    *out = w;
    return 0;
}

/* Workers beyond the processors begin again at the first. If it cannot be, the kernel places it as
 * without. */
static void pin(struct worker *w)
{
    cpu_set_t allowed, one;
    if (pthread_getaffinity_np(pthread_self(), sizeof(allowed), &allowed) != 0)
        return;
    unsigned left = w->config.index % (unsigned)CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || left-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)pthread_setaffinity_np(w->thread, sizeof(one), &one);
        return;
    }
}

int worker_start(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, worker_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return -rc;
    w->started = true;
    char name[16];
    snprintf(name, sizeof(name), WORKER_NAME "%u", w->config.index & 0xff);
    (void)pthread_setname_np(w->thread, name);
    if (w->config.pin)
        pin(w);
    return 0;
}

void worker_join(struct worker *w)
{
    assert(w->started);
    pthread_join(w->thread, NULL);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    struct worker_message m;
    while (mailbox_take(&w->inbox, &m))
        dispose(&m);
    mailbox_finish(&w->inbox);
    while (w->n_viewers > 0)
        worker_viewer_free(w->viewers[--w->n_viewers]);
    worker_streams_free(w);
    worker_tcp_destroy(w->tcp);
    worker_agents_destroy(w->agents);
    datagram_pool_finish(&w->passed_on);
    worker_handshakes_finish(&w->handshakes);
    heap_finish(&w->deadlines);
    origins_finish(&w->origins);
    udp_receiver_destroy(w->receiver);
    udp_batch_destroy(w->batch);
    free(w->viewers);
    free(w->by_id);
    close_fd(w->wake_fd);
    close_fd(w->epoll_fd);
    close_fd(w->config.udp.fd);
    free(w);
}
