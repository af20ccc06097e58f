/* inbox.h - datagrams out of a socket by batches: one recvmmsg, and with UDP_GRO the trains of a
 * sender whole, cut again here. Life: inbox_new, inbox_receive, inbox_next until it is false,
 * inbox_destroy. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inbox;

struct inbox *inbox_new(bool gro); /* NULL: out of memory */
void inbox_destroy(struct inbox *in);
void inbox_receive(struct inbox *in, int fd);
/* The next datagram of what was received; it may be written to. */
bool inbox_next(struct inbox *in, uint8_t **data, size_t *size);
