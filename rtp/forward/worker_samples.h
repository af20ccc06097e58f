/* worker_samples.h - the last 1024 values of something, for percentiles. Pure; one thread. */
#pragma once

#include <stdint.h>

#define WORKER_SAMPLES 1024 /* power of two */

struct worker_samples {
    uint32_t value[WORKER_SAMPLES];
    uint64_t count; /* ever added */
};

void worker_samples_add(struct worker_samples *s, int64_t value); /* clamped to 0..UINT32_MAX */
/* The smallest value that `percent` of them do not exceed; 0: none yet. */
uint64_t worker_samples_percentile(const struct worker_samples *s, unsigned percent);
