/* planes.h - memory for converted pictures. */
#pragma once

#include "capture/picture.h"

/* Makes `p`, which may be zeroed memory or hold planes already, an NV12 or I420 picture of this
 * even size; rows start at multiples of 64 bytes. Its pixels are anything. 0, or -ENOMEM: then it
 * has no planes and no size. */
int planes_alloc(struct picture *p, enum picture_format format, int width, int height);
void planes_free(struct picture *p); /* zeroed memory is fine */
