/* forwarder over TCP: scripted viewers on real connections, handed over as the HTTP port does. What
 * they get is compared byte for byte with what was published; waits are for conditions. */
#include "rtp/forward/worker_tcp.h"
#include "rtp/session/cipher.h"
#include "tests/unit/forward/forwarder_fixture.h"

#include <fcntl.h>
#include <netinet/tcp.h>

static void connect_tcp(struct fixture *x, struct client *c, int room)
{
    forwarder_add_tcp(x->f, loopback_client_use_tcp(&c->loop, room));
    c->open = true;
}

/* A viewer with everything but a way to it. */
static struct client *add_unconnected(struct fixture *x)
{
    struct client *c = reserve(x);
    struct viewer_config config = viewer_config(x, c);
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    loopback_client_begin(&c->loop, &c->seat.ice, x->viewer, &x->fingerprint);
    c->loop.on_rtp = on_rtp;
    c->loop.arg = x;
    return c;
}

static struct client *add_tcp_client(struct fixture *x)
{
    struct client *c = add_unconnected(x);
    connect_tcp(x, c, 0);
    return c;
}

static struct forwarder_worker_stats tcp_sum(struct fixture *x)
{
    struct forwarder_stats s;
    struct forwarder_worker_stats sum = {0};
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    for (unsigned i = 0; i < s.n_workers; i++) {
        sum.packets_sent += s.workers[i].packets_sent;
        sum.send_errors += s.workers[i].send_errors;
        sum.datagrams_received += s.workers[i].datagrams_received;
        sum.datagrams_unknown += s.workers[i].datagrams_unknown;
        sum.tcp_connections += s.workers[i].tcp_connections;
        sum.tcp_refused += s.workers[i].tcp_refused;
    }
    forwarder_stats_free(&s);
    return sum;
}

static struct forwarder_viewer_stats viewer_stats(struct fixture *x, const struct client *c)
{
    struct forwarder_stats s;
    struct forwarder_viewer_stats found = {0};
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    for (unsigned i = 0; i < s.n_viewers; i++) {
        if (s.viewers[i].id == c->seat.viewer_id)
            found = s.viewers[i];
    }
    forwarder_stats_free(&s);
    assert_int_not_equal(found.id, 0);
    return found;
}

static bool is_accounted_for(struct fixture *x)
{
    uint64_t received = 0, sent = 0;
    for (unsigned i = 0; i < x->n_clients; i++) {
        received += x->clients[i].loop.datagrams;
        sent += x->clients[i].loop.datagrams_sent;
    }
    struct forwarder_worker_stats sum = tcp_sum(x);
    return sum.packets_sent == received && sum.datagrams_received == sent;
}

/* Half over UDP and half over TCP, and of these every other one comes to the wrong worker first. */
static void everything_arrives(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, CLIENTS, false);
    add_client(x);
    for (int i = 0; i < 5; i++) {
        add_tcp_client(x);
        if (i % 2)
            add_client(x);
    }
    run_until(x, are_connected);
    assert_int_equal(tcp_sum(x).tcp_connections, 5);
    for (int i = 0; i < 150; i++)
        publish_and_wait(x, i % 50 == 0);
    run_until(x, is_accounted_for);
    struct forwarder_worker_stats sum = tcp_sum(x);
    assert_int_equal(sum.send_errors + sum.datagrams_unknown + sum.tcp_refused, 0);
    for (unsigned i = 0; i < x->n_clients; i++) {
        const struct client *c = &x->clients[i];
        struct forwarder_viewer_stats v = viewer_stats(x, c);
        assert_int_equal(c->loop.not_authentic, 0);
        assert_int_equal(v.counters.packets_sent, c->loop.rtp);
        assert_int_equal(address_is_udp(&v.remote), !c->loop.tcp);
    }
    fixture_free(x);
}

/* --- finding the viewer --- */

static bool is_answered(struct fixture *x)
{
    return x->clients[x->n_clients - 1].loop.ice_done;
}

static void send_slowly(int fd, const uint8_t *data, size_t size)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(send(fd, data + i, 1, MSG_NOSIGNAL), 1);
        for (int unacked = 1; unacked > 0;) {
            struct tcp_info info;
            socklen_t n = sizeof(info);
            assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
            unacked = (int)info.tcpi_unacked;
        }
    }
}

static size_t frame_check(const struct client *c, uint8_t *out, size_t room)
{
    size_t size = ice_lite_write_check(out + FRAMING_HEADER, room - FRAMING_HEADER, LOOPBACK_UFRAG,
                                       c->seat.ice.ufrag, c->seat.ice.pwd, 1, c->loop.transaction);
    assert_true(size > 0);
    framing_write(out, size);
    return FRAMING_HEADER + size;
}

static void the_first_check_may_come_byte_by_byte(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 8, false);
    for (int i = 0; i < 3; i++) { /* to one worker and to the other */
        struct client *c = add_unconnected(x);
        uint8_t data[600];
        int other = loopback_client_use_tcp(&c->loop, 0);
        forwarder_add_tcp(x->f, other);
        send_slowly(c->loop.fd, data, frame_check(c, data, sizeof(data)));
        c->loop.check_us = INT64_MAX; /* that one must do */
        c->open = true;
        run_until(x, is_answered);
        c->loop.check_us = 0;
        if (i == 1)
            add_client(x); /* the parity of workers and connections changes */
    }
    run_until(x, are_connected);
    publish_and_wait(x, true);
    fixture_free(x);
}

static bool is_one_unknown(struct fixture *x)
{
    return tcp_sum(x).datagrams_unknown == 1;
}

static void a_check_before_its_viewer_waits_for_it(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *c = reserve(x);
    loopback_client_begin(&c->loop, &c->seat.ice, x->viewer, &x->fingerprint);
    c->loop.on_rtp = on_rtp;
    c->loop.arg = x;
    forwarder_add_tcp(x->f, loopback_client_use_tcp(&c->loop, 0));
    loopback_client_check(&c->loop, 0);
    run_until(x, is_one_unknown);
    assert_int_equal(tcp_sum(x).tcp_connections, 1);
    struct viewer_config config = viewer_config(x, c);
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    c->open = true; /* checks again */
    run_until(x, are_connected);
    publish_and_wait(x, true);
    fixture_free(x);
}

static bool is_last_ended(struct fixture *x)
{
    return x->clients[x->n_clients - 1].loop.ended;
}

static void a_viewer_has_a_bounded_number_of_connections(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *c = add_unconnected(x);
    int fds[WORKER_TCP_PER_VIEWER];
    for (int i = 0; i < WORKER_TCP_PER_VIEWER; i++) {
        connect_tcp(x, c, 0);
        loopback_client_check(&c->loop, loopback_now_us());
        c->loop.ice_done = false;
        run_until(x, is_answered);
        fds[i] = c->loop.fd;
    }
    run_until(x, are_connected);
    connect_tcp(x, c, 0);
    c->loop.check_us = 0;
    run_until(x, is_last_ended);
    close(c->loop.fd);
    assert_int_equal(tcp_sum(x).tcp_connections, WORKER_TCP_PER_VIEWER);
    assert_int_equal(tcp_sum(x).tcp_refused, 1);
    c->loop.fd = fds[WORKER_TCP_PER_VIEWER - 1]; /* where it was */
    c->loop.ended = false;
    framing_init(c->loop.in);
    publish_and_wait(x, true);

    forwarder_remove_viewer(x->f, c->seat.viewer_id); /* and with it all of them */
    run_until(x, is_last_ended);
    for (int i = 0; i < WORKER_TCP_PER_VIEWER - 1; i++) {
        uint8_t byte;
        while (recv(fds[i], &byte, 1, 0) > 0)
            ;
        close(fds[i]);
    }
    assert_int_equal(tcp_sum(x).tcp_connections, 0);
    fixture_free(x);
}

/* --- what nobody asked for --- */

static bool have_all_ended(struct fixture *x)
{
    return tcp_sum(x).tcp_connections == 0;
}

static bool are_four_unknown(struct fixture *x)
{
    return tcp_sum(x).datagrams_unknown == 4;
}

static void garbage_is_counted_or_closed(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *good = add_client(x);
    run_until(x, are_connected);
    struct client *c = add_unconnected(x);
    static const uint8_t too_long[] = {0x08, 0x01, 0, 1};
    forwarder_add_tcp(x->f, loopback_client_use_tcp(&c->loop, 0));
    assert_int_equal(send(c->loop.fd, too_long, sizeof(too_long), 0), sizeof(too_long));
    run_until(x, have_all_ended);
    close(c->loop.fd);

    /* Frames that are no check; null packets are none at all; and a check of no such worker. */
    static const uint8_t frames[] = {0, 0, 0, 3, 0x80, 1, 2, 0, 0, 0, 1, 22, 0, 2, 0, 1};
    forwarder_add_tcp(x->f, loopback_client_use_tcp(&c->loop, 0));
    assert_int_equal(send(c->loop.fd, frames, sizeof(frames), 0), sizeof(frames));
    strcpy(c->loop.server.ufrag, "ff00000001abcdef");
    loopback_client_check(&c->loop, 0);
    run_until(x, are_four_unknown);
    assert_int_equal(tcp_sum(x).tcp_connections, 1); /* it has its time */
    shutdown(c->loop.fd, SHUT_WR);
    run_until(x, have_all_ended);

    int ends[2];
    uint8_t byte;
    assert_int_equal(pipe(ends), 0);
    forwarder_add_tcp(x->f, ends[1]); /* no connection at all */
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    close(c->loop.fd);
    c->loop.fd = -1;
    (void)good;
    publish(x, true);
    x->n_clients = 1; /* the other never comes */
    run_until(x, have_everything);
    dtls_destroy(c->loop.dtls);
    free(c->loop.in);
    fixture_free(x);
}

/* --- from one path to another --- */

static bool has_news(struct fixture *x)
{
    return x->clients[0].loop.datagrams > 0;
}

/* Nominates the path that the client is on now: from then on media comes there, and only there. */
static void nominate(struct fixture *x, int before)
{
    uint8_t data[2048];
    x->clients[0].loop.datagrams = 0;
    loopback_client_check(&x->clients[0].loop, loopback_now_us());
    run_until(x, has_news);
    publish_and_wait(x, false);
    while (recv(before, data, sizeof(data), MSG_DONTWAIT) > 0) /* what was under way */
        ;
    for (int i = 0; i < 20; i++)
        publish_and_wait(x, false);
    assert_int_equal(recv(before, data, sizeof(data), MSG_DONTWAIT), -1);
}

static void media_follows_between_udp_and_tcp(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *c = add_client(x);
    add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    int udp = c->loop.fd;
    for (int i = 0; i < 4; i++) {
        connect_tcp(x, c, 0);
        nominate(x, udp);
        struct address remote = viewer_stats(x, c).remote;
        assert_false(address_is_udp(&remote));

        int tcp = c->loop.fd;
        c->loop.fd = udp;
        c->loop.tcp = false;
        nominate(x, tcp);
        remote = viewer_stats(x, c).remote;
        assert_true(address_is_udp(&remote));
        assert_int_equal(tcp_sum(x).tcp_connections, 1); /* kept in reserve */
        close(tcp);
        run_until(x, have_all_ended);
    }
    assert_int_equal(c->loop.not_authentic, 0);
    fixture_free(x);
}

static void a_lost_connection_is_replaced(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *c = add_tcp_client(x);
    add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    close(c->loop.fd);
    c->open = false;
    run_until(x, have_all_ended);
    uint64_t sent = viewer_stats(x, c).counters.packets_sent;
    for (int i = 0; i < 10; i++)
        publish_and_wait(x, false); /* the other one */
    assert_int_equal(viewer_stats(x, c).counters.packets_sent, sent);
    assert_int_equal(c->state, VIEWER_PLAYING);
    connect_tcp(x, c, 0);
    c->loop.check_us = 0;
    run_until(x, have_everything); /* all of what it missed too */
    publish_and_wait(x, false);
    fixture_free(x);
}

/* --- a reader that does not read --- */

static bool is_packet_of(const struct fixture *x, uint64_t frame, unsigned i,
                         const struct rtp_header *h, const uint8_t *payload)
{
    const struct packetize *p = &x->published[frame]->payload;
    return h->payload_size == p->packets[i].size &&
           memcmp(payload, p->data + p->packets[i].offset, h->payload_size) == 0;
}

/* Contiguous packets; but after any of them the newest keyframe may come instead of the next. */
static void on_rtp_after_jumps(void *arg, struct loopback_client *loop, const struct rtp_header *h,
                               const uint8_t *payload)
{
    struct fixture *x = arg;
    struct client *c = (struct client *)((char *)loop - offsetof(struct client, loop));
    uint64_t position = loop->position, i = c->first_frame;
    while (i < x->n_published && position >= x->published[i]->payload.n_packets)
        position -= x->published[i++]->payload.n_packets;
    if (i == x->n_published || !is_packet_of(x, i, (unsigned)position, h, payload)) {
        uint64_t keyframe = x->n_published - 1;
        while (!x->published[keyframe]->keyframe)
            keyframe--;
        assert_true(keyframe > i && is_packet_of(x, keyframe, 0, h, payload));
        assert_int_equal(h->seq, (uint16_t)(c->last_seq + 1));
        c->first_frame = keyframe;
        loop->position = 0;
    }
    on_rtp(arg, loop, h, payload);
}

static void a_blocked_reader_concerns_nobody_else(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 8, false);
    struct client *blocked = add_unconnected(x);
    blocked->loop.on_rtp = on_rtp_after_jumps;
    connect_tcp(x, blocked, 16384);
    for (int i = 0; i < 2; i++) {
        add_tcp_client(x);
        add_client(x);
    }
    run_until(x, are_connected);
    publish_and_wait(x, true);
    int asked = atomic_load(&x->keyframe_requests);

    blocked->open = false; /* it is not read any more */
    for (int i = 0; i < 40; i++) {
        publish_sized(x, false, 15000);
        run_until(x, have_everything);
    }
    uint64_t sent = viewer_stats(x, blocked).counters.bytes_sent;
    assert_in_range(sent, 32768, 400000); /* of 600 KB; most of it is in the kernel */
    for (int i = 0; i < STREAM_MAX_FRAMES + 40; i++) {
        publish_sized(x, i % 100 == 0, 1200);
        run_until(x, have_everything);
    }
    assert_int_equal(viewer_stats(x, blocked).counters.bytes_sent, sent);

    uint64_t before = blocked->loop.rtp;
    blocked->open = true;
    run_until(x, have_everything);
    assert_true(blocked->loop.rtp > before);
    assert_true(blocked->first_frame > 40 + 1 + 400);
    assert_int_equal(viewer_stats(x, blocked).counters.keyframe_jumps, 1);
    assert_int_equal(atomic_load(&x->keyframe_requests), asked);
    publish_and_wait(x, false);
    for (unsigned i = 1; i < x->n_clients; i++) {
        assert_int_equal(viewer_stats(x, &x->clients[i]).counters.keyframe_jumps, 0);
        assert_int_equal(x->clients[i].first_frame, 0);
    }
    assert_int_equal(tcp_sum(x).send_errors, 0);
    fixture_free(x);
}

/* --- the end --- */

static void goodbyes_come_before_the_end(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 8, false);
    for (int i = 0; i < 4; i++)
        add_tcp_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    struct client *last = &x->clients[3];
    forwarder_remove_viewer(x->f, last->seat.viewer_id);
    run_until(x, is_last_ended);
    assert_int_equal(last->loop.byes, 1);
    assert_true(last->loop.closed);
    assert_int_equal(tcp_sum(x).tcp_connections, 3);

    struct client *on_the_way = add_unconnected(x);
    connect_tcp(x, on_the_way, 0);
    struct client *never = add_unconnected(x);
    connect_tcp(x, never, 0);
    forwarder_destroy(x->f);
    x->f = NULL;
    for (int i = 0; i < 3; i++) {
        struct loopback_client *loop = &x->clients[i].loop;
        loopback_client_pump(loop);
        assert_int_equal(loop->byes, 1);
        assert_true(loop->closed && loop->ended);
    }
    loopback_client_read_tcp(&on_the_way->loop);
    assert_true(on_the_way->loop.ended);
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
        cmocka_unit_test(everything_arrives),
        cmocka_unit_test(the_first_check_may_come_byte_by_byte),
        cmocka_unit_test(a_check_before_its_viewer_waits_for_it),
        cmocka_unit_test(a_viewer_has_a_bounded_number_of_connections),
        cmocka_unit_test(garbage_is_counted_or_closed),
        cmocka_unit_test(media_follows_between_udp_and_tcp),
        cmocka_unit_test(a_lost_connection_is_replaced),
        cmocka_unit_test(a_blocked_reader_concerns_nobody_else),
        cmocka_unit_test(goodbyes_come_before_the_end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
