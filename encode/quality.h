/* quality.h - which constant quality a bit rate stands for (ENCODER_QUALITY).
 *
 * Pure. A user chooses a rate; in quality mode the pictures are made as good as that rate usually
 * allows, and the rate itself becomes the ceiling. Rates between the steps of the table are
 * interpolated, those beyond its ends take the end.
 */
#pragma once

#include <stdint.h>

int quality_cq(uint32_t bitrate_bps);      /* libvpx, libaom: quantizer of 0 to 63, 0 best */
int quality_crf(uint32_t bitrate_bps);     /* H.264: QP or CRF of 0 to 51, 0 best */
int quality_percent(uint32_t bitrate_bps); /* VideoToolbox: 0 to 100, 100 best */
