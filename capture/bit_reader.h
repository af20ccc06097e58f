/* bit_reader.h - the bits of an H.264 NAL unit (ITU-T H.264 7.2, 9.1). Pure.
 *
 * Skips emulation prevention bytes. Reading past the end, or a number that no syntax element may
 * have, sets `bad` and gives zeros from then on: check it once after a group of reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bit_reader {
    const uint8_t *at, *end;
    unsigned zeros; /* zero bytes right before `at` */
    unsigned left;  /* bits of `byte` not read yet */
    uint8_t byte;
    bool bad;
};

static inline struct bit_reader bit_reader_of(const uint8_t *data, size_t size)
{
    return (struct bit_reader){.at = data, .end = data + size};
}

static inline void bit_reader_load(struct bit_reader *r)
{
    if (r->at < r->end && r->zeros >= 2 && *r->at == 3) {
        r->at++;
        r->zeros = 0;
    }
    if (r->at == r->end) {
        r->bad = true;
        r->byte = 0;
    } else {
        r->byte = *r->at++;
        r->zeros = r->byte == 0 ? r->zeros + 1 : 0;
    }
    r->left = 8;
}

/* u(n), n up to 32 */
static inline uint32_t bit_reader_u(struct bit_reader *r, unsigned n)
{
    uint32_t value = 0;
    while (n-- > 0 && !r->bad) {
        if (r->left == 0)
            bit_reader_load(r);
        r->left--;
        value = value << 1 | (r->byte >> r->left & 1u);
    }
    return r->bad ? 0 : value;
}

/* ue(v): 0 to 2^32-2 */
static inline uint32_t bit_reader_ue(struct bit_reader *r)
{
    unsigned zeros = 0;
    while (zeros < 32 && !r->bad && bit_reader_u(r, 1) == 0)
        zeros++;
    if (zeros == 32)
        r->bad = true;
    return r->bad ? 0 : (1u << zeros) - 1 + bit_reader_u(r, zeros);
}

/* se(v) */
static inline int32_t bit_reader_se(struct bit_reader *r)
{
    uint32_t k = bit_reader_ue(r);
    return k & 1 ? (int32_t)(k / 2 + 1) : -(int32_t)(k / 2);
}
