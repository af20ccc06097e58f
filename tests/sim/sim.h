/* sim.h - a lossy network on a virtual clock, the same on every run.
 *
 * A sim_path carries datagrams one way. Each arrives delay_us to delay_us + jitter_us after it was
 * sent (so jitter also reorders) or is lost: with probability `loss`, and while in a burst with
 * `burst_loss` (Gilbert-Elliott: bursts begin and end per packet). The configuration may be
 * changed at any time. One thread; time is an argument in microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_DATAGRAM_MAX 1500

struct sim_path_config {
    int64_t delay_us, jitter_us;
    double loss;
    double burst_enter, burst_leave, burst_loss; /* burst_enter 0: no bursts */
};

struct sim_datagram {
    int64_t at_us; /* when it arrives */
    size_t size;
    uint8_t data[SIM_DATAGRAM_MAX];
};

struct sim_path {
    struct sim_path_config config;
    uint64_t random;
    bool in_burst;
    struct sim_datagram **queue; /* owned: by arrival, from head on */
    size_t head, count, capacity;
    uint64_t sent, lost;
};

void sim_path_init(struct sim_path *p, const struct sim_path_config *config, uint64_t seed);
void sim_path_finish(struct sim_path *p);
void sim_path_send(struct sim_path *p, const uint8_t *data, size_t size, int64_t now_us);
/* The next one that has arrived by now_us, for the caller to free; NULL: none. */
struct sim_datagram *sim_path_receive(struct sim_path *p, int64_t now_us);
int64_t sim_path_next_timeout(const struct sim_path *p); /* INT64_MAX: nothing is under way */

uint64_t sim_random(uint64_t *state);
double sim_random_unit(uint64_t *state); /* 0 to below 1 */
