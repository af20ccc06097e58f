/* http_sniff: what is a framed STUN message goes to the backend with every byte, all else is HTTP
 * however slowly it comes, and those that say nothing hold up nobody. */
#include "signaling/http_sniff.h"

#include "tests/unit/signaling/http_client.h"

#include <ev.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>

/* A Binding request without attributes in its frame. */
static const uint8_t stun[] = {0x00, 0x14, 0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 1,
                               2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12};

/* --- the decision -------------------------------------------------------------------------------
 */

static void every_prefix_is_decided(void **state)
{
    (void)state;
    assert_int_equal(http_sniff_first(stun, 0), HTTP_SNIFF_MORE);
    for (size_t n = 1; n <= sizeof(stun); n++)
        assert_int_equal(http_sniff_first(stun, n),
                         n < HTTP_SNIFF_BYTES ? HTTP_SNIFF_MORE : HTTP_SNIFF_STUN);
    uint8_t longest[HTTP_SNIFF_BYTES] = {0x05, 0xdc, 0, 1, 0x05, 0xc8, 0x21, 0x12, 0xa4, 0x42};
    assert_int_equal(http_sniff_first(longest, sizeof(longest)), HTTP_SNIFF_STUN);
}

static void what_is_no_stun_is_http(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\n",
                                        "POST /whep",
                                        "OPTIONS * ",
                                        "PRI * HTTP/2.0",
                                        "\r\nGET / ",
                                        "get",
                                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t n = 1; n <= strlen(texts[i]); n++)
            assert_int_equal(http_sniff_first((const uint8_t *)texts[i], n), HTTP_SNIFF_HTTP);

    static const struct {
        unsigned at, value, size; /* HTTP from `size` bytes on */
    } rows[] = {
        {0, 0x06, 1}, {0, 0xff, 1}, {1, 0x00, 2}, {1, 0x10, 2},  {1, 0x15, 2},  {1, 0x18, 6},
        {0, 0x01, 5}, {2, 0x02, 3}, {2, 0x16, 3}, {2, 0x80, 3},  {4, 0x01, 5},  {5, 0x04, 6},
        {6, 0x20, 7}, {7, 0x13, 8}, {8, 0xa5, 9}, {9, 0x43, 10}, {9, 0x00, 10},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t data[sizeof(stun)];
        memcpy(data, stun, sizeof(data));
        data[rows[i].at] = (uint8_t)rows[i].value;
        for (size_t n = 1; n <= sizeof(data); n++)
            assert_int_equal(http_sniff_first(data, n),
                             n < rows[i].size ? HTTP_SNIFF_MORE : HTTP_SNIFF_HTTP);
    }
}

/* --- with a server ------------------------------------------------------------------------------
 */

static _Atomic int given; /* the descriptor the backend got, plus one */
static sem_t gave;

static void take_tcp(void *arg, int fd)
{
    (void)arg;
    atomic_store(&given, fd + 1);
    sem_post(&gave);
}

static int setup_tcp(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    struct rlimit limit; /* both ends of every connection are in this process */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    fake_init(&s->fake, 2);
    s->fake.backend.tcp = take_tcp;
    sem_init(&gave, 0, 0);
    start(s);
    *state = s;
    return 0;
}

static int teardown_tcp(void **state)
{
    sem_destroy(&gave);
    return teardown(state);
}

static int connect_at_once(const struct server *s)
{
    int fd = connect_to(s), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Waits until the server's kernel has what was sent: the next byte comes by itself. */
static void trickle(int fd, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int unacked = 1;
        put(fd, (const char *)data + i, 1);
        while (unacked > 0) {
            struct tcp_info info;
            socklen_t n = sizeof(info);
            assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
            unacked = (int)info.tcpi_unacked;
        }
    }
}

static int take_given(void)
{
    assert_int_equal(sem_wait(&gave), 0);
    return atomic_exchange(&given, 0) - 1;
}

/* The backend's descriptor has every byte, does not block and becomes readable with one byte. */
static void is_untouched(int fd, int client)
{
    uint8_t data[100];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    for (size_t n = 0; n < sizeof(stun);) {
        assert_int_equal(poll(&p, 1, GUARD_S * 1000), 1);
        ssize_t got = recv(fd, data + n, sizeof(data) - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(data, stun, sizeof(stun));
    put(client, "x", 1);
    assert_int_equal(poll(&p, 1, GUARD_S * 1000), 1);
    close(fd);
}

/* HTTP says what it likes to it, and ends. */
static void is_refused(int fd)
{
    char byte;
    shutdown(fd, SHUT_WR);
    while (recv(fd, &byte, 1, 0) > 0)
        ;
    close(fd);
}

static void stun_goes_to_the_backend(void **state)
{
    struct server *s = *state;
    int fd = connect_at_once(s);
    put(fd, stun, sizeof(stun));
    is_untouched(take_given(), fd);
    close(fd);
    fd = connect_at_once(s);
    trickle(fd, stun, sizeof(stun));
    is_untouched(take_given(), fd);
    close(fd);
    assert_int_equal(ask(s, "GET", "/healthz", "", NULL).status, 200);
}

static void http_comes_byte_by_byte(void **state)
{
    struct server *s = *state;
    static const char text[] = "GET /healthz HTTP/1.1\r\nHost: amphi\r\n\r\n";
    int fd = connect_at_once(s);
    trickle(fd, text, sizeof(text) - 1);
    struct reply r = read_reply(fd, false);
    assert_int_equal(r.status, 200);
    put(fd, text, sizeof(text) - 1); /* and again on the same connection */
    assert_int_equal(read_reply(fd, false).status, 200);
    close(fd);
    assert_int_equal(atomic_load(&given), 0);
}

static void what_only_begins_like_stun_is_closed(void **state)
{
    struct server *s = *state;
    for (size_t n = 1; n < HTTP_SNIFF_BYTES; n++) {
        int fd = connect_at_once(s);
        trickle(fd, stun, n);
        is_refused(fd);
    }
    int fd = connect_at_once(s);
    trickle(fd, stun, 9);
    trickle(fd, "\x43", 1); /* a wrong cookie */
    is_refused(fd);
    assert_int_equal(atomic_load(&given), 0);
}

/* More than may wait: the first ones are HTTP's by then, and each of them is served. */
static void silent_ones_hold_up_nobody(void **state)
{
    struct server *s = *state;
    enum { MORE = HTTP_SNIFF_MAX + 50 };
    static int fds[MORE];
    for (int i = 0; i < MORE; i++) {
        fds[i] = connect_at_once(s);
        if (i % 2)
            put(fds[i], stun, 1); /* one byte says nothing either */
    }
    assert_int_equal(ask(s, "GET", "/healthz", "", NULL).status, 200);
    for (int i = 0; i < MORE; i += 100) {
        request(fds[i], "GET", "/healthz", "", NULL);
        assert_int_equal(read_reply(fds[i], false).status, 200);
    }
    put(fds[MORE - 1], stun + 1, sizeof(stun) - 1);
    int fd = take_given();
    is_untouched(fd, fds[MORE - 1]);
    for (int i = 0; i < MORE; i++)
        close(fds[i]);
}

/* Nobody wants STUN: it is as if there were no such thing. */
static void without_a_backend_for_it(void **state)
{
    struct server *s = *state;
    int fd = connect_at_once(s);
    put(fd, stun, sizeof(stun));
    is_refused(fd);
    assert_int_equal(ask(s, "GET", "/healthz", "", NULL).status, 200);
}

/* --- time ---------------------------------------------------------------------------------------
 */

struct counts {
    unsigned http, stun;
};

static void count_http(void *arg, int fd)
{
    ((struct counts *)arg)->http++;
    close(fd);
}

static void count_stun(void *arg, int fd)
{
    ((struct counts *)arg)->stun++;
    close(fd);
}

static void the_silent_are_closed_in_time(void **state)
{
    (void)state;
    struct counts counts = {0};
    struct http_sniff *s;
    int pairs[3][2];
    char byte;
    const struct http_sniff_config config = {
        .loop = ev_loop_new(EVFLAG_AUTO), .arg = &counts, .http = count_http, .stun = count_stun};
    assert_int_equal(http_sniff_create(&s, &config), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]), 0);
        http_sniff_take(s, pairs[i][1], i * INT64_C(1000000));
    }
    assert_int_equal(http_sniff_waiting(s), 3);
    http_sniff_tick(s, HTTP_SNIFF_WAIT_US - 1);
    assert_int_equal(http_sniff_waiting(s), 3);
    http_sniff_tick(s, HTTP_SNIFF_WAIT_US);
    assert_int_equal(http_sniff_waiting(s), 2);
    assert_int_equal(recv(pairs[0][0], &byte, 1, 0), 0); /* the oldest */
    assert_int_equal(recv(pairs[1][0], &byte, 1, 0), -1);

    assert_int_equal(send(pairs[1][0], "GET ", 4, 0), 4);
    ev_run(config.loop, EVRUN_ONCE);
    assert_int_equal(counts.http, 1);
    assert_int_equal(http_sniff_waiting(s), 1);
    close(pairs[2][0]); /* it goes without a word */
    ev_run(config.loop, EVRUN_ONCE);
    assert_int_equal(http_sniff_waiting(s), 0);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[2]), 0);
    assert_int_equal(send(pairs[2][0], stun, sizeof(stun), 0), sizeof(stun));
    http_sniff_take(s, pairs[2][1], 0); /* its bytes are there already: nothing waits */
    assert_int_equal(counts.stun, 1);
    close(pairs[2][0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[2]), 0);
    http_sniff_take(s, pairs[2][1], 0);
    http_sniff_destroy(s); /* with one that waits */
    assert_int_equal(recv(pairs[2][0], &byte, 1, 0), 0);
    ev_loop_destroy(config.loop);
    for (int i = 0; i < 3; i++)
        close(pairs[i][0]);
}

#define WITH_TCP(name) cmocka_unit_test_setup_teardown(name, setup_tcp, teardown_tcp)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_is_decided),
        cmocka_unit_test(what_is_no_stun_is_http),
        WITH_TCP(stun_goes_to_the_backend),
        WITH_TCP(http_comes_byte_by_byte),
        WITH_TCP(what_only_begins_like_stun_is_closed),
        WITH_TCP(silent_ones_hold_up_nobody),
        TEST(without_a_backend_for_it),
        cmocka_unit_test(the_silent_are_closed_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
