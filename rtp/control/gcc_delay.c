#include "rtp/control/gcc_delay.h"

#include <math.h>
#include <stdlib.h>

#define GROUP_US 5000
#define BURST_GAP_US 5000
#define BURST_MAX_US 100000
#define JUMP_US 3000000 /* a step of either clock */

#define SMOOTHING 0.9
#define GAIN 4.0
#define N_DELTAS_MAX 60
#define THRESHOLD_START_MS 12.5
#define THRESHOLD_MIN_MS 6.0
#define THRESHOLD_MAX_MS 600.0
#define OUTLIER_MS 15.0 /* this far above the threshold is no reason to move it */
#define K_UP 0.0087
#define K_DOWN 0.039
#define OVERUSE_MS 10.0
#define BASE_HALF_US 10000000
#define STOOD 4 /* so much less the newest of a group waited than its first one */
#define BUSY_MIN_US 40000

void gcc_delay_init(struct gcc_delay *d)
{
    *d = (struct gcc_delay){
        .usage = GCC_NORMAL,
        .threshold = THRESHOLD_START_MS,
        .over_ms = -1,
        .base_us = {INT64_MAX, INT64_MAX},
        .newest_us = INT64_MIN,
    };
}

static int64_t base_us(const struct gcc_delay *d)
{
    return d->base_us[0] < d->base_us[1] ? d->base_us[0] : d->base_us[1];
}

static void track_base(struct gcc_delay *d, int64_t sent_us, int64_t way_us)
{
    if (sent_us - d->base_since_us >= BASE_HALF_US) {
        d->base_us[1] = d->base_us[0];
        d->base_us[0] = INT64_MAX;
        d->base_since_us = sent_us;
    }
    if (way_us < d->base_us[0])
        d->base_us[0] = way_us;
    d->queue_us = way_us - base_us(d);
}

/* Least squares over the window; false if it has no width. Sums of times before the newest arrival:
 * small numbers, so that one pass is exact enough. */
static bool slope(const struct gcc_delay *d, double *out)
{
    double x_sum = 0, y_sum = 0, xy_sum = 0, xx_sum = 0;
    for (unsigned i = 0; i < GCC_DELAY_WINDOW; i++) {
        double x = (double)(d->at_us[i] - d->arrived_us), y = (double)d->sum_ms[i] - d->smoothed_ms;
        x_sum += x;
        y_sum += y;
        xy_sum += x * y;
        xx_sum += x * x;
    }
    double width = GCC_DELAY_WINDOW * xx_sum - x_sum * x_sum;
    if (width <= 0)
        return false;
    *out = 1000 * (GCC_DELAY_WINDOW * xy_sum - x_sum * y_sum) / width;
    return true;
}

static void adapt_threshold(struct gcc_delay *d, int64_t now_us)
{
    double size = fabs(d->trend);
    double dt_ms = fmin((double)(now_us - d->threshold_us) / 1000, 100);
    d->threshold_us = now_us;
    if (size > d->threshold + OUTLIER_MS || dt_ms <= 0)
        return;
    double k = size < d->threshold ? K_DOWN : K_UP;
    d->threshold += k * (size - d->threshold) * dt_ms;
    d->threshold = fmin(fmax(d->threshold, THRESHOLD_MIN_MS), THRESHOLD_MAX_MS);
}

static void detect(struct gcc_delay *d, double trend, double sent_ms)
{
    double before = d->trend;
    d->trend = trend;
    if (trend > d->threshold) {
        d->over_ms = d->over_ms < 0 ? sent_ms / 2 : d->over_ms + sent_ms;
        d->over_count++;
        if (d->over_ms > OVERUSE_MS && d->over_count > 1 && trend >= before) {
            d->over_ms = 0;
            d->over_count = 0;
            d->usage = GCC_OVERUSE;
        }
    } else {
        d->over_ms = -1;
        d->over_count = 0;
        d->usage = trend < -d->threshold ? GCC_UNDERUSE : GCC_NORMAL;
    }
    adapt_threshold(d, d->arrived_us);
}

/* The current group has become the one before; (arrived_us, sent_us) begins the next. */
static void on_group(struct gcc_delay *d, int64_t sent_step_us, int64_t arrived_step_us)
{
    if (d->n_deltas < N_DELTAS_MAX)
        d->n_deltas++;
    d->accumulated_ms += (double)(arrived_step_us - sent_step_us) / 1000;
    d->smoothed_ms = SMOOTHING * d->smoothed_ms + (1 - SMOOTHING) * d->accumulated_ms;
    d->at_us[d->head] = d->arrived_us;
    d->sum_ms[d->head] = (float)d->smoothed_ms;
    d->head = (uint8_t)((d->head + 1) % GCC_DELAY_WINDOW);
    if (d->count < GCC_DELAY_WINDOW)
        d->count++;
    double trend;
    if (d->count == GCC_DELAY_WINDOW && slope(d, &trend))
        detect(d, trend * d->n_deltas * GAIN, (double)sent_step_us / 1000);
}

static void begin_group(struct gcc_delay *d, int64_t sent_us, int64_t arrived_us)
{
    d->sent_us = sent_us;
    d->arrived_us = d->last_arrived_us = arrived_us;
}

/* Right behind the group before it, having waited less: a link let both through at once. */
static bool is_burst(const struct gcc_delay *d, int64_t sent_us, int64_t arrived_us)
{
    return arrived_us - d->arrived_us < sent_us - d->sent_us &&
           arrived_us - d->last_arrived_us <= BURST_GAP_US &&
           arrived_us - d->arrived_us < BURST_MAX_US;
}

void gcc_delay_on_packet(struct gcc_delay *d, int64_t sent_us, int64_t arrived_us)
{
    int64_t sent_step = sent_us - d->sent_us, arrived_step = arrived_us - d->arrived_us;
    if (!d->any || llabs(arrived_step - sent_step) > JUMP_US) {
        gcc_delay_init(d);
        d->any = true;
        d->base_since_us = sent_us;
        begin_group(d, sent_us, arrived_us);
        track_base(d, sent_us, arrived_us - sent_us);
        return;
    }
    if (sent_step < 0)
        return; /* a late one, of a group that is done */
    if (sent_step <= GROUP_US || is_burst(d, sent_us, arrived_us)) {
        if (arrived_us > d->last_arrived_us)
            d->last_arrived_us = arrived_us;
        int64_t waited_us = arrived_us - sent_us - base_us(d);
        if (waited_us >= 0 && waited_us < d->queue_us / STOOD)
            d->queue_us = waited_us;
        return;
    }
    begin_group(d, sent_us, arrived_us);
    track_base(d, sent_us, arrived_us - sent_us);
    on_group(d, sent_step, arrived_step);
}

void gcc_delay_on_arrival(struct gcc_delay *d, unsigned bytes, int64_t sent_us, int64_t arrived_us)
{
    if (!d->any || d->newest_us == INT64_MIN) {
        d->newest_us = arrived_us;
        return;
    }
    int64_t step = arrived_us - d->newest_us;
    if (step < 0)
        return;
    /* it was in the queue already when the one before left it */
    if (arrived_us - sent_us - base_us(d) >= step) {
        d->busy_bytes += bytes;
        d->busy_us += step;
    }
    d->newest_us = arrived_us;
}

void gcc_delay_age(struct gcc_delay *d)
{
    d->busy_bytes /= 2;
    d->busy_us /= 2;
}

uint64_t gcc_delay_busy_bps(const struct gcc_delay *d)
{
    return d->busy_us < BUSY_MIN_US ? 0 : d->busy_bytes * 8000000 / (uint64_t)d->busy_us;
}

enum gcc_usage gcc_delay_usage(const struct gcc_delay *d)
{
    return d->usage;
}

int64_t gcc_delay_queue_us(const struct gcc_delay *d)
{
    return d->queue_us;
}
