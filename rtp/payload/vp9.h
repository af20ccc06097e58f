/* vp9.h - VP9 frames and their RTP payload format (RFC 9628). Pure.
 *
 * What we send is non-flexible mode with the shortest descriptor: begin and end of the frame,
 * whether it is predicted, and on keyframes the resolution. Without PictureID and layer indices a
 * receiver goes by RTP sequence numbers, so that whole frames of upper temporal layers can be left
 * out for one viewer by renumbering its packets and nothing else. What we receive is parsed in
 * full.
 */
#pragma once

#include "rtp/payload/packetize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VP9_MAX_SPATIAL 8
#define VP9_MAX_REFERENCES 3

struct vp9_descriptor {
    size_t size;             /* bytes in front of the VP9 data */
    bool predicted;          /* P: refers to earlier pictures */
    bool flexible;           /* F */
    bool begins;             /* B: of a layer frame */
    bool ends;               /* E */
    bool not_needed;         /* Z: upper spatial layers do not refer to it */
    uint8_t picture_id_bits; /* 7 or 15; 0: no PictureID */
    uint16_t picture_id;
    bool has_layer;
    uint8_t temporal_id, spatial_id;
    bool switching_up; /* U: later frames of upper layers refer to nothing before this picture */
    bool inter_layer;  /* D: refers to the spatial layer below */
    bool has_tl0_pic_idx;
    uint8_t tl0_pic_idx;
    uint8_t n_references;                   /* flexible mode */
    uint8_t references[VP9_MAX_REFERENCES]; /* PictureID minus this */
    uint8_t n_spatial; /* of the scalability structure; 0: there is none here */
    bool has_sizes;
    uint16_t width[VP9_MAX_SPATIAL], height[VP9_MAX_SPATIAL];
};

/* False unless there is a whole descriptor and at least one byte behind it. */
bool vp9_parse(struct vp9_descriptor *d, const uint8_t *payload, size_t size);
/* The first packet of a picture in which a receiver can begin. */
bool vp9_starts_keyframe(const struct vp9_descriptor *d);
/* Of a frame, or of the first one in a superframe. */
bool vp9_is_keyframe(const uint8_t *frame, size_t size);
/* False if it is not a keyframe with its whole header (VP9 bitstream specification 7.2). */
bool vp9_find_size(const uint8_t *frame, size_t size, uint16_t *width, uint16_t *height);

/* 0; -EBADMSG if it is not a VP9 frame; -ENOSPC. A superframe goes as one frame. */
int vp9_packetize(struct packetize *out, const uint8_t *frame, size_t size, size_t max_payload);
/* The next part of one (packetize.h). */
int vp9_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *frame,
            size_t max_payload);

/* The layer frames of one picture, one behind the other. */
struct vp9_assembler {
    struct assemble unit;
    bool in_frame;
};

void vp9_assemble_begin(struct vp9_assembler *a, uint8_t *data, size_t capacity);
void vp9_assemble(struct vp9_assembler *a, const uint8_t *payload, size_t size);
bool vp9_assemble_end(struct vp9_assembler *a);
