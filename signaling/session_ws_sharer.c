/* session_ws_sharer.c - of one that presents: his offers, which we answer, and what he says of his
 * streams, which reaches the room.
 *
 * His "video<i>" is the track of that name in his offer (a=msid), as GoPeep's program writes it,
 * else his i-th m-line of video; to the room it is the slot that the server chose for it.
 */
#include "signaling/session_ws_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- who may present --- */

static void refuse_presenting(struct session_ws *s, const struct message *m, const char *code,
                              enum backend_access access)
{
    if (access == BACKEND_ACCESS_NO_ROOM)
        session_ws_send_room_error(s, m, code, -ENOENT);
    else if (access == BACKEND_ACCESS_REQUIRED)
        session_ws_send_error(s, m, "secret-required",
                              "presenting in this room needs its secret; its link only watches");
    else
        session_ws_send_error(s, m, "secret-invalid",
                              "that is not the secret of this room; whoever made it has it");
}

static bool may_present(struct session_ws *s, const struct message *m, const char *code,
                        enum backend_access *out)
{
    const struct backend *b = s->backend;
    const struct backend_credential shown = {.bearer = m->token, .secret = m->secret};
    unsigned wait_s =
        s->output.guess && (m->secret || m->token) ? s->output.guess(s->output.arg, false) : 0;
    if (wait_s != 0) {
        session_ws_send(s, message_rate_limited(m, "wrong secrets", wait_s));
        *out = 0;
        return false;
    }
    *out = b->may_publish(b->arg, code, &shown);
    if (*out == BACKEND_ACCESS_INVALID && s->output.guess)
        s->output.guess(s->output.arg, true);
    return *out == BACKEND_ACCESS_GRANTED;
}

/* GoPeep's program takes a room by joining it, where anyone may make one. After a restart of the
 * server it comes back with the secret of the room that was, and its password. */
static int make_room(struct session_ws *s, const struct message *m, const char *code,
                     struct backend_room_made *made)
{
    const struct backend_room_wish wish = {
        .code = code, .password = m->password, .max_viewers = -1, .secret = m->secret};
    return s->backend->make_room(s->backend->arg, &wish, made);
}

static bool can_make_room(const struct session_ws *s, const struct message *m)
{
    bool shows_nothing = !m->secret && !m->token, is_gopeep = !m->client;
    return s->backend->open_rooms && s->backend->make_room && (shows_nothing || is_gopeep);
}

/* GoPeep's joins say what the password is. One that says none takes none away: whoever forgets to
 * say it shall not open the room. */
static void set_password(struct session_ws *s, const struct message *m)
{
    const struct backend_room_wish wish = {.password = m->password, .max_viewers = -1};
    if (s->backend->change_room && m->password)
        (void)s->backend->change_room(s->backend->arg, s->room, &wish); /* it was there just now */
}

static void send_make_error(struct session_ws *s, const struct message *m, const char *code,
                            int status)
{
    if (status == -EINVAL)
        session_ws_send_error(s, m, "secret-invalid",
                              "a room's secret is 16 to 64 characters long");
    else if (status == -ENOSPC)
        session_ws_send_error(s, m, "no-more-rooms",
                              "the server has as many rooms as it may; try again later");
    else
        session_ws_send_room_error(s, m, code, status);
}

/* --- joining --- */

static void tell_viewers(struct session_ws *s, char *text)
{
    if (text && s->output.tell)
        s->output.tell(s->output.arg, s->room, SESSION_WS_VIEWER, text);
    else
        free(text);
}

/* GoPeep's program offers when it is told of a viewer; we are its one. */
static void ask_for_offer(struct session_ws *s)
{
    if (s->is_gopeep)
        session_ws_send(s, message_bare("viewer-joined"));
}

static void enter(struct session_ws *s, const struct message *m, const char *secret, bool resumed,
                  int64_t now_us)
{
    struct backend_room room = {0};
    if (!s->backend->room(s->backend->arg, s->room, &room)) {
        s->deadline_us = now_us + SESSION_WS_JOIN_US;
        s->joined = false;
        session_ws_send_room_error(s, m, s->room, -ENOENT);
        return;
    }
    s->joined = true;
    if (s->backend->audience && !s->is_gopeep)
        s->audience_us = now_us + SESSION_WS_AUDIENCE_US;
    session_ws_send_joined(s, m, &room, resumed, secret);
    if (resumed)
        return;
    if (!room.live && !room.reconnecting) /* GoPeep's page would end what it watches */
        tell_viewers(s, message_bare("sharer-ready"));
    ask_for_offer(s);
}

void session_ws_join_sharer(struct session_ws *s, const struct message *m, const char *code,
                            int64_t now_us)
{
    enum backend_access access;
    struct backend_room_made made = {.secret = ""};
    if (!s->backend->publish_reserve || !s->backend->may_publish) {
        session_ws_send_error(s, m, "not-supported",
                              "this server takes no presenters; it shows its own --source");
        return;
    }
    if (m->resume && s->output.resume &&
        s->output.resume(s->output.arg, s, m->resume, code, SESSION_WS_SHARER)) {
        enter(s, m, NULL, true, now_us);
        return;
    }
    if (m->password && strlen(m->password) >= BACKEND_PASSWORD_MAX) {
        session_ws_send_error(s, m, "bad-message", "a password is at most 128 bytes long");
        return;
    }
    bool may = may_present(s, m, code, &access);
    if (!may && access == BACKEND_ACCESS_NO_ROOM && can_make_room(s, m)) {
        int status = make_room(s, m, code, &made);
        if (status != 0)
            send_make_error(s, m, code, status);
        may = status == 0;
    } else if (!may && access != 0) {
        refuse_presenting(s, m, code, access);
    }
    if (!may)
        return;
    struct session_ws_presenter *p = s->output.allocate(s->output.arg, sizeof(*p));
    session_ws_begin(s, code, m);
    s->presenter = p;
    if (!p) {
        session_ws_send(s, NULL);
        return;
    }
    if (made.secret[0] == '\0')
        set_password(s, m);
    enter(s, m, made.secret[0] != '\0' ? made.secret : NULL, false, now_us);
}

/* --- his streams --- */

/* Where his `own` track goes. */
static bool slot_of(const struct session_ws_presenter *p, unsigned own, unsigned *slot)
{
    char name[16];
    unsigned n = 0;
    bool found = false;
    snprintf(name, sizeof(name), "video%u", own);
    for (unsigned i = 0; i < p->publication.n_tracks; i++) {
        const struct backend_publish_track *t = &p->publication.tracks[i];
        if (t->audio)
            continue;
        bool named = strcmp(t->track_id, name) == 0;
        if (named || (n == own && !found)) {
            *slot = t->slot;
            found = true;
        }
        if (named)
            return true;
        n++;
    }
    return found;
}

static void inform(struct session_ws *s, unsigned own, const struct backend_publish_info *info)
{
    unsigned slot;
    if (s->backend->publish_info && s->viewer_id != 0 && slot_of(s->presenter, own, &slot))
        s->backend->publish_info(s->backend->arg, s->viewer_id, slot, info);
}

static void inform_of(struct session_ws *s, const struct message_stream *from)
{
    struct backend_publish_info info = {
        .window_name = from->is_named ? from->window_name : NULL,
        .app_name = from->is_named ? from->app_name : NULL,
        .width = from->width > 0 ? from->width : -1,
        .height = from->height > 0 ? from->height : -1,
        .active = 1,
        .focused = from->focused,
        .paused = from->paused,
    };
    s->presenter->said |= (uint8_t)(1u << from->slot);
    s->presenter->streams[from->slot] = *from;
    inform(s, from->slot, &info);
}

static void inform_of_end(struct session_ws *s, unsigned own)
{
    const struct backend_publish_info info = {
        .width = -1, .height = -1, .active = 0, .focused = -1, .paused = -1};
    s->presenter->said &= (uint8_t) ~(1u << own);
    inform(s, own, &info);
}

/* The list is complete: what is not in it is not shown. */
static void on_streams_info(struct session_ws *s, const struct message *m)
{
    uint8_t listed = 0;
    for (unsigned i = 0; i < m->n_streams; i++) {
        listed |= (uint8_t)(1u << m->streams[i].slot);
        inform_of(s, &m->streams[i]);
    }
    for (unsigned own = 0; own < BACKEND_STREAMS_MAX; own++)
        if (!(listed & 1u << own))
            inform_of_end(s, own);
}

static void on_focus(struct session_ws *s, unsigned own)
{
    unsigned slot;
    const struct backend_publish_info info = {
        .width = -1, .height = -1, .active = -1, .focused = 1, .paused = -1};
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        s->presenter->streams[i].focused = i == own;
    inform(s, own, &info);
    if (s->viewer_id != 0 && slot_of(s->presenter, own, &slot))
        tell_viewers(s, message_focus(slot));
}

static void on_size(struct session_ws *s, const struct message_stream *from)
{
    unsigned slot;
    const struct backend_publish_info info = {
        .width = from->width, .height = from->height, .active = -1, .focused = -1, .paused = -1};
    s->presenter->streams[from->slot].width = from->width;
    s->presenter->streams[from->slot].height = from->height;
    inform(s, from->slot, &info);
    if (s->viewer_id != 0 && slot_of(s->presenter, from->slot, &slot))
        tell_viewers(s, message_size(slot, from->width, from->height));
}

static void on_cursor(struct session_ws *s, const struct message *m)
{
    unsigned slot;
    if (s->viewer_id != 0 && slot_of(s->presenter, m->slot, &slot))
        tell_viewers(s, message_cursor(slot, m->cursor_x, m->cursor_y, m->in_view));
}

/* --- his offers --- */

static int choose_slot(void *arg, unsigned taken)
{
    const struct session_ws *s = arg;
    return s->backend->publish_slot(s->backend->arg, s->room, taken);
}

static void refuse_offer(struct session_ws *s, const struct message *m, int status,
                         const char *sentence)
{
    if (status == -ENOTSUP)
        session_ws_send_error(s, m, "no-common-codec", sentence);
    else if (status == -EALREADY)
        session_ws_send_error(s, m, "not-supported",
                              "this server does not restart ICE; publish with a new connection");
    else if (status == -ENOSPC || status == -EBUSY)
        session_ws_send_error(s, m, "slot-taken",
                              "every place of this room is taken by the server's own sources");
    else if (status == -ENOENT || status == -EAGAIN || status == -ESHUTDOWN)
        session_ws_send_room_error(s, m, s->room, status);
    else if (status == -EINVAL || status == -EBADMSG)
        session_ws_send_error(s, m, "bad-sdp", sentence);
    else
        session_ws_send_error(s, m, "internal", "the server could not start the media session");
}

static bool same_tracks(const struct backend_publication *a, const struct backend_publication *b)
{
    return a->n_tracks == b->n_tracks &&
           memcmp(a->tracks, b->tracks, a->n_tracks * sizeof(a->tracks[0])) == 0;
}

/* A reserved seat that is started with what was agreed. The one before goes on until then, and is
 * fenced off by it. */
static int publish_anew(struct session_ws *s, const struct backend_publication *agreed,
                        struct backend_seat *seat)
{
    const struct backend *b = s->backend;
    uint32_t before = s->viewer_id;
    int status = b->publish_reserve(b->arg, s->room, seat);
    if (status != 0)
        return status;
    status = b->publish_start(b->arg, seat->viewer_id, agreed);
    if (status != 0) {
        b->leave(b->arg, seat->viewer_id);
        return status;
    }
    s->viewer_id = seat->viewer_id;
    if (before != 0)
        b->leave(b->arg, before);
    return 0;
}

/* Another offer on the same transport: other tracks, other credentials for ICE, or nothing new. */
static int change_published(struct session_ws *s, const struct backend_publication *agreed,
                            struct backend_seat *seat)
{
    const struct backend *b = s->backend;
    const struct backend_publication *before = &s->presenter->publication;
    bool restarts = strcmp(agreed->ufrag, before->ufrag) != 0;
    if (restarts) {
        struct backend_credentials ours;
        if (!b->restart)
            return -EALREADY;
        int status = b->restart(b->arg, s->viewer_id, agreed->ufrag, agreed->pwd, &ours);
        if (status != 0)
            return status;
        memcpy(seat->ufrag, ours.ufrag, sizeof(seat->ufrag));
        memcpy(seat->pwd, ours.pwd, sizeof(seat->pwd));
    }
    return same_tracks(agreed, before) ? 0 : b->publish_start(b->arg, s->viewer_id, agreed);
}

/* Where a picture of this mid went before, or negative. */
static int slot_before(const struct backend_publication *before, const char *mid)
{
    for (unsigned i = 0; i < before->n_tracks; i++)
        if (!before->tracks[i].audio && strcmp(before->tracks[i].mid, mid) == 0)
            return (int)before->tracks[i].slot;
    return -1;
}

/* Pictures that go on keep their slots, whatever was added or taken away before them; sounds go
 * where their pictures are. */
static int keep_places(const struct session_ws *s, struct backend_publication *agreed)
{
    int moved[BACKEND_STREAMS_MAX];
    unsigned taken = 0;
    memset(moved, -1, sizeof(moved));
    for (unsigned i = 0; i < agreed->n_tracks; i++) {
        const struct backend_publish_track *t = &agreed->tracks[i];
        int before = t->audio ? -1 : slot_before(&s->presenter->publication, t->mid);
        if (before < 0 || taken & 1u << before)
            continue;
        moved[t->slot] = before;
        taken |= 1u << before;
    }
    for (unsigned i = 0; i < agreed->n_tracks; i++) {
        struct backend_publish_track *t = &agreed->tracks[i];
        if (moved[t->slot] < 0)
            moved[t->slot] = s->backend->publish_slot(s->backend->arg, s->room, taken);
        if (moved[t->slot] < 0)
            return -ENOSPC;
        taken |= 1u << moved[t->slot];
        t->slot = (unsigned)moved[t->slot];
    }
    return 0;
}

/* A new connection has a certificate of its own. */
static bool is_same_transport(const struct backend_publication *a,
                              const struct backend_publication *b)
{
    return a->n_fingerprints == b->n_fingerprints && a->dtls_client == b->dtls_client &&
           memcmp(a->fingerprints, b->fingerprints,
                  a->n_fingerprints * sizeof(a->fingerprints[0])) == 0;
}

static void note_offer(struct session_ws *s, const struct message *m, const struct sdp *offer,
                       const struct backend_publication *agreed, const struct backend_seat *seat)
{
    struct session_ws_presenter *p = s->presenter;
    struct sdp_text mid = offer->media[0].mid;
    p->publication = *agreed;
    p->seat = *seat;
    snprintf(p->first_mid, sizeof(p->first_mid), "%.*s", (int)mid.length, mid.at ? mid.at : "");
    if (m->peer_id)
        snprintf(p->peer_id, sizeof(p->peer_id), "%s", m->peer_id);
    else
        snprintf(p->peer_id, sizeof(p->peer_id), "%u", (unsigned)s->viewer_id);
}

static void answer_offer(struct session_ws *s, const struct message *m, const struct sdp *offer,
                         const struct backend_publication *agreed, const struct sdp_places *places)
{
    char sdp[SDP_WRITE_MAX];
    const struct session_ws_presenter *p = s->presenter;
    if (sdp_write_publish_answer(sdp, sizeof(sdp), offer, &p->seat, agreed, places) < 0) {
        session_ws_drop_media(s);
        session_ws_set_state(s, SESSION_WS_OPEN, INT64_MAX);
        session_ws_send_error(s, m, "internal", "the answer does not fit into a message");
        return;
    }
    session_ws_send(s, message_answer(m, sdp, p->peer_id, agreed));
    if (s->backend->candidate)
        session_ws_pass_on_candidates(s, m->sdp, m->sdp_size);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        if (p->said & 1u << i)
            inform_of(s, &p->streams[i]);
}

static void on_offer(struct session_ws *s, const struct message *m)
{
    char error[200];
    struct sdp offer;
    struct sdp_places places;
    struct backend_publication agreed;
    struct session_ws_presenter *p = s->presenter;
    struct backend_seat seat = p->seat;
    const struct sdp_publish_wish wish = {.slot = choose_slot, .arg = s};
    int status = sdp_parse(&offer, m->sdp, m->sdp_size, error, sizeof(error));
    if (status == 0)
        status = sdp_take_publish_offer(&agreed, &places, &offer, &wish, error, sizeof(error));
    if (status != 0) {
        refuse_offer(s, m, status, error);
        return;
    }
    snprintf(agreed.kind, sizeof(agreed.kind), "%s", s->is_gopeep ? "gopeep" : "browser");
    uint32_t before = s->viewer_id;
    bool goes_on = before != 0 && is_same_transport(&agreed, &p->publication);
    if (goes_on)
        status = keep_places(s, &agreed);
    if (status == 0)
        status = goes_on ? change_published(s, &agreed, &seat) : publish_anew(s, &agreed, &seat);
    if (status != 0) {
        refuse_offer(s, m, status, "the offer's fingerprint or credentials cannot be used");
        return;
    }
    if (s->viewer_id != before)
        session_ws_set_state(s, SESSION_WS_ANSWERED, INT64_MAX);
    note_offer(s, m, &offer, &agreed, &seat);
    answer_offer(s, m, &offer, &agreed, &places);
}

static void on_ice(struct session_ws *s, const struct message *m)
{
    bool other = m->peer_id && strcmp(m->peer_id, s->presenter->peer_id) != 0;
    if (s->backend->candidate && s->viewer_id != 0 && m->candidate && !other)
        s->backend->candidate(s->backend->arg, s->viewer_id, m->candidate);
}

/* --- the rest --- */

static void on_stopped(struct session_ws *s)
{
    uint32_t id = s->viewer_id;
    s->presenter->said = 0;
    if (id == 0)
        return;
    s->viewer_id = 0;
    session_ws_set_state(s, SESSION_WS_OPEN, INT64_MAX);
    s->backend->publish_end(s->backend->arg, id);
}

void session_ws_on_unpublished(struct session_ws *s, const char *code)
{
    if (strcmp(code, "replaced") != 0)
        ask_for_offer(s);
}

static void on_password(struct session_ws *s, const struct message *m)
{
    enum backend_access access;
    const struct backend_room_wish wish = {.password = m->password, .max_viewers = -1};
    if (!may_present(s, m, s->room, &access)) {
        if (access != 0)
            refuse_presenting(s, m, s->room, access);
        return;
    }
    int status = s->backend->change_room ? s->backend->change_room(s->backend->arg, s->room, &wish)
                                         : -ENOTSUP;
    if (status == -ENOTSUP)
        session_ws_send_error(s, m, "not-supported", "this server's rooms have fixed passwords");
    else if (status != 0)
        session_ws_send_room_error(s, m, s->room, status);
    else if (!s->is_gopeep)
        session_ws_send(s, message_password_updated(m, m->password[0] != '\0'));
}

void session_ws_on_sharer_message(struct session_ws *s, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_OFFER:
        on_offer(s, m);
        break;
    case MESSAGE_ICE:
        on_ice(s, m);
        break;
    case MESSAGE_STREAMS_INFO:
        on_streams_info(s, m);
        break;
    case MESSAGE_STREAM_ON:
        inform_of(s, &m->streams[0]);
        break;
    case MESSAGE_STREAM_OFF:
        inform_of_end(s, m->slot);
        break;
    case MESSAGE_FOCUS:
        on_focus(s, m->slot);
        break;
    case MESSAGE_SIZE:
        on_size(s, &m->streams[0]);
        break;
    case MESSAGE_CURSOR:
        on_cursor(s, m);
        break;
    case MESSAGE_STARTED:
        if (s->viewer_id == 0)
            ask_for_offer(s);
        break;
    case MESSAGE_STOPPED:
        on_stopped(s);
        break;
    case MESSAGE_PASSWORD:
        on_password(s, m);
        break;
    default:
        session_ws_send_error(s, m, "not-allowed", "only a viewer may send this");
        break;
    }
}

void session_ws_send_audience(struct session_ws *s, int64_t now_us)
{
    struct backend_audience audience = {0};
    s->audience_us = now_us + SESSION_WS_AUDIENCE_US;
    if (s->backend->audience(s->backend->arg, s->room, &audience))
        session_ws_send(s, message_audience(&audience));
}
