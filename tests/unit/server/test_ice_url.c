#include "server/ice_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void good_ones_are_taken(void **state)
{
    (void)state;
    static const struct {
        bool turn;
        const char *text, *host;
        unsigned port;
        bool tcp;
        const char *whole;
    } rows[] = {
        {false, "stun:stun.example.org", "stun.example.org", 3478, false,
         "stun:stun.example.org:3478"},
        {false, "192.0.2.1:19302", "192.0.2.1", 19302, false, "stun:192.0.2.1:19302"},
        {false, "[2001:db8::1]:1", "2001:db8::1", 1, false, "stun:[2001:db8::1]:1"},
        {true, "turn:a", "a", 3478, false, "turn:a:3478?transport=udp"},
        {true, "a-b.C:65535?transport=tcp", "a-b.C", 65535, true, "turn:a-b.C:65535?transport=tcp"},
        {true, "turn:[::1]?transport=udp", "::1", 3478, false, "turn:[::1]:3478?transport=udp"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ice_url u;
        assert_true(rows[i].turn ? ice_url_parse_turn(&u, rows[i].text)
                                 : ice_url_parse_stun(&u, rows[i].text));
        assert_string_equal(u.host, rows[i].host);
        assert_int_equal(u.port, rows[i].port);
        assert_int_equal(u.tcp, rows[i].tcp);
        assert_string_equal(u.text, rows[i].whole);
    }
}

static void bad_ones_are_not(void **state)
{
    (void)state;
    static const char *const both[] = {
        "",     ":3478",  "a:",      "a:0",      "a:65536",  "a:-1", "a:x",      "a b",
        "a/b",  "[::1",   "[]",      "[a.b]:1x", "a:1:2",    "::1",  "http://a", "a?transport=sctp",
        "a:1 ", "user@a", "turns:a", "a\"b",     "a:123456",
    };
    struct ice_url u;
    char longest[ICE_URL_HOST_MAX + 1];
    for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
        if (ice_url_parse_stun(&u, both[i]) || ice_url_parse_turn(&u, both[i]))
            fail_msg("%s was taken", both[i]);
    }
    assert_false(ice_url_parse_stun(&u, "a?transport=udp"));
    memset(longest, 'a', sizeof(longest));
    longest[ICE_URL_HOST_MAX] = '\0';
    assert_false(ice_url_parse_turn(&u, longest));
    longest[ICE_URL_HOST_MAX - 1] = '\0';
    assert_true(ice_url_parse_turn(&u, longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_taken),
        cmocka_unit_test(bad_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
