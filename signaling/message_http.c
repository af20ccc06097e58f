#include "signaling/message_http.h"

#include "signaling/message.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static char *dump(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static json_t *load(const char *text, size_t size)
{
    return message_is_too_deep(text, size) ? NULL
                                           : json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
}

/* --- rooms -------------------------------------------------------------------------------------
 */

/* A text, or null and nothing at all for none; false: it is something else or too long. */
static bool take_text(const json_t *root, const char *name, size_t room, const char **out)
{
    const json_t *value = json_object_get(root, name);
    *out = json_string_value(value);
    if (!value || json_is_null(value))
        return true;
    return *out && strlen(*out) < room && strlen(*out) == json_string_length(value);
}

static const char *take_wish(struct backend_room_wish *out, const json_t *root, bool makes)
{
    const json_t *viewers = json_object_get(root, "max_viewers");
    *out = (struct backend_room_wish){.max_viewers = -1};
    if (!take_text(root, "room", BACKEND_ROOM_MAX, &out->code))
        return "\"room\" is a code of at most 63 characters";
    if (!makes && out->code)
        return "the code of a room does not change";
    if (!take_text(root, "password", BACKEND_PASSWORD_MAX, &out->password))
        return "\"password\" is a text of at most 128 bytes; \"\" is none";
    if (!take_text(root, "title", BACKEND_TITLE_MAX, &out->title))
        return "\"title\" is a text of at most 127 bytes";
    if (viewers && (!json_is_integer(viewers) || json_integer_value(viewers) < 0 ||
                    json_integer_value(viewers) > 1000000))
        return "\"max_viewers\" is a whole number from 0 (no limit of its own) to 1000000";
    if (viewers)
        out->max_viewers = (int)json_integer_value(viewers);
    return NULL;
}

const char *message_read_room_wish(struct message_room_wish *out, const char *text, size_t size,
                                   bool makes)
{
    *out = (struct message_room_wish){.wish = {.max_viewers = -1}};
    json_t *root = size > 0 ? load(text, size) : json_object();
    if (!json_is_object(root)) {
        json_decref(root);
        return "the body is a JSON object, like {\"room\":\"MY-ROOM\",\"password\":\"secret\"}";
    }
    const char *fault = take_wish(&out->wish, root, makes);
    if (fault)
        json_decref(root);
    else
        out->root = root;
    return fault;
}

void message_room_wish_finish(struct message_room_wish *w)
{
    json_decref(w->root);
    w->root = NULL;
}

char *message_room_made(const struct backend_room_made *made, const char *origin)
{
    char url[512], publish[512], watch[512];
    snprintf(url, sizeof(url), "%s/%s", origin, made->code);
    snprintf(publish, sizeof(publish), "%s/whip/%s", origin, made->code);
    snprintf(watch, sizeof(watch), "%s/whep/%s", origin, made->code);
    return dump(json_pack("{s:s, s:s, s:s, s:s, s:s}", "room", made->code, "secret", made->secret,
                          "url", url, "publish_url", publish, "watch_url", watch));
}

char *message_reserved(const struct backend_room_made *made)
{
    return dump(json_pack("{s:s, s:s}", "room", made->code, "secret", made->secret));
}

/* A whole number between both, `out` if it is not there. */
static bool take_integer(const json_t *root, const char *name, int min, int max, int *out)
{
    const json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return false;
    *out = (int)json_integer_value(value);
    return true;
}

const char *message_read_token_wish(struct backend_token_wish *out, const char *text, size_t size)
{
    json_t *root = size > 0 ? load(text, size) : json_object();
    int lasts_s = MESSAGE_TOKEN_LASTS_S, layer = 0;
    const char *fault = NULL;
    if (!json_is_object(root))
        fault = "the body is a JSON object, like {\"expires_in\":3600,\"max_layer\":1}";
    else if (!take_integer(root, "expires_in", MESSAGE_TOKEN_LASTS_MIN_S, MESSAGE_TOKEN_LASTS_MAX_S,
                           &lasts_s))
        fault = "\"expires_in\" is a whole number of seconds from 60 to 604800";
    else if (!take_integer(root, "max_layer", 0, BACKEND_LAYERS_MAX - 1, &layer))
        fault = "\"max_layer\" is the best layer that may be watched: 0 (the best one), 1 or 2";
    json_decref(root);
    *out = (struct backend_token_wish){.lasts_s = (unsigned)lasts_s, .max_layer = layer};
    return fault;
}

char *message_token(const struct backend_token *t, const char *origin, const char *code)
{
    char url[1024];
    snprintf(url, sizeof(url), "%s/%s#token=%s", origin, code, t->text);
    return dump(json_pack("{s:s, s:I, s:s}", "token", t->text, "expires", (json_int_t)t->expires_s,
                          "url", url));
}

/* --- WHEP's events -----------------------------------------------------------------------------
 */

static unsigned event_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } events[] = {
        {"active", MESSAGE_EVENT_ACTIVE},       {"inactive", MESSAGE_EVENT_INACTIVE},
        {"layers", MESSAGE_EVENT_LAYERS},       {"viewercount", MESSAGE_EVENT_VIEWERCOUNT},
        {"reconnect", MESSAGE_EVENT_RECONNECT},
    };
    for (unsigned i = 0; name && i < sizeof(events) / sizeof(events[0]); i++)
        if (strcmp(name, events[i].name) == 0)
            return events[i].bit;
    return 0;
}

const char *message_read_events(unsigned *out, const char *text, size_t size)
{
    *out = size == 0 ? MESSAGE_EVENTS_ALL : 0;
    json_t *root = size > 0 ? load(text, size) : NULL;
    bool known = size == 0 || json_is_array(root);
    for (size_t i = 0; i < json_array_size(root); i++) {
        unsigned bit = event_of(json_string_value(json_array_get(root, i)));
        known &= bit != 0;
        *out |= bit;
    }
    json_decref(root);
    return known ? NULL : "the body is a JSON array of these: " MESSAGE_EVENTS_NAMES;
}

static bool take_number(const json_t *root, const char *name, int *out)
{
    const json_t *value = json_object_get(root, name);
    *out = -1;
    if (!value || json_is_null(value))
        return true;
    if (!json_is_number(value) || json_number_value(value) < 0 || json_number_value(value) > 65535)
        return false;
    *out = (int)json_number_value(value);
    return true;
}

/* The index of an m-line, as a text; some send a number. */
static bool take_media(const json_t *root, int *out)
{
    const json_t *value = json_object_get(root, "mediaId");
    const char *text = json_string_value(value);
    if (!text)
        return take_number(root, "mediaId", out);
    size_t n = strspn(text, "0123456789");
    *out = 0;
    for (size_t i = 0; i < n && n <= 2; i++)
        *out = 10 * *out + (text[i] - '0');
    return n > 0 && n <= 2 && text[n] == '\0';
}

static const char *take_layer(struct session_whep_layer *out, const json_t *root)
{
    const char *rid;
    int spelt_wrong; /* as the draft's list has it */
    if (!take_media(root, &out->media))
        return "\"mediaId\" is the index of an m-line";
    if (!take_text(root, "rid", sizeof(out->rid), &rid))
        return "\"rid\" is the text that \"layers\" tells";
    if (!take_number(root, "spatialLayerId", &out->spatial) ||
        !take_number(root, "temporalLayerId", &out->temporal) ||
        !take_number(root, "maxSpatialLayerId", &out->max_spatial) ||
        !take_number(root, "maxTemporalLayerId", &out->max_temporal) ||
        !take_number(root, "maxWidth", &out->max_width) ||
        !take_number(root, "maxHeight", &out->max_height) ||
        !take_number(root, "maxHeigth", &spelt_wrong))
        return "ids of layers and sizes are numbers from 0 to 65535";
    out->max_height = out->max_height < 0 ? spelt_wrong : out->max_height;
    snprintf(out->rid, sizeof(out->rid), "%s", rid ? rid : "");
    return NULL;
}

const char *message_read_layer(struct session_whep_layer *out, const char *text, size_t size)
{
    json_t *root = load(text, size);
    const char *fault = json_is_object(root) ? take_layer(out, root)
                                             : "the body is a JSON object, like {\"rid\":\"1\"}";
    json_decref(root);
    return fault;
}

static json_t *picture_json(const struct session_whep *s, const struct backend_stream *stream)
{
    json_t *list = json_array();
    if (!stream->active || stream->n_layers == 0)
        return list;
    for (unsigned i = session_whep_best_layer(s, stream); list && i < stream->n_layers; i++) {
        char rid[2] = {(char)('0' + i), '\0'};
        json_t *layer = json_pack("{s:s, s:i, s:i, s:I}", "rid", rid, "width",
                                  stream->layers[i].width, "height", stream->layers[i].height,
                                  "bitrate", (json_int_t)stream->layers[i].bitrate_bps);
        if (json_array_append_new(list, layer) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

char *message_layers(const struct session_whep *s, const struct backend_room *room)
{
    json_t *root = json_object();
    for (unsigned i = 0; root && i < s->n_pictures; i++) {
        char media[4];
        snprintf(media, sizeof(media), "%u", s->pictures[i].media);
        if (json_object_set_new(root, media,
                                picture_json(s, &room->streams[s->pictures[i].slot])) != 0) {
            json_decref(root);
            return NULL;
        }
    }
    return dump(root);
}

char *message_viewercount(unsigned viewers)
{
    return dump(json_pack("{s:i}", "viewercount", (int)viewers));
}
