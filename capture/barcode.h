/* barcode.h - the time in the picture, so that whoever sees the picture can tell how old it is.
 *
 * 48 cells of 16 x 16 pixels in the top-left corner, 24 to a row, the second row below the first:
 *
 *     cells  0- 7   sync, 10110010
 *     cells  8-39   time: CLOCK_REALTIME in units of 0.1 ms, modulo 2^32
 *     cells 40-47   CRC-8 of the time's four bytes, most significant first
 *                   (polynomial 0x07, initial value 0xff, nothing reflected, no final xor)
 *
 * Bits come most significant first; 1 is white, 0 black. A picture that was scaled is read by
 * scaling the cells; a reader samples the middle of a cell. The time wraps every 4.97 days.
 * Pure: the time is an argument, taken by the caller when the picture is drawn.
 */
#pragma once

#include "capture/picture.h"

#define BARCODE_COLUMNS 24
#define BARCODE_ROWS 2
#define BARCODE_CELL 16
#define BARCODE_WIDTH (BARCODE_COLUMNS * BARCODE_CELL)
#define BARCODE_HEIGHT (BARCODE_ROWS * BARCODE_CELL)

uint64_t barcode_bits(int64_t realtime_us); /* the 48 bits; cell 0 is bit 47 */
/* Into a BGRA picture at least BARCODE_WIDTH x BARCODE_HEIGHT. */
void barcode_draw(const struct picture *p, int64_t realtime_us);
