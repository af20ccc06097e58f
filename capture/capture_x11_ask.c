#include "capture/capture_x11_ask.h"

#include "capture/capture_x11_alive.h"
#include "capture/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/randr.h>

#define ANCESTORS_MAX 64
#define TITLE_BYTES_MAX 1024

const char *x11_display_name(void)
{
    const char *name = getenv("DISPLAY");
    return name ? name : "";
}

int x11_ask_connect(struct x11_ask *ask)
{
    int number = 0;
    if (!x11_is_alive())
        return -ENODEV;
    ask->conn = xcb_connect(NULL, &number);
    if (xcb_connection_has_error(ask->conn))
        return -ENODEV;
    xcb_screen_iterator_t i = xcb_setup_roots_iterator(xcb_get_setup(ask->conn));
    for (; i.rem && number > 0; number--)
        xcb_screen_next(&i);
    if (!i.rem)
        return -ENODEV;
    ask->screen = i.data;
    ask->root = i.data->root;
    return 0;
}

void x11_ask_disconnect(struct x11_ask *ask)
{
    if (ask->conn)
        xcb_disconnect(ask->conn);
    ask->conn = NULL;
}

/* --- what the server can do --- */

bool x11_has_extension(const struct x11_ask *ask, xcb_extension_t *extension, uint8_t *first_event)
{
    const xcb_query_extension_reply_t *reply = xcb_get_extension_data(ask->conn, extension);
    if (!reply || !reply->present)
        return false;
    *first_event = reply->first_event;
    return true;
}

static const xcb_visualtype_t *find_visual(const xcb_screen_t *screen, xcb_visualid_t id)
{
    xcb_depth_iterator_t depth = xcb_screen_allowed_depths_iterator(screen);
    for (; depth.rem; xcb_depth_next(&depth)) {
        xcb_visualtype_iterator_t visual = xcb_depth_visuals_iterator(depth.data);
        for (; visual.rem; xcb_visualtype_next(&visual)) {
            if (visual.data->visual_id == id)
                return visual.data;
        }
    }
    return NULL;
}

bool x11_is_bgra(const struct x11_ask *ask, xcb_visualid_t id, uint8_t depth)
{
    const xcb_setup_t *setup = xcb_get_setup(ask->conn);
    const xcb_visualtype_t *visual = find_visual(ask->screen, id);
    if (setup->image_byte_order != XCB_IMAGE_ORDER_LSB_FIRST || !visual ||
        visual->red_mask != 0xff0000 || visual->green_mask != 0xff00 || visual->blue_mask != 0xff)
        return false;
    const xcb_format_t *format = xcb_setup_pixmap_formats(setup);
    for (int i = 0; i < setup->pixmap_formats_len; i++) {
        if (format[i].depth == depth)
            return format[i].bits_per_pixel == 32 && (depth == 24 || depth == 32);
    }
    return false;
}

static int intern(struct x11_ask *ask, const char *name, xcb_atom_t *out)
{
    void *reply;
    int r = ask->await(
        ask, xcb_intern_atom(ask->conn, false, (uint16_t)strlen(name), name).sequence, &reply);
    if (r < 0)
        return r;
    *out = ((xcb_intern_atom_reply_t *)reply)->atom;
    free(reply);
    return 0;
}

static int start_randr(struct x11_ask *ask)
{
    if (!x11_has_extension(ask, &xcb_randr_id, &ask->randr_event)) {
        ask->randr_event = 0;
        return 0;
    }
    void *reply;
    int r = ask->await(ask, xcb_randr_query_version(ask->conn, 1, 5).sequence, &reply);
    if (r < 0)
        return r == -EPROTO ? 0 : r;
    const xcb_randr_query_version_reply_t *version = reply;
    ask->has_monitors = version->major_version > 1 || version->minor_version >= 5;
    free(reply);
    return 0;
}

int x11_ask_init(struct x11_ask *ask)
{
    const struct {
        const char *name;
        xcb_atom_t *atom;
    } atoms[] = {
        {"_NET_ACTIVE_WINDOW", &ask->active},
        {"_NET_CLIENT_LIST", &ask->list},
        {"_NET_WM_NAME", &ask->name},
        {"UTF8_STRING", &ask->utf8},
        {"_NET_WM_STATE", &ask->state},
        {"_NET_WM_STATE_HIDDEN", &ask->hidden},
        {"_NET_WM_WINDOW_TYPE", &ask->type},
        {"_NET_WM_WINDOW_TYPE_DESKTOP", &ask->desktop},
        {"_NET_WM_WINDOW_TYPE_DOCK", &ask->dock},
    };
    for (size_t i = 0; i < sizeof(atoms) / sizeof(atoms[0]); i++) {
        int r = intern(ask, atoms[i].name, atoms[i].atom);
        if (r < 0)
            return r;
    }
    return start_randr(ask);
}

/* --- properties --- */

static int property(struct x11_ask *ask, xcb_window_t window, xcb_atom_t name, uint32_t bytes_max,
                    xcb_get_property_reply_t **out)
{
    void *reply;
    int r = ask->await(ask,
                       xcb_get_property(ask->conn, false, window, name, XCB_GET_PROPERTY_TYPE_ANY,
                                        0, bytes_max / 4)
                           .sequence,
                       &reply);
    *out = reply;
    return r;
}

int x11_ask_list(struct x11_ask *ask, xcb_window_t window, xcb_atom_t name, uint32_t *out, int max)
{
    xcb_get_property_reply_t *reply;
    int r = property(ask, window, name, (uint32_t)max * 4, &reply);
    if (r < 0)
        return r;
    int n = reply->format == 32 ? xcb_get_property_value_length(reply) / 4 : 0;
    if (n > max)
        n = max;
    memcpy(out, xcb_get_property_value(reply), (size_t)n * 4);
    free(reply);
    return n;
}

int x11_ask_is_furniture(struct x11_ask *ask, xcb_window_t window, bool *yes)
{
    uint32_t types[8];
    int n = x11_ask_list(ask, window, ask->type, types, 8);
    if (n < 0)
        return n;
    *yes = false;
    for (int i = 0; i < n; i++)
        *yes |= types[i] == ask->desktop || types[i] == ask->dock;
    return 0;
}

static int text(struct x11_ask *ask, xcb_window_t window, xcb_atom_t name, char *out, size_t size)
{
    xcb_get_property_reply_t *reply;
    out[0] = '\0';
    int r = property(ask, window, name, TITLE_BYTES_MAX, &reply);
    if (r < 0)
        return r;
    const char *value = xcb_get_property_value(reply);
    size_t n = reply->format == 8 ? (size_t)xcb_get_property_value_length(reply) : 0;
    if (reply->type == ask->utf8)
        utf8_copy(out, size, value, n);
    else if (n > 0)
        utf8_from_latin1(out, size, value, n);
    free(reply);
    return 0;
}

/* ICCCM 4.1.2.5: two strings, of which the second names the class. */
static int class_name(struct x11_ask *ask, xcb_window_t window, char *out, size_t size)
{
    xcb_get_property_reply_t *reply;
    out[0] = '\0';
    int r = property(ask, window, XCB_ATOM_WM_CLASS, TITLE_BYTES_MAX, &reply);
    if (r < 0)
        return r;
    const char *value = xcb_get_property_value(reply);
    size_t n = reply->format == 8 ? (size_t)xcb_get_property_value_length(reply) : 0;
    size_t first = strnlen(value, n);
    if (first + 1 < n && value[first + 1])
        utf8_copy(out, size, value + first + 1, n - first - 1);
    else
        utf8_copy(out, size, value, first);
    free(reply);
    return 0;
}

int x11_ask_names(struct x11_ask *ask, xcb_window_t window, char *title, size_t title_size,
                  char *app, size_t app_size)
{
    int r = text(ask, window, ask->name, title, title_size);
    if (r == 0 && !title[0])
        r = text(ask, window, XCB_ATOM_WM_NAME, title, title_size);
    if (r == 0)
        r = class_name(ask, window, app, app_size);
    return r;
}

int x11_ask_atom_name(struct x11_ask *ask, xcb_atom_t atom, char *out, size_t size)
{
    void *reply;
    int r = ask->await(ask, xcb_get_atom_name(ask->conn, atom).sequence, &reply);
    if (r < 0)
        return r;
    utf8_copy(out, size, xcb_get_atom_name_name(reply),
              (size_t)xcb_get_atom_name_name_length(reply));
    free(reply);
    return 0;
}

/* --- the tree and the focus --- */

int x11_ask_top_level(struct x11_ask *ask, xcb_window_t window, xcb_window_t *top)
{
    for (int i = 0; i < ANCESTORS_MAX; i++) {
        void *reply;
        int r = ask->await(ask, xcb_query_tree(ask->conn, window).sequence, &reply);
        if (r < 0)
            return r;
        xcb_window_t parent = ((xcb_query_tree_reply_t *)reply)->parent;
        free(reply);
        if (parent == ask->root || parent == XCB_NONE) {
            *top = window;
            return 0;
        }
        window = parent;
    }
    return -EPROTO;
}

/* Where no window manager tells: the input focus, which may lie deep inside a window. */
static int input_focus(struct x11_ask *ask, xcb_window_t *window)
{
    void *reply;
    int r = ask->await(ask, xcb_get_input_focus(ask->conn).sequence, &reply);
    if (r < 0)
        return r;
    xcb_window_t focus = ((xcb_get_input_focus_reply_t *)reply)->focus;
    free(reply);
    *window = XCB_NONE;
    if (focus == XCB_INPUT_FOCUS_NONE || focus == XCB_INPUT_FOCUS_POINTER_ROOT ||
        focus == ask->root)
        return 0;
    return x11_ask_top_level(ask, focus, window);
}

int x11_ask_focused(struct x11_ask *ask, xcb_window_t *window)
{
    uint32_t active;
    int n = x11_ask_list(ask, ask->root, ask->active, &active, 1);
    if (n < 0)
        return n;
    *window = n == 1 ? active : XCB_NONE;
    int r = n == 1 ? 0 : input_focus(ask, window);
    bool furniture = false;
    if (r == 0 && *window != XCB_NONE)
        r = x11_ask_is_furniture(ask, *window, &furniture);
    if (r == -EPROTO) /* it closed meanwhile */
        r = 0, furniture = true;
    if (furniture)
        *window = XCB_NONE;
    return r;
}

/* --- monitors and the pointer --- */

int x11_ask_monitors(struct x11_ask *ask, struct x11_monitor *out, int max)
{
    if (!ask->has_monitors)
        return 0;
    void *reply;
    int r = ask->await(ask, xcb_randr_get_monitors(ask->conn, ask->root, true).sequence, &reply);
    if (r < 0)
        return r == -EPROTO ? 0 : r;
    int n = 0;
    xcb_randr_monitor_info_iterator_t i = xcb_randr_get_monitors_monitors_iterator(reply);
    for (; i.rem && n < max; xcb_randr_monitor_info_next(&i))
        out[n++] = (struct x11_monitor){.atom = i.data->name,
                                        .x = i.data->x,
                                        .y = i.data->y,
                                        .width = i.data->width,
                                        .height = i.data->height};
    free(reply);
    return n;
}

int x11_ask_pointer(struct x11_ask *ask, struct x11_pointer *out)
{
    void *reply;
    int r = ask->await(ask, xcb_query_pointer(ask->conn, ask->root).sequence, &reply);
    if (r < 0)
        return r;
    const xcb_query_pointer_reply_t *pointer = reply;
    *out = (struct x11_pointer){.x = pointer->root_x,
                                .y = pointer->root_y,
                                .here = pointer->same_screen,
                                .under = pointer->child};
    free(reply);
    return 0;
}
