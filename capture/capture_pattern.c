/* The test pattern: a page of text-like lines that scrolls, a box that wanders over it, and in the
 * top-left corner what a test or a person reads: the latency barcode, the wall clock, the frame
 * number. Every pixel of a picture is a function of its frame number and of the clock.
 *
 * With `flash` the page and the box give way to a plain background that is dark, and white in the
 * first FLASH_US of each second of CLOCK_MONOTONIC, at which `tone:beep` beeps: to measure lip
 * sync. */
#include "capture/barcode.h"
#include "capture/capture_backends.h"
#include "capture/paint.h"
#include "capture/sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 720
#define TEXT_SCALE 4
#define TEXT_MARGIN 8
#define TEXT_HEIGHT (PAINT_GLYPH_HEIGHT * TEXT_SCALE)
#define PANEL_HEIGHT (2 * TEXT_HEIGHT + 3 * TEXT_MARGIN)
#define MIN_WIDTH BARCODE_WIDTH
#define MIN_HEIGHT (BARCODE_HEIGHT + PANEL_HEIGHT + BOX_HEIGHT)
#define BOX_WIDTH 96
#define BOX_HEIGHT 64
/* The scrolling page repeats after this many rows; small enough to stay in the cache. */
#define LINE_ROWS 20
#define PAGE_ROWS (24 * LINE_ROWS)
#define SCROLL_ROWS 2 /* per frame */

#define SECOND_US 1000000
#define FLASH_US 50000 /* two pictures at 30 fps */

struct pattern {
    int fps, width, height; /* immutable after open */
    bool flashes;
    struct picture page; /* owned; width x PAGE_ROWS, drawn once */
};

/* --- what is drawn --- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 16;
}

/* A line of words in letters nobody can read: what text costs an encoder, without a font. */
static void draw_line(const struct picture *page, int y, uint32_t *random)
{
    static const uint32_t inks[] = {0x202020, 0x1c3d7a, 0x6b1f1f, 0x1f5a2c};
    const int dot = 2, advance = PAINT_ADVANCE * dot;
    uint32_t ink = inks[next_random(random) % 4];
    for (int x = TEXT_MARGIN; x + advance <= page->width; x += advance) {
        if (next_random(random) % 6 == 0)
            continue; /* a space */
        for (int i = 0; i < PAINT_GLYPH_WIDTH * PAINT_GLYPH_HEIGHT; i++) {
            if (next_random(random) % 5 < 2)
                paint_fill(page, x + i % PAINT_GLYPH_WIDTH * dot, y + i / PAINT_GLYPH_WIDTH * dot,
                           dot, dot, ink);
        }
    }
}

static void draw_page(const struct picture *page)
{
    uint32_t random = 1;
    paint_fill(page, 0, 0, page->width, page->height, 0xf4f2ec);
    for (int y = 2; y < page->height; y += LINE_ROWS)
        draw_line(page, y, &random);
}

static void draw_background(const struct picture *p, const struct picture *page, uint64_t frame)
{
    for (int y = 0; y < p->height; y++) {
        ptrdiff_t row = (ptrdiff_t)(((uint64_t)y + frame * SCROLL_ROWS) % PAGE_ROWS);
        memcpy(p->plane[0] + y * p->stride[0], page->plane[0] + row * page->stride[0],
               (size_t)p->width * 4);
    }
}

/* There and back over `range` places, `step` a frame. */
static int bounce(uint64_t frame, int step, int range)
{
    int place = (int)(frame * (uint64_t)step % (2 * (uint64_t)range));
    return place < range ? place : 2 * range - 1 - place;
}

static void draw_box(const struct picture *p, uint64_t frame)
{
    const int top = BARCODE_HEIGHT + PANEL_HEIGHT;
    int x = bounce(frame, 7, p->width - BOX_WIDTH + 1);
    int y = top + bounce(frame, 3, p->height - top - BOX_HEIGHT + 1);
    paint_fill(p, x, y, BOX_WIDTH, BOX_HEIGHT, 0xffffff);
    paint_fill(p, x + 4, y + 4, BOX_WIDTH - 8, BOX_HEIGHT - 8, 0xd0342c);
}

static void draw_panel(const struct picture *p, uint64_t frame, int64_t realtime_us)
{
    char text[32];
    time_t seconds = (time_t)(realtime_us / 1000000);
    struct tm local = {0};
    localtime_r(&seconds, &local);
    paint_fill(p, 0, BARCODE_HEIGHT, BARCODE_WIDTH, PANEL_HEIGHT, 0x101418);

    snprintf(text, sizeof(text), "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
             (int)(realtime_us / 1000 % 1000));
    paint_text(p, TEXT_MARGIN, BARCODE_HEIGHT + TEXT_MARGIN, TEXT_SCALE, text, 0xffffff);
    snprintf(text, sizeof(text), "#%010llu", (unsigned long long)(frame % 10000000000));
    paint_text(p, TEXT_MARGIN, BARCODE_HEIGHT + 2 * TEXT_MARGIN + TEXT_HEIGHT, TEXT_SCALE, text,
               0xffd75f);
}

static void draw(const struct pattern *pattern, const struct picture *p, uint64_t frame)
{
    if (pattern->flashes) {
        bool white = p->captured_us % SECOND_US < FLASH_US;
        paint_fill(p, 0, 0, p->width, p->height, white ? 0xffffff : 0x202428);
    } else {
        draw_background(p, &pattern->page, frame);
        draw_box(p, frame);
    }
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* last, so that drawing does not count as latency */
    int64_t realtime_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    draw_panel(p, frame, realtime_us);
    barcode_draw(p, realtime_us);
}

/* --- the backend --- */

static bool parse_number(const char **text, int *out)
{
    int value = 0;
    const char *s = *text;
    for (; *s >= '0' && *s <= '9'; s++) {
        value = value * 10 + (*s - '0');
        if (value > 1000000)
            return false;
    }
    if (s == *text)
        return false;
    *text = s;
    *out = value;
    return true;
}

/* WIDTHxHEIGHT, flash, or flash,WIDTHxHEIGHT. */
static bool parse_arg(const char *text, bool *flashes, int *width, int *height)
{
    static const char flash[] = "flash";
    *flashes = strncmp(text, flash, sizeof(flash) - 1) == 0;
    if (*flashes) {
        text += sizeof(flash) - 1;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
    return parse_number(&text, width) && *text++ == 'x' && parse_number(&text, height) &&
           *text == '\0';
}

static int pattern_open(void *priv, const struct capture_config *config, struct capture_info *info,
                        char *error, size_t error_size)
{
    struct pattern *pattern = priv;
    int width = DEFAULT_WIDTH, height = DEFAULT_HEIGHT;
    bool flashes = false;
    if (config->arg && !parse_arg(config->arg, &flashes, &width, &height)) {
        snprintf(error, error_size,
                 "pattern \"%s\" is not WIDTHxHEIGHT, such as 1920x1080, or flash", config->arg);
        return -EINVAL;
    }
    if (width < MIN_WIDTH || width > PICTURE_MAX_WIDTH || height < MIN_HEIGHT ||
        height > PICTURE_MAX_HEIGHT || width % 2 || height % 2) {
        snprintf(error, error_size, "pattern size %dx%d must be even and from %dx%d to %dx%d",
                 width, height, MIN_WIDTH, MIN_HEIGHT, PICTURE_MAX_WIDTH, PICTURE_MAX_HEIGHT);
        return -EINVAL;
    }
    *pattern =
        (struct pattern){.fps = config->fps, .width = width, .height = height, .flashes = flashes};
    pattern->page = (struct picture){
        .format = PICTURE_BGRA, .width = width, .height = PAGE_ROWS, .stride = {width * 4}};
    pattern->page.plane[0] = malloc((size_t)width * 4 * PAGE_ROWS);
    if (!pattern->page.plane[0]) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    draw_page(&pattern->page);
    *info = (struct capture_info){.name = "Test pattern", .width = width, .height = height};
    return 0;
}

static int pattern_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    const struct pattern *pattern = priv;
    const uint64_t fps = (uint64_t)pattern->fps;
    /* flashes are on time if a picture is due at each whole second */
    const int64_t begin_us = capture_now_us();
    const int64_t start_us = begin_us - (pattern->flashes ? begin_us % SECOND_US : 0);
    for (uint64_t frame = 0;; frame++) {
        /* Exact multiples, so that nothing drifts. A poke changes nothing: the next picture comes
         * as soon as the rate allows anyhow. */
        int64_t due_us = start_us + (int64_t)((frame * 1000000 + fps - 1) / fps);
        enum capture_wake wake;
        do {
            wake = capture_sink_wait(sink, -1, due_us);
            if (wake == CAPTURE_WAKE_STOP)
                return 0;
        } while (wake != CAPTURE_WAKE_TIMEOUT);

        int64_t now_us = capture_now_us();
        frame = (uint64_t)(now_us - start_us) * fps / 1000000; /* late ones are left out */
        struct picture *p = capture_sink_begin(sink, pattern->width, pattern->height);
        if (!p)
            continue;
        p->captured_us = now_us;
        draw(pattern, p, frame);
        capture_sink_publish(sink, p);
    }
}

static void pattern_close(void *priv)
{
    struct pattern *pattern = priv;
    free(pattern->page.plane[0]);
}

static int pattern_list(struct sources_entry *out, int max, char *error, size_t error_size)
{
    (void)max, (void)error, (void)error_size;
    out[0] = (struct sources_entry){.kind = SOURCES_PATTERN,
                                    .source = "pattern",
                                    .name = "Test pattern",
                                    .width = DEFAULT_WIDTH,
                                    .height = DEFAULT_HEIGHT};
    return 1;
}

const struct capture_ops capture_pattern_ops = {
    .kind = "pattern",
    .priv_size = sizeof(struct pattern),
    .open = pattern_open,
    .run = pattern_run,
    .close = pattern_close,
    .list = pattern_list,
};
