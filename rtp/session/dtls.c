#include "rtp/session/dtls.h"
#include "rtp/session/dtls_alert.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#define CERTIFICATE_DAYS 365
#define PEER_CERTIFICATES_MAX 16384 /* bytes of handshake message we put together */
/* RFC 6347 4.2.4.1 starts at 1 s; a join should not wait that long for one lost datagram. */
#define TIMER_FIRST_US 100000
#define TIMER_MAX_US 2000000
#define FAILURE_TEXT_MAX 96
#define GOODBYE_MAX 64 /* close_notify is a record of 39 bytes */

struct dtls_context {
    SSL_CTX *ssl_ctx;        /* owned */
    BIO_METHOD *bio_method;  /* owned */
    uint8_t fingerprint[32]; /* sha-256 */
};

struct datagram {
    uint8_t *data; /* owned */
    size_t size;
};

struct dtls {
    struct dtls_context *ctx; /* borrowed */
    SSL *ssl;                 /* owned; NULL before the first flight and after dtls_release */
    enum dtls_state state;
    enum dtls_role role;

    /* immutable after create */
    struct dtls_fingerprint expected[DTLS_FINGERPRINTS_MAX];
    unsigned n_expected;

    bool fingerprint_matched;
    struct seal_keys keys;

    /* the datagram being read */
    const uint8_t *in; /* borrowed during dtls_on_datagram */
    size_t in_size;

    /* datagrams to send: a ring */
    struct datagram queue[DTLS_QUEUE_MAX];
    unsigned queue_first, queue_count;
    uint64_t dropped;

    /* after dtls_release */
    bool released;
    struct dtls_alert alert;
    bool keep_goodbye; /* what OpenSSL writes now is close_notify, kept for later */
    uint8_t goodbye[GOODBYE_MAX];
    size_t goodbye_size;

    char failure[FAILURE_TEXT_MAX];
};

/* ---- the datagrams under OpenSSL: a BIO that keeps their boundaries ---- */

static void drop_oldest(struct dtls *d)
{
    free(d->queue[d->queue_first].data);
    d->queue[d->queue_first] = (struct datagram){0};
    d->queue_first = (d->queue_first + 1) % DTLS_QUEUE_MAX;
    d->queue_count--;
}

static void queue_datagram(struct dtls *d, const void *data, size_t size)
{
    uint8_t *copy = size <= DTLS_MTU ? malloc(size) : NULL;
    if (!copy) {
        d->dropped++; /* as if lost on the way: the handshake repeats it */
        return;
    }
    memcpy(copy, data, size);
    if (d->queue_count == DTLS_QUEUE_MAX) {
        drop_oldest(d);
        d->dropped++;
    }
    d->queue[(d->queue_first + d->queue_count++) % DTLS_QUEUE_MAX] =
        (struct datagram){.data = copy, .size = size};
}

static int bio_write(BIO *bio, const char *data, int size)
{
    struct dtls *d = BIO_get_data(bio);
    if (size <= 0)
        return size;
    if (!d->keep_goodbye) {
        queue_datagram(d, data, (size_t)size);
    } else if (size <= GOODBYE_MAX) {
        memcpy(d->goodbye, data, (size_t)size);
        d->goodbye_size = (size_t)size;
    }
    return size;
}

static int bio_read(BIO *bio, char *out, int room)
{
    struct dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!d->in || room <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    /* what does not fit is cut off, as by recv; OpenSSL's buffer holds the largest record */
    size_t n = d->in_size < (size_t)room ? d->in_size : (size_t)room;
    memcpy(out, d->in, n);
    d->in = NULL;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    /* Nothing to flush, no timers, and the MTU is fixed (SSL_OP_NO_QUERY_MTU). */
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* ---- the process's certificate and settings ---- */

static unsigned on_timer(SSL *ssl, unsigned timer_us)
{
    (void)ssl;
    if (timer_us == 0)
        return TIMER_FIRST_US;
    return timer_us * 2 < TIMER_MAX_US ? timer_us * 2 : TIMER_MAX_US;
}

static const EVP_MD *hash_by_size(unsigned size)
{
    switch (size) {
    case 32:
        return EVP_sha256();
    case 48:
        return EVP_sha384();
    case 64:
        return EVP_sha512();
    default:
        return NULL;
    }
}

static bool matches(const struct dtls_fingerprint *expected, const X509 *certificate)
{
    const EVP_MD *md = hash_by_size(expected->hash_size);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    return md && X509_digest(certificate, md, hash, &size) && size == expected->hash_size &&
           CRYPTO_memcmp(hash, expected->hash, size) == 0;
}

/* RFC 5763 5: certificates are self-signed, what counts is the fingerprint from the signaling. Done
 * here, in place of the chain, so that a wrong one is answered with an alert and ends the
 * handshake. */
static int on_certificate(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtls *d = SSL_get_app_data(ssl);
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    bool matched = false;
    for (unsigned i = 0; i < d->n_expected; i++)
        matched |= matches(&d->expected[i], certificate);
    d->fingerprint_matched = matched;
    if (!matched) {
        snprintf(d->failure, sizeof(d->failure), "the certificate does not match its fingerprint");
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    }
    return matched;
}

static X509 *sign_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    uint8_t serial[8];
    if (!x)
        return NULL;
    X509_NAME *name = X509_get_subject_name(x);
    if (RAND_bytes(serial, sizeof(serial)) != 1)
        goto fail;
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    bool numbered = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    if (!numbered || !X509_set_version(x, X509_VERSION_3) ||
        !X509_gmtime_adj(X509_getm_notBefore(x), -24 * 3600) ||
        !X509_gmtime_adj(X509_getm_notAfter(x), CERTIFICATE_DAYS * 24L * 3600) ||
        !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"amphi", -1, -1,
                                    0) ||
        !X509_set_issuer_name(x, name) || !X509_set_pubkey(x, key) ||
        !X509_sign(x, key, EVP_sha256()))
        goto fail;
    return x;
fail:
    X509_free(x);
    return NULL;
}

static int set_certificate(struct dtls_context *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? sign_certificate(key) : NULL;
    unsigned size = sizeof(ctx->fingerprint);
    bool done = certificate && SSL_CTX_use_certificate(ctx->ssl_ctx, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(ctx->ssl_ctx, key) == 1 &&
                X509_digest(certificate, EVP_sha256(), ctx->fingerprint, &size) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return done ? 0 : -EIO;
}

static int set_options(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(c, PEER_CERTIFICATES_MAX);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(c, on_certificate, NULL);
    if (!SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384") ||
        !SSL_CTX_set1_groups_list(c, "X25519:P-256"))
        return -EIO;
    /* 0 is success here. The server takes its own first that the client offers too. */
    if (SSL_CTX_set_tlsext_use_srtp(c, "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:"
                                       "SRTP_AES128_CM_SHA1_80") != 0)
        return -EIO;
    return 0;
}

static BIO_METHOD *create_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
    if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) &&
        BIO_meth_set_ctrl(m, bio_ctrl) && BIO_meth_set_create(m, bio_create))
        return m;
    BIO_meth_free(m);
    return NULL;
}

int dtls_context_create(struct dtls_context **out)
{
    struct dtls_context *ctx = calloc(1, sizeof(*ctx));
    if (!ctx)
        return -ENOMEM;
    int error = -ENOMEM;
    ctx->bio_method = create_bio_method();
    ctx->ssl_ctx = SSL_CTX_new(DTLS_method());
    if (ctx->bio_method && ctx->ssl_ctx)
        error = set_options(ctx->ssl_ctx);
    if (error == 0)
        error = set_certificate(ctx);
    ERR_clear_error();
    if (error != 0) {
        dtls_context_destroy(ctx);
        return error;
    }
    *out = ctx;
    return 0;
}

void dtls_context_destroy(struct dtls_context *ctx)
{
    if (!ctx)
        return;
    SSL_CTX_free(ctx->ssl_ctx);
    BIO_meth_free(ctx->bio_method);
    free(ctx);
}

void dtls_context_fingerprint(const struct dtls_context *ctx, char out[DTLS_FINGERPRINT_TEXT_MAX])
{
    int at = snprintf(out, DTLS_FINGERPRINT_TEXT_MAX, "sha-256 ");
    for (size_t i = 0; i < sizeof(ctx->fingerprint); i++)
        at += snprintf(out + at, (size_t)(DTLS_FINGERPRINT_TEXT_MAX - at), "%s%02X", i ? ":" : "",
                       ctx->fingerprint[i]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool dtls_fingerprint_parse(struct dtls_fingerprint *out, const char *text)
{
    /* RFC 8122 5; hash names are case-insensitive, sha-1 and the MD family are too weak */
    static const struct {
        const char *name;
        uint8_t size;
    } hashes[] = {{"sha-256 ", 32}, {"sha-384 ", 48}, {"sha-512 ", 64}};
    struct dtls_fingerprint f = {0};
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]) && f.hash_size == 0; i++) {
        if (strncasecmp(text, hashes[i].name, strlen(hashes[i].name)) == 0) {
            f.hash_size = hashes[i].size;
            text += strlen(hashes[i].name);
        }
    }
    if (f.hash_size == 0)
        return false;
    for (unsigned i = 0; i < f.hash_size; i++) {
        if (i > 0 && *text++ != ':')
            return false;
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return false;
        f.hash[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    if (*text != '\0')
        return false;
    *out = f;
    return true;
}

/* ---- one session ---- */

int dtls_create(struct dtls **out, struct dtls_context *ctx, enum dtls_role role,
                const struct dtls_fingerprint *expected, unsigned n_expected)
{
    if (n_expected == 0 || n_expected > DTLS_FINGERPRINTS_MAX)
        return -EINVAL;
    struct dtls *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->ctx = ctx;
    d->state = DTLS_HANDSHAKE;
    d->role = role;
    d->n_expected = n_expected;
    memcpy(d->expected, expected, n_expected * sizeof(*expected));
    *out = d;
    return 0;
}

/* Not before there is something to do: who never comes costs nothing. */
static bool open_ssl(struct dtls *d)
{
    SSL *ssl = SSL_new(d->ctx->ssl_ctx);
    BIO *bio = BIO_new(d->ctx->bio_method);
    if (!ssl || !bio) {
        BIO_free(bio);
        SSL_free(ssl);
        return false;
    }
    BIO_set_data(bio, d);
    SSL_set_bio(ssl, bio, bio); /* takes ownership */
    SSL_set_app_data(ssl, d);
    SSL_set_mtu(ssl, DTLS_MTU);
    DTLS_set_timer_cb(ssl, on_timer);
    if (d->role == DTLS_SERVER)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    d->ssl = ssl;
    return true;
}

void dtls_destroy(struct dtls *d)
{
    if (!d)
        return;
    SSL_free(d->ssl);
    while (d->queue_count > 0)
        drop_oldest(d);
    OPENSSL_cleanse(&d->keys, sizeof(d->keys));
    OPENSSL_cleanse(&d->alert, sizeof(d->alert));
    free(d);
}

/* Ends in DTLS_FAILED; the first reason given stays. Takes OpenSSL's reason if `why` is NULL. */
static void fail(struct dtls *d, const char *why)
{
    if (!why)
        why = ERR_reason_error_string(ERR_peek_error());
    if (!d->failure[0])
        snprintf(d->failure, sizeof(d->failure), "%s", why ? why : "the handshake failed");
    OPENSSL_cleanse(&d->keys, sizeof(d->keys));
    d->state = DTLS_FAILED;
}

/* RFC 5764 4.2: client key, server key, client salt, server salt. */
static bool export_keys(struct dtls *d, enum seal_profile profile)
{
    static const char label[] = "EXTRACTOR-dtls_srtp";
    size_t key = seal_key_size(profile), salt = seal_salt_size(profile);
    uint8_t material[2 * (SEAL_KEY_MAX + SEAL_SALT_MAX)];
    if (SSL_export_keying_material(d->ssl, material, 2 * (key + salt), label, strlen(label), NULL,
                                   0, 0) != 1)
        return false;
    uint8_t *client = d->role == DTLS_CLIENT ? d->keys.local : d->keys.remote;
    uint8_t *server = d->role == DTLS_CLIENT ? d->keys.remote : d->keys.local;
    memcpy(client, material, key);
    memcpy(server, material + key, key);
    memcpy(client + key, material + 2 * key, salt);
    memcpy(server + key, material + 2 * key + salt, salt);
    d->keys.profile = profile;
    OPENSSL_cleanse(material, sizeof(material));
    return true;
}

static bool find_profile(SSL *ssl, enum seal_profile *out)
{
    const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(ssl);
    switch (p ? p->id : 0) {
    case SRTP_AES128_CM_SHA1_80:
        *out = SEAL_AES128_CM_SHA1_80;
        return true;
    case SRTP_AEAD_AES_128_GCM:
        *out = SEAL_AES_128_GCM;
        return true;
    case SRTP_AEAD_AES_256_GCM:
        *out = SEAL_AES_256_GCM;
        return true;
    default:
        return false;
    }
}

static void finish_handshake(struct dtls *d)
{
    enum seal_profile profile;
    const char *why = NULL;
    if (!d->fingerprint_matched)
        why = "the peer showed no certificate";
    else if (!find_profile(d->ssl, &profile))
        why = "no SRTP profile in common";
    else if (!export_keys(d, profile))
        why = "no keys could be exported";
    if (!why) {
        d->state = DTLS_CONNECTED;
        return;
    }
    SSL_shutdown(d->ssl); /* tell the peer, for whom the handshake went well */
    fail(d, why);
}

/* Alerts, a repeated last flight, and data we have no use for (no data channels). */
static void read_records(struct dtls *d)
{
    uint8_t ignored[2048];
    int n;
    do {
        n = SSL_read(d->ssl, ignored, sizeof(ignored));
    } while (n > 0);
    int error = SSL_get_error(d->ssl, n);
    if (SSL_get_shutdown(d->ssl) & SSL_RECEIVED_SHUTDOWN && error == SSL_ERROR_ZERO_RETURN)
        d->state = DTLS_CLOSED;
    else if (error == SSL_ERROR_SSL)
        fail(d, NULL);
}

static void advance(struct dtls *d)
{
    ERR_clear_error();
    if (!d->ssl && !open_ssl(d))
        fail(d, "no memory");
    if (d->state == DTLS_HANDSHAKE) {
        int n = SSL_do_handshake(d->ssl);
        if (n == 1)
            finish_handshake(d);
        else if (SSL_get_error(d->ssl, n) != SSL_ERROR_WANT_READ)
            fail(d, NULL);
    }
    if (d->state == DTLS_CONNECTED)
        read_records(d);
    if (d->state == DTLS_CONNECTED)
        SSL_free_buffers(d->ssl); /* 33 KB for an alert that may come; reading makes new ones */
    ERR_clear_error();
}

void dtls_start(struct dtls *d)
{
    if (d->role == DTLS_CLIENT && d->state == DTLS_HANDSHAKE)
        advance(d);
}

static void read_alert(struct dtls *d, const uint8_t *data, size_t size)
{
    ERR_clear_error();
    enum dtls_alert_kind kind = dtls_alert_read(&d->alert, data, size);
    ERR_clear_error();
    if (kind == DTLS_ALERT_CLOSE)
        d->state = DTLS_CLOSED;
    else if (kind == DTLS_ALERT_FATAL)
        fail(d, "the peer sent a fatal alert");
}

void dtls_on_datagram(struct dtls *d, const uint8_t *data, size_t size)
{
    if (size == 0 || (d->state != DTLS_HANDSHAKE && d->state != DTLS_CONNECTED))
        return; /* to OpenSSL nothing at all is the end of the stream */
    if (d->released) {
        read_alert(d, data, size);
        return;
    }
    d->in = data;
    d->in_size = size;
    advance(d);
    d->in = NULL;
}

size_t dtls_next_datagram(struct dtls *d, uint8_t *out, size_t room)
{
    assert(room >= DTLS_MTU);
    if (d->queue_count == 0)
        return 0;
    const struct datagram *first = &d->queue[d->queue_first];
    size_t size = first->size;
    memcpy(out, first->data, size);
    drop_oldest(d);
    return size;
}

int64_t dtls_next_timeout(struct dtls *d, int64_t now_us)
{
    struct timeval left;
    if (d->state != DTLS_HANDSHAKE || !d->ssl || !DTLSv1_get_timeout(d->ssl, &left))
        return INT64_MAX;
    return now_us + (int64_t)left.tv_sec * 1000000 + left.tv_usec;
}

void dtls_on_timeout(struct dtls *d)
{
    if (d->state != DTLS_HANDSHAKE || !d->ssl)
        return;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(d->ssl) < 0)
        fail(d, "the peer stopped answering");
    ERR_clear_error();
}

static void say_goodbye(struct dtls *d)
{
    ERR_clear_error();
    read_records(d); /* has OpenSSL make its buffers again, writing alone does not */
    SSL_shutdown(d->ssl);
    ERR_clear_error();
}

void dtls_release(struct dtls *d)
{
    if (d->state != DTLS_CONNECTED || d->released)
        return;
    ERR_clear_error();
    bool done = dtls_alert_init(&d->alert, d->ssl, d->role == DTLS_SERVER);
    if (done) {
        /* Its sequence number is the next one and nothing else is ever sent on this session. */
        d->keep_goodbye = true;
        say_goodbye(d);
        d->keep_goodbye = false;
    }
    ERR_clear_error();
    if (!done || d->goodbye_size == 0)
        return; /* no memory: OpenSSL's state stays, and works */
    SSL_free(d->ssl);
    d->ssl = NULL;
    OPENSSL_cleanse(&d->keys, sizeof(d->keys));
    d->released = true;
}

void dtls_shutdown(struct dtls *d)
{
    if (d->state == DTLS_CONNECTED && d->released)
        queue_datagram(d, d->goodbye, d->goodbye_size);
    else if (d->state == DTLS_CONNECTED)
        say_goodbye(d);
    if (d->state != DTLS_FAILED)
        d->state = DTLS_CLOSED;
}

enum dtls_state dtls_state(const struct dtls *d)
{
    return d->state;
}

const char *dtls_failure(const struct dtls *d)
{
    return d->state == DTLS_FAILED ? d->failure : "";
}

uint64_t dtls_dropped(const struct dtls *d)
{
    return d->dropped;
}

bool dtls_random(uint8_t *out, size_t size)
{
    return RAND_bytes(out, (int)size) == 1;
}

void dtls_keys(const struct dtls *d, struct seal_keys *out)
{
    assert(d->state == DTLS_CONNECTED && !d->released);
    *out = d->keys;
}
