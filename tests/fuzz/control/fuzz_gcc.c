/* fuzz_gcc.c - a viewer's estimator between a sender that does as it is told and a peer that sends
 * anything at any time: what is asked for stays within its bounds and nothing spins. */
#include "rtp/control/gcc.h"

#include <assert.h>

#define SPIN_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gcc_config config = {
    .start_bps = 1000000, .min_bps = 50000, .max_bps = 100000000};

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static uint64_t take_number(struct input *in)
{
    unsigned bits = take(in) % 64;
    return (uint64_t)(take(in) + 1) << bits;
}

static void check(const struct gcc *g, int64_t now_us)
{
    uint64_t estimate = gcc_estimate_bps(g), target = gcc_target_bps(g, now_us);
    assert(estimate >= config.min_bps && estimate <= config.max_bps);
    assert(target >= config.min_bps && target <= estimate);
    assert(gcc_pace_bps(g, now_us) <= 2 * config.max_bps);
    assert(gcc_padding(g, now_us) <= 2000000);
    assert(g->twcc.settled <= g->twcc.count && g->twcc.count <= TWCC_PACKETS);
    assert(g->twcc.count > g->twcc.settled || g->twcc.in_flight == 0);
}

static void send(struct gcc *g, uint16_t *seq, struct input *in, int64_t now_us)
{
    for (unsigned n = take(in) % 70; n > 0; n--)
        gcc_on_sent(g, (*seq)++, take(in) % 5 * 400u, now_us);
    for (unsigned n = 0; n < SPIN_MAX && gcc_padding(g, now_us) > 0; n++)
        gcc_on_sent(g, (*seq)++, 1200, now_us);
    assert(gcc_padding(g, now_us) == 0);
}

/* Runs all that is due by then. */
static void pass(struct gcc *g, int64_t *now_us, int64_t until_us)
{
    unsigned turns = 0;
    for (int64_t next; (next = gcc_next_timeout(g)) <= until_us; turns++) {
        assert(turns < SPIN_MAX);
        *now_us = next > *now_us ? next : *now_us + 1;
        if (*now_us > until_us)
            break;
        gcc_on_timeout(g, *now_us);
    }
    *now_us = until_us;
}

/* Half the time the numbers are made to be of packets that were sent. */
static void feed(struct gcc *g, uint16_t seq, struct input *in, int64_t now_us)
{
    uint8_t fci[256];
    size_t n = take(in);
    for (size_t i = 0; i < n; i++)
        fci[i] = take(in);
    if (n >= 2 && fci[0] & 1) {
        uint16_t base = (uint16_t)(seq - fci[1]);
        fci[0] = (uint8_t)(base >> 8);
        fci[1] = (uint8_t)base;
    }
    const struct rtcp_feedback f = {.fci = fci, .fci_size = n};
    gcc_on_feedback(g, &f, now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    int64_t now_us = 1000000;
    uint16_t seq = (uint16_t)take_number(&in);
    struct gcc g;
    gcc_init(&g, &config, now_us);
    while (in.size > 0) {
        switch (take(&in) % 7) {
        case 0:
        case 1:
            send(&g, &seq, &in, now_us);
            break;
        case 2:
            feed(&g, seq, &in, now_us);
            break;
        case 3:
            gcc_on_report(&g, take(&in), (int64_t)take_number(&in) % 10000000 - 1, now_us);
            break;
        case 4:
            gcc_on_remb(&g, take_number(&in), now_us);
            break;
        case 5:
            gcc_set_wanted(&g, take_number(&in));
            break;
        case 6:
            pass(&g, &now_us, now_us + (int64_t)(take_number(&in) % 20000000));
            break;
        }
        check(&g, now_us);
    }
    return 0;
}
