/* CoreFoundation, CoreVideo and CoreMedia as far as amphi uses them. */
#include "tests/apple/fake_objects.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char fake_string_type[] = "string", fake_pixels_type[] = "pixel buffer";
static const char boolean_type[] = "boolean", number_type[] = "number", array_type[] = "array",
                  dictionary_type[] = "dictionary", pool_type[] = "pool", block_type[] = "block",
                  description_type[] = "description", sample_type[] = "sample";

static atomic_int live;

_Noreturn static void broken(const char *rule)
{
    fprintf(stderr, "fake: %s\n", rule);
    abort();
}

/* --- objects --- */

void *fake_create(size_t size, const char *type, void (*destroy)(void *object))
{
    struct fake_object *o = calloc(1, size);
    if (!o)
        broken("out of memory");
    o->type = type;
    o->refs = 1;
    o->destroy = destroy;
    live++;
    return o;
}

void *fake_check(const void *object, const char *type)
{
    const struct fake_object *o = object;
    if (!o || o->type != type || o->refs == 0)
        broken(type);
    return (void *)(uintptr_t)object;
}

CFTypeRef CFRetain(CFTypeRef object)
{
    struct fake_object *o = (void *)(uintptr_t)object;
    if (!o || o->refs == 0)
        broken("CFRetain of nothing");
    if (o->refs > 0)
        o->refs++;
    return object;
}

void CFRelease(CFTypeRef object)
{
    struct fake_object *o = (void *)(uintptr_t)object;
    if (!o || o->refs == 0)
        broken("CFRelease of nothing");
    if (o->refs < 0 || --o->refs > 0)
        return;
    if (o->destroy)
        o->destroy(o);
    free(o);
    live--;
}

int fake_live_objects(void)
{
    return live;
}

/* --- CoreFoundation --- */

struct __CFBoolean {
    struct fake_object object;
    bool value;
};

struct __CFNumber {
    struct fake_object object;
    double value;
};

struct __CFArray {
    struct fake_object object;
    CFIndex n;
    CFTypeRef value[4]; /* refs */
};

struct __CFDictionary {
    struct fake_object object;
    CFIndex n;
    CFTypeRef key[4], value[4]; /* refs */
};

static const struct __CFBoolean yes = {FAKE_CONSTANT(boolean_type), true};
static const struct __CFBoolean no = {FAKE_CONSTANT(boolean_type), false};
const CFBooleanRef kCFBooleanTrue = &yes, kCFBooleanFalse = &no;
const CFAllocatorRef kCFAllocatorDefault = NULL;
const CFArrayCallBacks kCFTypeArrayCallBacks = {0};
const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {0};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {0};

Boolean CFBooleanGetValue(CFBooleanRef boolean)
{
    return ((struct __CFBoolean *)fake_check(boolean, boolean_type))->value;
}

CFNumberRef CFNumberCreate(CFAllocatorRef allocator, CFNumberType type, const void *value)
{
    OSStatus status;
    (void)allocator;
    if (fake_fails(FAKE_CREATE_OBJECT, &status))
        return NULL;
    struct __CFNumber *n = fake_create(sizeof(*n), number_type, NULL);
    int64_t i64;
    int32_t i32;
    switch (type) {
    case kCFNumberSInt32Type:
    case kCFNumberIntType:
        memcpy(&i32, value, sizeof(i32));
        n->value = i32;
        break;
    case kCFNumberSInt64Type:
        memcpy(&i64, value, sizeof(i64));
        n->value = (double)i64;
        break;
    default:
        memcpy(&n->value, value, sizeof(n->value));
    }
    return n;
}

Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value)
{
    const struct __CFNumber *n = fake_check(number, number_type);
    if (type == kCFNumberSInt32Type || type == kCFNumberIntType)
        memcpy(value, &(int32_t){(int32_t)n->value}, sizeof(int32_t));
    else if (type == kCFNumberSInt64Type)
        memcpy(value, &(int64_t){(int64_t)n->value}, sizeof(int64_t));
    else
        memcpy(value, &n->value, sizeof(n->value));
    return true;
}

static void array_destroy(void *object)
{
    struct __CFArray *a = object;
    for (CFIndex i = 0; i < a->n; i++)
        CFRelease(a->value[i]);
}

CFArrayRef CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
                         const CFArrayCallBacks *callbacks)
{
    OSStatus status;
    (void)allocator;
    if (callbacks != &kCFTypeArrayCallBacks || count > 4)
        broken("an array that does not retain, or is too long for the fake");
    if (fake_fails(FAKE_CREATE_OBJECT, &status))
        return NULL;
    struct __CFArray *a = fake_create(sizeof(*a), array_type, array_destroy);
    for (; a->n < count; a->n++)
        a->value[a->n] = CFRetain(values[a->n]);
    return a;
}

CFIndex CFArrayGetCount(CFArrayRef array)
{
    return ((struct __CFArray *)fake_check(array, array_type))->n;
}

const void *CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index)
{
    const struct __CFArray *a = fake_check(array, array_type);
    if (index < 0 || index >= a->n)
        broken("index beyond the array");
    return a->value[index];
}

static void dictionary_destroy(void *object)
{
    struct __CFDictionary *d = object;
    for (CFIndex i = 0; i < d->n; i++) {
        CFRelease(d->key[i]);
        CFRelease(d->value[i]);
    }
}

CFDictionaryRef CFDictionaryCreate(CFAllocatorRef allocator, const void **keys, const void **values,
                                   CFIndex count, const CFDictionaryKeyCallBacks *key_callbacks,
                                   const CFDictionaryValueCallBacks *value_callbacks)
{
    OSStatus status;
    (void)allocator;
    if (key_callbacks != &kCFTypeDictionaryKeyCallBacks ||
        value_callbacks != &kCFTypeDictionaryValueCallBacks || count > 4)
        broken("a dictionary that does not retain, or is too long for the fake");
    if (fake_fails(FAKE_CREATE_OBJECT, &status))
        return NULL;
    struct __CFDictionary *d = fake_create(sizeof(*d), dictionary_type, dictionary_destroy);
    for (; d->n < count; d->n++) {
        d->key[d->n] = CFRetain(fake_check(keys[d->n], fake_string_type));
        d->value[d->n] = CFRetain(values[d->n]);
    }
    return d;
}

const void *CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key)
{
    const struct __CFDictionary *d = fake_check(dictionary, dictionary_type);
    for (CFIndex i = 0; i < d->n; i++) {
        if (d->key[i] == key)
            return d->value[i];
    }
    return NULL;
}

#define STRING(name)                                                                               \
    static const struct fake_string string_##name = {FAKE_CONSTANT(fake_string_type), #name};      \
    const CFStringRef name = (CFStringRef)&string_##name

STRING(kCVPixelBufferPixelFormatTypeKey);
STRING(kCVPixelBufferWidthKey);
STRING(kCVPixelBufferHeightKey);
STRING(kCVPixelBufferIOSurfacePropertiesKey);
STRING(kCVPixelBufferPoolAllocationThresholdKey);
STRING(kCVImageBufferColorPrimaries_ITU_R_709_2);
STRING(kCVImageBufferTransferFunction_ITU_R_709_2);
STRING(kCVImageBufferYCbCrMatrix_ITU_R_709_2);

/* --- CoreVideo --- */

struct __CVPixelBufferPool {
    struct fake_object object;
    size_t width, height;
    atomic_int out; /* buffers that are not back */
};

struct __CVBuffer {
    struct fake_object object;
    CVPixelBufferPoolRef pool; /* ref; NULL: of no pool */
    size_t width, height, stride;
    OSType format;
    atomic_int writers, readers; /* locks */
    uint8_t *memory;             /* owned */
};

static void pixels_destroy(void *object)
{
    CVPixelBufferRef b = object;
    if (b->writers || b->readers)
        broken("a pixel buffer died locked");
    if (b->pool) {
        b->pool->out--;
        CFRelease(b->pool);
    }
    free(b->memory);
}

CVReturn CVPixelBufferCreate(CFAllocatorRef allocator, size_t width, size_t height, OSType format,
                             CFDictionaryRef attributes, CVPixelBufferRef *out)
{
    (void)allocator, (void)attributes;
    CVPixelBufferRef b = fake_create(sizeof(*b), fake_pixels_type, pixels_destroy);
    b->width = width;
    b->height = height;
    b->format = format;
    /* longer than the width, so that whoever confuses the two is found out */
    b->stride = (width / FAKE_STRIDE_ALIGN + 1) * FAKE_STRIDE_ALIGN;
    b->memory = malloc(b->stride * height * 3 / 2);
    if (!b->memory)
        broken("out of memory");
    *out = b;
    return kCVReturnSuccess;
}

CVPixelBufferRef CVPixelBufferRetain(CVPixelBufferRef buffer)
{
    if (buffer)
        CFRetain(buffer);
    return buffer;
}

void CVPixelBufferRelease(CVPixelBufferRef buffer)
{
    if (buffer)
        CFRelease(buffer);
}

static atomic_int *locks(CVPixelBufferRef b, CVPixelBufferLockFlags flags)
{
    fake_check(b, fake_pixels_type);
    return flags & kCVPixelBufferLock_ReadOnly ? &b->readers : &b->writers;
}

CVReturn CVPixelBufferLockBaseAddress(CVPixelBufferRef buffer, CVPixelBufferLockFlags flags)
{
    OSStatus status;
    if (!(flags & kCVPixelBufferLock_ReadOnly) && fake_fails(FAKE_LOCK_BUFFER, &status))
        return status;
    ++*locks(buffer, flags);
    return kCVReturnSuccess;
}

CVReturn CVPixelBufferUnlockBaseAddress(CVPixelBufferRef buffer, CVPixelBufferLockFlags flags)
{
    if (--*locks(buffer, flags) < 0)
        broken("a pixel buffer was unlocked that was not locked so");
    return kCVReturnSuccess;
}

size_t CVPixelBufferGetWidth(CVPixelBufferRef buffer)
{
    return ((CVPixelBufferRef)fake_check(buffer, fake_pixels_type))->width;
}

size_t CVPixelBufferGetHeight(CVPixelBufferRef buffer)
{
    return ((CVPixelBufferRef)fake_check(buffer, fake_pixels_type))->height;
}

OSType CVPixelBufferGetPixelFormatType(CVPixelBufferRef buffer)
{
    return ((CVPixelBufferRef)fake_check(buffer, fake_pixels_type))->format;
}

void *CVPixelBufferGetBaseAddressOfPlane(CVPixelBufferRef buffer, size_t plane)
{
    const CVPixelBufferRef b = fake_check(buffer, fake_pixels_type);
    if (!b->writers && !b->readers)
        broken("the address of a pixel buffer that is not locked");
    return b->memory + (plane ? b->stride * b->height : 0);
}

size_t CVPixelBufferGetBytesPerRowOfPlane(CVPixelBufferRef buffer, size_t plane)
{
    (void)plane;
    return ((CVPixelBufferRef)fake_check(buffer, fake_pixels_type))->stride;
}

CVPixelBufferPoolRef fake_pool_create(int width, int height)
{
    CVPixelBufferPoolRef pool = fake_create(sizeof(*pool), pool_type, NULL);
    pool->width = (size_t)width;
    pool->height = (size_t)height;
    return pool;
}

CVReturn CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(CFAllocatorRef allocator,
                                                             CVPixelBufferPoolRef pool,
                                                             CFDictionaryRef attributes,
                                                             CVPixelBufferRef *out)
{
    OSStatus status;
    int threshold = 0;
    fake_check(pool, pool_type);
    if (fake_fails(FAKE_POOL_BUFFER, &status))
        return status;
    CFNumberGetValue(CFDictionaryGetValue(attributes, kCVPixelBufferPoolAllocationThresholdKey),
                     kCFNumberIntType, &threshold);
    if (pool->out >= threshold)
        return kCVReturnWouldExceedAllocationThreshold;
    CVReturn r = CVPixelBufferCreate(allocator, pool->width, pool->height,
                                     kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange, NULL, out);
    (*out)->pool = (CVPixelBufferPoolRef)(uintptr_t)CFRetain(pool);
    pool->out++;
    return r;
}

/* --- CoreMedia --- */

const CMTime kCMTimeInvalid = {0, 0, 0, 0};
const CMTime kCMTimeIndefinite = {0, 0, kCMTimeFlags_Valid | 1 << 4, 0};

CMTime CMTimeMake(int64_t value, int32_t timescale)
{
    return (CMTime){.value = value, .timescale = timescale, .flags = kCMTimeFlags_Valid};
}

static void block_destroy(void *object)
{
    CMBlockBufferRef b = object;
    free(b->piece[0]);
    free(b->piece[1]);
}

/* Each piece in memory of its own, so that a read beyond it is noticed. */
CMBlockBufferRef fake_block_create(const uint8_t *data, size_t size, bool scattered)
{
    CMBlockBufferRef b = fake_create(sizeof(*b), block_type, block_destroy);
    b->size = size;
    b->first = scattered ? size / 2 : size;
    b->piece[0] = malloc(b->first + 1);
    b->piece[1] = malloc(size - b->first + 1);
    if (!b->piece[0] || !b->piece[1])
        broken("out of memory");
    memcpy(b->piece[0], data, b->first);
    memcpy(b->piece[1], data + b->first, size - b->first);
    return b;
}

size_t CMBlockBufferGetDataLength(CMBlockBufferRef buffer)
{
    return ((CMBlockBufferRef)fake_check(buffer, block_type))->size;
}

Boolean CMBlockBufferIsRangeContiguous(CMBlockBufferRef buffer, size_t offset, size_t length)
{
    const CMBlockBufferRef b = fake_check(buffer, block_type);
    return offset + length <= b->first;
}

OSStatus CMBlockBufferCreateContiguous(CFAllocatorRef structure_allocator, CMBlockBufferRef source,
                                       CFAllocatorRef block_allocator, const void *custom_source,
                                       size_t offset, size_t length, CMBlockBufferFlags flags,
                                       CMBlockBufferRef *out)
{
    (void)structure_allocator, (void)block_allocator, (void)custom_source, (void)flags;
    const CMBlockBufferRef b = fake_check(source, block_type);
    OSStatus status;
    if (fake_fails(FAKE_CONTIGUOUS, &status))
        return status;
    if (offset != 0 || length != b->size)
        broken("the fake makes whole blocks contiguous");
    CMBlockBufferRef whole = fake_create(sizeof(*whole), block_type, block_destroy);
    whole->size = whole->first = length;
    whole->piece[0] = malloc(length + 1);
    if (!whole->piece[0])
        broken("out of memory");
    memcpy(whole->piece[0], b->piece[0], b->first);
    memcpy(whole->piece[0] + b->first, b->piece[1], length - b->first);
    *out = whole;
    return noErr;
}

OSStatus CMBlockBufferGetDataPointer(CMBlockBufferRef buffer, size_t offset,
                                     size_t *length_at_offset, size_t *total_length, char **out)
{
    const CMBlockBufferRef b = fake_check(buffer, block_type);
    OSStatus status;
    if (fake_fails(FAKE_DATA_POINTER, &status))
        return status;
    if (offset != 0)
        broken("the fake gives blocks from their beginning");
    if (length_at_offset)
        *length_at_offset = b->first;
    if (total_length)
        *total_length = b->size;
    *out = b->piece[0];
    return noErr;
}

struct opaqueCMFormatDescription *fake_description_create(const uint8_t *sps, size_t sps_size,
                                                          const uint8_t *pps, size_t pps_size)
{
    struct opaqueCMFormatDescription *d = fake_create(sizeof(*d), description_type, NULL);
    if (sps_size + pps_size > sizeof(d->memory))
        broken("large parameter sets");
    memcpy(d->memory, sps, sps_size);
    memcpy(d->memory + sps_size, pps, pps_size);
    d->set[0] = d->memory;
    d->set[1] = d->memory + sps_size;
    d->set_size[0] = sps_size;
    d->set_size[1] = pps_size;
    return d;
}

OSStatus CMVideoFormatDescriptionGetH264ParameterSetAtIndex(CMFormatDescriptionRef description,
                                                            size_t index, const uint8_t **set,
                                                            size_t *set_size, size_t *count,
                                                            int *nal_length_size)
{
    const struct opaqueCMFormatDescription *d = fake_check(description, description_type);
    OSStatus status;
    if (fake_fails(FAKE_PARAMETER_SET, &status))
        return status;
    if (index >= 2)
        return kCMFormatDescriptionError_InvalidParameter;
    *set = d->set[index];
    *set_size = d->set_size[index];
    *count = 2;
    *nal_length_size = 4;
    return noErr;
}

static void sample_destroy(void *object)
{
    CMSampleBufferRef s = object;
    CFRelease(s->block);
    CFRelease(s->description);
}

CMSampleBufferRef fake_sample_create(CMBlockBufferRef block,
                                     struct opaqueCMFormatDescription *description,
                                     CMTime presentation)
{
    CMSampleBufferRef s = fake_create(sizeof(*s), sample_type, sample_destroy);
    s->block = block;
    CFRetain(description);
    s->description = description;
    s->presentation = presentation;
    return s;
}

Boolean CMSampleBufferDataIsReady(CMSampleBufferRef sample)
{
    OSStatus status;
    fake_check(sample, sample_type);
    return !fake_fails(FAKE_NOT_READY, &status);
}

CMBlockBufferRef CMSampleBufferGetDataBuffer(CMSampleBufferRef sample)
{
    OSStatus status;
    const CMSampleBufferRef s = fake_check(sample, sample_type);
    return fake_fails(FAKE_NO_BLOCK, &status) ? NULL : s->block;
}

CMFormatDescriptionRef CMSampleBufferGetFormatDescription(CMSampleBufferRef sample)
{
    OSStatus status;
    const CMSampleBufferRef s = fake_check(sample, sample_type);
    return fake_fails(FAKE_NO_DESCRIPTION, &status) ? NULL : s->description;
}
