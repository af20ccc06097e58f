/* Viewers that come through full ICE agents: the other ends are agents too. */
#include "tests/unit/forward/forwarder_fixture.h"
#include "rtp/session/cipher.h"
#include "tests/unit/session/turn_server.h"

enum { ENDS = 8, POLLS_MAX = CLIENTS + ENDS * ICE_FULL_POLL_MAX };

/* The agent of one client, whose `loop` has no socket. */
struct far_end {
    struct fixture *x;
    struct client *client;
    struct ice_full *ice;
    struct ice_local local;
    bool ready, mute; /* mute: it tells the forwarder of no candidate */
    unsigned n_there; /* candidates of the forwarder's side */
    bool gathered_there, relayed_only;
};

struct room {
    struct fixture *x;
    struct ice_servers servers; /* of both sides */
    struct far_end ends[ENDS];
    unsigned n;
    unsigned n_others; /* candidates of seats that nobody came to */
};

/* --- the far end --- */

static void on_candidate(void *arg, const char *text)
{
    struct far_end *e = arg;
    if (!e->mute)
        forwarder_add_candidate(e->x->f, e->client->seat.viewer_id, text ? text : "");
}

static void on_datagram(void *arg, uint8_t *data, size_t size)
{
    struct far_end *e = arg;
    loopback_client_on_datagram(&e->client->loop, data, size);
}

static void on_state(void *arg, enum ice_full_state state, const struct address *remote)
{
    struct far_end *e = arg;
    (void)remote;
    if (state != ICE_FULL_READY || e->ready)
        return;
    e->ready = true;
    if (e->client->loop.seal)
        return; /* after a restart all goes on as it was */
    dtls_start(e->client->loop.dtls);
    loopback_client_flush_dtls(&e->client->loop);
}

static void send_datagram(void *arg, const uint8_t *data, size_t size)
{
    struct far_end *e = arg;
    (void)ice_full_send(e->ice, data, size, (uint16_t)size);
}

static struct far_end *open_end(struct room *r, struct client *c, bool mute)
{
    assert_true(r->n < ENDS);
    struct far_end *e = &r->ends[r->n++];
    *e = (struct far_end){.x = r->x, .client = c, .mute = mute};
    snprintf(e->local.ufrag, sizeof(e->local.ufrag), "far%u", r->n);
    snprintf(e->local.pwd, sizeof(e->local.pwd), "password-of-far-end-%04u", r->n);
    loopback_client_open_without_socket(&c->loop, send_datagram, e, r->x->viewer,
                                        &r->x->fingerprint);
    c->loop.on_rtp = on_rtp;
    c->loop.arg = r->x;
    c->open = true;
    struct ice_full_config config = {
        .servers = &r->servers,
        .events = {e, on_candidate, on_datagram, on_state},
        .local = e->local,
        .controlling = true,
    };
    assert_int_equal(ice_full_create(&e->ice, &config), 0);
    return e;
}

/* Of a seat that was reserved: the viewer comes. */
static void begin(struct room *r, struct far_end *e)
{
    struct viewer_config config = viewer_config(r->x, e->client);
    memcpy(config.peer.remote_ufrag, e->local.ufrag, sizeof(e->local.ufrag));
    memcpy(config.peer.remote_pwd, e->local.pwd, sizeof(e->local.pwd));
    assert_int_equal(forwarder_add_viewer(r->x->f, &config), 0);
    assert_true(ice_full_set_remote(e->ice, e->client->seat.ice.ufrag, e->client->seat.ice.pwd));
}

static struct far_end *add_end(struct room *r, bool mute)
{
    struct far_end *e = open_end(r, reserve(r->x), mute);
    begin(r, e);
    return e;
}

static void take_candidates(struct room *r)
{
    struct forwarder_candidate c;
    while (forwarder_next_candidate(r->x->f, &c)) {
        struct far_end *e = NULL;
        for (unsigned i = 0; i < r->n; i++) {
            if (r->ends[i].client->seat.viewer_id == c.viewer_id)
                e = &r->ends[i];
        }
        if (!e) {
            r->n_others++;
        } else if (c.text) {
            assert_false(e->gathered_there);
            e->n_there++;
            e->relayed_only = strstr(c.text, "typ relay") != NULL;
            ice_full_add_candidate(e->ice, c.text);
        } else {
            e->gathered_there = true;
        }
        free(c.text);
    }
}

static void pump_room(struct room *r)
{
    struct pollfd fds[POLLS_MAX];
    unsigned counts[ENDS], n = 0;
    for (unsigned i = 0; i < r->n; i++) {
        counts[i] = r->ends[i].ice ? ice_full_poll(r->ends[i].ice, fds + n) : 0;
        n += counts[i];
    }
    poll(fds, n, 5);
    n = 0;
    for (unsigned i = 0; i < r->n; i++) {
        struct far_end *e = &r->ends[i];
        for (unsigned k = 0; k < counts[i]; k++, n++) {
            if (fds[n].revents)
                ice_full_on_ready(e->ice, fds[n].fd, fds[n].revents);
        }
        if (e->ice)
            ice_full_run(e->ice, loopback_now_us());
        if (e->client->open)
            loopback_client_pump(&e->client->loop);
    }
    take_candidates(r);
    read_events(r->x);
}

static void run_room_until(struct room *r, condition_fn *is_met)
{
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (!is_met(r->x)) {
        assert_true(loopback_now_us() < end_us);
        pump_room(r);
    }
}

static void publish_to_room(struct room *r, bool keyframe)
{
    publish(r->x, keyframe);
    run_room_until(r, have_everything);
}

static void open_room(struct room *r, int n_workers, unsigned max_viewers, bool disable_gso)
{
    if (r->servers.n_addresses == 0) {
        r->servers.n_addresses = 1;
        assert_true(address_parse(&r->servers.addresses[0], "127.0.0.1", 0));
    }
    r->x = fixture_new_with(n_workers, max_viewers, disable_gso, &r->servers);
}

static void close_room(struct room *r)
{
    for (unsigned i = 0; i < r->n; i++)
        ice_full_destroy(r->ends[i].ice);
    fixture_free(r->x);
}

static bool are_closed(struct fixture *x)
{
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].open && !x->clients[i].loop.closed)
            return false;
    }
    return true;
}

static bool are_gone(struct fixture *x)
{
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].open && x->clients[i].state != VIEWER_CLOSED)
            return false;
    }
    return true;
}

/* --- the tests --- */

static void watches(int n_workers, bool disable_gso)
{
    struct room r = {0};
    open_room(&r, n_workers, 8, disable_gso);
    publish(r.x, true);
    for (int i = 0; i < 4; i++)
        add_end(&r, i == 3);
    run_room_until(&r, are_connected);
    for (int i = 0; i < 20; i++)
        publish_to_room(&r, i == 9);

    uint64_t packets = 0;
    for (unsigned i = 0; i < r.n; i++) {
        assert_true(r.ends[i].n_there >= 1);
        assert_true(r.ends[i].gathered_there);
        assert_int_equal(r.ends[i].client->loop.not_authentic, 0);
        packets += r.ends[i].client->loop.rtp;
    }
    struct forwarder_worker_stats sum = worker_sum(r.x);
    assert_true(sum.packets_sent >= packets); /* reports and handshakes too */
    assert_int_equal(sum.send_errors, 0);
    assert_int_equal(sum.datagrams_unknown, 0);

    for (unsigned i = 0; i < r.n; i++)
        forwarder_remove_viewer(r.x->f, r.ends[i].client->seat.viewer_id);
    run_room_until(&r, are_gone);
    run_room_until(&r, are_closed); /* BYE and close_notify came */
    for (unsigned i = 0; i < r.n; i++) {
        assert_int_equal(r.ends[i].client->reason, PEER_REASON_LOCAL_CLOSED);
        assert_true(r.ends[i].client->loop.byes > 0);
    }
    close_room(&r);
}

static void viewers_watch_through_agents(void **state)
{
    (void)state;
    watches(1, false);
}

static void viewers_watch_on_two_workers(void **state)
{
    (void)state;
    watches(2, false);
}

static void viewers_watch_without_segmentation(void **state)
{
    (void)state;
    watches(1, true);
}

/* RFC 8445 9: new credentials on both sides, and nothing is lost meanwhile. */
static void a_viewer_restarts_ice(void **state)
{
    (void)state;
    struct room r = {0};
    open_room(&r, 2, 4, false);
    publish(r.x, true);
    struct far_end *e = add_end(&r, false);
    run_room_until(&r, are_connected);
    publish_to_room(&r, false);
    for (int round = 0; round < 3; round++) {
        struct ice_local ours;
        snprintf(e->local.ufrag, sizeof(e->local.ufrag), "again%d", round);
        e->ready = e->gathered_there = false;
        e->n_there = 0;
        assert_true(ice_full_restart(e->ice, &e->local));
        assert_int_equal(forwarder_restart(r.x->f, e->client->seat.viewer_id, e->local.ufrag,
                                           e->local.pwd, &ours),
                         0);
        assert_string_not_equal(ours.ufrag, e->client->seat.ice.ufrag);
        e->client->seat.ice = ours;
        assert_true(ice_full_set_remote(e->ice, ours.ufrag, ours.pwd));
        publish_to_room(&r, round == 1);
        int64_t end_us = loopback_now_us() + WAIT_US;
        while (!e->ready || !e->gathered_there) {
            assert_true(loopback_now_us() < end_us);
            pump_room(&r);
        }
        assert_true(e->n_there >= 1);
        publish_to_room(&r, false);
    }
    assert_int_equal(e->client->state, VIEWER_PLAYING);
    assert_int_equal(e->client->loop.not_authentic, 0);
    struct ice_local unused;
    assert_int_equal(forwarder_restart(r.x->f, 999, "abcd", "0123456789012345678901", &unused),
                     -ENOENT);
    close_room(&r);
}

static bool far_end_closed(struct fixture *x)
{
    return x->clients[0].state == VIEWER_CLOSED;
}

static void a_viewer_that_leaves_is_gone(void **state)
{
    (void)state;
    struct room r = {0};
    open_room(&r, 1, 4, false);
    publish(r.x, true);
    struct far_end *e = add_end(&r, false);
    run_room_until(&r, are_connected);
    publish_to_room(&r, false);
    dtls_shutdown(e->client->loop.dtls);
    loopback_client_flush_dtls(&e->client->loop);
    run_room_until(&r, far_end_closed);
    assert_int_equal(e->client->reason, PEER_REASON_REMOTE_CLOSED);
    assert_int_equal(worker_sum(r.x).viewers, 0);
    close_room(&r);
}

/* Seats that nobody comes to, more of them than there are places, over and over. */
static void seats_come_and_go(void **state)
{
    (void)state;
    struct room r = {0};
    open_room(&r, 2, 3, false);
    struct forwarder_seat seats[3];
    int64_t end_us = loopback_now_us() + WAIT_US;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 3; i++) {
            while (forwarder_reserve(r.x->f, &seats[i]) != 0) { /* the worker is behind */
                assert_true(loopback_now_us() < end_us);
                pump_room(&r);
            }
        }
        forwarder_add_candidate(r.x->f, seats[0].viewer_id, "nonsense");
        for (int i = 0; i < 3; i++)
            forwarder_cancel(r.x->f, seats[i].viewer_id);
        forwarder_add_candidate(r.x->f, seats[0].viewer_id, "nonsense");
        pump_room(&r);
    }
    while (r.n_others == 0) {
        assert_true(loopback_now_us() < end_us);
        pump_room(&r);
    }
    /* the places are whole: a viewer gets one and watches */
    publish(r.x, true);
    add_end(&r, false);
    run_room_until(&r, are_connected);
    publish_to_room(&r, false);
    assert_int_equal(forwarder_reserve(r.x->f, &seats[0]), 0); /* ends with the forwarder */
    close_room(&r);
}

/* The shared port is no way to a viewer that has an agent. */
static void the_shared_port_is_closed_to_them(void **state)
{
    (void)state;
    struct room r = {0};
    open_room(&r, 1, 4, false);
    publish(r.x, true);
    struct far_end *e = add_end(&r, false);
    run_room_until(&r, are_connected);

    uint8_t check[600], answer[600];
    struct address to;
    int fd = turn_server_socket(&to);
    assert_true(address_parse(&to, "127.0.0.1", forwarder_port(r.x->f)));
    size_t size =
        ice_lite_write_check(check, sizeof(check), e->local.ufrag, e->client->seat.ice.ufrag,
                             e->client->seat.ice.pwd, 1, e->client->loop.transaction);
    assert_true(sendto(fd, check, size, 0, &to.sa, address_size(&to)) > 0);
    /* read before this frame, which is read after it */
    publish_to_room(&r, false);
    publish_to_room(&r, false);
    assert_true(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) < 0);
    close(fd);
    close_room(&r);
}

static void cannot_begin_where_nothing_can_be_bound(void **state)
{
    (void)state;
    struct room r = {.servers = {.n_addresses = 1}};
    assert_true(address_parse(&r.servers.addresses[0], "192.0.2.1", 0));
    open_room(&r, 1, 4, false);
    publish(r.x, true);
    struct client *c = reserve(r.x);
    struct viewer_config config = viewer_config(r.x, c);
    assert_int_equal(forwarder_add_viewer(r.x->f, &config), 0);
    run_room_until(&r, far_end_closed);
    assert_int_equal(r.n_others, 1); /* that there will be no candidate */
    close_room(&r);
}

static void viewers_watch_over_relays(void **state)
{
    (void)state;
    struct turn_server turn;
    if (!turn_server_start(&turn, "0")) {
        skip();
        return;
    }
    struct room r = {.servers = {.n_turn = 1, .force_relay = true}};
    r.servers.turn[0].address = turn.address;
    snprintf(r.servers.turn[0].user, ICE_FULL_TEXT_MAX, TURN_SERVER_USER);
    snprintf(r.servers.turn[0].password, ICE_FULL_TEXT_MAX, TURN_SERVER_PASSWORD);
    open_room(&r, 2, 4, false);
    publish(r.x, true);
    for (int i = 0; i < 2; i++)
        add_end(&r, false);
    run_room_until(&r, are_connected);
    for (int i = 0; i < 20; i++)
        publish_to_room(&r, i == 9);
    for (unsigned i = 0; i < r.n; i++) {
        assert_true(ice_full_is_relayed(r.ends[i].ice));
        assert_int_equal(r.ends[i].n_there, 1);
        assert_true(r.ends[i].relayed_only);
        assert_int_equal(r.ends[i].client->loop.not_authentic, 0);
    }
    assert_int_equal(worker_sum(r.x).send_errors, 0);
    close_room(&r);
    turn_server_stop(&turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(viewers_watch_through_agents),
        cmocka_unit_test(viewers_watch_on_two_workers),
        cmocka_unit_test(viewers_watch_without_segmentation),
        cmocka_unit_test(a_viewer_restarts_ice),
        cmocka_unit_test(a_viewer_that_leaves_is_gone),
        cmocka_unit_test(seats_come_and_go),
        cmocka_unit_test(the_shared_port_is_closed_to_them),
        cmocka_unit_test(cannot_begin_where_nothing_can_be_bound),
        cmocka_unit_test(viewers_watch_over_relays),
    };
    assert_int_equal(cipher_install(CIPHER_AUTO), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
