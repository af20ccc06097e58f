#include "rtp/control/gcc_loss.h"

#include <math.h>

#define LOW 0.02
#define HIGH 0.10
#define INHERENT_MAX 0.30
#define OBSERVE_US 250000
#define OBSERVE_MAX_US 1000000
#define PACKETS_MIN 20
#define GROWTH_PER_S 1.08
#define DECREASE_GAP_US 300000
#define EPISODE_US 3000000
#define STANDING_US 3000000
#define TEST_FACTOR 0.85
#define TEST_US 2500000
#define TEST_SETTLE_US 500000
#define TEST_GAP_US 10000000
#define FELL_TO 0.85  /* when the rate fell so far ... */
#define STAYED_AT 0.8 /* ... and the loss did not, it is the path's own */
#define SMOOTHING 0.3

void gcc_loss_init(struct gcc_loss *l, int64_t now_us)
{
    *l = (struct gcc_loss){
        .since_us = now_us,
        .observed_us = now_us,
        .decreased_us = INT64_MIN / 2,
    };
}

void gcc_loss_add(struct gcc_loss *l, uint32_t received, uint32_t lost, uint32_t late)
{
    l->received += received;
    l->lost += lost;
    l->lost -= late < l->lost ? late : l->lost;
}

void gcc_loss_discard(struct gcc_loss *l, int64_t now_us)
{
    l->received = l->lost = 0;
    l->since_us = now_us;
}

static void set_inherent(struct gcc_loss *l, double fraction)
{
    l->inherent = fmin(fmax(l->inherent, fraction), INHERENT_MAX);
    l->standing = false;
    l->episode_fraction = 0;
}

static void on_low(struct gcc_loss *l, const struct gcc_loss_input *in, double dt_s)
{
    l->standing = false;
    if (l->bound_bps <= 0)
        return;
    l->bound_bps = l->bound_bps * pow(GROWTH_PER_S, dt_s) + 1000 * dt_s;
    if (l->bound_bps > 2 * in->estimate_bps)
        l->bound_bps = 0;
}

static void on_middle(struct gcc_loss *l, const struct gcc_loss_input *in, int64_t now_us)
{
    if (l->bound_bps <= 0)
        l->bound_bps = in->estimate_bps;
    if (!in->calm || !l->standing) {
        l->standing = in->calm;
        l->phase_us = now_us;
        return;
    }
    if (now_us - l->phase_us < STANDING_US || now_us < l->next_test_us)
        return;
    l->standing = false;
    l->testing = true;
    l->phase_us = now_us;
    l->tested_bps = l->bound_bps;
    l->bound_bps *= TEST_FACTOR;
    l->test_sum = 0;
    l->test_count = 0;
}

/* What is still lost while less is sent is the path's own. */
static void on_test(struct gcc_loss *l, const struct gcc_loss_input *in, int64_t now_us)
{
    if (now_us - l->phase_us > in->rtt_us + TEST_SETTLE_US) {
        l->test_sum += l->fraction;
        l->test_count++;
    }
    if (now_us - l->phase_us < TEST_US || l->test_count == 0)
        return;
    l->testing = false;
    l->next_test_us = now_us + TEST_GAP_US;
    if (l->bound_bps < l->tested_bps)
        l->bound_bps = l->tested_bps;
    l->smoothed = l->test_sum / l->test_count;
    set_inherent(l, l->smoothed);
}

static void on_high(struct gcc_loss *l, const struct gcc_loss_input *in, int64_t now_us)
{
    l->standing = l->testing = false;
    if (now_us - l->decreased_us < DECREASE_GAP_US + in->rtt_us)
        return;
    double bps = gcc_loss_bound(l, in->estimate_bps);
    if (l->episode_fraction <= 0 || now_us - l->decreased_us > EPISODE_US) {
        l->episode_fraction = l->fraction;
        l->episode_bps = bps;
    } else if (in->calm && l->fraction <= INHERENT_MAX && bps <= FELL_TO * l->episode_bps &&
               l->fraction >= STAYED_AT * l->episode_fraction) {
        l->bound_bps = l->episode_bps;
        set_inherent(l, l->smoothed);
        return;
    }
    l->bound_bps = fmax(bps * (1 - 0.5 * l->fraction), fmin((double)in->acked_bps, bps));
    l->decreased_us = now_us;
}

void gcc_loss_observe(struct gcc_loss *l, double fraction, const struct gcc_loss_input *in,
                      int64_t now_us)
{
    double dt_s = fmin((double)(now_us - l->observed_us) / 1e6, 1);
    l->observed_us = now_us;
    l->fraction = fraction;
    l->smoothed += SMOOTHING * (fraction - l->smoothed);
    if (l->inherent > l->smoothed)
        l->inherent = l->smoothed;
    if (l->testing && fraction <= l->inherent + HIGH)
        on_test(l, in, now_us);
    else if (fraction <= l->inherent + LOW)
        on_low(l, in, dt_s);
    else if (fraction <= l->inherent + HIGH)
        on_middle(l, in, now_us);
    else
        on_high(l, in, now_us);
}

void gcc_loss_update(struct gcc_loss *l, const struct gcc_loss_input *in, int64_t now_us)
{
    uint32_t n = l->received + l->lost;
    int64_t age = now_us - l->since_us;
    if (n == 0 || age < OBSERVE_US || (n < PACKETS_MIN && age < OBSERVE_MAX_US))
        return;
    double fraction = (double)l->lost / n;
    gcc_loss_discard(l, now_us);
    gcc_loss_observe(l, fraction, in, now_us);
}

void gcc_loss_raise(struct gcc_loss *l, double bps)
{
    if (l->bound_bps > 0 && l->bound_bps < bps)
        l->bound_bps = bps;
}

double gcc_loss_bound(const struct gcc_loss *l, double bps)
{
    return l->bound_bps > 0 ? fmin(l->bound_bps, bps) : bps;
}
