/* extensions.h - RTP header extensions in the one-byte form (RFC 8285 4.2). Pure.
 *
 * Ids are negotiated per peer and are 1-14; 0 means "not negotiated" and is left out. For one
 * viewer the block has the same size in every packet, since UDP GSO needs packets of equal size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTENSION_URI_TRANSPORT_CC                                                                 \
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define EXTENSION_URI_PLAYOUT_DELAY "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
#define EXTENSION_URI_MID "urn:ietf:params:rtp-hdrext:sdes:mid"
#define EXTENSION_URI_RID "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
#define EXTENSION_URI_REPAIRED_RID "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#define EXTENSION_URI_ABS_SEND_TIME "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

#define EXTENSION_URI_DEPENDENCY_DESCRIPTOR                                                        \
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

#define EXTENSIONS_MAX_SIZE 48
#define EXTENSIONS_MID_MAX 16
#define EXTENSIONS_DEPENDENCY_MAX 16

struct extensions_ids {
    uint8_t transport_cc, playout_delay, mid, dependency;
};

/* A prepared block: patch it per packet, do not build it per packet. */
struct extensions_block {
    uint8_t bytes[EXTENSIONS_MAX_SIZE]; /* "BEDE", length, elements, zero padding */
    uint8_t size;                       /* 0: nothing negotiated, no X bit */
    uint8_t transport_cc_at;            /* offset of the 16-bit sequence number in bytes; 0: none */
    uint8_t playout_at;                 /* offset of the playout delays; 0: none */
    uint8_t dependency_at; /* of the dependency descriptor, the last element; 0: none */
};

/* The place of the dependency descriptor has three bytes of zero until it is set. The playout times
 * in steps of 10 ms up to 40950. `mid` NULL or "": none. An id above 14 and a MID
 * longer than EXTENSIONS_MID_MAX have no place in this form and are left out. */
void extensions_build(struct extensions_block *b, const struct extensions_ids *ids,
                      uint16_t playout_min_ms, uint16_t playout_max_ms, const char *mid);

/* Other playout times from now on; no effect where there is no place for them. */
void extensions_set_playout(struct extensions_block *b, uint16_t min_ms, uint16_t max_ms);
/* Puts a frame's dependency descriptor of `size` bytes (3-EXTENSIONS_DEPENDENCY_MAX) in the place
 * kept for it; no effect if there is none. The block becomes as large as one of `room` bytes would
 * make it, so that a keyframe's first packet, whose descriptor is longer, has the size of the
 * others. `bytes + dependency_at` may then be patched (dependency_mark). */
void extensions_set_dependency(struct extensions_block *b, const uint8_t *value, size_t size,
                               size_t room);

/* The value of element `id` in a parsed extension (one-byte or two-byte form), or NULL. */
const uint8_t *extensions_find(uint16_t profile, const uint8_t *extension, size_t size, uint8_t id,
                               size_t *value_size);
