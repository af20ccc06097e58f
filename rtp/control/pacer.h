/* pacer.h - a token bucket in bytes: how much one viewer may be sent now. Pure.
 *
 * Invariant: over any interval of length t, at most rate_bps / 8 * t + burst_bytes leave. A packet may be
 * sent while the balance is positive, so that the balance is never below minus one burst segment train.
 */
#pragma once

#include <stdint.h>

struct pacer {
    uint64_t rate_bps;
    int64_t burst_bytes;
    int64_t balance_bytes;
    int64_t updated_us;
};

void pacer_init(struct pacer *p, uint64_t rate_bps, int64_t burst_bytes, int64_t now_us);
void pacer_set_rate(struct pacer *p, uint64_t rate_bps, int64_t now_us);
int64_t pacer_available(struct pacer *p, int64_t now_us); /* bytes; <= 0: wait */
void pacer_spend(struct pacer *p, int64_t bytes);
int64_t pacer_next_timeout(const struct pacer *p); /* when the balance is positive again */
