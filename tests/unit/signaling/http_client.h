/* http_client.h - a server in a thread and a client on plain sockets, for the tests of the shell.
 */
#pragma once

#include "signaling/http.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/http_talk.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

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
    if (config.address[0] == '\0')
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
    return connect_to_port(http_port(s->http));
}

static inline struct reply ask(const struct server *s, const char *method, const char *path,
                               const char *headers, const char *body)
{
    return ask_port(http_port(s->http), method, path, headers, body);
}

/* --- tasks for on_server ------------------------------------------------------------------------
 */

static inline void end_viewer_1(struct server *s)
{
    http_on_viewer(s->http, 1, BACKEND_VIEWER_LIVE, "connected");
    fake_end_viewer(&s->fake, 1);
    http_on_viewer(s->http, 1, BACKEND_VIEWER_CLOSED, "consent-lost");
}

static inline void end_room(struct server *s)
{
    s->fake.room.live = false;
    http_on_room(s->http, FAKE_ROOM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
