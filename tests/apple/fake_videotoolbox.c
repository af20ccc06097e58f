/* VideoToolbox as far as amphi uses it: x264 on a thread of its own, and orders from the tests. */
#include "tests/apple/fake_objects.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x264.h>

enum { MAX_JOBS = 16, MAX_PROPERTIES = 24, MAX_KEPT = 16 };

static const char session_type[] = "session";

struct job {
    CVPixelBufferRef pixels; /* ref */
    CMTime presentation;
    void *frame_refcon;
    bool keyframe;
};

struct OpaqueVTCompressionSession {
    struct fake_object object;
    /* immutable after create */
    int width, height;
    bool low_latency;
    VTCompressionOutputCallback callback;
    void *refcon;
    CVPixelBufferPoolRef pool; /* ref */
    pthread_t thread;

    /* below: under `lock` */
    CFStringRef key[MAX_PROPERTIES]; /* constants */
    CFTypeRef value[MAX_PROPERTIES]; /* refs */
    int n_properties;
    bool invalid, completing, busy;
    unsigned generation;
    struct job job[MAX_JOBS];
    unsigned head, tail;
    CMTimeValue last;

    /* session's thread only */
    x264_t *x264;
    x264_param_t param;
    struct opaqueCMFormatDescription *description; /* ref */
    uint8_t *unit;                                 /* owned: the one being made */
    uint8_t sei[1024];
    size_t sei_size;
    unsigned encoded;
};

/* One lock for everything: what is tested is not the fake's speed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct {
    OSStatus status;
    unsigned at; /* the call with this number, 0: none */
    bool always;
} order[FAKE_CALLS];
static unsigned calls[FAKE_CALLS], callbacks, allowed;
static bool held, lacks_low_latency;
static unsigned generation; /* of the sessions that are not taken away */
static int sessions;
static struct OpaqueVTCompressionSession *newest; /* borrowed: alive while `sessions` is not 0 */
static const void *last_pixels;
static CVPixelBufferRef kept[MAX_KEPT]; /* refs */
static int n_kept;

_Noreturn static void broken(const char *rule)
{
    fprintf(stderr, "fake: %s\n", rule);
    abort();
}

/* --- orders --- */

bool fake_fails(enum fake_call call, OSStatus *status)
{
    pthread_mutex_lock(&lock);
    unsigned n = ++calls[call];
    bool fails = order[call].at != 0 && (order[call].always || n == order[call].at);
    *status = order[call].status;
    pthread_mutex_unlock(&lock);
    return fails;
}

static void give_order(enum fake_call call, OSStatus status, unsigned nth, bool always)
{
    pthread_mutex_lock(&lock);
    order[call].status = status;
    order[call].at = status ? calls[call] + nth : 0;
    order[call].always = always;
    pthread_mutex_unlock(&lock);
}

void fake_fail(enum fake_call call, OSStatus status, unsigned nth)
{
    give_order(call, status, nth, false);
}

void fake_fail_always(enum fake_call call, OSStatus status)
{
    give_order(call, status, 1, true);
}

void fake_lack_low_latency(void)
{
    pthread_mutex_lock(&lock);
    lacks_low_latency = true;
    pthread_mutex_unlock(&lock);
}

static void set_gate(bool hold, unsigned more)
{
    pthread_mutex_lock(&lock);
    held = hold;
    allowed = hold ? allowed + more : 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void fake_hold(void)
{
    set_gate(true, 0);
}

void fake_let(unsigned n)
{
    set_gate(true, n);
}

void fake_let_go(void)
{
    set_gate(false, 0);
}

void fake_take_sessions_away(void)
{
    pthread_mutex_lock(&lock);
    generation++;
    pthread_mutex_unlock(&lock);
}

unsigned fake_calls(enum fake_call call)
{
    pthread_mutex_lock(&lock);
    unsigned n = calls[call];
    pthread_mutex_unlock(&lock);
    return n;
}

unsigned fake_callbacks(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = callbacks;
    pthread_mutex_unlock(&lock);
    return n;
}

void fake_wait_callbacks(unsigned n)
{
    pthread_mutex_lock(&lock);
    while (callbacks < n)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

const void *fake_last_pixels(void)
{
    pthread_mutex_lock(&lock);
    const void *p = last_pixels;
    pthread_mutex_unlock(&lock);
    return p;
}

static CFTypeRef find(const struct OpaqueVTCompressionSession *s, CFStringRef key)
{
    for (int i = 0; i < s->n_properties; i++) {
        if (s->key[i] == key)
            return s->value[i];
    }
    return NULL;
}

CFTypeRef fake_property(CFStringRef key)
{
    pthread_mutex_lock(&lock);
    CFTypeRef value = newest ? find(newest, key) : NULL;
    pthread_mutex_unlock(&lock);
    return value;
}

bool fake_was_low_latency(void)
{
    pthread_mutex_lock(&lock);
    bool yes = newest && newest->low_latency;
    pthread_mutex_unlock(&lock);
    return yes;
}

void fake_reset(void)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    pthread_mutex_lock(&lock);
    held = false;
    pthread_cond_broadcast(&changed);
    while (sessions > 0) {
        if (pthread_cond_timedwait(&changed, &lock, &limit) != 0)
            broken("a session was never invalidated and released");
    }
    memset(order, 0, sizeof(order));
    memset(calls, 0, sizeof(calls));
    callbacks = allowed = 0;
    lacks_low_latency = false;
    newest = NULL;
    last_pixels = NULL;
    pthread_mutex_unlock(&lock);
    while (n_kept > 0)
        CFRelease(kept[--n_kept]);
    if (fake_live_objects() != 0)
        broken("an object was never released");
}

/* --- the session's thread --- */

static double number_of(struct OpaqueVTCompressionSession *s, CFStringRef key, double otherwise)
{
    pthread_mutex_lock(&lock);
    CFTypeRef value = find(s, key);
    if (value)
        CFNumberGetValue(value, kCFNumberDoubleType, &otherwise);
    pthread_mutex_unlock(&lock);
    return otherwise;
}

static bool is_set(struct OpaqueVTCompressionSession *s, CFStringRef key, CFTypeRef value)
{
    pthread_mutex_lock(&lock);
    bool same = find(s, key) == value;
    pthread_mutex_unlock(&lock);
    return same;
}

static void set_rate(struct OpaqueVTCompressionSession *s)
{
    double quality = number_of(s, kVTCompressionPropertyKey_Quality, -1);
    s->param.rc.i_rc_method = quality < 0 ? X264_RC_ABR : X264_RC_CRF;
    s->param.rc.f_rf_constant = (float)(40 - 30 * quality);
    s->param.rc.i_bitrate =
        (int)(number_of(s, kVTCompressionPropertyKey_AverageBitRate, 1000000) / 1000) + 1;
}

static void open_x264(struct OpaqueVTCompressionSession *s)
{
    x264_param_t *p = &s->param;
    x264_param_default_preset(p, "ultrafast", "zerolatency");
    p->i_log_level = X264_LOG_NONE;
    p->i_width = s->width;
    p->i_height = s->height;
    p->i_csp = X264_CSP_NV12;
    p->i_fps_num = (uint32_t)number_of(s, kVTCompressionPropertyKey_ExpectedFrameRate, 30);
    p->i_fps_den = 1;
    p->b_vfr_input = 0;
    p->i_threads = 1;
    p->b_annexb = p->b_repeat_headers = 0;
    p->i_keyint_max = number_of(s, kVTCompressionPropertyKey_MaxKeyFrameInterval, 0) > 1e6
                          ? X264_KEYINT_MAX_INFINITE
                          : 12;
    p->i_scenecut_threshold = 0;
    if (is_set(s, kVTCompressionPropertyKey_ColorPrimaries,
               kCVImageBufferColorPrimaries_ITU_R_709_2))
        p->vui.i_colorprim = 1;
    if (is_set(s, kVTCompressionPropertyKey_TransferFunction,
               kCVImageBufferTransferFunction_ITU_R_709_2))
        p->vui.i_transfer = 1;
    if (is_set(s, kVTCompressionPropertyKey_YCbCrMatrix, kCVImageBufferYCbCrMatrix_ITU_R_709_2))
        p->vui.i_colmatrix = 1;
    set_rate(s);
    x264_param_apply_profile(p, "baseline");
    s->x264 = x264_encoder_open(p);
    x264_nal_t *nal;
    int n = 0;
    if (!s->x264 || x264_encoder_headers(s->x264, &nal, &n) < 0 || n < 3 ||
        (size_t)nal[2].i_payload > sizeof(s->sei))
        broken("x264");
    s->sei_size = (size_t)nal[2].i_payload;
    memcpy(s->sei, nal[2].p_payload, s->sei_size);
    s->description = fake_description_create(nal[0].p_payload + 4, (size_t)nal[0].i_payload - 4,
                                             nal[1].p_payload + 4, (size_t)nal[1].i_payload - 4);
}

/* Every second picture of two temporal layers is one that nothing refers to. Only its header says
 * so here: x264 has no such pictures, and what is tested is who reads the header. */
static void mark_layer(struct OpaqueVTCompressionSession *s, uint8_t *unit, size_t size)
{
    bool upper = number_of(s, kVTCompressionPropertyKey_BaseLayerFrameRateFraction, 1) < 1 &&
                 s->encoded % 2 == 1;
    for (size_t at = 0; upper && at + 4 < size;) {
        unit[at + 4] &= 0x1f;
        at += 4 + ((size_t)unit[at] << 24 | (size_t)unit[at + 1] << 16 | (size_t)unit[at + 2] << 8 |
                   unit[at + 3]);
    }
}

/* An SEI stands before each IDR, as VideoToolbox writes one now and then. */
static CMBlockBufferRef make_block(struct OpaqueVTCompressionSession *s, const uint8_t *slices,
                                   size_t size, bool keyframe)
{
    OSStatus status;
    size_t sei = keyframe ? s->sei_size : 0;
    free(s->unit);
    s->unit = malloc(sei + size);
    if (!s->unit)
        broken("out of memory");
    memcpy(s->unit, s->sei, sei);
    memcpy(s->unit + sei, slices, size);
    size_t cut = fake_fails(FAKE_CUT_UNIT, &status) ? 3 : 0;
    return fake_block_create(s->unit, sei + size - cut, fake_fails(FAKE_SCATTER, &status));
}

static CMSampleBufferRef encode(struct OpaqueVTCompressionSession *s, const struct job *job)
{
    if (!s->x264)
        open_x264(s);
    set_rate(s);
    x264_encoder_reconfig(s->x264, &s->param);
    x264_picture_t in, out;
    x264_picture_init(&in);
    in.img.i_csp = X264_CSP_NV12;
    in.img.i_plane = 2;
    in.i_pts = s->encoded;
    in.i_type = job->keyframe ? X264_TYPE_IDR : X264_TYPE_AUTO;
    CVPixelBufferLockBaseAddress(job->pixels, kCVPixelBufferLock_ReadOnly);
    for (size_t i = 0; i < 2; i++) {
        in.img.plane[i] = CVPixelBufferGetBaseAddressOfPlane(job->pixels, i);
        in.img.i_stride[i] = (int)CVPixelBufferGetBytesPerRowOfPlane(job->pixels, i);
    }
    x264_nal_t *nal;
    int n, size = x264_encoder_encode(s->x264, &nal, &n, &in, &out);
    CVPixelBufferUnlockBaseAddress(job->pixels, kCVPixelBufferLock_ReadOnly);
    if (size <= 0)
        broken("x264");
    mark_layer(s, nal[0].p_payload, (size_t)size);
    s->encoded++;
    CMBlockBufferRef block = make_block(s, nal[0].p_payload, (size_t)size, out.b_keyframe);
    return fake_sample_create(block, s->description, job->presentation);
}

static bool is_invalid_locked(const struct OpaqueVTCompressionSession *s)
{
    return s->invalid || s->generation != generation;
}

/* Waits at the gate. */
static OSStatus pass_gate(struct OpaqueVTCompressionSession *s)
{
    pthread_mutex_lock(&lock);
    while (held && allowed == 0)
        pthread_cond_wait(&changed, &lock);
    if (held)
        allowed--;
    OSStatus status = is_invalid_locked(s) ? kVTInvalidSessionErr : noErr;
    pthread_mutex_unlock(&lock);
    return status;
}

static void work(struct OpaqueVTCompressionSession *s, const struct job *job)
{
    OSStatus status = noErr, unused;
    bool drop = fake_fails(FAKE_DROP, &unused);
    CMSampleBufferRef sample = NULL;
    if (!drop && !fake_fails(FAKE_CALLBACK, &status)) {
        status = noErr;
        sample = encode(s, job);
    }
    OSStatus gone = pass_gate(s);
    if (gone != noErr && sample) {
        CFRelease(sample);
        sample = NULL;
    }
    if (gone != noErr)
        status = gone;
    VTEncodeInfoFlags flags = drop ? kVTEncodeInfo_FrameDropped : 0;
    int times = fake_fails(FAKE_CALL_TWICE, &unused) ? 2 : 1;
    for (int i = 0; i < times; i++)
        s->callback(s->refcon, job->frame_refcon, drop ? noErr : status, flags, sample);
    if (sample)
        CFRelease(sample);
    CFRelease(job->pixels);
}

/* An ordinary encoder looks at the next picture before it gives one out. */
static bool has_work_locked(const struct OpaqueVTCompressionSession *s)
{
    CFTypeRef delay = find(s, kVTCompressionPropertyKey_MaxFrameDelayCount);
    int n = 1;
    if (delay)
        CFNumberGetValue(delay, kCFNumberIntType, &n);
    unsigned wanted = n > 0 && !s->completing && !s->invalid ? 2 : 1;
    return s->tail - s->head >= wanted;
}

static void *session_thread(void *arg)
{
    struct OpaqueVTCompressionSession *s = arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!has_work_locked(s) && !s->invalid)
            pthread_cond_wait(&changed, &lock);
        if (s->head == s->tail)
            break;
        struct job job = s->job[s->head++ % MAX_JOBS];
        s->busy = true;
        pthread_mutex_unlock(&lock);
        work(s, &job);
        pthread_mutex_lock(&lock);
        s->busy = false;
        callbacks++;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    CFRelease(s);
    return NULL;
}

static void *counted_thread(void *arg)
{
    session_thread(arg);
    pthread_mutex_lock(&lock);
    sessions--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* --- VideoToolbox --- */

static void session_destroy(void *object)
{
    struct OpaqueVTCompressionSession *s = object;
    if (!s->invalid)
        broken("a session was released and not invalidated");
    for (int i = 0; i < s->n_properties; i++)
        CFRelease(s->value[i]);
    CFRelease(s->pool);
    if (s->description)
        CFRelease(s->description);
    if (s->x264)
        x264_encoder_close(s->x264);
    free(s->unit);
    pthread_mutex_lock(&lock);
    if (newest == s)
        newest = NULL;
    pthread_mutex_unlock(&lock);
}

static bool is_acceptable(CFDictionaryRef source_attributes)
{
    int32_t format = 0;
    CFTypeRef number = CFDictionaryGetValue(source_attributes, kCVPixelBufferPixelFormatTypeKey);
    if (number)
        CFNumberGetValue(number, kCFNumberSInt32Type, &format);
    return format == kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange;
}

OSStatus VTCompressionSessionCreate(CFAllocatorRef allocator, int32_t width, int32_t height,
                                    CMVideoCodecType codec, CFDictionaryRef specification,
                                    CFDictionaryRef source_attributes,
                                    CFAllocatorRef data_allocator,
                                    VTCompressionOutputCallback callback, void *refcon,
                                    VTCompressionSessionRef *out)
{
    (void)allocator, (void)data_allocator;
    OSStatus status;
    if (fake_fails(FAKE_CREATE_SESSION, &status))
        return status;
    bool low_latency =
        specification &&
        CFDictionaryGetValue(specification,
                             kVTVideoEncoderSpecification_EnableLowLatencyRateControl) ==
            kCFBooleanTrue;
    if (codec != kCMVideoCodecType_H264 || (low_latency && lacks_low_latency) || width > 4096)
        return kVTCouldNotFindVideoEncoderErr;
    if (!is_acceptable(source_attributes))
        return kVTParameterErr;
    struct OpaqueVTCompressionSession *s = fake_create(sizeof(*s), session_type, session_destroy);
    s->width = width;
    s->height = height;
    s->low_latency = low_latency;
    s->callback = callback;
    s->refcon = refcon;
    s->last = INT64_MIN;
    s->pool = fake_pool_create(width, height);
    CFRetain(s); /* the thread's */
    pthread_mutex_lock(&lock);
    sessions++;
    newest = s;
    s->generation = generation;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&s->thread, NULL, counted_thread, s) != 0)
        broken("no thread");
    pthread_detach(s->thread);
    *out = s;
    return noErr;
}

OSStatus VTSessionSetProperty(VTSessionRef session, CFStringRef key, CFTypeRef value)
{
    struct OpaqueVTCompressionSession *s = fake_check(session, session_type);
    OSStatus status;
    fake_check(key, fake_string_type);
    if (fake_fails(FAKE_SET_PROPERTY, &status))
        return status;
    if (key == kVTCompressionPropertyKey_Quality && s->low_latency)
        return kVTPropertyNotSupportedErr;
    if (key == kVTCompressionPropertyKey_BaseLayerFrameRateFraction && !s->low_latency)
        return kVTPropertyNotSupportedErr;
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < s->n_properties && s->key[i] != key)
        i++;
    CFTypeRef old = i < s->n_properties ? s->value[i] : NULL;
    bool ok = i < MAX_PROPERTIES && !is_invalid_locked(s);
    if (ok) {
        s->key[i] = key;
        s->value[i] = CFRetain(value);
        s->n_properties += i == s->n_properties;
    }
    pthread_mutex_unlock(&lock);
    if (ok && old)
        CFRelease(old);
    return ok ? noErr : kVTInvalidSessionErr;
}

OSStatus VTCompressionSessionPrepareToEncodeFrames(VTCompressionSessionRef session)
{
    OSStatus status;
    fake_check(session, session_type);
    return fake_fails(FAKE_PREPARE, &status) ? status : noErr;
}

CVPixelBufferPoolRef VTCompressionSessionGetPixelBufferPool(VTCompressionSessionRef session)
{
    struct OpaqueVTCompressionSession *s = fake_check(session, session_type);
    OSStatus status;
    bool fails = fake_fails(FAKE_POOL, &status);
    pthread_mutex_lock(&lock);
    bool invalid = is_invalid_locked(s);
    pthread_mutex_unlock(&lock);
    return fails || invalid ? NULL : s->pool;
}

static void keep(CVPixelBufferRef pixels)
{
    if (n_kept == MAX_KEPT)
        broken("too many pixel buffers kept");
    CFRetain(pixels);
    kept[n_kept++] = pixels;
}

static OSStatus enqueue(struct OpaqueVTCompressionSession *s, const struct job *job)
{
    pthread_mutex_lock(&lock);
    if (job->presentation.timescale != 1000000 || job->presentation.value <= s->last)
        broken("a picture that is not later than the one before");
    if (s->tail - s->head == MAX_JOBS)
        broken("more pictures on their way than any encoder takes");
    bool invalid = is_invalid_locked(s);
    last_pixels = job->pixels;
    if (!invalid) {
        s->last = job->presentation.value;
        CFRetain(job->pixels);
        s->job[s->tail++ % MAX_JOBS] = *job;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return invalid ? kVTInvalidSessionErr : noErr;
}

OSStatus VTCompressionSessionEncodeFrame(VTCompressionSessionRef session, CVImageBufferRef image,
                                         CMTime presentation, CMTime duration,
                                         CFDictionaryRef properties, void *frame_refcon,
                                         VTEncodeInfoFlags *flags)
{
    (void)duration;
    struct OpaqueVTCompressionSession *s = fake_check(session, session_type);
    OSStatus status;
    if (CVPixelBufferGetWidth(image) != (size_t)s->width ||
        CVPixelBufferGetHeight(image) != (size_t)s->height ||
        CVPixelBufferGetPixelFormatType(image) != kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange)
        broken("a picture of another kind than the session's");
    if (fake_fails(FAKE_ENCODE, &status))
        return status;
    if (fake_fails(FAKE_KEEP, &status))
        keep(image);
    *flags = kVTEncodeInfo_Asynchronous;
    if (fake_fails(FAKE_DROP_EARLY, &status)) {
        *flags |= kVTEncodeInfo_FrameDropped;
        return noErr;
    }
    const struct job job = {
        .pixels = image,
        .presentation = presentation,
        .frame_refcon = frame_refcon,
        .keyframe =
            properties && CFDictionaryGetValue(properties, kVTEncodeFrameOptionKey_ForceKeyFrame) ==
                              kCFBooleanTrue,
    };
    return enqueue(s, &job);
}

OSStatus VTCompressionSessionCompleteFrames(VTCompressionSessionRef session, CMTime until)
{
    struct OpaqueVTCompressionSession *s = fake_check(session, session_type);
    if (until.timescale != 0)
        broken("the fake completes all frames");
    pthread_mutex_lock(&lock);
    s->completing = true;
    pthread_cond_broadcast(&changed);
    while (!held && (s->busy || s->head != s->tail))
        pthread_cond_wait(&changed, &lock);
    s->completing = false;
    pthread_mutex_unlock(&lock);
    return noErr;
}

void VTCompressionSessionInvalidate(VTCompressionSessionRef session)
{
    struct OpaqueVTCompressionSession *s = fake_check(session, session_type);
    pthread_mutex_lock(&lock);
    s->invalid = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

#define STRING(name)                                                                               \
    static const struct fake_string string_##name = {FAKE_CONSTANT(fake_string_type), #name};      \
    const CFStringRef name = (CFStringRef)&string_##name

STRING(kVTVideoEncoderSpecification_EnableLowLatencyRateControl);
STRING(kVTEncodeFrameOptionKey_ForceKeyFrame);
STRING(kVTCompressionPropertyKey_AllowFrameReordering);
STRING(kVTCompressionPropertyKey_AverageBitRate);
STRING(kVTCompressionPropertyKey_BaseLayerFrameRateFraction);
STRING(kVTCompressionPropertyKey_ColorPrimaries);
STRING(kVTCompressionPropertyKey_DataRateLimits);
STRING(kVTCompressionPropertyKey_ExpectedFrameRate);
STRING(kVTCompressionPropertyKey_MaxAllowedFrameQP);
STRING(kVTCompressionPropertyKey_MaxFrameDelayCount);
STRING(kVTCompressionPropertyKey_MaxKeyFrameInterval);
STRING(kVTCompressionPropertyKey_ProfileLevel);
STRING(kVTCompressionPropertyKey_Quality);
STRING(kVTCompressionPropertyKey_RealTime);
STRING(kVTCompressionPropertyKey_TransferFunction);
STRING(kVTCompressionPropertyKey_YCbCrMatrix);
STRING(kVTProfileLevel_H264_Baseline_AutoLevel);
STRING(kVTProfileLevel_H264_ConstrainedBaseline_AutoLevel);
