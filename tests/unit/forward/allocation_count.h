/* allocation_count.h - this program's own malloc, which counts every call of whichever library, on
 * every thread that is not exempt; for tests. Included once in a program.
 */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_bool counting;
static atomic_ullong allocations;
static _Atomic(void *) first_caller;
static _Thread_local bool is_exempt; /* the test's own thread */

static void count(void *caller)
{
    if (is_exempt || !atomic_load(&counting))
        return;
    if (atomic_fetch_add(&allocations, 1) == 0)
        atomic_store(&first_caller, caller);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER
#endif

#ifdef HAS_SANITIZER /* it has its own malloc, and calls this */
void __sanitizer_malloc_hook(const volatile void *at, size_t size);
void __sanitizer_malloc_hook(const volatile void *at, size_t size)
{
    (void)at;
    (void)size;
    count(__builtin_return_address(0));
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(at, size);
}

void *memalign(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
#endif

static void begin_counting(void)
{
    atomic_store(&allocations, 0);
    atomic_store(&first_caller, NULL);
    atomic_store(&counting, true);
}

static uint64_t end_counting(void)
{
    atomic_store(&counting, false);
    uint64_t n = atomic_load(&allocations);
    if (n > 0)
        printf("%llu allocations, the first by %p\n", (unsigned long long)n,
               atomic_load(&first_caller));
    return n;
}
