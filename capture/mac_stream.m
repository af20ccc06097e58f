#import "capture/mac_stream.h"

#include <errno.h>
#include <stdio.h>

/* A sample older than this carries a wrong time. */
#define MAX_AGE_S 1.0

static dispatch_time_t patience(void)
{
    return dispatch_time(DISPATCH_TIME_NOW, (int64_t)(MAC_PATIENCE_S * NSEC_PER_SEC));
}

int mac_explain(NSError *failure, char *error, size_t error_size)
{
    const char *words = failure.localizedDescription.UTF8String;
    switch (failure.code) {
    case SCStreamErrorUserDeclined:
        snprintf(error, error_size,
                 "macOS does not allow it: System Settings, Privacy & Security, Screen Recording");
        return -EACCES;
    case SCStreamErrorUserStopped:
        snprintf(error, error_size, "sharing was ended from the menu bar");
        return -ECANCELED;
    case SCStreamErrorNoCaptureSource:
        snprintf(error, error_size, "what was shared is not there any more");
        return -ENODEV;
    default:
        snprintf(error, error_size, "ScreenCaptureKit: %s (%ld)", words ? words : "no reason given",
                 (long)failure.code);
        return -ENODEV;
    }
}

SCShareableContent *mac_content(char *error, size_t error_size)
{
    dispatch_semaphore_t answered = dispatch_semaphore_create(0);
    __block SCShareableContent *content = nil;
    __block NSError *failure = nil;
    [SCShareableContent
        getShareableContentExcludingDesktopWindows:YES
                               onScreenWindowsOnly:NO
                                 completionHandler:^(SCShareableContent *found, NSError *why) {
                                   content = found;
                                   failure = why;
                                   dispatch_semaphore_signal(answered);
                                 }];
    if (dispatch_semaphore_wait(answered, patience()) != 0) {
        snprintf(error, error_size, "ScreenCaptureKit does not answer");
        return nil;
    }
    if (!content)
        mac_explain(failure, error, error_size);
    return content;
}

int mac_stream_start(SCStream *stream, char *error, size_t error_size)
{
    dispatch_semaphore_t answered = dispatch_semaphore_create(0);
    __block NSError *failure = nil;
    [stream startCaptureWithCompletionHandler:^(NSError *why) {
      failure = why;
      dispatch_semaphore_signal(answered);
    }];
    if (dispatch_semaphore_wait(answered, patience()) != 0) {
        snprintf(error, error_size, "ScreenCaptureKit does not answer");
        return -ETIMEDOUT;
    }
    return failure ? mac_explain(failure, error, error_size) : 0;
}

static void nothing(void *unused)
{
    (void)unused;
}

void mac_stream_stop(SCStream *stream, dispatch_queue_t queue)
{
    dispatch_semaphore_t answered = dispatch_semaphore_create(0);
    [stream stopCaptureWithCompletionHandler:^(NSError *why) {
      (void)why; /* it may have stopped by itself */
      dispatch_semaphore_signal(answered);
    }];
    dispatch_semaphore_wait(answered, patience());
    dispatch_sync_f(queue, NULL, nothing); /* behind the last handler */
}

/* Samples are stamped on the host's clock, which stands still while the machine sleeps and is not
 * CLOCK_MONOTONIC; how old one is, is the same on both. */
int64_t mac_taken_us(CMSampleBufferRef sample, int64_t now_us)
{
    CMTime taken = CMSampleBufferGetPresentationTimeStamp(sample);
    CMTime now = CMClockGetTime(CMClockGetHostTimeClock());
    Float64 age = CMTimeGetSeconds(CMTimeSubtract(now, taken));
    if (!(age > 0 && age < MAX_AGE_S))
        age = 0;
    return now_us - (int64_t)(age * 1e6);
}
