#include "rtp/control/gcc.h"

#include <assert.h>
#include <math.h>

static_assert(sizeof(struct gcc) <= 6144, "one a viewer");

#define RTT_START_US 100000
#define RTT_SMOOTHING 8
#define ACKED_WINDOW_US 500000
#define ACKED_SHORT_US 250000
#define APP_LIMITED 0.65 /* sends less than this part of the estimate */

#define PACE_FACTOR 1.2

/* After a sudden drop the queue holds what was sent too much. */
#define DRAIN_QUEUE_US 60000
#define DRAINED_US 20000
#define DRAIN_FACTOR 0.5
#define DRAIN_MAX_US 1500000
#define SUDDEN 0.7

#define STALL_US 500000       /* and two round trips */
#define STALL_HOLD_US 2000000 /* a receiver that is merely busy is back by then */
#define STALL_STEP_US 500000
#define TAKEN 0.9       /* of what was wanted: enough, a probe falls a little short */
#define AWAY_US 1000000 /* no feedback for so long: the path was away, its losses say nothing */

#define RAMP_FIRST 3
#define RAMP_NEXT 2
#define RAMP_GOES_ON 0.7
#define PROBE_FACTOR 1.5
#define PROBE_APP_FACTOR 2.0
#define PROBE_AGAIN_US 300000
#define PROBE_GAP_US 4000000
#define PROBE_GAP_MAX_US 16000000
#define PROBE_AFTER_DROP_US 1500000
#define DROP 0.66
#define AFTER_PROBE_US 400000
#define CALM_QUEUE_US 30000
#define LONG_QUEUE_US 80000
#define IDLE_GAP_US 200000 /* how often to look whether a probe is due */

void gcc_init(struct gcc *g, const struct gcc_config *config, int64_t now_us)
{
    assert(config->min_bps > 0 && config->min_bps <= config->start_bps);
    assert(config->start_bps <= config->max_bps);
    *g = (struct gcc){
        .config = *config,
        .wanted_bps = UINT64_MAX,
        .rtt_us = RTT_START_US,
        .feedback_us = now_us,
        .in_flight_us = now_us,
        .ramping = true,
        .next_probe_us = INT64_MAX,
        .probe_gap_us = PROBE_GAP_US,
    };
    twcc_init(&g->twcc);
    gcc_delay_init(&g->delay);
    gcc_rate_init(&g->rate, config->start_bps, config->min_bps, config->max_bps, now_us);
    gcc_loss_init(&g->loss, now_us);
    gcc_probe_init(&g->probe);
    meter_init(&g->sent);
    meter_init(&g->acked);
}

static double estimate(const struct gcc *g)
{
    double bps = gcc_loss_bound(&g->loss, g->rate.bps);
    return fmax(bps, (double)g->config.min_bps);
}

uint64_t gcc_estimate_bps(const struct gcc *g)
{
    return (uint64_t)estimate(g);
}

bool gcc_probing(const struct gcc *g)
{
    return g->probe.state == GCC_PROBE_ACTIVE;
}

bool gcc_is_limited(const struct gcc *g)
{
    return g->limited;
}

int64_t gcc_queue_us(const struct gcc *g)
{
    return gcc_delay_queue_us(&g->delay);
}

/* --- what to send --- */

static int64_t stalled_us(const struct gcc *g, int64_t now_us)
{
    if (!g->has_feedback || g->twcc.in_flight == 0)
        return 0;
    int64_t since = g->in_flight_us > g->feedback_us ? g->in_flight_us : g->feedback_us;
    int64_t stalled = now_us - since - STALL_US - 2 * g->rtt_us;
    return stalled > 0 ? stalled : 0;
}

bool gcc_stalled(const struct gcc *g, int64_t now_us)
{
    return stalled_us(g, now_us) > 0;
}

uint64_t gcc_target_bps(const struct gcc *g, int64_t now_us)
{
    double bps = estimate(g);
    if (now_us < g->draining_until_us)
        bps *= DRAIN_FACTOR;
    int64_t stalled = stalled_us(g, now_us) - STALL_HOLD_US;
    if (stalled > 0)
        bps = ldexp(bps, -(int)(stalled / STALL_STEP_US < 8 ? stalled / STALL_STEP_US + 1 : 8));
    return (uint64_t)fmax(bps, (double)g->config.min_bps);
}

uint64_t gcc_proven_bps(const struct gcc *g)
{
    return g->has_feedback ? (uint64_t)g->proven_bps : gcc_estimate_bps(g);
}

uint64_t gcc_pace_bps(const struct gcc *g, int64_t now_us)
{
    double bps = PACE_FACTOR * (double)gcc_target_bps(g, now_us);
    if (gcc_probing(g))
        bps = fmax(bps, (double)g->probe.bps);
    return (uint64_t)bps;
}

uint32_t gcc_padding(const struct gcc *g, int64_t now_us)
{
    return gcc_probe_wants(&g->probe, now_us);
}

/* --- probes --- */

static void begin_probe(struct gcc *g, double bps, int64_t now_us)
{
    double most = fmin((double)g->wanted_bps, (double)g->config.max_bps);
    bps = fmin(bps, most);
    g->next_probe_us = now_us + g->probe_gap_us;
    if (bps <= 1.05 * estimate(g) || estimate(g) >= TAKEN * (double)g->wanted_bps) {
        g->ramping = false;
        return;
    }
    gcc_probe_begin(&g->probe, (uint64_t)bps, now_us);
    g->counters.probes++;
}

/* What is to be gained: all there was before a drop; much if it costs only padding. */
static double next_probe_bps(const struct gcc *g)
{
    double now = estimate(g);
    if (g->before_drop_bps > 1.2 * now)
        return fmin(g->before_drop_bps, 4 * now);
    return now * (g->app_limited ? PROBE_APP_FACTOR : PROBE_FACTOR);
}

/* What was measured last is the end of what was sent last: once all of that has arrived its queue
 * is gone, though nobody has measured it. Who gets one large picture now and then would else never
 * be probed. */
static bool has_queue(const struct gcc *g, int64_t now_us)
{
    if (g->twcc.in_flight == 0 && now_us - g->feedback_us > gcc_queue_us(g))
        return false;
    return gcc_delay_usage(&g->delay) == GCC_OVERUSE || gcc_queue_us(g) >= CALM_QUEUE_US;
}

static void consider_probe(struct gcc *g, int64_t now_us)
{
    if (!g->has_feedback || g->probe.state != GCC_PROBE_IDLE || now_us < g->next_probe_us)
        return;
    bool calm = stalled_us(g, now_us) == 0 && !has_queue(g, now_us) &&
                now_us >= g->draining_until_us &&
                now_us - g->rate.decreased_us >= PROBE_AFTER_DROP_US;
    if (!calm) {
        g->next_probe_us = now_us + IDLE_GAP_US;
        return;
    }
    begin_probe(g, next_probe_bps(g), now_us);
}

static void on_probe_done(struct gcc *g, const struct gcc_probe_result *r, int64_t now_us)
{
    bool gained = r->bps > 1.02 * estimate(g);
    if (r->bps <= 0)
        g->counters.probes_failed++;
    if (r->limited) {
        g->limited = g->limited || !g->ramping || g->counters.probes_limited > 0;
        g->counters.probes_limited++;
        g->before_drop_bps = 0;
    }
    if (gained) {
        gcc_rate_raise(&g->rate, r->bps, now_us);
        gcc_loss_raise(&g->loss, r->bps);
    }
    g->proven_bps = fmax(g->proven_bps, fmin(r->bps, estimate(g)));
    g->calm_until_us = now_us + AFTER_PROBE_US;
    g->probe_gap_us = gained ? PROBE_GAP_US : 2 * g->probe_gap_us;
    if (g->probe_gap_us > PROBE_GAP_MAX_US)
        g->probe_gap_us = PROBE_GAP_MAX_US;
    g->next_probe_us = now_us + g->probe_gap_us;

    if (g->ramping && r->limited &&
        !g->limited) { /* a receiver that was busy looks the same: again */
        g->next_probe_us = now_us + PROBE_AGAIN_US;
        return;
    }
    bool goes_on = !r->limited && r->bps > RAMP_GOES_ON * (double)r->aimed_bps;
    if (goes_on && (g->ramping || gained))
        begin_probe(g, RAMP_NEXT * r->bps, now_us);
    else
        g->ramping = false;
}

static void poll_probe(struct gcc *g, int64_t now_us)
{
    struct gcc_probe_result result = gcc_probe_poll(&g->probe, now_us);
    if (result.done)
        on_probe_done(g, &result, now_us);
    else
        consider_probe(g, now_us);
}

void gcc_set_wanted(struct gcc *g, uint64_t bps)
{
    if (bps > g->wanted_bps + g->wanted_bps / 4 && g->next_probe_us != INT64_MAX)
        g->probe_gap_us = PROBE_GAP_US;
    g->wanted_bps = bps;
    if (estimate(g) >= TAKEN * (double)bps && gcc_queue_us(g) < CALM_QUEUE_US)
        g->limited = false;
}

/* --- what comes in --- */

void gcc_on_sent(struct gcc *g, uint16_t transport_seq, unsigned bytes, int64_t now_us)
{
    if (g->twcc.in_flight == 0)
        g->in_flight_us = now_us;
    gcc_probe_on_sent(&g->probe, transport_seq, bytes, now_us);
    twcc_on_sent(&g->twcc, transport_seq, bytes, now_us);
    meter_add(&g->sent, bytes, now_us);
}

void gcc_on_sent_train(struct gcc *g, uint16_t transport_seq, unsigned n, unsigned bytes,
                       unsigned last_bytes, int64_t now_us)
{
    if (g->twcc.in_flight == 0)
        g->in_flight_us = now_us;
    for (unsigned i = 0; g->probe.state == GCC_PROBE_ACTIVE && i < n; i++)
        gcc_probe_on_sent(&g->probe, (uint16_t)(transport_seq + i), i + 1 < n ? bytes : last_bytes,
                          now_us);
    twcc_on_sent_train(&g->twcc, transport_seq, n, bytes, last_bytes, now_us);
    meter_add(&g->sent, (n - 1) * bytes + last_bytes, now_us);
}

/* Takes all results in; returns when the newest packet that arrived was sent, or -1. */
static int64_t take_results(struct gcc *g, struct rtcp_transport_cc *feedback)
{
    struct twcc_result r;
    int64_t newest_sent_us = -1;
    uint32_t received = 0, lost = 0, late = 0;
    const uint64_t unknown = g->twcc.unknown;
    uint64_t unknown_lost = g->twcc.unknown_lost;
    gcc_delay_age(&g->delay);
    while (twcc_next(&g->twcc, feedback, &r)) {
        gcc_probe_on_result(&g->probe, &r);
        late += r.was_lost;
        lost += !r.received;
        received += r.received;
        if (!r.received)
            continue;
        if (r.arrived_us > g->arrived_us || g->acked.first_us == INT64_MIN)
            g->arrived_us = r.arrived_us;
        if (r.sent_us > newest_sent_us)
            newest_sent_us = r.sent_us;
        meter_add(&g->acked, r.bytes + r.skipped, r.arrived_us);
        gcc_delay_on_arrival(&g->delay, r.bytes, r.sent_us, r.arrived_us);
        if (!gcc_probe_has(&g->probe, r.seq))
            gcc_delay_on_packet(&g->delay, r.sent_us, r.arrived_us);
    }
    gcc_loss_add(&g->loss, received, lost, late);
    unknown_lost = g->twcc.unknown_lost - unknown_lost;
    g->news = (struct gcc_news){
        .received = received + (uint32_t)(g->twcc.unknown - unknown - unknown_lost),
        .lost = lost + (uint32_t)unknown_lost,
        .late = late,
        .rtt_us = -1,
    };
    return newest_sent_us;
}

static void update_rtt(struct gcc *g, int64_t rtt_us)
{
    if (rtt_us >= 0)
        g->rtt_us += (rtt_us - g->rtt_us) / RTT_SMOOTHING;
}

static void on_decrease(struct gcc *g, double before_bps, const struct gcc_rate_input *in,
                        int64_t now_us)
{
    g->counters.overuses++;
    g->limited = true;
    if (g->rate.bps < DROP * before_bps && before_bps > g->before_drop_bps)
        g->before_drop_bps = before_bps;
    g->probe_gap_us = PROBE_GAP_US;
    bool sudden = (double)in->acked_short_bps < SUDDEN * (double)in->sent_bps;
    if (sudden && in->queue_us > DRAIN_QUEUE_US && now_us >= g->draining_until_us)
        g->draining_until_us = now_us + DRAIN_MAX_US;
}

static void update_rate(struct gcc *g, int64_t now_us)
{
    struct gcc_rate_input in = {
        .usage = gcc_delay_usage(&g->delay),
        .acked_bps = meter_bps(&g->acked, ACKED_WINDOW_US, g->arrived_us),
        .acked_short_bps = meter_bps(&g->acked, ACKED_SHORT_US, g->arrived_us),
        .busy_bps = gcc_delay_busy_bps(&g->delay),
        .sent_bps = meter_bps(&g->sent, ACKED_WINDOW_US, now_us),
        .queue_us = gcc_queue_us(g),
        .rtt_us = g->rtt_us,
    };
    g->app_limited = (double)in.sent_bps < APP_LIMITED * estimate(g);
    in.app_limited = g->app_limited;
    if (g->draining_until_us > now_us && in.queue_us < DRAINED_US)
        g->draining_until_us = now_us;
    bool probe_queue = now_us < g->calm_until_us || g->probe.state != GCC_PROBE_IDLE;
    if (in.usage == GCC_OVERUSE && probe_queue && in.queue_us < LONG_QUEUE_US)
        in.usage = GCC_UNDERUSE; /* wait */
    double before = g->rate.bps;
    if (!g->limited && in.usage == GCC_NORMAL && in.queue_us < CALM_QUEUE_US)
        gcc_rate_raise(&g->rate, (double)in.acked_bps, now_us); /* it shows itself what it takes */
    if (gcc_rate_update(&g->rate, &in, now_us))
        on_decrease(g, before, &in, now_us);

    struct gcc_loss_input loss = {
        .estimate_bps = g->rate.bps,
        .acked_bps = in.acked_bps,
        .rtt_us = in.rtt_us,
        .calm = in.usage != GCC_OVERUSE && in.queue_us < LONG_QUEUE_US,
    };
    gcc_loss_update(&g->loss, &loss, now_us);
    if (gcc_loss_bound(&g->loss, g->rate.bps) < g->rate.bps)
        g->limited = true;
    g->proven_bps = fmin(fmax(g->proven_bps, (double)in.acked_bps), estimate(g));
}

bool gcc_on_feedback(struct gcc *g, const struct rtcp_feedback *f, int64_t now_us)
{
    struct rtcp_transport_cc feedback;
    if (!rtcp_read_transport_cc(f, &feedback)) {
        g->counters.bad_feedbacks++;
        return false;
    }
    g->counters.feedbacks++;
    g->counters.stalls += stalled_us(g, now_us) > 0;
    twcc_begin(&g->twcc, &feedback, now_us);
    int64_t newest_sent_us = take_results(g, &feedback);
    if (g->has_feedback && now_us - g->feedback_us > AWAY_US)
        gcc_loss_discard(&g->loss, now_us);
    if (!g->has_feedback) {
        g->has_feedback = true;
        begin_probe(g, RAMP_FIRST * estimate(g), now_us);
    }
    g->feedback_us = now_us;
    if (newest_sent_us >= 0) {
        g->news.rtt_us = now_us - newest_sent_us;
        update_rtt(g, now_us - newest_sent_us);
        update_rate(g, now_us);
    }
    poll_probe(g, now_us);
    return true;
}

void gcc_on_report(struct gcc *g, uint8_t fraction_lost, int64_t rtt_us, int64_t now_us)
{
    if (g->has_feedback)
        return;
    update_rtt(g, rtt_us);
    uint64_t sent_bps = meter_bps(&g->sent, ACKED_WINDOW_US, now_us);
    double fraction = fraction_lost / 256.0;
    g->app_limited = (double)sent_bps < APP_LIMITED * estimate(g);
    struct gcc_rate_input in = {
        .usage = GCC_NORMAL,
        .acked_bps = (uint64_t)((double)sent_bps * (1 - fraction)),
        .sent_bps = sent_bps,
        .rtt_us = g->rtt_us,
        .app_limited = g->app_limited,
    };
    struct gcc_loss_input loss = {
        .estimate_bps = g->rate.bps,
        .acked_bps = in.acked_bps,
        .rtt_us = in.rtt_us,
    };
    gcc_loss_observe(&g->loss, fraction, &loss, now_us);
    if (gcc_loss_bound(&g->loss, g->rate.bps) < g->rate.bps)
        g->limited = true;
    if (!g->has_remb)
        gcc_rate_update(&g->rate, &in, now_us);
}

void gcc_on_remb(struct gcc *g, uint64_t bps, int64_t now_us)
{
    if (g->has_feedback)
        return;
    g->has_remb = g->limited = true;
    gcc_rate_set(&g->rate, (double)bps, now_us);
}

void gcc_on_timeout(struct gcc *g, int64_t now_us)
{
    poll_probe(g, now_us);
}

int64_t gcc_next_timeout(const struct gcc *g)
{
    if (g->probe.state != GCC_PROBE_IDLE)
        return gcc_probe_next_timeout(&g->probe);
    return g->has_feedback ? g->next_probe_us : INT64_MAX;
}
