/* test_forwarder_ingest.c - publishers and viewers on real sockets: what one sends the others get,
 * from one publisher to the next one, while viewers come.
 */
#include "tests/unit/forward/forwarder_fixture.h"

#include "rtp/session/cipher.h"

#define PUBLISHER_SSRC 0x77u
#define SLICE 3000

struct publisher {
    struct loopback_client loop;
    struct forwarder_seat seat;
    enum ingest_state state;
    enum peer_reason reason;
    unsigned changes;
    uint16_t seq;
    uint32_t timestamp;
    uint8_t number; /* of the next picture, in its bytes */
    bool open;
};

struct world {
    struct fixture *x;
    struct publisher publishers[4];
    unsigned n_publishers;
    uint64_t pictures[CLIENTS]; /* whole ones, by client */
    uint8_t newest[CLIENTS];
    uint8_t unit[20000];
    struct h264_assembler assembler[CLIENTS];
    uint8_t assembled[CLIENTS][20000];
    bool begun[CLIENTS];
    uint32_t newest_timestamp[CLIENTS];
};

/* --- the publisher --- */

static struct ingest_config ingest_config(const struct world *w, const struct publisher *p)
{
    struct ingest_config config = {
        .id = p->seat.viewer_id,
        .seed = 5,
        .cname = "test",
        .peer = {.local = p->seat.ice,
                 .remote_ufrag = LOOPBACK_UFRAG,
                 .remote_pwd = LOOPBACK_PWD,
                 .role = DTLS_SERVER,
                 .n_fingerprints = 1},
        .rtcp_ssrc = 42,
        .n_tracks = 1,
        .tracks = {{.stream_id = w->x->stream_id,
                    .kind = FORWARDER_VIDEO,
                    .mid = "0",
                    .formats = {[PAYLOAD_H264] = {PAYLOAD_TYPE, 0}},
                    .nack = true}},
    };
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(w->x->viewer, text);
    assert_true(dtls_fingerprint_parse(&config.peer.fingerprints[0], text));
    return config;
}

static struct publisher *add_publisher(struct world *w)
{
    struct publisher *p = &w->publishers[w->n_publishers++];
    *p = (struct publisher){.seq = 100, .timestamp = 5000, .open = true};
    assert_int_equal(forwarder_reserve(w->x->f, &p->seat), 0);
    struct ingest_config config = ingest_config(w, p);
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), 0);
    loopback_client_open(&p->loop, forwarder_port(w->x->f), &p->seat.ice, w->x->viewer,
                         &w->x->fingerprint);
    return p;
}

static void close_publisher(struct publisher *p)
{
    loopback_client_close(&p->loop);
    p->open = false;
}

static size_t make_picture(uint8_t *unit, bool keyframe, uint8_t number)
{
    static const uint8_t sets[] = {0,    0, 0, 1, 0x67, 0x42, 0xe0, 0x1f,
                                   0xda, 0, 0, 0, 1,    0x68, 0xce};
    size_t n = keyframe ? sizeof(sets) : 0;
    memcpy(unit, sets, n);
    memcpy(unit + n, (uint8_t[]){0, 0, 0, 1, keyframe ? 0x65 : 0x41}, 5);
    n += 5;
    memset(unit + n, number | 0x80, SLICE);
    return n + SLICE;
}

static void send_picture(struct publisher *p, bool keyframe)
{
    uint8_t unit[SLICE + 100], room[SLICE + 1000];
    struct packetize_packet packets[16];
    struct packetize out = {
        .data = room, .capacity = sizeof(room), .packets = packets, .max_packets = 16};
    size_t size = make_picture(unit, keyframe, p->number++);
    assert_int_equal(h264_packetize(&out, unit, size, 1000), 0);
    p->timestamp += 3000;
    for (unsigned i = 0; i < out.n_packets; i++) {
        uint8_t packet[1200];
        struct rtp_header h = {.marker = packets[i].marker,
                               .payload_type = PAYLOAD_TYPE,
                               .seq = p->seq++,
                               .timestamp = p->timestamp,
                               .ssrc = PUBLISHER_SSRC};
        rtp_write(packet, &h, false);
        size_t n = seal_rtp(p->loop.seal, packet, RTP_HEADER_SIZE, room + packets[i].offset,
                            packets[i].size);
        assert_true(n > 0);
        loopback_client_send(&p->loop, packet, n);
    }
}

/* --- the viewers --- */

static void on_media(void *arg, struct loopback_client *loop, const struct rtp_header *h,
                     const uint8_t *payload)
{
    struct world *w = arg;
    struct client *c = (struct client *)((char *)loop - offsetof(struct client, loop));
    size_t i = (size_t)(c - w->x->clients);
    if (h->ssrc == RTX_SSRC)
        return;
    assert_true(loop->rtp == 1 || h->seq == (uint16_t)(c->last_seq + 1));
    c->last_seq = h->seq;
    if (!w->begun[i]) {
        h264_assemble_begin(&w->assembler[i], w->assembled[i], sizeof(w->assembled[i]));
        assert_true(w->pictures[i] == 0 || (int32_t)(h->timestamp - w->newest_timestamp[i]) > 0);
        w->newest_timestamp[i] = h->timestamp;
    }
    w->begun[i] = !h->marker;
    h264_assemble(&w->assembler[i], payload, h->payload_size);
    if (!h->marker)
        return;
    assert_true(h264_assemble_end(&w->assembler[i]));
    const struct h264_assembler *a = &w->assembler[i];
    uint8_t number = a->data[a->size - 1] & 0x7f;
    bool keyframe = h264_is_keyframe(a->data, a->size);
    assert_true(w->pictures[i] > 0 || keyframe);
    assert_int_equal(a->size, make_picture(w->unit, keyframe, number));
    assert_memory_equal(a->data, w->unit, a->size);
    w->newest[i] = number;
    w->pictures[i]++;
}

static struct client *add_watcher(struct world *w)
{
    struct client *c = add_client(w->x);
    c->loop.on_rtp = on_media;
    c->loop.arg = w;
    return c;
}

/* --- running --- */

static void read_news(struct world *w)
{
    struct forwarder_event e;
    while (forwarder_next_event(w->x->f, &e)) {
        if (e.kind == FORWARDER_VIEWER) {
            for (unsigned i = 0; i < w->x->n_clients; i++) {
                if (w->x->clients[i].seat.viewer_id == e.viewer_id)
                    w->x->clients[i].state = e.state;
            }
            continue;
        }
        assert_int_equal(e.kind, FORWARDER_INGEST);
        for (unsigned i = 0; i < w->n_publishers; i++) {
            struct publisher *p = &w->publishers[i];
            if (p->seat.viewer_id != e.viewer_id)
                continue;
            assert_int_not_equal(p->state, INGEST_CLOSED);
            assert_true((e.state == VIEWER_CLOSED) == (e.ingest_state == INGEST_CLOSED));
            p->state = e.ingest_state;
            p->reason = e.reason;
            p->changes += e.changed;
        }
    }
}

static void pump_all(struct world *w)
{
    struct pollfd fds[CLIENTS + 4];
    nfds_t n = 0;
    for (unsigned i = 0; i < w->n_publishers; i++) {
        if (w->publishers[i].open)
            fds[n++] = (struct pollfd){.fd = w->publishers[i].loop.fd, .events = POLLIN};
    }
    for (unsigned i = 0; i < w->x->n_clients; i++) {
        if (w->x->clients[i].open)
            fds[n++] = (struct pollfd){.fd = w->x->clients[i].loop.fd, .events = POLLIN};
    }
    poll(fds, n, 5);
    for (unsigned i = 0; i < w->n_publishers; i++) {
        if (w->publishers[i].open)
            loopback_client_pump(&w->publishers[i].loop);
    }
    for (unsigned i = 0; i < w->x->n_clients; i++) {
        if (w->x->clients[i].open)
            loopback_client_pump(&w->x->clients[i].loop);
    }
    read_news(w);
}

typedef bool world_condition(struct world *w);

static void wait_until(struct world *w, world_condition *is_met)
{
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (!is_met(w)) {
        assert_true(loopback_now_us() < end_us);
        pump_all(w);
    }
}

static bool are_ready(struct world *w)
{
    for (unsigned i = 0; i < w->n_publishers; i++) {
        const struct publisher *p = &w->publishers[i];
        if (p->open && (!p->loop.seal || p->state < INGEST_WAIT_MEDIA))
            return false;
    }
    return are_connected(w->x);
}

/* Everybody has the newest picture of the newest publisher. */
static bool have_newest(struct world *w)
{
    const struct publisher *p = &w->publishers[w->n_publishers - 1];
    for (unsigned i = 0; i < w->x->n_clients; i++) {
        if (w->x->clients[i].open && w->newest[i] != ((p->number - 1) & 0x7f))
            return false;
    }
    return p->state == INGEST_LIVE;
}

static struct world *world_new(int n_workers)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->x = fixture_new(n_workers, 64, false);
    forwarder_detach(w->x->f, w->x->stream_id); /* the fixture's own */
    return w;
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->n_publishers; i++) {
        if (w->publishers[i].open)
            close_publisher(&w->publishers[i]);
    }
    fixture_free(w->x);
    free(w);
}

/* --- tests --- */

static void viewers_get_what_a_publisher_sends(void **state)
{
    (void)state;
    for (int n_workers = 1; n_workers <= 2; n_workers++) {
        struct world *w = world_new(n_workers);
        struct publisher *p = add_publisher(w);
        for (int i = 0; i < 3; i++)
            add_watcher(w);
        wait_until(w, are_ready);
        for (int i = 0; i < 20; i++) {
            send_picture(p, i == 0);
            wait_until(w, have_newest);
        }
        add_watcher(w); /* from the cache */
        wait_until(w, are_ready);
        wait_until(w, have_newest);
        struct forwarder_ingest_stats s;
        assert_int_equal(forwarder_ingest(w->x->f, p->seat.viewer_id, &s), 0);
        assert_int_equal(s.state, INGEST_LIVE);
        assert_int_equal(s.n_tracks, 1);
        const struct ingest_layer_info *l = &s.tracks[0].layers[0];
        assert_int_equal(l->ssrc, PUBLISHER_SSRC);
        assert_int_equal(l->frames, 20);
        assert_true(l->watched);
        assert_true(p->changes > 0);
        struct forwarder_stats all;
        assert_int_equal(forwarder_stats(w->x->f, &all), 0);
        assert_int_equal(all.n_ingests, 1);
        assert_int_equal(all.n_viewers, 4);
        assert_int_equal(all.ingests[0].id, p->seat.viewer_id);
        forwarder_stats_free(&all);
        world_free(w);
    }
}

static bool is_closed(struct world *w)
{
    return w->publishers[0].state == INGEST_CLOSED;
}

static void another_publisher_takes_over(void **state)
{
    (void)state;
    struct world *w = world_new(2);
    struct publisher *p = add_publisher(w);
    add_watcher(w);
    wait_until(w, are_ready);
    send_picture(p, true);
    send_picture(p, false);
    wait_until(w, have_newest);
    /* The first one is fenced off, be it still there. */
    forwarder_remove_ingest(w->x->f, p->seat.viewer_id);
    struct publisher *q = add_publisher(w);
    q->number = 50;
    wait_until(w, is_closed);
    assert_int_equal(p->reason, PEER_REASON_LOCAL_CLOSED);
    wait_until(w, are_ready);
    assert_int_equal(w->x->clients[0].state, VIEWER_WAIT_KEYFRAME);
    send_picture(p, true); /* nobody's any more */
    send_picture(q, true);
    wait_until(w, have_newest);
    assert_int_equal(w->newest[0], 50);
    assert_int_equal(w->x->clients[0].state, VIEWER_PLAYING);
    assert_int_equal(w->pictures[0], 3);
    /* Who watched before is known to the new one, and what they ask for reaches it, once the cache
     * is no help any more. */
    for (unsigned i = 0; i < STREAM_JOIN_MAX_FRAMES; i++) {
        send_picture(q, false);
        wait_until(w, have_newest);
    }
    struct forwarder_ingest_stats s;
    assert_int_equal(forwarder_ingest(w->x->f, q->seat.viewer_id, &s), 0);
    uint64_t plis = s.counters.plis;
    int64_t end_us = loopback_now_us() + WAIT_US;
    do {
        forwarder_want_keyframe(w->x->f, w->x->clients[0].seat.viewer_id, w->x->stream_id);
        pump_all(w);
        assert_int_equal(forwarder_ingest(w->x->f, q->seat.viewer_id, &s), 0);
        assert_true(loopback_now_us() < end_us);
    } while (!s.tracks[0].layers[0].watched || s.counters.plis == plis);
    assert_int_equal(forwarder_ingest(w->x->f, p->seat.viewer_id, &s), -ENOENT);
    world_free(w);
}

static void one_that_leaves_lets_its_viewers_stay(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct publisher *p = add_publisher(w);
    add_watcher(w);
    wait_until(w, are_ready);
    send_picture(p, true);
    wait_until(w, have_newest);
    dtls_shutdown(p->loop.dtls);
    wait_until(w, is_closed);
    assert_int_equal(p->reason, PEER_REASON_REMOTE_CLOSED);
    add_watcher(w); /* it gets the last picture */
    wait_until(w, are_ready);
    while (w->pictures[1] == 0)
        pump_all(w);
    assert_int_equal(w->x->clients[0].state, VIEWER_PLAYING);
    uint32_t id = p->seat.viewer_id;
    struct ingest_config config = ingest_config(w, p);
    struct forwarder_seat seat;
    assert_int_equal(forwarder_reserve(w->x->f, &seat), 0);
    config.id = seat.viewer_id;
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -EBUSY); /* still attached */
    forwarder_remove_ingest(w->x->f, id);
    forwarder_remove_ingest(w->x->f, id); /* unknown ids are fine */
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), 0);
    forwarder_set_ingest_rate(w->x->f, seat.viewer_id, 1000000);
    world_free(w); /* with one that never came */
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct publisher p = {.open = false};
    struct ingest_config config = ingest_config(w, &p);
    config.id = 12345;
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -ENOENT);
    assert_int_equal(forwarder_reserve(w->x->f, &p.seat), 0);
    config.id = p.seat.viewer_id;
    config.tracks[0].stream_id = 9999;
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -ENOENT);
    config.tracks[0].stream_id = w->x->stream_id;
    config.tracks[0].kind = FORWARDER_AUDIO;
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -EINVAL);
    config.tracks[0].kind = FORWARDER_VIDEO;
    config.tracks[0].n_rids = 2; /* the stream has one layer */
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -EINVAL);
    config.tracks[0].n_rids = 0;
    config.tracks[1] = config.tracks[0];
    config.n_tracks = 2; /* one stream twice */
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -EINVAL);
    config.n_tracks = 0;
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), -EINVAL);
    config.n_tracks = 1;
    assert_int_equal(forwarder_add_ingest(w->x->f, &config), 0);
    /* The stream may go before it. */
    forwarder_remove_stream(w->x->f, w->x->stream_id);
    forwarder_remove_ingest(w->x->f, config.id);
    world_free(w);
}

/* Publishers follow each other while viewers come and ask for keyframes. */
static void publishers_change_while_viewers_join(void **state)
{
    (void)state;
    struct world *w = world_new(2);
    for (unsigned round = 0; round < 4; round++) {
        if (round > 0)
            forwarder_remove_ingest(w->x->f, w->publishers[round - 1].seat.viewer_id);
        struct publisher *p = add_publisher(w);
        for (unsigned i = 0; i < 4; i++)
            add_watcher(w);
        wait_until(w, are_ready);
        p->number = (uint8_t)(round * 20);
        for (unsigned i = 0; i < 10; i++) {
            send_picture(p, i == 0);
            forwarder_want_keyframe(w->x->f, w->x->clients[i % w->x->n_clients].seat.viewer_id,
                                    w->x->stream_id);
            if (i == 5)
                forwarder_remove_viewer(w->x->f, w->x->clients[round].seat.viewer_id);
            if (i == 5)
                close_client(&w->x->clients[round]);
            pump_all(w);
        }
        wait_until(w, have_newest);
    }
    world_free(w);
}

int main(void)
{
    if (cipher_install(CIPHER_AUTO) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(viewers_get_what_a_publisher_sends),
        cmocka_unit_test(another_publisher_takes_over),
        cmocka_unit_test(one_that_leaves_lets_its_viewers_stay),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(publishers_change_while_viewers_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
