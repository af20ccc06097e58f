/* worker_tcp: time and number of connections, without a worker's thread: the clock is the test's.
 */
#include "rtp/forward/worker_inside.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#define VIEWERS 10
#define START_US INT64_C(1000000000)

/* A worker of which only the connections and the clock are there, and no viewers. */
static struct worker *make_worker(void)
{
    struct worker *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->config.n_workers = 1;
    w->now_us = START_US;
    w->by_id = calloc(1, sizeof(struct worker_viewer *));
    assert_non_null(w->by_id);
    assert_int_equal(worker_tcp_create(&w->tcp, VIEWERS), 0);
    return w;
}

static void end_worker(struct worker *w)
{
    worker_tcp_destroy(w->tcp);
    free(w->by_id);
    free(w);
}

/* Returns the peer's end. */
static int connect_guest(struct worker *w)
{
    int fds[2];
    struct tcp_guest *g;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(tcp_guest_new(&g, fds[0]), 0);
    worker_tcp_take(w, g);
    return fds[1];
}

static bool has_ended(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

static void a_silent_one_is_closed_in_time(void **state)
{
    (void)state;
    struct worker *w = make_worker();
    assert_false(worker_tcp_is_used(w->tcp));
    int first = connect_guest(w);
    w->now_us += 1000000;
    int second = connect_guest(w);
    assert_true(worker_tcp_is_used(w->tcp));
    w->now_us = START_US + WORKER_TCP_PENDING_US - 1;
    worker_tcp_tick(w);
    assert_false(has_ended(first));
    /* Words that are no check do not help. */
    assert_int_equal(send(first, "\0\3abc", 5, 0), 5);
    worker_tcp_run(w);
    assert_int_equal(w->datagrams_unknown, 1);
    w->now_us++;
    worker_tcp_tick(w);
    assert_true(has_ended(first));
    assert_false(has_ended(second));
    w->now_us += 1000000;
    worker_tcp_tick(w);
    assert_true(has_ended(second));
    assert_false(worker_tcp_is_used(w->tcp));
    close(first);
    close(second);
    end_worker(w);
}

static void only_so_many_may_be_pending(void **state)
{
    (void)state;
    static int peers[WORKER_TCP_PENDING_MAX];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct worker *w = make_worker();
    for (int i = 0; i < WORKER_TCP_PENDING_MAX; i++)
        peers[i] = connect_guest(w);
    int refused = connect_guest(w);
    assert_true(has_ended(refused));
    close(refused);
    assert_int_equal(worker_tcp_counters(w->tcp).refused, 1);
    assert_int_equal(worker_tcp_counters(w->tcp).connections, WORKER_TCP_PENDING_MAX);

    close(peers[500]);           /* one goes, and one may come */
    for (int i = 0; i < 20; i++) /* told in rounds of a bounded size */
        worker_tcp_run(w);
    assert_int_equal(worker_tcp_counters(w->tcp).connections, WORKER_TCP_PENDING_MAX - 1);
    peers[500] = connect_guest(w);
    assert_false(has_ended(peers[500]));
    for (int i = 0; i < WORKER_TCP_PENDING_MAX; i++)
        close(peers[i]);
    while (worker_tcp_is_used(w->tcp))
        worker_tcp_run(w);
    for (int i = 0; i < 3 * WORKER_TCP_PENDING_MAX; i++) { /* slots are used again */
        int fd = connect_guest(w);
        assert_false(has_ended(fd));
        close(fd);
        worker_tcp_run(w);
    }
    assert_false(worker_tcp_is_used(w->tcp));
    assert_int_equal(worker_tcp_counters(w->tcp).refused, 1);
    end_worker(w);
}

static void a_path_that_is_gone_takes_nothing(void **state)
{
    (void)state;
    struct worker *w = make_worker();
    int fd = connect_guest(w);
    uint8_t data[100] = {0};
    struct viewer_train train = {.segment_size = 100, .n_segments = 1, .size = 100};
    for (uint32_t path = 1; path < 5000; path++) {
        train.to.path = path;
        if (!worker_tcp_is_stalled(w, &train.to))
            break;
    }
    assert_false(worker_tcp_is_stalled(w, &train.to)); /* that one is it */
    worker_tcp_send(w, data, &train);
    assert_int_equal(recv(fd, data, sizeof(data), 0), 100);
    assert_int_equal(worker_tcp_counters(w->tcp).packets_sent, 1);
    assert_int_equal(worker_tcp_counters(w->tcp).bytes_sent, 100);

    struct viewer_train elsewhere = train; /* the number alone does not suffice */
    assert_true(address_parse(&elsewhere.to, "192.0.2.1", 1));
    elsewhere.to.path = train.to.path;
    assert_true(worker_tcp_is_stalled(w, &elsewhere.to));

    close(fd);
    worker_tcp_run(w);
    assert_true(worker_tcp_is_stalled(w, &train.to));
    worker_tcp_send(w, data, &train);
    assert_int_equal(worker_tcp_counters(w->tcp).send_errors, 1);
    fd = connect_guest(w); /* the same slot, but another path */
    assert_true(worker_tcp_is_stalled(w, &train.to));
    close(fd);
    end_worker(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_one_is_closed_in_time),
        cmocka_unit_test(only_so_many_may_be_pending),
        cmocka_unit_test(a_path_that_is_gone_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
