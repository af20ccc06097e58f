/* pipewire_frame.h - what is in a buffer another program filled, as far as it can be believed.
 * Pure.
 *
 * That program writes the chunk and the metadata whenever it likes, so each is read once and
 * checked against the memory that was mapped before anything of it is used.
 */
#pragma once

#include "capture/picture.h"

struct spa_buffer;
struct spa_video_info_raw;

struct pipewire_frame {
    const uint8_t *pixels; /* of the first pixel; borrowed from the buffer */
    ptrdiff_t stride;
    int left, top;     /* where the picture lies in the buffer */
    int width, height; /* even */
    bool is_rgb;       /* the bytes are R G B x, else B G R x */

    struct picture_damage damage; /* since the frame before */
    int64_t taken_us;             /* CLOCK_MONOTONIC; 0: not told, or not to be believed */
    uint64_t sequence;            /* 0: not told */
};

/* False where there is no picture in it: none at all, a damaged one, or lies. */
bool pipewire_frame_read(struct pipewire_frame *out, const struct spa_buffer *buffer,
                         const struct spa_video_info_raw *format, int64_t now_us);
