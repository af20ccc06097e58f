/* What "amphi sources" lists can be opened as it is listed. */
#include "capture/capture.h"
#include "capture/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sources_entry list[64];
static char notes[1024];

static int find(int n, const char *source)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].source, source) == 0)
            return i;
    }
    return -1;
}

static int list_all(int max)
{
    int n = sources_list(list, max, notes, sizeof(notes));
    assert_in_range(n, 0, max);
    for (int i = 0; i < n; i++) {
        assert_true(list[i].source[0] && (list[i].name[0] || list[i].kind == SOURCES_WINDOW));
        assert_string_not_equal(sources_kind_name(list[i].kind), "");
    }
    return n;
}

static void without_a_display_the_rest_is_listed(void **state)
{
    (void)state;
    setenv("DISPLAY", ":4242", 1);
    int n = list_all(64);
    assert_true(find(n, "pattern") >= 0);
    assert_true(find(n, "tone") >= 0);
    assert_int_equal(find(n, "screen"), -1);
    assert_int_equal(find(n, "window:focused"), -1);
#ifdef AMPHI_X11
    const char *note = strstr(notes, "X display \":4242\" does not answer\n");
    assert_non_null(note);
    assert_null(strstr(note + 1, "X display")); /* said once for both */
#endif
}

static void list_that_is_full_ends(void **state)
{
    (void)state;
    setenv("DISPLAY", ":4242", 1);
    for (int max = 1; max < 4; max++) {
        memset(list, 0x55, sizeof(list));
        list_all(max);
        assert_int_equal(list[max].source[0], 0x55);
    }
}

#ifdef AMPHI_X11

#include "tests/unit/capture/x_stage.h"

static int setup(void **state)
{
    (void)state;
    return setup_with("640x480x24", NULL);
}

static void expect_entry(int n, const char *source, enum sources_kind kind, int width, int height)
{
    int i = find(n, source);
    assert_true(i >= 0);
    assert_int_equal(list[i].kind, kind);
    assert_int_equal(list[i].width, width);
    assert_int_equal(list[i].height, height);
}

static void open_listed(const struct sources_entry *e)
{
    char kind[160], error[256] = "";
    snprintf(kind, sizeof(kind), "%s", e->source);
    char *colon = strchr(kind, ':');
    if (colon)
        *colon = '\0';
    const struct capture_config config = {.kind = kind, .arg = colon ? colon + 1 : NULL, .fps = 30};
    struct capture *c;
    if (capture_open(&c, &config, error, sizeof(error)) != 0)
        fail_msg("%s: %s", e->source, error);
    struct capture_info info;
    capture_info(c, &info);
    if (e->width) {
        assert_int_equal(info.width, e->width);
        assert_int_equal(info.height, e->height);
    }
    capture_close(c);
}

static void display_is_listed_and_opens(void **state)
{
    (void)state;
    need_server();
    char source[24];
    xcb_window_t window = create_window((int[]){10, 10, 201, 100}, 0);
    show(window);
    show(create_window((int[]){0, 0, 1, 1}, 0)); /* too small for a picture */
    focus(window);
    xcb_change_property(x.conn, XCB_PROP_MODE_REPLACE, window, XCB_ATOM_WM_NAME, XCB_ATOM_STRING, 8,
                        5, "Notes");
    sync_client();
    int n = list_all(64);
    assert_null(strstr(notes, "X display"));
    expect_entry(n, "screen", SOURCES_SCREEN, 640, 480);
    expect_entry(n, "screen:0", SOURCES_SCREEN, 640, 480);
    expect_entry(n, "window:focused", SOURCES_WINDOW, 0, 0);
    snprintf(source, sizeof(source), "window:0x%x", window);
    expect_entry(n, source, SOURCES_WINDOW, 200, 100);
    assert_string_equal(list[find(n, source)].name, "Notes");
    assert_true(list[find(n, source)].focused);
    int windows = 0;
    for (int i = 0; i < n; i++) {
        windows += list[i].kind == SOURCES_WINDOW;
        if (list[i].kind <= SOURCES_WINDOW || list[i].kind == SOURCES_PATTERN)
            open_listed(&list[i]);
    }
    assert_int_equal(windows, 2);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_display_the_rest_is_listed),
        cmocka_unit_test(list_that_is_full_ends),
#ifdef AMPHI_X11
        cmocka_unit_test_setup_teardown(display_is_listed_and_opens, setup, teardown),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
