/* load_counters.h - what a load thread counts, for whoever reports it while it runs.
 *
 * One thread writes its own, anybody reads: each value is right by itself, and all only grow.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum load_counter {
    LOAD_STARTED, /* viewers that have asked to join */
    LOAD_RETRIES,
    LOAD_CONNECTED, /* DTLS */
    LOAD_READY,     /* first whole keyframe */
    LOAD_SETTLED,   /* ready, or failed before */
    LOAD_FAILED,    /* before or after */
    LOAD_ENDED,     /* by the server, while they watched */
    LOAD_GONE,
    LOAD_PACKETS,
    LOAD_BYTES,
    LOAD_MISSING,
    LOAD_REORDERED,
    LOAD_REPAIRED,
    LOAD_FILLED,
    LOAD_DUPLICATES,
    LOAD_RTX,
    LOAD_NOT_AUTHENTIC,
    LOAD_NACKS,
    LOAD_PLIS,
    LOAD_FEEDBACKS,
    LOAD_FRAMES, /* whole ones; these five only of the sample */
    LOAD_KEYFRAMES,
    LOAD_BROKEN,
    LOAD_FREEZES,
    LOAD_SKIPPED,
    LOAD_IMPAIRED,     /* lost by --loss or --rate */
    LOAD_SOCKET_DROPS, /* dropped by the kernel at a viewer's socket */
    LOAD_SEND_ERRORS,
    LOAD_COUNTERS,
};

struct load_totals {
    uint64_t v[LOAD_COUNTERS];
};

struct load_counters {
    _Atomic uint64_t v[LOAD_COUNTERS];
};

static inline void load_count(struct load_counters *c, enum load_counter which, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&c->v[which], memory_order_relaxed);
    atomic_store_explicit(&c->v[which], v + n, memory_order_relaxed);
}

static inline void load_counters_add(struct load_totals *sum, struct load_counters *c)
{
    for (int i = 0; i < LOAD_COUNTERS; i++)
        sum->v[i] += atomic_load_explicit(&c->v[i], memory_order_relaxed);
}
