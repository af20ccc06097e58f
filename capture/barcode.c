#include "capture/barcode.h"
#include "capture/paint.h"

#define SYNC 0xb2u /* 10110010: no shift of it resembles it */

static uint8_t crc8(uint32_t value)
{
    unsigned crc = 0xff;
    for (int shift = 24; shift >= 0; shift -= 8) {
        crc ^= (value >> shift) & 0xff;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x80 ? 0x07u : 0)) & 0xff;
    }
    return (uint8_t)crc;
}

uint64_t barcode_bits(int64_t realtime_us)
{
    uint32_t time = (uint32_t)(realtime_us / 100);
    return (uint64_t)SYNC << 40 | (uint64_t)time << 8 | crc8(time);
}

void barcode_draw(const struct picture *p, int64_t realtime_us)
{
    uint64_t bits = barcode_bits(realtime_us);
    for (int cell = 0; cell < BARCODE_COLUMNS * BARCODE_ROWS; cell++) {
        bool one = bits >> (BARCODE_COLUMNS * BARCODE_ROWS - 1 - cell) & 1;
        paint_fill(p, cell % BARCODE_COLUMNS * BARCODE_CELL, cell / BARCODE_COLUMNS * BARCODE_CELL,
                   BARCODE_CELL, BARCODE_CELL, one ? 0xffffff : 0x000000);
    }
}
