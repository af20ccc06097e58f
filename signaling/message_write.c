/* message_write.c - the JSON that we send. */
#include "signaling/message.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Adds a value, which is taken; NULL, after letting go of `root`, when that fails. */
static json_t *with(json_t *root, const char *name, json_t *value)
{
    if (root && json_object_set_new(root, name, value) == 0)
        return root;
    if (!root)
        json_decref(value);
    json_decref(root);
    return NULL;
}

static json_t *with_peer(json_t *root, uint32_t viewer_id)
{
    char peer[16];
    snprintf(peer, sizeof(peer), "%u", (unsigned)viewer_id);
    return viewer_id != 0 ? with(root, "peerId", json_string(peer)) : root;
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

static json_t *layers_json(const struct backend_stream *s)
{
    json_t *list = json_array();
    for (unsigned i = 0; list && i < s->n_layers; i++)
        if (json_array_append_new(list, json_pack("{s:i, s:i, s:I}", "width", s->layers[i].width,
                                                  "height", s->layers[i].height, "bitrate",
                                                  (json_int_t)s->layers[i].bitrate_bps)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *stream_json(const struct backend_stream *s)
{
    return json_pack("{s:s, s:o, s:o, s:b, s:i, s:i, s:s, s:i, s:o, s:b, s:b, s:o}", "trackId",
                     s->track_id, "windowName", name_of(s->window_name), "appName",
                     name_of(s->app_name), "isFocused", s->is_focused, "width", s->width, "height",
                     s->height, "codec", codec_name(s->codec), "layers", (int)s->n_layers,
                     "layerSizes", layers_json(s), "audio", s->has_audio, "paused", s->paused,
                     "endReason", name_of(s->end_reason));
}

static json_t *ended_json(const struct backend_stream *s)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "trackId", s->track_id, "windowName",
                     name_of(s->window_name), "appName", name_of(s->app_name), "endReason",
                     name_of(s->end_reason));
}

/* The streams of a room, or those that have ended and say why; `room` may be NULL. */
static json_t *streams_json(const struct backend_room *room, bool ended)
{
    json_t *list = json_array();
    for (unsigned i = 0; list && room && i < BACKEND_STREAMS_MAX; i++) {
        const struct backend_stream *s = &room->streams[i];
        if (ended ? s->active || s->end_reason[0] == '\0' : !s->active)
            continue;
        if (json_array_append_new(list, ended ? ended_json(s) : stream_json(s)) != 0) {
            json_decref(list);
            return NULL;
        }
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

char *message_joined(const struct message *reply_to, const struct message_joined *what)
{
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:i, s:o, s:i}", "type", "joined", "room", what->room->code,
                  "role", what->sharer ? "sharer" : "viewer", "protocol", 1, "iceServers",
                  ice_servers_json(what->backend), "viewers", (int)what->room->viewers);
    if (what->resume[0] != '\0')
        root = with(root, "resume", json_string(what->resume));
    if (what->resumed)
        root = with(root, "resumed", json_true());
    if (what->secret)
        root = with(root, "secret", json_string(what->secret));
    return dump(with_peer(echo(root, reply_to, "id"), what->viewer_id));
}

char *message_password(const struct message *reply_to, const char *type, const char *sentence)
{
    return dump(echo(json_pack("{s:s, s:s}", "type", type, "error", sentence), reply_to, "id"));
}

char *message_password_updated(const struct message *reply_to, bool is_protected)
{
    return dump(
        echo(json_pack("{s:s, s:b}", "type", "password-updated", "passwordRequired", is_protected),
             reply_to, "id"));
}

char *message_streams_info(const struct backend_room *room, bool live)
{
    json_t *root =
        json_pack("{s:s, s:o, s:o}", "type", "streams-info", "streams",
                  streams_json(live ? room : NULL, false), "ended", streams_json(room, true));
    if (room && room->reconnecting)
        root = with(root, "reconnecting", json_true());
    return dump(root);
}

char *message_activated(const struct backend_stream *stream)
{
    return dump(json_pack("{s:s, s:o}", "type", "stream-activated", "streamActivated",
                          stream_json(stream)));
}

/* "video<i>" */
static json_t *track_json(unsigned slot)
{
    char track[16];
    snprintf(track, sizeof(track), "video%u", slot);
    return json_string(track);
}

char *message_deactivated(unsigned slot)
{
    return dump(json_pack("{s:s, s:o}", "type", "stream-deactivated", "streamDeactivated",
                          track_json(slot)));
}

char *message_focus(unsigned slot)
{
    return dump(json_pack("{s:s, s:o}", "type", "focus-change", "focusedTrack", track_json(slot)));
}

char *message_size(unsigned slot, int width, int height)
{
    return dump(json_pack("{s:s, s:o, s:i, s:i}", "type", "size-change", "trackId",
                          track_json(slot), "width", width, "height", height));
}

char *message_cursor(unsigned slot, double x, double y, bool in_view)
{
    return dump(json_pack("{s:s, s:o, s:f, s:f, s:b}", "type", "cursor-position", "trackId",
                          track_json(slot), "cursorX", x, "cursorY", y, "cursorInView", in_view));
}

char *message_offer(const char *sdp, uint32_t viewer_id)
{
    return dump(with_peer(json_pack("{s:s, s:s}", "type", "offer", "sdp", sdp), viewer_id));
}

/* The m-lines of video, each with the slot its picture goes to. */
static json_t *tracks_json(const struct backend_publication *what)
{
    json_t *list = json_array();
    for (unsigned i = 0; list && i < what->n_tracks; i++) {
        const struct backend_publish_track *t = &what->tracks[i];
        if (!t->audio && json_array_append_new(list, json_pack("{s:s, s:o}", "mid", t->mid,
                                                               "trackId", track_json(t->slot)))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

char *message_answer(const struct message *reply_to, const char *sdp, const char *peer_id,
                     const struct backend_publication *what)
{
    json_t *root =
        json_pack("{s:s, s:s, s:o}", "type", "answer", "sdp", sdp, "tracks", tracks_json(what));
    if (peer_id)
        root = with(root, "peerId", json_string(peer_id));
    return dump(echo(root, reply_to, "id"));
}

/* The other m-lines share the first one's transport. A text, as GoPeep's page wants it. */
char *message_ice(const char *candidate, const char *mid, const char *peer_id)
{
    char *text = NULL;
    if (candidate[0] != '\0')
        text = dump(json_pack("{s:s, s:s, s:i}", "candidate", candidate, "sdpMid", mid,
                              "sdpMLineIndex", 0));
    json_t *root = text || candidate[0] == '\0'
                       ? json_pack("{s:s, s:s}", "type", "ice", "candidate", text ? text : "")
                       : NULL;
    free(text);
    if (peer_id)
        root = with(root, "peerId", json_string(peer_id));
    return dump(root);
}

char *message_viewer(const char *type, uint32_t viewer_id, unsigned viewers)
{
    return dump(
        with_peer(json_pack("{s:s, s:i}", "type", type, "viewers", (int)viewers), viewer_id));
}

static json_t *layers_list(unsigned layers)
{
    json_t *list = json_array();
    for (unsigned i = 0; list && i < BACKEND_LAYERS_MAX; i++)
        if (layers & 1u << i && json_array_append_new(list, json_integer(i)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

char *message_audience(const struct backend_audience *audience)
{
    json_t *root = json_pack("{s:s, s:i, s:i, s:i, s:i, s:o, s:o}", "type", "audience", "viewers",
                             (int)audience->viewers, "good", (int)audience->good, "poor",
                             (int)audience->poor, "joining", (int)audience->joining, "worst",
                             name_of(audience->worst), "layers", layers_list(audience->layers));
    if (audience->usable_bps != 0)
        root = with(root, "usableBps", json_integer((json_int_t)audience->usable_bps));
    return dump(root);
}

char *message_publish_config(uint64_t bitrate_bps, unsigned layers, const char *reason)
{
    json_t *root = json_pack("{s:s, s:o, s:o}", "type", "publish-config", "layers",
                             layers_list(layers), "reason", name_of(reason));
    if (bitrate_bps != 0)
        root = with(root, "bitrate", json_integer((json_int_t)bitrate_bps));
    return dump(root);
}

char *message_redirect(const char *url)
{
    return dump(json_pack("{s:s, s:s}", "type", "redirect", "url", url));
}

char *message_draining(unsigned ends_in_s)
{
    return dump(json_pack("{s:s, s:i}", "type", "draining", "endsInS", (int)ends_in_s));
}

char *message_error(const struct message *reply_to, const char *code, const char *sentence)
{
    json_t *text = json_string(sentence); /* may quote what was sent, cut anywhere */
    json_t *root = json_pack("{s:s, s:s, s:o}", "type", "error", "code", code, "error",
                             text ? text : json_string("the message cannot be used"));
    return dump(echo(root, reply_to, "id"));
}

char *message_rate_limited(const struct message *reply_to, const char *what, unsigned wait_s)
{
    char sentence[100];
    snprintf(sentence, sizeof(sentence),
             "there are too many %s from your address; try again in %u s", what, wait_s);
    json_t *root = json_pack("{s:s, s:s, s:s, s:i}", "type", "error", "code", "rate-limited",
                             "error", sentence, "retryAfter", (int)wait_s);
    return dump(echo(root, reply_to, "id"));
}

char *message_pong(const struct message *ping)
{
    return dump(echo(echo(json_pack("{s:s}", "type", "pong"), ping, "t"), ping, "id"));
}

char *message_story(const struct message *reply_to, const char *decisions)
{
    json_t *list = json_loads(decisions, 0, NULL);
    json_t *root = json_pack("{s:s, s:o}", "type", "viewer-story", "decisions", list);
    return dump(echo(root, reply_to, "id"));
}

char *message_bare(const char *type)
{
    return dump(json_pack("{s:s}", "type", type));
}

char *message_room(const struct backend_room *room)
{
    return dump(json_pack("{s:s, s:b, s:i, s:o, s:b, s:o, s:b, s:b, s:b}", "room", room->code,
                          "live", room->live, "viewers", (int)room->viewers, "streams",
                          streams_json(room, false), "password_required", room->password_required,
                          "title", name_of(room->title), "presenter", room->presenter,
                          "reconnecting", room->reconnecting, "tokens", room->makes_tokens));
}

char *message_problem(int status, const char *title, const char *detail)
{
    json_t *text = json_string(detail);
    return dump(json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", title, "status",
                          status, "detail", text ? text : json_string(title)));
}

char *message_track(unsigned slot)
{
    return dump(json_pack("{s:o}", "trackId", track_json(slot)));
}
