/* forwarder: streams that outlive their sources, layers and sound, on real workers and sockets. */
#include "rtp/session/cipher.h"
#include "tests/unit/forward/forwarder_fixture.h"

enum { LAYERS = 3, AUDIO_SSRC = 0x2222, OPUS = 111, MANY = 3000 };

/* What a source was told, of all workers. */
struct told {
    atomic_int watching[LAYERS], calls[LAYERS], keyframes[LAYERS];
};

static void on_keyframe(void *arg, unsigned layer, uint32_t requests)
{
    struct told *t = arg;
    atomic_fetch_add(&t->keyframes[layer], (int)requests);
}

static void on_watched(void *arg, unsigned layer, bool yes)
{
    struct told *t = arg;
    atomic_fetch_add(&t->watching[layer], yes ? 1 : -1);
    atomic_fetch_add(&t->calls[layer], 1);
}

static void attach(struct fixture *x, uint32_t stream_id, unsigned n_layers, struct told *told)
{
    struct forwarder_source source = {
        .arg = told, .want_keyframe = on_keyframe, .watched = on_watched};
    assert_int_equal(forwarder_attach(x->f, stream_id, &source, n_layers), 0);
}

/* What a client got: per SSRC packets, by layer as the payload's second byte says. */
struct got {
    atomic_int audio, layer[LAYERS];
};

static struct got got[CLIENTS];

static void count_rtp(void *arg, struct loopback_client *loop, const struct rtp_header *h,
                      const uint8_t *payload)
{
    struct got *g = arg;
    (void)loop;
    if (h->ssrc == AUDIO_SSRC)
        g->audio++;
    else if (h->ssrc == SSRC)
        g->layer[payload[1]]++;
}

static struct client *add_viewer(struct fixture *x, uint32_t audio_id)
{
    struct client *c = reserve(x);
    struct viewer_config config = viewer_config(x, c);
    config.n_tracks = audio_id ? 2 : 1;
    config.tracks[1] = (struct viewer_track_config){
        .stream_id = audio_id,
        .kind = FORWARDER_AUDIO,
        .ssrc = AUDIO_SSRC,
        .formats = {[PAYLOAD_OPUS] = {.payload_type = OPUS}},
    };
    assert_int_equal(forwarder_add_viewer(x->f, &config), 0);
    loopback_client_open(&c->loop, forwarder_port(x->f), &c->seat.ice, x->viewer, &x->fingerprint);
    c->loop.on_rtp = count_rtp;
    c->loop.arg = &got[c - x->clients];
    c->open = true;
    return c;
}

static void publish_layer(struct fixture *x, uint32_t stream_id, unsigned layer, bool keyframe)
{
    struct frame *f = frame_get(x->pool);
    assert_non_null(f);
    uint16_t n = (uint16_t)(keyframe ? 3 : 2);
    for (uint16_t i = 0; i < n; i++)
        f->payload.packets[i] =
            (struct packetize_packet){.offset = i * 1000u, .size = 1000, .marker = i + 1 == n};
    memset(f->payload.data, 1, n * 1000u);
    for (uint16_t i = 0; i < n; i++)
        f->payload.data[i * 1000 + 1] = (uint8_t)layer;
    f->payload.size = n * 1000u;
    f->payload.n_packets = n;
    f->codec = PAYLOAD_H264;
    f->captured_us = loopback_now_us();
    f->rtp_ts = (uint32_t)(f->captured_us * 9 / 100);
    f->keyframe = keyframe;
    forwarder_publish(x->f, stream_id, layer, f);
}

static void publish_sound(struct fixture *x, uint32_t stream_id)
{
    struct frame *f = frame_get(x->pool);
    assert_non_null(f);
    memset(f->payload.data, 7, 120);
    f->payload.packets[0] = (struct packetize_packet){.size = 120};
    f->payload.size = 120;
    f->payload.n_packets = 1;
    f->codec = PAYLOAD_OPUS;
    f->captured_us = loopback_now_us();
    f->rtp_ts = (uint32_t)(f->captured_us * 48 / 1000);
    f->keyframe = true;
    forwarder_publish(x->f, stream_id, 0, f);
}

/* Until everybody has got so many packets of the layer. */
static void wait_for_layer(struct fixture *x, unsigned layer, int packets)
{
    int64_t end_us = loopback_now_us() + WAIT_US;
    for (unsigned i = 0; i < x->n_clients; i++) {
        while (got[i].layer[layer] < packets) {
            assert_true(loopback_now_us() < end_us);
            pump(x);
        }
    }
}

static void wait_for_value(struct fixture *x, atomic_int *value, int wanted)
{
    int64_t end_us = loopback_now_us() + WAIT_US;
    while (atomic_load(value) != wanted) {
        assert_true(loopback_now_us() < end_us);
        pump(x);
    }
}

static struct fixture *begin(unsigned n_clients, uint32_t audio_id)
{
    memset(got, 0, sizeof(got));
    struct fixture *x = fixture_new(2, CLIENTS, false);
    forwarder_detach(x->f, x->stream_id);
    forwarder_remove_stream(x->f, x->stream_id);
    assert_int_equal(forwarder_add_stream(x->f, FORWARDER_VIDEO, LAYERS, &x->stream_id), 0);
    for (unsigned i = 0; i < n_clients; i++)
        add_viewer(x, audio_id);
    run_until(x, are_connected);
    return x;
}

static void sources_are_told_what_is_watched(void **state)
{
    (void)state;
    struct fixture *x = begin(4, 0);
    struct told told = {0};
    attach(x, x->stream_id, LAYERS, &told);
    wait_for_value(x, &told.watching[2], 2); /* both workers say so */
    assert_int_equal(told.calls[0] + told.calls[1], 0);
    for (unsigned layer = LAYERS; layer-- > 0;)
        publish_layer(x, x->stream_id, layer, true);
    wait_for_layer(x, 2, 3);

    for (unsigned i = 0; i < 4; i++)
        forwarder_select(x->f, x->clients[i].seat.viewer_id, x->stream_id,
                         &(struct viewer_selection){.layer = 0, .max_temporal = -1});
    wait_for_layer(x, 0, 3); /* at once, from the cache */
    wait_for_value(x, &told.watching[2], 0);
    assert_int_equal(told.watching[0], 2);
    publish_layer(x, x->stream_id, 2, false);
    publish_layer(x, x->stream_id, 0, false);
    wait_for_layer(x, 0, 5);

    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.n_streams, 1);
    assert_int_equal(s.streams[0].n_layers, LAYERS);
    assert_int_equal(s.streams[0].layers[0].watchers, 4);
    assert_int_equal(s.streams[0].layers[2].watchers, 0);
    assert_int_equal(s.streams[0].layers[2].frames, 2);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(s.viewers[i].layer, 0);
        assert_int_equal(s.viewers[i].n_tracks, 1);
        assert_int_equal(s.viewers[i].tracks[0].target_layer, 0);
        assert_true(s.viewers[i].tracks[0].started);
        assert_int_equal(s.viewers[i].tracks[0].packets, got[i].layer[0] + got[i].layer[2]);
        assert_int_equal(s.viewers[i].counters.layer_switches, 1);
        assert_false(s.viewers[i].unsupported_codec);
    }
    forwarder_stats_free(&s);

    for (unsigned i = 0; i < 4; i++)
        forwarder_remove_viewer(x->f, x->clients[i].seat.viewer_id);
    wait_for_value(x, &told.watching[0], 0);
    forwarder_detach(x->f, x->stream_id);
    int calls = told.calls[0] + told.calls[1] + told.calls[2];
    for (int i = 0; i < 20; i++)
        pump(x);
    assert_int_equal(told.calls[0] + told.calls[1] + told.calls[2], calls);
    fixture_free(x);
}

static void a_stream_outlives_its_sources(void **state)
{
    (void)state;
    struct fixture *x = begin(3, 0);
    struct told told[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        attach(x, x->stream_id, 1 + i % 2, &told[i]);
        unsigned layer = i % 2;
        publish_layer(x, x->stream_id, layer, true);
        publish_layer(x, x->stream_id, layer, false);
        wait_for_layer(x, layer, 5 * (1 + (int)i / 2));
        forwarder_detach(x->f, x->stream_id);
        forwarder_detach(x->f, x->stream_id);        /* twice is once */
        publish_layer(x, x->stream_id, layer, true); /* a late one goes nowhere */
        for (unsigned k = 0; k < LAYERS; k++)
            assert_int_equal(told[i].keyframes[k], 0); /* each began with one */
    }
    for (int k = 0; k < 20; k++)
        pump(x);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(got[i].layer[0], 10);
        assert_int_equal(got[i].layer[1], 5);
        assert_int_equal(x->clients[i].state, VIEWER_WAIT_KEYFRAME);
    }
    fixture_free(x);
}

/* Places are cheap, and more of them may be made at a time than a mailbox holds. */
static void many_streams_are_only_places(void **state)
{
    (void)state;
    struct fixture *x = begin(1, 0);
    static uint32_t ids[MANY];
    struct told told = {0};
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(
            forwarder_add_stream(x->f, i % 2 ? FORWARDER_AUDIO : FORWARDER_VIDEO, 1, &ids[i]), 0);
    for (unsigned i = 0; i < MANY; i += 10)
        attach(x, ids[i], 1, &told);
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.n_streams, MANY / 10);
    forwarder_stats_free(&s);
    for (unsigned i = 0; i < MANY; i++)
        forwarder_remove_stream(x->f, ids[i]);
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.n_streams, 0);
    forwarder_stats_free(&s);
    fixture_free(x);
}

static void selections_are_never_lost(void **state)
{
    (void)state;
    struct fixture *x = begin(1, 0);
    struct told told = {0};
    attach(x, x->stream_id, LAYERS, &told);
    uint32_t id = x->clients[0].seat.viewer_id;
    for (int i = 0; i < 5000; i++) { /* more than wait at a time */
        struct viewer_selection wanted = {.layer = i % LAYERS, .max_temporal = -1};
        forwarder_select(x->f, id, x->stream_id, &wanted);
        forwarder_want_keyframe(x->f, id, x->stream_id);
    }
    struct forwarder_stats s; /* after the last one: 4999 % 3 */
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.viewers[0].tracks[0].target_layer, 1);
    forwarder_stats_free(&s);
    forwarder_select(x->f, id + 1000, x->stream_id, &(struct viewer_selection){.layer = 0});
    forwarder_want_keyframe(x->f, id + 1000, x->stream_id);
    fixture_free(x);
}

static bool is_one_codec_unsupported(struct fixture *x)
{
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    bool unsupported = s.viewers[0].unsupported_codec;
    forwarder_stats_free(&s);
    return unsupported;
}

static void other_codecs_are_told(void **state)
{
    (void)state;
    struct fixture *x = begin(1, 0);
    struct told told = {0};
    attach(x, x->stream_id, 1, &told);
    struct frame *f = make_frame(x, 0, true, 1000);
    f->codec = PAYLOAD_AV1;
    forwarder_publish(x->f, x->stream_id, 0, f);
    run_until(x, is_one_codec_unsupported);
    wait_for_value(x, &told.watching[0], 0);
    assert_int_equal(got[0].layer[0], 0);
    fixture_free(x);
}

/* Sound and picture of one viewer leave in one message where both are due. */
static void sound_rides(void **state)
{
    (void)state;
    memset(got, 0, sizeof(got));
    struct fixture *x = fixture_new(1, CLIENTS, false);
    uint32_t audio_id;
    struct told told = {0};
    assert_int_equal(forwarder_add_stream(x->f, FORWARDER_AUDIO, 1, &audio_id), 0);
    attach(x, audio_id, 1, &told);
    struct client *c = add_viewer(x, audio_id);
    run_until(x, are_connected);
    publish_layer(x, x->stream_id, 0, true);
    wait_for_layer(x, 0, 3);
    wait_for_value(x, &told.watching[0], 1);
    uint64_t rode = 0;
    for (int i = 1; i <= 50; i++) {
        publish_sound(x, audio_id);
        publish_layer(x, x->stream_id, 0, false);
        wait_for_layer(x, 0, 3 + 2 * i);
        wait_for_value(x, &got[c - x->clients].audio, i);
    }
    struct forwarder_stats s;
    assert_int_equal(forwarder_stats(x->f, &s), 0);
    assert_int_equal(s.viewers[0].counters.audio_sent, 50);
    rode = s.viewers[0].counters.audio_rode;
    forwarder_stats_free(&s);
    assert_in_range(rode, 25, 50); /* the picture follows at once, but for a slow machine */
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
        cmocka_unit_test(sources_are_told_what_is_watched),
        cmocka_unit_test(a_stream_outlives_its_sources),
        cmocka_unit_test(many_streams_are_only_places),
        cmocka_unit_test(selections_are_never_lost),
        cmocka_unit_test(other_codecs_are_told),
        cmocka_unit_test(sound_rides),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
