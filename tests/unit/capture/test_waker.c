#include "capture/waker.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void a_wake_is_kept_until_it_is_cleared(void **state)
{
    (void)state;
    struct waker w;
    assert_int_equal(waker_init(&w), 0);
    assert_int_equal(waker_wait(&w, -1, 0), 0);
    assert_int_equal(waker_wait(&w, -1, -5), 0); /* a time that is over */
    assert_int_equal(waker_wait(&w, -1, 1500), 0);
    waker_wake(&w);
    waker_wake(&w);
    assert_int_equal(waker_wait(&w, -1, INT64_MAX), WAKER_WOKEN);
    assert_int_equal(waker_wait(&w, -1, INT64_MAX), WAKER_WOKEN);
    waker_clear(&w);
    waker_clear(&w);
    assert_int_equal(waker_wait(&w, -1, 0), 0);
    waker_finish(&w);
}

static void many_wakes_do_not_block(void **state)
{
    (void)state;
    struct waker w;
    assert_int_equal(waker_init(&w), 0);
    for (int i = 0; i < 200000; i++) /* more than a pipe holds */
        waker_wake(&w);
    assert_int_equal(waker_wait(&w, -1, 0), WAKER_WOKEN);
    waker_clear(&w);
    assert_int_equal(waker_wait(&w, -1, 0), 0);
    waker_finish(&w);
}

static void a_descriptor_is_told_apart(void **state)
{
    (void)state;
    struct waker w;
    int other[2];
    assert_int_equal(waker_init(&w), 0);
    assert_int_equal(pipe(other), 0);
    assert_int_equal(waker_wait(&w, other[0], 0), 0);
    assert_int_equal(write(other[1], "x", 1), 1);
    assert_int_equal(waker_wait(&w, other[0], INT64_MAX), WAKER_FD);
    waker_wake(&w);
    assert_int_equal(waker_wait(&w, other[0], INT64_MAX), WAKER_FD | WAKER_WOKEN);
    close(other[0]);
    close(other[1]);
    waker_finish(&w);
}

static void *wake(void *arg)
{
    waker_wake(arg);
    return NULL;
}

static void another_thread_wakes(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct waker w;
        pthread_t thread;
        assert_int_equal(waker_init(&w), 0);
        assert_int_equal(pthread_create(&thread, NULL, wake, &w), 0);
        while (waker_wait(&w, -1, INT64_MAX) == 0)
            continue; /* a signal */
        pthread_join(thread, NULL);
        waker_finish(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_is_kept_until_it_is_cleared),
        cmocka_unit_test(many_wakes_do_not_block),
        cmocka_unit_test(a_descriptor_is_told_apart),
        cmocka_unit_test(another_thread_wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
