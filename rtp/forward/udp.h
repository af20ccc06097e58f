/* udp.h - one worker's socket on the shared UDP port: datagrams in by batches, trains out by
 * batches.
 *
 * Life: udp_open (the first socket takes the port, the others join it), udp_close. The first bind
 * is exclusive, without SO_REUSEPORT, so that a port that anybody else holds is reported as taken
 * and not silently shared; sharing is allowed only afterwards, for our own sockets. The socket is
 * dual-stack where the machine has IPv6.
 *
 * A host may have many addresses, and a peer that sent to one of them expects the answer from
 * there. So each datagram that comes says which it was, as the path of its source address, and what
 * is sent to an address with such a path leaves from there. The numbers are those of a table that
 * all sockets of a port share.
 *
 * Sending: take udp_batch_room, write a train there, udp_batch_add it; at the end udp_batch_flush.
 * A train leaves as one UDP_SEGMENT send, many of them in one sendmmsg. Where the kernel or the
 * route refuses that, its segments leave as single datagrams. When the socket is full (the device
 * is slower than we are) the batch is blocked: it keeps what it holds, has no room, and goes on
 * with a udp_batch_flush once the socket is writable. What is refused for any other reason is
 * dropped and counted. Nothing waits. One thread.
 */
#pragma once

#include "rtp/forward/viewer.h"

#include <pthread.h>
#include <stdatomic.h>

#define UDP_DATAGRAM_MAX 2048 /* received; a larger one is dropped */
#define UDP_RECEIVE_BATCH 64
#define UDP_BATCH_TRAINS 64
#define UDP_TRAIN_ROOM (VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX)

/* Our addresses that somebody has sent to. */
#define UDP_LOCALS_MAX                                                                             \
    64 /* who sends to further ones is answered from whichever the kernel takes */

struct udp_locals {
    atomic_uint n;                           /* any thread: entries below it do not change */
    struct in6_addr address[UDP_LOCALS_MAX]; /* IPv4 is mapped */
    pthread_mutex_t lock;                    /* of who adds one */
};

void udp_locals_init(struct udp_locals *l);
void udp_locals_finish(struct udp_locals *l);

struct udp {
    int fd;                    /* owned; non-blocking */
    struct udp_locals *locals; /* borrowed; NULL: the kernel chooses. The opener sets it. */
    bool v6;
    bool gso; /* the kernel knows UDP_SEGMENT and it was not disabled */
};

/* `first` NULL: takes `port` for itself (0: any free one), -EADDRINUSE if anybody has it. Else
 * shares the port of `first`. */
int udp_open(struct udp *u, uint16_t port, const struct udp *first, bool disable_gso);
void udp_close(struct udp *u);
uint16_t udp_port(const struct udp *u);

struct udp_inbox {
    struct {
        struct address from;
        size_t size; /* 0: it was too large or came from nowhere, skip it */
        uint8_t *data;
    } datagram[UDP_RECEIVE_BATCH];
};

struct udp_receiver; /* the buffers of one recvmmsg */

struct udp_receiver *udp_receiver_new(void);
void udp_receiver_destroy(struct udp_receiver *r); /* NULL is fine */
/* How many came (0: none). `in` points into `r` until the next call. */
unsigned udp_receive(const struct udp *u, struct udp_receiver *r, struct udp_inbox *in);

struct udp_batch;

struct udp_counters {
    uint64_t packets_sent, bytes_sent; /* datagrams given to the kernel */
    uint64_t send_calls;
    uint64_t send_errors;  /* datagrams it did not take */
    uint64_t send_blocked; /* times the socket was full */
};

struct udp_batch *udp_batch_new(const struct udp *u); /* `u` is borrowed and outlives the batch */
void udp_batch_destroy(struct udp_batch *b);          /* NULL is fine */
/* UDP_TRAIN_ROOM bytes for one train; valid until the next call. May flush. NULL: blocked. */
uint8_t *udp_batch_room(struct udp_batch *b);
/* The train stands at udp_batch_room. */
void udp_batch_add(struct udp_batch *b, const struct viewer_train *train);
void udp_batch_flush(struct udp_batch *b);
bool udp_batch_blocked(const struct udp_batch *b);
unsigned udp_batch_count(const struct udp_batch *b); /* trains that wait */
bool udp_batch_gso(const struct udp_batch *b);       /* are trains sent whole now? */
const struct udp_counters *udp_batch_counters(const struct udp_batch *b);
