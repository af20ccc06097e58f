/* session_ws.c - see session_ws.h: joins, and what both roles do. */
#include "signaling/session_ws.h"

#include "signaling/message.h"
#include "signaling/room_code.h"
#include "signaling/session_ws_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void session_ws_set_state(struct session_ws *s, enum session_ws_state state, int64_t deadline_us)
{
    enum { PRESENTS = 1 << SESSION_WS_ANSWERED }; /* a presenter's offer is answered at once */
    static const uint8_t allowed[] = {
        [SESSION_WS_OPEN] = 1 << SESSION_WS_OPEN | 1 << SESSION_WS_OFFERED | PRESENTS,
        [SESSION_WS_OFFERED] =
            1 << SESSION_WS_ANSWERED | 1 << SESSION_WS_CLOSED | 1 << SESSION_WS_OPEN,
        [SESSION_WS_ANSWERED] =
            1 << SESSION_WS_LIVE | 1 << SESSION_WS_CLOSED | 1 << SESSION_WS_OPEN | PRESENTS,
        [SESSION_WS_LIVE] = 1 << SESSION_WS_CLOSED | 1 << SESSION_WS_OPEN | PRESENTS,
        [SESSION_WS_CLOSED] = 1 << SESSION_WS_OPEN | PRESENTS,
    };
    assert(allowed[s->state] & 1 << state);
    s->state = state;
    s->deadline_us = deadline_us;
}

void session_ws_send(struct session_ws *s, char *text)
{
    if (text)
        s->output.emit(s->output.arg, text);
    else
        s->finished = true; /* memory is short: a socket that is told nothing is better closed */
}

void session_ws_send_error(struct session_ws *s, const struct message *reply_to, const char *code,
                           const char *sentence)
{
    session_ws_send(s, message_error(reply_to, code, sentence));
}

void session_ws_tell_presenters(struct session_ws *s, const char *type, uint32_t viewer_id)
{
    struct backend_room room = {0};
    if (!s->output.tell || !s->backend->room(s->backend->arg, s->room, &room))
        return;
    char *text = message_viewer(type, viewer_id, room.viewers);
    if (text)
        s->output.tell(s->output.arg, s->room, SESSION_WS_SHARER, text);
}

/* The id is cleared first: its end is no news any more. */
void session_ws_drop_media(struct session_ws *s)
{
    uint32_t viewer_id = s->viewer_id;
    s->viewer_id = 0;
    if (viewer_id == 0)
        return;
    s->backend->leave(s->backend->arg, viewer_id);
    bool counted = s->state == SESSION_WS_ANSWERED || s->state == SESSION_WS_LIVE;
    if (s->role == SESSION_WS_VIEWER && counted)
        session_ws_tell_presenters(s, "viewer-left", viewer_id);
}

static void drop_presenter(struct session_ws *s)
{
    free(s->presenter);
    s->presenter = NULL;
}

void session_ws_init(struct session_ws *s, const struct backend *backend,
                     const struct session_ws_output *output, const char *room, int64_t now_us)
{
    *s = (struct session_ws){
        .backend = backend,
        .output = *output,
        .state = SESSION_WS_OPEN,
        .deadline_us = now_us + SESSION_WS_JOIN_US,
        .audience_us = INT64_MAX,
    };
    if (room)
        snprintf(s->room, sizeof(s->room), "%s", room);
}

void session_ws_finish(struct session_ws *s)
{
    drop_presenter(s);
}

void session_ws_make_news(struct session_ws_news *news, const struct backend *backend,
                          const char *code)
{
    *news = (struct session_ws_news){.code = code};
    news->exists = backend->room(backend->arg, code, &news->room);
}

void session_ws_drop_news(struct session_ws_news *news)
{
    free(news->streams_info);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        free(news->activated[i]);
        free(news->deactivated[i]);
    }
}

void session_ws_send_room_error(struct session_ws *s, const struct message *m, const char *code,
                                int status)
{
    char sentence[160];
    if (status == -ENOENT) {
        snprintf(sentence, sizeof(sentence), "there is no room with the code %s", code);
        session_ws_send_error(s, m, "room-not-found", sentence);
    } else if (status == -EAGAIN) {
        session_ws_send_error(s, m, "room-full", "every seat is taken; try again in a moment");
    } else if (status == -ESHUTDOWN) {
        session_ws_send_error(s, m, "draining",
                              "the server is about to stop; try again in a minute");
    } else {
        session_ws_send_error(s, m, "internal", "the server could not reserve a seat");
    }
}

/* --- joining ------------------------------------------------------------------------------------
 */

/* A join that may succeed: what was before is over. */
void session_ws_begin(struct session_ws *s, const char *code, const struct message *m)
{
    session_ws_drop_media(s);
    drop_presenter(s);
    session_ws_set_state(s, SESSION_WS_OPEN, INT64_MAX);
    s->audience_us = INT64_MAX;
    s->joined = s->waiting = s->has_streams = false;
    s->active_slots = s->selected = 0;
    s->resume[0] = '\0';
    s->is_gopeep = m->client == NULL;
    s->role = m->role && strcmp(m->role, "sharer") == 0 ? SESSION_WS_SHARER : SESSION_WS_VIEWER;
    snprintf(s->room, sizeof(s->room), "%s", code);
}

void session_ws_send_joined(struct session_ws *s, const struct message *m,
                            const struct backend_room *room, bool resumed, const char *secret)
{
    if (!s->output.make_token || !s->output.make_token(s->output.arg, s->resume))
        s->resume[0] = '\0';
    const struct message_joined what = {
        .backend = s->backend,
        .room = room,
        .sharer = s->role == SESSION_WS_SHARER,
        .viewer_id = s->viewer_id,
        .resume = s->resume,
        .resumed = resumed,
        .secret = secret,
    };
    session_ws_send(s, message_joined(m, &what));
}

static void on_join(struct session_ws *s, const struct message *m, int64_t now_us)
{
    char code[BACKEND_ROOM_MAX];
    bool sharer = m->role && strcmp(m->role, "sharer") == 0;
    if (m->role && !sharer && strcmp(m->role, "viewer") != 0) {
        session_ws_send_error(s, m, "bad-message", "\"role\" is \"viewer\" or \"sharer\"");
        return;
    }
    if (!m->room && s->room[0] == '\0') {
        session_ws_send_error(s, m, "bad-message", "a join needs a \"room\"");
        return;
    }
    if (!room_code_normalize(code, m->room ? m->room : s->room)) {
        session_ws_send_error(
            s, m, "room-not-found",
            "a room code is 1 to 63 letters, digits and dashes, like SWIFT-OTTER-042");
        return;
    }
    unsigned wait_s = s->output.admit ? s->output.admit(s->output.arg) : 0;
    if (wait_s != 0)
        session_ws_send(s, message_rate_limited(m, "joins", wait_s));
    else if (sharer)
        session_ws_join_sharer(s, m, code, now_us);
    else
        session_ws_join_viewer(s, m, code, now_us);
}

bool session_ws_is_worth_keeping(const struct session_ws *s)
{
    bool flows = s->state == SESSION_WS_ANSWERED || s->state == SESSION_WS_LIVE;
    return flows && s->joined && s->viewer_id != 0 && s->resume[0] != '\0';
}

void session_ws_take_over(struct session_ws *by, struct session_ws *from)
{
    struct session_ws_output output = by->output;
    session_ws_drop_media(by);
    drop_presenter(by);
    unsigned n_messages = by->n_messages, n_others = by->n_others;
    int64_t second_us = by->second_us;
    *by = *from;
    by->output = output;
    by->n_messages = n_messages;
    by->n_others = n_others;
    by->second_us = second_us;
    from->viewer_id = 0;
    from->presenter = NULL;
    from->resume[0] = '\0';
    from->joined = from->waiting = false;
    from->state = SESSION_WS_CLOSED;
    from->finished = true;
}

/* --- messages -----------------------------------------------------------------------------------
 */

void session_ws_pass_on_candidates(struct session_ws *s, const char *sdp, size_t size)
{
    char candidate[BACKEND_CANDIDATE_MAX];
    struct sdp_text rest = {sdp, size};
    while (s->backend->candidate && sdp_next_candidate(&rest, candidate))
        s->backend->candidate(s->backend->arg, s->viewer_id, candidate);
}

/* What moves something in the server, as against what is only answered. */
static bool moves(const struct message *m)
{
    switch (m->type) {
    case MESSAGE_SELECT:
    case MESSAGE_KEYFRAME:
    case MESSAGE_VIEWER_STATS:
    case MESSAGE_ICE:
    case MESSAGE_STREAMS_INFO:
    case MESSAGE_STREAM_ON:
    case MESSAGE_STREAM_OFF:
    case MESSAGE_FOCUS:
    case MESSAGE_SIZE:
    case MESSAGE_CURSOR:
        return true;
    default:
        return false;
    }
}

static void next_second(struct session_ws *s, int64_t now_us)
{
    if (now_us - s->second_us < 1000000)
        return;
    s->second_us = now_us;
    s->n_messages = s->n_others = s->n_news = 0;
}

/* One socket may not keep workers and presenters busy. It is told once a second. `m` NULL: of what
 * could not be read. */
static bool is_flood(struct session_ws *s, const struct message *m, int64_t now_us)
{
    bool is_moving = m && s->joined && moves(m);
    unsigned *n = is_moving ? &s->n_messages : &s->n_others;
    unsigned most = SESSION_WS_OTHERS_PER_S;
    if (is_moving)
        most = s->role == SESSION_WS_SHARER ? SESSION_WS_SHARER_MESSAGES_PER_S
                                            : SESSION_WS_MESSAGES_PER_S;
    next_second(s, now_us);
    if (++*n <= most)
        return false;
    if (*n == most + 1)
        session_ws_send_error(s, m, "rate-limited",
                              "too many messages; the rest of this second is left out");
    return true;
}

static void on_message(struct session_ws *s, const struct message *m, int64_t now_us)
{
    if (is_flood(s, m, now_us))
        return;
    if (m->type == MESSAGE_JOIN)
        on_join(s, m, now_us);
    else if (m->type == MESSAGE_PING)
        session_ws_send(s, message_pong(m));
    else if (m->type == MESSAGE_PONG)
        return;
    else if (m->type == MESSAGE_OF_SERVER)
        session_ws_send_error(s, m, "not-allowed", "only the server sends this");
    else if (!s->joined)
        session_ws_send_error(s, m, "not-joined", "join a room first");
    else if (s->role == SESSION_WS_SHARER)
        session_ws_on_sharer_message(s, m);
    else
        session_ws_on_viewer_message(s, m);
}

void session_ws_on_text(struct session_ws *s, const char *text, size_t size, int64_t now_us)
{
    struct message m;
    char error[200];
    int status = message_parse(&m, text, size, error, sizeof(error));
    if (status == 0) {
        on_message(s, &m, now_us);
        message_finish(&m);
        return;
    }
    s->finished |= status == -EMSGSIZE;
    if (!is_flood(s, NULL, now_us))
        session_ws_send_error(s, NULL,
                              status == -EBADMSG    ? "bad-json"
                              : status == -EMSGSIZE ? "too-large"
                                                    : "bad-message",
                              error);
}

void session_ws_on_binary(struct session_ws *s, int64_t now_us)
{
    if (!is_flood(s, NULL, now_us))
        session_ws_send_error(s, NULL, "bad-message", "messages are text, one JSON object each");
}

void session_ws_on_oversize(struct session_ws *s)
{
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "a message is at most %d bytes long", MESSAGE_SDP_MAX);
    session_ws_send_error(s, NULL, "too-large", sentence);
    s->finished = true;
}

/* --- news of the server -------------------------------------------------------------------------
 */

/* The server's word becomes the error's code only if it looks like one. */
static bool is_code(const char *reason)
{
    size_t n = strspn(reason, "abcdefghijklmnopqrstuvwxyz-");
    return n > 0 && n <= 32 && reason[n] == '\0';
}

void session_ws_on_viewer(struct session_ws *s, uint32_t viewer_id, enum backend_viewer_state state,
                          const char *reason)
{
    if (viewer_id == 0 || viewer_id != s->viewer_id)
        return;
    if (state == BACKEND_VIEWER_LIVE && s->state == SESSION_WS_ANSWERED)
        session_ws_set_state(s, SESSION_WS_LIVE, INT64_MAX);
    if (state != BACKEND_VIEWER_CLOSED)
        return;
    const char *code = reason && is_code(reason) ? reason : "internal";
    bool counted = s->state == SESSION_WS_ANSWERED || s->state == SESSION_WS_LIVE;
    s->viewer_id = 0;
    session_ws_set_state(s, SESSION_WS_CLOSED, INT64_MAX);
    session_ws_send_error(s, NULL, code, session_ws_sentence(code, s->role));
    if (s->role == SESSION_WS_SHARER)
        session_ws_on_unpublished(s, code);
    else if (counted)
        session_ws_tell_presenters(s, "viewer-left", viewer_id);
}

void session_ws_on_candidate(struct session_ws *s, uint32_t viewer_id, const char *candidate)
{
    char peer[16];
    if (viewer_id == 0 || viewer_id != s->viewer_id)
        return;
    snprintf(peer, sizeof(peer), "%u", (unsigned)viewer_id);
    session_ws_send(s, message_ice(candidate ? candidate : "",
                                   s->presenter ? s->presenter->first_mid : "0",
                                   s->presenter ? s->presenter->peer_id : peer));
}

void session_ws_on_publish_wish(struct session_ws *s, uint32_t id, uint64_t bitrate_bps,
                                unsigned layers, const char *reason)
{
    bool mine = id != 0 && id == s->viewer_id && s->role == SESSION_WS_SHARER;
    if (mine && !s->is_gopeep)
        session_ws_send(s, message_publish_config(bitrate_bps, layers, reason));
}

void session_ws_on_room(struct session_ws *s, struct session_ws_news *news, int64_t now_us)
{
    if (!s->joined || strcmp(s->room, news->code) != 0)
        return;
    if (s->role == SESSION_WS_VIEWER) {
        session_ws_on_viewer_room(s, news, now_us);
    } else if (!news->exists) {
        s->joined = false;
        s->audience_us = INT64_MAX;
        s->deadline_us = now_us + SESSION_WS_JOIN_US;
        session_ws_send_room_error(s, NULL, s->room, -ENOENT);
    }
}

static void send_copy(struct session_ws *s, const char *text)
{
    session_ws_send(s, strdup(text));
}

void session_ws_on_broadcast(struct session_ws *s, const char *text)
{
    if (s->joined && s->role == SESSION_WS_VIEWER)
        send_copy(s, text);
}

/* GoPeep's program would make each of them an offer of its own. */
void session_ws_on_viewer_news(struct session_ws *s, const char *text, int64_t now_us)
{
    if (!s->joined || s->role != SESSION_WS_SHARER || s->is_gopeep)
        return;
    next_second(s, now_us);
    if (++s->n_news <= SESSION_WS_VIEWER_NEWS_PER_S)
        send_copy(s, text);
}

void session_ws_on_drain(struct session_ws *s, const char *url, unsigned ends_in_s)
{
    if (url)
        session_ws_send(s, message_redirect(url));
    else if (s->joined && !s->is_gopeep)
        session_ws_send(s, message_draining(ends_in_s));
}

void session_ws_on_socket_closed(struct session_ws *s)
{
    if (s->state == SESSION_WS_OFFERED)
        session_ws_drop_media(s);
    s->viewer_id = 0;
    s->finished = true;
}

int64_t session_ws_next_timeout(const struct session_ws *s)
{
    if (s->finished)
        return INT64_MAX;
    return s->audience_us < s->deadline_us ? s->audience_us : s->deadline_us;
}

void session_ws_on_timeout(struct session_ws *s, int64_t now_us)
{
    if (s->finished)
        return;
    if (now_us >= s->audience_us)
        session_ws_send_audience(s, now_us);
    if (now_us < s->deadline_us)
        return;
    s->deadline_us = INT64_MAX;
    if (s->state == SESSION_WS_OFFERED) {
        session_ws_drop_media(s);
        session_ws_set_state(s, SESSION_WS_CLOSED, INT64_MAX);
        session_ws_send_error(s, NULL, "answer-timeout", "the offer was not answered within 10 s");
        return;
    }
    session_ws_send_error(s, NULL, "not-joined", "no room was joined within 30 s");
    s->finished = true;
}
