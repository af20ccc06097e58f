/* H.264 by macOS's VideoToolbox, asynchronously.
 *
 * VideoToolbox calls back on a thread of its own. The callback turns the sample into Annex B in the
 * place that pending.h keeps for it, and that is all it touches: `struct vt` may be gone when the
 * last one comes.
 */
#include "encode/avcc.h"
#include "encode/backends.h"
#include "encode/h264_qp.h"
#include "encode/pending.h"
#include "encode/quality.h"

#include <VideoToolbox/VideoToolbox.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Pixel buffers of our own: those on their way and the ones VideoToolbox is about to give back. */
#define MAX_BUFFERS (PENDING_MAX + 2)
#define PIXELS kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange

struct vt {
    /* encode thread only */
    struct encoder_config config;
    VTCompressionSessionRef session; /* ref */
    CFDictionaryRef keyframe_option; /* ref */
    CFDictionaryRef pool_limit;      /* ref */
    struct pending *pending;         /* owned */
    bool layered;                    /* some pictures are of an upper temporal layer */
    struct h264_qp qp;
    int64_t last_pts;
};

static int errno_of(OSStatus status)
{
    switch (status) {
    case noErr:
        return 0;
    case kVTInvalidSessionErr:
    case kVTVideoEncoderMalfunctionErr:
    case kVTVideoEncoderNotAvailableNowErr:
        return -ESHUTDOWN;
    case kVTAllocationFailedErr:
    case kCVReturnAllocationFailed:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

/* --- VideoToolbox's thread: from a sample to an access unit --- */

struct parameter_sets {
    struct {
        const uint8_t *data;
        size_t size;
    } set[4]; /* SPS, PPS; borrowed from the sample's description */
    size_t n, size;
    int length_size;
};

static int parameter_sets_of(CMSampleBufferRef sample, struct parameter_sets *out)
{
    CMFormatDescriptionRef description = CMSampleBufferGetFormatDescription(sample);
    *out = (struct parameter_sets){.n = 1};
    if (!description)
        return -EBADMSG;
    for (size_t i = 0; i < out->n; i++) {
        if (i == sizeof(out->set) / sizeof(out->set[0]))
            return -EBADMSG;
        OSStatus status = CMVideoFormatDescriptionGetH264ParameterSetAtIndex(
            description, i, &out->set[i].data, &out->set[i].size, &out->n, &out->length_size);
        if (status != noErr)
            return -EBADMSG;
        out->size += AVCC_START_CODE + out->set[i].size;
    }
    return out->n >= 2 ? 0 : -EBADMSG;
}

/* `data` is the whole unit in one piece. */
static int write_unit(struct pending_place *p, const uint8_t *data, size_t size,
                      const struct parameter_sets *sets)
{
    struct avcc_unit unit;
    if (!avcc_to_annexb(data, size, sets->length_size, NULL, &unit))
        return -EBADMSG;
    int r = pending_reserve(p, sets->size + unit.size);
    if (r < 0)
        return r;
    size_t at = 0;
    for (size_t i = 0; unit.idr && i < sets->n; i++)
        at += avcc_put(p->memory + at, sets->set[i].data, sets->set[i].size);
    avcc_to_annexb(data, size, sets->length_size, p->memory + at, &unit);
    p->unit.data = p->memory;
    p->unit.size = at + unit.size;
    p->unit.keyframe = unit.idr;
    p->unit.temporal_id = !unit.is_reference;
    return 0;
}

static int fill(struct pending_place *p, CMSampleBufferRef sample)
{
    struct parameter_sets sets;
    CMBlockBufferRef block =
        CMSampleBufferDataIsReady(sample) ? CMSampleBufferGetDataBuffer(sample) : NULL;
    if (!block)
        return -EBADMSG;
    int r = parameter_sets_of(sample, &sets);
    if (r < 0)
        return r;
    size_t size = CMBlockBufferGetDataLength(block);
    CMBlockBufferRef whole = NULL; /* ref; rarely needed */
    if (!CMBlockBufferIsRangeContiguous(block, 0, size)) {
        if (CMBlockBufferCreateContiguous(kCFAllocatorDefault, block, kCFAllocatorDefault, NULL, 0,
                                          size, 0, &whole) != noErr)
            return -ENOMEM;
        block = whole;
    }
    char *data;
    r = CMBlockBufferGetDataPointer(block, 0, NULL, NULL, &data) == noErr
            ? write_unit(p, (const uint8_t *)data, size, &sets)
            : -EBADMSG;
    if (whole)
        CFRelease(whole);
    return r;
}

static void on_output(void *refcon, void *frame_refcon, OSStatus status, VTEncodeInfoFlags flags,
                      CMSampleBufferRef sample)
{
    struct pending *pending = refcon;
    struct pending_place *p = pending_begin(pending, (uint64_t)(uintptr_t)frame_refcon);
    if (!p) /* refused before, or told twice */
        return;
    p->result = errno_of(status);
    /* No sample without an error: rate control left the picture out. */
    if (p->result == 0 && sample && !(flags & kVTEncodeInfo_FrameDropped) && p->wanted)
        p->result = fill(p, sample);
    pending_finish(pending, p);
}

/* --- opening --- */

static OSStatus set(struct vt *v, CFStringRef key, CFTypeRef value)
{
    return VTSessionSetProperty(v->session, key, value);
}

static OSStatus set_number(struct vt *v, CFStringRef key, CFNumberType type, const void *value)
{
    CFNumberRef number = CFNumberCreate(kCFAllocatorDefault, type, value);
    if (!number)
        return kVTAllocationFailedErr;
    OSStatus status = set(v, key, number);
    CFRelease(number);
    return status;
}

static OSStatus set_int(struct vt *v, CFStringRef key, int64_t value)
{
    return set_number(v, key, kCFNumberSInt64Type, &value);
}

static OSStatus set_double(struct vt *v, CFStringRef key, double value)
{
    return set_number(v, key, kCFNumberDoubleType, &value);
}

/* No more than so many bytes in any second. */
static OSStatus set_limit(struct vt *v, uint32_t bitrate_bps)
{
    const int64_t bytes = bitrate_bps / 8;
    const double seconds = 1;
    const void *pair[2] = {CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt64Type, &bytes),
                           CFNumberCreate(kCFAllocatorDefault, kCFNumberDoubleType, &seconds)};
    CFArrayRef limits = NULL;
    if (pair[0] && pair[1])
        limits = CFArrayCreate(kCFAllocatorDefault, pair, 2, &kCFTypeArrayCallBacks);
    OSStatus status = kVTAllocationFailedErr;
    if (limits) {
        status = set(v, kVTCompressionPropertyKey_DataRateLimits, limits);
        CFRelease(limits);
    }
    for (int i = 0; i < 2; i++) {
        if (pair[i])
            CFRelease(pair[i]);
    }
    return status;
}

static OSStatus set_rates(struct vt *v, uint32_t bitrate_bps, int fps)
{
    OSStatus status = set_int(v, kVTCompressionPropertyKey_ExpectedFrameRate, fps);
    if (status == noErr && v->config.rate_control == ENCODER_CBR)
        return set_int(v, kVTCompressionPropertyKey_AverageBitRate, bitrate_bps);
    if (status == noErr)
        status =
            set_double(v, kVTCompressionPropertyKey_Quality, quality_percent(bitrate_bps) / 100.0);
    return status == noErr ? set_limit(v, bitrate_bps) : status;
}

/* Not every encoder knows every property; that is fine where one that does not needs it not. */
static bool is_optional(OSStatus status)
{
    return status == noErr || errno_of(status) == -EIO;
}

static bool set_layers(struct vt *v)
{
    if (v->config.temporal_layers < 2)
        return true;
    OSStatus status = set_double(v, kVTCompressionPropertyKey_BaseLayerFrameRateFraction, 0.5);
    v->layered = status == noErr;
    return is_optional(status);
}

static bool set_profile(struct vt *v)
{
    const CFStringRef key = kVTCompressionPropertyKey_ProfileLevel;
    return set(v, key, kVTProfileLevel_H264_ConstrainedBaseline_AutoLevel) == noErr ||
           set(v, key, kVTProfileLevel_H264_Baseline_AutoLevel) == noErr;
}

/* What the stream relies on: a picture out for each one in, in order and at once; no keyframe that
 * was not asked for; the colours the conversion made. */
static bool set_properties(struct vt *v)
{
    if (set(v, kVTCompressionPropertyKey_AllowFrameReordering, kCFBooleanFalse) != noErr ||
        set_int(v, kVTCompressionPropertyKey_MaxKeyFrameInterval, INT_MAX) != noErr ||
        set(v, kVTCompressionPropertyKey_ColorPrimaries,
            kCVImageBufferColorPrimaries_ITU_R_709_2) != noErr ||
        set(v, kVTCompressionPropertyKey_TransferFunction,
            kCVImageBufferTransferFunction_ITU_R_709_2) != noErr ||
        set(v, kVTCompressionPropertyKey_YCbCrMatrix, kCVImageBufferYCbCrMatrix_ITU_R_709_2) !=
            noErr)
        return false;
    /* on a screen text stays legible while a keyframe is paid back */
    int coarsest = v->config.content == ENCODER_SCREEN ? 46 : 51;
    return is_optional(set(v, kVTCompressionPropertyKey_RealTime, kCFBooleanTrue)) &&
           is_optional(set_int(v, kVTCompressionPropertyKey_MaxFrameDelayCount, 0)) &&
           is_optional(set_int(v, kVTCompressionPropertyKey_MaxAllowedFrameQP, coarsest)) &&
           set_profile(v) && set_layers(v) &&
           set_rates(v, v->config.bitrate_bps, v->config.fps) == noErr;
}

static CFDictionaryRef dictionary(const void **keys, const void **values, CFIndex n)
{
    return CFDictionaryCreate(kCFAllocatorDefault, keys, values, n, &kCFTypeDictionaryKeyCallBacks,
                              &kCFTypeDictionaryValueCallBacks);
}

static CFDictionaryRef dictionary_of_int(CFStringRef key, int value)
{
    const void *keys[] = {key};
    const void *values[] = {CFNumberCreate(kCFAllocatorDefault, kCFNumberIntType, &value)};
    CFDictionaryRef d = values[0] ? dictionary(keys, values, 1) : NULL;
    if (values[0])
        CFRelease(values[0]);
    return d;
}

/* NV12 in surfaces the encoder's hardware reads itself. */
static CFDictionaryRef source_attributes(void)
{
    const int format = (int)PIXELS;
    const void *keys[] = {kCVPixelBufferPixelFormatTypeKey, kCVPixelBufferIOSurfacePropertiesKey};
    const void *values[] = {CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt32Type, &format),
                            dictionary(NULL, NULL, 0)};
    CFDictionaryRef d = values[0] && values[1] ? dictionary(keys, values, 2) : NULL;
    for (int i = 0; i < 2; i++) {
        if (values[i])
            CFRelease(values[i]);
    }
    return d;
}

static OSStatus create_session(struct vt *v, bool low_latency, CFDictionaryRef source)
{
    const void *keys[] = {kVTVideoEncoderSpecification_EnableLowLatencyRateControl};
    const void *values[] = {kCFBooleanTrue};
    CFDictionaryRef specification = low_latency ? dictionary(keys, values, 1) : NULL;
    OSStatus status = VTCompressionSessionCreate(
        kCFAllocatorDefault, v->config.width, v->config.height, kCMVideoCodecType_H264,
        specification, source, kCFAllocatorDefault, on_output, v->pending, &v->session);
    if (specification)
        CFRelease(specification);
    if (status != noErr)
        v->session = NULL;
    return status;
}

static int make_objects(struct vt *v)
{
    v->pending = pending_create(v->config.on_ready, v->config.on_ready_arg);
    v->pool_limit = dictionary_of_int(kCVPixelBufferPoolAllocationThresholdKey, MAX_BUFFERS);
    const void *keys[] = {kVTEncodeFrameOptionKey_ForceKeyFrame};
    const void *values[] = {kCFBooleanTrue};
    v->keyframe_option = dictionary(keys, values, 1);
    return v->pending && v->pool_limit && v->keyframe_option ? 0 : -ENOMEM;
}

static int vt_open(void *priv, const struct encoder_config *config, char *error, size_t error_size)
{
    struct vt *v = priv;
    v->config = *config;
    CFDictionaryRef source = NULL;
    if (make_objects(v) < 0 || !(source = source_attributes())) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    /* Constant quality is not for the low-latency rate control, and not every Mac has that. */
    OSStatus status = kVTCouldNotFindVideoEncoderErr;
    if (config->rate_control == ENCODER_CBR)
        status = create_session(v, true, source);
    if (status != noErr)
        status = create_session(v, false, source);
    CFRelease(source);
    if (status != noErr) {
        snprintf(error, error_size, "VideoToolbox has no encoder for %dx%d (status %d)",
                 config->width, config->height, (int)status);
        return -ENOTSUP;
    }
    if (!set_properties(v)) {
        snprintf(error, error_size, "VideoToolbox's encoder cannot do what a live stream needs");
        return -ENOTSUP;
    }
    status = VTCompressionSessionPrepareToEncodeFrames(v->session);
    if (status != noErr) {
        snprintf(error, error_size, "VideoToolbox's encoder is not ready (status %d)", (int)status);
        return errno_of(status);
    }
    v->last_pts = INT64_MIN;
    return 0;
}

/* --- encoding --- */

static void copy_plane(CVPixelBufferRef to, size_t plane, const struct picture *pic, int rows)
{
    uint8_t *out = CVPixelBufferGetBaseAddressOfPlane(to, plane);
    size_t stride = CVPixelBufferGetBytesPerRowOfPlane(to, plane);
    const uint8_t *in = pic->plane[plane];
    for (int y = 0; y < rows; y++) {
        memcpy(out, in, (size_t)pic->width);
        out += stride;
        in += pic->stride[plane];
    }
}

/* A reference to a buffer of the session's pool with a copy of the picture. */
static int copy_pixels(struct vt *v, const struct picture *pic, CVPixelBufferRef *out)
{
    CVPixelBufferPoolRef pool = VTCompressionSessionGetPixelBufferPool(v->session);
    if (!pool)
        return -ESHUTDOWN; /* an invalid session has none */
    CVPixelBufferRef pixels = NULL;
    CVReturn r = CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(kCFAllocatorDefault, pool,
                                                                     v->pool_limit, &pixels);
    if (r == kCVReturnWouldExceedAllocationThreshold)
        return -EAGAIN;
    if (r != kCVReturnSuccess)
        return errno_of(r);
    r = CVPixelBufferLockBaseAddress(pixels, 0);
    if (r != kCVReturnSuccess) {
        CVPixelBufferRelease(pixels);
        return errno_of(r);
    }
    copy_plane(pixels, 0, pic, pic->height);
    copy_plane(pixels, 1, pic, pic->height / 2);
    CVPixelBufferUnlockBaseAddress(pixels, 0);
    *out = pixels;
    return 0;
}

/* The capture's own surface is what the hardware reads, if it is one that it can read. */
static int pixels_of(struct vt *v, const struct picture *pic, CVPixelBufferRef *out)
{
    CVPixelBufferRef own = pic->native;
    if (own && CVPixelBufferGetPixelFormatType(own) == PIXELS &&
        CVPixelBufferGetWidth(own) == (size_t)v->config.width &&
        CVPixelBufferGetHeight(own) == (size_t)v->config.height) {
        *out = CVPixelBufferRetain(own);
        return 0;
    }
    return copy_pixels(v, pic, out);
}

static int encode(struct vt *v, CVPixelBufferRef pixels, int64_t captured_us, bool keyframe)
{
    int64_t pts = captured_us > v->last_pts ? captured_us : v->last_pts + 1;
    v->last_pts = pts;
    uint64_t ticket = pending_enter(v->pending, captured_us, &keyframe);
    VTEncodeInfoFlags flags = 0;
    OSStatus status = VTCompressionSessionEncodeFrame(
        v->session, pixels, CMTimeMake(pts, 1000000), kCMTimeInvalid,
        keyframe ? v->keyframe_option : NULL, (void *)(uintptr_t)ticket, &flags);
    int r = errno_of(status);
    if (r < 0)
        pending_leave(v->pending, ticket, r);
    else if (flags & kVTEncodeInfo_FrameDropped) /* its callback may have come, may not come */
        on_output(v->pending, (void *)(uintptr_t)ticket, noErr, flags, NULL);
    return r;
}

static int vt_submit(void *priv, const struct picture *pic, bool keyframe)
{
    struct vt *v = priv;
    int r = pending_room(v->pending, pic->captured_us);
    if (r < 0)
        return r;
    CVPixelBufferRef pixels;
    r = pixels_of(v, pic, &pixels);
    if (r == -ESHUTDOWN)
        pending_lose(v->pending);
    if (r < 0)
        return r;
    r = encode(v, pixels, pic->captured_us, keyframe);
    CVPixelBufferRelease(pixels); /* VideoToolbox has its own reference */
    return r;
}

static int vt_receive(void *priv, struct encoded *out)
{
    struct vt *v = priv;
    int r = pending_receive(v->pending, out);
    if (r < 0)
        return r;
    if (!v->layered)
        out->temporal_id = 0;
    if (out->size > 0)
        out->quantizer = h264_qp_percent(&v->qp, out->data, out->size);
    return 0;
}

static int vt_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct vt *v = priv;
    if (rate->rate_control != v->config.rate_control)
        return -ERANGE; /* another kind of session */
    return errno_of(set_rates(v, rate->bitrate_bps, rate->fps));
}

static void vt_close(void *priv)
{
    struct vt *v = priv;
    bool answers = v->pending && pending_silence(v->pending);
    if (v->session) {
        if (answers)
            VTCompressionSessionCompleteFrames(v->session, kCMTimeIndefinite);
        VTCompressionSessionInvalidate(v->session);
        CFRelease(v->session);
    }
    pending_close(v->pending);
    if (v->keyframe_option)
        CFRelease(v->keyframe_option);
    if (v->pool_limit)
        CFRelease(v->pool_limit);
}

const struct encoder_ops encode_vt_ops = {
    .name = "videotoolbox",
    .codec = CODEC_H264,
    .input = PICTURE_NV12,
    .priv_size = sizeof(struct vt),
    .open = vt_open,
    .submit = vt_submit,
    .receive = vt_receive,
    .set_rate = vt_set_rate,
    .close = vt_close,
};
