/* test_http_tls.c - HTTPS and WSS, certificates that change, other sites' pages, and proxies. */
#include "tests/unit/signaling/http_ws_client.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

static char cert_path[] = "/tmp/amphi-cert-XXXXXX", key_path[] = "/tmp/amphi-key-XXXXXX";

static void make_files(void)
{
    close(mkstemp(cert_path));
    close(mkstemp(key_path));
}

static int remove_files(void **state)
{
    (void)state;
    unlink(cert_path);
    unlink(key_path);
    return 0;
}

/* A certificate of its own for `name`, with a key of RSA or of an elliptic curve. */
static void write_pair(const char *name, bool rsa, bool with_key)
{
    EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_true(key && cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *file = fopen(cert_path, "w");
    PEM_write_X509(file, cert);
    fclose(file);
    if (with_key) {
        file = fopen(key_path, "w");
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
        fclose(file);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int setup_tls(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 2);
    write_pair("first", true, true);
    start_with(s, &(struct http_config){.tls_cert = cert_path, .tls_key = key_path});
    *state = s;
    return 0;
}

/* --- a client that speaks TLS --- */

struct tls {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static bool tls_connect(const struct server *s, struct tls *t, int most_version)
{
    t->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(t->context, 0);
    SSL_CTX_set_max_proto_version(t->context, most_version);
    SSL_CTX_set_alpn_protos(t->context, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    t->ssl = SSL_new(t->context);
    t->fd = connect_to(s);
    SSL_set_fd(t->ssl, t->fd);
    return SSL_connect(t->ssl) == 1;
}

static void tls_close(struct tls *t)
{
    SSL_free(t->ssl);
    SSL_CTX_free(t->context);
    close(t->fd);
}

/* Sends, and reads until `wanted` was seen. */
static void tls_ask(struct tls *t, const void *data, size_t size, const char *wanted)
{
    static char got[70000];
    size_t n = 0;
    assert_int_equal(SSL_write(t->ssl, data, (int)size), (int)size);
    do {
        int more = SSL_read(t->ssl, got + n, (int)(sizeof(got) - n - 1));
        if (more <= 0)
            fail_msg("%s did not come", wanted);
        n += (size_t)more;
        for (size_t i = n - (size_t)more; i < n; i++)
            got[i] = got[i] ? got[i] : ' '; /* heads of frames */
        got[n] = '\0';
    } while (!strstr(got, wanted));
}

static void tls_get(struct tls *t, const char *path, const char *wanted)
{
    char text[200];
    int n = sprintf(text, "GET %s HTTP/1.1\r\nHost: amphi\r\n\r\n", path);
    tls_ask(t, text, (size_t)n, wanted);
}

static void certificate_is(const struct tls *t, const char *name, int key_type)
{
    char text[40];
    X509 *cert = SSL_get1_peer_certificate(t->ssl);
    assert_non_null(cert);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, text, sizeof(text));
    assert_string_equal(text, name);
    assert_int_equal(EVP_PKEY_base_id(X509_get0_pubkey(cert)), key_type);
    X509_free(cert);
}

static void open_socket(struct tls *t)
{
    static const char upgrade[] =
        "GET /ws HTTP/1.1\r\nHost: amphi\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tls_ask(t, upgrade, sizeof(upgrade) - 1, "\r\n\r\n");
}

static void ping(struct tls *t)
{
    static const char text[] = "{\"type\":\"ping\"}";
    char frame[6 + sizeof(text) - 1] = {(char)0x81, (char)(0x80 | (sizeof(text) - 1))};
    memcpy(frame + 6, text, sizeof(text) - 1);
    tls_ask(t, frame, sizeof(frame), "{\"type\":\"pong\"}");
}

/* --- */

static void pages_and_sockets(void **state)
{
    const struct server *s = *state;
    struct tls t;
    const unsigned char *alpn;
    unsigned alpn_size;
    assert_true(http_is_secure(s->http));
    assert_true(tls_connect(s, &t, TLS1_3_VERSION));
    SSL_get0_alpn_selected(t.ssl, &alpn, &alpn_size);
    assert_int_equal(alpn_size, 8); /* http/1.1, which is what we write */
    tls_get(&t, "/healthz", "\"ok\"");
    tls_get(&t, "/", "</html>"); /* the same connection, and a longer answer */
    tls_close(&t);
    assert_true(tls_connect(s, &t, TLS1_2_VERSION));
    open_socket(&t);
    ping(&t);
    tls_close(&t);
    assert_false(tls_connect(s, &t, TLS1_1_VERSION));
    tls_close(&t);
}

static int reload_status;
static char reload_error[300];

static void reload(struct server *s)
{
    reload_status = http_reload_certificate(s->http, reload_error, sizeof(reload_error));
}

static void connections_outlive_certificates(void **state)
{
    struct server *s = *state;
    struct tls before, after;
    assert_true(tls_connect(s, &before, TLS1_3_VERSION));
    certificate_is(&before, "first", EVP_PKEY_RSA);
    open_socket(&before);
    write_pair("second", false, true);
    assert_true(tls_connect(s, &after, TLS1_3_VERSION)); /* nothing was asked for yet */
    certificate_is(&after, "first", EVP_PKEY_RSA);
    tls_close(&after);
    on_server(s, reload);
    assert_int_equal(reload_status, 0);
    assert_true(tls_connect(s, &after, TLS1_3_VERSION));
    certificate_is(&after, "second", EVP_PKEY_EC);
    tls_get(&after, "/healthz", "\"ok\"");
    tls_close(&after);
    ping(&before);
    write_pair("third", false, false); /* with another's key */
    on_server(s, reload);
    assert_int_equal(reload_status, -EINVAL);
    assert_non_null(strstr(reload_error, key_path));
    assert_int_equal(truncate(cert_path, 0), 0);
    on_server(s, reload);
    assert_int_equal(reload_status, -EINVAL);
    assert_non_null(strstr(reload_error, cert_path));
    assert_true(tls_connect(s, &after, TLS1_2_VERSION));
    certificate_is(&after, "second", EVP_PKEY_EC);
    tls_close(&after);
    ping(&before);
    tls_close(&before);
}

static void without_tls(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "GET", "/SWIFT-OTTER-042", "", NULL);
    assert_int_equal(r.status, 307);
    header_is(&r, "Location", "https://amphi/SWIFT-OTTER-042");
    r = ask(s, "GET", "/a%22b%20c:", "", NULL);
    header_is(&r, "Location", "https://amphi/a%22b%20c%3A");
    int fd = ws_open(s, "/ws", NULL);
    r = read_reply(fd, false);
    assert_int_equal(r.status, 307);
    assert_true(is_closed(fd));
    close(fd);
}

static void faults_are_told_at_the_start(void **state)
{
    (void)state;
    static const struct {
        struct http_config config;
        int status;
        const char *word;
    } rows[] = {
        {{.tls_cert = "/nonexistent/cert.pem", .tls_key = key_path}, -ENOENT, "cert.pem"},
        {{.tls_cert = cert_path, .tls_key = "/nonexistent/key.pem"}, -ENOENT, "key.pem"},
        {{.tls_cert = cert_path, .tls_key = cert_path}, -EINVAL, "key"},
        {{.allow_origin = "a.example"}, -EINVAL, "a.example"},
        {{.trusted_proxies = "10.0.0.0/40"}, -EINVAL, "10.0.0.0/40"},
    };
    struct fake fake;
    fake_init(&fake, 1);
    write_pair("first", false, true);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[300];
        struct http *h = NULL;
        struct http_config config = rows[i].config;
        strcpy(config.address, "127.0.0.1");
        config.backend = &fake.backend;
        assert_int_equal(http_create(&h, &config, error, sizeof(error)), rows[i].status);
        assert_non_null(strstr(error, rows[i].word));
    }
}

/* --- other sites' pages, and proxies --- */

static int setup_policies(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 2);
    fake_use_rooms(&s->fake);
    start_with(s, &(struct http_config){.allow_origin = "https://a.example",
                                        .trusted_proxies = "127.0.0.1"});
    *state = s;
    return 0;
}

static int upgrade_of(const struct server *s, const char *origin)
{
    char headers[300];
    int fd = connect_to(s);
    sprintf(headers,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: %s\r\n",
            origin);
    request(fd, "GET", "/ws", headers, NULL);
    int status = read_reply(fd, true).status;
    close(fd);
    return status;
}

static void pages_of_other_sites(void **state)
{
    const struct server *s = *state;
    assert_int_equal(upgrade_of(s, "https://a.example"), 101);
    assert_int_equal(upgrade_of(s, "http://amphi"), 101); /* its own: the Host */
    assert_int_equal(upgrade_of(s, "https://evil.example"), 403);
    assert_int_equal(upgrade_of(s, "null"), 403);
    int fd = ws_connect(s, "/ws", NULL); /* no browser's */
    close(fd);
    static const char room[] = "/api/v1/rooms/" FAKE_ROOM;
    struct reply r = ask(s, "GET", room, "Origin: https://a.example\r\n", NULL);
    header_is(&r, "Access-Control-Allow-Origin", "https://a.example");
    header_is(&r, "Vary", "Origin");
    r = ask(s, "GET", room, "Origin: https://evil.example\r\n", NULL);
    assert_int_equal(r.status, 200);
    assert_null(header_of(&r, "Access-Control-Allow-Origin"));
    r = ask(s, "OPTIONS", room, "Origin: https://evil.example\r\n", NULL);
    is_problem(&r, 403);
    assert_null(header_of(&r, "Access-Control-Allow-Origin"));
    r = ask(s, "POST", "/api/reserve", "Origin: https://evil.example\r\n", "");
    is_problem(&r, 403);
    assert_int_equal(s->fake.n_made, 0);
}

static int joins_as(const struct server *s, const char *forwarded)
{
    char headers[200];
    sprintf(headers, "%s%s%s", forwarded ? "X-Forwarded-For: " : "", forwarded ? forwarded : "",
            forwarded ? "\r\n" : "");
    int n = 0;
    for (;; n++) {
        struct reply r = ask(s, "POST", "/api/reserve", headers, "");
        if (r.status == 429 || n == 40)
            return n;
        assert_true(r.status == 200 || r.status == 201);
    }
}

static void proxies_name_their_clients(void **state)
{
    const struct server *s = *state;
    int limited = joins_as(s, "198.51.100.7");
    assert_true(limited >= 20 && limited < 40);
    struct reply r =
        ask(s, "POST", "/api/reserve", "X-Forwarded-For: 1.2.3.4, 198.51.100.7\r\n", "");
    assert_int_equal(r.status, 429); /* what a client writes in front of it does not help */
    r = ask(s, "POST", "/api/reserve", "X-Forwarded-For: 198.51.100.8\r\n", "");
    assert_true(r.status == 200 || r.status == 201);
    assert_int_equal(joins_as(s, NULL), 40); /* the proxy itself is loopback */
}

static void nobody_else_names_clients(void **state)
{
    const struct server *s = *state;
    assert_int_equal(joins_as(s, "198.51.100.7"), 40);
}

#undef TEST
#define TEST(name, setup_it) cmocka_unit_test_setup_teardown(name, setup_it, teardown)

static int setup_rooms(void **state)
{
    setup(state);
    struct server *s = *state;
    fake_use_rooms(&s->fake);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_and_sockets, setup_tls),
        TEST(connections_outlive_certificates, setup_tls),
        TEST(without_tls, setup_tls),
        cmocka_unit_test(faults_are_told_at_the_start),
        TEST(pages_of_other_sites, setup_policies),
        TEST(proxies_name_their_clients, setup_policies),
        TEST(nobody_else_names_clients, setup_rooms),
    };
    make_files();
    return cmocka_run_group_tests(tests, NULL, remove_files);
}
