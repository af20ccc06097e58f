/* test_udp_full.c - a socket that is full for a while, as with a device slower than we are: nothing
 * is lost, nothing waits, order is kept. The kernel's part is played by a sendmmsg of our own. */
#include "tests/unit/forward/forwarder_fixture.h"

#include "rtp/forward/udp.h"
#include "rtp/session/cipher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/syscall.h>

static atomic_int allowance = -1; /* messages until the socket is full; -1: it never is */
static atomic_int at_once;        /* 0: no limit; else full after so many, at every other call */
static atomic_int calls;
static atomic_ulong refused;

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    int left = atomic_load(&allowance), most = atomic_load(&at_once);
    bool full = left == 0 || (most > 0 && atomic_fetch_add(&calls, 1) % 2 == 1);
    if (full) {
        atomic_fetch_add(&refused, 1);
        errno = EAGAIN;
        return -1;
    }
    if (left > 0 && n > (unsigned)left)
        n = (unsigned)left;
    if (most > 0 && n > (unsigned)most)
        n = (unsigned)most;
    int sent = (int)syscall(SYS_sendmmsg, fd, msgs, n, flags);
    if (left > 0 && sent > 0)
        atomic_fetch_sub(&allowance, sent);
    return sent;
}

/* --- one batch --- */

enum { TRAINS = 10, SEGMENT = 100, SEGMENTS = 5 };

struct batch {
    struct udp udp;
    struct udp_batch *b;
    int sink;
    struct address to;
};

static void open_batch(struct batch *x, bool disable_gso)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    assert_int_equal(udp_open(&x->udp, 0, NULL, disable_gso), 0);
    x->b = udp_batch_new(&x->udp);
    x->sink = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(x->b && x->sink >= 0);
    assert_int_equal(bind(x->sink, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(getsockname(x->sink, (struct sockaddr *)&name, &size), 0);
    address_from_sockaddr(&x->to, (struct sockaddr *)&name);
}

static void close_batch(struct batch *x)
{
    udp_batch_destroy(x->b);
    udp_close(&x->udp);
    close(x->sink);
}

/* Datagrams numbered on from `first`. */
static void put(struct batch *x, unsigned first)
{
    uint8_t *out = udp_batch_room(x->b);
    assert_non_null(out);
    for (unsigned i = 0; i < SEGMENTS; i++)
        memset(out + i * SEGMENT, (int)(first + i), SEGMENT);
    udp_batch_add(x->b, &(struct viewer_train){.to = x->to,
                                               .segment_size = SEGMENT,
                                               .n_segments = SEGMENTS,
                                               .size = SEGMENT * SEGMENTS});
}

static unsigned read_in_order(struct batch *x, unsigned next)
{
    uint8_t got[SEGMENT + 1];
    ssize_t n;
    while ((n = recv(x->sink, got, sizeof(got), 0)) >= 0) {
        assert_int_equal(n, SEGMENT);
        assert_int_equal(got[0], next);
        assert_int_equal(got[SEGMENT - 1], next++);
    }
    return next;
}

static void what_waits_leaves_later(void **state)
{
    (void)state;
    for (int gso = 0; gso <= 1; gso++) {
        struct batch x;
        open_batch(&x, gso == 0);
        if (gso && !x.udp.gso)
            skip();
        for (unsigned i = 0; i < TRAINS; i++)
            put(&x, i * SEGMENTS);
        unsigned next = 0;
        /* Datagrams or trains: sometimes in the middle of a train, sometimes nothing at all. */
        for (unsigned step = 0; next < TRAINS * SEGMENTS; step++) {
            assert_true(step < 100);
            atomic_store(&allowance, (int)(step * 7 % 5));
            udp_batch_flush(x.b);
            next = read_in_order(&x, next);
            bool left = next < TRAINS * SEGMENTS;
            assert_int_equal(udp_batch_blocked(x.b), left);
            assert_int_equal(udp_batch_room(x.b) == NULL, left);
        }
        atomic_store(&allowance, -1);
        const struct udp_counters *c = udp_batch_counters(x.b);
        assert_int_equal(c->packets_sent, TRAINS * SEGMENTS);
        assert_int_equal(c->bytes_sent, TRAINS * SEGMENTS * SEGMENT);
        assert_int_equal(c->send_errors, 0);
        assert_true(c->send_blocked > 2);
        assert_int_equal(udp_batch_gso(x.b), gso); /* a full socket says nothing about segments */
        put(&x, next);
        udp_batch_flush(x.b);
        assert_int_equal(read_in_order(&x, next), next + SEGMENTS);
        close_batch(&x);
    }
}

static void a_full_batch_has_no_room(void **state)
{
    (void)state;
    struct batch x;
    open_batch(&x, false);
    atomic_store(&allowance, 0);
    unsigned n = 0;
    for (; n < UDP_BATCH_TRAINS; n++)
        put(&x, n);
    assert_null(udp_batch_room(x.b)); /* tried to make room */
    assert_int_equal(udp_batch_count(x.b), UDP_BATCH_TRAINS);
    assert_int_equal(udp_batch_counters(x.b)->send_blocked, 1);
    assert_null(udp_batch_room(x.b)); /* not tried again */
    assert_int_equal(udp_batch_counters(x.b)->send_blocked, 1);
    atomic_store(&allowance, -1);
    udp_batch_flush(x.b);
    assert_int_equal(udp_batch_count(x.b), 0);
    assert_non_null(udp_batch_room(x.b));
    close_batch(&x);
}

/* --- a worker: clients compare every byte and sequence number (forwarder_fixture.h) --- */

static void viewers_get_everything(void **state)
{
    (void)state;
    static const struct {
        bool disable_gso;
        int at_once;
    } rows[] = {{false, 1}, {false, 3}, {true, 2}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *x = fixture_new(1, 12, rows[i].disable_gso);
        for (int k = 0; k < 12; k++)
            add_client(x);
        run_until(x, are_connected);
        atomic_store(&at_once, rows[i].at_once);
        unsigned long before = atomic_load(&refused);
        for (int frame = 0; frame < 60; frame++)
            publish_and_wait(x, frame % 20 == 0);
        for (int frame = 0; frame < 60; frame++) /* and without waiting for each */
            publish(x, false);
        run_until(x, have_everything);
        assert_true(atomic_load(&refused) - before > 60);
        struct forwarder_worker_stats w = worker_sum(x);
        assert_int_equal(w.send_errors, 0);
        assert_true(w.send_blocked > 60);
        forwarder_remove_viewer(x->f, x->clients[5].seat.viewer_id); /* a held one may go */
        publish(x, true);
        run_until(x, have_everything);
        atomic_store(&at_once, 0);
        fixture_free(x);
    }
}

static bool goes_on(struct fixture *x)
{
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    bool jumped = true;
    for (unsigned i = 0; i < s.n_viewers; i++)
        jumped = jumped && s.viewers[i].counters.keyframe_jumps == 1;
    forwarder_stats_free(&s);
    return jumped;
}

/* Full for longer than the stream keeps frames: viewers go on at a keyframe, and no queue grows. */
static void a_long_stall_ends_at_a_keyframe(void **state)
{
    (void)state;
    struct fixture *x = fixture_new(1, 3, false);
    for (int k = 0; k < 3; k++) {
        struct client *c = add_client(x);
        c->loop.on_rtp = NULL;
    }
    run_until(x, are_connected);
    publish(x, true);
    publish(x, false);
    atomic_store(&allowance, 0);
    for (int frame = 0; frame < 600; frame++) { /* more than the ring */
        publish(x, frame % 100 == 99);
        if (frame % 100 == 0) {
            struct forwarder_stats s; /* the worker has read its mail, and did not wait */
            assert_int_equal(forwarder_stats(x->f, &s), 0);
            assert_int_equal(s.workers[0].frames_dropped, 0);
            forwarder_stats_free(&s);
        }
    }
    atomic_store(&allowance, -1);
    run_until(x, goes_on);
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
        cmocka_unit_test(what_waits_leaves_later),
        cmocka_unit_test(a_full_batch_has_no_room),
        cmocka_unit_test(viewers_get_everything),
        cmocka_unit_test(a_long_stall_ends_at_a_keyframe),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
