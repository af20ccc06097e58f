#include "server/tui_screen.h"

#include "server/tui.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define COPY_MAX 4096

static struct {
    SCREEN *screen;
    bool utf8;
    int colours[TUI_MARK + 1]; /* attributes by style */
    struct termios saved;
    atomic_bool taken; /* the terminal is not as it was */
} the;

static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define N_DEADLY (sizeof(deadly) / sizeof(deadly[0]))
static struct sigaction before[N_DEADLY];

/* Only what a signal handler may call. */
void tui_screen_restore(void)
{
    /* normal keys, colours, cursor; the other screen; no bracketed paste */
    static const char text[] = "\033[?1l\033>\033[0m\033[?25h\033[?1049l";
    if (!atomic_exchange(&the.taken, false))
        return;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &the.saved);
    (void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
}

/* Whoever handled it before does so when it is raised again: at once, or when we return. */
static void on_deadly(int which)
{
    tui_screen_restore();
    for (size_t i = 0; i < N_DEADLY; i++) {
        if (deadly[i] == which)
            (void)sigaction(which, &before[i], NULL);
    }
    (void)raise(which);
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_deadly, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_DEADLY; i++)
        (void)sigaction(deadly[i], &action, &before[i]);
}

static void forget_signals(void)
{
    for (size_t i = 0; i < N_DEADLY; i++)
        (void)sigaction(deadly[i], &before[i], NULL);
}

static void choose_colours(void)
{
    static const short pairs[TUI_MARK + 1] = {[TUI_GOOD] = COLOR_GREEN,
                                              [TUI_POOR] = COLOR_YELLOW,
                                              [TUI_BAD] = COLOR_RED,
                                              [TUI_MARK] = COLOR_CYAN};
    bool coloured = has_colors() && start_color() == OK;
    if (coloured)
        (void)use_default_colors();
    for (short i = 0; i <= TUI_MARK; i++) {
        if (coloured && pairs[i] && init_pair(i, pairs[i], -1) == OK)
            the.colours[i] = (int)COLOR_PAIR(i);
    }
    the.colours[TUI_BOLD] = (int)A_BOLD;
    the.colours[TUI_DIM] = coloured ? (int)A_DIM : 0;
    the.colours[TUI_REVERSE] = (int)A_REVERSE;
}

int tui_screen_open(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &the.saved) != 0)
        return -ENOTTY;
    setlocale(LC_CTYPE, "");
    the.utf8 = MB_CUR_MAX > 1;
    the.screen = newterm(NULL, stdout, stdin);
    if (!the.screen)
        return -ENOTSUP;
    atomic_store(&the.taken, true);
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)set_escdelay(25);
    (void)curs_set(0);
    choose_colours();
    watch_signals();
    return 0;
}

void tui_screen_close(void)
{
    if (!the.screen)
        return;
    forget_signals();
    (void)endwin();
    delscreen(the.screen);
    the.screen = NULL;
    atomic_store(&the.taken, false);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &the.saved);
}

void tui_screen_size(int *rows, int *columns)
{
    getmaxyx(stdscr, *rows, *columns);
}

/* What a terminal without UTF-8 can show of it. */
static wchar_t plain(wchar_t ch)
{
    if (ch < 0x80)
        return ch;
    return ch == L'─' ? L'-' : ch == L'│' ? L'|' : ch >= 0x250c && ch <= 0x2518 ? L'+' : L'?';
}

void tui_screen_show(const struct tui_canvas *c)
{
    (void)erase();
    for (int row = 0; row < c->rows; row++) {
        for (int column = 0; column < c->columns; column++) {
            const struct tui_cell *cell = tui_canvas_cell(c, row, column);
            wchar_t text[2] = {the.utf8 ? cell->ch : plain(cell->ch), 0};
            cchar_t out;
            if (cell->ch == 0 || (cell->ch == L' ' && cell->style == TUI_PLAIN))
                continue;
            int style = the.colours[cell->style];
            (void)setcchar(&out, text, (attr_t)style, (short)PAIR_NUMBER(style), NULL);
            (void)mvadd_wch(row, column, &out);
        }
    }
    (void)refresh();
}

static uint32_t key_of(wint_t key)
{
    switch (key) {
    case KEY_UP:
        return TUI_KEY_UP;
    case KEY_DOWN:
        return TUI_KEY_DOWN;
    case KEY_LEFT:
        return TUI_KEY_LEFT;
    case KEY_RIGHT:
        return TUI_KEY_RIGHT;
    case KEY_BTAB:
        return TUI_KEY_BACK_TAB;
    case KEY_ENTER:
        return TUI_KEY_ENTER;
    case KEY_BACKSPACE:
        return TUI_KEY_BACKSPACE;
    case KEY_RESIZE:
        return TUI_KEY_RESIZE;
    default:
        return TUI_KEY_RESIZE; /* of no meaning here: draw again */
    }
}

static uint32_t char_of(wint_t ch)
{
    switch (ch) {
    case '\t':
        return TUI_KEY_TAB;
    case '\r':
    case '\n':
        return TUI_KEY_ENTER;
    case 27:
        return TUI_KEY_ESCAPE;
    case 8:
    case 127:
        return TUI_KEY_BACKSPACE;
    default:
        return (uint32_t)ch;
    }
}

bool tui_screen_key(uint32_t *key)
{
    wint_t got;
    int kind = get_wch(&got);
    if (kind == ERR)
        return false;
    *key = kind == KEY_CODE_YES ? key_of(got) : char_of(got);
    return true;
}

bool tui_screen_is_gone(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL));
}

void tui_screen_copy(const char *text)
{
    size_t n = strlen(text);
    if (n > COPY_MAX)
        return;
    char *encoded = g_base64_encode((const guchar *)text, n);
    (void)fprintf(stdout, "\033]52;c;%s\a", encoded);
    (void)fflush(stdout);
    g_free(encoded);
}
