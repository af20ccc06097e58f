/* packetize.h - where a packetizer puts its packets. Pure.
 *
 * A packetizer (h264.h, ...) turns one access unit into RTP payloads. Each payload stands whole and
 * contiguous in `data`, codec header included, so that a sender can protect it straight from there.
 * Payloads of one NAL unit are of equal size but for the last, since UDP GSO needs that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most an RTP payload may have so that a packet fits 1200 bytes of UDP with the largest header
 * extension block, RTX's two bytes and an SRTP tag. */
#define PACKETIZE_MAX_PAYLOAD 1140

struct packetize_packet {
    uint32_t offset; /* of the payload in data */
    uint16_t size;
    bool marker; /* last packet of the access unit */
};

struct packetize {
    /* caller's, fixed */
    uint8_t *data;
    uint32_t capacity;
    struct packetize_packet *packets;
    uint16_t max_packets;

    /* result */
    uint32_t size;
    uint16_t n_packets;
};
