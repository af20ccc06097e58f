#include "rtp/control/nack.h"

#include <assert.h>
#include <string.h>

void nack_init(struct nack *n)
{
    *n = (struct nack){.rtt_us = NACK_RTT_DEFAULT_US};
}

void nack_set_rtt(struct nack *n, int64_t rtt_us)
{
    n->rtt_us = rtt_us > NACK_RTT_MIN_US ? rtt_us : NACK_RTT_MIN_US;
}

static void remove_entry(struct nack *n, unsigned i)
{
    n->count--;
    memmove(&n->entry[i], &n->entry[i + 1], (n->count - i) * sizeof(n->entry[0]));
}

static void give_up_oldest(struct nack *n, unsigned k)
{
    n->lost += k;
    n->count = (uint16_t)(n->count - k);
    memmove(&n->entry[0], &n->entry[k], n->count * sizeof(n->entry[0]));
}

static void on_old(struct nack *n, uint16_t seq, int64_t now_us)
{
    for (unsigned i = 0; i < n->count; i++) {
        if (n->entry[i].seq == seq) {
            if (n->entry[i].tries == 1)
                n->sample_us = (uint32_t)(now_us / 1000 - n->entry[i].asked_ms) * INT64_C(1000);
            remove_entry(n, i);
            n->recovered++;
            return;
        }
    }
}

static void on_jump(struct nack *n, uint16_t seq)
{
    give_up_oldest(n, n->count);
    n->jumps++;
    n->highest_seq = seq;
}

/* All of first..end-1 are missing: at most NACK_MAX. */
static void on_gap(struct nack *n, uint16_t first, uint16_t end, int64_t now_us)
{
    unsigned gap = (uint16_t)(end - first);
    assert(gap <= NACK_MAX);
    if (n->count + gap > NACK_MAX)
        give_up_oldest(n, n->count + gap - NACK_MAX);
    n->missing += gap;
    for (uint16_t seq = first; seq != end; seq++)
        n->entry[n->count++] = (struct nack_entry){.next_us = now_us + NACK_REORDER_US, .seq = seq};
}

void nack_on_packet(struct nack *n, uint16_t seq, int64_t now_us)
{
    if (!n->any) {
        n->any = true;
        n->highest_seq = seq;
        return;
    }
    int16_t ahead = (int16_t)(seq - n->highest_seq);
    if (ahead > NACK_MAX + 1 || ahead < -NACK_MAX) {
        on_jump(n, seq);
    } else if (ahead <= 0) {
        on_old(n, seq, now_us);
    } else {
        on_gap(n, (uint16_t)(n->highest_seq + 1), seq, now_us);
        n->highest_seq = seq;
    }
}

void nack_forget(struct nack *n, uint16_t seq)
{
    unsigned k = 0;
    while (k < n->count && (int16_t)(n->entry[k].seq - seq) < 0)
        k++;
    give_up_oldest(n, k);
}

bool nack_is_missing(const struct nack *n, uint16_t seq)
{
    for (unsigned i = 0; i < n->count; i++) {
        if (n->entry[i].seq == seq)
            return true;
    }
    return false;
}

size_t nack_next(struct nack *n, uint16_t *seqs, size_t max, int64_t now_us)
{
    size_t found = 0;
    for (unsigned i = 0; i < n->count && found < max;) {
        struct nack_entry *e = &n->entry[i];
        if (now_us >= e->next_us && e->tries == NACK_TRIES) {
            remove_entry(n, i);
            n->lost++;
            continue;
        }
        if (now_us >= e->next_us) {
            e->tries++;
            e->asked_ms = (uint32_t)(now_us / 1000);
            e->next_us = now_us + n->rtt_us;
            seqs[found++] = e->seq;
        }
        i++;
    }
    n->asked += found;
    return found;
}

int64_t nack_next_timeout(const struct nack *n)
{
    int64_t first = INT64_MAX;
    for (unsigned i = 0; i < n->count; i++) {
        if (n->entry[i].next_us < first)
            first = n->entry[i].next_us;
    }
    return first;
}
