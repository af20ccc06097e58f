/* viewer_internal.h - what the files of the viewer share; nobody else uses it.
 *
 *     viewer.c        follows the transport and decides what goes next
 *     viewer_track.c  where a track stands in its stream: layers, starts, keyframes again
 *     viewer_media.c  turns frames into trains, and sends packets again
 *     viewer_audio.c  sound
 *     viewer_path.c   what the way to it takes, and what is made of that
 *     viewer_rtcp.c   reads feedback and writes reports
 */
#pragma once

#include "rtp/forward/viewer.h"
#include "rtp/wire/rtp.h"

/* The tracks of a set, one after the other, in no order that matters; NULL: that was all. */
static inline struct viewer_track *viewer_take_track(struct viewer *v, uint32_t *set)
{
    if (*set == 0)
        return NULL;
    struct viewer_track *t = &v->tracks[__builtin_ctz(*set)];
    *set &= *set - 1;
    return t;
}

/* viewer.c */
void viewer_set_state(struct viewer *v, enum viewer_state state, int64_t now_us);
/* A frame of a track has been sent whole. */
void viewer_note_frame(struct viewer *v, int64_t now_us);

/* viewer_track.c */
void viewer_track_init(struct viewer_track *t, const struct viewer_track_config *config,
                       struct stream *stream);
/* After anything that changes what the track could play. */
void viewer_track_update(struct viewer *v, struct viewer_track *t);
/* The largest layer it may have, as it was selected; LAYER_ANY: any. Its stream has a source. */
uint8_t viewer_track_limit(const struct viewer_track *t);
void viewer_track_leave(struct viewer *v, struct viewer_track *t); /* its stream has no source */
/* Lets every track that waits start from its stream's cache, if that has something new. */
void viewer_start_tracks(struct viewer *v, const struct stream *only); /* NULL: any */
/* The frame to go on with; NULL: nothing to send now. */
const struct frame *viewer_next_frame(struct viewer *v, struct viewer_track *t);
void viewer_skip_late(struct viewer *v);
/* All it may still have to send of the past is of no use: it goes on at a keyframe. */
void viewer_track_rejoin(struct viewer_track *t);
bool viewer_has_media(const struct viewer *v); /* the pacer holds something back */
bool viewer_has_resends(const struct viewer *v);
void viewer_track_need_keyframe(struct viewer *v, struct viewer_track *t, int64_t now_us);

/* viewer_media.c */

/* The same for every packet of a train but for sequence numbers and marker. */
struct viewer_header {
    uint8_t bytes[RTP_HEADER_SIZE + EXTENSIONS_MAX_SIZE];
    size_t size;
    size_t dependency_at; /* of the dependency descriptor; 0: none */
};

/* A packet of sound that is to leave with a picture's train, or alone. */
struct viewer_ride {
    struct viewer_track *track;
    const struct frame *frame;
    const struct frame *before; /* that it brings, too; NULL: none */
    size_t size;                /* header and payload */
    bool left;                  /* it did */
};

void viewer_begin_header(struct viewer_header *h, const struct viewer_track *t, bool rtx,
                         uint8_t codec, uint32_t timestamp);
void viewer_put_header(struct viewer *v, const struct viewer_track *t, uint8_t *out,
                       const struct viewer_header *h, uint16_t seq, bool marker);
void viewer_add_segment(struct viewer_train *train, size_t size);
bool viewer_send_resends(struct viewer *v, struct viewer_train *train, uint8_t *out,
                         int64_t now_us);
/* `ride` NULL: none. */
bool viewer_send_media(struct viewer *v, struct viewer_train *train, uint8_t *out,
                       struct viewer_ride *ride, int64_t now_us);

/* About `bytes` that only probe, on the stream of retransmissions: what was sent last, or padding
 * alone. */
bool viewer_send_padding(struct viewer *v, struct viewer_train *train, uint8_t *out,
                         uint32_t bytes);

/* viewer_path.c */
/* Into its flight recorder; t NULL: of all tracks. */
void viewer_path_note(struct viewer *v, enum viewer_why why, const struct viewer_track *t,
                      int64_t now_us);
void viewer_path_begin(struct viewer *v); /* nothing happens if there is no memory */
/* The track has a row of frames of so many bytes to catch up with. */
void viewer_path_on_run(struct viewer *v, const struct viewer_track *t, uint64_t bytes);
void viewer_path_pace(struct viewer *v, int64_t now_us); /* sets the pacer */
/* A train has left whose first transport-wide number is `first_seq`. */
void viewer_path_on_sent(struct viewer *v, const struct viewer_train *train, uint16_t first_seq,
                         int64_t now_us);
bool viewer_path_on_feedback(struct viewer *v, const struct rtcp_feedback *f, int64_t now_us);
void viewer_path_on_remb(struct viewer *v, uint64_t bps, int64_t now_us);
void viewer_path_on_report(struct viewer *v, const struct report *r, int64_t now_us);
void viewer_path_on_frame(struct viewer *v, int64_t now_us);
/* What is due now, before anything is sent. */
void viewer_path_on_time(struct viewer *v, int64_t now_us);
bool viewer_path_may_send(const struct viewer *v, int64_t now_us); /* pictures, by their trains */
uint32_t viewer_path_padding(const struct viewer *v, int64_t now_us); /* bytes that probe */
int64_t viewer_path_timeout(const struct viewer *v);
/* Bits that fit into half a second; UINT64_MAX: there is no need to care. */
uint64_t viewer_path_room_bits(const struct viewer *v);

/* viewer_audio.c */
void viewer_on_audio(struct viewer *v, int64_t now_us); /* there may be something to send */
/* Writes the packet into the train, whose segments it must not exceed. */
void viewer_add_audio(struct viewer *v, struct viewer_ride *ride, struct viewer_train *train,
                      uint8_t *out);
/* Sound, alone or with a picture's train if `media_may` leave. */
bool viewer_send_audio(struct viewer *v, struct viewer_train *train, uint8_t *out, bool media_may,
                       int64_t now_us);
int64_t viewer_audio_timeout(const struct viewer *v); /* INT64_MAX: none waits */

/* viewer_rtcp.c */
/* What part of what this track sends is lost, of 256: by its reports, or what is known sooner. */
unsigned viewer_loss(const struct viewer *v, const struct viewer_track *t);
/* After feedback has told what is lost. */
void viewer_follow_loss(struct viewer *v, int64_t now_us);
/* A live picture is about to be sent, with what its player is asked to hold it for. */
void viewer_step_playout(struct viewer_track *t);
void viewer_on_rtcp(struct viewer *v, const uint8_t *data, size_t size, int64_t now_us);
/* Each writes one sealed datagram; 0: nothing is due. */
size_t viewer_write_report(struct viewer *v, uint8_t *out, size_t room, int64_t now_us);
size_t viewer_write_bye(struct viewer *v, uint8_t *out, size_t room);
int64_t viewer_report_timeout(const struct viewer *v);
