#include "rtp/forward/worker_samples.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void worker_samples_add(struct worker_samples *s, int64_t value)
{
    uint32_t clamped = value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    s->value[s->count++ % WORKER_SAMPLES] = clamped;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

uint64_t worker_samples_percentile(const struct worker_samples *s, unsigned percent)
{
    assert(percent >= 1 && percent <= 100);
    size_t n = s->count < WORKER_SAMPLES ? (size_t)s->count : WORKER_SAMPLES;
    if (n == 0)
        return 0;
    uint32_t sorted[WORKER_SAMPLES];
    memcpy(sorted, s->value, n * sizeof(sorted[0]));
    qsort(sorted, n, sizeof(sorted[0]), compare);
    return sorted[(n * percent + 99) / 100 - 1];
}
