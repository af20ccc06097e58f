/* test_web_origins.c - which sites' pages are let in. */
#include "signaling/web_origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void pages_are_let_in(void **state)
{
    (void)state;
    static const struct {
        const char *list, *origin, *host;
        bool is_allowed;
    } rows[] = {
        {NULL, "https://evil.example", "live.example", true},
        {"", "null", NULL, true},
        {"*", "https://evil.example", "live.example", true},
        {"self", "https://evil.example", "live.example", false},
        {"self", "https://live.example", "live.example", true},
        {"self", "http://LIVE.example:8080", "live.example:8080", true},
        {"self", "http://live.example:8081", "live.example:8080", false},
        {"self", "https://live.example.evil.example", "live.example", false},
        {"self", "null", "live.example", false}, /* a sandboxed frame, a file */
        {"self", "ftp://live.example", "live.example", false},
        {"self", "https://live.example", NULL, false},
        {"self", NULL, "live.example", true},
        {"https://a.example, https://b.example:444", "https://b.example:444", "x", true},
        {"https://a.example, https://b.example:444", "https://b.example", "x", false},
        {"https://a.example", "http://a.example", "x", false},
        {"https://a.example", "HTTPS://A.EXAMPLE", "x", true},
        {"https://a.example", "https://x", "x", true},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct web_origins o;
        assert_true(web_origins_parse(&o, rows[i].list));
        if (web_origins_allow(&o, rows[i].origin, rows[i].host) != rows[i].is_allowed)
            fail_msg("row %u", i);
    }
}

static void lists_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ",",
        "a.example",
        "https://",
        "https://a.example/",
        "https://a example",
        "*,self",
        "https://a.example,",
        "https://a.example\r\nX: y",
        "ws://a.example",
    };
    struct web_origins o;
    char many[WEB_ORIGINS_MAX * 24] = "http://a", longest[200] = "https://";
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (web_origins_parse(&o, bad[i]))
            fail_msg("%s was taken", bad[i]);
    for (unsigned i = 1; i < WEB_ORIGINS_MAX; i++)
        strcat(many, ",http://a");
    assert_true(web_origins_parse(&o, many));
    assert_false(web_origins_parse(&o, strcat(many, ",http://a")));
    memset(longest + 8, 'a', WEB_ORIGIN_MAX - 9);
    assert_true(web_origins_parse(&o, longest));
    assert_false(web_origins_parse(&o, strcat(longest, "a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_let_in),
        cmocka_unit_test(lists_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
