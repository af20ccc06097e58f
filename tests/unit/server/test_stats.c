#include "tests/unit/server/handmade_stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static struct handmade made;

static json_t *parsed(bool with_viewers)
{
    handmade_init(&made);
    char *text = stats_json(&made.stats, with_viewers);
    assert_non_null(text);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

static json_t *only(const json_t *o, const char *key)
{
    json_t *list = json_object_get(o, key);
    assert_int_equal(json_array_size(list), 1);
    return json_array_get(list, 0);
}

static void assert_number(const json_t *o, const char *key, double want)
{
    const json_t *value = json_object_get(o, key);
    if (!json_is_number(value) || fabs(json_number_value(value) - want) > 1e-6)
        fail_msg("%s is not %g", key, want);
}

static void the_process_and_its_workers(void **state)
{
    (void)state;
    json_t *root = parsed(false), *process = json_object_get(root, "process");
    assert_number(root, "uptime_s", 12.5);
    assert_number(root, "udp_port", 8189);
    assert_number(root, "rooms_opened", 701);
    assert_number(root, "rooms_ended_idle", 702);
    assert_number(process, "cpu_us", 1);
    assert_number(process, "rss_bytes", 2);
    assert_number(process, "threads", 3);
    assert_number(process, "open_fds", 4);
    assert_number(json_object_get(root, "http"), "joins", 601);
    assert_number(json_object_get(root, "http"), "joins_refused", 602);
    assert_number(json_object_get(root, "http"), "connections_refused", 604);
    assert_number(json_object_get(root, "http"), "address_refused", 605);
    assert_number(json_object_get(root, "http"), "connections", 603);
    const json_t *denied = json_object_get(root, "denied");
    assert_number(denied, "watch_required", 801);
    assert_number(denied, "watch_invalid", 802);
    assert_number(denied, "watch_used", 803);
    assert_number(denied, "publish", 804);
    static const char *const keys[] = {
        "packets_sent",       "bytes_sent",         "send_calls",          "send_errors",
        "datagrams_received", "datagrams_unknown",  "datagrams_passed_on", "frames_dropped",
        "loop_lag_p99_us",    "mailbox_high_water", "tcp_connections",     "tcp_refused",
        "send_blocked",       "handshakes",         "handshakes_waited",   "handshakes_deferred"};
    for (int i = 0; i < 16; i++)
        assert_number(only(root, "workers"), keys[i], 101 + i);
    assert_true(json_is_true(json_object_get(only(root, "workers"), "gso")));
    json_decref(root);
}

static json_t *first_of_two(const json_t *o, const char *key)
{
    json_t *list = json_object_get(o, key);
    assert_int_equal(json_array_size(list), 2);
    return json_array_get(list, 0);
}

static void a_presenter_elsewhere(void **state)
{
    (void)state;
    json_t *root = parsed(false), *room = only(root, "rooms"), *p = only(room, "publishers");
    const json_t *stream = json_array_get(json_object_get(room, "streams"), 1);
    assert_string_equal(json_string_value(json_object_get(stream, "track_id")), "video1");
    assert_string_equal(json_string_value(json_object_get(stream, "name")), "Slides");
    assert_string_equal(json_string_value(json_object_get(stream, "codec")), "vp8");
    assert_string_equal(json_string_value(json_object_get(stream, "publisher")), "78");
    assert_number(stream, "encode_fps", 24.5);
    assert_number(stream, "bitrate_bps", 901);
    assert_true(json_is_true(json_object_get(stream, "live")));
    assert_string_equal(json_string_value(json_object_get(p, "kind")), "whip");
    assert_string_equal(json_string_value(json_object_get(p, "state")), "live");
    assert_number(p, "rtt_ms", 1.5);
    assert_number(p, "limit_bps", 902);
    assert_number(p, "bitrate_bps", 931);
    assert_number(p, "loss_percent", 25);
    static const char *const sums[] = {
        "packets",   "bytes", "unknown", "malformed", "padding",  "duplicates", "late",
        "overflows", "rtx",   "nacks",   "plis",      "feedback", "bad_rtcp",   "no_frames"};
    for (int i = 0; i < 14; i++)
        assert_number(p, sums[i], 903 + i);
    const json_t *track = only(p, "tracks"), *layer = only(track, "layers");
    assert_string_equal(json_string_value(json_object_get(track, "track_id")), "video1");
    static const char *const keys[] = {"packets",
                                       "bytes",
                                       "missing",
                                       "recovered",
                                       "lost",
                                       "nacks",
                                       "plis",
                                       "frames",
                                       "keyframes",
                                       "frames_dropped",
                                       "bitrate_bps",
                                       "added_delay_us_p50",
                                       "added_delay_us_p99"};
    for (int i = 0; i < 13; i++)
        assert_number(layer, keys[i], 921 + i);
    json_decref(root);
}

static void a_presenter_that_is_lost(void **state)
{
    (void)state;
    handmade_init(&made);
    feed_lose(&made.room.slots[1].feed, 1);
    strcpy(made.room.rights.password, "sesame");
    char *text = stats_json(&made.stats, false);
    json_t *root = json_loads(text, 0, NULL), *room = only(root, "rooms");
    const json_t *stream = json_array_get(json_object_get(room, "streams"), 1);
    assert_true(json_is_true(json_object_get(room, "reconnecting")));
    assert_true(json_is_true(json_object_get(room, "password_required")));
    assert_null(strstr(text, "sesame"));
    assert_true(json_is_false(json_object_get(stream, "live")));
    assert_number(stream, "encode_fps", 0);
    assert_number(stream, "bitrate_bps", 0);
    json_decref(root);
    free(text);
}

static void the_room_and_its_stream(void **state)
{
    (void)state;
    json_t *root = parsed(false), *room = only(root, "rooms");
    json_t *stream = first_of_two(room, "streams");
    assert_number(room, "viewers", 3);
    assert_number(room, "viewers_peak", 5);
    assert_number(room, "uptime_s", 11);
    assert_null(json_object_get(room, "viewers_list"));
    static const char *const keys[] = {
        "bitrate_bps",    "frames_captured", "frames_superseded", "frames_encoded",
        "frames_dropped", "keyframes",       "keyframe_requests", "keyframe_requests_coalesced"};
    for (int i = 0; i < 8; i++)
        assert_number(stream, keys[i], 401 + i);
    assert_number(stream, "capture_fps", 29.5);
    assert_number(stream, "encode_fps", 28.5);
    assert_number(stream, "width", 1280);
    assert_number(stream, "height", 720);
    assert_number(stream, "joins_from_cache", 201);
    assert_number(stream, "joins_waited", 202);
    assert_number(stream, "capture_to_send_us_p50", 203);
    assert_number(stream, "capture_to_send_us_p99", 204);
    double convert = json_number_value(json_object_get(stream, "convert_us_p50"));
    assert_true(convert >= 300 && convert <= 300 * 1.125);
    double encode = json_number_value(json_object_get(stream, "encode_us_p99"));
    assert_true(encode >= 7000 && encode <= 7000 * 1.125);
    json_decref(root);
}

static void a_viewer_in_full(void **state)
{
    (void)state;
    json_t *root = parsed(true), *viewer = only(only(root, "rooms"), "viewers_list");
    assert_string_equal(json_string_value(json_object_get(viewer, "id")), "77");
    assert_string_equal(json_string_value(json_object_get(viewer, "state")), "playing");
    assert_number(viewer, "since_s", 2.5);
    assert_number(viewer, "first_frame_ms", 42);
    assert_string_equal(json_string_value(json_object_get(viewer, "trouble")), "network-too-slow");
    assert_non_null(strstr(json_string_value(json_object_get(viewer, "trouble_words")), "network"));
    assert_number(viewer, "frames_decoded", 501);
    assert_number(viewer, "frames_dropped", 502);
    assert_number(viewer, "freezes", 503);
    assert_number(viewer, "glass_to_glass_ms", 504.5);
    assert_true(json_is_null(json_object_get(viewer, "jitter_buffer_ms")));
    assert_number(viewer, "loss_percent", 25);
    assert_number(viewer, "jitter_ms", 1.5);
    static const char *const keys[] = {"sent_bps", "packets_sent",  "nacks",
                                       "resent",   "resend_misses", "plis"};
    for (int i = 0; i < 6; i++)
        assert_number(viewer, keys[i], 301 + i);
    json_decref(root);
}

static void one_viewer_with_what_was_decided(void **state)
{
    (void)state;
    static const struct viewer_decision decisions[] = {
        {.at_ms = 350,
         .target_kbps = 900,
         .queue_ms = 12,
         .why = VIEWER_WHY_NARROW,
         .track = VIEWER_TRACKS_MAX},
        {.at_ms = 400,
         .target_kbps = 800,
         .why = VIEWER_WHY_LAYER,
         .mode = LAYER_FULL,
         .layer = 1,
         .temporal = LAYER_ANY},
    };
    handmade_init(&made);
    assert_null(stats_viewer_json(&made.stats, 78, NULL, 0));
    char *text = stats_viewer_json(&made.stats, 77, decisions, 2);
    json_t *viewer = json_loads(text, 0, NULL), *list = json_object_get(viewer, "decisions");
    free(text);
    assert_number(viewer, "target_bps", 2000000);
    assert_true(json_is_null(json_object_get(viewer, "estimate_bps")));
    assert_number(viewer, "queue_ms", 4.5);
    assert_number(viewer, "layer", 1);
    assert_true(json_is_null(json_object_get(viewer, "temporal")));
    assert_string_equal(json_string_value(json_object_get(viewer, "mode")), "slides");
    assert_int_equal(json_array_size(list), 2);
    const json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);
    assert_number(first, "at_ms", 350);
    assert_number(first, "target_bps", 900000);
    assert_number(first, "queue_ms", 12);
    assert_string_equal(json_string_value(json_object_get(first, "why")), "narrow");
    assert_null(json_object_get(first, "track"));
    assert_string_equal(json_string_value(json_object_get(second, "why")), "layer");
    assert_string_equal(json_string_value(json_object_get(second, "mode")), "full");
    assert_number(second, "layer", 1);
    text = stats_decisions_json(decisions, 2);
    json_t *alone = json_loads(text, 0, NULL);
    free(text);
    assert_true(json_equal(alone, list));
    json_decref(alone);
    json_decref(viewer);
}

static void what_is_not_measured_is_not_zero(void **state)
{
    (void)state;
    static const char *const keys[] = {"rtt_ms", "loss_percent", "jitter_ms", "first_frame_ms"};
    handmade_init(&made);
    made.viewer.rtt_us = made.viewer.jitter_us = made.viewer.first_frame_us = -1;
    made.viewer.fraction_lost = -1;
    char *text = stats_json(&made.stats, true);
    json_t *root = json_loads(text, 0, NULL);
    json_t *viewer = only(only(root, "rooms"), "viewers_list");
    for (int i = 0; i < 4; i++)
        assert_true(json_is_null(json_object_get(viewer, keys[i])));
    json_decref(root);
    free(text);
}

/* Before a check there is neither an address nor a transport. */
static void the_transport_of_a_viewer(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *remote, *transport;
        uint32_t path;
    } rows[] = {{NULL, "", "", 0},
                {"192.0.2.1", "192.0.2.1:5000", "udp", 0},
                {"192.0.2.1", "192.0.2.1:5000", "tcp", 7}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        handmade_init(&made);
        if (rows[i].ip)
            assert_true(address_parse(&made.viewer.remote, rows[i].ip, 5000));
        made.viewer.remote.path = rows[i].path;
        char *text = stats_json(&made.stats, true);
        json_t *root = json_loads(text, 0, NULL);
        json_t *viewer = only(only(root, "rooms"), "viewers_list");
        assert_string_equal(json_string_value(json_object_get(viewer, "remote")), rows[i].remote);
        assert_string_equal(json_string_value(json_object_get(viewer, "transport")),
                            rows[i].transport);
        json_decref(root);
        free(text);
    }
}

static void a_send_delay_nobody_measured_is_null(void **state)
{
    (void)state;
    handmade_init(&made);
    made.stream.capture_to_send_us_p50 = made.stream.capture_to_send_us_p99 = 0;
    char *text = stats_json(&made.stats, false);
    json_t *root = json_loads(text, 0, NULL), *stream;
    stream = first_of_two(only(root, "rooms"), "streams");
    assert_true(json_is_null(json_object_get(stream, "capture_to_send_us_p50")));
    assert_true(json_is_null(json_object_get(stream, "capture_to_send_us_p99")));
    json_decref(root);
    free(text);
}

static void without_a_room(void **state)
{
    (void)state;
    handmade_init(&made);
    made.stats.n_rooms = 0;
    char *text = stats_json(&made.stats, true);
    json_t *root = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(root, "rooms")), 0);
    json_decref(root);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_and_its_workers),
        cmocka_unit_test(the_room_and_its_stream),
        cmocka_unit_test(a_presenter_elsewhere),
        cmocka_unit_test(a_presenter_that_is_lost),
        cmocka_unit_test(a_viewer_in_full),
        cmocka_unit_test(one_viewer_with_what_was_decided),
        cmocka_unit_test(what_is_not_measured_is_not_zero),
        cmocka_unit_test(the_transport_of_a_viewer),
        cmocka_unit_test(a_send_delay_nobody_measured_is_null),
        cmocka_unit_test(without_a_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
