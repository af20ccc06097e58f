/* mac_stream.h - what pictures and sound of macOS's ScreenCaptureKit have in common: its answers
 * come on threads of its own and are waited for here, but never longer than MAC_PATIENCE_S.
 *
 * Objective-C, with automatic reference counting; nothing is here for a C compiler.
 */
#pragma once

#ifdef __OBJC__

#import <Foundation/Foundation.h>
#import <ScreenCaptureKit/ScreenCaptureKit.h>

#include <stddef.h>
#include <stdint.h>

#define MAC_PATIENCE_S 10

/* What can be shared now; nil with a sentence, also when the user has not allowed it. */
SCShareableContent *mac_content(char *error, size_t error_size);
/* Puts a sentence for the user into `error`. -ENODEV: what was shared may be there again later. */
int mac_explain(NSError *failure, char *error, size_t error_size);

/* 0, or -errno with a sentence. */
int mac_stream_start(SCStream *stream, char *error, size_t error_size);
/* The handlers on `queue` have ended for good when it returns. */
void mac_stream_stop(SCStream *stream, dispatch_queue_t queue);

/* When the sample was taken, on the clock `now_us` (CLOCK_MONOTONIC) is read from. */
int64_t mac_taken_us(CMSampleBufferRef sample, int64_t now_us);

#endif
