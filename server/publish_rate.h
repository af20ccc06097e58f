/* publish_rate.h - how much an encoder may make when all of it goes over one uplink. Pure.
 *
 * It falls at once, under what the path is known to take, and comes up to that again by large
 * steps. Beyond that, while the path shows no limit, by small ones: an estimate cannot rise far
 * above what is sent. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PUBLISH_RATE_STEP_US 1000000
#define PUBLISH_RATE_MIN_BPS 150000

struct publish_rate {
    uint64_t bps;    /* 0: nothing has been decided yet: the most */
    int64_t next_us; /* when it may rise again */
};

struct publish_path {
    int64_t target_bps; /* that it is sent by; -1: not known */
    bool narrow;        /* the path has shown to be a limit */
};

/* What the pictures may take altogether now: `most` at most. Called once a second or more often. */
uint64_t publish_rate_next(struct publish_rate *r, const struct publish_path *path, uint64_t most,
                           int64_t now_us);
