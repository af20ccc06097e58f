/* audio.h - sound from a source: a registry of backends and one thread per open source.
 *
 * Life: audio_open (any thread) checks the source and says in words why it cannot be had;
 * audio_start begins the thread; one consumer thread loops audio_take; audio_stop ends the thread
 * and wakes the consumer, whose audio_take then returns false; audio_close frees everything (after
 * the consumer is done). -ENODEV, from audio_open or told by audio_may_return, means that the
 * source is not there now and may be later: opening it again is cheap.
 *
 * All sound is 48 kHz, stereo, 16 bits, in blocks of 10 ms, placed on the time line of
 * CLOCK_MONOTONIC (audio_blocks.h), on which pictures stand, too. Blocks wait in a ring of
 * AUDIO_RING_BLOCKS: when the consumer is late the oldest is dropped and counted, and the capture
 * never waits.
 */
#pragma once

#include "capture/audio_blocks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIO_RING_BLOCKS 32
#define AUDIO_NAME_MAX 128

struct audio;
struct audio_sink; /* where a backend puts its sound; see below */

struct audio_config {
    const char *kind; /* "default", "monitor", "pulse", "tone" */
    const char *arg;  /* what followed the colon in --audio, or NULL */
};

/* What a person wants to know about a source; valid after audio_open. */
struct audio_info {
    char name[AUDIO_NAME_MAX]; /* "Test tone", UTF-8 */
};

struct audio_stats {
    uint64_t captured;   /* blocks */
    uint64_t overruns;   /* of those, dropped since the consumer was late */
    uint64_t reanchored; /* jumps of the time line, audio_blocks.h */
    uint64_t stretched;  /* blocks made of a sample less or more */
};

/* 0, or -errno with a sentence for the user in `error`. */
int audio_open(struct audio **out, const struct audio_config *config, char *error,
               size_t error_size);
int audio_start(struct audio *a);
void audio_info(const struct audio *a, struct audio_info *out);

bool audio_take(struct audio *a, struct audio_block *out); /* blocks; false: stopped or ended */

void audio_stats(struct audio *a, struct audio_stats *out); /* any thread */
/* Why the source ended by itself (unplugged, sound server gone), or NULL while it runs. Valid once
 * audio_take returned false. */
const char *audio_end_reason(const struct audio *a);
bool audio_may_return(const struct audio *a); /* it ended, and may be there again later */
void audio_stop(struct audio *a);
void audio_close(struct audio *a); /* NULL is fine; stops first if need be */

/* An input that --audio accepts. */
struct audio_input {
    char arg[AUDIO_NAME_MAX];  /* "pulse:" and its name */
    char name[AUDIO_NAME_MAX]; /* as its sound server describes it */
    bool is_monitor;           /* of an output: what is heard there */
};

/* How many there are, `max` at most; -errno with a sentence. */
int audio_list(struct audio_input *out, int max, char *error, size_t error_size);

/* --- for backends --- */

struct audio_ops {
    const char *kind;
    size_t priv_size; /* zeroed memory handed to every call below */
    /* Opening thread. Fills *info. 0, or -errno with a sentence in `error`; close follows a
     * failed open too. */
    int (*open)(void *priv, const struct audio_config *config, struct audio_info *info, char *error,
                size_t error_size);
    /* Capture thread: writes sound into the sink until audio_sink_fd is readable or the source
     * ends. 0 when told to stop, -errno with a sentence in `error` when it ended by itself. */
    int (*run)(void *priv, struct audio_sink *sink, char *error, size_t error_size);
    void (*close)(void *priv); /* after run returned; priv may be half open */
};

int64_t audio_now_us(void);                 /* CLOCK_MONOTONIC */
int audio_sink_fd(struct audio_sink *sink); /* readable once the backend has to stop; borrowed */
bool audio_sink_wait(struct audio_sink *sink, int64_t deadline_us); /* false: stop */
/* `pcm` NULL is silence. `first_us`: when the first of them was taken, as the device says. */
void audio_sink_write(struct audio_sink *sink, const int16_t *pcm, size_t samples,
                      int64_t first_us);
