/* test_http.c - HTTP on a real port: pages, admin, WHEP, and requests that are none. */
#include "tests/unit/signaling/http_client.h"

/* --- HTTP ---------------------------------------------------------------------------------------
 */

static void pages_are_served(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "GET", "/", "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "text/html; charset=utf-8");
    header_is(&r, "Cache-Control", "no-cache");
    header_is(&r, "X-Content-Type-Options", "nosniff");
    header_is(&r, "Referrer-Policy", "no-referrer");
    header_is(&r, "Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
              "connect-src 'self' ws: wss:; media-src 'self' blob:; base-uri 'none'; "
              "form-action 'self'; frame-ancestors 'self'");
    assert_non_null(strstr(r.body, "<html"));
    assert_non_null(header_of(&r, "Date"));
    char etag[100], match[200];
    r = ask(s, "GET", "/swift-otter-042", "", NULL);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "<html"));
    strcpy(etag, header_of(&r, "ETag"));
    assert_int_equal(etag[0], '"');
    sprintf(match, "If-None-Match: \"x\", W/%s\r\n", etag);
    r = ask(s, "GET", "/OTHER-ROOM", match, NULL);
    assert_int_equal(r.status, 304);
    header_is(&r, "ETag", etag);
    assert_null(header_of(&r, "Content-Length"));
    r = ask(s, "HEAD", "/", "", NULL);
    assert_int_equal(r.status, 200);
    assert_true(atoi(header_of(&r, "Content-Length")) > 100);
}

static void assets_are_served(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "GET", "/assets/amphi.js", "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "text/javascript; charset=utf-8");
    header_is(&r, "Cache-Control", "public, max-age=0, must-revalidate");
    assert_null(header_of(&r, "Content-Security-Policy"));
    assert_non_null(strstr(r.body, "AmphiClient"));
    header_is(&r, "Vary", "Accept-Encoding");
    assert_null(header_of(&r, "Content-Encoding"));
    char etag[100], match[700];
    strcpy(etag, header_of(&r, "ETag"));
    int size = atoi(header_of(&r, "Content-Length"));
    r = ask(s, "GET", "/assets/amphi.js", "Accept-Encoding: gzip, br\r\n", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Encoding", "gzip");
    header_is(&r, "Content-Type", "text/javascript; charset=utf-8");
    assert_true(atoi(header_of(&r, "Content-Length")) < size / 2);
    assert_string_not_equal(header_of(&r, "ETag"), etag);
    sprintf(match, "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", header_of(&r, "ETag"));
    r = ask(s, "GET", "/assets/amphi.js", match, NULL);
    assert_int_equal(r.status, 304);
    sprintf(match, "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", etag);
    r = ask(s, "GET", "/assets/amphi.js", match, NULL);
    assert_int_equal(r.status, 200);
    r = ask(s, "GET", "/assets/nothing.js", "", NULL);
    is_problem(&r, 404);
    r = ask(s, "GET", "/assets/../http.c", "", NULL);
    is_problem(&r, 404);
    r = ask(s, "GET", "/assets/package.json", "", NULL);
    is_problem(&r, 404);
}

static void desks_are_served_and_a_code_of_the_link(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "GET", "/present", "", NULL);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "present.js"));
    assert_non_null(header_of(&r, "Content-Security-Policy"));
    r = ask(s, "GET", "/admin", "", NULL);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "admin.js"));
    r = ask(s, "GET", "/assets/qr.svg?text=https%3A%2F%2Fexample.org%2FSWIFT-OTTER-042", "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "image/svg+xml");
    assert_non_null(strstr(r.body, "<path"));
    static char path[700] = "/assets/qr.svg?text=";
    static const char *const useless[] = {"/assets/qr.svg",
                                          "/assets/qr.svg?text=", "/assets/qr.svg?other=1", path};
    memset(path + strlen(path), 'x', 600);
    for (unsigned i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
        r = ask(s, "GET", useless[i], "", NULL);
        is_problem(&r, 400);
    }
    r = ask(s, "POST", "/present", "", "x=1");
    is_problem(&r, 405);
}

static void unknown_paths_and_methods(void **state)
{
    const struct server *s = *state;
    static const char *const unknown[] = {"/a/b",           "/favicon.ico", "/api/v1/x",
                                          "/api/v1/rooms/", "/whep/",       "/%20",
                                          "/metrics/",      "/whep/a.b",    "/api/v1/rooms/OTHER"};
    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct reply r = ask(s, "GET", unknown[i], "", NULL);
        is_problem(&r, 404);
    }
    struct reply r = ask(s, "POST", "/", "", "x=1");
    is_problem(&r, 405);
    header_is(&r, "Allow", "GET, HEAD, OPTIONS");
    r = ask(s, "DELETE", "/healthz", "", NULL);
    is_problem(&r, 405);
    r = ask(s, "PUT", "/whep/" FAKE_ROOM, "", "x");
    is_problem(&r, 405);
    header_is(&r, "Allow", "POST, GET, HEAD, OPTIONS");
    r = ask(s, "OPTIONS", "/", "", NULL);
    assert_int_equal(r.status, 204);
    r = ask(s, "GET", "/ws", "", NULL);
    is_problem(&r, 426);
    header_is(&r, "Upgrade", "websocket");
}

static void make_unhealthy(struct server *s)
{
    s->fake.unhealthy = "source-failed";
    s->fake.unready = "starting";
}

static void health(void **state)
{
    struct server *s = *state;
    struct reply r = ask(s, "GET", "/healthz", "", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"status\":\"ok\"}\n");
    r = ask(s, "GET", "/readyz", "", NULL);
    assert_int_equal(r.status, 200);
    on_server(s, make_unhealthy);
    r = ask(s, "GET", "/healthz", "", NULL);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"status\":\"source-failed\"}\n");
    r = ask(s, "GET", "/readyz", "", NULL);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"status\":\"starting\"}\n");
}

static void open_metrics(struct server *s)
{
    s->fake.backend.metrics_open = true;
}

static void admin_needs_its_token(void **state)
{
    struct server *s = *state;
    static const char good[] = "Authorization: Bearer " FAKE_TOKEN "\r\n";
    struct reply r = ask(s, "GET", "/api/v1/stats", "", NULL);
    is_problem(&r, 401);
    header_is(&r, "WWW-Authenticate", "Bearer realm=\"amphi\"");
    r = ask(s, "GET", "/api/v1/stats", "Authorization: Bearer nope\r\n", NULL);
    is_problem(&r, 401);
    r = ask(s, "GET", "/api/v1/stats", "Authorization: Basic " FAKE_TOKEN "\r\n", NULL);
    is_problem(&r, 401);
    r = ask(s, "GET", "/api/v1/stats", good, NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "application/json");
    header_is(&r, "Cache-Control", "no-store");
    assert_string_equal(r.body, "{\"with_viewers\":false,\"pad\":\"\"}");
    r = ask(s, "GET", "/api/v1/stats?viewers=1", good, NULL);
    assert_string_equal(r.body, "{\"with_viewers\":true,\"pad\":\"\"}");
    r = ask(s, "GET", "/metrics", "", NULL);
    is_problem(&r, 401);
    r = ask(s, "GET", "/metrics", good, NULL);
    assert_string_equal(r.body, "amphi_viewers 0\n");
    on_server(s, open_metrics);
    r = ask(s, "GET", "/metrics", "", NULL);
    assert_int_equal(r.status, 200);
}

static void rooms_are_described(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "GET", "/api/v1/rooms/swift-otter-042", "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Access-Control-Allow-Origin", "*");
    assert_non_null(strstr(r.body, "{\"room\":\"" FAKE_ROOM "\",\"live\":true,\"viewers\":3,"));
    assert_non_null(strstr(r.body, ",\"password_required\":false,\"title\":\"\","));
}

static void pad_stats(struct server *s)
{
    s->fake.stats_padding = 3 << 20;
}

static void large_answers_and_keep_alive(void **state)
{
    struct server *s = *state;
    on_server(s, pad_stats);
    int fd = connect_to(s);
    for (int i = 0; i < 3; i++) { /* one connection, several requests */
        request(fd, "GET", "/api/v1/stats", "Authorization: Bearer " FAKE_TOKEN "\r\n", NULL);
        struct reply r = read_reply(fd, false);
        assert_int_equal(r.status, 200);
        assert_true(r.size > 3 << 20);
        assert_int_equal(strspn(strstr(r.body, "xxx"), "x"), 3 << 20);
        request(fd, "HEAD", "/healthz", "", NULL);
        r = read_reply(fd, true);
        assert_int_equal(r.status, 200);
        request(fd, "POST", "/healthz", "", "a body nobody wants");
        r = read_reply(fd, false);
        is_problem(&r, 405);
        request(fd, "OPTIONS", "/healthz", "", NULL);
        r = read_reply(fd, false);
        assert_int_equal(r.status, 204);
    }
    request(fd, "GET", "/healthz", "Connection: close\r\n", NULL);
    read_reply(fd, false);
    assert_true(is_closed(fd));
    close(fd);
}

/* What comes behind a request in the same packet is left to be sent again; above all it must not
 * hold up the others. */
static void pipelined_requests_are_not_served(void **state)
{
    static const char *const behind[] = {
        "GET /nothing/here HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /whep/" FAKE_ROOM " HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\n"
        "Content-Length: 5\r\n\r\nv=0\r\n",
    };
    static const char *const first[] = {
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    };
    static const int status[] = {200, 405, 200};
    const struct server *s = *state;
    for (unsigned i = 0; i < 6; i++) {
        char both[400];
        int n = snprintf(both, sizeof(both), "%s%s", first[i / 2], behind[i % 2]);
        int fd = connect_to(s);
        put(fd, both, (size_t)n);
        struct reply r = read_reply(fd, false);
        assert_int_equal(r.status, status[i / 2]);
        assert_true(is_closed(fd));
        close(fd);
    }
    struct reply r = ask(s, "GET", "/healthz", "", NULL);
    assert_int_equal(r.status, 200);
}

static void bodies_have_limits(void **state)
{
    const struct server *s = *state;
    static char large[100001];
    static const char sdp[] = "Content-Type: application/sdp\r\n";
    memset(large, 'x', sizeof(large) - 1);
    struct reply r = ask(s, "POST", "/whep/" FAKE_ROOM, sdp, large);
    is_problem(&r, 413);
    large[65536] = '\0';
    r = ask(s, "POST", "/whep/" FAKE_ROOM, sdp, large);
    is_problem(&r, 400); /* read, and no description */
    r = ask(s, "POST", "/whep/" FAKE_ROOM, sdp, "");
    is_problem(&r, 400);
    r = ask(s, "POST", "/whep/" FAKE_ROOM, sdp, NULL);
    is_problem(&r, 411);
    r = ask(s, "POST", "/whep/" FAKE_ROOM, "Content-Length: 99999999999\r\n", NULL);
    is_problem(&r, 413);
    r = ask(s, "POST", "/whep/" FAKE_ROOM, "Content-Length: 12x\r\n", NULL);
    is_problem(&r, 400);
    r = ask(s, "POST", "/whep/" FAKE_ROOM,
            "Content-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n", NULL);
    is_problem(&r, 411);
}

static void bodies_may_come_slowly(void **state)
{
    const struct server *s = *state;
    char head[200];
    int fd = connect_to(s);
    int n = sprintf(head,
                    "POST /whep/" FAKE_ROOM " HTTP/1.1\r\nHost: a\r\nContent-Type: "
                    "application/sdp\r\nContent-Length: %zu\r\n\r\n",
                    strlen(chromium_offer));
    for (int i = 0; i < n; i++)
        put(fd, head + i, 1);
    for (size_t i = 0; i < strlen(chromium_offer); i += 100)
        put(fd, chromium_offer + i,
            strlen(chromium_offer) - i < 100 ? strlen(chromium_offer) - i : 100);
    struct reply r = read_reply(fd, false);
    assert_int_equal(r.status, 201);
    close(fd);
}

static void malformed_requests(void **state)
{
    const struct server *s = *state;
    static const char *const texts[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /%zz%00%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon at all\r\n\r\n",
        "GET / HTTP/1.1\r\n: empty name\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: something\r\n\r\n",
        "POST /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Content-Length: 5\r\n\r\nhello",
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    };
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int fd = connect_to(s);
        put(fd, texts[i], strlen(texts[i]));
        shutdown(fd, SHUT_WR);
        char sink[4096];
        while (recv(fd, sink, sizeof(sink), 0) > 0)
            continue;
        close(fd);
    }
    static char long_header[20000];
    int n = sprintf(long_header, "GET / HTTP/1.1\r\nHost: a\r\nX-Long: ");
    memset(long_header + n, 'x', sizeof(long_header) - (size_t)n);
    int fd = connect_to(s);
    put(fd, long_header, sizeof(long_header));
    assert_true(is_closed(fd));
    close(fd);
    static char path[1200] = "/assets/";
    memset(path + 8, 'x', 1100);
    struct reply r = ask(s, "GET", path, "", NULL);
    is_problem(&r, 400);
    r = ask(s, "GET", "/healthz", "", NULL); /* and it still serves */
    assert_int_equal(r.status, 200);
}

static void upgrades_to_anything_else_are_ignored(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "GET", "/healthz",
                         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                         "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
                         NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"status\":\"ok\"}\n");
}

/* --- WHEP ---------------------------------------------------------------------------------------
 */

static void whep_from_post_to_delete(void **state)
{
    struct server *s = *state;
    static const char sdp[] = "Content-Type: application/sdp\r\n";
    char location[200], etag[100], patch[300];
    struct reply r = ask(s, "POST", "/whep/swift-otter-042", sdp, chromium_offer);
    assert_int_equal(r.status, 201);
    header_is(&r, "Content-Type", "application/sdp");
    header_is(&r, "Access-Control-Allow-Origin", "*");
    assert_non_null(strstr(header_of(&r, "Access-Control-Expose-Headers"), "Location"));
    strcpy(location, header_of(&r, "Location"));
    strcpy(etag, header_of(&r, "ETag"));
    assert_memory_equal(location, "/whep/" FAKE_ROOM "/", 22);
    assert_int_equal(strlen(location), 22 + 22);
    assert_int_equal(etag[0], '"');
    assert_memory_equal(r.body, "v=0\r\n", 5);
    r = ask(s, "HEAD", location, "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "ETag", etag);
    sprintf(patch, "Content-Type: application/trickle-ice-sdpfrag\r\nIf-Match: %s\r\n", etag);
    r = ask(s, "PATCH", location, patch, "a=end-of-candidates\r\n");
    assert_int_equal(r.status, 204);
    assert_null(header_of(&r, "ETag"));
    r = ask(s, "PATCH", location, "Content-Type: application/trickle-ice-sdpfrag\r\n", "a=x\r\n");
    is_problem(&r, 428);
    r = ask(s, "PATCH", location, patch, "");
    is_problem(&r, 400);
    r = ask(s, "POST", location, sdp, chromium_offer);
    is_problem(&r, 405);
    header_is(&r, "Allow", "GET, HEAD, PATCH, DELETE, OPTIONS");
    r = ask(s, "OPTIONS", location, "", NULL);
    assert_int_equal(r.status, 200);
    r = ask(s, "DELETE", "/whep/" FAKE_ROOM "/AAAAAAAAAAAAAAAAAAAAAA", "", NULL);
    is_problem(&r, 404);
    char *room = strdup(location);
    memcpy(room + 6, "SWIFT-OTTER-043", 15); /* the right token in another room */
    r = ask(s, "DELETE", room, "", NULL);
    is_problem(&r, 404);
    free(room);
    r = ask(s, "DELETE", location, "If-Match: \"whatever\"\r\n", NULL);
    assert_int_equal(r.status, 200);
    r = ask(s, "DELETE", location, "", NULL);
    is_problem(&r, 404);
    r = ask(s, "HEAD", location, "", NULL);
    assert_int_equal(r.status, 404);
    assert_int_equal(s->fake.last_left, 1);
}

static void whep_ends_with_its_viewer(void **state)
{
    struct server *s = *state;
    char location[200];
    struct reply r =
        ask(s, "POST", "/whep/" FAKE_ROOM, "Content-Type: application/sdp\r\n", firefox_offer);
    assert_int_equal(r.status, 201);
    strcpy(location, header_of(&r, "Location"));
    on_server(s, end_viewer_1);
    r = ask(s, "DELETE", location, "", NULL);
    is_problem(&r, 404);
    on_server(s, end_viewer_1);
    assert_int_equal(s->fake.left, 0);
}

static void whep_refusals(void **state)
{
    struct server *s = *state;
    static const char sdp[] = "Content-Type: application/sdp\r\n";
    struct reply r = ask(s, "POST", "/whep/" FAKE_ROOM, "Content-Type: text/plain\r\n", "v=0\r\n");
    is_problem(&r, 415);
    header_is(&r, "Accept-Post", "application/sdp");
    r = ask(s, "POST", "/whep/OTHER", sdp, chromium_offer);
    is_problem(&r, 404);
    r = ask(s, "POST", "/whep/" FAKE_ROOM "?stream=x", sdp, chromium_offer);
    is_problem(&r, 400);
    r = ask(s, "POST", "/whep/" FAKE_ROOM "?stream=7", sdp, chromium_offer);
    is_problem(&r, 404);
    r = ask(s, "POST", "/whep/" FAKE_ROOM "?stream=1", sdp, chromium_offer);
    assert_int_equal(r.status, 201);
    assert_non_null(strstr(r.body, "video1"));
    on_server(s, end_room);
    r = ask(s, "POST", "/whep/" FAKE_ROOM, sdp, chromium_offer);
    is_problem(&r, 409);
    assert_non_null(header_of(&r, "Retry-After"));
}

static void whep_endpoint(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "OPTIONS", "/whep/" FAKE_ROOM, "Origin: https://example.org\r\n", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Accept-Post", "application/sdp");
    assert_non_null(strstr(header_of(&r, "Access-Control-Allow-Methods"), "DELETE"));
    assert_non_null(strstr(header_of(&r, "Access-Control-Allow-Headers"), "If-Match"));
    r = ask(s, "HEAD", "/whep/" FAKE_ROOM, "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "application/sdp");
    header_is(&r, "Accept-Post", "application/sdp");
    r = ask(s, "HEAD", "/whep/OTHER", "", NULL);
    assert_int_equal(r.status, 404);
}

static void may_listen_nowhere(void **state)
{
    (void)state;
    struct fake fake;
    struct http *h;
    char error[200];
    fake_init(&fake, 1);
    const struct http_config config = {.port = 8080, .backend = &fake.backend};
    assert_int_equal(http_create(&h, &config, error, sizeof(error)), 0);
    assert_int_equal(http_port(h), 0);
    http_wake(h);
    http_service(h);
    http_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_served),
        TEST(assets_are_served),
        TEST(desks_are_served_and_a_code_of_the_link),
        TEST(unknown_paths_and_methods),
        TEST(health),
        TEST(admin_needs_its_token),
        TEST(rooms_are_described),
        TEST(large_answers_and_keep_alive),
        TEST(pipelined_requests_are_not_served),
        TEST(bodies_have_limits),
        TEST(bodies_may_come_slowly),
        TEST(malformed_requests),
        cmocka_unit_test(may_listen_nowhere),
        TEST(upgrades_to_anything_else_are_ignored),
        TEST(whep_from_post_to_delete),
        TEST(whep_ends_with_its_viewer),
        TEST(whep_refusals),
        TEST(whep_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
