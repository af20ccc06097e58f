#include "rtp/session/dtls_alert.h"
#include "rtp/session/dtls.h"
#include "rtp/wire/bytes.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/session/openssl_client.h"

#define PROFILE "SRTP_AEAD_AES_128_GCM"

static struct dtls_context *context, *other_context;

/* ---- one of ours, which has given its OpenSSL state back, and a bare OpenSSL client ---- */

struct pair {
    struct client client;
    struct dtls *server;
};

static size_t to_server(struct pair *p)
{
    static struct client_datagram flight[CLIENT_DATAGRAMS_MAX];
    size_t count = client_send(&p->client, flight);
    for (size_t i = 0; i < count; i++)
        dtls_on_datagram(p->server, flight[i].data, flight[i].size);
    return count;
}

static size_t to_client(struct pair *p)
{
    uint8_t out[DTLS_MTU];
    size_t n = 0;
    for (size_t size; (size = dtls_next_datagram(p->server, out, sizeof(out))) > 0; n++)
        client_receive(&p->client, out, size);
    return n;
}

static void connect_pair(struct pair *p, const char *suite)
{
    struct dtls_fingerprint expected;
    memset(p, 0, sizeof(*p));
    client_init(&p->client, &(struct client_config){.profiles = PROFILE});
    assert_int_equal(SSL_set_cipher_list(p->client.ssl, suite), 1);
    assert_true(dtls_fingerprint_parse(&expected, p->client.fingerprint));
    assert_int_equal(dtls_create(&p->server, context, DTLS_SERVER, &expected, 1), 0);
    client_step(&p->client);
    while (to_server(p) + to_client(p) > 0)
        ;
    assert_int_equal(dtls_state(p->server), DTLS_CONNECTED);
    assert_true(SSL_is_init_finished(p->client.ssl));
}

static void finish_pair(struct pair *p)
{
    client_finish(&p->client);
    dtls_destroy(p->server);
}

static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                     "ECDHE-ECDSA-AES256-GCM-SHA384"};

static void test_hears_close_notify(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair p;
        connect_pair(&p, suites[i]);
        dtls_release(p.server);
        dtls_release(p.server); /* once more is fine */
        assert_int_equal(dtls_state(p.server), DTLS_CONNECTED);
        assert_int_equal(to_client(&p), 0); /* nothing is said yet */
        SSL_shutdown(p.client.ssl);
        assert_int_equal(to_server(&p), 1);
        assert_int_equal(dtls_state(p.server), DTLS_CLOSED);
        assert_string_equal(dtls_failure(p.server), "");
        finish_pair(&p);
    }
}

static void test_says_close_notify(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair p;
        connect_pair(&p, suites[i]);
        dtls_release(p.server);
        assert_false(SSL_get_shutdown(p.client.ssl) & SSL_RECEIVED_SHUTDOWN);
        dtls_shutdown(p.server);
        assert_int_equal(dtls_state(p.server), DTLS_CLOSED);
        assert_int_equal(to_client(&p), 1);
        assert_true(SSL_get_shutdown(p.client.ssl) & SSL_RECEIVED_SHUTDOWN);
        assert_false(p.client.failed);
        dtls_shutdown(p.server); /* once is enough */
        assert_int_equal(to_client(&p), 0);
        finish_pair(&p);
    }
}

static void test_our_client_too(void **state)
{
    (void)state;
    for (int by_server = 0; by_server <= 1; by_server++) {
        char text[DTLS_FINGERPRINT_TEXT_MAX];
        struct dtls_fingerprint ours, theirs;
        struct dtls *side[2];
        uint8_t out[DTLS_MTU];
        dtls_context_fingerprint(context, text);
        assert_true(dtls_fingerprint_parse(&ours, text));
        dtls_context_fingerprint(other_context, text);
        assert_true(dtls_fingerprint_parse(&theirs, text));
        assert_int_equal(dtls_create(&side[0], other_context, DTLS_CLIENT, &ours, 1), 0);
        assert_int_equal(dtls_create(&side[1], context, DTLS_SERVER, &theirs, 1), 0);
        dtls_start(side[0]);
        for (bool more = true; more;) {
            more = false;
            for (int i = 0; i < 2; i++) {
                for (size_t n; (n = dtls_next_datagram(side[i], out, sizeof(out))) > 0; more = true)
                    dtls_on_datagram(side[!i], out, n);
            }
        }
        dtls_release(side[0]);
        dtls_release(side[1]);
        dtls_shutdown(side[by_server]);
        size_t n = dtls_next_datagram(side[by_server], out, sizeof(out));
        assert_in_range(n, 30, 64);
        dtls_on_datagram(side[!by_server], out, n);
        assert_int_equal(dtls_state(side[0]), DTLS_CLOSED);
        assert_int_equal(dtls_state(side[1]), DTLS_CLOSED);
        dtls_destroy(side[0]);
        dtls_destroy(side[1]);
    }
}

static void test_release_comes_too_early(void **state)
{
    (void)state;
    struct pair p;
    struct dtls_fingerprint expected = {.hash_size = 32};
    struct dtls *d;
    assert_int_equal(dtls_create(&d, context, DTLS_SERVER, &expected, 1), 0);
    dtls_release(d); /* no handshake yet: nothing happens */
    assert_int_equal(dtls_state(d), DTLS_HANDSHAKE);
    dtls_destroy(d);

    connect_pair(&p, suites[0]);
    dtls_shutdown(p.server);
    dtls_release(p.server); /* closed: the goodbye is out */
    assert_int_equal(to_client(&p), 1);
    finish_pair(&p);
}

/* Whatever else comes is dropped, and the real goodbye still counts after it. */
static void test_nothing_else_counts(void **state)
{
    (void)state;
    struct pair p;
    struct client_datagram goodbye[CLIENT_DATAGRAMS_MAX];
    connect_pair(&p, suites[0]);
    dtls_release(p.server);

    assert_int_equal(SSL_write(p.client.ssl, "hello", 5), 5); /* data */
    assert_int_equal(to_server(&p), 1);
    SSL_renegotiate(p.client.ssl);
    SSL_do_handshake(p.client.ssl);
    assert_true(to_server(&p) > 0);
    assert_int_equal(dtls_state(p.server), DTLS_CONNECTED);
    assert_int_equal(to_client(&p), 0);

    finish_pair(&p);
    connect_pair(&p, suites[0]);
    dtls_release(p.server);
    SSL_shutdown(p.client.ssl);
    assert_int_equal(client_send(&p.client, goodbye), 1);
    for (size_t i = 0; i < goodbye[0].size; i++) { /* any one bit of it wrong */
        uint8_t copy[sizeof(goodbye[0].data)];
        memcpy(copy, goodbye[0].data, goodbye[0].size);
        copy[i] ^= 1;
        dtls_on_datagram(p.server, copy, goodbye[0].size);
        assert_int_equal(dtls_state(p.server), DTLS_CONNECTED);
    }
    for (size_t size = 0; size < goodbye[0].size; size++) { /* any part of it */
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, goodbye[0].data, size);
        dtls_on_datagram(p.server, copy, size);
        assert_int_equal(dtls_state(p.server), DTLS_CONNECTED);
        free(copy);
    }
    dtls_on_datagram(p.server, goodbye[0].data, goodbye[0].size);
    assert_int_equal(dtls_state(p.server), DTLS_CLOSED);
    finish_pair(&p);
}

static void test_forged_records(void **state)
{
    (void)state;
    struct pair p;
    uint32_t seed = 3;
    connect_pair(&p, suites[1]);
    dtls_release(p.server);
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[120];
        for (size_t b = 0; b < sizeof(bytes); b++)
            bytes[b] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        memcpy(bytes, (uint8_t[]){21, 0xfe, 0xfd, 0, (uint8_t)(i % 3)}, 5);
        put_u16(bytes + 11, (uint16_t)(i % 2 ? 26 : i % 130));
        dtls_on_datagram(p.server, bytes, seed % sizeof(bytes));
    }
    assert_int_equal(dtls_state(p.server), DTLS_CONNECTED);
    assert_int_equal(to_client(&p), 0);
    finish_pair(&p);
}

/* ---- alerts made here, with the keys of a live session ---- */

static size_t seal_alert(SSL *ssl, uint8_t *record, uint8_t level, uint8_t description)
{
    struct dtls_alert keys; /* what a server reads with is what the client writes with */
    assert_true(dtls_alert_init(&keys, ssl, true));
    memcpy(record, (uint8_t[]){21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 9, 9, 0, 26}, 13);
    memcpy(record + 13, "explicit", 8);
    uint8_t nonce[12], aad[13], text[2] = {level, description};
    memcpy(nonce, keys.salt, 4);
    memcpy(nonce + 4, record + 13, 8);
    memcpy(aad, record + 3, 8);
    memcpy(aad + 8, record, 3);
    put_u16(aad + 11, 2);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    assert_true(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, keys.key, nonce) == 1 &&
                EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof(aad)) == 1 &&
                EVP_EncryptUpdate(ctx, record + 21, &n, text, 2) == 1 &&
                EVP_EncryptFinal_ex(ctx, record + 23, &n) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + 23) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return 39;
}

static void test_kinds_of_alerts(void **state)
{
    (void)state;
    static const struct {
        uint8_t level, description;
        enum dtls_state after;
    } rows[] = {
        {1, 0, DTLS_CLOSED}, /* close_notify, whatever its level says */
        {2, 0, DTLS_CLOSED},
        {2, 40, DTLS_FAILED},    /* handshake_failure */
        {2, 80, DTLS_FAILED},    /* internal_error */
        {1, 100, DTLS_CONNECTED} /* no_renegotiation */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair p;
        uint8_t datagram[100] = {22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 8, 0, 5}; /* another first */
        connect_pair(&p, suites[0]);
        dtls_release(p.server);
        size_t size =
            18 + seal_alert(p.client.ssl, datagram + 18, rows[i].level, rows[i].description);
        dtls_on_datagram(p.server, datagram, size);
        assert_int_equal(dtls_state(p.server), rows[i].after);
        assert_int_equal(dtls_failure(p.server)[0] != '\0', rows[i].after == DTLS_FAILED);
        finish_pair(&p);
    }
}

static void test_other_suites_have_no_keys(void **state)
{
    (void)state;
    struct client c;
    struct dtls_alert a;
    client_init(&c, &(struct client_config){.profiles = PROFILE});
    assert_false(dtls_alert_init(&a, c.ssl, true)); /* no handshake, no suite */
    client_finish(&c);
}

static int make_contexts(void **state)
{
    (void)state;
    return dtls_context_create(&context) || dtls_context_create(&other_context);
}

static int free_contexts(void **state)
{
    (void)state;
    dtls_context_destroy(context);
    dtls_context_destroy(other_context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hears_close_notify),
        cmocka_unit_test(test_says_close_notify),
        cmocka_unit_test(test_our_client_too),
        cmocka_unit_test(test_release_comes_too_early),
        cmocka_unit_test(test_nothing_else_counts),
        cmocka_unit_test(test_forged_records),
        cmocka_unit_test(test_kinds_of_alerts),
        cmocka_unit_test(test_other_suites_have_no_keys),
    };
    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
