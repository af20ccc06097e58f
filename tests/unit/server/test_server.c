/* test_server.c - a whole server, as those who come to it see it. */
#include "tests/unit/server/server_fixture.h"

static int setup(void **state)
{
    static const char *const options[] = {"--source", "pattern:384x176", NULL};
    struct fixture *f = calloc(1, sizeof(*f));
    fixture_start(f, options);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

static void is_news(int presenter, const char *type, unsigned viewers, const char *id)
{
    char text[120];
    snprintf(text, sizeof(text), "{\"type\":\"%s\",\"viewers\":%u,\"peerId\":\"%s\"}", type,
             viewers, id);
    fixture_until(presenter, type);
    assert_string_equal(body_buffer, text);
}

static void presenters_hear_how_many_watch(void **state)
{
    const struct fixture *f = *state;
    char first[16], second[16], third[16], path[64];
    int presenter = fixture_present(f);
    int a = fixture_watch(f, first);
    is_news(presenter, "viewer-joined", 1, first);
    int idle = fixture_join(f, third); /* it never answers: nobody hears of it */
    close(idle);
    int b = fixture_watch(f, second);
    is_news(presenter, "viewer-joined", 2, second);
    ws_send(a, "{\"type\":\"join\",\"role\":\"viewer\",\"client\":\"test\"}"); /* and begins anew */
    is_news(presenter, "viewer-left", 1, first);
    snprintf(path, sizeof(path), "/api/v1/viewers/%s", second);
    assert_int_equal(fixture_ask(f, "DELETE", path, FIXTURE_ADMIN, NULL).status, 204);
    is_news(presenter, "viewer-left", 0, second);
    close(a);
    close(b);
    close(presenter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(presenters_hear_how_many_watch, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
