#include "server/tui_canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

int tui_canvas_init(struct tui_canvas *c, int rows, int columns)
{
    if (rows < 1 || columns < 1 || rows > TUI_ROWS_MAX || columns > TUI_COLUMNS_MAX)
        return -EINVAL;
    *c = (struct tui_canvas){.rows = rows, .columns = columns};
    c->cells = calloc((size_t)rows * (size_t)columns, sizeof(*c->cells));
    if (!c->cells)
        return -ENOMEM;
    tui_canvas_clear(c);
    return 0;
}

void tui_canvas_finish(struct tui_canvas *c)
{
    free(c->cells);
    *c = (struct tui_canvas){.rows = 0};
}

void tui_canvas_clear(struct tui_canvas *c)
{
    for (int i = 0; i < c->rows * c->columns; i++)
        c->cells[i] = (struct tui_cell){.ch = L' ', .style = TUI_PLAIN};
}

const struct tui_cell *tui_canvas_cell(const struct tui_canvas *c, int row, int column)
{
    return &c->cells[row * c->columns + column];
}

struct tui_box tui_box_all(struct tui_canvas *c)
{
    return (struct tui_box){c, 0, 0, c->rows, c->columns};
}

static int between(int low, int n, int high)
{
    return n < low ? low : n > high ? high : n;
}

struct tui_box tui_box_part(const struct tui_box *b, int row, int column, int rows, int columns)
{
    int r = between(0, row, b->rows), c = between(0, column, b->columns);
    return (struct tui_box){b->canvas, b->row + r, b->column + c, between(0, rows, b->rows - r),
                            between(0, columns, b->columns - c)};
}

/* --- UTF-8 (RFC 3629) --- */

/* The next character, '?' for what is none; moves on by one byte at least. */
static uint32_t next_char(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    unsigned more = s[0] < 0x80 ? 0 : s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t ch = more == 0 ? s[0] : s[0] & (0x3fu >> more);
    bool ok = more == 0 || (s[0] >= 0xc2 && s[0] <= 0xf4);
    unsigned n = 1;
    for (; ok && n <= more; n++) {
        ok = (s[n] & 0xc0) == 0x80;
        ch = ch << 6 | (s[n] & 0x3fu);
        if (!ok)
            break;
    }
    *text += ok ? more + 1 : n;
    bool surrogate = ch >= 0xd800 && ch < 0xe000;
    return ok && ch >= least[more] && ch <= 0x10ffff && !surrogate ? ch : '?';
}

/* Cells that it takes; -1: it is not to be shown. */
static int width_of(uint32_t ch)
{
    if (ch < 0x80)
        return ch >= ' ' && ch < 0x7f ? 1 : -1;
    /* box drawing, blocks and bullets are one cell, whatever the locale knows of them */
    return ch >= 0x2500 && ch < 0x2600 ? 1 : wcwidth((wchar_t)ch);
}

/* --- text --- */

static void set(const struct tui_box *b, int row, int column, wchar_t ch, enum tui_style style)
{
    if (row < 0 || row >= b->rows || column < 0 || column >= b->columns)
        return;
    struct tui_canvas *c = b->canvas;
    c->cells[(b->row + row) * c->columns + b->column + column] = (struct tui_cell){ch, style};
}

int tui_put(const struct tui_box *b, int row, int column, enum tui_style style, const char *text)
{
    while (*text) {
        uint32_t ch = next_char(&text);
        int width = width_of(ch);
        if (width == 0)
            continue; /* it belongs to the one before */
        if (width < 0) {
            ch = '?';
            width = 1;
        }
        bool fits = column + width <= b->columns;
        set(b, row, column, fits ? (wchar_t)ch : L' ', style);
        if (fits && width == 2)
            set(b, row, column + 1, 0, style);
        column += width;
    }
    return column;
}

int tui_putf(const struct tui_box *b, int row, int column, enum tui_style style, const char *format,
             ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return tui_put(b, row, column, style, text);
}

void tui_fill(const struct tui_box *b, int row, enum tui_style style)
{
    if (row < 0 || row >= b->rows)
        return;
    struct tui_canvas *c = b->canvas;
    for (int i = 0; i < b->columns; i++)
        c->cells[(b->row + row) * c->columns + b->column + i].style = style;
}

struct tui_box tui_box_frame(const struct tui_box *b, const char *title, enum tui_style style)
{
    int last_row = b->rows - 1, last = b->columns - 1;
    for (int i = 1; i < last; i++) {
        set(b, 0, i, L'─', style);
        set(b, last_row, i, L'─', style);
    }
    for (int i = 1; i < last_row; i++) {
        set(b, i, 0, L'│', style);
        set(b, i, last, L'│', style);
    }
    set(b, 0, 0, L'┌', style);
    set(b, 0, last, L'┐', style);
    set(b, last_row, 0, L'└', style);
    set(b, last_row, last, L'┘', style);
    struct tui_box inner = tui_box_part(b, 1, 1, b->rows - 2, b->columns - 2);
    struct tui_box top = tui_box_part(b, 0, 2, 1, b->columns - 4);
    tui_putf(&top, 0, 0, style, " %s ", title);
    return inner;
}
