/* test_whip_client.c - requests to a WHIP server, and what its answers mean. */
#include "server/whip_client.h"
#include "server/whip_reply.h"

#include "tests/unit/server/fake_whip.h"

#include <errno.h>
#include <semaphore.h>

struct stage {
    struct fake_whip server;
    struct whip_client *client;
    sem_t woken;
};

static void wake(void *arg)
{
    sem_post(arg);
}

static struct stage *open_stage(const char *path)
{
    struct stage *s = calloc(1, sizeof(*s));
    char url[128];
    sem_init(&s->woken, 0, 0);
    fake_whip_start(&s->server);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", s->server.port, path);
    const struct whip_client_config config = {
        .url = url, .bearer = "secret-1", .wake = wake, .wake_arg = &s->woken};
    assert_int_equal(whip_client_create(&s->client, &config), 0);
    return s;
}

static void close_stage(struct stage *s)
{
    whip_client_destroy(s->client);
    fake_whip_stop(&s->server);
    sem_destroy(&s->woken);
    free(s);
}

static struct whip_reply reply_of(struct stage *s)
{
    struct whip_reply r;
    while (!whip_client_next(s->client, &r))
        sem_wait(&s->woken);
    return r;
}

#define CREATED                                                                                    \
    "201 Created\r\nLocation: /whip/res/7\r\nETag: \"one\"\r\nContent-Type: application/sdp\r\n"

static void publishes_trickles_and_ends(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    assert_int_equal(whip_client_patch(s->client, "a=x"), -ENOTSUP);
    fake_whip_says(&s->server, CREATED, "v=0 answer");
    assert_int_equal(whip_client_post(s->client, "v=0 offer"), 0);
    struct whip_reply r = reply_of(s);
    assert_int_equal(r.what, WHIP_POST);
    assert_int_equal(r.status, 201);
    assert_true(r.ok);
    assert_string_equal(r.body, "v=0 answer");
    assert_int_equal(r.body_size, 10);
    whip_reply_free(&r);
    const char *asked = fake_whip_asked(&s->server, 0);
    assert_memory_equal(asked, "POST /whip/ROOM HTTP/1.1\r\n", 26);
    assert_non_null(strstr(asked, "\r\nAuthorization: Bearer secret-1\r\n"));
    assert_non_null(strstr(asked, "\r\nContent-Type: application/sdp\r\n"));
    assert_non_null(strstr(asked, "\r\n\r\nv=0 offer"));

    fake_whip_says(&s->server, "200 OK\r\nETag: \"two\"\r\n", "a=ice-ufrag:new");
    assert_int_equal(whip_client_patch(s->client, "a=candidate:1"), 0);
    r = reply_of(s);
    assert_true(r.ok);
    whip_reply_free(&r);
    asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "PATCH /whip/res/7 HTTP/1.1\r\n", 28);
    assert_non_null(strstr(asked, "\r\nIf-Match: \"one\"\r\n"));
    assert_non_null(strstr(asked, "\r\nContent-Type: application/trickle-ice-sdpfrag\r\n"));

    fake_whip_says(&s->server, "204 No Content\r\n", "");
    assert_int_equal(whip_client_patch(s->client, "a=candidate:2"), 0);
    r = reply_of(s);
    assert_true(r.ok);
    assert_non_null(strstr(fake_whip_asked(&s->server, 2), "\r\nIf-Match: \"two\"\r\n"));

    fake_whip_says(&s->server, "200 OK\r\n", "");
    whip_client_destroy(s->client); /* says goodbye */
    s->client = NULL;
    asked = fake_whip_asked(&s->server, 3);
    assert_memory_equal(asked, "DELETE /whip/res/7 HTTP/1.1\r\n", 29);
    assert_non_null(strstr(asked, "\r\nAuthorization: Bearer secret-1\r\n"));
    close_stage(s);
}

static void follows_a_redirection(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    fake_whip_says(&s->server,
                   "307 Temporary Redirect\r\nLocation: /other/ROOM\r\nETag: \"no\"\r\n", "");
    fake_whip_says(&s->server, "201 Created\r\nLocation: res/9\r\n", "v=0");
    assert_int_equal(whip_client_post(s->client, "v=0 offer"), 0);
    struct whip_reply r = reply_of(s);
    assert_true(r.ok);
    whip_reply_free(&r);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "POST /other/ROOM HTTP/1.1\r\n", 27);
    assert_non_null(strstr(asked, "\r\nAuthorization: Bearer secret-1\r\n"));
    assert_non_null(strstr(asked, "\r\n\r\nv=0 offer"));
    fake_whip_says(&s->server, "200 OK\r\n", "");
    assert_int_equal(whip_client_delete(s->client), 0);
    r = reply_of(s);
    assert_true(r.ok);
    asked = fake_whip_asked(&s->server, 2);
    assert_memory_equal(asked, "DELETE /other/res/9 HTTP/1.1\r\n", 30);
    assert_null(strstr(asked, "If-Match"));
    assert_int_equal(whip_client_delete(s->client), 0); /* there is none any more: not asked */
    close_stage(s);
}

/* To whom another origin is, the port is enough. */
static void another_origin_gets_no_secret(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    struct fake_whip other;
    char head[200], wanted[80];
    fake_whip_start(&other);
    snprintf(head, sizeof(head),
             "307 Temporary Redirect\r\nLocation: http://127.0.0.1:%u/whip/ROOM\r\n", other.port);
    snprintf(wanted, sizeof(wanted), "--to http://127.0.0.1:%u/whip/ROOM (401)", other.port);
    fake_whip_says(&s->server, head, "");
    fake_whip_says(&other, "401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n", "");
    assert_int_equal(whip_client_post(s->client, "v=0 offer"), 0);
    struct whip_reply r = reply_of(s);
    assert_false(r.ok);
    assert_true(r.permanent);
    assert_non_null(strstr(r.error, wanted));
    whip_reply_free(&r);
    assert_non_null(
        strstr(fake_whip_asked(&s->server, 0), "\r\nAuthorization: Bearer secret-1\r\n"));
    assert_null(strstr(fake_whip_asked(&other, 0), "uthorization"));

    /* one that asks for none is fine, and its resource gets none either */
    fake_whip_says(&s->server, head, "");
    fake_whip_says(&other, CREATED, "v=0");
    fake_whip_says(&other, "200 OK\r\n", "");
    assert_int_equal(whip_client_post(s->client, "v=0 offer"), 0);
    r = reply_of(s);
    assert_true(r.ok);
    whip_reply_free(&r);
    assert_int_equal(whip_client_delete(s->client), 0);
    r = reply_of(s);
    whip_reply_free(&r);
    assert_memory_equal(fake_whip_asked(&other, 2), "DELETE /whip/res/7 ", 19);
    assert_null(strstr(fake_whip_asked(&other, 2), "uthorization"));
    fake_whip_stop(&other);
    close_stage(s);
}

static void refusals_are_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *head, *body, *says;
        bool permanent;
        int retry_after_s;
    } rows[] = {
        {"401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n", "", "--secret", true, -1},
        {"403 Forbidden\r\n", "", "does not accept this secret", true, -1},
        {"404 Not Found\r\n", "{\"detail\":\"no room X\\u001b[2J\"}", "404: no room X [2J", true,
         -1},
        {"405 Method Not Allowed\r\n", "<html>", "does not take WHIP", true, -1},
        {"406 Not Acceptable\r\n", "", "codecs", true, -1},
        {"409 Conflict\r\nRetry-After: 5\r\n", "{\"detail\":7}", "at the moment (409)", false, 5},
        {"503 Service Unavailable\r\nRetry-After: 120\r\n", "{", "is full", false, 120},
        {"500 Internal Server Error\r\n", "", "server failed", false, -1},
        {"200 OK\r\n", "", "what WHIP does not know", false, -1},
    };
    struct stage *s = open_stage("/whip/ROOM");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_whip_says(&s->server, rows[i].head, rows[i].body);
        assert_int_equal(whip_client_post(s->client, "v=0"), 0);
        struct whip_reply r = reply_of(s);
        assert_false(r.ok);
        if (!strstr(r.error, rows[i].says))
            fail_msg("\"%s\" does not say \"%s\"", r.error, rows[i].says);
        assert_int_equal(r.permanent, rows[i].permanent);
        assert_int_equal(r.retry_after_s, rows[i].retry_after_s);
        whip_reply_free(&r);
    }
    assert_int_equal(whip_client_patch(s->client, "a=x"), -ENOTSUP);
    close_stage(s);
}

static void nobody_answers(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    assert_int_equal(whip_client_post(s->client, "v=0"), 0); /* no reply: the connection ends */
    struct whip_reply r = reply_of(s);
    assert_int_equal(r.status, 0);
    assert_false(r.ok);
    assert_false(r.permanent);
    assert_memory_equal(r.error, "cannot reach the server: ", 25);
    whip_reply_free(&r);

    size_t size = WHIP_CLIENT_BODY_MAX + 2;
    char *large = malloc(size);
    memset(large, 'x', size - 1);
    large[size - 1] = '\0';
    fake_whip_says(&s->server, CREATED, large);
    free(large);
    assert_int_equal(whip_client_post(s->client, "v=0"), 0);
    r = reply_of(s);
    assert_false(r.ok);
    assert_non_null(strstr(r.error, "64 KiB"));
    whip_reply_free(&r);
    close_stage(s);
}

/* What it says when the server is not even reached at a URL. */
static void says(struct stage *s, const char *url, const char *sentence)
{
    assert_int_equal(whip_client_set_target(s->client, url, "secret-1"), 0);
    assert_int_equal(whip_client_post(s->client, "v=0"), 0);
    struct whip_reply r = reply_of(s);
    assert_int_equal(r.status, 0);
    assert_false(r.ok || r.permanent);
    if (!strstr(r.error, sentence))
        fail_msg("\"%s\" does not say \"%s\"", r.error, sentence);
    whip_reply_free(&r);
}

static void says_why_nobody_is_reached(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    char url[80];
    uint16_t port = s->server.port;
    fake_whip_stop(&s->server);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/whip/ROOM", port);
    says(s, url, "cannot reach the server: Failed to connect to 127.0.0.1");
    says(s, "http://no-such-host.invalid/whip/ROOM", "name cannot be found: Could not resolve");
    fake_whip_start(&s->server);
    close_stage(s);
}

static void api_calls_carry_their_tag(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    fake_whip_says(&s->server, "200 OK\r\n", "{\"viewers\":3}");
    fake_whip_says(&s->server, "204 No Content\r\n", "");
    assert_int_equal(whip_client_api(s->client, 4, "GET", "/api/v1/rooms/ROOM", NULL), 0);
    assert_int_equal(whip_client_api(s->client, 5, "PATCH", "/api/v1/rooms/ROOM", "{}"), 0);
    struct whip_reply r = reply_of(s);
    assert_int_equal(r.what, WHIP_API);
    assert_int_equal(r.tag, 4);
    assert_string_equal(r.body, "{\"viewers\":3}");
    whip_reply_free(&r);
    r = reply_of(s);
    assert_int_equal(r.tag, 5);
    assert_true(r.ok);
    whip_reply_free(&r);
    assert_memory_equal(fake_whip_asked(&s->server, 0), "GET /api/v1/rooms/ROOM HTTP/1.1\r\n", 33);
    assert_memory_equal(fake_whip_asked(&s->server, 1), "PATCH /api/v1/rooms/ROOM HTTP/1.1\r\n",
                        35);
    close_stage(s);
}

static void only_urls_are_taken(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/whip/X", "ftp://host/x", "file:///etc/passwd",
                                      "http://"};
    struct whip_client *c = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct whip_client_config config = {.url = bad[i], .wake = wake};
        if (whip_client_create(&c, &config) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    assert_null(c);
}

static void queue_is_bounded(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    int n = 0;
    while (n < 100 && whip_client_api(s->client, n, "GET", "/", NULL) == 0)
        n++;
    assert_in_range(n, WHIP_CLIENT_QUEUE, WHIP_CLIENT_QUEUE + 1); /* one may have begun */
    for (int i = 0; i < n; i++) {
        struct whip_reply r = reply_of(s);
        assert_int_equal(r.tag, i);
        whip_reply_free(&r);
    }
    close_stage(s);
}

static void beats(void **state)
{
    (void)state;
    struct stage *s = open_stage("/whip/ROOM");
    whip_client_set_beat(s->client, 1);
    for (int i = 0; i < 5; i++)
        sem_wait(&s->woken);
    close_stage(s);
}

/* --- Link header fields --- */

static void servers_are_read(void **state)
{
    (void)state;
    struct whip_server out[WHIP_SERVERS_MAX];
    assert_int_equal(whip_reply_servers(out,
                                        "<stun:stun.example.net>; rel=\"ice-server\"\n"
                                        "</next>; rel=next, <turn:t.example.net?transport=udp>; "
                                        "rel=\"ice-server\"; username=\"us\\\"er\"; credential=pw; "
                                        "credential-type=\"password\"\n"),
                     2);
    assert_string_equal(out[0].url, "stun:stun.example.net");
    assert_string_equal(out[0].username, "");
    assert_string_equal(out[1].url, "turn:t.example.net?transport=udp");
    assert_string_equal(out[1].username, "us\"er");
    assert_string_equal(out[1].credential, "pw");
}

static void malformed_servers_are_skipped(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "\n",
        "stun:a; rel=\"ice-server\"\n",
        "<stun:a; rel=\"ice-server\"\n",
        "<>; rel=\"ice-server\"\n",
        "<stun:a>; rel=\"ice-server\n",
        "<stun:a>; rel=\"ice-server\" x\n",
        "<stun:a>\n",
        "<stun:a>;;;\n",
        "<stun:a>; rel\n",
        "<stun:a>; rel=\"\\",
    };
    struct whip_server out[WHIP_SERVERS_MAX];
    char text[256];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "%s\n<stun:good>; rel=\"ice-server\"\n", rows[i]);
        if (whip_reply_servers(out, text) != 1 || strcmp(out[0].url, "stun:good") != 0)
            fail_msg("after %s", rows[i]);
    }
    char many[400] = "";
    for (int i = 0; i < 8; i++)
        strcat(many, "<stun:a>; rel=\"ice-server\",");
    assert_int_equal(whip_reply_servers(out, many), WHIP_SERVERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_trickles_and_ends),
        cmocka_unit_test(follows_a_redirection),
        cmocka_unit_test(another_origin_gets_no_secret),
        cmocka_unit_test(refusals_are_sentences),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(says_why_nobody_is_reached),
        cmocka_unit_test(api_calls_carry_their_tag),
        cmocka_unit_test(only_urls_are_taken),
        cmocka_unit_test(queue_is_bounded),
        cmocka_unit_test(beats),
        cmocka_unit_test(servers_are_read),
        cmocka_unit_test(malformed_servers_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
