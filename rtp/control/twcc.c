#include "rtp/control/twcc.h"

#include <assert.h>

#define FORGET_US 8000000 /* half of what 19 bits of 32 us can tell apart */
#define TICK_US 32
#define TICK_BITS 19
#define SIZE_BITS 11
#define FATE_BITS 2
#define REFERENCE_US 64000
#define REFERENCE_BITS 24

enum fate { IN_FLIGHT, LOST, RECEIVED };

static_assert((TWCC_PACKETS & (TWCC_PACKETS - 1)) == 0 && TWCC_PACKETS <= 0x8000, "a ring");
static_assert(TICK_BITS + SIZE_BITS + FATE_BITS == 32 && TWCC_PACKET_MAX >> SIZE_BITS == 0,
              "a packet takes one word");

void twcc_init(struct twcc *t)
{
    *t = (struct twcc){0};
}

static uint32_t *packet_at(struct twcc *t, uint16_t seq)
{
    return &t->packet[seq % TWCC_PACKETS];
}

static enum fate fate_of(uint32_t packet)
{
    return (enum fate)(packet & ((1u << FATE_BITS) - 1));
}

static uint16_t size_of(uint32_t packet)
{
    return packet >> FATE_BITS & TWCC_PACKET_MAX;
}

/* Ticks from a packet to the newest; none that is known was sent more than FORGET_US before it. */
static uint32_t ticks_ago(const struct twcc *t, uint32_t packet)
{
    uint32_t then = packet >> (32 - TICK_BITS);
    return ((uint32_t)(t->last_sent_us / TICK_US) - then) & ((1u << TICK_BITS) - 1);
}

static int64_t sent_us(const struct twcc *t, uint32_t packet)
{
    return (t->last_sent_us / TICK_US - ticks_ago(t, packet)) * TICK_US;
}

static uint16_t oldest_seq(const struct twcc *t)
{
    return (uint16_t)(t->next_seq - t->count);
}

static void forget_all(struct twcc *t)
{
    t->count = t->settled = 0;
    t->in_flight = 0;
}

/* The oldest packet in flight is so no more; gives its size. */
static uint16_t settle(struct twcc *t)
{
    assert(t->settled < t->count);
    uint16_t bytes = size_of(*packet_at(t, (uint16_t)(oldest_seq(t) + t->settled++)));
    t->in_flight -= bytes;
    return bytes;
}

static void forget_oldest(struct twcc *t)
{
    if (t->settled == 0)
        settle(t);
    t->settled--;
    t->count--;
}

void twcc_on_sent(struct twcc *t, uint16_t seq, unsigned bytes, int64_t now_us)
{
    if (bytes > TWCC_PACKET_MAX)
        bytes = TWCC_PACKET_MAX;
    if (t->count > 0 && (seq != t->next_seq || now_us - t->last_sent_us > FORGET_US))
        forget_all(t);
    if (t->count == TWCC_PACKETS)
        forget_oldest(t);
    if (now_us > t->last_sent_us)
        t->last_sent_us = now_us;
    while (t->count > 0 && ticks_ago(t, *packet_at(t, oldest_seq(t))) > FORGET_US / TICK_US)
        forget_oldest(t);
    uint32_t tick = (uint32_t)(t->last_sent_us / TICK_US);
    *packet_at(t, seq) = tick << (32 - TICK_BITS) | bytes << FATE_BITS | IN_FLIGHT;
    t->in_flight += bytes;
    t->count++;
    t->next_seq = (uint16_t)(seq + 1);
}

void twcc_on_sent_train(struct twcc *t, uint16_t seq, unsigned n, unsigned bytes,
                        unsigned last_bytes, int64_t now_us)
{
    assert(n > 0 && n <= TWCC_PACKETS && bytes <= TWCC_PACKET_MAX && last_bytes <= bytes);
    twcc_on_sent(t, seq, n > 1 ? bytes : last_bytes, now_us);
    if (n == 1)
        return;
    while (t->count + n - 1 > TWCC_PACKETS)
        forget_oldest(t);
    uint32_t packet = *packet_at(t, seq);
    for (unsigned i = 1; i + 1 < n; i++)
        *packet_at(t, (uint16_t)(seq + i)) = packet;
    packet -= (bytes - last_bytes) << FATE_BITS;
    *packet_at(t, (uint16_t)(seq + n - 1)) = packet;
    t->in_flight += (n - 2) * bytes + last_bytes;
    t->count = (uint16_t)(t->count + n - 1);
    t->next_seq = (uint16_t)(seq + n);
}

void twcc_begin(struct twcc *t, const struct rtcp_transport_cc *feedback, int64_t now_us)
{
    if (now_us - t->last_sent_us > FORGET_US)
        forget_all(t);
    uint32_t step = (feedback->reference - (uint32_t)t->reference) & ((1u << REFERENCE_BITS) - 1);
    if (!t->any_feedback)
        t->reference = feedback->reference;
    else if (step < 1u << (REFERENCE_BITS - 1))
        t->reference += step;
    else
        t->reference -= (1 << REFERENCE_BITS) - (int64_t)step;
    t->any_feedback = true;
}

/* False: nothing new about it. */
static bool take(struct twcc *t, const struct rtcp_arrival *a, struct twcc_result *out)
{
    uint16_t age = (uint16_t)(t->next_seq - a->seq); /* 1 is the newest */
    if (age == 0 || age > t->count) {
        t->unknown++;
        t->unknown_lost += !a->received;
        return false;
    }
    uint32_t skipped = 0;
    while (t->settled < t->count - age)
        skipped += settle(t);
    if (t->settled == t->count - age)
        settle(t);
    uint32_t *packet = packet_at(t, a->seq);
    enum fate before = fate_of(*packet);
    if (before == RECEIVED || (before == LOST && !a->received))
        return false;
    *packet = (*packet & ~((1u << FATE_BITS) - 1)) | (a->received ? RECEIVED : LOST);
    *out = (struct twcc_result){
        .seq = a->seq,
        .bytes = size_of(*packet),
        .received = a->received,
        .was_lost = before == LOST,
        .skipped = skipped,
        .sent_us = sent_us(t, *packet),
        .arrived_us = t->reference * REFERENCE_US + a->at_us,
    };
    if (a->received)
        t->received++;
    else
        t->lost++;
    return true;
}

bool twcc_next(struct twcc *t, struct rtcp_transport_cc *feedback, struct twcc_result *out)
{
    struct rtcp_arrival arrival;
    while (rtcp_next_arrival(feedback, &arrival)) {
        if (take(t, &arrival, out))
            return true;
    }
    return false;
}
