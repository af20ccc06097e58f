/* fake_objects.h - the inside of the fake: objects with a type and a count of references. */
#pragma once

#include "tests/apple/fake_apple.h"

#include <stdatomic.h>

struct fake_object {
    const char *type;              /* one string per type; NULL once freed */
    atomic_int refs;               /* -1: a constant */
    void (*destroy)(void *object); /* gives back what it holds; the memory is freed after it */
};

#define FAKE_CONSTANT(t)                                                                           \
    {                                                                                              \
        .type = (t), .refs = -1                                                                    \
    }

extern const char fake_string_type[], fake_pixels_type[];

/* Zeroed, with one reference. */
void *fake_create(size_t size, const char *type, void (*destroy)(void *object));
void *fake_check(const void *object, const char *type); /* aborts if it is none of that type */
/* True if this call is to fail, with the status in *status. */
bool fake_fails(enum fake_call call, OSStatus *status);

struct fake_string {
    struct fake_object object;
    const char *text;
};

/* A pixel buffer: NV12 in one piece, stride longer than the width. */
enum { FAKE_STRIDE_ALIGN = 64 };

CVPixelBufferPoolRef fake_pool_create(int width, int height);

struct OpaqueCMBlockBuffer {
    struct fake_object object;
    size_t size, first; /* the first piece is that long */
    char *piece[2];     /* owned */
};

struct opaqueCMFormatDescription {
    struct fake_object object;
    const uint8_t *set[2]; /* SPS, PPS, in `memory` */
    size_t set_size[2];
    uint8_t memory[512];
};

struct opaqueCMSampleBuffer {
    struct fake_object object;
    CMBlockBufferRef block;                        /* ref */
    struct opaqueCMFormatDescription *description; /* ref */
    CMTime presentation;
};

CMBlockBufferRef fake_block_create(const uint8_t *data, size_t size, bool scattered);
struct opaqueCMFormatDescription *fake_description_create(const uint8_t *sps, size_t sps_size,
                                                          const uint8_t *pps, size_t pps_size);
CMSampleBufferRef fake_sample_create(CMBlockBufferRef block, /* takes the reference */
                                     struct opaqueCMFormatDescription *description,
                                     CMTime presentation);
