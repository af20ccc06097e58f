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

static void who_watches_hears_of_draining(void **state)
{
    static const char *const options[] = {"--source", "pattern:384x176", "--drain-timeout", "50",
                                          NULL};
    struct fixture f;
    char id[16];
    (void)state;
    fixture_start(&f, options);
    int presenter = fixture_present(&f), viewer = fixture_watch(&f, id);
    is_news(presenter, "viewer-joined", 1, id); /* who only has an offer is not waited for */
    server_drain(f.server);
    fixture_until(viewer, "draining");
    assert_string_equal(body_buffer, "{\"type\":\"draining\",\"endsInS\":50}");
    fixture_until(presenter, "draining");
    close(viewer);
    close(presenter);
    fixture_stop(&f);
}

/* --- options read anew --- */

static void write_options(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool may_page(const struct fixture *f, const char *origin)
{
    char headers[200];
    snprintf(headers, sizeof(headers), "Origin: %s\r\n", origin);
    struct reply r = fixture_ask(f, "GET", "/api/v1/rooms/" FIXTURE_ROOM, headers, NULL);
    assert_int_equal(r.status, 200);
    return header_of(&r, "Access-Control-Allow-Origin") != NULL;
}

static bool is_proxy_believed(const struct fixture *f)
{
    struct reply r = fixture_ask(f, "POST", "/api/v1/rooms",
                                 FIXTURE_ADMIN "Content-Type: application/json\r\n"
                                               "X-Forwarded-Proto: https\r\n",
                                 "{}");
    assert_int_equal(r.status, 201);
    return strstr(r.body, "\"watch_url\":\"https:") != NULL;
}

static void policies_are_read_anew(void **state)
{
    char path[] = "/tmp/amphi-test-options-XXXXXX";
    struct fixture f;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_options(path, "{\"allow-origin\": \"https://a.example\"}");
    fixture_start(&f, (const char *const[]){"--config", path, NULL});
    assert_true(may_page(&f, "https://a.example"));
    assert_false(may_page(&f, "https://b.example"));
    assert_false(is_proxy_believed(&f));
    write_options(path, "{\"allow-origin\": \"https://b.example\","
                        " \"trusted-proxy\": \"127.0.0.0/8\"}");
    server_reload(f.server);
    while (!may_page(&f, "https://b.example"))
        ;
    assert_false(may_page(&f, "https://a.example"));
    assert_true(is_proxy_believed(&f));
    fixture_stop(&f);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(presenters_hear_how_many_watch, setup, teardown),
        cmocka_unit_test(who_watches_hears_of_draining),
        cmocka_unit_test(policies_are_read_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
