/* h264_sets.h - the parameter sets of an H.264 stream, kept for pictures that come without, and the
 * size of the picture, which only they say (ITU-T H.264 7.3.2.1). Pure.
 */
#pragma once

#include "rtp/payload/h264.h"

#define H264_SETS_MAX 1024 /* bytes, as Annex B; a stream with more has none that are kept */

struct h264_sets {
    size_t size; /* 0: no SPS came yet */
    uint8_t bytes[H264_SETS_MAX];
};

void h264_sets_init(struct h264_sets *s);
/* Keeps those of an access unit, in place of what was kept of before if there is an SPS among them.
 * True if an IDR of this unit can be decoded as it is: it has no IDR, or an SPS. */
bool h264_sets_take(struct h264_sets *s, const uint8_t *access_unit, size_t size);

/* Of the picture, without what is cropped; false if the SPS makes no sense. */
bool h264_sps_size(const uint8_t *sps, size_t size, uint16_t *width, uint16_t *height);
/* Of the first SPS in the access unit. */
bool h264_find_size(const uint8_t *access_unit, size_t size, uint16_t *width, uint16_t *height);
