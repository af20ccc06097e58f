/* test_worker_handshakes.c - many who join at once: all are connected in the end, a bounded number
 * at a time, and a worker does a bounded part of it in one round. */
#include "tests/unit/forward/forwarder_fixture.h"

#include "rtp/forward/worker_handshakes.h"
#include "rtp/session/cipher.h"

static struct fixture *begin(unsigned max_handshakes)
{
    struct fixture *x = fixture_new(1, CLIENTS, false);
    forwarder_destroy(x->f);
    struct forwarder_config config = configure(x, 1, CLIENTS);
    config.max_handshakes = max_handshakes;
    start(x, &config);
    return x;
}

static void nobody_is_left_out(void **state)
{
    (void)state;
    static const unsigned limits[] = {5, 0};
    for (size_t i = 0; i < 2; i++) {
        struct fixture *x = begin(limits[i]);
        for (int k = 0; k < CLIENTS; k++)
            add_client(x);
        unsigned most = 0;
        int64_t end_us = loopback_now_us() + WAIT_US;
        while (!are_connected(x)) {
            assert_true(loopback_now_us() < end_us);
            pump(x);
            unsigned n = worker_sum(x).handshakes;
            most = n > most ? n : most;
        }
        struct forwarder_worker_stats w = worker_sum(x);
        assert_int_equal(w.handshakes, 0);
        if (limits[i] != 0) {
            assert_true(most <= limits[i]);
            assert_true(w.handshakes_deferred > 0);
        } else {
            assert_int_equal(w.handshakes_deferred, 0);
        }
        publish_and_wait(x, true);
        fixture_free(x);
    }
}

static bool is_held(struct fixture *x)
{
    (void)x;
    return true;
}

/* While the worker is kept from its socket everybody's first flight comes: more than a round's. */
static void what_is_too_much_waits(void **state)
{
    (void)state;
    struct fixture *x = begin(0);
    add_client(x);
    run_until(x, are_connected);
    for (int k = 1; k < CLIENTS - 1; k++)
        add_client(x);
    for (int k = 1; k < CLIENTS - 1; k++) { /* checks alone */
        while (!x->clients[k].loop.ice_done)
            pump(x);
    }
    publish(x, true);
    run_until(x, is_held);
    stall_worker(x, add_absent(x));
    for (int64_t end_us = loopback_now_us() + 600000; loopback_now_us() < end_us;)
        pump(x); /* OpenSSL repeats its flight after 100 and 200 ms */
    sem_post(&x->release);
    run_until(x, are_connected);
    struct forwarder_worker_stats w = worker_sum(x);
    assert_true(w.handshakes_waited > 0);
    assert_int_equal(w.handshakes_deferred, 0);
    publish(x, true);
    fixture_free(x);
}

/* One whose checks are answered but who never answers a flight. */
static void begin_handshake(struct fixture *x, struct client *c)
{
    while (worker_sum(x).handshakes == 0) {
        struct pollfd fd = {.fd = c->loop.fd, .events = POLLIN};
        poll(&fd, 1, 5);
        uint8_t data[2048];
        if (!c->loop.ice_done)
            loopback_client_pump(&c->loop);
        else
            (void)!recv(c->loop.fd, data, sizeof(data), 0); /* never answered */
    }
}

/* One who stops in the middle keeps its place for a time. */
static void the_silent_make_room(void **state)
{
    (void)state;
    struct fixture *x = begin(1);
    struct client *silent = add_client(x);
    begin_handshake(x, silent);
    close_client(silent);
    struct client *next = add_client(x);
    while (!next->loop.seal)
        pump(x);
    assert_true(worker_sum(x).handshakes_deferred > 0);
    fixture_free(x);
}

/* Nor does one who talks on without coming to an end, and it gets no place from those who wait. */
static void the_talkative_make_room(void **state)
{
    (void)state;
    struct fixture *x = begin(1);
    struct client *talkative = add_client(x);
    begin_handshake(x, talkative);
    struct client *others[] = {add_client(x), add_client(x)};
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (!others[0]->loop.seal || !others[1]->loop.seal) {
        static const uint8_t no_record[] = {22, 254, 253};
        assert_true(loopback_now_us() < end_us);
        loopback_client_send(&talkative->loop, no_record, sizeof(no_record));
        for (int i = 0; i < 2; i++)
            loopback_client_pump(&others[i]->loop);
    }
    assert_false(talkative->loop.seal);
    assert_true(worker_sum(x).handshakes_deferred > 0);
    close_client(talkative);
    fixture_free(x);
}

static int setup(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_left_out),
        cmocka_unit_test(what_is_too_much_waits),
        cmocka_unit_test(the_silent_make_room),
        cmocka_unit_test(the_talkative_make_room),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
