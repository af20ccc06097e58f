/* frame_watch.h - follows the H.264 frames of one SSRC without keeping their bytes. Pure.
 *
 * Life: frame_watch_init; frame_watch_on_packet for every plain packet, retransmitted ones
 * included; frame_watch_advance after the nack machine was asked, since what it gave up is then
 * passed over. Packets are taken in the order of their numbers. A frame is whole when no number is
 * missing from its first packet to its marker and its fragments (RFC 6184 5.8) fit together. The
 * first frame, and the first after a broken one, must be a keyframe that brings its SPS: until then
 * frames are not counted and frame_watch.wants_keyframe says so. A missing packet is waited for as
 * long as it is asked for, but a whole keyframe behind it ends the waiting, as it does in a
 * browser. Before the first keyframe a packet may also come whose number is lower than that of the
 * first one that came.
 */
#pragma once

#include "rtp/control/nack.h"
#include "tests/load/freeze.h"

#include <stddef.h>

#define FRAME_WATCH_WINDOW 1024 /* packets that may wait for an earlier one */

struct frame_watch_packet {
    bool full;
    uint8_t shape; /* what its payload is, see frame_watch.c */
    bool marker;
    uint16_t seq;
    uint32_t timestamp;
};

struct frame_watch {
    struct frame_watch_packet window[FRAME_WATCH_WINDOW]; /* by seq % FRAME_WATCH_WINDOW */
    bool any;
    uint16_t first_seq, next_seq;
    uint16_t newest_seq; /* that has come */
    bool in_frame, in_fragment, keyframe;
    uint32_t timestamp; /* of the frame under way */

    bool has_key; /* a keyframe has begun at key_seq, the newest one */
    uint16_t key_seq;

    bool wants_keyframe;
    int64_t first_keyframe_us; /* when it was whole; -1: not yet */
    uint64_t frames, keyframes, broken;
    struct freeze freeze;
};

void frame_watch_init(struct frame_watch *f);
void frame_watch_on_packet(struct frame_watch *f, uint16_t seq, uint32_t timestamp, bool marker,
                           const uint8_t *payload, size_t size, const struct nack *nack,
                           int64_t now_us);
void frame_watch_advance(struct frame_watch *f, const struct nack *nack, int64_t now_us);
