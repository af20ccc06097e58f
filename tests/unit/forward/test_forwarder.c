/* forwarder: real workers, real sockets on loopback, real DTLS; every viewer must get every packet,
 * and every number in the statistics must be caused here. Waits are for conditions, bounded by
 * WAIT_US.
 */
#include "rtp/forward/worker.h"
#include "rtp/session/cipher.h"
#include "tests/unit/forward/forwarder_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>

/* Every datagram is accounted for on both sides, once nothing is under way. */
static bool is_accounted_for(struct fixture *x)
{
    uint64_t received = 0, sent = 0;
    for (unsigned i = 0; i < x->n_clients; i++) {
        received += x->clients[i].loop.datagrams;
        sent += x->clients[i].loop.datagrams_sent;
    }
    struct forwarder_worker_stats sum = worker_sum(x);
    return sum.packets_sent == received && sum.datagrams_received == sent;
}

static bool was_any_passed_on(struct fixture *x)
{
    return are_connected(x) && worker_sum(x).datagrams_passed_on > 0;
}

static void check_stats(struct fixture *x, uint64_t n_late)
{
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.n_workers, 2);
    assert_int_equal(s.n_viewers, x->n_clients);
    assert_int_equal(s.workers[0].viewers + s.workers[1].viewers, x->n_clients);
    for (unsigned i = 0; i < s.n_workers; i++) {
        assert_true(s.workers[i].viewers >= x->n_clients / 2); /* evenly placed */
        assert_true(s.workers[i].send_calls > 0);
        assert_true(s.workers[i].bytes_sent > s.workers[i].packets_sent * 20);
        assert_true(s.workers[i].mailbox_high_water >= 1);
        assert_true(s.workers[i].loop_lag_p99_us < WAIT_US);
        assert_int_equal(s.workers[i].frames_dropped, 0);
    }
    assert_int_equal(s.n_streams, 1);
    assert_int_equal(s.streams[0].stream_id, x->stream_id);
    assert_int_equal(s.streams[0].joins_waited, x->n_clients - n_late);
    assert_int_equal(s.streams[0].joins_from_cache, n_late);
    assert_int_equal(s.streams[0].keyframe_requests, atomic_load(&x->keyframe_requests));
    assert_true(s.streams[0].capture_to_send_us_p50 > 0);
    assert_true(s.streams[0].capture_to_send_us_p99 >= s.streams[0].capture_to_send_us_p50);
    assert_true(s.streams[0].capture_to_send_us_p99 < WAIT_US);
    for (unsigned i = 0; i < s.n_viewers; i++) {
        const struct forwarder_viewer_stats *v = &s.viewers[i];
        const struct client *c = x->clients;
        while (c->seat.viewer_id != v->id)
            c++;
        assert_int_equal(v->state, VIEWER_PLAYING);
        assert_int_equal(v->counters.packets_sent, c->loop.rtp);
        assert_int_equal(v->counters.frames_sent, x->n_published - c->first_frame);
        assert_true(v->first_frame_us > 0 && v->first_frame_us <= v->age_us);
        assert_int_equal(v->stream_id, x->stream_id);
        assert_int_not_equal(address_port(&v->remote), 0);
    }
    forwarder_stats_free(&s);
}

static void all_receive_everything(bool disable_gso)
{
    struct fixture *x = fixture_new(2, CLIENTS, disable_gso);
    for (int i = 0; i < 6; i++)
        add_client(x);
    run_until(x, are_connected);
    /* Which socket a client's datagrams come to is a hash of its port: an even chance for each. */
    while (!was_any_passed_on(x)) {
        add_client(x);
        run_until(x, are_connected);
    }
    for (int i = 0; i < 300; i++)
        publish_and_wait(x, i % 100 == 0);

    struct client *late = add_client(x); /* starts at the newest keyframe without asking for one */
    late->first_frame = 200;
    int asked = atomic_load(&x->keyframe_requests);
    run_until(x, have_everything);
    run_until(x, are_connected);
    publish_and_wait(x, false);
    assert_int_equal(atomic_load(&x->keyframe_requests), asked);

    run_until(x, is_accounted_for);
    check_stats(x, 1);
    struct forwarder_worker_stats sum = worker_sum(x);
    assert_int_equal(sum.send_errors, 0);
    assert_int_equal(sum.datagrams_unknown, 0);
    for (unsigned i = 0; i < x->n_clients; i++)
        assert_int_equal(x->clients[i].loop.not_authentic, 0);
    assert_true(atomic_load(&x->wakes) > 0);
    fixture_free(x);
}

static void test_all_receive_everything(void **unused)
{
    (void)unused;
    all_receive_everything(false);
}

static void test_all_receive_everything_without_segmentation(void **unused)
{
    (void)unused;
    all_receive_everything(true);
}

/* Everybody is answered from the address it sent to, whichever worker's socket that came to. */
static void test_many_addresses(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, CLIENTS, false);
    for (int i = 0; i < 12; i++)
        add_client_to(x, i % 2 ? "127.0.0.2" : "127.0.0.1");
    run_until(x, are_connected);
    publish_and_wait(x, true);
    publish_and_wait(x, false);
    assert_int_equal(worker_sum(x).send_errors, 0);
    fixture_free(x);
}

static bool has_first_rtx(struct fixture *x)
{
    return x->clients[0].rtx > 0;
}

static bool has_begun_again(struct fixture *x)
{
    return x->clients[0].again > 0 && have_everything(x);
}

static bool was_keyframe_wanted_again(struct fixture *x)
{
    return atomic_load(&x->keyframe_requests) > 1;
}

static void test_feedback(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 4, false);
    struct client *c = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    assert_int_equal(atomic_load(&x->keyframe_requests), 1); /* it came before the first one */

    uint8_t packet[100];
    uint16_t seq = c->last_seq;
    size_t size = rtcp_write_nack(packet, sizeof(packet), LOOPBACK_SSRC, SSRC, &seq, 1);
    loopback_client_send_rtcp(&c->loop, packet, size);
    run_until(x, has_first_rtx);
    size = rtcp_write_pli(packet, sizeof(packet), LOOPBACK_SSRC, SSRC);
    loopback_client_send_rtcp(&c->loop, packet, size);
    run_until(x, has_begun_again); /* from the cache: nobody else is concerned */
    assert_int_equal(atomic_load(&x->keyframe_requests), 1);
    forwarder_want_keyframe(x->f, add_absent(x)->seat.viewer_id, x->stream_id);
    run_until(x, was_keyframe_wanted_again);

    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.viewers[0].counters.nacks, 1);
    assert_int_equal(s.viewers[0].counters.resent, 1);
    assert_int_equal(s.viewers[0].counters.plis, 1);
    assert_int_equal(s.viewers[0].counters.keyframes_from_cache, 1);
    assert_int_equal(s.streams[0].keyframes_from_cache, 1);
    assert_int_equal(s.viewers[0].rtt_us, -1);
    assert_int_equal(s.viewers[0].jitter_us, -1);
    assert_int_equal(s.viewers[0].fraction_lost, -1);
    assert_int_equal(s.streams[0].keyframe_requests, 2);
    forwarder_stats_free(&s);
    fixture_free(x);
}

static bool has_rate(struct fixture *x)
{
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    const struct forwarder_viewer_stats *v = &s.viewers[0];
    uint64_t bps = v->sent_bps, bits = v->counters.bytes_sent * 8;
    if (bps > 0) { /* all of it in one span that is at least about a second and at most its age */
        assert_true(bps <= bits * 1000000 / 900000);
        assert_true(bps >= bits * 1000000 / (uint64_t)v->age_us);
    }
    forwarder_stats_free(&s);
    return bps > 0;
}

static void test_rate(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 4, false);
    add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    run_until(x, has_rate);
    fixture_free(x);
}

static bool is_first_closed(struct fixture *x)
{
    return x->clients[0].state == VIEWER_CLOSED && x->clients[0].loop.closed;
}

static void test_remove_viewer(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 2, false);
    struct client *c = add_client(x);
    add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    struct forwarder_seat none;
    assert_int_equal(forwarder_reserve(x->f, &none), -EAGAIN);

    forwarder_remove_viewer(x->f, c->seat.viewer_id);
    forwarder_remove_viewer(x->f, c->seat.viewer_id); /* twice is once */
    run_until(x, is_first_closed);
    assert_int_equal(c->reason, PEER_REASON_LOCAL_CLOSED);
    assert_int_equal(c->loop.byes, 1);
    close_client(c);
    forwarder_remove_viewer(x->f, c->seat.viewer_id); /* unknown by now */
    assert_int_equal(worker_sum(x).viewers, 1);

    struct client *next = add_client(x); /* its seat is free again, under another id */
    assert_int_not_equal(next->seat.viewer_id, c->seat.viewer_id);
    run_until(x, are_connected);
    publish_and_wait(x, false);
    fixture_free(x);
}

static void test_seats(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 3, false);
    struct client *c[3] = {reserve(x), reserve(x), reserve(x)};
    struct forwarder_seat seat;
    assert_int_equal(forwarder_reserve(x->f, &seat), -EAGAIN);
    unsigned per_worker[2] = {0};
    for (int i = 0; i < 3; i++) {
        const char *ufrag = c[i]->seat.ice.ufrag;
        unsigned worker;
        uint32_t id;
        assert_int_equal(strlen(ufrag), ICE_LOCAL_UFRAG_SIZE);
        assert_int_equal(strlen(c[i]->seat.ice.pwd), ICE_LOCAL_PWD_SIZE);
        assert_true(worker_ufrag_read(ufrag, &worker, &id));
        assert_int_equal(id, c[i]->seat.viewer_id);
        assert_true(worker < 2);
        per_worker[worker]++;
    }
    assert_true(per_worker[0] >= 1 && per_worker[1] >= 1);
    assert_string_not_equal(c[0]->seat.ice.pwd, c[1]->seat.ice.pwd);

    forwarder_cancel(x->f, c[1]->seat.viewer_id);
    forwarder_cancel(x->f, c[1]->seat.viewer_id);
    assert_int_equal(forwarder_reserve(x->f, &seat), 0);
    assert_int_equal(forwarder_reserve(x->f, &seat), -EAGAIN);

    struct viewer_config config = viewer_config(x, c[1]);
    assert_int_equal(forwarder_add_viewer(x->f, &config), -ENOENT); /* cancelled */
    config = viewer_config(x, c[0]);
    config.tracks[0].stream_id = 99;
    assert_int_equal(forwarder_add_viewer(x->f, &config), -ENOENT);
    config = viewer_config(x, c[0]);
    config.n_tracks = 0;
    assert_int_equal(forwarder_add_viewer(x->f, &config), -EINVAL);
    config = viewer_config(x, c[0]);
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    assert_int_equal(forwarder_add_viewer(x->f, &config), -ENOENT); /* taken */
    fixture_free(x);
}

static void test_ids_are_not_reused_soon(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 2, false);
    struct forwarder_seat kept, seat;
    assert_int_equal(forwarder_reserve(x->f, &kept), 0);
    uint32_t last = kept.viewer_id;
    for (int i = 0; i < 1000; i++) { /* past the taken place, again and again */
        assert_int_equal(forwarder_reserve(x->f, &seat), 0);
        assert_true(seat.viewer_id > last);
        last = seat.viewer_id;
        forwarder_cancel(x->f, seat.viewer_id);
    }
    fixture_free(x);
}

static void test_port_in_use(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 2, false);
    struct forwarder_config config = configure(x, 2, 2);
    config.udp_port = forwarder_port(x->f);
    struct forwarder *f = NULL;
    char error[200], want[200];
    assert_int_equal(forwarder_create(&f, &config, error, sizeof(error)), -EADDRINUSE);
    snprintf(want, sizeof(want), "UDP port %u is in use", config.udp_port);
    assert_string_equal(error, want);
    assert_null(f);
    fixture_free(x);
}

/* Nobody's datagrams are counted and do no harm. */
static bool are_ten_unknown(struct fixture *x)
{
    return worker_sum(x).datagrams_unknown == 10;
}

static void test_unknown_datagrams(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    struct client *c = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);

    struct loopback_client stranger;
    loopback_client_open(&stranger, forwarder_port(x->f), &c->seat.ice, x->viewer, &x->fingerprint);
    uint8_t junk[1200] = {0x80, 102};
    for (int i = 0; i < 4; i++)
        loopback_client_send(&stranger, junk, sizeof(junk)); /* RTP from nowhere */
    junk[0] = 22;
    loopback_client_send(&stranger, junk, 100); /* DTLS */
    junk[0] = 0;
    loopback_client_send(&stranger, junk, 20); /* broken STUN */
    static const char *const ufrags[] = {
        "ff00000001abcdef",                     /* no such worker */
        "0000ffff01abcdef",                     /* no such viewer, on either worker */
        "0100ffff01abcdef", "xx00000001abcdef", /* not ours */
    };
    for (int i = 0; i < 4; i++) {
        strcpy(stranger.server.ufrag, ufrags[i]);
        loopback_client_check(&stranger, 0);
    }
    run_until(x, are_ten_unknown);
    publish_and_wait(x, false);
    loopback_client_close(&stranger);
    fixture_free(x);
}

static void test_vanished_client_harms_nobody(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 8, false);
    for (int i = 0; i < 4; i++)
        add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    close_client(&x->clients[1]); /* its port now answers with ICMP errors */
    for (int i = 0; i < 50; i++)
        publish_and_wait(x, false);
    assert_int_equal(worker_sum(x).viewers, 4); /* until its consent is over */
    assert_int_equal(x->clients[1].state, VIEWER_PLAYING);
    fixture_free(x);
}

static bool has_dropped(struct fixture *x)
{
    return worker_sum(x).frames_dropped > 0;
}

/* A worker that does not get on: its frames are dropped, and afterwards it asks for a keyframe. */
static void test_stalled_worker_drops_frames(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 2, false);
    struct client *c = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    stall_worker(x, add_absent(x));
    unsigned kept = x->n_published + WORKER_FRAMES_WAITING_MAX;
    for (int i = 0; i < WORKER_FRAMES_WAITING_MAX + 10; i++)
        publish_sized(x, false, 100);
    int asked = atomic_load(&x->keyframe_requests);
    sem_post(&x->release);
    run_until(x, has_dropped);
    assert_int_equal(worker_sum(x).frames_dropped, 10);

    publish(x, false); /* shows the gap */
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (atomic_load(&x->keyframe_requests) == asked) {
        assert_true(loopback_now_us() < end_us);
        pump(x);
    }
    /* It had everything before the gap; now it goes on at the keyframe. */
    uint64_t before = 0;
    for (unsigned i = 0; i < kept; i++)
        before += x->published[i]->payload.n_packets;
    while (c->loop.position < before) {
        assert_true(loopback_now_us() < end_us);
        pump(x);
    }
    assert_int_equal(c->loop.position, before);
    c->first_frame = x->n_published;
    c->loop.position = 0;
    c->last_seq++; /* the check for the first one is left out */
    publish_and_wait(x, true);
    fixture_free(x);
}

static bool is_last_news_closed(struct fixture *x)
{
    return x->clients[0].state == VIEWER_CLOSED;
}

/* Nobody reads the events, and a fifth one comes where there is room for four. */
static void test_last_event_is_never_lost(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 1, false);
    struct client *c = add_client(x);
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (!c->loop.closed) {
        assert_true(loopback_now_us() < end_us);
        loopback_client_pump(&c->loop); /* and no read_events */
        if (c->loop.seal && x->n_published == 0)
            publish(x, true); /* it was told of waiting for one */
        if (c->loop.position > 0)
            forwarder_remove_viewer(x->f, c->seat.viewer_id);
    }
    struct forwarder_seat seat;
    assert_int_equal(forwarder_reserve(x->f, &seat), -EAGAIN);
    assert_int_equal(worker_sum(x).viewers, 1); /* closed, and its last news kept */
    run_until(x, is_last_news_closed);
    assert_int_equal(forwarder_reserve(x->f, &seat), 0);
    assert_int_equal(worker_sum(x).viewers, 0);
    fixture_free(x);
}

/* Whoever asks often while the worker does not get on asks once. */
static void test_removing_often_is_removing_once(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(1, 2, false);
    struct client *c = add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    stall_worker(x, add_absent(x));
    for (int i = 0; i < 10000; i++) /* more than a mailbox holds */
        forwarder_remove_viewer(x->f, c->seat.viewer_id);
    sem_post(&x->release);
    run_until(x, is_first_closed);
    fixture_free(x);
}

static void test_remove_stream(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 4, false);
    for (int i = 0; i < 3; i++)
        add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    uint32_t removed = x->stream_id;
    forwarder_remove_stream(x->f, removed);
    int asked = atomic_load(&x->keyframe_requests);
    publish(x, true); /* a late one of an encoder that does not know yet */
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.n_streams, 0);
    assert_int_equal(s.n_viewers, 3); /* they stay, without a picture */
    forwarder_stats_free(&s);
    assert_int_equal(atomic_load(&x->keyframe_requests), asked);

    assert_int_equal(forwarder_add_stream(x->f, FORWARDER_VIDEO, 3, &x->stream_id), 0);
    assert_int_not_equal(x->stream_id, removed);
    fixture_free(x);
}

static void test_destroy_says_goodbye(void **unused)
{
    (void)unused;
    struct fixture *x = fixture_new(2, 8, false);
    for (int i = 0; i < 4; i++)
        add_client(x);
    run_until(x, are_connected);
    publish_and_wait(x, true);
    reserve(x);    /* somebody who will not come */
    add_client(x); /* somebody who is only on the way */
    publish(x, false);
    forwarder_destroy(x->f);
    x->f = NULL;
    for (int i = 0; i < 4; i++) { /* all of it is in the sockets by now */
        struct loopback_client *loop = &x->clients[i].loop;
        loopback_client_pump(loop);
        assert_int_equal(loop->byes, 1);
        assert_true(loop->closed);
    }
    fixture_free(x);
}

/* The processors that worker threads of this process may run on. */
static unsigned processors_of_workers(unsigned *n_workers)
{
    cpu_set_t all, one;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    CPU_ZERO(&all);
    *n_workers = 0;
    for (struct dirent *e; (e = readdir(tasks));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "r");
        bool is_worker = f && fgets(name, sizeof(name), f) &&
                         strncmp(name, WORKER_NAME, strlen(WORKER_NAME)) == 0;
        if (f)
            fclose(f);
        if (!is_worker)
            continue;
        assert_int_equal(sched_getaffinity(atoi(e->d_name), sizeof(one), &one), 0);
        assert_int_equal(CPU_COUNT(&one), 1);
        CPU_OR(&all, &all, &one);
        ++*n_workers;
    }
    closedir(tasks);
    return (unsigned)CPU_COUNT(&all);
}

static void test_pinned_workers_have_a_processor_each(void **state)
{
    (void)state;
    struct fixture x = {0};
    cpu_set_t allowed;
    unsigned n_workers;
    assert_int_equal(dtls_context_create(&x.server), 0);
    struct forwarder_config config = configure(&x, 2, 4);
    char error[200];
    config.pin = true;
    assert_int_equal(forwarder_create(&x.f, &config, error, sizeof(error)), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    unsigned want = CPU_COUNT(&allowed) < 2 ? 1 : 2;
    assert_int_equal(processors_of_workers(&n_workers), want);
    assert_int_equal(n_workers, 2);
    forwarder_destroy(x.f);
    dtls_context_destroy(x.server);
}

static int set_up(void **unused)
{
    (void)unused;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_receive_everything),
        cmocka_unit_test(test_all_receive_everything_without_segmentation),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_feedback),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_remove_viewer),
        cmocka_unit_test(test_seats),
        cmocka_unit_test(test_ids_are_not_reused_soon),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_unknown_datagrams),
        cmocka_unit_test(test_vanished_client_harms_nobody),
        cmocka_unit_test(test_stalled_worker_drops_frames),
        cmocka_unit_test(test_last_event_is_never_lost),
        cmocka_unit_test(test_removing_often_is_removing_once),
        cmocka_unit_test(test_remove_stream),
        cmocka_unit_test(test_destroy_says_goodbye),
        cmocka_unit_test(test_pinned_workers_have_a_processor_each),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
