/* paint.h - rectangles and digits into a BGRA picture, for pictures amphi draws itself.
 *
 * Pure: nothing is kept, every pixel drawn is a function of the arguments. Whatever is drawn must
 * lie inside the picture. Colours are 0xRRGGBB. A character is PAINT_GLYPH_WIDTH by
 * PAINT_GLYPH_HEIGHT dots of scale x scale pixels, its neighbour PAINT_ADVANCE dots further.
 */
#pragma once

#include "capture/picture.h"

#define PAINT_GLYPH_WIDTH 5
#define PAINT_GLYPH_HEIGHT 7
#define PAINT_ADVANCE 6

void paint_fill(const struct picture *p, int x, int y, int width, int height, uint32_t colour);
/* Digits, colon, point and #; anything else is a space. Only the dots are drawn. */
void paint_text(const struct picture *p, int x, int y, int scale, const char *text,
                uint32_t colour);
