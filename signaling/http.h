/* http.h - the shell around signaling: HTTP, WebSocket and WHEP on libwebsockets.
 *
 * Life: http_create binds and listens, http_service runs the loop once (signaling thread),
 * http_destroy closes every connection. Everything is on the signaling thread but http_wake.
 */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>
#include <stdint.h>

struct http;

struct http_config {
    char address[64];               /* to listen on: "127.0.0.1", "0.0.0.0", "::"; "": nowhere */
    uint16_t port;                  /* 0: any free one */
    const struct backend *backend;  /* borrowed */
    unsigned join_rate, join_burst; /* of one address, see join_limit.h; 0: the defaults */
    unsigned max_connections;       /* 0, or more than HTTP_CONNECTIONS_MAX: that many */
    unsigned max_per_address;       /* see connection_limit.h; 0: the default */
    /* Each may be NULL: plain HTTP; any site's pages (web_origins.h); no proxy's word (proxies.h).
     */
    const char *tls_cert, *tls_key; /* PEM files */
    const char *allow_origin, *trusted_proxies;
};

/* 0, or -errno with a sentence in `error` (-EADDRINUSE: the port is taken). */
int http_create(struct http **out, const struct http_config *config, char *error,
                size_t error_size);
void http_destroy(struct http *h); /* NULL is fine */
uint16_t http_port(const struct http *h);
bool http_is_secure(const struct http *h); /* HTTPS and WSS */
/* The files of the certificate have changed: new connections get it, open ones go on. When they
 * cannot be used, -errno with a sentence, and the old one stays. */
int http_reload_certificate(struct http *h, char *error, size_t error_size);
/* Whose pages may come, and whose word about addresses is taken, from the next request on; as in
 * http_config. -EINVAL with a sentence: one cannot be read, and both stay as they were. */
int http_set_policies(struct http *h, const char *allow_origin, const char *trusted_proxies,
                      char *error, size_t error_size);

/* How many connections an address may have, from the next one on. */
void http_set_max_per_address(struct http *h, unsigned most);

void http_service(struct http *h); /* waits for network input, http_wake, or at most a second */
void http_wake(struct http *h);    /* any thread */

/* From the server: a candidate of ours for a viewer whose seat had full_ice, "candidate:..."; NULL:
 * there will be no more. */
void http_on_candidate(struct http *h, uint32_t viewer_id, const char *candidate);
/* From the server: a viewer's state, and that a room's streams changed or it went away. `reason` is
 * a stable word ("ice-timeout", "consent-lost", ...). */
void http_on_viewer(struct http *h, uint32_t viewer_id, enum backend_viewer_state state,
                    const char *reason);
void http_on_room(struct http *h, const char *code);
/* From the server: what became of a source that was being opened, or what could be. Takes the list.
 */
void http_on_source_added(struct http *h, const struct backend_source_added *result);
/* From the server: what a publisher should send at most, and which layers of it somebody watches
 * (bits, bit 0 the best one). 0 bit/s: no limit is known. */
void http_on_publish_wish(struct http *h, uint32_t publisher_id, uint64_t bitrate_bps,
                          unsigned layers, const char *reason);
/* From the server: every WebSocket is told to reconnect to this URL of another one, and players to
 * come again; or, `url` NULL, sockets alone that this one ends in so many seconds at the latest. */
void http_on_drain(struct http *h, const char *url, unsigned ends_in_s);
/* From the server, to every viewer of a room: what the presenter works in, where his cursor is (in
 * percent of the picture), and that a picture has another size. */
void http_on_focus(struct http *h, const char *code, unsigned slot);
void http_on_cursor(struct http *h, const char *code, unsigned slot, double x, double y,
                    bool in_view);
void http_on_size(struct http *h, const char *code, unsigned slot, int width, int height);

struct http_counters {
    uint64_t joins, joins_refused; /* of addresses that are limited, so not of loopback */
    unsigned connections;
    uint64_t connections_refused; /* there were as many as there may be */
    uint64_t address_refused;     /* their address had as many as it may have */
};
void http_count(const struct http *h, struct http_counters *out);
