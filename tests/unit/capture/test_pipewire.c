/* Screens shared through PipeWire: against a server and a session manager of the test's own, with
 * and without the ScreenCast portal, and with GStreamer as a stranger that shows pictures. */
#include "capture/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef AMPHI_PIPEWIRE

#include "capture/sources.h"
#include "tests/unit/capture/pipewire_stage.h"

/* How many pictures may pass before one shows what is waited for; an idle screen gives one a
 * second. */
#define PATIENCE 20

static struct capture *c;
static char error[256];
static pid_t stranger;

static int setup(void **state)
{
    (void)state;
    error[0] = '\0';
    desktop_start();
    mock_start();
    pipewire_start_server();
    pipewire_start_manager();
    portal_mock.socket = pipewire.socket;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    capture_close(c);
    c = NULL;
    shown_stop();
    desktop_kill(&stranger);
    pipewire_stop_server();
    mock_stop();
    desktop_stop();
    return 0;
}

static int try_open(const char *kind, const char *arg, int fps)
{
    const struct capture_config config = {.kind = kind, .arg = arg, .fps = fps};
    return capture_open(&c, &config, error, sizeof(error));
}

static void begin(const char *kind, const char *arg)
{
    if (try_open(kind, arg, 120) != 0)
        fail_msg("%s", error);
    assert_int_equal(capture_start(c), 0);
}

static void begin_portal(int width, int height, enum spa_video_format format)
{
    portal_mock.node = shown_start(width, height, format);
    begin("portal", NULL);
}

static uint32_t pixel(const struct picture *p, int column, int row)
{
    const uint8_t *bgra = p->plane[0] + row * p->stride[0] + column * 4;
    return (uint32_t)bgra[2] << 16 | (uint32_t)bgra[1] << 8 | bgra[0];
}

/* The first picture that shows this colour there; to be released. */
static const struct picture *take_showing(int column, int row, uint32_t rgb)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct picture *p = capture_take(c);
        if (!p)
            fail_msg("it ended: %s", capture_end_reason(c));
        if (column < p->width && row < p->height && pixel(p, column, row) == rgb)
            return p;
        capture_release(c, p);
    }
    fail_msg("%06x never appeared at %d,%d", rgb, column, row);
    return NULL;
}

/* Who shows pictures begins before those who look are ready, and the first one may be missed. */
static void show_first(const struct shown_frame *f)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    struct capture_stats stats = {0};
    for (int i = 0; stats.captured == 0 && !capture_end_reason(c); i++) {
        if (i % 50 == 0) /* what went into a link that was being torn down is lost */
            show(f);
        nanosleep(&pause, NULL);
        shown_nudge();
        capture_stats(c, &stats);
    }
}

static void expect_end(int may_return, const char *word)
{
    const struct picture *p;
    while ((p = capture_take(c)) != NULL)
        capture_release(c, p);
    assert_non_null(capture_end_reason(c));
    if (!strstr(capture_end_reason(c), word))
        fail_msg("%s", capture_end_reason(c));
    assert_int_equal(capture_may_return(c), may_return);
}

/* --- pictures --- */

static void a_shared_screen_is_shown(void **state)
{
    (void)state;
    begin_portal(640, 480, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 0x123456});
    const struct picture *p = take_showing(639, 479, 0x123456);
    assert_int_equal(p->format, PICTURE_BGRA);
    assert_int_equal(p->width, 640);
    assert_int_equal(p->height, 480);
    assert_int_equal(pixel(p, 0, 0), 0x123456);
    assert_false(p->repeat);
    capture_release(c, p);
}

static void red_and_blue_keep_their_places(void **state)
{
    (void)state;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_RGBx);
    show_first(&(struct shown_frame){.rgb = 0x0000ff}); /* as bytes: red in this format */
    capture_release(c, take_showing(63, 47, 0xff0000));
}

static void only_what_is_damaged_changes(void **state)
{
    (void)state;
    begin_portal(640, 480, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 0x101010});
    capture_release(c, take_showing(0, 0, 0x101010));
    for (uint32_t i = 1; i <= 6; i++) { /* through all slots */
        const struct shown_frame f = {
            .rgb = 0x2000 + i,
            .damage = {SPA_REGION((int)i * 10, 20, 8, 6), SPA_REGION(600, 470, 100, 100)}};
        struct shown_frame clipped = f;
        clipped.damage[1] = SPA_REGION(600, 470, 40, 10);
        show(&clipped);
        const struct picture *p = take_showing((int)i * 10, 20, f.rgb);
        assert_int_equal(pixel(p, 0, 0), 0x101010);
        assert_int_equal(pixel(p, (int)i * 10 + 8, 20), 0x101010);
        assert_int_equal(pixel(p, 639, 479), f.rgb);
        for (uint32_t k = 1; k < i; k++)
            assert_int_equal(pixel(p, (int)k * 10 + 7, 25), 0x2000 + k);
        assert_true(p->damage.known);
        assert_int_equal(p->damage.n, 2);
        assert_int_equal(p->damage.rect[0].x, i * 10);
        assert_int_equal(p->damage.rect[0].width, 8);
        capture_release(c, p);
    }
}

static void a_screen_that_changes_its_size_is_followed(void **state)
{
    (void)state;
    begin_portal(320, 240, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 0xaa0000});
    capture_release(c, take_showing(319, 239, 0xaa0000));
    shown_resize(401, 303); /* odd: the last column and row are left out */
    show(&(struct shown_frame){.rgb = 0x00bb00});
    const struct picture *p = take_showing(399, 301, 0x00bb00);
    assert_int_equal(p->width, 400);
    assert_int_equal(p->height, 302);
    capture_release(c, p);
}

static void a_window_within_its_buffer_is_followed(void **state)
{
    (void)state;
    begin_portal(320, 240, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 0x00cc00, .crop = SPA_REGION(10, 20, 100, 60)});
    const struct picture *p = take_showing(99, 59, 0x00cc00);
    assert_int_equal(p->width, 100);
    assert_int_equal(p->height, 60);
    capture_release(c, p);
    show(&(struct shown_frame){.rgb = 0x0000cc, .crop = SPA_REGION(0, 0, 320, 240)});
    capture_release(c, take_showing(319, 239, 0x0000cc));
}

static void times_are_the_compositor_s_own(void **state)
{
    (void)state;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 1});
    capture_release(c, take_showing(0, 0, 1));
    const int64_t us = capture_now_us() + 2000; /* after the one before, whose time was now */
    while (capture_now_us() < us + 1000)
        sched_yield();
    show(&(struct shown_frame){.rgb = 2, .us = us});
    const struct picture *p = take_showing(0, 0, 2);
    assert_int_equal(p->captured_us, us);
    capture_release(c, p);
    show(&(struct shown_frame){.rgb = 3, .us = us + 3600000000}); /* not to be believed */
    p = take_showing(0, 0, 3);
    assert_true(p->captured_us > us && p->captured_us <= capture_now_us());
    capture_release(c, p);
}

static void a_still_screen_is_repeated_and_poked(void **state)
{
    (void)state;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 0x777777});
    const struct picture *p = take_showing(0, 0, 0x777777);
    const int64_t first_us = p->captured_us;
    capture_release(c, p);
    p = take_showing(63, 47, 0x777777);
    assert_true(p->repeat);
    assert_true(p->captured_us >= first_us + 900000);
    capture_release(c, p);
    capture_poke(c);
    const int64_t poked_us = capture_now_us();
    p = take_showing(63, 47, 0x777777);
    assert_true(p->repeat && p->captured_us - poked_us < 1000000);
    capture_release(c, p);
}

static void damaged_frames_are_left_out(void **state)
{
    (void)state;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 0xf00d});
    show(&(struct shown_frame){.rgb = 0xbad, .is_corrupted = true});
    show(&(struct shown_frame){.rgb = 0x900d});
    uint32_t rgb = 0;
    while (rgb != 0x900d) {
        const struct picture *p = capture_take(c);
        assert_non_null(p);
        rgb = pixel(p, 0, 0);
        assert_true(rgb == 0xf00d || rgb == 0x900d);
        capture_release(c, p);
    }
}

/* --- nodes by their name, and a stranger --- */

static void a_node_is_found_by_name_and_number(void **state)
{
    (void)state;
    char number[16];
    snprintf(number, sizeof(number), "%u", shown_start(64, 48, SPA_VIDEO_FORMAT_BGRx));
    const char *const args[] = {SHOWN, number};
    for (int i = 0; i < 2; i++) {
        begin("pipewire", args[i]);
        show_first(&(struct shown_frame){.rgb = 0x40 + (uint32_t)i});
        capture_release(c, take_showing(0, 0, 0x40 + (uint32_t)i));
        capture_close(c);
        c = NULL;
    }
    assert_int_equal(try_open("pipewire", "nobody", 30), -ENODEV);
    assert_string_equal(error, "PipeWire has no node \"nobody\"");
    assert_int_equal(try_open("pipewire", NULL, 30), -EINVAL);
}

/* Until there is a node of this name. */
static void wait_for_node(const char *name)
{
    while (try_open("pipewire", name, 30) != 0) {
        if (waitpid(stranger, NULL, WNOHANG) == stranger)
            fail_msg("gst-launch-1.0 ended: \"deploy/install tests\" installs it");
        if (!strstr(error, "has no node"))
            fail_msg("%s", error);
        sched_yield();
    }
    capture_close(c);
    c = NULL;
}

static void gstreamer_s_pictures_are_understood(void **state)
{
    (void)state;
    char *argv[] = {"gst-launch-1.0",
                    "videotestsrc",
                    "is-live=true",
                    "pattern=red",
                    "!",
                    "video/x-raw,format=BGRx,width=320,height=240,framerate=30/1",
                    "!",
                    "pipewiresink",
                    "mode=provide",
                    "stream-properties=props,node.name=stranger",
                    NULL};
    stranger = desktop_spawn(argv, -1);
    wait_for_node("stranger");
    begin("pipewire", "stranger");
    for (int i = 0; i < 10; i++) {
        const struct picture *p = take_showing(319, 239, 0xff0000);
        assert_int_equal(p->width, 320);
        assert_int_equal(p->height, 240);
        capture_release(c, p);
    }
    desktop_kill(&stranger);
    expect_end(true, "");
}

/* --- ends --- */

static void a_person_may_end_the_share(void **state)
{
    (void)state;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 5});
    capture_release(c, take_showing(0, 0, 5));
    shown_vanish(); /* first, as compositors do */
    mock_close_session();
    expect_end(false, "the sharing was ended on the desktop");
}

static void a_person_may_decline(void **state)
{
    (void)state;
    portal_mock.response = 1;
    begin("portal", "desk");
    expect_end(false, "the person at the desktop declined to share");
}

static void a_portal_that_goes_away_may_return(void **state)
{
    (void)state;
    portal_mock.token = "again";
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 6});
    capture_release(c, take_showing(0, 0, 6));
    mock_vanish();
    expect_end(true, "the desktop portal went away");
    capture_close(c);
    c = NULL;
    assert_int_equal(try_open("portal", NULL, 30), -ENODEV);
    mock_ask_bus("RequestName", g_variant_new("(su)", DESKTOP, 0));
    begin("portal", NULL);
    show_first(&(struct shown_frame){.rgb = 7});
    capture_release(c, take_showing(0, 0, 7));
    assert_string_equal(portal_mock.restore_token, "again");
}

static void a_node_that_vanishes_ends_it(void **state)
{
    (void)state;
    shown_start(64, 48, SPA_VIDEO_FORMAT_BGRx);
    begin("pipewire", SHOWN);
    show_first(&(struct shown_frame){.rgb = 8});
    capture_release(c, take_showing(0, 0, 8));
    shown_stop();
    expect_end(true, "");
}

static void pipewire_may_go_away(void **state)
{
    (void)state;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx);
    show_first(&(struct shown_frame){.rgb = 9});
    capture_release(c, take_showing(0, 0, 9));
    pipewire_stop_server();
    expect_end(true, "PipeWire went away");
    capture_close(c);
    c = NULL;
    assert_int_equal(try_open("pipewire", SHOWN, 30), -ENODEV);
    if (!strstr(error, "PipeWire does not answer"))
        fail_msg("%s", error);
}

/* While the person decides, while no picture comes, and while nothing answers at all. */
static void stop_comes_through(void **state)
{
    (void)state;
    portal_mock.is_silent = true;
    begin("portal", NULL);
    mock_wait_for_start();
    capture_close(c);
    c = NULL;

    portal_mock.is_silent = false;
    begin_portal(64, 48, SPA_VIDEO_FORMAT_BGRx); /* shows nothing */
    capture_close(c);
    c = NULL;

    begin("pipewire", SHOWN);
    show_first(&(struct shown_frame){.rgb = 10});
    capture_release(c, take_showing(0, 0, 10));
    kill(pipewire.server, SIGSTOP);
    capture_close(c);
    c = NULL;
    kill(pipewire.server, SIGCONT);
}

/* --- the list --- */

static void a_portal_is_listed_where_there_is_one(void **state)
{
    (void)state;
    struct sources_entry list[32];
    char notes[1024];
    bool found = false;
    int n = sources_list(list, 32, notes, sizeof(notes));
    for (int i = 0; i < n; i++)
        found |= list[i].kind == SOURCES_PORTAL && strcmp(list[i].source, "portal") == 0;
    assert_true(found);
    assert_string_equal(sources_kind_name(SOURCES_PORTAL), "portal");
    mock_vanish();
    n = sources_list(list, 32, notes, sizeof(notes));
    for (int i = 0; i < n; i++)
        assert_int_not_equal(list[i].kind, SOURCES_PORTAL);
    assert_null(strstr(notes, "portal"));
}

static void names_of_permissions_are_checked(void **state)
{
    (void)state;
    assert_int_equal(try_open("portal", "../x", 30), -EINVAL);
    assert_non_null(strstr(error, "\"../x\" is not a name"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shared_screen_is_shown),
        TEST(red_and_blue_keep_their_places),
        TEST(only_what_is_damaged_changes),
        TEST(a_screen_that_changes_its_size_is_followed),
        TEST(a_window_within_its_buffer_is_followed),
        TEST(times_are_the_compositor_s_own),
        TEST(a_still_screen_is_repeated_and_poked),
        TEST(damaged_frames_are_left_out),
        TEST(a_node_is_found_by_name_and_number),
        TEST(gstreamer_s_pictures_are_understood),
        TEST(a_person_may_end_the_share),
        TEST(a_person_may_decline),
        TEST(a_portal_that_goes_away_may_return),
        TEST(a_node_that_vanishes_ends_it),
        TEST(pipewire_may_go_away),
        TEST(stop_comes_through),
        TEST(a_portal_is_listed_where_there_is_one),
        TEST(names_of_permissions_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void without_the_libraries_it_is_refused_in_words(void **state)
{
    (void)state;
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "portal", .fps = 30};
    assert_true(capture_open(&c, &config, error, sizeof(error)) < 0);
    assert_null(c);
    assert_string_not_equal(error, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_libraries_it_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
