/* payload.h - the codecs we carry, and their RTP payload formats behind one door. Pure.
 *
 * A unit is what an encoder hands out for one instant: an Annex B access unit (H.264), one frame
 * (VP8), one or more layer frames as a frame or superframe (VP9), a temporal unit in the
 * low-overhead format with size fields (AV1), one packet (Opus).
 */
#pragma once

#include "rtp/payload/av1.h"
#include "rtp/payload/h264.h"
#include "rtp/payload/packetize.h"
#include "rtp/payload/vp8.h"
#include "rtp/payload/vp9.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum payload_codec {
    PAYLOAD_H264 = 1,
    PAYLOAD_VP8,
    PAYLOAD_VP9,
    PAYLOAD_AV1,
    PAYLOAD_OPUS,
    PAYLOAD_CODECS
};

/* The encoding name of SDP (a=rtpmap): "H264", "VP8", "VP9", "AV1", "opus". */
const char *payload_name(enum payload_codec codec);
/* 0 if we have no such codec. Names are compared without case (RFC 8866 6.6). */
enum payload_codec payload_find(const char *name);
uint32_t payload_clock_hz(enum payload_codec codec);
bool payload_is_video(enum payload_codec codec);

/* 0; -EBADMSG if the unit is malformed or empty; -ENOSPC if data or packets do not suffice (nothing
 * is then to be sent). What is cut is cut into packets of one size but for the last, which is
 * shorter. `max_payload` is PAYLOAD_MIN_SIZE-65535. */
#define PAYLOAD_MIN_SIZE 32
int payload_packetize(enum payload_codec codec, struct packetize *out, const uint8_t *unit,
                      size_t size, size_t max_payload);
/* The next part of a picture that is still coming (packetize.h). 0 without packets: there is too
 * little yet. */
int payload_cut(enum payload_codec codec, struct packetize *out, struct packetize_cut *cut,
                const struct packetize_unit *unit, size_t max_payload);
/* Can a decoder start here? With Opus always. */
bool payload_is_keyframe(enum payload_codec codec, const uint8_t *unit, size_t size);
/* Of the picture, from a unit that a decoder can start with; false if it is not said there. */
bool payload_find_size(enum payload_codec codec, const uint8_t *unit, size_t size, uint16_t *width,
                       uint16_t *height);

/* What a payload says of itself, for receivers. */
struct payload_info {
    /* The first packet of a frame: VP8 and VP9 say so, H.264 and AV1 only say that it may be. */
    bool starts_frame;
    bool ends_frame; /* of a layer frame (VP9); the RTP marker is the caller's */
    bool starts_keyframe;
    bool discardable; /* nothing refers to it (VP8) */
    bool has_layer;
    uint8_t temporal_id, spatial_id;
    bool switching_up;       /* one may begin to receive this temporal layer here (VP8 Y, VP9 U) */
    uint8_t picture_id_bits; /* 7 or 15; 0: no PictureID */
    uint16_t picture_id;
    bool has_tl0_pic_idx;
    uint8_t tl0_pic_idx;
    uint16_t width, height; /* 0: not said here */
};

/* False if the payload is malformed. */
bool payload_inspect(enum payload_codec codec, struct payload_info *info, const uint8_t *payload,
                     size_t size);

/* The reverse of packetizing. Feed the payloads of one access unit in order, then finish. Anything
 * malformed or out of place sets `broken` and the unit is not to be used. */
struct payload_assembler {
    enum payload_codec codec;
    union {
        struct h264_assembler h264;
        struct vp8_assembler vp8;
        struct vp9_assembler vp9;
        struct av1_assembler av1;
        struct assemble opus;
    } of;
};

void payload_assemble_begin(struct payload_assembler *a, enum payload_codec codec, uint8_t *data,
                            size_t capacity);
void payload_assemble(struct payload_assembler *a, const uint8_t *payload, size_t size);
/* What there is of a picture so far, with its tail. */
struct packetize_unit payload_assemble_part(const struct payload_assembler *a);
bool payload_assemble_broken(const struct payload_assembler *a);
/* The size of the whole unit, which is in the caller's data; 0: it is not to be used. */
size_t payload_assemble_end(struct payload_assembler *a);
