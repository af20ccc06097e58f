/* gcc_flow.h - a paced video sender that a gcc steers, and its receiver, over a bottleneck.
 *
 * Frames of varying size come at a steady beat, keyframes now and then; the rate follows the target
 * between bounds, as a stream with many layers would. Packets leave in trains as the pacer allows,
 * a probe's padding after them. The receiver answers with transport-wide feedback, or with receiver
 * reports, on a way back with a delay and loss of its own.
 */
#pragma once

#include "rtp/control/gcc.h"
#include "rtp/control/layer.h"
#include "rtp/control/pacer.h"
#include "rtp/control/twcc_feedback.h"
#include "tests/sim/bottleneck.h"

#define GCC_FLOW_REPLIES 64

struct gcc_flow_config {
    unsigned flow;
    uint64_t seed;
    uint64_t min_bps, max_bps;          /* of the media: equal for a stream with one rate */
    const struct layer_stream *streams; /* or these, chosen by a struct layer; NULL: none */
    unsigned n_streams;
    double variation;     /* of frame sizes: 0.3 is 0.7 to 1.3 */
    int64_t keyframe_us;  /* between keyframes; 0: none */
    double keyframe_size; /* times an average frame */
    int64_t feedback_us;  /* between feedbacks */
    int64_t back_us;      /* the way back */
    double back_loss;
    int64_t clock_offset_us; /* of the receiver */
    double clock_drift;      /* its clock runs faster by this part */
    bool no_feedback;        /* receiver reports alone */
    bool no_padding;
    struct gcc_config gcc;
};

struct gcc_flow_reply {
    int64_t at_us;
    size_t size;
    uint8_t data[TWCC_FEEDBACK_MAX];
};

struct gcc_flow {
    struct gcc_flow_config config;
    struct gcc gcc;
    struct pacer pacer;
    struct layer layer;
    uint32_t slides;
    int64_t next_slide_us;
    struct twcc_feedback writer;
    uint64_t random;
    int64_t next_frame_us, next_keyframe_us, next_reply_us, next_train_us;
    uint32_t backlog;   /* bytes of frames that wait */
    uint64_t media_bps; /* what the encoder does now */
    uint16_t seq;

    uint32_t highest, received, reported_highest, reported_received; /* for receiver reports */
    struct gcc_flow_reply replies[GCC_FLOW_REPLIES];
    unsigned reply_head, n_replies;

    uint64_t media_bytes, padding_bytes, received_bytes;
    uint64_t frames_dropped;
};

void gcc_flow_init(struct gcc_flow *f, const struct gcc_flow_config *config, int64_t now_us);
/* One step of the virtual clock: about a millisecond. */
void gcc_flow_step(struct gcc_flow *f, struct bottleneck *b, int64_t now_us);
void gcc_flow_on_arrival(struct gcc_flow *f, const struct bottleneck_packet *p);
