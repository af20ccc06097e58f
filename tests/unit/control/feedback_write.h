/* feedback_write.h - transport-wide feedback by hand: one two-bit chunk per seven statuses. */
#pragma once

#include "rtp/wire/bytes.h"
#include "rtp/wire/rtcp.h"

#include <assert.h>
#include <string.h>

#define FEEDBACK_MAX 400 /* statuses */
#define FEEDBACK_LOST INT64_MIN

struct feedback_bytes {
    uint8_t fci[8 + 2 * FEEDBACK_MAX / 7 + 2 + 2 * FEEDBACK_MAX];
};

/* `at_us[i]` is when `first + i` arrived, or FEEDBACK_LOST. */
static inline struct rtcp_feedback feedback_write(struct feedback_bytes *b, uint16_t first,
                                                  const int64_t *at_us, unsigned n)
{
    assert(n > 0 && n <= FEEDBACK_MAX);
    memset(b, 0, sizeof(*b));
    int64_t reference = INT64_MIN, tick = 0;
    size_t chunks = 8, deltas = 8 + 2 * ((n + 6u) / 7);
    for (unsigned i = 0; i < n; i++) {
        uint8_t *chunk = b->fci + chunks + 2 * (size_t)(i / 7);
        if (i % 7 == 0)
            put_u16(chunk, 0xc000);
        if (at_us[i] == FEEDBACK_LOST)
            continue;
        if (reference == INT64_MIN) {
            reference = at_us[i] / 64000;
            tick = reference * 256;
        }
        int64_t delta = at_us[i] / 250 - tick;
        assert(delta >= INT16_MIN && delta <= INT16_MAX);
        tick += delta;
        put_u16(chunk, (uint16_t)(get_u16(chunk) | 2u << (12 - 2 * (i % 7))));
        put_u16(b->fci + deltas, (uint16_t)delta);
        deltas += 2;
    }
    put_u16(b->fci, first);
    put_u16(b->fci + 2, (uint16_t)n);
    put_u24(b->fci + 4, reference == INT64_MIN ? 0 : (uint32_t)reference & 0xffffff);
    return (struct rtcp_feedback){.fci = b->fci, .fci_size = deltas};
}
