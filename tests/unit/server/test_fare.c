#include "server/fare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct forwarder_viewer_stats well(void)
{
    return (struct forwarder_viewer_stats){.state = VIEWER_PLAYING,
                                           .fraction_lost = -1,
                                           .queue_us = -1,
                                           .estimate_bps = -1,
                                           .mode = LAYER_FULL};
}

static struct fare fare_of(const struct forwarder_viewer_stats *v,
                           const struct backend_viewer_report *report)
{
    struct fare one;
    fare_judge(&one, v, report);
    return one;
}

static void who_is_not_playing_is_joining(void **state)
{
    (void)state;
    struct forwarder_viewer_stats v = well();
    assert_int_equal(fare_of(&v, NULL).level, FARE_GOOD);
    v.state = VIEWER_WAIT_KEYFRAME;
    assert_int_equal(fare_of(&v, NULL).level, FARE_JOINING);
    v.unsupported_codec = true; /* and waits in vain */
    assert_string_equal(fare_of(&v, NULL).code, "no-common-codec");
    assert_int_equal(fare_of(&v, NULL).level, FARE_POOR);
}

static void each_trouble_has_its_words(void **state)
{
    (void)state;
    struct forwarder_viewer_stats v = well();
    v.fraction_lost = 12; /* 4.7 % */
    assert_int_equal(fare_of(&v, NULL).level, FARE_GOOD);
    v.fraction_lost = 26;
    assert_string_equal(fare_of(&v, NULL).words, "a viewer's network loses 10 % of the packets");
    assert_string_equal(fare_of(&v, NULL).code, "packet-loss");
    v = well();
    v.queue_us = 299999;
    assert_int_equal(fare_of(&v, NULL).level, FARE_GOOD);
    v.queue_us = 450000;
    assert_string_equal(fare_of(&v, NULL).words,
                        "a viewer's network is too slow: packets wait 450 ms");
    v = well();
    v.mode = LAYER_SLIDES;
    assert_string_equal(fare_of(&v, NULL).words, "a viewer's network takes a picture now and then");
    assert_string_equal(fare_of(&v, NULL).code, "network-too-slow");
    v.mode = LAYER_AUDIO;
    assert_string_equal(fare_of(&v, NULL).words, "a viewer's network takes only the sound");
    v = well();
    struct backend_viewer_report report = {.decoded = 180, .dropped = 119};
    assert_int_equal(fare_of(&v, &report).level, FARE_GOOD); /* too few to say */
    report.decoded = 181;
    assert_string_equal(fare_of(&v, &report).words,
                        "a viewer's device is too slow: it drops 39 % of the pictures");
    assert_string_equal(fare_of(&v, &report).code, "decoder-too-slow");
    report.decoded = -1;
    assert_int_equal(fare_of(&v, &report).level, FARE_GOOD);
    assert_string_equal(fare_of(&v, &report).code, "");
}

static void the_worst_of_a_room_is_told(void **state)
{
    (void)state;
    struct fare_room room = {0};
    struct backend_audience a;
    fare_tell(&room, &a);
    assert_int_equal(a.viewers, 0);
    assert_string_equal(a.worst, "");
    struct forwarder_viewer_stats good = well(), slow = well(), lossy = well(), new = well();
    new.state = VIEWER_ICE;
    slow.queue_us = 450000;
    slow.layer = 2;
    lossy.fraction_lost = 128;
    fare_add(&room, &lossy, NULL);
    fare_add(&room, &slow, NULL);
    fare_add(&room, &good, NULL);
    fare_add(&room, &new, NULL);
    new.state = VIEWER_CLOSED;
    fare_add(&room, &new, NULL);
    fare_tell(&room, &a);
    assert_int_equal(a.viewers, 4);
    assert_int_equal(a.good, 1);
    assert_int_equal(a.poor, 2);
    assert_int_equal(a.joining, 1);
    assert_string_equal(a.worst, "a viewer's network loses 50 % of the packets");
    assert_int_equal(room.watching, 5);
}

static void a_rate_is_told_when_nearly_all_are_held_back(void **state)
{
    (void)state;
    struct fare_room room = {0};
    struct backend_audience a;
    struct forwarder_viewer_stats narrow = well(), at_ease = well();
    narrow.narrow = true;
    narrow.estimate_bps = 1000000;
    for (int i = 0; i < 10; i++)
        fare_add(&room, &narrow, NULL);
    fare_tell(&room, &a);
    assert_in_range(a.usable_bps, 800000, 1000000);
    at_ease.estimate_bps = 300000; /* of one that is not held back it says what he is sent */
    for (int i = 0; i < 2; i++)
        fare_add(&room, &at_ease, NULL);
    fare_tell(&room, &a);
    assert_int_equal(a.usable_bps, 0);
}

/* Two pictures, and the first of them paused or not. */
static struct forwarder_viewer_stats watching(int64_t estimate_bps, bool both)
{
    struct forwarder_viewer_stats v = well();
    v.narrow = estimate_bps > 0;
    v.estimate_bps = estimate_bps;
    v.n_tracks = 3;
    for (uint32_t i = 0; i < v.n_tracks; i++)
        v.tracks[i] = (struct forwarder_track_stats){.stream_id = i + 1, .kind = FORWARDER_VIDEO};
    v.tracks[0].paused = !both;
    v.tracks[2].kind = FORWARDER_AUDIO;
    return v;
}

static void an_encoder_follows_the_best_tenth(void **state)
{
    (void)state;
    struct audience rates = {0}, slow = {0};
    assert_int_equal(fare_most_bps(&rates, 700000, true), 700000); /* nobody says anything */
    struct forwarder_viewer_stats v = watching(0, false);
    v.state = VIEWER_ICE;
    fare_add_picture(&rates, &v, 2);
    assert_int_equal(fare_most_bps(&rates, 700000, true), 700000);
    v = watching(1100000, false);
    fare_add_picture(&rates, &v, 2);
    uint64_t most = fare_most_bps(&rates, 0, false);
    assert_in_range(most, 700000, 1000000);
    assert_int_equal(fare_most_bps(&rates, most + most / 10, true),
                     most + most / 10); /* the same */
    assert_int_equal(fare_most_bps(&rates, 2 * most, false), most);
    v = watching(60000, false);
    fare_add_picture(&slow, &v, 2);
    assert_int_equal(fare_most_bps(&slow, 0, false), 150000);
    v = watching(0, false);
    fare_add_picture(&slow, &v, 2);
    assert_int_equal(fare_most_bps(&slow, 150000, false), 150000);
    assert_int_equal(fare_most_bps(&slow, 150000, true), 195000);
    assert_int_equal(fare_most_bps(&slow, 39000000, true), 0);
    assert_int_equal(fare_most_bps(&slow, 0, true), 0);
}

static void several_pictures_share_a_path(void **state)
{
    (void)state;
    struct audience first = {0}, second = {0}, sound = {0}, other = {0};
    struct forwarder_viewer_stats both = watching(2110000, true), one = watching(2110000, false);
    for (int i = 0; i < 10; i++) {
        fare_add_picture(&first, &both, 1);
        fare_add_picture(&second, &both, 2);
        fare_add_picture(&sound, &both, 3);
        fare_add_picture(&other, &both, 9);
    }
    assert_int_equal(first.viewers, 10);
    assert_int_equal(sound.viewers + other.viewers, 0);
    assert_in_range(fare_most_bps(&first, 0, false), 650000, 900000); /* half of 2 Mbit/s each */
    assert_int_equal(fare_most_bps(&second, 0, false), fare_most_bps(&first, 0, false));
    for (int i = 0; i < 2; i++) { /* who has paused the first one has the path for the second */
        fare_add_picture(&first, &one, 1);
        fare_add_picture(&second, &one, 2);
    }
    assert_int_equal(first.viewers, 10);
    assert_in_range(fare_most_bps(&second, 0, false), 1400000, 1800000);
}

static void the_smallest_layer_follows_half_of_its_viewers(void **state)
{
    (void)state;
    struct audience small = {0};
    struct forwarder_viewer_stats v = watching(0, false);
    fare_add_small(&small, &v, 2);
    v = watching(3000000, false);
    v.tracks[1].layer = 1;
    fare_add_small(&small, &v, 2);
    assert_int_equal(fare_small_bps(&small, 900000), 0); /* nobody is held back to it */
    v = watching(1300000, false);
    fare_add_small(&small, &v, 2);
    uint64_t one = fare_small_bps(&small, 0);
    assert_in_range(one, 800000, 1100000);
    assert_int_equal(fare_small_bps(&small, one + one / 10), one + one / 10); /* the same */
    fare_add_small(&small, &v, 2);
    v = watching(60000, false); /* one alone does not take it from the others */
    fare_add_small(&small, &v, 2);
    assert_int_equal(fare_small_bps(&small, 0), one);
    fare_add_small(&small, &v, 2);
    assert_int_equal(fare_small_bps(&small, one), 150000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_playing_is_joining),
        cmocka_unit_test(each_trouble_has_its_words),
        cmocka_unit_test(the_worst_of_a_room_is_told),
        cmocka_unit_test(a_rate_is_told_when_nearly_all_are_held_back),
        cmocka_unit_test(an_encoder_follows_the_best_tenth),
        cmocka_unit_test(several_pictures_share_a_path),
        cmocka_unit_test(the_smallest_layer_follows_half_of_its_viewers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
