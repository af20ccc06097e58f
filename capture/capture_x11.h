/* capture_x11.h - what the files of the X11 sources share: one struct, one thread.
 *
 * capture_x11.c keeps the time and makes pictures, _pixels.c fetches what changed, _cursor.c draws
 * the pointer; _screen.c and _window.c know what is looked at, behind struct x11_subject. Opening
 * thread until run, capture thread from then on. Functions return 0 or -errno: -ECANCELED when told
 * to stop, -EPIPE when the display is gone, -ENOENT when the window was closed, -ENODEV when the
 * monitor is gone, -EPROTO when the server answered with an error.
 */
#pragma once

#include "capture/capture.h"
#include "capture/capture_x11_ask.h"

#include <xcb/damage.h>
#include <xcb/shm.h>
#include <xcb/xfixes.h>

struct x11;

struct x11_subject {
    int (*measure)(struct x11 *x); /* x->resized: look again where the pixels are, and how many */
    /* Where the pointer is, in pixels of the picture; `here` only if it can be seen there. */
    int (*locate)(struct x11 *x, struct x11_pointer *out);
    void (*on_event)(struct x11 *x, const xcb_generic_event_t *event);
    int (*follow)(struct x11 *x, int64_t now_us); /* look again at what; NULL: always the same */
};

struct x11 {
    struct x11_ask ask; /* first, as it asks */

    /* immutable after open */
    const struct x11_subject *subject;
    char display[64]; /* for people */
    uint8_t damage_event, cursor_event;
    int64_t interval_us;

    struct capture_sink *sink; /* borrowed: for the length of run; NULL before */

    /* what is looked at */
    char name[64];           /* for people */
    xcb_window_t window;     /* the root or a window; XCB_NONE: nothing has the focus yet */
    xcb_drawable_t drawable; /* has the pixels: the root or a window's pixmap; XCB_NONE: hidden */
    xcb_damage_damage_t damage;  /* of `window` */
    int left, top;               /* of the picture within the drawable */
    int damage_left, damage_top; /* of the picture where damage is told */
    xcb_atom_t monitor;          /* of a monitor: what it is known by */
    xcb_window_t top_level;      /* of a window: the child of the root it lies in */
    xcb_get_geometry_reply_t window_place, top_place; /* of a window: as last measured */
    bool gone;                                        /* of a window: it was destroyed */
    int64_t follow_us; /* when to look again which window has the focus */

    /* the pixels as last grabbed, without the cursor */
    int width, height; /* even */
    uint8_t *pixels;   /* owned; shared with the server, or from the heap if `shm` is none */
    size_t size;
    bool may_share;
    xcb_shm_seg_t shm;
    xcb_xfixes_region_t region;
    int failures;                /* grabs in a row */
    struct picture_damage dirty; /* pixels and cursor: against the picture published last */

    xcb_xfixes_get_cursor_image_reply_t *cursor; /* owned */
    struct x11_pointer pointer;                  /* as subject->locate says */

    /* what the next picture has to take in */
    bool resized, damaged, everything, reshaped, refocused, poked;
    bool fresh;               /* pixels or cursor are not what was delivered last */
    int64_t pace_us, next_us; /* see step in capture_x11.c */
    int64_t delivered_us, moved_us, pointer_us;
};

/* Room for pixels of this size (made even), all black, if it is a new one. -ERANGE if it cannot be
 * captured. */
int x11_set_size(struct x11 *x, int width, int height);
bool x11_is_size_possible(int width, int height);
int x11_grab(struct x11 *x); /* sets x->fresh if there are new pixels */
bool x11_can_share(struct x11 *x);
void x11_free_pixels(struct x11 *x);

int x11_fetch_cursor(struct x11 *x);
int x11_locate_pointer(struct x11 *x, int64_t now_us);
struct picture_rect x11_cursor_rect(const struct x11 *x); /* all zero if it cannot be seen */
void x11_draw_cursor(const struct x11 *x, const struct picture *p);

/* Connects, and asks for what every subject needs. */
int x11_begin(struct x11 *x, const struct capture_config *config, char *error, size_t error_size);
void x11_watch(struct x11 *x, xcb_window_t window); /* sets x->damage */
int x11_run(void *priv, struct capture_sink *sink, char *error, size_t error_size);
void x11_close(void *priv);
