/* packetize.h - where a packetizer puts its packets, and where an assembler puts a unit. Pure.
 *
 * A packetizer (payload.h, h264.h, ...) turns one access unit into RTP payloads. Each payload
 * stands whole and contiguous in `data`, codec header included, so that a sender can protect it
 * straight from there. What is cut is cut into payloads of equal size but for the last, since UDP
 * GSO needs that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most an RTP payload may have so that a packet fits the 1232 bytes of UDP that IPv6 always
 * carries, with the largest header extension block (48), RTX's two bytes and an SRTP tag (16); with
 * what browsers negotiate for most codecs it is under 1200. */
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

/* For packetizers. */
void packetize_clear(struct packetize *out);
/* The room for one more packet of `size` bytes, or NULL. */
uint8_t *packetize_add(struct packetize *out, size_t size);

/* A frame behind a header of its own in every packet, which is longer in the first. */
struct packetize_headers {
    const uint8_t *first;
    size_t first_size;
    uint8_t rest;      /* one byte in all the others */
    uint8_t last_bits; /* set in the first byte of the last one */
};

/* Cuts `frame` into as few packets as can be; 0 or -ENOSPC, and then there are none. */
int packetize_frame(struct packetize *out, const struct packetize_headers *headers,
                    const uint8_t *frame, size_t size, size_t max_payload);

/* A unit that is still coming, and is cut part after part: what each part has is cut into packets
 * of the full size as far as that goes, and something is always left for the last one. */
struct packetize_unit {
    const uint8_t *data; /* from its beginning; what has been cut may be overwritten no more */
    size_t size;         /* so far */
    size_t tail;         /* H.264: where the last NAL unit begins that is sent */
    bool whole;
};

/* How far it has been cut; all 0: not begun. */
struct packetize_cut {
    size_t at;
    bool in_nal; /* H.264: at a fragment of this one */
    uint8_t nal_header;
    size_t obu; /* AV1: where the OBU begins that `at` is in, counted without its size field, which
                   is only there when it is over */
};

/* The next part of a frame like packetize_frame's. Without an error and without packets: there is
 * too little yet. With an error `cut` stays as it was. */
int packetize_part(struct packetize *out, const struct packetize_headers *headers,
                   struct packetize_cut *cut, const struct packetize_unit *unit,
                   size_t max_payload);

/* A unit being put together from its payloads, which come in order. Anything malformed or out of
 * place sets `broken`, and the unit is not to be used. A payload missing from the middle is only
 * seen by its RTP sequence number, which is the caller's. */
struct assemble {
    uint8_t *data; /* caller's */
    size_t capacity;
    size_t size;
    bool broken;
};

void assemble_append(struct assemble *a, const uint8_t *bytes, size_t size);
