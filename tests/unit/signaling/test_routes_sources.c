/* test_routes_sources.c - the admin's paths for sources, and joins that have to wait: whole
 * requests without a socket. */
#include "signaling/routes.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SOURCES "/api/v1/rooms/swift-otter-042/sources"

static struct fake fake;
static struct routes *routes;
static struct routes_answer answer;
static char body[1000]; /* of the last answer */

static int setup(void **state)
{
    (void)state;
    fake_init(&fake, 2);
    fake_use_sources(&fake);
    routes = routes_create(&fake.backend);
    return routes ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    routes_destroy(routes);
    return 0;
}

static int handle(const struct routes_request *request)
{
    routes_handle(routes, request, &answer);
    snprintf(body, sizeof(body), "%.*s", (int)answer.body_size,
             answer.body ? (const char *)answer.body : "");
    free(answer.owned);
    return answer.status;
}

static int ask(enum routes_method method, const char *path, const char *text)
{
    struct routes_request request = {
        .method = method,
        .path = path,
        .authorization = "Bearer " FAKE_TOKEN,
        .content_type = text ? "application/json" : NULL,
        .body = text,
        .body_size = text ? strlen(text) : 0,
    };
    return handle(&request);
}

/* What became of the source that was asked for last. */
static int become(int status)
{
    const struct backend_source_added result = {.ticket = answer.waits_for_source,
                                                .status = status,
                                                .room = FAKE_ROOM,
                                                .slot = 3,
                                                .error = "the fake has no camera"};
    assert_int_equal(result.ticket, fake.last_ticket);
    routes_source_added(&result, ROUTES_POST, "*", &answer);
    snprintf(body, sizeof(body), "%.*s", (int)answer.body_size, (const char *)answer.body);
    free(answer.owned);
    return answer.status;
}

static void body_has(const char *what)
{
    if (!strstr(body, what))
        fail_msg("missing %s in %s", what, body);
}

static void sources_are_added(void **state)
{
    (void)state;
    ask(ROUTES_POST, SOURCES, "{\"source\":\"screen:1\",\"fps\":15,\"audio\":\"tone\"}");
    assert_int_equal(become(0), 201);
    assert_non_null(strstr(answer.head, "Access-Control-Allow-Origin: *\r\n"));
    assert_string_equal(body, "{\"trackId\":\"video3\"}");
    assert_non_null(
        strstr(answer.head, "Location: /api/v1/rooms/" FAKE_ROOM "/sources/video3\r\n"));
    assert_string_equal(fake.source_room, FAKE_ROOM);
    assert_string_equal(fake.source, "screen:1");
    assert_string_equal(fake.source_options, "{\"fps\":15,\"audio\":\"tone\"}");
}

static void refusals_say_why(void **state)
{
    (void)state;
    static const struct {
        int error, status;
    } rows[] = {{-ENOENT, 404}, {-ENOSPC, 409}, {-EINVAL, 422}, {-ENODEV, 422},
                {-EAGAIN, 503}, {-ENOMEM, 500}, {-EIO, 500}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake.source_status = 0;
        ask(ROUTES_POST, SOURCES, "{\"source\":\"camera\"}");
        assert_int_equal(become(rows[i].error), rows[i].status);
        body_has("the fake has no camera");
        fake.source_status = rows[i].error;
        assert_int_equal(ask(ROUTES_POST, SOURCES, "{\"source\":\"camera\"}"), rows[i].status);
        body_has("the fake has no camera");
        assert_int_equal(ask(ROUTES_PATCH, SOURCES "/video1", "{\"fps\":15}"), rows[i].status);
        body_has("the fake does not change");
        assert_int_equal(ask(ROUTES_DELETE, SOURCES "/video1", NULL), rows[i].status);
    }
    fake.source_status = 0;
    assert_int_equal(ask(ROUTES_POST, SOURCES, "{}"), 400);
    assert_int_equal(ask(ROUTES_POST, SOURCES, NULL), 415);
    assert_int_equal(ask(ROUTES_PATCH, SOURCES "/video1", "{\"fps\":0}"), 400);
    body_has("fps");
    assert_int_equal(ask(ROUTES_DELETE, SOURCES "/video8", NULL), 404);
    assert_int_equal(ask(ROUTES_DELETE, SOURCES "/", NULL), 404);
    assert_int_equal(ask(ROUTES_GET, SOURCES, NULL), 405);
    assert_int_equal(ask(ROUTES_POST, SOURCES "/video1", "{}"), 405);
    assert_int_equal(ask(ROUTES_POST, "/api/v1/rooms/A B/sources", "{}"), 404);
    assert_int_equal(ask(ROUTES_POST, "/api/v1/rooms/A/other", "{}"), 404);
    assert_int_equal(ask(ROUTES_OPTIONS, SOURCES, NULL), 204);
    assert_int_equal(ask(ROUTES_OPTIONS, SOURCES "/video0", NULL), 204);
}

static void sources_are_changed_and_removed(void **state)
{
    (void)state;
    assert_int_equal(ask(ROUTES_PATCH, SOURCES "/video5",
                         "{\"bitrate_kbps\":800,\"paused\":true,\"rate_control\":\"cbr\"}"),
                     204);
    assert_int_equal(fake.source_slot, 5);
    assert_int_equal(fake.change.bitrate_kbps, 800);
    assert_int_equal(fake.change.fps, -1);
    assert_int_equal(fake.change.paused, 1);
    assert_string_equal(fake.change.rate_control, "cbr");
    assert_int_equal(ask(ROUTES_DELETE, SOURCES "/video2", NULL), 204);
    assert_int_equal(fake.n_removed, 1);
    assert_int_equal(fake.source_slot, 2);
}

/* Displays take their time: the answer comes when the list does. */
static void what_could_be_added_is_listed(void **state)
{
    (void)state;
    static const enum routes_method methods[] = {ROUTES_GET, ROUTES_HEAD};
    static const char list[] = "{\"sources\":[]}";
    for (int i = 0; i < 2; i++) {
        ask(methods[i], "/api/v1/sources", NULL);
        assert_int_not_equal(answer.waits_for_source, 0);
        assert_int_equal(answer.waits_for_source, fake.last_ticket);
        const struct backend_source_added result = {.ticket = answer.waits_for_source,
                                                    .list = strdup(list)};
        routes_source_added(&result, methods[i], "*", &answer);
        assert_int_equal(answer.status, 200);
        assert_non_null(strstr(answer.head, "Content-Length: 14\r\n"));
        assert_int_equal(answer.body_size, methods[i] == ROUTES_HEAD ? 0 : strlen(list));
        assert_memory_equal(answer.body, list, answer.body_size);
        free(answer.owned);
    }
    fake.source_status = -EAGAIN;
    assert_int_equal(ask(ROUTES_GET, "/api/v1/sources", NULL), 503);
    assert_int_equal(answer.waits_for_source, 0);
}

static void only_the_admin_may(void **state)
{
    (void)state;
    static const struct routes_request requests[] = {
        {.method = ROUTES_POST, .path = SOURCES, .content_type = "application/json"},
        {.method = ROUTES_DELETE, .path = SOURCES "/video0"},
        {.method = ROUTES_PATCH, .path = SOURCES "/video0"},
        {.method = ROUTES_GET, .path = "/api/v1/sources"},
    };
    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_int_equal(handle(&requests[i]), 401);
        assert_non_null(strstr(answer.head, "WWW-Authenticate: Bearer"));
    }
    assert_int_equal(fake.n_removed, 0);
}

static void a_server_may_have_none_of_it(void **state)
{
    (void)state;
    fake.backend.add_source = NULL;
    fake.backend.remove_source = NULL;
    fake.backend.set_source = NULL;
    fake.backend.list_sources = NULL;
    assert_int_equal(ask(ROUTES_POST, SOURCES, "{\"source\":\"screen\"}"), 501);
    assert_int_equal(ask(ROUTES_PATCH, SOURCES "/video0", "{}"), 501);
    assert_int_equal(ask(ROUTES_DELETE, SOURCES "/video0", NULL), 501);
    assert_int_equal(ask(ROUTES_GET, "/api/v1/sources", NULL), 501);
}

static void bodies_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(routes_body_limit(ROUTES_POST, SOURCES), ROUTES_JSON_MAX);
    assert_int_equal(routes_body_limit(ROUTES_PATCH, SOURCES "/video0"), ROUTES_JSON_MAX);
    assert_int_equal(routes_body_limit(ROUTES_DELETE, SOURCES "/video0"), 0);
    assert_int_equal(routes_body_limit(ROUTES_POST, "/api/v1/rooms/A"), 0);
}

static unsigned wait_s;

static unsigned admit(void *arg)
{
    (void)arg;
    return wait_s;
}

static void joins_may_have_to_wait(void **state)
{
    (void)state;
    struct routes_request post = {
        .method = ROUTES_POST,
        .path = "/whep/" FAKE_ROOM,
        .content_type = "application/sdp",
        .body = chromium_offer,
        .body_size = strlen(chromium_offer),
        .admit = admit,
    };
    wait_s = 4;
    assert_int_equal(handle(&post), 429);
    assert_non_null(strstr(answer.head, "HTTP/1.1 429 Too Many Requests\r\n"));
    assert_non_null(strstr(answer.head, "Retry-After: 4\r\n"));
    assert_non_null(strstr(answer.head, "application/problem+json"));
    body_has("too many joins");
    assert_int_equal(fake.reserved, 0);
    wait_s = 0;
    assert_int_equal(handle(&post), 201);
}

static void a_viewer_is_shown_and_removed(void **state)
{
    (void)state;
    struct routes_request stranger = {.method = ROUTES_GET, .path = "/api/v1/viewers/7"};
    assert_int_equal(handle(&stranger), 401);
    stranger.method = ROUTES_DELETE;
    assert_int_equal(handle(&stranger), 401);
    assert_int_equal(ask(ROUTES_GET, "/api/v1/viewers/7", NULL), 200);
    assert_string_equal(body, "{\"id\":\"7\"}");
    static const char *const nobody[] = {"8", "",           "7x",          "-7",
                                         "0", "4294967303", "99999999999", "7/"};
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "/api/v1/viewers/%s", nobody[i]);
        assert_int_equal(ask(ROUTES_GET, path, NULL), 404);
        assert_int_equal(ask(ROUTES_DELETE, path, NULL), 404);
    }
    assert_int_equal(ask(ROUTES_POST, "/api/v1/viewers/7", "{}"), 405);
    assert_int_equal(ask(ROUTES_DELETE, "/api/v1/viewers/7", NULL), 204);
    assert_int_equal(ask(ROUTES_DELETE, "/api/v1/viewers/7", NULL), 404);
    assert_int_equal(ask(ROUTES_GET, "/api/v1/viewers/7", NULL), 404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sources_are_added),
        TEST(refusals_say_why),
        TEST(sources_are_changed_and_removed),
        TEST(what_could_be_added_is_listed),
        TEST(only_the_admin_may),
        TEST(a_server_may_have_none_of_it),
        TEST(bodies_are_bounded),
        TEST(joins_may_have_to_wait),
        TEST(a_viewer_is_shown_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
