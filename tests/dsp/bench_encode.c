/* bench_encode.c - what a picture costs each encoder, and whether it holds the rate.
 *
 *     bench_encode [--size WxH] [--kbps N] [--fps N] [--pictures N] [--threads N] [--backend NAME]
 *
 * One JSON line per encoder and scene: microseconds from submit to receive, by the clock (median
 * and worst) and of CPU (median, all threads), the size of the first picture, the rate of the
 * others and, where openh264's decoder is there, the luma PSNR.
 */
#include "encode/convert.h"
#include "encode/encoder.h"
#include "tests/unit/encode/scene.h"
#ifdef HAVE_OPENH264
#include "tests/unit/encode/h264_decode.h"
#endif

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { MAX_PICTURES = 3000 };

struct totals {
    int64_t us[MAX_PICTURES], cpu_us[MAX_PICTURES];
    size_t first, rest;
    int skipped, keyframes, decoded;
    double psnr;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

#ifdef HAVE_OPENH264
static void judge(struct totals *t, ISVCDecoder *decoder, const struct encoded *au,
                  const struct picture *original)
{
    struct picture decoded;
    if (h264_decode(decoder, au->data, au->size, &decoded)) {
        double mse = scene_mse(original, &decoded);
        t->psnr += mse > 0 ? 10 * log10(255 * 255 / mse) : 99;
        t->decoded++;
    }
}
#endif

static void run(const char *backend, const struct encoder_config *c, enum scene_kind kind,
                int pictures)
{
    static const char *const kinds[] = {"", "text", "natural", "noise"};
    static struct totals t;
    char error[200];
    struct encoder *e;
    memset(&t, 0, sizeof(t));
    if (encoder_open(&e, backend, c, error, sizeof(error)) < 0) {
        fprintf(stderr, "bench_encode: %s\n", error);
        return;
    }
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    struct scene scene = scene_new(kind, c->width, c->height);
    struct picture yuv = scene_yuv(encoder_ops(e)->input, c->width, c->height);
#ifdef HAVE_OPENH264
    ISVCDecoder *decoder = h264_decoder_new();
#endif
    for (int n = 0; n < pictures; n++) {
        struct picture bgra = scene_picture(&scene, n, c->fps);
        convert_picture(&dsp, &bgra, &yuv);
        struct encoded au = {0};
        int64_t start = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);
        if (encoder_submit(e, &yuv, n == 0) < 0 || encoder_receive(e, &au) < 0)
            abort();
        t.us[n] = now_us(CLOCK_MONOTONIC) - start;
        t.cpu_us[n] = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        *(n == 0 ? &t.first : &t.rest) += au.size;
        t.skipped += au.size == 0;
        t.keyframes += au.keyframe;
#ifdef HAVE_OPENH264
        if (decoder && au.size > 0)
            judge(&t, decoder, &au, &yuv);
#endif
    }
    qsort(t.us, (size_t)pictures, sizeof(t.us[0]), compare);
    qsort(t.cpu_us, (size_t)pictures, sizeof(t.cpu_us[0]), compare);
    printf("{\"name\":\"encode_%s_%s\",\"width\":%d,\"height\":%d,\"us\":%lld,\"us_max\":%lld,"
           "\"cpu_us\":%lld,"
           "\"target_kbps\":%u,\"kbps\":%.0f,\"first_bytes\":%zu,\"skipped\":%d,\"keyframes\":%d,"
           "\"psnr\":%.1f}\n",
           backend, kinds[kind], c->width, c->height, (long long)t.us[pictures / 2],
           (long long)t.us[pictures - 1], (long long)t.cpu_us[pictures / 2], c->bitrate_bps / 1000,
           (double)t.rest * 8 * c->fps / (pictures - 1) / 1e3, t.first, t.skipped, t.keyframes,
           t.decoded > 0 ? t.psnr / t.decoded : 0.0);
#ifdef HAVE_OPENH264
    if (decoder)
        h264_decoder_free(decoder);
#endif
    free(yuv.plane[0]);
    scene_free(&scene);
    encoder_close(e);
}

int main(int argc, char **argv)
{
    struct encoder_config c = {.codec = CODEC_H264,
                               .content = ENCODER_SCREEN,
                               .width = 1920,
                               .height = 1080,
                               .fps = 30,
                               .bitrate_bps = 6000000,
                               .threads = 1};
    int pictures = 150;
    const char *only = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--size") == 0)
            sscanf(argv[i + 1], "%dx%d", &c.width, &c.height);
        else if (strcmp(argv[i], "--kbps") == 0)
            c.bitrate_bps = (uint32_t)atoi(argv[i + 1]) * 1000;
        else if (strcmp(argv[i], "--fps") == 0)
            c.fps = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--pictures") == 0)
            pictures = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--threads") == 0)
            c.threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--backend") == 0)
            only = argv[i + 1];
    }
    if (pictures < 2 || pictures > MAX_PICTURES) {
        fprintf(stderr, "bench_encode: --pictures takes 2 to %d\n", MAX_PICTURES);
        return 2;
    }
    for (size_t i = 0; encoder_backends()[i]; i++) {
        const char *name = encoder_backends()[i]->name;
        for (int kind = SCENE_TEXT; kind <= SCENE_NOISE; kind++) {
            if (!only || strcmp(only, name) == 0)
                run(name, &c, (enum scene_kind)kind, pictures);
        }
    }
    return 0;
}
