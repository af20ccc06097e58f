/* Focus, cursor and names of what is shown, followed on an X server of the test's own. Each news is
 * waited for; rounds in which nothing is new are counted by the news of a slot that changes. */
#include "server/follow.h"

#include "tests/unit/capture/x_stage.h"

#include <poll.h>
#include <sys/eventfd.h>

#define PATIENCE_MS 20000
#define PLACES 8
#define SLOT_A 0
#define SLOT_B 3
#define SLOT_SCREEN 7

static const int place_a[] = {40, 40, 200, 100}, place_b[] = {300, 200, 100, 100};

static struct {
    struct follow *follow;
    int woken; /* an eventfd */
    xcb_window_t a, b;
    char arg_a[16], arg_b[16];
    struct follow_news last[PLACES]; /* as told so far */
} f;

static void on_news(void *arg)
{
    const uint64_t one = 1;
    (void)arg;
    assert_int_equal(write(f.woken, &one, sizeof(one)), (ssize_t)sizeof(one));
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    setup_with("640x480x24", NULL);
    f.woken = eventfd(0, EFD_CLOEXEC);
    assert_true(f.woken >= 0);
    if (!x.pid)
        return 0;
    warp(630, 470);
    f.a = create_window(place_a, 0xff0000);
    f.b = create_window(place_b, 0x00ff00);
    show(f.a);
    show(f.b);
    snprintf(f.arg_a, sizeof(f.arg_a), "0x%x", f.a);
    snprintf(f.arg_b, sizeof(f.arg_b), "0x%x", f.b);
    return follow_create(&f.follow, on_news, NULL);
}

static int finish(void **state)
{
    follow_destroy(f.follow);
    close(f.woken);
    return teardown(state);
}

static void set_title(xcb_window_t window, const char *title)
{
    xcb_change_property(x.conn, XCB_PROP_MODE_REPLACE, window, atom("_NET_WM_NAME"),
                        atom("UTF8_STRING"), 8, (uint32_t)strlen(title), title);
    sync_client();
}

/* All that waits; how many news there were of this slot. */
static int take(unsigned slot)
{
    struct follow_news n;
    int count = 0;
    while (follow_next(f.follow, &n)) {
        assert_true(n.place < PLACES);
        assert_true(n.new_focus || n.new_cursor || n.new_name);
        f.last[n.place] = n;
        count += n.place == slot;
    }
    return count;
}

/* The next news of the slot. */
static const struct follow_news *next(unsigned slot)
{
    for (;;) {
        uint64_t times;
        struct pollfd p = {.fd = f.woken, .events = POLLIN};
        if (poll(&p, 1, PATIENCE_MS) != 1)
            fail_msg("no news of slot %u", slot);
        assert_int_equal(read(f.woken, &times, sizeof(times)), (ssize_t)sizeof(times));
        if (take(slot) > 0)
            return &f.last[slot];
    }
}

/* Until it is told of the slot. */
static void expect_focus(unsigned slot, bool focused)
{
    while (f.last[slot].focused != focused)
        next(slot);
    assert_true(f.last[slot].new_focus);
}

static bool is_at(const struct follow_news *n, double column, double row)
{
    double dx = n->cursor_x - column, dy = n->cursor_y - row;
    return n->cursor_in_view && dx > -1 && dx < 1 && dy > -1 && dy < 1;
}

static void expect_cursor(unsigned slot, double column, double row)
{
    while (!is_at(&f.last[slot], column, row))
        next(slot);
    assert_true(f.last[slot].new_cursor);
}

static void expect_title(unsigned slot, const char *title)
{
    while (strcmp(f.last[slot].title, title) != 0)
        next(slot);
    assert_true(f.last[slot].new_name);
}

static void the_focus_is_followed(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_A, "window", f.arg_a);
    follow_set(f.follow, SLOT_B, "window", f.arg_b);
    focus(f.a);
    expect_focus(SLOT_A, true);
    focus(f.b);
    expect_focus(SLOT_B, true);
    expect_focus(SLOT_A, false);
}

static void the_cursor_is_followed_in_percent(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_A, "window", f.arg_a);
    follow_set(f.follow, SLOT_SCREEN, "screen", NULL);
    warp(40 + 50, 40 + 75);
    expect_cursor(SLOT_A, 25, 75);
    expect_cursor(SLOT_SCREEN, 100.0 * 90 / 640, 100.0 * 115 / 480);
    warp(600, 240);
    expect_cursor(SLOT_SCREEN, 100.0 * 600 / 640, 50);
    while (f.last[SLOT_A].cursor_in_view)
        next(SLOT_A);
}

static void a_pointer_that_rests_is_no_news(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_A, "window", f.arg_a);
    follow_set(f.follow, SLOT_SCREEN, "screen", NULL);
    warp(90, 115);
    expect_cursor(SLOT_A, 25, 75);
    expect_cursor(SLOT_SCREEN, 100.0 * 90 / 640, 100.0 * 115 / 480);
    take(SLOT_A);
    /* two names, five rounds apart, while it rests */
    follow_clear(f.follow, SLOT_SCREEN);
    set_title(f.b, "one");
    follow_set(f.follow, SLOT_B, "window", f.arg_b);
    expect_title(SLOT_B, "one");
    f.last[SLOT_A] = (struct follow_news){0};
    set_title(f.b, "two");
    expect_title(SLOT_B, "two");
    assert_false(f.last[SLOT_A].new_cursor);
}

/* Of whole characters, as many as there is room for. */
static void names_are_followed_and_cut_between_characters(void **state)
{
    char title[160] = "";
    (void)state;
    need_server();
    set_title(f.a, "Notes");
    follow_set(f.follow, SLOT_A, "window", f.arg_a);
    expect_title(SLOT_A, "Notes");
    for (int i = 0; i < 40; i++)
        strcat(title, "\xe2\x82\xac"); /* three bytes each */
    set_title(f.a, title);
    title[(sizeof(f.last[0].title) - 1) / 3 * 3] = '\0';
    expect_title(SLOT_A, title);
}

static void a_slot_that_is_cleared_tells_nothing(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_A, "window", f.arg_a);
    focus(f.a);
    expect_focus(SLOT_A, true);
    follow_clear(f.follow, SLOT_A);
    take(SLOT_A);
    f.last[SLOT_A] = (struct follow_news){0};
    follow_set(f.follow, SLOT_B, "window", f.arg_b);
    focus(f.b);
    expect_focus(SLOT_B, true);
    assert_false(f.last[SLOT_A].new_focus || f.last[SLOT_A].new_cursor);
    /* the same window in another slot is told anew */
    focus(f.a);
    follow_set(f.follow, SLOT_SCREEN, "window", f.arg_a);
    expect_focus(SLOT_SCREEN, true);
}

static void a_window_that_is_gone_hinders_nobody(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_A, "window", f.arg_a);
    follow_set(f.follow, SLOT_B, "window", f.arg_b);
    focus(f.a);
    expect_focus(SLOT_A, true);
    xcb_destroy_window(x.conn, f.a);
    sync_client();
    focus(f.b);
    expect_focus(SLOT_B, true);
}

static void what_is_on_no_display_is_not_followed(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_A, "pattern", NULL);
    follow_set(f.follow, SLOT_SCREEN, "screen", NULL);
    warp(320, 240);
    expect_cursor(SLOT_SCREEN, 50, 50);
    assert_false(f.last[SLOT_A].new_focus || f.last[SLOT_A].new_cursor || f.last[SLOT_A].new_name);
}

/* Another display stands for the one that is started again. */
static void a_display_that_is_gone_is_asked_for_again(void **state)
{
    (void)state;
    need_server();
    follow_set(f.follow, SLOT_SCREEN, "screen", NULL);
    warp(320, 240);
    expect_cursor(SLOT_SCREEN, 50, 50);
    xcb_disconnect(x.conn);
    stop_server();
    assert_true(start_server("640x480x24", NULL));
    connect_client();
    warp(64, 48);
    expect_cursor(SLOT_SCREEN, 10, 10);
}

static void it_ends_without_a_display(void **state)
{
    struct follow *alone;
    (void)state;
    setenv("DISPLAY", ":973", 1);
    assert_int_equal(follow_create(&alone, on_news, NULL), 0);
    follow_set(alone, SLOT_A, "screen", NULL);
    follow_destroy(alone);
    follow_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_focus_is_followed, setup, finish),
        cmocka_unit_test_setup_teardown(the_cursor_is_followed_in_percent, setup, finish),
        cmocka_unit_test_setup_teardown(a_pointer_that_rests_is_no_news, setup, finish),
        cmocka_unit_test_setup_teardown(names_are_followed_and_cut_between_characters, setup,
                                        finish),
        cmocka_unit_test_setup_teardown(a_slot_that_is_cleared_tells_nothing, setup, finish),
        cmocka_unit_test_setup_teardown(a_window_that_is_gone_hinders_nobody, setup, finish),
        cmocka_unit_test_setup_teardown(what_is_on_no_display_is_not_followed, setup, finish),
        cmocka_unit_test_setup_teardown(a_display_that_is_gone_is_asked_for_again, setup, finish),
        cmocka_unit_test(it_ends_without_a_display),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
