/* bench.c - what one packet costs on its way, beside its floor.
 *
 *     bench [--json] [payload] [seal] [viewer] [forward] [received] [shards]        all without
 * names
 */
#include "tests/bench/bench.h"

#include "rtp/payload/h264.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"
#include "rtp/wire/rtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 100 };

static bool as_json;

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t bench_thread_cpu_ns(void)
{
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t bench_process_cpu_ns(void)
{
    return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t bench_now_us(void)
{
    return read_clock_ns(CLOCK_MONOTONIC) / 1000;
}

/* --- one comparison --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_line(const char *name, const struct bench_side *ours,
                       const struct bench_side *floor, const double *a, const double *b, int rounds)
{
    double ratio = a[rounds / 2] / b[rounds / 2];
    if (as_json)
        printf("{\"case\":\"%s\",\"ours\":\"%s\",\"floor\":\"%s\",\"rounds\":%d,"
               "\"ours_ns_median\":%.1f,\"ours_ns_min\":%.1f,\"floor_ns_median\":%.1f,"
               "\"floor_ns_min\":%.1f,\"ratio\":%.3f}\n",
               name, ours->name, floor->name, rounds, a[rounds / 2], a[0], b[rounds / 2], b[0],
               ratio);
    else
        printf("%-28s %-26s %7.0f %7.0f   %-26s %7.0f %7.0f   %5.2f\n", name, ours->name,
               a[rounds / 2], a[0], floor->name, b[rounds / 2], b[0], ratio);
    fflush(stdout);
}

void bench_compare(const char *name, const struct bench_side *ours, const struct bench_side *floor,
                   int rounds)
{
    double a[MAX_ROUNDS], b[MAX_ROUNDS];
    if (rounds > MAX_ROUNDS)
        abort();
    for (int i = -1; i < rounds; i++) { /* the first one only warms up */
        double x = ours->run(ours->arg), y = floor->run(floor->arg);
        if (x < 0 || y < 0) {
            fprintf(stderr, "%s: a round did not do all of its work\n", name);
            exit(1);
        }
        if (i < 0)
            continue;
        a[i] = x;
        b[i] = y;
    }
    qsort(a, (size_t)rounds, sizeof(a[0]), compare);
    qsort(b, (size_t)rounds, sizeof(b[0]), compare);
    print_line(name, ours, floor, a, b, rounds);
}

/* --- what is sent --- */

const uint8_t *bench_access_unit(size_t *size)
{
    static uint8_t unit[BENCH_FRAME_PACKETS * (PACKETIZE_MAX_PAYLOAD - 2) - 10];
    if (unit[3] == 0) {
        memcpy(unit, (uint8_t[]){0, 0, 0, 1, 0x41}, 5);
        for (size_t i = 5; i < sizeof(unit); i++)
            unit[i] = (uint8_t)(i * 2654435761u >> 24 | 1);
    }
    *size = sizeof(unit);
    return unit;
}

const struct packetize *bench_frame(void)
{
    static uint8_t data[16384];
    static struct packetize_packet packets[BENCH_FRAME_PACKETS];
    static struct packetize frame;
    if (frame.n_packets == 0) {
        frame = (struct packetize){.data = data,
                                   .capacity = sizeof(data),
                                   .packets = packets,
                                   .max_packets = BENCH_FRAME_PACKETS};
        size_t size;
        const uint8_t *unit = bench_access_unit(&size);
        if (h264_packetize(&frame, unit, size, PACKETIZE_MAX_PAYLOAD) != 0 ||
            frame.n_packets != BENCH_FRAME_PACKETS)
            abort();
    }
    return &frame;
}

size_t bench_write_header(uint8_t *out, uint16_t seq, uint32_t timestamp, uint32_t ssrc,
                          bool marker)
{
    out[0] = 0x90;
    out[1] = (uint8_t)(102 | (marker ? 0x80 : 0));
    put_u16(out + 2, seq);
    put_u32(out + 4, timestamp);
    put_u32(out + 8, ssrc);
    put_u32(out + 12, 0xbede0001);
    out[16] = 0x31;
    put_u16(out + 17, seq);
    out[19] = 0;
    return RTP_HEADER_SIZE + BENCH_EXTENSION_SIZE;
}

/* --- --- */

static bool is_wanted(int argc, char **argv, const char *name)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        any = true;
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"payload", bench_payload}, {"seal", bench_seal},         {"viewer", bench_viewer},
                 {"forward", bench_forward}, {"received", bench_received}, {"shards", bench_shards},
                 {"agents", bench_agents}};
    for (int i = 1; i < argc; i++)
        as_json = as_json || strcmp(argv[i], "--json") == 0;
    if (cipher_install(CIPHER_AUTO) != 0) {
        fprintf(stderr, "no ciphers\n");
        return 1;
    }
    if (!as_json)
        printf("%-28s %-26s %7s %7s   %-26s %7s %7s   %5s\n", "CPU ns per packet", "ours", "median",
               "min", "floor", "median", "min", "ratio");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (is_wanted(argc, argv, parts[i].name))
            parts[i].run();
    }
    return 0;
}
