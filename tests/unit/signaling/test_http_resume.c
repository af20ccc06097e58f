/* test_http_resume.c - presenters and viewers of one room over real sockets, and those who come
 * back. */
#include "tests/unit/signaling/http_ws_client.h"
#include "tests/unit/signaling/sdp_publish_fixtures.h"

#include <dirent.h>

#define WATCH                                                                                      \
    "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"" FAKE_ROOM "\",\"client\":\"test\""
#define SHARE                                                                                      \
    "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"" FAKE_ROOM "\",\"client\":\"test\""

static int setup_publishing(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 2);
    fake_use_publishing(&s->fake);
    start(s);
    *state = s;
    return 0;
}

static int watch(const struct server *s, char *token)
{
    int fd = ws_connect(s, "/ws", "amphi.v1");
    ws_send(fd, WATCH "}");
    ws_expect(fd, "\"type\":\"joined\"");
    const char *at = strstr(body_buffer, "\"resume\":\"");
    assert_non_null(at);
    sprintf(token, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    ws_expect(fd, "\"type\":\"streams-info\"");
    ws_expect(fd, "\"type\":\"offer\"");
    ws_send_sdp(fd, "answer", chromium_answer);
    ws_send(fd, "{\"type\":\"ping\"}");
    ws_expect(fd, "pong"); /* so that the answer was taken */
    return fd;
}

static int share(const struct server *s)
{
    int fd = ws_connect(s, "/ws", "amphi.v1");
    ws_send(fd, SHARE ",\"secret\":\"" FAKE_SECRET "\"}");
    ws_expect(fd, "\"role\":\"sharer\"");
    ws_send_sdp(fd, "offer", gopeep_publish);
    ws_expect(fd, "\"type\":\"answer\"");
    return fd;
}

static void come_back(int fd, const char *token)
{
    char text[300];
    sprintf(text, WATCH ",\"resume\":\"%s\"}", token);
    ws_send(fd, text);
}

static void presenters_reach_viewers(void **state)
{
    struct server *s = *state;
    char token[100];
    int viewer = watch(s, token), sharer = share(s), other = share(s);
    ws_send(sharer, "{\"type\":\"focus-change\",\"focusedTrack\":\"video2\"}");
    ws_expect(viewer, "{\"type\":\"focus-change\",\"focusedTrack\":\"video2\"}");
    ws_send(viewer, "{\"type\":\"focus-change\",\"focusedTrack\":\"video0\"}");
    ws_expect(viewer, "\"code\":\"not-allowed\"");
    int late = watch(s, token);
    ws_expect(sharer, "{\"type\":\"viewer-joined\",\"viewers\":5,\"peerId\":\"4\"}");
    ws_expect(other, "{\"type\":\"viewer-joined\"");
    ws_send(late, WATCH "}"); /* replaces its viewer */
    ws_expect(sharer, "{\"type\":\"viewer-left\",\"viewers\":4,\"peerId\":\"4\"}");
    ws_expect(late, "\"type\":\"joined\"");
    ws_expect(late, "\"type\":\"streams-info\"");
    ws_expect(late, "\"type\":\"offer\"");
    ws_send(late, WATCH "}"); /* has not watched yet: nobody hears of the one that goes */
    ws_send_sdp(late, "answer", chromium_answer);
    ws_expect(sharer, "{\"type\":\"viewer-joined\",\"viewers\":5,\"peerId\":\"6\"}");
    close(viewer);
    close(sharer);
    close(other);
    close(late);
}

static void ask_publisher(struct server *s)
{
    http_on_publish_wish(s->http, 1, 900000, 3, "the audience");
    http_on_publish_wish(s->http, 77, 1, 1, "nobody's");
    http_on_drain(s->http, "wss://other.example/ws", 60);
}

static void presenters_are_told(void **state)
{
    struct server *s = *state;
    char token[100];
    int sharer = share(s), viewer = watch(s, token);
    ws_expect(sharer, "viewer-joined");
    on_server(s, ask_publisher);
    ws_expect(sharer, "{\"type\":\"publish-config\",\"layers\":[0,1],\"reason\":\"the audience\","
                      "\"bitrate\":900000}");
    ws_expect(sharer, "{\"type\":\"redirect\",\"url\":\"wss://other.example/ws\"}");
    ws_expect(viewer, "{\"type\":\"redirect\"");
    close(sharer);
    close(viewer);
}

static void a_lost_socket_is_replaced(void **state)
{
    struct server *s = *state;
    char token[100], second[100];
    int fd = watch(s, token);
    close(fd);
    fd = ws_connect(s, "/ws", "amphi.v1");
    come_back(fd, token);
    ws_expect(fd, "\"resumed\":true");
    const char *at = strstr(body_buffer, "\"resume\":\"");
    sprintf(second, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    assert_string_not_equal(token, second);
    ws_expect(fd, "\"type\":\"streams-info\"");
    int other = ws_connect(s, "/ws", "amphi.v1");
    come_back(other, token); /* a second time: it is a join like any other */
    ws_expect(other, "\"peerId\":\"2\"");
    assert_null(strstr(body_buffer, "resumed"));
    come_back(other,
              second); /* the first socket looks alive from here, and is not for the client */
    do
        assert_int_equal(ws_read(other), 0x81);
    while (!strstr(body_buffer, "resumed"));
    assert_non_null(strstr(body_buffer, "\"peerId\":\"1\""));
    do
        assert_int_equal(ws_read(other), 0x81);
    while (!strstr(body_buffer, "streams-info"));
    assert_int_equal(ws_read(fd), 0x88);
    on_server(s, end_viewer_1); /* whose end is the newest socket's news */
    ws_expect(other, "\"code\":\"consent-lost\"");
    close(fd);
    close(other);
}

static void replace(int fd, const char *token)
{
    char text[300];
    sprintf(text, WATCH ",\"replaces\":\"%s\"}", token);
    ws_send(fd, text);
    ws_expect(fd, "\"type\":\"joined\"");
    assert_null(strstr(body_buffer, "resumed"));
    ws_expect(fd, "\"type\":\"streams-info\"");
    ws_expect(fd, "\"type\":\"offer\"");
}

/* Whether its old socket is gone, or still seems open. */
static void who_starts_anew_ends_what_was(void **state)
{
    struct server *s = *state;
    char token[100];
    int sharer = share(s), fd = watch(s, token);
    ws_expect(sharer, "\"viewer-joined\"");
    close(fd);
    fd = ws_connect(s, "/ws", "amphi.v1");
    replace(fd, token);
    ws_expect(sharer, "{\"type\":\"viewer-left\",\"viewers\":3,\"peerId\":\"2\"}");
    close(fd);
    fd = watch(s, token);
    ws_expect(sharer, "\"viewer-joined\"");
    int other = ws_connect(s, "/ws", "amphi.v1");
    replace(other, "of-nobody");
    replace(other, token);
    ws_expect(sharer, "\"viewer-left\"");
    assert_int_equal(ws_read(fd), 0x88);
    replace(other, token); /* it is good for nothing any more */
    close(sharer);
    close(fd);
    close(other);
}

static void end_viewer_2(struct server *s)
{
    http_on_viewer(s->http, 2, BACKEND_VIEWER_LIVE, "connected");
    fake_end_viewer(&s->fake, 2);
    http_on_viewer(s->http, 2, BACKEND_VIEWER_CLOSED, "consent-lost");
}

static void media_may_end_meanwhile(void **state)
{
    struct server *s = *state;
    char token[100];
    int sharer = share(s), fd = watch(s, token);
    ws_expect(sharer, "viewer-joined");
    close(fd);
    fd = ws_connect(s, "/ws", "amphi.v1");
    ws_send(fd, "{\"type\":\"ping\"}");
    ws_expect(fd, "pong");
    on_server(s, end_viewer_2);
    ws_expect(sharer, "{\"type\":\"viewer-left\",\"viewers\":3,\"peerId\":\"2\"}");
    come_back(fd, token);
    ws_expect(fd, "\"type\":\"joined\"");
    assert_null(strstr(body_buffer, "resumed"));
    close(sharer);
    close(fd);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static struct http_counters counted;

static void end_all(struct server *s)
{
    for (uint32_t id = 1; id <= s->fake.next_viewer; id++)
        http_on_viewer(s->http, id, BACKEND_VIEWER_CLOSED, "consent-lost");
    http_count(s->http, &counted);
}

/* With media that goes on, without, before the answer, and presenters: nothing stays of them. */
static void a_thousand_come_and_go(void **state)
{
    struct server *s = *state;
    char token[100];
    unsigned before = open_descriptors();
    for (int i = 0; i < 1000; i++) {
        int fd = i % 50 == 0   ? share(s)
                 : i % 10 == 0 ? watch(s, token)
                               : ws_connect(s, "/ws", NULL);
        if (i % 10 == 1)
            ws_send(fd, WATCH "}");
        close(fd);
    }
    do
        on_server(s, end_all);
    while (counted.connections > 0); /* until the server has seen the end of all of them */
    assert_int_equal(open_descriptors(), before);
    int fd = watch(s, token);
    close(fd);
}

static void guessing_is_slow(void **state)
{
    struct server *s = *state;
    strcpy(s->fake.password, "tulip");
    int fd = ws_connect(s, "/ws", "amphi.v1");
    for (int i = 0; i < 5; i++) {
        ws_send(fd, WATCH ",\"password\":\"rose\"}");
        ws_expect(fd, "password-invalid");
    }
    ws_send(fd, WATCH ",\"password\":\"tulip\"}");
    ws_expect(fd, "\"code\":\"rate-limited\"");
    close(fd);
    fd = ws_connect(s, "/ws", "amphi.v1"); /* another socket of the same address */
    ws_send(fd, WATCH ",\"password\":\"tulip\"}");
    ws_expect(fd, "\"code\":\"rate-limited\"");
    ws_send(fd, SHARE ",\"secret\":\"" FAKE_SECRET "\"}");
    ws_expect(fd, "\"code\":\"rate-limited\"");
    close(fd);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_publishing, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(presenters_reach_viewers),
        TEST(presenters_are_told),
        TEST(a_lost_socket_is_replaced),
        TEST(media_may_end_meanwhile),
        TEST(guessing_is_slow),
        TEST(a_thousand_come_and_go),
        TEST(who_starts_anew_ends_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
