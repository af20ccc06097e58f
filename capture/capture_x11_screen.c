/* "screen": the whole screen of $DISPLAY; "screen:N": one of its monitors, which is known by its
 * name from then on, since numbers shift when another one comes or goes. */
#include "capture/capture_backends.h"
#include "capture/capture_x11.h"
#include "capture/sources.h"
#include "capture/windows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xcb/randr.h>

/* --- while it runs --- */

static int measure_root(struct x11 *x)
{
    void *reply;
    x->resized = false;
    int r = x->ask.await(&x->ask, xcb_get_geometry(x->ask.conn, x->ask.root).sequence, &reply);
    if (r < 0)
        return r;
    const xcb_get_geometry_reply_t *geometry = reply;
    int width = geometry->width, height = geometry->height;
    free(reply);
    return x11_set_size(x, width, height);
}

static int measure_monitor(struct x11 *x)
{
    struct x11_monitor monitors[X11_MONITORS_MAX];
    x->resized = false;
    int n = x11_ask_monitors(&x->ask, monitors, X11_MONITORS_MAX);
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        const struct x11_monitor *m = &monitors[i];
        if (m->atom != x->monitor)
            continue;
        if (m->x != x->left || m->y != x->top)
            x->damaged = x->everything = true;
        x->left = x->damage_left = m->x;
        x->top = x->damage_top = m->y;
        return x11_set_size(x, m->width, m->height);
    }
    return -ENODEV;
}

static int locate(struct x11 *x, struct x11_pointer *out)
{
    int r = x11_ask_pointer(&x->ask, out);
    out->x -= x->left;
    out->y -= x->top;
    return r;
}

static void on_event(struct x11 *x, const xcb_generic_event_t *event)
{
    int type = event->response_type & 0x7f;
    if (type == XCB_CONFIGURE_NOTIFY ||
        (x->ask.randr_event && (type == x->ask.randr_event + XCB_RANDR_SCREEN_CHANGE_NOTIFY ||
                                type == x->ask.randr_event + XCB_RANDR_NOTIFY)))
        x->resized = true;
}

static const struct x11_subject root = {
    .measure = measure_root, .locate = locate, .on_event = on_event};
static const struct x11_subject monitor = {
    .measure = measure_monitor, .locate = locate, .on_event = on_event};

/* --- opening --- */

static bool parse_number(const char *arg, int *number)
{
    char *end;
    if (arg[0] < '0' || arg[0] > '9')
        return false;
    errno = 0;
    long value = strtol(arg, &end, 10);
    *number = (int)value;
    return *end == '\0' && errno == 0 && value <= 99;
}

/* A server that knows no monitors has one: the whole screen. */
static int choose(struct x11 *x, const char *arg, char *error, size_t error_size)
{
    int number;
    x->subject = &root;
    snprintf(x->name, sizeof(x->name), "Screen");
    if (!arg)
        return 0;
    if (!parse_number(arg, &number)) {
        snprintf(error, error_size, "screen \"%s\" is not the number of a monitor", arg);
        return -EINVAL;
    }
    struct x11_monitor monitors[X11_MONITORS_MAX];
    int n = x11_ask_monitors(&x->ask, monitors, X11_MONITORS_MAX);
    if (n < 0)
        return n;
    if (number >= n && (number > 0 || n > 0)) {
        snprintf(error, error_size, "X display \"%s\" has no monitor %d: it has %d, from 0",
                 x->display, number, n ? n : 1);
        return -ENODEV;
    }
    if (n == 0)
        return 0;
    x->subject = &monitor;
    x->monitor = monitors[number].atom;
    return x11_ask_atom_name(&x->ask, x->monitor, x->name, sizeof(x->name));
}

static void select_events(struct x11 *x)
{
    const uint32_t mask = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
    xcb_change_window_attributes(x->ask.conn, x->ask.root, XCB_CW_EVENT_MASK, &mask);
    if (x->ask.randr_event)
        xcb_randr_select_input(x->ask.conn, x->ask.root,
                               XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE |
                                   XCB_RANDR_NOTIFY_MASK_CRTC_CHANGE |
                                   XCB_RANDR_NOTIFY_MASK_OUTPUT_CHANGE);
}

static int screen_open(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    struct x11 *x = priv;
    int r = x11_begin(x, config, error, error_size);
    if (r < 0)
        return r;
    r = choose(x, config->arg, error, error_size);
    if (r < 0)
        return r;
    const xcb_screen_t *screen = x->ask.screen;
    if (x11_is_bgra(&x->ask, screen->root_visual, screen->root_depth)) {
        x->window = x->drawable = x->ask.root;
        select_events(x);
        x11_watch(x, x->window);
        r = x->subject->measure(x);
    } else {
        r = -ENOTSUP;
    }
    if (r < 0) {
        snprintf(error, error_size,
                 "%s of X display \"%s\" (%dx%d, depth %d) cannot be captured: 24-bit colour in 32 "
                 "bits and at most %dx%d are needed",
                 x->name, x->display, screen->width_in_pixels, screen->height_in_pixels,
                 screen->root_depth, PICTURE_MAX_WIDTH, PICTURE_MAX_HEIGHT);
        return r;
    }
    *info = (struct capture_info){.width = x->width, .height = x->height};
    snprintf(info->name, sizeof(info->name), "%s", x->name);
    return 0;
}

static struct sources_entry entry(const struct window_monitor *m, const char *source)
{
    struct sources_entry e = {.kind = SOURCES_SCREEN, .width = m->width, .height = m->height};
    snprintf(e.source, sizeof(e.source), "%s", source);
    return e;
}

static int list(struct windows *w, struct sources_entry *out, int max)
{
    struct window_monitor whole, monitors[WINDOWS_MONITORS_MAX];
    int r = windows_screen(w, &whole);
    int n = r < 0 ? r : windows_monitors(w, monitors, WINDOWS_MONITORS_MAX);
    if (n < 0)
        return n;
    out[0] = entry(&whole, "screen");
    snprintf(out[0].name, sizeof(out[0].name), "Whole screen");
    for (int i = 0; i < n && i + 1 < max; i++) {
        char source[24];
        snprintf(source, sizeof(source), "screen:%d", i);
        out[i + 1] = entry(&monitors[i], source);
        snprintf(out[i + 1].name, sizeof(out[i + 1].name), "Monitor %.63s", monitors[i].name);
    }
    return n + 1 < max ? n + 1 : max;
}

static int screen_list(struct sources_entry *out, int max, char *error, size_t error_size)
{
    struct windows *w;
    int r = windows_open(&w);
    if (r == 0) {
        r = list(w, out, max);
        windows_close(w);
    }
    if (r < 0)
        snprintf(error, error_size, "X display \"%s\" does not answer", x11_display_name());
    return r;
}

const struct capture_ops capture_x11_screen_ops = {
    .kind = "screen",
    .priv_size = sizeof(struct x11),
    .open = screen_open,
    .run = x11_run,
    .close = x11_close,
    .list = screen_list,
};
