#include "capture/audio_blocks.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* Off by more than this, blocks are stretched; one step takes 21 us off. */
#define STRETCH_US 1000
/* A jump this far is no jitter: nobody waits for the average. */
#define OBVIOUS_US 200000
/* The average reaches over about 64 measurements, 0.6 s of a device that tells each 10 ms. */
#define DRIFT_UNIT 64

static int64_t absolute(int64_t v)
{
    return v < 0 ? -v : v;
}

void audio_blocks_init(struct audio_blocks *b)
{
    *b = (struct audio_blocks){.next = -1};
}

/* `ahead`: how far what the device gives next lies ahead of where it would be placed. */
static void reanchor(struct audio_blocks *b, int64_t ahead)
{
    b->reanchored++;
    b->drift_64 = 0;
    b->excess = ahead < 0 ? -ahead : 0;
    if (ahead > 0) {
        b->next += b->gathered + ahead; /* what was gathered of a block has no successor */
        b->gathered = 0;
    }
}

void audio_blocks_measure(struct audio_blocks *b, int64_t us)
{
    int64_t place = audio_place(us);
    if (b->next < 0) {
        b->next = place < 0 ? 0 : place;
        return;
    }
    /* samples still to be left out stand before the place of the next one kept */
    int64_t off = place + b->excess - (b->next + b->gathered);
    b->drift_64 += off - b->drift_64 / DRIFT_UNIT;
    int64_t average = b->drift_64 / DRIFT_UNIT;
    if (absolute(off) > audio_place(OBVIOUS_US))
        reanchor(b, off - b->excess);
    else if (absolute(average) > audio_place(AUDIO_REANCHOR_US))
        reanchor(b, average - b->excess);
}

/* How many samples of the device the next block is made of. */
static unsigned block_input(const struct audio_blocks *b)
{
    int64_t average = b->drift_64 / DRIFT_UNIT;
    if (average > audio_place(STRETCH_US))
        return AUDIO_BLOCK_SAMPLES - 1; /* we are behind the clock: let them last longer */
    if (average < -audio_place(STRETCH_US))
        return AUDIO_BLOCK_SAMPLES + 1;
    return AUDIO_BLOCK_SAMPLES;
}

/* Linear interpolation of `n` samples over a block; its ends stay what they are. */
static void stretch(int16_t *out, const int16_t *in, unsigned n)
{
    const unsigned last = AUDIO_BLOCK_SAMPLES - 1;
    for (unsigned i = 0; i <= last; i++) {
        unsigned whole = i * (n - 1) / last, part = i * (n - 1) % last;
        const int16_t *a = in + (size_t)whole * AUDIO_CHANNELS;
        const int16_t *next = part ? a + AUDIO_CHANNELS : a;
        for (unsigned c = 0; c < AUDIO_CHANNELS; c++)
            out[i * AUDIO_CHANNELS + c] =
                (int16_t)(a[c] + (next[c] - a[c]) * (int)part / (int)last);
    }
}

static void finish_block(struct audio_blocks *b, unsigned n, struct audio_block *out)
{
    out->place = b->next;
    if (n == AUDIO_BLOCK_SAMPLES) {
        memcpy(out->pcm, b->gather, sizeof(out->pcm));
    } else {
        stretch(out->pcm, b->gather, n);
        b->stretched++;
    }
    b->next += AUDIO_BLOCK_SAMPLES;
    b->gathered = 0;
}

size_t audio_blocks_feed(struct audio_blocks *b, const int16_t *pcm, size_t samples,
                         struct audio_block *out)
{
    assert(b->next >= 0);
    size_t left_out = (uint64_t)b->excess < samples ? (size_t)b->excess : samples;
    b->excess -= (int64_t)left_out;
    if (pcm)
        pcm += left_out * AUDIO_CHANNELS;
    /* decided anew until the block is whole, and what is gathered never exceeds it */
    unsigned want = block_input(b);
    size_t taken = b->gathered < want ? want - b->gathered : 0;
    if (taken > samples - left_out)
        taken = samples - left_out;
    int16_t *to = b->gather + (size_t)b->gathered * AUDIO_CHANNELS;
    const size_t bytes = taken * AUDIO_CHANNELS * sizeof(*to);
    if (pcm)
        memcpy(to, pcm, bytes);
    else
        memset(to, 0, bytes);
    b->gathered += (unsigned)taken;
    out->place = -1;
    if (b->gathered >= want)
        finish_block(b, b->gathered, out);
    return left_out + taken;
}
