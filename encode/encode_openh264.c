/* H.264 by openh264, the default: permissive licence, and sharper text per CPU than x264. */
#include "encode/backends.h"
#include "encode/h264_level.h"
#include "encode/h264_qp.h"
#include "encode/quality.h"
#include "encode/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <wels/codec_api.h>

enum {
    MIN_SIDE = 16,    /* the library opens smaller ones, but then refuses every picture */
    MAX_MBS = 36864,  /* of a picture */
    MAX_LEVEL = 52,   /* the library knows no level above 5.2 */
    MAX_FPS = 60,     /* the library takes a higher rate for this one; time stamps tell it more */
    MAX_THREADS = 4,  /* of the library */
    ROWS_A_SLICE = 4, /* smaller slices cost more than a thread gains */
    MAX_LAYERS = 2,   /* temporal */
    MIN_QP = 10,
    /* Above 46 small text falls apart. On screens it is reached while a keyframe is paid back, and
     * the cap costs little rate then; hard natural content would be over its rate all the time. */
    MAX_QP_SCREEN = 46,
    MAX_QP_NATURAL = 51,
};

struct openh264 {
    ISVCEncoder *enc; /* owned */
    struct encoder_config config;
    int level;
    struct timeline timeline;
    struct h264_qp qp;
    SFrameBSInfo out; /* points into the library's memory, until the next picture */
    int64_t captured_us;
    bool ready;
};

/* In quality mode QP falls to what the rate stands for and no further, and rises where the rate
 * would be exceeded. */
static int min_qp(enum encoder_rate_control rate_control, uint32_t bitrate_bps)
{
    return rate_control == ENCODER_QUALITY ? quality_crf(bitrate_bps) : MIN_QP;
}

/* One slice a picture, unless threads are wanted: the library works in parallel on slices only. */
static int slices(const struct encoder_config *c)
{
    int most = (c->height + 15) / 16 / ROWS_A_SLICE;
    int n = c->threads < MAX_THREADS ? c->threads : MAX_THREADS;
    n = n < most ? n : most;
    return n > 1 ? n : 1;
}

/* What pictures really come at, since the library shares the rate out by it. */
static float planned_hz(const struct openh264 *h)
{
    /* rounded down, or it would ask for a higher level than there is need of */
    float hz = (float)(1000000000 / (h->timeline.planned_us + 1)) / 1000;
    return hz < 1 ? 1 : hz > MAX_FPS ? MAX_FPS : hz;
}

static void set_layer(SSpatialLayerConfig *l, const SEncParamExt *p, int level, int slice_num)
{
    l->iVideoWidth = p->iPicWidth;
    l->iVideoHeight = p->iPicHeight;
    l->fFrameRate = p->fMaxFrameRate;
    l->iSpatialBitrate = p->iTargetBitrate;
    l->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
    l->uiProfileIdc = PRO_BASELINE;
    l->uiLevelIdc = (ELevelIdc)level;
    l->sSliceArgument.uiSliceMode = slice_num > 1 ? SM_FIXEDSLCNUM_SLICE : SM_SINGLE_SLICE;
    l->sSliceArgument.uiSliceNum = (unsigned)slice_num;
    l->bVideoSignalTypePresent = true;
    l->uiVideoFormat = VF_UNDEF;
    l->bFullRange = false;
    l->bColorDescriptionPresent = true;
    l->uiColorPrimaries = CP_BT709;
    l->uiTransferCharacteristics = TRC_BT709;
    l->uiColorMatrix = CM_BT709;
}

/* Camera mode for screens, too: on scrolling text screen mode takes two and a half times as long
 * for the same PSNR, and it turns hard scenes into keyframes and loses the rate. Pictures are not
 * skipped: skipping stops the picture for seconds after a large keyframe, where QP alone brings
 * the rate back. Background detection costs scrolling text 2 to 5 dB; scene change detection makes
 * keyframes nobody asked for. */
static SEncParamExt params(const struct openh264 *h)
{
    const struct encoder_config *c = &h->config;
    SEncParamExt p;
    (*h->enc)->GetDefaultParams(h->enc, &p);
    p.iUsageType = CAMERA_VIDEO_REAL_TIME;
    p.iComplexityMode = c->effort == ENCODER_EFFORT_MORE ? MEDIUM_COMPLEXITY : LOW_COMPLEXITY;
    p.iPicWidth = c->width;
    p.iPicHeight = c->height;
    p.fMaxFrameRate = planned_hz(h);
    p.iTargetBitrate = (int)c->bitrate_bps;
    p.iMaxBitrate = UNSPECIFIED_BIT_RATE;
    p.iRCMode = RC_TIMESTAMP_MODE;
    p.iMinQp = min_qp(c->rate_control, c->bitrate_bps);
    p.iMaxQp = c->content == ENCODER_NATURAL ? MAX_QP_NATURAL : MAX_QP_SCREEN;
    p.bEnableFrameSkip = false;
    p.bEnableBackgroundDetection = false;
    p.bEnableSceneChangeDetect = false;
    p.bEnableAdaptiveQuant = false;
    p.uiIntraPeriod = 0; /* the source decides */
    p.iNumRefFrame = 1;
    /* With three, leaving out the middle layer would leave gaps in frame_num, which the library's
     * SPS forbids and hardware decoders refuse (H.264 7.4.3). */
    p.iTemporalLayerNum = c->temporal_layers < MAX_LAYERS ? c->temporal_layers : MAX_LAYERS;
    p.iSpatialLayerNum = 1;
    p.eSpsPpsIdStrategy = CONSTANT_ID;
    p.iEntropyCodingModeFlag = 0; /* CAVLC */
    p.iMultipleThreadIdc = (unsigned short)slices(c);
    set_layer(&p.sSpatialLayers[0], &p, h->level, slices(c));
    return p;
}

static int check_size(const struct encoder_config *c, char *error, size_t error_size)
{
    int mbs = (c->width + 15) / 16 * ((c->height + 15) / 16);
    if (c->width >= MIN_SIDE && c->height >= MIN_SIDE && mbs <= MAX_MBS)
        return 0;
    snprintf(error, error_size, "openh264 takes pictures from %dx%d to 4096x2304, not %dx%d",
             MIN_SIDE, MIN_SIDE, c->width, c->height);
    return -EINVAL;
}

static int openh264_open(void *priv, const struct encoder_config *config, char *error,
                         size_t error_size)
{
    struct openh264 *h = priv;
    h->config = *config;
    int ret = check_size(config, error, error_size);
    if (ret < 0)
        return ret;
    timeline_plan(&h->timeline, config->fps);
    h->level = h264_level_choose(config, error, error_size);
    if (h->level < 0)
        return h->level;
    if (h->level > MAX_LEVEL) {
        snprintf(error, error_size, "openh264 ends at level 5.2, which does not hold %d fps",
                 config->fps);
        return -EINVAL;
    }
    if (WelsCreateSVCEncoder(&h->enc) != 0) {
        h->enc = NULL;
        snprintf(error, error_size, "openh264 could not be started");
        return -ENOMEM;
    }
    int quiet = WELS_LOG_QUIET, format = videoFormatI420;
    (*h->enc)->SetOption(h->enc, ENCODER_OPTION_TRACE_LEVEL, &quiet);
    SEncParamExt p = params(h);
    if ((*h->enc)->InitializeExt(h->enc, &p) != 0 ||
        (*h->enc)->SetOption(h->enc, ENCODER_OPTION_DATAFORMAT, &format) != 0) {
        snprintf(error, error_size, "openh264 refuses %dx%d at %d fps and %u bit/s", config->width,
                 config->height, config->fps, (unsigned)config->bitrate_bps);
        return -EINVAL;
    }
    return 0;
}

/* The parameter sets and the slices are layers of their own, but lie one behind the other. */
static bool is_contiguous(const SFrameBSInfo *out)
{
    const unsigned char *next = out->sLayerInfo[0].pBsBuf;
    for (int i = 0; i < out->iLayerNum; i++) {
        if (out->sLayerInfo[i].pBsBuf != next)
            return false;
        for (int k = 0; k < out->sLayerInfo[i].iNalCount; k++)
            next += out->sLayerInfo[i].pNalLengthInByte[k];
    }
    return next == out->sLayerInfo[0].pBsBuf + out->iFrameSizeInBytes;
}

static int openh264_submit(void *priv, const struct picture *pic, bool keyframe)
{
    struct openh264 *h = priv;
    h->ready = false;
    int64_t at_us = timeline_next(&h->timeline, pic->captured_us);
    if (timeline_replan(&h->timeline)) {
        float hz = planned_hz(h);
        (*h->enc)->SetOption(h->enc, ENCODER_OPTION_FRAME_RATE, &hz);
    }
    SSourcePicture src = {
        .iColorFormat = videoFormatI420,
        .iStride = {(int)pic->stride[0], (int)pic->stride[1], (int)pic->stride[2]},
        .pData = {pic->plane[0], pic->plane[1], pic->plane[2]},
        .iPicWidth = pic->width,
        .iPicHeight = pic->height,
        .uiTimeStamp = at_us / 1000,
    };
    if (keyframe && (*h->enc)->ForceIntraFrame(h->enc, true) != 0)
        return -EIO;
    if ((*h->enc)->EncodeFrame(h->enc, &src, &h->out) != 0)
        return -EIO;
    if (h->out.eFrameType != videoFrameTypeSkip && !is_contiguous(&h->out))
        return -EIO;
    h->captured_us = pic->captured_us;
    h->ready = true;
    return 0;
}

static int openh264_receive(void *priv, struct encoded *out)
{
    struct openh264 *h = priv;
    if (!h->ready)
        return -EAGAIN;
    h->ready = false;
    *out = (struct encoded){.quantizer = -1, .captured_us = h->captured_us};
    if (h->out.eFrameType != videoFrameTypeSkip) {
        out->data = h->out.sLayerInfo[0].pBsBuf;
        out->size = (size_t)h->out.iFrameSizeInBytes;
        out->quantizer = h264_qp_percent(&h->qp, out->data, out->size);
        out->keyframe = h->out.eFrameType == videoFrameTypeIDR;
        out->temporal_id = h->out.sLayerInfo[h->out.iLayerNum - 1].uiTemporalId;
    }
    return 0;
}

/* The least QP is what makes constant quality here, and the library reads it only when it opens. */
static int openh264_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct openh264 *h = priv;
    const struct encoder_config *c = &h->config;
    int level = h264_level_idc(c->width, c->height, rate->fps, rate->bitrate_bps);
    if (level == 0 || level > h->level ||
        min_qp(rate->rate_control, rate->bitrate_bps) != min_qp(c->rate_control, c->bitrate_bps))
        return -ERANGE;
    timeline_plan(&h->timeline, rate->fps);
    float hz = planned_hz(h);
    SBitrateInfo bitrate = {SPATIAL_LAYER_ALL, (int)rate->bitrate_bps};
    if ((*h->enc)->SetOption(h->enc, ENCODER_OPTION_FRAME_RATE, &hz) != 0 ||
        (*h->enc)->SetOption(h->enc, ENCODER_OPTION_BITRATE, &bitrate) != 0)
        return -EINVAL;
    return 0;
}

static void openh264_close(void *priv)
{
    struct openh264 *h = priv;
    if (!h->enc)
        return;
    (*h->enc)->Uninitialize(h->enc);
    WelsDestroySVCEncoder(h->enc);
}

const struct encoder_ops encode_openh264_ops = {
    .name = "openh264",
    .codec = CODEC_H264,
    .input = PICTURE_I420,
    .priv_size = sizeof(struct openh264),
    .open = openh264_open,
    .submit = openh264_submit,
    .receive = openh264_receive,
    .set_rate = openh264_set_rate,
    .close = openh264_close,
};
