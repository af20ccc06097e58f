#include "tests/sim/gcc_flow.h"

#include "rtp/wire/rtcp.h"
#include "tests/sim/sim.h"

#include <assert.h>
#include <string.h>

#define FPS 30
#define PACKET 1200
#define TRAIN_MAX 64
#define TRAIN_US 5000         /* from one to the next, and what the pacer may hold */
#define BACKLOG_MAX_US 400000 /* of media at the target: above, frames are left out */

void gcc_flow_init(struct gcc_flow *f, const struct gcc_flow_config *config, int64_t now_us)
{
    memset(f, 0, sizeof(*f));
    f->config = *config;
    f->random = config->seed;
    gcc_init(&f->gcc, &config->gcc, now_us);
    pacer_init(&f->pacer, gcc_pace_bps(&f->gcc, now_us), 2 * PACKET, now_us);
    twcc_feedback_init(&f->writer);
    layer_init(&f->layer);
    f->seq = (uint16_t)sim_random(&f->random);
    f->next_frame_us = f->next_keyframe_us = now_us;
    f->next_reply_us = now_us + config->feedback_us;
}

/* A frame of the layer that was chosen; its size. */
static double layer_frame(struct gcc_flow *f, uint64_t target, int64_t now_us)
{
    struct layer_rung rungs[LAYER_RUNGS_MAX];
    unsigned n = layer_ladder(rungs, f->config.streams, f->config.n_streams, 0);
    uint8_t before = f->layer.now.stream;
    layer_decide(&f->layer, rungs, n, target, gcc_proven_bps(&f->gcc), now_us);
    gcc_set_wanted(&f->gcc, layer_wanted_bps(&f->layer, rungs, n));
    const struct layer_rung *rung = &f->layer.now;
    if (rung->stream != before)
        f->next_keyframe_us = now_us;
    f->media_bps = rung->bps;
    if (rung->mode == LAYER_FULL)
        return (double)rung->bps / 8 / FPS;
    uint32_t slide = f->config.streams[rung->stream].keyframe_bytes;
    if (rung->mode == LAYER_AUDIO || now_us < f->next_slide_us)
        return 0;
    f->next_slide_us = now_us + layer_slide_gap_us(slide, 0, target);
    f->slides++;
    return slide;
}

static void make_frame(struct gcc_flow *f, int64_t now_us)
{
    const struct gcc_flow_config *c = &f->config;
    uint64_t target = gcc_target_bps(&f->gcc, now_us);
    f->media_bps = target < c->min_bps ? c->min_bps : target > c->max_bps ? c->max_bps : target;
    double bytes = (double)f->media_bps / 8 / FPS;
    if (c->n_streams > 0)
        bytes = layer_frame(f, target, now_us);
    bytes *= 1 + c->variation * (2 * sim_random_unit(&f->random) - 1);
    if (c->keyframe_us > 0 && now_us >= f->next_keyframe_us) {
        f->next_keyframe_us = now_us + c->keyframe_us;
        bytes *= c->keyframe_size;
    }
    if (f->backlog * UINT64_C(8000000) > BACKLOG_MAX_US * target)
        f->frames_dropped++;
    else
        f->backlog += (uint32_t)bytes;
}

static void send_packet(struct gcc_flow *f, struct bottleneck *b, unsigned bytes, int64_t now_us)
{
    gcc_on_sent(&f->gcc, f->seq, bytes, now_us);
    pacer_spend(&f->pacer, bytes);
    bottleneck_send(b, f->config.flow, f->seq++, bytes, now_us);
}

static void set_pace(struct gcc_flow *f, int64_t now_us)
{
    uint64_t bps = gcc_pace_bps(&f->gcc, now_us);
    int64_t burst = (int64_t)bps * TRAIN_US / 8000000;
    pacer_set_rate(&f->pacer, bps, now_us);
    f->pacer.burst_bytes = burst > PACKET ? burst : PACKET;
    if (f->pacer.balance_bytes > f->pacer.burst_bytes)
        f->pacer.balance_bytes = f->pacer.burst_bytes;
}

static void send_trains(struct gcc_flow *f, struct bottleneck *b, int64_t now_us)
{
    set_pace(f, now_us);
    for (int n = 0; n < TRAIN_MAX && f->backlog > 0; n++) {
        if (pacer_available(&f->pacer, now_us) <= 0)
            break;
        unsigned bytes = f->backlog < PACKET ? f->backlog : PACKET;
        f->backlog -= bytes;
        f->media_bytes += bytes;
        send_packet(f, b, bytes, now_us);
    }
    if (f->backlog > 0 || f->config.no_padding)
        return;
    for (int n = 0; n < TRAIN_MAX; n++) {
        uint32_t want = gcc_padding(&f->gcc, now_us);
        if (want == 0)
            break;
        unsigned bytes = want < 300 ? 300 : want < PACKET ? want : PACKET;
        f->padding_bytes += bytes;
        send_packet(f, b, bytes, now_us);
    }
}

static struct gcc_flow_reply *new_reply(struct gcc_flow *f, int64_t now_us)
{
    assert(f->n_replies < GCC_FLOW_REPLIES);
    struct gcc_flow_reply *r = &f->replies[(f->reply_head + f->n_replies++) % GCC_FLOW_REPLIES];
    r->at_us = now_us + f->config.back_us;
    return r;
}

static void write_report(struct gcc_flow *f, int64_t now_us)
{
    uint32_t expected = f->highest - f->reported_highest;
    uint32_t lost = expected - (f->received - f->reported_received);
    if (expected == 0)
        return;
    struct gcc_flow_reply *r = new_reply(f, now_us);
    r->size = 1;
    r->data[0] = (uint8_t)(lost * 255 / expected);
    f->reported_highest = f->highest;
    f->reported_received = f->received;
}

static void write_replies(struct gcc_flow *f, int64_t now_us)
{
    if (now_us < f->next_reply_us)
        return;
    f->next_reply_us = now_us + f->config.feedback_us;
    if (f->config.no_feedback) {
        write_report(f, now_us);
        return;
    }
    uint8_t data[TWCC_FEEDBACK_MAX];
    for (size_t size; (size = twcc_feedback_write(&f->writer, data, sizeof(data), 1, 2)) > 0;) {
        if (f->config.back_loss > 0 && sim_random_unit(&f->random) < f->config.back_loss)
            continue;
        struct gcc_flow_reply *r = new_reply(f, now_us);
        r->size = size;
        memcpy(r->data, data, size);
    }
}

static void read_reply(struct gcc_flow *f, const struct gcc_flow_reply *r, int64_t now_us)
{
    if (f->config.no_feedback) {
        gcc_on_report(&f->gcc, r->data[0], 2 * f->config.back_us, now_us);
        return;
    }
    const uint8_t *data = r->data;
    size_t size = r->size;
    struct rtcp_packet packet;
    struct rtcp_feedback feedback;
    bool ok = rtcp_next(&packet, &data, &size) && rtcp_read_feedback(&packet, &feedback) &&
              gcc_on_feedback(&f->gcc, &feedback, now_us);
    assert(ok);
}

void gcc_flow_step(struct gcc_flow *f, struct bottleneck *b, int64_t now_us)
{
    write_replies(f, now_us);
    while (f->n_replies > 0 && f->replies[f->reply_head].at_us <= now_us) {
        read_reply(f, &f->replies[f->reply_head], now_us);
        f->reply_head = (f->reply_head + 1) % GCC_FLOW_REPLIES;
        f->n_replies--;
    }
    if (now_us >= gcc_next_timeout(&f->gcc))
        gcc_on_timeout(&f->gcc, now_us);
    while (now_us >= f->next_frame_us) {
        f->next_frame_us += 1000000 / FPS;
        make_frame(f, now_us);
    }
    if (now_us < f->next_train_us)
        return;
    uint16_t before = f->seq;
    send_trains(f, b, now_us);
    if (f->seq != before)
        f->next_train_us = now_us + (gcc_probing(&f->gcc) ? TRAIN_US / 2 : TRAIN_US);
}

void gcc_flow_on_arrival(struct gcc_flow *f, const struct bottleneck_packet *p)
{
    int64_t at_us = p->arrives_us + f->config.clock_offset_us +
                    (int64_t)((double)p->arrives_us * f->config.clock_drift);
    twcc_feedback_on_packet(&f->writer, (uint16_t)p->seq, at_us);
    f->received_bytes += p->bytes;
    f->received++;
    if (f->received == 1)
        f->reported_highest = f->highest = (uint16_t)p->seq - 1u;
    f->highest += (uint16_t)(p->seq - f->highest);
}
