/* encoder.h - one interface over the codec libraries; one file and one library per backend.
 *
 * Life: encoder_open, then encoder_submit / encoder_receive in a loop on one thread (the encode
 * thread of one layer), encoder_close. A synchronous backend has its access unit ready when submit
 * returns; an asynchronous one answers -EAGAIN, has it later, and tells through on_ready that it
 * does: no further submit is needed to get it out. Nothing is ever reordered.
 * Not thread-safe: everything but encoder_backends() belongs to the thread that opened it.
 */
#pragma once

#include "capture/picture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec { CODEC_H264 = 1, CODEC_VP8, CODEC_VP9, CODEC_AV1 };

enum encoder_content { ENCODER_SCREEN = 1, ENCODER_NATURAL };

enum encoder_rate_control {
    ENCODER_CBR = 0, /* the bit rate is the goal */
    ENCODER_QUALITY, /* the quality that rate stands for (quality.h), the rate is the ceiling */
};

/* How much time a picture may take for its quality: presets, where a library has such. */
enum encoder_effort { ENCODER_EFFORT_NORMAL = 0, ENCODER_EFFORT_LESS, ENCODER_EFFORT_MORE };

struct encoder_config {
    enum codec codec;
    enum encoder_content content;
    int width, height; /* even */
    int fps; /* 1-120: the most that are submitted; fewer may come, as they are captured */
    uint32_t bitrate_bps;
    enum encoder_rate_control rate_control;
    int threads; /* >= 1 */
    enum encoder_effort effort;
    int temporal_layers; /* 1-3, 0 is 1; a backend without them delivers temporal_id 0 only */

    /* For asynchronous backends; NULL: nobody is told. Called by a thread of the backend's each
     * time encoder_receive has something new. It wakes the encode thread and must not call the
     * encoder; after encoder_close it is not called any more. */
    void (*on_ready)(void *arg);
    void *on_ready_arg;
};

/* What may change while a stream runs. */
struct encoder_rate {
    uint32_t bitrate_bps;
    int fps;
    enum encoder_rate_control rate_control;
};

/* One access unit. H.264: Annex B with start codes, SPS and PPS before each IDR. VP8, VP9: a frame.
 * AV1: a temporal unit of OBUs with sizes, its delimiter first and a sequence header before each
 * key frame. */
struct encoded {
    const uint8_t *data; /* the encoder's memory: valid until the next submit, receive or close */
    size_t size;         /* 0: the encoder skipped this picture */
    bool keyframe;
    uint8_t temporal_id; /* 0 = base; nothing refers to one of a higher id than its own */
    /* How coarse, 0 (best) to 100, -1 unknown. A picture that changes nothing may say anything:
     * what stands still is as good as the lowest since it last moved. */
    int quantizer;
    int64_t captured_us; /* of the picture it came from */
};

struct encoder_ops {
    const char *name; /* "openh264" */
    enum codec codec;
    enum picture_format input; /* what submit takes */
    size_t priv_size;          /* zeroed memory handed to every call below */
    /* 0, or -errno with a sentence in `error`; close follows a failed open too. */
    int (*open)(void *priv, const struct encoder_config *config, char *error, size_t error_size);
    /* Encodes one picture of the configured size, which is the caller's again on return. 0 or:
     * -EAGAIN    too many are on their way: this one was not taken, and the stream goes on without
     *            it; a keyframe that was wanted is still to be asked for
     * -ESHUTDOWN this encoder is done for: close it and open another
     * -errno     the stream goes on with the next picture, which the caller makes a keyframe */
    int (*submit)(void *priv, const struct picture *pic, bool keyframe);
    /* 0, -EAGAIN: nothing (more) yet; else the next of those submitted was lost, which has the
     * meaning it has in submit. */
    int (*receive)(void *priv, struct encoded *out);
    /* Takes effect from the next picture on, without a rebuild and without a keyframe. -ERANGE:
     * this needs a new encoder, since the level written at open does not hold this rate or fps, or
     * the library cannot change rate control or quality; nothing has changed then. */
    int (*set_rate)(void *priv, const struct encoder_rate *rate);
    void (*close)(void *priv);
};

struct encoder;

/* All that were built in, best first per codec, ended by NULL. One name may stand for several
 * codecs, once each. */
const struct encoder_ops *const *encoder_backends(void);
/* `backend` NULL takes the first for the codec. A changed picture size needs a new encoder. */
int encoder_open(struct encoder **out, const char *backend, const struct encoder_config *config,
                 char *error, size_t error_size);
const struct encoder_ops *encoder_ops(const struct encoder *e);
int encoder_submit(struct encoder *e, const struct picture *pic, bool keyframe);
int encoder_receive(struct encoder *e, struct encoded *out);
int encoder_set_rate(struct encoder *e, const struct encoder_rate *rate);
void encoder_close(struct encoder *e); /* NULL is fine */

/* "h264" <-> CODEC_H264; 0 or NULL when unknown. */
enum codec codec_from_name(const char *name);
const char *codec_name(enum codec codec);
