/* pixels.h - raw pixels as devices and other programs deliver them, made BGRA. Pure, any thread.
 *
 * The input has at least the rows and columns that are asked for; whoever calls has checked that
 * against the memory it was given.
 */
#pragma once

#include "capture/picture.h"

/* How Y, U and V were made of red, green and blue. */
enum pixels_matrix {
    PIXELS_BT601 = 1,  /* limited range, as all below but the full ones */
    PIXELS_BT601_FULL, /* JPEG's */
    PIXELS_BT709,
    PIXELS_BT709_FULL,
};

/* Two pixels in the bytes Y U Y V: the whole of `out`. */
void pixels_from_yuyv(const uint8_t *yuyv, ptrdiff_t stride, enum pixels_matrix matrix,
                      const struct picture *out);
/* Rows of 4 bytes a pixel to those of `out`, of which `rect` is a part: bytes R G B x or B G R x.
 */
void pixels_from_rgbx(const uint8_t *rgbx, ptrdiff_t stride, const struct picture *out,
                      const struct picture_rect *rect);
void pixels_from_bgrx(const uint8_t *bgrx, ptrdiff_t stride, const struct picture *out,
                      const struct picture_rect *rect);
