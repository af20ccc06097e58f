#include "capture/barcode.h"
#include "capture/capture.h"
#include "capture/paint.h"
#include "tests/unit/capture/read_barcode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct capture *open_pattern(const char *arg, int fps)
{
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "pattern", .arg = arg, .fps = fps};
    if (capture_open(&c, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return c;
}

static int64_t realtime_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The picture's barcode as full time: its 32 bits, and the rest of them from a recent clock. */
static int64_t barcode_us(const struct picture *p)
{
    uint32_t time = 0;
    assert_true(read_barcode(p, &time));
    int64_t now = realtime_us() / 100;
    return (now - (uint32_t)((uint32_t)now - time)) * 100;
}

/* Reads what a person would: every character by comparing it with the font's. */
static void read_text(const struct picture *p, int x0, int y0, uint8_t blue, char *text, int n)
{
    static const char known[] = "0123456789:.#";
    static uint8_t memory[28 * 20 * 4];
    const struct picture glyph = {
        .format = PICTURE_BGRA, .width = 20, .height = 28, .plane = {memory}, .stride = {20 * 4}};
    for (int i = 0; i < n; i++, x0 += PAINT_ADVANCE * 4) {
        text[i] = '?';
        for (const char *c = known; *c; c++) {
            memset(memory, 0, sizeof(memory));
            paint_text(&glyph, 0, 0, 4, (const char[]){*c, '\0'}, 0xffffff);
            bool same = true;
            for (int y = 0; y < 28; y++) {
                for (int x = 0; x < 20; x++)
                    same &= (p->plane[0][(y0 + y) * p->stride[0] + (x0 + x) * 4] == blue) ==
                            (memory[(y * 20 + x) * 4] == 0xff);
            }
            if (same)
                text[i] = *c;
        }
    }
    text[n] = '\0';
}

static uint64_t frame_number(const struct picture *p)
{
    char text[12], *end;
    read_text(p, 8, 76, 0x5f, text, 11);
    assert_int_equal(text[0], '#');
    uint64_t number = strtoull(text + 1, &end, 10);
    assert_int_equal(*end, '\0');
    return number;
}

static void sizes_are_checked(void **state)
{
    static const struct {
        const char *arg, *word;
    } rows[] = {
        {"x", "not WIDTHxHEIGHT"},
        {"640", "not WIDTHxHEIGHT"},
        {"640x", "not WIDTHxHEIGHT"},
        {"x480", "not WIDTHxHEIGHT"},
        {"640x480x", "not WIDTHxHEIGHT"},
        {"640x480 ", "not WIDTHxHEIGHT"},
        {" 640x480", "not WIDTHxHEIGHT"},
        {"+640x480", "not WIDTHxHEIGHT"},
        {"-640x480", "not WIDTHxHEIGHT"},
        {"640X480", "not WIDTHxHEIGHT"},
        {"641x480", "must be even"},
        {"640x481", "must be even"},
        {"0x0", "must be even and from"},
        {"382x480", "from 384x"},
        {"640x174", "from 384x"},
        {"8194x480", "to 8192x8192"},
        {"640x8194", "to 8192x8192"},
        {"99999999999999999999x480", "not WIDTHxHEIGHT"},
        {"640x4294967776", "not WIDTHxHEIGHT"},
        {"flas", "or flash"},
        {"flashy", "or flash"},
        {"flash,", "or flash"},
        {"flash640x480", "or flash"},
        {"flash,641x480", "must be even"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct capture *c = NULL;
        char error[256] = "";
        const struct capture_config config = {.kind = "pattern", .arg = rows[i].arg, .fps = 30};
        assert_int_equal(capture_open(&c, &config, error, sizeof(error)), -EINVAL);
        if (!strstr(error, rows[i].word))
            fail_msg("%s: %s", rows[i].arg, error);
    }
}

static void every_size_is_drawn_inside_its_picture(void **state)
{
    static const struct {
        const char *arg;
        int width, height;
    } rows[] = {{NULL, 1280, 720}, {"384x176", 384, 176}, {"1922x1082", 1922, 1082}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct capture *c = open_pattern(rows[i].arg, 120);
        struct capture_info info;
        capture_info(c, &info);
        assert_string_equal(info.name, "Test pattern");
        assert_int_equal(info.width, rows[i].width);
        assert_int_equal(info.height, rows[i].height);
        assert_int_equal(capture_start(c), 0);
        for (int n = 0; n < 20; n++) {
            const struct picture *p = capture_take(c);
            assert_int_equal(p->width, rows[i].width);
            assert_int_equal(p->height, rows[i].height);
            capture_release(c, p);
        }
        capture_close(c);
    }
}

/* Late pictures are left out and none comes early: the number of a picture follows from its time.
 */
static void pace_is_exact_multiples_of_the_rate(void **state)
{
    (void)state;
    const int fps = 60;
    struct capture *c = open_pattern("640x360", fps);
    assert_int_equal(capture_start(c), 0);
    uint64_t first = 0, last = 0;
    int64_t first_us = 0;
    for (int i = 0; i < 40; i++) {
        const struct picture *p = capture_take(c);
        uint64_t number = frame_number(p);
        if (i == 0) {
            first = number;
            first_us = p->captured_us;
        } else {
            assert_true(number > last);
        }
        double due = (double)(p->captured_us - first_us) * fps / 1e6;
        double drift = (double)(number - first) - due;
        assert_true(drift > -1.0 && drift < 1.0);
        assert_false(p->repeat);
        last = number;
        capture_release(c, p);
    }
    capture_close(c);
}

static void clock_and_barcode_say_the_same_present_time(void **state)
{
    (void)state;
    struct capture *c = open_pattern(NULL, 60);
    int64_t before = realtime_us();
    assert_int_equal(capture_start(c), 0);
    for (int i = 0; i < 10; i++) {
        char text[16], want[16];
        const struct picture *p = capture_take(c);
        int64_t time_us = barcode_us(p);
        assert_true(time_us >= before - 100 && time_us <= realtime_us());
        before = time_us;

        time_t seconds = (time_t)(time_us / 1000000);
        struct tm local;
        localtime_r(&seconds, &local);
        strftime(want, sizeof(want), "%H:%M:%S", &local);
        snprintf(want + 8, sizeof(want) - 8, ".%03d", (int)(time_us / 1000 % 1000));
        read_text(p, 8, 40, 0xff, text, 12);
        assert_string_equal(text, want);
        capture_release(c, p);
    }
    capture_close(c);
}

static void whole_picture_moves(void **state)
{
    (void)state;
    enum { TILE = 80, COLUMNS = 1280 / TILE, ROWS = 720 / TILE };
    struct capture *c = open_pattern(NULL, 60);
    static uint8_t before[720][1280 * 4];
    assert_int_equal(capture_start(c), 0);
    const struct picture *p = capture_take(c);
    for (int y = 0; y < p->height; y++)
        memcpy(before[y], p->plane[0] + y * p->stride[0], sizeof(before[y]));
    capture_release(c, p);

    p = capture_take(c);
    for (int tile = 0; tile < COLUMNS * ROWS; tile++) {
        int x = tile % COLUMNS * TILE, changed = 0;
        for (int y = tile / COLUMNS * TILE, end = y + TILE; y < end; y++)
            changed +=
                memcmp(before[y] + x * 4, p->plane[0] + y * p->stride[0] + x * 4, TILE * 4) != 0;
        if (x >= BARCODE_WIDTH || tile / COLUMNS > 1)
            assert_true(changed > 0);
    }
    capture_release(c, p);
    capture_close(c);
}

/* At 30 fps a picture is due at each whole second, and both it and the next are white. */
static void it_flashes_at_whole_seconds(void **state)
{
    (void)state;
    struct capture *c = open_pattern("flash,640x480", 30);
    assert_int_equal(capture_start(c), 0);
    int64_t begin_us = 0;
    int white = 0, dark = 0;
    for (;;) {
        const struct picture *p = capture_take(c);
        assert_int_equal(p->width, 640);
        if (!begin_us)
            begin_us = p->captured_us;
        int64_t in_second = p->captured_us % 1000000;
        const uint8_t *pixel = p->plane[0] + 470 * p->stride[0];
        bool is_white = pixel[0] == 0xff && pixel[1] == 0xff && pixel[2] == 0xff;
        assert_int_equal(is_white, in_second < 50000);
        white += is_white;
        dark += !is_white;
        uint32_t time;
        assert_true(read_barcode(p, &time)); /* it stays readable */
        bool over = p->captured_us - begin_us > 2100000;
        capture_release(c, p);
        if (over)
            break;
    }
    assert_in_range(white, 1, 6);
    assert_true(dark > white);
    capture_close(c);
}

static void stop_does_not_wait_for_the_next_picture(void **state)
{
    (void)state;
    struct capture *c = open_pattern(NULL, 1);
    assert_int_equal(capture_start(c), 0);
    const struct picture *p = capture_take(c);
    capture_release(c, p);
    capture_poke(c); /* nothing to do for a source that always moves */
    capture_stop(c);
    assert_null(capture_take(c));
    assert_null(capture_end_reason(c));
    struct capture_stats stats;
    capture_stats(c, &stats);
    assert_int_equal(stats.repeats, 0);
    capture_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(every_size_is_drawn_inside_its_picture),
        cmocka_unit_test(pace_is_exact_multiples_of_the_rate),
        cmocka_unit_test(clock_and_barcode_say_the_same_present_time),
        cmocka_unit_test(whole_picture_moves),
        cmocka_unit_test(it_flashes_at_whole_seconds),
        cmocka_unit_test(stop_does_not_wait_for_the_next_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
