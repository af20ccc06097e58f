#include "capture/windows.h"

#include "capture/capture.h"
#include "capture/capture_x11_ask.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/xcbext.h>

struct windows {
    struct x11_ask ask; /* first, as it asks */
    unsigned owed;      /* a reply nobody waited for until it came; 0: none */

    /* as of the last update */
    xcb_window_t focused;
    struct x11_pointer pointer;
};

bool windows_parse_id(const char *text, uint32_t *id)
{
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    const char *digits = base == 16 ? text + 2 : text;
    size_t n = strlen(digits);
    if (n == 0 || n > 10 ||
        strspn(digits, base == 16 ? "0123456789abcdefABCDEF" : "0123456789") != n)
        return false;
    unsigned long long value = strtoull(digits, NULL, base);
    if (value == 0 || value > UINT32_MAX)
        return false;
    *id = (uint32_t)value;
    return true;
}

/* --- waiting, for so long --- */

/* 1 when the reply (or an error instead of it) has come, 0 when not yet. */
static int poll_reply(struct windows *w, unsigned sequence, void **reply)
{
    xcb_generic_event_t *event;
    xcb_generic_error_t *error = NULL;
    *reply = NULL;
    while ((event = xcb_poll_for_event(w->ask.conn))) /* this is what reads the socket */
        free(event);
    int done = xcb_poll_for_reply(w->ask.conn, sequence, reply, &error);
    free(error);
    return done;
}

static int await(struct x11_ask *ask, unsigned sequence, void **reply)
{
    struct windows *w = (struct windows *)ask;
    int64_t deadline_us = capture_now_us() + WINDOWS_PATIENCE_US;
    xcb_flush(ask->conn);
    while (!poll_reply(w, sequence, reply)) {
        int64_t left_us = deadline_us - capture_now_us();
        if (left_us <= 0) {
            w->owed = sequence;
            return -ETIMEDOUT;
        }
        struct pollfd fd = {.fd = xcb_get_file_descriptor(ask->conn), .events = POLLIN};
        poll(&fd, 1, (int)(left_us / 1000) + 1);
    }
    if (*reply)
        return 0;
    return xcb_connection_has_error(ask->conn) ? -ENODEV : -EPROTO;
}

/* A server that owes an answer is asked nothing more: what is sent to it would pile up. */
static int begin(struct windows *w)
{
    void *reply;
    if (xcb_connection_has_error(w->ask.conn))
        return -ENODEV;
    if (w->owed) {
        if (!poll_reply(w, w->owed, &reply))
            return -ETIMEDOUT;
        free(reply);
        w->owed = 0;
    }
    return 0;
}

int windows_open(struct windows **out)
{
    struct windows *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->ask.await = await;
    int r = x11_ask_connect(&w->ask);
    if (r == 0)
        r = begin(w);
    if (r == 0)
        r = x11_ask_init(&w->ask);
    if (r < 0) {
        windows_close(w);
        return r == -ENOMEM ? r : -ENODEV;
    }
    *out = w;
    return 0;
}

void windows_close(struct windows *w)
{
    if (!w)
        return;
    x11_ask_disconnect(&w->ask);
    free(w);
}

/* --- lists --- */

static int geometry(struct windows *w, xcb_window_t id, struct window_info *out)
{
    void *reply;
    struct x11_ask *ask = &w->ask;
    int r = ask->await(ask, xcb_get_geometry(ask->conn, id).sequence, &reply);
    if (r < 0)
        return r;
    out->width = ((xcb_get_geometry_reply_t *)reply)->width;
    out->height = ((xcb_get_geometry_reply_t *)reply)->height;
    free(reply);
    r = ask->await(ask, xcb_translate_coordinates(ask->conn, id, ask->root, 0, 0).sequence, &reply);
    if (r < 0)
        return r;
    out->x = ((xcb_translate_coordinates_reply_t *)reply)->dst_x;
    out->y = ((xcb_translate_coordinates_reply_t *)reply)->dst_y;
    free(reply);
    return 0;
}

static bool is_hidden(struct windows *w, xcb_window_t id)
{
    uint32_t states[16];
    int n = x11_ask_list(&w->ask, id, w->ask.state, states, 16);
    for (int i = 0; i < n; i++) {
        if (states[i] == w->ask.hidden)
            return true;
    }
    return false;
}

/* Fills *out; 0, -EPROTO if there is no such window, -ENOTSUP if it is none of a program. */
static int describe(struct windows *w, xcb_window_t id, bool listed, struct window_info *out)
{
    void *reply;
    struct x11_ask *ask = &w->ask;
    *out = (struct window_info){.id = id};
    int r = ask->await(ask, xcb_get_window_attributes(ask->conn, id).sequence, &reply);
    if (r < 0)
        return r;
    const xcb_get_window_attributes_reply_t *attributes = reply;
    bool furniture = attributes->_class != XCB_WINDOW_CLASS_INPUT_OUTPUT;
    out->visible = attributes->map_state == XCB_MAP_STATE_VIEWABLE;
    if (!listed) /* no window manager: menus and what was never shown are sorted out here */
        furniture |= attributes->override_redirect || !out->visible;
    free(reply);
    if (!furniture)
        r = x11_ask_is_furniture(ask, id, &furniture);
    if (r == 0 && !furniture)
        r = geometry(w, id, out);
    if (r == 0 && !furniture)
        r = x11_ask_names(ask, id, out->title, sizeof(out->title), out->app, sizeof(out->app));
    if (r == 0 && !furniture)
        out->visible &= !is_hidden(w, id);
    out->focused = id == w->focused;
    return r == 0 && furniture ? -ENOTSUP : r;
}

static int children(struct windows *w, uint32_t *out, int max)
{
    void *reply;
    int r = w->ask.await(&w->ask, xcb_query_tree(w->ask.conn, w->ask.root).sequence, &reply);
    if (r < 0)
        return r;
    int n = xcb_query_tree_children_length(reply);
    n = n < max ? n : max;
    memcpy(out, xcb_query_tree_children(reply), (size_t)n * sizeof(out[0]));
    free(reply);
    return n;
}

int windows_list(struct windows *w, struct window_info *out, int max)
{
    uint32_t ids[WINDOWS_MAX];
    int r = begin(w);
    if (r == 0)
        r = x11_ask_focused(&w->ask, &w->focused);
    if (r < 0)
        return r;
    int n = x11_ask_list(&w->ask, w->ask.root, w->ask.list, ids, WINDOWS_MAX);
    bool listed = n > 0;
    if (n == 0)
        n = children(w, ids, WINDOWS_MAX);
    if (n < 0)
        return n;
    int count = 0;
    for (int i = 0; i < n && count < max; i++) {
        r = describe(w, ids[i], listed, &out[count]);
        if (r == 0)
            count++;
        else if (r != -EPROTO && r != -ENOTSUP)
            return r;
    }
    return count;
}

static int whole_screen(struct windows *w, struct window_monitor *out)
{
    struct window_info root;
    int r = geometry(w, w->ask.root, &root);
    if (r < 0)
        return r;
    *out = (struct window_monitor){.name = "Screen", .width = root.width, .height = root.height};
    return 1;
}

int windows_screen(struct windows *w, struct window_monitor *out)
{
    int r = begin(w);
    if (r == 0)
        r = whole_screen(w, out);
    return r < 0 ? r : 0;
}

int windows_monitors(struct windows *w, struct window_monitor *out, int max)
{
    static_assert(WINDOWS_MONITORS_MAX == X11_MONITORS_MAX, "what is listed can be captured");
    assert(max > 0);
    struct x11_monitor monitors[X11_MONITORS_MAX];
    int r = begin(w);
    if (r < 0)
        return r;
    int n = x11_ask_monitors(&w->ask, monitors, max < X11_MONITORS_MAX ? max : X11_MONITORS_MAX);
    if (n == 0)
        return whole_screen(w, out);
    for (int i = 0; i < n; i++) {
        const struct x11_monitor *m = &monitors[i];
        out[i] =
            (struct window_monitor){.x = m->x, .y = m->y, .width = m->width, .height = m->height};
        r = x11_ask_atom_name(&w->ask, m->atom, out[i].name, sizeof(out[i].name));
        if (r < 0 && r != -EPROTO)
            return r;
    }
    return n;
}

int windows_names(struct windows *w, uint32_t id, char *title, size_t title_size, char *app,
                  size_t app_size)
{
    int r = begin(w);
    if (r == 0)
        r = x11_ask_names(&w->ask, id, title, title_size, app, app_size);
    return r == -EPROTO ? -ENOENT : r;
}

/* --- one source --- */

int windows_update(struct windows *w)
{
    int r = begin(w);
    if (r == 0)
        r = x11_ask_focused(&w->ask, &w->focused);
    if (r == 0)
        r = x11_ask_pointer(&w->ask, &w->pointer);
    return r;
}

uint32_t windows_focused(const struct windows *w)
{
    return w->focused;
}

void windows_pointer(const struct windows *w, int *x, int *y)
{
    *x = w->pointer.x;
    *y = w->pointer.y;
}

static bool is_inside(const struct window_monitor *m, int x, int y)
{
    return x >= m->x && x < m->x + m->width && y >= m->y && y < m->y + m->height;
}

/* The first and the last pixel are 0 and 100 %. */
static double percent(int place, int size)
{
    if (place <= 0 || size <= 1)
        return 0;
    return place >= size - 1 ? 100 : 100.0 * place / (size - 1);
}

/* The picture leaves out an odd last column and row. */
static void look_at(const struct windows *w, const struct window_monitor *m,
                    struct windows_look *out)
{
    const struct window_monitor even = {
        .x = m->x, .y = m->y, .width = m->width & ~1, .height = m->height & ~1};
    out->cursor_in_view = w->pointer.here && is_inside(&even, w->pointer.x, w->pointer.y);
    out->cursor_x = percent(w->pointer.x - m->x, even.width);
    out->cursor_y = percent(w->pointer.y - m->y, even.height);
}

static int look_at_window(struct windows *w, uint32_t id, struct windows_look *out)
{
    struct window_info info;
    xcb_window_t top, focused_top = XCB_NONE;
    int r = geometry(w, id, &info);
    if (r == 0)
        r = x11_ask_top_level(&w->ask, id, &top);
    if (r < 0)
        return r == -EPROTO ? -ENOENT : r;
    /* without a window manager the focus is told as a top-level window */
    if (w->focused != XCB_NONE && x11_ask_top_level(&w->ask, w->focused, &focused_top) < 0)
        focused_top = XCB_NONE;
    const struct window_monitor place = {
        .x = info.x, .y = info.y, .width = info.width, .height = info.height};
    look_at(w, &place, out);
    out->id = id;
    out->focused = w->focused == id || (focused_top != XCB_NONE && focused_top == top);
    out->cursor_in_view &= w->pointer.under == top;
    return 0;
}

static bool has_focus(struct windows *w, const struct window_monitor *m)
{
    struct window_info info;
    if (w->focused == XCB_NONE || geometry(w, w->focused, &info) < 0)
        return is_inside(m, w->pointer.x, w->pointer.y);
    return is_inside(m, info.x + info.width / 2, info.y + info.height / 2);
}

static int look_at_screen(struct windows *w, const char *arg, struct windows_look *out)
{
    struct window_monitor monitor;
    int n = whole_screen(w, &monitor);
    if (n > 0 && !arg) {
        look_at(w, &monitor, out);
        out->focused = true;
        return 0;
    }
    struct x11_monitor monitors[X11_MONITORS_MAX];
    if (n >= 0)
        n = x11_ask_monitors(&w->ask, monitors, X11_MONITORS_MAX);
    if (n < 0)
        return n;
    unsigned long number = strtoul(arg, NULL, 10);
    if (number >= (unsigned long)(n ? n : 1))
        return -ENOENT;
    if (n > 0)
        monitor = (struct window_monitor){.x = monitors[number].x,
                                          .y = monitors[number].y,
                                          .width = monitors[number].width,
                                          .height = monitors[number].height};
    look_at(w, &monitor, out);
    out->focused = has_focus(w, &monitor);
    return 0;
}

int windows_look(struct windows *w, const char *kind, const char *arg, struct windows_look *out)
{
    uint32_t id;
    *out = (struct windows_look){0};
    int r = begin(w);
    if (r < 0)
        return r;
    if (strcmp(kind, "screen") == 0)
        return look_at_screen(w, arg, out);
    if (strcmp(kind, "window") != 0 || !arg)
        return -ENOTSUP;
    if (strcmp(arg, "focused") == 0)
        return w->focused != XCB_NONE ? look_at_window(w, w->focused, out) : 0;
    return windows_parse_id(arg, &id) ? look_at_window(w, id, out) : -ENOTSUP;
}
