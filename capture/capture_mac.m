/* Displays and windows of macOS by ScreenCaptureKit: screen[:N] and window:ID.
 *
 * ScreenCaptureKit hands out pictures on a queue of its own, as NV12 in surfaces it reuses. The
 * newest is kept for the capture thread, which a pipe wakes, and goes to the encoder as it is: no
 * pixel is converted or copied. A picture is in the display's own pixels, also on a Retina display.
 *
 * Surfaces: ScreenCaptureKit stops delivering when all are held. Out of QUEUE_DEPTH the sink holds
 * 3, this file 2 (the newest and the one to repeat), and the encoder those it is working on.
 */
#include "capture/capture_backends.h"
#import "capture/mac_stream.h"
#include "capture/sources.h"

#import <CoreGraphics/CoreGraphics.h>
#import <CoreVideo/CoreVideo.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_DEPTH 8 /* the most there is */
#define REPEAT_US 1000000
/* A window that is being resized is followed when it has kept its size for this long. */
#define RESIZE_US 250000
#define PIXELS kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange

struct grabbed {
    CVPixelBufferRef pixels; /* ref, or NULL */
    int64_t captured_us;
    int width, height; /* that the source has now, in its own pixels */
};

@interface MacGrabber : NSObject <SCStreamOutput, SCStreamDelegate> {
  @public
    int wake[2]; /* owned; written by any thread, read by the capture thread */

    /* below: under lock */
    pthread_mutex_t lock;
    struct grabbed newest;
    int ended; /* 0, or the -errno that run returns */
    char reason[200];
}
@end

struct mac {
    /* immutable after open */
    void *grabber;     /* ref: MacGrabber */
    void *filter;      /* ref: SCContentFilter */
    CGWindowID window; /* 0: a display */
    int fps;

    /* capture thread only */
    int width, height; /* configured */
    int wanted_width, wanted_height;
    int64_t resize_at_us;  /* INT64_MAX: it fits */
    CVPixelBufferRef last; /* ref, or NULL: what is repeated */
    int64_t published_us;
};

/* --- ScreenCaptureKit's queue --- */

static double number(NSDictionary *info, SCStreamFrameInfo key)
{
    NSNumber *n = (NSNumber *)info[key];
    return n ? n.doubleValue : 0;
}

static int even(double n, int max)
{
    int whole = n < max ? (int)(n + 0.5) : max;
    return whole < 2 ? 2 : whole & ~1;
}

/* The rectangle is where the picture lies in the surface, in points, shrunk by contentScale to fit.
 */
static void measure(NSDictionary *info, struct grabbed *g)
{
    CGRect rect;
    double shrunk = number(info, SCStreamFrameInfoContentScale);
    double density = number(info, SCStreamFrameInfoScaleFactor);
    id where = info[SCStreamFrameInfoContentRect];
    if (!where || shrunk <= 0 || density <= 0 ||
        !CGRectMakeWithDictionaryRepresentation((__bridge CFDictionaryRef)where, &rect))
        return;
    g->width = even(rect.size.width / shrunk * density, PICTURE_MAX_WIDTH);
    g->height = even(rect.size.height / shrunk * density, PICTURE_MAX_HEIGHT);
}

@implementation MacGrabber

- (instancetype)init
{
    self = [super init];
    if (self) {
        wake[0] = wake[1] = -1;
        pthread_mutex_init(&lock, NULL);
    }
    return self;
}

- (void)dealloc
{
    CVPixelBufferRelease(newest.pixels);
    for (int i = 0; i < 2; i++) {
        if (wake[i] >= 0)
            close(wake[i]);
    }
    pthread_mutex_destroy(&lock);
}

- (void)tell
{
    ssize_t n = write(wake[1], "", 1);
    (void)n; /* full: the capture thread has not slept since */
}

- (void)stream:(SCStream *)stream
    didOutputSampleBuffer:(CMSampleBufferRef)sample
                   ofType:(SCStreamOutputType)type
{
    (void)stream;
    if (type != SCStreamOutputTypeScreen || !CMSampleBufferIsValid(sample))
        return;
    NSArray *attachments =
        (__bridge NSArray *)CMSampleBufferGetSampleAttachmentsArray(sample, false);
    NSDictionary *info = (NSDictionary *)attachments.firstObject;
    NSNumber *status = (NSNumber *)info[SCStreamFrameInfoStatus];
    CVPixelBufferRef pixels = CMSampleBufferGetImageBuffer(sample);
    /* idle, blank and suspended ones carry nothing new */
    if (!status || status.integerValue != SCFrameStatusComplete || !pixels)
        return;
    struct grabbed fresh = {.pixels = CVPixelBufferRetain(pixels),
                            .captured_us = mac_taken_us(sample, capture_now_us())};
    measure(info, &fresh);
    pthread_mutex_lock(&lock);
    CVPixelBufferRef older = newest.pixels;
    newest = fresh;
    pthread_mutex_unlock(&lock);
    CVPixelBufferRelease(older);
    [self tell];
}

- (void)stream:(SCStream *)stream didStopWithError:(NSError *)failure
{
    (void)stream;
    pthread_mutex_lock(&lock);
    ended = mac_explain(failure, reason, sizeof(reason));
    pthread_mutex_unlock(&lock);
    [self tell];
}

@end

/* --- opening --- */

static int refuse(char *error, size_t error_size, int code, const char *sentence)
{
    snprintf(error, error_size, "%s", sentence);
    return code;
}

/* Pixels to a point. */
static double density_of(CGDirectDisplayID display)
{
    CGDisplayModeRef mode = CGDisplayCopyDisplayMode(display);
    if (!mode)
        return 1;
    double points = (double)CGDisplayModeGetWidth(mode);
    double density = points > 0 ? (double)CGDisplayModeGetPixelWidth(mode) / points : 1;
    CGDisplayModeRelease(mode);
    return density;
}

static void copy_text(char *out, size_t size, NSString *text, const char *otherwise)
{
    const char *s = text.UTF8String;
    snprintf(out, size, "%s", s && s[0] ? s : otherwise);
}

/* A decimal number below `limit`, or -1. */
static long parse_number(const char *text, long limit)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    return errno || end == text || *end || n < 0 || n >= limit ? -1 : n;
}

static int make_grabber(struct mac *m)
{
    MacGrabber *grabber = [[MacGrabber alloc] init];
    if (!grabber || pipe(grabber->wake) < 0)
        return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        fcntl(grabber->wake[i], F_SETFL, O_NONBLOCK);
        fcntl(grabber->wake[i], F_SETFD, FD_CLOEXEC);
    }
    m->grabber = (void *)CFBridgingRetain(grabber);
    return 0;
}

static int set_source(struct mac *m, SCContentFilter *filter, double width, double height,
                      struct capture_info *info, char *error, size_t error_size)
{
    if (!filter || make_grabber(m) < 0)
        return refuse(error, error_size, -ENOMEM, "out of memory");
    m->filter = (void *)CFBridgingRetain(filter);
    m->width = m->wanted_width = info->width = even(width, PICTURE_MAX_WIDTH);
    m->height = m->wanted_height = info->height = even(height, PICTURE_MAX_HEIGHT);
    return 0;
}

static int screen_open(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    struct mac *m = priv;
    m->fps = config->fps;
    long index = config->arg ? parse_number(config->arg, 64) : 0;
    if (index < 0)
        return refuse(error, error_size, -EINVAL, "a screen is chosen by its number: screen:0");
    SCShareableContent *content = mac_content(error, error_size);
    if (!content)
        return -ENODEV;
    if ((NSUInteger)index >= content.displays.count) {
        snprintf(error, error_size, "there is no screen %ld: this machine has %lu", index,
                 content.displays.count);
        return -ENODEV;
    }
    SCDisplay *display = content.displays[(NSUInteger)index];
    double density = density_of(display.displayID);
    *info = (struct capture_info){.width = 0};
    snprintf(info->name, sizeof(info->name), "Screen %ld", index);
    SCContentFilter *filter = [[SCContentFilter alloc] initWithDisplay:display
                                                      excludingWindows:[NSArray array]];
    return set_source(m, filter, (double)display.width * density, (double)display.height * density,
                      info, error, error_size);
}

static SCWindow *find_window(SCShareableContent *content, CGWindowID wanted)
{
    for (SCWindow *window in content.windows) {
        if (window.windowID == wanted)
            return window;
    }
    return nil;
}

static int window_open(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    struct mac *m = priv;
    m->fps = config->fps;
    long id = config->arg ? parse_number(config->arg, UINT32_MAX) : -1;
    if (id <= 0)
        return refuse(error, error_size, -EINVAL, "a window is chosen by its number: window:ID");
    SCShareableContent *content = mac_content(error, error_size);
    if (!content)
        return -ENODEV;
    SCWindow *window = find_window(content, (CGWindowID)id);
    if (!window)
        return refuse(error, error_size, -ENOENT, "there is no such window");
    m->window = window.windowID;
    *info = (struct capture_info){.width = 0};
    copy_text(info->name, sizeof(info->name), window.title, "Window");
    copy_text(info->app, sizeof(info->app), window.owningApplication.applicationName, "");
    /* On another display this is corrected by the first picture. */
    double density = density_of(CGMainDisplayID());
    SCContentFilter *filter = [[SCContentFilter alloc] initWithDesktopIndependentWindow:window];
    return set_source(m, filter, window.frame.size.width * density,
                      window.frame.size.height * density, info, error, error_size);
}

static void mac_close(void *priv)
{
    struct mac *m = priv;
    CVPixelBufferRelease(m->last);
    if (m->filter)
        CFRelease(m->filter);
    if (m->grabber)
        CFRelease(m->grabber);
}

/* --- the capture thread --- */

static SCStreamConfiguration *configuration(const struct mac *m)
{
    SCStreamConfiguration *c = [[SCStreamConfiguration alloc] init];
    c.width = (size_t)m->width;
    c.height = (size_t)m->height;
    c.minimumFrameInterval = CMTimeMake(1, m->fps);
    c.pixelFormat = PIXELS;
    c.colorMatrix = kCVImageBufferYCbCrMatrix_ITU_R_709_2;
    c.colorSpaceName = kCGColorSpaceSRGB; /* as everywhere in amphi: only the matrix is BT.709's */
    c.showsCursor = YES;
    c.queueDepth = QUEUE_DEPTH;
    return c;
}

static void give_back(void *native)
{
    CVPixelBufferUnlockBaseAddress(native, kCVPixelBufferLock_ReadOnly);
    CVPixelBufferRelease(native);
}

/* A lock for reading costs no copy, and lets encoders without VideoToolbox read the planes. */
static void publish(struct mac *m, struct capture_sink *sink, int64_t captured_us, bool repeat)
{
    CVPixelBufferRef pixels = m->last;
    if (CVPixelBufferLockBaseAddress(pixels, kCVPixelBufferLock_ReadOnly) != kCVReturnSuccess)
        return;
    CVPixelBufferRetain(pixels);
    struct picture picture = {
        .format = PICTURE_NV12,
        .width = (int)CVPixelBufferGetWidth(pixels) & ~1,
        .height = (int)CVPixelBufferGetHeight(pixels) & ~1,
        .captured_us = captured_us > m->published_us ? captured_us : m->published_us + 1,
        .repeat = repeat,
        .native = pixels,
    };
    for (size_t i = 0; i < 2; i++) {
        picture.plane[i] = CVPixelBufferGetBaseAddressOfPlane(pixels, i);
        picture.stride[i] = (ptrdiff_t)CVPixelBufferGetBytesPerRowOfPlane(pixels, i);
    }
    m->published_us = picture.captured_us;
    struct picture *p = capture_sink_begin_native(sink, &picture, give_back);
    if (p)
        capture_sink_publish(sink, p);
    else
        give_back(pixels);
}

static void follow_size(struct mac *m, const struct grabbed *g)
{
    if (g->width == 0 || (g->width == m->wanted_width && g->height == m->wanted_height))
        return;
    m->wanted_width = g->width;
    m->wanted_height = g->height;
    bool fits = g->width == m->width && g->height == m->height;
    m->resize_at_us = fits ? INT64_MAX : capture_now_us() + RESIZE_US;
}

static void resize_if_due(struct mac *m, SCStream *stream)
{
    if (capture_now_us() < m->resize_at_us)
        return;
    m->resize_at_us = INT64_MAX;
    m->width = m->wanted_width;
    m->height = m->wanted_height;
    /* Until it has taken effect pictures come in the old size; a failure is told to the delegate.
     */
    [stream updateConfiguration:configuration(m) completionHandler:nil];
}

/* 0, or why the source ended. */
static int take_newest(struct mac *m, struct capture_sink *sink, char *error, size_t error_size)
{
    MacGrabber *grabber = (__bridge MacGrabber *)m->grabber;
    char drain[64];
    while (read(grabber->wake[0], drain, sizeof(drain)) == (ssize_t)sizeof(drain))
        continue;
    pthread_mutex_lock(&grabber->lock);
    struct grabbed fresh = grabber->newest;
    grabber->newest.pixels = NULL;
    int ended = grabber->ended;
    if (ended)
        snprintf(error, error_size, "%s", grabber->reason);
    pthread_mutex_unlock(&grabber->lock);
    if (fresh.pixels) {
        CVPixelBufferRelease(m->last);
        m->last = fresh.pixels;
        follow_size(m, &fresh);
        publish(m, sink, fresh.captured_us, false);
    }
    return ended;
}

/* A window that was closed sends no pictures, and not every macOS says so. */
static bool is_window_gone(const struct mac *m)
{
    if (m->window == 0)
        return false;
    CFArrayRef list = CGWindowListCopyWindowInfo(kCGWindowListOptionIncludingWindow, m->window);
    bool gone = list && CFArrayGetCount(list) == 0;
    if (list)
        CFRelease(list);
    return gone;
}

static int deliver(struct mac *m, SCStream *stream, struct capture_sink *sink, char *error,
                   size_t error_size)
{
    MacGrabber *grabber = (__bridge MacGrabber *)m->grabber;
    m->published_us = capture_now_us();
    for (;;) {
        int64_t repeat_at_us = m->published_us + REPEAT_US;
        int64_t deadline_us = repeat_at_us < m->resize_at_us ? repeat_at_us : m->resize_at_us;
        int r = 0;
        enum capture_wake wake = capture_sink_wait(sink, grabber->wake[0], deadline_us);
        if (wake == CAPTURE_WAKE_STOP)
            return 0;
        if (wake == CAPTURE_WAKE_FD)
            r = take_newest(m, sink, error, error_size);
        else if (wake == CAPTURE_WAKE_TIMEOUT && is_window_gone(m))
            r = refuse(error, error_size, -ENOENT, "the window was closed");
        else if (m->last && (wake == CAPTURE_WAKE_POKE || capture_now_us() >= repeat_at_us))
            publish(m, sink, capture_now_us(), true);
        else if (!m->last)
            m->published_us = capture_now_us(); /* there is nothing to repeat yet */
        if (r < 0)
            return r;
        resize_if_due(m, stream);
    }
}

static int mac_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    struct mac *m = priv;
    m->resize_at_us = INT64_MAX;
    @autoreleasepool {
        MacGrabber *grabber = (__bridge MacGrabber *)m->grabber;
        dispatch_queue_t queue = dispatch_queue_create("amphi.capture", DISPATCH_QUEUE_SERIAL);
        NSError *failure = nil;
        SCStream *stream = [[SCStream alloc] initWithFilter:(__bridge SCContentFilter *)m->filter
                                              configuration:configuration(m)
                                                   delegate:grabber];
        if (![stream addStreamOutput:grabber
                                type:SCStreamOutputTypeScreen
                  sampleHandlerQueue:queue
                               error:&failure])
            return mac_explain(failure, error, error_size);
        int r = mac_stream_start(stream, error, error_size);
        if (r == 0)
            r = deliver(m, stream, sink, error, error_size);
        mac_stream_stop(stream, queue);
        return r;
    }
}

/* --- what there is --- */

static int screen_list(struct sources_entry *out, int max, char *error, size_t error_size)
{
    SCShareableContent *content = mac_content(error, error_size);
    int n = 0;
    if (!content)
        return -ENODEV;
    for (SCDisplay *display in content.displays) {
        if (n == max)
            break;
        double density = density_of(display.displayID);
        struct sources_entry *e = &out[n];
        *e = (struct sources_entry){.kind = SOURCES_SCREEN};
        e->width = even((double)display.width * density, PICTURE_MAX_WIDTH);
        e->height = even((double)display.height * density, PICTURE_MAX_HEIGHT);
        snprintf(e->source, sizeof(e->source), "screen:%d", n);
        snprintf(e->name, sizeof(e->name), "Screen %d", n);
        n++;
    }
    return n;
}

static int window_list(struct sources_entry *out, int max, char *error, size_t error_size)
{
    SCShareableContent *content = mac_content(error, error_size);
    int n = 0;
    if (!content)
        return -ENODEV;
    double density = density_of(CGMainDisplayID());
    for (SCWindow *window in content.windows) {
        const char *title = window.title.UTF8String;
        /* layer 0 is that of ordinary windows: no menus, no dock, no shadows */
        if (window.windowLayer != 0 || !title || !title[0])
            continue;
        if (n == max)
            break;
        struct sources_entry *e = &out[n++];
        *e = (struct sources_entry){.kind = SOURCES_WINDOW};
        e->width = even(window.frame.size.width * density, PICTURE_MAX_WIDTH);
        e->height = even(window.frame.size.height * density, PICTURE_MAX_HEIGHT);
        snprintf(e->source, sizeof(e->source), "window:%u", window.windowID);
        copy_text(e->name, sizeof(e->name), window.title, "Window");
        copy_text(e->app, sizeof(e->app), window.owningApplication.applicationName, "");
    }
    return n;
}

const struct capture_ops capture_mac_screen_ops = {
    .kind = "screen",
    .priv_size = sizeof(struct mac),
    .open = screen_open,
    .run = mac_run,
    .close = mac_close,
    .list = screen_list,
};

const struct capture_ops capture_mac_window_ops = {
    .kind = "window",
    .priv_size = sizeof(struct mac),
    .open = window_open,
    .run = mac_run,
    .close = mac_close,
    .list = window_list,
};
