#include "signaling/http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct http_tls {
    char *cert, *key; /* owned: names of files */
    SSL_CTX *pair;    /* owned: holds what was loaded, and serves nobody itself */
};

/* A key with a password would make the server ask for it on its terminal. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static int fail(char *error, size_t size, const char *what, const char *file)
{
    char reason[160];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
    snprintf(error, size, "%s %s (%s)", what, file, reason);
    ERR_clear_error();
    return -EINVAL;
}

static int check_readable(const char *file, char *error, size_t size)
{
    if (access(file, R_OK) == 0)
        return 0;
    int status = -errno;
    snprintf(error, size, "cannot read %s: %s", file, strerror(errno));
    return status;
}

static int load(SSL_CTX *pair, const struct http_tls *t, char *error, size_t size)
{
    int status = check_readable(t->cert, error, size);
    if (status == 0)
        status = check_readable(t->key, error, size);
    if (status != 0)
        return status;
    SSL_CTX_set_default_passwd_cb(pair, no_password);
    if (SSL_CTX_use_certificate_chain_file(pair, t->cert) != 1)
        return fail(error, size, "there is no certificate in PEM in", t->cert);
    if (SSL_CTX_use_PrivateKey_file(pair, t->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(pair) != 1)
        return fail(error, size, "there is no key without a password for this certificate in",
                    t->key);
    return 0;
}

int http_tls_reload(struct http_tls *t, char *error, size_t error_size)
{
    SSL_CTX *pair = SSL_CTX_new(TLS_server_method());
    if (!pair)
        return fail(error, error_size, "TLS does not start for", t->cert);
    int status = load(pair, t, error, error_size);
    if (status != 0) {
        SSL_CTX_free(pair);
        return status;
    }
    SSL_CTX_free(t->pair);
    t->pair = pair;
    return 0;
}

int http_tls_create(struct http_tls **out, const char *cert, const char *key, char *error,
                    size_t error_size)
{
    struct http_tls *t = calloc(1, sizeof(*t));
    int status = -ENOMEM;
    snprintf(error, error_size, "out of memory for TLS");
    if (t) {
        t->cert = strdup(cert);
        t->key = strdup(key);
        if (t->cert && t->key)
            status = http_tls_reload(t, error, error_size);
    }
    if (status != 0)
        http_tls_destroy(t);
    else
        *out = t;
    return status;
}

static int on_handshake(SSL *ssl, void *arg)
{
    const struct http_tls *t = arg;
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(t->pair, &chain);
    return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(t->pair),
                                SSL_CTX_get0_privatekey(t->pair), chain, 1);
}

void http_tls_use(struct http_tls *t, void *ssl_ctx)
{
    SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION);
    SSL_CTX_set_cert_cb(ssl_ctx, on_handshake, t);
}

void http_tls_destroy(struct http_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->pair);
    free(t->cert);
    free(t->key);
    free(t);
}
