/* tui_screen.h - the terminal, by ncurses: keys in, canvases out, and everything as it was
 * afterwards.
 *
 * There is one. Life: tui_screen_open, which takes the terminal over; tui_screen_close gives it
 * back. If the program dies of a signal like SIGSEGV or SIGABRT in between, the terminal is given
 * back first. One thread, but for tui_screen_restore, which any thread and any signal handler may
 * call before the process ends.
 */
#pragma once

#include "server/tui_canvas.h"

#include <stdbool.h>
#include <stdint.h>

/* 0; -ENOTTY: standard input and output are not a terminal; -ENOTSUP: ncurses does not know it. */
int tui_screen_open(void);
void tui_screen_close(void); /* not open is fine */
void tui_screen_restore(void);

void tui_screen_size(int *rows, int *columns);
void tui_screen_show(const struct tui_canvas *c);
/* The next key that was pressed (tui.h); false: none waits. */
bool tui_screen_key(uint32_t *key);
bool tui_screen_is_gone(void); /* it was hung up */
/* Into the clipboard of the person's machine, where the terminal takes that (OSC 52). */
void tui_screen_copy(const char *text);
