/* jpeg.h - the JPEG pictures of cameras, made BGRA. One decoder per thread.
 *
 * JPEG is BT.601 in full range, which an encoder's picture is not: so there is no shorter way.
 */
#pragma once

#include "capture/picture.h"

struct jpeg;

struct jpeg *jpeg_create(void); /* NULL: out of memory */
void jpeg_destroy(struct jpeg *j);

/* The size of `out` must be that of the picture. 0; -EBADMSG for what is no whole picture of this
 * size or -ENOMEM, and `out` is then anything. */
int jpeg_decode(struct jpeg *j, const uint8_t *bytes, size_t size, const struct picture *out);
