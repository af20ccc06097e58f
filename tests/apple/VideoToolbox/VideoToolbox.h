/* VideoToolbox.h - the part of Apple's VideoToolbox that amphi uses; see CoreFoundation.h. */
#pragma once

#include "tests/apple/CoreFoundation/CoreFoundation.h"
#include "tests/apple/CoreMedia/CoreMedia.h"
#include "tests/apple/CoreVideo/CoreVideo.h"

typedef struct OpaqueVTCompressionSession *VTCompressionSessionRef;
typedef CFTypeRef VTSessionRef;
typedef uint32_t VTEncodeInfoFlags;

enum {
    kVTEncodeInfo_Asynchronous = 1 << 0,
    kVTEncodeInfo_FrameDropped = 1 << 1,
};

enum {
    kVTPropertyNotSupportedErr = -12900,
    kVTParameterErr = -12902,
    kVTInvalidSessionErr = -12903,
    kVTAllocationFailedErr = -12904,
    kVTCouldNotFindVideoEncoderErr = -12908,
    kVTVideoEncoderMalfunctionErr = -12912,
    kVTVideoEncoderNotAvailableNowErr = -12915,
};

/* Exactly one call for each frame that EncodeFrame took, on any thread, also before EncodeFrame
 * returns. `sample` is NULL when the frame was dropped or failed. */
typedef void (*VTCompressionOutputCallback)(void *refcon, void *frame_refcon, OSStatus status,
                                            VTEncodeInfoFlags flags, CMSampleBufferRef sample);

OSStatus VTCompressionSessionCreate(CFAllocatorRef allocator, int32_t width, int32_t height,
                                    CMVideoCodecType codec, CFDictionaryRef specification,
                                    CFDictionaryRef source_attributes,
                                    CFAllocatorRef data_allocator,
                                    VTCompressionOutputCallback callback, void *refcon,
                                    VTCompressionSessionRef *out);
OSStatus VTSessionSetProperty(VTSessionRef session, CFStringRef key, CFTypeRef value);
OSStatus VTCompressionSessionPrepareToEncodeFrames(VTCompressionSessionRef session);
/* Owned by the session; NULL before there is one. */
CVPixelBufferPoolRef VTCompressionSessionGetPixelBufferPool(VTCompressionSessionRef session);
OSStatus VTCompressionSessionEncodeFrame(VTCompressionSessionRef session, CVImageBufferRef image,
                                         CMTime presentation, CMTime duration,
                                         CFDictionaryRef properties, void *frame_refcon,
                                         VTEncodeInfoFlags *flags);
/* Waits until the callbacks of all frames up to that time have returned. */
OSStatus VTCompressionSessionCompleteFrames(VTCompressionSessionRef session, CMTime until);
void VTCompressionSessionInvalidate(VTCompressionSessionRef session);

extern const CFStringRef kVTVideoEncoderSpecification_EnableLowLatencyRateControl;
extern const CFStringRef kVTEncodeFrameOptionKey_ForceKeyFrame;
extern const CFStringRef kVTCompressionPropertyKey_AllowFrameReordering;
extern const CFStringRef kVTCompressionPropertyKey_AverageBitRate;
extern const CFStringRef kVTCompressionPropertyKey_BaseLayerFrameRateFraction;
extern const CFStringRef kVTCompressionPropertyKey_ColorPrimaries;
extern const CFStringRef kVTCompressionPropertyKey_DataRateLimits;
extern const CFStringRef kVTCompressionPropertyKey_ExpectedFrameRate;
extern const CFStringRef kVTCompressionPropertyKey_MaxAllowedFrameQP;
extern const CFStringRef kVTCompressionPropertyKey_MaxFrameDelayCount;
extern const CFStringRef kVTCompressionPropertyKey_MaxKeyFrameInterval;
extern const CFStringRef kVTCompressionPropertyKey_ProfileLevel;
extern const CFStringRef kVTCompressionPropertyKey_Quality;
extern const CFStringRef kVTCompressionPropertyKey_RealTime;
extern const CFStringRef kVTCompressionPropertyKey_TransferFunction;
extern const CFStringRef kVTCompressionPropertyKey_YCbCrMatrix;
extern const CFStringRef kVTProfileLevel_H264_Baseline_AutoLevel;
extern const CFStringRef kVTProfileLevel_H264_ConstrainedBaseline_AutoLevel;
