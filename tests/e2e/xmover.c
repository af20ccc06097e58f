/* xmover [--fps N] [--seconds N] - something that moves on an X screen, with the latency barcode.
 *
 * Covers the default screen of $DISPLAY with one window: text-like lines that scroll on the right,
 * a box that wanders on the left, and in the top-left corner the barcode of capture/barcode.h,
 * drawn at the moment the frame is sent. Prints one line when the window is shown, then draws until
 * SIGTERM or SIGINT or the seconds are over. 30 frames a second unless told otherwise.
 */
#include "capture/barcode.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xcb/xcb.h>

#define LINE_HEIGHT 20
#define SCROLL 4 /* pixels a frame */
#define BOX 96

struct mover {
    xcb_connection_t *conn;
    xcb_window_t window;
    xcb_gcontext_t gc;
    uint8_t depth;
    int width, height;
    uint32_t random;
    uint8_t barcode[BARCODE_HEIGHT * BARCODE_WIDTH * 4];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fill(struct mover *m, int x, int y, int width, int height, uint32_t colour)
{
    const xcb_rectangle_t area = {(int16_t)x, (int16_t)y, (uint16_t)width, (uint16_t)height};
    xcb_change_gc(m->conn, m->gc, XCB_GC_FOREGROUND, &colour);
    xcb_poly_fill_rectangle(m->conn, m->window, m->gc, 1, &area);
}

/* --- what is drawn --- */

static uint32_t next_random(struct mover *m)
{
    m->random = m->random * 1664525 + 1013904223;
    return m->random >> 16;
}

/* The right half moves up, and a line of words enters below it. */
static void scroll_text(struct mover *m, uint64_t frame)
{
    int left = m->width / 2, width = m->width - left;
    xcb_copy_area(m->conn, m->window, m->window, m->gc, (int16_t)left, SCROLL, (int16_t)left, 0,
                  (uint16_t)width, (uint16_t)(m->height - SCROLL));
    if (frame % (LINE_HEIGHT / SCROLL) != 0)
        return;
    int top = m->height - LINE_HEIGHT;
    fill(m, left, top, width, LINE_HEIGHT, 0xf4f2ec);
    for (int x = left + 8; x + 10 < m->width; x += 12) {
        uint32_t letter = next_random(m);
        if (letter % 6 == 0)
            continue; /* a space */
        fill(m, x, top + 2, letter & 8 ? 10 : 2, 2, 0x202020);
        fill(m, x + (letter & 16 ? 8 : 0), top + 4, 2, 10, 0x202020);
        fill(m, x + (letter & 32 ? 4 : 2), top + 8, letter & 64 ? 6 : 2, 2, 0x202020);
    }
}

static int bounce(uint64_t frame, int step, int range)
{
    int place = (int)(frame * (uint64_t)step % (2 * (uint64_t)range));
    return place < range ? place : 2 * range - 1 - place;
}

static void move_box(struct mover *m, uint64_t frame)
{
    int columns = m->width / 2 - BOX + 1, rows = m->height - BARCODE_HEIGHT - BOX + 1;
    uint64_t before = frame ? frame - 1 : 0;
    fill(m, bounce(before, 7, columns), BARCODE_HEIGHT + bounce(before, 3, rows), BOX, BOX,
         0x1c3d5a);
    fill(m, bounce(frame, 7, columns), BARCODE_HEIGHT + bounce(frame, 3, rows), BOX, BOX, 0xd0342c);
}

static void put_barcode(struct mover *m)
{
    const struct picture p = {
        .format = PICTURE_BGRA,
        .width = BARCODE_WIDTH,
        .height = BARCODE_HEIGHT,
        .plane = {m->barcode},
        .stride = {BARCODE_WIDTH * 4},
    };
    barcode_draw(&p, clock_us(CLOCK_REALTIME));
    xcb_put_image(m->conn, XCB_IMAGE_FORMAT_Z_PIXMAP, m->window, m->gc, BARCODE_WIDTH,
                  BARCODE_HEIGHT, 0, 0, 0, m->depth, sizeof(m->barcode), m->barcode);
}

/* False when the display is gone. Waits until the server has drawn, so that no frames pile up. */
static bool draw(struct mover *m, uint64_t frame)
{
    scroll_text(m, frame);
    move_box(m, frame);
    put_barcode(m);
    free(xcb_get_input_focus_reply(m->conn, xcb_get_input_focus(m->conn), NULL));
    xcb_generic_event_t *event;
    while ((event = xcb_poll_for_event(m->conn)))
        free(event);
    return xcb_connection_has_error(m->conn) == 0;
}

/* --- the window and the time --- */

static bool show_window(struct mover *m)
{
    m->conn = xcb_connect(NULL, NULL);
    if (xcb_connection_has_error(m->conn)) {
        fprintf(stderr, "xmover: cannot open the X display\n");
        return false;
    }
    const xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(m->conn)).data;
    m->width = screen->width_in_pixels;
    m->height = screen->height_in_pixels;
    m->depth = screen->root_depth;
    if (m->depth != 24 || m->width < 2 * BARCODE_WIDTH || m->height < 2 * BOX + BARCODE_HEIGHT) {
        fprintf(stderr, "xmover: needs a screen of depth 24 and at least %dx%d\n",
                2 * BARCODE_WIDTH, 2 * BOX + BARCODE_HEIGHT);
        return false;
    }
    const uint32_t values[] = {0x1c3d5a, true}; /* in the order of the mask's bits */
    m->window = xcb_generate_id(m->conn);
    xcb_create_window(m->conn, XCB_COPY_FROM_PARENT, m->window, screen->root, 0, 0,
                      (uint16_t)m->width, (uint16_t)m->height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT,
                      screen->root_visual, XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    m->gc = xcb_generate_id(m->conn);
    xcb_create_gc(m->conn, m->gc, m->window, XCB_GC_GRAPHICS_EXPOSURES, &(uint32_t){false});
    xcb_map_window(m->conn, m->window);
    return true;
}

static void run(struct mover *m, int fps, int seconds)
{
    int64_t start_us = clock_us(CLOCK_MONOTONIC);
    for (uint64_t frame = 0; !stopped && draw(m, frame); frame++) {
        int64_t due_us = start_us + (int64_t)(frame + 1) * 1000000 / fps;
        int64_t late_us = clock_us(CLOCK_MONOTONIC) - due_us;
        if (late_us > 0) /* leave out what is late, do not catch up in a burst */
            due_us += (late_us * fps / 1000000 + 1) * 1000000 / fps;
        if (seconds > 0 && due_us - start_us >= (int64_t)seconds * 1000000)
            return;
        const struct timespec due = {.tv_sec = (time_t)(due_us / 1000000),
                                     .tv_nsec = (long)(due_us % 1000000) * 1000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR && !stopped)
            ;
    }
}

static bool parse(int argc, char **argv, int *fps, int *seconds)
{
    for (int i = 1; i < argc; i += 2) {
        int *value = strcmp(argv[i], "--fps") == 0       ? fps
                     : strcmp(argv[i], "--seconds") == 0 ? seconds
                                                         : NULL;
        if (!value || i + 1 == argc)
            return false;
        char *end;
        long number = strtol(argv[i + 1], &end, 10);
        if (*end || number < 1 || number > 100000)
            return false;
        *value = (int)number;
    }
    return *fps <= 240;
}

int main(int argc, char **argv)
{
    static struct mover m = {.random = 1};
    int fps = 30, seconds = 0;
    if (!parse(argc, argv, &fps, &seconds)) {
        fprintf(stderr, "usage: xmover [--fps 1-240] [--seconds N]\n");
        return 2;
    }
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    bool shown = show_window(&m) && draw(&m, 0);
    if (shown) {
        printf("xmover: %dx%d at %d fps\n", m.width, m.height, fps);
        fflush(stdout);
        run(&m, fps, seconds);
    }
    xcb_disconnect(m.conn);
    return shown ? 0 : 1;
}
