/* CoreMedia.h - the part of Apple's CoreMedia that amphi uses; see CoreFoundation.h. */
#pragma once

#include "tests/apple/CoreAudioTypes/CoreAudioTypes.h"
#include "tests/apple/CoreFoundation/CoreFoundation.h"
#include "tests/apple/CoreVideo/CoreVideo.h"

typedef int64_t CMTimeValue;
typedef int32_t CMTimeScale;
typedef uint32_t CMTimeFlags;
typedef int64_t CMTimeEpoch;

typedef struct {
    CMTimeValue value;
    CMTimeScale timescale;
    CMTimeFlags flags;
    CMTimeEpoch epoch;
} CMTime;

enum { kCMTimeFlags_Valid = 1 };

extern const CMTime kCMTimeInvalid, kCMTimeIndefinite;

CMTime CMTimeMake(int64_t value, int32_t timescale);
CMTime CMTimeSubtract(CMTime a, CMTime b);
Float64 CMTimeGetSeconds(CMTime time); /* NaN if it is not a number */

typedef struct OpaqueCMClock *CMClockRef;
CMClockRef CMClockGetHostTimeClock(void); /* not a reference of the caller's */
CMTime CMClockGetTime(CMClockRef clock);

typedef FourCharCode CMVideoCodecType;
enum { kCMVideoCodecType_H264 = 'a' << 24 | 'v' << 16 | 'c' << 8 | '1' };

typedef const struct opaqueCMFormatDescription *CMFormatDescriptionRef;
typedef CMFormatDescriptionRef CMVideoFormatDescriptionRef;
typedef struct OpaqueCMBlockBuffer *CMBlockBufferRef;
typedef struct opaqueCMSampleBuffer *CMSampleBufferRef;
typedef uint32_t CMBlockBufferFlags;
typedef signed long CMItemCount;

enum {
    kCMBlockBufferStructureAllocationFailedErr = -12700,
    kCMFormatDescriptionError_InvalidParameter = -12710,
};

size_t CMBlockBufferGetDataLength(CMBlockBufferRef buffer);
Boolean CMBlockBufferIsRangeContiguous(CMBlockBufferRef buffer, size_t offset, size_t length);
OSStatus CMBlockBufferCreateContiguous(CFAllocatorRef structure_allocator, CMBlockBufferRef source,
                                       CFAllocatorRef block_allocator, const void *custom_source,
                                       size_t offset, size_t length, CMBlockBufferFlags flags,
                                       CMBlockBufferRef *out);
OSStatus CMBlockBufferGetDataPointer(CMBlockBufferRef buffer, size_t offset,
                                     size_t *length_at_offset, size_t *total_length, char **out);

Boolean CMSampleBufferIsValid(CMSampleBufferRef sample);
Boolean CMSampleBufferDataIsReady(CMSampleBufferRef sample);
CMBlockBufferRef CMSampleBufferGetDataBuffer(CMSampleBufferRef sample);
CVImageBufferRef CMSampleBufferGetImageBuffer(CMSampleBufferRef sample);
CMFormatDescriptionRef CMSampleBufferGetFormatDescription(CMSampleBufferRef sample);
CMTime CMSampleBufferGetPresentationTimeStamp(CMSampleBufferRef sample);
CMItemCount CMSampleBufferGetNumSamples(CMSampleBufferRef sample);
CFArrayRef CMSampleBufferGetSampleAttachmentsArray(CMSampleBufferRef sample, Boolean create);

/* The parameter set without a start code, in the description's memory. */
OSStatus CMVideoFormatDescriptionGetH264ParameterSetAtIndex(CMFormatDescriptionRef description,
                                                            size_t index, const uint8_t **set,
                                                            size_t *set_size, size_t *count,
                                                            int *nal_length_size);

/* Of sound. `list_size` bytes at `list`, or with `list` NULL only how many are needed. */
OSStatus CMSampleBufferGetAudioBufferListWithRetainedBlockBuffer(
    CMSampleBufferRef sample, size_t *needed, AudioBufferList *list, size_t list_size,
    CFAllocatorRef structure_allocator, CFAllocatorRef block_allocator, uint32_t flags,
    CMBlockBufferRef *out);
const AudioStreamBasicDescription *
CMAudioFormatDescriptionGetStreamBasicDescription(CMFormatDescriptionRef description);
