/* session_ws_viewer.c - of one that watches: our offer, its answer, what it wants to receive. */
#include "signaling/session_ws_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_watchable(const struct session_ws_news *news)
{
    return news->exists && news->room.live && news->room.n_streams > 0;
}

static void send_copy(struct session_ws *s, const char *text)
{
    session_ws_send(s, text ? strdup(text) : NULL);
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

/* While a presenter may come back nothing has stopped: players keep their last picture. */
static void send_changes(struct session_ws *s, struct session_ws_news *news, bool has_streams)
{
    uint8_t active = 0;
    for (unsigned i = 0; has_streams && i < BACKEND_STREAMS_MAX; i++)
        active |= (uint8_t)(news->room.streams[i].active << i);
    if (has_streams != s->has_streams && s->joined)
        session_ws_send(s, message_bare(has_streams ? "sharer-started" : "sharer-stopped"));
    for (unsigned i = 0; s->joined && i < BACKEND_STREAMS_MAX; i++)
        if ((active ^ s->active_slots) & 1u << i)
            send_slot(s, news, i, active & 1u << i);
    s->has_streams = has_streams;
    s->active_slots = active;
}

static void send_streams(struct session_ws *s, struct session_ws_news *news)
{
    bool has_streams = is_watchable(news), reconnecting = news->exists && news->room.reconnecting;
    if (!reconnecting || has_streams)
        send_changes(s, news, has_streams);
    if (!news->streams_info)
        news->streams_info =
            message_streams_info(news->exists ? &news->room : NULL, has_streams || reconnecting);
    send_copy(s, news->streams_info);
}

static void send_offer(struct session_ws *s, const struct backend_room *room,
                       const struct backend_seat *seat, int64_t now_us)
{
    char sdp[SDP_WRITE_MAX];
    s->viewer_id = seat->viewer_id;
    s->waiting = false;
    if (sdp_write_offer(sdp, sizeof(sdp), room, seat) < 0) {
        session_ws_drop_media(s);
        session_ws_send_error(s, NULL, "internal", "the offer does not fit into a message");
        return;
    }
    sdp_note_offered(&s->offered, room);
    session_ws_send(s, message_offer(sdp, seat->viewer_id));
    session_ws_set_state(s, SESSION_WS_OFFERED, now_us + SESSION_WS_ANSWER_US);
}

/* --- who may watch --- */

static void refuse_watching(struct session_ws *s, const struct message *m, const char *code,
                            enum backend_access access)
{
    if (access == BACKEND_ACCESS_NO_ROOM)
        session_ws_send_room_error(s, m, code, -ENOENT);
    else if (access == BACKEND_ACCESS_TOKEN_USED)
        session_ws_send_error(s, m, "token-used",
                              "this link was used before, or has run out; ask for a new one");
    else if (access == BACKEND_ACCESS_INVALID && m->token)
        session_ws_send_error(s, m, "token-invalid",
                              "this link is not valid for this room; ask for a new one");
    else if (access == BACKEND_ACCESS_INVALID)
        session_ws_send(s, message_password(m, "password-invalid",
                                            "that password is not right; the presenter knows it"));
    else
        session_ws_send(s, message_password(m, "password-required",
                                            "this room needs a password to be watched"));
}

/* What is open to all is open to those with a wrong password too; so a limit on guesses, which
 * keeps out who has the right one as well, only counts where one is needed. */
static enum backend_access ask_to_watch(struct session_ws *s, const struct message *m,
                                        const char *code, struct backend_grant *grant,
                                        unsigned *wait_s)
{
    const struct backend *b = s->backend;
    struct backend_credential shown = {.secret = m->secret};
    *wait_s = 0;
    if (!b->may_watch)
        return BACKEND_ACCESS_GRANTED;
    enum backend_access access = b->may_watch(b->arg, code, &shown, grant);
    shown.bearer = m->token ? m->token : m->password;
    if (access == BACKEND_ACCESS_GRANTED || access == BACKEND_ACCESS_NO_ROOM || !shown.bearer)
        return access;
    if (s->output.guess && (*wait_s = s->output.guess(s->output.arg, false)) != 0)
        return access;
    access = b->may_watch(b->arg, code, &shown, grant);
    if (s->output.guess && access == BACKEND_ACCESS_INVALID)
        s->output.guess(s->output.arg, true);
    return access;
}

/* Who was let in with a token of one use may join again on its socket. */
static bool may_watch(struct session_ws *s, const struct message *m, const char *code)
{
    unsigned wait_s;
    struct backend_grant grant = {0};
    if (s->joined && s->by_token && m->token && strcmp(s->room, code) == 0)
        return true;
    enum backend_access access = ask_to_watch(s, m, code, &grant, &wait_s);
    if (wait_s != 0)
        session_ws_send(s, message_rate_limited(m, "wrong passwords", wait_s));
    else if (access != BACKEND_ACCESS_GRANTED)
        refuse_watching(s, m, code, access);
    if (wait_s != 0 || access != BACKEND_ACCESS_GRANTED)
        return false;
    s->by_token = m->token != NULL;
    s->best_layer = grant.best_layer;
    return true;
}

/* --- joining --- */

/* It plays on: nothing is offered. */
static void send_resumed(struct session_ws *s, const struct message *m)
{
    struct session_ws_news news;
    session_ws_make_news(&news, s->backend, s->room);
    if (news.exists) {
        session_ws_send_joined(s, m, &news.room, true, NULL);
        s->joined = false; /* it is told how things are, not what has changed */
        send_streams(s, &news);
        s->joined = true;
    } else {
        session_ws_send_room_error(s, m, s->room, -ENOENT);
        s->joined = false;
    }
    session_ws_drop_news(&news);
}

/* What it watched by another socket ends now: on a narrow path the two would starve each other. */
static void end_replaced(struct session_ws *s, const struct message *m, const char *code)
{
    bool by_token = s->by_token;
    int best_layer = s->best_layer;
    if (!m->replaces || !s->output.resume ||
        !s->output.resume(s->output.arg, s, m->replaces, code, SESSION_WS_VIEWER))
        return;
    session_ws_drop_media(s);
    s->by_token = by_token;
    s->best_layer = best_layer;
}

void session_ws_join_viewer(struct session_ws *s, const struct message *m, const char *code,
                            int64_t now_us)
{
    struct session_ws_news news = {.code = code, .exists = true};
    if (m->resume && s->output.resume &&
        s->output.resume(s->output.arg, s, m->resume, code, SESSION_WS_VIEWER)) {
        send_resumed(s, m);
        return;
    }
    if (!may_watch(s, m, code)) {
        if (!s->joined)
            s->deadline_us = now_us + SESSION_WS_JOIN_US;
        return;
    }
    end_replaced(s, m, code);
    session_ws_begin(s, code, m);
    struct backend_seat seat = {.offering = true, .best_layer = s->best_layer};
    int status = s->backend->reserve(s->backend->arg, code, &news.room, &seat);
    bool waiting = status == -ENODATA;
    if (waiting)
        status = s->backend->room(s->backend->arg, code, &news.room) ? 0 : -ENOENT;
    if (status != 0) {
        session_ws_set_state(s, SESSION_WS_OPEN, now_us + SESSION_WS_JOIN_US);
        session_ws_send_room_error(s, m, code, status);
        return;
    }
    s->viewer_id = waiting ? 0 : seat.viewer_id;
    session_ws_send_joined(s, m, &news.room, false, NULL);
    news.room.live &= !waiting;
    send_streams(s, &news);
    session_ws_drop_news(&news);
    s->joined = true;
    s->waiting = waiting;
    if (!waiting)
        send_offer(s, &news.room, &seat, now_us);
}

static void refuse_answer(struct session_ws *s, const struct message *m, const char *code,
                          const char *sentence)
{
    session_ws_drop_media(s);
    session_ws_set_state(s, SESSION_WS_CLOSED, INT64_MAX);
    session_ws_send_error(s, m, code, sentence);
}

static bool is_of_another_viewer(const struct session_ws *s, const struct message *m)
{
    char mine[16];
    snprintf(mine, sizeof(mine), "%u", (unsigned)s->viewer_id);
    return m->peer_id && strcmp(m->peer_id, mine) != 0;
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

/* From here on the room counts it. */
static void begin_watching(struct session_ws *s)
{
    session_ws_set_state(s, SESSION_WS_ANSWERED, INT64_MAX);
    session_ws_tell_presenters(s, "viewer-joined", s->viewer_id);
}

static void on_answer(struct session_ws *s, const struct message *m)
{
    char error[200];
    bool other = is_of_another_viewer(s, m);
    if (s->state != SESSION_WS_OFFERED || other) {
        session_ws_send_error(s, m, "bad-message",
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
        session_ws_pass_on_candidates(s, m->sdp, m->sdp_size);
    if (status == -EINVAL)
        refuse_answer(s, m, "bad-sdp", "the answer's fingerprint or credentials cannot be used");
    else if (status != 0)
        refuse_answer(s, m, "internal", "the server could not start the media session");
    else
        begin_watching(s);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        if (s->selected & 1u << i)
            apply_selection(s, i);
}

/* RFC 8445 2.5: a lite agent learns its peer's addresses from its checks. */
static void on_ice(struct session_ws *s, const struct message *m)
{
    if (s->backend->candidate && s->viewer_id != 0 && m->candidate && !is_of_another_viewer(s, m))
        s->backend->candidate(s->backend->arg, s->viewer_id, m->candidate);
}

/* What was decided for it, for the statistics of its page. */
static void on_story(struct session_ws *s, const struct message *m)
{
    const struct backend *b = s->backend;
    char *decisions = b->viewer_story_json && s->viewer_id != 0
                          ? b->viewer_story_json(b->arg, s->viewer_id)
                          : NULL;
    session_ws_send(s, message_story(m, decisions ? decisions : "[]"));
    free(decisions);
}

void session_ws_on_viewer_message(struct session_ws *s, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_ANSWER:
        on_answer(s, m);
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
    case MESSAGE_STORY:
        on_story(s, m);
        break;
    default:
        session_ws_send_error(s, m, "not-allowed", "only the room's presenter may send this");
        break;
    }
}

/* --- the room's news --- */

static void on_room_gone(struct session_ws *s, struct session_ws_news *news)
{
    send_streams(s, news);
    session_ws_send_room_error(s, NULL, s->room, -ENOENT);
    if (s->state == SESSION_WS_OFFERED) {
        session_ws_drop_media(s);
        session_ws_set_state(s, SESSION_WS_CLOSED, INT64_MAX);
    }
    s->joined = s->waiting = false;
}

/* GoPeep's page closes its connection when the sharer stops, and waits for an offer. */
static void wait_as_gopeep(struct session_ws *s)
{
    session_ws_drop_media(s);
    if (s->state != SESSION_WS_OPEN)
        session_ws_set_state(s, SESSION_WS_OPEN, INT64_MAX);
    s->waiting = true;
}

static void try_seat(struct session_ws *s, struct session_ws_news *news, int64_t now_us)
{
    struct backend_room room = {0};
    struct backend_seat seat = {.offering = true, .best_layer = s->best_layer};
    int status = s->backend->reserve(s->backend->arg, s->room, &room, &seat);
    send_streams(s, news);
    if (status == -ENODATA)
        return;
    if (status == 0) {
        send_offer(s, &room, &seat, now_us);
        return;
    }
    s->joined = s->waiting = false;
    s->deadline_us = now_us + SESSION_WS_JOIN_US;
    session_ws_send_room_error(s, NULL, s->room, status);
}

void session_ws_on_viewer_room(struct session_ws *s, struct session_ws_news *news, int64_t now_us)
{
    bool had_streams = s->has_streams;
    if (!news->exists) {
        on_room_gone(s, news);
        return;
    }
    if (s->waiting) {
        try_seat(s, news, now_us);
        return;
    }
    send_streams(s, news);
    if (s->is_gopeep && had_streams && !s->has_streams)
        wait_as_gopeep(s);
}
