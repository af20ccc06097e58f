/* ScreenCaptureKit.h - the part of Apple's ScreenCaptureKit (macOS 13) that amphi uses; see
 * CoreFoundation.h. Objective-C: nothing is here for a C compiler. */
#pragma once

#include "tests/apple/CoreGraphics/CoreGraphics.h"
#include "tests/apple/CoreMedia/CoreMedia.h"
#include "tests/apple/Foundation/Foundation.h"

#ifdef __OBJC__

@interface SCRunningApplication : NSObject
@property(readonly) NSString *applicationName;
@end

@interface SCWindow : NSObject
@property(readonly) CGWindowID windowID;
@property(readonly) CGRect frame; /* points */
@property(readonly) NSString *title;
@property(readonly) NSInteger windowLayer;
@property(readonly) SCRunningApplication *owningApplication;
@property(readonly, getter=isOnScreen) BOOL onScreen;
@end

@interface SCDisplay : NSObject
@property(readonly) CGDirectDisplayID displayID;
@property(readonly) NSInteger width;  /* points */
@property(readonly) NSInteger height; /* points */
@end

@interface SCShareableContent : NSObject
@property(readonly) NSArray<SCWindow *> *windows;
@property(readonly) NSArray<SCDisplay *> *displays;
+ (void)getShareableContentExcludingDesktopWindows:(BOOL)exclude
                               onScreenWindowsOnly:(BOOL)only
                                 completionHandler:
                                     (void (^)(SCShareableContent *content, NSError *error))handler;
@end

@interface SCContentFilter : NSObject
- (instancetype)initWithDesktopIndependentWindow:(SCWindow *)window;
- (instancetype)initWithDisplay:(SCDisplay *)display
               excludingWindows:(NSArray<SCWindow *> *)windows;
@end

@interface SCStreamConfiguration : NSObject
@property size_t width;
@property size_t height;
@property CMTime minimumFrameInterval;
@property OSType pixelFormat;
@property BOOL showsCursor;
@property NSInteger queueDepth;
@property CFStringRef colorMatrix;
@property CFStringRef colorSpaceName;
@property BOOL capturesAudio;
@property NSInteger sampleRate;
@property NSInteger channelCount;
@property BOOL excludesCurrentProcessAudio;
@end

typedef NSInteger SCStreamOutputType;
enum { SCStreamOutputTypeScreen, SCStreamOutputTypeAudio };

typedef NSInteger SCFrameStatus;
enum { SCFrameStatusComplete };

typedef NSString *SCStreamFrameInfo;
extern SCStreamFrameInfo const SCStreamFrameInfoStatus;
extern SCStreamFrameInfo const SCStreamFrameInfoScaleFactor;
extern SCStreamFrameInfo const SCStreamFrameInfoContentScale;
extern SCStreamFrameInfo const SCStreamFrameInfoContentRect;

enum {
    SCStreamErrorUserDeclined = -3801,
    SCStreamErrorNoCaptureSource = -3815,
    SCStreamErrorUserStopped = -3817,
};

@class SCStream;

@protocol SCStreamDelegate <NSObject>
@optional
- (void)stream:(SCStream *)stream didStopWithError:(NSError *)error;
@end

@protocol SCStreamOutput <NSObject>
@optional
- (void)stream:(SCStream *)stream
    didOutputSampleBuffer:(CMSampleBufferRef)sample
                   ofType:(SCStreamOutputType)type;
@end

@interface SCStream : NSObject
- (instancetype)initWithFilter:(SCContentFilter *)filter
                 configuration:(SCStreamConfiguration *)configuration
                      delegate:(id<SCStreamDelegate>)delegate;
- (BOOL)addStreamOutput:(id<SCStreamOutput>)output
                   type:(SCStreamOutputType)type
     sampleHandlerQueue:(dispatch_queue_t)queue
                  error:(NSError **)error;
- (void)startCaptureWithCompletionHandler:(void (^)(NSError *error))handler;
- (void)stopCaptureWithCompletionHandler:(void (^)(NSError *error))handler;
- (void)updateConfiguration:(SCStreamConfiguration *)configuration
          completionHandler:(void (^)(NSError *error))handler;
@end

#endif
