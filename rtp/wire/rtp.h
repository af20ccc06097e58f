/* rtp.h - the RTP header (RFC 3550 5.1) and the kinds of datagram on our port (RFC 7983). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_HEADER_SIZE 12
#define RTP_VIDEO_CLOCK_HZ 90000
#define RTP_AUDIO_CLOCK_HZ 48000

struct rtp_header {
    bool marker;
    uint8_t payload_type;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;

    /* parse only */
    uint16_t extension_profile; /* 0: no extension; 0xbede one-byte, 0x100x two-byte (RFC 8285) */
    const uint8_t *extension;   /* borrowed: the parsed packet */
    size_t extension_size;
    size_t header_size; /* with CSRCs and extension */
    size_t payload_size;
    size_t padding_size;
};

/* False on anything that is not a whole RTP version 2 packet. */
bool rtp_parse(struct rtp_header *h, const uint8_t *packet, size_t size);
/* Writes the fixed RTP_HEADER_SIZE bytes; `extension` sets the X bit. */
void rtp_write(uint8_t *out, const struct rtp_header *h, bool extension);

enum datagram_kind {
    DATAGRAM_UNKNOWN = 1,
    DATAGRAM_STUN, /* first byte 0-3 */
    DATAGRAM_DTLS, /* 20-63 */
    DATAGRAM_RTP,  /* 128-191, and the second byte is not an RTCP type (RFC 5761 4) */
    DATAGRAM_RTCP,
};

enum datagram_kind datagram_kind(const uint8_t *data, size_t size);
