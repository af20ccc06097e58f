/* test_tui.c - the terminal interface, drawn into memory and read back. */
#include "server/tui.h"
#include "server/tui_fill.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tui tui;
static struct tui_model model;
static struct tui_canvas canvas;
static char text[65536];

static int set_up(void **state)
{
    (void)state;
    setlocale(LC_CTYPE, "C.UTF-8");
    tui_init(&tui);
    memset(&model, 0, sizeof(model));
    model = (struct tui_model){.title = "amphi 1",
                               .room = "SWIFT-OTTER-042",
                               .link = "http://h.example/SWIFT-OTTER-042",
                               .can_set_password = true,
                               .quality = 3,
                               .fps = 1,
                               .codec = 0,
                               .uptime_us = 3723000000};
    for (unsigned i = 0; i < 3; i++) {
        struct tui_source *s = &model.sources[model.n_sources++];
        snprintf(s->source, sizeof(s->source), "%s:%u", i ? "window" : "screen", i);
        snprintf(s->name, sizeof(s->name), "Name%u", i);
        s->is_screen = i == 0;
        s->is_window = i > 0;
        s->slot = i == 1 ? 0 : -1;
        s->width = 1920;
        s->height = 1080;
    }
    model.n_streams = 1;
    model.streams[0] = (struct tui_stream){.name = "Slides",
                                           .codec = "h264",
                                           .width = 1920,
                                           .height = 1080,
                                           .fps = 29.8,
                                           .bps = 2500000,
                                           .frames = 1234,
                                           .keyframes = 5};
    model.viewers = model.n_listed = 1;
    model.listed[0] = (struct tui_viewer){.id = 7,
                                          .state = "watching",
                                          .from = "192.0.2.1",
                                          .age_us = 65000000,
                                          .rtt_us = 20000,
                                          .loss_percent = 6,
                                          .sent_bps = 2600000};
    return 0;
}

/* The screen as lines. */
static const char *drawn(int rows, int columns)
{
    size_t n = 0;
    assert_int_equal(tui_canvas_init(&canvas, rows, columns), 0);
    tui_draw(&canvas, &tui, &model, 0);
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
            wchar_t ch = tui_canvas_cell(&canvas, r, c)->ch;
            if (ch)
                n += (size_t)wctomb(text + n, ch);
        }
        text[n++] = '\n';
    }
    text[n] = '\0';
    tui_canvas_finish(&canvas);
    return text;
}

static void has(const char *screen, const char *what)
{
    if (!strstr(screen, what))
        fail_msg("\"%s\" is not on:\n%s", what, screen);
}

static void everything_known_is_shown(void **state)
{
    (void)state;
    const char *s = drawn(30, 140);
    has(s, "amphi 1  SWIFT-OTTER-042");
    has(s, "1:02:03");
    has(s, "Watch: http://h.example/SWIFT-OTTER-042");
    has(s, "Sharing 1 of 8  1 viewer ");
    has(s, "[ ]f Name0");
    has(s, "[x]1 Name1");
    has(s, "[ ]2 Name2");
    has(s, "1920x1080│");
    has(s, "(o) Very high     6 Mbit/s");
    has(s, "(o) 30 fps");
    has(s, "(o) H.264");
    has(s, "#7 watching 192.0.2.1 1:05 20 ms -6 %");
    has(s, "Streams: 2.50 Mbit/s");
    has(s, "Slides");
    has(s, "h264 1920x1080@30  2.50 Mbit/s  1234 frames, 5 whole");
    assert_null(strstr(s, "Password:"));
    model.has_password = true;
    has(drawn(30, 120), "with a password");
    snprintf(model.password, sizeof(model.password), "swan-42");
    has(drawn(30, 120), "Password: swan-42");
    snprintf(model.streams[0].end_reason, sizeof(model.streams[0].end_reason), "window closed");
    has(drawn(30, 120), "window closed");
    model.uplink = TUI_UPLINK_BAD;
    snprintf(model.uplink_text, sizeof(model.uplink_text), "[RECONNECTING 2, in 4 s] lost");
    has(drawn(30, 120), "[RECONNECTING 2, in 4 s] lost");
}

static void any_size_will_do(void **state)
{
    (void)state;
    tui.shows_log = true;
    model.n_log = 2;
    model.n_sources = TUI_SOURCES_MAX;
    model.n_streams = TUI_STREAMS_MAX;
    for (int rows = 1; rows < 40; rows++) {
        for (int columns = 1; columns < 130; columns += 3)
            (void)drawn(rows, columns);
    }
    tui.shows_help = true;
    (void)drawn(3, 5);
    assert_int_equal(tui_canvas_init(&canvas, 0, 5), -EINVAL);
    assert_int_equal(tui_canvas_init(&canvas, 5, TUI_COLUMNS_MAX + 1), -EINVAL);
}

static void a_narrow_terminal_has_one_column(void **state)
{
    (void)state;
    const char *s = drawn(24, 60);
    has(s, "─ Sources ─");
    assert_null(strstr(s, "Settings"));
    (void)tui_key(&tui, &model, TUI_KEY_TAB);
    has(drawn(24, 60), "─ Settings: rate ─");
    (void)tui_key(&tui, &model, TUI_KEY_TAB);
    has(drawn(24, 60), "─ Viewers: 1 ─");
    (void)tui_key(&tui, &model, TUI_KEY_BACK_TAB);
    has(drawn(24, 60), "Settings");
}

static void does(uint32_t key, enum tui_do what, int index)
{
    struct tui_action a = tui_key(&tui, &model, key);
    assert_int_equal(a.what, what);
    assert_int_equal(a.index, index);
}

static void keys_are_those_of_the_host_view(void **state)
{
    (void)state;
    does('f', TUI_DO_TOGGLE, 0);
    does('2', TUI_DO_TOGGLE, 2);
    does('9', TUI_DO_NOTHING, 0);
    does('s', TUI_DO_STOP, 0);
    does('r', TUI_DO_REFRESH, 0);
    does('c', TUI_DO_COPY, 0);
    does('q', TUI_DO_CONSTANT, 0);
    does('A', TUI_DO_AUTO_SHARE, 0);
    does('Q', TUI_DO_QUIT, 0);
    does(3, TUI_DO_QUIT, 0);
    does('?', TUI_DO_NOTHING, 0);
    has(drawn(30, 120), "copy the link");
    does('Q', TUI_DO_NOTHING, 0); /* only goes back */
    assert_null(strstr(drawn(30, 120), "copy the link"));
    does('i', TUI_DO_NOTHING, 0);
    assert_null(strstr(drawn(30, 120), "Streams:"));
    does(0xe9, TUI_DO_NOTHING, 0);
    does(TUI_KEY_RESIZE, TUI_DO_NOTHING, 0);
}

static void the_cursor_chooses(void **state)
{
    (void)state;
    does(TUI_KEY_UP, TUI_DO_NOTHING, 0); /* stays */
    does(' ', TUI_DO_TOGGLE, 0);
    does('j', TUI_DO_NOTHING, 0);
    does(TUI_KEY_ENTER, TUI_DO_TOGGLE, 1);
    for (int i = 0; i < 9; i++)
        does(TUI_KEY_DOWN, TUI_DO_NOTHING, 0);
    does(' ', TUI_DO_TOGGLE, 2);
    model.n_sources = 1; /* it has gone from under the cursor */
    does(' ', TUI_DO_NOTHING, 0);
    does(TUI_KEY_RIGHT, TUI_DO_NOTHING, 0);
    does(' ', TUI_DO_QUALITY, 0);
    for (int i = 0; i < 8; i++)
        does('j', TUI_DO_NOTHING, 0);
    does(' ', TUI_DO_FPS, 0);
    for (int i = 0; i < 20; i++)
        does('j', TUI_DO_NOTHING, 0);
    does(' ', TUI_DO_CODEC, 3);
    does('l', TUI_DO_NOTHING, 0);
    does(' ', TUI_DO_NOTHING, 0);
    does('h', TUI_DO_NOTHING, 0);
    does(' ', TUI_DO_CODEC, 3);
}

static void a_password_is_typed(void **state)
{
    (void)state;
    does('p', TUI_DO_NOTHING, 0);
    for (const char *p = "sx c"; *p; p++)
        does((uint32_t)*p, TUI_DO_NOTHING, 0); /* letters are letters here, blanks are not taken */
    does(TUI_KEY_BACKSPACE, TUI_DO_NOTHING, 0);
    has(drawn(30, 120), "Password (empty: none): sx_");
    struct tui_action a = tui_key(&tui, &model, TUI_KEY_ENTER);
    assert_int_equal(a.what, TUI_DO_PASSWORD);
    assert_string_equal(a.text, "sx");
    does('p', TUI_DO_NOTHING, 0);
    does(TUI_KEY_ESCAPE, TUI_DO_NOTHING, 0);
    does('s', TUI_DO_STOP, 0);
    does('p', TUI_DO_NOTHING, 0);
    for (int i = 0; i < 200; i++)
        does('a', TUI_DO_NOTHING, 0);
    a = tui_key(&tui, &model, TUI_KEY_ENTER);
    assert_int_equal(strlen(a.text), TUI_PASSWORD_MAX - 1);
    model.can_set_password = false;
    does('p', TUI_DO_NOTHING, 0);
    does('s', TUI_DO_STOP, 0);
}

/* Titles are other programs' texts. */
static void foreign_text_moves_no_cursor(void **state)
{
    (void)state;
    static const struct {
        const char *name, *shown;
    } rows[] = {{"a\033[2Jb", "a?[2Jb"},
                {"tab\there", "tab?here"},
                {"caf\xc3\xa9", "caf\xc3\xa9"},
                {"bad\xff\xc3(", "bad?\?("},
                {"\xe6\x97\xa5\xe6\x9c\xac!", "\xe6\x97\xa5\xe6\x9c\xac!"},
                {"over\xc0\xaf", "over??"},
                {"cut\xe6\x97", "cut?"},
                {"e\xcc\x81", "e"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(model.sources[0].name, sizeof(model.sources[0].name), "%s", rows[i].name);
        has(drawn(30, 120), rows[i].shown);
    }
    struct tui_box box;
    assert_int_equal(tui_canvas_init(&canvas, 1, 3), 0);
    box = tui_box_all(&canvas);
    assert_int_equal(tui_put(&box, 0, 0, TUI_PLAIN, "ab\xe6\x97\xa5"), 4);
    assert_int_equal(tui_canvas_cell(&canvas, 0, 2)->ch, L' '); /* half of it does not fit */
    tui_canvas_finish(&canvas);
}

static void links_follow_from_endpoints(void **state)
{
    (void)state;
    char link[300], room[64];
    tui_fill_link(link, room, "https://h.example:444/whip/A-B-1");
    assert_string_equal(link, "https://h.example:444/A-B-1");
    assert_string_equal(room, "A-B-1");
    tui_fill_link(link, room, "https://h.example/base/whip/A");
    assert_string_equal(link, "https://h.example/base/A");
    static const char *const others[] = {"https://h.example/live/whip", "https://h.example/whip/",
                                         "https://h.example/whip/A/b", "https://h.example",
                                         "https://h.example/whip/A?b=c"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        tui_fill_link(link, room, others[i]);
        assert_string_equal(link, "");
        assert_string_equal(room, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everything_known_is_shown, set_up),
        cmocka_unit_test_setup(any_size_will_do, set_up),
        cmocka_unit_test_setup(a_narrow_terminal_has_one_column, set_up),
        cmocka_unit_test_setup(keys_are_those_of_the_host_view, set_up),
        cmocka_unit_test_setup(the_cursor_chooses, set_up),
        cmocka_unit_test_setup(a_password_is_typed, set_up),
        cmocka_unit_test_setup(foreign_text_moves_no_cursor, set_up),
        cmocka_unit_test(links_follow_from_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
