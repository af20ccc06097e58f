/* What a Mac plays, by ScreenCaptureKit, for --audio monitor. ScreenCaptureKit wants a display to
 * go with the sound; its pictures are not asked for. */
#include "capture/audio_backends.h"
#import "capture/mac_stream.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

#define MAX_FRAMES 4096 /* samples of each channel converted at a time */
#define LOOK_US 1000000

@interface MacListener : NSObject <SCStreamOutput, SCStreamDelegate> {
  @public
    struct audio_sink *sink; /* borrowed: outlives the stream. Its writer is the handlers' queue. */

    /* below: under lock */
    pthread_mutex_t lock;
    int ended; /* 0, or the -errno that run returns */
    char reason[200];
}
@end

/* --- ScreenCaptureKit's queue --- */

static int16_t from_float(float x)
{
    if (!(x > -1))
        return INT16_MIN;
    return x < 1 ? (int16_t)lrintf(x * INT16_MAX) : INT16_MAX;
}

/* One buffer for both channels in turn, or one for each; a single channel is heard on both sides.
 */
static void write_sound(struct audio_sink *sink, const AudioBufferList *list, int64_t taken_us)
{
    bool apart = list->mNumberBuffers > 1;
    size_t step = apart ? 1 : list->mBuffers[0].mNumberChannels;
    if (step == 0 || !list->mBuffers[0].mData ||
        (apart && (!list->mBuffers[1].mData ||
                   list->mBuffers[1].mDataByteSize < list->mBuffers[0].mDataByteSize)))
        return;
    const float *left = list->mBuffers[0].mData;
    const float *right = apart ? list->mBuffers[1].mData : left + (step > 1);
    size_t frames = list->mBuffers[0].mDataByteSize / sizeof(float) / step;
    int16_t pcm[MAX_FRAMES * AUDIO_CHANNELS];
    for (size_t done = 0; done < frames;) {
        size_t n = frames - done < MAX_FRAMES ? frames - done : MAX_FRAMES;
        for (size_t i = 0; i < n; i++) {
            pcm[2 * i] = from_float(left[(done + i) * step]);
            pcm[2 * i + 1] = from_float(right[(done + i) * step]);
        }
        audio_sink_write(sink, pcm, n, taken_us + audio_place_us((int64_t)done));
        done += n;
    }
}

static bool is_float_48k(CMSampleBufferRef sample)
{
    CMFormatDescriptionRef format = CMSampleBufferGetFormatDescription(sample);
    const AudioStreamBasicDescription *d =
        format ? CMAudioFormatDescriptionGetStreamBasicDescription(format) : NULL;
    return d && d->mFormatID == kAudioFormatLinearPCM && d->mSampleRate == AUDIO_RATE_HZ &&
           d->mFormatFlags & kAudioFormatFlagIsFloat && d->mBitsPerChannel == 32;
}

@implementation MacListener

- (instancetype)init
{
    self = [super init];
    if (self)
        pthread_mutex_init(&lock, NULL);
    return self;
}

- (void)dealloc
{
    pthread_mutex_destroy(&lock);
}

- (void)stream:(SCStream *)stream
    didOutputSampleBuffer:(CMSampleBufferRef)sample
                   ofType:(SCStreamOutputType)type
{
    (void)stream;
    struct {
        AudioBufferList list;
        AudioBuffer second;
    } sound;
    CMBlockBufferRef block = NULL; /* ref */
    if (type != SCStreamOutputTypeAudio || !CMSampleBufferIsValid(sample) || !is_float_48k(sample))
        return;
    if (CMSampleBufferGetAudioBufferListWithRetainedBlockBuffer(
            sample, NULL, &sound.list, sizeof(sound), NULL, NULL, 0, &block) != noErr)
        return;
    if (sound.list.mNumberBuffers >= 1 && sound.list.mNumberBuffers <= 2)
        write_sound(sink, &sound.list, mac_taken_us(sample, audio_now_us()));
    CFRelease(block);
}

- (void)stream:(SCStream *)stream didStopWithError:(NSError *)failure
{
    (void)stream;
    pthread_mutex_lock(&lock);
    ended = mac_explain(failure, reason, sizeof(reason));
    pthread_mutex_unlock(&lock);
}

@end

/* --- the capture thread --- */

static int monitor_open(void *priv, const struct audio_config *config, struct audio_info *info,
                        char *error, size_t error_size)
{
    void **filter = priv; /* ref: SCContentFilter */
    (void)config;
    SCShareableContent *content = mac_content(error, error_size);
    if (!content)
        return -ENODEV;
    if (content.displays.count == 0) {
        snprintf(error, error_size, "macOS captures sound only with a display attached");
        return -ENODEV;
    }
    SCContentFilter *everything = [[SCContentFilter alloc] initWithDisplay:content.displays[0]
                                                          excludingWindows:[NSArray array]];
    if (!everything) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    *filter = (void *)CFBridgingRetain(everything);
    *info = (struct audio_info){.name = "Sound of this Mac"};
    return 0;
}

static SCStreamConfiguration *configuration(void)
{
    SCStreamConfiguration *c = [[SCStreamConfiguration alloc] init];
    c.width = c.height = 2; /* the least there is; nobody listens to its pictures */
    c.minimumFrameInterval = CMTimeMake(1, 1);
    c.capturesAudio = YES;
    c.sampleRate = AUDIO_RATE_HZ;
    c.channelCount = AUDIO_CHANNELS;
    c.excludesCurrentProcessAudio = YES;
    return c;
}

static int listen_until_stopped(MacListener *listener, char *error, size_t error_size)
{
    int r = 0;
    while (r == 0 && audio_sink_wait(listener->sink, audio_now_us() + LOOK_US)) {
        pthread_mutex_lock(&listener->lock);
        r = listener->ended;
        if (r < 0)
            snprintf(error, error_size, "%s", listener->reason);
        pthread_mutex_unlock(&listener->lock);
    }
    return r;
}

static int monitor_run(void *priv, struct audio_sink *sink, char *error, size_t error_size)
{
    void **filter = priv;
    @autoreleasepool {
        MacListener *listener = [[MacListener alloc] init];
        listener->sink = sink;
        dispatch_queue_t queue = dispatch_queue_create("amphi.audio", DISPATCH_QUEUE_SERIAL);
        NSError *failure = nil;
        SCStream *stream = [[SCStream alloc] initWithFilter:(__bridge SCContentFilter *)*filter
                                              configuration:configuration()
                                                   delegate:listener];
        if (![stream addStreamOutput:listener
                                type:SCStreamOutputTypeAudio
                  sampleHandlerQueue:queue
                               error:&failure])
            return mac_explain(failure, error, error_size);
        int r = mac_stream_start(stream, error, error_size);
        if (r == 0)
            r = listen_until_stopped(listener, error, error_size);
        mac_stream_stop(stream, queue);
        return r;
    }
}

static void monitor_close(void *priv)
{
    void **filter = priv;
    if (*filter)
        CFRelease(*filter);
}

const struct audio_ops audio_mac_monitor_ops = {
    .kind = "monitor",
    .priv_size = sizeof(void *),
    .open = monitor_open,
    .run = monitor_run,
    .close = monitor_close,
};
