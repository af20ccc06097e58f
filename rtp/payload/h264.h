/* h264.h - H.264 NAL units and their RTP payload format (RFC 6184, packetization-mode 1). Pure.
 *
 * Input is one access unit in Annex B form (start codes of 3 or 4 bytes). SPS and PPS go together
 * in a STAP-A, a NAL unit that fits goes alone, a larger one as FU-A of equal fragments.
 */
#pragma once

#include "rtp/payload/packetize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* nal_unit_type (H.264 7.4.1) */
enum h264_nal {
    H264_SLICE = 1,
    H264_IDR = 5,
    H264_SEI = 6,
    H264_SPS = 7,
    H264_PPS = 8,
    H264_AUD = 9,
};

struct h264_nal_unit {
    const uint8_t *data; /* first byte is the NAL header */
    size_t size;
};

struct h264_profile {
    uint8_t profile_idc, constraints, level_idc; /* the three bytes of profile-level-id */
};

/* Takes the next NAL unit off the front of an Annex B buffer; false at the end. */
bool h264_next_nal(struct h264_nal_unit *out, const uint8_t **data, size_t *size);
bool h264_find_profile(struct h264_profile *out, const uint8_t *access_unit, size_t size);
bool h264_is_keyframe(const uint8_t *access_unit, size_t size); /* holds an IDR slice */

/* 0; -EBADMSG if there is no NAL unit; -ENOSPC if data or packets do not suffice (nothing is then
 * to be sent). AUD, end-of-sequence and filler NAL units are left out, and so are types that have
 * no RTP form (0, 24-31). `max_payload` is 3-65535. */
int h264_packetize(struct packetize *out, const uint8_t *access_unit, size_t size,
                   size_t max_payload);
/* The next part of an access unit (packetize.h), whose start codes have 4 bytes. */
int h264_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *unit,
             size_t max_payload);

/* The reverse, for receivers. Feed the payloads of one access unit in order, then finish.
 * Anything malformed or out of place sets `broken` and the access unit is not to be used. A payload
 * missing from the middle is only seen by its RTP sequence number, which is the caller's. */
struct h264_assembler {
    uint8_t *data; /* caller's; Annex B with 4-byte start codes */
    size_t capacity;
    size_t size;
    size_t tail; /* where the last NAL unit begins that is not left out when it is packetized */
    bool in_fragment;
    uint8_t fragment_type; /* its NAL type, while in_fragment */
    bool broken;
};

void h264_assemble_begin(struct h264_assembler *a, uint8_t *data, size_t capacity);
void h264_assemble(struct h264_assembler *a, const uint8_t *payload, size_t size);
bool h264_assemble_end(struct h264_assembler *a); /* true if data[0..size) is a whole access unit */

/* Does a keyframe start here: IDR or SPS, also inside a STAP-A or at the start of FU-A? */
bool h264_payload_starts_keyframe(const uint8_t *payload, size_t size);
/* False only if it surely is no first packet of an access unit: a later fragment. */
bool h264_payload_may_start_frame(const uint8_t *payload, size_t size);
