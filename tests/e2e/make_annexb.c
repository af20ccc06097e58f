/* make_annexb.c - make_annexb OUT WIDTHxHEIGHT FPS PICTURES: the test pattern as an H.264 file.
 *
 * One keyframe and then deltas, so that a player that loops it sees whether the jump back to the
 * keyframe is clean. Each picture carries the barcode of when it was drawn, which names it.
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

static int encode(struct capture *c, struct encoder *e, int fps, int pictures, FILE *out)
{
    struct capture_info about;
    struct convert_dsp dsp;
    capture_info(c, &about);
    convert_dsp_init(&dsp);
    struct picture converted = picture_for(e, about.width, about.height);
    int n = 0, err = converted.plane[0] ? 0 : -1;
    while (n < pictures && err == 0) {
        const struct picture *pic = capture_take(c);
        if (!pic)
            break;
        convert_picture(&dsp, pic, &converted);
        capture_release(c, pic);
        converted.captured_us += 1000000 / fps;
        err = encoder_submit(e, &converted, n == 0);
        n += err ? 0 : write_units(e, out);
    }
    free(converted.plane[0]);
    return n;
}

static int run(const char *size, int fps, int pictures, FILE *out)
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
        .fps = fps,
        .bitrate_bps = 3000000,
        .threads = 1,
    };
    struct encoder *encoder = NULL;
    int written = -1;
    if (encoder_open(&encoder, NULL, &config, error, sizeof(error)) == 0 &&
        capture_start(capture) == 0)
        written = encode(capture, encoder, fps, pictures, out);
    capture_close(capture);
    encoder_close(encoder);
    return written == pictures ? 0 : fail("not every picture could be written");
}

int main(int argc, char **argv)
{
    if (argc != 5 || atoi(argv[3]) < 1 || atoi(argv[4]) < 1)
        return fail("usage: make_annexb OUT WIDTHxHEIGHT FPS PICTURES");
    FILE *out = fopen(argv[1], "wb");
    if (!out)
        return fail("the file cannot be written");
    int status = run(argv[2], atoi(argv[3]), atoi(argv[4]), out);
    return fclose(out) == 0 ? status : fail("the file cannot be written");
}
