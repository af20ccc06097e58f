/* tcp.h - one TCP connection that carries a viewer's datagrams, framed by RFC 4571.
 *
 * Life: tcp_open takes the descriptor over, tcp_close gives it back. Reading: tcp_receive, then the
 * frames out of `in`. Writing: a train leaves in one send; what the kernel does not take waits
 * here, at most TCP_OUT_MAX bytes, until tcp_flush. TCP loses nothing, so whoever makes trains
 * should make no more while tcp_is_full: the kernel takes about TCP_UNSENT bytes more than the
 * network does, which bounds how late they are. Nothing waits. One thread.
 */
#pragma once

#include "rtp/forward/viewer.h"
#include "rtp/session/framing.h"

#define TCP_OUT_MAX (256u << 10)
#define TCP_UNSENT (64 << 10)

struct tcp {
    int fd; /* owned; non-blocking */
    struct address from;
    struct framing in;
    uint8_t *out; /* owned; NULL: nothing waits */
    uint32_t out_begin, out_end, out_room;
};

/* 0, or -errno: then `fd` is still the caller's. */
int tcp_open(struct tcp *t, int fd);
void tcp_close(struct tcp *t);

/* How many bytes came into t->in; -EAGAIN: none now; other: it is over. */
int tcp_receive(struct tcp *t);

/* 0: it left, or its rest waits; -ENOSPC: too much waits already, and it is dropped whole; other:
 * it is over, or out of memory. */
int tcp_send(struct tcp *t, const uint8_t *data, const struct viewer_train *train);
int tcp_flush(struct tcp *t); /* 0: nothing waits now; -EAGAIN: something does; other: it is over */
bool tcp_is_full(const struct tcp *t);
