/* make_annexb.c - make_annexb OUT WIDTHxHEIGHT FPS PICTURES [KBPS GOP]: the test pattern as an
 * H.264 file.
 *
 * One keyframe and then deltas, so that a player that loops it sees whether the jump back to the
 * keyframe is clean. Each picture carries the barcode of when it was drawn, which names it. With
 * KBPS it is a film for load instead: of exactly that rate, keyframes included, one each GOP
 * pictures, and nothing to see.
 */
#include "capture/capture.h"
#include "encode/convert.h"
#include "encode/encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAW_FPS 120 /* the file's time is not the clock's */

static int fail(const char *why)
{
    fprintf(stderr, "make_annexb: %s\n", why);
    return 1;
}

static struct picture picture_for(const struct encoder *e, int width, int height)
{
    ptrdiff_t stride = (width + 63) / 64 * 64;
    size_t luma = (size_t)stride * (size_t)height;
    uint8_t *memory = aligned_alloc(64, (luma + luma / 2 + 127) / 64 * 64);
    bool planes = encoder_ops(e)->input == PICTURE_I420;
    return (struct picture){
        .format = encoder_ops(e)->input,
        .width = width,
        .height = height,
        .plane = {memory, memory + luma, planes ? memory + luma + luma / 4 : NULL},
        .stride = {stride, planes ? stride / 2 : stride, stride / 2},
    };
}

/* What the encoder has, into the file; how many pictures that was. */
static int write_units(struct encoder *e, FILE *out)
{
    struct encoded unit;
    int n = 0;
    while (encoder_receive(e, &unit) == 0)
        n += unit.size && fwrite(unit.data, 1, unit.size, out) == unit.size;
    return n;
}

struct film {
    int fps, pictures;
    int kbps, gop; /* 0: a film to look at */
};

static int encode(struct capture *c, struct encoder *e, const struct film *film, FILE *out)
{
    struct capture_info about;
    struct convert_dsp dsp;
    capture_info(c, &about);
    convert_dsp_init(&dsp);
    struct picture converted = picture_for(e, about.width, about.height);
    int n = 0, err = converted.plane[0] ? 0 : -1;
    while (n < film->pictures && err == 0) {
        const struct picture *pic = capture_take(c);
        if (!pic)
            break;
        convert_picture(&dsp, pic, &converted);
        capture_release(c, pic);
        converted.captured_us += 1000000 / film->fps;
        err = encoder_submit(e, &converted, film->gop ? n % film->gop == 0 : n == 0);
        n += err ? 0 : write_units(e, out);
    }
    free(converted.plane[0]);
    return n;
}

/* What the fake encoder is told so that its keyframes, eight pictures large, fit in. */
static uint32_t load_bps(const struct film *film)
{
    return (uint32_t)((int64_t)film->kbps * 1000 * film->gop / (film->gop + 7));
}

static int run(const char *size, const struct film *film, FILE *out)
{
    const struct capture_config source = {.kind = "pattern", .arg = size, .fps = DRAW_FPS};
    struct capture *capture;
    struct capture_info about;
    char error[256];
    if (capture_open(&capture, &source, error, sizeof(error)) != 0)
        return fail(error);
    capture_info(capture, &about);
    const struct encoder_config config = {
        .codec = CODEC_H264,
        .content = ENCODER_SCREEN,
        .width = about.width,
        .height = about.height,
        .fps = film->fps,
        .bitrate_bps = film->gop ? load_bps(film) : 3000000,
        .threads = 1,
    };
    struct encoder *encoder = NULL;
    int written = -1;
    const char *backend = film->gop ? "fake" : NULL;
    if (encoder_open(&encoder, backend, &config, error, sizeof(error)) == 0 &&
        capture_start(capture) == 0)
        written = encode(capture, encoder, film, out);
    capture_close(capture);
    encoder_close(encoder);
    return written == film->pictures ? 0 : fail("not every picture could be written");
}

int main(int argc, char **argv)
{
    struct film film = {0};
    if (argc == 5 || argc == 7)
        film = (struct film){.fps = atoi(argv[3]), .pictures = atoi(argv[4])};
    if (argc == 7) {
        film.kbps = atoi(argv[5]);
        film.gop = atoi(argv[6]);
    }
    if (film.fps < 1 || film.pictures < 1 || (argc == 7 && (film.kbps < 1 || film.gop < 1)))
        return fail("usage: make_annexb OUT WIDTHxHEIGHT FPS PICTURES [KBPS GOP]");
    FILE *out = fopen(argv[1], "wb");
    if (!out)
        return fail("the file cannot be written");
    int status = run(argv[2], &film, out);
    return fclose(out) == 0 ? status : fail("the file cannot be written");
}
