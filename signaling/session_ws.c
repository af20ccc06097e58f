/* session_ws.c - see session_ws.h. */
#include "signaling/session_ws.h"

#include "signaling/message.h"
#include "signaling/room_code.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_state(struct session_ws *s, enum session_ws_state state, int64_t deadline_us)
{
    static const uint8_t allowed[] = {
        [SESSION_WS_OPEN] = 1 << SESSION_WS_OPEN | 1 << SESSION_WS_OFFERED,
        [SESSION_WS_OFFERED] =
            1 << SESSION_WS_ANSWERED | 1 << SESSION_WS_CLOSED | 1 << SESSION_WS_OPEN,
        [SESSION_WS_ANSWERED] =
            1 << SESSION_WS_LIVE | 1 << SESSION_WS_CLOSED | 1 << SESSION_WS_OPEN,
        [SESSION_WS_LIVE] = 1 << SESSION_WS_CLOSED | 1 << SESSION_WS_OPEN,
        [SESSION_WS_CLOSED] = 1 << SESSION_WS_OPEN,
    };
    assert(allowed[s->state] & 1 << state);
    s->state = state;
    s->deadline_us = deadline_us;
}

static void send_text(struct session_ws *s, char *text)
{
    if (text)
        s->output.emit(s->output.arg, text);
    else
        s->finished = true; /* memory is short: a socket that is told nothing is better closed */
}

static void send_error(struct session_ws *s, const struct message *reply_to, const char *code,
                       const char *sentence)
{
    send_text(s, message_error(reply_to, code, sentence));
}

/* Gives the seat back or ends the viewer. The id is cleared first: its end is no news any more. */
static void drop_viewer(struct session_ws *s)
{
    uint32_t viewer_id = s->viewer_id;
    s->viewer_id = 0;
    if (viewer_id != 0)
        s->backend->leave(s->backend->arg, viewer_id);
}

void session_ws_init(struct session_ws *s, const struct backend *backend,
                     const struct session_ws_output *output, const char *room, int64_t now_us)
{
    *s = (struct session_ws){
        .backend = backend,
        .output = *output,
        .state = SESSION_WS_OPEN,
        .deadline_us = now_us + SESSION_WS_JOIN_US,
    };
    if (room)
        snprintf(s->room, sizeof(s->room), "%s", room);
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

static bool is_watchable(const struct session_ws_news *news)
{
    return news->exists && news->room.live && news->room.n_streams > 0;
}

static void send_copy(struct session_ws *s, const char *text)
{
    send_text(s, text ? strdup(text) : NULL);
}

/* One slot that starts or stops carrying a stream. */
static void send_slot(struct session_ws *s, struct session_ws_news *news, unsigned slot,
                      bool active)
{
    if (active && !news->activated[slot])
        news->activated[slot] = message_activated(&news->room.streams[slot]);
    if (!active && !news->deactivated[slot])
        news->deactivated[slot] = message_deactivated(slot);
    send_copy(s, active ? news->activated[slot] : news->deactivated[slot]);
}

static void send_streams(struct session_ws *s, struct session_ws_news *news)
{
    bool has_streams = is_watchable(news);
    uint8_t active = 0;
    for (unsigned i = 0; has_streams && i < BACKEND_STREAMS_MAX; i++)
        active |= (uint8_t)(news->room.streams[i].active << i);
    if (has_streams != s->has_streams && s->joined)
        send_text(s, message_bare(has_streams ? "sharer-started" : "sharer-stopped"));
    for (unsigned i = 0; s->joined && i < BACKEND_STREAMS_MAX; i++)
        if ((active ^ s->active_slots) & 1u << i)
            send_slot(s, news, i, active & 1u << i);
    s->has_streams = has_streams;
    s->active_slots = active;
    if (!news->streams_info)
        news->streams_info = message_streams_info(news->exists ? &news->room : NULL, has_streams);
    send_copy(s, news->streams_info);
}

static void send_offer(struct session_ws *s, const struct backend_room *room,
                       const struct backend_seat *seat, int64_t now_us)
{
    char sdp[SDP_WRITE_MAX];
    s->viewer_id = seat->viewer_id;
    s->waiting = false;
    if (sdp_write_offer(sdp, sizeof(sdp), room, seat) < 0) {
        drop_viewer(s);
        send_error(s, NULL, "internal", "the offer does not fit into a message");
        return;
    }
    sdp_note_offered(&s->offered, room);
    send_text(s, message_offer(sdp, seat->viewer_id));
    set_state(s, SESSION_WS_OFFERED, now_us + SESSION_WS_ANSWER_US);
}

static void send_room_error(struct session_ws *s, const struct message *m, const char *code,
                            int status)
{
    char sentence[160];
    if (status == -ENOENT) {
        snprintf(sentence, sizeof(sentence), "there is no room with the code %s", code);
        send_error(s, m, "room-not-found", sentence);
    } else if (status == -EAGAIN) {
        snprintf(sentence, sizeof(sentence), "every seat is taken; try again in a moment");
        send_error(s, m, "room-full", sentence);
    } else {
        send_error(s, m, "internal", "the server could not reserve a seat");
    }
}

/* A join that was checked: `code` is a room code. */
static void join(struct session_ws *s, const struct message *m, const char *code, int64_t now_us)
{
    struct session_ws_news news = {.code = code, .exists = true};
    struct backend_seat seat = {.offering = true};
    drop_viewer(s);
    set_state(s, SESSION_WS_OPEN, INT64_MAX);
    s->joined = s->waiting = s->has_streams = false;
    s->active_slots = s->selected = 0;
    int status = s->backend->reserve(s->backend->arg, code, &news.room, &seat);
    bool waiting = status == -ENODATA;
    if (waiting)
        status = s->backend->room(s->backend->arg, code, &news.room) ? 0 : -ENOENT;
    if (status != 0) {
        set_state(s, SESSION_WS_OPEN, now_us + SESSION_WS_JOIN_US);
        send_room_error(s, m, code, status);
        return;
    }
    snprintf(s->room, sizeof(s->room), "%s", code);
    send_text(s, message_joined(m, s->backend, &news.room, waiting ? 0 : seat.viewer_id));
    news.room.live &= !waiting;
    send_streams(s, &news);
    session_ws_drop_news(&news);
    s->joined = true;
    s->waiting = waiting;
    if (!waiting)
        send_offer(s, &news.room, &seat, now_us);
}

static void on_join(struct session_ws *s, const struct message *m, int64_t now_us)
{
    char code[BACKEND_ROOM_MAX];
    if (m->role && strcmp(m->role, "sharer") == 0) {
        send_error(s, m, "not-allowed",
                   "this server does not take presenters from the browser; "
                   "it shows its own --source");
        return;
    }
    if (m->role && strcmp(m->role, "viewer") != 0) {
        send_error(s, m, "bad-message", "\"role\" is \"viewer\" or \"sharer\"");
        return;
    }
    if (!m->room && s->room[0] == '\0') {
        send_error(s, m, "bad-message", "a join needs a \"room\"");
        return;
    }
    if (!room_code_normalize(code, m->room ? m->room : s->room)) {
        send_error(s, m, "room-not-found",
                   "a room code is 1 to 63 letters, digits and dashes, like SWIFT-OTTER-042");
        return;
    }
    unsigned wait_s = s->output.admit ? s->output.admit(s->output.arg) : 0;
    if (wait_s != 0)
        send_text(s, message_rate_limited(m, wait_s));
    else
        join(s, m, code, now_us);
}

static void refuse_answer(struct session_ws *s, const struct message *m, const char *code,
                          const char *sentence)
{
    drop_viewer(s);
    set_state(s, SESSION_WS_CLOSED, INT64_MAX);
    send_error(s, m, code, sentence);
}

static void pass_on_candidates(struct session_ws *s, const struct message *m)
{
    char candidate[BACKEND_CANDIDATE_MAX];
    struct sdp_text rest = {m->sdp, m->sdp_size};
    while (s->backend->candidate && sdp_next_candidate(&rest, candidate))
        s->backend->candidate(s->backend->arg, s->viewer_id, candidate);
}

static bool is_of_another_viewer(const struct session_ws *s, const struct message *m)
{
    char mine[16];
    snprintf(mine, sizeof(mine), "%u", (unsigned)s->viewer_id);
    return m->peer_id && strcmp(m->peer_id, mine) != 0;
}

/* RFC 8445 2.5: a lite agent learns its peer's addresses from its checks. */
static void on_ice(struct session_ws *s, const struct message *m)
{
    if (s->backend->candidate && s->viewer_id != 0 && m->candidate && !is_of_another_viewer(s, m))
        s->backend->candidate(s->backend->arg, s->viewer_id, m->candidate);
}

static void apply_selection(struct session_ws *s, unsigned slot)
{
    bool started = s->state == SESSION_WS_ANSWERED || s->state == SESSION_WS_LIVE;
    if (s->backend->select && started)
        s->backend->select(s->backend->arg, s->viewer_id, slot, s->selections[slot].layer,
                           s->selections[slot].max_temporal, s->selections[slot].paused);
}

/* What comes before the answer is kept until there is a viewer. */
static void on_select(struct session_ws *s, const struct message *m)
{
    for (unsigned i = 0; i < m->n_selections; i++) {
        const struct message_selection *from = &m->selections[i];
        s->selected |= (uint8_t)(1u << from->slot);
        s->selections[from->slot].layer = from->layer;
        s->selections[from->slot].max_temporal = from->max_temporal;
        s->selections[from->slot].paused = from->paused;
        apply_selection(s, from->slot);
    }
}

static void on_keyframe(struct session_ws *s, const struct message *m)
{
    if (s->backend->keyframe && s->viewer_id != 0)
        s->backend->keyframe(s->backend->arg, s->viewer_id, m->slot);
}

static void on_report(struct session_ws *s, const struct message *m)
{
    if (s->backend->viewer_report && s->viewer_id != 0)
        s->backend->viewer_report(s->backend->arg, s->viewer_id, &m->report);
}

static void on_answer(struct session_ws *s, const struct message *m)
{
    char error[200];
    bool other = is_of_another_viewer(s, m);
    if (s->state != SESSION_WS_OFFERED || other) {
        send_error(s, m, "bad-message",
                   other ? "this answers an offer that is not valid any more"
                         : "no offer is waiting for an answer");
        return;
    }
    struct sdp answer;
    struct backend_answer agreed;
    if (sdp_parse(&answer, m->sdp, m->sdp_size, error, sizeof(error)) != 0 ||
        sdp_take_answer(&agreed, &answer, &s->offered, error, sizeof(error)) != 0) {
        refuse_answer(s, m, "bad-sdp", error);
        return;
    }
    int status = s->backend->start(s->backend->arg, s->viewer_id, &agreed);
    if (status == 0)
        pass_on_candidates(s, m);
    if (status == -EINVAL)
        refuse_answer(s, m, "bad-sdp", "the answer's fingerprint or credentials cannot be used");
    else if (status != 0)
        refuse_answer(s, m, "internal", "the server could not start the media session");
    else
        set_state(s, SESSION_WS_ANSWERED, INT64_MAX);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        if (s->selected & 1u << i)
            apply_selection(s, i);
}

/* One socket may not keep workers and presenters busy. It is told once a second. */
static bool is_flood(struct session_ws *s, const struct message *m, int64_t now_us)
{
    bool moves = m->type == MESSAGE_SELECT || m->type == MESSAGE_KEYFRAME ||
                 m->type == MESSAGE_VIEWER_STATS || m->type == MESSAGE_ICE;
    if (now_us - s->second_us >= 1000000) {
        s->second_us = now_us;
        s->n_messages = 0;
    }
    if (!moves || ++s->n_messages <= SESSION_WS_MESSAGES_PER_S)
        return false;
    if (s->n_messages == SESSION_WS_MESSAGES_PER_S + 1)
        send_error(s, m, "rate-limited", "too many messages; the rest of this second is left out");
    return true;
}

static void on_message(struct session_ws *s, const struct message *m, int64_t now_us)
{
    bool needs_room = m->type != MESSAGE_JOIN && m->type != MESSAGE_PING && m->type != MESSAGE_PONG;
    if (needs_room && !s->joined) {
        send_error(s, m, "not-joined", "join a room first");
        return;
    }
    if (is_flood(s, m, now_us))
        return;
    switch (m->type) {
    case MESSAGE_JOIN:
        on_join(s, m, now_us);
        break;
    case MESSAGE_ANSWER:
        on_answer(s, m);
        break;
    case MESSAGE_PING:
        send_text(s, message_pong(m));
        break;
    case MESSAGE_ICE:
        on_ice(s, m);
        break;
    case MESSAGE_SELECT:
        on_select(s, m);
        break;
    case MESSAGE_KEYFRAME:
        on_keyframe(s, m);
        break;
    case MESSAGE_VIEWER_STATS:
        on_report(s, m);
        break;
    case MESSAGE_OF_SHARER:
        send_error(s, m, "not-allowed", "only the room's presenter may send this");
        break;
    case MESSAGE_PONG:
        break;
    }
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
    send_error(s, NULL,
               status == -EBADMSG    ? "bad-json"
               : status == -EMSGSIZE ? "too-large"
                                     : "bad-message",
               error);
    s->finished |= status == -EMSGSIZE;
}

void session_ws_on_binary(struct session_ws *s)
{
    send_error(s, NULL, "bad-message", "messages are text, one JSON object each");
}

void session_ws_on_oversize(struct session_ws *s)
{
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "a message is at most %d bytes long", MESSAGE_SDP_MAX);
    send_error(s, NULL, "too-large", sentence);
    s->finished = true;
}

/* The server's word becomes the error's code only if it looks like one. */
static bool is_code(const char *reason)
{
    size_t n = strspn(reason, "abcdefghijklmnopqrstuvwxyz-");
    return n > 0 && n <= 32 && reason[n] == '\0';
}

static const char *sentence_of(const char *code)
{
    static const struct {
        const char *code, *sentence;
    } rows[] = {
        {"ice-timeout", "no media packet of yours reached the server; its UDP port may be blocked"},
        {"ice-failed", "the media connection could not be established"},
        {"dtls-failed", "the encryption of the media connection could not be set up"},
        {"consent-lost", "your player has not answered on the media connection for too long"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].code, code) == 0)
            return rows[i].sentence;
    return "the media session has ended";
}

void session_ws_on_viewer(struct session_ws *s, uint32_t viewer_id, enum backend_viewer_state state,
                          const char *reason)
{
    if (viewer_id == 0 || viewer_id != s->viewer_id)
        return;
    if (state == BACKEND_VIEWER_LIVE && s->state == SESSION_WS_ANSWERED)
        set_state(s, SESSION_WS_LIVE, INT64_MAX);
    if (state != BACKEND_VIEWER_CLOSED)
        return;
    const char *code = reason && is_code(reason) ? reason : "internal";
    s->viewer_id = 0;
    set_state(s, SESSION_WS_CLOSED, INT64_MAX);
    send_error(s, NULL, code, sentence_of(code));
}

void session_ws_on_candidate(struct session_ws *s, uint32_t viewer_id, const char *candidate)
{
    if (viewer_id != 0 && viewer_id == s->viewer_id)
        send_text(s, message_ice(candidate ? candidate : "", viewer_id));
}

static void on_room_gone(struct session_ws *s, struct session_ws_news *news)
{
    send_streams(s, news);
    send_room_error(s, NULL, s->room, -ENOENT);
    s->joined = s->waiting = false;
    if (s->state == SESSION_WS_OFFERED) {
        drop_viewer(s);
        set_state(s, SESSION_WS_CLOSED, INT64_MAX);
    }
}

void session_ws_on_room(struct session_ws *s, struct session_ws_news *news, int64_t now_us)
{
    struct backend_room room = {0};
    struct backend_seat seat = {.offering = true};
    if (!s->joined || strcmp(s->room, news->code) != 0)
        return;
    if (!news->exists) {
        on_room_gone(s, news);
        return;
    }
    int status = s->waiting ? s->backend->reserve(s->backend->arg, s->room, &room, &seat) : 0;
    send_streams(s, news);
    if (!s->waiting || status == -ENODATA)
        return;
    if (status == 0) {
        send_offer(s, &room, &seat, now_us);
        return;
    }
    s->joined = s->waiting = false;
    s->deadline_us = now_us + SESSION_WS_JOIN_US;
    send_room_error(s, NULL, s->room, status);
}

void session_ws_on_broadcast(struct session_ws *s, const char *text)
{
    if (s->joined)
        send_copy(s, text);
}

void session_ws_on_socket_closed(struct session_ws *s)
{
    if (s->state == SESSION_WS_OFFERED)
        drop_viewer(s);
    s->viewer_id = 0;
    s->finished = true;
}

int64_t session_ws_next_timeout(const struct session_ws *s)
{
    return s->finished ? INT64_MAX : s->deadline_us;
}

void session_ws_on_timeout(struct session_ws *s, int64_t now_us)
{
    if (now_us < session_ws_next_timeout(s))
        return;
    s->deadline_us = INT64_MAX;
    if (s->state == SESSION_WS_OFFERED) {
        drop_viewer(s);
        set_state(s, SESSION_WS_CLOSED, INT64_MAX);
        send_error(s, NULL, "answer-timeout", "the offer was not answered within 10 s");
        return;
    }
    send_error(s, NULL, "not-joined", "no room was joined within 30 s");
    s->finished = true;
}
