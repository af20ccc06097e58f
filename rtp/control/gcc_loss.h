/* gcc_loss.h - what loss allows (draft-ietf-rmcat-gcc-02 6). Pure.
 *
 * An upper bound, which is none until loss sets one. Up to 2 % loss it grows by 8 % a second; up to
 * 10 % it stands; above, it is what was sent less half the loss, once per round trip and 300 ms,
 * but not below what arrives. Loss that stays when the rate falls, or lasts while the queue is
 * empty, is the path's own: both limits are then counted from it, so that a bad radio link is not
 * given up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gcc_loss {
    double bound_bps;        /* 0: none */
    uint32_t received, lost; /* since the last observation */
    int64_t since_us, observed_us;
    double fraction; /* of the last observation */
    double smoothed;
    double inherent;
    /* loss between the limits without a queue; then the test */
    bool standing, testing;
    int64_t phase_us, next_test_us;
    double tested_bps; /* the bound before the test */
    double test_sum;
    unsigned test_count;

    double episode_fraction, episode_bps; /* at the first decrease of several; 0: none */
    int64_t decreased_us;
};

struct gcc_loss_input {
    double estimate_bps; /* without the bound */
    uint64_t acked_bps;
    int64_t rtt_us;
    bool calm; /* the queue is short and does not grow */
};

void gcc_loss_init(struct gcc_loss *l, int64_t now_us);
/* `late`: of the received, those that had been added as lost. */
void gcc_loss_add(struct gcc_loss *l, uint32_t received, uint32_t lost, uint32_t late);
/* What was added is not the rate's fault: the path was away. */
void gcc_loss_discard(struct gcc_loss *l, int64_t now_us);
void gcc_loss_update(struct gcc_loss *l, const struct gcc_loss_input *in, int64_t now_us);
/* An observation made elsewhere: a receiver report's. */
void gcc_loss_observe(struct gcc_loss *l, double fraction, const struct gcc_loss_input *in,
                      int64_t now_us);
/* A probe has shown that so much arrives. */
void gcc_loss_raise(struct gcc_loss *l, double bps);
double gcc_loss_bound(const struct gcc_loss *l, double bps); /* the lesser of both */
