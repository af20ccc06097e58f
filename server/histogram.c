#include "server/histogram.h"

enum { SUB = 8, LINEAR = 8 }; /* eight buckets per octave; below 8 us one per microsecond */

static unsigned bucket_of(uint64_t us)
{
    if (us < LINEAR)
        return (unsigned)us;
    unsigned octave = 63u - (unsigned)__builtin_clzll(us); /* >= 3 */
    unsigned at = LINEAR + (octave - 3) * SUB + (unsigned)(us >> (octave - 3) & (SUB - 1));
    return at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < LINEAR)
        return bucket;
    unsigned octave = (bucket - LINEAR) / SUB, sub = (bucket - LINEAR) % SUB;
    return ((uint64_t)(SUB + sub + 1) << octave) - 1;
}

void histogram_add(struct histogram *h, int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    atomic_fetch_add_explicit(&h->bucket[bucket_of(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
}

uint64_t histogram_percentile(const struct histogram *h, double fraction)
{
    uint64_t total = 0, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    double want = fraction * (double)total;
    for (unsigned i = 0; total && i < HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        if ((double)seen >= want && seen)
            return bucket_end(i);
    }
    return total ? bucket_end(HISTOGRAM_BUCKETS - 1) : 0;
}

uint64_t histogram_at_most(const struct histogram *h, uint64_t us)
{
    uint64_t seen = 0;
    unsigned last = bucket_of(us);
    for (unsigned i = 0; i <= last; i++)
        seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    return seen;
}
