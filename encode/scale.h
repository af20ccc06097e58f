/* scale.h - a converted picture in another size, for the smaller layers of a stream. By libyuv.
 *
 * No state; any thread.
 */
#pragma once

#include "capture/picture.h"

/* The even size of layer `index` of a picture, at least 2 by 2: 0 is the picture's own, each
 * following one half as wide and high. */
void scale_layer_size(int width, int height, unsigned index, int *out_width, int *out_height);

/* `in` and `out` are both NV12 or both I420, out's size and planes are set. Every pixel of `in`
 * counts where `out` is smaller (box filter). captured_us and repeat go along; whatever
 * `out` held before, all of it may differ now. 0, or -errno. */
int scale_picture(const struct picture *in, struct picture *out);
