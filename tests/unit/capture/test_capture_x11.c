/* The screen source against X servers of the test's own, started on free displays. */
#include "capture/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int try_open(struct capture **c, const char *arg, int fps, char error[256])
{
    const struct capture_config config = {.kind = "screen", .arg = arg, .fps = fps};
    return capture_open(c, &config, error, 256);
}

#ifdef AMPHI_X11

#include "tests/unit/capture/x_stage.h"

#include <sys/uio.h>
#include <xcb/randr.h>
#include <xcb/xcbext.h>

#define WIDTH 640
#define HEIGHT 480
#define FPS 60

static void start_capture(int fps)
{
    char error[256] = "";
    if (try_open(&x.capture, NULL, fps, error) != 0)
        fail_msg("%s", error);
    assert_int_equal(capture_start(x.capture), 0);
}

static int setup(void **state)
{
    (void)state;
    return setup_with("640x480x24", NULL);
}

static int setup_without_shm(void **state)
{
    (void)state;
    return setup_with("640x480x24", "MIT-SHM");
}

static int setup_without_randr(void **state)
{
    (void)state;
    return setup_with("640x480x24", "RANDR");
}

static int setup_without_damage(void **state)
{
    (void)state;
    return setup_with("640x480x24", "DAMAGE");
}

static int setup_depth_16(void **state)
{
    (void)state;
    return setup_with("640x480x16", NULL);
}

static int setup_odd(void **state)
{
    (void)state;
    return setup_with("333x201x24", NULL);
}

/* --- pixels --- */

/* Whether a grab goes through memory the server writes to. */
static bool is_shared(void)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps))
        found |= strstr(line, "amphi-screen") != NULL;
    fclose(maps);
    return found;
}

static void draw_and_compare(void)
{
    fill(0, 0, WIDTH, HEIGHT, 0x102030);
    start_capture(FPS);
    expect_at(WIDTH / 2, HEIGHT / 2, 0x102030);
    for (uint32_t round = 1; round <= 5; round++) {
        fill(0, 0, 10, 10, round * 0x110000);
        fill(100, 50, 200, 100, round * 0x001100);
        fill(WIDTH - 1, HEIGHT - 1, 1, 1, round * 0x000011);
        const struct picture *p = take_showing(WIDTH - 1, HEIGHT - 1, round * 0x000011);
        assert_int_equal(p->width, WIDTH);
        assert_int_equal(p->height, HEIGHT);
        for (int row = 0; row < HEIGHT; row++) {
            for (int column = 0; column < WIDTH; column++) {
                uint32_t want = 0x102030;
                if (column < 10 && row < 10)
                    want = round * 0x110000;
                if (column >= 100 && column < 300 && row >= 50 && row < 150)
                    want = round * 0x001100;
                if (column == WIDTH - 1 && row == HEIGHT - 1)
                    want = round * 0x000011;
                if (pixel(p, column, row) != want)
                    fail_msg("%d,%d is %06x, not %06x", column, row, pixel(p, column, row), want);
            }
        }
        capture_release(x.capture, p);
    }
}

static void shows_what_is_drawn(void **state)
{
    (void)state;
    need_server();
    struct capture_info info;
    char error[256];
    assert_int_equal(try_open(&x.capture, "0", FPS, error), 0);
    capture_info(x.capture, &info);
    assert_string_equal(info.name, "screen"); /* what Xvfb calls its monitor */
    assert_int_equal(info.width, WIDTH);
    assert_int_equal(info.height, HEIGHT);
    capture_close(x.capture);
    draw_and_compare();
    assert_true(is_shared());
}

static void shows_it_without_shm_too(void **state)
{
    (void)state;
    need_server();
    draw_and_compare();
    assert_false(is_shared());
}

static void shows_it_without_randr_too(void **state)
{
    (void)state;
    need_server();
    draw_and_compare();
}

static void leaves_out_an_odd_column_and_row(void **state)
{
    (void)state;
    need_server();
    fill(0, 0, 333, 201, 0x00ff00);
    fill(331, 0, 1, 201, 0x0000ff);
    start_capture(FPS);
    const struct picture *p = take_showing(331, 199, 0x0000ff);
    assert_int_equal(p->width, 332);
    assert_int_equal(p->height, 200);
    assert_int_equal(pixel(p, 330, 199), 0x00ff00); /* rows do not shear */
    assert_int_equal(pixel(p, 0, 0), 0x00ff00);
    capture_release(x.capture, p);
}

static void never_faster_than_asked(void **state)
{
    (void)state;
    need_server();
    const int fps = 50, n = 40;
    int64_t first_us = 0, last_us = 0;
    start_capture(fps);
    for (int i = 0; i <= n; i++) {
        fill(0, 0, 32, 32, (uint32_t)i * 5);
        capture_poke(x.capture);
        const struct picture *p = capture_take(x.capture);
        last_us = p->captured_us;
        if (i == 0)
            first_us = last_us;
        capture_release(x.capture, p);
    }
    /* one picture may come early by its interval, but only once */
    assert_true(last_us - first_us >= (int64_t)(n - 1) * 1000000 / fps);
}

/* --- rest --- */

static void idle_screen_is_repeated_once_a_second(void **state)
{
    (void)state;
    need_server();
    fill(0, 0, WIDTH, HEIGHT, 0xabcdef);
    start_capture(FPS);
    const struct picture *p = take_repeat();
    int64_t before_us = p->captured_us;
    capture_release(x.capture, p);
    for (int i = 0; i < 2; i++) {
        p = capture_take(x.capture);
        assert_true(p->repeat);
        assert_int_equal(pixel(p, WIDTH - 1, HEIGHT - 1), 0xabcdef);
        assert_true(p->captured_us - before_us >= 1000000); /* and no other came between */
        before_us = p->captured_us;
        capture_release(x.capture, p);
    }
    struct capture_stats stats;
    capture_stats(x.capture, &stats);
    assert_true(stats.repeats >= 2 && stats.captured > stats.repeats);

    fill(3, 3, 1, 1, 0x000001); /* and it wakes up for one pixel */
    expect_at(3, 3, 0x000001);
}

static void poke_is_answered_before_the_next_repeat(void **state)
{
    (void)state;
    need_server();
    start_capture(FPS);
    const struct picture *p = take_repeat();
    for (int i = 0; i < PATIENCE; i++) {
        int64_t before_us = p->captured_us;
        capture_release(x.capture, p);
        capture_poke(x.capture);
        p = capture_take(x.capture);
        assert_true(p->repeat);
        if (p->captured_us - before_us < 1000000) {
            capture_release(x.capture, p);
            return;
        }
    }
    capture_release(x.capture, p);
    fail_msg("pokes were not answered");
}

/* --- cursor --- */

static void cursor_is_drawn_and_followed(void **state)
{
    (void)state;
    need_server();
    fill(0, 0, WIDTH, HEIGHT, 0x00ff00);
    warp(100, 100);
    set_cursor(16);
    start_capture(FPS);
    const struct picture *p = take_showing(100, 100, 0xff0000);
    assert_int_equal(pixel(p, 92, 92), 0xff0000);
    assert_int_equal(pixel(p, 107, 107), 0xff0000);
    assert_int_equal(pixel(p, 91, 100), 0x00ff00);
    assert_int_equal(pixel(p, 108, 100), 0x00ff00);
    capture_release(x.capture, p);
    capture_release(x.capture, take_repeat()); /* at rest now */

    warp(300, 200); /* nothing but the pointer changes */
    p = take_showing(300, 200, 0xff0000);
    assert_false(p->repeat);
    assert_int_equal(pixel(p, 100, 100), 0x00ff00);
    capture_release(x.capture, p);

    set_cursor(4); /* nothing but its shape */
    p = take_showing(295, 195, 0x00ff00);
    assert_int_equal(pixel(p, 300, 200), 0xff0000);
    capture_release(x.capture, p);
}

static void cursor_at_the_edge_is_cut(void **state)
{
    (void)state;
    need_server();
    fill(0, 0, WIDTH, HEIGHT, 0x00ff00);
    set_cursor(32);
    start_capture(FPS);
    warp(0, 0);
    expect_at(0, 0, 0xff0000);
    warp(WIDTH - 1, HEIGHT - 1);
    const struct picture *p = take_showing(WIDTH - 1, HEIGHT - 1, 0xff0000);
    assert_int_equal(pixel(p, 0, 0), 0x00ff00);
    assert_int_equal(pixel(p, 0, HEIGHT - 10), 0x00ff00); /* nothing ran over into the next row */
    capture_release(x.capture, p);
}

/* --- changes --- */

/* By RandR, with the only CRTC off, since no mode of Xvfb has an arbitrary size. */
static bool resize_screen(uint16_t width, uint16_t height)
{
    xcb_randr_get_screen_resources_current_reply_t *resources =
        xcb_randr_get_screen_resources_current_reply(
            x.conn, xcb_randr_get_screen_resources_current(x.conn, x.screen->root), NULL);
    if (!resources)
        return false;
    for (int i = 0; i < resources->num_crtcs; i++) {
        xcb_randr_crtc_t crtc = xcb_randr_get_screen_resources_current_crtcs(resources)[i];
        free(xcb_randr_set_crtc_config_reply(
            x.conn,
            xcb_randr_set_crtc_config(x.conn, crtc, XCB_CURRENT_TIME, resources->config_timestamp,
                                      0, 0, XCB_NONE, XCB_RANDR_ROTATION_ROTATE_0, 0, NULL),
            NULL));
    }
    free(resources);
    xcb_generic_error_t *error =
        xcb_request_check(x.conn, xcb_randr_set_screen_size_checked(x.conn, x.screen->root, width,
                                                                    height, width, height));
    bool ok = !error;
    free(error);
    return ok;
}

static void follow_sizes(void)
{
    static const uint16_t sizes[][2] = {{320, 240}, {WIDTH, HEIGHT}, {401, 301}, {64, 480}};
    start_capture(FPS);
    capture_release(x.capture, capture_take(x.capture));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int width = sizes[i][0], height = sizes[i][1];
        uint32_t colour = 0x101010 * (uint32_t)(i + 1);
        if (!resize_screen(sizes[i][0], sizes[i][1])) {
            print_message("skipped: this Xvfb cannot change its size\n");
            skip();
        }
        fill(0, 0, width, height, colour);
        const struct picture *p;
        for (int n = 0;; n++) {
            p = take_showing((width & ~1) - 1, (height & ~1) - 1, colour);
            if (p->width == (width & ~1) && p->height == (height & ~1))
                break;
            capture_release(x.capture, p); /* the old size still shows a part of it */
            assert_true(n < PATIENCE);
        }
        assert_int_equal(pixel(p, 0, 0), colour);
        capture_release(x.capture, p);
    }
    assert_null(capture_end_reason(x.capture));
}

static void change_of_size_is_survived(void **state)
{
    (void)state;
    need_server();
    follow_sizes();
}

static void change_of_size_is_survived_without_shm(void **state)
{
    (void)state;
    need_server();
    follow_sizes();
}

/* --- monitors --- */

/* RandR lets a client divide the screen as it likes, which is how a test plugs monitors in. Written
 * out, since xcb's own function miscounts its bytes. */
static void set_monitor(const char *name, const int place[4])
{
    static const xcb_protocol_request_t kind = {
        .count = 1, .ext = &xcb_randr_id, .opcode = XCB_RANDR_SET_MONITOR, .isvoid = 1};
    struct {
        uint8_t major, minor; /* these and the length are filled in */
        uint16_t length;
        xcb_window_t window;
        xcb_randr_monitor_info_t info;
    } request = {.window = x.screen->root,
                 .info = {.name = atom(name),
                          .x = (int16_t)place[0],
                          .y = (int16_t)place[1],
                          .width = (uint16_t)place[2],
                          .height = (uint16_t)place[3],
                          .width_in_millimeters = 100,
                          .height_in_millimeters = 100}};
    struct iovec parts[3] = {[2] = {.iov_base = &request, .iov_len = sizeof(request)}};
    const unsigned sequence = xcb_send_request(x.conn, XCB_REQUEST_CHECKED, parts + 2, &kind);
    xcb_generic_error_t *error = xcb_request_check(x.conn, (xcb_void_cookie_t){sequence});
    if (error)
        fail_msg("monitor %s: error %d", name, error->error_code);
}

static void delete_monitor(const char *name)
{
    xcb_randr_delete_monitor(x.conn, x.screen->root, atom(name));
    sync_client();
}

static const int left[] = {0, 0, 320, 480}, right[] = {320, 0, 320, 480};

/* Which number a monitor of this place has: the server's order is its own affair. */
static const char *number_of(const int place[4])
{
    static char number[16];
    xcb_randr_get_monitors_reply_t *reply = xcb_randr_get_monitors_reply(
        x.conn, xcb_randr_get_monitors(x.conn, x.screen->root, true), NULL);
    assert_non_null(reply);
    xcb_randr_monitor_info_iterator_t i = xcb_randr_get_monitors_monitors_iterator(reply);
    int n = 0;
    for (; i.rem; xcb_randr_monitor_info_next(&i), n++) {
        if (i.data->x == place[0] && i.data->width == place[2])
            break;
    }
    assert_true(i.rem > 0);
    free(reply);
    snprintf(number, sizeof(number), "%d", n);
    return number;
}

static void start_monitor(const char *number)
{
    char error[256] = "";
    if (try_open(&x.capture, number, FPS, error) != 0)
        fail_msg("%s", error);
    assert_int_equal(capture_start(x.capture), 0);
}

static void monitor_shows_its_part_of_the_screen(void **state)
{
    (void)state;
    need_server();
    set_monitor("LEFT", left);
    set_monitor("RIGHT", right);
    fill(0, 0, WIDTH, HEIGHT, 0x0000ff);
    fill(321, 5, 3, 3, 0x00ff00);
    set_cursor(8);
    warp(320 + 100, 200);
    start_monitor(number_of(right));
    const struct picture *p = take_showing(1, 5, 0x00ff00);
    assert_int_equal(p->width, 320);
    assert_int_equal(p->height, 480);
    assert_int_equal(pixel(p, 0, 5), 0x0000ff);
    assert_int_equal(pixel(p, 3, 7), 0x00ff00);
    assert_int_equal(pixel(p, 4, 7), 0x0000ff);
    assert_int_equal(pixel(p, 100, 200), 0xff0000);
    capture_release(x.capture, p);
    fill(639, 479, 1, 1, 0x00ff00);
    p = take_showing(319, 479, 0x00ff00);
    assert_true(p->damage.known);
    for (int i = 0; i < p->damage.n; i++)
        assert_true(p->damage.rect[i].y > 0); /* not all of it */
    capture_release(x.capture, p);

    capture_release(x.capture, take_repeat());
    fill(0, 0, 320, 480, 0x00ff00); /* on the other one */
    warp(100, 100);
    p = take_showing(100, 200, 0x0000ff); /* the cursor left */
    assert_int_equal(pixel(p, 0, 0), 0x0000ff);
    capture_release(x.capture, p);
}

static void monitor_is_followed_until_it_goes(void **state)
{
    (void)state;
    need_server();
    set_monitor("LEFT", left);
    set_monitor("RIGHT", right);
    fill(0, 0, WIDTH, HEIGHT, 0x0000ff);
    fill(0, 0, 10, 10, 0x00ff00);
    start_monitor(number_of(right));
    expect_at(0, 0, 0x0000ff);
    xcb_grab_server(x.conn); /* so that nobody sees it missing */
    delete_monitor("RIGHT");
    set_monitor("RIGHT", (int[]){0, 0, 160, 240}); /* it moves and shrinks */
    xcb_ungrab_server(x.conn);
    sync_client();
    for (int n = 0, width = 0; width != 160; n++) {
        fill(20, 20, 10, 10, (uint32_t)n + 1);
        const struct picture *p = capture_take(x.capture);
        width = p->width;
        assert_true(width != 160 || pixel(p, 5, 5) == 0x00ff00);
        capture_release(x.capture, p);
        assert_true(n < PATIENCE);
    }
    delete_monitor("LEFT"); /* the numbers shift, and it stays what it was */
    fill(20, 20, 10, 10, 0x123456);
    expect_at(20, 20, 0x123456);
    delete_monitor("RIGHT");
    const struct picture *p;
    while ((p = capture_take(x.capture)))
        capture_release(x.capture, p);
    assert_string_equal(capture_end_reason(x.capture), "the monitor RIGHT is gone");
    assert_true(capture_may_return(x.capture));
}

static void display_that_goes_away_ends_the_source(void **state)
{
    (void)state;
    need_server();
    start_capture(FPS);
    capture_release(x.capture, capture_take(x.capture));
    stop_server();
    const struct picture *p;
    while ((p = capture_take(x.capture)))
        capture_release(x.capture, p);
    assert_true(capture_may_return(x.capture));
    assert_non_null(strstr(capture_end_reason(x.capture), "is gone"));
}

static void stop_does_not_wait_for_a_server_that_hangs(void **state)
{
    (void)state;
    need_server();
    start_capture(FPS);
    capture_release(x.capture, capture_take(x.capture));
    fill(0, 0, 5, 5, 0x123456);
    kill(x.pid, SIGSTOP);
    capture_poke(x.capture);
    capture_stop(x.capture); /* returns: the watchdog of the test is the judge */
    assert_null(capture_end_reason(x.capture));
    kill(x.pid, SIGCONT);
}

/* --- refusals --- */

static void missing_display_is_a_sentence(void **state)
{
    (void)state;
    char error[256] = "";
    struct capture *c = NULL;
    setenv("DISPLAY", ":4242", 1);
    assert_int_equal(try_open(&c, NULL, 30, error), -ENODEV);
    assert_string_equal(error,
                        "cannot open X display \":4242\": is DISPLAY set and the server running?");
    unsetenv("DISPLAY");
    assert_int_equal(try_open(&c, NULL, 30, error), -ENODEV);
    assert_string_equal(error,
                        "cannot open X display \"\": is DISPLAY set and the server running?");
    assert_null(c);
}

static void screens_that_are_not_there_are_refused(void **state)
{
    static const struct {
        const char *arg;
        int code;
        const char *word;
    } rows[] = {
        {"1", -ENODEV, "has no monitor 1: it has 1, from 0"},
        {"99", -ENODEV, "has no monitor 99"},
        {"100", -EINVAL, "not the number of a monitor"},
        {"", -EINVAL, "not the number of a monitor"},
        {"-1", -EINVAL, "not the number of a monitor"},
        {"0x", -EINVAL, "not the number of a monitor"},
        {" 0", -EINVAL, "not the number of a monitor"},
        {"99999999999999999999", -EINVAL, "not the number of a monitor"},
    };
    (void)state;
    need_server();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[256] = "";
        struct capture *c = NULL;
        assert_int_equal(try_open(&c, rows[i].arg, 30, error), rows[i].code);
        if (!strstr(error, rows[i].word))
            fail_msg("screen:%s: %s", rows[i].arg, error);
    }
}

static void depth_16_is_refused(void **state)
{
    (void)state;
    need_server();
    char error[256] = "";
    assert_int_equal(try_open(&x.capture, NULL, 30, error), -ENOTSUP);
    assert_non_null(strstr(error, "640x480, depth 16"));
}

static void server_without_damage_is_refused(void **state)
{
    (void)state;
    need_server();
    char error[256] = "";
    assert_int_equal(try_open(&x.capture, NULL, 30, error), -ENOTSUP);
    assert_non_null(strstr(error, "lacks the extensions"));
}

int main(void)
{
#define X_TEST(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)
    const struct CMUnitTest tests[] = {
        X_TEST(shows_what_is_drawn, setup),
        X_TEST(shows_it_without_shm_too, setup_without_shm),
        X_TEST(shows_it_without_randr_too, setup_without_randr),
        X_TEST(leaves_out_an_odd_column_and_row, setup_odd),
        X_TEST(never_faster_than_asked, setup),
        X_TEST(idle_screen_is_repeated_once_a_second, setup),
        X_TEST(poke_is_answered_before_the_next_repeat, setup),
        X_TEST(cursor_is_drawn_and_followed, setup),
        X_TEST(cursor_at_the_edge_is_cut, setup),
        X_TEST(change_of_size_is_survived, setup),
        X_TEST(change_of_size_is_survived_without_shm, setup_without_shm),
        X_TEST(monitor_shows_its_part_of_the_screen, setup),
        X_TEST(monitor_is_followed_until_it_goes, setup),
        X_TEST(display_that_goes_away_ends_the_source, setup),
        X_TEST(stop_does_not_wait_for_a_server_that_hangs, setup),
        X_TEST(screens_that_are_not_there_are_refused, setup),
        X_TEST(depth_16_is_refused, setup_depth_16),
        X_TEST(server_without_damage_is_refused, setup_without_damage),
        cmocka_unit_test(missing_display_is_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void build_without_x11_says_so(void **state)
{
    (void)state;
    char error[256] = "";
    struct capture *c = NULL;
    assert_int_equal(try_open(&c, NULL, 30, error), -ENOTSUP);
    assert_non_null(strstr(error, "XCB libraries were missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(build_without_x11_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
