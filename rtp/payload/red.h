/* red.h - redundant audio data (RFC 2198), as WebRTC sends Opus in it: the packet before once more
 * in front of the current one, so that a single loss is repaired by what comes next anyway. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the four and one bytes of block headers add. */
#define RED_OVERHEAD 5

struct red_block {
    const uint8_t *data;
    size_t size;
    uint32_t rtp_ts;
};

/* Whether both blocks go into one payload of at most `room` bytes, RED_OVERHEAD and their own. */
bool red_takes(const struct red_block *previous, const struct red_block *current, size_t room);

/* Size of the payload in `out`, or -ENOSPC. `payload_type` is that of the blocks, below 128. The
 * previous block is left out if it is NULL or empty, does not fit `room`, or cannot be said: longer
 * than 1023 bytes, not older than `current`, or older by more than 16383 (0.34 s). */
int red_build(uint8_t *out, size_t room, uint8_t payload_type, const struct red_block *previous,
              const struct red_block *current);
