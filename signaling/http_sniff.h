/* http_sniff.h - tells ICE over TCP from HTTP, which share one port, by a connection's first bytes.
 *
 * A connection that begins with a STUN message in a frame (RFC 4571, RFC 6544) is media's; all else
 * is HTTP's, TLS too. The bytes are only looked at: whoever gets the connection reads them. One
 * that says nothing waits here, at most HTTP_SNIFF_WAIT_US, without holding up any other; of more
 * than HTTP_SNIFF_MAX that wait the oldest is taken for HTTP.
 *
 * Life: http_sniff_create, http_sniff_take each accepted connection, http_sniff_tick about once a
 * second, http_sniff_destroy closes those that still wait. Signaling thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_SNIFF_MAX 1024
#define HTTP_SNIFF_WAIT_US (10 * INT64_C(1000000))
#define HTTP_SNIFF_BYTES 10 /* length, STUN type, STUN length, magic cookie */

struct ev_loop;
struct http_sniff;

struct http_sniff_config {
    struct ev_loop *loop; /* borrowed */
    void *arg;
    /* Each takes over a non-blocking descriptor. */
    void (*http)(void *arg, int fd);
    void (*stun)(void *arg, int fd); /* NULL: everything is HTTP, and nothing waits unless: */
    bool waits;                      /* for the first bytes, in any case */
};

int http_sniff_create(struct http_sniff **out, const struct http_sniff_config *config);
void http_sniff_destroy(struct http_sniff *s);                      /* NULL is fine */
void http_sniff_take(struct http_sniff *s, int fd, int64_t now_us); /* takes ownership */
void http_sniff_tick(struct http_sniff *s, int64_t now_us);
unsigned http_sniff_waiting(const struct http_sniff *s);

enum http_sniff_first { HTTP_SNIFF_MORE = 1, HTTP_SNIFF_HTTP, HTTP_SNIFF_STUN };

/* What the first `size` bytes of a connection say; of HTTP_SNIFF_BYTES it is never MORE. */
enum http_sniff_first http_sniff_first(const uint8_t *data, size_t size);
