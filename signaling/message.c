#include "signaling/message.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson recurses as deep as its input does, so the depth is limited before it sees it. */
static bool is_too_deep(const char *text, size_t size)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MESSAGE_DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

__attribute__((format(printf, 3, 4))) static int fail(char *error, size_t size, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, size, format, args);
    va_end(args);
    return -EINVAL;
}

/* Reads an optional text. False if it is there and not a text of at most `max` bytes. */
static bool read_text(const json_t *root, const char *name, size_t max, const char **out)
{
    const json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value) || json_string_length(value) > max)
        return false;
    *out = json_string_value(value);
    return true;
}

/* What is only echoed: a number or a short text. */
static bool is_echo(const json_t *value)
{
    return !value || json_is_number(value) ||
           (json_is_string(value) && json_string_length(value) <= 64);
}

static bool is_candidate(const json_t *value)
{
    /* GoPeep's page sends the object as text, others send the object itself. */
    return !value || json_is_null(value) || json_is_object(value) ||
           (json_is_string(value) && json_string_length(value) <= 4096);
}

/* An RTCIceCandidateInit, as text or as it is, or the bare line of SDP. */
static void take_candidate(struct message *m, const json_t *value)
{
    if (json_is_string(value) && json_string_value(value)[0] == '{') {
        m->candidate_root = json_loadb(json_string_value(value), json_string_length(value),
                                       JSON_REJECT_DUPLICATES, NULL);
        value = m->candidate_root;
    }
    if (json_is_object(value))
        value = json_object_get(value, "candidate");
    if (json_is_string(value))
        m->candidate = json_string_value(value);
}

static enum message_type type_of(const char *name)
{
    static const struct {
        const char *name;
        enum message_type type;
    } types[] = {
        {"join", MESSAGE_JOIN}, {"answer", MESSAGE_ANSWER}, {"ice", MESSAGE_ICE},
        {"ping", MESSAGE_PING}, {"pong", MESSAGE_PONG},     {"viewer-stats", MESSAGE_VIEWER_STATS},
    };
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    return 0;
}

static int read_fields(struct message *m, const json_t *root, char *error, size_t size)
{
    const char *type = NULL;
    if (!read_text(root, "type", MESSAGE_TEXT_MAX, &type) || !type)
        return fail(error, size, "a message needs a \"type\", which is a text");
    m->type = type_of(type);
    if (m->type == 0)
        return fail(error, size, "\"%.40s\" is not a type that a viewer may send", type);
    static const char *const texts[] = {"password", "secret", "token", "client", "resume"};
    const char *unused = NULL;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!read_text(root, texts[i], 4096, &unused))
            return fail(error, size, "\"%s\" is not a text, or too long", texts[i]);
    if (!read_text(root, "role", MESSAGE_TEXT_MAX, &m->role) ||
        !read_text(root, "room", MESSAGE_TEXT_MAX, &m->room) ||
        !read_text(root, "peerId", MESSAGE_TEXT_MAX, &m->peer_id))
        return fail(error, size, "\"role\", \"room\" and \"peerId\" are texts of at most %d bytes",
                    MESSAGE_TEXT_MAX);
    if (!read_text(root, "sdp", MESSAGE_SDP_MAX, &m->sdp))
        return fail(error, size, "\"sdp\" is not a text");
    m->sdp_size = m->sdp ? json_string_length(json_object_get(root, "sdp")) : 0;
    if (!is_echo(json_object_get(root, "id")) || !is_echo(json_object_get(root, "t")))
        return fail(error, size, "\"id\" and \"t\" are numbers or short texts");
    if (!is_candidate(json_object_get(root, "candidate")))
        return fail(error, size, "\"candidate\" is neither a text nor an object");
    if (m->type == MESSAGE_ICE)
        take_candidate(m, json_object_get(root, "candidate"));
    if (m->type == MESSAGE_ANSWER && !m->sdp)
        return fail(error, size, "an answer needs an \"sdp\"");
    return 0;
}

int message_parse(struct message *out, const char *text, size_t size, char *error,
                  size_t error_size)
{
    memset(out, 0, sizeof(*out));
    if (size > MESSAGE_SDP_MAX) {
        fail(error, error_size, "a message is at most %d bytes long", MESSAGE_SDP_MAX);
        return -EMSGSIZE;
    }
    if (is_too_deep(text, size)) {
        fail(error, error_size, "the JSON is nested deeper than %d", MESSAGE_DEPTH_MAX);
        return -EBADMSG;
    }
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!root) {
        fail(error, error_size, "this is not JSON: %.100s", where.text);
        return -EBADMSG;
    }
    int status = json_is_object(root) ? read_fields(out, root, error, error_size)
                                      : fail(error, error_size, "a message is one JSON object");
    if (size > MESSAGE_MAX && !out->sdp) {
        fail(error, error_size, "a message without \"sdp\" is at most %d bytes long", MESSAGE_MAX);
        status = -EMSGSIZE;
    }
    out->root = root;
    if (status != 0) {
        message_finish(out);
        return status;
    }
    return 0;
}

void message_finish(struct message *m)
{
    json_decref(m->root);
    json_decref(m->candidate_root);
    m->root = m->candidate_root = NULL;
}

/* Dumps and lets go of `root`, which is NULL when memory was short. */
static char *dump(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* Adds what `from` calls `name` to `root`; NULL, after letting go of it, when that fails. */
static json_t *echo(json_t *root, const struct message *from, const char *name)
{
    json_t *value = from ? json_object_get(from->root, name) : NULL;
    if (root && value && json_object_set(root, name, value) != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static json_t *with_peer(json_t *root, uint32_t viewer_id)
{
    char peer[16];
    snprintf(peer, sizeof(peer), "%u", (unsigned)viewer_id);
    if (root && viewer_id != 0 && json_object_set_new(root, "peerId", json_string(peer)) != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* Names of windows are another program's bytes: what is not UTF-8 is left out. */
static json_t *name_of(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("");
}

static const char *codec_name(enum backend_codec codec)
{
    static const char *const names[] = {"", "h264", "vp8", "vp9", "av1"};
    return names[codec];
}

static json_t *stream_json(const struct backend_stream *s)
{
    return json_pack("{s:s, s:o, s:o, s:b, s:i, s:i, s:s, s:i, s:b}", "trackId", s->track_id,
                     "windowName", name_of(s->window_name), "appName", name_of(s->app_name),
                     "isFocused", s->is_focused, "width", s->width, "height", s->height, "codec",
                     codec_name(s->codec), "layers", (int)s->n_layers, "paused", s->paused);
}

static json_t *streams_json(const struct backend_room *room)
{
    json_t *list = json_array();
    for (unsigned i = 0; list && room && i < BACKEND_STREAMS_MAX; i++)
        if (room->streams[i].active &&
            json_array_append_new(list, stream_json(&room->streams[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *ice_server_json(const struct backend_ice_server *s)
{
    if (s->username[0] == '\0')
        return json_pack("{s:[s]}", "urls", s->url);
    return json_pack("{s:[s], s:s, s:s}", "urls", s->url, "username", s->username, "credential",
                     s->credential);
}

static json_t *ice_servers_json(const struct backend *backend)
{
    json_t *list = json_array();
    for (unsigned i = 0; list && i < backend->n_ice_servers; i++)
        if (json_array_append_new(list, ice_server_json(&backend->ice_servers[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

char *message_joined(const struct message *reply_to, const struct backend *backend,
                     const struct backend_room *room, uint32_t viewer_id)
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:i, s:o, s:i}", "type", "joined", "room", room->code,
                             "role", "viewer", "protocol", 1, "iceServers",
                             ice_servers_json(backend), "viewers", (int)room->viewers);
    return dump(with_peer(echo(root, reply_to, "id"), viewer_id));
}

char *message_streams_info(const struct backend_room *room)
{
    return dump(json_pack("{s:s, s:o}", "type", "streams-info", "streams", streams_json(room)));
}

char *message_offer(const char *sdp, uint32_t viewer_id)
{
    return dump(with_peer(json_pack("{s:s, s:s}", "type", "offer", "sdp", sdp), viewer_id));
}

/* Of the first m-line: the others share its transport. A text, as GoPeep's page wants it. */
char *message_ice(const char *candidate, uint32_t viewer_id)
{
    char *text = NULL;
    if (candidate[0] != '\0')
        text = dump(json_pack("{s:s, s:s, s:i}", "candidate", candidate, "sdpMid", "0",
                              "sdpMLineIndex", 0));
    json_t *root = text || candidate[0] == '\0'
                       ? json_pack("{s:s, s:s}", "type", "ice", "candidate", text ? text : "")
                       : NULL;
    free(text);
    return dump(with_peer(root, viewer_id));
}

char *message_error(const struct message *reply_to, const char *code, const char *sentence)
{
    json_t *text = json_string(sentence); /* may quote what was sent, cut anywhere */
    json_t *root = json_pack("{s:s, s:s, s:o}", "type", "error", "code", code, "error",
                             text ? text : json_string("the message cannot be used"));
    return dump(echo(root, reply_to, "id"));
}

char *message_pong(const struct message *ping)
{
    return dump(echo(echo(json_pack("{s:s}", "type", "pong"), ping, "t"), ping, "id"));
}

char *message_bare(const char *type)
{
    return dump(json_pack("{s:s}", "type", type));
}

char *message_room(const struct backend_room *room)
{
    return dump(json_pack("{s:s, s:b, s:i, s:o, s:b}", "room", room->code, "live", room->live,
                          "viewers", (int)room->viewers, "streams", streams_json(room),
                          "password_required", 0));
}

char *message_problem(int status, const char *title, const char *detail)
{
    json_t *text = json_string(detail);
    return dump(json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", title, "status",
                          status, "detail", text ? text : json_string(title)));
}
