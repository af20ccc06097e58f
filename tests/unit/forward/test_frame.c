/* test_frame.c - frames and their pool; what leaks or is freed too early is AddressSanitizer's. */
#include "rtp/forward/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void a_frame_has_room_for_what_its_pool_says(void **state)
{
    (void)state;
    struct frame_pool *pool = frame_pool_new(5000, 7);
    assert_non_null(pool);
    struct frame *f = frame_get(pool);
    assert_non_null(f);
    assert_int_equal(f->payload.capacity, 5000);
    assert_int_equal(f->payload.max_packets, 7);
    assert_int_equal(f->payload.size, 0);
    assert_int_equal(f->payload.n_packets, 0);
    assert_true((uint8_t *)&f->payload.packets[7] <= f->payload.data ||
                (uint8_t *)f->payload.packets >= f->payload.data + 5000);
    memset(f->payload.data, 1, 5000);
    memset(f->payload.packets, 2, 7 * sizeof(f->payload.packets[0]));
    frame_unref(f);
    frame_pool_close(pool);
}

static void a_frame_comes_home_with_its_last_reference(void **state)
{
    (void)state;
    struct frame_pool *pool = frame_pool_new(100, 1);
    struct frame *f = frame_get(pool);
    f->id = 9;
    f->keyframe = true;
    f->payload.size = 50;
    f->payload.n_packets = 1;
    const struct frame *second = frame_ref(f);
    assert_ptr_equal(second, f);
    frame_unref(f);
    struct frame *other = frame_get(pool);
    assert_ptr_not_equal(other, f); /* one reference is still held */
    frame_unref(second);
    struct frame *again = frame_get(pool);
    assert_ptr_equal(again, f); /* used again, and nothing of its former life in it */
    assert_int_equal(again->id, 0);
    assert_false(again->keyframe);
    assert_int_equal(again->payload.size, 0);
    assert_int_equal(again->payload.n_packets, 0);
    frame_unref(again);
    frame_unref(other);
    frame_pool_close(pool);
}

static void a_pool_may_be_closed_with_frames_out(void **state)
{
    (void)state;
    struct frame_pool *pool = frame_pool_new(100, 1);
    struct frame *out[3], *idle = frame_get(pool);
    for (int i = 0; i < 3; i++)
        out[i] = frame_get(pool);
    frame_unref(idle);
    frame_pool_close(pool);
    for (int i = 0; i < 3; i++) {
        memset(out[i]->payload.data, i, 100); /* still ours */
        frame_unref(out[i]);
    }
}

static void nothing_is_fine_to_give_back(void **state)
{
    (void)state;
    frame_unref(NULL);
    frame_pool_close(NULL);
    frame_pool_close(frame_pool_new(1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_has_room_for_what_its_pool_says),
        cmocka_unit_test(a_frame_comes_home_with_its_last_reference),
        cmocka_unit_test(a_pool_may_be_closed_with_frames_out),
        cmocka_unit_test(nothing_is_fine_to_give_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
