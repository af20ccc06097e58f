#include "rtp/wire/rtp.h"

#include "rtp/wire/bytes.h"

#include <assert.h>

static bool parse_extension(struct rtp_header *h, const uint8_t *packet, size_t size)
{
    if (size - h->header_size < 4)
        return false;
    const uint8_t *p = packet + h->header_size;
    size_t body = get_u16(p + 2) * 4u;
    if (size - h->header_size - 4 < body)
        return false;
    h->extension_profile = get_u16(p);
    h->extension = p + 4;
    h->extension_size = body;
    h->header_size += 4 + body;
    return true;
}

bool rtp_parse(struct rtp_header *h, const uint8_t *packet, size_t size)
{
    if (size < RTP_HEADER_SIZE || packet[0] >> 6 != 2)
        return false;
    *h = (struct rtp_header){
        .marker = packet[1] >> 7,
        .payload_type = packet[1] & 0x7f,
        .seq = get_u16(packet + 2),
        .timestamp = get_u32(packet + 4),
        .ssrc = get_u32(packet + 8),
        .header_size = RTP_HEADER_SIZE + (packet[0] & 0x0fu) * 4,
    };
    if (size < h->header_size)
        return false;
    if (packet[0] & 0x10 && !parse_extension(h, packet, size))
        return false;

    size_t rest = size - h->header_size;
    if (packet[0] & 0x20) {
        /* The last octet counts the padding, itself included (RFC 3550 5.1). */
        if (rest == 0 || packet[size - 1] == 0 || packet[size - 1] > rest)
            return false;
        h->padding_size = packet[size - 1];
    }
    h->payload_size = rest - h->padding_size;
    return true;
}

void rtp_write(uint8_t *out, const struct rtp_header *h, bool extension)
{
    assert(h->payload_type < 128);
    out[0] = extension ? 0x90 : 0x80;
    out[1] = (uint8_t)(h->marker << 7 | h->payload_type);
    put_u16(out + 2, h->seq);
    put_u32(out + 4, h->timestamp);
    put_u32(out + 8, h->ssrc);
}

enum datagram_kind datagram_kind(const uint8_t *data, size_t size)
{
    if (size == 0)
        return DATAGRAM_UNKNOWN;
    if (data[0] <= 3)
        return DATAGRAM_STUN;
    if (data[0] >= 20 && data[0] <= 63)
        return DATAGRAM_DTLS;
    if (data[0] >= 128 && data[0] <= 191 && size >= 2)
        return data[1] >= 192 && data[1] <= 223 ? DATAGRAM_RTCP : DATAGRAM_RTP;
    return DATAGRAM_UNKNOWN;
}
