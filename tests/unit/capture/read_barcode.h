/* read_barcode.h - the reading side of capture/barcode.h, for tests: written from the format in its
 * header, not from its code. */
#pragma once

#include "capture/picture.h"

static inline int read_barcode_cell(const struct picture *p, int cell)
{
    int sum = 0;
    for (int y = 4; y < 12; y++) {
        for (int x = 4; x < 12; x++)
            sum += p->plane[0][(cell / 24 * 16 + y) * p->stride[0] + (cell % 24 * 16 + x) * 4 + 1];
    }
    return sum > 64 * 127;
}

/* True with the time in units of 0.1 ms if sync and CRC are right. */
static inline bool read_barcode(const struct picture *p, uint32_t *time)
{
    static const char sync[] = "10110010";
    for (int i = 0; i < 8; i++) {
        if (read_barcode_cell(p, i) != (sync[i] == '1'))
            return false;
    }
    /* The CRC as polynomial division of all 40 bits, with the initial value added to the first 8.
     */
    unsigned rest = 0;
    *time = 0;
    for (int i = 0; i < 40; i++) {
        unsigned bit = (unsigned)read_barcode_cell(p, 8 + i);
        if (i < 32)
            *time = *time << 1 | bit;
        rest = rest << 1 | (bit ^ (i < 8));
        if (rest & 0x100)
            rest ^= 0x107;
    }
    return rest == 0;
}
