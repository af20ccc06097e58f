/* media.h - what goes into a slot of a room, as a person says it: the source of its pictures, of
 * its sound, and how they are to be coded. For the command line, the configuration file and the
 * admin's API alike.
 *
 * Pure. A setter returns NULL, or the reason why the value is refused, to be put behind its name.
 */
#pragma once

#include "encode/encode_opus.h"
#include "encode/encoder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIA_ARG_MAX 4096

struct media_place {
    char kind[16];           /* "": none */
    char arg[MEDIA_ARG_MAX]; /* "": none */
};

struct media_coding {
    enum codec codec;
    char encoder[32];         /* "": the first for the codec */
    uint32_t quality_bps;     /* what the quality's name stands for */
    struct encoder_rate rate; /* its bitrate is 0 until media_settle: the quality's then */
    enum encoder_effort effort;
    unsigned layers, temporal_layers;
    struct encode_opus_config sound;
};

struct media {
    struct media_place video, audio;
    struct media_coding coding;
};

struct media_coding media_coding_default(void);
void media_settle(struct media_coding *c);

const char *media_set_source(struct media_place *p, const char *value);
const char *media_set_audio(struct media_place *p, const char *value);
const char *media_set_codec(struct media_coding *c, const char *value);
const char *media_set_encoder(struct media_coding *c, const char *value);
const char *media_set_quality(struct media_coding *c, const char *value);
const char *media_set_bitrate(struct media_coding *c, const char *kbps);
const char *media_set_rate_control(struct media_coding *c, const char *value);
const char *media_set_fps(struct media_coding *c, const char *value);
const char *media_set_effort(struct media_coding *c, const char *value);
const char *media_set_layers(struct media_coding *c, const char *value);
const char *media_set_temporal_layers(struct media_coding *c, const char *value);
const char *media_set_audio_frame(struct media_coding *c, const char *ms);
const char *media_set_audio_bitrate(struct media_coding *c, const char *kbps);
const char *media_set_audio_dtx(struct media_coding *c, const char *on_or_off);

/* The admin's: `source` as --source, and a JSON object {"audio", "codec", "encoder", "quality",
 * "bitrate_kbps", "rate_control", "fps", "effort", "layers", "temporal_layers", "audio_frame_ms",
 * "audio_bitrate_kbps", "audio_dtx"}, each of which may be missing. `m` holds what is used then. 0,
 * or -EINVAL with a sentence. */
int media_read(struct media *m, const char *source, const char *options, char *error,
               size_t error_size);
