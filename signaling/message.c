/* message.c - the JSON that is sent to us. */
#include "signaling/message.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson recurses as deep as its input does, so the depth is limited before it sees it. */
bool message_is_too_deep(const char *text, size_t size)
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
        {"join", MESSAGE_JOIN},
        {"answer", MESSAGE_ANSWER},
        {"ice", MESSAGE_ICE},
        {"ping", MESSAGE_PING},
        {"pong", MESSAGE_PONG},
        {"viewer-stats", MESSAGE_VIEWER_STATS},
        {"select", MESSAGE_SELECT},
        {"keyframe", MESSAGE_KEYFRAME},
        {"viewer-story", MESSAGE_STORY},
        {"renegotiate-answer", MESSAGE_ANSWER}, /* GoPeep's, of a later offer */
        {"offer", MESSAGE_OFFER},
        {"streams-info", MESSAGE_STREAMS_INFO},
        {"stream-activated", MESSAGE_STREAM_ON},
        {"stream-added", MESSAGE_STREAM_ON},
        {"stream-deactivated", MESSAGE_STREAM_OFF},
        {"stream-removed", MESSAGE_STREAM_OFF},
        {"focus-change", MESSAGE_FOCUS},
        {"size-change", MESSAGE_SIZE},
        {"cursor-position", MESSAGE_CURSOR},
        {"sharer-started", MESSAGE_STARTED},
        {"sharer-stopped", MESSAGE_STOPPED},
        {"password-update", MESSAGE_PASSWORD},
        {"sharer-ready", MESSAGE_OF_SERVER},
        {"joined", MESSAGE_OF_SERVER},
        {"viewer-joined", MESSAGE_OF_SERVER},
        {"viewer-left", MESSAGE_OF_SERVER},
        {"publish-config", MESSAGE_OF_SERVER},
        {"audience", MESSAGE_OF_SERVER},
        {"redirect", MESSAGE_OF_SERVER},
        {"draining", MESSAGE_OF_SERVER},
        {"password-required", MESSAGE_OF_SERVER},
        {"password-invalid", MESSAGE_OF_SERVER},
        {"error", MESSAGE_OF_SERVER},
    };
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    return 0;
}

/* --- what viewers say of their streams ----------------------------------------------------------
 */

bool message_slot(const char *track_id, unsigned *slot)
{
    bool is_one = track_id && strncmp(track_id, "video", 5) == 0 && track_id[5] >= '0' &&
                  track_id[5] < '0' + BACKEND_STREAMS_MAX && track_id[6] == '\0';
    if (is_one)
        *slot = (unsigned)(track_id[5] - '0');
    return is_one;
}

/* "auto", which is also what is not there, or a number up to 2. */
static bool read_choice(const json_t *root, const char *name, int8_t *out)
{
    const json_t *value = json_object_get(root, name);
    *out = -1;
    if (!value || json_is_null(value) ||
        (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) >= BACKEND_LAYERS_MAX)
        return false;
    *out = (int8_t)json_integer_value(value);
    return true;
}

static bool read_bool(const json_t *root, const char *name, bool *out)
{
    const json_t *value = json_object_get(root, name);
    *out = json_is_true(value);
    return !value || json_is_null(value) || json_is_boolean(value);
}

static bool read_selection(struct message_selection *out, const json_t *root)
{
    return message_slot(json_string_value(json_object_get(root, "trackId")), &out->slot) &&
           read_choice(root, "layer", &out->layer) &&
           read_choice(root, "maxTemporal", &out->max_temporal) &&
           read_bool(root, "paused", &out->paused);
}

static int read_select(struct message *m, const json_t *root, char *error, size_t size)
{
    const json_t *list = json_object_get(root, "streams");
    if (!json_is_array(list) || json_array_size(list) > BACKEND_STREAMS_MAX)
        return fail(error, size, "\"streams\" of a select is a list of at most %d",
                    BACKEND_STREAMS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_selection(&m->selections[m->n_selections++], json_array_get(list, i)))
            return fail(error, size,
                        "a select says \"trackId\" (\"video0\"-\"video%d\"), \"layer\" and "
                        "\"maxTemporal\" (\"auto\", 0, 1 or 2), and \"paused\"",
                        BACKEND_STREAMS_MAX - 1);
    return 0;
}

/* Null, like what is not there, is not known. */
static bool read_figure(const json_t *root, const char *name, double *out)
{
    const json_t *value = json_object_get(root, name);
    *out = json_is_number(value) ? json_number_value(value) : -1;
    return !value || json_is_null(value) || (json_is_number(value) && *out >= 0 && *out < 1e15);
}

static int read_report(struct message *m, const json_t *root, char *error, size_t size)
{
    double decoded, dropped, freezes;
    if (!read_figure(root, "framesDecoded", &decoded) ||
        !read_figure(root, "framesDropped", &dropped) || !read_figure(root, "freezes", &freezes) ||
        !read_figure(root, "glassToGlassMs", &m->report.glass_to_glass_ms) ||
        !read_figure(root, "jitterBufferMs", &m->report.jitter_buffer_ms))
        return fail(error, size, "the figures of viewer-stats are numbers that are not negative");
    m->report.decoded = (int64_t)decoded;
    m->report.dropped = (int64_t)dropped;
    m->report.freezes = (int64_t)freezes;
    return 0;
}

/* --- what presenters say of theirs --------------------------------------------------------------
 */

/* Cuts at a character of UTF-8, which JSON's texts are. */
static void copy_text(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);
    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
            ;
    memcpy(out, text, n);
    out[n] = '\0';
}

/* GoPeep leaves out what is 0. */
static bool read_side(const json_t *root, const char *name, int *out)
{
    const json_t *value = json_object_get(root, name);
    *out = 0;
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > MESSAGE_SIDE_MAX)
        return false;
    *out = (int)json_integer_value(value);
    return true;
}

static bool read_flag(const json_t *root, const char *name, int *out)
{
    const json_t *value = json_object_get(root, name);
    *out = json_is_boolean(value) ? json_is_true(value) : -1;
    return !value || json_is_null(value) || json_is_boolean(value);
}

static bool read_stream(struct message_stream *out, const json_t *root)
{
    const char *window = NULL, *app = NULL;
    if (!message_slot(json_string_value(json_object_get(root, "trackId")), &out->slot) ||
        !read_text(root, "windowName", MESSAGE_NAME_MAX, &window) ||
        !read_text(root, "appName", MESSAGE_NAME_MAX, &app) ||
        !read_side(root, "width", &out->width) || !read_side(root, "height", &out->height) ||
        !read_flag(root, "isFocused", &out->focused) || !read_flag(root, "paused", &out->paused))
        return false;
    out->is_named = window || app;
    copy_text(out->window_name, sizeof(out->window_name), window ? window : "");
    copy_text(out->app_name, sizeof(out->app_name), app ? app : "");
    return true;
}

static int fail_stream(char *error, size_t size)
{
    return fail(error, size,
                "a stream is an object with \"trackId\" (\"video0\"-\"video%d\"), and with "
                "\"windowName\", \"appName\", \"width\", \"height\", \"isFocused\", \"paused\"",
                BACKEND_STREAMS_MAX - 1);
}

static int read_streams(struct message *m, const json_t *root, char *error, size_t size)
{
    const json_t *list = json_object_get(root, "streams"); /* GoPeep leaves out an empty one */
    if (list && !json_is_null(list) &&
        (!json_is_array(list) || json_array_size(list) > BACKEND_STREAMS_MAX))
        return fail(error, size, "\"streams\" is a list of at most %d", BACKEND_STREAMS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_stream(&m->streams[m->n_streams++], json_array_get(list, i)))
            return fail_stream(error, size);
    return 0;
}

/* Either name of what is the same here. */
static const json_t *either(const json_t *root, const char *a, const char *b)
{
    const json_t *value = json_object_get(root, a);
    return value ? value : json_object_get(root, b);
}

static int read_slot(struct message *m, const json_t *track, const char *field, char *error,
                     size_t size)
{
    if (message_slot(json_string_value(track), &m->slot))
        return 0;
    return fail(error, size, "\"%s\" is one of \"video0\"-\"video%d\"", field,
                BACKEND_STREAMS_MAX - 1);
}

/* In percent; GoPeep leaves out 0. */
static bool read_percent(const json_t *root, const char *name, double *out)
{
    const json_t *value = json_object_get(root, name);
    *out = json_is_number(value) ? json_number_value(value) : 0;
    return (!value || json_is_null(value) || json_is_number(value)) && *out >= -1 && *out <= 100;
}

static int read_cursor(struct message *m, const json_t *root, char *error, size_t size)
{
    if (!read_percent(root, "cursorX", &m->cursor_x) ||
        !read_percent(root, "cursorY", &m->cursor_y) ||
        !read_bool(root, "cursorInView", &m->in_view))
        return fail(error, size,
                    "\"cursorX\" and \"cursorY\" are percent of the picture, -1 when the cursor is "
                    "not in it, and \"cursorInView\" is true or false");
    return read_slot(m, json_object_get(root, "trackId"), "trackId", error, size);
}

static int read_size(struct message *m, const json_t *root, char *error, size_t size)
{
    struct message_stream *out = &m->streams[0];
    m->n_streams = 1;
    if (!read_stream(out, root) || out->width == 0 || out->height == 0)
        return fail(error, size,
                    "a size-change has \"trackId\", \"width\" and \"height\", up to %d",
                    MESSAGE_SIDE_MAX);
    return 0;
}

static int read_password(struct message *m, char *error, size_t size)
{
    if (m->password && strlen(m->password) < BACKEND_PASSWORD_MAX)
        return 0;
    if (!m->password)
        m->password = ""; /* as GoPeep takes one away */
    else
        return fail(error, size, "a password is at most %d bytes long", BACKEND_PASSWORD_MAX - 1);
    return 0;
}

static int read_of_sharer(struct message *m, const json_t *root, char *error, size_t size)
{
    switch (m->type) {
    case MESSAGE_STREAMS_INFO:
        return read_streams(m, root, error, size);
    case MESSAGE_STREAM_ON:
        m->n_streams = 1;
        return read_stream(&m->streams[0], either(root, "streamActivated", "streamAdded"))
                   ? 0
                   : fail_stream(error, size);
    case MESSAGE_STREAM_OFF:
        return read_slot(m, either(root, "streamDeactivated", "streamRemoved"), "streamDeactivated",
                         error, size);
    case MESSAGE_FOCUS:
        return read_slot(m, json_object_get(root, "focusedTrack"), "focusedTrack", error, size);
    case MESSAGE_SIZE:
        return read_size(m, root, error, size);
    case MESSAGE_CURSOR:
        return read_cursor(m, root, error, size);
    case MESSAGE_PASSWORD:
        return read_password(m, error, size);
    default:
        return 0;
    }
}

static int read_type(struct message *m, const json_t *root, char *error, size_t size)
{
    if (m->type == MESSAGE_ICE)
        take_candidate(m, json_object_get(root, "candidate"));
    if ((m->type == MESSAGE_ANSWER || m->type == MESSAGE_OFFER) && !m->sdp)
        return fail(error, size, "an offer and an answer need an \"sdp\"");
    if (m->type == MESSAGE_SELECT)
        return read_select(m, root, error, size);
    if (m->type == MESSAGE_VIEWER_STATS)
        return read_report(m, root, error, size);
    if (m->type == MESSAGE_KEYFRAME)
        return read_slot(m, json_object_get(root, "trackId"), "trackId", error, size);
    return read_of_sharer(m, root, error, size);
}

/* Whatever the type is, these mean the same. */
static int read_texts(struct message *m, const json_t *root, char *error, size_t size)
{
    const struct {
        const char *name, **out;
        size_t max;
    } texts[] = {
        {"role", &m->role, MESSAGE_TEXT_MAX},      {"room", &m->room, MESSAGE_TEXT_MAX},
        {"peerId", &m->peer_id, MESSAGE_PEER_MAX}, {"password", &m->password, MESSAGE_TEXT_MAX},
        {"secret", &m->secret, MESSAGE_TEXT_MAX},  {"client", &m->client, MESSAGE_TEXT_MAX},
        {"token", &m->token, MESSAGE_TOKEN_MAX},   {"resume", &m->resume, MESSAGE_TEXT_MAX},
        {"sdp", &m->sdp, MESSAGE_SDP_MAX},         {"replaces", &m->replaces, MESSAGE_TEXT_MAX},
    };
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!read_text(root, texts[i].name, texts[i].max, texts[i].out))
            return fail(error, size, "\"%s\" is not a text of at most %zu bytes", texts[i].name,
                        texts[i].max);
    m->sdp_size = m->sdp ? json_string_length(json_object_get(root, "sdp")) : 0;
    return 0;
}

static int read_fields(struct message *m, const json_t *root, char *error, size_t size)
{
    const char *type = NULL;
    if (!read_text(root, "type", MESSAGE_TEXT_MAX, &type) || !type)
        return fail(error, size, "a message needs a \"type\", which is a text");
    m->type = type_of(type);
    if (m->type == 0)
        return fail(error, size, "\"%.40s\" is not a type of message", type);
    if (!is_echo(json_object_get(root, "id")) || !is_echo(json_object_get(root, "t")))
        return fail(error, size, "\"id\" and \"t\" are numbers or short texts");
    if (!is_candidate(json_object_get(root, "candidate")))
        return fail(error, size, "\"candidate\" is neither a text nor an object");
    int status = read_texts(m, root, error, size);
    return status == 0 ? read_type(m, root, error, size) : status;
}

int message_parse(struct message *out, const char *text, size_t size, char *error,
                  size_t error_size)
{
    memset(out, 0, sizeof(*out));
    if (size > MESSAGE_SDP_MAX) {
        fail(error, error_size, "a message is at most %d bytes long", MESSAGE_SDP_MAX);
        return -EMSGSIZE;
    }
    if (message_is_too_deep(text, size)) {
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

/* --- requests of the admin ----------------------------------------------------------------------
 */

static json_t *load_object(const char *text, size_t size)
{
    json_t *root = message_is_too_deep(text, size)
                       ? NULL
                       : json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (root && json_is_object(root))
        return root;
    json_decref(root);
    return NULL;
}

bool message_read_source(struct message_source *out, const char *text, size_t size)
{
    json_t *root = load_object(text, size);
    const char *source = json_string_value(json_object_get(root, "source"));
    *out = (struct message_source){.source = NULL};
    if (source && source[0] != '\0' && strlen(source) <= MESSAGE_SOURCE_MAX) {
        out->source = strdup(source);
        json_object_del(root, "source");
        out->options = json_dumps(root, JSON_COMPACT);
    }
    json_decref(root);
    if (out->source && out->options)
        return true;
    message_source_finish(out);
    return false;
}

void message_source_finish(struct message_source *s)
{
    free(s->source);
    free(s->options);
    *s = (struct message_source){.source = NULL};
}

static bool read_number(const json_t *root, const char *name, int min, int max, int *out)
{
    const json_t *value = json_object_get(root, name);
    *out = -1;
    if (!value)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return false;
    *out = (int)json_integer_value(value);
    return true;
}

static bool read_rate_control(const json_t *root, char out[16])
{
    const json_t *value = json_object_get(root, "rate_control");
    const char *text = json_string_value(value);
    out[0] = '\0';
    if (!value)
        return true;
    if (!text || (strcmp(text, "cbr") != 0 && strcmp(text, "quality") != 0))
        return false;
    snprintf(out, 16, "%s", text);
    return true;
}

const char *message_read_change(struct backend_source_change *out, const char *text, size_t size)
{
    json_t *root = load_object(text, size);
    const json_t *paused = json_object_get(root, "paused");
    const char *fault = NULL;
    *out = (struct backend_source_change){.paused = -1};
    if (!root)
        fault = "the body is not a JSON object";
    else if (!read_number(root, "bitrate_kbps", 50, 200000, &out->bitrate_kbps))
        fault = "\"bitrate_kbps\" is a whole number from 50 to 200000";
    else if (!read_number(root, "fps", 1, 120, &out->fps))
        fault = "\"fps\" is a whole number from 1 to 120";
    else if (paused && !json_is_boolean(paused))
        fault = "\"paused\" is true or false";
    else if (!read_rate_control(root, out->rate_control))
        fault = "\"rate_control\" is \"cbr\" or \"quality\"";
    if (!fault && paused)
        out->paused = json_is_true(paused);
    json_decref(root);
    return fault;
}
