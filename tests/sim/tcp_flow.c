#include "tests/sim/tcp_flow.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define PACKET 1500
#define BETA 0.7
#define CUBIC 0.4
#define BURST 10 /* packets a step */

void tcp_flow_init(struct tcp_flow *t, unsigned flow, int64_t back_us, int64_t now_us)
{
    memset(t, 0, sizeof(*t));
    t->flow = flow;
    t->back_us = back_us;
    t->window = 10;
    t->threshold = 1e9;
    t->since_us = now_us;
}

static void grow(struct tcp_flow *t, int64_t now_us)
{
    if (t->window < t->threshold) {
        t->window += 1;
        return;
    }
    double s = (double)(now_us - t->since_us) / 1e6;
    double k = cbrt(t->window_before * (1 - BETA) / CUBIC);
    double cubic = CUBIC * (s - k) * (s - k) * (s - k) + t->window_before;
    double step = cubic > t->window ? (cubic - t->window) / t->window : 0;
    t->window += fmin(fmax(step, 0.5 / t->window), 0.5);
}

static void on_loss(struct tcp_flow *t, int64_t now_us)
{
    t->window_before = t->window;
    t->window = t->threshold = fmax(BETA * t->window, 2);
    t->since_us = now_us;
    t->recover = t->next_seq;
}

void tcp_flow_on_arrival(struct tcp_flow *t, const struct bottleneck_packet *p)
{
    assert(t->n_acks < TCP_FLOW_ACKS);
    unsigned i = (t->ack_head + t->n_acks++) % TCP_FLOW_ACKS;
    t->acks[i].at_us = p->arrives_us + t->back_us;
    t->acks[i].lost = p->seq - t->expected;
    t->expected = p->seq + 1;
}

void tcp_flow_step(struct tcp_flow *t, struct bottleneck *b, int64_t now_us)
{
    while (t->n_acks > 0 && t->acks[t->ack_head].at_us <= now_us) {
        unsigned lost = t->acks[t->ack_head].lost;
        t->ack_head = (t->ack_head + 1) % TCP_FLOW_ACKS;
        t->n_acks--;
        t->in_flight -= 1 + lost;
        if (lost > 0 && (int32_t)(t->expected - t->recover) >= 0)
            on_loss(t, now_us);
        else
            grow(t, now_us);
    }
    for (int n = 0; n < BURST && t->in_flight < (unsigned)t->window; n++) {
        t->in_flight++;
        bottleneck_send(b, t->flow, t->next_seq++, PACKET, now_us);
    }
}
