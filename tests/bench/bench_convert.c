/* bench_convert.c - conversion of whole pictures beside its floor, libyuv's function for the
 * format.
 *
 *     bench_convert [--rounds N] [--cpu-mask HEX]
 *
 * Prints one JSON line per case, times in microseconds of CPU per picture. The pictures are cold:
 * both sides rotate through more memory than a core's L2 holds. Rounds alternate A, B, A, B on the
 * same pictures and the medians are compared, so a disturbance of the machine hits both alike.
 */
#include "encode/convert.h"
#include "encode/cpu.h"

#include <libyuv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 2000 };

struct bench_case {
    const char *name, *floor;
    enum picture_format format;
    int width, height, pictures;
    bool typing; /* of ours only a line of text has changed, of the floor's the whole picture */
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct picture picture_new(enum picture_format format, int width, int height)
{
    size_t luma = (size_t)width * (size_t)height;
    size_t size = format == PICTURE_BGRA ? luma * 4 : luma * 3 / 2;
    uint8_t *p = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!p)
        abort();
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 24);
    struct picture pic = {.format = format, .width = width, .height = height, .plane = {p}};
    pic.stride[0] = format == PICTURE_BGRA ? width * 4 : width;
    if (format != PICTURE_BGRA) {
        pic.plane[1] = p + luma;
        pic.plane[2] = p + luma + luma / 4;
        pic.stride[1] = format == PICTURE_NV12 ? width : width / 2;
        pic.stride[2] = width / 2;
    }
    return pic;
}

static void convert_floor(const struct picture *in, struct picture *out)
{
    int s0 = (int)in->stride[0], d0 = (int)out->stride[0], d1 = (int)out->stride[1];
    if (out->format == PICTURE_NV12)
        ARGBToNV12(in->plane[0], s0, out->plane[0], d0, out->plane[1], d1, in->width, in->height);
    else
        ARGBToI420(in->plane[0], s0, out->plane[0], d0, out->plane[1], d1, out->plane[2],
                   (int)out->stride[2], in->width, in->height);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double median_us(int64_t *ns, int n)
{
    qsort(ns, (size_t)n, sizeof(*ns), compare);
    return (double)ns[n / 2] / 1e3;
}

static void run(const struct bench_case *c, const struct convert_dsp *dsp, int rounds)
{
    static int64_t ours[MAX_ROUNDS], floor_ns[MAX_ROUNDS];
    struct picture in[64], out[64];
    for (int i = 0; i < c->pictures; i++) {
        in[i] = picture_new(PICTURE_BGRA, c->width, c->height);
        in[i].damage =
            (struct picture_damage){.known = true, .n = 1, .rect = {{400, 500, 900, 24}}};
        out[i] = picture_new(c->format, c->width, c->height);
    }
    for (int r = 0; r < rounds; r++) {
        int a = r % c->pictures, b = (r + c->pictures / 2) % c->pictures;
        int64_t t0 = now_ns();
        if (c->typing)
            convert_damage(dsp, &in[a], &out[a]);
        else
            convert_picture(dsp, &in[a], &out[a]);
        int64_t t1 = now_ns();
        convert_floor(&in[b], &out[b]);
        ours[r] = t1 - t0;
        floor_ns[r] = now_ns() - t1;
    }
    double us = median_us(ours, rounds), floor_us = median_us(floor_ns, rounds);
    printf("{\"name\":\"%s\",\"us\":%.1f,\"floor\":\"%s\",\"floor_us\":%.1f,\"ratio\":%.3f}\n",
           c->name, us, c->floor, floor_us, us / floor_us);
    for (int i = 0; i < c->pictures; i++) {
        free(in[i].plane[0]);
        free(out[i].plane[0]);
    }
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"convert_nv12_720p", "libyuv ARGBToNV12", PICTURE_NV12, 1280, 720, 16, false},
        {"convert_i420_720p", "libyuv ARGBToI420", PICTURE_I420, 1280, 720, 16, false},
        {"convert_nv12_1080p", "libyuv ARGBToNV12", PICTURE_NV12, 1920, 1080, 16, false},
        {"convert_i420_1080p", "libyuv ARGBToI420", PICTURE_I420, 1920, 1080, 16, false},
        {"convert_i420_1080p_typing", "libyuv ARGBToI420", PICTURE_I420, 1920, 1080, 16, true},
        {"convert_nv12_2160p", "libyuv ARGBToNV12", PICTURE_NV12, 3840, 2160, 6, false},
        {"convert_i420_2160p", "libyuv ARGBToI420", PICTURE_I420, 3840, 2160, 6, false},
    };
    int rounds = 300;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0)
            rounds = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--cpu-mask") == 0)
            cpu_set_mask((unsigned)strtoul(argv[i + 1], NULL, 16));
    }
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench_convert: --rounds takes 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    struct convert_dsp dsp;
    convert_dsp_init(&dsp);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run(&cases[i], &dsp, rounds);
    return 0;
}
