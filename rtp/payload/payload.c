#include "rtp/payload/payload.h"

#include "rtp/payload/h264.h"

#include <assert.h>
#include <errno.h>
#include <strings.h>

static const struct {
    const char *name;
    uint32_t clock_hz;
} codecs[PAYLOAD_CODECS] = {
    [PAYLOAD_H264] = {"H264", 90000}, [PAYLOAD_VP8] = {"VP8", 90000},
    [PAYLOAD_VP9] = {"VP9", 90000},   [PAYLOAD_AV1] = {"AV1", 90000},
    [PAYLOAD_OPUS] = {"opus", 48000}, /* RFC 7587 4.1: whatever the encoder's rate */
};

static bool is_codec(enum payload_codec codec)
{
    return codec >= PAYLOAD_H264 && codec < PAYLOAD_CODECS;
}

const char *payload_name(enum payload_codec codec)
{
    assert(is_codec(codec));
    return codecs[codec].name;
}

enum payload_codec payload_find(const char *name)
{
    for (int codec = PAYLOAD_H264; codec < PAYLOAD_CODECS; codec++) {
        if (strcasecmp(name, codecs[codec].name) == 0)
            return (enum payload_codec)codec;
    }
    return (enum payload_codec)0;
}

uint32_t payload_clock_hz(enum payload_codec codec)
{
    assert(is_codec(codec));
    return codecs[codec].clock_hz;
}

bool payload_is_video(enum payload_codec codec)
{
    return codec != PAYLOAD_OPUS;
}

int payload_packetize(enum payload_codec codec, struct packetize *out, const uint8_t *unit,
                      size_t size, size_t max_payload)
{
    assert(is_codec(codec) && max_payload >= PAYLOAD_MIN_SIZE && max_payload <= UINT16_MAX);
    if (codec == PAYLOAD_H264)
        return h264_packetize(out, unit, size, max_payload);
    return -ENOTSUP;
}

bool payload_is_keyframe(enum payload_codec codec, const uint8_t *unit, size_t size)
{
    assert(is_codec(codec));
    if (codec == PAYLOAD_H264)
        return h264_is_keyframe(unit, size);
    return codec == PAYLOAD_OPUS;
}
