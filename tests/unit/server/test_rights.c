#include "server/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define ROOM "CALM-FOX-007"

static struct watch_tokens tokens; /* none is good: there is no key */
static const struct rights open_room = {.secret = "the presenter's own"};
static const struct rights closed_room = {.secret = "the presenter's own", .password = "sesame"};

static enum backend_access watch(const struct rights *r, const char *bearer, const char *secret)
{
    struct backend_grant grant = {.best_layer = 9};
    enum backend_access access = rights_may_watch(
        r, &tokens, ROOM, &(struct backend_credential){.bearer = bearer, .secret = secret}, 0,
        &grant);
    assert_int_equal(grant.best_layer, 0);
    return access;
}

static enum backend_access publish(const struct rights *r, const char *bearer, const char *secret)
{
    return rights_may_publish(r, &(struct backend_credential){.bearer = bearer, .secret = secret});
}

static void equal_is_equal(void **state)
{
    (void)state;
    char longest[RIGHTS_TEXT_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    longest[RIGHTS_TEXT_MAX] = '\0';
    assert_false(rights_equal(longest, longest));
    longest[RIGHTS_TEXT_MAX - 1] = '\0';
    assert_true(rights_equal(longest, longest));
    assert_true(rights_equal("", ""));
    assert_false(rights_equal("a", ""));
    assert_false(rights_equal("a", "ab"));
    assert_false(rights_equal("a", longest));
    assert_false(rights_equal("Sesame", "sesame"));
}

static void an_open_room_is_watched_by_anybody(void **state)
{
    (void)state;
    assert_int_equal(watch(&open_room, NULL, NULL), BACKEND_ACCESS_GRANTED);
    assert_int_equal(watch(&open_room, "", ""), BACKEND_ACCESS_GRANTED);
    assert_int_equal(watch(&open_room, "whatever", "wrong"), BACKEND_ACCESS_GRANTED);
}

static void a_password_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(watch(&closed_room, NULL, NULL), BACKEND_ACCESS_REQUIRED);
    assert_int_equal(watch(&closed_room, "", NULL), BACKEND_ACCESS_REQUIRED);
    assert_int_equal(watch(&closed_room, "sesame", NULL), BACKEND_ACCESS_GRANTED);
    assert_int_equal(watch(&closed_room, "sesame ", NULL), BACKEND_ACCESS_INVALID);
    assert_int_equal(watch(&closed_room, "sesam", NULL), BACKEND_ACCESS_INVALID);
    assert_int_equal(watch(&closed_room, "a.b.c", NULL), BACKEND_ACCESS_INVALID);
}

static void the_presenter_may_look_at_his_own(void **state)
{
    (void)state;
    assert_int_equal(watch(&closed_room, NULL, "the presenter's own"), BACKEND_ACCESS_GRANTED);
    assert_int_equal(watch(&closed_room, NULL, "somebody's else"), BACKEND_ACCESS_REQUIRED);
}

static void only_the_secret_publishes(void **state)
{
    (void)state;
    assert_int_equal(publish(&closed_room, NULL, "the presenter's own"), BACKEND_ACCESS_GRANTED);
    assert_int_equal(publish(&closed_room, "the presenter's own", NULL), BACKEND_ACCESS_GRANTED);
    assert_int_equal(publish(&closed_room, "sesame", NULL), BACKEND_ACCESS_INVALID);
    assert_int_equal(publish(&closed_room, NULL, "sesame"), BACKEND_ACCESS_INVALID);
    assert_int_equal(publish(&closed_room, NULL, NULL), BACKEND_ACCESS_REQUIRED);
    assert_int_equal(publish(&open_room, "", ""), BACKEND_ACCESS_REQUIRED);
    assert_int_equal(publish(&(struct rights){.secret = ""}, "", ""), BACKEND_ACCESS_REQUIRED);
    assert_int_equal(publish(&(struct rights){.secret = ""}, "x", ""), BACKEND_ACCESS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_is_equal),
        cmocka_unit_test(an_open_room_is_watched_by_anybody),
        cmocka_unit_test(a_password_is_asked_for),
        cmocka_unit_test(the_presenter_may_look_at_his_own),
        cmocka_unit_test(only_the_secret_publishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
