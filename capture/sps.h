/* sps.h - what an H.264 sequence parameter set says of its pictures (ITU-T H.264 7.3.2.1.1, E.1.1).
 *
 * Pure. Any bytes may be given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPS_MAX_SIDE 16880 /* pixels: 1055 macroblocks, the most of level 6.2 (A.3.1) */

struct sps {
    uint8_t profile_idc, constraints, level_idc;
    uint32_t width, height;    /* pixels, after cropping; 1 to SPS_MAX_SIDE */
    uint8_t chroma_format;     /* chroma_format_idc: 1 is 4:2:0 */
    uint8_t bit_depth;         /* the larger one of luma and chroma */
    bool frames_only;          /* frame_mbs_only_flag: no fields */
    uint32_t time_scale, tick; /* of the VUI, both 0 where it says none: time_scale / (2 * tick)
                                  pictures a second */
};

/* `nal` begins with its header byte. False if it is no SPS, is cut off or has a size that no level
 * allows; only a cut off VUI is passed over. */
bool sps_parse(struct sps *out, const uint8_t *nal, size_t size);
