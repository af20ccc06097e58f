#include "rtp/control/loss.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void turn(struct loss *l, int64_t now_us)
{
    int64_t age = now_us - l->since_us;
    if (age < LOSS_WINDOW_US)
        return;
    l->before = age < 2 * LOSS_WINDOW_US ? l->now : (struct loss_count){0};
    l->now = (struct loss_count){0};
    l->since_us = now_us;
}

void loss_add(struct loss *l, uint32_t received, uint32_t missing, uint32_t late, int64_t now_us)
{
    turn(l, now_us);
    l->now.received += received;
    l->now.lost += l->missing;
    l->missing = missing;
    uint32_t from_now = smaller(late, l->now.lost);
    l->now.lost -= from_now;
    l->before.lost -= smaller(late - from_now, l->before.lost);
}

uint32_t loss_packets(const struct loss *l)
{
    return l->now.lost + l->before.lost;
}

unsigned loss_fraction(const struct loss *l)
{
    uint64_t lost = loss_packets(l), all = lost + l->now.received + l->before.received;
    uint64_t fraction = all > 0 ? lost * 256 / all : 0;
    return fraction < 255 ? (unsigned)fraction : 255;
}
