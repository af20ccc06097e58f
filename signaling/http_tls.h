/* http_tls.h - the certificate of HTTPS and WSS, which may change while connections are open.
 *
 * Every handshake takes the pair that was loaded last; connections keep the one they began with.
 * TLS 1.2 and 1.3.
 *
 * Life: http_tls_create, http_tls_use for the library's SSL_CTX, http_tls_reload when the files
 * have changed, http_tls_destroy after that context. Signaling thread only.
 */
#pragma once

#include <stddef.h>

struct http_tls;

/* PEM files: the certificate with its chain, and its key, which has no password. 0; -ENOENT,
 * -EACCES, -EINVAL with a sentence. */
int http_tls_create(struct http_tls **out, const char *cert, const char *key, char *error,
                    size_t error_size);
/* The same files again. When it fails the old pair stays. */
int http_tls_reload(struct http_tls *t, char *error, size_t error_size);
void http_tls_use(struct http_tls *t, void *ssl_ctx);
void http_tls_destroy(struct http_tls *t); /* NULL is fine */
