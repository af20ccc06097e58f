/* opus.h - Opus packets and their RTP payload format (RFC 7587): one packet is one payload. Pure.
 */
#pragma once

#include "rtp/payload/packetize.h"

#include <stddef.h>
#include <stdint.h>

#define OPUS_CLOCK_HZ 48000

/* How long the packet plays, in samples of 48 kHz (RFC 6716 3.1); 0 if it is malformed. */
uint32_t opus_samples(const uint8_t *packet, size_t size);

/* 0; -EBADMSG if it is empty; -ENOSPC also if it is longer than max_payload, since there are no
 * fragments. The marker stays clear: it would say that a talk spurt begins (RFC 7587 4.1). */
int opus_packetize(struct packetize *out, const uint8_t *packet, size_t size, size_t max_payload);
