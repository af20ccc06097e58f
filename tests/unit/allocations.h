/* allocations.h - counts what a program allocates, on every thread but those that are exempt.
 *
 * The program's own malloc takes the place of libc's, so each call of whichever library is seen
 * (with a sanitizer, which brings its own, through its hook). Included by one file of a program.
 * What is made while `allocations_inside` is set is counted apart.
 */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_bool allocations_counting;
static atomic_ullong allocations_ours, allocations_apart;
static _Atomic(void *) allocations_first_caller; /* of ours */
static _Thread_local bool allocations_exempt, allocations_inside;

static inline void allocations_count(void *caller)
{
    if (allocations_exempt || !atomic_load(&allocations_counting))
        return;
    if (allocations_inside)
        atomic_fetch_add(&allocations_apart, 1);
    else if (atomic_fetch_add(&allocations_ours, 1) == 0)
        atomic_store(&allocations_first_caller, caller);
}

static inline void allocations_begin(void)
{
    atomic_store(&allocations_ours, 0);
    atomic_store(&allocations_apart, 0);
    atomic_store(&allocations_first_caller, NULL);
    atomic_store(&allocations_counting, true);
}

/* How many there were, but for those apart; the first one's caller is told. */
static inline uint64_t allocations_end(void)
{
    atomic_store(&allocations_counting, false);
    uint64_t n = atomic_load(&allocations_ours);
    if (n > 0)
        fprintf(stderr, "%llu allocations, the first by %p\n", (unsigned long long)n,
                atomic_load(&allocations_first_caller));
    return n;
}

/* --- malloc --- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER
#endif

#ifdef HAS_SANITIZER
void __sanitizer_malloc_hook(const volatile void *at, size_t size);
void __sanitizer_malloc_hook(const volatile void *at, size_t size)
{
    (void)at;
    (void)size;
    allocations_count(__builtin_return_address(0));
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    allocations_count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    allocations_count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
    allocations_count(__builtin_return_address(0));
    return __libc_realloc(at, size);
}

void *memalign(size_t alignment, size_t size)
{
    allocations_count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations_count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    allocations_count(__builtin_return_address(0));
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
#endif
