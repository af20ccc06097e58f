/* test_http_ws.c - WebSockets on a real port, and the life of the shell. */
#include "signaling/sdp.h"

#include "tests/unit/signaling/http_ws_client.h"

#include <dirent.h>
#include <sys/resource.h>

static void answered(struct server *s)
{
    assert_int_equal(s->fake.last_started, 1);
    assert_int_equal(s->fake.answer.n_tracks, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS);
}

static void ws_plays(void **state)
{
    struct server *s = *state;
    int fd = ws_connect(s, "/ws", "amphi.v1");
    ws_join(fd);
    ws_send_sdp(fd, "answer", chromium_answer);
    ws_send(fd, "{\"type\":\"ping\",\"t\":1}");
    ws_expect(fd, "{\"type\":\"pong\",\"t\":1}");
    on_server(s, answered);
    on_server(s, end_viewer_1);
    ws_expect(fd, "\"code\":\"consent-lost\"");
    ws_join(fd); /* again, on the same socket */
    close(fd);
}

static void ws_of_a_room(void **state)
{
    const struct server *s = *state;
    int fd = ws_connect(s, "/ws/swift-otter-042", NULL);
    ws_send(fd, "{\"type\":\"join\"}");
    ws_expect(fd, "\"room\":\"" FAKE_ROOM "\"");
    close(fd);
    fd = ws_connect(s, "/ws", "chat, amphi.v1");
    close(fd);
}

static void ws_where_there_is_none(void **state)
{
    const struct server *s = *state;
    static const char *const paths[] = {"/ws/a.b", "/wsx", "/", "/whep/A", "/ws/a/b"};
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int fd = ws_open(s, paths[i], "amphi.v1");
        struct reply r = read_reply(fd, false);
        assert_int_not_equal(r.status, 101);
        close(fd);
    }
    static const char *const protocols[] = {"chat", "listener"};
    for (unsigned i = 0; i < 2; i++) {
        int fd = ws_open(s, "/ws", protocols[i]);
        assert_true(is_closed(fd));
        close(fd);
    }
}

static void ws_fragments_and_pings(void **state)
{
    const struct server *s = *state;
    static char text[60000];
    int fd = ws_connect(s, "/ws", "amphi.v1");
    ws_frame(fd, 0x01, "{\"type\":", 8);
    ws_frame(fd, 0x89, "hello", 5); /* a ping in between */
    ws_frame(fd, 0x00, "\"ping\",", 7);
    ws_frame(fd, 0x80, "\"t\":7}", 6);
    assert_int_equal(ws_read(fd), 0x8a);
    assert_string_equal(body_buffer, "hello");
    ws_expect(fd, "{\"type\":\"pong\",\"t\":7}");
    int n = sprintf(text, "{\"type\":\"answer\",\"sdp\":\"");
    memset(text + n, 'x', sizeof(text) - (size_t)n - 3);
    strcpy(text + sizeof(text) - 3, "\"}");
    ws_send(fd, text); /* many reads, one message */
    ws_expect(fd, "\"code\":\"not-joined\"");
    ws_frame(fd, 0x82, "{}", 2);
    ws_expect(fd, "\"code\":\"bad-message\"");
    ws_frame(fd, 0x81, NULL, 0);
    ws_expect(fd, "\"code\":\"bad-json\"");
    ws_frame(fd, 0x88, "\x03\xe8", 2);
    assert_int_equal(ws_read(fd), 0x88);
    assert_true(is_closed(fd));
    close(fd);
}

static void ws_too_large(void **state)
{
    const struct server *s = *state;
    static char text[70000];
    memset(text, 'x', sizeof(text) - 1);
    int fd = ws_connect(s, "/ws", "amphi.v1");
    ws_send(fd, text);
    ws_expect(fd, "\"code\":\"too-large\"");
    assert_int_equal(ws_read(fd), 0x88);
    assert_memory_equal(body_buffer, "\x03\xf1", 2); /* 1009 */
    close(fd);
    fd = ws_connect(s, "/ws", "amphi.v1");
    ws_frame(fd, 0x01, text, 60000); /* in fragments */
    ws_frame(fd, 0x80, text, 60000);
    ws_expect(fd, "\"code\":\"too-large\"");
    close(fd);
}

static void seat_was_returned(struct server *s)
{
    if (s->fake.left == s->fake.reserved)
        sem_post(&s->done); /* a second time: see below */
}

static void ws_that_vanishes_gives_its_seat_back(void **state)
{
    struct server *s = *state;
    int fd = ws_connect(s, "/ws", "amphi.v1");
    ws_join(fd);
    close(fd);
    do /* until the server has seen the end of the connection */
        on_server(s, seat_was_returned);
    while (sem_trywait(&s->done) != 0);
    assert_int_equal(s->fake.left, 1);
}

/* More than may wait for one socket, at once. */
static void say_much(struct server *s)
{
    for (unsigned i = 0; i < 10000; i++)
        http_on_cursor(s->http, FAKE_ROOM, 0, i % 100, 50, true);
}

/* One that does not read is closed when too much waits for it: what the server keeps is bounded.
 * Others do not notice. */
static void ws_that_never_reads(void **state)
{
    struct server *s = *state;
    static char got[65536];
    size_t all = 0;
    ssize_t n;
    int fd = ws_connect(s, "/ws", "amphi.v1"), other = ws_connect(s, "/ws", "amphi.v1");
    ws_join(fd);
    on_server(s, say_much);
    while ((n = recv(fd, got, sizeof(got), 0)) > 0)
        all += (size_t)n;
    assert_true(n == 0 || errno == ECONNRESET);
    assert_true(all < 10000 * 90); /* each is longer */
    ws_join(other);
    close(fd);
    close(other);
}

static void start_room(struct server *s)
{
    s->fake.room.live = true;
    http_on_room(s->http, FAKE_ROOM);
}

static void rooms_wake_those_who_wait(void **state)
{
    struct server *s = *state;
    int fds[20];
    on_server(s, end_room);
    for (int i = 0; i < 20; i++) {
        fds[i] = ws_connect(s, "/ws", "amphi.v1");
        ws_send(fds[i], "{\"type\":\"join\",\"room\":\"" FAKE_ROOM "\"}");
        ws_expect(fds[i], "\"type\":\"joined\"");
        ws_expect(fds[i], "\"streams\":[]");
    }
    on_server(s, start_room);
    for (int i = 0; i < 20; i++) {
        ws_expect(fds[i], "sharer-started");
        ws_expect(fds[i], "\"streamActivated\":{\"trackId\":\"video0\"");
        ws_expect(fds[i], "\"streamActivated\":{\"trackId\":\"video1\"");
        ws_expect(fds[i], "\"type\":\"streams-info\"");
        ws_expect(fds[i], "\"type\":\"offer\"");
        close(fds[i]);
    }
}

static void move(struct server *s)
{
    http_on_focus(s->http, FAKE_ROOM, 1);
    http_on_cursor(s->http, FAKE_ROOM, 1, 0, 50.25, true);
    http_on_size(s->http, FAKE_ROOM, 0, 800, 600);
    http_on_size(s->http, "NO-SUCH-ROOM", 0, 1, 1);
}

static void members_hear_the_presenter(void **state)
{
    struct server *s = *state;
    int fds[3], outside = ws_connect(s, "/ws/" FAKE_ROOM, "amphi.v1"); /* has not joined */
    for (int i = 0; i < 3; i++) {
        fds[i] = ws_connect(s, "/ws", "amphi.v1");
        ws_join(fds[i]);
    }
    close(fds[1]); /* from the middle of the list */
    ws_send(fds[2], "{\"type\":\"ping\"}");
    ws_expect(fds[2], "pong");
    on_server(s, move);
    for (int i = 0; i < 3; i += 2) {
        ws_expect(fds[i], "{\"type\":\"focus-change\",\"focusedTrack\":\"video1\"}");
        ws_expect(fds[i], "{\"type\":\"cursor-position\",\"trackId\":\"video1\",\"cursorX\":0.0,"
                          "\"cursorY\":50.25,\"cursorInView\":true}");
        ws_expect(fds[i], "{\"type\":\"size-change\",\"trackId\":\"video0\",\"width\":800,"
                          "\"height\":600}");
        close(fds[i]);
    }
    ws_send(outside, "{\"type\":\"ping\"}");
    ws_expect(outside, "pong"); /* the first thing it hears */
    close(outside);
}

/* --- life ---------------------------------------------------------------------------------------
 */

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

static void destroy_with_everything_open(void **state)
{
    (void)state;
    enum { CLIENTS = 100 };
    int fds[CLIENTS];
    unsigned before = open_descriptors();
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 1);
    start(s);
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 4 == 0) {
            fds[i] = connect_to(s); /* says nothing */
        } else if (i % 4 == 1) {
            fds[i] = connect_to(s); /* stops in its body */
            request(fds[i], "POST", "/whep/" FAKE_ROOM, "Content-Length: 1000\r\n", NULL);
            put(fds[i], "v=0\r\n", 5);
        } else {
            fds[i] = ws_connect(s, "/ws", "amphi.v1");
            if (i % 4 == 2)
                ws_join(fds[i]);
        }
    }
    stop(s);
    assert_int_equal(s->fake.left, CLIENTS / 4); /* every unanswered seat */
    free(s);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(open_descriptors(), before);
}

static void a_taken_port_is_told(void **state)
{
    const struct server *s = *state;
    struct http *second = NULL;
    char error[200];
    struct http_config config = {
        .address = "127.0.0.1", .port = http_port(s->http), .backend = &s->fake.backend};
    unsigned before = open_descriptors();
    assert_int_equal(http_create(&second, &config, error, sizeof(error)), -EADDRINUSE);
    assert_non_null(strstr(error, "taken"));
    strcpy(config.address, "0.0.0.0");
    assert_int_equal(http_create(&second, &config, error, sizeof(error)), -EADDRINUSE);
    strcpy(config.address, "localhost");
    assert_int_equal(http_create(&second, &config, error, sizeof(error)), -EINVAL);
    strcpy(config.address, "192.0.2.1"); /* not ours */
    assert_int_equal(http_create(&second, &config, error, sizeof(error)), -EADDRNOTAVAIL);
    assert_null(second);
    assert_int_equal(open_descriptors(), before);
}

static void loopback_means_loopback(void **state)
{
    const struct server *s = *state;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_port(s->http))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* 127.0.0.2: not the address that was given */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    close(fd);
}

static void nothing(struct server *s)
{
    (void)s;
}

/* Without descriptors the server waits, and goes on when there are some. */
static void descriptors_run_out(void **state)
{
    struct server *s = *state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    ask(s, "GET", "/healthz", "", NULL);
    int spare = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* the lowest one that is free */
    none = before;
    none.rlim_cur = (rlim_t)spare + 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_port(s->http))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(spare, (struct sockaddr *)&to, sizeof(to)), 0);
    for (int i = 0; i < 3; i++)
        on_server(s, nothing);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    request(spare, "GET", "/healthz", "", NULL);
    struct reply r = read_reply(spare, false);
    assert_int_equal(r.status, 200);
    close(spare);
}

static void two_servers(void **state)
{
    const struct server *s = *state;
    struct server *other = calloc(1, sizeof(*other));
    fake_init(&other->fake, 1);
    start(other);
    assert_int_not_equal(http_port(other->http), http_port(s->http));
    struct reply r = ask(other, "GET", "/healthz", "", NULL);
    assert_int_equal(r.status, 200);
    stop(other);
    free(other);
    r = ask(s, "GET", "/healthz", "", NULL);
    assert_int_equal(r.status, 200);
}

static void many_connections(void **state)
{
    const struct server *s = *state;
    enum { MANY = 300 };
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = ws_connect(s, "/ws", "amphi.v1");
    for (int i = 0; i < MANY; i++)
        ws_send(fds[i], "{\"type\":\"ping\",\"t\":3}");
    for (int i = 0; i < MANY; i++) {
        ws_expect(fds[i], "\"t\":3");
        close(fds[i]);
    }
}

static struct http_counters counted;

static void count(struct server *s)
{
    http_count(s->http, &counted);
}

/* Who is there stays, and a place that becomes free is anybody's. */
static void no_more_than_it_takes(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    int fds[4];
    (void)state;
    fake_init(&s->fake, 2);
    start_with(s, &(struct http_config){.max_connections = 4});
    for (int i = 0; i < 4; i++)
        fds[i] = ws_connect(s, "/ws", "amphi.v1");
    for (int i = 0; i < 3; i++) {
        int one_more = ws_open(s, "/ws", "amphi.v1");
        assert_true(is_closed(one_more));
        close(one_more);
    }
    on_server(s, count);
    assert_int_equal(counted.connections, 4);
    assert_int_equal(counted.connections_refused, 3);
    for (int i = 0; i < 4; i++) {
        ws_send(fds[i], "{\"type\":\"ping\",\"t\":3}");
        ws_expect(fds[i], "\"t\":3");
    }
    close(fds[0]);
    do
        on_server(s, count);
    while (counted.connections > 3);
    fds[0] = ws_connect(s, "/ws", "amphi.v1");
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    stop(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ws_plays),
        TEST(ws_of_a_room),
        TEST(ws_where_there_is_none),
        TEST(ws_fragments_and_pings),
        TEST(ws_too_large),
        TEST(ws_that_vanishes_gives_its_seat_back),
        TEST(ws_that_never_reads),
        TEST(rooms_wake_those_who_wait),
        TEST(members_hear_the_presenter),
        cmocka_unit_test(destroy_with_everything_open),
        TEST(a_taken_port_is_told),
        TEST(loopback_means_loopback),
        TEST(descriptors_run_out),
        TEST(two_servers),
        TEST(many_connections),
        cmocka_unit_test(no_more_than_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
