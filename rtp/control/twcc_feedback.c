#include "rtp/control/twcc_feedback.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/rtcp.h"

#include <assert.h>
#include <string.h>

enum {
    TICK_US = 250,
    TICKS_PER_REFERENCE = 256, /* the reference time counts 64 ms */
    HEADER_SIZE = 20,
    RUN_MAX = 0x1fff, /* 13 bits */
    ONE_BIT_SYMBOLS = 14,
    TWO_BIT_SYMBOLS = 7,
};

enum symbol { NOT_RECEIVED, SMALL_DELTA, LARGE_DELTA };

struct message {
    unsigned n; /* packet statuses */
    uint8_t symbols[TWCC_FEEDBACK_PER_MESSAGE];
    int16_t deltas[TWCC_FEEDBACK_PER_MESSAGE]; /* of the received ones */
    uint32_t reference;                        /* in ticks, a multiple of 256 */
};

void twcc_feedback_init(struct twcc_feedback *t)
{
    *t = (struct twcc_feedback){0};
}

static bool is_got(const struct twcc_feedback *t, uint16_t seq)
{
    unsigned i = seq % TWCC_FEEDBACK_WINDOW;
    return t->got[i / 64] >> i % 64 & 1;
}

static void set_got(struct twcc_feedback *t, uint16_t seq, bool got)
{
    unsigned i = seq % TWCC_FEEDBACK_WINDOW;
    if (got)
        t->got[i / 64] |= UINT64_C(1) << i % 64;
    else
        t->got[i / 64] &= ~(UINT64_C(1) << i % 64);
}

/* Makes room up to and with `seq`; what falls out at the old end is never reported. */
static void extend(struct twcc_feedback *t, uint16_t seq)
{
    if ((int16_t)(seq - t->base) >= 2 * TWCC_FEEDBACK_WINDOW) {
        t->left_out += twcc_feedback_waiting(t);
        memset(t->got, 0, sizeof(t->got));
        t->base = seq;
    }
    while ((uint16_t)(seq - t->base) >= TWCC_FEEDBACK_WINDOW) {
        set_got(t, t->base++, false);
        t->left_out++;
    }
    t->end = (uint16_t)(seq + 1);
}

void twcc_feedback_on_packet(struct twcc_feedback *t, uint16_t seq, int64_t now_us)
{
    if (!t->any) {
        t->any = true;
        t->base = t->end = seq;
    }
    if ((int16_t)(seq - t->end) >= 0) {
        extend(t, seq);
    } else if ((int16_t)(seq - t->base) < 0) {
        if ((uint16_t)(t->end - seq) > TWCC_FEEDBACK_WINDOW) {
            t->left_out++;
            return;
        }
        t->base = seq;
    }
    if (is_got(t, seq))
        return;
    set_got(t, seq, true);
    t->tick[seq % TWCC_FEEDBACK_WINDOW] = (uint32_t)(now_us / TICK_US);
}

unsigned twcc_feedback_waiting(const struct twcc_feedback *t)
{
    return (uint16_t)(t->end - t->base);
}

/* Takes statuses off the front until the message is full or a delta does not fit 16 bits. */
static bool collect(struct twcc_feedback *t, struct message *m)
{
    uint32_t cursor = 0;
    bool any = false;
    m->n = 0;
    m->reference = 0;
    while (t->base != t->end && m->n < TWCC_FEEDBACK_PER_MESSAGE) {
        uint8_t symbol = NOT_RECEIVED;
        if (is_got(t, t->base)) {
            uint32_t tick = t->tick[t->base % TWCC_FEEDBACK_WINDOW];
            if (!any)
                m->reference = cursor = tick & ~(uint32_t)(TICKS_PER_REFERENCE - 1);
            any = true;
            int32_t delta = (int32_t)(tick - cursor);
            if (delta < INT16_MIN || delta > INT16_MAX)
                break;
            cursor = tick;
            m->deltas[m->n] = (int16_t)delta;
            symbol = delta >= 0 && delta <= UINT8_MAX ? SMALL_DELTA : LARGE_DELTA;
        }
        m->symbols[m->n++] = symbol;
        set_got(t, t->base++, false);
    }
    if (!any)
        t->left_out += m->n; /* a gap as long as a message: nothing in it has a time */
    return any;
}

static unsigned run_length(const struct message *m, unsigned at)
{
    unsigned n = 1;
    while (at + n < m->n && n < RUN_MAX && m->symbols[at + n] == m->symbols[at])
        n++;
    return n;
}

static bool fits_one_bit(const struct message *m, unsigned at)
{
    for (unsigned i = at; i < m->n && i < at + ONE_BIT_SYMBOLS; i++) {
        if (m->symbols[i] == LARGE_DELTA)
            return false;
    }
    return true;
}

static uint16_t vector_chunk(const struct message *m, unsigned at, unsigned symbols, unsigned bits)
{
    unsigned chunk = bits == 1 ? 0x8000 : 0xc000;
    for (unsigned i = 0; i < symbols && at + i < m->n; i++)
        chunk |= (unsigned)m->symbols[at + i] << (symbols - 1 - i) * bits;
    return (uint16_t)chunk;
}

static size_t write_chunks(uint8_t *out, const struct message *m)
{
    size_t size = 0;
    for (unsigned at = 0; at < m->n; size += 2) {
        unsigned run = run_length(m, at);
        if (run > ONE_BIT_SYMBOLS || at + run == m->n) {
            put_u16(out + size, (uint16_t)((unsigned)m->symbols[at] << 13 | run));
            at += run;
        } else if (fits_one_bit(m, at)) {
            put_u16(out + size, vector_chunk(m, at, ONE_BIT_SYMBOLS, 1));
            at += ONE_BIT_SYMBOLS;
        } else {
            put_u16(out + size, vector_chunk(m, at, TWO_BIT_SYMBOLS, 2));
            at += TWO_BIT_SYMBOLS;
        }
    }
    return size;
}

static size_t write_deltas(uint8_t *out, const struct message *m)
{
    size_t size = 0;
    for (unsigned i = 0; i < m->n; i++) {
        if (m->symbols[i] == SMALL_DELTA) {
            out[size++] = (uint8_t)m->deltas[i];
        } else if (m->symbols[i] == LARGE_DELTA) {
            put_u16(out + size, (uint16_t)m->deltas[i]);
            size += 2;
        }
    }
    return size;
}

size_t twcc_feedback_write(struct twcc_feedback *t, uint8_t *out, size_t room, uint32_t sender_ssrc,
                           uint32_t media_ssrc)
{
    struct message m;
    uint16_t base = t->base;
    if (room < TWCC_FEEDBACK_MAX || !collect(t, &m))
        return 0;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, media_ssrc);
    put_u16(out + 12, base);
    put_u16(out + 14, (uint16_t)m.n);
    put_u24(out + 16, m.reference / TICKS_PER_REFERENCE & 0xffffff);
    out[19] = t->feedback_count++;
    size_t size = HEADER_SIZE;
    size += write_chunks(out + size, &m);
    size += write_deltas(out + size, &m);
    unsigned padding = (unsigned)(-size & 3); /* RFC 3550 6.4.1: the last byte counts it */
    memset(out + size, 0, padding);
    size += padding;
    if (padding > 0)
        out[size - 1] = (uint8_t)padding;
    assert(size <= TWCC_FEEDBACK_MAX);
    out[0] = (uint8_t)(0x80 | (padding > 0 ? 0x20 : 0) | RTCP_TRANSPORT_CC);
    out[1] = RTCP_RTPFB;
    put_u16(out + 2, (uint16_t)(size / 4 - 1));
    return size;
}
