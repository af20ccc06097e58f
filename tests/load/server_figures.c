#include "tests/load/server_figures.h"

#include "tests/load/http_text.h"
#include "tests/load/load_thread.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_S = 5 };

static int connect_to(const struct address *to)
{
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, &to->sa, address_size(to)) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* Reads one reply into `in`, which has room for HTTP_TEXT_MAX and a terminator. */
static int read_reply(int fd, char *in, struct http_reply *reply)
{
    size_t size = 0;
    for (;;) {
        ssize_t n = recv(fd, in + size, HTTP_TEXT_MAX - size, 0);
        if (n < 0)
            return -errno;
        size += (size_t)n;
        in[size] = '\0';
        int got = http_reply_parse(reply, in, size, n == 0);
        if (got != 0)
            return got < 0 ? got : 0;
        if (size == HTTP_TEXT_MAX)
            return -EMSGSIZE;
    }
}

/* NULL with a sentence. */
static json_t *get(const struct load_options *o, const char *path, char *error, size_t error_size)
{
    char out[1024];
    struct http_request request = {.method = "GET",
                                   .path = path,
                                   .host = o->host,
                                   .bearer = o->admin_token[0] ? o->admin_token : NULL,
                                   .close = true};
    struct http_reply reply = {0};
    json_t *root = NULL;
    char *in = malloc(HTTP_TEXT_MAX + 1);
    size_t size = http_request_write(out, sizeof(out), &request);
    int fd = connect_to(&o->server);
    int rc = !in ? -ENOMEM : fd < 0 ? fd : 0;
    if (rc == 0 && send(fd, out, size, MSG_NOSIGNAL) != (ssize_t)size)
        rc = -EIO;
    if (rc == 0)
        rc = read_reply(fd, in, &reply);
    if (rc == 0 && reply.status == 200)
        root = json_loadb(reply.body, reply.body_size, 0, NULL);
    if (rc != 0)
        snprintf(error, error_size, "GET %s: %s", path, strerror(-rc));
    else if (!root)
        snprintf(error, error_size, "GET %s: HTTP status %d", path, reply.status);
    if (fd >= 0)
        close(fd);
    free(in);
    return root;
}

static uint64_t number_at(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static void read_workers(struct server_figures *out, const json_t *workers)
{
    size_t i;
    json_t *w;
    out->gso = true;
    json_array_foreach(workers, i, w)
    {
        uint64_t lag = number_at(w, "loop_lag_p99_us");
        out->workers++;
        out->packets_sent += number_at(w, "packets_sent");
        out->bytes_sent += number_at(w, "bytes_sent");
        out->send_calls += number_at(w, "send_calls");
        out->send_errors += number_at(w, "send_errors");
        out->frames_dropped += number_at(w, "frames_dropped");
        out->loop_lag_p99_us = lag > out->loop_lag_p99_us ? lag : out->loop_lag_p99_us;
        out->gso = out->gso && json_is_true(json_object_get(w, "gso"));
    }
}

static const json_t *find_room(const json_t *rooms, const char *code)
{
    size_t i;
    json_t *room;
    json_array_foreach(rooms, i, room)
    {
        const char *name = json_string_value(json_object_get(room, "room"));
        if (name && (code[0] == '\0' || strcmp(name, code) == 0))
            return room;
    }
    return NULL;
}

int server_figures_read(struct server_figures *out, struct load_options *o, char *error,
                        size_t error_size)
{
    json_t *root = get(o, "/api/v1/stats", error, error_size);
    if (!root)
        return -EIO;
    const json_t *process = json_object_get(root, "process");
    const json_t *room = find_room(json_object_get(root, "rooms"), o->room);
    const json_t *stream = json_array_get(json_object_get(room, "streams"), 0);
    *out = (struct server_figures){
        .at_us = load_now_us(),
        .cpu_us = number_at(process, "cpu_us"),
        .rss_bytes = number_at(process, "rss_bytes"),
        .encode_fps = json_number_value(json_object_get(stream, "encode_fps")),
        .keyframes = number_at(stream, "keyframes"),
        .keyframe_requests = number_at(stream, "keyframe_requests"),
        .joins_from_cache = number_at(stream, "joins_from_cache"),
        .capture_to_send_us_p99 = number_at(stream, "capture_to_send_us_p99"),
    };
    read_workers(out, json_object_get(root, "workers"));
    if (room && o->room[0] == '\0')
        snprintf(o->room, sizeof(o->room), "%s", json_string_value(json_object_get(room, "room")));
    json_decref(root);
    if (!room)
        snprintf(error, error_size, "the server has no such room");
    return room ? 0 : -ENOENT;
}

long server_figures_viewers(const struct load_options *o, char *error, size_t error_size)
{
    char path[128];
    snprintf(path, sizeof(path), "/api/v1/rooms/%s", o->room);
    json_t *root = get(o, path, error, error_size);
    if (!root)
        return -EIO;
    long n = (long)json_integer_value(json_object_get(root, "viewers"));
    json_decref(root);
    return n;
}
