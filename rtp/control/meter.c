#include "rtp/control/meter.h"

#include <assert.h>
#include <string.h>

#define SPAN_MIN_US 100000

void meter_init(struct meter *m)
{
    *m = (struct meter){.first_us = INT64_MIN};
}

static int64_t slot_of(int64_t at_us)
{
    return at_us >= 0 ? at_us / METER_SLOT_US : -1 - (-1 - at_us) / METER_SLOT_US;
}

static unsigned index_of(int64_t slot)
{
    return (unsigned)((uint64_t)slot % METER_SLOTS);
}

static void advance(struct meter *m, int64_t slot)
{
    if (slot - m->slot >= METER_SLOTS) {
        memset(m->bytes, 0, sizeof(m->bytes));
        m->slot = slot;
    }
    while (m->slot < slot)
        m->bytes[index_of(++m->slot)] = 0;
}

void meter_add(struct meter *m, uint32_t bytes, int64_t at_us)
{
    int64_t slot = slot_of(at_us);
    if (m->first_us == INT64_MIN) {
        m->first_us = at_us;
        m->slot = slot;
    }
    if (slot > m->slot)
        advance(m, slot);
    if (m->slot - slot < METER_SLOTS)
        m->bytes[index_of(slot)] += bytes;
}

uint64_t meter_bps(const struct meter *m, int64_t window_us, int64_t now_us)
{
    assert(window_us > 0 && window_us <= METER_WINDOW_MAX_US);
    if (m->first_us == INT64_MIN || now_us - m->first_us < SPAN_MIN_US)
        return 0;
    int64_t newest = slot_of(now_us);
    int64_t oldest = newest - window_us / METER_SLOT_US;
    uint64_t bytes = 0;
    for (int64_t s = oldest; s <= newest; s++) {
        if (s <= m->slot && m->slot - s < METER_SLOTS)
            bytes += m->bytes[index_of(s)];
    }
    int64_t since_us = oldest * METER_SLOT_US;
    if (since_us < m->first_us)
        since_us = m->first_us;
    return bytes * 8000000 / (uint64_t)(now_us - since_us);
}
