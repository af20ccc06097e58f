#include "capture/pixels.h"

#include <assert.h>
#include <libyuv/convert.h>
#include <libyuv/convert_argb.h>
#include <string.h>

/* What libyuv calls ARGB is the bytes B G R A: it names them as a little-endian number. */

static const struct YuvConstants *constants(enum pixels_matrix matrix)
{
    switch (matrix) {
    case PIXELS_BT601_FULL:
        return &kYuvJPEGConstants;
    case PIXELS_BT709:
        return &kYuvH709Constants;
    case PIXELS_BT709_FULL:
        return &kYuvF709Constants;
    case PIXELS_BT601:
        break;
    }
    return &kYuvI601Constants;
}

/* Row by row, since libyuv knows YUYV with one matrix only, and a row stays in the cache. */
void pixels_from_yuyv(const uint8_t *yuyv, ptrdiff_t stride, enum pixels_matrix matrix,
                      const struct picture *out)
{
    uint8_t y[PICTURE_MAX_WIDTH], u[PICTURE_MAX_WIDTH / 2], v[PICTURE_MAX_WIDTH / 2];
    const struct YuvConstants *c = constants(matrix);
    assert(out->format == PICTURE_BGRA && out->width <= PICTURE_MAX_WIDTH);
    for (int row = 0; row < out->height; row++) {
        const int width = out->width;
        YUY2ToI422(yuyv + row * stride, width * 2, y, width, u, width / 2, v, width / 2, width, 1);
        I422ToARGBMatrix(y, width, u, width / 2, v, width / 2, out->plane[0] + row * out->stride[0],
                         width * 4, c, width, 1);
    }
}

static uint8_t *place_of(const struct picture *out, const struct picture_rect *rect)
{
    assert(out->format == PICTURE_BGRA && rect->x >= 0 && rect->y >= 0);
    assert(rect->x + rect->width <= out->width && rect->y + rect->height <= out->height);
    return out->plane[0] + rect->y * out->stride[0] + rect->x * 4;
}

void pixels_from_rgbx(const uint8_t *rgbx, ptrdiff_t stride, const struct picture *out,
                      const struct picture_rect *rect)
{
    const uint8_t *in = rgbx + rect->y * stride + rect->x * 4;
    ABGRToARGB(in, (int)stride, place_of(out, rect), (int)out->stride[0], rect->width,
               rect->height);
}

void pixels_from_bgrx(const uint8_t *bgrx, ptrdiff_t stride, const struct picture *out,
                      const struct picture_rect *rect)
{
    const uint8_t *in = bgrx + rect->y * stride + rect->x * 4;
    uint8_t *to = place_of(out, rect);
    for (int row = 0; row < rect->height; row++)
        memcpy(to + row * out->stride[0], in + row * stride, (size_t)rect->width * 4);
}
