/* test_qr.c - links as QR codes: the drawing is read back module by module. */
#include "signaling/qr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SIDE_MAX 80

struct drawing {
    int side;
    bool dark[SIDE_MAX][SIDE_MAX];
};

static void read_back(struct drawing *out, const char *svg)
{
    int x, y, width, used;
    memset(out, 0, sizeof(*out));
    assert_int_equal(sscanf(strstr(svg, "viewBox=\"0 0 "), "viewBox=\"0 0 %d", &out->side), 1);
    assert_in_range(out->side, 21 + 8, SIDE_MAX - 1);
    const char *at = strstr(svg, "<path d=\"");
    assert_non_null(at);
    for (at += strlen("<path d=\""); sscanf(at, "M%d %dh%dv1h-%*dz%n", &x, &y, &width, &used) == 3;
         at += used)
        for (int i = x; i < x + width; i++)
            out->dark[y][i] = true;
    assert_int_equal(strncmp(at, "\"/>", 3), 0);
}

/* ISO/IEC 18004 6.3.3: 7 modules, a dark ring, a light one, a dark square of 3. */
static void assert_finder(const struct drawing *d, int left, int top)
{
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 7; x++) {
            bool ring = x == 0 || x == 6 || y == 0 || y == 6;
            bool core = x >= 2 && x <= 4 && y >= 2 && y <= 4;
            assert_int_equal(d->dark[top + y][left + x], ring || core);
        }
}

static void readers_find_it(void **state)
{
    (void)state;
    struct drawing d;
    char *svg = qr_svg("https://example.org/SWIFT-OTTER-042");
    assert_non_null(svg);
    read_back(&d, svg);
    assert_finder(&d, 4, 4);
    assert_finder(&d, d.side - 11, 4);
    assert_finder(&d, 4, d.side - 11);
    for (int i = 0; i < d.side; i++) /* the quiet zone */
        for (int k = 0; k < 4; k++)
            assert_false(d.dark[k][i] || d.dark[i][k] || d.dark[d.side - 1 - k][i] ||
                         d.dark[i][d.side - 1 - k]);
    free(svg);
}

static void other_texts_are_other_codes(void **state)
{
    (void)state;
    char *a = qr_svg("https://example.org/A"), *b = qr_svg("https://example.org/B");
    assert_string_not_equal(a, b);
    free(a);
    free(b);
}

/* It is the path of an image of ours: what is asked for must not come back as markup. */
static void nothing_of_the_text_is_in_it(void **state)
{
    (void)state;
    char *svg = qr_svg("\"/><script>alert(1)</script>");
    assert_non_null(svg);
    assert_null(strstr(svg, "script"));
    free(svg);
}

static void the_longest_text_fits(void **state)
{
    (void)state;
    struct drawing d;
    char text[QR_TEXT_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    char *svg = qr_svg(text);
    assert_non_null(svg);
    read_back(&d, svg);
    free(svg);
    assert_null(qr_svg(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_find_it),
        cmocka_unit_test(other_texts_are_other_codes),
        cmocka_unit_test(nothing_of_the_text_is_in_it),
        cmocka_unit_test(the_longest_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
