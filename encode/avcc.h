/* avcc.h - the slices of an H.264 access unit from length prefixes ("AVCC", ISO/IEC 14496-15) to
 * start codes (Annex B).
 *
 * Pure. Called twice: with `out` NULL it only judges and measures, then it writes into as many
 * bytes as it said. What is not a slice (SEI, delimiters, parameter sets, filler) is left out:
 * viewers need none of it, and the parameter sets travel beside such a unit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct avcc_unit {
    size_t size;       /* in Annex B */
    bool idr;          /* it holds slices of an IDR picture */
    bool is_reference; /* some slice may be referred to: nal_ref_idc is not 0 */
};

/* `length_size` is 1 to 4 bytes. False: lengths that do not add up, a NAL unit that is empty or has
 * its forbidden bit set, or no slice at all. */
bool avcc_to_annexb(const uint8_t *data, size_t size, int length_size, uint8_t *out,
                    struct avcc_unit *unit);
/* Writes start code and NAL unit; returns the size of both. */
size_t avcc_put(uint8_t *out, const uint8_t *nal, size_t size);
#define AVCC_START_CODE 4 /* bytes */
