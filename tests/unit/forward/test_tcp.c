/* tcp: frames arrive whole and in order however little the kernel takes at a time, and what waits
 * is bounded. */
#include "rtp/forward/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct pair {
    struct tcp tcp;
    int peer;
    struct framing in;             /* the peer's */
    uint32_t next_sent, next_read; /* frames are numbered */
};

static struct pair *make_pair(void)
{
    struct pair *p = calloc(1, sizeof(*p));
    int fds[2], room = 4608;
    assert_non_null(p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(tcp_open(&p->tcp, fds[0]), 0);
    p->peer = fds[1];
    framing_init(&p->in);
    return p;
}

static void end_pair(struct pair *p)
{
    tcp_close(&p->tcp);
    if (p->peer >= 0)
        close(p->peer);
    free(p);
}

/* A train of `n` segments of `size` bytes, the last one of `last`: its number, then filling. */
static int send_train(struct pair *p, unsigned n, uint16_t size, uint16_t last)
{
    static uint8_t data[VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX];
    struct viewer_train train = {
        .segment_size = size, .n_segments = (uint16_t)n, .size = (uint32_t)((n - 1) * size + last)};
    for (unsigned i = 0; i < n; i++) {
        uint8_t *at = data + (size_t)i * size;
        size_t segment = i + 1 < n ? size : last;
        uint32_t number = p->next_sent + i;
        memset(at, (int)(number % 255), segment);
        memcpy(at, &number, segment < 4 ? segment : 4);
    }
    int rc = tcp_send(&p->tcp, data, &train);
    if (rc == 0)
        p->next_sent += n;
    return rc;
}

/* All frames that are there: numbered on, and filled as they were. */
static void read_frames(struct pair *p)
{
    size_t room, size;
    uint8_t *data = framing_room(&p->in, &room);
    ssize_t n;
    while ((n = recv(p->peer, data, room, MSG_DONTWAIT)) > 0) {
        framing_added(&p->in, (size_t)n);
        while (framing_peek(&p->in, &data, &size) == 1) {
            uint32_t number = 0;
            memcpy(&number, data, size < 4 ? size : 4);
            assert_int_equal(number, p->next_read);
            for (size_t i = 4; i < size; i++)
                assert_int_equal(data[i], number % 255);
            p->next_read++;
            framing_drop(&p->in);
        }
        data = framing_room(&p->in, &room);
    }
}

static void trains_become_frames(void **state)
{
    (void)state;
    struct pair *p = make_pair();
    static const struct {
        unsigned n;
        uint16_t size, last;
    } rows[] = {{1, 1200, 1200}, {1, 20, 20}, {3, 700, 700}, {2, 1000, 4}, {3, 600, 599}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(send_train(p, rows[i].n, rows[i].size, rows[i].last), 0);
        assert_false(tcp_is_full(&p->tcp));
        read_frames(p);
        assert_int_equal(p->next_read, p->next_sent);
    }
    end_pair(p);
}

static void what_waits_is_bounded_and_whole(void **state)
{
    (void)state;
    struct pair *p = make_pair();
    unsigned refused = 0;
    for (int i = 0; i < 100; i++) {
        int rc = send_train(p, VIEWER_TRAIN_MAX, VIEWER_DATAGRAM_MAX, (uint16_t)(4 + i));
        assert_true(rc == 0 || rc == -ENOSPC);
        refused += rc != 0;
        assert_true(tcp_is_full(&p->tcp)); /* the kernel takes less than a train */
        assert_true(p->tcp.out_end - p->tcp.out_begin <= TCP_OUT_MAX);
        assert_true(p->tcp.out_room <= TCP_OUT_MAX + 16384);
        assert_int_equal(tcp_flush(&p->tcp), -EAGAIN);
    }
    assert_int_equal(refused, 100 - p->next_sent / VIEWER_TRAIN_MAX);
    assert_in_range(p->next_sent / VIEWER_TRAIN_MAX, 3, 4);
    assert_int_equal(send_train(p, 1, 100, 100), 0); /* a small one still fits */
    while (tcp_flush(&p->tcp) == -EAGAIN)
        read_frames(p);
    assert_false(tcp_is_full(&p->tcp));
    assert_null(p->tcp.out);
    read_frames(p);
    assert_int_equal(p->next_read, p->next_sent);
    assert_int_equal(send_train(p, 2, 100, 50), 0);
    read_frames(p);
    assert_int_equal(p->next_read, p->next_sent);
    end_pair(p);
}

/* Sending and reading in turn, with something waiting all the time. */
static void what_waits_may_change_all_the_time(void **state)
{
    (void)state;
    struct pair *p = make_pair();
    uint32_t random = 1;
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        unsigned n = random >> 28;
        uint16_t size = (uint16_t)(4 + (random >> 8) % 1200);
        if (n > 0)
            (void)send_train(p, n, size, (uint16_t)(4 + (random >> 4) % (size - 3)));
        if (random & 4)
            (void)tcp_flush(&p->tcp);
        if (random & 8)
            read_frames(p);
    }
    while (tcp_flush(&p->tcp) == -EAGAIN)
        read_frames(p);
    read_frames(p);
    assert_int_equal(p->next_read, p->next_sent);
    assert_true(p->next_read > 10000);
    end_pair(p);
}

static void the_end_is_told(void **state)
{
    (void)state;
    struct pair *p = make_pair();
    assert_int_equal(tcp_receive(&p->tcp), -EAGAIN);
    assert_int_equal(send(p->peer, "\0\3abc", 5, 0), 5);
    assert_int_equal(tcp_receive(&p->tcp), 5);
    uint8_t *frame;
    size_t size;
    assert_int_equal(framing_peek(&p->tcp.in, &frame, &size), 1);
    assert_memory_equal(frame, "abc", size);
    assert_int_equal(send_train(p, 20, 1000, 1000), 0);
    assert_true(tcp_is_full(&p->tcp));
    close(p->peer);
    p->peer = -1;
    assert_int_equal(tcp_flush(&p->tcp), -EPIPE);
    int rc = tcp_receive(&p->tcp);
    assert_true(rc < 0 && rc != -EAGAIN);
    end_pair(p);

    p = make_pair();
    close(p->peer);
    p->peer = -1;
    assert_int_equal(send_train(p, 1, 10, 10), -EPIPE); /* and no signal */
    end_pair(p);
}

static void only_connections_are_taken(void **state)
{
    (void)state;
    struct tcp t;
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tcp_open(&t, fd), -ENOTCONN);
    assert_int_equal(close(fd), 0); /* still ours */
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tcp_open(&t, ends[0]), -ENOTSOCK);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_become_frames),
        cmocka_unit_test(what_waits_is_bounded_and_whole),
        cmocka_unit_test(what_waits_may_change_all_the_time),
        cmocka_unit_test(the_end_is_told),
        cmocka_unit_test(only_connections_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
