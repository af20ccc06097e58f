/* gcc.h - how much one viewer's path can take, and how much to send it now. Pure.
 *
 * Google congestion control, the sender's side (draft-ietf-rmcat-gcc-02), as current WebRTC does
 * it: transport-wide feedback gives the delay-based estimate (gcc_delay, gcc_rate), the loss-based
 * bound (gcc_loss) and the results of probes (gcc_probe). For a peer without transport-wide
 * feedback REMB is the estimate, and the loss in its receiver reports bounds it.
 *
 * Life: gcc_init; gcc_on_sent for every packet that carries a transport-wide sequence number, in
 * their order; gcc_on_feedback, gcc_on_report, gcc_on_remb as they come; gcc_on_timeout when
 * gcc_next_timeout says so. After any of them: pace at gcc_pace_bps, send gcc_padding bytes of RTX
 * padding after what media there is, and choose layers by gcc_target_bps.
 *
 * The estimate is the path's; the target is what to send: less than the estimate while a queue that
 * a sudden drop left behind drains, and while feedback stays out for long. A stream that sends less
 * than it may does not lower the estimate; what arrives without a queue raises it, and so do
 * probes: at the start, and every few seconds while something could be gained by more, up to what
 * gcc_set_wanted says is of any use. What is proven needs no probe.
 *
 * An estimate that nothing has confirmed yet is a guess. gcc_is_limited says whether anything has
 * shown the path to be the limit (a queue, loss, a probe that met it, REMB) since it last took all
 * that was wanted: only then there is reason to send less.
 */
#pragma once

#include "rtp/control/gcc_delay.h"
#include "rtp/control/gcc_loss.h"
#include "rtp/control/gcc_probe.h"
#include "rtp/control/gcc_rate.h"
#include "rtp/control/meter.h"
#include "rtp/control/twcc.h"

#define GCC_START_BPS 1000000

struct gcc_config {
    uint64_t start_bps, min_bps, max_bps;
};

/* Every counter is monotonic. */
struct gcc_counters {
    uint32_t feedbacks, bad_feedbacks;
    uint32_t overuses; /* that lowered the estimate */
    uint32_t probes, probes_limited, probes_failed;
    uint32_t stalls; /* feedback stayed out, and came back */
};

/* What the newest feedback told, of packets that are not known any more too. */
struct gcc_news {
    uint32_t received, lost;
    uint32_t late;  /* of the received, that had been told as lost */
    int64_t rtt_us; /* of the newest packet that arrived, and what the feedback waited; -1: none */
};

struct gcc {
    struct twcc twcc;
    struct gcc_delay delay;
    struct gcc_rate rate;
    struct gcc_loss loss;
    struct gcc_probe probe;
    struct meter sent, acked; /* on our clock, on the receiver's */
    struct gcc_config config;
    struct gcc_counters counters;

    bool has_feedback, has_remb;
    uint64_t wanted_bps; /* more than this is of no use; 0: no probes */
    bool limited;        /* see gcc_is_limited */
    struct gcc_news news;
    int64_t rtt_us;
    int64_t feedback_us;  /* when the newest came */
    int64_t in_flight_us; /* since when packets have been in flight without any */
    int64_t arrived_us;   /* newest arrival, on the receiver's clock */
    bool app_limited;
    double proven_bps;

    /* draining what a sudden drop left queued */
    int64_t draining_until_us;

    /* when to probe */
    bool ramping;           /* at the start: probe after probe until one meets the limit */
    double before_drop_bps; /* what there was before the last large drop; 0: none */
    int64_t next_probe_us;
    int64_t probe_gap_us;
    int64_t calm_until_us; /* the queue that a probe made says nothing */
};

void gcc_init(struct gcc *g, const struct gcc_config *config, int64_t now_us);
/* `bytes` on the wire, as for the pacer. */
void gcc_on_sent(struct gcc *g, uint16_t transport_seq, unsigned bytes, int64_t now_us);
/* The same for a train: `n` packets of `bytes` each but the last one. */
void gcc_on_sent_train(struct gcc *g, uint16_t transport_seq, unsigned n, unsigned bytes,
                       unsigned last_bytes, int64_t now_us);
/* RTPFB with FMT 15. False if it is malformed: counted. */
bool gcc_on_feedback(struct gcc *g, const struct rtcp_feedback *f, int64_t now_us);
/* A receiver report's block; rtt_us < 0: not known. */
void gcc_on_report(struct gcc *g, uint8_t fraction_lost, int64_t rtt_us, int64_t now_us);
void gcc_on_remb(struct gcc *g, uint64_t bps, int64_t now_us);
void gcc_on_timeout(struct gcc *g, int64_t now_us);
int64_t gcc_next_timeout(const struct gcc *g);
/* The most that could be put to use: a little above the highest layer. UINT64_MAX: any; 0: what is
 * proven will do, no probes. */
void gcc_set_wanted(struct gcc *g, uint64_t bps);

uint64_t gcc_estimate_bps(const struct gcc *g);
/* What has arrived, or a probe has shown, and nothing has disproved since: to choose more by. */
uint64_t gcc_proven_bps(const struct gcc *g);
uint64_t gcc_target_bps(const struct gcc *g, int64_t now_us);
uint64_t gcc_pace_bps(const struct gcc *g, int64_t now_us);
/* Bytes of padding that a running probe wants now, after media. */
uint32_t gcc_padding(const struct gcc *g, int64_t now_us);
bool gcc_probing(const struct gcc *g);
bool gcc_is_limited(const struct gcc *g);
/* Nothing that was sent has been heard of for so long that the path seems to be away. */
bool gcc_stalled(const struct gcc *g, int64_t now_us);
int64_t gcc_queue_us(const struct gcc *g); /* what packets wait on the way, about */
