/* test_forwarder_allocations.c - the media path allocates nothing while viewers play.
 *
 * This program's own malloc counts every call, of whichever library, on every thread but the
 * test's. What is proved: frames, retransmissions, reports and feedback, datagrams passed between
 * workers, and each cipher. What may allocate: a viewer's coming and going, and its checks every
 * few seconds (libnice's HMAC does).
 */
#include "rtp/session/cipher.h"
#include "tests/unit/allocations.h"
#include "tests/unit/forward/forwarder_fixture.h"

#include <stdio.h>

/* --- the workers --- */

enum { VIEWERS = 8, ROUNDS = 40 };

static void send_feedback(struct client *c)
{
    uint8_t out[256] = {0};
    uint16_t lost[] = {(uint16_t)(c->last_seq - 1), c->last_seq};
    uint32_t ssrc = SSRC;
    size_t size = rtcp_write_rr(out, sizeof(out), LOOPBACK_SSRC, NULL, 0);
    size += rtcp_write_nack(out + size, sizeof(out) - size, LOOPBACK_SSRC, ssrc, lost, 2);
    size += rtcp_write_pli(out + size, sizeof(out) - size, LOOPBACK_SSRC, ssrc);
    loopback_client_send_rtcp(&c->loop, out, size);
}

static uint64_t want_rtx;

static bool have_rtx(struct fixture *x)
{
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].rtx < want_rtx)
            return false;
    }
    return have_everything(x);
}

static uint64_t want_reports;

static bool have_reports(struct fixture *x)
{
    for (unsigned i = 0; i < x->n_clients; i++) {
        if (x->clients[i].loop.sender_reports < want_reports)
            return false;
    }
    return true;
}

static void play_round(struct fixture *x, unsigned round)
{
    publish_and_wait(x, round % 10 == 0);
    for (unsigned i = 0; i < x->n_clients; i++)
        send_feedback(&x->clients[i]);
    want_rtx++; /* the newest packet is asked for the first time: it is sent again for certain */
    run_until(x, have_rtx);
}

static void play(int n_workers, bool disable_gso)
{
    struct fixture *x = fixture_new(n_workers, VIEWERS, disable_gso);
    for (int i = 0; i < VIEWERS; i++)
        add_client(x);
    run_until(x, are_connected);
    want_rtx = 0;
    for (unsigned round = 0; round < 3; round++) /* libsrtp opens a stream for each new SSRC */
        play_round(x, round);
    want_reports = 1;
    run_until(x, have_reports);
    for (int i = 0; i < VIEWERS; i++)
        x->clients[i].loop.check_us = INT64_MAX;
    struct forwarder_worker_stats before = worker_sum(x);

    allocations_begin();
    for (unsigned round = 0; round < ROUNDS; round++)
        play_round(x, round);
    want_reports = 2;
    run_until(x, have_reports);
    assert_int_equal(allocations_end(), 0);

    struct forwarder_worker_stats after = worker_sum(x);
    assert_true(after.packets_sent - before.packets_sent > ROUNDS * VIEWERS * 4);
    assert_true(after.datagrams_received - before.datagrams_received >= ROUNDS * VIEWERS);
    /* Of eight addresses some come to the other's socket but for one time in 256. */
    if (n_workers > 1 && before.datagrams_passed_on > 0)
        assert_true(after.datagrams_passed_on > before.datagrams_passed_on);
    fixture_free(x);
}

static void one_worker_allocates_nothing(void **state)
{
    (void)state;
    play(1, false);
}

static void single_datagrams_allocate_nothing(void **state)
{
    (void)state;
    play(1, true);
}

static void two_workers_allocate_nothing(void **state)
{
    (void)state;
    play(2, false);
}

static void openssl_allocates_nothing(void **state)
{
    (void)state;
    assert_int_equal(cipher_install(CIPHER_OPENSSL), 0);
    play(1, false);
    assert_int_equal(cipher_install(CIPHER_AUTO), 0);
}

/* --- sound, and from layer to layer --- */

enum { AUDIO_SSRC = 0x2222, AUDIO_TYPE = 111 };

/* What a client got. */
struct got {
    uint64_t audio, layer[2];
};

static void count_rtp(void *arg, struct loopback_client *loop, const struct rtp_header *h,
                      const uint8_t *payload)
{
    struct got *g = arg;
    (void)loop;
    if (h->ssrc == AUDIO_SSRC)
        g->audio++;
    else
        g->layer[payload[0]]++;
}

/* `layer` is the first byte of every packet. */
static void publish_packets(struct fixture *x, uint32_t stream_id, enum payload_codec codec,
                            unsigned layer, uint16_t n, bool keyframe)
{
    struct frame *f = frame_get(x->pool);
    assert_non_null(f);
    for (uint16_t i = 0; i < n; i++) {
        f->payload.packets[i] = (struct packetize_packet){
            .offset = i * 900u, .size = codec == PAYLOAD_OPUS ? 120 : 900, .marker = i + 1 == n};
        memset(f->payload.data + i * 900u, (int)layer, 900);
    }
    f->payload.size = n * 900u;
    f->payload.n_packets = n;
    f->codec = (uint8_t)codec;
    f->captured_us = loopback_now_us();
    f->rtp_ts = (uint32_t)(f->captured_us * (codec == PAYLOAD_OPUS ? 48 : 90) / 1000);
    f->keyframe = keyframe;
    forwarder_publish(x->f, stream_id, layer, f);
}

static void run_until_more(struct fixture *x, const uint64_t *value, uint64_t than)
{
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (*value <= than) {
        assert_true(loopback_now_us() < end_us);
        pump(x);
    }
}

static void play_layers(struct fixture *x, const struct client *c, struct got *g, uint32_t video,
                        uint32_t audio, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        unsigned layer = i % 2;
        uint64_t audio_before = g->audio, layer_before = g->layer[layer];
        forwarder_select(x->f, c->seat.viewer_id, video,
                         &(struct viewer_selection){.layer = (int)layer, .max_temporal = -1});
        publish_packets(x, audio, PAYLOAD_OPUS, 0, 1, true);
        publish_packets(x, video, PAYLOAD_H264, 0, 3, i % 2 == 0);
        publish_packets(x, video, PAYLOAD_H264, 1, 5, i % 2 == 0);
        run_until_more(x, &g->layer[layer], layer_before);
        run_until_more(x, &g->audio, audio_before);
    }
}

static void sound_and_layers_allocate_nothing(void **state)
{
    (void)state;
    struct got got = {0};
    struct fixture *x = fixture_new(1, 1, false);
    const struct forwarder_source source = {.arg = NULL};
    uint32_t video, audio;
    assert_int_equal(forwarder_add_stream(x->f, FORWARDER_VIDEO, 2, &video), 0);
    assert_int_equal(forwarder_add_stream(x->f, FORWARDER_AUDIO, 1, &audio), 0);
    assert_int_equal(forwarder_attach(x->f, video, &source, 2), 0);
    assert_int_equal(forwarder_attach(x->f, audio, &source, 1), 0);
    struct client *c = reserve(x);
    struct viewer_config config = viewer_config(x, c);
    config.tracks[0].stream_id = video;
    config.tracks[config.n_tracks++] = (struct viewer_track_config){
        .stream_id = audio,
        .kind = FORWARDER_AUDIO,
        .ssrc = AUDIO_SSRC,
        .formats = {[PAYLOAD_OPUS] = {.payload_type = AUDIO_TYPE}},
    };
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    loopback_client_open(&c->loop, forwarder_port(x->f), &c->seat.ice, x->viewer, &x->fingerprint);
    c->loop.on_rtp = count_rtp;
    c->loop.arg = &got;
    c->open = true;
    run_until(x, are_connected);
    play_layers(x, c, &got, video, audio, 8);
    c->loop.check_us = INT64_MAX;

    allocations_begin();
    play_layers(x, c, &got, video, audio, ROUNDS);
    assert_int_equal(allocations_end(), 0);
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_true(s.viewers[0].counters.layer_switches >= ROUNDS);
    assert_true(s.viewers[0].counters.audio_sent >= ROUNDS);
    forwarder_stats_free(&s);
    fixture_free(x);
}

/* That the counter counts: a viewer's coming allocates on its worker's thread. */
static void coming_allocates(void **state)
{
    (void)state;
    struct fixture *x = fixture_new(1, 1, false);
    allocations_begin();
    add_client(x);
    run_until(x, are_connected);
    assert_true(allocations_end() > 0);
    fixture_free(x);
}

/* --- every profile on every backend --- */

static void seal_many(struct seal *a, struct seal *b, uint16_t first, unsigned n)
{
    static const uint8_t payload[1000] = {1};
    uint8_t packet[1200];
    for (unsigned i = 0; i < n; i++) {
        const uint16_t seq = (uint16_t)(first + i);
        const uint8_t header[12] = {0x80, 96, (uint8_t)(seq >> 8), (uint8_t)seq, [11] = 9};
        memcpy(packet, header, sizeof(header));
        size_t size = seal_rtp(a, packet, sizeof(header), payload, sizeof(payload));
        assert_int_equal(unseal_rtp(b, packet, size), 1012);
        size = rtcp_write_rr(packet, sizeof(packet), 9, NULL, 0);
        size = seal_rtcp(a, packet, size, sizeof(packet));
        assert_int_equal(unseal_rtcp(b, packet, size), 8);
    }
}

static void sealing_allocates_nothing(void **state)
{
    (void)state;
    static const enum seal_profile profiles[] = {SEAL_AES_128_GCM, SEAL_AES_256_GCM,
                                                 SEAL_AES128_CM_SHA1_80};
    static const enum cipher_backend backends[] = {CIPHER_AUTO, CIPHER_OPENSSL};
    for (size_t i = 0; i < 6; i++) {
        struct seal *a, *b;
        struct seal_keys keys = {.profile = profiles[i % 3]};
        assert_int_equal(cipher_install(backends[i / 3]), 0);
        assert_int_equal(seal_create(&a, &keys), 0);
        assert_int_equal(seal_create(&b, &keys), 0);
        seal_many(a, b, 1, 3);
        allocations_exempt = false;
        allocations_begin();
        seal_many(a, b, 4, 100);
        uint64_t n = allocations_end();
        allocations_exempt = true;
        assert_int_equal(n, 0);
        seal_destroy(a);
        seal_destroy(b);
    }
    assert_int_equal(cipher_install(CIPHER_AUTO), 0);
}

static int setup(void **state)
{
    (void)state;
    allocations_exempt = true;
    return cipher_install(CIPHER_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_allocates_nothing),
        cmocka_unit_test(single_datagrams_allocate_nothing),
        cmocka_unit_test(two_workers_allocate_nothing),
        cmocka_unit_test(openssl_allocates_nothing),
        cmocka_unit_test(sound_and_layers_allocate_nothing),
        cmocka_unit_test(coming_allocates),
        cmocka_unit_test(sealing_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
