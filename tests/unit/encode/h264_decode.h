/* h264_decode.h - openh264's decoder, to look at what the encoders made. */
#pragma once

#include "capture/picture.h"

#include <stddef.h>
#include <wels/codec_api.h>

static inline ISVCDecoder *h264_decoder_new(void)
{
    ISVCDecoder *d = NULL;
    SDecodingParam p = {.sVideoProperty = {sizeof(SVideoProperty), VIDEO_BITSTREAM_AVC}};
    int quiet = WELS_LOG_QUIET;
    if (WelsCreateDecoder(&d) != 0)
        return NULL;
    (*d)->SetOption(d, DECODER_OPTION_TRACE_LEVEL, &quiet);
    return (*d)->Initialize(d, &p) == 0 ? d : NULL;
}

static inline void h264_decoder_free(ISVCDecoder *d)
{
    (*d)->Uninitialize(d);
    WelsDestroyDecoder(d);
}

/* One access unit to one picture, in the decoder's memory until the next call. */
static inline bool h264_decode(ISVCDecoder *d, const uint8_t *data, size_t size,
                               struct picture *out)
{
    unsigned char *plane[3] = {NULL, NULL, NULL};
    SBufferInfo info = {0};
    if ((*d)->DecodeFrameNoDelay(d, data, (int)size, plane, &info) != dsErrorFree ||
        info.iBufferStatus != 1)
        return false;
    *out = (struct picture){
        .format = PICTURE_I420,
        .width = info.UsrData.sSystemBuffer.iWidth,
        .height = info.UsrData.sSystemBuffer.iHeight,
        .plane = {plane[0], plane[1], plane[2]},
        .stride = {info.UsrData.sSystemBuffer.iStride[0], info.UsrData.sSystemBuffer.iStride[1],
                   info.UsrData.sSystemBuffer.iStride[1]},
    };
    return true;
}
