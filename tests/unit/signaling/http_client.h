/* http_client.h - a server in a thread and a client on plain sockets, for the tests of the shell.
 */
#pragma once

#include "signaling/http.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define GUARD_S 20 /* a test that waits longer has failed */

struct server {
    struct fake fake;
    struct http *http;
    pthread_t thread;
    atomic_bool stop;
    /* what the thread is asked to do between two turns of the loop */
    _Atomic(void (*)(struct server *)) task;
    sem_t done;
};

static inline void *serve(void *arg)
{
    struct server *s = arg;
    while (!s->stop) {
        http_service(s->http);
        void (*task)(struct server *) = atomic_exchange(&s->task, NULL);
        if (task) {
            task(s);
            sem_post(&s->done);
        }
    }
    return NULL;
}

static inline void on_server(struct server *s, void (*task)(struct server *))
{
    atomic_store(&s->task, task);
    http_wake(s->http);
    sem_wait(&s->done);
}

/* What `wish` says beyond the address and the backend. */
static inline void start_with(struct server *s, const struct http_config *wish)
{
    char error[200];
    struct http_config config = *wish;
    strcpy(config.address, "127.0.0.1");
    config.backend = &s->fake.backend;
    sem_init(&s->done, 0, 0);
    int status = http_create(&s->http, &config, error, sizeof(error));
    if (status != 0)
        fail_msg("%s", error);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void start(struct server *s)
{
    start_with(s, &(struct http_config){.port = 0});
}

static inline void stop(struct server *s)
{
    s->stop = true;
    http_wake(s->http);
    pthread_join(s->thread, NULL);
    http_destroy(s->http);
    sem_destroy(&s->done);
}

static inline int setup(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 2);
    start(s);
    *state = s;
    return 0;
}

static inline int teardown(void **state)
{
    stop(*state);
    free(*state);
    return 0;
}

/* --- a client -----------------------------------------------------------------------------------
 */

static inline int connect_to(const struct server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_port(s->http))};
    struct timeval guard = {.tv_sec = GUARD_S};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof(guard));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &guard, sizeof(guard));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static inline void put(int fd, const void *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* closed by the server: what it said is read below */
        sent += (size_t)n;
    }
}

static inline void get_exactly(int fd, void *out, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = recv(fd, (char *)out + got, size - got, 0);
        if (n <= 0)
            fail_msg("the connection ended after %zu of %zu bytes", got, size);
        got += (size_t)n;
    }
}

struct reply {
    int status;
    size_t size; /* of the body, as received */
    char head[4096];
    char *body; /* terminated; the next reply overwrites it */
};

static char body_buffer[4 << 20];

static inline const char *header_of(const struct reply *r, const char *name)
{
    static char value[600];
    for (const char *line = strstr(r->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        size_t n = strlen(name);
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + n + 2, "\r"), line + n + 2);
            return value;
        }
    }
    return NULL;
}

/* Reads one reply; `bodiless`: to a HEAD. */
static inline struct reply read_reply(int fd, bool bodiless)
{
    struct reply r = {.body = body_buffer};
    size_t n = 0;
    do {
        assert_true(n + 1 < sizeof(r.head));
        get_exactly(fd, r.head + n, 1);
        r.head[++n] = '\0';
    } while (n < 4 || strcmp(r.head + n - 4, "\r\n\r\n") != 0);
    assert_int_equal(sscanf(r.head, "HTTP/1.1 %d ", &r.status), 1);
    const char *length = header_of(&r, "Content-Length");
    if (length && !bodiless) {
        r.size = (size_t)atoll(length);
        assert_true(r.size < sizeof(body_buffer));
        get_exactly(fd, r.body, r.size);
    }
    r.body[r.size] = '\0';
    return r;
}

static inline void request(int fd, const char *method, const char *path, const char *headers,
                           const char *body)
{
    static char text[200000];
    int n = sprintf(text, "%s %s HTTP/1.1\r\nHost: amphi\r\n%s", method, path, headers);
    if (body)
        n += sprintf(text + n, "Content-Length: %zu\r\n", strlen(body));
    n += sprintf(text + n, "\r\n%s", body ? body : "");
    put(fd, text, (size_t)n);
}

static inline struct reply ask(const struct server *s, const char *method, const char *path,
                               const char *headers, const char *body)
{
    int fd = connect_to(s);
    request(fd, method, path, headers, body);
    struct reply r = read_reply(fd, strcmp(method, "HEAD") == 0);
    close(fd);
    return r;
}

static inline void header_is(const struct reply *r, const char *name, const char *value)
{
    const char *is = header_of(r, name);
    if (!is || strcmp(is, value) != 0)
        fail_msg("%s is %s, not %s", name, is ? is : "missing", value);
}

static inline void is_problem(const struct reply *r, int status)
{
    char number[32];
    if (r->status != status)
        fail_msg("%d instead of %d: %s", r->status, status, r->body);
    header_is(r, "Content-Type", "application/problem+json");
    sprintf(number, "\"status\":%d,", status);
    assert_non_null(strstr(r->body, number));
    assert_non_null(strstr(r->body, "\"detail\":\""));
}

/* True when the server has closed its side. */
static inline bool is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

/* --- tasks for on_server ------------------------------------------------------------------------
 */

static inline void end_viewer_1(struct server *s)
{
    http_on_viewer(s->http, 1, BACKEND_VIEWER_LIVE, "connected");
    http_on_viewer(s->http, 1, BACKEND_VIEWER_CLOSED, "consent-lost");
}

static inline void end_room(struct server *s)
{
    s->fake.room.live = false;
    http_on_room(s->http, FAKE_ROOM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
