/* CoreVideo.h - the part of Apple's CoreVideo that amphi uses; see CoreFoundation.h. */
#pragma once

#include "tests/apple/CoreFoundation/CoreFoundation.h"

typedef int32_t CVReturn;
typedef uint64_t CVOptionFlags;

enum {
    kCVReturnSuccess = 0,
    kCVReturnError = -6660,
    kCVReturnAllocationFailed = -6662,
    kCVReturnWouldExceedAllocationThreshold = -6689,
};

enum {
    kCVPixelFormatType_32BGRA = 'B' << 24 | 'G' << 16 | 'R' << 8 | 'A',
    kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange = '4' << 24 | '2' << 16 | '0' << 8 | 'v',
};

typedef struct __CVBuffer *CVBufferRef;
typedef CVBufferRef CVImageBufferRef;
typedef CVImageBufferRef CVPixelBufferRef;
typedef struct __CVPixelBufferPool *CVPixelBufferPoolRef;

typedef CVOptionFlags CVPixelBufferLockFlags;
enum { kCVPixelBufferLock_ReadOnly = 1 };

extern const CFStringRef kCVPixelBufferPixelFormatTypeKey;
extern const CFStringRef kCVPixelBufferWidthKey;
extern const CFStringRef kCVPixelBufferHeightKey;
extern const CFStringRef kCVPixelBufferIOSurfacePropertiesKey;
extern const CFStringRef kCVPixelBufferPoolAllocationThresholdKey;
extern const CFStringRef kCVImageBufferColorPrimaries_ITU_R_709_2;
extern const CFStringRef kCVImageBufferTransferFunction_ITU_R_709_2;
extern const CFStringRef kCVImageBufferYCbCrMatrix_ITU_R_709_2;

CVReturn CVPixelBufferCreate(CFAllocatorRef allocator, size_t width, size_t height, OSType format,
                             CFDictionaryRef attributes, CVPixelBufferRef *out);
CVPixelBufferRef CVPixelBufferRetain(CVPixelBufferRef buffer); /* NULL is fine for these two */
void CVPixelBufferRelease(CVPixelBufferRef buffer);
CVReturn CVPixelBufferLockBaseAddress(CVPixelBufferRef buffer, CVPixelBufferLockFlags flags);
CVReturn CVPixelBufferUnlockBaseAddress(CVPixelBufferRef buffer, CVPixelBufferLockFlags flags);
size_t CVPixelBufferGetWidth(CVPixelBufferRef buffer);
size_t CVPixelBufferGetHeight(CVPixelBufferRef buffer);
OSType CVPixelBufferGetPixelFormatType(CVPixelBufferRef buffer);
void *CVPixelBufferGetBaseAddressOfPlane(CVPixelBufferRef buffer, size_t plane);
size_t CVPixelBufferGetBytesPerRowOfPlane(CVPixelBufferRef buffer, size_t plane);

CVReturn CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(CFAllocatorRef allocator,
                                                             CVPixelBufferPoolRef pool,
                                                             CFDictionaryRef attributes,
                                                             CVPixelBufferRef *out);
