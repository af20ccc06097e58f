#include "rtp/session/dtls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/session/openssl_client.h"

static struct dtls_context *context, *other_context;

static int64_t real_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct dtls_fingerprint fingerprint_of(struct dtls_context *ctx)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    struct dtls_fingerprint f;
    dtls_context_fingerprint(ctx, text);
    assert_true(dtls_fingerprint_parse(&f, text));
    return f;
}

static struct dtls *create(struct dtls_context *ctx, enum dtls_role role,
                           const struct dtls_fingerprint *expected)
{
    struct dtls *d = NULL;
    assert_int_equal(dtls_create(&d, ctx, role, expected, 1), 0);
    return d;
}

/* ---- two of ours with a network in between ---- */

struct network {
    struct dtls *client, *server;
    unsigned sent;
    unsigned lose;  /* the datagram with this number, from 1; 0: none */
    bool twice;     /* every datagram comes twice */
    bool backwards; /* each flight arrives in reverse */
    bool garbage;   /* between any two */
};

static void create_network(struct network *n)
{
    memset(n, 0, sizeof(*n));
    struct dtls_fingerprint ours = fingerprint_of(context), theirs = fingerprint_of(other_context);
    n->server = create(context, DTLS_SERVER, &theirs);
    n->client = create(other_context, DTLS_CLIENT, &ours);
}

static void destroy_network(struct network *n)
{
    dtls_destroy(n->client);
    dtls_destroy(n->server);
}

static void send_garbage(struct dtls *d)
{
    static uint32_t seed = 1;
    uint8_t bytes[300];
    for (unsigned first = 20; first <= 63; first++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        bytes[0] = (uint8_t)first;
        dtls_on_datagram(d, bytes, 1 + seed % sizeof(bytes));
    }
    bytes[0] = 22; /* a header as it should be, and not enough behind it */
    memcpy(bytes + 1, "\xfe\xfd\0\0\0\0\0\0\0\x09\x40\x00", 12);
    dtls_on_datagram(d, bytes, 100);
    dtls_on_datagram(d, bytes, 13);
    dtls_on_datagram(d, bytes, 0);
}

/* Carries what `from` has to say; false if that is nothing. */
static bool carry(struct network *n, struct dtls *from, struct dtls *to)
{
    static uint8_t flight[DTLS_QUEUE_MAX][DTLS_MTU];
    size_t size[DTLS_QUEUE_MAX], count = 0;
    while ((size[count] = dtls_next_datagram(from, flight[count], DTLS_MTU)) > 0) {
        assert_true(size[count] <= DTLS_MTU);
        if (++n->sent != n->lose)
            count++;
        if (count == DTLS_QUEUE_MAX)
            break;
    }
    for (size_t i = 0; i < count; i++) {
        size_t which = n->backwards ? count - 1 - i : i;
        if (n->garbage)
            send_garbage(to);
        dtls_on_datagram(to, flight[which], size[which]);
        if (n->twice)
            dtls_on_datagram(to, flight[which], size[which]);
    }
    return count > 0;
}

static bool pump(struct network *n)
{
    bool any = false;
    for (bool more = true; more; any |= more) {
        more = carry(n, n->client, n->server);
        more |= carry(n, n->server, n->client);
    }
    return any;
}

/* Waits for the earliest retransmission timer. OpenSSL reads the real clock for it. */
static void wait_for_timer(struct network *n)
{
    int64_t now = real_us();
    int64_t a = dtls_next_timeout(n->client, now), b = dtls_next_timeout(n->server, now);
    int64_t at = a < b ? a : b;
    assert_true(at != INT64_MAX);
    while ((now = real_us()) < at)
        poll(NULL, 0, (int)((at - now) / 1000) + 1);
    dtls_on_timeout(n->client);
    dtls_on_timeout(n->server);
}

static void run(struct network *n)
{
    dtls_start(n->client);
    for (int rounds = 0; rounds < 10; rounds++) {
        pump(n);
        if (dtls_state(n->client) != DTLS_HANDSHAKE && dtls_state(n->server) != DTLS_HANDSHAKE)
            return;
        wait_for_timer(n);
    }
}

static void assert_connected(const struct network *n)
{
    struct seal_keys a, b;
    assert_string_equal(dtls_failure(n->server), "");
    assert_string_equal(dtls_failure(n->client), "");
    assert_int_equal(dtls_state(n->server), DTLS_CONNECTED);
    assert_int_equal(dtls_state(n->client), DTLS_CONNECTED);
    dtls_keys(n->client, &a);
    dtls_keys(n->server, &b);
    assert_int_equal(a.profile, SEAL_AES_128_GCM);
    assert_int_equal(b.profile, SEAL_AES_128_GCM);
    assert_memory_equal(a.local, b.remote, 28);
    assert_memory_equal(a.remote, b.local, 28);
    assert_memory_not_equal(a.local, a.remote, 28);
}

static void test_connects(void **state)
{
    (void)state;
    struct network n;
    create_network(&n);
    run(&n);
    assert_connected(&n);
    assert_int_equal(dtls_dropped(n.client) + dtls_dropped(n.server), 0);
    assert_true(dtls_next_timeout(n.client, 5) == INT64_MAX);
    assert_true(dtls_next_timeout(n.server, 5) == INT64_MAX);
    destroy_network(&n);
}

static void test_duplicates_disorder_and_garbage(void **state)
{
    (void)state;
    for (unsigned variant = 1; variant < 8; variant++) {
        struct network n;
        create_network(&n);
        n.twice = variant & 1;
        n.backwards = variant & 2;
        n.garbage = variant & 4;
        run(&n);
        assert_connected(&n);
        send_garbage(n.client);
        send_garbage(n.server);
        assert_connected(&n);
        destroy_network(&n);
    }
}

static void test_any_one_datagram_may_get_lost(void **state)
{
    (void)state;
    unsigned total = 1;
    for (unsigned lose = 0; lose <= total; lose++) {
        struct network n;
        create_network(&n);
        n.lose = lose;
        run(&n);
        assert_connected(&n);
        if (lose == 0)
            total = n.sent;
        destroy_network(&n);
    }
    assert_true(total >= 3); /* more where the machine stalls: OpenSSL's timer is a real one */
}

static void test_wrong_fingerprint_on_the_server(void **state)
{
    (void)state;
    struct dtls_fingerprint right = fingerprint_of(context), wrong = fingerprint_of(other_context);
    wrong.hash[31] ^= 1;
    struct network n = {.server = create(context, DTLS_SERVER, &wrong),
                        .client = create(other_context, DTLS_CLIENT, &right)};
    run(&n);
    assert_int_equal(dtls_state(n.server), DTLS_FAILED);
    assert_non_null(strstr(dtls_failure(n.server), "fingerprint"));
    assert_int_equal(dtls_state(n.client), DTLS_FAILED); /* told by an alert */
    destroy_network(&n);
}

static void test_wrong_fingerprint_on_the_client(void **state)
{
    (void)state;
    struct dtls_fingerprint wrong = fingerprint_of(context), right = fingerprint_of(other_context);
    wrong.hash[0] ^= 0x80;
    struct network n = {.server = create(context, DTLS_SERVER, &right),
                        .client = create(other_context, DTLS_CLIENT, &wrong)};
    run(&n);
    assert_int_equal(dtls_state(n.client), DTLS_FAILED);
    assert_int_equal(dtls_state(n.server), DTLS_FAILED);
    destroy_network(&n);
}

static void test_one_of_several_fingerprints_matches(void **state)
{
    (void)state;
    struct dtls_fingerprint ours = fingerprint_of(context);
    struct dtls_fingerprint list[3] = {
        fingerprint_of(context), {.hash_size = 48}, fingerprint_of(other_context)};
    struct network n = {.client = create(other_context, DTLS_CLIENT, &ours)};
    assert_int_equal(dtls_create(&n.server, context, DTLS_SERVER, list, 3), 0);
    run(&n);
    assert_connected(&n);
    destroy_network(&n);
}

static void test_fingerprints_are_demanded(void **state)
{
    (void)state;
    struct dtls_fingerprint list[DTLS_FINGERPRINTS_MAX + 1] = {{.hash_size = 32}};
    struct dtls *d = NULL;
    assert_int_equal(dtls_create(&d, context, DTLS_SERVER, list, 0), -EINVAL);
    assert_int_equal(dtls_create(&d, context, DTLS_SERVER, list, DTLS_FINGERPRINTS_MAX + 1),
                     -EINVAL);
    assert_null(d);
}

static void test_close_notify_both_ways(void **state)
{
    (void)state;
    for (int by_server = 0; by_server <= 1; by_server++) {
        struct network n;
        create_network(&n);
        run(&n);
        assert_connected(&n);
        struct dtls *closer = by_server ? n.server : n.client;
        struct dtls *closed = by_server ? n.client : n.server;
        dtls_shutdown(closer);
        assert_int_equal(dtls_state(closer), DTLS_CLOSED);
        assert_int_equal(dtls_state(closed), DTLS_CONNECTED);
        pump(&n);
        assert_int_equal(dtls_state(closed), DTLS_CLOSED);
        assert_string_equal(dtls_failure(closed), "");
        destroy_network(&n);
    }
}

static void test_shutdown_before_connected_says_nothing(void **state)
{
    (void)state;
    struct network n;
    uint8_t out[DTLS_MTU];
    create_network(&n);
    dtls_shutdown(n.server);
    assert_int_equal(dtls_state(n.server), DTLS_CLOSED);
    assert_int_equal(dtls_next_datagram(n.server, out, sizeof(out)), 0);
    destroy_network(&n);
}

/* ---- one of ours and a bare OpenSSL client ---- */

struct foreign {
    struct client client;
    struct dtls *server;
    unsigned hello_datagrams;
};

enum order { IN_ORDER, REVERSED, DOUBLED };

static void serve_flight(struct foreign *f, enum order order)
{
    static struct client_datagram flight[CLIENT_DATAGRAMS_MAX];
    size_t count = client_send(&f->client, flight);
    for (size_t i = 0; i < count; i++) {
        const struct client_datagram *d = &flight[order == REVERSED ? count - 1 - i : i];
        dtls_on_datagram(f->server, d->data, d->size);
        if (order == DOUBLED)
            dtls_on_datagram(f->server, d->data, d->size);
    }
    if (f->hello_datagrams == 0)
        f->hello_datagrams = (unsigned)count;
}

static bool client_flight(struct foreign *f)
{
    uint8_t out[DTLS_MTU];
    bool any = false;
    for (size_t size; (size = dtls_next_datagram(f->server, out, sizeof(out))) > 0; any = true)
        client_receive(&f->client, out, size);
    return any;
}

static void start_foreign(struct foreign *f, const struct client_config *config)
{
    struct dtls_fingerprint expected = {.hash_size = 32};
    memset(f, 0, sizeof(*f));
    client_init(&f->client, config);
    if (f->client.fingerprint[0])
        assert_true(dtls_fingerprint_parse(&expected, f->client.fingerprint));
    f->server = create(context, DTLS_SERVER, &expected);
}

static void run_foreign(struct foreign *f, const struct client_config *config, enum order order)
{
    start_foreign(f, config);
    client_step(&f->client);
    serve_flight(f, order);
    while (client_flight(f))
        serve_flight(f, IN_ORDER); /* OpenSSL does not keep an early ChangeCipherSpec */
}

static void finish_foreign(struct foreign *f)
{
    client_finish(&f->client);
    dtls_destroy(f->server);
}

#define CM80 "SRTP_AES128_CM_SHA1_80"
#define GCM128 "SRTP_AEAD_AES_128_GCM"
#define GCM256 "SRTP_AEAD_AES_256_GCM"

static void assert_keys_match_rfc5764(const struct foreign *f, enum seal_profile profile)
{
    struct seal_keys keys;
    uint8_t m[2 * (SEAL_KEY_MAX + SEAL_SALT_MAX)];
    size_t key = seal_key_size(profile), salt = seal_salt_size(profile);
    assert_int_equal(SSL_export_keying_material(f->client.ssl, m, 2 * (key + salt),
                                                "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
                     1);
    dtls_keys(f->server, &keys);
    assert_int_equal(keys.profile, profile);
    assert_memory_equal(keys.remote, m, key);
    assert_memory_equal(keys.local, m + key, key);
    assert_memory_equal(keys.remote + key, m + 2 * key, salt);
    assert_memory_equal(keys.local + key, m + 2 * key + salt, salt);
}

static void test_the_server_chooses_the_profile(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        enum seal_profile chosen;
    } rows[] = {
        {CM80 ":" GCM256 ":" GCM128, SEAL_AES_128_GCM}, /* Chromium's order */
        {GCM128, SEAL_AES_128_GCM},
        {CM80 ":" GCM256, SEAL_AES_256_GCM},
        {GCM256, SEAL_AES_256_GCM},
        {"SRTP_AES128_CM_SHA1_32:" CM80, SEAL_AES128_CM_SHA1_80},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct foreign f;
        run_foreign(&f, &(struct client_config){.profiles = rows[i].offer}, IN_ORDER);
        assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
        assert_keys_match_rfc5764(&f, rows[i].chosen);
        finish_foreign(&f);
    }
}

static void test_no_common_profile_fails(void **state)
{
    (void)state;
    static const char *const offers[] = {NULL, "SRTP_AES128_CM_SHA1_32"};
    for (size_t i = 0; i < 2; i++) {
        struct foreign f;
        run_foreign(&f, &(struct client_config){.profiles = offers[i]}, IN_ORDER);
        assert_int_equal(dtls_state(f.server), DTLS_FAILED);
        assert_string_equal(dtls_failure(f.server), "no SRTP profile in common");
        assert_true(SSL_get_shutdown(f.client.ssl) & SSL_RECEIVED_SHUTDOWN);
        finish_foreign(&f);
    }
}

static void test_no_client_certificate_fails(void **state)
{
    (void)state;
    struct foreign f;
    run_foreign(&f, &(struct client_config){.profiles = GCM128, .no_certificate = true}, IN_ORDER);
    assert_int_equal(dtls_state(f.server), DTLS_FAILED);
    assert_string_equal(dtls_failure(f.server), "peer did not return a certificate");
    assert_true(f.client.failed);
    finish_foreign(&f);
}

/* Browsers' ClientHello is longer than a datagram since they offer post-quantum key shares. */
static void test_client_hello_in_pieces(void **state)
{
    (void)state;
    static const enum order orders[] = {IN_ORDER, REVERSED, DOUBLED};
    for (size_t i = 0; i < 3; i++) {
        struct foreign f;
        struct client_config config = {.profiles = GCM128, .hello_size = 1300};
        run_foreign(&f, &config, orders[i]);
        assert_int_equal(f.hello_datagrams, 2);
        assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
        finish_foreign(&f);

        config = (struct client_config){.profiles = GCM128, .hello_size = 600, .mtu = 300};
        run_foreign(&f, &config, IN_ORDER);
        assert_true(f.hello_datagrams >= 3);
        assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
        finish_foreign(&f);
    }
}

static void test_one_lost_piece_is_waited_for(void **state)
{
    (void)state;
    struct foreign f;
    struct client_datagram flight[CLIENT_DATAGRAMS_MAX];
    start_foreign(&f, &(struct client_config){.profiles = GCM128, .hello_size = 1300});
    client_step(&f.client);
    assert_int_equal(client_send(&f.client, flight), 2);
    dtls_on_datagram(f.server, flight[1].data, flight[1].size);
    assert_int_equal(dtls_state(f.server), DTLS_HANDSHAKE);
    assert_false(client_flight(&f));
    dtls_on_datagram(f.server, flight[0].data, flight[0].size);
    while (client_flight(&f))
        serve_flight(&f, IN_ORDER);
    assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
    finish_foreign(&f);
}

static unsigned soon(SSL *ssl, unsigned timer_us)
{
    (void)ssl;
    (void)timer_us;
    return 30000; /* below 15 ms OpenSSL takes it for over */
}

static void resend(struct client *c)
{
    struct timeval left;
    while (DTLSv1_get_timeout(c->ssl, &left) && left.tv_sec * 1000000 + left.tv_usec > 0)
        poll(NULL, 0, 1);
    assert_int_equal(DTLSv1_handle_timeout(c->ssl), 1);
}

/* The client repeats its last flight as long as ours is lost, and each time we repeat ours; nobody
 * takes them, so the queue fills up. */
static void test_queue_is_bounded(void **state)
{
    (void)state;
    struct foreign f;
    uint8_t out[DTLS_MTU];
    start_foreign(&f, &(struct client_config){.profiles = GCM128});
    client_step(&f.client);
    serve_flight(&f, IN_ORDER);
    DTLS_set_timer_cb(f.client.ssl, soon); /* from its next flight on */
    assert_true(client_flight(&f));
    serve_flight(&f, IN_ORDER);
    assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
    for (int i = 0; i < 9; i++) {
        resend(&f.client);
        serve_flight(&f, IN_ORDER);
    }
    assert_true(dtls_dropped(f.server) > 0);
    unsigned waiting = 0;
    while (dtls_next_datagram(f.server, out, sizeof(out)) > 0)
        waiting++;
    assert_int_equal(waiting, DTLS_QUEUE_MAX);

    resend(&f.client); /* the session is none the worse for it */
    serve_flight(&f, IN_ORDER);
    client_flight(&f);
    assert_true(SSL_is_init_finished(f.client.ssl));
    finish_foreign(&f);
}

/* Records nobody with the keys has made: plaintext of epoch 0, and epoch 1 without a valid tag. */
static void test_forged_records_do_not_hurt_a_session(void **state)
{
    (void)state;
    struct foreign f;
    run_foreign(&f, &(struct client_config){.profiles = GCM128}, IN_ORDER);
    for (uint8_t epoch = 0; epoch <= 2; epoch++) {
        for (uint8_t type = 20; type <= 24; type++) {
            uint8_t record[13 + 40] = {type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 9, 9, 0, 40};
            record[13] = 2; /* a fatal alert, were it one */
            dtls_on_datagram(f.server, record, sizeof(record));
            record[12] = 2;
            dtls_on_datagram(f.server, record, 15);
        }
    }
    assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
    assert_int_equal(SSL_write(f.client.ssl, "hello", 5), 5); /* we have no data channel */
    serve_flight(&f, IN_ORDER);
    assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
    SSL_shutdown(f.client.ssl);
    serve_flight(&f, IN_ORDER);
    assert_int_equal(dtls_state(f.server), DTLS_CLOSED);
    finish_foreign(&f);
}

static void test_renegotiation_is_refused(void **state)
{
    (void)state;
    struct foreign f;
    struct seal_keys before, after;
    run_foreign(&f, &(struct client_config){.profiles = GCM128}, IN_ORDER);
    dtls_keys(f.server, &before);
    assert_int_equal(SSL_renegotiate(f.client.ssl), 1);
    SSL_do_handshake(f.client.ssl);
    serve_flight(&f, IN_ORDER);
    client_flight(&f);
    assert_true(f.client.failed);
    assert_int_equal(dtls_state(f.server), DTLS_CONNECTED);
    dtls_keys(f.server, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    finish_foreign(&f);
}

/* ---- fingerprints ---- */

static void test_parses_fingerprints(void **state)
{
    (void)state;
    static const struct {
        const char *hash;
        unsigned bytes;
        unsigned size; /* 0: refused */
    } rows[] = {
        {"sha-256", 32, 32}, {"SHA-256", 32, 32}, {"sha-384", 48, 48}, {"Sha-512", 64, 64},
        {"sha-256", 31, 0},  {"sha-256", 33, 0},  {"sha-256", 20, 0},  {"sha-384", 32, 0},
        {"sha-512", 63, 0},  {"sha-1", 20, 0},    {"md5", 16, 0},      {"sha-224", 28, 0},
        {"sha256", 32, 0},   {"sha-256", 0, 0},   {"", 32, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[300];
        int at = snprintf(text, sizeof(text), "%s ", rows[i].hash);
        for (unsigned b = 0; b < rows[i].bytes; b++)
            at += snprintf(text + at, sizeof(text) - (size_t)at, b % 2 ? "%s%02X" : "%s%02x",
                           b ? ":" : "", b + 160);
        struct dtls_fingerprint f = {.hash_size = 7};
        assert_int_equal(dtls_fingerprint_parse(&f, text), rows[i].size != 0);
        assert_int_equal(f.hash_size, rows[i].size ? rows[i].size : 7);
        for (unsigned b = 0; b < rows[i].size; b++)
            assert_int_equal(f.hash[b], b + 160);
    }
}

static void test_refuses_malformed_fingerprints(void **state)
{
    (void)state;
    char good[DTLS_FINGERPRINT_TEXT_MAX], text[DTLS_FINGERPRINT_TEXT_MAX + 1];
    struct dtls_fingerprint f;
    dtls_context_fingerprint(context, good);
    assert_int_equal(strlen(good), 8 + 32 * 3 - 1);
    for (size_t i = 0; i < strlen(good); i++) {
        memcpy(text, good, sizeof(good));
        text[i] = 0;
        assert_false(dtls_fingerprint_parse(&f, text));
        text[i] = 'g';
        assert_false(dtls_fingerprint_parse(&f, text));
        text[i] = ' ';
        assert_int_equal(dtls_fingerprint_parse(&f, text), i == 7);
    }
    snprintf(text, sizeof(text), "%s ", good);
    assert_false(dtls_fingerprint_parse(&f, text));
}

static void test_contexts_differ(void **state)
{
    (void)state;
    struct dtls_fingerprint a = fingerprint_of(context), b = fingerprint_of(other_context);
    assert_memory_not_equal(&a, &b, sizeof(a));
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
        cmocka_unit_test(test_connects),
        cmocka_unit_test(test_duplicates_disorder_and_garbage),
        cmocka_unit_test(test_any_one_datagram_may_get_lost),
        cmocka_unit_test(test_wrong_fingerprint_on_the_server),
        cmocka_unit_test(test_wrong_fingerprint_on_the_client),
        cmocka_unit_test(test_one_of_several_fingerprints_matches),
        cmocka_unit_test(test_fingerprints_are_demanded),
        cmocka_unit_test(test_close_notify_both_ways),
        cmocka_unit_test(test_shutdown_before_connected_says_nothing),
        cmocka_unit_test(test_the_server_chooses_the_profile),
        cmocka_unit_test(test_no_common_profile_fails),
        cmocka_unit_test(test_no_client_certificate_fails),
        cmocka_unit_test(test_client_hello_in_pieces),
        cmocka_unit_test(test_one_lost_piece_is_waited_for),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_forged_records_do_not_hurt_a_session),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_parses_fingerprints),
        cmocka_unit_test(test_refuses_malformed_fingerprints),
        cmocka_unit_test(test_contexts_differ),
    };
    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
