/* The shape of the cursor is announced, its place has to be asked for. */
#include "capture/capture_x11.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Nothing tells of a moving pointer (XFixes reports shapes only), so it is asked for: at the
 * picture rate while it moves, this seldom once it has rested for POINTER_REST_US. */
#define POINTER_IDLE_US 100000
#define POINTER_REST_US 1000000

struct picture_rect x11_cursor_rect(const struct x11 *x)
{
    if (!x->cursor || !x->pointer.here)
        return (struct picture_rect){0};
    const struct picture_rect whole = {x->pointer.x - x->cursor->xhot,
                                       x->pointer.y - x->cursor->yhot, x->cursor->width,
                                       x->cursor->height};
    return picture_rect_clip(&whole, x->width, x->height);
}

/* Where it was drawn and where it will be. */
static void note_change(struct x11 *x, const struct picture_rect *before)
{
    const struct picture_rect after = x11_cursor_rect(x);
    x->fresh |= before->width > 0 || after.width > 0;
    picture_damage_add(&x->dirty, before);
    picture_damage_add(&x->dirty, &after);
}

int x11_fetch_cursor(struct x11 *x)
{
    void *reply;
    const struct picture_rect before = x11_cursor_rect(x);
    x->reshaped = false;
    int r = x->ask.await(&x->ask, xcb_xfixes_get_cursor_image(x->ask.conn).sequence, &reply);
    if (r < 0 && r != -EPROTO) /* an error here only means that there is no cursor */
        return r;
    free(x->cursor);
    x->cursor = reply;
    if (x->cursor && xcb_xfixes_get_cursor_image_cursor_image_length(x->cursor) <
                         x->cursor->width * x->cursor->height) {
        free(x->cursor);
        x->cursor = NULL;
    }
    note_change(x, &before);
    return 0;
}

int x11_locate_pointer(struct x11 *x, int64_t now_us)
{
    struct x11_pointer pointer;
    int r = x->subject->locate(x, &pointer);
    if (r == -EPROTO)
        return 0;
    if (r < 0)
        return r;
    if (pointer.x != x->pointer.x || pointer.y != x->pointer.y || pointer.here != x->pointer.here) {
        const struct picture_rect before = x11_cursor_rect(x);
        x->pointer = pointer;
        x->moved_us = now_us;
        note_change(x, &before);
    }
    x->pointer_us =
        now_us + (now_us - x->moved_us < POINTER_REST_US ? x->interval_us : POINTER_IDLE_US);
    return 0;
}

static void blend(uint8_t *to, uint32_t argb)
{
    unsigned rest = 255 - (argb >> 24); /* the colours are multiplied by alpha already */
    for (int i = 0; i < 3; i++) {
        unsigned value = (argb >> (8 * i) & 0xff) + (to[i] * rest + 127) / 255;
        to[i] = (uint8_t)(value < 255 ? value : 255);
    }
}

void x11_draw_cursor(const struct x11 *x, const struct picture *p)
{
    const struct picture_rect r = x11_cursor_rect(x);
    if (r.width == 0)
        return;
    const uint32_t *argb = xcb_xfixes_get_cursor_image_cursor_image(x->cursor);
    int left = x->pointer.x - x->cursor->xhot, top = x->pointer.y - x->cursor->yhot;
    for (int y = r.y; y < r.y + r.height; y++) {
        for (int column = r.x; column < r.x + r.width; column++)
            blend(p->plane[0] + y * p->stride[0] + (ptrdiff_t)column * 4,
                  argb[(y - top) * x->cursor->width + column - left]);
    }
}
