/* CoreGraphics.h - the part of Apple's CoreGraphics that amphi uses; see CoreFoundation.h. */
#pragma once

#include "tests/apple/CoreFoundation/CoreFoundation.h"

typedef double CGFloat;

typedef struct {
    CGFloat x, y;
} CGPoint;

typedef struct {
    CGFloat width, height;
} CGSize;

typedef struct {
    CGPoint origin;
    CGSize size;
} CGRect;

typedef uint32_t CGDirectDisplayID;
typedef uint32_t CGWindowID;
typedef uint32_t CGWindowListOption;
typedef struct CGDisplayMode *CGDisplayModeRef;

enum { kCGWindowListOptionIncludingWindow = 1 << 3 };

extern const CFStringRef kCGColorSpaceSRGB;

CGDirectDisplayID CGMainDisplayID(void);
CGDisplayModeRef CGDisplayCopyDisplayMode(CGDirectDisplayID display); /* NULL: none */
void CGDisplayModeRelease(CGDisplayModeRef mode);
size_t CGDisplayModeGetWidth(CGDisplayModeRef mode);      /* points */
size_t CGDisplayModeGetPixelWidth(CGDisplayModeRef mode); /* pixels */
CFArrayRef CGWindowListCopyWindowInfo(CGWindowListOption option, CGWindowID window);
bool CGRectMakeWithDictionaryRepresentation(CFDictionaryRef dictionary, CGRect *out);
