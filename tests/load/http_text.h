/* http_text.h - an HTTP/1.1 client's bytes (RFC 9112) and WebSocket frames (RFC 6455). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_TEXT_MAX 262144 /* of a whole reply */

struct http_reply {
    int status;
    size_t head_size;
    const char *body; /* borrowed: the bytes that were parsed */
    size_t body_size;
    char location[256]; /* "": none */
    int retry_after_s;  /* 0: none */
};

/* 1: whole; 0: more is to come; -EBADMSG: no HTTP, or longer than HTTP_TEXT_MAX. `at_end`: the
 * connection was closed behind these bytes. A 101 has no body. data[size] must be '\0'. */
int http_reply_parse(struct http_reply *out, const char *data, size_t size, bool at_end);

struct http_request {
    const char *method, *path, *host, *type, *bearer; /* type, bearer: NULL for none */
    const char *body;
    size_t body_size;
    bool close; /* no further request on this connection */
};

/* The size; 0 if it does not fit. */
size_t http_request_write(char *out, size_t room, const struct http_request *r);
/* The upgrade to amphi.v1. */
size_t http_upgrade_write(char *out, size_t room, const char *path, const char *host);

enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_frame {
    enum ws_opcode opcode;
    const uint8_t *payload; /* borrowed */
    size_t size;
};

/* Bytes taken; 0: more is to come; -EBADMSG: masked, in pieces, or longer than HTTP_TEXT_MAX. */
long ws_frame_parse(struct ws_frame *out, const uint8_t *data, size_t size);
/* Masked, as a client must. The size; 0 if it does not fit. */
size_t ws_frame_write(uint8_t *out, size_t room, enum ws_opcode opcode, const void *payload,
                      size_t size, uint32_t mask);
