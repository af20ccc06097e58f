#include "tests/load/freeze.h"

#include <string.h>

enum {
    CLOCK_HZ = 90000,
    STEP_MIN = 3 * CLOCK_HZ / 1000,
    STEP_MAX = 10 * CLOCK_HZ, /* above: another timeline */
};

void freeze_init(struct freeze *f)
{
    *f = (struct freeze){0};
}

static uint32_t median_step(const struct freeze *f)
{
    unsigned n = f->n_steps < FREEZE_STEPS ? f->n_steps : FREEZE_STEPS;
    uint32_t sorted[FREEZE_STEPS];
    if (n < FREEZE_STEPS_MIN)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = i;
        for (; k > 0 && sorted[k - 1] > f->steps[i]; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = f->steps[i];
    }
    return sorted[n / 2];
}

int64_t freeze_interval_us(const struct freeze *f)
{
    return (int64_t)median_step(f) * 1000000 / CLOCK_HZ;
}

static void judge(struct freeze *f, int64_t now_us)
{
    int64_t interval_us = freeze_interval_us(f);
    int64_t over_us = now_us - f->at_us - interval_us;
    if (interval_us == 0 || interval_us > FREEZE_US || over_us <= FREEZE_US)
        return;
    f->freezes++;
    f->frozen_us += over_us;
    if (over_us > f->longest_us)
        f->longest_us = over_us;
}

static void count_skipped(struct freeze *f, uint32_t step)
{
    uint32_t usual = median_step(f);
    if (usual != 0 && step > usual + usual / 2)
        f->skipped += (step + usual / 2) / usual - 1;
}

void freeze_on_timestamp(struct freeze *f, uint32_t timestamp, bool gap)
{
    uint32_t step = timestamp - f->timestamp;
    if (f->any_timestamp && (step == 0 || step > INT32_MAX))
        return; /* the same frame, or an older one */
    if (f->any_timestamp && step >= STEP_MIN && step <= STEP_MAX) {
        if (!gap)
            count_skipped(f, step);
        f->steps[f->n_steps++ % FREEZE_STEPS] = step;
    }
    f->any_timestamp = true;
    f->timestamp = timestamp;
}

void freeze_on_frame(struct freeze *f, int64_t now_us)
{
    if (f->any_frame)
        judge(f, now_us);
    f->any_frame = true;
    f->at_us = now_us;
}

void freeze_finish(struct freeze *f, int64_t now_us)
{
    if (f->any_frame)
        judge(f, now_us);
    f->any_frame = false;
}
