/* Temporal layers: which picture goes where, and that the lower ones decode without the upper. */
#include "encode/layers.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/rig.h"

#include <math.h>

enum { PICTURES = 45, MIDWAY = 22 };

static void test_pattern(void **state)
{
    static const uint8_t three[] = {0, 2, 1, 2, 0, 2, 1, 2};
    (void)state;
    struct layers l = {.count = 3};
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(layers_next(&l, i == 0).id, three[i]);
        layers_advance(&l, i == 0);
    }
    layers_advance(&l, false);
    assert_int_equal(layers_next(&l, true).id, 0); /* a keyframe is base wherever it comes */
    layers_advance(&l, true);
    assert_int_equal(layers_next(&l, false).id, 2);
    l = (struct layers){.count = 2};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(layers_next(&l, i == 0).id, i % 2);
        layers_advance(&l, i == 0);
    }
    l = (struct layers){.count = 1};
    layers_advance(&l, true);
    assert_int_equal(layers_next(&l, false).id, 0);
}

static void test_shares(void **state)
{
    (void)state;
    for (int count = 1; count <= LAYERS_MAX; count++) {
        for (int id = 1; id < count; id++) {
            assert_true(layers_rate_percent(count, id) > layers_rate_percent(count, id - 1));
            assert_int_equal(layers_decimator(count, id - 1), 2 * layers_decimator(count, id));
        }
        assert_int_equal(layers_rate_percent(count, count - 1), 100);
        assert_int_equal(layers_decimator(count, count - 1), 1);
    }
}

/* How many layers come when `wanted` were asked for. */
static int delivered(const struct encoder_ops *ops, int wanted)
{
    if (ops->codec != CODEC_H264)
        return wanted;
    if (strcmp(ops->name, "openh264") == 0)
        return wanted < 2 ? wanted : 2;
    return 1;
}

/* Decodes the whole stream beside the one whose ids end at `top`: where both have a picture, they
 * must have the same. */
static void check_without_upper(const struct encoder_ops *ops, int wanted, int top)
{
    struct encoder_config config = config_of(320, 240, 30, 500000);
    config.temporal_layers = wanted;
    struct rig r = rig_new(ops, config, SCENE_NATURAL);
    struct decoder *whole = decoder_new(ops->codec), *part = decoder_new(ops->codec);
    struct layers pattern = {.count = delivered(ops, wanted)};
    size_t kept = 0;
    for (int n = 0; whole && n < PICTURES; n++) {
        bool keyframe = n == 0 || n == MIDWAY;
        struct encoded au = rig_encode(&r, keyframe);
        assert_int_equal(au.keyframe, keyframe);
        assert_int_equal(au.temporal_id, layers_next(&pattern, keyframe).id);
        layers_advance(&pattern, keyframe);
        struct picture a, b;
        assert_true(decoder_decode(whole, au.data, au.size, &a));
        if (au.temporal_id > top)
            continue;
        kept++;
        assert_true(decoder_decode(part, au.data, au.size, &b));
        assert_true(scene_mse(&a, &b) == 0);
        assert_true(rig_is_fake(ops) || scene_mse(&r.yuv, &a) < 200);
    }
    if (whole && pattern.count == 2 && top == 0)
        assert_int_equal(kept, (PICTURES + 1) / 2);
    decoder_free(whole);
    decoder_free(part);
    rig_free(&r);
}

static void check_layers(const struct encoder_ops *ops)
{
    check_without_upper(ops, 2, 0);
    check_without_upper(ops, 3, 0);
    check_without_upper(ops, 3, 1);
}

static void test_lower_layers_stand_alone(void **state)
{
    (void)state;
    each_backend((enum codec)0, check_layers);
}

/* The mean PSNR of five seconds, and what part of the bytes is the base's. */
static double quality(const struct encoder_ops *ops, enum scene_kind kind, int layers, double *base)
{
    enum { N = 150 };
    struct encoder_config config = config_of(480, 272, 30, 600000);
    config.content = kind == SCENE_TEXT ? ENCODER_SCREEN : ENCODER_NATURAL;
    config.temporal_layers = layers;
    struct rig r = rig_new(ops, config, kind);
    struct decoder *d = decoder_new(ops->codec);
    double psnr = 0, bytes = 0, base_bytes = 0;
    for (int i = 0; i < N; i++) {
        struct picture decoded = {.plane = {NULL}};
        struct encoded au = rig_encode(&r, i == 0);
        assert_true(decoder_decode(d, au.data, au.size, &decoded));
        psnr += 10 * log10(255 * 255 / fmax(scene_mse(&r.yuv, &decoded), 0.1));
        bytes += (double)au.size;
        base_bytes += au.temporal_id == 0 ? (double)au.size : 0;
    }
    decoder_free(d);
    rig_free(&r);
    *base = base_bytes / bytes;
    return psnr / N;
}

/* Why one layer is what a source has if nothing else is said: scrolling text pays dearly for two.
 */
static void check_cost(const struct encoder_ops *ops)
{
    static const struct {
        const char *name;
        enum scene_kind kind;
        double most_db;
    } rows[] = {{"text", SCENE_TEXT, 8}, {"natural", SCENE_NATURAL, 1}};
    if (rig_is_fake(ops) || delivered(ops, 2) < 2)
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double base;
        double one = quality(ops, rows[i].kind, 1, &base);
        assert_true(base == 1);
        double two = quality(ops, rows[i].kind, 2, &base);
        print_message("%s, %s: %.1f dB in one layer, %.1f dB in two, %.0f %% of it the base\n",
                      ops->name, rows[i].name, one, two, base * 100);
        assert_true(one - two < rows[i].most_db);
        assert_true(base > 0.4 && base < 0.85);
    }
}

static void test_what_two_layers_cost(void **state)
{
    (void)state;
    each_backend(CODEC_H264, check_cost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pattern),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_lower_layers_stand_alone),
        cmocka_unit_test(test_what_two_layers_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
