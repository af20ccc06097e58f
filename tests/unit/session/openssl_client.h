/* openssl_client.h - a DTLS client made of bare OpenSSL, to test what our own side cannot be made
 * to do: other SRTP profiles, no certificate, a ClientHello in pieces, one record per datagram. */
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define CLIENT_DATAGRAMS_MAX 64

struct client_config {
    const char *profiles; /* NULL: no use_srtp */
    bool no_certificate;
    unsigned mtu;        /* 0: 1200 */
    unsigned hello_size; /* makes the ClientHello at least that long */
};

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* borrowed: ssl's */
    char fingerprint[200];
    bool failed;
};

struct client_datagram {
    uint8_t data[1500];
    size_t size;
};

static int client_accept_any(X509_STORE_CTX *store, void *unused)
{
    (void)store;
    (void)unused;
    return 1;
}

static void client_make_certificate(struct client *c)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    uint8_t hash[32];
    unsigned size = sizeof(hash);
    assert_true(key && x && X509_set_version(x, 2));
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    assert_true(X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()));
    assert_true(SSL_CTX_use_certificate(c->ctx, x) && SSL_CTX_use_PrivateKey(c->ctx, key));
    assert_true(X509_digest(x, EVP_sha256(), hash, &size));
    size_t at = (size_t)snprintf(c->fingerprint, sizeof(c->fingerprint), "SHA-256 ");
    for (unsigned i = 0; i < size; i++)
        at += (size_t)snprintf(c->fingerprint + at, sizeof(c->fingerprint) - at, "%s%02x",
                               i ? ":" : "", hash[i]);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void client_init(struct client *c, const struct client_config *config)
{
    memset(c, 0, sizeof(*c));
    c->ctx = SSL_CTX_new(DTLS_client_method());
    assert_non_null(c->ctx);
    SSL_CTX_set_cert_verify_callback(c->ctx, client_accept_any, NULL);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_QUERY_MTU);
    if (config->profiles)
        assert_int_equal(SSL_CTX_set_tlsext_use_srtp(c->ctx, config->profiles), 0);
    if (!config->no_certificate)
        client_make_certificate(c);
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    assert_true(c->ssl && c->in && c->out);
    BIO_set_mem_eof_return(c->in, -1);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_mtu(c->ssl, config->mtu ? config->mtu : 1200);
    uint8_t protocols[2048];
    unsigned n = 0;
    while (n < config->hello_size) {
        protocols[n] = 100;
        memset(protocols + n + 1, 'x', 100);
        n += 101;
    }
    if (n > 0)
        assert_int_equal(SSL_set_alpn_protos(c->ssl, protocols, n), 0);
    SSL_set_connect_state(c->ssl);
}

static void client_finish(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
}

static void client_step(struct client *c)
{
    int n = SSL_is_init_finished(c->ssl) ? SSL_read(c->ssl, &(uint8_t){0}, 1)
                                         : SSL_do_handshake(c->ssl);
    if (n <= 0 && SSL_get_error(c->ssl, n) == SSL_ERROR_SSL)
        c->failed = true;
}

static void client_receive(struct client *c, const uint8_t *data, size_t size)
{
    assert_int_equal(BIO_write(c->in, data, (int)size), size);
    client_step(c);
}

/* Takes what it has to send: each record is a datagram of its own. */
static size_t client_send(struct client *c, struct client_datagram *out)
{
    uint8_t bytes[1 << 14];
    int size = BIO_read(c->out, bytes, sizeof(bytes));
    size_t n = 0;
    for (int at = 0; at < size; n++) {
        assert_true(n < CLIENT_DATAGRAMS_MAX);
        out[n].size = 13u + (unsigned)(bytes[at + 11] << 8 | bytes[at + 12]);
        assert_true(out[n].size <= sizeof(out[n].data) && at + (int)out[n].size <= size);
        memcpy(out[n].data, bytes + at, out[n].size);
        at += (int)out[n].size;
    }
    return n;
}
