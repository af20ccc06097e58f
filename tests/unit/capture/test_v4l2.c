/* Cameras, against a device in memory: which mode is chosen, MJPEG and YUYV to BGRA, times, and
 * what a person is told when there is none, it is in use, forbidden or unplugged. */
#include "capture/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef AMPHI_V4L2

#include "capture/capture_backends.h"
#include "capture/capture_v4l2.h"
#include "capture/sources.h"
#include "tests/unit/capture/fake_camera.h"

#include <turbojpeg.h>

#define MJPEG V4L2_PIX_FMT_MJPEG
#define YUYV V4L2_PIX_FMT_YUYV
#define WIDTH 64
#define HEIGHT 48

static const struct fake_mode small_yuyv[] = {{YUYV, WIDTH, HEIGHT, 30}};
static const struct fake_mode small_mjpeg[] = {{MJPEG, WIDTH, HEIGHT, 30}};
static int64_t silence_us;

static int open_fake(void *priv, const struct capture_config *config, struct capture_info *info,
                     char *error, size_t error_size)
{
    struct v4l2 *v = priv;
    int r = v4l2_open(v, &fake_calls, config, info, error, error_size);
    if (silence_us)
        v->silence_us = silence_us;
    return r;
}

static const struct capture_ops fake_ops = {
    .kind = "camera",
    .priv_size = sizeof(struct v4l2),
    .open = open_fake,
    .run = v4l2_run,
    .close = v4l2_close,
};

static int teardown(void **state)
{
    (void)state;
    silence_us = 0;
    fake_unplug();
    return 0;
}

static struct capture *open_camera(const char *arg, int fps)
{
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "camera", .arg = arg, .fps = fps};
    if (capture_open_ops(&c, &fake_ops, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return c;
}

static struct capture *start_camera(void)
{
    struct capture *c = open_camera("2", 30);
    assert_int_equal(capture_start(c), 0);
    return c;
}

static void expect_refused(const char *arg, int code, const char *word)
{
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "camera", .arg = arg, .fps = 30};
    assert_int_equal(capture_open_ops(&c, &fake_ops, &config, error, sizeof(error)), code);
    assert_null(c);
    if (!strstr(error, word))
        fail_msg("%s", error);
}

/* --- what is filmed --- */

static void fill_yuyv(uint8_t *out, size_t size, uint8_t y, uint8_t u, uint8_t v)
{
    for (size_t i = 0; i + 4 <= size; i += 4)
        memcpy(out + i, (const uint8_t[]){y, u, y, v}, 4);
}

static bool film_grey(uint8_t y, int64_t us)
{
    uint8_t yuyv[WIDTH * HEIGHT * 2];
    fill_yuyv(yuyv, sizeof(yuyv), y, 128, 128);
    return fake_film(yuyv, sizeof(yuyv), us, 0);
}

/* A JPEG of one colour; takes ownership of nothing, the caller frees with tjFree. */
static uint8_t *make_jpeg(int width, int height, uint32_t rgb, size_t *size)
{
    uint8_t *bgra = malloc((size_t)width * (size_t)height * 4), *jpeg = NULL;
    unsigned long n = 0;
    assert_non_null(bgra);
    for (int i = 0; i < width * height; i++)
        memcpy(bgra + i * 4,
               (const uint8_t[]){(uint8_t)rgb, (uint8_t)(rgb >> 8), (uint8_t)(rgb >> 16), 255}, 4);
    tjhandle handle = tjInitCompress();
    assert_int_equal(
        tjCompress2(handle, bgra, width, 0, height, TJPF_BGRA, &jpeg, &n, TJSAMP_422, 90, 0), 0);
    tjDestroy(handle);
    free(bgra);
    *size = n;
    return jpeg;
}

/* libyuv's code for x86 has no weight over 2, and BT.709 would give blue 2.11. */
#define TOLERANCE 12

static void expect_colour(const struct picture *p, int column, int row, uint32_t rgb)
{
    const uint8_t *bgra = p->plane[0] + row * p->stride[0] + column * 4;
    for (int i = 0; i < 3; i++) {
        int wanted = rgb >> (8 * i) & 0xff;
        if (abs(bgra[i] - wanted) > TOLERANCE)
            fail_msg("%02x%02x%02x at %d,%d, not %06x", bgra[2], bgra[1], bgra[0], column, row,
                     rgb);
    }
}

static void expect_picture(struct capture *c, uint32_t rgb)
{
    const struct picture *p = capture_take(c);
    if (!p)
        fail_msg("%s", capture_end_reason(c));
    assert_int_equal(p->format, PICTURE_BGRA);
    assert_int_equal(p->width, WIDTH);
    assert_int_equal(p->height, HEIGHT);
    assert_false(p->repeat);
    expect_colour(p, 0, 0, rgb);
    expect_colour(p, WIDTH - 1, HEIGHT - 1, rgb);
    capture_release(c, p);
}

/* --- modes --- */

static void best_mode_is_chosen(void **state)
{
    static const struct {
        struct fake_mode mode[FAKE_MODES];
        int n, fps, best;
    } rows[] = {
        /* enough pictures from MJPEG beat raw ones at a low rate */
        {{{YUYV, 1920, 1080, 5}, {YUYV, 640, 480, 30}, {MJPEG, 1920, 1080, 30}}, 3, 30, 2},
        /* of the same, the one without loss */
        {{{MJPEG, 1280, 720, 30}, {YUYV, 1280, 720, 30}}, 2, 30, 1},
        {{{YUYV, 1280, 720, 30}, {MJPEG, 1280, 720, 30}}, 2, 30, 0},
        /* half the rate costs more than a size down */
        {{{MJPEG, 1920, 1080, 30}, {MJPEG, 1280, 720, 60}}, 2, 60, 1},
        {{{MJPEG, 1920, 1080, 30}, {MJPEG, 1280, 720, 60}}, 2, 30, 0},
        {{{YUYV, 640, 480, 30}, {YUYV, 1280, 720, 10}}, 2, 30, 0},
        /* but not any size */
        {{{YUYV, 160, 120, 30}, {YUYV, 640, 480, 15}}, 2, 30, 1},
        /* no larger than full HD where there is a choice */
        {{{MJPEG, 3840, 2160, 30}, {MJPEG, 1920, 1080, 30}}, 2, 30, 1},
        {{{MJPEG, 3840, 2160, 30}}, 1, 30, 0},
        /* the rate that is enough, of those of one size */
        {{{MJPEG, 1280, 720, 60}, {MJPEG, 1280, 720, 30}, {MJPEG, 1280, 720, 15}}, 3, 24, 1},
        {{{MJPEG, 1280, 720, 15}, {MJPEG, 1280, 720, 24}}, 2, 60, 1},
        /* a driver that tells no rates, and one with formats and sizes that are of no use */
        {{{YUYV, 640, 480, 0}}, 1, 30, 0},
        {{{V4L2_PIX_FMT_H264, 1920, 1080, 30}, {YUYV, 1281, 720, 30}, {YUYV, 320, 240, 30}},
         3,
         30,
         2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_plug_in(rows[i].mode, rows[i].n);
        struct capture *c = open_camera(NULL, rows[i].fps);
        const struct fake_mode *best = &rows[i].mode[rows[i].best];
        struct capture_info info;
        capture_info(c, &info);
        if (fake.set.pixelformat != best->format || info.width != best->width ||
            info.height != best->height || fake.interval.denominator != (uint32_t)best->fps)
            fail_msg("row %zu: %ux%u at %u", i, fake.set.width, fake.set.height,
                     fake.interval.denominator);
        assert_string_equal(info.name, "Desk camera");
        capture_close(c);
        fake_unplug();
    }
}

static struct v4l2_pix_format other_size(struct v4l2_pix_format wanted)
{
    wanted.width = WIDTH;
    wanted.height = HEIGHT;
    wanted.bytesperline = WIDTH * 2 + 32;
    return wanted;
}

static void what_the_driver_answers_counts(void **state)
{
    (void)state;
    uint8_t yuyv[(WIDTH * 2 + 32) * HEIGHT];
    fake_plug_in((const struct fake_mode[]){{YUYV, 1280, 720, 30}}, 1);
    fake.answer = other_size;
    struct capture *c = start_camera();
    fill_yuyv(yuyv, sizeof(yuyv), 235, 128, 128);
    for (int row = 0; row < HEIGHT; row++)
        memset(yuyv + row * (WIDTH * 2 + 32) + WIDTH * 2, 0, 32); /* would be green */
    assert_true(fake_film(yuyv, sizeof(yuyv), capture_now_us(), 0));
    expect_picture(c, 0xffffff);
    capture_close(c);
}

static struct v4l2_pix_format odd_size(struct v4l2_pix_format wanted)
{
    wanted.width = 63;
    return wanted;
}

static struct v4l2_pix_format other_format(struct v4l2_pix_format wanted)
{
    wanted.pixelformat = V4L2_PIX_FMT_NV12;
    return wanted;
}

static struct v4l2_pix_format short_rows(struct v4l2_pix_format wanted)
{
    wanted.bytesperline = wanted.width;
    return wanted;
}

static void answers_of_no_use_are_refused(void **state)
{
    (void)state;
    struct v4l2_pix_format (*const answers[])(struct v4l2_pix_format) = {odd_size, other_format,
                                                                         short_rows};
    for (size_t i = 0; i < 3; i++) {
        fake_plug_in(small_yuyv, 1);
        fake.answer = answers[i];
        expect_refused("2", -ENOTSUP, "offers no pictures in MJPEG or YUYV");
        fake_unplug();
    }
    fake_plug_in((const struct fake_mode[]){{V4L2_PIX_FMT_H264, 640, 480, 30}}, 1);
    expect_refused("2", -ENOTSUP, "offers no pictures in MJPEG or YUYV");
}

/* --- pictures --- */

static struct v4l2_pix_format in_bt709(struct v4l2_pix_format wanted)
{
    wanted.ycbcr_enc = V4L2_YCBCR_ENC_709;
    return wanted;
}

static struct v4l2_pix_format in_jpeg(struct v4l2_pix_format wanted)
{
    wanted.colorspace = V4L2_COLORSPACE_JPEG;
    return wanted;
}

static void colours_of_yuyv_are_right(void **state)
{
    static const struct {
        struct v4l2_pix_format (*answer)(struct v4l2_pix_format);
        uint8_t y, u, v;
        uint32_t rgb;
    } rows[] = {
        {NULL, 235, 128, 128, 0xffffff},    {NULL, 16, 128, 128, 0x000000},
        {NULL, 81, 90, 240, 0xff0000},      {NULL, 41, 240, 110, 0x0000ff},
        {in_bt709, 63, 102, 240, 0xff0000}, {in_bt709, 173, 42, 26, 0x00ff00},
        {in_jpeg, 255, 128, 128, 0xffffff}, {in_jpeg, 76, 85, 255, 0xff0000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t yuyv[WIDTH * HEIGHT * 2];
        fake_plug_in(small_yuyv, 1);
        fake.answer = rows[i].answer;
        struct capture *c = start_camera();
        fill_yuyv(yuyv, sizeof(yuyv), rows[i].y, rows[i].u, rows[i].v);
        assert_true(fake_film(yuyv, sizeof(yuyv), capture_now_us(), 0));
        expect_picture(c, rows[i].rgb);
        capture_close(c);
        fake_unplug();
    }
}

static void film_jpeg(const uint8_t *bytes, size_t size)
{
    while (!fake_film(bytes, size, capture_now_us(), 0))
        sched_yield(); /* the capture thread is about to give a buffer back */
}

static void jpeg_becomes_pixels(void **state)
{
    (void)state;
    size_t size;
    fake_plug_in(small_mjpeg, 1);
    struct capture *c = start_camera();
    uint8_t *jpeg = make_jpeg(WIDTH, HEIGHT, 0xd02030, &size);
    film_jpeg(jpeg, size);
    expect_picture(c, 0xd02030);
    tjFree(jpeg);
    capture_close(c);
}

/* --- JPEG that is not as it should be --- */

/* Where the segment with this marker begins; *n its length with the marker. */
static size_t find_segment(const uint8_t *jpeg, size_t size, uint8_t marker, size_t *n)
{
    for (size_t i = 2; i + 4 <= size && jpeg[i] == 0xff; i += 2 + *n) {
        *n = (size_t)jpeg[i + 2] << 8 | jpeg[i + 3];
        if (jpeg[i + 1] != marker)
            continue;
        *n += 2;
        return i;
    }
    fail_msg("no segment %02x", marker);
    return 0;
}

/* Motion JPEG may leave out the standard Huffman tables. */
static void jpeg_without_tables_is_understood(void **state)
{
    (void)state;
    size_t size, n;
    fake_plug_in(small_mjpeg, 1);
    struct capture *c = start_camera();
    uint8_t *jpeg = make_jpeg(WIDTH, HEIGHT, 0x204080, &size);
    for (int tables = 0; tables < 4; tables++) {
        size_t at = find_segment(jpeg, size, 0xc4, &n);
        memmove(jpeg + at, jpeg + at + n, size - at - n);
        size -= n;
    }
    film_jpeg(jpeg, size);
    expect_picture(c, 0x204080);
    tjFree(jpeg);
    capture_close(c);
}

static void padded_jpeg_with_stray_bytes_is_shown(void **state)
{
    (void)state;
    size_t size, n;
    uint8_t padded[65536] = {0};
    fake_plug_in(small_mjpeg, 1);
    struct capture *c = start_camera();
    uint8_t *jpeg = make_jpeg(WIDTH, HEIGHT, 0x306090, &size);
    size_t at = find_segment(jpeg, size, 0xdb, &n);
    memcpy(padded, jpeg, at);
    padded[at] = 0x17; /* the library warns of it */
    memcpy(padded + at + 1, jpeg + at, size - at);
    film_jpeg(padded, size + 1000);
    expect_picture(c, 0x306090);
    tjFree(jpeg);
    capture_close(c);
}

static void damaged_pictures_are_left_out(void **state)
{
    (void)state;
    size_t size, other_size_bytes;
    fake_plug_in(small_mjpeg, 1);
    struct capture *c = start_camera();
    uint8_t *jpeg = make_jpeg(WIDTH, HEIGHT, 0x00ff00, &size);
    uint8_t *other = make_jpeg(WIDTH * 2, HEIGHT, 0xff0000, &other_size_bytes);
    film_jpeg(jpeg, size / 2);
    film_jpeg((const uint8_t *)"no picture at all", 17);
    film_jpeg(jpeg, 3);
    film_jpeg(other, other_size_bytes);
    while (!fake_film(jpeg, size, capture_now_us(), V4L2_BUF_FLAG_ERROR))
        sched_yield();
    film_jpeg(jpeg, size);
    expect_picture(c, 0x00ff00);
    struct capture_stats stats;
    capture_stats(c, &stats);
    assert_int_equal(stats.captured, 1);
    tjFree(jpeg);
    tjFree(other);
    capture_close(c);
}

static void short_yuyv_is_left_out(void **state)
{
    (void)state;
    uint8_t yuyv[WIDTH * HEIGHT * 2] = {0};
    fake_plug_in(small_yuyv, 1);
    struct capture *c = start_camera();
    assert_true(fake_film(yuyv, sizeof(yuyv) - 1, capture_now_us(), 0));
    assert_true(fake_film(yuyv, 0, capture_now_us(), 0));
    assert_true(film_grey(235, capture_now_us()));
    expect_picture(c, 0xffffff);
    capture_close(c);
}

/* --- time --- */

static void the_newest_picture_wins(void **state)
{
    (void)state;
    fake_plug_in(small_yuyv, 1);
    struct capture *c = open_camera("/dev/video2", 30);
    const int64_t now_us = capture_now_us();
    for (int i = 0; i < FAKE_BUFFERS; i++)
        assert_true(film_grey((uint8_t)(16 + 73 * i), now_us - 40000 + 10000 * i));
    assert_false(film_grey(16, now_us)); /* none left */
    assert_int_equal(capture_start(c), 0);
    const struct picture *p = capture_take(c);
    assert_non_null(p);
    expect_colour(p, 5, 5, 0xffffff);
    assert_int_equal(p->captured_us, now_us - 10000);
    capture_release(c, p);
    capture_close(c);
}

static void times_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    fake_plug_in(small_yuyv, 1);
    struct capture *c = start_camera();
    const int64_t begin_us = capture_now_us();
    const int64_t told_us[] = {begin_us + 3600000000, 5, -7};
    int64_t last_us = begin_us - 1;
    for (int i = 0; i < 3; i++) {
        while (capture_now_us() < last_us + 33334) /* not faster than the source may be */
            sched_yield();
        assert_true(film_grey(128, told_us[i]));
        const struct picture *p = capture_take(c);
        assert_non_null(p);
        assert_true(p->captured_us > last_us && p->captured_us <= capture_now_us());
        last_us = p->captured_us;
        capture_release(c, p);
    }
    capture_close(c);
}

static void a_faster_camera_is_thinned_out(void **state)
{
    (void)state;
    fake_plug_in(small_yuyv, 1);
    struct capture *c = open_camera("2", 10);
    assert_int_equal(capture_start(c), 0);
    const int64_t begin_us = capture_now_us() - 300000;
    for (int i = 0; i < 9; i++) { /* 33 ms apart, as a camera would tell */
        assert_true(film_grey((uint8_t)(16 + 24 * i), begin_us + i * 33333));
        fake_wait_until_seen();
    }
    /* 0, 3 and 6 pass; the last of them is there to be taken */
    const struct picture *p;
    do {
        p = capture_take(c);
        assert_non_null(p);
        assert_int_equal((p->captured_us - begin_us + 5) / 33333 % 3, 0);
        capture_release(c, p);
    } while (p->captured_us < begin_us + 6 * 33333);
    struct capture_stats stats;
    capture_stats(c, &stats);
    assert_int_equal(stats.captured, 3);
    capture_close(c);
}

/* --- what can go wrong --- */

static void a_camera_that_cannot_be_had_is_named(void **state)
{
    (void)state;
    expect_refused(NULL, -ENODEV, "there is no camera");
    expect_refused("7", -ENODEV, "there is no camera /dev/video7");
    expect_refused("front", -EINVAL, "\"front\" is neither a number nor a device");
    expect_refused("", -EINVAL, "neither");
    expect_refused("12345", -EINVAL, "neither");
    fake_plug_in(small_yuyv, 1);
    fake.open_errno = EACCES;
    expect_refused("2", -EACCES, "no permission to use the camera /dev/video2");
    expect_refused(NULL, -EACCES, "no permission to use the camera of this machine");
    fake.open_errno = EBUSY;
    expect_refused("2", -EBUSY, "/dev/video2 is in use by another program");
    fake.open_errno = 0;
    static const struct {
        unsigned long request;
        int code, result;
        const char *word;
    } rows[] = {
        {VIDIOC_QUERYCAP, ENOTTY, -ENOTSUP, "is not a camera"},
        {VIDIOC_S_FMT, EBUSY, -EBUSY, "in use by another program"},
        {VIDIOC_REQBUFS, EBUSY, -EBUSY, "in use by another program"},
        {VIDIOC_STREAMON, EBUSY, -EBUSY, "in use by another program"},
        {VIDIOC_STREAMON, ENOSPC, -ENOSPC, "no room on its bus"},
        {VIDIOC_QBUF, EIO, -EIO, "fails: Input/output error"},
        {VIDIOC_STREAMON, ENODEV, -ENODEV, "there is no camera"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake.fail_request = rows[i].request;
        fake.fail_request_errno = rows[i].code;
        expect_refused("2", rows[i].result, rows[i].word);
        fake.n_queued = 0;
    }
}

static void expect_end(struct capture *c, const char *reason, bool may_return)
{
    const struct picture *p;
    while ((p = capture_take(c)) != NULL)
        capture_release(c, p);
    assert_non_null(capture_end_reason(c));
    assert_string_equal(capture_end_reason(c), reason);
    assert_int_equal(capture_may_return(c), may_return);
    capture_close(c);
}

static void an_unplugged_camera_may_return(void **state)
{
    (void)state;
    fake_plug_in(small_yuyv, 1);
    struct capture *c = start_camera();
    assert_true(film_grey(235, capture_now_us()));
    expect_picture(c, 0xffffff);
    fake_fail(ENODEV);
    expect_end(c, "the camera \"Desk camera\" was unplugged", true);
    fake_unplug();
    fake_plug_in(small_yuyv, 1);
    c = start_camera();
    assert_true(film_grey(16, capture_now_us()));
    expect_picture(c, 0x000000);
    capture_close(c);
}

static void a_failing_camera_ends_in_words(void **state)
{
    (void)state;
    fake_plug_in(small_yuyv, 1);
    struct capture *c = start_camera();
    fake_fail(EINVAL);
    expect_end(c, "the camera /dev/video2 fails: Invalid argument", false);
}

/* Transfers that fail again and again, and a camera that stays silent. */
static void a_camera_without_pictures_ends(void **state)
{
    (void)state;
    fake_plug_in(small_yuyv, 1);
    struct capture *c = start_camera();
    fake_fail(EIO);
    expect_end(c, "the camera \"Desk camera\" gives no pictures", true);
    fake_unplug();
    fake_plug_in(small_yuyv, 1);
    silence_us = 1;
    c = start_camera();
    expect_end(c, "the camera \"Desk camera\" gives no pictures", true);
}

static void cameras_are_listed(void **state)
{
    (void)state;
    struct sources_entry list[2];
    assert_int_equal(v4l2_list(&fake_calls, list, 2), 0);
    fake_plug_in(small_yuyv, 1);
    assert_int_equal(v4l2_list(&fake_calls, list, 2), 1);
    assert_int_equal(list[0].kind, SOURCES_CAMERA);
    assert_string_equal(list[0].source, "camera:/dev/video2");
    assert_string_equal(list[0].name, "Desk camera");
    assert_int_equal(v4l2_list(&fake_calls, list, 0), 0);
    fake.fail_request = VIDIOC_QUERYCAP;
    fake.fail_request_errno = ENOTTY;
    assert_int_equal(v4l2_list(&fake_calls, list, 2), 0);
}

/* The system's calls, on what every machine has. */
static void the_system_is_asked(void **state)
{
    (void)state;
    struct capture *c;
    char error[256] = "";
    struct capture_config config = {.kind = "camera", .arg = "/dev/null", .fps = 30};
    assert_int_equal(capture_open(&c, &config, error, sizeof(error)), -ENOTSUP);
    assert_string_equal(error, "/dev/null is not a camera that gives pictures");
    config.arg = "/nowhere/video0";
    assert_int_equal(capture_open(&c, &config, error, sizeof(error)), -ENODEV);
    assert_string_equal(error, "there is no camera /nowhere/video0");
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(best_mode_is_chosen),
        TEST(what_the_driver_answers_counts),
        TEST(answers_of_no_use_are_refused),
        TEST(colours_of_yuyv_are_right),
        TEST(jpeg_becomes_pixels),
        TEST(jpeg_without_tables_is_understood),
        TEST(padded_jpeg_with_stray_bytes_is_shown),
        TEST(damaged_pictures_are_left_out),
        TEST(short_yuyv_is_left_out),
        TEST(the_newest_picture_wins),
        TEST(times_that_cannot_be_are_not_believed),
        TEST(a_faster_camera_is_thinned_out),
        TEST(a_camera_that_cannot_be_had_is_named),
        TEST(an_unplugged_camera_may_return),
        TEST(a_failing_camera_ends_in_words),
        TEST(a_camera_without_pictures_ends),
        TEST(cameras_are_listed),
        TEST(the_system_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void without_the_libraries_it_is_refused_in_words(void **state)
{
    (void)state;
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "camera", .fps = 30};
    assert_true(capture_open(&c, &config, error, sizeof(error)) < 0);
    assert_null(c);
    assert_string_not_equal(error, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_libraries_it_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
