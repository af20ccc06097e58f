/* udp: trains arrive as the datagrams they are made of, with and without UDP_SEGMENT; the port is
 * exclusive; what cannot be sent does not stop the rest. Real sockets on loopback. */
#include "rtp/forward/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 5000 };

struct peer_socket {
    int fd;
    struct address address;
};

static struct peer_socket peer_open(const char *ip)
{
    struct peer_socket p;
    assert_true(address_parse(&p.address, ip, 0));
    p.fd = socket(p.address.sa.sa_family, SOCK_DGRAM, 0);
    assert_true(p.fd >= 0);
    assert_int_equal(bind(p.fd, &p.address.sa, address_size(&p.address)), 0);
    struct sockaddr_in6 name;
    socklen_t size = sizeof(name);
    assert_int_equal(getsockname(p.fd, (struct sockaddr *)&name, &size), 0);
    address_from_sockaddr(&p.address, (struct sockaddr *)&name);
    return p;
}

static size_t peer_receive(const struct peer_socket *p, uint8_t *out, size_t room)
{
    struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
    ssize_t n = recv(p->fd, out, room, 0);
    assert_true(n >= 0);
    return (size_t)n;
}

static void put_train(struct udp_batch *b, const struct address *to, uint16_t segment, size_t size,
                      uint8_t fill)
{
    uint8_t *out = udp_batch_room(b);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(fill + i / segment);
    struct viewer_train train = {
        .to = *to,
        .segment_size = segment,
        .n_segments = (uint16_t)((size + segment - 1) / segment),
        .size = (uint32_t)size,
    };
    udp_batch_add(b, &train);
}

static void expect_train(const struct peer_socket *p, uint16_t segment, size_t size, uint8_t fill)
{
    uint8_t got[2048];
    for (size_t at = 0; at < size; at += segment) {
        size_t want = size - at < segment ? size - at : segment;
        assert_int_equal(peer_receive(p, got, sizeof(got)), want);
        for (size_t i = 0; i < want; i++)
            assert_int_equal(got[i], (uint8_t)(fill + at / segment));
    }
}

/* The same trains either way: of one segment, of many, with a short last one, to two addresses. */
static void send_and_compare(bool disable_gso, const char *ip)
{
    struct udp u;
    assert_int_equal(udp_open(&u, 0, NULL, disable_gso), 0);
    struct udp_batch *b = udp_batch_new(&u);
    assert_non_null(b);
    struct peer_socket p = peer_open(ip), q = peer_open(ip);

    put_train(b, &p.address, 1200, 1200, 1);
    put_train(b, &p.address, 1200, 9 * 1200, 10);
    put_train(b, &q.address, 1000, 5 * 1000 + 1, 20);
    put_train(b, &p.address, 100, 64 * 100, 30);
    put_train(b, &q.address, 80, 79, 120);
    assert_int_equal(udp_batch_count(b), 5);
    udp_batch_flush(b);
    assert_int_equal(udp_batch_count(b), 0);

    expect_train(&p, 1200, 1200, 1);
    expect_train(&p, 1200, 9 * 1200, 10);
    expect_train(&p, 100, 64 * 100, 30);
    expect_train(&q, 1000, 5 * 1000 + 1, 20);
    expect_train(&q, 80, 79, 120);

    const struct udp_counters *c = udp_batch_counters(b);
    assert_int_equal(c->packets_sent, 1 + 9 + 6 + 64 + 1);
    assert_int_equal(c->bytes_sent, 1200 + 9 * 1200 + 5001 + 6400 + 79);
    assert_int_equal(c->send_errors, 0);
    if (disable_gso)
        assert_false(udp_batch_gso(b));
    else if (u.gso)
        assert_int_equal(c->send_calls, 1);
    udp_batch_destroy(b);
    close(p.fd);
    close(q.fd);
    udp_close(&u);
}

static void test_segments_and_datagrams_are_the_same(void **unused)
{
    (void)unused;
    send_and_compare(false, "127.0.0.1");
    send_and_compare(true, "127.0.0.1");
}

static void test_ipv6(void **unused)
{
    (void)unused;
    struct udp u;
    assert_int_equal(udp_open(&u, 0, NULL, false), 0);
    bool v6 = u.v6;
    udp_close(&u);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    if (fd >= 0)
        close(fd);
    if (!v6 || !there)
        skip();
    send_and_compare(false, "::1");
    send_and_compare(true, "::1");
}

static void test_port_in_use(void **unused)
{
    (void)unused;
    struct udp first, second, third;
    assert_int_equal(udp_open(&first, 0, NULL, false), 0);
    uint16_t port = udp_port(&first);
    assert_int_not_equal(port, 0);
    assert_int_equal(udp_open(&second, 0, &first, false), 0); /* ours share it */
    assert_int_equal(udp_port(&second), port);
    assert_int_equal(udp_open(&third, port, NULL, false), -EADDRINUSE); /* another program */
    udp_close(&first);
    assert_int_equal(udp_open(&third, port, NULL, false), -EADDRINUSE);
    udp_close(&second);
    assert_int_equal(udp_open(&third, port, NULL, false), 0);
    udp_close(&third);
}

/* A port that is held by somebody who would share it, and on one address only. */
static void test_port_in_use_by_a_sharer(void **unused)
{
    (void)unused;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    struct udp u;
    assert_int_equal(udp_open(&u, ntohs(name.sin_port), NULL, false), -EADDRINUSE);
    close(fd);
}

static void test_bad_destination_does_not_stop_the_rest(void **unused)
{
    (void)unused;
    struct udp u;
    assert_int_equal(udp_open(&u, 0, NULL, false), 0);
    struct udp_batch *b = udp_batch_new(&u);
    assert_non_null(b);
    struct peer_socket p = peer_open("127.0.0.1");
    struct address nowhere;
    assert_true(
        address_parse(&nowhere, "127.0.0.1", 0)); /* port 0: EINVAL, as for refused segments */

    put_train(b, &p.address, 500, 1000, 1);
    for (int i = 0; i < 40; i++)
        put_train(b, &nowhere, 500, 1500, 2);
    put_train(b, &nowhere, 500, 500, 3);
    put_train(b, &p.address, 500, 1000, 4);
    udp_batch_flush(b);
    expect_train(&p, 500, 1000, 1);
    expect_train(&p, 500, 1000, 4);
    const struct udp_counters *c = udp_batch_counters(b);
    assert_int_equal(c->packets_sent, 4);
    assert_int_equal(c->send_errors, 40 * 3 + 1);
    assert_int_equal(udp_batch_gso(b), u.gso); /* it was not the segmentation's fault */
    udp_batch_destroy(b);
    close(p.fd);
    udp_close(&u);
}

/* Segments that do not fit the path are refused as a train but pass, in fragments, as datagrams. */
static void test_refused_segments_leave_as_datagrams(void **unused)
{
    (void)unused;
    struct udp u;
    assert_int_equal(udp_open(&u, 0, NULL, false), 0);
    int no_checksum = 1; /* UDP_SEGMENT without a checksum is EINVAL */
    if (!u.gso || setsockopt(u.fd, SOL_SOCKET, SO_NO_CHECK, &no_checksum, sizeof(no_checksum)) != 0)
        skip();
    struct udp_batch *b = udp_batch_new(&u);
    assert_non_null(b);
    struct peer_socket p = peer_open("127.0.0.1");
    for (int i = 0; i < 20; i++)
        put_train(b, &p.address, 300, 650, (uint8_t)i);
    udp_batch_flush(b);
    for (int i = 0; i < 20; i++)
        expect_train(&p, 300, 650, (uint8_t)i);
    assert_false(udp_batch_gso(b));
    const struct udp_counters *c = udp_batch_counters(b);
    assert_int_equal(c->packets_sent, 60);
    assert_int_equal(c->send_errors, 0);

    /* Once the route takes them again they are tried again, after some thousand trains. */
    int checksum = 0;
    assert_int_equal(setsockopt(u.fd, SOL_SOCKET, SO_NO_CHECK, &checksum, sizeof(checksum)), 0);
    for (int i = 0; i < 5000 && !udp_batch_gso(b); i++) {
        put_train(b, &p.address, 300, 650, (uint8_t)i);
        udp_batch_flush(b);
        expect_train(&p, 300, 650, (uint8_t)i);
    }
    assert_true(udp_batch_gso(b));
    uint64_t calls = c->send_calls;
    put_train(b, &p.address, 300, 650, 9);
    udp_batch_flush(b);
    expect_train(&p, 300, 650, 9);
    assert_int_equal(c->send_calls, calls + 1);
    udp_batch_destroy(b);
    close(p.fd);
    udp_close(&u);
}

static void test_more_than_a_batch(void **unused)
{
    (void)unused;
    struct udp u;
    assert_int_equal(udp_open(&u, 0, NULL, false), 0);
    struct udp_batch *b = udp_batch_new(&u);
    assert_non_null(b);
    struct peer_socket p = peer_open("127.0.0.1");
    for (unsigned i = 0; i < 3 * UDP_BATCH_TRAINS; i++)
        put_train(b, &p.address, 10, 10, (uint8_t)i);
    udp_batch_flush(b);
    for (unsigned i = 0; i < 3 * UDP_BATCH_TRAINS; i++)
        expect_train(&p, 10, 10, (uint8_t)i);
    udp_batch_destroy(b);
    close(p.fd);
    udp_close(&u);
}

static unsigned receive_some(const struct udp *u, struct udp_receiver *r, struct udp_inbox *in)
{
    struct pollfd pfd = {.fd = u->fd, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
    return udp_receive(u, r, in);
}

static void test_receive(void **unused)
{
    (void)unused;
    struct udp u;
    assert_int_equal(udp_open(&u, 0, NULL, false), 0);
    struct udp_receiver *r = udp_receiver_new();
    assert_non_null(r);
    struct udp_inbox in;
    assert_int_equal(udp_receive(&u, r, &in), 0);

    struct peer_socket p = peer_open("127.0.0.1");
    struct address to;
    assert_true(address_parse(&to, "127.0.0.1", udp_port(&u)));
    uint8_t data[3000] = {1, 2, 3};
    assert_int_equal(sendto(p.fd, data, 3, 0, &to.sa, address_size(&to)), 3);
    assert_int_equal(sendto(p.fd, data, 3000, 0, &to.sa, address_size(&to)), 3000); /* too large */
    assert_int_equal(sendto(p.fd, data, 0, 0, &to.sa, address_size(&to)), 0);
    assert_int_equal(sendto(p.fd, data, 2, 0, &to.sa, address_size(&to)), 2);
    static const size_t want[] = {3, 0, 0, 2};
    for (unsigned seen = 0; seen < 4;) {
        unsigned n = receive_some(&u, r, &in);
        for (unsigned i = 0; i < n; i++, seen++) {
            assert_int_equal(in.datagram[i].size, want[seen]);
            if (want[seen] == 0)
                continue;
            assert_memory_equal(in.datagram[i].data, data, want[seen]);
            assert_true(address_equal(&in.datagram[i].from, &p.address)); /* as IPv4 */
        }
    }
    udp_receiver_destroy(r);
    close(p.fd);
    udp_close(&u);
}

/* --- which of our addresses --- */

static void hello(const struct peer_socket *p, const struct udp *u, const char *ip)
{
    struct address to;
    assert_true(address_parse(&to, ip, udp_port(u)));
    assert_int_equal(sendto(p->fd, ip, strlen(ip), 0, &to.sa, address_size(&to)), strlen(ip));
}

static struct address receive_one(const struct udp *u, struct udp_receiver *r)
{
    struct udp_inbox in;
    assert_int_equal(receive_some(u, r, &in), 1);
    return in.datagram[0].from;
}

static void expect_from(const struct peer_socket *p, const char *ip)
{
    uint8_t got[2048];
    struct sockaddr_in6 name;
    socklen_t size = sizeof(name);
    struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
    assert_true(recvfrom(p->fd, got, sizeof(got), 0, (struct sockaddr *)&name, &size) > 0);
    struct address from, want;
    address_from_sockaddr(&from, (struct sockaddr *)&name);
    assert_true(address_parse(&want, ip, address_port(&from)));
    assert_true(address_equal(&from, &want));
}

/* What one of them was sent to is answered from there, whole or in pieces. */
static void answer_from_where_it_came(bool disable_gso)
{
    static const char *const ours[] = {"127.0.0.1", "127.0.0.2", "::1"};
    struct udp u;
    struct udp_locals locals;
    udp_locals_init(&locals);
    assert_int_equal(udp_open(&u, 0, NULL, disable_gso), 0);
    u.locals = &locals;
    struct udp_receiver *r = udp_receiver_new();
    struct udp_batch *b = udp_batch_new(&u);
    struct peer_socket v4 = peer_open("127.0.0.1"), v6 = {.fd = -1};
    unsigned n = 2;
    if (u.v6) {
        v6 = peer_open("::1");
        n = 3;
    }
    struct address paths[3];
    for (unsigned i = 0; i < n; i++) {
        const struct peer_socket *p = i < 2 ? &v4 : &v6;
        hello(p, &u, ours[i]);
        paths[i] = receive_one(&u, r);
        assert_true(address_same_end(&paths[i], &p->address));
        assert_int_equal(paths[i].path, ADDRESS_PATH_UDP | i);
    }
    assert_false(address_equal(&paths[0], &paths[1]));
    for (unsigned i = 0; i < n; i++) {
        put_train(b, &paths[i], 1000, 1000, 1);
        put_train(b, &paths[i], 1000, 2500, 1);
    }
    udp_batch_flush(b);
    for (unsigned i = 0; i < n; i++) {
        for (int k = 0; k < 4; k++)
            expect_from(i < 2 ? &v4 : &v6, ours[i]);
    }
    assert_int_equal(udp_batch_counters(b)->send_errors, 0);
    hello(&v4, &u, ours[1]); /* the same number again */
    assert_int_equal(receive_one(&u, r).path, paths[1].path);
    udp_batch_destroy(b);
    udp_receiver_destroy(r);
    close(v4.fd);
    if (v6.fd >= 0)
        close(v6.fd);
    udp_close(&u);
    udp_locals_finish(&locals);
}

static void test_answers_leave_from_where_it_came(void **unused)
{
    (void)unused;
    answer_from_where_it_came(false);
    answer_from_where_it_came(true);
}

static void test_locals_are_bounded(void **unused)
{
    (void)unused;
    struct udp u;
    struct udp_locals locals;
    udp_locals_init(&locals);
    assert_int_equal(udp_open(&u, 0, NULL, false), 0);
    u.locals = &locals;
    struct udp_receiver *r = udp_receiver_new();
    struct peer_socket p = peer_open("127.0.0.1");
    for (unsigned i = 0; i < UDP_LOCALS_MAX + 2; i++) {
        char ip[32];
        snprintf(ip, sizeof(ip), "127.0.%u.9", i);
        hello(&p, &u, ip);
        assert_int_equal(receive_one(&u, r).path, i < UDP_LOCALS_MAX ? ADDRESS_PATH_UDP | i : 0);
    }
    udp_receiver_destroy(r);
    close(p.fd);
    udp_close(&u);
    udp_locals_finish(&locals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_leave_from_where_it_came),
        cmocka_unit_test(test_locals_are_bounded),
        cmocka_unit_test(test_segments_and_datagrams_are_the_same),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_port_in_use_by_a_sharer),
        cmocka_unit_test(test_bad_destination_does_not_stop_the_rest),
        cmocka_unit_test(test_refused_segments_leave_as_datagrams),
        cmocka_unit_test(test_more_than_a_batch),
        cmocka_unit_test(test_receive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
