#include "rtp/forward/past.h"

#include <stdlib.h>

#define PLACE_RUN_SHIFT 13

static_assert(PAST_PACKETS_MAX == 1 << PLACE_RUN_SHIFT, "a packet's index leaves room for the run");
static_assert(PAST_RUNS << PLACE_RUN_SHIFT == 1 << 16, "both fill the history's 16 bits");

struct past *past_new(uint16_t first_seq)
{
    struct past *p = calloc(1, sizeof(*p));
    if (p)
        history_init(&p->history, first_seq);
    return p;
}

void past_free(struct past *p)
{
    free(p);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Between the newest timestamp and `end` are `n` steps for the frames before the live one and one
 * for the live one itself, if there is that much time. Else they take some of the time until the
 * next frame: half of what usually is between two. */
static void lay_line(struct past *p, struct past_run *r, const struct past_start *start)
{
    uint32_t n = (uint32_t)(start->live_id - start->first_id);
    uint32_t end = start->live_ts, step = start->step ? start->step : PAST_STEP;
    int32_t time = (int32_t)(start->live_ts - p->newest_ts);
    if (p->any && time <= (int32_t)n) {
        time = (int32_t)smaller(start->interval / 2, (n + 1) * PAST_STEP);
        if (time <= (int32_t)n)
            time = (int32_t)n + 1;
        end = p->newest_ts + (uint32_t)time;
    }
    if (p->any)
        step = smaller(step, (uint32_t)time / (n + 1));
    r->line_id = start->live_id;
    r->line_ts = end - n * step;
    r->step = step;
}

void past_begin_run(struct past *p, const struct past_start *start)
{
    uint16_t shift = p->runs[p->run].number_shift;
    p->run = (uint16_t)((p->run + 1) % PAST_RUNS);
    struct past_run *r = &p->runs[p->run];
    *r = (struct past_run){
        .first_id = start->first_id,
        .line_id = start->first_id - 1,
        .first_seq = p->history.next_seq,
        .number_shift = shift,
        .layer = start->layer,
    };
    if (start->squeezed || (p->any && (int32_t)(start->first_ts - p->newest_ts) <= 0))
        lay_line(p, r, start);
    p->on_line = r->line_id >= r->first_id;
}

uint32_t past_timestamp(const struct past_run *run, uint64_t id, uint32_t rtp_ts)
{
    if (id > run->line_id)
        return rtp_ts;
    return run->line_ts + (uint32_t)(id - run->first_id) * run->step;
}

uint32_t past_begin_frame(struct past *p, uint64_t id, uint32_t rtp_ts)
{
    struct past_run *r = &p->runs[p->run];
    /* The line went further than the frames' own time: they follow it until that has passed. */
    if (id > r->line_id && p->on_line && p->any && (int32_t)(rtp_ts - p->newest_ts) <= 0)
        r->line_id = id;
    uint32_t ts = past_timestamp(r, id, rtp_ts);
    p->on_line = id <= r->line_id;
    p->newest_ts = ts;
    p->any = true;
    return ts;
}

uint16_t past_number(const struct past_run *run, uint16_t number)
{
    return (uint16_t)(number + run->number_shift);
}

uint16_t past_begin_number(struct past *p, uint64_t id, uint16_t number, bool keyframe)
{
    struct past_run *r = &p->runs[p->run];
    if (keyframe && id == r->first_id)
        r->number_shift = (uint16_t)(p->newest_number + 1 - number);
    p->newest_number = past_number(r, number);
    return p->newest_number;
}

uint16_t past_add(struct past *p, uint64_t frame_id, uint16_t packet)
{
    assert(packet < PAST_PACKETS_MAX);
    struct past_run *r = &p->runs[p->run];
    /* a run may go on for days, and is compared with numbers of 16 bits */
    if ((uint16_t)(p->history.next_seq - r->first_seq) >= 2 * HISTORY_SIZE)
        r->first_seq = (uint16_t)(p->history.next_seq - HISTORY_SIZE);
    return history_add(&p->history, (uint32_t)frame_id,
                       (uint16_t)(p->run << PLACE_RUN_SHIFT | packet));
}

bool past_find(const struct past *p, uint16_t seq, struct past_packet *out)
{
    const struct history_entry *e = history_find(&p->history, seq);
    if (!e)
        return false;
    *out = (struct past_packet){
        .run = &p->runs[e->packet >> PLACE_RUN_SHIFT],
        .frame_id = e->frame_id,
        .packet = e->packet & (PAST_PACKETS_MAX - 1),
    };
    /* A run that has taken the place of this one began later. */
    return (int16_t)(seq - out->run->first_seq) >= 0;
}

bool past_queue_resend(struct past *p, uint16_t seq)
{
    if (p->resend_count == PAST_RESENDS_MAX)
        return false;
    p->resend[(p->resend_head + p->resend_count++) % PAST_RESENDS_MAX] = seq;
    return true;
}
