#include "capture/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd"

static void names_are_made_valid(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {"Terminal", "Terminal"},
        {"Übersicht – 日本 😀", "Übersicht – 日本 😀"},
        {"a\tb\nc\x7f", "a b c "},
        {"a\xff"
         "b",
         "a" BAD "b"},
        {"\x80", BAD},
        {"\xc3", BAD},                         /* cut off */
        {"\xe2\x82", BAD BAD},                 /* cut off */
        {"\xc0\xaf", BAD BAD},                 /* overlong */
        {"\xe0\x80\xaf", BAD BAD BAD},         /* overlong */
        {"\xed\xa0\x80", BAD BAD BAD},         /* a surrogate */
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond the last */
        {"\xc2\x85", " "},                     /* a control character of two bytes */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64];
        utf8_copy(out, sizeof(out), rows[i].in, strlen(rows[i].in));
        assert_string_equal(out, rows[i].out);
    }
}

static void names_are_cut_between_characters(void **state)
{
    static const char *const want[] = {"", "a", "a", "a", "a€", "a€ü"};
    static const size_t size[] = {1, 2, 3, 4, 5, 7};
    (void)state;
    for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        char out[8];
        memset(out, 0x55, sizeof(out));
        utf8_copy(out, size[i], "a€ü", strlen("a€ü"));
        assert_string_equal(out, want[i]);
        for (size_t k = size[i]; k < sizeof(out); k++)
            assert_int_equal(out[k], 0x55);
    }
    char out[4];
    utf8_copy(out, sizeof(out), "€b", 4); /* and nothing is put after what did not fit */
    assert_string_equal(out, "€");
}

static void ends_at_the_size_or_at_a_zero(void **state)
{
    (void)state;
    char out[16];
    utf8_copy(out, sizeof(out), "window", 3);
    assert_string_equal(out, "win");
    utf8_copy(out, sizeof(out), "a\0b", 3);
    assert_string_equal(out, "a");
}

static void latin1_becomes_utf8(void **state)
{
    (void)state;
    char out[16];
    utf8_from_latin1(out, sizeof(out), "M\xfcller\x85", 7);
    assert_string_equal(out, "Müller ");
    utf8_from_latin1(out, 2, "\xfc", 1);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_valid),
        cmocka_unit_test(names_are_cut_between_characters),
        cmocka_unit_test(ends_at_the_size_or_at_a_zero),
        cmocka_unit_test(latin1_becomes_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
