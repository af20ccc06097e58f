/* test_http_addresses.c - how many connections one address may have, on a real port: in a network
 * namespace of its own, whose loopback device has addresses that are not loopback's. Where no
 * namespace may be made the tests are skipped. */
#include "tests/unit/signaling/http_ws_client.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#define NEIGHBOUR 0xc0000200 /* 192.0.2.0/24 (RFC 5737) */
enum { MOST = 3 };

static bool has_network;

static bool set_address(int fd, const char *name, unsigned long what, uint32_t ip)
{
    struct ifreq r = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    strcpy(r.ifr_name, name);
    memcpy(&r.ifr_addr, &in, sizeof(in));
    return ioctl(fd, what, &r) == 0;
}

static bool make_network(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    struct ifreq up = {.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strcpy(up.ifr_name, "lo");
    bool made = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &up) == 0 &&
                set_address(fd, "lo:1", SIOCSIFADDR, NEIGHBOUR + 1) &&
                set_address(fd, "lo:1", SIOCSIFNETMASK, 0xffffff00);
    close(fd);
    return made;
}

static int connect_from(const struct server *s, uint32_t ip)
{
    struct timeval guard = {.tv_sec = GUARD_S};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_port(s->http))};
    to.sin_addr.s_addr = htonl(NEIGHBOUR + 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof(guard));
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* The connection stays open, and `r` says how it was received. */
static int ask_from(const struct server *s, uint32_t ip, struct reply *r)
{
    int fd = connect_from(s, ip);
    request(fd, "GET", "/healthz", "", NULL);
    *r = read_reply(fd, false);
    return fd;
}

static void no_media(void *arg, int fd)
{
    (void)arg;
    close(fd);
}

static struct server *start_for_all(const struct http_config *wish)
{
    struct server *s = calloc(1, sizeof(*s));
    struct http_config config = *wish;
    strcpy(config.address, "0.0.0.0");
    fake_init(&s->fake, 2);
    s->fake.backend.tcp = no_media; /* as in the program: the first bytes are waited for */
    start_with(s, &config);
    return s;
}

static struct http_counters counted;

static void count(struct server *s)
{
    http_count(s->http, &counted);
}

static void an_address_has_so_many(void **state)
{
    (void)state;
    if (!has_network)
        skip();
    struct server *s = start_for_all(&(struct http_config){.max_per_address = MOST});
    int fds[MOST + 1];
    struct reply r;
    for (int i = 0; i < MOST; i++) {
        fds[i] = ask_from(s, NEIGHBOUR + 1, &r);
        assert_int_equal(r.status, 200);
    }
    int refused = ask_from(s, NEIGHBOUR + 1, &r);
    assert_int_equal(r.status, 429);
    header_is(&r, "Retry-After", "10");
    assert_true(is_closed(refused));
    close(refused);
    fds[MOST] = ask_from(s, NEIGHBOUR + 2, &r); /* it is nobody else's */
    assert_int_equal(r.status, 200);
    on_server(s, count);
    assert_int_equal(counted.connections, MOST + 1);
    assert_int_equal(counted.address_refused, 1);
    assert_int_equal(counted.connections_refused, 0);
    close(fds[0]); /* a place of its own becomes free */
    do
        on_server(s, count);
    while (counted.connections > MOST);
    fds[0] = ask_from(s, NEIGHBOUR + 1, &r);
    assert_int_equal(r.status, 200);
    for (int i = 0; i <= MOST; i++)
        close(fds[i]);
    stop(s);
    free(s);
}

static void let_in(const struct http_config *config, uint32_t ip)
{
    struct server *s = start_for_all(config);
    int fds[2 * MOST];
    struct reply r;
    for (int i = 0; i < 2 * MOST; i++) {
        fds[i] = ask_from(s, ip, &r);
        assert_int_equal(r.status, 200);
    }
    for (int i = 0; i < 2 * MOST; i++)
        close(fds[i]);
    on_server(s, count);
    assert_int_equal(counted.address_refused, 0);
    stop(s);
    free(s);
}

static void proxies_and_loopback_have_no_limit(void **state)
{
    (void)state;
    if (!has_network)
        skip();
    let_in(&(struct http_config){.max_per_address = MOST, .trusted_proxies = "192.0.2.0/30"},
           NEIGHBOUR + 1);
    let_in(&(struct http_config){.max_per_address = MOST}, INADDR_LOOPBACK);
}

static void lower(struct server *s)
{
    http_set_max_per_address(s->http, 1);
}

static void the_limit_may_be_changed(void **state)
{
    (void)state;
    if (!has_network)
        skip();
    struct server *s = start_for_all(&(struct http_config){.max_per_address = MOST});
    struct reply r;
    int first = ask_from(s, NEIGHBOUR + 1, &r);
    on_server(s, lower);
    int second = ask_from(s, NEIGHBOUR + 1, &r);
    assert_int_equal(r.status, 429);
    request(first, "GET", "/healthz", "", NULL); /* who is there stays */
    r = read_reply(first, false);
    assert_int_equal(r.status, 200);
    close(first);
    close(second);
    stop(s);
    free(s);
}

int main(void)
{
    has_network = make_network();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_so_many),
        cmocka_unit_test(proxies_and_loopback_have_no_limit),
        cmocka_unit_test(the_limit_may_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
