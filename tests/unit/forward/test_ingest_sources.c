/* test_ingest_sources.c - whose packets are these: what is told, what is learnt, what is refused;
 * and what a publisher that lies can do (nothing, and it is counted).
 */
#include "tests/unit/forward/ingest_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static const struct sim_path_config CLEAN = {.delay_us = 10000};
static const struct ingest_extensions IDS = {.transport_cc = STAGE_TRANSPORT_ID,
                                             .mid = STAGE_MID_ID,
                                             .rid = STAGE_RID_ID,
                                             .repaired_rid = STAGE_REPAIRED_ID};

static struct ingest_track_config video_track(uint32_t stream_id, const char *mid)
{
    struct ingest_track_config c = {.stream_id = stream_id,
                                    .kind = FORWARDER_VIDEO,
                                    .formats = {[PAYLOAD_VP8] = {96, 97}},
                                    .nack = true,
                                    .extensions = IDS};
    memcpy(c.mid, mid, strlen(mid));
    return c;
}

static struct ingest_config configure(unsigned n_tracks)
{
    struct ingest_config c = {
        .id = 1, .seed = 7, .cname = "test", .rtcp_ssrc = 99, .n_tracks = n_tracks};
    for (unsigned i = 0; i < n_tracks; i++)
        c.tracks[i] = video_track(i + 1, (char[]){(char)('0' + i), '\0'});
    return c;
}

static struct stage_flow flow(uint32_t ssrc)
{
    return (struct stage_flow){.codec = PAYLOAD_VP8,
                               .ssrc = ssrc,
                               .rtx_ssrc = ssrc + 0x1000,
                               .payload_type = 96,
                               .rtx_payload_type = 97,
                               .width = 640,
                               .height = 360,
                               .every_us = 33333,
                               .unit_size = 3000};
}

static struct ingest_track_info info_of(const struct ingest_stage *s, unsigned track)
{
    struct ingest_track_info info;
    ingest_track_info(s->in, track, &info, s->now_us);
    return info;
}

static const struct ingest_counters *counters(const struct ingest_stage *s)
{
    return ingest_counters(s->in);
}

/* --- learning --- */

static void tracks_are_told_apart_by_mid(void **state)
{
    (void)state;
    struct ingest_config config = configure(2);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100), b = flow(200);
    a.mid = "1";
    b.mid = "0";
    ingest_stage_add(s, &a);
    ingest_stage_add(s, &b);
    ingest_stage_run(s, SECOND);
    assert_int_equal(info_of(s, 1).layers[0].ssrc, 100);
    assert_int_equal(info_of(s, 0).layers[0].ssrc, 200);
    assert_int_equal(info_of(s, 0).layers[0].width, 640);
    assert_int_equal(counters(s)->unknown, 0);
    ingest_stage_free(s);
}

static void the_only_track_needs_no_mid(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    struct sim_path_config path = {.delay_us = 10000, .loss = 0.05};
    struct ingest_stage *s = ingest_stage_new(&config, &path, 1);
    struct stage_flow a = flow(100);
    const struct stage_flow *p = ingest_stage_add(s, &a);
    ingest_stage_run(s, 5 * SECOND);
    assert_true(p->frames > 120);
    assert_int_equal(info_of(s, 0).layers[0].ssrc, 100);
    assert_int_equal(info_of(s, 0).layers[0].rtx_ssrc, 100 + 0x1000); /* by its payload type */
    assert_true(info_of(s, 0).layers[0].recovered > 0);
    ingest_stage_free(s);
}

static void what_could_be_several_tracks_is_none(void **state)
{
    (void)state;
    struct ingest_config config = configure(2);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100), b = flow(200), c = flow(300);
    b.mid = "7";         /* nobody's, so as if it said none */
    c.payload_type = 55; /* nobody's */
    c.mid = "0";
    ingest_stage_add(s, &a);
    ingest_stage_add(s, &b);
    ingest_stage_add(s, &c);
    ingest_stage_run(s, SECOND);
    assert_false(info_of(s, 0).layers[0].known || info_of(s, 1).layers[0].known);
    assert_int_equal(counters(s)->unknown, counters(s)->packets);
    ingest_stage_free(s);
}

static void what_the_offer_told_needs_no_labels(void **state)
{
    (void)state;
    struct ingest_config config = configure(2);
    config.tracks[0].ssrc = 100;
    config.tracks[0].rtx_ssrc = 0x1000 + 100;
    config.tracks[1].ssrc = 200;
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100), b = flow(200);
    ingest_stage_add(s, &a);
    ingest_stage_add(s, &b);
    ingest_stage_run(s, SECOND);
    assert_int_equal(info_of(s, 0).layers[0].ssrc, 100);
    assert_int_equal(info_of(s, 0).layers[0].rtx_ssrc, 0x1000 + 100);
    assert_int_equal(info_of(s, 1).layers[0].ssrc, 200);
    ingest_stage_free(s);
}

static void another_ssrc_of_the_same_mid_goes_on_in_its_place(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100), b = flow(200);
    a.mid = b.mid = "0";
    struct stage_flow *old = ingest_stage_add(s, &a);
    ingest_stage_run(s, SECOND);
    uint64_t frames = old->frames;
    struct stage_flow *new = ingest_stage_add(s, &b);
    ingest_stage_run(s, SECOND);
    assert_true(frames > 25 && new->frames > 25);
    assert_in_range(old->frames, frames, frames + 2); /* of one layer there is one sender */
    assert_int_equal(info_of(s, 0).layers[0].ssrc, 200);
    assert_true(counters(s)->unknown > 25);
    ingest_stage_free(s);
}

/* --- simulcast --- */

static void rids_become_layers_by_size(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    static const char *const rids[] = {"hi", "lo", "mid"};
    static const uint16_t sizes[] = {1280, 320, 640};
    config.tracks[0].n_rids = 3;
    for (unsigned i = 0; i < 3; i++)
        memcpy(config.tracks[0].rids[i], rids[i], strlen(rids[i]) + 1);
    struct sim_path_config path = {.delay_us = 10000, .loss = 0.03};
    struct ingest_stage *s = ingest_stage_new(&config, &path, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct stage_flow f = flow(100 * (i + 1));
        f.mid = "0";
        f.rid = rids[i];
        f.width = sizes[i];
        f.height = (uint16_t)(sizes[i] / 2);
        ingest_stage_add(s, &f);
    }
    ingest_stage_run(s, 5 * SECOND);
    struct ingest_track_info info = info_of(s, 0);
    static const uint32_t expected[] = {200, 300, 100};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(info.layers[i].ssrc, expected[i]);
        assert_int_equal(info.layers[i].rtx_ssrc, expected[i] + 0x1000); /* by repaired RID */
        assert_true(info.layers[i].recovered > 0);
        assert_int_equal(stage_find(s, expected[i])->layer, i);
        assert_true(stage_find(s, expected[i])->frames > 80);
    }
    assert_string_equal(info.layers[2].rid, "hi");
    assert_int_equal(ingest_active_layers(s->in, 0, s->now_us), 7);
    /* The largest one stops, as when the uplink is narrow. */
    s->flows[0].silent = true;
    ingest_stage_run(s, 4 * SECOND);
    assert_int_equal(ingest_active_layers(s->in, 0, s->now_us), 3);
    /* Keyframes are asked of the layer that they are for. */
    uint64_t plis = stage_find(s, 300)->plis, others = stage_find(s, 200)->plis;
    ingest_want_keyframe(s->in, 0, 1, 5);
    ingest_stage_run(s, SECOND);
    assert_int_equal(stage_find(s, 300)->plis, plis + 1);
    assert_int_equal(stage_find(s, 200)->plis, others);
    ingest_stage_free(s);
}

static void a_rid_that_nobody_offered_is_nobodys(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    config.tracks[0].n_rids = 1;
    memcpy(config.tracks[0].rids[0], "a", 2);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100), b = flow(200);
    a.mid = b.mid = "0";
    a.rid = "b";
    ingest_stage_add(s, &a);
    ingest_stage_add(s, &b); /* none at all */
    ingest_stage_run(s, SECOND);
    assert_false(info_of(s, 0).layers[0].known);
    assert_int_equal(counters(s)->unknown, counters(s)->packets);
    ingest_stage_free(s);
}

/* --- lies --- */

struct hand {
    struct ingest_stage *s;
    struct stage_flow f;
    uint16_t seq;
    uint32_t timestamp;
};

static void send_bytes(struct hand *h, const uint8_t *payload, size_t size, bool marker)
{
    stage_send(h->s, &h->f, false, h->seq++, h->timestamp, marker, payload, size);
    ingest_stage_run(h->s, 20000);
}

static struct hand begin(void)
{
    struct ingest_config config = configure(1);
    struct hand h = {.s = ingest_stage_new(&config, &CLEAN, 1), .f = flow(100), .seq = 10};
    h.s->no_compare = true;
    h.s->no_reports = true;
    return h;
}

static const uint8_t KEYFRAME[] = {0x10, 0x10, 2, 0, 0x9d, 0x01, 0x2a, 64, 1, 64, 0, 1, 2, 3};
static const uint8_t DELTA[] = {0x10, 0x11, 2, 0, 1, 2, 3};

static uint64_t frames_of(const struct hand *h)
{
    return info_of(h->s, 0).layers[0].frames;
}

static void no_more_ssrcs_than_there_is_room_for(void **state)
{
    (void)state;
    struct hand h = begin();
    h.f.mid = "0";
    for (uint32_t i = 0; i < 300; i++) {
        h.f.ssrc = 1000 + i;
        send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    }
    assert_true(h.s->in->n_sources <= INGEST_SSRCS_MAX);
    assert_true(h.s->in->peer.bad_datagrams + counters(h.s)->unknown >= 300 - INGEST_SSRCS_MAX);
    ingest_stage_free(h.s);
}

static void nonsense_is_counted(void **state)
{
    (void)state;
    struct hand h = begin();
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    h.timestamp += 3000;
    send_bytes(&h, DELTA, 1, true); /* no byte behind its descriptor */
    assert_int_equal(counters(h.s)->malformed, 1);
    h.timestamp += 3000;
    send_bytes(&h, DELTA, sizeof(DELTA), true); /* nothing before the next keyframe is of use */
    assert_int_equal(frames_of(&h), 1);
    h.timestamp += 3000;
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    send_bytes(&h, DELTA, 0, false); /* padding has its place in the row */
    assert_int_equal(counters(h.s)->padding, 1);
    h.timestamp -= 90000; /* back in time */
    send_bytes(&h, DELTA, sizeof(DELTA), true);
    assert_int_equal(frames_of(&h), 3);
    ingest_stage_free(h.s);
}

static void the_size_is_that_of_the_largest_layer(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    config.tracks[0].formats[PAYLOAD_VP9].payload_type = 98;
    struct hand h = {.s = ingest_stage_new(&config, &CLEAN, 1), .f = flow(100), .seq = 10};
    h.s->no_compare = h.s->no_reports = true;
    h.f.payload_type = 98;
    /* A structure of two layers, then a keyframe whose header says 320x180. */
    static const uint8_t svc[] = {0x0e, 0x30, 1,    64,   0,    180,  2,    128,  1,    104,
                                  0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x30, 9};
    send_bytes(&h, svc, sizeof(svc), true);
    assert_int_equal(frames_of(&h), 1);
    assert_int_equal(info_of(h.s, 0).layers[0].width, 640);
    assert_int_equal(info_of(h.s, 0).layers[0].height, 360);
    /* One without a structure: as its header says. */
    static const uint8_t plain[] = {0x0c, 0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x30, 9};
    h.timestamp += 3000;
    send_bytes(&h, plain, sizeof(plain), true);
    assert_int_equal(info_of(h.s, 0).layers[0].width, 320);
    ingest_stage_free(h.s);
}

static void a_picture_has_a_largest_size(void **state)
{
    (void)state;
    struct hand h = begin();
    uint8_t payload[1100] = {0};
    memcpy(payload, KEYFRAME, sizeof(KEYFRAME));
    size_t sent = 0;
    h.s->no_compare = true;
    for (; sent < INGEST_UNIT_MAX + 100000; sent += sizeof(payload) - 1) {
        send_bytes(&h, payload, sizeof(payload), false);
        payload[0] = 0; /* goes on */
    }
    send_bytes(&h, payload, sizeof(payload), true);
    assert_int_equal(frames_of(&h), 0);
    assert_int_equal(info_of(h.s, 0).layers[0].frames_dropped, 1);
    h.timestamp += 3000;
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    assert_int_equal(frames_of(&h), 1);
    ingest_stage_free(h.s);
}

static void no_more_waits_than_there_is_room_for(void **state)
{
    (void)state;
    struct hand h = begin();
    h.s->flows[0].deaf = true;
    h.s->n_flows = 0;
    struct stage_flow deaf = h.f;
    deaf.deaf = deaf.silent = true;
    deaf.every_us = 1000000;
    ingest_stage_add(h.s, &deaf); /* hears the NACKs, and does nothing */
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    h.seq++; /* a gap, and everything behind it at once */
    for (unsigned i = 0; i < 3 * INGEST_BUFFERS; i++) {
        h.timestamp += 3000;
        stage_send(h.s, &h.f, false, h.seq++, h.timestamp, true, DELTA, sizeof(DELTA));
    }
    ingest_stage_run(h.s, 50000);
    assert_true(counters(h.s)->overflows > 0);
    ingest_stage_run(h.s, SECOND);
    h.timestamp += 3000;
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    assert_int_equal(frames_of(&h), 2);
    /* All buffers came back. */
    unsigned n = 0;
    for (uint16_t i = h.s->in->free_buffer; i != 0; i = h.s->in->buffers[i - 1].next_free)
        n++;
    assert_int_equal(n, h.s->in->n_buffers);
    assert_true(n > 500);
    ingest_stage_free(h.s);
}

static void a_sender_that_starts_over_is_followed(void **state)
{
    (void)state;
    struct hand h = begin();
    for (unsigned i = 0; i < 5; i++) {
        send_bytes(&h, i == 0 ? KEYFRAME : DELTA, i == 0 ? sizeof(KEYFRAME) : sizeof(DELTA), true);
        h.timestamp += 3000;
    }
    h.seq += 30000;
    h.timestamp += 0x40000000;
    send_bytes(&h, DELTA, sizeof(DELTA), true); /* believed at its second packet in a row */
    assert_int_equal(counters(h.s)->late, 1);
    for (unsigned i = 0; i < 5; i++) {
        h.timestamp += 3000;
        send_bytes(&h, i == 0 ? KEYFRAME : DELTA, i == 0 ? sizeof(KEYFRAME) : sizeof(DELTA), true);
    }
    assert_int_equal(frames_of(&h), 10);
    ingest_stage_free(h.s);
}

static void a_replayed_packet_is_refused(void **state)
{
    (void)state;
    struct hand h = begin();
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    uint64_t packets = counters(h.s)->packets, bad = h.s->in->peer.bad_datagrams;
    h.seq--;
    send_bytes(&h, KEYFRAME, sizeof(KEYFRAME), true);
    assert_int_equal(counters(h.s)->packets, packets);
    assert_int_equal(h.s->in->peer.bad_datagrams, bad + 1);
    ingest_stage_free(h.s);
}

static void keyframes_are_asked_for_under_a_budget(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100);
    const struct stage_flow *p = ingest_stage_add(s, &a);
    ingest_stage_run(s, SECOND);
    for (unsigned i = 0; i < 1000; i++) {
        ingest_want_keyframe(s->in, 0, 0, 100);
        ingest_stage_run(s, 10000);
    }
    assert_in_range(p->keyframes, 8, 12); /* one in a second, however many ask */
    assert_in_range(p->plis, 8, 12);
    /* One that does not answer is asked again, less and less often. */
    s->flows[0].deaf = true;
    ingest_want_keyframe(s->in, 0, 0, 1);
    uint64_t plis = p->plis;
    ingest_stage_run(s, 10 * SECOND);
    assert_in_range(p->plis - plis, 5, 10);
    ingest_stage_free(s);
}

static void what_one_may_send_is_told(void **state)
{
    (void)state;
    struct ingest_config config = configure(1);
    config.tracks[0].remb = true;
    struct ingest_stage *s = ingest_stage_new(&config, &CLEAN, 1);
    struct stage_flow a = flow(100);
    ingest_stage_add(s, &a);
    ingest_stage_run(s, 5 * SECOND);
    assert_true(s->rembs >= 4 && s->remb_bps >= REMB_MIN_BPS);
    ingest_set_max_rate(s->in, 300000);
    ingest_stage_run(s, SECOND);
    assert_in_range(s->remb_bps, 299000, 300000);
    assert_int_equal(ingest_remb_bps(s->in), 300000);
    ingest_stage_free(s);
    config.tracks[0].transport_cc = true;
    s = ingest_stage_new(&config, &CLEAN, 1);
    ingest_stage_add(s, &a);
    ingest_stage_run(s, 3 * SECOND);
    assert_int_equal(s->rembs, 0);
    assert_true(s->feedbacks > 20);
    ingest_set_max_rate(s->in, 300000);
    ingest_stage_run(s, SECOND);
    assert_in_range(s->remb_bps, 299000, 300000);
    ingest_set_max_rate(s->in, 0);
    ingest_stage_run(s, 2 * SECOND);
    assert_true(s->remb_bps > 100000000); /* so that it forgets the limit */
    ingest_close(s->in, s->now_us);
    assert_int_equal(ingest_state(s->in), INGEST_CLOSED);
    stage_drain(s);
    ingest_stage_run(s, SECOND);
    assert_int_equal(s->byes, 1);
    ingest_stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracks_are_told_apart_by_mid),
        cmocka_unit_test(the_only_track_needs_no_mid),
        cmocka_unit_test(what_could_be_several_tracks_is_none),
        cmocka_unit_test(what_the_offer_told_needs_no_labels),
        cmocka_unit_test(another_ssrc_of_the_same_mid_goes_on_in_its_place),
        cmocka_unit_test(rids_become_layers_by_size),
        cmocka_unit_test(a_rid_that_nobody_offered_is_nobodys),
        cmocka_unit_test(no_more_ssrcs_than_there_is_room_for),
        cmocka_unit_test(nonsense_is_counted),
        cmocka_unit_test(the_size_is_that_of_the_largest_layer),
        cmocka_unit_test(a_picture_has_a_largest_size),
        cmocka_unit_test(no_more_waits_than_there_is_room_for),
        cmocka_unit_test(a_sender_that_starts_over_is_followed),
        cmocka_unit_test(a_replayed_packet_is_refused),
        cmocka_unit_test(keyframes_are_asked_for_under_a_budget),
        cmocka_unit_test(what_one_may_send_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
