/* source_audio.h - the sound of a stream: capture, Opus, frames of one packet, forwarder.
 *
 * Life: source_audio_open, on any thread, checks that the sound can be had and says why not;
 * source_audio_start, on the forwarder's thread as is source_audio_close from then on, attaches it
 * to the stream and begins its threads; source_audio_close ends them and leaves the stream, which
 * stays for another source. `on_change` is called on its encode thread when sound first comes and
 * when it ends by itself; if it may return then, or source_audio_open said -ENODEV, the server
 * closes and opens it again now and then, into the same stream.
 *
 * Frames stand on the time line of pictures: rtp_ts is captured_us in units of 48 kHz, exact to the
 * sample, of what a decoder hears first of the packet. Silence that Opus does not send (DTX) is a
 * step of the time and not of the frame ids; the packet after it has the marker (RFC 7587 4.1).
 * Every frame counts as a keyframe.
 *
 * While nobody listens nothing is encoded. The frame that is being gathered when the first listener
 * comes is the first he is sent.
 */
#pragma once

#include "capture/audio.h"
#include "encode/encode_opus.h"
#include "rtp/forward/forwarder.h"
#include "server/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct source_audio;

struct source_audio_config {
    const char *kind, *arg; /* as in capture/audio.h; borrowed while it opens */
    struct encode_opus_config coding;
    struct forwarder *forwarder;  /* borrowed: outlives the source */
    uint32_t stream_id;           /* of FORWARDER_AUDIO, without a source */
    void (*on_change)(void *arg); /* encode thread */
    void *on_change_arg;
};

/* 0, or -errno with a sentence in `error`. */
int source_audio_open(struct source_audio **out, const struct source_audio_config *config,
                      char *error, size_t error_size);
int source_audio_start(struct source_audio *s);
void source_audio_close(struct source_audio *s); /* NULL is fine */

/* Any thread; from the next frame on. */
void source_audio_set_bitrate(struct source_audio *s, uint32_t bitrate_bps);

/* A consistent copy, any thread. */
struct source_audio_info {
    char name[AUDIO_NAME_MAX]; /* UTF-8 */
    bool live;                 /* a frame has come, and it has not ended */
    char end_reason[160];      /* "": has not ended by itself */
    bool may_return;
};

struct source_audio_stats {
    struct audio_stats capture; /* blocks of 10 ms */
    uint64_t frames_encoded;    /* published */
    uint64_t frames_silent;     /* not sent: DTX */
    uint64_t frames_unheard;    /* not encoded: nobody listened */
    uint64_t frames_dropped;    /* that failed to encode, or found no memory */
    uint64_t gaps;              /* of the time line, after blocks were dropped or it jumped */
    uint64_t bytes;             /* of what was published */
    const struct histogram *encode_us; /* borrowed: valid until source_audio_close */
};

void source_audio_info(struct source_audio *s, struct source_audio_info *out);
void source_audio_stats(struct source_audio *s, struct source_audio_stats *out);
