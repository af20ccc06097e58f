/* test_assets.c - the embedded pages: found, packed, and small enough all together. */
#include "signaling/assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define BUDGET (150u * 1000u) /* all pages, as they are sent */

static void files_are_found_by_name(void **state)
{
    (void)state;
    const struct asset *page = assets_find("viewer.html");
    assert_non_null(page);
    assert_string_equal(page->content_type, "text/html; charset=utf-8");
    assert_memory_equal(page->plain.data, "<!doctype html>", 15);
    assert_null(assets_find("viewer"));
    assert_null(assets_find(""));
}

/* RFC 1952 2.3: the magic at the front, the length of what is packed in the last four bytes. */
static void what_is_packed_is_the_same_file(void **state)
{
    (void)state;
    size_t sent = 0;
    for (unsigned i = 0; i < assets_count; i++) {
        const struct asset *a = &assets[i];
        const struct asset_form *z = &a->gzip;
        sent += z->size > 0 ? z->size : a->plain.size;
        assert_int_equal(a->plain.etag[0], '"');
        if (z->size == 0)
            continue;
        const unsigned char *end = z->data + z->size - 4;
        assert_true(z->size < a->plain.size);
        assert_memory_equal(z->data, "\x1f\x8b\x08", 3);
        assert_int_equal(end[0] | end[1] << 8 | end[2] << 16, a->plain.size);
        assert_string_not_equal(z->etag, a->plain.etag);
    }
    assert_in_range(sent, 1, BUDGET);
}

static void no_browser_gets_comments(void **state)
{
    (void)state;
    const struct asset *script = assets_find("viewer.js");
    assert_memory_equal(script->plain.data, "import ", 7);
    assert_null(memmem(script->plain.data, script->plain.size, "\n ", 2));
    assert_null(memmem(script->plain.data, script->plain.size, "\n/*", 3));
}

static void gzip_is_sent_to_who_takes_it(void **state)
{
    (void)state;
    static const char *const yes[] = {"gzip", "gzip, deflate, br, zstd", "br;q=1, GZIP;q=0.2",
                                      " , deflate,gzip ;q=1", "identity,gzip"};
    static const char *const no[] = {
        "", "br", "gzip;q=0", "gzip; q=0.000, br", "gzipped, xgzip", ",", ";", "identity;q=gzip"};
    for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(assets_gzip_accepted(yes[i]));
    for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(assets_gzip_accepted(no[i]));
    assert_false(assets_gzip_accepted(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_found_by_name),
        cmocka_unit_test(what_is_packed_is_the_same_file),
        cmocka_unit_test(no_browser_gets_comments),
        cmocka_unit_test(gzip_is_sent_to_who_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
