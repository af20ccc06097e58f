#include "server/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct feed feed;
static struct ingest_track_info video, audio;
static const struct backend_publish_info nothing = {
    .width = -1, .height = -1, .active = -1, .focused = -1, .paused = -1};

static int setup(void **state)
{
    (void)state;
    feed = (struct feed){0};
    video = (struct ingest_track_info){.kind = FORWARDER_VIDEO, .n_layers = 3};
    audio = (struct ingest_track_info){.kind = FORWARDER_AUDIO, .n_layers = 1};
    return 0;
}

static void set_layer(unsigned i, int width, int height)
{
    video.layers[i] = (struct ingest_layer_info){.known = true,
                                                 .live = true,
                                                 .codec = PAYLOAD_VP9,
                                                 .width = (uint16_t)width,
                                                 .height = (uint16_t)height,
                                                 .bps = 1000 * (i + 1)};
}

static void it_is_shown_from_its_first_picture_on(void **state)
{
    (void)state;
    struct backend_stream out;
    assert_false(feed_is_shown(&feed));
    feed_begin(&feed, 7, true, true, 0);
    assert_false(feed_is_shown(&feed));
    assert_false(feed_take(&feed, &video, &audio, 1));
    audio.layers[0] = (struct ingest_layer_info){.known = true, .live = true};
    assert_false(feed_take(&feed, &video, &audio, 1)); /* sound alone is not what it is for */
    video.layers[1].known = true;                      /* it has an SSRC, and no keyframe yet */
    assert_false(feed_take(&feed, &video, &audio, 1));
    set_layer(1, 640, 360);
    assert_true(feed_take(&feed, &video, &audio, 1));
    assert_false(feed_take(&feed, &video, &audio, 1));
    assert_true(feed_is_shown(&feed));
    feed_describe(&feed, 3, &out);
    assert_true(out.active);
    assert_true(out.has_audio);
    assert_string_equal(out.track_id, "video3");
    assert_int_equal(out.codec, BACKEND_VP9);
    assert_int_equal(out.width, 640);
    assert_int_equal(out.n_layers, 1);
    assert_string_equal(out.end_reason, "");
}

static void layers_are_told_from_the_best(void **state)
{
    (void)state;
    struct backend_stream out;
    feed_begin(&feed, 7, true, false, 0);
    set_layer(0, 320, 180);
    set_layer(2, 1280, 720);
    assert_true(feed_take(&feed, &video, NULL, 1));
    feed_describe(&feed, 0, &out);
    assert_int_equal(out.n_layers, 2);
    assert_int_equal(out.layers[0].width, 1280);
    assert_int_equal(out.layers[0].bitrate_bps, 3000);
    assert_int_equal(out.layers[1].height, 180);
    assert_int_equal(feed_layer(&feed, -1), -1);
    assert_int_equal(feed_layer(&feed, 0), 2);
    assert_int_equal(feed_layer(&feed, 1), 0);
    assert_int_equal(feed_layer(&feed, 9), 0);
    set_layer(1, 640, 360);
    assert_true(feed_take(&feed, &video, NULL, 1));
    assert_int_equal(feed_layer(&feed, 1), 1);
    video.layers[2].bps = 77; /* a rate is no news, but known */
    assert_false(feed_take(&feed, &video, NULL, 1));
    feed_describe(&feed, 0, &out);
    assert_int_equal(out.layers[0].bitrate_bps, 77);
}

static void one_that_is_lost_stays_until_the_next_one_shows(void **state)
{
    (void)state;
    struct backend_stream out;
    feed_begin(&feed, 7, true, false, 0);
    set_layer(0, 640, 360);
    feed_take(&feed, &video, NULL, 1);
    feed_lose(&feed, 100);
    assert_true(feed_is_shown(&feed));
    assert_true(feed.lost);
    feed_describe(&feed, 0, &out);
    assert_string_equal(out.end_reason, "the presenter is reconnecting");
    feed_lose(&feed, 200);
    feed_begin(&feed, 8, true, false, 300);
    assert_int_equal(feed.lost_us, 100); /* he has been away since then */
    assert_true(feed.lost);
    video.layers[0].live = false;
    assert_false(feed_take(&feed, &video, NULL, 1));
    feed_describe(&feed, 0, &out);
    assert_int_equal(out.width, 640);
    set_layer(0, 640, 360);
    assert_true(feed_take(&feed, &video, NULL, 1));
    assert_false(feed.lost);
    feed_describe(&feed, 0, &out);
    assert_string_equal(out.end_reason, "");
}

static void one_that_never_showed_is_not_waited_for(void **state)
{
    (void)state;
    feed_begin(&feed, 7, true, true, 0);
    feed_lose(&feed, 5);
    assert_int_equal(feed.presenter, 0);
}

static void the_presenter_puts_it_away(void **state)
{
    (void)state;
    struct backend_publish_info said = nothing;
    feed_begin(&feed, 7, true, false, 0);
    set_layer(0, 640, 360);
    feed_take(&feed, &video, NULL, 1);
    assert_false(feed_inform(&feed, &said));
    said.active = 0;
    assert_true(feed_inform(&feed, &said));
    assert_false(feed_inform(&feed, &said));
    assert_false(feed_is_shown(&feed));
    said.active = 1;
    assert_true(feed_inform(&feed, &said));
    assert_true(feed_is_shown(&feed));
    feed_lose(&feed, 10);
    feed_begin(&feed, 8, true, false, 20);
    assert_true(feed_is_shown(&feed));
    said.active = 0; /* he came back without it */
    feed_inform(&feed, &said);
    said.active = 1;
    feed_inform(&feed, &said);
    assert_false(feed_is_shown(&feed)); /* what is to come is his own */
    assert_false(feed.lost);
}

static void names_are_cut_between_characters(void **state)
{
    (void)state;
    struct backend_stream out;
    struct backend_publish_info said = nothing;
    char name[128];
    memset(name, 'a', sizeof(name));
    memcpy(name + 62, "\xc3\xa9xyz", 6); /* would be cut in the middle */
    said.window_name = name;
    said.app_name = "app";
    assert_true(feed_inform(&feed, &said));
    assert_false(feed_inform(&feed, &said));
    assert_int_equal(strlen(feed.window_name), 62);
    feed_begin(&feed, 1, true, false, 0);
    feed_describe(&feed, 0, &out);
    assert_int_equal(strlen(out.window_name), 62);
    assert_string_equal(out.app_name, "app");
    said = nothing;
    said.width = 10;
    said.height = 20;
    said.paused = 1;
    assert_true(feed_inform(&feed, &said));
    feed_describe(&feed, 0, &out);
    assert_int_equal(out.width, 10);
    assert_int_equal(out.height, 20);
    assert_true(out.paused);
    said.window_name = "";
    assert_true(feed_inform(&feed, &said));
    assert_string_equal(feed.window_name, "");
}

static void pictures_a_second_are_counted(void **state)
{
    (void)state;
    feed_begin(&feed, 7, true, false, 0);
    set_layer(0, 640, 360);
    video.layers[0].frames = 1000;
    feed_take(&feed, &video, NULL, 5000000);
    assert_true(feed.fps == 0);
    video.layers[0].frames = 1010;
    feed_take(&feed, &video, NULL, 5999999); /* too short to say */
    assert_true(feed.fps == 0);
    video.layers[0].frames = 1060;
    feed_take(&feed, &video, NULL, 7000000);
    assert_true(feed.fps == 30);
    set_layer(1, 1280, 720); /* another one is the best now */
    feed_take(&feed, &video, NULL, 9000000);
    assert_true(feed.fps == 0);
    video.layers[1].frames = 50;
    feed_take(&feed, &video, NULL, 10000000);
    assert_true(feed.fps == 50);
}

static void sound_alone_is_a_stream_too(void **state)
{
    (void)state;
    feed_begin(&feed, 7, false, true, 0);
    assert_false(feed_take(&feed, NULL, &audio, 1));
    audio.layers[0] = (struct ingest_layer_info){.known = true, .live = true};
    assert_true(feed_take(&feed, NULL, &audio, 1));
    assert_false(feed_take(&feed, NULL, &audio, 1));
    assert_true(feed_is_shown(&feed));
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_shown_from_its_first_picture_on),
        TEST(layers_are_told_from_the_best),
        TEST(one_that_is_lost_stays_until_the_next_one_shows),
        TEST(one_that_never_showed_is_not_waited_for),
        TEST(the_presenter_puts_it_away),
        TEST(names_are_cut_between_characters),
        TEST(pictures_a_second_are_counted),
        TEST(sound_alone_is_a_stream_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
