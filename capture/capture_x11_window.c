/* "window:ID": one window, also where others cover it, and "window:focused": whichever has the
 * focus. XComposite makes the server keep the window's pixels apart from the screen's; the pixmap
 * they are kept in is a new one after each change of size and each time the window is shown again.
 * While it is not shown its last picture stays; before it ever was, the picture is black. */
#include "capture/capture_backends.h"
#include "capture/capture_x11.h"
#include "capture/sources.h"
#include "capture/windows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/composite.h>

#define FOLLOW_US 200000
/* Of the picture while nothing had the focus yet. */
#define EMPTY_WIDTH 1280
#define EMPTY_HEIGHT 720

/* --- one window --- */

static int ask_geometry(struct x11 *x, xcb_drawable_t drawable, xcb_get_geometry_reply_t *out)
{
    void *reply;
    int r = x->ask.await(&x->ask, xcb_get_geometry(x->ask.conn, drawable).sequence, &reply);
    if (r < 0)
        return r;
    *out = *(xcb_get_geometry_reply_t *)reply;
    free(reply);
    return 0;
}

static int ask_attributes(struct x11 *x, xcb_window_t window,
                          xcb_get_window_attributes_reply_t *out)
{
    void *reply;
    int r = x->ask.await(&x->ask, xcb_get_window_attributes(x->ask.conn, window).sequence, &reply);
    if (r < 0)
        return r;
    *out = *(xcb_get_window_attributes_reply_t *)reply;
    free(reply);
    return 0;
}

/* 0 if it can be captured, -ENOTSUP if not, -EPROTO if there is no such window. */
static int check(struct x11 *x, xcb_window_t window)
{
    xcb_get_window_attributes_reply_t attributes;
    xcb_get_geometry_reply_t geometry;
    int r = window == x->ask.root ? -ENOTSUP : ask_attributes(x, window, &attributes);
    if (r == 0)
        r = ask_geometry(x, window, &geometry);
    if (r < 0)
        return r;
    bool ok = attributes._class == XCB_WINDOW_CLASS_INPUT_OUTPUT &&
              x11_is_bgra(&x->ask, attributes.visual, geometry.depth) &&
              x11_is_size_possible(geometry.width, geometry.height);
    return ok ? 0 : -ENOTSUP;
}

static void attach(struct x11 *x, xcb_window_t window)
{
    const uint32_t mask = XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_VISIBILITY_CHANGE;
    xcb_change_window_attributes(x->ask.conn, window, XCB_CW_EVENT_MASK, &mask);
    xcb_composite_redirect_window(x->ask.conn, window, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
    x11_watch(x, window);
    x->window = window;
    x->gone = false;
    x->resized = true;
}

static void forget_pixmap(struct x11 *x)
{
    if (x->drawable != XCB_NONE)
        xcb_free_pixmap(x->ask.conn, x->drawable);
    x->drawable = XCB_NONE;
}

/* If it was destroyed, the server answers with errors, which nobody reads. */
static void detach(struct x11 *x)
{
    const uint32_t mask = 0;
    forget_pixmap(x);
    if (x->window == XCB_NONE)
        return;
    xcb_damage_destroy(x->ask.conn, x->damage);
    xcb_composite_unredirect_window(x->ask.conn, x->window, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
    xcb_change_window_attributes(x->ask.conn, x->window, XCB_CW_EVENT_MASK, &mask);
    x->window = x->damage = XCB_NONE;
}

/* --- where its pixels are --- */

/* It cannot be seen: the last picture stays, or a black one of its size. */
static int hide(struct x11 *x)
{
    forget_pixmap(x);
    if (x->pixels)
        return 0;
    xcb_get_geometry_reply_t geometry;
    int r = ask_geometry(x, x->window, &geometry);
    return r < 0 ? r : x11_set_size(x, geometry.width, geometry.height);
}

/* The pixmap counts, not the window, which may have changed its size since. */
static int name_pixmap(struct x11 *x)
{
    xcb_get_geometry_reply_t window, pixmap;
    xcb_pixmap_t name = xcb_generate_id(x->ask.conn);
    xcb_composite_name_window_pixmap(x->ask.conn, x->window, name);
    int r = ask_geometry(x, x->window, &window);
    if (r < 0)
        return r;
    r = ask_geometry(x, name, &pixmap);
    if (r == -EPROTO) /* hidden meanwhile; when it is shown again we are told */
        return hide(x);
    if (r < 0)
        return r;
    forget_pixmap(x);
    x->drawable = name;
    x->left = x->top = window.border_width;
    x->raw_width = pixmap.width - 2 * window.border_width;
    x->raw_height = pixmap.height - 2 * window.border_width;
    if (x->raw_width < 2 || x->raw_height < 2)
        return hide(x);
    x->damaged = x->everything = true;
    return x11_set_size(x, x->raw_width, x->raw_height);
}

/* -EPROTO when the window is gone. */
static int measure_attached(struct x11 *x)
{
    xcb_get_window_attributes_reply_t attributes;
    int r = x->gone ? -EPROTO : ask_attributes(x, x->window, &attributes);
    if (r == 0)
        r = x11_ask_top_level(&x->ask, x->window, &x->top_level);
    if (r == 0)
        r = attributes.map_state == XCB_MAP_STATE_VIEWABLE ? name_pixmap(x) : hide(x);
    return r;
}

static int measure_window(struct x11 *x)
{
    x->resized = false;
    int r = measure_attached(x);
    return r == -EPROTO ? -ENOENT : r;
}

static int measure_focused(struct x11 *x)
{
    x->resized = false;
    int r = x->window == XCB_NONE ? 0 : measure_attached(x);
    if (r == -EPROTO) { /* closed: its last picture stays until another has the focus */
        detach(x);
        r = 0;
    }
    return r < 0 || x->pixels ? r : x11_set_size(x, EMPTY_WIDTH, EMPTY_HEIGHT);
}

/* --- while it runs --- */

/* The cursor is part of the picture where it is over this window, not over one that covers it. */
static int locate(struct x11 *x, struct x11_pointer *out)
{
    int r = x11_ask_pointer(&x->ask, out);
    if (r < 0)
        return r;
    out->here = out->here && x->drawable != XCB_NONE && out->under == x->top_level;
    if (!out->here)
        return 0;
    void *reply;
    xcb_translate_coordinates_cookie_t cookie = xcb_translate_coordinates(
        x->ask.conn, x->ask.root, x->window, (int16_t)out->x, (int16_t)out->y);
    r = x->ask.await(&x->ask, cookie.sequence, &reply);
    if (r < 0)
        return r;
    out->x = ((xcb_translate_coordinates_reply_t *)reply)->dst_x;
    out->y = ((xcb_translate_coordinates_reply_t *)reply)->dst_y;
    free(reply);
    return 0;
}

/* A window that only moves keeps its pixels. */
static bool is_new_size(const struct x11 *x, const xcb_configure_notify_event_t *e)
{
    return e->width != x->raw_width || e->height != x->raw_height || e->border_width != x->left;
}

/* The window is the same field in all of these. */
static void on_event(struct x11 *x, const xcb_generic_event_t *event)
{
    const xcb_property_notify_event_t *property = (const void *)event;
    const xcb_unmap_notify_event_t *structure = (const void *)event;
    const xcb_visibility_notify_event_t *visibility = (const void *)event;
    switch (event->response_type & 0x7f) {
    case XCB_CONFIGURE_NOTIFY:
        x->resized |= structure->window == x->window && is_new_size(x, (const void *)event);
        break;
    case XCB_MAP_NOTIFY:
    case XCB_UNMAP_NOTIFY:
    case XCB_REPARENT_NOTIFY:
        x->resized |= structure->window == x->window;
        break;
    case XCB_DESTROY_NOTIFY:
        x->gone |= structure->window == x->window;
        x->resized |= x->gone;
        break;
    case XCB_VISIBILITY_NOTIFY: /* of all that tells when a frame is shown again, not the window */
        x->resized |= visibility->window == x->window;
        break;
    case XCB_PROPERTY_NOTIFY:
        x->refocused |= property->window == x->ask.root && property->atom == x->ask.active;
        break;
    default:
        break;
    }
}

/* Who has the focus is asked for, too: without a window manager nothing tells. */
static int follow(struct x11 *x, int64_t now_us)
{
    xcb_window_t focused;
    x->refocused = false;
    x->follow_us = now_us + FOLLOW_US;
    int r = x11_ask_focused(&x->ask, &focused);
    if (r == 0 && focused != XCB_NONE && focused != x->window) {
        r = check(x, focused);
        if (r == 0) {
            detach(x);
            attach(x, focused);
        }
    }
    return r == -EPROTO || r == -ENOTSUP ? 0 : r;
}

static const struct x11_subject window_subject = {
    .measure = measure_window, .locate = locate, .on_event = on_event};
static const struct x11_subject focused_subject = {
    .measure = measure_focused, .locate = locate, .on_event = on_event, .follow = follow};

/* --- opening --- */

static bool start_composite(struct x11 *x)
{
    uint8_t unused;
    if (!x11_has_extension(&x->ask, &xcb_composite_id, &unused))
        return false;
    void *reply;
    int r = x->ask.await(&x->ask, xcb_composite_query_version(x->ask.conn, 0, 4).sequence, &reply);
    if (r < 0)
        return false;
    const xcb_composite_query_version_reply_t *version = reply;
    bool ok = version->major_version > 0 || version->minor_version >= 2;
    free(reply);
    return ok;
}

static int open_one(struct x11 *x, uint32_t id, char *error, size_t error_size)
{
    int r = check(x, id);
    if (r == -EPROTO) {
        snprintf(error, error_size, "X display \"%s\" has no window 0x%x", x->display, id);
        return -ENOENT;
    }
    if (r == -ENOTSUP)
        snprintf(error, error_size,
                 "window 0x%x cannot be captured: 24-bit colour in 32 bits and a size from 2x2 to "
                 "%dx%d are needed",
                 id, PICTURE_MAX_WIDTH, PICTURE_MAX_HEIGHT);
    if (r < 0)
        return r;
    x->subject = &window_subject;
    attach(x, id);
    return 0;
}

static int open_focused(struct x11 *x)
{
    const uint32_t mask = XCB_EVENT_MASK_PROPERTY_CHANGE;
    xcb_change_window_attributes(x->ask.conn, x->ask.root, XCB_CW_EVENT_MASK, &mask);
    x->subject = &focused_subject;
    return follow(x, 0);
}

static int choose(struct x11 *x, const char *arg, char *error, size_t error_size)
{
    uint32_t id;
    if (arg && strcmp(arg, "focused") == 0)
        return open_focused(x);
    if (arg && windows_parse_id(arg, &id))
        return open_one(x, id, error, error_size);
    snprintf(error, error_size,
             "window \"%s\" is neither \"focused\" nor a number as \"amphi sources\" lists them",
             arg ? arg : "");
    return -EINVAL;
}

static int window_open(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    struct x11 *x = priv;
    int r = x11_begin(x, config, error, error_size);
    if (r == 0 && !start_composite(x)) {
        snprintf(error, error_size, "X display \"%s\" lacks the extension Composite", x->display);
        r = -ENOTSUP;
    }
    if (r == 0)
        r = choose(x, config->arg, error, error_size);
    if (r < 0)
        return r;
    snprintf(x->name, sizeof(x->name), "the window");
    r = x->subject->measure(x);
    if (r < 0) {
        snprintf(error, error_size, "the window was closed or has an impossible size");
        return r;
    }
    *info = (struct capture_info){.width = x->width, .height = x->height};
    if (x->window != XCB_NONE)
        (void)x11_ask_names(&x->ask, x->window, info->name, sizeof(info->name), info->app,
                            sizeof(info->app));
    if (!info->name[0] && x->window == XCB_NONE)
        snprintf(info->name, sizeof(info->name), "Focused window");
    else if (!info->name[0])
        snprintf(info->name, sizeof(info->name), "Window 0x%x", x->window);
    return 0;
}

static struct sources_entry entry(const struct window_info *info)
{
    struct sources_entry e = {.kind = SOURCES_WINDOW,
                              .width = info->width & ~1,
                              .height = info->height & ~1,
                              .focused = info->focused};
    snprintf(e.source, sizeof(e.source), "window:0x%x", info->id);
    snprintf(e.name, sizeof(e.name), "%s", info->title);
    snprintf(e.app, sizeof(e.app), "%s", info->app);
    return e;
}

static int list(struct windows *w, struct sources_entry *out, int max)
{
    static const struct sources_entry focused = {
        .kind = SOURCES_WINDOW, .source = "window:focused", .name = "Whichever has the focus"};
    struct window_info windows[WINDOWS_MAX];
    int n = windows_list(w, windows, WINDOWS_MAX);
    if (n < 0)
        return n;
    out[0] = focused;
    int count = 1;
    for (int i = 0; i < n && count < max; i++) {
        if (x11_is_size_possible(windows[i].width, windows[i].height))
            out[count++] = entry(&windows[i]);
    }
    return count;
}

static int window_list(struct sources_entry *out, int max, char *error, size_t error_size)
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

const struct capture_ops capture_x11_window_ops = {
    .kind = "window",
    .priv_size = sizeof(struct x11),
    .open = window_open,
    .run = x11_run,
    .close = x11_close,
    .list = window_list,
};
