/* past.h - what a video track remembers of what it has sent, so that it can be sent again as it
 * was; and the line of its timestamps.
 *
 * A track sends its stream in runs: rows of frames of one layer, each from a keyframe (or from
 * where it stood) on. A run begins with a join, a change of layers, a keyframe served from the
 * cache, or after a place was lost. Its frames up to the live one are squeezed onto a line of their
 * own, with steps of at most a millisecond, so that a player does not wait between them; those
 * after it have their own timestamps. Timestamps never stand still or go back from frame to frame.
 *
 * Life: past_new when a track first plays (a track that is only reserved has none), past_free.
 * Nothing else allocates. One thread.
 */
#pragma once

#include "rtp/control/history.h"

#include <stdbool.h>

#define PAST_RUNS 8
#define PAST_PACKETS_MAX 8192 /* of a frame */
#define PAST_RESENDS_MAX 256
#define PAST_STEP 90 /* 1 ms: the most between two squeezed frames */

struct past_run {
    uint64_t first_id;
    uint64_t line_id; /* frames up to this one stand on the line; below first_id: none does */
    uint32_t line_ts; /* of the first one */
    uint32_t step;
    uint16_t first_seq;
    uint16_t number_shift; /* of its frames' own numbers */
    uint8_t layer;
};

struct past {
    struct past_run runs[PAST_RUNS];
    uint16_t run; /* the newest */
    bool any;     /* a frame has been sent */
    bool on_line; /* the newest one stands on its run's line */
    uint32_t newest_ts;
    uint16_t newest_number; /* with its shift */

    /* sequence numbers waiting to be resent, in the order they were asked for */
    uint16_t resend_head, resend_count;
    uint16_t resend[PAST_RESENDS_MAX];
    struct history history; /* of (run, packet) in place of the packet */
};

struct past *past_new(uint16_t first_seq); /* NULL: no memory */
void past_free(struct past *p);            /* NULL is fine */

struct past_start {
    uint8_t layer;
    uint64_t first_id, live_id;
    uint32_t first_ts, live_ts; /* their own */
    uint32_t interval;          /* between the live one and the one before it; 0: not known */
    uint32_t step;              /* the most from id to id; 0: PAST_STEP */
    bool squeezed;              /* else the line is only for what would go back in time */
};

void past_begin_run(struct past *p, const struct past_start *start);
/* The next frame of the run, whose own timestamp is `rtp_ts`: the one to send it with. */
uint32_t past_begin_frame(struct past *p, uint64_t id, uint32_t rtp_ts);
/* Of a frame that was begun: the same whenever its packets are sent. */
uint32_t past_timestamp(const struct past_run *run, uint64_t id, uint32_t rtp_ts);
/* The same for numbers that frames have of their own (the dependency descriptor's): they never go
 * back from run to run, and go on in one that does not begin with a keyframe, since its frames
 * refer to those before it. First the frame that is begun, then any. */
uint16_t past_begin_number(struct past *p, uint64_t id, uint16_t number, bool keyframe);
uint16_t past_number(const struct past_run *run, uint16_t number);
uint16_t past_add(struct past *p, uint64_t frame_id, uint16_t packet); /* gives its number */

struct past_packet {
    const struct past_run *run;
    uint32_t frame_id; /* its low 32 bits */
    uint16_t packet;
};

/* False: it is no longer known. */
bool past_find(const struct past *p, uint16_t seq, struct past_packet *out);
bool past_queue_resend(struct past *p, uint16_t seq); /* false: too many wait */
