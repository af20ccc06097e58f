#include "capture/jpeg.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <turbojpeg.h>

struct jpeg {
    tjhandle handle; /* owned; NULL after a broken picture */
};

struct jpeg *jpeg_create(void)
{
    struct jpeg *j = calloc(1, sizeof(*j));
    if (j)
        j->handle = tjInitDecompress();
    if (j && !j->handle) {
        free(j);
        return NULL;
    }
    return j;
}

void jpeg_destroy(struct jpeg *j)
{
    if (!j)
        return;
    if (j->handle)
        tjDestroy(j->handle);
    free(j);
}

/* Whether the marker that ends a picture is there; cameras pad the buffer behind it with zeros. */
static bool is_whole(const uint8_t *bytes, size_t size)
{
    while (size > 2 && bytes[size - 1] == 0)
        size--;
    return size > 2 && bytes[size - 2] == 0xff && bytes[size - 1] == 0xd9;
}

static int decode(struct jpeg *j, const uint8_t *bytes, size_t size, const struct picture *out)
{
    int width = 0, height = 0, subsampling, colours;
    /* What it returns says little: -1 for warnings, too, and 0 where there is no picture at all. */
    tjDecompressHeader3(j->handle, bytes, size, &width, &height, &subsampling, &colours);
    if (width != out->width || height != out->height)
        return -EBADMSG;
    if (tjDecompress2(j->handle, bytes, size, out->plane[0], width, (int)out->stride[0], height,
                      TJPF_BGRA, 0) == 0)
        return 0;
    /* Many cameras put stray bytes between markers, which is but warned of; half a picture, too. */
    if (tjGetErrorCode(j->handle) == TJERR_WARNING && is_whole(bytes, size))
        return 0;
    return -EBADMSG;
}

int jpeg_decode(struct jpeg *j, const uint8_t *bytes, size_t size, const struct picture *out)
{
    if (!j->handle)
        j->handle = tjInitDecompress();
    int r = j->handle ? decode(j, bytes, size, out) : -ENOMEM;
    if (r == -EBADMSG) {
        tjDestroy(j->handle); /* it would take the next picture for the rest of this one */
        j->handle = NULL;
    }
    return r;
}
