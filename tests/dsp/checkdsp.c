/* checkdsp.c - every SIMD version against C: bit-exact, in bounds, then how fast.
 *
 *     checkdsp [--bench] [--seed N]
 *
 * Walks the CPU flags upwards through cpu_set_mask(); each time convert_dsp_init picks a function
 * not seen before, it is tested under the name of that flag.
 */
#include "encode/convert.h"
#include "encode/cpu.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const struct {
    const char *name;
    unsigned flag;
} levels[] = {
    {"c", 0}, {"sse41", CPU_SSE41}, {"avx2", CPU_AVX2}, {"avx512", CPU_AVX512}, {"neon", CPU_NEON}};

enum { PAGE = 4096, MAX_WIDTH = 4096, PLANES = 4, CANARY = 0x99 };

static uint64_t rng = 1;

static uint32_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 16);
}

/* A buffer whose end, or start, touches an unreadable page. */
struct guarded {
    uint8_t *base;
    size_t room;
};

static struct guarded guarded_new(size_t size)
{
    size_t room = (size + PAGE - 1) / PAGE * PAGE;
    uint8_t *p = mmap(NULL, room + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + PAGE, room, PROT_READ | PROT_WRITE) != 0)
        abort();
    return (struct guarded){p + PAGE, room};
}

static uint8_t *at(struct guarded g, size_t size, bool end)
{
    return end ? g.base + g.room - size : g.base;
}

static struct guarded src[2], ref[PLANES], out[PLANES];

/* One of the two formats of one level. */
struct target {
    bgra_nv12_fn *nv12;
    bgra_i420_fn *i420; /* used when nv12 is NULL */
};

/* planes: Y, Y, UV or Y, Y, U, V */
static void call(struct target t, uint8_t *const *plane, uint8_t *const *bgra, int width)
{
    if (t.nv12)
        t.nv12(plane[0], plane[1], plane[2], bgra[0], bgra[1], width);
    else
        t.i420(plane[0], plane[1], plane[2], plane[3], bgra[0], bgra[1], width);
}

static void fill_source(uint8_t *p, int size, int kind)
{
    for (int k = 0; k < size; k++)
        p[k] = (uint8_t)(kind == 0 ? rnd() & 1 : kind == 1 ? 255 - (rnd() & 1) : rnd());
}

static bool same_plane(int plane, int width, const uint8_t *want, const uint8_t *got, int size)
{
    for (size_t k = 0; k < out[plane].room; k++) {
        const uint8_t *p = out[plane].base + k;
        int expected = p >= got && p < got + size ? want[p - got] : CANARY;
        if (*p != expected) {
            printf("    plane %d byte %td of width %d: %d, want %d\n", plane, p - got, width, *p,
                   expected);
            return false;
        }
    }
    return true;
}

static bool check_width(struct target t, int width, bool end)
{
    struct target c = {t.nv12 ? bgra_nv12_c : NULL, bgra_i420_c};
    uint8_t *s[2], *r[PLANES], *o[PLANES];
    int planes = t.nv12 ? 3 : 4, kind = (int)(rnd() & 3);
    for (int i = 0; i < 2; i++) {
        s[i] = at(src[i], (size_t)width * 4, end);
        fill_source(s[i], width * 4, kind);
    }
    for (int i = 0; i < planes; i++) {
        size_t size = (size_t)(planes == 4 && i >= 2 ? width / 2 : width);
        r[i] = at(ref[i], size, end);
        o[i] = at(out[i], size, end);
        memset(out[i].base, CANARY, out[i].room);
    }
    call(c, r, s, width);
    call(t, o, s, width);
    for (int i = 0; i < planes; i++) {
        if (!same_plane(i, width, r[i], o[i], planes == 4 && i >= 2 ? width / 2 : width))
            return false;
    }
    return true;
}

static bool check(struct target t)
{
    static const int wide[] = {1366, 1920, 2558, 3840, MAX_WIDTH};
    for (int round = 0; round < 4; round++) {
        for (int w = 2; w <= 260; w += 2) {
            if (!check_width(t, w, false) || !check_width(t, w, true))
                return false;
        }
    }
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        if (!check_width(t, wide[i], false) || !check_width(t, wide[i], true))
            return false;
    }
    return true;
}

/* ns per pixel with the rows hot in cache: best of many rounds */
static double bench(struct target t, int width)
{
    uint8_t *s[2] = {src[0].base, src[1].base};
    uint8_t *o[PLANES] = {out[0].base, out[1].base, out[2].base, out[3].base};
    double best = 1e9;
    for (int round = 0; round < 50; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 0; i < 64; i++)
            call(t, o, s, width);
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        best = ns < best ? ns : best;
    }
    return best / 64 / (2.0 * width);
}

static bool run(const char *format, const char *level, struct target t, bool do_bench)
{
    static double c_ns;
    bool good = check(t);
    printf("bgra_%s_%-8s %s", format, level, good ? "ok" : "FAILED");
    if (do_bench) {
        double ns = bench(t, 1920);
        c_ns = strcmp(level, "c") == 0 ? ns : c_ns;
        printf("  %.3f ns/px  %5.2fx  %.2f ms per 1080p", ns, c_ns / ns, ns * 1920 * 1080 / 1e6);
    }
    printf("\n");
    return good;
}

int main(int argc, char **argv)
{
    bool do_bench = false, ok = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            do_bench = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            rng = strtoull(argv[++i], NULL, 0) | 1;
    }
    for (int i = 0; i < 2; i++)
        src[i] = guarded_new(MAX_WIDTH * 4);
    for (int i = 0; i < PLANES; i++) {
        ref[i] = guarded_new(MAX_WIDTH);
        out[i] = guarded_new(MAX_WIDTH);
    }

    /* one format after the other, so that each C time is taken before those compared with it */
    for (int format = 0; format < 2; format++) {
        struct target seen = {NULL, NULL};
        unsigned mask = 0;
        for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
            struct convert_dsp dsp;
            mask |= levels[i].flag;
            cpu_set_mask(mask);
            convert_dsp_init(&dsp);
            struct target t = {format == 0 ? dsp.bgra_nv12 : NULL,
                               format == 1 ? dsp.bgra_i420 : NULL};
            if (t.nv12 == seen.nv12 && t.i420 == seen.i420)
                continue;
            seen = t;
            ok = run(format == 0 ? "nv12" : "i420", levels[i].name, t, do_bench) && ok;
        }
    }
    return ok ? 0 : 1;
}
