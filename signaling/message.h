/* message.h - the JSON that signaling reads and writes: amphi.v1 (one object per text message),
 * what the HTTP answers carry, and the limits on all of it.
 *
 * Pure. A message is parsed into `struct message`, whose texts live until message_finish. Builders
 * return a malloc'd text, or NULL when memory is short.
 *
 * Codes of `error`, which are stable; README.md says what to do about each. The socket stays open
 * unless "closes" is said:
 *   bad-json        not JSON, nested too deeply, or not UTF-8
 *   bad-message     JSON, but not a message of the protocol, or not one for this moment
 *   too-large       longer than MESSAGE_MAX, or MESSAGE_SDP_MAX with an sdp; closes
 *   not-joined      a join has to come first; closes when none came within 30 s
 *   not-allowed     the role may not do this
 *   room-not-found  no room has this code, or it has ended
 *   room-full       every seat is taken; try again later
 *   no-more-rooms   the server has as many rooms as it may have
 *   rate-limited    too many joins or wrong passwords from this address ("retryAfter": in so many
 *                   seconds), or too many messages on this socket, of which the rest of the second
 *                   is left out
 *   secret-required, secret-invalid
 *                   presenting needs the room's secret
 *   token-invalid, token-used
 *                   the watch token is not for this room, has run out, or was used before
 *   not-supported   this server does not do that
 *   slot-taken      the server's own source is where this stream would go
 *   bad-sdp         the description cannot be used; the sentence says why
 *   no-common-codec nothing of what a presenter offers is a codec that is forwarded here
 *   answer-timeout  no answer within 10 s of the offer; the seat is given back
 *   ice-timeout, ice-failed, dtls-timeout, dtls-failed, consent-lost, remote-closed, local-closed,
 *   replaced, room-closed, removed, shutdown
 *                   the media session ended for this reason, named by the server; a join starts a
 *                   new one, a presenter's offer too
 *   draining        the server is about to stop and takes nobody
 *   internal        the server failed
 */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_MAX 16384
#define MESSAGE_SDP_MAX 65536
#define MESSAGE_DEPTH_MAX 8
#define MESSAGE_SOURCE_MAX 4096
#define MESSAGE_TEXT_MAX 256 /* of every text but an sdp, a candidate and a token */
#define MESSAGE_TOKEN_MAX 4096
#define MESSAGE_NAME_MAX 1024 /* of a window or program; what is too long for us is cut */
#define MESSAGE_PEER_MAX 64
#define MESSAGE_SIDE_MAX 16384 /* of a picture */

enum message_type {
    MESSAGE_JOIN = 1,
    MESSAGE_ANSWER,
    MESSAGE_ICE,
    MESSAGE_PING,
    MESSAGE_PONG,
    /* of viewers */
    MESSAGE_VIEWER_STATS,
    MESSAGE_SELECT,
    MESSAGE_KEYFRAME,
    MESSAGE_STORY, /* what was decided for it */
    /* of presenters */
    MESSAGE_OFFER,
    MESSAGE_STREAMS_INFO,
    MESSAGE_STREAM_ON, /* stream-activated, stream-added */
    MESSAGE_STREAM_OFF,
    MESSAGE_FOCUS,
    MESSAGE_SIZE,
    MESSAGE_CURSOR,
    MESSAGE_STARTED,
    MESSAGE_STOPPED,
    MESSAGE_PASSWORD,
    MESSAGE_OF_SERVER, /* which no client may send */
};

struct message_selection {
    unsigned slot;
    int8_t layer, max_temporal; /* -1: auto */
    bool paused;
};

/* What a presenter says of one stream. Numbers: negative when not said. */
struct message_stream {
    unsigned slot; /* by its own count: its m-lines of video */
    char window_name[64], app_name[32];
    bool is_named;
    int width, height;
    int focused, paused;
};

struct message {
    enum message_type type;
    /* NULL when not sent */
    const char *role, *room, *peer_id, *sdp;
    const char *password, *secret, *token, *client, *resume, *replaces;
    size_t sdp_size;
    unsigned n_streams; /* of streams-info; one of stream-activated, size-change, ... */
    struct message_stream streams[BACKEND_STREAMS_MAX];
    double cursor_x, cursor_y;
    bool in_view;
    unsigned n_selections; /* of select */
    struct message_selection selections[BACKEND_STREAMS_MAX];
    unsigned slot; /* of keyframe, stream-deactivated, focus-change, cursor-position */
    struct backend_viewer_report report;
    const char *candidate; /* "candidate:..." as in SDP; "": there will be no more */
    void *root;            /* owned; the parsed JSON */
    void *candidate_root;  /* owned; of a candidate that was JSON in a text */
};

/* 0; -EBADMSG: not JSON; -EINVAL: no message; -EMSGSIZE: too large. With an error there is a
 * sentence, and `out` needs no finish. */
int message_parse(struct message *out, const char *text, size_t size, char *error,
                  size_t error_size);
void message_finish(struct message *m);
bool message_is_too_deep(const char *text, size_t size); /* than MESSAGE_DEPTH_MAX */

bool message_slot(const char *track_id, unsigned *slot); /* of "video<i>"; false: none */

/* POST .../sources: its "source", and the others as a JSON object. False: it has none. */
struct message_source {
    char *source, *options; /* owned */
};
bool message_read_source(struct message_source *out, const char *text, size_t size);
void message_source_finish(struct message_source *s);
/* PATCH .../sources/{trackId}: NULL, or what is wrong with it. */
const char *message_read_change(struct backend_source_change *out, const char *text, size_t size);

/* `reply_to`, which may be NULL, is the message whose `id` is echoed. `viewer_id` 0: none yet. */
struct message_joined {
    const struct backend *backend;
    const struct backend_room *room;
    bool sharer;
    uint32_t viewer_id;
    const char *resume; /* "": there is no coming back */
    bool resumed;
    const char *secret; /* of a room that was made for it; NULL */
};
char *message_joined(const struct message *reply_to, const struct message_joined *what);
/* "password-required", "password-invalid" */
char *message_password(const struct message *reply_to, const char *type, const char *sentence);
char *message_password_updated(const struct message *reply_to, bool is_protected);
/* Not `live`: nothing to watch, but what ended is told. `room` NULL: nothing at all. */
char *message_streams_info(const struct backend_room *room, bool live);
/* GoPeep's, for all of a room. */
char *message_activated(const struct backend_stream *stream);
char *message_deactivated(unsigned slot);
char *message_focus(unsigned slot);
char *message_size(unsigned slot, int width, int height);
/* In percent of the picture; not in view: -1, -1. */
char *message_cursor(unsigned slot, double x, double y, bool in_view);
char *message_offer(const char *sdp, uint32_t viewer_id);
/* What a publisher's offer got: its m-lines of video, and the slots they go to. `peer_id` may be
 * NULL. */
char *message_answer(const struct message *reply_to, const char *sdp, const char *peer_id,
                     const struct backend_publication *what);
/* "candidate:..." for the transport whose first m-line is `mid`; "": there will be no more. */
char *message_ice(const char *candidate, const char *mid, const char *peer_id);
/* To presenters: "viewer-joined", "viewer-left"; and how the viewers fare; and what is asked. */
char *message_viewer(const char *type, uint32_t viewer_id, unsigned viewers);
char *message_audience(const struct backend_audience *audience);
/* `layers`: bits, bit 0 the best one. 0 bit/s: no limit is known. */
char *message_publish_config(uint64_t bitrate_bps, unsigned layers, const char *reason);
char *message_redirect(const char *url);
char *message_draining(unsigned ends_in_s);
char *message_error(const struct message *reply_to, const char *code, const char *sentence);
/* `what` there was too much of: "joins", "wrong passwords". */
char *message_rate_limited(const struct message *reply_to, const char *what, unsigned wait_s);
char *message_pong(const struct message *ping);
char *message_story(const struct message *reply_to, const char *decisions); /* a JSON array */
char *message_bare(const char *type); /* a message without fields */

/* GET /api/v1/rooms/{ROOM} */
char *message_room(const struct backend_room *room);
/* {"trackId"} */
char *message_track(unsigned slot);
/* RFC 9457 */
char *message_problem(int status, const char *title, const char *detail);
