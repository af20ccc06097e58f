#include "rtp/control/gcc_rate.h"

#include <math.h>

#define BETA 0.85
#define BETA_SHORT_QUEUE 0.92
#define BETA_FROM 0.95 /* a short queue needs no deep cut to drain: less 1.5 of it in seconds */
#define BETA_PER_S 1.5
#define SUDDEN 0.75 /* so much less in the short window: the path has changed */
#define GROWTH_PER_S 1.08
#define STEP_MIN_BPS 1000.0
#define NEAR_MIN_BPS_PER_S 4000.0
#define RESPONSE_US 100000 /* and a round trip: from a change until its effect is seen */
#define PACKET_BITS 9600.0
#define FRAMES_PER_S 30.0
#define ACKED_FACTOR 1.5
#define ACKED_MARGIN_BPS 10000.0
#define REDUCE_MIN_US 10000
#define REDUCE_MAX_US 200000
#define CAPACITY_ALPHA 0.05
#define DEVIATIONS 3.0
#define YIELD_TO 0.27 /* of the peak */
#define YIELD_RATIO 0.85
#define PEAK_KEPT_PER_S 0.99 /* as long as there is no queue */
#define PEAK_KEPT_QUEUED 0.997
#define VAR_MIN 0.4
#define VAR_MAX 2.5
/* Overuse with a short queue, while what is sent arrives as fast and is less than may be sent, was
 * jitter or somebody else's burst. */
#define CALM_QUEUE_US 50000
#define SHORT_QUEUE_US 80000
#define NO_QUEUE_US 15000 /* nothing to drain yet */
#define CALM_RATIO 0.9

void gcc_rate_init(struct gcc_rate *r, uint64_t start_bps, uint64_t min_bps, uint64_t max_bps,
                   int64_t now_us)
{
    *r = (struct gcc_rate){
        .bps = (double)start_bps,
        .min_bps = (double)min_bps,
        .max_bps = (double)max_bps,
        .capacity_var = VAR_MIN,
        .changed_us = now_us,
        .decreased_us = now_us,
    };
}

static void set(struct gcc_rate *r, double bps, int64_t now_us)
{
    r->bps = fmin(fmax(bps, r->min_bps), r->max_bps);
    r->changed_us = now_us;
}

static double deviation(const struct gcc_rate *r)
{
    return sqrt(r->capacity_var * r->capacity_kbps);
}

static void add_capacity_sample(struct gcc_rate *r, double acked_bps)
{
    double kbps = acked_bps / 1000;
    if (r->capacity_kbps > 0 && kbps < r->capacity_kbps - DEVIATIONS * deviation(r))
        r->capacity_kbps = 0; /* it is another path now */
    if (r->capacity_kbps <= 0)
        r->capacity_kbps = kbps;
    else
        r->capacity_kbps += CAPACITY_ALPHA * (kbps - r->capacity_kbps);
    double error = r->capacity_kbps - kbps;
    double norm = fmax(r->capacity_kbps, 1);
    r->capacity_var += CAPACITY_ALPHA * (error * error / norm - r->capacity_var);
    r->capacity_var = fmin(fmax(r->capacity_var, VAR_MIN), VAR_MAX);
}

/* About half a packet per response time: an average packet of an average frame. */
static double near_growth_bps_per_s(const struct gcc_rate *r, int64_t rtt_us)
{
    double frame_bits = r->bps / FRAMES_PER_S;
    double packet_bits = frame_bits / ceil(frame_bits / PACKET_BITS);
    return fmax(NEAR_MIN_BPS_PER_S, packet_bits * 1e6 / (double)(rtt_us + RESPONSE_US));
}

static void increase(struct gcc_rate *r, const struct gcc_rate_input *in, int64_t now_us)
{
    double acked = (double)in->acked_bps;
    double dt_s = fmin((double)(now_us - r->changed_us) / 1e6, 1);
    if (r->capacity_kbps > 0 && acked / 1000 > r->capacity_kbps + DEVIATIONS * deviation(r))
        r->capacity_kbps = 0;
    double limit = ACKED_FACTOR * acked + ACKED_MARGIN_BPS;
    r->changed_us = now_us;
    if (in->app_limited || in->acked_bps == 0 || r->bps >= limit)
        return;
    double next = r->bps;
    if (r->capacity_kbps > 0)
        next += near_growth_bps_per_s(r, in->rtt_us) * dt_s;
    else
        next += fmax(r->bps * (pow(GROWTH_PER_S, dt_s) - 1), STEP_MIN_BPS * dt_s);
    set(r, fmin(next, limit), now_us);
}

static bool may_reduce(const struct gcc_rate *r, double acked, int64_t rtt_us, int64_t now_us)
{
    int64_t gap = rtt_us < REDUCE_MIN_US ? REDUCE_MIN_US : rtt_us;
    if (gap > REDUCE_MAX_US)
        gap = REDUCE_MAX_US;
    return now_us - r->decreased_us >= gap || acked < r->bps / 2;
}

/* While a queue stands the path is full and this is what it takes; but the windows may begin before
 * it did, so the greater counts, unless the path has just become slower. A keyframe's queue is
 * short and over before the windows are full of it: then its own packets say what the path takes.
 */
static double arriving_bps(const struct gcc_rate_input *in)
{
    double longer = (double)in->acked_bps, shorter = (double)in->acked_short_bps;
    if (shorter > 0 && shorter < SUDDEN * longer)
        return shorter;
    double bps = fmax(longer, shorter);
    if (in->queue_us < SHORT_QUEUE_US)
        bps = fmax(bps, fmin((double)in->busy_bps, ACKED_FACTOR * bps));
    return bps;
}

static bool gets_through(const struct gcc_rate_input *in, double ratio)
{
    return (double)in->acked_bps >= ratio * (double)in->sent_bps;
}

static bool decrease(struct gcc_rate *r, const struct gcc_rate_input *in, int64_t now_us)
{
    double acked = arriving_bps(in);
    r->holds = true;
    if (acked <= 0 || in->queue_us < NO_QUEUE_US || !may_reduce(r, acked, in->rtt_us, now_us))
        return false;
    double beta = BETA_FROM - BETA_PER_S * (double)in->queue_us / 1e6;
    beta = fmin(fmax(beta, BETA), BETA_SHORT_QUEUE);
    double next = beta * acked;
    if (in->app_limited && gets_through(in, CALM_RATIO)) {
        if (in->queue_us < CALM_QUEUE_US)
            return false;
        next = fmax(ACKED_FACTOR * acked, BETA * r->bps);
    } else if (gets_through(in, YIELD_RATIO) && next < YIELD_TO * r->peak_bps) {
        next = YIELD_TO * r->peak_bps;
    } else {
        if (next > r->bps && r->capacity_kbps > 0)
            next = BETA * r->capacity_kbps * 1000;
        add_capacity_sample(r, acked);
    }
    r->decreased_us = now_us;
    if (next >= r->bps)
        return false;
    set(r, next, now_us);
    return true;
}

static void track_peak(struct gcc_rate *r, const struct gcc_rate_input *in, int64_t now_us)
{
    double dt_s = fmin((double)(now_us - r->updated_us) / 1e6, 1);
    r->updated_us = now_us;
    r->peak_bps *= pow(in->queue_us < NO_QUEUE_US ? PEAK_KEPT_PER_S : PEAK_KEPT_QUEUED, dt_s);
    r->peak_bps = fmax(r->peak_bps, (double)in->acked_bps);
}

bool gcc_rate_update(struct gcc_rate *r, const struct gcc_rate_input *in, int64_t now_us)
{
    track_peak(r, in, now_us);
    switch (in->usage) {
    case GCC_OVERUSE:
        return decrease(r, in, now_us);
    case GCC_UNDERUSE:
        r->holds = true;
        break;
    case GCC_NORMAL:
        if (r->holds)
            r->changed_us = now_us;
        r->holds = false;
        increase(r, in, now_us);
        break;
    }
    return false;
}

void gcc_rate_set(struct gcc_rate *r, double bps, int64_t now_us)
{
    set(r, bps, now_us);
}

void gcc_rate_raise(struct gcc_rate *r, double bps, int64_t now_us)
{
    r->peak_bps = fmax(r->peak_bps, bps);
    if (bps > r->bps)
        set(r, bps, now_us);
}
