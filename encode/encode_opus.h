/* encode_opus.h - sound to Opus (RFC 6716, as RFC 7587 carries it): 48 kHz, stereo, one packet a
 * frame.
 *
 * Life: create, then encode frame after frame, destroy. Belongs to one thread. The packets decode
 * anywhere on their own; nothing is configured out of band.
 *
 * No packet holds a copy of the one before it (in-band FEC): README.md says why. DTX: while it is
 * silent most frames become no packet at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENCODE_OPUS_CHANNELS 2
#define ENCODE_OPUS_MAX_MS 60
#define ENCODE_OPUS_MAX_PACKET 1100 /* bytes; the encoder keeps below, so that RTP fits 1200 */
#define ENCODE_OPUS_MIN_BPS 6000
#define ENCODE_OPUS_MAX_BPS 160000

struct encode_opus;

struct encode_opus_config {
    int frame_ms;         /* 20, 40 or 60 */
    uint32_t bitrate_bps; /* a mean: ENCODE_OPUS_MIN_BPS to ENCODE_OPUS_MAX_BPS */
    bool dtx;
};

/* 0, or -errno with a sentence in `error`. */
int encode_opus_create(struct encode_opus **out, const struct encode_opus_config *config,
                       char *error, size_t error_size);
void encode_opus_destroy(struct encode_opus *e);         /* NULL is fine */
size_t encode_opus_samples(const struct encode_opus *e); /* of each channel in a frame */
/* How many samples what is decoded lags behind what was encoded: the first sample out of a packet
 * was taken as long before the first one that went into it. */
size_t encode_opus_lookahead(const struct encode_opus *e);

/* Size of the packet in `out`, which has ENCODE_OPUS_MAX_PACKET bytes; 0: silence, nothing to send;
 * -EIO if the library failed, which leaves it able to go on. `pcm` is interleaved. */
int encode_opus(struct encode_opus *e, const int16_t *pcm, uint8_t *out);

/* What was encoded before is forgotten, what was set is not: the next frame is as the first one. */
void encode_opus_reset(struct encode_opus *e);

/* From the next frame on; out of range is brought into it. */
void encode_opus_set_bitrate(struct encode_opus *e, uint32_t bitrate_bps);
