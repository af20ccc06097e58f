/* seat.h - one viewer with its sockets: joins, watches, leaves. For load_thread.c; its thread only.
 */
#pragma once

#include "tests/load/load_thread.h"

/* What epoll gives back: a seat, and which of its sockets. */
#define SEAT_EVENT(index, is_tcp) ((uint64_t)(index) << 1 | (is_tcp))

void seat_init(struct seat *s, struct load_thread *t, unsigned index, int64_t join_at_us);
void seat_finish(struct seat *s);
void seat_on_tcp(struct seat *s, uint32_t events, int64_t now_us);
void seat_on_udp(struct seat *s, int64_t now_us);
/* A datagram that was held back. */
void seat_on_delayed(struct seat *s, uint8_t *data, size_t size, int64_t now_us);
void seat_on_timer(struct seat *s, int64_t now_us);
void seat_leave(struct seat *s, int64_t now_us);
