/* bench_encode.c - what a picture costs each encoder, and whether it holds the rate.
 *
 *     bench_encode [--size WxH] [--kbps N] [--fps N] [--pictures N] [--threads N] [--layers N]
 *                  [--quality 1] [--backend NAME] [--codec NAME] [--scene text|natural|noise]
 *                  [--still N [--moving N]]
 *
 * One JSON line per encoder and scene: microseconds from submit to receive, by the clock (median
 * and worst) and of CPU (median, all threads), the size of the first picture, the rate of the
 * others and, where a decoder is there, the luma PSNR.
 *
 * With --still the text scrolls for a second (or --moving pictures) and stops; its last picture is
 * then submitted N times more. One JSON line per encoder, with luma PSNR, quantizer, kilobytes so
 * far and milliseconds of CPU after some of the repeats.
 */
#include "encode/convert.h"
#include "encode/encoder.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/scene.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { MAX_PICTURES = 3000 };

struct options {
    struct encoder_config config;
    int pictures, still, moving;
    const char *backend, *scene; /* NULL: all */
};

struct totals {
    int64_t us[MAX_PICTURES], cpu_us[MAX_PICTURES];
    size_t first, rest;
    int skipped, keyframes, decoded;
    double psnr;
};

/* An encoder with what it looks at and who looks at its work. */
struct bench {
    struct encoder *e;
    struct encoder_config config;
    struct scene scene;
    struct picture yuv;
    struct convert_dsp dsp;
    struct decoder *decoder;
    struct encoded au;
    double psnr; /* of the last picture; 0 unknown */
    int64_t us, cpu_us;
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

static bool bench_open(struct bench *b, const struct encoder_ops *ops,
                       const struct encoder_config *config, enum scene_kind kind)
{
    char error[200];
    *b = (struct bench){.config = *config};
    b->config.codec = ops->codec;
    b->config.content = kind == SCENE_NATURAL ? ENCODER_NATURAL : ENCODER_SCREEN;
    if (encoder_open(&b->e, ops->name, &b->config, error, sizeof(error)) < 0) {
        fprintf(stderr, "bench_encode: %s\n", error);
        return false;
    }
    convert_dsp_init(&b->dsp);
    b->scene = scene_new(kind, config->width, config->height);
    b->yuv = scene_yuv(ops->input, config->width, config->height);
    b->decoder = decoder_new(ops->codec);
    return true;
}

static void bench_close(struct bench *b)
{
    decoder_free(b->decoder);
    free(b->yuv.plane[0]);
    scene_free(&b->scene);
    encoder_close(b->e);
}

/* Picture `n` of the stream, which shows what the scene showed at `shown`. */
static void bench_encode(struct bench *b, int n, int shown)
{
    struct picture bgra = scene_picture(&b->scene, shown, b->config.fps), decoded;
    convert_picture(&b->dsp, &bgra, &b->yuv);
    b->yuv.captured_us = 1000000 + (int64_t)n * 1000000 / b->config.fps;
    b->yuv.repeat = n != shown;
    int64_t start = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);
    if (encoder_submit(b->e, &b->yuv, n == 0) < 0 || encoder_receive(b->e, &b->au) < 0)
        abort();
    b->us = now_us(CLOCK_MONOTONIC) - start;
    b->cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (b->decoder && b->au.size > 0 &&
        decoder_decode(b->decoder, b->au.data, b->au.size, &decoded)) {
        double mse = scene_mse(&b->yuv, &decoded);
        b->psnr = mse > 0 ? 10 * log10(255 * 255 / mse) : 99;
    }
}

static void run(const struct encoder_ops *ops, const struct options *o, enum scene_kind kind)
{
    static const char *const kinds[] = {"", "text", "natural", "noise"};
    static struct totals t;
    struct bench b;
    memset(&t, 0, sizeof(t));
    if ((o->scene && strcmp(o->scene, kinds[kind]) != 0) || !bench_open(&b, ops, &o->config, kind))
        return;
    for (int n = 0; n < o->pictures; n++) {
        b.psnr = 0;
        bench_encode(&b, n, n);
        t.us[n] = b.us;
        t.cpu_us[n] = b.cpu_us;
        *(n == 0 ? &t.first : &t.rest) += b.au.size;
        t.skipped += b.au.size == 0;
        t.keyframes += b.au.keyframe;
        t.psnr += b.psnr;
        t.decoded += b.psnr > 0;
    }
    qsort(t.us, (size_t)o->pictures, sizeof(t.us[0]), compare);
    qsort(t.cpu_us, (size_t)o->pictures, sizeof(t.cpu_us[0]), compare);
    printf("{\"name\":\"encode_%s_%s_%s\",\"width\":%d,\"height\":%d,\"us\":%lld,\"us_max\":%lld,"
           "\"cpu_us\":%lld,"
           "\"target_kbps\":%u,\"kbps\":%.0f,\"first_bytes\":%zu,\"skipped\":%d,\"keyframes\":%d,"
           "\"psnr\":%.1f}\n",
           ops->name, codec_name(ops->codec), kinds[kind], b.config.width, b.config.height,
           (long long)t.us[o->pictures / 2], (long long)t.us[o->pictures - 1],
           (long long)t.cpu_us[o->pictures / 2], b.config.bitrate_bps / 1000,
           (double)t.rest * 8 * b.config.fps / (o->pictures - 1) / 1e3, t.first, t.skipped,
           t.keyframes, t.decoded > 0 ? t.psnr / t.decoded : 0.0);
    bench_close(&b);
}

static void run_still(const struct encoder_ops *ops, const struct options *o)
{
    struct bench b;
    if (!bench_open(&b, ops, &o->config, SCENE_TEXT))
        return;
    int moving = o->moving > 0 ? o->moving : b.config.fps;
    size_t bytes = 0;
    printf("{\"name\":\"still_%s_%s\",\"target_kbps\":%u", ops->name, codec_name(ops->codec),
           b.config.bitrate_bps / 1000);
    for (int n = 0; n < moving + o->still; n++) {
        int repeats = n - moving + 1;
        bench_encode(&b, n, n < moving ? n : moving - 1);
        bytes = repeats > 0 ? bytes + b.au.size : 0;
        if (repeats == 0 || repeats == 5 || repeats == 15 || (repeats > 0 && repeats % 30 == 0))
            printf(",\"%d\":{\"psnr\":%.1f,\"quantizer\":%d,\"kb\":%zu,\"ms\":%.1f}", repeats,
                   b.psnr, b.au.quantizer, bytes / 1000, (double)b.cpu_us / 1e3);
    }
    printf("}\n");
    bench_close(&b);
}

static void parse(struct options *o, const char *name, const char *value)
{
    struct encoder_config *c = &o->config;
    if (strcmp(name, "--size") == 0)
        sscanf(value, "%dx%d", &c->width, &c->height);
    else if (strcmp(name, "--kbps") == 0)
        c->bitrate_bps = (uint32_t)atoi(value) * 1000;
    else if (strcmp(name, "--fps") == 0)
        c->fps = atoi(value);
    else if (strcmp(name, "--pictures") == 0)
        o->pictures = atoi(value);
    else if (strcmp(name, "--threads") == 0)
        c->threads = atoi(value);
    else if (strcmp(name, "--layers") == 0)
        c->temporal_layers = atoi(value);
    else if (strcmp(name, "--quality") == 0)
        c->rate_control = atoi(value) ? ENCODER_QUALITY : ENCODER_CBR;
    else if (strcmp(name, "--backend") == 0)
        o->backend = value;
    else if (strcmp(name, "--codec") == 0)
        c->codec = codec_from_name(value);
    else if (strcmp(name, "--scene") == 0)
        o->scene = value;
    else if (strcmp(name, "--still") == 0)
        o->still = atoi(value);
    else if (strcmp(name, "--moving") == 0)
        o->moving = atoi(value);
}

int main(int argc, char **argv)
{
    struct options o = {
        .config = {.width = 1920, .height = 1080, .fps = 30, .bitrate_bps = 6000000, .threads = 1},
        .pictures = 150};
    for (int i = 1; i + 1 < argc; i += 2)
        parse(&o, argv[i], argv[i + 1]);
    if (o.pictures < 2 || o.pictures > MAX_PICTURES) {
        fprintf(stderr, "bench_encode: --pictures takes 2 to %d\n", MAX_PICTURES);
        return 2;
    }
    for (const struct encoder_ops *const *b = encoder_backends(); *b; b++) {
        if ((o.backend && strcmp(o.backend, (*b)->name) != 0) ||
            (o.config.codec && o.config.codec != (*b)->codec))
            continue;
        if (o.still > 0)
            run_still(*b, &o);
        for (int kind = SCENE_TEXT; o.still == 0 && kind <= SCENE_NOISE; kind++)
            run(*b, &o, (enum scene_kind)kind);
    }
    return 0;
}
