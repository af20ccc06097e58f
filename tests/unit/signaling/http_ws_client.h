/* http_ws_client.h - a WebSocket client for tests of the shell. */
#pragma once

#include "tests/unit/signaling/http_client.h"

static inline int ws_open(const struct server *s, const char *path, const char *protocol)
{
    return ws_open_port(http_port(s->http), path, protocol);
}

static inline int ws_connect(const struct server *s, const char *path, const char *protocol)
{
    return ws_connect_port(http_port(s->http), path, protocol);
}

static inline void ws_join(int fd)
{
    ws_send(fd, "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"" FAKE_ROOM "\"}");
    ws_expect(fd, "\"type\":\"joined\"");
    ws_expect(fd, "\"type\":\"streams-info\"");
    ws_expect(fd, "\"type\":\"offer\",\"sdp\":\"v=0\\r\\n");
}
