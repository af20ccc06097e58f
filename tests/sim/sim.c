#include "tests/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64: any seed will do. */
uint64_t sim_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

double sim_random_unit(uint64_t *state)
{
    return (double)(sim_random(state) >> 11) / 9007199254740992.0; /* 2^53 */
}

void sim_path_init(struct sim_path *p, const struct sim_path_config *config, uint64_t seed)
{
    *p = (struct sim_path){.config = *config, .random = seed};
}

void sim_path_finish(struct sim_path *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->queue[p->head + i]);
    free(p->queue);
    memset(p, 0, sizeof(*p));
}

static bool is_lost(struct sim_path *p)
{
    const struct sim_path_config *c = &p->config;
    double turn = p->in_burst ? c->burst_leave : c->burst_enter;
    if (turn > 0 && sim_random_unit(&p->random) < turn)
        p->in_burst = !p->in_burst;
    double loss = p->in_burst ? c->burst_loss : c->loss;
    return loss > 0 && sim_random_unit(&p->random) < loss;
}

/* Room for one more behind the last. */
static void make_room(struct sim_path *p)
{
    if (p->head > p->capacity / 2) {
        memmove(p->queue, p->queue + p->head, p->count * sizeof(struct sim_datagram *));
        p->head = 0;
    }
    if (p->head + p->count < p->capacity)
        return;
    p->capacity = p->capacity ? 2 * p->capacity : 64;
    p->queue = realloc(p->queue, p->capacity * sizeof(struct sim_datagram *));
    assert(p->queue);
}

void sim_path_send(struct sim_path *p, const uint8_t *data, size_t size, int64_t now_us)
{
    assert(size <= SIM_DATAGRAM_MAX);
    p->sent++;
    if (is_lost(p)) {
        p->lost++;
        return;
    }
    struct sim_datagram *d = malloc(sizeof(*d));
    assert(d);
    d->at_us = now_us + p->config.delay_us;
    if (p->config.jitter_us > 0)
        d->at_us += (int64_t)(sim_random(&p->random) % (uint64_t)p->config.jitter_us);
    d->size = size;
    memcpy(d->data, data, size);

    make_room(p);
    size_t at = p->head + p->count++;
    for (; at > p->head && p->queue[at - 1]->at_us > d->at_us; at--)
        p->queue[at] = p->queue[at - 1];
    p->queue[at] = d;
}

struct sim_datagram *sim_path_receive(struct sim_path *p, int64_t now_us)
{
    if (p->count == 0 || p->queue[p->head]->at_us > now_us)
        return NULL;
    p->count--;
    return p->queue[p->head++];
}

int64_t sim_path_next_timeout(const struct sim_path *p)
{
    return p->count > 0 ? p->queue[p->head]->at_us : INT64_MAX;
}
