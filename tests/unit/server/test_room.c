#include "server/room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <regex.h>
#include <string.h>

static void codes_have_their_form_and_differ(void **state)
{
    (void)state;
    regex_t form;
    assert_int_equal(regcomp(&form, "^[A-Z]+-[A-Z]+-[0-9]{3}$", REG_EXTENDED | REG_NOSUB), 0);
    char last[BACKEND_ROOM_MAX] = "";
    uint64_t random = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 1000; i++) {
        char code[BACKEND_ROOM_MAX];
        room_make_code(code, random);
        assert_int_equal(regexec(&form, code, 0, NULL, 0), 0);
        assert_string_not_equal(code, last);
        memcpy(last, code, sizeof(last));
        random = random * 6364136223846793005u + 1442695040888963407u;
    }
    regfree(&form);
}

static void viewers_are_counted_with_their_peak(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, "CALM-FOX-007", 5);
    for (int i = 0; i < 3; i++)
        room_viewer_added(&r);
    room_viewer_removed(&r);
    room_viewer_added(&r);
    room_viewer_removed(&r);
    assert_int_equal(r.viewers, 2);
    assert_int_equal(r.viewers_peak, 3);
    struct backend_room about;
    room_describe(&r, &about);
    assert_string_equal(about.code, "CALM-FOX-007");
    assert_int_equal(about.viewers, 2);
    assert_false(about.live); /* nothing to watch in an empty room */
    room_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_their_form_and_differ),
        cmocka_unit_test(viewers_are_counted_with_their_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
