/* ivf.h - the IVF container: a header of 32 bytes or more, then frames, each with its size and
 * time.
 *
 * Pure; numbers are little-endian; any bytes may be given. The number of frames in the header is
 * not looked at, for many writers leave it wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ivf {
    char fourcc[5];         /* "H264", "VP80", "VP90", "AV01" */
    uint16_t width, height; /* as the writer says; may be 0 */
    uint32_t rate, scale;   /* a tick of the timestamps is scale / rate seconds; may be 0 */
    const uint8_t *frames;  /* the first one */
};

struct ivf_frame {
    const uint8_t *data;
    size_t size;
    uint64_t timestamp; /* ticks */
};

bool ivf_starts(const uint8_t *data, size_t size); /* is it meant to be IVF? */
bool ivf_parse(struct ivf *out, const uint8_t *data, size_t size);
/* The frame at *at, and *at behind it. 0, -ENODATA at the end, -EBADMSG if it is cut off. */
int ivf_next(struct ivf_frame *out, const uint8_t **at, const uint8_t *end);
