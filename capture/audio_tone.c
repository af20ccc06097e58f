/* A tone that nobody plays, for tests and for trying out: a pure one of 440 Hz, or, with `beep`, 20
 * ms of 1 kHz at each whole second of CLOCK_MONOTONIC and silence between, at which `pattern:flash`
 * flashes. Each sample is a function of its place on the time line. */
#include "capture/audio_backends.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TONE_HZ 440
#define BEEP_HZ 1000
#define BEEP_SAMPLES (AUDIO_RATE_HZ / 50)
#define AMPLITUDE 8000 /* -12 dB of the largest */

struct tone {
    int16_t wave[AUDIO_RATE_HZ]; /* one second, immutable after open */
};

static void fill(struct tone *tone, bool beep)
{
    const double step = 2 * M_PI * (beep ? BEEP_HZ : TONE_HZ) / AUDIO_RATE_HZ;
    for (int i = 0; i < AUDIO_RATE_HZ; i++)
        tone->wave[i] = beep && i >= BEEP_SAMPLES ? 0 : (int16_t)lrint(AMPLITUDE * sin(i * step));
}

static int tone_open(void *priv, const struct audio_config *config, struct audio_info *info,
                     char *error, size_t error_size)
{
    bool beep = config->arg && strcmp(config->arg, "beep") == 0;
    if (config->arg && !beep) {
        snprintf(error, error_size, "tone \"%s\" is not known: use tone or tone:beep", config->arg);
        return -EINVAL;
    }
    fill(priv, beep);
    *info = (struct audio_info){.name = "Test tone"};
    return 0;
}

static int tone_run(void *priv, struct audio_sink *sink, char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    const struct tone *tone = priv;
    int64_t place = audio_place(audio_now_us());
    for (;;) {
        /* as from a device, a block comes when its last sample has been taken */
        if (!audio_sink_wait(sink, audio_place_us(place + AUDIO_BLOCK_SAMPLES)))
            return 0;
        int64_t late = audio_place(audio_now_us()) - (place + AUDIO_BLOCK_SAMPLES);
        if (late > AUDIO_RATE_HZ)
            place += late; /* the machine slept */
        int16_t pcm[AUDIO_BLOCK_SAMPLES * AUDIO_CHANNELS];
        for (int i = 0; i < AUDIO_BLOCK_SAMPLES; i++)
            pcm[2 * i] = pcm[2 * i + 1] = tone->wave[(place + i) % AUDIO_RATE_HZ];
        audio_sink_write(sink, pcm, AUDIO_BLOCK_SAMPLES, audio_place_us(place));
        place += AUDIO_BLOCK_SAMPLES;
    }
}

static void tone_close(void *priv)
{
    (void)priv;
}

const struct audio_ops audio_tone_ops = {
    .kind = "tone",
    .priv_size = sizeof(struct tone),
    .open = tone_open,
    .run = tone_run,
    .close = tone_close,
};
