#include "tests/sim/bottleneck.h"

#include "tests/sim/sim.h"

#include <assert.h>
#include <string.h>

void bottleneck_init(struct bottleneck *b, uint64_t rate_bps, int64_t delay_us, int64_t queue_us,
                     uint64_t seed)
{
    memset(b, 0, sizeof(*b));
    b->rate_bps = rate_bps;
    b->delay_us = delay_us;
    b->queue_us = queue_us;
    b->random = seed;
}

void bottleneck_send(struct bottleneck *b, unsigned flow, uint32_t seq, unsigned bytes,
                     int64_t now_us)
{
    assert(flow < BOTTLENECK_FLOWS);
    b->sent[flow]++;
    int64_t limit = b->queue_us * (int64_t)b->rate_bps / 8000000;
    bool full = b->queued == BOTTLENECK_QUEUE || b->queue_bytes + bytes > limit;
    if (full || (b->loss > 0 && sim_random_unit(&b->random) < b->loss)) {
        b->dropped[flow]++;
        return;
    }
    b->queue[(b->queue_head + b->queued++) % BOTTLENECK_QUEUE] = (struct bottleneck_packet){
        .sent_us = now_us, .seq = seq, .bytes = (uint16_t)bytes, .flow = (uint8_t)flow};
    b->queue_bytes += bytes;
}

static void serve(struct bottleneck *b, int64_t now_us)
{
    while (b->queued > 0 && b->under_way < BOTTLENECK_QUEUE) {
        struct bottleneck_packet p = b->queue[b->queue_head];
        int64_t begin = p.sent_us > b->free_us ? p.sent_us : b->free_us;
        int64_t end = begin + p.bytes * INT64_C(8000000) / (int64_t)b->rate_bps;
        if (end > now_us)
            return;
        b->free_us = end;
        b->queue_head = (b->queue_head + 1) % BOTTLENECK_QUEUE;
        b->queued--;
        b->queue_bytes -= p.bytes;
        b->served_bytes[p.flow] += p.bytes;
        int64_t wait_ms = (end - p.sent_us) / 1000;
        b->waits[p.flow][wait_ms < BOTTLENECK_WAIT_MS ? wait_ms : BOTTLENECK_WAIT_MS]++;

        p.arrives_us = end + b->delay_us;
        if (b->jitter_us > 0)
            p.arrives_us += (int64_t)(sim_random(&b->random) % (uint64_t)b->jitter_us);
        if (p.arrives_us < b->last_arrival_us)
            p.arrives_us = b->last_arrival_us;
        b->last_arrival_us = p.arrives_us;
        b->way[(b->way_head + b->under_way++) % BOTTLENECK_QUEUE] = p;
    }
}

bool bottleneck_receive(struct bottleneck *b, struct bottleneck_packet *out, int64_t now_us)
{
    serve(b, now_us);
    if (b->under_way == 0 || b->way[b->way_head].arrives_us > now_us)
        return false;
    *out = b->way[b->way_head];
    b->way_head = (b->way_head + 1) % BOTTLENECK_QUEUE;
    b->under_way--;
    return true;
}

int bottleneck_wait_ms(const struct bottleneck *b, unsigned flow, double share)
{
    uint64_t all = 0, seen = 0;
    for (int ms = 0; ms <= BOTTLENECK_WAIT_MS; ms++)
        all += b->waits[flow][ms];
    for (int ms = 0; ms <= BOTTLENECK_WAIT_MS; ms++) {
        seen += b->waits[flow][ms];
        if ((double)seen >= share * (double)all)
            return ms;
    }
    return BOTTLENECK_WAIT_MS;
}

void bottleneck_forget(struct bottleneck *b)
{
    memset(b->waits, 0, sizeof(b->waits));
    memset(b->served_bytes, 0, sizeof(b->served_bytes));
}
