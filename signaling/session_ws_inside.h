/* session_ws_inside.h - what the files of a WebSocket session share: session_ws.c has the joins and
 * what both roles do, session_ws_viewer.c and session_ws_sharer.c the rest. */
#pragma once

#include "signaling/message.h"
#include "signaling/session_ws.h"

/* What is known of one that presents. */
struct session_ws_presenter {
    char peer_id[MESSAGE_PEER_MAX + 1]; /* what his last offer called us; "": nothing */
    char first_mid[SDP_MID_MAX + 1];
    struct backend_seat seat;               /* of what he publishes */
    struct backend_publication publication; /* the last that was agreed */
    /* What he said of his streams before he published, by his own count. */
    uint8_t said; /* bits */
    struct message_stream streams[BACKEND_STREAMS_MAX];
};

void session_ws_set_state(struct session_ws *s, enum session_ws_state state, int64_t deadline_us);
void session_ws_send(struct session_ws *s, char *text); /* takes the malloc'd text, or NULL */
void session_ws_send_error(struct session_ws *s, const struct message *reply_to, const char *code,
                           const char *sentence);
void session_ws_send_room_error(struct session_ws *s, const struct message *m, const char *code,
                                int status);
/* Gives the seat back or ends the media session, whose end is no news any more. */
void session_ws_drop_media(struct session_ws *s);
void session_ws_begin(struct session_ws *s, const char *code, const struct message *m);
void session_ws_send_joined(struct session_ws *s, const struct message *m,
                            const struct backend_room *room, bool resumed, const char *secret);
void session_ws_pass_on_candidates(struct session_ws *s, const char *sdp, size_t size);
/* Tells the presenters of its room that it came or went; `viewer_id` is not 0. */
void session_ws_tell_presenters(struct session_ws *s, const char *type, uint32_t viewer_id);
/* What a code of a media session's end means, and what to do about it. */
const char *session_ws_sentence(const char *code, enum session_ws_role role);

/* --- session_ws_viewer.c: of one that watches --- */

/* A join that was admitted: `code` is a room code. */
void session_ws_join_viewer(struct session_ws *s, const struct message *m, const char *code,
                            int64_t now_us);
void session_ws_on_viewer_message(struct session_ws *s, const struct message *m);
void session_ws_on_viewer_room(struct session_ws *s, struct session_ws_news *news, int64_t now_us);

/* --- session_ws_sharer.c: of one that presents --- */

void session_ws_join_sharer(struct session_ws *s, const struct message *m, const char *code,
                            int64_t now_us);
void session_ws_on_sharer_message(struct session_ws *s, const struct message *m);
/* His media session has ended. */
void session_ws_on_unpublished(struct session_ws *s, const char *code);
void session_ws_send_audience(struct session_ws *s, int64_t now_us);
