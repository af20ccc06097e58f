/* http_ws_client.h - a WebSocket client for tests of the shell. */
#pragma once

#include "tests/unit/signaling/http_client.h"

static inline int ws_open(const struct server *s, const char *path, const char *protocol)
{
    char headers[300];
    int fd = connect_to(s);
    sprintf(headers,
            "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s",
            protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
            protocol ? "\r\n" : "");
    request(fd, "GET", path, headers, NULL);
    return fd;
}

static inline int ws_connect(const struct server *s, const char *path, const char *protocol)
{
    int fd = ws_open(s, path, protocol);
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

static inline void ws_join(int fd)
{
    ws_send(fd, "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"" FAKE_ROOM "\"}");
    ws_expect(fd, "\"type\":\"joined\"");
    ws_expect(fd, "\"type\":\"streams-info\"");
    ws_expect(fd, "\"type\":\"offer\",\"sdp\":\"v=0\\r\\n");
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
