/* h264_level.h - the smallest H.264 level that fits a stream (ITU-T H.264 Annex A, Table A-1).
 *
 * Pure. Level 1b is left out: Baseline writes it as level_idc 11 with constraint_set3_flag, and a
 * stream that would need it fits level 1.1, too.
 */
#pragma once

#include "encode/encoder.h"

/* level_idc (10 for level 1 up to 62 for 6.2) by MaxFS, MaxMBPS, MaxBR and the side limit
 * sqrt(8 * MaxFS); 0 when no level is large enough. */
int h264_level_idc(int width, int height, int fps, uint32_t bitrate_bps);

/* The same for a backend's open: level_idc, or -EINVAL with a sentence in `error`. */
int h264_level_choose(const struct encoder_config *config, char *error, size_t error_size);
