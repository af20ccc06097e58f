#include "rtp/control/gcc_probe.h"

#include <assert.h>

#define DURATION_US 30000
#define DURATION_MAX_US 150000
#define PACKETS 8
#define BYTES_MIN 3000
#define PACKET_BYTES 1200
#define TRAIN_US INT64_C(2500)
#define LATE_FACTOR 3
#define WAIT_US 1000000
#define ARRIVED_MIN 0.8
#define TRAINS_MIN 3
#define RATIO_MAX 2.0 /* faster than it was sent: it was held up and then let through */
#define LIMITED 0.9
#define TAKEN 0.95

void gcc_probe_init(struct gcc_probe *p)
{
    *p = (struct gcc_probe){.state = GCC_PROBE_IDLE};
}

/* Enough packets to measure by, but on a slow path no more than it takes in a moment. */
static uint32_t goal_bytes(uint64_t bps)
{
    uint64_t bytes = bps * DURATION_US / 8000000, most = bps * DURATION_MAX_US / 8000000;
    if (bytes < PACKETS * PACKET_BYTES)
        bytes = most < PACKETS * PACKET_BYTES ? most : PACKETS * PACKET_BYTES;
    return bytes < BYTES_MIN ? BYTES_MIN : (uint32_t)bytes;
}

void gcc_probe_begin(struct gcc_probe *p, uint64_t bps, int64_t now_us)
{
    assert(p->state == GCC_PROBE_IDLE && bps > 0);
    *p = (struct gcc_probe){
        .state = GCC_PROBE_ACTIVE,
        .bps = bps,
        .begun_us = now_us,
        .sent_us = now_us,
        .polled_us = now_us - TRAIN_US,
        .goal = goal_bytes(bps),
    };
}

static int64_t duration_us(const struct gcc_probe *p)
{
    return (int64_t)(p->goal * UINT64_C(8000000) / p->bps);
}

static bool is_late(const struct gcc_probe *p, int64_t now_us)
{
    return now_us - p->begun_us > LATE_FACTOR * duration_us(p);
}

void gcc_probe_on_sent(struct gcc_probe *p, uint16_t seq, unsigned bytes, int64_t now_us)
{
    if (p->state != GCC_PROBE_ACTIVE)
        return;
    /* the train that reaches the goal is the last one, whole */
    if ((p->sent >= p->goal && now_us != p->sent_us) || is_late(p, now_us)) {
        p->state = p->packets > 0 ? GCC_PROBE_WAITING : GCC_PROBE_IDLE;
        return;
    }
    if (p->packets++ == 0)
        p->first_seq = seq;
    p->sent += bytes;
    p->sent_us = now_us;
}

static uint64_t train_bytes(const struct gcc_probe *p)
{
    uint64_t bytes = (uint64_t)TRAIN_US * p->bps / 8000000;
    return bytes > PACKET_BYTES / 2 ? bytes : PACKET_BYTES / 2;
}

uint32_t gcc_probe_wants(const struct gcc_probe *p, int64_t now_us)
{
    if (p->state != GCC_PROBE_ACTIVE || p->sent >= p->goal || is_late(p, now_us))
        return 0;
    uint64_t due = (uint64_t)(now_us - p->begun_us + TRAIN_US) * p->bps / 8000000;
    return due >= p->sent + train_bytes(p) ? (uint32_t)due - p->sent : 0;
}

bool gcc_probe_has(const struct gcc_probe *p, uint16_t seq)
{
    return (uint16_t)(seq - p->first_seq) < p->packets;
}

void gcc_probe_on_result(struct gcc_probe *p, const struct twcc_result *r)
{
    if (p->state == GCC_PROBE_WAITING && (int16_t)(r->seq - p->first_seq) >= p->packets - 1)
        p->ended = true;
    if (!gcc_probe_has(p, r->seq) || !r->received ||
        (p->trains > 0 && r->sent_us < p->last_sent_us))
        return;
    if (p->trains == 0) {
        p->first_sent_us = r->sent_us;
        p->first_arrived_us = r->arrived_us;
    }
    if (p->trains == 0 || r->sent_us > p->last_sent_us) {
        p->trains++;
        p->last_sent_us = r->sent_us;
        p->last_arrived_us = r->arrived_us;
        p->last_bytes = 0;
    }
    p->bytes += r->bytes;
    p->last_bytes += r->bytes;
    p->arrived++;
}

static void measure(const struct gcc_probe *p, struct gcc_probe_result *out)
{
    int64_t sending = p->last_sent_us - p->first_sent_us;
    int64_t arriving = p->last_arrived_us - p->first_arrived_us;
    if (p->trains < TRAINS_MIN || p->arrived < ARRIVED_MIN * p->packets || sending <= 0 ||
        arriving <= 0)
        return;
    double bits = 8e6 * (p->bytes - p->last_bytes);
    double sent = bits / (double)sending, received = bits / (double)arriving;
    if (received > RATIO_MAX * sent)
        return;
    out->limited = received < LIMITED * sent;
    double bps = out->limited ? TAKEN * received : received < sent ? received : sent;
    out->bps = bps < (double)p->bps ? bps : (double)p->bps;
}

struct gcc_probe_result gcc_probe_poll(struct gcc_probe *p, int64_t now_us)
{
    struct gcc_probe_result result = {.aimed_bps = p->bps};
    p->polled_us = now_us;
    if (p->state == GCC_PROBE_ACTIVE &&
        (is_late(p, now_us) || (p->sent >= p->goal && now_us > p->sent_us)))
        p->state = GCC_PROBE_WAITING;
    if (p->state != GCC_PROBE_WAITING || !(p->ended || now_us - p->sent_us > WAIT_US))
        return result;
    result.done = true;
    if (p->ended)
        measure(p, &result);
    p->state = GCC_PROBE_IDLE;
    p->packets = 0;
    return result;
}

/* When gcc_probe_wants next wants a train; later, if it was asked and nothing could be sent. */
static int64_t next_train_us(const struct gcc_probe *p)
{
    uint64_t due = p->sent + train_bytes(p);
    int64_t due_us = p->begun_us - TRAIN_US + (int64_t)((due * 8000000 + p->bps - 1) / p->bps);
    int64_t again_us = p->polled_us + TRAIN_US;
    return due_us > again_us ? due_us : again_us;
}

int64_t gcc_probe_next_timeout(const struct gcc_probe *p)
{
    switch (p->state) {
    case GCC_PROBE_IDLE:
        return INT64_MAX;
    case GCC_PROBE_ACTIVE:
        if (p->sent >= p->goal)
            return p->sent_us + 1;
        return next_train_us(p);
    case GCC_PROBE_WAITING:
        return p->sent_us + WAIT_US + 1;
    }
    return INT64_MAX;
}
