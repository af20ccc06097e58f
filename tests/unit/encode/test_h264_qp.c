/* The QP of a slice, from handmade headers; malformed ones are -1. */
#include "encode/h264_qp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct writer {
    uint8_t data[128];
    size_t bits; /* written */
};

static void put(struct writer *w, unsigned n, uint32_t value)
{
    for (; n > 0; n--, w->bits++)
        w->data[w->bits / 8] |= (uint8_t)((value >> (n - 1) & 1) << (7 - w->bits % 8));
}

static void put_ue(struct writer *w, uint32_t value)
{
    unsigned length = 0;
    while ((value + 1) >> (length + 1))
        length++;
    put(w, 2 * length + 1, value + 1);
}

static void put_se(struct writer *w, int value)
{
    put_ue(w, value > 0 ? (uint32_t)(2 * value - 1) : (uint32_t)(-2 * value));
}

static void begin(struct writer *w, uint8_t header)
{
    if (w->bits % 8 != 0)
        put(w, 8 - (unsigned)(w->bits % 8), 0);
    put(w, 32, 1);
    put(w, 8, header);
}

static void put_sets(struct writer *w, uint32_t profile, uint32_t poc_type, bool cabac)
{
    begin(w, 0x67);
    put(w, 8, profile);
    put(w, 16, 0xc01f);
    put_ue(w, 0);
    put_ue(w, 2); /* frame_num of 6 bits */
    put_ue(w, poc_type);
    if (poc_type == 0)
        put_ue(w, 1); /* of 5 bits */
    put_ue(w, 1);
    put(w, 8, 0xff);
    begin(w, 0x68);
    put_ue(w, 0);
    put_ue(w, 0);
    put(w, 1, cabac);
    put(w, 1, 0);
    put_ue(w, 0);
    put_ue(w, 0);
    put_ue(w, 0);
    put(w, 3, 0);
    put_se(w, -3); /* init QP 23 */
    put_se(w, 0);
    put_se(w, 0);
    put(w, 4, 0xf);
}

static void put_idr(struct writer *w, uint32_t poc_type, int qp_delta)
{
    begin(w, 0x65);
    put_ue(w, 0);
    put_ue(w, 7);
    put_ue(w, 0);
    put(w, 6, 0);
    put_ue(w, 1);
    if (poc_type == 0)
        put(w, 5, 0);
    put(w, 2, 0);
    put_se(w, qp_delta);
    put(w, 16, 0xffff);
}

/* With a list modification and two marking commands, as temporal layers have them. */
static void put_p(struct writer *w, uint8_t header, int qp_delta)
{
    begin(w, header);
    put_ue(w, 0);
    put_ue(w, 5);
    put_ue(w, 0);
    put(w, 6, 9);
    put(w, 5, 3); /* POC */
    put(w, 1, 1);
    put_ue(w, 0);
    put(w, 1, 1);
    put_ue(w, 0);
    put_ue(w, 1);
    put_ue(w, 3);
    if (header & 0x60) {
        put(w, 1, 1);
        put_ue(w, 3);
        put_ue(w, 2);
        put_ue(w, 1);
        put_ue(w, 1);
        put_ue(w, 0);
        put_ue(w, 0);
    }
    put_se(w, qp_delta);
    put(w, 16, 0xffff);
}

static int qp_of(struct h264_qp *q, const struct writer *w)
{
    return h264_qp_slice(q, w->data, w->bits / 8);
}

static void test_slices(void **state)
{
    (void)state;
    for (uint32_t poc_type = 0; poc_type <= 2; poc_type += 2) {
        for (int delta = -23; delta <= 28; delta++) {
            struct h264_qp q = {0};
            struct writer w = {0};
            put_sets(&w, 66, poc_type, false);
            put_idr(&w, poc_type, delta);
            assert_int_equal(qp_of(&q, &w), 23 + delta);
        }
    }
    struct h264_qp q = {0};
    struct writer key = {0}, reference = {0}, top = {0};
    put_sets(&key, 66, 0, false);
    put_idr(&key, 0, 0);
    put_p(&reference, 0x61, 7);
    put_p(&top, 0x01, -9);
    assert_int_equal(qp_of(&q, &reference), -1); /* the parameter sets have not been seen */
    assert_int_equal(qp_of(&q, &key), 23);
    assert_int_equal(qp_of(&q, &reference), 30);
    assert_int_equal(qp_of(&q, &top), 14);
    assert_int_equal(h264_qp_percent(&q, reference.data, reference.bits / 8), 58);
}

static void test_not_ours(void **state)
{
    (void)state;
    struct h264_qp q = {0};
    struct writer high = {0}, cabac = {0}, poc1 = {0}, out_of_range = {0};
    put_sets(&high, 100, 2, false);
    put_idr(&high, 2, 0);
    assert_int_equal(qp_of(&q, &high), -1);
    put_sets(&cabac, 66, 2, true);
    put_idr(&cabac, 2, 0);
    assert_int_equal(qp_of(&q, &cabac), -1);
    put_sets(&poc1, 66, 1, false);
    put_idr(&poc1, 2, 0);
    assert_int_equal(qp_of(&q, &poc1), -1);
    put_sets(&out_of_range, 66, 2, false);
    put_idr(&out_of_range, 2, 29);
    assert_int_equal(qp_of(&q, &out_of_range), -1);
    assert_int_equal(h264_qp_percent(&q, NULL, 0), -1);
}

/* No cut and no garbage reads beyond the end (the sanitizer looks) or gives a QP out of range. */
static void test_malformed(void **state)
{
    (void)state;
    struct writer whole = {0};
    put_sets(&whole, 66, 0, false);
    put_idr(&whole, 0, 4);
    for (size_t size = 0; size <= whole.bits / 8; size++) {
        struct h264_qp q = {0};
        int qp = h264_qp_slice(&q, whole.data, size);
        assert_in_range(qp + 1, 0, 52);
    }
    uint32_t random = 1;
    for (int n = 0; n < 20000; n++) {
        struct h264_qp q = {0};
        struct writer w = whole;
        for (int k = 0; k < 3; k++) {
            random = random * 1664525u + 1013904223u;
            w.data[(random >> 8) % (whole.bits / 8)] = (uint8_t)(random >> 24);
        }
        assert_in_range(qp_of(&q, &w) + 1, 0, 52);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
