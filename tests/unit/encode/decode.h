/* decode.h - each codec library's own decoder behind one face, to look at what the encoders made.
 */
#pragma once

#include "capture/picture.h"
#include "encode/encoder.h"
#ifdef HAVE_OPENH264
#include "tests/unit/encode/h264_decode.h"
#endif
#ifdef HAVE_AOM
#include <aom/aom_decoder.h>
#include <aom/aomdx.h>
#endif
#ifdef HAVE_VPX
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#endif

#include <stdlib.h>

struct decoder {
    enum codec codec;
    bool is_bt709; /* the last picture said BT.709, limited range (VP9, AV1) */
#ifdef HAVE_OPENH264
    ISVCDecoder *h264;
#endif
#ifdef HAVE_VPX
    vpx_codec_ctx_t vpx;
#endif
#ifdef HAVE_AOM
    aom_codec_ctx_t aom;
#endif
};

/* NULL when no decoder for this codec was built in. */
static inline struct decoder *decoder_new(enum codec codec)
{
    struct decoder *d = calloc(1, sizeof(*d));
    bool ok = false;
    if (!d)
        abort();
    d->codec = codec;
#ifdef HAVE_OPENH264
    if (codec == CODEC_H264)
        ok = (d->h264 = h264_decoder_new()) != NULL;
#endif
#ifdef HAVE_VPX
    if (codec == CODEC_VP8 || codec == CODEC_VP9)
        ok = vpx_codec_dec_init(&d->vpx,
                                codec == CODEC_VP8 ? vpx_codec_vp8_dx() : vpx_codec_vp9_dx(), NULL,
                                0) == VPX_CODEC_OK;
#endif
#ifdef HAVE_AOM
    if (codec == CODEC_AV1)
        ok = aom_codec_dec_init(&d->aom, aom_codec_av1_dx(), NULL, 0) == AOM_CODEC_OK;
#endif
    if (ok)
        return d;
    free(d);
    return NULL;
}

static inline void decoder_free(struct decoder *d)
{
    if (!d)
        return;
#ifdef HAVE_OPENH264
    if (d->codec == CODEC_H264)
        h264_decoder_free(d->h264);
#endif
#ifdef HAVE_VPX
    if (d->codec == CODEC_VP8 || d->codec == CODEC_VP9)
        vpx_codec_destroy(&d->vpx);
#endif
#ifdef HAVE_AOM
    if (d->codec == CODEC_AV1)
        aom_codec_destroy(&d->aom);
#endif
    free(d);
}

/* Both libraries descend from one and name the fields of a picture alike. */
#define DECODER_PICTURE(image)                                                                     \
    (struct picture)                                                                               \
    {                                                                                              \
        .format = PICTURE_I420, .width = (int)(image)->d_w, .height = (int)(image)->d_h,           \
        .plane = {(image)->planes[0], (image)->planes[1], (image)->planes[2]},                     \
        .stride = {(image)->stride[0], (image)->stride[1], (image)->stride[2]},                    \
    }

#ifdef HAVE_VPX
static inline bool vpx_decode(struct decoder *d, const uint8_t *data, size_t size,
                              struct picture *out)
{
    vpx_codec_iter_t iter = NULL;
    if (vpx_codec_decode(&d->vpx, data, (unsigned)size, NULL, 0) != VPX_CODEC_OK)
        return false;
    vpx_image_t *image = vpx_codec_get_frame(&d->vpx, &iter);
    if (!image || image->fmt != VPX_IMG_FMT_I420)
        return false;
    d->is_bt709 = image->cs == VPX_CS_BT_709 && image->range == VPX_CR_STUDIO_RANGE;
    *out = DECODER_PICTURE(image);
    return true;
}
#endif

#ifdef HAVE_AOM
static inline bool aom_decode(struct decoder *d, const uint8_t *data, size_t size,
                              struct picture *out)
{
    aom_codec_iter_t iter = NULL;
    if (aom_codec_decode(&d->aom, data, size, NULL) != AOM_CODEC_OK)
        return false;
    aom_image_t *image = aom_codec_get_frame(&d->aom, &iter);
    if (!image || image->fmt != AOM_IMG_FMT_I420)
        return false;
    d->is_bt709 = image->cp == AOM_CICP_CP_BT_709 && image->tc == AOM_CICP_TC_BT_709 &&
                  image->mc == AOM_CICP_MC_BT_709 && image->range == AOM_CR_STUDIO_RANGE;
    *out = DECODER_PICTURE(image);
    return true;
}
#endif

/* One access unit to one picture, in the decoder's memory until the next call. */
static inline bool decoder_decode(struct decoder *d, const uint8_t *data, size_t size,
                                  struct picture *out)
{
    switch (d->codec) {
    case CODEC_H264:
#ifdef HAVE_OPENH264
        return h264_decode(d->h264, data, size, out);
#else
        return false;
#endif
    case CODEC_VP8:
    case CODEC_VP9:
#ifdef HAVE_VPX
        return vpx_decode(d, data, size, out);
#else
        return false;
#endif
    case CODEC_AV1:
#ifdef HAVE_AOM
        return aom_decode(d, data, size, out);
#else
        return false;
#endif
    }
    return false;
}
