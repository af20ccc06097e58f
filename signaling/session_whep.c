#include "signaling/session_whep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- who may watch what ------------------------------------------------------------------------
 */

/* `stream`: of ?stream=, -1 any. */
static bool has_stream(const struct backend_room *room, int stream)
{
    return stream < 0 || (stream < BACKEND_STREAMS_MAX && room->streams[stream].active);
}

static void nothing_live(struct session_answer *answer, const char *code)
{
    session_answer_error(answer, 409, "nothing is live in room %s yet; try again in a moment",
                         code);
    answer->retry_after_s = SESSION_RETRY_S;
}

/* Whether a seat is worth asking for: known room, something live, an offer that can be read. */
static bool check_post(struct session_answer *answer, const struct backend *backend,
                       const char *code, const struct session_request *request,
                       struct backend_room *room, struct sdp *offer)
{
    char error[200];
    if (!session_is_type(request->content_type, "application/sdp")) {
        session_answer_error(answer, 415, "the body of a WHEP request has to be application/sdp");
    } else if (request->body_size > SDP_MAX) {
        session_answer_error(answer, 413, "an offer is at most %d bytes long", SDP_MAX);
    } else if (!backend->room(backend->arg, code, room)) {
        session_answer_error(answer, 404, "there is no room with the code %s", code);
    } else if (sdp_parse(offer, request->body, request->body_size, error, sizeof(error)) != 0) {
        session_answer_error(answer, 400, "%s", error);
    } else if (room->live && room->n_streams > 0 && !has_stream(room, request->stream)) {
        session_answer_error(answer, 404,
                             "room %s has no stream %d; it has %u in its %d slots, counted "
                             "from 0",
                             code, request->stream, room->n_streams, BACKEND_STREAMS_MAX);
    }
    return answer->status == 0;
}

/* After everything else that may fail: a token that is for one use is used up by it. So those who
 * show nothing where something is needed are told before. */
static bool may_watch(struct session_answer *answer, const struct backend *backend,
                      const char *code, const struct session_request *request,
                      const struct backend_room *room, struct backend_grant *grant)
{
    static const char needs[] = "watching this room needs its password or a token";
    const struct backend_credential shown = {.bearer = request->bearer};
    bool live = room->live && room->n_streams > 0;
    if (!backend->may_watch) {
        if (!live)
            nothing_live(answer, code);
        return live;
    }
    if (room->password_required && !request->bearer)
        return session_check_access(BACKEND_ACCESS_REQUIRED, answer, request, code, needs);
    if (!session_may_guess(answer, request))
        return false;
    if (!live) {
        nothing_live(answer, code);
        return false;
    }
    return session_check_access(backend->may_watch(backend->arg, code, &shown, grant), answer,
                                request, code, needs);
}

static bool reserve(struct session_answer *answer, const struct backend *backend, const char *code,
                    struct backend_room *room, struct backend_seat *seat)
{
    int status = backend->reserve(backend->arg, code, room, seat);
    if (status == -EAGAIN || status == -ESHUTDOWN)
        session_answer_retry(answer, 503, "every seat is taken; try again in a moment");
    else if (status == -ENODATA)
        nothing_live(answer, code);
    else if (status == -ENOENT)
        session_answer_error(answer, 404, "there is no room with the code %s", code);
    else if (status != 0)
        session_answer_error(answer, 500, "the server could not reserve a seat");
    return status == 0;
}

/* --- agreeing ----------------------------------------------------------------------------------
 */

static bool start(struct session_answer *answer, const struct backend *backend, uint32_t id,
                  const struct backend_answer *agreed, const char *whose)
{
    int status = backend->start(backend->arg, id, agreed);
    if (status == -EINVAL)
        session_answer_error(answer, 422, "the %s's fingerprint or credentials cannot be used",
                             whose);
    else if (status != 0)
        session_answer_error(answer, 500, "the server could not start the media session");
    return status == 0;
}

static void note_pictures(struct session_whep *s, const struct backend_answer *agreed,
                          const struct sdp_places *places)
{
    s->n_pictures = 0;
    for (unsigned i = 0; i < agreed->n_tracks; i++) {
        if (agreed->tracks[i].audio || s->n_pictures == BACKEND_STREAMS_MAX)
            continue;
        s->pictures[s->n_pictures].media = places->media[i];
        s->pictures[s->n_pictures++].slot = (uint8_t)agreed->tracks[i].slot;
    }
}

/* With a seat: agrees, writes the answer and starts the viewer. `s` is begun. */
static bool negotiate(struct session_whep *s, struct session_answer *answer,
                      const struct sdp *offer, const struct backend_room *room,
                      const struct backend_seat *seat, int stream, bool *nothing_fits)
{
    struct sdp_places places;
    struct backend_answer agreed;
    char error[200];
    int status = sdp_take_offer(&agreed, &places, offer, room, stream, error, sizeof(error));
    *nothing_fits = status == -ENOTSUP;
    if (status != 0) {
        session_answer_error(answer, *nothing_fits ? 406 : 422, "%s", error);
        return false;
    }
    int size =
        sdp_write_answer(answer->sdp, sizeof(answer->sdp), offer, room, seat, &agreed, &places);
    if (size < 0) {
        session_answer_error(answer, 422, "the answer to this offer would be longer than %d bytes",
                             SDP_WRITE_MAX);
        return false;
    }
    if (!start(answer, s->resource.backend, seat->viewer_id, &agreed, "offer"))
        return false;
    snprintf(s->resource.ufrag, sizeof(s->resource.ufrag), "%s", agreed.ufrag);
    note_pictures(s, &agreed, &places);
    answer->sdp_size = (size_t)size;
    return true;
}

/* Nothing of the offer fits: one of ours instead, for a seat of its own. `s` is begun anew. */
static void counter_offer(struct session_whep *s, struct session_answer *answer,
                          const struct backend *backend, const char *code,
                          const struct session_request *request)
{
    struct backend_room room = {0};
    struct backend_seat seat = {.offering = true, .best_layer = s->best_layer};
    if (backend->reserve(backend->arg, code, &room, &seat) != 0)
        return; /* the 406 stays, with its sentence */
    int size = sdp_write_offer(answer->sdp, sizeof(answer->sdp), &room, &seat);
    if (size < 0) {
        backend->leave(backend->arg, seat.viewer_id);
        return;
    }
    int best_layer = s->best_layer;
    *s = (struct session_whep){.answer_wanted = true,
                               .expires_us = request->now_us + SESSION_WHEP_ANSWER_US,
                               .best_layer = best_layer};
    session_resource_begin(&s->resource, backend, code, request, &seat);
    sdp_note_offered(&s->offered, &room);
    answer->sdp_size = (size_t)size;
}

void session_whep_post(struct session_whep *s, struct session_answer *answer,
                       const struct backend *backend, const char *code,
                       const struct session_request *request)
{
    struct backend_room room = {0};
    struct backend_grant grant = {0};
    struct sdp offer;
    bool nothing_fits = false;
    session_answer_begin(answer);
    if (!check_post(answer, backend, code, request, &room, &offer) ||
        !may_watch(answer, backend, code, request, &room, &grant))
        return;
    struct backend_seat seat = {.best_layer = grant.best_layer};
    if (!reserve(answer, backend, code, &room, &seat))
        return;
    *s = (struct session_whep){.best_layer = grant.best_layer};
    session_resource_begin(&s->resource, backend, code, request, &seat);
    bool has_still = has_stream(&room, request->stream);
    if (!has_still)
        session_answer_error(answer, 404, "room %s has no stream %d", code, request->stream);
    if (has_still && negotiate(s, answer, &offer, &room, &seat, request->stream, &nothing_fits)) {
        session_pass_candidates(backend, seat.viewer_id, request);
        answer->status = 201;
        return;
    }
    backend->leave(backend->arg, seat.viewer_id);
    s->resource.id = 0;
    if (nothing_fits)
        counter_offer(s, answer, backend, code, request);
}

/* --- the answer to a counter-offer -------------------------------------------------------------
 */

static void take_answer(struct session_whep *s, struct session_answer *answer,
                        const struct session_request *request)
{
    struct sdp sdp;
    struct backend_answer agreed;
    struct sdp_places places;
    char error[200];
    const struct backend *b = s->resource.backend;
    if (request->body_size > SDP_MAX) {
        session_answer_error(answer, 413, "an answer is at most %d bytes long", SDP_MAX);
        return;
    }
    if (sdp_parse(&sdp, request->body, request->body_size, error, sizeof(error)) != 0) {
        session_answer_error(answer, 400, "%s", error);
        return;
    }
    if (sdp_take_answer(&agreed, &sdp, &s->offered, error, sizeof(error)) != 0) {
        session_answer_error(answer, 422, "%s", error);
        return;
    }
    if (!start(answer, b, s->resource.id, &agreed, "answer"))
        return;
    s->answer_wanted = false;
    snprintf(s->resource.ufrag, sizeof(s->resource.ufrag), "%s", agreed.ufrag);
    for (unsigned i = 0; i < agreed.n_tracks; i++)
        places.media[i] = (uint8_t)atoi(agreed.tracks[i].mid); /* ours: the index */
    note_pictures(s, &agreed, &places);
    session_pass_candidates(b, s->resource.id, request);
    answer->status = 204;
}

void session_whep_patch(struct session_whep *s, struct session_answer *answer,
                        const struct session_request *request)
{
    bool has_answer = session_is_type(request->content_type, "application/sdp");
    session_answer_begin(answer);
    if (s->answer_wanted && has_answer)
        take_answer(s, answer, request);
    else if (s->answer_wanted)
        session_answer_error(answer, 409,
                             "this session waits for the answer to its offer, as application/sdp");
    else
        session_resource_patch(&s->resource, answer, request);
}

/* --- layers ------------------------------------------------------------------------------------
 */

static bool fits(const struct backend_stream *stream, unsigned i,
                 const struct session_whep_layer *wish)
{
    int spatial = (int)(stream->n_layers - 1 - i);
    return (wish->max_width < 0 || stream->layers[i].width <= wish->max_width) &&
           (wish->max_height < 0 || stream->layers[i].height <= wish->max_height) &&
           (wish->max_spatial < 0 || spatial <= wish->max_spatial) &&
           (wish->spatial < 0 || spatial == wish->spatial);
}

unsigned session_whep_best_layer(const struct session_whep *s, const struct backend_stream *stream)
{
    unsigned best = s->best_layer > 0 ? (unsigned)s->best_layer : 0;
    return best < stream->n_layers ? best : stream->n_layers - 1;
}

/* Of the layers that are allowed; -1: what fits; -2: there is none like it. */
static int layer_of(const struct session_whep *s, const struct backend_stream *stream,
                    const struct session_whep_layer *wish)
{
    if (stream->n_layers == 0)
        return -2;
    bool limited = wish->max_width >= 0 || wish->max_height >= 0 || wish->max_spatial >= 0 ||
                   wish->spatial >= 0;
    if (wish->rid[0] == '\0' && !limited)
        return -1;
    for (unsigned i = session_whep_best_layer(s, stream); i < stream->n_layers; i++) {
        bool named =
            wish->rid[0] == '\0' || (wish->rid[0] == (char)('0' + i) && wish->rid[1] == '\0');
        if (named && fits(stream, i, wish))
            return (int)i;
    }
    return -2;
}

static int picture_of(const struct session_whep *s, int media)
{
    for (unsigned i = 0; i < s->n_pictures; i++)
        if (media < 0 || s->pictures[i].media == media)
            return (int)i;
    return -1;
}

void session_whep_select(struct session_whep *s, struct session_answer *answer,
                         const struct session_whep_layer *wish)
{
    struct backend_room room;
    const struct backend *b = s->resource.backend;
    int picture = picture_of(s, wish->media);
    session_answer_begin(answer);
    if (picture < 0 || s->resource.id == 0 || !b->room(b->arg, s->resource.room, &room)) {
        session_answer_error(answer, 404, "this session has no such picture");
        return;
    }
    unsigned slot = s->pictures[picture].slot;
    int layer = layer_of(s, &room.streams[slot], wish);
    if (layer < -1) {
        session_answer_error(answer, 422, "this picture has no such layer; \"layers\" tells them");
        return;
    }
    int temporal = wish->temporal >= 0 ? wish->temporal : wish->max_temporal;
    b->select(b->arg, s->resource.id, slot, layer, temporal, false);
    answer->status = 200;
}

/* --- its end -----------------------------------------------------------------------------------
 */

void session_whep_delete(struct session_whep *s, struct session_answer *answer)
{
    uint32_t id = s->resource.id;
    session_answer_begin(answer);
    s->resource.id = 0;
    if (id != 0)
        s->resource.backend->leave(s->resource.backend->arg, id);
    answer->status = 200;
}

void session_whep_tick(struct session_whep *s, int64_t now_us)
{
    struct session_answer unread;
    if (s->answer_wanted && now_us > s->expires_us)
        session_whep_delete(s, &unread);
}

bool session_whep_is_over(const struct session_whep *s)
{
    return s->resource.id == 0;
}
