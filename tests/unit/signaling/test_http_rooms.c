/* test_http_rooms.c - rooms by HTTP on a real port: make, read, change, end. */
#include "tests/unit/signaling/http_client.h"

static const char json[] = "Content-Type: application/json\r\n";
static const char with_secret[] =
    "Content-Type: application/json\r\nAuthorization: Bearer " FAKE_SECRET "\r\n";

static int setup_rooms(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 1);
    fake_use_publishing(&s->fake);
    start(s);
    *state = s;
    return 0;
}

static void makes(void **state)
{
    struct server *s = *state;
    struct reply r = ask(s, "POST", "/api/v1/rooms", json,
                         "{\"room\":\"my-room\",\"password\":\"river-12\",\"title\":\"Hello\"}");
    assert_int_equal(r.status, 201);
    header_is(&r, "Location", "/api/v1/rooms/MY-ROOM");
    header_is(&r, "Cache-Control", "no-store");
    assert_string_equal(r.body, "{\"room\":\"MY-ROOM\",\"secret\":\"" FAKE_SECRET "\","
                                "\"url\":\"http://amphi/MY-ROOM\","
                                "\"publish_url\":\"http://amphi/whip/MY-ROOM\","
                                "\"watch_url\":\"http://amphi/whep/MY-ROOM\"}");
    assert_string_equal(s->fake.made_code, "MY-ROOM");
    assert_string_equal(s->fake.password, "river-12");
    r = ask(s, "POST", "/api/v1/rooms", "", ""); /* any code will do */
    assert_int_equal(r.status, 201);
    r = ask(s, "POST", "/api/v1/rooms", "", NULL); /* nor does it need a length */
    assert_int_equal(r.status, 201);
    assert_int_equal(s->fake.n_made, 3);
}

static void a_host_that_is_none_is_not_repeated(void **state)
{
    const struct server *s = *state;
    static const char text[] = "POST /api/v1/rooms HTTP/1.1\r\nHost: a\"b<c\r\n\r\n";
    int fd = connect_to(s);
    put(fd, text, sizeof(text) - 1);
    struct reply r = read_reply(fd, false);
    assert_int_equal(r.status, 201);
    assert_non_null(strstr(r.body, "\"url\":\"/" FAKE_ROOM "\""));
    close(fd);
}

/* Behind a proxy that ends TLS; who is no proxy of ours may say what it wants. */
static void links_are_https_behind_a_proxy(void **state)
{
    struct server *s = *state;
    static const char https[] = "X-Forwarded-Proto: https\r\n";
    struct reply r = ask(s, "POST", "/api/v1/rooms", https, "");
    assert_non_null(strstr(r.body, "\"url\":\"http://amphi/"));
    stop(s);
    s->stop = false;
    start_with(s, &(struct http_config){.trusted_proxies = "127.0.0.0/8"});
    r = ask(s, "POST", "/api/v1/rooms", https, "");
    assert_non_null(strstr(r.body, "\"url\":\"https://amphi/"));
    r = ask(s, "POST", "/api/v1/rooms", "X-Forwarded-Proto: http\r\n", "");
    assert_non_null(strstr(r.body, "\"url\":\"http://amphi/"));
}

static void reserves(void **state)
{
    struct server *s = *state;
    struct reply r = ask(s, "POST", "/api/reserve", json, "");
    assert_int_equal(r.status, 200); /* what GoPeep's program takes for success */
    assert_string_equal(r.body, "{\"room\":\"" FAKE_ROOM "\",\"secret\":\"" FAKE_SECRET "\"}");
    r = ask(s, "GET", "/api/reserve", "", NULL);
    is_problem(&r, 405);
    header_is(&r, "Allow", "POST, OPTIONS");
    r = ask(s, "OPTIONS", "/api/reserve", "", NULL);
    assert_int_equal(r.status, 204);
    assert_int_equal(s->fake.n_made, 1);
}

static int make_status;

static void fail_to_make(struct server *s)
{
    s->fake.make_status = make_status;
}

static void making_fails(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *headers, *body;
        int status;
    } rows[] = {
        {json, "{", 400},
        {json, "[]", 400},
        {json, "{\"room\":7}", 400},
        {json, "{\"password\":7}", 400},
        {json, "{\"title\":[]}", 400},
        {json, "{\"max_viewers\":-1}", 400},
        {json, "{\"max_viewers\":\"many\"}", 400},
        {json, "{\"password\":\"a\\u0000b\"}", 400},
        {json, "[[[[[[[[[[[[[[", 400},
        {json, "{\"room\":\"not a code\"}", 422},
        {"Content-Type: text/plain\r\n", "{}", 415},
        {"", "{}", 415},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reply r = ask(s, "POST", "/api/v1/rooms", rows[i].headers, rows[i].body);
        is_problem(&r, rows[i].status);
    }
    static char large[17000];
    memset(large, ' ', sizeof(large) - 1);
    struct reply r = ask(s, "POST", "/api/v1/rooms", json, large);
    is_problem(&r, 413);
    static const int statuses[][2] = {{-EEXIST, 409}, {-EINVAL, 422}, {-ENOSPC, 503}, {-EIO, 500}};
    for (unsigned i = 0; i < 4; i++) {
        make_status = statuses[i][0];
        on_server(s, fail_to_make);
        r = ask(s, "POST", "/api/v1/rooms", json, "{}");
        is_problem(&r, statuses[i][1]);
    }
    r = ask(s, "DELETE", "/api/v1/rooms", "", NULL);
    is_problem(&r, 405);
    assert_int_equal(s->fake.n_made, 0);
}

static void close_rooms(struct server *s)
{
    s->fake.backend.open_rooms = false;
}

static void make_none(struct server *s)
{
    s->fake.backend.make_room = NULL;
    s->fake.backend.change_room = NULL;
    s->fake.backend.end_room = NULL;
}

static void only_the_admin_makes_them(void **state)
{
    struct server *s = *state;
    on_server(s, close_rooms);
    struct reply r = ask(s, "POST", "/api/v1/rooms", json, "{}");
    is_problem(&r, 401);
    header_is(&r, "WWW-Authenticate", "Bearer realm=\"amphi\"");
    r = ask(s, "POST", "/api/reserve", "", "");
    is_problem(&r, 401);
    r = ask(s, "POST", "/api/v1/rooms", "Authorization: Bearer " FAKE_TOKEN "\r\n", NULL);
    assert_int_equal(r.status, 201);
    on_server(s, make_none);
    r = ask(s, "POST", "/api/v1/rooms", json, "{}");
    is_problem(&r, 501);
    r = ask(s, "PATCH", "/api/v1/rooms/" FAKE_ROOM, with_secret, "{}");
    is_problem(&r, 501);
    r = ask(s, "DELETE", "/api/v1/rooms/" FAKE_ROOM, with_secret, NULL);
    is_problem(&r, 501);
}

static void changes(void **state)
{
    struct server *s = *state;
    static const char room[] = "/api/v1/rooms/swift-otter-042";
    struct reply r = ask(s, "PATCH", room, with_secret, "{\"password\":\"hill-77\"}");
    assert_int_equal(r.status, 204);
    assert_string_equal(s->fake.password, "hill-77");
    r = ask(s, "PATCH", room, with_secret, "{\"title\":\"x\"}");
    assert_int_equal(r.status, 204);
    assert_string_equal(s->fake.password, "hill-77"); /* as it was */
    r = ask(s, "PATCH", room, with_secret, "{\"password\":\"\"}");
    assert_int_equal(r.status, 204);
    assert_string_equal(s->fake.password, "");
    r = ask(s, "PATCH", room,
            "Content-Type: application/json\r\nAuthorization: Bearer " FAKE_TOKEN "\r\n",
            "{\"max_viewers\":9}");
    assert_int_equal(r.status, 204);
    r = ask(s, "PATCH", room, json, "{}");
    is_problem(&r, 401);
    r = ask(s, "PATCH", room, with_secret, "{\"room\":\"OTHER\"}");
    is_problem(&r, 400);
    r = ask(s, "PATCH", "/api/v1/rooms/OTHER", with_secret, "{}");
    is_problem(&r, 404);
    assert_int_equal(s->fake.n_changes, 4);
}

static void makes_tokens(void **state)
{
    struct server *s = *state;
    static const char path[] = "/api/v1/rooms/swift-otter-042/tokens";
    static const char *const wrong[] = {
        "[]",
        "{",
        "{\"expires_in\":59}",
        "{\"expires_in\":604801}",
        "{\"expires_in\":99999999999999999999}",
        "{\"expires_in\":3600.5}",
        "{\"max_layer\":3}",
        "{\"max_layer\":-1}",
        "{\"max_layer\":\"1\"}",
    };
    struct reply r = ask(s, "POST", path, with_secret, "");
    assert_int_equal(r.status, 201);
    header_is(&r, "Cache-Control", "no-store");
    assert_string_equal(r.body, "{\"token\":\"head.layer0.mac\",\"expires\":1086400,\"url\":"
                                "\"http://amphi/SWIFT-OTTER-042#token=head.layer0.mac\"}");
    r = ask(s, "POST", path,
            "Content-Type: application/json\r\nAuthorization: Bearer " FAKE_TOKEN "\r\n",
            "{\"expires_in\":60,\"max_layer\":2}");
    assert_int_equal(r.status, 201);
    assert_non_null(strstr(r.body, "\"token\":\"head.layer2.mac\",\"expires\":1000060,"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        r = ask(s, "POST", path, with_secret, wrong[i]);
        is_problem(&r, 400);
    }
    r = ask(s, "POST", path, json, "{}");
    is_problem(&r, 401);
    r = ask(s, "POST", path, "Authorization: Bearer wrong\r\n", "");
    is_problem(&r, 403);
    r = ask(s, "POST", path,
            "Content-Type: text/plain\r\nAuthorization: Bearer " FAKE_SECRET "\r\n", "{}");
    is_problem(&r, 415);
    r = ask(s, "GET", path, with_secret, NULL);
    is_problem(&r, 405);
    header_is(&r, "Allow", "POST, OPTIONS");
    r = ask(s, "POST", "/api/v1/rooms/OTHER/tokens", with_secret, "");
    is_problem(&r, 404);
    r = ask(s, "POST", "/api/v1/rooms/not%20one/tokens", with_secret, "");
    is_problem(&r, 404);
    s->fake.token_status = -ENOTSUP;
    r = ask(s, "POST", path, with_secret, "");
    is_problem(&r, 501);
}

/* 5 wrong ones a minute; then even the right one has to wait. */
static void secrets_cannot_be_guessed(void **state)
{
    const struct server *s = *state;
    static const char room[] = "/api/v1/rooms/" FAKE_ROOM;
    struct reply r;
    for (int i = 0; i < 5; i++) {
        r = ask(s, "DELETE", room, "Authorization: Bearer wrong\r\n", NULL);
        is_problem(&r, 403);
    }
    r = ask(s, "DELETE", room, with_secret, NULL);
    is_problem(&r, 429);
    assert_true(atoi(header_of(&r, "Retry-After")) > 0);
    assert_true(s->fake.exists);
}

static void ends(void **state)
{
    struct server *s = *state;
    static const char room[] = "/api/v1/rooms/" FAKE_ROOM;
    struct reply r = ask(s, "DELETE", room, "", NULL);
    is_problem(&r, 401);
    assert_true(s->fake.exists);
    r = ask(s, "DELETE", room, with_secret, NULL);
    assert_int_equal(r.status, 204);
    assert_false(s->fake.exists);
    r = ask(s, "DELETE", room, "Authorization: Bearer " FAKE_TOKEN "\r\n", NULL);
    is_problem(&r, 404);
    r = ask(s, "PUT", room, "", "x");
    is_problem(&r, 405);
    header_is(&r, "Allow", "GET, HEAD, PATCH, DELETE, OPTIONS");
}

#define ROOM_TEST(name) cmocka_unit_test_setup_teardown(name, setup_rooms, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(makes),
        ROOM_TEST(a_host_that_is_none_is_not_repeated),
        ROOM_TEST(links_are_https_behind_a_proxy),
        ROOM_TEST(reserves),
        ROOM_TEST(making_fails),
        ROOM_TEST(only_the_admin_makes_them),
        ROOM_TEST(changes),
        ROOM_TEST(makes_tokens),
        ROOM_TEST(secrets_cannot_be_guessed),
        ROOM_TEST(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
