/* h264_qp.h - how coarse an H.264 picture was quantized, read from its slice header, since neither
 * encoder library tells it.
 *
 * Pure, zeroed to begin with, and fed with every access unit of one stream. It reads what our
 * encoders write: one SPS and one PPS, progressive, CAVLC Baseline. The macroblocks of a slice may
 * differ from its QP.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h264_qp {
    bool has_sps, has_pps;
    /* of the SPS */
    unsigned frame_num_bits, poc_type, poc_bits;
    /* of the PPS */
    bool poc_in_slice;
    int init_qp;
};

/* QP of the first slice, 0 (best) to 51; -1 where it cannot be told. */
int h264_qp_slice(struct h264_qp *q, const uint8_t *data, size_t size);

/* The same as struct encoded has it: 0 (best) to 100, or -1. */
int h264_qp_percent(struct h264_qp *q, const uint8_t *data, size_t size);
