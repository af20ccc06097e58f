#include "tests/load/http_text.h"

#include "rtp/wire/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIN = 0x80, MASKED = 0x80 };

struct head {
    long content_length; /* -1: not said */
    bool chunked;
};

static bool field_is(const char *line, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    *value = line + n + 1 + strspn(line + n + 1, " \t");
    return true;
}

static void read_field(struct http_reply *out, struct head *head, const char *line)
{
    const char *value;
    if (field_is(line, "content-length", &value))
        head->content_length = strtol(value, NULL, 10);
    else if (field_is(line, "location", &value))
        snprintf(out->location, sizeof(out->location), "%.*s", (int)strcspn(value, "\r\n"), value);
    else if (field_is(line, "retry-after", &value))
        out->retry_after_s = atoi(value);
    else if (field_is(line, "transfer-encoding", &value))
        head->chunked = true;
}

static bool read_head(struct http_reply *out, struct head *head, const char *data)
{
    *head = (struct head){.content_length = -1};
    if (memchr(data, '\0', out->head_size))
        return false;
    if (sscanf(data, "HTTP/1.1 %d", &out->status) != 1 || out->status < 100 || out->status > 599)
        return false;
    const char *end = data + out->head_size;
    for (const char *line = strstr(data, "\r\n") + 2; line + 2 < end;
         line = strstr(line, "\r\n") + 2)
        read_field(out, head, line);
    return !head->chunked && head->content_length <= HTTP_TEXT_MAX;
}

int http_reply_parse(struct http_reply *out, const char *data, size_t size, bool at_end)
{
    struct head head;
    memset(out, 0, sizeof(*out));
    const char *blank = memmem(data, size, "\r\n\r\n", 4);
    if (!blank)
        return at_end || size > HTTP_TEXT_MAX ? -EBADMSG : 0;
    out->head_size = (size_t)(blank - data) + 4;
    if (!read_head(out, &head, data))
        return -EBADMSG;
    out->body = data + out->head_size;
    out->body_size = size - out->head_size;
    if (out->status == 101 || out->status == 204)
        return 1;
    if (head.content_length < 0) /* RFC 9112 6.3: until it closes */
        return out->body_size > HTTP_TEXT_MAX ? -EBADMSG : at_end;
    if (out->body_size < (size_t)head.content_length)
        return at_end ? -EBADMSG : 0;
    out->body_size = (size_t)head.content_length;
    return 1;
}

static size_t fitted(int n, size_t room)
{
    return n < 0 || (size_t)n >= room ? 0 : (size_t)n;
}

size_t http_request_write(char *out, size_t room, const struct http_request *r)
{
    char type[100] = "", bearer[300] = "";
    if (r->type)
        snprintf(type, sizeof(type), "Content-Type: %s\r\n", r->type);
    if (r->bearer)
        snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s\r\n", r->bearer);
    size_t n = fitted(snprintf(out, room,
                               "%s %s HTTP/1.1\r\nHost: %s\r\n%s%sContent-Length: %zu\r\n%s\r\n",
                               r->method, r->path, r->host, type, bearer, r->body_size,
                               r->close ? "Connection: close\r\n" : ""),
                      room);
    if (n == 0 || room - n < r->body_size)
        return 0;
    if (r->body_size > 0)
        memcpy(out + n, r->body, r->body_size);
    return n + r->body_size;
}

size_t http_upgrade_write(char *out, size_t room, const char *path, const char *host)
{
    /* RFC 6455 4.1: the key only shows that the server knows the protocol, which we do not doubt */
    return fitted(snprintf(out, room,
                           "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
                           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Protocol: amphi.v1\r\n\r\n",
                           path, host),
                  room);
}

long ws_frame_parse(struct ws_frame *out, const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!(data[0] & FIN) || data[1] & MASKED || (data[0] & 0x0f) == 0)
        return -EBADMSG;
    size_t head = 2;
    uint64_t payload = data[1] & 0x7f;
    if (payload >= 126) {
        head += payload == 126 ? 2 : 8;
        if (size < head)
            return 0;
        payload = head == 4 ? get_u16(data + 2) : get_u64(data + 2);
    }
    if (payload > HTTP_TEXT_MAX)
        return -EBADMSG;
    if (size - head < payload)
        return 0;
    *out = (struct ws_frame){.opcode = (enum ws_opcode)(data[0] & 0x0f),
                             .payload = data + head,
                             .size = (size_t)payload};
    return (long)(head + payload);
}

size_t ws_frame_write(uint8_t *out, size_t room, enum ws_opcode opcode, const void *payload,
                      size_t size, uint32_t mask)
{
    size_t head = size < 126 ? 2 : size <= UINT16_MAX ? 4 : 10;
    if (room < head + 4 + size)
        return 0;
    out[0] = (uint8_t)(FIN | (unsigned)opcode);
    if (head == 2)
        out[1] = (uint8_t)(MASKED | size);
    else
        out[1] = MASKED | (head == 4 ? 126 : 127);
    if (head == 4)
        put_u16(out + 2, (uint16_t)size);
    else if (head == 10)
        put_u64(out + 2, size);
    put_u32(out + head, mask);
    const uint8_t *key = out + head, *from = payload;
    for (size_t i = 0; i < size; i++)
        out[head + 4 + i] = from[i] ^ key[i % 4];
    return head + 4 + size;
}
