/* timing.h - RTP timestamps of a sender on our one clock. Pure; one thread.
 *
 * A struct timing belongs to one SSRC, a struct timing_group to one sender. What a timestamp means
 * on the sender's clock its sender reports say (RFC 3550 6.4.1), for all its SSRCs in common: so
 * sound and pictures that were taken together come out together. The sender's clock is placed on
 * ours by the packet that had the least delay, of the last ten to twenty seconds, so that a clock
 * that runs faster or slower than ours is followed. Before an SSRC's first report its own packets
 * with the least delay place it.
 *
 * The line of a picture bends towards that place by at most a twentieth of the time that passes, so
 * that steps from frame to frame stay what they were; it jumps only where it would be more than
 * TIMELINE_JUMP_US away (a sender that starts over), and never back. Sound must keep its steps to
 * the sample, so its line stays as it is until it is TIMELINE_AUDIO_STEP_US away, then it steps.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_WINDOW_US 10000000
#define TIMELINE_JUMP_US 1000000
#define TIMELINE_AUDIO_STEP_US 20000
#define TIMELINE_TICK_US 12   /* frames that are closer could have one RTP timestamp at 90 kHz */
#define TIMELINE_STEP_US 1000 /* the least from one frame to the next after a jump back */

/* The least of what came in the window that is open and in the one before it. */
struct timing_least {
    bool any, any_before;
    int64_t since_us, least, before;
};

struct timing_group {
    struct timing_least delay; /* arrival - sender's clock */
};

struct timing {
    uint32_t clock_hz; /* immutable after init */
    bool stepped;      /* immutable after init: sound */

    bool any;
    uint32_t last_ts; /* newest, and continued over its wraps */
    int64_t last_ext;
    struct timing_least delay; /* arrival - timestamp */
    bool any_sr;
    int64_t sr_ext, sr_us; /* of the newest report: this timestamp, on the sender's clock */

    bool placed;
    int64_t shift_us; /* our clock - timestamp */
    int64_t newest_ext, newest_us;
    uint64_t jumps;
};

void timing_group_init(struct timing_group *g);
void timing_init(struct timing *t, uint32_t clock_hz, bool stepped);
/* A sender report. It may come before the first packet. */
void timing_on_report(struct timing *t, uint64_t ntp, uint32_t rtp_timestamp);
/* A packet of a frame with this timestamp came: for every packet, or the first of each frame. */
void timing_on_packet(struct timing *t, struct timing_group *g, uint32_t rtp_timestamp,
                      int64_t now_us);
/* When that frame was taken, on our clock; later than the frame before it, if its timestamp is, and
 * not later than now_us if that can be. */
int64_t timing_place(struct timing *t, const struct timing_group *g, uint32_t rtp_timestamp,
                     int64_t now_us);
