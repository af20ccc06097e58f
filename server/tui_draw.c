/* tui_draw.c - how the terminal interface looks. */
#include "server/tui.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WIDE 92 /* columns from which all three stand side by side */
#define SETTINGS_WIDTH 28
#define STREAM_ROWS_MAX 10
#define LOG_ROWS 8

static void duration(char out[32], int64_t us)
{
    int64_t s = us / 1000000;
    if (s >= 3600)
        snprintf(out, 32, "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(out, 32, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

/* --- the head --- */

static void draw_title(const struct tui_box *b, const struct tui_model *m)
{
    static const enum tui_style styles[] = {TUI_PLAIN, TUI_GOOD, TUI_POOR, TUI_BAD};
    char up[32];
    duration(up, m->uptime_us);
    int at = tui_putf(b, 0, 1, TUI_BOLD, "%s", m->title);
    if (m->room[0])
        at = tui_putf(b, 0, at + 2, TUI_MARK, "%s", m->room);
    tui_putf(b, 0, b->columns - (int)strlen(up) - 1, TUI_DIM, "%s", up);
    if (m->uplink == TUI_UPLINK_NONE)
        return;
    struct tui_box rest = tui_box_part(b, 0, at + 2, 1, b->columns - at - 5 - (int)strlen(up));
    tui_put(&rest, 0, 0, styles[m->uplink], m->uplink_text);
}

static void draw_link(const struct tui_box *b, const struct tui_model *m)
{
    int at = 1;
    if (m->link[0]) {
        at = tui_put(b, 1, at, TUI_PLAIN, "Watch: ");
        at = tui_put(b, 1, at, TUI_MARK, m->link) + 2;
    }
    if (m->has_password && m->password[0]) {
        at = tui_put(b, 1, at, TUI_PLAIN, "Password: ");
        tui_put(b, 1, at, TUI_BOLD, m->password);
    } else if (m->has_password) {
        tui_put(b, 1, at, TUI_DIM, "with a password");
    }
}

static void draw_summary(const struct tui_box *b, const struct tui_model *m)
{
    int at = m->stopped ? tui_put(b, 2, 1, TUI_POOR, "Stopped (s: go on)")
             : m->n_streams
                 ? tui_putf(b, 2, 1, TUI_GOOD, "Sharing %u of %u", m->n_streams, TUI_STREAMS_MAX)
                 : tui_put(b, 2, 1, TUI_POOR, "Nothing is shared: choose a source");
    if (m->auto_share)
        at = tui_put(b, 2, at + 2, TUI_MARK, "AUTO-SHARE");
    tui_putf(b, 2, at + 2, m->viewers ? TUI_PLAIN : TUI_DIM,
             m->viewers ? "%u viewer%s" : "no viewers yet", m->viewers, plural(m->viewers));
}

/* --- columns --- */

/* The first row that is drawn, so that the cursor is in view. */
static int scroll(int cursor, int rows, int n)
{
    int first = cursor - rows + 1;
    first = first < 0 ? 0 : first;
    return n <= rows ? 0 : first;
}

static struct tui_box open_column(const struct tui_box *b, const struct tui *t,
                                  enum tui_column column, const char *title)
{
    return tui_box_frame(b, title, t->column == column ? TUI_BOLD : TUI_DIM);
}

/* The line under the cursor of the column that has the keys. */
static void mark_cursor(const struct tui_box *b, const struct tui *t, enum tui_column column,
                        int first)
{
    if (t->column == column)
        tui_fill(b, t->cursor[column] - first, TUI_REVERSE);
}

static void draw_source(const struct tui_box *b, int row, const struct tui_source *s, int window)
{
    char key = s->is_window && window <= 9 ? (char)('0' + window) : s->is_screen ? 'f' : ' ';
    enum tui_style style = s->slot >= 0 ? TUI_GOOD : TUI_PLAIN;
    tui_putf(b, row, 0, style, "%s%c %s%s%s%s", s->slot >= 0 ? "[x]" : "[ ]", key,
             s->focused ? "*" : "", s->app, s->app[0] && s->name[0] ? " - " : "",
             s->name[0] || s->app[0] ? s->name : s->source);
    if (s->width > 0) {
        char size[24];
        int n = snprintf(size, sizeof(size), " %dx%d", s->width, s->height);
        tui_put(b, row, b->columns - n, TUI_DIM, size);
    }
}

static void draw_sources(const struct tui_box *b, const struct tui *t, const struct tui_model *m)
{
    struct tui_box in = open_column(b, t, TUI_COLUMN_SOURCES, "Sources");
    int first = scroll(t->cursor[TUI_COLUMN_SOURCES], in.rows, (int)m->n_sources), window = 0;
    for (int i = 0; i < (int)m->n_sources; i++) {
        window += m->sources[i].is_window;
        if (i >= first)
            draw_source(&in, i - first, &m->sources[i], window);
    }
    if (m->n_sources == 0)
        tui_put(&in, 0, 0, TUI_DIM, "none found (r: look again)");
    mark_cursor(&in, t, TUI_COLUMN_SOURCES, first);
}

static int draw_choices(const struct tui_box *b, int row, const struct tui_choice *list, int n,
                        int chosen)
{
    for (int i = 0; i < n; i++)
        tui_putf(b, row + i, 0, i == chosen ? TUI_GOOD : TUI_PLAIN, "%s %s",
                 i == chosen ? "(o)" : "( )", list[i].text);
    return row + n;
}

static void draw_settings(const struct tui_box *b, const struct tui *t, const struct tui_model *m)
{
    struct tui_box in = open_column(b, t, TUI_COLUMN_SETTINGS,
                                    m->constant_quality ? "Settings: quality" : "Settings: rate");
    int rows = TUI_QUALITIES + TUI_RATES + TUI_CODECS;
    int first = scroll(t->cursor[TUI_COLUMN_SETTINGS], in.rows, rows);
    int row = draw_choices(&in, -first, tui_qualities, TUI_QUALITIES, m->quality);
    row = draw_choices(&in, row, tui_rates, TUI_RATES, m->fps);
    draw_choices(&in, row, tui_codecs, TUI_CODECS, m->codec);
    mark_cursor(&in, t, TUI_COLUMN_SETTINGS, first);
}

static void draw_viewer(const struct tui_box *b, int row, const struct tui_viewer *v)
{
    char age[32];
    duration(age, v->age_us);
    bool poor = v->loss_percent >= 5 || v->rtt_us > 300000;
    int at = tui_putf(b, row, 0, poor ? TUI_POOR : TUI_PLAIN, "#%u %s %s %s", (unsigned)v->id,
                      v->state, v->from, age);
    if (v->rtt_us >= 0)
        at = tui_putf(b, row, at + 1, TUI_DIM, "%d ms", (int)(v->rtt_us / 1000));
    if (v->loss_percent > 0)
        at = tui_putf(b, row, at + 1, TUI_POOR, "-%d %%", v->loss_percent);
    if (v->sent_bps > 0)
        tui_putf(b, row, at + 1, TUI_DIM, "%.1f Mbit/s", (double)v->sent_bps / 1e6);
}

static void draw_viewers(const struct tui_box *b, const struct tui *t, const struct tui_model *m)
{
    char title[48];
    snprintf(title, sizeof(title), "Viewers: %u", m->viewers);
    struct tui_box in = open_column(b, t, TUI_COLUMN_VIEWERS, title);
    int first = scroll(t->cursor[TUI_COLUMN_VIEWERS], in.rows, (int)m->n_listed);
    for (int i = first; i < (int)m->n_listed; i++)
        draw_viewer(&in, i - first, &m->listed[i]);
    if (m->n_listed == 0)
        tui_put(&in, 0, 0, TUI_DIM, m->viewers ? "they watch at the server" : "waiting...");
    else
        mark_cursor(&in, t, TUI_COLUMN_VIEWERS, first);
}

static void draw_columns(const struct tui_box *b, const struct tui *t, const struct tui_model *m)
{
    void (*const draw[])(const struct tui_box *, const struct tui *,
                         const struct tui_model *) = {draw_sources, draw_settings, draw_viewers};
    if (b->columns < WIDE) {
        draw[t->column](b, t, m);
        return;
    }
    int rest = b->columns - SETTINGS_WIDTH, sources = rest * 3 / 5;
    struct tui_box one = tui_box_part(b, 0, 0, b->rows, sources);
    struct tui_box two = tui_box_part(b, 0, sources, b->rows, SETTINGS_WIDTH);
    struct tui_box three = tui_box_part(b, 0, sources + SETTINGS_WIDTH, b->rows, rest - sources);
    draw_sources(&one, t, m);
    draw_settings(&two, t, m);
    draw_viewers(&three, t, m);
}

/* --- streams, log, help --- */

static void draw_stream(const struct tui_box *b, int row, const struct tui_stream *s)
{
    int at = tui_putf(b, row, 0, TUI_BOLD, "%s%s", s->focused ? "*" : " ", s->name);
    at = at < 30 ? 30 : at + 1;
    if (s->end_reason[0]) {
        tui_put(b, row, at, TUI_BAD, s->end_reason);
        return;
    }
    at = tui_putf(b, row, at, TUI_PLAIN, "%s %dx%d@%.0f", s->codec, s->width, s->height, s->fps);
    at = tui_putf(b, row, at + 2, TUI_PLAIN, "%.2f Mbit/s", (double)s->bps / 1e6);
    at = tui_putf(b, row, at + 2, TUI_DIM, "%" PRIu64 " frames, %" PRIu64 " whole", s->frames,
                  s->keyframes);
    if (s->paused)
        tui_put(b, row, at + 2, TUI_POOR, "paused");
}

static void draw_streams(const struct tui_box *b, const struct tui_model *m)
{
    uint64_t bps = 0;
    char title[96];
    for (unsigned i = 0; i < m->n_streams; i++)
        bps += m->streams[i].bps;
    snprintf(title, sizeof(title), "Streams: %.2f Mbit/s, %.1f MB sent", (double)bps / 1e6,
             (double)m->sent_bytes / 1e6);
    struct tui_box in = tui_box_frame(b, title, TUI_DIM);
    for (unsigned i = 0; i < m->n_streams; i++)
        draw_stream(&in, (int)i, &m->streams[i]);
}

static void draw_log(const struct tui_box *b, const struct tui_model *m)
{
    struct tui_box in = tui_box_frame(b, "Log", TUI_DIM);
    int first = (int)m->n_log > in.rows ? (int)m->n_log - in.rows : 0;
    for (int i = first; i < (int)m->n_log; i++)
        tui_put(&in, i - first, 0, TUI_DIM, m->log[i]);
}

static void draw_help(struct tui_box all)
{
    static const char *const lines[] = {
        "tab, arrows, h j k l   move",
        "space, enter           share or stop a source; choose a setting",
        "f, 1 - 9               share the screen, or a window",
        "A                      share the window you work in",
        "s                      stop everything, and go on",
        "q                      constant quality, or constant rate",
        "p                      password of those who watch",
        "c                      copy the link",
        "r                      look for sources again",
        "i, L                   streams, log",
        "Q, Ctrl+C              quit",
    };
    int n = sizeof(lines) / sizeof(lines[0]);
    struct tui_box in = tui_box_frame(&all, "Keys (any key goes back)", TUI_BOLD);
    for (int i = 0; i < n; i++)
        tui_put(&in, i, 1, TUI_PLAIN, lines[i]);
}

static void draw_foot(const struct tui_box *b, const struct tui *t, const struct tui_model *m,
                      int64_t now_us)
{
    int row = b->rows - 1;
    if (t->asks_password)
        tui_putf(b, row, 1, TUI_BOLD, "Password (empty: none): %s_", t->typed);
    else if (now_us < t->flash_until_us)
        tui_put(b, row, 1, TUI_MARK, t->flash);
    else
        tui_putf(b, row, 1, TUI_DIM,
                 "space share  s stop  c copy link  %si streams  ? keys  Q quit",
                 m->can_set_password ? "p password  " : "");
}

void tui_draw(struct tui_canvas *c, const struct tui *t, const struct tui_model *m, int64_t now_us)
{
    tui_canvas_clear(c);
    struct tui_box all = tui_box_all(c);
    if (t->shows_help) {
        draw_help(all);
        return;
    }
    draw_title(&all, m);
    draw_link(&all, m);
    draw_summary(&all, m);
    draw_foot(&all, t, m, now_us);
    int top = 3, room = all.rows - top - 1;
    int log = t->shows_log && room > LOG_ROWS + 5 ? LOG_ROWS : 0;
    int streams = t->shows_streams && m->n_streams ? (int)m->n_streams + 2 : 0;
    if (streams > STREAM_ROWS_MAX || room - log - streams < 4)
        streams = room - log >= 8 && streams ? 4 : 0;
    struct tui_box columns = tui_box_part(&all, top, 0, room - log - streams, all.columns);
    struct tui_box middle = tui_box_part(&all, top + columns.rows, 0, streams, all.columns);
    struct tui_box bottom = tui_box_part(&all, top + room - log, 0, log, all.columns);
    draw_columns(&columns, t, m);
    if (streams)
        draw_streams(&middle, m);
    if (log)
        draw_log(&bottom, m);
}
