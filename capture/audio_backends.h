/* audio_backends.h - the backends of sound that are built in, and the way to open one that is not.
 *
 * Only audio.c and tests include this. A new backend is one audio_NAME.c with a
 * `const struct audio_ops` for each kind, declared here and listed in audio.c.
 */
#pragma once

#include "capture/audio.h"

extern const struct audio_ops audio_tone_ops;
extern const struct audio_ops audio_mac_monitor_ops; /* only with AMPHI_MAC */
/* only with AMPHI_PULSE */
extern const struct audio_ops audio_default_ops, audio_monitor_ops, audio_pulse_ops;
int audio_pulse_list(struct audio_input *out, int max, char *error, size_t error_size);

/* audio_open with a backend at hand; config->kind is not looked for. */
int audio_open_ops(struct audio **out, const struct audio_ops *ops,
                   const struct audio_config *config, char *error, size_t error_size);
