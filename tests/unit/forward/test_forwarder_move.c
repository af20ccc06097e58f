/* A viewer that moves to another address is believed once it has answered from there. */
#include "rtp/session/cipher.h"
#include "tests/unit/forward/forwarder_fixture.h"

#define STRANGE_SSRC 4711 /* of no track */

/* A new socket, as behind a NAT that forgot the old one. */
static int move_silently(struct client *c, uint16_t port)
{
    struct address to;
    int before = c->loop.fd;
    assert_true(address_parse(&to, "127.0.0.1", port));
    c->loop.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(c->loop.fd >= 0);
    assert_int_equal(connect(c->loop.fd, &to.sa, address_size(&to)), 0);
    return before;
}

/* The server is told by a check. */
static int move_client(struct client *c, uint16_t port)
{
    int before = move_silently(c, port);
    loopback_client_check(&c->loop, loopback_now_us());
    return before;
}

static struct forwarder_viewer_stats stats_of(struct fixture *x, const struct client *c)
{
    struct forwarder_stats stats;
    struct forwarder_viewer_stats out = {0};
    assert_int_equal(forwarder_stats(x->f, &stats), 0);
    for (unsigned i = 0; i < stats.n_viewers; i++) {
        if (stats.viewers[i].id == c->seat.viewer_id)
            out = stats.viewers[i];
    }
    forwarder_stats_free(&stats);
    assert_int_equal(out.id, c->seat.viewer_id);
    return out;
}

static bool is_asked(struct fixture *x)
{
    return x->clients[0].loop.questions > 0;
}

static void a_moved_viewer_goes_on(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *c = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    for (int i = 0; i < 3; i++) {
        c->loop.questions = 0;
        int before = move_client(c, forwarder_port(x->f));
        run_until(x, is_asked); /* a frame before that would go to the old place */
        publish_and_wait(x, false);
        close(before);
    }
    assert_true(c->loop.checks >= 3);
    assert_int_equal(c->loop.not_authentic, 0);
    fixture_free(x);
}

/* An agent that nominates all it checks begins its handshake on the best of its ways, and the last
 * check to come was of another. No check of the one it uses follows here. */
static void a_handshake_stays_where_it_began(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 4, false); /* one socket: they come in this order */
    struct client *c = add_client(x);
    loopback_client_check(&c->loop, loopback_now_us());
    int used = move_client(c, forwarder_port(x->f));
    int other = c->loop.fd;
    c->loop.fd = used;
    c->loop.check_us = INT64_MAX;
    run_until(x, are_connected);
    close(other);
    fixture_free(x);
}

/* The next report tells it, whichever worker's socket it comes to. */
static void a_moved_viewer_needs_no_check(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(3, 4, false);
    struct client *c = add_client(x);
    (void)add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    for (int i = 0; i < 6; i++) {
        uint8_t report[100];
        c->loop.questions = 0;
        c->loop.check_us = INT64_MAX;
        int before = move_silently(c, forwarder_port(x->f));
        size_t size = rtcp_write_pli(report, sizeof(report), 1, STRANGE_SSRC);
        loopback_client_send_rtcp(&c->loop, report, size);
        run_until(x, is_asked);
        publish_and_wait(x, false);
        close(before);
    }
    assert_int_equal(c->loop.not_authentic, 0);
    assert_int_equal(worker_sum(x).datagrams_unknown, 0);
    fixture_free(x);
}

/* Each is counted once, however many have looked at it. */
static void strays_of_nobody_are_unknown(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(3, 4, false);
    struct client *c = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    int before = move_silently(c, forwarder_port(x->f));
    uint8_t stray[48] = {0x81, 205, 0, 11};
    for (int i = 0; i < 10; i++)
        loopback_client_send(&c->loop, stray, sizeof(stray));
    while (worker_sum(x).datagrams_unknown < 10)
        pump(x);
    assert_int_equal(worker_sum(x).datagrams_unknown, 10);
    assert_int_equal(c->loop.questions, 0);
    close(c->loop.fd);
    c->loop.fd = before;
    publish_and_wait(x, false); /* where it was */
    fixture_free(x);
}

/* Else whoever watches could have its stream sent to anybody. */
static void nothing_goes_where_nobody_answers(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 4, false);
    struct client *c = add_client(x);
    struct client *other = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    c->loop.mute = true;
    int before = move_client(c, forwarder_port(x->f));
    run_until(x, is_asked);
    uint64_t sent = stats_of(x, c).counters.packets_sent, here = c->loop.position;
    c->open = false; /* only the other is waited for */
    for (int i = 0; i < 20; i++)
        publish_and_wait(x, false);
    assert_int_equal(stats_of(x, c).counters.packets_sent, sent);
    assert_true(stats_of(x, other).counters.packets_sent > sent);
    c->open = true;
    c->loop.mute = false;
    loopback_client_check(&c->loop, loopback_now_us()); /* and so is asked again */
    run_until(x, have_everything);
    assert_true(c->loop.position > here);
    close(before);
    fixture_free(x);
}

static int set_up(void **unused)
{
    (void)unused;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moved_viewer_goes_on),
        cmocka_unit_test(a_handshake_stays_where_it_began),
        cmocka_unit_test(a_moved_viewer_needs_no_check),
        cmocka_unit_test(strays_of_nobody_are_unknown),
        cmocka_unit_test(nothing_goes_where_nobody_answers),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
