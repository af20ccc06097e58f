/* http_talk.h - the client's side of HTTP and WebSockets, on plain sockets: for tests that ask a
 * server on loopback, whoever it is. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define GUARD_S 20 /* a test that waits longer has failed */

static inline int connect_to_port(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
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

static inline struct reply ask_port(uint16_t port, const char *method, const char *path,
                                    const char *headers, const char *body)
{
    int fd = connect_to_port(port);
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

/* --- WebSockets --------------------------------------------------------------------------------
 */

static inline int ws_open_port(uint16_t port, const char *path, const char *protocol)
{
    char headers[300];
    int fd = connect_to_port(port);
    sprintf(headers,
            "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s",
            protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
            protocol ? "\r\n" : "");
    request(fd, "GET", path, headers, NULL);
    return fd;
}

static inline int ws_connect_port(uint16_t port, const char *path, const char *protocol)
{
    int fd = ws_open_port(port, path, protocol);
    struct reply r = read_reply(fd, true);
    assert_int_equal(r.status, 101);
    header_is(&r, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455 1.3 */
    if (protocol)
        header_is(&r, "Sec-WebSocket-Protocol", "amphi.v1");
    else
        assert_null(header_of(&r, "Sec-WebSocket-Protocol"));
    return fd;
}

static inline void ws_frame(int fd, unsigned first, const void *data, size_t size)
{
    static uint8_t frame[80000];
    size_t n = 0;
    frame[n++] = (uint8_t)first;
    if (size < 126) {
        frame[n++] = (uint8_t)(0x80 | size);
    } else if (size < 65536) {
        frame[n++] = 0x80 | 126;
        frame[n++] = (uint8_t)(size >> 8);
        frame[n++] = (uint8_t)size;
    } else {
        frame[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            frame[n++] = (uint8_t)((uint64_t)size >> shift);
    }
    memset(frame + n, 0, 4); /* a mask of zeros */
    n += 4;
    if (size > 0)
        memcpy(frame + n, data, size);
    put(fd, frame, n + size);
}

static inline void ws_send(int fd, const char *text)
{
    ws_frame(fd, 0x81, text, strlen(text));
}

/* The next frame's first byte; its content is in body_buffer. */
static inline unsigned ws_read(int fd)
{
    uint8_t head[10];
    get_exactly(fd, head, 2);
    size_t size = head[1] & 0x7f;
    if (size == 126) {
        get_exactly(fd, head + 2, 2);
        size = (size_t)head[2] << 8 | head[3];
    }
    assert_true(size < sizeof(body_buffer) && (head[1] & 0x7f) < 127);
    get_exactly(fd, body_buffer, size);
    body_buffer[size] = '\0';
    return head[0];
}

static inline void ws_expect(int fd, const char *what)
{
    assert_int_equal(ws_read(fd), 0x81);
    if (!strstr(body_buffer, what))
        fail_msg("missing %s in %s", what, body_buffer);
}

/* The caller frees it. */
static inline char *sdp_message(const char *type, const char *sdp)
{
    char *text = malloc(2 * strlen(sdp) + 100);
    int n = sprintf(text, "{\"type\":\"%s\",\"sdp\":\"", type);
    for (const char *c = sdp; *c; c++)
        n += *c == '\r' ? sprintf(text + n, "\\r")
                        : (*c == '\n' ? sprintf(text + n, "\\n") : sprintf(text + n, "%c", *c));
    strcpy(text + n, "\"}");
    return text;
}

static inline void ws_send_sdp(int fd, const char *type, const char *sdp)
{
    char *text = sdp_message(type, sdp);
    ws_send(fd, text);
    free(text);
}
