/* encoder_allocations.h - counts what is allocated (allocations.h), and apart what is allocated
 * inside an encoder, where a codec library does what it likes: for programs that are linked with
 * ALLOCATIONS_WRAPS (tests/CMakeLists.txt). Included by one file of a program.
 */
#pragma once

#include "encode/encoder.h"
#include "tests/unit/allocations.h"

int __real_encoder_submit(struct encoder *e, const struct picture *pic, bool keyframe);
int __wrap_encoder_submit(struct encoder *e, const struct picture *pic, bool keyframe);
int __real_encoder_receive(struct encoder *e, struct encoded *out);
int __wrap_encoder_receive(struct encoder *e, struct encoded *out);
