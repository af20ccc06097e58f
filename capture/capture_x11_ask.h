/* capture_x11_ask.h - questions to an X server, for whoever has a way to wait for the answers.
 *
 * A capture thread waits where capture_stop wakes it, a server thread only for so long: both put a
 * struct x11_ask first in their own struct, with `await` filled in. Of the functions below each
 * returns 0, what `await` returned, or -EPROTO when the server answered with an error, which most
 * often means that the window is gone. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xcb/xcb.h>

#define X11_MONITORS_MAX 32

struct x11_ask {
    xcb_connection_t *conn; /* owned by whoever embeds this */
    const xcb_screen_t *screen;
    xcb_window_t root;
    /* 0 with a reply to free; -EPROTO for an error of the server, -EPIPE when it is gone, others
     * as the owner likes. */
    int (*await)(struct x11_ask *ask, unsigned sequence, void **reply);

    bool has_monitors;   /* RandR 1.5 */
    uint8_t randr_event; /* 0: no RandR */
    xcb_atom_t active, list, name, utf8, state, hidden, type, desktop, dock;
};

/* A connection to $DISPLAY. -ENODEV if there is none, or if it hangs (capture_x11_alive.h), which
 * takes its time to find out. Everything else is asked for by x11_ask_init. */
int x11_ask_connect(struct x11_ask *ask);
int x11_ask_init(struct x11_ask *ask);
void x11_ask_disconnect(struct x11_ask *ask); /* never connected is fine */

/* The display's name as people know it. */
const char *x11_display_name(void);
bool x11_has_extension(const struct x11_ask *ask, xcb_extension_t *extension, uint8_t *first_event);
/* Whether pixels of this visual and depth lie in memory as bytes B G R and one that does not
 * matter. */
bool x11_is_bgra(const struct x11_ask *ask, xcb_visualid_t visual, uint8_t depth);

/* The top-level window that has the focus; XCB_NONE if none has. Windows of the desktop itself and
 * its panels count as none. */
int x11_ask_focused(struct x11_ask *ask, xcb_window_t *window);
/* The ancestor that is a child of the root: the frame of the window manager, or `window` itself. */
int x11_ask_top_level(struct x11_ask *ask, xcb_window_t window, xcb_window_t *top);
/* Its title and the name of its program, in UTF-8; "" where there is none. */
int x11_ask_names(struct x11_ask *ask, xcb_window_t window, char *title, size_t title_size,
                  char *app, size_t app_size);
/* A list of windows or atoms that hangs on a window: how many there are of it, at most `max`. */
int x11_ask_list(struct x11_ask *ask, xcb_window_t window, xcb_atom_t property, uint32_t *out,
                 int max);
/* Whether it is part of the desktop itself, no window of a program. */
int x11_ask_is_furniture(struct x11_ask *ask, xcb_window_t window, bool *yes);

struct x11_monitor {
    xcb_atom_t atom;
    int x, y, width, height; /* within the root */
};

/* How many there are, at most `max`; 0 if the server cannot tell. */
int x11_ask_monitors(struct x11_ask *ask, struct x11_monitor *out, int max);
int x11_ask_atom_name(struct x11_ask *ask, xcb_atom_t atom, char *out, size_t size);

struct x11_pointer {
    int x, y;           /* within the root */
    bool here;          /* on this screen of the display */
    xcb_window_t under; /* the child of the root below it, or XCB_NONE */
};

int x11_ask_pointer(struct x11_ask *ask, struct x11_pointer *out);
