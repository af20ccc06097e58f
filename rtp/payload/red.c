#include "rtp/payload/red.h"

#include "rtp/wire/bytes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* RFC 2198 3: F, block PT, 14 bits of timestamp offset, 10 bits of length; the last block has only
 * F, which is clear, and its PT. */
#define FOLLOWED 0x80000000u
#define MAX_OFFSET 16383
#define MAX_LENGTH 1023

static bool can_say(const struct red_block *previous, const struct red_block *current)
{
    uint32_t offset = current->rtp_ts - previous->rtp_ts; /* modulo 2^32: a newer one is huge */
    return previous->size > 0 && previous->size <= MAX_LENGTH && offset > 0 && offset <= MAX_OFFSET;
}

bool red_takes(const struct red_block *previous, const struct red_block *current, size_t room)
{
    return can_say(previous, current) && room >= RED_OVERHEAD &&
           previous->size <= room - RED_OVERHEAD &&
           current->size <= room - RED_OVERHEAD - previous->size;
}

int red_build(uint8_t *out, size_t room, uint8_t payload_type, const struct red_block *previous,
              const struct red_block *current)
{
    assert(payload_type < 128);
    if (room < 1 || current->size > room - 1)
        return -ENOSPC;
    uint8_t *p = out;
    const bool both = previous && red_takes(previous, current, room);
    if (both) {
        uint32_t offset = current->rtp_ts - previous->rtp_ts;
        put_u32(p,
                FOLLOWED | (uint32_t)payload_type << 24 | offset << 10 | (uint32_t)previous->size);
        p += 4;
    }
    *p++ = payload_type;
    if (both) {
        memcpy(p, previous->data, previous->size);
        p += previous->size;
    }
    memcpy(p, current->data, current->size);
    p += current->size;
    return (int)(p - out);
}
