#include "rtp/control/timing.h"

#include <assert.h>

#define BEND 20 /* of the time that passes, the part that the line may bend by */

void timing_group_init(struct timing_group *g)
{
    *g = (struct timing_group){.delay = {.any = false}};
}

void timing_init(struct timing *t, uint32_t clock_hz, bool stepped)
{
    assert(clock_hz > 0);
    *t = (struct timing){.clock_hz = clock_hz, .stepped = stepped};
}

static void least_add(struct timing_least *l, int64_t value, int64_t now_us)
{
    if (!l->any || now_us - l->since_us >= TIMELINE_WINDOW_US) {
        /* a window that nothing came in leaves none before this one */
        l->any_before = l->any && now_us - l->since_us < 2 * TIMELINE_WINDOW_US;
        l->before = l->least;
        l->least = value;
        l->since_us = now_us;
        l->any = true;
    } else if (value < l->least) {
        l->least = value;
    }
}

static int64_t least_of(const struct timing_least *l)
{
    return l->any_before && l->before < l->least ? l->before : l->least;
}

/* The timestamp nearest to the newest one that has these 32 bits. */
static int64_t extend(const struct timing *t, uint32_t ts)
{
    return t->last_ext + (int32_t)(ts - t->last_ts);
}

static int64_t in_us(const struct timing *t, int64_t ext)
{
    int64_t seconds = ext / t->clock_hz, rest = ext % t->clock_hz;
    return seconds * 1000000 + rest * 1000000 / t->clock_hz;
}

static void see(struct timing *t, uint32_t ts)
{
    if (!t->any) {
        t->any = true;
        t->last_ts = ts;
        t->last_ext = ts;
    }
    int64_t ext = extend(t, ts);
    if (ext > t->last_ext) {
        t->last_ext = ext;
        t->last_ts = ts;
    }
}

void timing_on_report(struct timing *t, uint64_t ntp, uint32_t rtp_timestamp)
{
    if (ntp == 0)
        return; /* RFC 3550 6.4.1: it has no wall clock */
    if (!t->any)
        see(t, rtp_timestamp); /* the newest known: reports may be ahead of packets */
    t->sr_ext = extend(t, rtp_timestamp);
    /* Seconds modulo 2^32: of differences nothing is lost, unless the era ends. */
    t->sr_us = (int64_t)(ntp >> 32) * 1000000 + (int64_t)((ntp & UINT32_MAX) * 1000000 >> 32);
    t->any_sr = true;
}

static int64_t sender_us(const struct timing *t, int64_t ext)
{
    return t->sr_us + in_us(t, ext - t->sr_ext);
}

void timing_on_packet(struct timing *t, struct timing_group *g, uint32_t rtp_timestamp,
                      int64_t now_us)
{
    see(t, rtp_timestamp);
    int64_t ext = extend(t, rtp_timestamp);
    least_add(&t->delay, now_us - in_us(t, ext), now_us);
    if (t->any_sr)
        least_add(&g->delay, now_us - sender_us(t, ext), now_us);
}

static int64_t target_us(const struct timing *t, const struct timing_group *g, int64_t ext)
{
    if (t->any_sr && g->delay.any)
        return sender_us(t, ext) + least_of(&g->delay);
    return in_us(t, ext) + least_of(&t->delay);
}

static int64_t clamp(int64_t value, int64_t limit)
{
    if (value > limit)
        return limit;
    return value < -limit ? -limit : value;
}

/* Moves the line towards where it should be; `passed_us` since the frame before. */
static void bend(struct timing *t, int64_t wanted_us, int64_t passed_us)
{
    int64_t off_us = wanted_us - t->shift_us;
    bool far = off_us > TIMELINE_JUMP_US || off_us < -TIMELINE_JUMP_US;
    if (!t->placed || far) {
        t->jumps += t->placed;
        t->shift_us = wanted_us;
    } else if (t->stepped) {
        if (off_us > TIMELINE_AUDIO_STEP_US || off_us < -TIMELINE_AUDIO_STEP_US)
            t->shift_us = wanted_us;
    } else if (passed_us > 0) {
        t->shift_us += clamp(off_us, passed_us / BEND);
    }
}

int64_t timing_place(struct timing *t, const struct timing_group *g, uint32_t rtp_timestamp,
                     int64_t now_us)
{
    assert(t->delay.any);
    int64_t ext = extend(t, rtp_timestamp);
    int64_t media_us = in_us(t, ext);
    int64_t passed_us = t->placed ? media_us - in_us(t, t->newest_ext) : 0;
    bend(t, target_us(t, g, ext) - media_us, passed_us);
    int64_t at_us = media_us + t->shift_us;
    if (at_us > now_us && !t->stepped)
        at_us = now_us;
    if (t->placed && at_us < t->newest_us + TIMELINE_TICK_US && ext != t->newest_ext)
        at_us = t->newest_us + TIMELINE_STEP_US;
    t->placed = true;
    t->newest_ext = ext;
    t->newest_us = at_us;
    return at_us;
}
