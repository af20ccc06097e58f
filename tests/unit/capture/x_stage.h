/* x_stage.h - an X server of the test's own (Xvfb on a free display), a client that draws on it,
 * and a capture to look at. Without Xvfb every test skips. */
#pragma once

#include "capture/capture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xcb.h>

#include <cmocka.h>

/* How many pictures may pass before one shows what was drawn; an idle screen gives one a second. */
#define PATIENCE 20

static struct {
    pid_t pid;
    xcb_connection_t *conn; /* a client that draws */
    const xcb_screen_t *screen;
    xcb_gcontext_t gc;
    struct capture *capture;
} x;

/* --- a server and a client on it --- */

static inline void run_xvfb(int fd, const char *screen, const char *without)
{
    char fd_text[16];
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that dies */
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execlp("Xvfb", "Xvfb", "-displayfd", fd_text, "-screen", "0", screen, "-nolisten", "tcp",
           "-noreset", without ? "-extension" : NULL, without, NULL);
    _exit(127);
}

/* False if there is no Xvfb. */
static inline bool start_server(const char *screen, const char *without)
{
    int fds[2];
    char number[16] = "", display[20];
    assert_int_equal(pipe(fds), 0);
    x.pid = fork();
    assert_true(x.pid >= 0);
    if (x.pid == 0) {
        close(fds[0]);
        run_xvfb(fds[1], screen, without);
    }
    close(fds[1]);
    for (size_t n = 0; n < sizeof(number) - 1 && !strchr(number, '\n'); n++) {
        if (read(fds[0], number + n, 1) != 1)
            break; /* Xvfb is not there or did not start */
    }
    close(fds[0]);
    if (!strchr(number, '\n')) {
        waitpid(x.pid, NULL, 0);
        x.pid = 0;
        return false;
    }
    snprintf(display, sizeof(display), ":%d", atoi(number));
    setenv("DISPLAY", display, 1);
    return true;
}

static inline void stop_server(void)
{
    if (x.pid > 0) {
        kill(x.pid, SIGKILL);
        waitpid(x.pid, NULL, 0);
    }
    x.pid = 0;
}

static inline void connect_client(void)
{
    x.conn = xcb_connect(NULL, NULL);
    assert_int_equal(xcb_connection_has_error(x.conn), 0);
    x.screen = xcb_setup_roots_iterator(xcb_get_setup(x.conn)).data;
    x.gc = xcb_generate_id(x.conn);
    xcb_create_gc(x.conn, x.gc, x.screen->root, 0, NULL);
}

static inline void sync_client(void)
{
    free(xcb_get_input_focus_reply(x.conn, xcb_get_input_focus(x.conn), NULL));
}

static inline void fill(int left, int top, int width, int height, uint32_t colour)
{
    const xcb_rectangle_t area = {(int16_t)left, (int16_t)top, (uint16_t)width, (uint16_t)height};
    xcb_change_gc(x.conn, x.gc, XCB_GC_FOREGROUND, &colour);
    xcb_poly_fill_rectangle(x.conn, x.screen->root, x.gc, 1, &area);
    sync_client();
}

/* A red square of this size, hot in its middle; 0 for a cursor that cannot be seen. */
static inline void set_cursor(uint16_t size)
{
    const uint16_t side = size ? size : 1;
    xcb_pixmap_t shape = xcb_generate_id(x.conn);
    xcb_create_pixmap(x.conn, 1, shape, x.screen->root, side, side);
    xcb_gcontext_t gc = xcb_generate_id(x.conn);
    xcb_create_gc(x.conn, gc, shape, XCB_GC_FOREGROUND, &(uint32_t){size != 0});
    xcb_poly_fill_rectangle(x.conn, shape, gc, 1, &(xcb_rectangle_t){0, 0, side, side});
    xcb_cursor_t cursor = xcb_generate_id(x.conn);
    xcb_create_cursor(x.conn, cursor, shape, shape, 0xffff, 0, 0, 0, 0, 0, size / 2, size / 2);
    xcb_change_window_attributes(x.conn, x.screen->root, XCB_CW_CURSOR, &cursor);
    sync_client();
}

static inline int setup_with(const char *screen, const char *without)
{
    memset(&x, 0, sizeof(x));
    if (!start_server(screen, without))
        return 0; /* every test skips then */
    connect_client();
    set_cursor(0); /* Xvfb's own would stand in the middle of the screen */
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    capture_close(x.capture);
    if (x.conn)
        xcb_disconnect(x.conn);
    stop_server();
    return 0;
}

static inline void need_server(void)
{
    if (!x.pid) {
        print_message("skipped: Xvfb is not installed\n");
        skip();
    }
}

static inline uint32_t pixel(const struct picture *p, int column, int row)
{
    const uint8_t *bgra = p->plane[0] + row * p->stride[0] + column * 4;
    return (uint32_t)bgra[2] << 16 | (uint32_t)bgra[1] << 8 | bgra[0];
}

/* The first picture that shows this colour there; to be released. */
static inline const struct picture *take_showing(int column, int row, uint32_t colour)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct picture *p = capture_take(x.capture);
        assert_non_null(p);
        if (column < p->width && row < p->height && pixel(p, column, row) == colour)
            return p;
        capture_release(x.capture, p);
    }
    fail_msg("%06x never appeared at %d,%d", colour, column, row);
    return NULL;
}

static inline void expect_at(int column, int row, uint32_t colour)
{
    capture_release(x.capture, take_showing(column, row, colour));
}

static inline const struct picture *take_repeat(void)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct picture *p = capture_take(x.capture);
        assert_non_null(p);
        if (p->repeat)
            return p;
        capture_release(x.capture, p);
    }
    fail_msg("an idle screen was never repeated");
    return NULL;
}

static inline void warp(int column, int row)
{
    xcb_warp_pointer(x.conn, XCB_NONE, x.screen->root, 0, 0, 0, 0, (int16_t)column, (int16_t)row);
    sync_client();
}

/* --- windows --- */

static inline xcb_window_t create_window_in(xcb_window_t parent, const int place[4], int border,
                                            uint32_t colour)
{
    xcb_window_t window = xcb_generate_id(x.conn);
    xcb_create_window(x.conn, XCB_COPY_FROM_PARENT, window, parent, (int16_t)place[0],
                      (int16_t)place[1], (uint16_t)place[2], (uint16_t)place[3], (uint16_t)border,
                      XCB_WINDOW_CLASS_INPUT_OUTPUT, x.screen->root_visual,
                      XCB_CW_BACK_PIXEL | XCB_CW_BORDER_PIXEL, (uint32_t[]){colour, 0xeeeeee});
    sync_client();
    return window;
}

/* place: x, y, width, height */
static inline xcb_window_t create_window(const int place[4], uint32_t colour)
{
    return create_window_in(x.screen->root, place, 0, colour);
}

static inline void show(xcb_window_t window)
{
    xcb_map_window(x.conn, window);
    sync_client();
}

static inline void hide(xcb_window_t window)
{
    xcb_unmap_window(x.conn, window);
    sync_client();
}

static inline void resize(xcb_window_t window, int width, int height)
{
    const uint32_t size[] = {(uint32_t)width, (uint32_t)height};
    xcb_configure_window(x.conn, window, XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT, size);
    sync_client();
}

static inline void fill_in(xcb_window_t window, const int place[4], uint32_t colour)
{
    const xcb_rectangle_t area = {(int16_t)place[0], (int16_t)place[1], (uint16_t)place[2],
                                  (uint16_t)place[3]};
    xcb_change_gc(x.conn, x.gc, XCB_GC_FOREGROUND, &colour);
    xcb_poly_fill_rectangle(x.conn, window, x.gc, 1, &area);
    sync_client();
}

static inline xcb_atom_t atom(const char *name)
{
    xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(
        x.conn, xcb_intern_atom(x.conn, false, (uint16_t)strlen(name), name), NULL);
    assert_non_null(reply);
    xcb_atom_t value = reply->atom;
    free(reply);
    return value;
}

/* A list of windows or atoms. */
static inline void set_list(xcb_window_t window, const char *name, xcb_atom_t type,
                            const uint32_t *values, int n)
{
    xcb_change_property(x.conn, XCB_PROP_MODE_REPLACE, window, atom(name), type, 32, (uint32_t)n,
                        values);
    sync_client();
}

static inline void focus(xcb_window_t window)
{
    xcb_set_input_focus(x.conn, XCB_INPUT_FOCUS_POINTER_ROOT, window, XCB_CURRENT_TIME);
    sync_client();
}
