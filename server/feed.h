/* feed.h - what a presenter elsewhere sends into one slot of a room, as its viewers know it. Pure.
 *
 * A slot that is fed shows a stream from its first picture on. When its presenter is lost without a
 * word the stream stays, with what was last known of it, until he is back, somebody with the same
 * right takes it over, or the server gives up waiting.
 *
 * Life: zeroed; feed_begin, feed_take as news come, feed_lose and feed_begin again, feed_end.
 */
#pragma once

#include "rtp/forward/ingest.h"
#include "signaling/backend.h"

#include <stdbool.h>
#include <stdint.h>

struct feed {
    uint32_t presenter; /* 0: nobody feeds it */
    bool has_video, has_audio;
    bool arrived;    /* something could be shown once, of him or of whom he took it over from */
    bool lost;       /* and cannot be at the moment: who sent it is gone, or not yet there */
    int64_t lost_us; /* since when */
    bool put_away;   /* he said that he shows nothing here */
    bool paused;
    char window_name[64], app_name[32]; /* as he calls it; "": not said */
    int said_width, said_height;        /* 0: not said */
    /* what was seen of it */
    enum backend_codec codec;
    int width, height;
    uint8_t h264_profile[3];
    double fps;        /* of the best layer, over the last second or more */
    uint64_t frames;   /* of it, at frames_us */
    int64_t frames_us; /* 0: not counted yet */
    unsigned n_layers; /* that came, the best first */
    struct {
        int width, height;
        uint32_t bitrate_bps;
        uint8_t index; /* the forwarder's: 0 is the smallest */
    } layers[BACKEND_LAYERS_MAX];
};

void feed_begin(struct feed *f, uint32_t presenter, bool has_video, bool has_audio, int64_t now_us);
/* Either may be NULL. True: viewers are to be told. */
bool feed_take(struct feed *f, const struct ingest_track_info *video,
               const struct ingest_track_info *audio, int64_t now_us);
bool feed_inform(struct feed *f, const struct backend_publish_info *said); /* true: likewise */
void feed_lose(struct feed *f, int64_t now_us); /* what never showed anything ends */
void feed_end(struct feed *f);

bool feed_is_shown(const struct feed *f);
void feed_describe(const struct feed *f, unsigned slot, struct backend_stream *out); /* if shown */
/* The forwarder's number of a layer as signaling counts it; negative: none in particular. */
int feed_layer(const struct feed *f, int layer);
