/* "window:focused" on X servers of the test's own: which window has the focus is told by the
 * server, or by what a window manager would say. */
#include "capture/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#ifdef AMPHI_X11

#include "tests/unit/capture/x_window.h"

static int setup(void **state)
{
    (void)state;
    return setup_with("640x480x24", NULL);
}

static void focus_is_followed(void **state)
{
    (void)state;
    need_server();
    xcb_window_t a = create_window(middle, RED);
    xcb_window_t b = create_window((int[]){0, 0, 320, 200}, GREEN);
    xcb_window_t inner = create_window_in(b, (int[]){5, 5, 10, 10}, 0, BLUE);
    show(a);
    show(b);
    show(inner);
    focus(a);
    start("focused");
    capture_release(x.capture, take_sized(160, 120, 159, 119, RED));
    focus(inner); /* b is the window it lies in */
    const struct picture *p = take_sized(320, 200, 319, 199, GREEN);
    assert_int_equal(pixel(p, 5, 5), BLUE);
    capture_release(x.capture, p);
    fill_in(b, (int[]){100, 100, 1, 1}, 0x123456);
    expect_at(100, 100, 0x123456);
    focus(a);
    capture_release(x.capture, take_sized(160, 120, 159, 119, RED));
    fill_in(a, (int[]){7, 7, 1, 1}, 0x654321); /* covered by b */
    expect_at(7, 7, 0x654321);
}

static void focus_told_by_a_window_manager_is_followed(void **state)
{
    (void)state;
    need_server();
    xcb_window_t frame = create_window((int[]){10, 10, 200, 200}, BLUE);
    xcb_window_t a = create_window_in(frame, (int[]){5, 20, 160, 120}, 0, RED);
    xcb_window_t b = create_window((int[]){300, 300, 100, 80}, GREEN);
    xcb_window_t panel = create_window((int[]){0, 460, 640, 20}, 0x777777);
    show(a);
    show(frame);
    show(b);
    show(panel);
    set_list(panel, "_NET_WM_WINDOW_TYPE", XCB_ATOM_ATOM,
             (uint32_t[]){atom("_NET_WM_WINDOW_TYPE_DOCK")}, 1);
    set_list(x.screen->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW, &a, 1);
    start("focused");
    capture_release(x.capture, take_sized(160, 120, 0, 0, RED)); /* without the frame */
    set_list(x.screen->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW, &b, 1);
    capture_release(x.capture, take_sized(100, 80, 0, 0, GREEN));
    for (int i = 0; i < 3; i++) { /* the panel is no window to be shown, nor is none */
        set_list(x.screen->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW,
                 (uint32_t[]){i == 0   ? panel
                              : i == 1 ? XCB_NONE
                                       : 0x7777777},
                 1);
        const struct picture *p = take_repeat();
        assert_int_equal(p->width, 100);
        capture_release(x.capture, p);
    }
}

static void closed_window_makes_way_for_the_next_focused(void **state)
{
    (void)state;
    need_server();
    xcb_window_t a = create_window(middle, RED), b = create_window(middle, GREEN);
    show(a);
    show(b);
    focus(a);
    start("focused");
    expect_at(80, 60, RED);
    xcb_destroy_window(x.conn, a);
    sync_client();
    const struct picture *p = take_repeat();
    expect_all(p, RED);
    capture_release(x.capture, p);
    focus(b);
    expect_at(80, 60, GREEN);
    assert_null(capture_end_reason(x.capture));
}

static void before_anything_has_the_focus_the_picture_is_black(void **state)
{
    (void)state;
    need_server();
    struct capture_info info;
    focus(XCB_NONE);
    start("focused");
    capture_info(x.capture, &info);
    assert_string_equal(info.name, "Focused window");
    const struct picture *p = capture_take(x.capture);
    assert_int_equal(p->width, info.width);
    expect_all(p, 0);
    capture_release(x.capture, p);
    xcb_window_t a = create_window(middle, RED);
    show(a);
    focus(a);
    capture_release(x.capture, take_sized(160, 120, 80, 60, RED));
}

int main(void)
{
#define X_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        X_TEST(focus_is_followed),
        X_TEST(focus_told_by_a_window_manager_is_followed),
        X_TEST(closed_window_makes_way_for_the_next_focused),
        X_TEST(before_anything_has_the_focus_the_picture_is_black),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* there is no such source in this build */
}

#endif
