#include "server/publisher.h"

#include "rtp/control/keyframe.h"
#include "rtp/payload/payload.h"

#include "tests/unit/server/fake_forwarder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct forwarder forwarder;
static struct publisher *publisher;
static unsigned changes, wakes;
static uint8_t bytes[4 << 20], assembled[4 << 20];

static void on_change(void *arg)
{
    (*(unsigned *)arg)++;
}

static void on_wake(void *arg)
{
    (*(unsigned *)arg)++;
}

static int quantizer; /* of the next units; below 0: none is told */

static int setup(void **state)
{
    (void)state;
    changes = wakes = 0;
    quantizer = -1;
    fake_init(&forwarder);
    const struct publisher_config config = {
        .forwarder = &forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = on_change,
        .on_change_arg = &changes,
        .wake = on_wake,
        .wake_arg = &wakes,
    };
    if (publisher_create(&publisher, &config) != 0)
        return -1;
    publisher_set_name(publisher, "pattern", "Test pattern");
    publisher_set_coding(publisher, 0, CODEC_H264, "none", 640, 480);
    return publisher_attach(publisher);
}

static int teardown(void **state)
{
    (void)state;
    publisher_detach(publisher);
    publisher_destroy(publisher);
    fake_finish(&forwarder);
    return 0;
}

/* NAL units with `filling` bytes each, as many as asked for. */
static size_t add_nals(size_t at, uint8_t header, unsigned n, size_t filling)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(bytes + at, (const uint8_t[]){0, 0, 0, 1, header}, 5);
        memset(bytes + at + 5, 0xa5, filling);
        at += 5 + filling;
    }
    return at;
}

static void publish(size_t size, bool keyframe, int64_t now)
{
    const struct encoded unit = {.data = bytes,
                                 .size = size,
                                 .keyframe = keyframe,
                                 .captured_us = now - 500,
                                 .quantizer = quantizer};
    publisher_publish(publisher, 0, &unit, now);
}

static void publish_key(uint8_t level, int64_t now)
{
    memcpy(bytes, (const uint8_t[]){0, 0, 0, 1, 0x67, 66, 0xc0, level, 0, 0, 0, 1, 0x68, 9}, 14);
    publish(add_nals(14, 0x65, 1, 100), true, now);
}

static void publish_delta(int64_t now)
{
    publish(add_nals(0, 0x41, 1, 100), false, now);
}

static struct source_stats stats(void)
{
    struct source_stats out = {0};
    publisher_stats(publisher, &out);
    return out;
}

static struct source_info info(void)
{
    struct source_info out;
    publisher_info(publisher, &out);
    return out;
}

static void frames_are_numbered_and_timed(void **state)
{
    (void)state;
    static const int64_t far = 47721858844445 * 1000; /* its 90 kHz has wrapped */
    for (int i = 0; i < 5; i++) {
        int64_t now = far + i * 33333;
        if (i % 3 == 0)
            publish_key(31, now);
        else
            publish_delta(now);
        assert_int_equal(forwarder.n_frames, i + 1);
        const struct frame *f = forwarder.frames[i];
        assert_int_equal(f->id, i + 1);
        assert_int_equal(f->keyframe, i % 3 == 0);
        assert_true(f->captured_us == now - 500);
        assert_true(f->rtp_ts == (uint32_t)((uint64_t)(now - 500) * 9 / 100));
    }
    assert_int_equal(stats().frames_encoded, 5);
    assert_int_equal(stats().keyframes, 2);
    assert_int_equal(stats().frames_dropped, 0);
}

static void nothing_is_sent_before_a_keyframe(void **state)
{
    (void)state;
    assert_true(publisher_keyframe_due(publisher, 0, true, 0));
    publish_delta(1);
    assert_int_equal(forwarder.n_frames, 0);
    assert_int_equal(stats().frames_dropped, 1);
    assert_false(info().live);
    publish_key(31, 2);
    publish_delta(3);
    assert_int_equal(forwarder.n_frames, 2);
    assert_false(publisher_keyframe_due(publisher, 0, false, 4));
}

static void after_a_loss_all_is_dropped_until_a_keyframe(void **state)
{
    (void)state;
    publish_key(31, 1);
    publisher_break(publisher, 0);
    publish_delta(2);
    assert_int_equal(forwarder.n_frames, 1);
    assert_true(publisher_keyframe_due(publisher, 0, true, 3));
    publish_key(31, 4);
    publish_delta(5);
    assert_int_equal(forwarder.n_frames, 3);
    /* a picture that became no unit breaks nothing: the encoder refers to what it encoded */
    publisher_drop(publisher, 0);
    publish_delta(6);
    assert_int_equal(forwarder.n_frames, 4);
    assert_int_equal(forwarder.frames[3]->id, 4); /* what was dropped took no number */
    assert_int_equal(stats().frames_dropped, 2);
}

static void units_of_any_size_fit_up_to_the_limit(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,      23000,  24000,  95000,   96000,
                                   380000, 384000, 390000, 1000000, PUBLISHER_MAX_UNIT - 5};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = add_nals(0, 0x65, 1, sizes[i]);
        publish(size, true, 1);
        assert_int_equal(forwarder.n_frames, i + 1);
        assert_int_equal(fake_unit(&forwarder, (unsigned)i, assembled, sizeof(assembled)), size);
        assert_memory_equal(assembled, bytes, size);
    }
    publish(add_nals(0, 0x41, 1, (3u << 20) + 1), false, 1);
    assert_int_equal(forwarder.n_frames, sizeof(sizes) / sizeof(sizes[0]));
    assert_int_equal(stats().frames_dropped, 1);
    publish_delta(2); /* refers to what nobody got */
    assert_int_equal(stats().frames_dropped, 2);
    assert_true(publisher_keyframe_due(publisher, 0, true, 3));
}

static void many_small_units_take_a_larger_frame(void **state)
{
    (void)state;
    for (unsigned n = 50; n <= 3000; n = n * 2 + 10) {
        size_t size = add_nals(0, 0x65, n, 3);
        unsigned before = forwarder.n_frames;
        publish(size, true, 1);
        if (forwarder.n_frames != before + 1)
            fail_msg("%u NAL units in %zu bytes were dropped", n, size);
        assert_int_equal(forwarder.frames[before]->payload.n_packets, n);
    }
}

static void a_unit_without_anything_to_send_is_dropped(void **state)
{
    (void)state;
    publish(add_nals(0, 0x09, 1, 1), true, 1);
    publish(0, true, 1);
    assert_int_equal(forwarder.n_frames, 0);
    assert_int_equal(stats().frames_dropped, 2);
    assert_int_equal(stats().keyframes, 0);
}

static void want(uint32_t requests)
{
    forwarder.source.want_keyframe(forwarder.source.arg, 0, requests);
}

static void requests_wake_the_source_and_share_a_keyframe(void **state)
{
    (void)state;
    publish_key(31, 1000);
    want(2);
    want(1);
    assert_int_equal(wakes, 2);
    assert_false(publisher_keyframe_due(publisher, 0, true, 2000)); /* within the gap */
    assert_true(publisher_keyframe_waits(publisher, 0));
    assert_int_equal(stats().keyframe_requests, 3);
    assert_int_equal(stats().keyframe_requests_coalesced, 2);
    assert_true(publisher_keyframe_due(publisher, 0, true, 1000 + KEYFRAME_MIN_GAP_US));
    publish_delta(1000 + KEYFRAME_MIN_GAP_US); /* the encoder made another kind: it stays wanted */
    assert_true(publisher_keyframe_waits(publisher, 0));
    publish_key(31, 1000 + KEYFRAME_MIN_GAP_US + 33000);
    assert_false(publisher_keyframe_waits(publisher, 0));
    assert_false(publisher_keyframe_due(publisher, 0, true, 1000 + 3000000));
}

/* Nobody can ask a file for a keyframe: the next one it has grants the request all the same. */
static void requests_are_granted_by_any_keyframe(void **state)
{
    (void)state;
    publish_key(31, 0);
    for (int i = 1; i <= 4; i++) {
        want(3);
        publish_delta(i * 10);
        assert_true(publisher_keyframe_waits(publisher, 0));
        want(1);
        publish_key(31, i * 10 + 5);
        assert_false(publisher_keyframe_waits(publisher, 0));
        assert_int_equal(stats().keyframe_requests, 4 * i);
        assert_int_equal(stats().keyframe_requests_coalesced, 3 * i); /* one each was granted */
    }
}

/* Half of the quality is missing for a second after the keyframe: that is five seconds' tenth and
 * more. */
static void what_was_blurred_begins_no_new_group(void **state)
{
    (void)state;
    quantizer = 20;
    publish_key(31, 0);
    publish_delta(33333);
    quantizer = 60;
    publish_key(31, 66666);
    for (int i = 3; i < 33; i++)
        publish_delta(i * 33333);
    quantizer = 20;
    publish_delta(33 * 33333);
    assert_false(publisher_keyframe_due(publisher, 0, false, 66666 + SOURCE_GOP_US));
    assert_true(publisher_keyframe_due(publisher, 0, false, 66666 + 3 * SOURCE_GOP_US / 2));
}

static void a_group_of_pictures_ends_in_time(void **state)
{
    (void)state;
    publish_key(31, 0);
    assert_false(publisher_keyframe_due(publisher, 0, false, SOURCE_GOP_US - 1));
    assert_true(publisher_keyframe_due(publisher, 0, false, SOURCE_GOP_US));
    /* a picture that shows nothing new is no reason */
    assert_false(publisher_keyframe_due(publisher, 0, true, 100 * SOURCE_GOP_US));
    for (int i = 1; i < STREAM_JOIN_MAX_FRAMES - 16; i++) {
        assert_false(publisher_keyframe_due(publisher, 0, true, i));
        publish_delta(i);
    }
    assert_true(publisher_keyframe_due(publisher, 0, true, 1000));
    publish_key(31, 1000);
    assert_false(publisher_keyframe_due(publisher, 0, true, 1001));
    for (int i = 0; i < 3; i++)
        publish(add_nals(0, 0x41, 1, STREAM_JOIN_MAX_BYTES / 4), false, 1002);
    assert_true(publisher_keyframe_due(publisher, 0, true, 1003));
}

static void what_viewers_must_know_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(info().stream_id, FAKE_STREAM_ID);
    assert_string_equal(info().kind, "pattern");
    assert_string_equal(info().name, "Test pattern");
    assert_string_equal(info().encoder, "none");
    assert_false(info().live);
    publish_key(31, 1);
    assert_int_equal(changes, 1);
    assert_true(info().live);
    assert_memory_equal(info().h264_profile, ((uint8_t[]){66, 0xc0, 31}), 3);
    publish_key(31, 2);
    publish_delta(3);
    assert_int_equal(changes, 1);
    publish_key(40, 4); /* another level */
    assert_int_equal(changes, 2);
    assert_int_equal(info().h264_profile[2], 40);
    publisher_set_coding(publisher, 0, CODEC_H264, "none", 640, 480);
    publish_key(40, 5);
    assert_int_equal(changes, 2);
    publisher_set_coding(publisher, 0, CODEC_H264, "none", 320,
                         240); /* another size, the same level */
    assert_int_equal(changes, 2);
    publish_key(40, 6);
    assert_int_equal(changes, 3);
    assert_int_equal(info().width, 320);
    assert_string_equal(info().end_reason, "");
    publisher_end(publisher, "the display is gone");
    assert_int_equal(changes, 4);
    assert_false(info().live);
    assert_string_equal(info().end_reason, "the display is gone");
}

static void rates_are_those_of_the_last_second(void **state)
{
    (void)state;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t now = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + 1000000;
    assert_true(stats().encode_fps == 0);
    publisher_tick(publisher, 0, 7, now); /* ends the window that began before the first picture */
    size_t sent = 0;
    for (int i = 0; i < 25; i++) {
        size_t size = add_nals(0, 0x65, 1, 1000);
        publish(size, true, now);
        sent += size;
        publisher_tick(publisher, 0, 7 + (uint64_t)i, now + i * 40000);
    }
    assert_true(stats().encode_fps == 0); /* the window is not over */
    publisher_tick(publisher, 0, 7 + 50, now + 1000000);
    assert_true(stats().encode_fps == 25);
    assert_true(stats().capture_fps == 50);
    assert_int_equal(stats().bitrate_bps, sent * 8);
}

static void a_full_forwarder_is_told(void **state)
{
    (void)state;
    publisher_detach(publisher);
    forwarder.is_full = true;
    assert_int_equal(publisher_attach(publisher), -ENOMEM);
}

static void watch(unsigned layer, bool yes)
{
    forwarder.source.watched(forwarder.source.arg, layer, yes);
}

static void a_layer_is_wanted_when_it_is_watched(void **state)
{
    (void)state;
    publisher_detach(publisher);
    publisher_set_layers(publisher, 3);
    assert_int_equal(publisher_attach(publisher), 0);
    assert_int_equal(forwarder.n_layers, 3);
    /* who comes next begins with the largest */
    assert_true(publisher_is_wanted(publisher, 2));
    assert_false(publisher_is_wanted(publisher, 1) || publisher_is_wanted(publisher, 0));
    watch(0, true);
    watch(0, true); /* two workers */
    assert_int_equal(wakes, 2);
    assert_true(publisher_is_wanted(publisher, 0));
    assert_false(publisher_is_wanted(publisher, 1) || publisher_is_wanted(publisher, 2));
    watch(0, false);
    watch(2, true);
    assert_true(publisher_is_wanted(publisher, 0) && publisher_is_wanted(publisher, 2));
    assert_true(stats().layers[0].wanted && !stats().layers[1].wanted);
    watch(0, false);
    watch(2, false);
    assert_true(publisher_is_wanted(publisher, 2));
    assert_false(publisher_is_wanted(publisher, 0));
}

static void layers_do_not_share_their_keyframes(void **state)
{
    (void)state;
    publisher_detach(publisher);
    publisher_set_layers(publisher, 2);
    assert_int_equal(publisher_attach(publisher), 0);
    publisher_set_coding(publisher, 0, CODEC_H264, "none", 320, 240);
    publisher_set_coding(publisher, 1, CODEC_H264, "none", 640, 480);
    publish_key(31, 1);        /* of layer 0 */
    assert_false(info().live); /* the largest is what one joins */
    assert_false(publisher_keyframe_due(publisher, 0, true, 2));
    assert_true(publisher_keyframe_due(publisher, 1, true, 2));
    const struct encoded unit = {.data = bytes, .size = 119, .keyframe = true, .temporal_id = 1};
    publisher_publish(publisher, 1, &unit, 3);
    assert_true(info().live);
    assert_int_equal(forwarder.layers[1], 1);
    assert_int_equal(forwarder.frames[1]->id, 1);
    assert_int_equal(forwarder.frames[1]->temporal_id, 1);
    assert_int_equal(forwarder.frames[1]->codec, PAYLOAD_H264);
    assert_int_equal(info().width, 640);
    assert_int_equal(info().layers[0].width, 320);
    forwarder.source.want_keyframe(forwarder.source.arg, 1, 1);
    assert_false(publisher_keyframe_due(publisher, 0, true, 3 + KEYFRAME_MIN_GAP_US));
    assert_true(publisher_keyframe_due(publisher, 1, true, 3 + KEYFRAME_MIN_GAP_US));
    publisher_break(publisher, 0);
    publish_delta(5);
    assert_int_equal(forwarder.n_frames, 2);
    assert_int_equal(stats().layers[0].frames_encoded, 1);
    assert_int_equal(stats().frames_encoded, 2);
}

static void a_source_that_comes_back_is_live_again(void **state)
{
    (void)state;
    publish_key(31, 1);
    publisher_end(publisher, "the display is gone");
    publisher_end(publisher, "the display is gone"); /* tried again: no news */
    assert_int_equal(changes, 2);
    publisher_break(publisher, 0);
    publish_key(31, 2);
    assert_true(info().live);
    assert_string_equal(info().end_reason, "");
    assert_int_equal(changes, 3);
    publisher_set_paused(publisher, true);
    publisher_set_paused(publisher, true);
    assert_true(info().paused);
    assert_int_equal(changes, 4);
}

/* 100 kB of keyframe at 100 kbit/s are 8 s of the stream: not once a second. */
static void dear_keyframes_are_made_rarely(void **state)
{
    (void)state;
    publisher_set_budget(publisher, 0, 100000);
    for (int i = 0; i < 20; i++) {
        int64_t now = i * 1500000;
        want(1);
        if (publisher_keyframe_due(publisher, 0, true, now))
            publish(add_nals(0, 0x65, 1, 100000), true, now);
        else
            publish_delta(now);
    }
    assert_true(stats().keyframes >= 3 &&
                stats().keyframes <= 6); /* 30 s, one in 10, two at once */
}

static void every_codec_has_its_payload(void **state)
{
    (void)state;
    /* VP8: a key frame's tag and start code (RFC 6386 9.1), then anything */
    static const uint8_t key[] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0, 1, 2, 3, 4};
    publisher_set_coding(publisher, 0, CODEC_VP8, "none", 320, 240);
    const struct encoded unit = {.data = key, .size = sizeof(key), .keyframe = true};
    publisher_publish(publisher, 0, &unit, 1);
    assert_int_equal(forwarder.n_frames, 1);
    assert_int_equal(forwarder.frames[0]->codec, PAYLOAD_VP8);
    assert_true(payload_is_keyframe(PAYLOAD_VP8, key, sizeof(key)));
    assert_string_equal(info().codec, "vp8");
    assert_true(info().live);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_are_numbered_and_timed),
        TEST(nothing_is_sent_before_a_keyframe),
        TEST(after_a_loss_all_is_dropped_until_a_keyframe),
        TEST(units_of_any_size_fit_up_to_the_limit),
        TEST(many_small_units_take_a_larger_frame),
        TEST(a_unit_without_anything_to_send_is_dropped),
        TEST(requests_wake_the_source_and_share_a_keyframe),
        TEST(requests_are_granted_by_any_keyframe),
        TEST(a_group_of_pictures_ends_in_time),
        TEST(what_was_blurred_begins_no_new_group),
        TEST(what_viewers_must_know_is_told_once),
        TEST(rates_are_those_of_the_last_second),
        TEST(a_full_forwarder_is_told),
        TEST(a_layer_is_wanted_when_it_is_watched),
        TEST(layers_do_not_share_their_keyframes),
        TEST(a_source_that_comes_back_is_live_again),
        TEST(dear_keyframes_are_made_rarely),
        TEST(every_codec_has_its_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
