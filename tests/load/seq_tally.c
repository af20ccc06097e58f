#include "tests/load/seq_tally.h"

#include <string.h>

void seq_tally_init(struct seq_tally *t)
{
    *t = (struct seq_tally){0};
}

static bool has(const uint64_t *bits, uint16_t seq)
{
    unsigned i = seq % SEQ_TALLY_WINDOW;
    return bits[i / 64] >> i % 64 & 1;
}

static void set(uint64_t *bits, uint16_t seq)
{
    unsigned i = seq % SEQ_TALLY_WINDOW;
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

static void clear(uint64_t *bits, uint16_t seq)
{
    unsigned i = seq % SEQ_TALLY_WINDOW;
    bits[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static void advance(struct seq_tally *t, uint16_t seq, unsigned ahead)
{
    t->missing += ahead - 1;
    if (ahead > SEQ_TALLY_WINDOW) {
        memset(t->seen, 0, sizeof(t->seen));
        memset(t->repaired_bits, 0, sizeof(t->repaired_bits));
    } else {
        for (uint16_t s = (uint16_t)(t->highest + 1); s != seq; s++) {
            clear(t->seen, s);
            clear(t->repaired_bits, s);
        }
    }
    t->highest = seq;
    t->span = t->span + ahead < SEQ_TALLY_WINDOW ? t->span + ahead : SEQ_TALLY_WINDOW;
    set(t->seen, seq);
    clear(t->repaired_bits, seq);
}

static bool is_behind(const struct seq_tally *t, int16_t ahead)
{
    return -ahead > (int)t->span || -ahead >= SEQ_TALLY_WINDOW;
}

void seq_tally_on_packet(struct seq_tally *t, uint16_t seq)
{
    t->packets++;
    if (!t->any) {
        t->any = true;
        t->highest = seq;
        set(t->seen, seq);
        return;
    }
    int16_t ahead = (int16_t)(seq - t->highest);
    if (ahead > 0) {
        advance(t, seq, (unsigned)ahead);
    } else if (is_behind(t, ahead)) {
        t->stale++;
    } else if (has(t->seen, seq)) {
        t->duplicates++;
    } else {
        t->reordered++;
        t->filled += !has(t->repaired_bits, seq);
        set(t->seen, seq);
    }
}

bool seq_tally_on_repair(struct seq_tally *t, uint16_t seq)
{
    int16_t ahead = (int16_t)(seq - t->highest);
    if (!t->any || ahead > 0 || is_behind(t, ahead) || has(t->seen, seq) ||
        has(t->repaired_bits, seq))
        return false;
    set(t->repaired_bits, seq);
    t->repaired++;
    t->filled++;
    return true;
}

uint64_t seq_tally_lost(const struct seq_tally *t)
{
    return t->missing - t->reordered;
}
