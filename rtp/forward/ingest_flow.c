#include "rtp/forward/ingest_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Behind the newest one: older ones say nothing about what is missing. */
#define LATE_MAX NACK_MAX
#define JUMP_US 100000

/* --- buffers --- */

struct ingest_buffer *ingest_take_buffer(struct ingest *in)
{
    if (in->free_buffer == 0)
        return in->n_buffers < INGEST_BUFFERS ? &in->buffers[in->n_buffers++] : NULL;
    struct ingest_buffer *b = &in->buffers[in->free_buffer - 1];
    in->free_buffer = b->next_free;
    return b;
}

static void give_buffer(struct ingest *in, struct ingest_buffer *b)
{
    b->next_free = in->free_buffer;
    in->free_buffer = (uint16_t)(b - in->buffers + 1);
}

static uint16_t *slot_of(struct ingest_flow *f, uint16_t seq)
{
    return &f->slots[seq % INGEST_WINDOW];
}

static void drop_waiting(struct ingest *in, struct ingest_flow *f)
{
    for (unsigned i = 0; f->n_waiting > 0 && i < INGEST_WINDOW; i++) {
        if (f->slots[i] == 0)
            continue;
        give_buffer(in, &in->buffers[f->slots[i] - 1]);
        f->slots[i] = 0;
        f->n_waiting--;
    }
}

/* --- life --- */

static bool may_ask(const struct ingest_track_config *c)
{
    return c->nack && c->kind == FORWARDER_VIDEO;
}

struct ingest_flow *ingest_flow_new(struct ingest *in, unsigned track, unsigned index,
                                    uint32_t ssrc, int64_t now_us)
{
    const struct ingest_track_config *c = &in->tracks[track].config;
    bool sound = c->kind == FORWARDER_AUDIO;
    struct ingest_flow *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->track = (uint8_t)track;
    f->index = (uint8_t)index;
    f->ssrc = ssrc;
    f->nack_on = may_ask(c);
    f->lost = !sound;
    f->published_us = INT64_MIN;
    f->part_due_us = INT64_MAX;
    f->newest_us = now_us;
    f->fraction_lost = -1;
    uint32_t clock_hz = sound ? RTP_AUDIO_CLOCK_HZ : RTP_VIDEO_CLOCK_HZ;
    receive_init(&f->receive, ssrc, clock_hz);
    timing_init(&f->timing, clock_hz, sound);
    nack_init(&f->nack);
    if (in->rtt_us >= 0)
        nack_set_rtt(&f->nack, in->rtt_us);
    meter_init(&f->meter);
    keyframe_init(&f->budget, KEYFRAME_MIN_GAP_US);
    keyframe_want(&f->budget, !sound);
    f->pli_next_us = now_us + INGEST_FIRST_KEYFRAME_US;
    dependency_structure_init(&f->own, 3);
    dependency_tracker_init(&f->tracker, 3);
    if (!sound) /* untouched pages of it cost nothing */
        f->unit = malloc(INGEST_HEADROOM + INGEST_UNIT_MAX);
    if (!sound && in->ids.dependency != 0)
        f->structure = calloc(1, sizeof(*f->structure));
    if (!sound && (!f->unit || (in->ids.dependency != 0 && !f->structure))) {
        ingest_flow_free(in, f);
        return NULL;
    }
    return f;
}

void ingest_flow_free(struct ingest *in, struct ingest_flow *f)
{
    if (!f)
        return;
    drop_waiting(in, f);
    free(f->structure);
    free(f->unit);
    free(f);
}

/* --- the row --- */

static void deal(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p,
                 int64_t now_us)
{
    assert(p->seq == f->next_seq);
    f->next_seq++;
    if (p->codec != 0)
        ingest_unit_take(in, f, p, now_us);
}

/* All that wait without a gap in front. */
static void drain(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    uint16_t *slot;
    while (f->n_waiting > 0 && *(slot = slot_of(f, f->next_seq)) != 0) {
        struct ingest_buffer *b = &in->buffers[*slot - 1];
        *slot = 0;
        f->n_waiting--;
        b->packet.payload = b->payload;
        b->packet.dependency = b->dependency;
        deal(in, f, &b->packet, now_us);
        give_buffer(in, b);
    }
    for (unsigned i = 0; f->n_waiting > 0 && i < INGEST_WINDOW; i++) {
        uint16_t waiting = *slot_of(f, (uint16_t)(f->next_seq + i));
        if (waiting == 0)
            continue;
        f->gap_since_us = in->buffers[waiting - 1].packet.arrived_us;
        return;
    }
}

/* On to the first one behind the gap. */
static void give_up_gap(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    assert(f->n_waiting > 0);
    while (*slot_of(f, f->next_seq) == 0)
        f->next_seq++;
    nack_forget(&f->nack, f->next_seq);
    ingest_unit_break(in, f);
    drain(in, f, now_us);
}

/* Another row begins here. */
static void restart(struct ingest *in, struct ingest_flow *f, uint16_t seq)
{
    drop_waiting(in, f);
    if (f->any)
        ingest_unit_break(in, f);
    f->any = true;
    f->next_seq = seq;
}

/* False: there is no buffer left. */
static bool wait_behind_gap(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p)
{
    uint16_t *slot = slot_of(f, p->seq);
    if (*slot != 0) {
        in->counters.duplicates++;
        return true;
    }
    struct ingest_buffer *b = ingest_take_buffer(in);
    if (!b)
        return false;
    b->packet = *p;
    memcpy(b->payload, p->payload, p->size);
    if (p->dependency_size > 0)
        memcpy(b->dependency, p->dependency, p->dependency_size);
    *slot = (uint16_t)(b - in->buffers + 1);
    if (f->n_waiting++ == 0)
        f->gap_since_us = p->arrived_us;
    return true;
}

/* Where nothing more can wait, what this flow waits for is given up, or else the packet. */
static void to_row(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p)
{
    for (;;) {
        int16_t ahead = (int16_t)(p->seq - f->next_seq);
        bool far = ahead >= INGEST_WINDOW && f->n_waiting == 0;
        if (far)
            restart(in, f, p->seq);
        if (ahead == 0 || far) {
            deal(in, f, p, p->arrived_us);
            drain(in, f, p->arrived_us);
        } else if (ahead < 0) {
            *(p->resent ? &in->counters.duplicates : &in->counters.late) += 1;
        } else if (ahead >= INGEST_WINDOW || !wait_behind_gap(in, f, p)) {
            in->counters.overflows++;
            if (f->n_waiting == 0)
                return;
            give_up_gap(in, f, p->arrived_us);
            continue;
        }
        return;
    }
}

/* A new keyframe stands behind the gap, and surely begins here: what is missing is not needed if
 * nothing before it can be used anyway, or it was waited for long enough. */
static void jump_to_keyframe(struct ingest *in, struct ingest_flow *f,
                             const struct ingest_packet *p)
{
    struct payload_info info;
    bool useless = f->lost || p->arrived_us - f->gap_since_us >= JUMP_US;
    if (f->n_waiting == 0 || !useless || p->resent || ingest_is_sound(in, f) || p->codec == 0 ||
        !payload_inspect((enum payload_codec)p->codec, &info, p->payload, p->size) ||
        !info.starts_keyframe || !info.starts_frame)
        return;
    int16_t ahead = (int16_t)(p->seq - f->next_seq);
    uint16_t before = ahead > 0 ? *slot_of(f, (uint16_t)(p->seq - 1)) : 0;
    bool certain = p->codec == PAYLOAD_VP8 || p->codec == PAYLOAD_VP9 ||
                   (before != 0 && in->buffers[before - 1].packet.marker);
    bool again = *slot_of(f, p->seq) != 0;
    if (ahead <= 0 || ahead >= INGEST_WINDOW || !certain || again)
        return;
    while (f->next_seq != p->seq) {
        uint16_t *slot = slot_of(f, f->next_seq++);
        if (*slot == 0)
            continue;
        give_buffer(in, &in->buffers[*slot - 1]);
        *slot = 0;
        f->n_waiting--;
    }
    nack_forget(&f->nack, f->next_seq);
    ingest_unit_break(in, f);
}

/* When it was asked for once and came by RTX, that took a round trip; else it may just be late. */
static void mark_received(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p)
{
    f->nack.sample_us = 0;
    nack_on_packet(&f->nack, p->seq, p->arrived_us);
    if (f->nack.sample_us > 0 && p->resent)
        ingest_on_rtt(in, f->nack.sample_us);
}

/* A first copy, as far as reports go. False: its number makes no sense (yet). */
static bool count(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p)
{
    bool any = f->receive.any;
    if (!receive_on_packet(&f->receive, p->seq, p->timestamp, p->arrived_us)) {
        in->counters.late++;
        return false;
    }
    if (any && f->receive.received == 1)
        restart(in, f, p->seq); /* the sender has started over */
    timing_on_packet(&f->timing, &in->clock, p->timestamp, p->arrived_us);
    if (!f->nack.any || (int16_t)(p->seq - f->nack.highest_seq) > -LATE_MAX)
        mark_received(in, f, p);
    return true;
}

void ingest_flow_receive(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p)
{
    f->newest_us = p->arrived_us;
    if (p->resent && !nack_is_missing(&f->nack, p->seq)) {
        in->counters.duplicates++; /* it came, or fills the sender's rate */
        return;
    }
    f->packets++;
    f->bytes += p->size;
    meter_add(&f->meter, p->size, p->arrived_us);
    if (p->resent)
        mark_received(in, f, p);
    else if (!count(in, f, p))
        return;
    if (!f->any)
        restart(in, f, p->seq);
    jump_to_keyframe(in, f, p);
    to_row(in, f, p);
}

/* --- time --- */

static int64_t hold_us(const struct ingest *in, const struct ingest_flow *f)
{
    if (ingest_is_sound(in, f))
        return INGEST_AUDIO_HOLD_US;
    return f->nack_on ? INGEST_HOLD_US : INGEST_REORDER_US;
}

int64_t ingest_flow_timeout(const struct ingest *in, const struct ingest_flow *f)
{
    if (f->n_waiting == 0)
        return INT64_MAX;
    bool hopeless = f->nack_on && !nack_is_missing(&f->nack, f->next_seq);
    return hopeless ? 0 : f->gap_since_us + hold_us(in, f);
}

void ingest_flow_on_time(struct ingest *in, struct ingest_flow *f, int64_t now_us)
{
    while (f->n_waiting > 0 && now_us >= ingest_flow_timeout(in, f))
        give_up_gap(in, f, now_us);
}
