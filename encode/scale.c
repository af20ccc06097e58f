#include "encode/scale.h"

#include <assert.h>
#include <errno.h>
#include <libyuv/scale.h>

static int half(int side)
{
    int n = side / 2 & ~1;
    return n < 2 ? 2 : n;
}

void scale_layer_size(int width, int height, unsigned index, int *out_width, int *out_height)
{
    *out_width = width;
    *out_height = height;
    for (; index > 0; index--) {
        *out_width = half(*out_width);
        *out_height = half(*out_height);
    }
}

static int scale_nv12(const struct picture *in, struct picture *out)
{
    return NV12Scale(in->plane[0], (int)in->stride[0], in->plane[1], (int)in->stride[1], in->width,
                     in->height, out->plane[0], (int)out->stride[0], out->plane[1],
                     (int)out->stride[1], out->width, out->height, kFilterBox);
}

static int scale_i420(const struct picture *in, struct picture *out)
{
    return I420Scale(in->plane[0], (int)in->stride[0], in->plane[1], (int)in->stride[1],
                     in->plane[2], (int)in->stride[2], in->width, in->height, out->plane[0],
                     (int)out->stride[0], out->plane[1], (int)out->stride[1], out->plane[2],
                     (int)out->stride[2], out->width, out->height, kFilterBox);
}

int scale_picture(const struct picture *in, struct picture *out)
{
    assert(in->format == out->format && in->format != PICTURE_BGRA);
    int rc = in->format == PICTURE_NV12 ? scale_nv12(in, out) : scale_i420(in, out);
    out->captured_us = in->captured_us;
    out->repeat = in->repeat;
    out->damage = (struct picture_damage){0};
    return rc == 0 ? 0 : -EINVAL;
}
