/* server_fixture.h - a whole server on loopback and a thread of its own, for tests that talk to it
 * as others do.
 *
 * It is made from a command line (`fixture_start`), reads its options anew from `fixture.argv` when
 * told so, and is ended by `fixture_stop`.
 */
#pragma once

#include "server/server.h"

#include "tests/unit/signaling/http_talk.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <errno.h>
#include <pthread.h>

#define FIXTURE_ROOM "CALM-FOX-007"
#define FIXTURE_TOKEN "open-sesame"
#define FIXTURE_ADMIN "Authorization: Bearer " FIXTURE_TOKEN "\r\n"
#define FIXTURE_ARGS_MAX 32

struct fixture {
    struct server *server;
    uint16_t port;
    pthread_t thread;
    int argc;
    char *argv[FIXTURE_ARGS_MAX];
};

static inline void *fixture_serve(void *arg)
{
    server_run(arg);
    return NULL;
}

static inline int fixture_reread(void *arg, struct config *out, char *error, size_t error_size)
{
    struct fixture *f = arg;
    return config_read(out, f->argc, f->argv, NULL, error, error_size);
}

/* `options`: what follows the name of the program, a list that ends with NULL. */
static inline void fixture_start(struct fixture *f, const char *const *options)
{
    static const char *const common[] = {
        "amphi",  "--listen",   "127.0.0.1:0",   "--udp-port",  "0",           "--workers", "1",
        "--room", FIXTURE_ROOM, "--admin-token", FIXTURE_TOKEN, "--log-level", "error",     NULL};
    char error[300];
    struct config *config = calloc(1, sizeof(*config));
    *f = (struct fixture){.argc = 0};
    for (unsigned i = 0; common[i]; i++)
        f->argv[f->argc++] = strdup(common[i]);
    for (unsigned i = 0; options[i]; i++)
        f->argv[f->argc++] = strdup(options[i]);
    assert_true(f->argc < FIXTURE_ARGS_MAX);
    if (fixture_reread(f, config, error, sizeof(error)) != 0 ||
        server_create(&f->server, config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    free(config);
    const char *colon = strrchr(server_url(f->server), ':');
    f->port = (uint16_t)atoi(colon + 1);
    server_on_reload(f->server, fixture_reread, f);
    assert_int_equal(pthread_create(&f->thread, NULL, fixture_serve, f->server), 0);
}

static inline void fixture_stop(struct fixture *f)
{
    server_stop(f->server);
    pthread_join(f->thread, NULL);
    server_destroy(f->server);
    for (int i = 0; i < f->argc; i++)
        free(f->argv[i]);
}

static inline struct reply fixture_ask(const struct fixture *f, const char *method,
                                       const char *path, const char *headers, const char *body)
{
    return ask_port(f->port, method, path, headers, body);
}

/* Messages of other types are read over. */
static inline void fixture_until(int fd, const char *type)
{
    char wanted[80];
    snprintf(wanted, sizeof(wanted), "\"type\":\"%s\"", type);
    do
        assert_int_equal(ws_read(fd), 0x81);
    while (!strstr(body_buffer, wanted));
}

/* Somebody at the room's presenting side who hears of its viewers, and sends nothing. */
static inline int fixture_present(const struct fixture *f)
{
    char text[300];
    int fd = ws_connect_port(f->port, "/ws", "amphi.v1");
    snprintf(text, sizeof(text),
             "{\"type\":\"join\",\"role\":\"sharer\",\"client\":\"test\",\"room\":\"%s\","
             "\"secret\":\"%s\"}",
             server_room(f->server), server_secret(f->server));
    ws_send(fd, text);
    fixture_until(fd, "joined");
    return fd;
}

/* One who has an offer; its id as text. */
static inline int fixture_join(const struct fixture *f, char id[16])
{
    int fd = ws_connect_port(f->port, "/ws/" FIXTURE_ROOM, "amphi.v1");
    ws_send(fd, "{\"type\":\"join\",\"role\":\"viewer\",\"client\":\"test\"}");
    fixture_until(fd, "offer");
    const char *at = strstr(body_buffer, "\"peerId\":\"");
    assert_non_null(at);
    snprintf(id, 16, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    return fd;
}

/* One who watches as far as signaling can tell: its handshakes never come. */
static inline int fixture_watch(const struct fixture *f, char id[16])
{
    int fd = fixture_join(f, id);
    ws_send_sdp(fd, "answer", chromium_answer);
    return fd;
}
