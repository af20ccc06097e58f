/* gcc_delay.h - is the queue on the way to a receiver growing? (draft-ietf-rmcat-gcc-02 5). Pure.
 *
 * Packets sent within 5 ms are a group, and a group is where its first packet is: what it waited is
 * what the groups before it left in the queue. (The draft takes the last packet, which also waits
 * for its own group: with whole frames sent as one train that would read every large frame as a
 * growing queue.) Groups that arrive in one burst after a pause, as over radio links, count as one.
 *
 * The change of the waiting time from group to group is summed up and smoothed; the slope of the
 * line through the last 20 sums, times a gain, is compared with a threshold that follows it slowly
 * (5.4 of the draft: a fixed one would starve beside TCP). Above it for 10 ms: overuse; below its
 * negative: the queue drains, underuse.
 *
 * A receiver that stood still for a moment reads what came meanwhile at once: the first of it looks
 * late, the last does not. Then what the newest packet waited counts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GCC_DELAY_WINDOW 20

enum gcc_usage { GCC_NORMAL = 1, GCC_OVERUSE, GCC_UNDERUSE };

struct gcc_delay {
    bool any;
    int64_t sent_us, arrived_us; /* first packet of the current group */
    int64_t last_arrived_us;     /* newest packet of it */

    /* the line */
    int64_t at_us[GCC_DELAY_WINDOW]; /* arrivals */
    float sum_ms[GCC_DELAY_WINDOW];  /* smoothed */
    uint8_t head, count;
    uint8_t n_deltas; /* up to 60 */
    double accumulated_ms, smoothed_ms;

    /* the detector */
    enum gcc_usage usage;
    double trend, threshold; /* ms, after the gain */
    double over_ms;          /* how long it has been above; < 0: it is not */
    unsigned over_count;
    int64_t threshold_us; /* when it was last changed */

    /* waiting time above the least of the last 10 to 20 s: two halves, so that clocks may drift */
    int64_t base_us[2], base_since_us;
    int64_t queue_us;

    /* packets that left the queue right behind the one before: the path's own pace. Both are halved
     * at each gcc_delay_age. */
    int64_t newest_us; /* arrival of the newest packet; INT64_MIN: none */
    uint64_t busy_bytes;
    int64_t busy_us;
};

void gcc_delay_init(struct gcc_delay *d);
/* A packet that arrived, in the order of sequence numbers. */
void gcc_delay_on_packet(struct gcc_delay *d, int64_t sent_us, int64_t arrived_us);
/* Every packet that arrived, probes too, before gcc_delay_on_packet. */
void gcc_delay_on_arrival(struct gcc_delay *d, unsigned bytes, int64_t sent_us, int64_t arrived_us);
void gcc_delay_age(struct gcc_delay *d); /* once per feedback, before its packets */
enum gcc_usage gcc_delay_usage(const struct gcc_delay *d);
int64_t gcc_delay_queue_us(const struct gcc_delay *d);
/* What the path took while there was a queue; 0: it was too short to tell. */
uint64_t gcc_delay_busy_bps(const struct gcc_delay *d);
