/* dispatch.h - the part of Apple's dispatch that amphi uses; see CoreFoundation.h. */
#pragma once

#include <stdint.h>

#ifdef __OBJC__
@class NSObject;
typedef NSObject *dispatch_queue_t;
typedef NSObject *dispatch_semaphore_t;
typedef NSObject *dispatch_queue_attr_t;
#else
typedef void *dispatch_queue_t;
typedef void *dispatch_semaphore_t;
typedef void *dispatch_queue_attr_t;
#endif

typedef uint64_t dispatch_time_t;

#define DISPATCH_TIME_NOW ((dispatch_time_t)0)
#define NSEC_PER_SEC 1000000000ull
#define DISPATCH_QUEUE_SERIAL ((dispatch_queue_attr_t)0)

dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes);
dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta);
dispatch_semaphore_t dispatch_semaphore_create(intptr_t value);
intptr_t dispatch_semaphore_signal(dispatch_semaphore_t semaphore);
intptr_t dispatch_semaphore_wait(dispatch_semaphore_t semaphore, dispatch_time_t until);
void dispatch_sync_f(dispatch_queue_t queue, void *context, void (*work)(void *context));
