/* forwarder_fixture.h - a forwarder, its presenter and its viewers in one process, for tests.
 *
 * Life: fixture_new, add_client and publish, run_until a condition, fixture_free. Frames are kept
 * and each client's packets are compared with them as they come, byte for byte. One thread beside
 * the workers.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "rtp/payload/h264.h"
#include "tests/unit/forward/loopback_client.h"

#include <assert.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CLIENTS = 32, FRAMES = 1500, WAIT_US = 20000000 };

#define SSRC 0x1234u
#define RTX_SSRC 0x5678u
#define PAYLOAD_TYPE 102
#define RTX_PAYLOAD_TYPE 103

struct client {
    struct loopback_client loop;
    struct forwarder_seat seat;
    bool open;
    enum viewer_state state;
    enum peer_reason reason;
    uint64_t first_frame; /* index; with loop.position: packets since */
    uint64_t rtx, again;  /* times the stream began again at a keyframe it had already */
    uint16_t last_seq;
};

struct fixture {
    struct forwarder *f;
    struct dtls_context *server, *viewer;
    struct dtls_fingerprint fingerprint;
    struct frame_pool *pool;
    const struct frame *published[FRAMES]; /* references of the test's own */
    unsigned n_published;
    uint32_t stream_id;
    struct client clients[CLIENTS];
    unsigned n_clients;
    atomic_int wakes, keyframe_requests;
    atomic_bool hold; /* want_keyframe waits for `release` */
    sem_t held, release;
};

/* --- the presenter --- */

static inline void want_keyframe(void *arg, unsigned layer, uint32_t requests)
{
    struct fixture *x = arg;
    assert(layer == 0);
    atomic_fetch_add(&x->keyframe_requests, (int)requests);
    if (atomic_exchange(&x->hold, false)) {
        sem_post(&x->held);
        sem_wait(&x->release);
    }
}

static inline void wake(void *arg)
{
    atomic_fetch_add(&((struct fixture *)arg)->wakes, 1);
}

/* Annex B: SPS and PPS before an IDR slice, or a slice; its bytes follow from the frame's number.
 */
static inline struct frame *make_frame(struct fixture *x, unsigned index, bool keyframe,
                                       size_t slice_size)
{
    static const uint8_t sets[] = {0,    0, 0, 1, 0x67, 0x42, 0xe0, 0x1f,
                                   0xda, 0, 0, 0, 1,    0x68, 0xce};
    uint8_t unit[20000];
    size_t n = 0;
    assert_true(slice_size + 100 < sizeof(unit));
    if (keyframe) {
        memcpy(unit, sets, sizeof(sets));
        n = sizeof(sets);
    }
    memcpy(unit + n, (uint8_t[]){0, 0, 0, 1, keyframe ? 0x65 : 0x41}, 5);
    n += 5;
    for (size_t i = 0; i < slice_size; i++)
        unit[n++] = (uint8_t)((index * 31 + i) % 251 + 1); /* no start codes inside */

    struct frame *f = frame_get(x->pool);
    assert_non_null(f);
    assert_int_equal(h264_packetize(&f->payload, unit, n, PACKETIZE_MAX_PAYLOAD), 0);
    f->codec = PAYLOAD_H264;
    f->captured_us = loopback_now_us();
    f->rtp_ts = index * 3000;
    f->keyframe = keyframe;
    return f;
}

static inline void publish_sized(struct fixture *x, bool keyframe, size_t slice_size)
{
    assert_true(x->n_published < FRAMES);
    struct frame *f = make_frame(x, x->n_published, keyframe, slice_size);
    x->published[x->n_published++] = frame_ref(f);
    forwarder_publish(x->f, x->stream_id, 0, f);
}

static inline void publish(struct fixture *x, bool keyframe)
{
    publish_sized(x, keyframe, keyframe ? 9000 : 2500);
}

static inline uint64_t packets_since(const struct fixture *x, uint64_t first_frame)
{
    uint64_t n = 0;
    for (uint64_t i = first_frame; i < x->n_published; i++)
        n += x->published[i]->payload.n_packets;
    return n;
}

/* --- the viewers --- */

static inline bool is_packet(const struct fixture *x, uint64_t frame, uint64_t packet,
                             const struct rtp_header *h, const uint8_t *payload)
{
    if (frame >= x->n_published)
        return false;
    const struct packetize *p = &x->published[frame]->payload;
    const struct packetize_packet *expected = &p->packets[packet];
    return h->payload_size == expected->size && h->marker == expected->marker &&
           memcmp(payload, p->data + expected->offset, expected->size) == 0;
}

/* From the newest keyframe on it comes again: somebody has asked. */
static inline void begin_again(const struct fixture *x, struct client *c)
{
    uint64_t i = x->n_published - 1;
    while (!x->published[i]->keyframe)
        i--;
    c->first_frame = i;
    c->loop.position = 1;
    c->again++;
}

/* The next packet of the stream, byte for byte and in order; or a retransmission. */
static inline void on_rtp(void *arg, struct loopback_client *loop, const struct rtp_header *h,
                          const uint8_t *payload)
{
    struct fixture *x = arg;
    struct client *c = (struct client *)((char *)loop - offsetof(struct client, loop));
    if (h->ssrc == RTX_SSRC) {
        assert_int_equal(h->payload_type, RTX_PAYLOAD_TYPE);
        c->rtx++;
        return;
    }
    assert_int_equal(h->ssrc, SSRC);
    assert_int_equal(h->payload_type, PAYLOAD_TYPE);
    if (loop->position > 0)
        assert_int_equal(h->seq, (uint16_t)(c->last_seq + 1));
    c->last_seq = h->seq;
    uint64_t position = loop->position++, i = c->first_frame;
    while (i < x->n_published && position >= x->published[i]->payload.n_packets)
        position -= x->published[i++]->payload.n_packets;
    if (is_packet(x, i, position, h, payload))
        return;
    assert_int_equal(position, 0);
    begin_again(x, c);
    assert_true(is_packet(x, c->first_frame, 0, h, payload));
}

static inline struct client *reserve(struct fixture *x)
{
    assert_true(x->n_clients < CLIENTS);
    struct client *c = &x->clients[x->n_clients++];
    *c = (struct client){0};
    assert_int_equal(forwarder_reserve(x->f, &c->seat), 0);
    return c;
}

static inline struct viewer_config viewer_config(const struct fixture *x, const struct client *c)
{
    struct viewer_config config = {
        .id = c->seat.viewer_id,
        .seed = c->seat.viewer_id * UINT64_C(77),
        .cname = "test",
        .peer = {.local = c->seat.ice,
                 .remote_ufrag = LOOPBACK_UFRAG,
                 .remote_pwd = LOOPBACK_PWD,
                 .role = DTLS_SERVER,
                 .n_fingerprints = 1},
        .n_tracks = 1,
        .tracks = {{.stream_id = x->stream_id,
                    .ssrc = SSRC,
                    .rtx_ssrc = RTX_SSRC,
                    .kind = FORWARDER_VIDEO,
                    .formats = {[PAYLOAD_H264] = {PAYLOAD_TYPE, RTX_PAYLOAD_TYPE}},
                    .extensions = {.transport_cc = 3}}},
    };
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(x->viewer, text);
    assert_true(dtls_fingerprint_parse(&config.peer.fingerprints[0], text));
    return config;
}

/* It knows the forwarder by this address of its. */
static inline struct client *add_client_to(struct fixture *x, const char *ip)
{
    struct client *c = reserve(x);
    struct viewer_config config = viewer_config(x, c);
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    loopback_client_open_to(&c->loop, ip, forwarder_port(x->f), &c->seat.ice, x->viewer,
                            &x->fingerprint);
    c->loop.on_rtp = on_rtp;
    c->loop.arg = x;
    c->open = true;
    return c;
}

static inline struct client *add_client(struct fixture *x)
{
    return add_client_to(x, "127.0.0.1");
}

static inline void close_client(struct client *c)
{
    loopback_client_close(&c->loop);
    c->open = false;
}

/* Its worker waits in want_keyframe until x->release: on behalf of a viewer that waits for one. */
static inline void stall_worker(struct fixture *x, const struct client *waiting)
{
    atomic_store(&x->hold, true);
    forwarder_want_keyframe(x->f, waiting->seat.viewer_id, x->stream_id);
    assert_int_equal(sem_wait(&x->held), 0);
}

/* A viewer whose client never comes. */
static inline struct client *add_absent(struct fixture *x)
{
    struct client *c = reserve(x);
    struct viewer_config config = viewer_config(x, c);
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    return c;
}

/* --- running --- */

static inline void read_events(struct fixture *x)
{
    struct forwarder_event e;
    while (forwarder_next_event(x->f, &e)) {
        for (unsigned i = 0; i < x->n_clients; i++) {
            struct client *c = &x->clients[i];
            if (c->seat.viewer_id != e.viewer_id)
                continue;
            assert_int_not_equal(c->state, VIEWER_CLOSED); /* that was to be the last */
            c->state = e.state;
            c->reason = e.reason;
        }
    }
}

static inline void pump(struct fixture *x)
{
    struct pollfd fds[CLIENTS];
    nfds_t n = 0;
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].open)
            fds[n++] = (struct pollfd){.fd = x->clients[i].loop.fd, .events = POLLIN};
    }
    poll(fds, n, 5);
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].open)
            loopback_client_pump(&x->clients[i].loop);
    }
    read_events(x);
}

typedef bool condition_fn(struct fixture *x);

static inline void run_until(struct fixture *x, condition_fn *is_met)
{
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (!is_met(x)) {
        assert_true(loopback_now_us() < end_us);
        pump(x);
    }
}

static inline bool are_connected(struct fixture *x)
{
    for (unsigned i = 0; i < x->n_clients; i++) {
        const struct client *c = &x->clients[i];
        if (c->open && (!c->loop.seal || c->state < VIEWER_WAIT_KEYFRAME))
            return false;
    }
    return true;
}

static inline bool have_everything(struct fixture *x)
{
    for (unsigned i = 0; i < x->n_clients; i++) {
        const struct client *c = &x->clients[i];
        if (c->open && c->state != VIEWER_CLOSED &&
            c->loop.position < packets_since(x, c->first_frame))
            return false;
    }
    return true;
}

static inline void publish_and_wait(struct fixture *x, bool keyframe)
{
    publish(x, keyframe);
    run_until(x, have_everything);
}

/* --- set up, tear down --- */

static inline struct forwarder_config configure(struct fixture *x, int n_workers,
                                                unsigned max_viewers)
{
    return (struct forwarder_config){.n_workers = n_workers,
                                     .max_viewers = max_viewers,
                                     .dtls = x->server,
                                     .wake = wake,
                                     .wake_arg = x};
}

static inline void start(struct fixture *x, const struct forwarder_config *config)
{
    char error[200] = "";
    assert_int_equal(forwarder_create(&x->f, config, error, sizeof(error)), 0);
    assert_string_equal(error, "");
    struct forwarder_source source = {.arg = x, .want_keyframe = want_keyframe};
    assert_int_equal(forwarder_add_stream(x->f, FORWARDER_VIDEO, 1, &x->stream_id), 0);
    assert_int_equal(forwarder_attach(x->f, x->stream_id, &source, 1), 0);
}

/* `ice` NULL: ICE-lite. */
static inline struct fixture *fixture_new_with(int n_workers, unsigned max_viewers,
                                               bool disable_gso, const struct ice_servers *ice)
{
    struct fixture *x = calloc(1, sizeof(*x));
    assert_non_null(x);
    sem_init(&x->held, 0, 0);
    sem_init(&x->release, 0, 0);
    assert_int_equal(dtls_context_create(&x->server), 0);
    assert_int_equal(dtls_context_create(&x->viewer), 0);
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(x->server, text);
    assert_true(dtls_fingerprint_parse(&x->fingerprint, text));
    x->pool = frame_pool_new(32768, 64);
    assert_non_null(x->pool);
    struct forwarder_config config = configure(x, n_workers, max_viewers);
    config.disable_gso = disable_gso;
    config.ice = ice;
    start(x, &config);
    return x;
}

static inline struct fixture *fixture_new(int n_workers, unsigned max_viewers, bool disable_gso)
{
    return fixture_new_with(n_workers, max_viewers, disable_gso, NULL);
}

static inline void fixture_free(struct fixture *x)
{
    forwarder_destroy(x->f);
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].open)
            close_client(&x->clients[i]);
    }
    for (unsigned i = 0; i < x->n_published; i++)
        frame_unref(x->published[i]);
    frame_pool_close(x->pool);
    dtls_context_destroy(x->server);
    dtls_context_destroy(x->viewer);
    sem_destroy(&x->held);
    sem_destroy(&x->release);
    free(x);
}

static inline struct forwarder_worker_stats worker_sum(struct fixture *x)
{
    struct forwarder_stats s;
    struct forwarder_worker_stats sum = {0};
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    for (unsigned i = 0; i < s.n_workers; i++) {
        sum.viewers += s.workers[i].viewers;
        sum.packets_sent += s.workers[i].packets_sent;
        sum.send_errors += s.workers[i].send_errors;
        sum.send_blocked += s.workers[i].send_blocked;
        sum.handshakes += s.workers[i].handshakes;
        sum.handshakes_waited += s.workers[i].handshakes_waited;
        sum.handshakes_deferred += s.workers[i].handshakes_deferred;
        sum.datagrams_received += s.workers[i].datagrams_received;
        sum.datagrams_unknown += s.workers[i].datagrams_unknown;
        sum.datagrams_passed_on += s.workers[i].datagrams_passed_on;
        sum.frames_dropped += s.workers[i].frames_dropped;
    }
    forwarder_stats_free(&s);
    return sum;
}
