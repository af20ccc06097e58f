/* audio_blocks.h - cuts the samples of a device into blocks of 10 ms, and says when each was
 * taken. Pure.
 *
 * A place is a number of samples of 48 kHz since CLOCK_MONOTONIC began. Blocks follow each other
 * without gap, so that RTP time can count samples, while the device's own clock is a little off and
 * what it says of its latency jitters. So what it says is averaged, and where the places drift away
 * from it, blocks are made of a sample less or more until they agree again. Only when they are
 * AUDIO_REANCHOR_US apart the time line jumps (a suspended device, a sleeping machine): forward
 * over what is missing, or by leaving out what is too much; places never go back.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define AUDIO_RATE_HZ 48000
#define AUDIO_CHANNELS 2
#define AUDIO_BLOCK_SAMPLES 480 /* of each channel */
#define AUDIO_REANCHOR_US 20000

struct audio_block {
    int64_t place; /* of its first sample */
    int16_t pcm[AUDIO_BLOCK_SAMPLES * AUDIO_CHANNELS];
};

struct audio_blocks {
    int64_t next;     /* place of the first sample gathered; -1: not known yet */
    int64_t drift_64; /* what the device says minus where we are, averaged; 1/64 samples */
    int64_t excess;   /* samples to be left out */
    unsigned gathered;
    int16_t gather[(AUDIO_BLOCK_SAMPLES + 1) * AUDIO_CHANNELS];

    uint64_t reanchored, stretched;
};

static inline int64_t audio_place(int64_t us)
{
    return us * (AUDIO_RATE_HZ / 1000) / 1000;
}

static inline int64_t audio_place_us(int64_t place)
{
    return place * 1000 / (AUDIO_RATE_HZ / 1000);
}

void audio_blocks_init(struct audio_blocks *b);
/* The next sample was taken at `us`, as far as the device can tell. Once before the first. */
void audio_blocks_measure(struct audio_blocks *b, int64_t us);
/* Takes samples until a block is whole or none are left; how many it took. The place of the block
 * is -1 if it is not whole yet. `pcm` NULL is silence. */
size_t audio_blocks_feed(struct audio_blocks *b, const int16_t *pcm, size_t samples,
                         struct audio_block *out);
