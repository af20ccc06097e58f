/* message_http.h - the JSON of the HTTP API about rooms, and of WHEP's events and layers.
 *
 * Pure. Readers return NULL, or a sentence that says what is wrong; texts of what was read live
 * until its finish. Builders return a malloc'd text, or NULL when memory is short.
 */
#pragma once

#include "signaling/backend.h"
#include "signaling/session_whep.h"

#include <stdbool.h>
#include <stddef.h>

struct message_room_wish {
    struct backend_room_wish wish; /* its texts are borrowed from `root` */
    void *root;                    /* owned */
};
/* {room, password, title, max_viewers}, each of them optional; an empty body is an empty object.
 * `makes`: a room is made, else changed, and its code is no part of that. */
const char *message_read_room_wish(struct message_room_wish *out, const char *text, size_t size,
                                   bool makes);
void message_room_wish_finish(struct message_room_wish *w);

/* {room, secret}, and where to watch and publish: `origin` is "https://host" or "". */
char *message_room_made(const struct backend_room_made *made, const char *origin);
char *message_reserved(const struct backend_room_made *made);

/* {expires_in, max_layer}, in seconds; both optional. */
#define MESSAGE_TOKEN_LASTS_S 86400
#define MESSAGE_TOKEN_LASTS_MIN_S 60
#define MESSAGE_TOKEN_LASTS_MAX_S 604800
const char *message_read_token_wish(struct backend_token_wish *out, const char *text, size_t size);
/* {token, expires, url}; `code` is the room's. */
char *message_token(const struct backend_token *t, const char *origin, const char *code);

/* WHEP: what a player wants to be told of, bits. */
enum message_event {
    MESSAGE_EVENT_ACTIVE = 1,
    MESSAGE_EVENT_INACTIVE = 2,
    MESSAGE_EVENT_LAYERS = 4,
    MESSAGE_EVENT_VIEWERCOUNT = 8,
    MESSAGE_EVENT_RECONNECT = 16,
};
#define MESSAGE_EVENTS_ALL 31
#define MESSAGE_EVENTS_NAMES "active,inactive,layers,viewercount,reconnect"

const char *message_read_events(unsigned *out, const char *text, size_t size);
const char *message_read_layer(struct session_whep_layer *out, const char *text, size_t size);
/* The data of events. */
char *message_layers(const struct session_whep *s, const struct backend_room *room);
char *message_viewercount(unsigned viewers);
