/* The window source against X servers of the test's own, without a window manager: what one does
 * (frames, the active window) is done by hand. */
#include "capture/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef AMPHI_X11

#include "tests/unit/capture/x_window.h"

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

static int setup_without_composite(void **state)
{
    (void)state;
    return setup_with("640x480x24", "Composite");
}

/* --- pixels --- */

static void show_covered(void)
{
    xcb_window_t window = create_window(middle, RED);
    show(window);
    show(create_window((int[]){0, 0, 640, 480}, BLUE)); /* all over it */
    start_window(window);
    const struct picture *p = take_showing(0, 0, RED);
    assert_int_equal(p->width, 160);
    assert_int_equal(p->height, 120);
    expect_all(p, RED);
    capture_release(x.capture, p);
    for (uint32_t i = 1; i < 6; i++) {
        fill_in(window, (int[]){10 * (int)i, 20, 5, 90}, i);
        p = take_showing(10 * (int)i + 4, 109, i);
        assert_int_equal(pixel(p, 10 * (int)i, 20), i);
        assert_int_equal(pixel(p, 10 * (int)i - 1, 20), RED);
        assert_int_equal(pixel(p, 10 * (int)i, 110), RED);
        assert_int_equal(pixel(p, 0, 0), RED);
        capture_release(x.capture, p);
    }
}

static void covered_window_is_shown(void **state)
{
    (void)state;
    need_server();
    show_covered();
}

static void covered_window_is_shown_without_shm(void **state)
{
    (void)state;
    need_server();
    show_covered();
}

static void what_lies_in_the_window_is_part_of_it(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    xcb_window_t child = create_window_in(window, (int[]){50, 40, 30, 30}, 0, GREEN);
    show(child);
    show(window);
    start_window(window);
    expect_at(50, 40, GREEN);
    fill_in(child, (int[]){5, 5, 1, 1}, BLUE);
    expect_at(55, 45, BLUE);
}

static void border_and_frame_are_no_part_of_it(void **state)
{
    (void)state;
    need_server();
    xcb_window_t frame = create_window((int[]){30, 40, 200, 200}, BLUE);
    xcb_window_t window = create_window_in(frame, (int[]){10, 20, 100, 80}, 7, RED);
    show(window);
    show(frame);
    start_window(window);
    const struct picture *p = take_showing(0, 0, RED);
    assert_int_equal(p->width, 100);
    assert_int_equal(p->height, 80);
    expect_all(p, RED);
    capture_release(x.capture, p);
    fill_in(window, (int[]){0, 0, 1, 1}, GREEN);
    fill_in(window, (int[]){99, 79, 1, 1}, GREEN);
    p = take_showing(99, 79, GREEN);
    assert_int_equal(pixel(p, 0, 0), GREEN);
    assert_int_equal(pixel(p, 98, 79), RED);
    capture_release(x.capture, p);
}

static void covered_window_in_a_frame_is_shown(void **state)
{
    (void)state;
    need_server();
    xcb_window_t frame = create_window_in(x.screen->root, (int[]){30, 40, 200, 200}, 3, BLUE);
    xcb_window_t between = create_window_in(frame, (int[]){10, 20, 150, 150}, 0, BLUE);
    xcb_window_t window = create_window_in(between, (int[]){1, 2, 100, 80}, 0, RED);
    show(window);
    show(between);
    show(frame);
    show(create_window((int[]){0, 0, 640, 480}, GREEN));
    start_window(window);
    const struct picture *p = take_showing(99, 79, RED);
    expect_all(p, RED);
    capture_release(x.capture, p);
    fill_in(window, (int[]){50, 40, 1, 1}, 0x123456);
    expect_at(50, 40, 0x123456);

    const uint32_t place[] = {20, 30}; /* it moves in its frame */
    xcb_configure_window(x.conn, window, XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, place);
    sync_client();
    fill_in(window, (int[]){0, 0, 100, 80}, 0x654321);
    p = take_showing(99, 79, 0x654321);
    for (int n = 0; n < PATIENCE && pixel(p, 0, 0) != 0x654321; n++) {
        capture_release(x.capture, p); /* of the pixels where it was before */
        p = take_showing(99, 79, 0x654321);
    }
    expect_all(p, 0x654321);
    capture_release(x.capture, p);

    resize(window, 300, 80); /* its frame cuts it off */
    fill_in(window, (int[]){0, 0, 300, 80}, RED);
    p = take_sized(170, 80, 0, 0, RED);
    capture_release(x.capture, p);
    resize(frame, 400, 300);
    resize(between, 350, 200);
    fill_in(window, (int[]){0, 0, 300, 80}, 0x777777);
    p = take_sized(300, 80, 299, 79, 0x777777);
    expect_all(p, 0x777777);
    capture_release(x.capture, p);
    assert_null(capture_end_reason(x.capture));
}

static void other_windows_cost_no_pictures(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED), other = create_window(middle, BLUE);
    show(window);
    start_window(window);
    expect_at(0, 0, RED);
    capture_release(x.capture, take_repeat());
    show(other);
    fill_in(other, (int[]){0, 0, 9, 9}, GREEN);
    warp(10, 10);
    const struct picture *p = capture_take(x.capture);
    assert_true(p->repeat);
    capture_release(x.capture, p);
}

static uint8_t shadow[160 * 120 * 4];

/* Copies what is said to be new; how much of the picture that was, in pixels. */
static int absorb(const struct picture *p)
{
    const struct picture_damage all = {.n = 1, .rect = {{0, 0, 160, 120}}};
    const struct picture_damage *d = p->damage.known ? &p->damage : &all;
    int pixels = 0;
    for (int n = 0; n < d->n; n++) {
        const struct picture_rect *r = &d->rect[n];
        pixels += r->width * r->height;
        for (int y = r->y; y < r->y + r->height; y++)
            memcpy(shadow + ((size_t)y * 160 + (size_t)r->x) * 4,
                   p->plane[0] + y * p->stride[0] + (ptrdiff_t)r->x * 4, (size_t)r->width * 4);
    }
    for (int y = 0; y < 120; y++)
        assert_memory_equal(shadow + (size_t)y * 160 * 4, p->plane[0] + y * p->stride[0], 160 * 4);
    return pixels;
}

static bool absorb_next(int column, int row, uint32_t colour, int *partial)
{
    const struct picture *p = capture_take(x.capture);
    assert_non_null(p);
    int pixels = absorb(p);
    *partial += pixels > 0 && pixels < 160 * 120;
    bool seen = pixel(p, column, row) == colour;
    capture_release(x.capture, p);
    return seen;
}

/* Only what was drawn is said to be new, and it is enough to make the whole picture of it; the
 * cursor too, which is blended in afresh each time. */
static void damage_is_what_was_drawn(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    show(window);
    start_window(window);
    int partial = 0;
    for (uint32_t i = 0; i < 60; i++) {
        int column = (int)(i * 37 % 150), row = (int)(i * 53 % 110);
        if (i % 4 != 3)
            set_cursor((uint16_t)(i % 4 * 8));
        if (i % 3 == 0)
            warp(200 + (int)(i * 29 % 170), 100 + (int)(i * 31 % 130));
        fill_in(window, (int[]){column, row, 8, 6}, i + 1);
        bool seen = false;
        for (int n = 0; n < (i % 4 == 0 ? PATIENCE : 1) && !seen; n++)
            seen = absorb_next(column, row, i + 1, &partial);
        assert_true(seen || i % 4 != 0); /* then no cursor is in the way */
    }
    assert_true(partial > 20);
}

/* --- size, visibility, end --- */

static void follow_sizes(void)
{
    static const int sizes[][2] = {{320, 240}, {161, 121}, {64, 300}, {500, 30}, {160, 120}};
    xcb_window_t window = create_window(middle, RED);
    show(window);
    show(create_window((int[]){0, 0, 640, 480}, BLUE));
    start_window(window);
    expect_at(0, 0, RED);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int width = sizes[i][0], height = sizes[i][1];
        uint32_t colour = 0x111111 * (uint32_t)(i + 1);
        resize(window, width, height);
        fill_in(window, (int[]){0, 0, width, height}, colour);
        width &= ~1;
        height &= ~1;
        const struct picture *p = take_sized(width, height, width - 1, height - 1, colour);
        expect_all(p, colour);
        capture_release(x.capture, p);
    }
    assert_null(capture_end_reason(x.capture));
}

static void change_of_size_is_followed(void **state)
{
    (void)state;
    need_server();
    follow_sizes();
}

static void change_of_size_is_followed_without_shm(void **state)
{
    (void)state;
    need_server();
    follow_sizes();
}

static void moved_window_stays_itself(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    show(window);
    start_window(window);
    expect_at(0, 0, RED);
    xcb_configure_window(x.conn, window, XCB_CONFIG_WINDOW_X, (uint32_t[]){600}); /* half out */
    sync_client();
    capture_poke(x.capture);
    const struct picture *p = capture_take(x.capture);
    expect_all(p, RED);
    capture_release(x.capture, p);
    fill_in(window, (int[]){130, 3, 1, 1}, GREEN);
    expect_at(130, 3, GREEN);
}

static void minimised_window_keeps_its_last_picture(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    show(window);
    start_window(window);
    fill_in(window, (int[]){40, 40, 20, 20}, GREEN);
    expect_at(59, 59, GREEN);
    for (int round = 0; round < 3; round++) {
        hide(window);
        for (int i = 0; i < 2; i++) { /* one may have been on its way */
            const struct picture *p = capture_take(x.capture);
            assert_int_equal(p->width, 160);
            assert_int_equal(pixel(p, 0, 0), RED);
            capture_poke(x.capture);
            capture_release(x.capture, p);
        }
        resize(window, 100 + 20 * round, 90);
        show(window);
        fill_in(window, (int[]){0, 0, 200, 90}, BLUE);
        const struct picture *p = take_sized(100 + 20 * round, 90, 99, 89, BLUE);
        expect_all(p, BLUE);
        capture_release(x.capture, p);
        resize(window, 160, 120);
        fill_in(window, (int[]){0, 0, 160, 120}, RED);
        capture_release(x.capture, take_sized(160, 120, 159, 119, RED));
    }
}

static void window_that_was_never_shown_is_black_until_it_is(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    start_window(window);
    const struct picture *p = capture_take(x.capture);
    assert_int_equal(p->width, 160);
    assert_int_equal(p->height, 120);
    expect_all(p, 0);
    capture_release(x.capture, p);
    show(window);
    expect_at(0, 0, RED);
}

static void frame_that_comes_back_brings_its_window(void **state)
{
    (void)state;
    need_server();
    xcb_window_t frame = create_window(middle, BLUE);
    xcb_window_t window = create_window_in(frame, (int[]){0, 20, 100, 80}, 0, RED);
    show(window);
    show(frame);
    start_window(window);
    expect_at(0, 0, RED);
    for (uint32_t round = 1; round < 4; round++) {
        hide(frame);
        capture_poke(x.capture);
        capture_release(x.capture, capture_take(x.capture));
        show(frame);
        fill_in(window, (int[]){0, 0, 100, 80}, round);
        expect_at(99, 79, round);
    }
}

static void window_that_gets_a_frame_is_followed(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    xcb_window_t frame = create_window((int[]){10, 10, 300, 300}, BLUE);
    show(window);
    show(frame);
    set_cursor(8);
    start_window(window);
    expect_at(0, 0, RED);
    xcb_reparent_window(x.conn, window, frame, 5, 25);
    sync_client();
    fill_in(window, (int[]){0, 0, 160, 120}, GREEN);
    expect_at(159, 119, GREEN);
    warp(15 + 50, 35 + 50);
    expect_at(50, 50, RED); /* the cursor, so the window is known to lie in the frame */
}

static void expect_end(const char *reason, bool may_return)
{
    const struct picture *p;
    while ((p = capture_take(x.capture)))
        capture_release(x.capture, p);
    assert_non_null(capture_end_reason(x.capture));
    assert_non_null(strstr(capture_end_reason(x.capture), reason));
    assert_int_equal(capture_may_return(x.capture), may_return);
}

static void closed_window_ends_the_source(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    show(window);
    start_window(window);
    expect_at(0, 0, RED);
    xcb_destroy_window(x.conn, window);
    sync_client();
    expect_end("the window was closed", false);
}

static void window_closed_before_the_start_ends_the_source(void **state)
{
    (void)state;
    need_server();
    char arg[16], error[256];
    xcb_window_t window = create_window(middle, RED);
    show(window);
    snprintf(arg, sizeof(arg), "%u", window); /* decimal is fine too */
    assert_int_equal(try_open(arg, error), 0);
    xcb_destroy_window(x.conn, window);
    sync_client();
    assert_int_equal(capture_start(x.capture), 0);
    expect_end("the window was closed", false);
}

static void display_that_goes_away_ends_the_source(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    show(window);
    start_window(window);
    expect_at(0, 0, RED);
    stop_server();
    expect_end("is gone", true);
}

static void stop_does_not_wait_for_a_server_that_hangs(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, RED);
    show(window);
    start_window(window);
    expect_at(0, 0, RED);
    resize(window, 50, 50);
    kill(x.pid, SIGSTOP);
    capture_poke(x.capture);
    capture_stop(x.capture); /* returns: the watchdog of the test is the judge */
    assert_null(capture_end_reason(x.capture));
    kill(x.pid, SIGCONT);
}

/* --- the cursor --- */

static void cursor_is_drawn_where_it_is_over_the_window(void **state)
{
    (void)state;
    need_server();
    xcb_window_t window = create_window(middle, GREEN);
    show(window);
    set_cursor(16);
    warp(200 + 50, 100 + 60);
    start_window(window);
    const struct picture *p = take_showing(50, 60, RED);
    assert_int_equal(pixel(p, 42, 52), RED);
    assert_int_equal(pixel(p, 41, 60), GREEN);
    capture_release(x.capture, p);

    warp(10, 10); /* out of it */
    p = take_showing(50, 60, GREEN);
    expect_all(p, GREEN);
    capture_release(x.capture, p);

    warp(200 + 159, 100); /* at its corner: cut */
    p = take_showing(159, 0, RED);
    assert_int_equal(pixel(p, 0, 1), GREEN);
    capture_release(x.capture, p);

    show(create_window((int[]){180, 80, 100, 100}, BLUE)); /* covers a part of it */
    warp(200 + 20, 100 + 20);
    p = take_showing(159, 0, GREEN);
    expect_all(p, GREEN); /* it is over the other window now */
    capture_release(x.capture, p);
    warp(200 + 120, 100 + 100);
    expect_at(120, 100, RED);
}

/* --- opening --- */

static void names_are_those_of_the_window(void **state)
{
    (void)state;
    need_server();
    struct capture_info info;
    xcb_window_t window = create_window(middle, RED);
    xcb_change_property(x.conn, XCB_PROP_MODE_REPLACE, window, XCB_ATOM_WM_CLASS, XCB_ATOM_STRING,
                        8, 10, "edit\0Edit\0");
    xcb_change_property(x.conn, XCB_PROP_MODE_REPLACE, window, atom("_NET_WM_NAME"),
                        atom("UTF8_STRING"), 8, 7, "Müll ✓");
    sync_client();
    start_window(window);
    capture_info(x.capture, &info);
    assert_string_equal(info.app, "Edit");
    assert_int_equal(strncmp(info.name, "Müll", 5), 0);
    assert_int_equal(info.width, 160);
    assert_int_equal(info.height, 120);
}

static void what_is_no_window_is_refused(void **state)
{
    static const struct {
        const char *arg;
        int code;
        const char *word;
    } rows[] = {
        {NULL, -EINVAL, "neither \"focused\" nor a number"},
        {"", -EINVAL, "neither"},
        {"0", -EINVAL, "neither"},
        {"0x", -EINVAL, "neither"},
        {"-5", -EINVAL, "neither"},
        {"12a", -EINVAL, "neither"},
        {"4294967296", -EINVAL, "neither"},
        {"0x123456789", -EINVAL, "neither"},
        {"focuse", -EINVAL, "neither"},
        {"0x7654321", -ENOENT, "has no window 0x7654321"},
        {"1", -ENOENT, "has no window 0x1"},
    };
    (void)state;
    need_server();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[256] = "";
        assert_int_equal(try_open(rows[i].arg, error), rows[i].code);
        if (!strstr(error, rows[i].word))
            fail_msg("window:%s: %s", rows[i].arg ? rows[i].arg : "", error);
        assert_null(x.capture);
    }
}

static void root_and_specks_are_refused(void **state)
{
    (void)state;
    need_server();
    char arg[16], error[256] = "";
    snprintf(arg, sizeof(arg), "%u", x.screen->root);
    assert_int_equal(try_open(arg, error), -ENOTSUP);
    assert_non_null(strstr(error, "cannot be captured"));
    snprintf(arg, sizeof(arg), "%u", create_window((int[]){0, 0, 1, 50}, RED));
    assert_int_equal(try_open(arg, error), -ENOTSUP);
}

static void server_without_composite_is_refused(void **state)
{
    (void)state;
    need_server();
    char error[256] = "";
    assert_int_equal(try_open("focused", error), -ENOTSUP);
    assert_non_null(strstr(error, "lacks the extension Composite"));
}

int main(void)
{
#define X_TEST(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)
    const struct CMUnitTest tests[] = {
        X_TEST(covered_window_is_shown, setup),
        X_TEST(covered_window_is_shown_without_shm, setup_without_shm),
        X_TEST(what_lies_in_the_window_is_part_of_it, setup),
        X_TEST(border_and_frame_are_no_part_of_it, setup),
        X_TEST(covered_window_in_a_frame_is_shown, setup),
        X_TEST(other_windows_cost_no_pictures, setup),
        X_TEST(damage_is_what_was_drawn, setup),
        X_TEST(change_of_size_is_followed, setup),
        X_TEST(change_of_size_is_followed_without_shm, setup_without_shm),
        X_TEST(moved_window_stays_itself, setup),
        X_TEST(minimised_window_keeps_its_last_picture, setup),
        X_TEST(window_that_was_never_shown_is_black_until_it_is, setup),
        X_TEST(frame_that_comes_back_brings_its_window, setup),
        X_TEST(window_that_gets_a_frame_is_followed, setup),
        X_TEST(closed_window_ends_the_source, setup),
        X_TEST(window_closed_before_the_start_ends_the_source, setup),
        X_TEST(display_that_goes_away_ends_the_source, setup),
        X_TEST(stop_does_not_wait_for_a_server_that_hangs, setup),
        X_TEST(cursor_is_drawn_where_it_is_over_the_window, setup),
        X_TEST(names_are_those_of_the_window, setup),
        X_TEST(what_is_no_window_is_refused, setup),
        X_TEST(root_and_specks_are_refused, setup),
        X_TEST(server_without_composite_is_refused, setup_without_composite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void build_without_x11_says_so(void **state)
{
    (void)state;
    char error[256] = "";
    struct capture *c = NULL;
    const struct capture_config config = {.kind = "window", .arg = "focused", .fps = 30};
    assert_int_equal(capture_open(&c, &config, error, sizeof(error)), -ENOTSUP);
    assert_non_null(strstr(error, "XCB libraries were missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(build_without_x11_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
