/* tui_canvas.h - a screen of character cells in memory, which text is put into. Pure.
 *
 * Text is UTF-8; what is malformed, or would move a terminal's cursor, becomes '?'. A character
 * that is two cells wide has an empty cell behind it. What does not fit is cut off.
 *
 * Life: tui_canvas_init, any number of frames that begin with tui_canvas_clear, tui_canvas_finish.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

#define TUI_ROWS_MAX 512
#define TUI_COLUMNS_MAX 1024

enum tui_style { TUI_PLAIN, TUI_BOLD, TUI_DIM, TUI_REVERSE, TUI_GOOD, TUI_POOR, TUI_BAD, TUI_MARK };

struct tui_cell {
    wchar_t ch; /* 0: the second half of the one before */
    enum tui_style style;
};

struct tui_canvas {
    int rows, columns;
    struct tui_cell *cells; /* owned */
};

/* A part of it. */
struct tui_box {
    struct tui_canvas *canvas;
    int row, column, rows, columns;
};

int tui_canvas_init(struct tui_canvas *c, int rows, int columns); /* 0, -ENOMEM, -EINVAL */
void tui_canvas_finish(struct tui_canvas *c);                     /* zeroed memory is fine */
void tui_canvas_clear(struct tui_canvas *c);
const struct tui_cell *tui_canvas_cell(const struct tui_canvas *c, int row, int column);

struct tui_box tui_box_all(struct tui_canvas *c);
struct tui_box tui_box_part(const struct tui_box *b, int row, int column, int rows, int columns);
/* Its frame with a title in it; what is inside. */
struct tui_box tui_box_frame(const struct tui_box *b, const char *title, enum tui_style style);
/* At a place in the box. The column behind it, as far as it would have gone. */
int tui_put(const struct tui_box *b, int row, int column, enum tui_style style, const char *text);
__attribute__((format(printf, 5, 6))) int tui_putf(const struct tui_box *b, int row, int column,
                                                   enum tui_style style, const char *format, ...);
void tui_fill(const struct tui_box *b, int row, enum tui_style style); /* the row, as it is */
