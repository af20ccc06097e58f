/* worker_tcp.h - a worker's TCP connections: ICE over TCP (RFC 6544).
 *
 *     pending ──first check names a viewer──▶ a viewer's ──authentic check──▶ checked ──▶ closed
 *         └──▶ once to the worker whose viewer it is
 *
 * A connection belongs to the viewer that its first STUN check names, as a path to it
 * (address.path); what it carries is then judged by the viewer as any datagram is. It ends with the
 * viewer, with its peer, after WORKER_TCP_PENDING_US without an authentic check, or after
 * WORKER_TCP_SILENT_US since the last one.
 *
 * A path that is full or gone is stalled: its viewer makes no media meanwhile (viewer.h). The
 * descriptors are in an epoll set of their own, which is one descriptor for the worker's loop.
 * Threads: tcp_guest_new by any; the rest is the worker's.
 */
#pragma once

#include "rtp/forward/tcp.h"

#define WORKER_TCP_PENDING_MAX 1024 /* without an authentic check */
#define WORKER_TCP_PER_VIEWER 8     /* one has a pair per address of its own and of ours */
#define WORKER_TCP_PENDING_US 10000000
#define WORKER_TCP_SILENT_US 60000000 /* browsers check a pair in reserve every 25 s */

struct worker;
struct worker_viewer;
struct worker_tcp;
struct tcp_guest;

/* A connection between two workers; -errno: `fd` is still the caller's. */
int tcp_guest_new(struct tcp_guest **out, int fd);
void tcp_guest_free(struct tcp_guest *g); /* closes it */

struct worker_tcp_counters {
    uint32_t connections;
    uint64_t packets_sent, bytes_sent; /* datagrams that left or wait */
    uint64_t send_errors;              /* datagrams that found no room or no connection */
    uint64_t refused;                  /* connections over a bound */
};

int worker_tcp_create(struct worker_tcp **out, uint32_t max_viewers);
void worker_tcp_destroy(struct worker_tcp *t);       /* NULL is fine */
int worker_tcp_fd(const struct worker_tcp *t);       /* readable: worker_tcp_run */
bool worker_tcp_is_used(const struct worker_tcp *t); /* worker_tcp_tick is wanted */
struct worker_tcp_counters worker_tcp_counters(const struct worker_tcp *t);

void worker_tcp_take(struct worker *w, struct tcp_guest *g /* takes ownership */);
void worker_tcp_run(struct worker *w);
void worker_tcp_tick(struct worker *w); /* once a second */
void worker_tcp_send(struct worker *w, const uint8_t *data, const struct viewer_train *train);
bool worker_tcp_is_stalled(const struct worker *w, const struct address *to); /* of TCP */
/* A viewer has closed: its connections do too. */
void worker_tcp_leave(struct worker *w, struct worker_viewer *wv);
