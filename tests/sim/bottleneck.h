/* bottleneck.h - one link that several flows share, on a virtual clock, the same on every run.
 *
 * A drop-tail FIFO served at rate_bps, then a fixed delay and jitter (which never reorders), and
 * random loss in front. Packets are descriptions without bytes. The rate may be changed any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BOTTLENECK_QUEUE 4096 /* packets: in the queue, and as many under way */
#define BOTTLENECK_FLOWS 4
#define BOTTLENECK_WAIT_MS 2000

struct bottleneck_packet {
    int64_t sent_us, arrives_us;
    uint32_t seq; /* the flow's own */
    uint16_t bytes;
    uint8_t flow;
};

struct bottleneck {
    /* may be changed at any time */
    uint64_t rate_bps;
    int64_t delay_us, jitter_us;
    int64_t queue_us; /* the queue holds what takes so long to serve */
    double loss;

    uint64_t random;
    struct bottleneck_packet queue[BOTTLENECK_QUEUE], way[BOTTLENECK_QUEUE];
    unsigned queue_head, queued, way_head, under_way;
    int64_t queue_bytes, free_us, last_arrival_us;

    uint64_t sent[BOTTLENECK_FLOWS], dropped[BOTTLENECK_FLOWS], served_bytes[BOTTLENECK_FLOWS];
    uint32_t waits[BOTTLENECK_FLOWS][BOTTLENECK_WAIT_MS + 1]; /* served packets by ms waited */
};

void bottleneck_init(struct bottleneck *b, uint64_t rate_bps, int64_t delay_us, int64_t queue_us,
                     uint64_t seed);
void bottleneck_send(struct bottleneck *b, unsigned flow, uint32_t seq, unsigned bytes,
                     int64_t now_us);
/* The next packet that has arrived by now_us. */
bool bottleneck_receive(struct bottleneck *b, struct bottleneck_packet *out, int64_t now_us);
/* What a flow's packets waited, of `share` (0.95) of them at most; bottleneck_forget begins anew.
 */
int bottleneck_wait_ms(const struct bottleneck *b, unsigned flow, double share);
void bottleneck_forget(struct bottleneck *b);
