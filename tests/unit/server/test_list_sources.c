/* "amphi sources" without a display, where every machine has the same: pattern and tone. */
#include "server/list_sources.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char out_text[65536], err_text[4096];

static int run(int argc, char *const *argv)
{
    setenv("DISPLAY", ":4242", 1);
    memset(out_text, 0, sizeof(out_text));
    memset(err_text, 0, sizeof(err_text));
    FILE *out = fmemopen(out_text, sizeof(out_text) - 1, "w");
    FILE *err = fmemopen(err_text, sizeof(err_text) - 1, "w");
    assert_true(out && err);
    int status = list_sources(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return status;
}

static void table_names_what_the_options_take(void **state)
{
    (void)state;
    assert_int_equal(run(0, NULL), 0);
    const char *audio = strstr(out_text, "--audio\n"), *pattern = strstr(out_text, "\n  pattern ");
    assert_int_equal(strncmp(out_text, "--source\n", 9), 0);
    assert_true(pattern && audio && pattern < audio);
    assert_non_null(strstr(pattern, "1280x720 "));
    assert_non_null(strstr(audio, "\n  tone "));
}

static const json_t *find(const json_t *list, const char *source)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        if (strcmp(json_string_value(json_object_get(o, "source")), source) == 0)
            return o;
    }
    return NULL;
}

static void json_says_the_same(void **state)
{
    (void)state;
    assert_int_equal(run(1, (char *[]){"--json"}), 0);
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    const json_t *pattern = find(json_object_get(root, "sources"), "pattern");
    assert_non_null(pattern);
    assert_string_equal(json_string_value(json_object_get(pattern, "kind")), "pattern");
    assert_string_equal(json_string_value(json_object_get(pattern, "name")), "Test pattern");
    assert_int_equal(json_integer_value(json_object_get(pattern, "width")), 1280);
    assert_int_equal(json_integer_value(json_object_get(pattern, "height")), 720);
    const json_t *tone = find(json_object_get(root, "audio"), "tone");
    assert_non_null(tone);
    assert_string_equal(json_string_value(json_object_get(tone, "kind")), "audio");
    assert_null(json_object_get(tone, "width"));
    assert_null(find(json_object_get(root, "sources"), "tone"));
    json_decref(root);
}

static void unknown_options_are_refused(void **state)
{
    (void)state;
    assert_int_equal(run(1, (char *[]){"--jso"}), 2);
    assert_string_equal(err_text, "amphi: sources knows no \"--jso\": only --json\n");
    assert_string_equal(out_text, "");
    assert_int_equal(run(2, (char *[]){"--json", "x"}), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_names_what_the_options_take),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(unknown_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
