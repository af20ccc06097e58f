#include "tests/bench/bench_receivers.h"

#include <netinet/udp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { EVENTS = 256, BATCH = 8, READ_BYTES = 65536, ROOM_BYTES = 1 << 20 };

struct bench_receivers {
    int epoll_fd; /* owned */
    pthread_t thread;
    atomic_bool stop;
    _Atomic uint64_t bytes;
};

static void read_all(struct bench_receivers *r, int fd)
{
    static uint8_t bytes[BATCH][READ_BYTES]; /* what is in them does not matter */
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    int n;
    do {
        for (int i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){bytes[i], READ_BYTES};
            msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
        }
        n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++)
            atomic_fetch_add_explicit(&r->bytes, msgs[i].msg_len, memory_order_relaxed);
    } while (n == BATCH);
}

static void *receive(void *arg)
{
    struct bench_receivers *r = arg;
    struct epoll_event events[EVENTS];
    while (!atomic_load(&r->stop)) {
        int n = epoll_wait(r->epoll_fd, events, EVENTS, 20);
        for (int i = 0; i < n; i++)
            read_all(r, events[i].data.fd);
    }
    return NULL;
}

struct bench_receivers *bench_receivers_new(struct bench_stage *s)
{
    struct bench_receivers *r = calloc(1, sizeof(*r));
    int on = 1, room = ROOM_BYTES;
    if (!r || (r->epoll_fd = epoll_create1(0)) < 0)
        bench_fail("no receivers");
    for (int i = 0; i < s->n_viewers; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = s->clients[i].fd};
        if (setsockopt(s->clients[i].fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) != 0 ||
            setsockopt(s->clients[i].fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0 ||
            epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, s->clients[i].fd, &e) != 0)
            bench_fail("no receiver");
    }
    if (pthread_create(&r->thread, NULL, receive, r) != 0)
        bench_fail("no receivers");
    return r;
}

uint64_t bench_receivers_bytes(struct bench_receivers *r)
{
    return atomic_load_explicit(&r->bytes, memory_order_relaxed);
}

void bench_receivers_free(struct bench_receivers *r)
{
    atomic_store(&r->stop, true);
    pthread_join(r->thread, NULL);
    close(r->epoll_fd);
    free(r);
}
