#include "rtp/wire/dependency_descriptor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Bytes of a string of 0 and 1, padded with zeros; other characters are for the eye. */
static size_t bits(uint8_t *out, const char *text)
{
    size_t n = 0;
    memset(out, 0, 64);
    for (; *text; text++) {
        if (*text != '0' && *text != '1')
            continue;
        assert_true(n < 64 * 8);
        out[n / 8] |= (uint8_t)((*text - '0') << (7 - n % 8));
        n++;
    }
    return (n + 7) / 8;
}

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

static void assert_same_frame(const struct dependency_frame *a, const struct dependency_frame *b,
                              const struct dependency_structure *s)
{
    assert_int_equal(a->spatial_id, b->spatial_id);
    assert_int_equal(a->temporal_id, b->temporal_id);
    assert_memory_equal(a->dti, b->dti, s->n_targets);
    assert_int_equal(a->n_references, b->n_references);
    for (unsigned i = 0; i < a->n_references; i++)
        assert_int_equal(a->references[i], b->references[i]);
    for (unsigned c = 0; c < s->n_chains; c++)
        assert_int_equal(a->chains[c], b->chains[c]);
}

/* A keyframe of L1T2, written down by hand from A.8.2. */
static const char l1t2[] = "1 0 000010 0000000000000101" /* starts, template 2, frame 5 */
                           "1 0 0 0 0"                   /* a structure and nothing else */
                           "000010 00001"                /* first id 2, two targets */
                           "00 01 11"                    /* T0 T0 T1 */
                           "10 10  10 10  00 01"         /* SS SS -D */
                           "0  1 0001 0  1 0000 0"       /* none, 2 back, 1 back */
                           "10 0000 0010 0001"           /* ns(3): one chain; 0, 2, 1 */
                           "0";                          /* no sizes */

static void test_writes_a_structure_bit_by_bit(void **state)
{
    (void)state;
    uint8_t expected[64], out[64];
    size_t size = bits(expected, l1t2);
    struct dependency_structure s, read = {.n_templates = 0};
    struct dependency_descriptor d = {
        .starts_frame = true, .frame_number = 5, .has_structure = true};
    dependency_structure_init(&s, 2);
    d.frame = s.templates[0];
    assert_int_equal(dependency_write(out, sizeof(out), &d, &s), size);
    assert_memory_equal(out, expected, size);

    assert_int_equal(dependency_read(&d, &read, expected, size), 0);
    assert_true(d.starts_frame && !d.ends_frame && d.has_structure && !d.has_active_targets);
    assert_int_equal(d.frame_number, 5);
    assert_int_equal(d.template_id, 2);
    assert_int_equal(d.active_targets, 3);
    assert_int_equal(read.n_templates, 3);
    assert_int_equal(read.first_id, 2);
    assert_int_equal(read.n_targets, 2);
    assert_int_equal(read.n_chains, 1);
    assert_int_equal(read.n_spatial, 1);
    assert_false(read.has_sizes);
    for (unsigned i = 0; i < 3; i++)
        assert_same_frame(&read.templates[i], &s.templates[i], &s);
}

/* L2T1 with everything a descriptor may have: two chains, sizes, active targets, all custom. */
static const char everything[] = "0 1 000000 0000000000001001" /* ends, template 0, frame 9 */
                                 "1 1 1 1 1"
                                 "111111 00001"    /* first id 63: template 0 is the second */
                                 "10 11"           /* S0 S1 */
                                 "11 01  00 10"    /* RD -S */
                                 "1 1111 1 0000 0" /* 16 and 1 back */
                                 "0"               /* none */
                                 "11"              /* ns(3): two chains */
                                 "1 0"             /* ns(2) each */
                                 "1111 0001  0000 0010"
                                 "1 0000001001111111 0000000101100111"    /* 640x360 */
                                 "0000010011111111 0000001011001111"      /* 1280x720 */
                                 "10"                                     /* target 1 */
                                 "01 11"                                  /* own: DR */
                                 "01 0001 10 11111111 11 111111111111 00" /* 2, 256, 4096 back */
                                 "11111111 00000001";                     /* own chains */

static void test_reads_everything_bit_by_bit(void **state)
{
    (void)state;
    uint8_t in[64], out[64];
    size_t size = bits(in, everything);
    struct dependency_structure s = {.n_templates = 0};
    struct dependency_descriptor d;
    assert_int_equal(dependency_read(&d, &s, in, size), 0);
    assert_true(!d.starts_frame && d.ends_frame && d.has_structure && d.has_active_targets);
    assert_int_equal(d.active_targets, 2);
    assert_int_equal(d.frame.spatial_id, 1);
    assert_int_equal(d.frame.dti[0], DEPENDENCY_DISCARDABLE);
    assert_int_equal(d.frame.dti[1], DEPENDENCY_REQUIRED);
    assert_int_equal(d.frame.n_references, 3);
    assert_int_equal(d.frame.references[0], 2);
    assert_int_equal(d.frame.references[1], 256);
    assert_int_equal(d.frame.references[2], 4096);
    assert_int_equal(d.frame.chains[0], 255);
    assert_int_equal(d.frame.chains[1], 1);
    assert_int_equal(s.protected_by[0], 1);
    assert_int_equal(s.protected_by[1], 0);
    assert_int_equal(s.templates[0].references[0], 16);
    assert_int_equal(s.templates[0].references[1], 1);
    assert_int_equal(s.templates[0].chains[0], 15);
    assert_int_equal(s.templates[1].chains[1], 2);
    assert_int_equal(s.width[0], 640);
    assert_int_equal(s.height[1], 720);

    uint8_t spatial, temporal;
    dependency_target_layers(&s, 0, &spatial, &temporal);
    assert_int_equal(spatial, 0);
    dependency_target_layers(&s, 1, &spatial, &temporal);
    assert_int_equal(spatial, 1);
    assert_int_equal(temporal, 0);

    assert_int_equal(dependency_write(out, sizeof(out), &d, &s), size);
    assert_memory_equal(out, in, size);
}

static void test_three_bytes(void **state)
{
    (void)state;
    struct dependency_structure s;
    dependency_structure_init(&s, 3);
    struct dependency_descriptor d = {.frame_number = 0xabcd, .frame = s.templates[4]}, back;
    uint8_t out[8];
    assert_int_equal(dependency_write(out, sizeof(out), &d, &s), 3);
    assert_memory_equal(out, "\x09\xab\xcd", 3);
    dependency_mark(out, true, false);
    assert_int_equal(out[0], 0x89);
    dependency_mark(out, false, true);
    assert_int_equal(out[0], 0x49);
    dependency_set_frame_number(out, 0x1234);
    assert_int_equal(dependency_read(&back, &s, out, 3), 0);
    assert_int_equal(back.frame_number, 0x1234);
    assert_int_equal(back.frame.temporal_id, 2);
    assert_int_equal(back.frame.chains[0], 3);
    for (size_t capacity = 0; capacity < 3; capacity++)
        assert_int_equal(dependency_write(out, capacity, &d, &s), 0);
    d.frame.temporal_id = 3; /* no template of this layer */
    assert_int_equal(dependency_write(out, sizeof(out), &d, &s), 0);
}

static void test_without_its_structure(void **state)
{
    (void)state;
    struct dependency_structure none = {.n_templates = 0}, other;
    struct dependency_descriptor d;
    static const uint8_t bytes[] = {0xc6, 0, 7};
    assert_int_equal(dependency_read(&d, &none, bytes, 3), -EAGAIN);
    assert_true(d.starts_frame && d.ends_frame);
    assert_int_equal(d.template_id, 6);
    assert_int_equal(d.frame_number, 7);
    dependency_structure_init(&other, 2); /* has 2-4 */
    assert_int_equal(dependency_read(&d, &other, bytes, 3), -EAGAIN);
    dependency_structure_init(&other, 3); /* has 5-9 */
    assert_int_equal(dependency_read(&d, &other, bytes, 3), 0);
}

/* Cut anywhere it is refused, and a structure known before stays. */
static void test_truncated_at_every_size(void **state)
{
    (void)state;
    static const char *const texts[] = {l1t2, everything};
    for (size_t t = 0; t < 2; t++) {
        uint8_t in[64];
        size_t size = bits(in, texts[t]);
        for (size_t n = 0; n < size; n++) {
            uint8_t *exact = malloc(n + 1);
            memcpy(exact + 1, in, n);
            struct dependency_structure s;
            struct dependency_descriptor d;
            dependency_structure_init(&s, 1);
            int expected = n < 3 || n > 3 ? -EBADMSG : (t == 0 ? -EAGAIN : 0);
            assert_int_equal(dependency_read(&d, &s, exact + 1, n), expected);
            assert_int_equal(s.n_templates, 2);
            assert_int_equal(s.n_targets, 1);
            free(exact);
        }
    }
}

static void test_refuses_what_is_out_of_bounds(void **state)
{
    (void)state;
    static const char *const rows[] = {
        /* nine references of a template */
        "10000000 0000000000000000 10000 000000 00000 11 10"
        "10000 10000 10000 10000 10000 10000 10000 10000 10000 0  0 0000000",
        /* nine references of the frame */
        "10000000 0000000000000000 10010 000000 00000 11 10 0  0 0"
        "010000 010000 010000 010000 010000 010000 010000 010000 010000 00",
        /* a fifth spatial layer */
        "10000000 0000000000000000 10000 000000 00000 10 10 10 10 11 0000000000000000000000000",
        /* a ninth temporal layer */
        "10000000 0000000000000000 10000 000000 00000 01 01 01 01 01 01 01 01 11"
        "0000000000000000000000000000000000000000000000000000000",
        /* its template is not in its own structure */
        "10000001 0000000000000000 10000 000000 00000 11 10 0 0 0",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t in[64];
        struct dependency_structure s = {.n_templates = 0};
        struct dependency_descriptor d;
        size_t size = bits(in, rows[i]);
        assert_int_equal(dependency_read(&d, &s, in, size), -EBADMSG);
        assert_int_equal(s.n_templates, 0);
    }
    /* 65 templates of one layer, for which 64 bytes would hold the rest */
    uint8_t many[64] = {0x80, 0, 0, 0x80, 0};
    struct dependency_structure s = {.n_templates = 0};
    struct dependency_descriptor d;
    assert_int_equal(dependency_read(&d, &s, many, sizeof(many)), -EBADMSG);
}

static void random_frame(struct dependency_frame *f, const struct dependency_structure *s,
                         uint32_t *seed, bool own)
{
    for (unsigned i = 0; i < s->n_targets; i++)
        f->dti[i] = (uint8_t)random_below(seed, 4);
    f->n_references = (uint8_t)random_below(seed, DEPENDENCY_MAX_REFERENCES + 1);
    for (unsigned i = 0; i < f->n_references; i++)
        f->references[i] = (uint16_t)(1 + random_below(seed, own ? 4096 : 16));
    for (unsigned c = 0; c < s->n_chains; c++)
        f->chains[c] = (uint8_t)random_below(seed, own ? 256 : 16);
}

static void random_structure(struct dependency_structure *s, uint32_t *seed)
{
    memset(s, 0, sizeof(*s));
    s->first_id = (uint8_t)random_below(seed, 64);
    s->n_targets = (uint8_t)(1 + random_below(seed, DEPENDENCY_MAX_TARGETS));
    s->n_chains = (uint8_t)random_below(seed, s->n_targets + 1u);
    for (unsigned i = 0; s->n_chains > 0 && i < s->n_targets; i++)
        s->protected_by[i] = (uint8_t)random_below(seed, s->n_chains);
    unsigned n = 1 + random_below(seed, random_below(seed, 4) ? 8 : DEPENDENCY_MAX_TEMPLATES);
    uint8_t spatial = 0, temporal = 0;
    for (unsigned i = 0; i < n; i++) {
        s->templates[i].spatial_id = spatial;
        s->templates[i].temporal_id = temporal;
        s->n_spatial = (uint8_t)(spatial + 1);
        random_frame(&s->templates[i], s, seed, false);
        unsigned step = random_below(seed, 3);
        if (step == 1 && temporal + 1 < DEPENDENCY_MAX_TEMPORAL) {
            temporal++;
        } else if (step == 2 && spatial + 1 < DEPENDENCY_MAX_SPATIAL) {
            spatial++;
            temporal = 0;
        }
    }
    s->n_templates = (uint8_t)n;
    s->has_sizes = random_below(seed, 2);
    for (unsigned i = 0; s->has_sizes && i < s->n_spatial; i++) {
        s->width[i] = 1 + random_below(seed, 65536);
        s->height[i] = 1 + random_below(seed, 65536);
    }
}

static void test_anything_written_is_read_the_same(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (unsigned round = 0; round < 3000; round++) {
        static struct dependency_structure s, read;
        static uint8_t out[4096];
        random_structure(&s, &seed);
        memset(&read, 0, sizeof(read));
        for (unsigned i = 0; i < 4; i++) {
            struct dependency_descriptor d = {.has_structure = i == 0}, back;
            d.starts_frame = random_below(&seed, 2);
            d.ends_frame = random_below(&seed, 2);
            d.frame_number = (uint16_t)random_below(&seed, 65536);
            d.has_active_targets = random_below(&seed, 2);
            if (d.has_active_targets)
                d.active_targets = random_below(&seed, 1u << (s.n_targets < 24 ? s.n_targets : 24));
            d.frame = s.templates[random_below(&seed, s.n_templates)];
            if (i > 1)
                random_frame(&d.frame, &s, &seed, true);
            size_t size = dependency_write(out, sizeof(out), &d, &s);
            assert_true(size >= 3);
            if (i == 1 && !d.has_active_targets)
                assert_int_equal(size, 3);
            uint8_t *exact = malloc(size);
            memcpy(exact, out, size);
            assert_int_equal(dependency_read(&back, &read, exact, size), 0);
            free(exact);
            assert_int_equal(back.starts_frame, d.starts_frame);
            assert_int_equal(back.ends_frame, d.ends_frame);
            assert_int_equal(back.frame_number, d.frame_number);
            assert_int_equal(back.has_structure, d.has_structure);
            assert_int_equal(back.has_active_targets, d.has_active_targets);
            if (d.has_active_targets)
                assert_int_equal(back.active_targets, d.active_targets);
            assert_same_frame(&back.frame, &d.frame, &s);
            assert_memory_equal(&read, &s, sizeof(s));
        }
    }
}

static void test_random_bytes_do_no_harm(void **state)
{
    (void)state;
    uint32_t seed = 3;
    unsigned read_whole = 0;
    struct dependency_structure s = {.n_templates = 0};
    for (unsigned round = 0; round < 50000; round++) {
        size_t size = random_below(&seed, 40);
        uint8_t *exact = malloc(size + 1);
        for (size_t i = 0; i < size; i++)
            exact[1 + i] = (uint8_t)random_below(&seed, 256);
        struct dependency_descriptor d;
        read_whole += dependency_read(&d, &s, exact + 1, size) == 0;
        free(exact);
    }
    assert_true(read_whole > 100);
}

/* --- our own streams --- */

static const uint8_t patterns[3][4] = {{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 1, 2}};

static void test_patterns_take_three_bytes(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 3; n++) {
        struct dependency_structure s;
        struct dependency_tracker t;
        dependency_structure_init(&s, n);
        dependency_tracker_init(&t, n);
        uint16_t number = 65530; /* it wraps */
        for (unsigned i = 0; i < 200; i++, number++) {
            struct dependency_descriptor d = {.frame_number = number};
            bool key = i % 44 == 0;
            assert_true(dependency_next(&t, &d.frame, number, patterns[n - 1][i % 4], key));
            d.has_structure = key;
            uint8_t out[DEPENDENCY_OWN_SIZE];
            size_t size = dependency_write(out, sizeof(out), &d, &s);
            if (key)
                assert_in_range(size, 4, DEPENDENCY_OWN_SIZE);
            else
                assert_int_equal(size, 3);
            assert_int_equal(d.frame.n_references, key ? 0 : 1);
        }
    }
}

/* Whatever order the layers come in: what a viewer up to a layer gets never refers to a frame that
 * it does not get, nor across a keyframe, and its chain is the frames of the base layer. */
static void test_upper_layers_can_be_left_out(void **state)
{
    (void)state;
    uint32_t seed = 11;
    for (unsigned round = 0; round < 200; round++) {
        unsigned n = 1 + random_below(&seed, 3), last_base = 0, last_key = 0;
        uint8_t layer[300];
        struct dependency_tracker t;
        dependency_tracker_init(&t, n);
        for (unsigned i = 0; i < 300; i++) {
            struct dependency_frame f;
            bool key = i == 0 || random_below(&seed, 30) == 0;
            layer[i] = key ? 0 : (uint8_t)random_below(&seed, n);
            assert_true(dependency_next(&t, &f, (uint16_t)(65400 + i), layer[i], key));
            assert_int_equal(f.chains[0], key ? 0 : i - last_base);
            if (key)
                last_key = i;
            else
                assert_true(i - f.references[0] >= last_key && f.references[0] <= i);
            if (!key && layer[i] > 0)
                assert_true(layer[i - f.references[0]] < layer[i]);
            if (!key && layer[i] == 0)
                assert_int_equal(f.references[0], i - last_base);
            for (unsigned target = 0; target < n; target++)
                assert_int_equal(f.dti[target] == DEPENDENCY_ABSENT, target < layer[i]);
            if (layer[i] == 0)
                last_base = i;
        }
    }
}

static void test_what_cannot_be_described(void **state)
{
    (void)state;
    struct dependency_tracker t;
    struct dependency_frame f;
    dependency_tracker_init(&t, 2);
    assert_false(dependency_next(&t, &f, 1, 0, false)); /* no keyframe yet */
    assert_false(dependency_next(&t, &f, 1, 1, true));  /* not in the base layer */
    assert_true(dependency_next(&t, &f, 1, 0, true));
    assert_false(dependency_next(&t, &f, 2, 2, false)); /* no such layer */
    assert_false(dependency_next(&t, &f, 1, 1, false)); /* the same number again */
    assert_true(dependency_next(&t, &f, 256, 1, false));
    assert_int_equal(f.chains[0], 255);
    assert_false(dependency_next(&t, &f, 257, 1, false)); /* the base layer is too far back */
    assert_false(dependency_next(&t, &f, 257, 0, false));
    assert_true(dependency_next(&t, &f, 257, 0, true));
    assert_true(dependency_next(&t, &f, 258, 1, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_a_structure_bit_by_bit),
        cmocka_unit_test(test_reads_everything_bit_by_bit),
        cmocka_unit_test(test_three_bytes),
        cmocka_unit_test(test_without_its_structure),
        cmocka_unit_test(test_truncated_at_every_size),
        cmocka_unit_test(test_refuses_what_is_out_of_bounds),
        cmocka_unit_test(test_anything_written_is_read_the_same),
        cmocka_unit_test(test_random_bytes_do_no_harm),
        cmocka_unit_test(test_patterns_take_three_bytes),
        cmocka_unit_test(test_upper_layers_can_be_left_out),
        cmocka_unit_test(test_what_cannot_be_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
