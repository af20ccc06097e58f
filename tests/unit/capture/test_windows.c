/* Windows, monitors, focus and pointer on X servers of the test's own. */
#include "capture/windows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#ifdef AMPHI_X11

#include "tests/unit/capture/x_stage.h"

static struct windows *w;
static struct windows_look look;

static int setup(void **state)
{
    (void)state;
    w = NULL;
    setup_with("640x480x24", NULL);
    if (x.pid)
        assert_int_equal(windows_open(&w), 0);
    return 0;
}

static int finish(void **state)
{
    windows_close(w);
    return teardown(state);
}

static void set_text(xcb_window_t window, xcb_atom_t name, xcb_atom_t type, const char *text,
                     size_t size)
{
    xcb_change_property(x.conn, XCB_PROP_MODE_REPLACE, window, name, type, 8, (uint32_t)size, text);
    sync_client();
}

static xcb_window_t shown(const int place[4])
{
    xcb_window_t window = create_window(place, 0x123456);
    show(window);
    return window;
}

static void look_at(const char *kind, const char *arg)
{
    assert_int_equal(windows_update(w), 0);
    assert_int_equal(windows_look(w, kind, arg, &look), 0);
}

static void look_at_window(xcb_window_t window)
{
    char arg[16];
    snprintf(arg, sizeof(arg), "0x%x", window);
    look_at("window", arg);
}

/* --- lists --- */

static void windows_are_listed_without_a_manager(void **state)
{
    (void)state;
    need_server();
    struct window_info list[8];
    assert_int_equal(windows_list(w, list, 8), 0);
    xcb_window_t a = shown((int[]){10, 20, 301, 200}), b = shown((int[]){50, 60, 70, 80});
    create_window((int[]){0, 0, 10, 10}, 0); /* never shown */
    xcb_window_t menu = create_window((int[]){0, 0, 10, 10}, 0);
    xcb_change_window_attributes(x.conn, menu, XCB_CW_OVERRIDE_REDIRECT, (uint32_t[]){1});
    show(menu);
    set_text(a, atom("_NET_WM_NAME"), atom("UTF8_STRING"), "Brief – Müller", 17);
    set_text(a, XCB_ATOM_WM_NAME, XCB_ATOM_STRING, "old name", 8);
    set_text(a, XCB_ATOM_WM_CLASS, XCB_ATOM_STRING, "writer\0Writer", 14);
    set_text(b, XCB_ATOM_WM_NAME, XCB_ATOM_STRING, "M\xfcller", 6);
    set_text(b, XCB_ATOM_WM_CLASS, XCB_ATOM_STRING, "mail", 4); /* cut short */
    focus(b);
    assert_int_equal(windows_list(w, list, 8), 2);
    assert_int_equal(list[0].id, a);
    assert_string_equal(list[0].title, "Brief – Müller");
    assert_string_equal(list[0].app, "Writer");
    assert_int_equal(list[0].x, 10);
    assert_int_equal(list[0].y, 20);
    assert_int_equal(list[0].width, 301);
    assert_int_equal(list[0].height, 200);
    assert_true(list[0].visible && !list[0].focused);
    assert_int_equal(list[1].id, b);
    assert_string_equal(list[1].title, "Müller");
    assert_string_equal(list[1].app, "mail");
    assert_true(list[1].focused);
    assert_int_equal(windows_list(w, list, 1), 1);
}

static void windows_are_listed_as_the_manager_says(void **state)
{
    (void)state;
    need_server();
    struct window_info list[8];
    xcb_window_t frame = shown((int[]){100, 100, 300, 300});
    xcb_window_t a = create_window_in(frame, (int[]){5, 25, 290, 270}, 0, 0);
    xcb_window_t minimised = create_window((int[]){0, 0, 50, 50}, 0);
    xcb_window_t hidden = shown((int[]){0, 0, 60, 60}), panel = shown((int[]){0, 0, 640, 20});
    show(a);
    set_list(panel, "_NET_WM_WINDOW_TYPE", XCB_ATOM_ATOM,
             (uint32_t[]){atom("_NET_WM_WINDOW_TYPE_DOCK")}, 1);
    set_list(hidden, "_NET_WM_STATE", XCB_ATOM_ATOM, (uint32_t[]){1, atom("_NET_WM_STATE_HIDDEN")},
             2);
    const uint32_t all[] = {a, minimised, hidden, panel, 0x7654321 /* just closed */};
    set_list(x.screen->root, "_NET_CLIENT_LIST", XCB_ATOM_WINDOW, all, 5);
    set_list(x.screen->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW, &a, 1);
    assert_int_equal(windows_list(w, list, 8), 3);
    assert_int_equal(list[0].id, a);
    assert_int_equal(list[0].x, 105);
    assert_int_equal(list[0].y, 125);
    assert_true(list[0].visible && list[0].focused);
    assert_int_equal(list[1].id, minimised);
    assert_int_equal(list[2].id, hidden);
    assert_false(list[1].visible || list[2].visible);
    assert_string_equal(list[1].title, "");
}

static void monitors_are_listed(void **state)
{
    (void)state;
    need_server();
    struct window_monitor list[4], whole;
    assert_int_equal(windows_monitors(w, list, 4), 1);
    assert_int_equal(windows_screen(w, &whole), 0);
    assert_int_equal(list[0].width, 640);
    assert_int_equal(list[0].height, 480);
    assert_int_equal(whole.width, 640);
    assert_int_equal(whole.height, 480);
}

static void ids_are_decimal_or_hexadecimal(void **state)
{
    static const struct {
        const char *text;
        uint32_t id; /* 0: refused */
    } rows[] = {
        {"1", 1},           {"0x1a00003", 0x1a00003},
        {"0XFF", 255},      {"4294967295", UINT32_MAX},
        {"010", 10},        {"", 0},
        {"0", 0},           {"0x", 0},
        {"0x0", 0},         {" 1", 0},
        {"+1", 0},          {"1 ", 0},
        {"0x1g", 0},        {"ff", 0},
        {"-1", 0},          {"4294967296", 0},
        {"0x100000000", 0}, {"99999999999999999999", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t id = 0;
        assert_int_equal(windows_parse_id(rows[i].text, &id), rows[i].id != 0);
        assert_int_equal(id, rows[i].id);
    }
}

/* --- focus and cursor --- */

static void cursor_is_told_in_percent_of_a_window(void **state)
{
    static const struct {
        int x, y; /* on the screen; the window is at 100,100 and 201 wide, 101 high */
        bool in_view;
        double percent_x, percent_y;
    } rows[] = {
        {100, 100, true, 0, 0},
        {299, 199, true, 100, 100},
        {300, 150, false, 100, 50.505},
        {150, 200, false, 25.1256, 100},
        {99, 100, false, 0, 0},
        {0, 0, false, 0, 0},
        {199, 150, true, 49.7487, 50.505},
        {639, 479, false, 100, 100},
    };
    (void)state;
    need_server();
    xcb_window_t window = shown((int[]){100, 100, 201, 101});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        warp(rows[i].x, rows[i].y);
        look_at_window(window);
        assert_int_equal(look.id, window);
        assert_int_equal(look.cursor_in_view, rows[i].in_view);
        assert_float_equal(look.cursor_x, rows[i].percent_x, 0.001);
        assert_float_equal(look.cursor_y, rows[i].percent_y, 0.001);
    }
    warp(150, 150);
    look_at_window(window);
    assert_true(look.cursor_in_view);
    shown((int[]){140, 140, 20, 20}); /* another one covers the spot */
    look_at_window(window);
    assert_false(look.cursor_in_view);
    assert_float_equal(look.cursor_x, 100.0 * 50 / 199, 0.001);
}

static void cursor_is_told_in_percent_of_the_screen(void **state)
{
    (void)state;
    need_server();
    warp(639, 0);
    look_at("screen", NULL);
    assert_true(look.focused && look.cursor_in_view);
    assert_float_equal(look.cursor_x, 100, 0);
    assert_float_equal(look.cursor_y, 0, 0);
    look_at("screen", "0");
    assert_float_equal(look.cursor_x, 100, 0);
    assert_true(look.focused); /* nothing has the focus, and the pointer is on it */
    assert_int_equal(windows_look(w, "screen", "1", &look), -ENOENT);
    int px = 0, py = 1;
    windows_pointer(w, &px, &py);
    assert_int_equal(px, 639);
    assert_int_equal(py, 0);
}

static void focus_is_told(void **state)
{
    (void)state;
    need_server();
    xcb_window_t frame = shown((int[]){0, 0, 100, 100}), b = shown((int[]){200, 0, 50, 50});
    xcb_window_t a = create_window_in(frame, (int[]){1, 20, 98, 79}, 0, 0);
    show(a);
    focus(a); /* told as the frame, as nobody says that it is one */
    look_at_window(a);
    assert_true(look.focused);
    assert_int_equal(windows_focused(w), frame);
    look_at_window(b);
    assert_false(look.focused);
    look_at("window", "focused");
    assert_int_equal(look.id, frame);
    assert_true(look.focused);
    focus(b);
    look_at_window(a);
    assert_false(look.focused);
    look_at("window", "focused");
    assert_int_equal(look.id, b);
    focus(XCB_NONE);
    look_at("window", "focused");
    assert_int_equal(look.id, 0);
    assert_false(look.focused || look.cursor_in_view);
    set_list(x.screen->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW, &a, 1);
    look_at_window(a);
    assert_true(look.focused);
    assert_int_equal(windows_focused(w), a);
}

static void names_may_change(void **state)
{
    (void)state;
    need_server();
    char title[32], app[32];
    xcb_window_t a = shown((int[]){0, 0, 100, 100});
    for (int i = 0; i < 3; i++) {
        char want[24];
        snprintf(want, sizeof(want), "page %d", i);
        set_text(a, XCB_ATOM_WM_NAME, XCB_ATOM_STRING, want, strlen(want));
        assert_int_equal(windows_names(w, a, title, sizeof(title), app, sizeof(app)), 0);
        assert_string_equal(title, want);
        assert_string_equal(app, "");
    }
}

/* --- what is not there --- */

static void sources_that_are_not_there_are_told(void **state)
{
    (void)state;
    need_server();
    char title[8], app[8];
    xcb_window_t a = shown((int[]){0, 0, 100, 100});
    xcb_destroy_window(x.conn, a);
    sync_client();
    char arg[16];
    snprintf(arg, sizeof(arg), "%u", a);
    assert_int_equal(windows_update(w), 0);
    assert_int_equal(windows_look(w, "window", arg, &look), -ENOENT);
    assert_int_equal(windows_names(w, a, title, sizeof(title), app, sizeof(app)), -ENOENT);
    assert_int_equal(windows_look(w, "window", "rubbish", &look), -ENOTSUP);
    assert_int_equal(windows_look(w, "window", NULL, &look), -ENOTSUP);
    assert_int_equal(windows_look(w, "pattern", NULL, &look), -ENOTSUP);
    assert_int_equal(windows_look(w, "camera", "0", &look), -ENOTSUP);
}

static void display_that_goes_away_is_an_error_and_no_end(void **state)
{
    (void)state;
    need_server();
    struct window_info list[4];
    struct window_monitor monitors[4];
    assert_int_equal(windows_update(w), 0);
    stop_server();
    assert_int_equal(windows_update(w), -ENODEV);
    assert_int_equal(windows_update(w), -ENODEV);
    assert_int_equal(windows_look(w, "screen", NULL, &look), -ENODEV);
    assert_int_equal(windows_list(w, list, 4), -ENODEV);
    assert_int_equal(windows_monitors(w, monitors, 4), -ENODEV);
    struct windows *none = NULL;
    assert_int_equal(windows_open(&none), -ENODEV);
    assert_null(none);
}

static void server_that_hangs_is_not_waited_for(void **state)
{
    (void)state;
    need_server();
    assert_int_equal(windows_update(w), 0);
    kill(x.pid, SIGSTOP);
    for (int i = 0; i < 20; i++)
        assert_int_equal(windows_update(w), -ETIMEDOUT);
    assert_int_equal(windows_look(w, "screen", NULL, &look), -ETIMEDOUT);
    struct windows *none = NULL;
    assert_int_equal(windows_open(&none), -ENODEV); /* nor by who comes now */
    kill(x.pid, SIGCONT);
    int r;
    while ((r = windows_update(w)) == -ETIMEDOUT) /* it recovers */
        usleep(1000);
    assert_int_equal(r, 0);
    warp(5, 6);
    assert_int_equal(windows_update(w), 0);
    int px = 0, py = 0;
    windows_pointer(w, &px, &py);
    assert_int_equal(px, 5);
    assert_int_equal(py, 6);
}

int main(void)
{
#define X_TEST(f) cmocka_unit_test_setup_teardown(f, setup, finish)
    const struct CMUnitTest tests[] = {
        X_TEST(windows_are_listed_without_a_manager),
        X_TEST(windows_are_listed_as_the_manager_says),
        X_TEST(monitors_are_listed),
        X_TEST(cursor_is_told_in_percent_of_a_window),
        X_TEST(cursor_is_told_in_percent_of_the_screen),
        X_TEST(focus_is_told),
        X_TEST(names_may_change),
        X_TEST(sources_that_are_not_there_are_told),
        X_TEST(display_that_goes_away_is_an_error_and_no_end),
        X_TEST(server_that_hangs_is_not_waited_for),
        cmocka_unit_test(ids_are_decimal_or_hexadecimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* there is no such unit in this build */
}

#endif
