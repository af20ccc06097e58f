/* gcc_rate.h - the delay-based estimate: up slowly, down at once (draft-ietf-rmcat-gcc-02 5.5).
 * Pure.
 *
 * Overuse: 0.85 of what arrives, up to 0.92 if the queue is short. Normal: 8 % a second, or, near
 * the rate at which the last overuses were (the capacity, a mean and its deviation), about half a
 * packet per response time. Underuse: it waits until the queue has drained. Never above 1.5 of what
 * arrives and 10 kbit/s, and nothing is gained while the application sends less than it may: that
 * says nothing about the path.
 *
 * A queue that stands although less than a quarter is sent of what the path took not long ago, and
 * all of it arrives, is somebody else's, a TCP's: giving way further would only starve us.
 */
#pragma once

#include "rtp/control/gcc_delay.h"

struct gcc_rate {
    double bps, min_bps, max_bps;
    bool holds;
    double peak_bps; /* the most that arrived or a probe has shown, slowly forgotten */
    double capacity_kbps, capacity_var; /* 0: not known; variance relative to the mean */
    int64_t changed_us, decreased_us, updated_us;
};

struct gcc_rate_input {
    enum gcc_usage usage;
    uint64_t acked_bps;       /* 0: not known */
    uint64_t acked_short_bps; /* over a shorter time, for decreases; 0: not known */
    uint64_t busy_bps;        /* what the path took while there was a queue; 0: not known */
    uint64_t sent_bps;
    int64_t queue_us, rtt_us;
    bool app_limited;
};

void gcc_rate_init(struct gcc_rate *r, uint64_t start_bps, uint64_t min_bps, uint64_t max_bps,
                   int64_t now_us);
/* True if it was decreased. */
bool gcc_rate_update(struct gcc_rate *r, const struct gcc_rate_input *in, int64_t now_us);
/* Without feedback: what the receiver estimates. */
void gcc_rate_set(struct gcc_rate *r, double bps, int64_t now_us);
/* A probe has shown this much. */
void gcc_rate_raise(struct gcc_rate *r, double bps, int64_t now_us);
