#include "rtp/payload/opus.h"

#include <errno.h>
#include <string.h>

#define SAMPLES_MAX 5760 /* 120 ms (RFC 6716 3.4, R5) */

static uint32_t frame_samples(uint8_t toc)
{
    static const uint16_t silk[4] = {480, 960, 1920, 2880};
    unsigned config = toc >> 3;
    if (config < 12)
        return silk[config & 3];
    if (config < 16) /* hybrid: 10 or 20 ms */
        return config & 1 ? 960 : 480;
    return 120u << (config & 3); /* CELT: 2.5 to 20 ms */
}

uint32_t opus_samples(const uint8_t *packet, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t frames = 2;
    if ((packet[0] & 3) == 0)
        frames = 1;
    else if ((packet[0] & 3) == 3)
        frames = size > 1 ? packet[1] & 0x3f : 0;
    uint32_t samples = frames * frame_samples(packet[0]);
    return samples <= SAMPLES_MAX ? samples : 0;
}

int opus_packetize(struct packetize *out, const uint8_t *packet, size_t size, size_t max_payload)
{
    packetize_clear(out);
    if (size == 0)
        return -EBADMSG;
    uint8_t *p = size <= max_payload ? packetize_add(out, size) : NULL;
    if (!p)
        return -ENOSPC;
    memcpy(p, packet, size);
    return 0;
}
