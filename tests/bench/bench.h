/* bench.h - what the parts of the benchmark share: two ways of the same work, measured in turn.
 *
 * Rounds alternate A, B, A, B, so that a disturbance of the machine hits both alike; the medians
 * are compared, the minima shown beside them. Times are CPU nanoseconds per packet, kernel
 * included.
 */
#pragma once

#include "rtp/payload/packetize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_VIEWERS 100
#define BENCH_FRAME_PACKETS 9
#define BENCH_EXTENSION_SIZE 8 /* one element: the transport-wide sequence number */

/* Does its work once and says how many CPU nanoseconds a packet of it took; below 0: it did not do
 * all of it. */
typedef double bench_fn(void *arg);

struct bench_side {
    const char *name;
    bench_fn *run;
    void *arg;
};

/* `floor` is what the same work costs without what is measured. Prints one line. */
void bench_compare(const char *name, const struct bench_side *ours, const struct bench_side *floor,
                   int rounds);

int64_t bench_thread_cpu_ns(void);
int64_t bench_process_cpu_ns(void);
int64_t bench_now_us(void);

/* An access unit of BENCH_FRAME_PACKETS packets, in static memory. */
const uint8_t *bench_access_unit(size_t *size);
/* The same one packetized. */
const struct packetize *bench_frame(void);

/* The fixed header and one extension element, `seq` in both. Returns its size. */
size_t bench_write_header(uint8_t *out, uint16_t seq, uint32_t timestamp, uint32_t ssrc,
                          bool marker);

void bench_payload(void);
void bench_seal(void);
void bench_viewer(void);
void bench_forward(void);
void bench_received(void);
void bench_shards(void);
void bench_agents(void);
