/* backends.h - the backends by name, for the registry in encoder.c alone. */
#pragma once

#include "encode/encoder.h"

extern const struct encoder_ops encode_openh264_ops, encode_x264_ops, encode_vpx_vp8_ops,
    encode_vpx_vp9_ops, encode_aom_ops, encode_fake_ops;
extern const struct encoder_ops encode_vt_ops; /* macOS only */
