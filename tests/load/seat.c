#include "tests/load/seat.h"

#include "rtp/session/dtls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { RECEIVE_BUFFER = 4 << 20, LEAVE_US = 10000000, SEND_ROOM = 2048, TCP_ROOM = 16384 };

static const struct load_options *options_of(const struct seat *s)
{
    return s->thread->setup->options;
}

static void count(struct seat *s, enum load_counter which, uint64_t n)
{
    load_count(&s->thread->counters, which, n);
}

void seat_init(struct seat *s, struct load_thread *t, unsigned index, int64_t join_at_us)
{
    *s = (struct seat){.thread = t,
                       .index = index,
                       .stage = SEAT_IDLE,
                       .join_at_us = join_at_us,
                       .started_us = -1,
                       .agreed_us = -1,
                       .deadline_us = INT64_MAX,
                       .retry_us = INT64_MAX,
                       .tcp = -1,
                       .udp = -1};
    heap_set(&t->timers, &s->timer, join_at_us);
}

static void close_socket(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* which takes it out of the epoll */
    *fd = -1;
}

void seat_finish(struct seat *s)
{
    close_socket(&s->tcp);
    close_socket(&s->udp);
    joiner_finish(&s->joiner);
    watcher_finish(&s->watcher);
}

/* --- figures --- */

static void watcher_totals(const struct watcher *w, struct load_totals *t)
{
    t->v[LOAD_PACKETS] = w->packets;
    t->v[LOAD_BYTES] = w->bytes;
    t->v[LOAD_MISSING] = w->tally.missing;
    t->v[LOAD_REORDERED] = w->tally.reordered;
    t->v[LOAD_REPAIRED] = w->tally.repaired;
    t->v[LOAD_FILLED] = w->tally.filled;
    t->v[LOAD_DUPLICATES] = w->tally.duplicates;
    t->v[LOAD_RTX] = w->rtx_packets;
    t->v[LOAD_NOT_AUTHENTIC] = w->not_authentic;
    t->v[LOAD_NACKS] = w->nacks_sent;
    t->v[LOAD_PLIS] = w->plis_sent;
    t->v[LOAD_FEEDBACKS] = w->feedbacks_sent;
    if (!w->config.follow || !w->frames)
        return;
    t->v[LOAD_FRAMES] = w->frames->frames;
    t->v[LOAD_KEYFRAMES] = w->frames->keyframes;
    t->v[LOAD_BROKEN] = w->frames->broken;
    t->v[LOAD_FREEZES] = w->frames->freeze.freezes;
    t->v[LOAD_SKIPPED] = w->frames->freeze.skipped;
}

/* What the watcher has counted since the last time goes to the thread's counters. */
static void publish(struct seat *s)
{
    struct load_totals now = {0};
    watcher_totals(&s->watcher, &now);
    for (int i = LOAD_PACKETS; i <= LOAD_SKIPPED; i++) {
        if (now.v[i] != s->counted.v[i])
            count(s, (enum load_counter)i, now.v[i] - s->counted.v[i]);
    }
    s->counted = now;
}

static void read_drops(struct seat *s)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t size = sizeof(info);
    if (s->udp >= 0 && !s->filtered && getsockopt(s->udp, SOL_SOCKET, SO_MEMINFO, info, &size) == 0)
        count(s, LOAD_SOCKET_DROPS, info[SK_MEMINFO_DROPS]);
}

/* --- ends --- */

static void go(struct seat *s)
{
    assert(s->stage == SEAT_LEAVING);
    close_socket(&s->tcp);
    close_socket(&s->udp);
    joiner_finish(&s->joiner);
    s->stage = SEAT_GONE;
    s->thread->n_leaving--;
    s->thread->n_gone++;
    count(s, LOAD_GONE, 1);
    heap_remove(&s->thread->timers, &s->timer);
}

__attribute__((format(printf, 2, 3))) static void note_failure(struct seat *s, const char *format,
                                                               ...)
{
    if (s->failure[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(s->failure, sizeof(s->failure), format, args);
    va_end(args);
    count(s, LOAD_FAILED, 1);
    if (!s->ready)
        count(s, LOAD_SETTLED, 1);
}

static void fail(struct seat *s, const char *why, int64_t now_us)
{
    note_failure(s, "%s", why);
    if (s->stage != SEAT_LEAVING)
        seat_leave(s, now_us);
    else
        go(s);
}

/* --- TCP --- */

static void watch_tcp(struct seat *s, int operation, bool writable)
{
    struct epoll_event e = {.events = EPOLLIN | (writable ? EPOLLOUT : 0),
                            .data.u64 = SEAT_EVENT(s->index, 1)};
    s->tcp_writable_wanted = writable;
    epoll_ctl(s->thread->epoll, operation, s->tcp, &e);
}

static bool open_tcp(struct seat *s)
{
    const struct address *to = &options_of(s)->server;
    close_socket(&s->tcp);
    s->tcp = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->tcp < 0 || (connect(s->tcp, &to->sa, address_size(to)) != 0 && errno != EINPROGRESS)) {
        note_failure(s, "TCP: %s", strerror(errno));
        return false;
    }
    int on = 1; /* as browsers do */
    (void)setsockopt(s->tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch_tcp(s, EPOLL_CTL_ADD, true);
    return true;
}

static void send_tcp(struct seat *s)
{
    size_t size;
    const char *out = joiner_output(&s->joiner, &size);
    while (size > 0) {
        ssize_t n = send(s->tcp, out, size, MSG_NOSIGNAL);
        if (n < 0)
            break; /* full, or reading will tell what is wrong */
        joiner_on_sent(&s->joiner, (size_t)n);
        out = joiner_output(&s->joiner, &size);
    }
    if (s->tcp_writable_wanted != (size > 0))
        watch_tcp(s, EPOLL_CTL_MOD, size > 0);
}

static void read_tcp(struct seat *s)
{
    char data[TCP_ROOM];
    ssize_t n = 1;
    while (n > 0 && !s->joiner.done_with_connection) {
        n = recv(s->tcp, data, sizeof(data), 0);
        if (n > 0)
            joiner_on_bytes(&s->joiner, data, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            joiner_on_close(&s->joiner);
    }
}

/* --- UDP --- */

/* For as long as the filter stands, what is RTP and no RTCP (RFC 5761 4) ends at the socket. */
static void drop_media(struct seat *s)
{
    enum { PAYLOAD = 8 }; /* a UDP socket's filter sees the UDP header */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, PAYLOAD),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 128, 0, 5),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 192, 4, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, PAYLOAD + 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 192, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 224, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT16_MAX),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    read_drops(s);
    if (setsockopt(s->udp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        s->filtered = true;
    else
        note_failure(s, "no socket filter: %s", strerror(errno));
}

static bool is_loopback(const struct address *a)
{
    if (a->sa.sa_family == AF_INET)
        return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

static bool choose_candidate(const struct seat *s, struct address *out)
{
    const struct load_options *o = options_of(s);
    const struct sdp_scan *remote = &s->joiner.remote;
    unsigned i = 0;
    while (i < remote->n_candidates && !o->allow_remote && !is_loopback(&remote->candidates[i]))
        i++;
    if (i == remote->n_candidates)
        return false;
    *out = remote->candidates[i];
    if (o->media_port > 0) /* the same place for IPv4 and IPv6 */
        out->in.sin_port = htons((uint16_t)o->media_port);
    return true;
}

static bool open_udp(struct seat *s, const struct address *to)
{
    int room = RECEIVE_BUFFER, on = 1;
    s->udp = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->udp < 0 || connect(s->udp, &to->sa, address_size(to)) != 0) {
        note_failure(s, "UDP: %s", strerror(errno));
        return false;
    }
    if (setsockopt(s->udp, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0)
        (void)setsockopt(s->udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)); /* what is allowed */
    if (!options_of(s)->no_gro && setsockopt(s->udp, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0) {
        note_failure(s, "UDP_GRO: %s", strerror(errno));
        return false;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = SEAT_EVENT(s->index, 0)};
    epoll_ctl(s->thread->epoll, EPOLL_CTL_ADD, s->udp, &e);
    return true;
}

/* Exactly `sample` of the viewers, evenly. */
static bool is_in_sample(const struct seat *s)
{
    const struct load_options *o = options_of(s);
    uint64_t n = o->sample, i = s->index;
    return (i + 1) * n / o->viewers != i * n / o->viewers;
}

static void send_udp(struct seat *s, int64_t now_us)
{
    uint8_t out[SEND_ROOM];
    size_t size;
    while ((size = watcher_next_datagram(&s->watcher, out, sizeof(out), now_us)) > 0) {
        if (send(s->udp, out, size, 0) < 0)
            count(s, LOAD_SEND_ERRORS, 1);
    }
}

static void start_media(struct seat *s, int64_t now_us)
{
    const struct load_options *o = options_of(s);
    struct address to;
    s->agreed_us = now_us;
    if (!choose_candidate(s, &to)) {
        fail(s, "the server announces no loopback address; --allow-remote, if it is yours", now_us);
        return;
    }
    s->stage = SEAT_MEDIA;
    if (!open_udp(s, &to)) {
        seat_leave(s, now_us);
        return;
    }
    struct watcher_config config = {
        .remote = &s->joiner.remote,
        .ufrag = s->joiner.ufrag,
        .pwd = s->joiner.config->pwd,
        .server = to,
        .dtls = s->thread->setup->dtls,
        .follow = is_in_sample(s),
        .keep_dtls = o->signaling == JOINER_WS,
        .feedback_us = o->feedback_us,
        .seed = (uint64_t)now_us << 20 ^ s->index,
    };
    impair_init(&s->impair, &o->impair, o->seed * UINT64_C(1000003) + s->index);
    if (watcher_init(&s->watcher, &config, now_us) != 0) {
        fail(s, "the server's fingerprint cannot be used", now_us);
        return;
    }
    s->has_watcher = true;
}

/* --- one place where everything that happened has its consequences --- */

static void follow_watcher(struct seat *s, int64_t now_us)
{
    struct watcher *w = &s->watcher;
    if (!s->connected && w->connected_us >= 0) {
        s->connected = true;
        count(s, LOAD_CONNECTED, 1);
    }
    if (!s->ready && w->first_keyframe_us >= 0) {
        s->ready = true;
        s->deadline_us = INT64_MAX;
        count(s, LOAD_READY, 1);
        if (s->failure[0] == '\0')
            count(s, LOAD_SETTLED, 1);
        if (options_of(s)->drop && !w->config.follow)
            drop_media(s);
    }
    publish(s);
    if (w->state == WATCHER_ENDED && s->stage == SEAT_MEDIA) {
        count(s, LOAD_ENDED, 1);
        fail(s, "ended by the server", now_us);
    } else if (w->state == WATCHER_FAILED && s->stage == SEAT_MEDIA) {
        fail(s, w->failure, now_us);
    }
}

static void follow_joiner(struct seat *s, int64_t now_us)
{
    struct joiner *j = &s->joiner;
    if (j->done_with_connection)
        close_socket(&s->tcp);
    if (s->stage == SEAT_JOINING && j->state == JOINER_AGREED) {
        start_media(s, now_us);
    } else if (s->stage == SEAT_JOINING && j->state == JOINER_RETRY && s->retry_us == INT64_MAX) {
        s->retry_us = now_us + (int64_t)j->retry_after_s * 1000000;
        count(s, LOAD_RETRIES, 1);
    } else if (s->stage == SEAT_JOINING && j->state == JOINER_FAILED) {
        fail(s, j->error, now_us);
    } else if (s->stage == SEAT_LEAVING && j->state == JOINER_FAILED) {
        fail(s, j->error, now_us);
    } else if (s->stage == SEAT_LEAVING && j->state == JOINER_LEFT) {
        go(s);
    }
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void settle(struct seat *s, int64_t now_us)
{
    if (s->stage != SEAT_GONE)
        follow_joiner(s, now_us);
    if (s->stage == SEAT_MEDIA) {
        send_udp(s, now_us);
        follow_watcher(s, now_us);
    }
    if (s->tcp >= 0)
        send_tcp(s);
    if (s->stage == SEAT_GONE)
        return;
    int64_t next = min_of(s->deadline_us, s->retry_us);
    if (s->stage == SEAT_MEDIA)
        next = min_of(next, watcher_next_timeout(&s->watcher, now_us));
    if (next != s->timer.at_us || s->timer.place == 0)
        heap_set(&s->thread->timers, &s->timer, next);
}

void seat_on_tcp(struct seat *s, uint32_t events, int64_t now_us)
{
    if (s->tcp < 0)
        return; /* closed earlier in this batch of events */
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        read_tcp(s);
    settle(s, now_us);
}

static void receive_one(struct seat *s, uint8_t *data, size_t size, int64_t now_us)
{
    int64_t at_us = now_us;
    if (!impair_is_idle(&s->impair.config))
        at_us = impair_admit(&s->impair, size, now_us);
    if (at_us == now_us)
        watcher_on_datagram(&s->watcher, data, size, now_us);
    else if (at_us == IMPAIR_LOST || !delay_line_put(&s->thread->delays, s, data, size, at_us))
        count(s, LOAD_IMPAIRED, 1);
}

void seat_on_udp(struct seat *s, int64_t now_us)
{
    struct inbox *in = s->thread->inbox;
    uint8_t *data;
    size_t size;
    if (s->udp < 0)
        return;
    inbox_receive(in, s->udp);
    while (s->stage == SEAT_MEDIA && inbox_next(in, &data, &size))
        receive_one(s, data, size, now_us);
    settle(s, now_us);
}

void seat_on_delayed(struct seat *s, uint8_t *data, size_t size, int64_t now_us)
{
    if (s->stage != SEAT_MEDIA)
        return;
    watcher_on_datagram(&s->watcher, data, size, now_us);
    settle(s, now_us);
}

static void ask(struct seat *s, int64_t now_us)
{
    s->retry_us = INT64_MAX;
    s->stage = SEAT_JOINING;
    joiner_ask(&s->joiner);
    if (!open_tcp(s))
        seat_leave(s, now_us);
}

static void start(struct seat *s, int64_t now_us)
{
    char ufrag[16];
    snprintf(ufrag, sizeof(ufrag), "load%06u", s->index);
    joiner_init(&s->joiner, s->thread->setup->joiner, ufrag, (uint32_t)now_us);
    s->started_us = now_us;
    s->deadline_us = now_us + options_of(s)->join_timeout_us;
    count(s, LOAD_STARTED, 1);
    ask(s, now_us);
}

static const char *what_took_too_long(const struct seat *s)
{
    if (s->stage == SEAT_LEAVING)
        return "leaving took too long";
    if (s->stage == SEAT_JOINING)
        return s->joiner.state == JOINER_RETRY ? s->joiner.error : "no answer in time";
    switch (s->watcher.state) {
    case WATCHER_ICE:
        return "ICE took too long";
    case WATCHER_DTLS:
        return "DTLS took too long";
    default:
        return s->watcher.first_packet_us < 0 ? "no media in time" : "no whole keyframe in time";
    }
}

void seat_on_timer(struct seat *s, int64_t now_us)
{
    if (s->stage == SEAT_IDLE)
        start(s, now_us);
    else if (now_us >= s->deadline_us)
        fail(s, what_took_too_long(s), now_us);
    else if (now_us >= s->retry_us)
        ask(s, now_us);
    else if (s->stage == SEAT_MEDIA)
        watcher_on_timeout(&s->watcher, now_us);
    settle(s, now_us);
}

void seat_leave(struct seat *s, int64_t now_us)
{
    if (s->stage == SEAT_LEAVING || s->stage == SEAT_GONE)
        return;
    bool idle = s->stage == SEAT_IDLE;
    s->stage = SEAT_LEAVING;
    s->thread->n_leaving++;
    s->deadline_us = now_us + LEAVE_US;
    s->retry_us = INT64_MAX;
    if (s->has_watcher) {
        watcher_leave(&s->watcher, now_us);
        send_udp(s, now_us);
        publish(s);
        read_drops(s);
        epoll_ctl(s->thread->epoll, EPOLL_CTL_DEL, s->udp, NULL);
        if (s->watcher.frames)
            s->longest_freeze_us = s->watcher.frames->freeze.longest_us;
    }
    if (idle || !joiner_leave(&s->joiner)) {
        go(s);
        return;
    }
    if (!open_tcp(s))
        go(s);
    else
        heap_set(&s->thread->timers, &s->timer, s->deadline_us);
}
