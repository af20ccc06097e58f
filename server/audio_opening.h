/* audio_opening.h - opens a sound on a thread of its own: a sound server that hangs may take
 * seconds to be given up, and signaling waits for nobody.
 *
 * Life: audio_opening_begin; audio_opening_take now and then until it says something else than
 * -EINPROGRESS, or audio_opening_abandon: both end it. What nobody takes any more is closed where
 * it was opened. One thread begins, takes and abandons.
 */
#pragma once

#include "server/source_audio.h"

#include <stddef.h>

struct audio_opening;

/* 0, or -errno; what `config` points to is copied. */
int audio_opening_begin(struct audio_opening **out, const struct source_audio_config *config);
/* -EINPROGRESS: not yet. Else 0 with a sound to start, or -errno with a sentence in `error`. */
int audio_opening_take(struct audio_opening *o, struct source_audio **out, char *error,
                       size_t error_size);
void audio_opening_abandon(struct audio_opening *o); /* never waits; NULL is fine */
