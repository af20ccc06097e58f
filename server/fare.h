/* fare.h - how the viewers of a room fare, in words and numbers, for who presents there. Pure.
 *
 * Zeroed; fare_add for each viewer, fare_tell.
 */
#pragma once

#include "rtp/control/audience.h"
#include "rtp/forward/forwarder.h"
#include "signaling/backend.h"

#include <stdbool.h>
#include <stdint.h>

enum fare_level { FARE_JOINING = 1, FARE_GOOD, FARE_POOR };

struct fare {
    enum fare_level level;
    unsigned weight;  /* of two that fare poorly the greater is worse */
    const char *code; /* stable: "network-too-slow", "packet-loss", "decoder-too-slow",
                       * "no-common-codec"; "": nothing is wrong */
    char words[96];   /* the same for a person */
};

struct fare_room {
    unsigned viewers, good, poor, joining;
    unsigned watching; /* layers of the first picture, a bit each, bit 0 the smallest */
    struct fare worst;
    struct audience rates; /* what their paths take, where that is known */
};

/* `report` is what its player last said; NULL: nothing. */
void fare_judge(struct fare *out, const struct forwarder_viewer_stats *v,
                const struct backend_viewer_report *report);
void fare_add(struct fare_room *room, const struct forwarder_viewer_stats *v,
              const struct backend_viewer_report *report);
/* Without `layers`. The rate counts only where more than nine in ten are held back by their paths:
 * of the others nobody knows how much they could take. */
void fare_tell(const struct fare_room *room, struct backend_audience *out);
/* What the viewer's path takes of each of the pictures it watches, which share it evenly, goes into
 * `rates` if stream `id` is one of them. Sound not counted. */
void fare_add_picture(struct audience *rates, const struct forwarder_viewer_stats *v, uint32_t id);
/* What an encoder should make at most for those; 0: there is no limit. `before`: what that was; it
 * stays where it would be about the same. Once nobody is held back by it any more it is raised in
 * steps, when `raises`. */
uint64_t fare_most_bps(const struct audience *rates, uint64_t before, bool raises);
/* The same of a picture's smallest layer, which is for those whose paths do not take more: only
 * they are added, and half of them are to take it. */
void fare_add_small(struct audience *small, const struct forwarder_viewer_stats *v, uint32_t id);
uint64_t fare_small_bps(const struct audience *small, uint64_t before);
