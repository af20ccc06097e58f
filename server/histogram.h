/* histogram.h - how long something took: counts in buckets that grow by an eighth of an octave.
 *
 * One thread adds, any thread reads (relaxed atomics: a reader may miss the newest entry). Values
 * are microseconds; a percentile is exact to one bucket, at most 12.5 % above the true value.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 216 /* to 2^27 us, about two minutes */

struct histogram {
    _Atomic uint64_t count, sum_us;
    _Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t us); /* negative counts as 0 */
/* The upper bound of the bucket that holds the given fraction (0-1) of all values; 0: none yet. */
uint64_t histogram_percentile(const struct histogram *h, double fraction);
/* How many values were at most `us` (rounded up to the end of its bucket). */
uint64_t histogram_at_most(const struct histogram *h, uint64_t us);
