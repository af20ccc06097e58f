/* fake_apple.h - what a test can make the fake of CoreFoundation, CoreMedia, CoreVideo and
 * VideoToolbox do, and what it can ask it.
 *
 * The fake keeps Apple's rules and aborts where amphi breaks one: a reference given back twice, a
 * NULL released, pixels touched without a lock, a picture in the past, an object of the wrong type.
 * An encoding session encodes with x264 on a thread of its own and calls back from there, in order.
 * It holds one picture back as an ordinary encoder does, unless MaxFrameDelayCount is 0; makes
 * keyframes of its own unless MaxKeyFrameInterval forbids it; and tells the colours only if it was
 * told them. Everything here is for any thread.
 */
#pragma once

#include "tests/apple/VideoToolbox/VideoToolbox.h"

/* The calls that can be made to fail. */
enum fake_call {
    FAKE_CREATE_OBJECT = 1, /* numbers, arrays, dictionaries */
    FAKE_CREATE_SESSION,
    FAKE_SET_PROPERTY,
    FAKE_PREPARE,
    FAKE_POOL,        /* asking the session for it: NULL */
    FAKE_POOL_BUFFER, /* taking a buffer out of it */
    FAKE_LOCK_BUFFER, /* for writing */
    FAKE_ENCODE,
    FAKE_CALLBACK, /* the status a callback tells */
    FAKE_NOT_READY,
    FAKE_NO_BLOCK,
    FAKE_NO_DESCRIPTION,
    FAKE_PARAMETER_SET,
    FAKE_CONTIGUOUS,
    FAKE_DATA_POINTER,
    FAKE_CUT_UNIT,   /* the callback's unit is cut short */
    FAKE_DROP,       /* the encoder leaves the picture out and says so in its callback */
    FAKE_DROP_EARLY, /* EncodeFrame says so already */
    FAKE_SCATTER,    /* the unit is not in one piece */
    FAKE_CALL_TWICE, /* the callback is called twice */
    FAKE_KEEP,       /* the encoder keeps the pixel buffer for good */
    FAKE_CALLS
};

/* Back to the beginning, all orders withdrawn. Asserts that no object and no session is left. */
void fake_reset(void);
/* The `nth` call from now (1 = the next) has that status; those with a plain meaning take any
 * that is not 0. */
void fake_fail(enum fake_call call, OSStatus status, unsigned nth);
/* The same, for that and every later one; status 0 ends it. */
void fake_fail_always(enum fake_call call, OSStatus status);
/* Sessions with low-latency rate control are not to be had. */
void fake_lack_low_latency(void);

/* Callbacks are held up from now on, until let go. CompleteFrames does not wait for those. */
void fake_hold(void);
void fake_let(unsigned n); /* so many more may come */
void fake_let_go(void);
/* The sessions there are now are taken away, as when the graphics processor is reset: every later
 * call and callback says kVTInvalidSessionErr. */
void fake_take_sessions_away(void);

int fake_live_objects(void); /* not yet freed, constants not counted */
unsigned fake_calls(enum fake_call call);
unsigned fake_callbacks(void);      /* that have returned */
const void *fake_last_pixels(void); /* the buffer EncodeFrame was handed last, not to be touched */
/* What the newest session was told, or NULL; valid as long as that. */
CFTypeRef fake_property(CFStringRef key);
bool fake_was_low_latency(void);
/* Waits until so many callbacks have returned. */
void fake_wait_callbacks(unsigned n);
