#include "capture/ivf.h"

#include <errno.h>
#include <string.h>

#define HEADER_SIZE 32
#define FRAME_HEADER_SIZE 12

static uint32_t get_le(const uint8_t *p, int bytes)
{
    uint32_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | p[bytes];
    return value;
}

bool ivf_starts(const uint8_t *data, size_t size)
{
    return size >= 4 && memcmp(data, "DKIF", 4) == 0;
}

bool ivf_parse(struct ivf *out, const uint8_t *data, size_t size)
{
    if (!ivf_starts(data, size) || size < HEADER_SIZE)
        return false;
    uint32_t version = get_le(data + 4, 2), header = get_le(data + 6, 2);
    if (version != 0 || header < HEADER_SIZE || header > size)
        return false;
    *out = (struct ivf){.width = (uint16_t)get_le(data + 12, 2),
                        .height = (uint16_t)get_le(data + 14, 2),
                        .rate = get_le(data + 16, 4),
                        .scale = get_le(data + 20, 4),
                        .frames = data + header};
    memcpy(out->fourcc, data + 8, 4);
    return true;
}

int ivf_next(struct ivf_frame *out, const uint8_t **at, const uint8_t *end)
{
    size_t left = (size_t)(end - *at);
    if (left == 0)
        return -ENODATA;
    if (left < FRAME_HEADER_SIZE || get_le(*at, 4) > left - FRAME_HEADER_SIZE)
        return -EBADMSG;
    *out = (struct ivf_frame){
        .data = *at + FRAME_HEADER_SIZE,
        .size = get_le(*at, 4),
        .timestamp = get_le(*at + 4, 4) | (uint64_t)get_le(*at + 8, 4) << 32,
    };
    *at = out->data + out->size;
    return 0;
}
