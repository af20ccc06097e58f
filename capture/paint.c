#include "capture/paint.h"

#include <assert.h>
#include <string.h>

/* One byte a row from the top; bit 4 is the left dot. */
static const struct glyph {
    char c;
    uint8_t row[PAINT_GLYPH_HEIGHT];
} font[] = {
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}},
    {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f}},
    {'3', {0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}},
    {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}},
    {'7', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}},
    {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}},
    {':', {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x00}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c}},
    {'#', {0x0a, 0x0a, 0x1f, 0x0a, 0x1f, 0x0a, 0x0a}},
};

void paint_fill(const struct picture *p, int x, int y, int width, int height, uint32_t colour)
{
    assert(p->format == PICTURE_BGRA);
    assert(x >= 0 && width > 0 && x + width <= p->width);
    assert(y >= 0 && height > 0 && y + height <= p->height);
    uint8_t *first = p->plane[0] + y * p->stride[0] + (ptrdiff_t)x * 4;
    for (int i = 0; i < width; i++) {
        first[i * 4 + 0] = (uint8_t)colour;
        first[i * 4 + 1] = (uint8_t)(colour >> 8);
        first[i * 4 + 2] = (uint8_t)(colour >> 16);
        first[i * 4 + 3] = 0xff;
    }
    for (int i = 1; i < height; i++)
        memcpy(first + i * p->stride[0], first, (size_t)width * 4);
}

static const struct glyph *find(char c)
{
    for (size_t i = 0; i < sizeof(font) / sizeof(font[0]); i++) {
        if (font[i].c == c)
            return &font[i];
    }
    return NULL;
}

void paint_text(const struct picture *p, int x, int y, int scale, const char *text, uint32_t colour)
{
    for (; *text; text++, x += PAINT_ADVANCE * scale) {
        const struct glyph *g = find(*text);
        for (int dot = 0; g && dot < PAINT_GLYPH_WIDTH * PAINT_GLYPH_HEIGHT; dot++) {
            int column = dot % PAINT_GLYPH_WIDTH, row = dot / PAINT_GLYPH_WIDTH;
            if (g->row[row] & (0x10 >> column))
                paint_fill(p, x + column * scale, y + row * scale, scale, scale, colour);
        }
    }
}
