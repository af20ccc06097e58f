/* Damage: rectangles taken together, and that copying nothing but the damaged pixels of the
 * pictures a consumer happens to take gives the whole picture, whatever was left out in between. */
#include "capture/capture.h"
#include "capture/capture_backends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_SIDE 64

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 16;
}

/* --- rectangles --- */

static void clip_keeps_what_lies_inside(void **state)
{
    static const struct {
        struct picture_rect in, out;
    } rows[] = {
        {{0, 0, 10, 8}, {0, 0, 10, 8}},
        {{-3, -2, 5, 5}, {0, 0, 2, 3}},
        {{8, 6, 5, 5}, {8, 6, 2, 2}},
        {{-5, -5, 100, 100}, {0, 0, 10, 8}},
        {{10, 0, 5, 5}, {0}},
        {{0, 8, 5, 5}, {0}},
        {{-5, 0, 5, 5}, {0}},
        {{3, 3, 0, 4}, {0}},
        {{-32768, 0, 65535, 1}, {0, 0, 10, 1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct picture_rect r = picture_rect_clip(&rows[i].in, 10, 8);
        assert_memory_equal(&r, &rows[i].out, sizeof(r));
    }
}

static void cover(bool map[MAX_SIDE][MAX_SIDE], const struct picture_rect *r)
{
    for (int y = r->y; y < r->y + r->height; y++)
        memset(&map[y][r->x], true, (size_t)r->width);
}

static struct picture_rect random_rect(uint32_t *random, int width, int height)
{
    int x = (int)(next_random(random) % (unsigned)width);
    int y = (int)(next_random(random) % (unsigned)height);
    int w = (int)(next_random(random) % 12), h = (int)(next_random(random) % 12);
    const struct picture_rect r = {x, y, w, h};
    return picture_rect_clip(&r, width, height);
}

static void everything_added_stays_covered(void **state)
{
    (void)state;
    uint32_t random = 3;
    for (int round = 0; round < 300; round++) {
        struct picture_damage d = {.known = true};
        bool want[MAX_SIDE][MAX_SIDE] = {0}, got[MAX_SIDE][MAX_SIDE] = {0};
        for (int i = 0; i < round % 60; i++) {
            const struct picture_rect r = random_rect(&random, MAX_SIDE, MAX_SIDE);
            picture_damage_add(&d, &r);
            cover(want, &r);
            assert_in_range(d.n, 0, PICTURE_DAMAGE_MAX);
        }
        for (int i = 0; i < d.n; i++) {
            assert_true(d.rect[i].width > 0 && d.rect[i].height > 0);
            assert_true(d.rect[i].x >= 0 && d.rect[i].x + d.rect[i].width <= MAX_SIDE);
            assert_true(d.rect[i].y >= 0 && d.rect[i].y + d.rect[i].height <= MAX_SIDE);
            cover(got, &d.rect[i]);
        }
        for (int i = 0; i < MAX_SIDE * MAX_SIDE; i++)
            assert_true(got[i / MAX_SIDE][i % MAX_SIDE] || !want[i / MAX_SIDE][i % MAX_SIDE]);
        assert_true(d.known);
    }
}

static void few_rectangles_stay_as_they_are(void **state)
{
    (void)state;
    struct picture_damage d = {.known = true};
    for (int i = 0; i < PICTURE_DAMAGE_MAX; i++)
        picture_damage_add(&d, &(struct picture_rect){i * 10, 0, 5, 5});
    assert_int_equal(d.n, PICTURE_DAMAGE_MAX);
    picture_damage_add(&d, &(struct picture_rect){21, 1, 2, 2}); /* lies in the third */
    assert_int_equal(d.n, PICTURE_DAMAGE_MAX);
    picture_damage_add(&d, &(struct picture_rect){25, 0, 2, 5}); /* touches it: the least growth */
    assert_int_equal(d.n, PICTURE_DAMAGE_MAX);
    const struct picture_rect grown = {20, 0, 7, 5};
    assert_memory_equal(&d.rect[PICTURE_DAMAGE_MAX - 1], &grown, sizeof(grown));
    picture_damage_add(&d, &(struct picture_rect){0, 0, 200, 5}); /* swallows all */
    assert_int_equal(d.n, 1);
}

static void unknown_stays_unknown(void **state)
{
    (void)state;
    struct picture_damage d = {0}, some = {.known = true, .n = 1, .rect = {{1, 2, 3, 4}}};
    picture_damage_add(&d, &some.rect[0]);
    picture_damage_merge(&d, &some);
    assert_false(d.known);
    assert_int_equal(d.n, 0);
    picture_damage_merge(&some, &d);
    assert_false(some.known);
    assert_int_equal(some.n, 0);
}

/* --- a source that scribbles, as many pictures at a time as it is told --- */

struct scribbler {
    uint32_t random;
    int width, height;
    uint32_t truth[MAX_SIDE * MAX_SIDE];
    struct picture_damage dirty; /* since the last published */
};

static int orders[2];
static int64_t published; /* pictures; read once a picture that was published later is held */
static uint64_t checksum[20000];

static uint64_t sum(const uint32_t *pixels, int n)
{
    uint64_t hash = 1469598103934665603u;
    for (int i = 0; i < n; i++)
        hash = (hash ^ pixels[i]) * 1099511628211u;
    return hash;
}

static void copy_rect(const struct picture *to, const uint32_t *from, const struct picture_rect *r)
{
    for (int y = r->y; y < r->y + r->height; y++)
        memcpy(to->plane[0] + y * to->stride[0] + (ptrdiff_t)r->x * 4, from + y * to->width + r->x,
               (size_t)r->width * 4);
}

static void copy_damage(const struct picture *to, const uint32_t *from,
                        const struct picture_damage *d)
{
    if (!d->known)
        copy_rect(to, from, &(struct picture_rect){0, 0, to->width, to->height});
    for (int i = 0; i < d->n; i++)
        copy_rect(to, from, &d->rect[i]);
}

static void scribble(struct scribbler *s)
{
    int n = (int)(next_random(&s->random) % 4);
    if (next_random(&s->random) % 50 == 0)
        n = 40;
    for (; n > 0; n--) {
        const struct picture_rect r = random_rect(&s->random, s->width, s->height);
        uint32_t colour = next_random(&s->random);
        for (int i = 0; i < r.width * r.height; i++)
            s->truth[(r.y + i / r.width) * s->width + r.x + i % r.width] = colour + (uint32_t)i;
        picture_damage_add(&s->dirty, &r);
    }
}

static void spoil(struct capture_sink *sink, const struct scribbler *s)
{
    struct picture *p = capture_sink_begin(sink, s->width, s->height);
    if (!p)
        return;
    memset(p->plane[0], 0x5a, (size_t)p->stride[0] * (size_t)p->height);
    capture_sink_cancel(sink, p);
}

static void change_size(struct scribbler *s)
{
    s->width = 2 + 2 * (int)(next_random(&s->random) % (MAX_SIDE / 2));
    s->height = 2 + 2 * (int)(next_random(&s->random) % (MAX_SIDE / 2));
    for (int i = 0; i < s->width * s->height; i++)
        s->truth[i] = next_random(&s->random);
    s->dirty = (struct picture_damage){.known = true}; /* wrong, but the sink knows better */
}

static void produce(struct scribbler *s, struct capture_sink *sink)
{
    bool repeat =
        published > 0 && s->dirty.known && s->dirty.n == 0 && next_random(&s->random) % 8 == 0;
    if (!repeat && next_random(&s->random) % 40 == 0) {
        change_size(s);
    } else if (!repeat && next_random(&s->random) % 30 == 0) {
        for (int i = 0; i < s->width * s->height; i++)
            s->truth[i] = next_random(&s->random);
        s->dirty = (struct picture_damage){0};
    } else if (!repeat) {
        scribble(s);
    }
    if (next_random(&s->random) % 20 == 0)
        spoil(sink, s);
    struct picture *p = capture_sink_begin(sink, s->width, s->height);
    if (!p)
        return; /* its damage belongs to the next */
    copy_damage(p, s->truth, capture_sink_stale(sink, p));
    copy_damage(p, s->truth, &s->dirty);
    checksum[published] = sum(s->truth, s->width * s->height);
    p->captured_us = published++;
    p->repeat = repeat;
    p->damage = s->dirty;
    capture_sink_publish(sink, p);
    s->dirty = (struct picture_damage){.known = true};
}

static int scribbler_open(void *priv, const struct capture_config *config,
                          struct capture_info *info, char *error, size_t error_size)
{
    struct scribbler *s = priv;
    (void)config, (void)error, (void)error_size;
    *s = (struct scribbler){.random = 11, .width = 32, .height = 24, .dirty = {.known = true}};
    *info = (struct capture_info){.name = "Scribbler", .width = 32, .height = 24};
    return 0;
}

static int scribbler_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    (void)error, (void)error_size;
    while (capture_sink_wait(sink, orders[0], INT64_MAX) == CAPTURE_WAKE_FD) {
        char n;
        assert_int_equal(read(orders[0], &n, 1), 1);
        for (; n > 0; n--)
            produce(priv, sink);
    }
    return 0;
}

static void scribbler_close(void *priv)
{
    (void)priv;
}

static const struct capture_ops scribbler_ops = {
    .kind = "scribbler",
    .priv_size = sizeof(struct scribbler),
    .open = scribbler_open,
    .run = scribbler_run,
    .close = scribbler_close,
};

/* --- the consumer --- */

struct reader {
    uint32_t shadow[MAX_SIDE * MAX_SIDE];
    int64_t last;
    int skips, partial; /* pictures it never saw; pictures copied in part after such */
};

static void read_picture(struct reader *r, const struct picture *p)
{
    const struct picture to = {.width = p->width,
                               .height = p->height,
                               .plane = {(uint8_t *)r->shadow},
                               .stride = {p->width * 4}};
    static uint32_t from[MAX_SIDE * MAX_SIDE];
    for (int y = 0; y < p->height; y++)
        memcpy(from + y * p->width, p->plane[0] + y * p->stride[0], (size_t)p->width * 4);
    assert_int_equal(sum(from, p->width * p->height), checksum[p->captured_us]);
    if (p->repeat)
        assert_true(p->damage.known && p->damage.n == 0);
    copy_damage(&to, from, &p->damage);
    assert_int_equal(sum(r->shadow, p->width * p->height), checksum[p->captured_us]);
    r->skips += p->captured_us > r->last + 1;
    r->partial += p->captured_us > r->last + 1 && p->damage.known;
    r->last = p->captured_us;
}

static void order(int n)
{
    assert_int_equal(write(orders[1], &(char){(char)n}, 1), 1);
}

static void wait_until_obeyed(struct capture *c, uint64_t want)
{
    struct capture_stats stats;
    do
        capture_stats(c, &stats);
    while (stats.captured < want && usleep(50) == 0);
}

static void damaged_pixels_make_the_whole_picture(void **state)
{
    (void)state;
    static struct reader r;
    struct capture *c = NULL;
    char error[256];
    uint32_t random = 5;
    const struct capture_config config = {.kind = "scribbler", .fps = 30};
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(capture_open_ops(&c, &scribbler_ops, &config, error, sizeof(error)), 0);
    assert_int_equal(capture_start(c), 0);
    r = (struct reader){.last = -1};
    uint64_t want = 0;
    for (int round = 0; round < 2000; round++) {
        int n = 1 + (int)(next_random(&random) % 4);
        order(n);
        wait_until_obeyed(c, want += (uint64_t)n);
        const struct picture *p = capture_take(c);
        assert_non_null(p);
        read_picture(&r, p);
        if (next_random(&random) % 3 == 0) { /* more come while this one is held */
            order(2);
            wait_until_obeyed(c, want += 2);
        }
        capture_release(c, p);
    }
    assert_true(r.skips > 500 && r.partial > 400);
    capture_close(c);
    close(orders[0]);
    close(orders[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_keeps_what_lies_inside),
        cmocka_unit_test(everything_added_stays_covered),
        cmocka_unit_test(few_rectangles_stay_as_they_are),
        cmocka_unit_test(unknown_stays_unknown),
        cmocka_unit_test(damaged_pixels_make_the_whole_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
