#include "server/tui.h"

#include <stdio.h>
#include <string.h>

#define FLASH_US 3000000
#define SETTINGS_ROWS (TUI_QUALITIES + TUI_RATES + TUI_CODECS)

const struct tui_choice tui_qualities[TUI_QUALITIES] = {
    {"low", "Low         0.5 Mbit/s"},   {"medium", "Medium      1.5 Mbit/s"},
    {"high", "High          3 Mbit/s"},  {"very-high", "Very high     6 Mbit/s"},
    {"ultra", "Ultra        10 Mbit/s"}, {"extreme", "Extreme      15 Mbit/s"},
    {"max", "Max          20 Mbit/s"},   {"insane", "Insane       50 Mbit/s"},
};
const struct tui_choice tui_rates[TUI_RATES] = {
    {"15", "15 fps"}, {"30", "30 fps"}, {"60", "60 fps"}};
const struct tui_choice tui_codecs[TUI_CODECS] = {
    {"h264", "H.264"}, {"vp8", "VP8"}, {"vp9", "VP9"}, {"av1", "AV1"}};

void tui_init(struct tui *t)
{
    *t = (struct tui){.column = TUI_COLUMN_SOURCES, .shows_streams = true};
}

void tui_flash(struct tui *t, const char *text, int64_t now_us)
{
    snprintf(t->flash, sizeof(t->flash), "%s", text);
    t->flash_until_us = now_us + FLASH_US;
}

static struct tui_action act(enum tui_do what, int index)
{
    return (struct tui_action){.what = what, .index = index};
}

static int rows_of(const struct tui_model *m, enum tui_column column)
{
    switch (column) {
    case TUI_COLUMN_SOURCES:
        return (int)m->n_sources;
    case TUI_COLUMN_SETTINGS:
        return SETTINGS_ROWS;
    default:
        return (int)m->n_listed;
    }
}

static void move(struct tui *t, const struct tui_model *m, int by)
{
    int rows = rows_of(m, t->column), *at = &t->cursor[t->column];
    *at += by;
    if (*at >= rows)
        *at = rows - 1;
    if (*at < 0)
        *at = 0;
}

static void turn(struct tui *t, int by)
{
    t->column = (enum tui_column)(((int)t->column + by + TUI_COLUMNS) % TUI_COLUMNS);
}

static struct tui_action choose(const struct tui *t, const struct tui_model *m)
{
    int at = t->cursor[t->column];
    if (t->column == TUI_COLUMN_SOURCES)
        return at < (int)m->n_sources ? act(TUI_DO_TOGGLE, at) : act(TUI_DO_NOTHING, 0);
    if (t->column != TUI_COLUMN_SETTINGS)
        return act(TUI_DO_NOTHING, 0);
    if (at < TUI_QUALITIES)
        return act(TUI_DO_QUALITY, at);
    if (at < TUI_QUALITIES + TUI_RATES)
        return act(TUI_DO_FPS, at - TUI_QUALITIES);
    return act(TUI_DO_CODEC, at - TUI_QUALITIES - TUI_RATES);
}

/* The n-th window, from 1; the first screen: 0. */
static struct tui_action toggle_nth(const struct tui_model *m, int n)
{
    int seen = 0;
    for (unsigned i = 0; i < m->n_sources; i++) {
        const struct tui_source *s = &m->sources[i];
        if (n == 0 ? s->is_screen : s->is_window && ++seen == n)
            return act(TUI_DO_TOGGLE, (int)i);
    }
    return act(TUI_DO_NOTHING, 0);
}

/* --- the line that asks for a password --- */

static void drop_last(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    text[n > 0 ? n - 1 : 0] = '\0';
}

static struct tui_action type(struct tui *t, uint32_t key)
{
    struct tui_action a = act(TUI_DO_NOTHING, 0);
    size_t n = strlen(t->typed);
    if (key == TUI_KEY_ESCAPE) {
        t->asks_password = false;
    } else if (key == TUI_KEY_BACKSPACE) {
        drop_last(t->typed);
    } else if (key == TUI_KEY_ENTER) {
        t->asks_password = false;
        a.what = TUI_DO_PASSWORD;
        memcpy(a.text, t->typed, sizeof(a.text));
    } else if (key > ' ' && key < 0x7f && n + 1 < sizeof(t->typed)) {
        t->typed[n] = (char)key;
        t->typed[n + 1] = '\0';
    }
    return a;
}

static struct tui_action ask_password(struct tui *t, const struct tui_model *m)
{
    t->asks_password = m->can_set_password;
    memcpy(t->typed, m->password, sizeof(t->typed));
    return act(TUI_DO_NOTHING, 0);
}

/* --- letters --- */

static struct tui_action letter(struct tui *t, const struct tui_model *m, uint32_t key)
{
    switch (key) {
    case 'f':
        return toggle_nth(m, 0);
    case 's':
        return act(TUI_DO_STOP, 0);
    case 'r':
        return act(TUI_DO_REFRESH, 0);
    case 'c':
        return act(TUI_DO_COPY, 0);
    case 'p':
        return ask_password(t, m);
    case 'q':
        return act(TUI_DO_CONSTANT, 0);
    case 'A':
        return act(TUI_DO_AUTO_SHARE, 0);
    case 'Q':
    case 3: /* Ctrl+C of a terminal that sends no signal for it */
        return act(TUI_DO_QUIT, 0);
    case 'i':
        t->shows_streams = !t->shows_streams;
        break;
    case 'L':
        t->shows_log = !t->shows_log;
        break;
    case '?':
        t->shows_help = true;
        break;
    default:
        if (key >= '1' && key <= '9')
            return toggle_nth(m, (int)(key - '0'));
    }
    return act(TUI_DO_NOTHING, 0);
}

struct tui_action tui_key(struct tui *t, const struct tui_model *m, uint32_t key)
{
    if (t->asks_password)
        return type(t, key);
    if (t->shows_help) {
        t->shows_help = false;
        return act(key == 3 ? TUI_DO_QUIT : TUI_DO_NOTHING, 0);
    }
    if (key == TUI_KEY_UP || key == 'k')
        move(t, m, -1);
    else if (key == TUI_KEY_DOWN || key == 'j')
        move(t, m, 1);
    else if (key == TUI_KEY_TAB || key == TUI_KEY_RIGHT || key == 'l')
        turn(t, 1);
    else if (key == TUI_KEY_BACK_TAB || key == TUI_KEY_LEFT || key == 'h')
        turn(t, -1);
    else if (key == ' ' || key == TUI_KEY_ENTER)
        return choose(t, m);
    else
        return letter(t, m, key);
    return act(TUI_DO_NOTHING, 0);
}
