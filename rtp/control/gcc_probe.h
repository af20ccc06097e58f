/* gcc_probe.h - short bursts above the estimate that show what a path can take. Pure.
 *
 * One probe at a time: at least 30 ms and, if 150 ms are enough for that, 8 packets at its rate,
 * media first and padding (RTX) for what is missing, in trains 2.5 ms or more apart. From first
 * train to last, each by its first packet, as much arrives as the path takes: bytes of all trains
 * but the last, over the time between. A probe that arrives slower than it was sent has met the
 * limit; its result is 0.95 of that.
 *
 *     begin ─▶ ACTIVE ─(sent, or late)─▶ WAITING ─(its last packet's fate, or 1 s)─▶ IDLE
 */
#pragma once

#include "rtp/control/twcc.h"

#include <stdbool.h>
#include <stdint.h>

enum gcc_probe_state { GCC_PROBE_IDLE = 1, GCC_PROBE_ACTIVE, GCC_PROBE_WAITING };

struct gcc_probe {
    enum gcc_probe_state state;
    uint64_t bps;
    int64_t begun_us, polled_us;
    int64_t sent_us;             /* the last packet */
    uint32_t goal, sent;         /* bytes */
    uint16_t first_seq, packets; /* its transport-wide sequence numbers; packets 0: none */

    /* what arrived */
    bool ended;
    int64_t first_sent_us, first_arrived_us; /* of the first train */
    int64_t last_sent_us, last_arrived_us;   /* of the newest train, its first packet */
    uint32_t bytes, last_bytes;              /* all; those of the newest train */
    uint16_t arrived, trains;
};

struct gcc_probe_result {
    bool done;    /* the probe is over; below is 0 if nothing was learnt */
    double bps;   /* what the path takes */
    bool limited; /* the path was the limit: less arrived than was sent */
    uint64_t aimed_bps;
};

void gcc_probe_init(struct gcc_probe *p);
void gcc_probe_begin(struct gcc_probe *p, uint64_t bps, int64_t now_us); /* none may be under way */
/* Whatever is sent while a probe is active is part of it. */
void gcc_probe_on_sent(struct gcc_probe *p, uint16_t seq, unsigned bytes, int64_t now_us);
/* Bytes that should be sent now to keep to the probe's rate. */
uint32_t gcc_probe_wants(const struct gcc_probe *p, int64_t now_us);
bool gcc_probe_has(const struct gcc_probe *p, uint16_t seq);
void gcc_probe_on_result(struct gcc_probe *p, const struct twcc_result *r);
/* After each feedback, and when gcc_probe_next_timeout says so. */
struct gcc_probe_result gcc_probe_poll(struct gcc_probe *p, int64_t now_us);
int64_t gcc_probe_next_timeout(const struct gcc_probe *p);
