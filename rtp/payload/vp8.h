/* vp8.h - VP8 frames and their RTP payload format (RFC 7741). Pure.
 *
 * What we send has the one-byte descriptor only: without PictureID, TL0PICIDX and TID a receiver
 * goes by RTP sequence numbers, so that whole frames of upper temporal layers can be left out for
 * one viewer by renumbering its packets and nothing else. What we receive is parsed in full.
 */
#pragma once

#include "rtp/payload/packetize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vp8_descriptor {
    uint8_t size;            /* bytes in front of the VP8 data */
    bool non_reference;      /* N: nothing refers to this frame */
    bool partition_start;    /* S */
    uint8_t partition;       /* PID */
    uint8_t picture_id_bits; /* 7 or 15; 0: no PictureID */
    uint16_t picture_id;
    bool has_tl0_pic_idx;
    uint8_t tl0_pic_idx;
    bool has_layer;
    uint8_t temporal_id;
    bool layer_sync; /* Y: refers to the base layer only, so that one may switch up here */
    bool has_key_idx;
    uint8_t key_idx;
};

/* False unless there is a whole descriptor and at least one byte behind it. */
bool vp8_parse(struct vp8_descriptor *d, const uint8_t *payload, size_t size);
bool vp8_starts_frame(const struct vp8_descriptor *d);
bool vp8_is_keyframe(const uint8_t *frame, size_t size);
/* False if it is not a keyframe with its whole header (RFC 6386 9.1). */
bool vp8_find_size(const uint8_t *frame, size_t size, uint16_t *width, uint16_t *height);

/* 0; -EBADMSG if the frame is empty; -ENOSPC. */
int vp8_packetize(struct packetize *out, const uint8_t *frame, size_t size, size_t max_payload);
/* The next part of a frame (packetize.h). */
int vp8_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *frame,
            size_t max_payload);

struct vp8_assembler {
    struct assemble unit;
};

void vp8_assemble_begin(struct vp8_assembler *a, uint8_t *data, size_t capacity);
void vp8_assemble(struct vp8_assembler *a, const uint8_t *payload, size_t size);
bool vp8_assemble_end(struct vp8_assembler *a);
