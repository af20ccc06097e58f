/* tcp_flow.h - a bulk transfer as TCP does it, over a bottleneck: CUBIC's window (RFC 9438), a
 * drop halves it no more than once a round trip, every packet acknowledged. What is lost is not
 * sent again: only the load matters here. */
#pragma once

#include "tests/sim/bottleneck.h"

#define TCP_FLOW_ACKS 8192

struct tcp_flow {
    unsigned flow;
    int64_t back_us;
    double window, threshold, window_before; /* packets */
    int64_t since_us;                        /* the last decrease */
    uint32_t next_seq, expected, recover;
    unsigned in_flight;
    struct {
        int64_t at_us;
        unsigned lost; /* right before it */
    } acks[TCP_FLOW_ACKS];
    unsigned ack_head, n_acks;
};

void tcp_flow_init(struct tcp_flow *t, unsigned flow, int64_t back_us, int64_t now_us);
void tcp_flow_step(struct tcp_flow *t, struct bottleneck *b, int64_t now_us);
void tcp_flow_on_arrival(struct tcp_flow *t, const struct bottleneck_packet *p);
