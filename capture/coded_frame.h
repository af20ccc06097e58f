/* coded_frame.h - what one frame of VP8 (RFC 6386 9.1), VP9 (bitstream specification 6.2) or AV1
 * (5.5, 5.9) says of itself at its very beginning. Pure; any bytes may be given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coded_frame_codec { CODED_FRAME_VP8 = 1, CODED_FRAME_VP9, CODED_FRAME_AV1 };

struct coded_frame {
    bool keyframe;     /* a decoder can start here (AV1: a sequence header and a key frame) */
    uint8_t profile;   /* VP9, AV1, of a keyframe: only 0 is 8-bit or 10-bit 4:2:0 */
    int width, height; /* of a keyframe of VP8 and VP9; 0: not said here */
};

/* False: it is no frame of that codec. AV1: a temporal unit of OBUs with sizes. */
bool coded_frame_read(struct coded_frame *out, enum coded_frame_codec codec, const uint8_t *data,
                      size_t size);
