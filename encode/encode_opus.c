#include "encode/encode_opus.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <opus/opus.h>

#define RATE_HZ 48000
/* A packet of two bytes or less says "as before" and need not be sent (opus_encode). */
#define DTX_BYTES 2

struct encode_opus {
    OpusEncoder *encoder; /* owned */
    int samples;
    opus_int32 lookahead; /* samples */
    bool dtx, is_silent;
};

static uint32_t between(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

void encode_opus_set_bitrate(struct encode_opus *e, uint32_t bitrate_bps)
{
    bitrate_bps = between(bitrate_bps, ENCODE_OPUS_MIN_BPS, ENCODE_OPUS_MAX_BPS);
    int r = opus_encoder_ctl(e->encoder, OPUS_SET_BITRATE((opus_int32)bitrate_bps));
    assert(r == OPUS_OK);
}

static int check(const struct encode_opus_config *c, char *error, size_t error_size)
{
    if (c->frame_ms != 20 && c->frame_ms != 40 && c->frame_ms != 60) {
        snprintf(error, error_size, "Opus frames of %d ms: use 20, 40 or 60", c->frame_ms);
        return -EINVAL;
    }
    if (c->bitrate_bps < ENCODE_OPUS_MIN_BPS || c->bitrate_bps > ENCODE_OPUS_MAX_BPS) {
        snprintf(error, error_size, "Opus at %u bit/s: use %d to %d", c->bitrate_bps,
                 ENCODE_OPUS_MIN_BPS, ENCODE_OPUS_MAX_BPS);
        return -EINVAL;
    }
    return 0;
}

int encode_opus_create(struct encode_opus **out, const struct encode_opus_config *config,
                       char *error, size_t error_size)
{
    int err = check(config, error, error_size);
    if (err)
        return err;
    snprintf(error, error_size, "out of memory");
    struct encode_opus *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    int r;
    e->encoder = opus_encoder_create(RATE_HZ, ENCODE_OPUS_CHANNELS, OPUS_APPLICATION_AUDIO, &r);
    if (!e->encoder) {
        free(e);
        return -ENOMEM;
    }
    e->samples = RATE_HZ / 1000 * config->frame_ms;
    e->dtx = config->dtx;
    encode_opus_set_bitrate(e, config->bitrate_bps);
    r = opus_encoder_ctl(e->encoder, OPUS_SET_DTX(config->dtx));
    assert(r == OPUS_OK);
    r = opus_encoder_ctl(e->encoder, OPUS_GET_LOOKAHEAD(&e->lookahead));
    assert(r == OPUS_OK && e->lookahead >= 0);
    *out = e;
    return 0;
}

void encode_opus_destroy(struct encode_opus *e)
{
    if (!e)
        return;
    opus_encoder_destroy(e->encoder);
    free(e);
}

void encode_opus_reset(struct encode_opus *e)
{
    int r = opus_encoder_ctl(e->encoder, OPUS_RESET_STATE);
    assert(r == OPUS_OK);
    (void)r;
    e->is_silent = false;
}

size_t encode_opus_samples(const struct encode_opus *e)
{
    return (size_t)e->samples;
}

size_t encode_opus_lookahead(const struct encode_opus *e)
{
    return (size_t)e->lookahead;
}

int encode_opus(struct encode_opus *e, const int16_t *pcm, uint8_t *out)
{
    int size = opus_encode(e->encoder, pcm, e->samples, out, ENCODE_OPUS_MAX_PACKET);
    if (size < 0)
        return -EIO;
    /* The first packet of silence is sent all the same: it tells the decoder that what follows is
     * not lost, so that it plays comfort noise and does not stretch the last sound. */
    bool was_silent = e->is_silent;
    e->is_silent = e->dtx && size <= DTX_BYTES;
    return was_silent && e->is_silent ? 0 : size;
}
