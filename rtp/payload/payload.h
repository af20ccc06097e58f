/* payload.h - the codecs we carry, and their RTP payload formats behind one door. Pure.
 *
 * A unit is what an encoder hands out for one instant: an Annex B access unit (H.264), one frame
 * (VP8), one or more layer frames as a frame or superframe (VP9), a temporal unit in the
 * low-overhead format with size fields (AV1), one packet (Opus).
 */
#pragma once

#include "rtp/payload/packetize.h"

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
 * is then to be sent). All packets are of one size but for the last of each piece that is cut,
 * which is shorter. `max_payload` is PAYLOAD_MIN_SIZE-65535. */
#define PAYLOAD_MIN_SIZE 32
int payload_packetize(enum payload_codec codec, struct packetize *out, const uint8_t *unit,
                      size_t size, size_t max_payload);
/* Can a decoder start here? An Opus packet always says yes. */
bool payload_is_keyframe(enum payload_codec codec, const uint8_t *unit, size_t size);
