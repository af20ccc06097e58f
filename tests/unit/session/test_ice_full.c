#include "rtp/session/ice_full.h"
#include "tests/unit/session/turn_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stun/stunagent.h>
#include <stun/usages/bind.h>
#include <time.h>
#include <cmocka.h>

#define SECOND 1000000
#define WAIT_US (20 * SECOND)
#define CANDIDATES 8
#define TRAIN 5
#define SEGMENT 300
#define LAST_SEGMENT 77

/* One agent and what it told. */
struct side {
    struct ice_full *ice;
    struct ice_local local;
    bool paused; /* as if its machine slept */
    char candidates[CANDIDATES][ICE_FULL_TEXT_MAX];
    unsigned n_candidates, n_ends;
    enum ice_full_state state; /* as told; 0: nothing yet */
    struct address remote;
    unsigned n_received;
    size_t received_bytes;
    uint8_t last[2048];
    size_t last_size;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_candidate(void *arg, const char *text)
{
    struct side *s = arg;
    if (!text) {
        s->n_ends++;
        return;
    }
    assert_true(s->n_candidates < CANDIDATES);
    snprintf(s->candidates[s->n_candidates++], ICE_FULL_TEXT_MAX, "%s", text);
}

static void on_datagram(void *arg, uint8_t *data, size_t size)
{
    struct side *s = arg;
    assert_true(size <= sizeof(s->last));
    memcpy(s->last, data, size);
    s->last_size = size;
    s->n_received++;
    s->received_bytes += size;
}

static void on_state(void *arg, enum ice_full_state state, const struct address *remote)
{
    struct side *s = arg;
    assert_int_equal(state == ICE_FULL_READY, remote != NULL);
    s->state = state;
    if (remote)
        s->remote = *remote;
}

static struct ice_servers loopback_only(void)
{
    struct ice_servers servers = {.n_addresses = 1};
    assert_true(address_parse(&servers.addresses[0], "127.0.0.1", 0));
    return servers;
}

static struct ice_local credentials(const char *name)
{
    struct ice_local local;
    snprintf(local.ufrag, sizeof(local.ufrag), "%s", name);
    snprintf(local.pwd, sizeof(local.pwd), "%spassword0123456789ab", name);
    local.pwd[ICE_LOCAL_PWD_SIZE] = '\0';
    return local;
}

static void open_side_as(struct side *s, const char *name, const struct ice_servers *servers,
                         int64_t consent_us, bool controlling)
{
    *s = (struct side){.local = credentials(name)};
    struct ice_full_config config = {
        .servers = servers,
        .events = {.arg = s,
                   .on_candidate = on_candidate,
                   .on_datagram = on_datagram,
                   .on_state = on_state},
        .local = s->local,
        .controlling = controlling,
        .consent_us = consent_us,
    };
    assert_int_equal(ice_full_create(&s->ice, &config), 0);
}

/* The first of a pair controls. */
static void open_side(struct side *s, const char *name, const struct ice_servers *servers,
                      int64_t consent_us)
{
    open_side_as(s, name, servers, consent_us, strchr("ac", name[0]) != NULL);
}

/* What a worker does, with poll instead of epoll. */
static void pump(struct side *const *sides, unsigned n)
{
    struct pollfd fds[4 * ICE_FULL_POLL_MAX];
    unsigned counts[4], all = 0;
    int64_t due = now_us() + 50000;
    assert_true(n <= 4);
    for (unsigned i = 0; i < n; i++) {
        counts[i] = 0;
        if (sides[i]->paused)
            continue;
        counts[i] = ice_full_poll(sides[i]->ice, fds + all);
        all += counts[i];
        int64_t at = ice_full_timeout(sides[i]->ice);
        due = at < due ? at : due;
    }
    int64_t wait_ms = (due - now_us() + 999) / 1000;
    poll(fds, all, wait_ms > 0 ? (int)wait_ms : 0);
    all = 0;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < counts[i]; k++, all++) {
            if (fds[all].revents)
                ice_full_on_ready(sides[i]->ice, fds[all].fd, fds[all].revents);
        }
        if (!sides[i]->paused)
            ice_full_run(sides[i]->ice, now_us());
    }
}

static bool both_ready(struct side *a, struct side *b)
{
    return a->state == ICE_FULL_READY && b->state == ICE_FULL_READY;
}

typedef bool pair_fn(struct side *a, struct side *b);

static void run_until(struct side *a, struct side *b, pair_fn *is_met)
{
    int64_t end_us = now_us() + WAIT_US;
    while (!is_met(a, b)) {
        assert_true(now_us() < end_us);
        pump((struct side *[]){a, b}, 2);
    }
}

static void give_candidates(struct side *to, const struct side *from)
{
    for (unsigned i = 0; i < from->n_candidates; i++)
        ice_full_add_candidate(to->ice, from->candidates[i]);
    ice_full_add_candidate(to->ice, "");
}

static bool both_gathered(struct side *a, struct side *b)
{
    return a->n_ends > 0 && b->n_ends > 0;
}

static void connect_sides(struct side *a, struct side *b)
{
    run_until(a, b, both_gathered);
    assert_true(ice_full_set_remote(a->ice, b->local.ufrag, b->local.pwd));
    assert_true(ice_full_set_remote(b->ice, a->local.ufrag, a->local.pwd));
    give_candidates(a, b);
    give_candidates(b, a);
    run_until(a, b, both_ready);
}

static void close_sides(struct side *a, struct side *b)
{
    ice_full_destroy(a->ice);
    ice_full_destroy(b->ice);
}

static bool train_came(struct side *a, struct side *b)
{
    (void)a;
    return b->n_received >= TRAIN;
}

/* A train from one to the other: every datagram, in its own size, the last as it was. */
static void exchange(struct side *from, struct side *to)
{
    uint8_t data[(TRAIN - 1) * SEGMENT + LAST_SEGMENT];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(0x80 | (i * 7 + i / SEGMENT));
    struct ice_full_counters before = *ice_full_counters(from->ice);
    to->n_received = 0;
    to->received_bytes = 0;
    assert_int_equal(ice_full_send(from->ice, data, sizeof(data), SEGMENT), TRAIN);
    run_until(from, to, train_came);
    assert_int_equal(to->n_received, TRAIN);
    assert_int_equal(to->received_bytes, sizeof(data));
    assert_int_equal(to->last_size, LAST_SEGMENT);
    assert_memory_equal(to->last, data + sizeof(data) - LAST_SEGMENT, LAST_SEGMENT);
    const struct ice_full_counters *c = ice_full_counters(from->ice);
    assert_int_equal(c->packets_sent - before.packets_sent, TRAIN);
    assert_int_equal(c->bytes_sent - before.bytes_sent, sizeof(data));
    assert_int_equal(c->send_errors, before.send_errors);
}

static void connects_and_sends_trains(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a, b;
    uint8_t early[10] = {0x80};
    open_side(&a, "aaaa", &servers, 0);
    open_side(&b, "bbbb", &servers, 0);
    assert_int_equal(ice_full_state(a.ice), ICE_FULL_CHECKING);
    assert_int_equal(ice_full_send(a.ice, early, sizeof(early), sizeof(early)), 0);
    assert_int_equal(ice_full_counters(a.ice)->send_errors, 1);
    connect_sides(&a, &b);
    assert_true(ice_full_has_gathered(a.ice));
    assert_false(ice_full_is_relayed(a.ice));
    assert_non_null(strstr(a.candidates[0], "127.0.0.1"));
    assert_non_null(strstr(a.candidates[0], "typ host"));

    exchange(&a, &b);
    exchange(&b, &a);
    assert_int_equal(ice_full_counters(b.ice)->send_calls, 1); /* one call for the whole train */
    ice_full_disable_gso(a.ice);
    exchange(&a, &b);
    assert_int_equal(ice_full_counters(a.ice)->send_calls, 1 + TRAIN);
    assert_int_equal(ice_full_counters(b.ice)->datagrams_received, 2 * TRAIN);

    ice_full_close(a.ice); /* no relay: at once */
    assert_true(ice_full_is_closed(a.ice));
    assert_int_equal(ice_full_send(a.ice, early, sizeof(early), sizeof(early)), 0);
    close_sides(&a, &b);
}

/* RFC 8838: each may hear of the other bit by bit, in any order. */
static void takes_candidates_before_credentials(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a, b;
    open_side(&a, "aaaa", &servers, 0);
    open_side(&b, "bbbb", &servers, 0);
    run_until(&a, &b, both_gathered);
    give_candidates(&a, &b);
    assert_true(ice_full_set_remote(a.ice, b.local.ufrag, b.local.pwd));
    pump((struct side *[]){&a, &b}, 2);
    assert_true(ice_full_set_remote(b.ice, a.local.ufrag, a.local.pwd));
    char text[ICE_FULL_TEXT_MAX + 2];
    snprintf(text, sizeof(text), "a=%s", a.candidates[0]);
    ice_full_add_candidate(b.ice, text);
    run_until(&a, &b, both_ready);
    exchange(&a, &b);
    exchange(&b, &a);
    close_sides(&a, &b);
}

/* A browser hides its addresses behind .local names: its checks show where it is. */
static void finds_a_peer_without_candidates(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a, b;
    open_side(&a, "aaaa", &servers, 0);
    open_side(&b, "bbbb", &servers, 0);
    run_until(&a, &b, both_gathered);
    assert_true(ice_full_set_remote(a.ice, b.local.ufrag, b.local.pwd));
    assert_true(ice_full_set_remote(b.ice, a.local.ufrag, a.local.pwd));
    ice_full_add_candidate(a.ice, "candidate:1 1 udp 2122260223 "
                                  "0b4c8f6e-52f6-4a63-9f0e-0d4f4c6fae01.local 54321 typ host");
    ice_full_add_candidate(a.ice, "");
    assert_int_equal(ice_full_counters(a.ice)->candidates_refused, 1);
    give_candidates(&b, &a);
    run_until(&a, &b, both_ready);
    exchange(&a, &b);
    close_sides(&a, &b);
}

/* Roles that clash are settled (RFC 8445 7.3.1.1). */
static void settles_equal_roles(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    for (int controlling = 0; controlling < 2; controlling++) {
        struct side a, b;
        open_side_as(&a, "aaaa", &servers, 0, controlling);
        open_side_as(&b, "bbbb", &servers, 0, controlling);
        run_until(&a, &b, both_gathered);
        assert_true(ice_full_set_remote(a.ice, b.local.ufrag, b.local.pwd));
        assert_true(ice_full_set_remote(b.ice, a.local.ufrag, a.local.pwd));
        give_candidates(&a, &b);
        give_candidates(&b, &a);
        run_until(&a, &b, both_ready);
        exchange(&a, &b);
        close_sides(&a, &b);
    }
}

static bool one_failed(struct side *a, struct side *b)
{
    (void)b;
    return a->state == ICE_FULL_FAILED;
}

static void fails_with_wrong_credentials(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a, b;
    open_side(&a, "aaaa", &servers, 0);
    open_side(&b, "bbbb", &servers, 0);
    run_until(&a, &b, both_gathered);
    assert_true(ice_full_set_remote(a.ice, b.local.ufrag, "not-the-password-of-b-at-all"));
    assert_true(ice_full_set_remote(b.ice, a.local.ufrag, "not-the-password-of-a-at-all"));
    give_candidates(&a, &b);
    give_candidates(&b, &a);
    run_until(&a, &b, one_failed);
    assert_int_not_equal(b.state, ICE_FULL_READY);
    assert_int_equal(ice_full_send(a.ice, (const uint8_t *)"\x80", 1, 1), 0);
    close_sides(&a, &b);
}

static void refuses_unusable_credentials(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a;
    char longest[ICE_UFRAG_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    open_side(&a, "aaaa", &servers, 0);
    assert_false(ice_full_set_remote(a.ice, "abc", "0123456789012345678901"));
    assert_false(ice_full_set_remote(a.ice, "abcd", "012345678901234567890"));
    assert_false(ice_full_set_remote(a.ice, longest, "0123456789012345678901"));
    assert_false(ice_full_set_remote(a.ice, "abcd", longest));
    longest[ICE_UFRAG_MAX] = '\0';
    assert_true(ice_full_set_remote(a.ice, longest, longest));
    ice_full_destroy(a.ice);
}

static void counts_unusable_candidates(void **state)
{
    (void)state;
    static const char *const unusable[] = {
        "candidate",
        "candidate:",
        "candidate:1",
        "candidate:1 1 udp 2122260223",
        "candidate:1 1 udp 2122260223 127.0.0.1",
        "candidate:1 1 udp 2122260223 127.0.0.1 4000",
        "candidate:1 1 udp 2122260223 127.0.0.1 4000 typ",
        "candidate:1 1 udp 2122260223 127.0.0.1 4000 typ nonsense",
        "candidate:1 1 udp 2122260223 name.local 4000 typ host",
        "candidate:1 1 udp 2122260223 127.0.0.1 0 typ host",
        "candidate:1 1 udp 2122260223 0.0.0.0 4000 typ host",
        "candidate:1 1 udp 2122260223 255.255.255.255 4000 typ host",
        "candidate:1 1 udp 2122260223 224.0.0.1 4000 typ host",
        "candidate:1 1 udp 2122260223 :: 4000 typ host",
        "candidate:1 1 udp 2122260223 ff02::1 4000 typ host",
        "candidate:1 2 udp 2122260223 127.0.0.1 4000 typ host",
        "candidate:1 1 tcp 2122260223 127.0.0.1 9 typ host tcptype active",
        "candidate:1 1 udp 2122260223 127.0.0.1 4000 typ host\r\na=candidate:2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "{\"candidate\":\"\"}",
    };
    enum { N = sizeof(unusable) / sizeof(unusable[0]) };
    struct ice_servers servers = loopback_only();
    struct side a;
    char longest[ICE_FULL_TEXT_MAX + 64];
    open_side(&a, "aaaa", &servers, 0);
    assert_true(ice_full_set_remote(a.ice, "bbbb", "0123456789012345678901"));
    for (unsigned i = 0; i < N; i++) {
        ice_full_add_candidate(a.ice, unusable[i]);
        assert_int_equal(ice_full_counters(a.ice)->candidates_refused, i + 1);
    }
    int n =
        snprintf(longest, sizeof(longest), "candidate:1 1 udp 2122260223 127.0.0.1 4000 typ host");
    memset(longest + n, ' ', sizeof(longest) - (size_t)n - 1);
    longest[sizeof(longest) - 1] = '\0';
    ice_full_add_candidate(a.ice, longest);
    assert_int_equal(ice_full_counters(a.ice)->candidates_refused, N + 1);

    /* the good ones count against the same bound */
    ice_full_add_candidate(a.ice, "candidate:1 1 UDP 2122260223 127.0.0.1 4000 typ host");
    assert_int_equal(ice_full_counters(a.ice)->candidates_refused, N + 1);
    for (unsigned i = N + 2; i < ICE_FULL_REMOTE_MAX + 5; i++)
        ice_full_add_candidate(a.ice, "candidate:2 1 udp 2122260222 ::1 4000 typ host "
                                      "generation 0 ufrag bbbb network-id 1");
    assert_int_equal(ice_full_counters(a.ice)->candidates_refused, N + 1 + 5);
    ice_full_destroy(a.ice);
}

static void restarts(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a, b;
    open_side(&a, "aaaa", &servers, 0);
    open_side(&b, "bbbb", &servers, 0);
    connect_sides(&a, &b);
    struct side *const sides[] = {&a, &b};
    static const char *const names[] = {"cccc", "dddd"};
    for (int i = 0; i < 2; i++) {
        struct side *s = sides[i];
        s->n_candidates = s->n_ends = 0;
        s->local = credentials(names[i]);
        assert_true(ice_full_restart(s->ice, &s->local));
        assert_int_equal(s->state, ICE_FULL_CHECKING);
        assert_true(s->n_candidates > 0); /* told again */
        assert_int_equal(s->n_ends, 1);
    }
    exchange(&a, &b); /* on the old pair, until there is a new one (RFC 8445 2.4) */
    connect_sides(&a, &b);
    exchange(&a, &b);
    exchange(&b, &a);
    close_sides(&a, &b);
}

/* A peer that was silent for longer than libnice waits, but not for longer than consent lasts, is
 * still there; one that is silent for longer is not. */
static void loses_consent_but_not_too_soon(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a, b, c, d;
    open_side(&a, "aaaa", &servers, 13 * SECOND);
    open_side(&b, "bbbb", &servers, 0);
    open_side(&c, "cccc", &servers, 0);
    open_side(&d, "dddd", &servers, 0);
    connect_sides(&a, &b);
    connect_sides(&c, &d);
    b.paused = d.paused = true;
    int64_t end_us = now_us() + WAIT_US;
    while (a.state == ICE_FULL_READY) {
        assert_true(now_us() < end_us);
        pump((struct side *[]){&a, &b, &c, &d}, 4);
    }
    assert_int_equal(a.state, ICE_FULL_FAILED);
    assert_int_equal(ice_full_send(a.ice, (const uint8_t *)"\x80", 1, 1), 0);
    assert_int_equal(c.state, ICE_FULL_READY);
    b.paused = d.paused = false;
    exchange(&c, &d);
    exchange(&d, &c);
    assert_int_equal(c.state, ICE_FULL_READY);

    for (int i = 0; i < 20; i++) /* b answers again: too late without a restart */
        pump((struct side *[]){&a, &b}, 2);
    assert_int_equal(a.state, ICE_FULL_FAILED);
    a.n_candidates = b.n_candidates = a.n_ends = b.n_ends = 0;
    a.local = credentials("eeee");
    b.local = credentials("ffff");
    assert_true(ice_full_restart(a.ice, &a.local));
    assert_true(ice_full_restart(b.ice, &b.local));
    connect_sides(&a, &b);
    exchange(&a, &b);
    close_sides(&a, &b);
    close_sides(&c, &d);
}

static void cannot_gather_on_a_foreign_address(void **state)
{
    (void)state;
    struct ice_servers servers = {.n_addresses = 1};
    assert_true(address_parse(&servers.addresses[0], "192.0.2.1", 0));
    struct side s = {.local = credentials("aaaa")};
    struct ice_full *ice = NULL;
    struct ice_full_config config = {
        .servers = &servers,
        .events = {&s, on_candidate, on_datagram, on_state},
        .local = s.local,
    };
    assert_int_equal(ice_full_create(&ice, &config), -EADDRNOTAVAIL);
    assert_null(ice);
}

/* --- servers --- */

/* Answers one binding request as if it had come from 192.0.2.7:4242. libnice asks as RFC 3489 did.
 */
static void answer_binding(int fd)
{
    static const uint16_t known[] = {0};
    uint8_t data[512], reply[512];
    struct address from, mapped;
    socklen_t from_size = sizeof(from.in6);
    ssize_t n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, &from.sa, &from_size);
    if (n <= 0)
        return;
    StunAgent agent;
    StunMessage request, m;
    stun_agent_init(&agent, known, STUN_COMPATIBILITY_RFC3489, STUN_AGENT_USAGE_IGNORE_CREDENTIALS);
    if (stun_agent_validate(&agent, &request, data, (size_t)n, NULL, NULL) !=
        STUN_VALIDATION_SUCCESS)
        return;
    assert_true(stun_agent_init_response(&agent, &m, reply, sizeof(reply), &request));
    assert_true(address_parse(&mapped, "192.0.2.7", 4242));
    assert_int_equal(
        stun_message_append_addr(&m, STUN_ATTRIBUTE_MAPPED_ADDRESS, &mapped.sa, sizeof(mapped.in)),
        STUN_MESSAGE_RETURN_SUCCESS);
    size_t size = stun_agent_finish_message(&agent, &m, NULL, 0);
    sendto(fd, reply, size, 0, &from.sa, from_size);
}

static void asks_a_stun_server(void **state)
{
    (void)state;
    struct ice_servers servers = loopback_only();
    struct side a;
    int fd = turn_server_socket(&servers.stun);
    servers.has_stun = true;
    open_side(&a, "aaaa", &servers, 0);
    assert_int_equal(a.n_ends, 0);
    int64_t end_us = now_us() + WAIT_US;
    while (a.n_ends == 0) {
        assert_true(now_us() < end_us);
        pump((struct side *[]){&a}, 1);
        answer_binding(fd);
    }
    assert_int_equal(a.n_candidates, 2);
    assert_non_null(strstr(a.candidates[1], "192.0.2.7 4242 typ srflx"));
    ice_full_destroy(a.ice);
    close(fd);
}

static bool both_closed(struct side *a, struct side *b)
{
    return ice_full_is_closed(a->ice) && ice_full_is_closed(b->ice);
}

/* The server counts a relay that was given back a moment later. False: both are closed, to be
 * opened again. */
static bool have_relays(struct side *a, struct side *b, int64_t end_us)
{
    if (a->n_candidates > 0 && b->n_candidates > 0)
        return true;
    assert_true(now_us() < end_us);
    ice_full_close(a->ice);
    ice_full_close(b->ice);
    run_until(a, b, both_closed);
    close_sides(a, b);
    return false;
}

static void open_relayed(struct side *a, struct side *b, const struct ice_servers *servers)
{
    int64_t end_us = now_us() + WAIT_US;
    for (;;) {
        open_side(a, "aaaa", servers, 0);
        open_side(b, "bbbb", servers, 0);
        run_until(a, b, both_gathered);
        if (have_relays(a, b, end_us))
            return;
    }
}

static void open_then_relay(struct side *a, struct side *b, const struct ice_servers *servers,
                            const struct ice_relay *relay)
{
    int64_t end_us = now_us() + WAIT_US;
    for (;;) {
        open_side(a, "aaaa", servers, 0);
        open_side(b, "bbbb", servers, 0);
        run_until(a, b, both_gathered);
        assert_int_equal(a->n_candidates, 0);
        assert_true(ice_full_add_relay(a->ice, relay));
        assert_false(ice_full_add_relay(a->ice, relay)); /* it is there already */
        assert_true(ice_full_add_relay(b->ice, relay));
        assert_false(ice_full_has_gathered(a->ice));
        a->n_ends = b->n_ends = 0;
        run_until(a, b, both_gathered);
        if (have_relays(a, b, end_us))
            return;
    }
}

/* `late`: they learn of it after everything else was gathered. */
static void relays(bool tcp, bool late)
{
    struct turn_server turn;
    if (!turn_server_start(&turn, "2")) {
        skip();
        return;
    }
    struct ice_servers servers = loopback_only();
    servers.force_relay = true;
    servers.n_turn = 1;
    servers.turn[0].address = turn.address;
    servers.turn[0].tcp = tcp;
    snprintf(servers.turn[0].user, ICE_FULL_TEXT_MAX, TURN_SERVER_USER);
    snprintf(servers.turn[0].password, ICE_FULL_TEXT_MAX, TURN_SERVER_PASSWORD);
    const struct ice_relay relay = servers.turn[0];
    servers.n_turn = late ? 0 : 1;
    /* Two relays are all that this user may have: the second round needs the first one's back. */
    for (int round = 0; round < 2; round++) {
        struct side a, b;
        if (late)
            open_then_relay(&a, &b, &servers, &relay);
        else
            open_relayed(&a, &b, &servers);
        connect_sides(&a, &b);
        assert_int_equal(a.n_candidates, 1);
        assert_non_null(strstr(a.candidates[0], "typ relay"));
        assert_true(ice_full_is_relayed(a.ice));
        exchange(&a, &b);
        exchange(&b, &a);
        ice_full_close(a.ice);
        ice_full_close(b.ice);
        run_until(&a, &b, both_closed);
        close_sides(&a, &b);
    }
    turn_server_stop(&turn);
}

static void relays_over_udp(void **state)
{
    (void)state;
    relays(false, false);
}

static void relays_over_tcp(void **state)
{
    (void)state;
    relays(true, false);
}

static void relays_that_are_named_late(void **state)
{
    (void)state;
    relays(false, true);
    relays(true, true);
}

/* Whoever cannot wait for the relay's answer loses nothing of its own. */
static void closes_although_the_relay_is_gone(void **state)
{
    (void)state;
    struct turn_server turn;
    if (!turn_server_start(&turn, "0")) {
        skip();
        return;
    }
    struct ice_servers servers = loopback_only();
    servers.n_turn = 1;
    servers.turn[0].address = turn.address;
    snprintf(servers.turn[0].user, ICE_FULL_TEXT_MAX, TURN_SERVER_USER);
    snprintf(servers.turn[0].password, ICE_FULL_TEXT_MAX, TURN_SERVER_PASSWORD);
    struct side a, b;
    open_side(&a, "aaaa", &servers, 0);
    open_side(&b, "bbbb", &servers, 0);
    run_until(&a, &b, both_gathered);
    assert_int_equal(a.n_candidates, 2);
    turn_server_stop(&turn);
    ice_full_close(a.ice);
    for (int i = 0; i < 3; i++)
        pump((struct side *[]){&a, &b}, 2);
    close_sides(&a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_sends_trains),
        cmocka_unit_test(takes_candidates_before_credentials),
        cmocka_unit_test(finds_a_peer_without_candidates),
        cmocka_unit_test(settles_equal_roles),
        cmocka_unit_test(fails_with_wrong_credentials),
        cmocka_unit_test(refuses_unusable_credentials),
        cmocka_unit_test(counts_unusable_candidates),
        cmocka_unit_test(restarts),
        cmocka_unit_test(loses_consent_but_not_too_soon),
        cmocka_unit_test(cannot_gather_on_a_foreign_address),
        cmocka_unit_test(asks_a_stun_server),
        cmocka_unit_test(relays_over_udp),
        cmocka_unit_test(relays_over_tcp),
        cmocka_unit_test(relays_that_are_named_late),
        cmocka_unit_test(closes_although_the_relay_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
