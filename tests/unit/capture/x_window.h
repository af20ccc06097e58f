/* x_window.h - a window source on the stage of x_stage.h. */
#pragma once

#include "tests/unit/capture/x_stage.h"

#define FPS 60
#define RED 0xff0000
#define GREEN 0x00ff00
#define BLUE 0x0000ff

static const int middle[] = {200, 100, 160, 120};

static inline int try_open(const char *arg, char error[256])
{
    const struct capture_config config = {.kind = "window", .arg = arg, .fps = FPS};
    return capture_open(&x.capture, &config, error, 256);
}

static inline void start(const char *arg)
{
    char error[256] = "";
    if (try_open(arg, error) != 0)
        fail_msg("%s", error);
    assert_int_equal(capture_start(x.capture), 0);
}

static inline void start_window(xcb_window_t window)
{
    char arg[16];
    snprintf(arg, sizeof(arg), "0x%x", window);
    start(arg);
}

/* The first picture of this size that shows this colour there; to be released. */
static inline const struct picture *take_sized(int width, int height, int column, int row,
                                               uint32_t colour)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct picture *p = take_showing(column, row, colour);
        if (p->width == width && p->height == height)
            return p;
        capture_release(x.capture, p);
    }
    fail_msg("no picture of %dx%d came", width, height);
    return NULL;
}

static inline void expect_all(const struct picture *p, uint32_t colour)
{
    for (int row = 0; row < p->height; row++) {
        for (int column = 0; column < p->width; column++) {
            if (pixel(p, column, row) != colour)
                fail_msg("%d,%d is %06x, not %06x", column, row, pixel(p, column, row), colour);
        }
    }
}
