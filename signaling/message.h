/* message.h - the JSON that signaling reads and writes: amphi.v1 (one object per text message),
 * what the HTTP answers carry, and the limits on all of it.
 *
 * Pure. A message is parsed into `struct message`, whose texts live until message_finish. Builders
 * return a malloc'd text, or NULL when memory is short.
 *
 * Codes of `error`, which are stable. The socket stays open unless "closes" is said:
 *   bad-json        not JSON, nested too deeply, or not UTF-8
 *   bad-message     JSON, but not a message of the protocol, or not one for this moment
 *   too-large       longer than MESSAGE_MAX, or MESSAGE_SDP_MAX with an sdp; closes
 *   not-joined      a join has to come first; closes when none came within 30 s
 *   not-allowed     the role may not do this
 *   room-not-found  no room has this code, or it has ended
 *   room-full       every seat is taken; try again later
 *   bad-sdp         the answer cannot be used; the sentence says why
 *   answer-timeout  no answer within 10 s of the offer; the seat is given back
 *   ice-timeout, ice-failed, dtls-failed, consent-lost, ...  the media session ended for this
 * reason, named by the server; a join starts a new one internal        the server failed
 */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_MAX 16384
#define MESSAGE_SDP_MAX 65536
#define MESSAGE_DEPTH_MAX 8
#define MESSAGE_TEXT_MAX 256 /* of every text but an sdp and a candidate */

enum message_type {
    MESSAGE_JOIN = 1,
    MESSAGE_ANSWER,
    MESSAGE_ICE,
    MESSAGE_PING,
    MESSAGE_PONG,
    MESSAGE_VIEWER_STATS,
};

struct message {
    enum message_type type;
    /* NULL when not sent */
    const char *role, *room, *peer_id, *sdp;
    size_t sdp_size;
    const char *candidate; /* "candidate:..." as in SDP; "": there will be no more */
    void *root;            /* owned; the parsed JSON */
    void *candidate_root;  /* owned; of a candidate that was JSON in a text */
};

/* 0; -EBADMSG: not JSON; -EINVAL: no message; -EMSGSIZE: too large. With an error there is a
 * sentence, and `out` needs no finish. */
int message_parse(struct message *out, const char *text, size_t size, char *error,
                  size_t error_size);
void message_finish(struct message *m);

/* `reply_to`, which may be NULL, is the message whose `id` is echoed. `viewer_id` 0: none yet. */
char *message_joined(const struct message *reply_to, const struct backend *backend,
                     const struct backend_room *room, uint32_t viewer_id);
char *message_streams_info(const struct backend_room *room); /* room NULL: no streams */
char *message_offer(const char *sdp, uint32_t viewer_id);
/* "candidate:..."; "": there will be no more. */
char *message_ice(const char *candidate, uint32_t viewer_id);
char *message_error(const struct message *reply_to, const char *code, const char *sentence);
char *message_pong(const struct message *ping);
char *message_bare(const char *type); /* a message without fields */

/* GET /api/v1/rooms/{ROOM} */
char *message_room(const struct backend_room *room);
/* RFC 9457 */
char *message_problem(int status, const char *title, const char *detail);
