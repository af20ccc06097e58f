/* publish_room.h - a room of one's own at a server that was named without one: POST /api/v1/rooms.
 * Pure.
 */
#pragma once

#include "server/whip_client.h"

#include <stdbool.h>

struct publish_room {
    char code[64], secret[65]; /* "": none yet */
};

/* Is it "https://host[:port]", with or without a slash? */
bool publish_room_is_wanted(const char *url);
/* The request's JSON; `code`: that one, "": any. */
void publish_room_request(char out[128], const char *code);
/* What the server made; false: it is no room. */
bool publish_room_read(struct publish_room *out, const char *json);
/* Where to publish into it; "" if that is too long. */
void publish_room_endpoint(char out[WHIP_CLIENT_URL_MAX], const char *url, const char *code);
