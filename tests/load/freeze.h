/* freeze.h - pauses that somebody who watches would notice. Pure.
 *
 * Life: freeze_init; freeze_on_timestamp whenever a packet brings a newer RTP timestamp; for every
 * whole frame in order freeze_on_frame; freeze_finish when the watching ends. A freeze is more than
 * FREEZE_US between two whole frames on top of the source's usual frame interval: the median of the
 * last timestamp steps, broken frames included. While that is not known yet, or is that of fewer
 * than five frames a second, nothing is judged. Steps under 3 ms are those of frames sent in a row
 * to somebody who joins: they say nothing about the source.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FREEZE_US 200000
#define FREEZE_STEPS 15    /* remembered */
#define FREEZE_STEPS_MIN 3 /* to judge by */

struct freeze {
    bool any_timestamp, any_frame;
    uint32_t timestamp; /* the newest, 90 kHz */
    int64_t at_us;      /* when the newest whole frame was whole */
    uint32_t steps[FREEZE_STEPS];
    unsigned n_steps;

    uint64_t freezes;
    uint64_t skipped; /* frames that were never sent: timestamps missing where no packet is */
    int64_t frozen_us, longest_us; /* time over the usual interval, during freezes */
};

void freeze_init(struct freeze *f);
/* `gap`: packets are missing before this one. */
void freeze_on_timestamp(struct freeze *f, uint32_t timestamp, bool gap);
void freeze_on_frame(struct freeze *f, int64_t now_us);
void freeze_finish(struct freeze *f, int64_t now_us); /* a stream that has stopped is frozen too */
int64_t freeze_interval_us(const struct freeze *f);   /* 0: not known */
