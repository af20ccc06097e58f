/* test_token.c - tokens and room codes. */
#include "signaling/room_code.h"
#include "signaling/token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void tokens_are_base64url(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const size_t lengths[] = {0, 2, 3, 4, 6, 7, 8};
    char text[128];
    for (size_t bytes = 0; bytes < 7; bytes++) {
        assert_int_equal(token_random(text, sizeof(text), bytes), 0);
        assert_int_equal(strlen(text), lengths[bytes]);
    }
    bool seen[64] = {false};
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(token_random(text, sizeof(text), 64), 0);
        assert_int_equal(strlen(text), 86);
        for (const char *c = text; *c; c++) {
            assert_non_null(strchr(digits, *c));
            seen[strchr(digits, *c) - digits] = true;
        }
    }
    for (unsigned i = 0; i < 64; i++)
        assert_true(seen[i]);
}

static void tokens_differ(void **state)
{
    (void)state;
    char a[TOKEN_SIZE], b[TOKEN_SIZE];
    assert_int_equal(token_random(a, sizeof(a), TOKEN_BYTES), 0);
    assert_int_equal(token_random(b, sizeof(b), TOKEN_BYTES), 0);
    assert_int_equal(strlen(a), 22);
    assert_string_not_equal(a, b);
}

static void tokens_need_room(void **state)
{
    (void)state;
    char text[256];
    assert_int_equal(token_random(text, TOKEN_SIZE - 1, TOKEN_BYTES), -ENOSPC);
    assert_int_equal(token_random(text, sizeof(text), 65), -ENOSPC);
}

static void tokens_compare(void **state)
{
    (void)state;
    assert_true(token_equal("", ""));
    assert_true(token_equal("secret", "secret"));
    assert_false(token_equal("secret", "secreT"));
    assert_false(token_equal("secret", "Secret"));
    assert_false(token_equal("secret", "secrets"));
    assert_false(token_equal("secret", ""));
}

static void codes_are_normalized(void **state)
{
    (void)state;
    char out[BACKEND_ROOM_MAX], text[80];
    assert_true(room_code_normalize(out, "swift-Otter-042"));
    assert_string_equal(out, "SWIFT-OTTER-042");
    assert_true(room_code_normalize(out, "-"));
    memset(text, 'a', 63);
    text[63] = '\0';
    assert_true(room_code_normalize(out, text));
    assert_int_equal(strlen(out), 63);
    strcat(text, "a");
    assert_false(room_code_normalize(out, text));
    static const char *const bad[] = {"", "a b", "a/b", "a.b", "a_b", "\xc3\xa4", "a\n", "a%20"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(room_code_normalize(out, bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_base64url), cmocka_unit_test(tokens_differ),
        cmocka_unit_test(tokens_need_room),     cmocka_unit_test(tokens_compare),
        cmocka_unit_test(codes_are_normalized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
