#include "tests/load/joiner.h"

#include "tests/load/http_text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_ROOM = SDP_SCAN_WRITE_MAX + 2048, MESSAGE_ROOM = 2 * SDP_SCAN_WRITE_MAX };

void joiner_init(struct joiner *j, const struct joiner_config *config, const char *ufrag,
                 uint32_t mask)
{
    memset(j, 0, sizeof(*j));
    j->config = config;
    j->state = JOINER_ASKING;
    j->mask = mask;
    snprintf(j->ufrag, sizeof(j->ufrag), "%s", ufrag);
}

static void forget_bytes(struct joiner *j)
{
    free(j->out);
    free(j->in);
    j->out = j->in = NULL;
    j->out_size = j->out_sent = j->out_room = j->in_size = j->in_room = 0;
}

void joiner_finish(struct joiner *j)
{
    forget_bytes(j);
    free(j->location);
    j->location = NULL;
}

__attribute__((format(printf, 3, 4))) static void stop(struct joiner *j, enum joiner_state state,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(j->error, sizeof(j->error), format, args);
    va_end(args);
    j->state = state;
    j->done_with_connection = true;
}

/* Room for `size` more bytes to be sent; NULL fails the joining. */
static char *reserve(struct joiner *j, size_t size)
{
    if (j->out_size + size > j->out_room) {
        size_t room = j->out_size + size;
        char *out = realloc(j->out, room);
        if (!out) {
            stop(j, JOINER_FAILED, "no memory");
            return NULL;
        }
        j->out = out;
        j->out_room = room;
    }
    return j->out + j->out_size;
}

static struct sdp_scan_local local_of(const struct joiner *j)
{
    return (struct sdp_scan_local){
        .ufrag = j->ufrag, .pwd = j->config->pwd, .fingerprint = j->config->fingerprint};
}

/* --- WHEP --- */

static void ask_whep(struct joiner *j)
{
    struct sdp_scan_local local = local_of(j);
    char sdp[SDP_SCAN_WRITE_MAX], path[128];
    size_t size = sdp_scan_write_offer(sdp, sizeof(sdp), &local);
    char *out = reserve(j, REQUEST_ROOM);
    if (!out)
        return;
    snprintf(path, sizeof(path), "/whep/%s", j->config->room);
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .host = j->config->host,
                                   .type = "application/sdp",
                                   .body = sdp,
                                   .body_size = size,
                                   .close = true};
    j->out_size += http_request_write(out, REQUEST_ROOM, &request);
}

/* Only the path: the session lives where it was made. */
static char *path_of(const char *location)
{
    const char *scheme = strstr(location, "://");
    const char *path = scheme ? strchr(scheme + 3, '/') : location;
    return path && path[0] == '/' ? strdup(path) : NULL;
}

static void on_answer(struct joiner *j, const struct http_reply *reply)
{
    char error[100];
    if (reply->status == 503 || reply->status == 409 || reply->status == 429) {
        j->retry_after_s = reply->retry_after_s > 0 ? reply->retry_after_s : 1;
        stop(j, JOINER_RETRY, "HTTP status %d", reply->status);
    } else if (reply->status != 201 && reply->status != 200) {
        stop(j, JOINER_FAILED, "HTTP status %d", reply->status);
    } else {
        j->location = path_of(reply->location);
        j->done_with_connection = true;
        if (sdp_scan(&j->remote, reply->body, reply->body_size, error, sizeof(error)) != 0)
            stop(j, JOINER_FAILED, "%s", error);
        else
            j->state = JOINER_AGREED;
    }
}

static void on_reply(struct joiner *j, bool at_end)
{
    struct http_reply reply;
    int got = http_reply_parse(&reply, j->in, j->in_size, at_end);
    if (got == 0)
        return;
    if (got < 0)
        stop(j, j->state == JOINER_LEAVING ? JOINER_LEFT : JOINER_FAILED, "no whole HTTP reply");
    else if (j->state == JOINER_LEAVING)
        stop(j, reply.status == 200 ? JOINER_LEFT : JOINER_FAILED, "DELETE: HTTP status %d",
             reply.status);
    else
        on_answer(j, &reply);
    forget_bytes(j);
}

/* --- WebSocket --- */

static void send_frame(struct joiner *j, enum ws_opcode opcode, const void *payload, size_t size)
{
    char *out = reserve(j, size + 16);
    if (out)
        j->out_size += ws_frame_write((uint8_t *)out, size + 16, opcode, payload, size, j->mask++);
}

static void send_json(struct joiner *j, json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text)
        send_frame(j, WS_TEXT, text, strlen(text));
    else
        stop(j, JOINER_FAILED, "no memory");
    free(text);
}

static void on_offer(struct joiner *j, const json_t *message)
{
    const char *sdp = json_string_value(json_object_get(message, "sdp"));
    const char *peer = json_string_value(json_object_get(message, "peerId"));
    struct sdp_scan_local local = local_of(j);
    char answer[SDP_SCAN_WRITE_MAX], error[100];
    if (j->state != JOINER_ASKING)
        return;
    if (!sdp || !peer) {
        stop(j, JOINER_FAILED, "an offer without sdp or peerId");
    } else if (sdp_scan(&j->remote, sdp, strlen(sdp), error, sizeof(error)) != 0) {
        stop(j, JOINER_FAILED, "%s", error);
    } else if (sdp_scan_write_answer(answer, sizeof(answer), &local, &j->remote) == 0) {
        stop(j, JOINER_FAILED, "the answer is too long");
    } else {
        j->state = JOINER_AGREED;
        send_json(j, json_pack("{s:s, s:s, s:s}", "type", "answer", "peerId", peer, "sdp", answer));
    }
}

static void on_text(struct joiner *j, const char *text, size_t size)
{
    json_t *root = json_loadb(text, size, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    if (type && strcmp(type, "offer") == 0) {
        on_offer(j, root);
    } else if (type && strcmp(type, "error") == 0 && j->state == JOINER_ASKING) {
        const char *code = json_string_value(json_object_get(root, "code"));
        bool full = code && strcmp(code, "room-full") == 0;
        j->retry_after_s = 1;
        stop(j, full ? JOINER_RETRY : JOINER_FAILED, "error %.60s", code ? code : "");
    }
    json_decref(root);
}

static void on_upgraded(struct joiner *j, const struct http_reply *reply)
{
    if (reply->status != 101) {
        j->retry_after_s = reply->retry_after_s > 0 ? reply->retry_after_s : 1;
        stop(j, reply->status == 503 ? JOINER_RETRY : JOINER_FAILED, "HTTP status %d",
             reply->status);
        return;
    }
    j->upgraded = true;
    send_json(
        j, json_pack("{s:s, s:s, s:s}", "type", "join", "role", "viewer", "room", j->config->room));
}

/* Takes `taken` bytes off the front of what came. */
static void drop_front(struct joiner *j, size_t taken)
{
    memmove(j->in, j->in + taken, j->in_size - taken + 1);
    j->in_size -= taken;
}

static void on_frame(struct joiner *j, const struct ws_frame *f)
{
    if (f->opcode == WS_TEXT)
        on_text(j, (const char *)f->payload, f->size);
    else if (f->opcode == WS_PING)
        send_frame(j, WS_PONG, f->payload, f->size);
    else if (f->opcode == WS_CLOSE)
        joiner_on_close(j);
}

static void on_ws_bytes(struct joiner *j)
{
    if (!j->upgraded) {
        struct http_reply reply;
        int got = http_reply_parse(&reply, j->in, j->in_size, false);
        if (got < 0)
            stop(j, JOINER_FAILED, "no WebSocket");
        if (got <= 0)
            return;
        on_upgraded(j, &reply);
        drop_front(j, reply.head_size);
    }
    struct ws_frame frame;
    long taken = 0;
    while (!j->done_with_connection &&
           (taken = ws_frame_parse(&frame, (const uint8_t *)j->in, j->in_size)) > 0) {
        on_frame(j, &frame);
        drop_front(j, (size_t)taken);
    }
    if (taken < 0)
        stop(j, JOINER_FAILED, "a WebSocket frame that cannot be read");
    if (j->in_size == 0) {
        free(j->in);
        j->in = NULL;
        j->in_room = 0;
    }
}

/* --- both --- */

void joiner_ask(struct joiner *j)
{
    forget_bytes(j);
    j->state = JOINER_ASKING;
    j->done_with_connection = j->upgraded = false;
    if (j->config->signaling == JOINER_WHEP) {
        ask_whep(j);
        return;
    }
    char *out = reserve(j, MESSAGE_ROOM);
    if (out)
        j->out_size += http_upgrade_write(out, MESSAGE_ROOM, "/ws", j->config->host);
}

void joiner_on_bytes(struct joiner *j, const char *data, size_t size)
{
    if (j->in_size + size + 1 > j->in_room) {
        size_t room = 2 * (j->in_size + size + 1);
        char *in = room <= 2 * HTTP_TEXT_MAX ? realloc(j->in, room) : NULL;
        if (!in) {
            stop(j, JOINER_FAILED, "a reply that is too long");
            return;
        }
        j->in = in;
        j->in_room = room;
    }
    memcpy(j->in + j->in_size, data, size);
    j->in_size += size;
    j->in[j->in_size] = '\0';
    if (j->config->signaling == JOINER_WS)
        on_ws_bytes(j);
    else
        on_reply(j, false);
}

void joiner_on_close(struct joiner *j)
{
    j->done_with_connection = true;
    if (j->config->signaling == JOINER_WHEP && j->in)
        on_reply(j, true);
    if (j->state == JOINER_ASKING || j->state == JOINER_LEAVING)
        stop(j, JOINER_FAILED, "the server closed the connection");
}

const char *joiner_output(const struct joiner *j, size_t *size)
{
    *size = j->out_size - j->out_sent;
    return j->out ? j->out + j->out_sent : NULL;
}

void joiner_on_sent(struct joiner *j, size_t size)
{
    j->out_sent += size;
    if (j->out_sent < j->out_size)
        return;
    free(j->out);
    j->out = NULL;
    j->out_size = j->out_sent = j->out_room = 0;
}

bool joiner_leave(struct joiner *j)
{
    if (j->config->signaling == JOINER_WS || !j->location) {
        j->state = JOINER_LEFT;
        j->done_with_connection = true;
        return false;
    }
    forget_bytes(j);
    j->state = JOINER_LEAVING;
    j->done_with_connection = false;
    struct http_request request = {
        .method = "DELETE", .path = j->location, .host = j->config->host, .close = true};
    char *out = reserve(j, REQUEST_ROOM);
    if (out)
        j->out_size += http_request_write(out, REQUEST_ROOM, &request);
    return out != NULL;
}
