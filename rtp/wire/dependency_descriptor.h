/* dependency_descriptor.h - the dependency descriptor, which says of every packet what its frame
 * refers to (AV1 RTP v1.0.0, appendix A). For any codec. Pure.
 *
 * A structure of templates comes with the first packet of a keyframe; after it a frame takes three
 * bytes: where it starts and ends, its number, and its template. Numbers in here are differences to
 * the frame's own 16-bit number, so that a forwarder may leave out whole frames that nothing it
 * sends refers to, and change nothing in the others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEPENDENCY_MIN_SIZE 3 /* flags, template and frame number */
#define DEPENDENCY_MAX_TEMPLATES 64
#define DEPENDENCY_MAX_TARGETS 32
#define DEPENDENCY_MAX_REFERENCES 8
#define DEPENDENCY_MAX_SPATIAL 4
#define DEPENDENCY_MAX_TEMPORAL 8
/* What a descriptor with a structure of ours needs (dependency_structure_init). */
#define DEPENDENCY_OWN_SIZE 16

/* What a frame is for those who decode up to one layer (a decode target; A.8.3, table A.1). */
enum dependency_dti {
    DEPENDENCY_ABSENT = 0,
    DEPENDENCY_DISCARDABLE,
    DEPENDENCY_SWITCH,
    DEPENDENCY_REQUIRED,
};

/* What a template says of its frames, or a descriptor of one. */
struct dependency_frame {
    uint8_t spatial_id, temporal_id;
    uint8_t dti[DEPENDENCY_MAX_TARGETS]; /* enum dependency_dti */
    uint8_t n_references;
    uint16_t references[DEPENDENCY_MAX_REFERENCES]; /* how far back: 1-4096, in templates 1-16 */
    uint8_t chains[DEPENDENCY_MAX_TARGETS]; /* how far back its last frame is: 0-255, 0-15; 0: a
                                               chain begins here */
};

struct dependency_structure {
    uint8_t first_id;    /* template_id_offset */
    uint8_t n_templates; /* 0: none is known */
    uint8_t n_targets, n_chains, n_spatial;
    uint8_t protected_by[DEPENDENCY_MAX_TARGETS]; /* the chain of each target */
    bool has_sizes;
    uint32_t width[DEPENDENCY_MAX_SPATIAL], height[DEPENDENCY_MAX_SPATIAL]; /* 1-65536 */
    struct dependency_frame templates[DEPENDENCY_MAX_TEMPLATES];
};

struct dependency_descriptor {
    bool starts_frame, ends_frame;
    uint8_t template_id; /* read only: the writer finds it */
    uint16_t frame_number;
    bool has_structure; /* it is attached */
    bool has_active_targets;
    uint32_t active_targets; /* bit per target; 0: as before */
    struct dependency_frame frame;
};

/* 0; -EAGAIN if it needs a structure that was not seen or has no such template (flags, template_id
 * and frame_number are set); -EBADMSG. `s` is what is known so far, n_templates 0 at first; an
 * attached one replaces it unless the descriptor is refused. */
int dependency_read(struct dependency_descriptor *d, struct dependency_structure *s,
                    const uint8_t *bytes, size_t size);

/* The size, or 0 if it does not fit or there is no template of the frame's layer. What no template
 * says the descriptor says itself. */
size_t dependency_write(uint8_t *out, size_t capacity, const struct dependency_descriptor *d,
                        const struct dependency_structure *s);

/* For every packet of a frame: patches what was written or read whole. */
static inline void dependency_mark(uint8_t *bytes, bool starts_frame, bool ends_frame)
{
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | (starts_frame ? 0x80 : 0) | (ends_frame ? 0x40 : 0));
}

static inline void dependency_set_frame_number(uint8_t *bytes, uint16_t frame_number)
{
    bytes[1] = (uint8_t)(frame_number >> 8);
    bytes[2] = (uint8_t)frame_number;
}

/* The layers of a decode target (A.8.2, decode_target_layers). */
void dependency_target_layers(const struct dependency_structure *s, unsigned target,
                              uint8_t *spatial_id, uint8_t *temporal_id);

/* Our own streams: one spatial and 1-3 temporal layers (L1T1, L1T2, L1T3), a decode target for each
 * and one chain, the base layer. */
void dependency_structure_init(struct dependency_structure *s, unsigned n_temporal);

/* Describes the frames of such a stream as they come. A frame refers to the last one of a lower
 * layer, and in the base layer to the last of it. */
struct dependency_tracker {
    uint8_t n_temporal;
    bool started;
    uint16_t last[3]; /* number of the newest frame of this temporal layer or a lower one */
};

void dependency_tracker_init(struct dependency_tracker *t, unsigned n_temporal);
/* False if it cannot be described: no keyframe came yet, no such layer, or what it refers to is too
 * far back. It is then not to be sent with a descriptor. */
bool dependency_next(struct dependency_tracker *t, struct dependency_frame *out,
                     uint16_t frame_number, unsigned temporal_id, bool keyframe);
