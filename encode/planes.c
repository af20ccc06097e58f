#include "encode/planes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { ALIGN = 64 };

int planes_alloc(struct picture *p, enum picture_format format, int width, int height)
{
    assert(format == PICTURE_NV12 || format == PICTURE_I420);
    assert(width >= 2 && width % 2 == 0 && height >= 2 && height % 2 == 0);
    planes_free(p);
    /* half a stride is one too */
    ptrdiff_t stride = (width + 2 * ALIGN - 1) / (2 * ALIGN) * (2 * ALIGN);
    size_t luma = (size_t)stride * (size_t)height;
    uint8_t *memory = aligned_alloc(ALIGN, luma + luma / 2 + ALIGN);
    if (!memory)
        return -ENOMEM;
    *p = (struct picture){.format = format, .width = width, .height = height};
    p->plane[0] = memory;
    p->plane[1] = memory + luma;
    p->stride[0] = p->stride[1] = stride;
    if (format == PICTURE_I420) {
        p->stride[1] = p->stride[2] = stride / 2;
        p->plane[2] = memory + luma + luma / 4;
    }
    return 0;
}

void planes_free(struct picture *p)
{
    free(p->plane[0]);
    *p = (struct picture){0};
}
