/* tui_fill.h - from what the program knows to what the terminal interface shows. Signaling thread.
 */
#pragma once

#include "capture/sources.h"
#include "server/publish_host.h"
#include "server/server_inside.h"
#include "server/tui.h"

/* Streams, viewers, figures of the room that is shown. */
void tui_fill_room(struct tui_model *m, struct server *s, const struct room *room, int64_t now_us);
void tui_fill_uplink(struct tui_model *m, const struct publish_status *status, int64_t now_us);
/* What could be shared, and what is shared though it is not in the list. */
void tui_fill_sources(struct tui_model *m, const struct room *room,
                      const struct sources_entry *list, int n);
void tui_fill_coding(struct tui_model *m, const struct media_coding *coding);
/* From a WHIP endpoint of a server like ours, ".../whip/ROOM", to the page; "" if it is none. */
void tui_fill_link(char out[300], char room[64], const char *endpoint);
