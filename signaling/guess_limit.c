#include "signaling/guess_limit.h"

#include <string.h>

void guess_limit_init(struct guess_limit *l, uint64_t seed)
{
    memset(l, 0, sizeof(*l));
    l->seed = seed;
}

/* splitmix64's finalizer: every bit of the key moves the place. */
static struct guess_limit_entry *set_of(struct guess_limit *l, uint64_t key)
{
    uint64_t x = key ^ l->seed;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return l->entries[(x ^ x >> 31) % GUESS_LIMIT_SETS];
}

unsigned guess_limit_wait(struct guess_limit *l, uint64_t key, int64_t now_us)
{
    const struct guess_limit_entry *set = set_of(l, key);
    for (unsigned i = 0; i < GUESS_LIMIT_WAYS; i++) {
        if (set[i].key != key || set[i].n < GUESS_LIMIT_TRIES)
            continue;
        int64_t left_us = set[i].at_us[GUESS_LIMIT_TRIES - 1] + GUESS_LIMIT_WINDOW_US - now_us;
        if (left_us <= 0)
            return 0;
        l->n_refused++;
        return (unsigned)((left_us + 999999) / 1000000);
    }
    return 0;
}

void guess_limit_wrong(struct guess_limit *l, uint64_t key, int64_t now_us)
{
    struct guess_limit_entry *set = set_of(l, key), *e = set;
    for (unsigned i = 0; i < GUESS_LIMIT_WAYS; i++) {
        if (set[i].n != 0 && set[i].key == key) {
            e = &set[i];
            break;
        }
        if (e->n != 0 && (set[i].n == 0 || set[i].at_us[0] < e->at_us[0]))
            e = &set[i];
    }
    l->n_wrong++;
    if (e->n == 0 || e->key != key)
        *e = (struct guess_limit_entry){.key = key};
    memmove(&e->at_us[1], &e->at_us[0], (GUESS_LIMIT_TRIES - 1) * sizeof(e->at_us[0]));
    e->at_us[0] = now_us;
    e->n += e->n < GUESS_LIMIT_TRIES;
}
