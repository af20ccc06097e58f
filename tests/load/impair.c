#include "tests/load/impair.h"

#include <assert.h>

void impair_init(struct impair *p, const struct impair_config *config, uint64_t seed)
{
    assert(config->loss >= 0 && config->loss <= 1 && config->reorder >= 0 && config->reorder <= 1);
    assert(config->jitter_us >= 0);
    *p = (struct impair){
        .config = *config, .random = seed, .free_us = INT64_MIN / 2, .last_us = INT64_MIN};
}

bool impair_is_idle(const struct impair_config *config)
{
    return config->loss <= 0 && config->reorder <= 0 && config->jitter_us == 0 &&
           config->rate_bps == 0;
}

/* splitmix64 */
static uint64_t next_random(struct impair *p)
{
    uint64_t z = p->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Evenly in [0, 1). */
static double next_real(struct impair *p)
{
    return (double)(next_random(p) >> 11) * 0x1p-53;
}

static int64_t bytes_us(const struct impair *p, size_t size)
{
    return (int64_t)(size * 8 * UINT64_C(1000000) / p->config.rate_bps);
}

/* The bucket as a virtual queue: it is full at free_us, and holds one burst. */
static int64_t through_bucket(struct impair *p, size_t size, int64_t now_us)
{
    if (p->config.rate_bps == 0)
        return now_us;
    int64_t start_us = p->free_us > now_us ? p->free_us : now_us;
    int64_t free_us = start_us + bytes_us(p, size);
    int64_t leaves_us = free_us - bytes_us(p, IMPAIR_BURST_BYTES);
    if (leaves_us > now_us + IMPAIR_QUEUE_US) {
        p->overflowed++;
        return IMPAIR_LOST;
    }
    p->free_us = free_us;
    return leaves_us > now_us ? leaves_us : now_us;
}

int64_t impair_admit(struct impair *p, size_t size, int64_t now_us)
{
    if (p->config.loss > 0 && next_real(p) < p->config.loss) {
        p->lost++;
        return IMPAIR_LOST;
    }
    int64_t at_us = through_bucket(p, size, now_us);
    if (at_us == IMPAIR_LOST)
        return at_us;
    if (p->config.jitter_us > 0)
        at_us += (int64_t)(next_real(p) * (double)(p->config.jitter_us + 1));
    if (at_us < p->last_us)
        at_us = p->last_us;
    p->last_us = at_us;
    bool late = p->config.reorder > 0 && next_real(p) < p->config.reorder;
    return late ? at_us + IMPAIR_REORDER_US : at_us;
}
