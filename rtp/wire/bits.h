/* bits.h - fields of bits in and out of byte buffers, most significant bit first.
 *
 * Reading past the end gives zeros and sets `overrun`, writing past it is not done and sets it:
 * one look at the end is enough.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bit_reader {
    const uint8_t *bytes; /* borrowed */
    size_t size;          /* bytes */
    size_t at;            /* bits taken */
    bool overrun;
};

struct bit_writer {
    uint8_t *bytes; /* borrowed; zeroed as it goes */
    size_t size;    /* bytes */
    size_t at;      /* bits written */
    bool overrun;
};

/* `n` is 0-32. */
static inline uint32_t get_bits(struct bit_reader *r, unsigned n)
{
    assert(n <= 32);
    if (r->overrun || n > r->size * 8 - r->at) {
        r->overrun = true;
        return 0;
    }
    uint64_t v = 0;
    unsigned skip = r->at % 8, got = 0;
    const uint8_t *p = r->bytes + r->at / 8;
    for (; got < n + skip; got += 8)
        v = v << 8 | *p++;
    r->at += n;
    return (uint32_t)(v >> (got - n - skip) & ((UINT64_C(1) << n) - 1));
}

static inline bool get_bit(struct bit_reader *r)
{
    return get_bits(r, 1) != 0;
}

static inline void put_bits(struct bit_writer *w, unsigned n, uint32_t v)
{
    assert(n <= 32 && (uint64_t)v < UINT64_C(1) << n);
    if (w->overrun || n > w->size * 8 - w->at) {
        w->overrun = true;
        return;
    }
    while (n > 0) {
        unsigned used = w->at % 8;
        unsigned now = n < 8 - used ? n : 8 - used;
        uint8_t *p = w->bytes + w->at / 8;
        uint8_t kept = used ? *p : 0;
        n -= now;
        *p = (uint8_t)(kept | (v >> n & ((1u << now) - 1)) << (8 - used - now));
        w->at += now;
    }
}

static inline void put_bit(struct bit_writer *w, bool v)
{
    put_bits(w, 1, v);
}
