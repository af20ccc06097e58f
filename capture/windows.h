/* windows.h - what is on an X display: its windows, its monitors, the focus and the pointer.
 *
 * One connection to $DISPLAY, used by one thread at a time. No call waits longer than
 * WINDOWS_PATIENCE_US for an answer: -ETIMEDOUT then, at once again until the server has recovered,
 * and -ENODEV when the display is gone, after which only windows_close is left to call. Text is
 * UTF-8, coordinates are pixels.
 *
 * Life: windows_open, then as often as wanted windows_update (once for all sources: it asks for
 * focus and pointer) and windows_look for each source; windows_close. At 5 times a second this
 * costs well under 1 % of a core.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOWS_PATIENCE_US 100000
#define WINDOWS_MAX 256 /* more are not listed */
#define WINDOWS_MONITORS_MAX 32

struct windows;

/* A decimal number, or a hexadecimal one that begins with 0x; not 0. */
bool windows_parse_id(const char *text, uint32_t *id);

/* 0, or -ENODEV when there is no display. Blocks while a server accepts but does not answer. */
int windows_open(struct windows **out);
void windows_close(struct windows *w); /* NULL is fine */

struct window_info {
    uint32_t id;
    char title[256], app[64];
    int x, y, width, height; /* on the screen, without the frame */
    bool focused, visible;   /* visible: shown, if perhaps covered; not minimised */
};

/* Top-level windows as the window manager lists them, else all that are shown. How many, or
 * -errno. */
int windows_list(struct windows *w, struct window_info *out, int max);

struct window_monitor {
    char name[64];
    int x, y, width, height;
};

int windows_screen(struct windows *w, struct window_monitor *out); /* all of it */
/* In the order in which screen:N counts them; at least one. How many, or -errno. */
int windows_monitors(struct windows *w, struct window_monitor *out, int max);

int windows_update(struct windows *w);
/* As of the last update; 0 if nothing has the focus. */
uint32_t windows_focused(const struct windows *w);
void windows_pointer(const struct windows *w, int *x, int *y);

struct windows_look {
    uint32_t id; /* the window, also of window:focused; 0: a screen, or nothing has the focus */
    /* A window: it has the focus. A monitor: the window that has the focus is on it, or else the
     * pointer. A whole screen: always. */
    bool focused;
    bool cursor_in_view;       /* over the picture, and over no window that covers it */
    double cursor_x, cursor_y; /* 0 to 100 % of the picture's width and height; held at the edge */
};

/* How a source stands, as of the last update: kind and arg as in struct capture_config. 0, -ENOENT
 * if it is not on this display any more, -ENOTSUP for kinds that are not. */
int windows_look(struct windows *w, const char *kind, const char *arg, struct windows_look *out);
/* Names change while a window is open. */
int windows_names(struct windows *w, uint32_t id, char *title, size_t title_size, char *app,
                  size_t app_size);
