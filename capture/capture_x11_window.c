/* "window:ID": one window, also where others cover it, and "window:focused": whichever has the
 * focus. XComposite makes the server keep the pixels of a top-level window, with all that lies in
 * it, apart from the screen's. A window within the frame of a window manager is cut out of its
 * frame's: kept apart by itself it would still lack what is covered of the frame. The pixmap is a
 * new one after each change of size and each time the window is shown again. While it is not shown
 * its last picture stays; before it ever was, the picture is black. */
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

static void select_events(struct x11 *x, xcb_window_t window, uint32_t mask)
{
    xcb_change_window_attributes(x->ask.conn, window, XCB_CW_EVENT_MASK, &mask);
}

static void attach(struct x11 *x, xcb_window_t window)
{
    select_events(x, window, XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_VISIBILITY_CHANGE);
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

/* What was destroyed is answered with errors, which nobody reads. */
static void leave_top_level(struct x11 *x)
{
    forget_pixmap(x);
    if (x->top_level == XCB_NONE)
        return;
    xcb_composite_unredirect_window(x->ask.conn, x->top_level, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
    if (x->top_level != x->window)
        select_events(x, x->top_level, 0);
    x->top_level = XCB_NONE;
}

static void enter_top_level(struct x11 *x, xcb_window_t top)
{
    if (top == x->top_level)
        return;
    leave_top_level(x);
    x->top_level = top;
    if (top != x->window)
        select_events(x, top, XCB_EVENT_MASK_STRUCTURE_NOTIFY);
    xcb_composite_redirect_window(x->ask.conn, top, XCB_COMPOSITE_REDIRECT_AUTOMATIC);
}

static void detach(struct x11 *x)
{
    leave_top_level(x);
    if (x->window == XCB_NONE)
        return;
    xcb_damage_destroy(x->ask.conn, x->damage);
    select_events(x, x->window, 0);
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

static int ask_place(struct x11 *x, xcb_window_t from, xcb_window_t to, int *left, int *top)
{
    void *reply;
    xcb_translate_coordinates_cookie_t cookie =
        xcb_translate_coordinates(x->ask.conn, from, to, (int16_t)*left, (int16_t)*top);
    int r = x->ask.await(&x->ask, cookie.sequence, &reply);
    if (r < 0)
        return r;
    *left = ((xcb_translate_coordinates_reply_t *)reply)->dst_x;
    *top = ((xcb_translate_coordinates_reply_t *)reply)->dst_y;
    free(reply);
    return 0;
}

/* The part of the window that lies in its frame: all of it, but for frames that cut theirs off.
 * `left` and `top` are within the frame; the pixmap begins with the frame's border. */
static int place_in_pixmap(struct x11 *x, int left, int top, const xcb_get_geometry_reply_t *pixmap)
{
    const int border = x->top_place.border_width;
    const struct picture_rect window = {left, top, x->window_place.width, x->window_place.height};
    const struct picture_rect r =
        picture_rect_clip(&window, pixmap->width - 2 * border, pixmap->height - 2 * border);
    if (r.width < 2 || r.height < 2)
        return hide(x);
    x->left = r.x + border;
    x->top = r.y + border;
    x->damage_left = r.x - left;
    x->damage_top = r.y - top;
    x->damaged = x->everything = true;
    return x11_set_size(x, r.width, r.height);
}

static int name_pixmap(struct x11 *x)
{
    xcb_get_geometry_reply_t pixmap;
    int left = 0, top = 0;
    int r = ask_geometry(x, x->window, &x->window_place);
    if (r == 0)
        r = ask_geometry(x, x->top_level, &x->top_place);
    if (r == 0)
        r = ask_place(x, x->window, x->top_level, &left, &top);
    if (r < 0)
        return r;
    xcb_pixmap_t name = xcb_generate_id(x->ask.conn);
    xcb_composite_name_window_pixmap(x->ask.conn, x->top_level, name);
    r = ask_geometry(x, name, &pixmap);
    if (r == -EPROTO) /* hidden meanwhile; when it is shown again we are told */
        return hide(x);
    if (r < 0)
        return r;
    forget_pixmap(x);
    x->drawable = name;
    return place_in_pixmap(x, left, top, &pixmap);
}

/* -EPROTO when the window is gone. */
static int measure_attached(struct x11 *x)
{
    xcb_get_window_attributes_reply_t attributes;
    int r = x->gone ? -EPROTO : ask_attributes(x, x->window, &attributes);
    xcb_window_t top;
    if (r == 0)
        r = x11_ask_top_level(&x->ask, x->window, &top);
    if (r < 0)
        return r;
    enter_top_level(x, top);
    return attributes.map_state == XCB_MAP_STATE_VIEWABLE ? name_pixmap(x) : hide(x);
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
    r = ask_place(x, x->ask.root, x->window, &out->x, &out->y);
    out->x -= x->damage_left;
    out->y -= x->damage_top;
    return r;
}

static bool is_size_new(const xcb_configure_notify_event_t *e, const xcb_get_geometry_reply_t *was)
{
    return e->width != was->width || e->height != was->height ||
           e->border_width != was->border_width;
}

/* A top-level window that only moves keeps its pixels, one that moves in its frame lies elsewhere.
 * What a window manager sends to say where on the screen it put a window (ICCCM 4.2.3) is no news.
 */
static bool is_place_new(const struct x11 *x, const xcb_configure_notify_event_t *e)
{
    if (e->response_type & 0x80)
        return false;
    if (e->window == x->top_level && is_size_new(e, &x->top_place))
        return true;
    if (e->window != x->window)
        return false;
    return is_size_new(e, &x->window_place) ||
           (x->window != x->top_level && (e->x != x->window_place.x || e->y != x->window_place.y));
}

static void on_event(struct x11 *x, const xcb_generic_event_t *event)
{
    const xcb_property_notify_event_t *property = (const void *)event;
    const xcb_unmap_notify_event_t *structure = (const void *)event; /* the others begin like it */
    const xcb_visibility_notify_event_t *visibility = (const void *)event;
    switch (event->response_type & 0x7f) {
    case XCB_CONFIGURE_NOTIFY:
        x->resized |= is_place_new(x, (const void *)event);
        break;
    case XCB_MAP_NOTIFY:
    case XCB_UNMAP_NOTIFY:
    case XCB_REPARENT_NOTIFY:
        x->resized |= structure->window == x->window || structure->window == x->top_level;
        break;
    case XCB_DESTROY_NOTIFY:
        x->gone |= structure->window == x->window;
        x->resized |= x->gone;
        break;
    case XCB_VISIBILITY_NOTIFY: /* all that tells if what is hidden lies between it and its frame */
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
