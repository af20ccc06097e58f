/* What frames say of themselves; the headers are written by hand from the specifications. */
#include "capture/coded_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* In memory of exactly that size, so that a sanitizer sees a read past the end. */
static bool read_exact(struct coded_frame *out, enum coded_frame_codec codec, const uint8_t *bytes,
                       size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    bool ok = coded_frame_read(out, codec, exact, size);
    free(exact);
    return ok;
}

static void vp8(void **state)
{
    (void)state;
    /* key frame, start code, 320 wide without scaling, 240 high with scale bits */
    const uint8_t key[] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x40};
    const uint8_t inter[] = {0x11, 0x02, 0x00};
    struct coded_frame f;
    assert_true(read_exact(&f, CODED_FRAME_VP8, key, sizeof(key)));
    assert_true(f.keyframe);
    assert_int_equal(f.width, 320);
    assert_int_equal(f.height, 240);
    assert_true(read_exact(&f, CODED_FRAME_VP8, inter, sizeof(inter)));
    assert_false(f.keyframe);
    for (size_t n = 0; n < sizeof(key); n++)
        assert_false(read_exact(&f, CODED_FRAME_VP8, key, n));
    uint8_t wrong[sizeof(key)];
    memcpy(wrong, key, sizeof(key));
    wrong[4] = 2;
    assert_false(read_exact(&f, CODED_FRAME_VP8, wrong, sizeof(wrong)));
}

static void vp9(void **state)
{
    (void)state;
    /* marker 10, profile 0, no show_existing, key, shown, not resilient; sync code; colour space 2,
     * range 0; width - 1 = 639, height - 1 = 359 */
    const uint8_t key[] = {0x82, 0x49, 0x83, 0x42, 0x40, 0x27, 0xf0, 0x16, 0x70};
    const uint8_t inter[] = {0x86, 0x00};
    const uint8_t again[] = {0x88}; /* show_existing_frame */
    struct coded_frame f;
    assert_true(read_exact(&f, CODED_FRAME_VP9, key, sizeof(key)));
    assert_true(f.keyframe);
    assert_int_equal(f.profile, 0);
    assert_int_equal(f.width, 640);
    assert_int_equal(f.height, 360);
    assert_true(read_exact(&f, CODED_FRAME_VP9, inter, sizeof(inter)) && !f.keyframe);
    assert_true(read_exact(&f, CODED_FRAME_VP9, again, sizeof(again)) && !f.keyframe);
    for (size_t n = 0; n + 1 < sizeof(key); n++)
        assert_false(read_exact(&f, CODED_FRAME_VP9, key, n));
    assert_false(read_exact(&f, CODED_FRAME_VP9, (const uint8_t[]){0x42, 0, 0}, 3));
    /* profile 1: no size is read, and whoever asks is told */
    const uint8_t other[] = {0xa2, 0x49, 0x83, 0x42, 0};
    assert_true(read_exact(&f, CODED_FRAME_VP9, other, sizeof(other)));
    assert_int_equal(f.profile, 1);
}

static void av1(void **state)
{
    (void)state;
    /* temporal delimiter, sequence header of profile 0, frame with frame_type KEY_FRAME, shown */
    const uint8_t key[] = {0x12, 0x00, 0x0a, 0x02, 0x00, 0x00, 0x32, 0x02, 0x10, 0xaa};
    const uint8_t inter[] = {0x12, 0x00, 0x32, 0x02, 0x30, 0xaa};
    const uint8_t no_sequence[] = {0x12, 0x00, 0x32, 0x02, 0x10, 0xaa};
    const uint8_t high[] = {0x0a, 0x02, 0x20, 0x00, 0x32, 0x02, 0x10, 0xaa};
    struct coded_frame f;
    assert_true(read_exact(&f, CODED_FRAME_AV1, key, sizeof(key)));
    assert_true(f.keyframe);
    assert_int_equal(f.profile, 0);
    assert_true(read_exact(&f, CODED_FRAME_AV1, inter, sizeof(inter)) && !f.keyframe);
    assert_true(read_exact(&f, CODED_FRAME_AV1, no_sequence, sizeof(no_sequence)) && !f.keyframe);
    assert_true(read_exact(&f, CODED_FRAME_AV1, high, sizeof(high)));
    assert_int_equal(f.profile, 1);
    assert_false(read_exact(&f, CODED_FRAME_AV1, key, sizeof(key) - 1)); /* a size too large */
    assert_false(read_exact(&f, CODED_FRAME_AV1, key, 6));               /* no frame */
    assert_false(read_exact(&f, CODED_FRAME_AV1, (const uint8_t[]){0x30, 0x10}, 2)); /* no size */
    assert_false(read_exact(&f, CODED_FRAME_AV1, (const uint8_t[]){0x32, 0xff, 0xff}, 3));
    assert_false(read_exact(&f, CODED_FRAME_AV1, NULL, 0));
}

static void any_bytes_may_come(void **state)
{
    (void)state;
    uint32_t seed = 3;
    uint8_t bytes[40];
    struct coded_frame f;
    for (int i = 0; i < 20000; i++) {
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        for (int codec = CODED_FRAME_VP8; codec <= CODED_FRAME_AV1; codec++)
            (void)read_exact(&f, (enum coded_frame_codec)codec, bytes, seed >> 16 & 31);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vp8),
        cmocka_unit_test(vp9),
        cmocka_unit_test(av1),
        cmocka_unit_test(any_bytes_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
