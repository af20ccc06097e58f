/* av1.h - AV1 temporal units and their RTP payload format (aomediacodec.github.io/av1-rtp-spec,
 * v1.0.0). Pure.
 *
 * A unit is in the low-overhead format (AV1 5.2): OBUs with size fields, of which the last may go
 * without. On the wire there are neither size fields nor temporal delimiters, tile lists and
 * padding. An assembled unit has minimal size fields and no temporal delimiter.
 */
#pragma once

#include "rtp/payload/packetize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* obu_type (AV1 6.2.2) */
enum av1_obu_type {
    AV1_SEQUENCE_HEADER = 1,
    AV1_TEMPORAL_DELIMITER = 2,
    AV1_FRAME_HEADER = 3,
    AV1_TILE_GROUP = 4,
    AV1_METADATA = 5,
    AV1_FRAME = 6,
    AV1_REDUNDANT_FRAME_HEADER = 7,
    AV1_TILE_LIST = 8,
    AV1_PADDING = 15,
};

struct av1_obu {
    enum av1_obu_type type;
    uint8_t header[2]; /* without has_size_field */
    uint8_t header_size;
    const uint8_t *payload;
    size_t payload_size;
};

/* Takes the next OBU off the front; 1, 0 at the end, -EBADMSG. */
int av1_next_obu(struct av1_obu *out, const uint8_t **data, size_t *size);
/* A new coded video sequence: a sequence header and a frame that is a key frame. */
bool av1_is_keyframe(const uint8_t *unit, size_t size);
/* The most a picture may have by the unit's sequence header; false if there is none. */
bool av1_find_size(const uint8_t *unit, size_t size, uint16_t *width, uint16_t *height);

/* 0; -EBADMSG if an OBU is malformed or there is none to send; -ENOSPC. In the middle of a unit no
 * packet ends where an OBU does, if that can be avoided: some receivers without the dependency
 * descriptor take that for the end of a frame. */
#define AV1_MIN_PAYLOAD 16
int av1_packetize(struct packetize *out, const uint8_t *unit, size_t size, size_t max_payload);
/* Part after part (packetize.h): full packets, each of which ends in the middle of an OBU. */
int av1_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *unit,
            size_t max_payload);

struct av1_descriptor {
    bool continues;       /* Z: the first element goes on with an OBU of the packet before */
    bool continued;       /* Y: the last element goes on in the next packet */
    uint8_t elements;     /* W: 1-3; 0: each has its length in front */
    bool starts_sequence; /* N */
    bool has_layer;       /* the first OBU that begins here has a header extension */
    uint8_t temporal_id, spatial_id;
};

/* The aggregation header and the layers; false if any element is malformed. */
bool av1_parse(struct av1_descriptor *d, const uint8_t *payload, size_t size);

struct av1_assembler {
    struct assemble unit;
    bool in_obu;
    size_t obu_at;     /* where the OBU that is not over began; it has no size field yet */
    bool obu_is_sized; /* it came with one, of obu_size */
    size_t obu_size;
};

void av1_assemble_begin(struct av1_assembler *a, uint8_t *data, size_t capacity);
void av1_assemble(struct av1_assembler *a, const uint8_t *payload, size_t size);
/* The size of what can be read so far: a unit of its own, whose last OBU may not be over. */
size_t av1_assemble_part(const struct av1_assembler *a);
bool av1_assemble_end(struct av1_assembler *a);
