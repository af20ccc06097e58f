/* message.c - the JSON that is sent to us. */
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
        {"join", MESSAGE_JOIN},
        {"answer", MESSAGE_ANSWER},
        {"ice", MESSAGE_ICE},
        {"ping", MESSAGE_PING},
        {"pong", MESSAGE_PONG},
        {"viewer-stats", MESSAGE_VIEWER_STATS},
        {"select", MESSAGE_SELECT},
        {"keyframe", MESSAGE_KEYFRAME},
        {"offer", MESSAGE_OF_SHARER},
        {"streams-info", MESSAGE_OF_SHARER},
        {"stream-activated", MESSAGE_OF_SHARER},
        {"stream-deactivated", MESSAGE_OF_SHARER},
        {"stream-added", MESSAGE_OF_SHARER},
        {"stream-removed", MESSAGE_OF_SHARER},
        {"focus-change", MESSAGE_OF_SHARER},
        {"size-change", MESSAGE_OF_SHARER},
        {"cursor-position", MESSAGE_OF_SHARER},
        {"sharer-started", MESSAGE_OF_SHARER},
        {"sharer-stopped", MESSAGE_OF_SHARER},
        {"sharer-ready", MESSAGE_OF_SHARER},
        {"password-update", MESSAGE_OF_SHARER},
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

static int read_type(struct message *m, const json_t *root, char *error, size_t size)
{
    if (m->type == MESSAGE_ICE)
        take_candidate(m, json_object_get(root, "candidate"));
    if (m->type == MESSAGE_ANSWER && !m->sdp)
        return fail(error, size, "an answer needs an \"sdp\"");
    if (m->type == MESSAGE_SELECT)
        return read_select(m, root, error, size);
    if (m->type == MESSAGE_VIEWER_STATS)
        return read_report(m, root, error, size);
    if (m->type == MESSAGE_KEYFRAME &&
        !message_slot(json_string_value(json_object_get(root, "trackId")), &m->slot))
        return fail(error, size, "a keyframe needs a \"trackId\", \"video0\"-\"video%d\"",
                    BACKEND_STREAMS_MAX - 1);
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
    return read_type(m, root, error, size);
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

/* --- requests of the admin ----------------------------------------------------------------------
 */

static json_t *load_object(const char *text, size_t size)
{
    json_t *root =
        is_too_deep(text, size) ? NULL : json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
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
