/* annexb.h - the NAL units of an H.264 byte stream (ITU-T H.264 Annex B), and where in it a picture
 * ends. Pure; any bytes may be given, and every call is linear in what it passes over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum annexb_type { /* nal_unit_type (7.4.1) */
                   ANNEXB_SLICE = 1,
                   ANNEXB_PARTITION_A = 2,
                   ANNEXB_IDR = 5,
                   ANNEXB_SEI = 6,
                   ANNEXB_SPS = 7,
                   ANNEXB_PPS = 8,
                   ANNEXB_AUD = 9,
};

struct annexb_nal {
    const uint8_t *start; /* its start code, 00 00 01 */
    const uint8_t *data;  /* its header byte; size is at least 1 */
    size_t size;
};

struct annexb_slice {
    uint32_t first_mb;
    uint32_t type; /* modulo 5: 0 P, 1 B, 2 I */
};

/* Does the stream begin with a start code, zeros before it allowed? */
bool annexb_starts(const uint8_t *data, size_t size);
/* The NAL unit at or after *at, and *at behind it; false when there is none before `end`. */
bool annexb_next(struct annexb_nal *out, const uint8_t **at, const uint8_t *end);
unsigned annexb_type(const struct annexb_nal *nal);
/* The begin of a slice's header; false if it is not one, or is cut off. */
bool annexb_slice(struct annexb_slice *out, const struct annexb_nal *nal);
/* The end of the first access unit at `data`: in front of what may precede the next picture. */
const uint8_t *annexb_picture_end(const uint8_t *data, const uint8_t *end);
