/* tui.h - the terminal interface without its terminal: what is known, what keys do, how it looks.
 * Pure.
 *
 * The owner fills a model with what the program knows, gives keys to tui_key, does what the action
 * says, and draws with tui_draw (tui_canvas.h) whenever something has changed.
 *
 * Life: tui_init; then one thread.
 */
#pragma once

#include "server/tui_canvas.h"

#include <stdbool.h>
#include <stdint.h>

#define TUI_SOURCES_MAX 64
#define TUI_VIEWERS_MAX 200
#define TUI_STREAMS_MAX 8
#define TUI_LOG_MAX 100
#define TUI_PASSWORD_MAX 65 /* with its terminator */

/* Keys beside Unicode characters. */
enum tui_key {
    TUI_KEY_UP = 0x110000,
    TUI_KEY_DOWN,
    TUI_KEY_LEFT,
    TUI_KEY_RIGHT,
    TUI_KEY_TAB,
    TUI_KEY_BACK_TAB,
    TUI_KEY_ENTER,
    TUI_KEY_ESCAPE,
    TUI_KEY_BACKSPACE,
    TUI_KEY_RESIZE,
};

/* --- what is known --- */

struct tui_source {
    char source[160]; /* as for --source */
    char name[96], app[48];
    int width, height; /* 0: not known */
    bool is_screen, is_window, focused;
    int slot; /* -1: not shown */
};

struct tui_viewer {
    uint32_t id;
    char state[16]; /* "playing", "joining", ... */
    char from[48];  /* its address, or "" */
    int64_t age_us;
    int64_t rtt_us;   /* -1: not known */
    int loss_percent; /* -1: not known */
    uint64_t sent_bps;
};

struct tui_stream {
    unsigned slot;
    char name[96], codec[8];
    int width, height;
    double fps;
    uint64_t bps, frames, keyframes;
    bool focused, paused;
    char end_reason[160]; /* "" while all is well */
};

enum tui_uplink { TUI_UPLINK_NONE, TUI_UPLINK_GOOD, TUI_UPLINK_BUSY, TUI_UPLINK_BAD };

struct tui_model {
    char title[64];           /* "amphi 0.1.0" */
    char room[64], link[300]; /* to watch; "": none */
    char password[TUI_PASSWORD_MAX];
    bool has_password; /* `password` may be "" all the same: it is not known here */
    bool can_set_password;
    enum tui_uplink uplink; /* of amphi publish */
    char uplink_text[400];
    int64_t uptime_us;
    uint64_t sent_bytes; /* to everybody, since it began */
    bool stopped;        /* by the person */
    unsigned viewers;    /* in all: not all of them may be listed */
    unsigned n_listed;
    struct tui_viewer listed[TUI_VIEWERS_MAX];
    unsigned n_sources;
    struct tui_source sources[TUI_SOURCES_MAX];
    unsigned n_streams;
    struct tui_stream streams[TUI_STREAMS_MAX];
    /* of the settings, indices into tui_choices; -1: something else */
    int quality, fps, codec;
    bool constant_quality, auto_share;
    unsigned n_log;
    char log[TUI_LOG_MAX][200]; /* the newest last */
};

struct tui_choice {
    const char *name; /* as on the command line */
    const char *text; /* for people */
};

#define TUI_QUALITIES 8
#define TUI_RATES 3
#define TUI_CODECS 4
extern const struct tui_choice tui_qualities[TUI_QUALITIES], tui_rates[TUI_RATES],
    tui_codecs[TUI_CODECS];

/* --- what keys do --- */

enum tui_do {
    TUI_DO_NOTHING, /* but draw again */
    TUI_DO_QUIT,
    TUI_DO_TOGGLE,    /* the source `index` */
    TUI_DO_STOP,      /* everything that is shown, or what was shown again */
    TUI_DO_REFRESH,   /* the list of sources */
    TUI_DO_COPY,      /* the link */
    TUI_DO_PASSWORD,  /* `text`; "": none */
    TUI_DO_QUALITY,   /* the choice `index` */
    TUI_DO_FPS,       /* the same */
    TUI_DO_CODEC,     /* the same */
    TUI_DO_CONSTANT,  /* quality, or rate: the other one */
    TUI_DO_AUTO_SHARE /* on, or off */
};

struct tui_action {
    enum tui_do what;
    int index;
    char text[TUI_PASSWORD_MAX];
};

enum tui_column { TUI_COLUMN_SOURCES, TUI_COLUMN_SETTINGS, TUI_COLUMN_VIEWERS, TUI_COLUMNS };

struct tui {
    enum tui_column column;
    int cursor[TUI_COLUMNS];
    bool shows_streams, shows_log, shows_help;
    bool asks_password;
    char typed[TUI_PASSWORD_MAX];
    char flash[200]; /* said for a moment */
    int64_t flash_until_us;
};

void tui_init(struct tui *t);
/* `key`: a Unicode character, or enum tui_key. */
struct tui_action tui_key(struct tui *t, const struct tui_model *m, uint32_t key);
void tui_flash(struct tui *t, const char *text, int64_t now_us);
/* The whole canvas. */
void tui_draw(struct tui_canvas *c, const struct tui *t, const struct tui_model *m, int64_t now_us);
