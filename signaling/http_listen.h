/* http_listen.h - the listening socket, opened by us so that a taken port is told as what it is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A non-blocking listening socket, or -errno with a sentence in `error`. `address` is numeric. */
int http_listen_open(const char *address, uint16_t port, char *error, size_t error_size);
/* The port it is bound to. */
uint16_t http_listen_port(int fd);
/* The next connection, non-blocking; -EAGAIN: none; -EMFILE and such: no descriptor for it. */
int http_listen_accept(int fd);
