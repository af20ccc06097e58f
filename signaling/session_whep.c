#include "signaling/session_whep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

__attribute__((format(printf, 3, 4))) static void answer_error(struct session_whep_answer *answer,
                                                               int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(answer->detail, sizeof(answer->detail), format, args);
    va_end(args);
    answer->status = status;
}

static void start_answer(struct session_whep_answer *answer)
{
    answer->status = 0;
    answer->retry_after_s = 0;
    answer->detail[0] = '\0';
    answer->sdp_size = 0;
}

/* Parameters after ';' do not matter. */
static bool is_type(const char *content_type, const char *wanted)
{
    size_t n = strlen(wanted);
    if (!content_type || strncasecmp(content_type, wanted, n) != 0)
        return false;
    return content_type[n] == '\0' || content_type[n] == ';' || content_type[n] == ' ';
}

/* Whether a seat is worth asking for: known room, something live, an offer that can be read. */
static bool check_post(struct session_whep_answer *answer, const struct backend *backend,
                       const char *code, const struct session_whep_request *request,
                       struct backend_room *room, struct sdp *offer)
{
    char error[200];
    if (!is_type(request->content_type, "application/sdp")) {
        answer_error(answer, 415, "the body of a WHEP request has to be application/sdp");
    } else if (request->body_size > SDP_MAX) {
        answer_error(answer, 413, "an offer is at most %d bytes long", SDP_MAX);
    } else if (!backend->room(backend->arg, code, room)) {
        answer_error(answer, 404, "there is no room with the code %s", code);
    } else if (sdp_parse(offer, request->body, request->body_size, error, sizeof(error)) != 0) {
        answer_error(answer, 400, "%s", error);
    } else if (!room->live || room->n_streams == 0) {
        answer_error(answer, 409, "nothing is live in room %s yet; try again in a moment", code);
        answer->retry_after_s = SESSION_WHEP_RETRY_S;
    } else if (request->stream >= (int)room->n_streams) {
        answer_error(answer, 404, "room %s has no stream %d; it has %u, counted from 0", code,
                     request->stream, room->n_streams);
    }
    return answer->status == 0;
}

static bool reserve(struct session_whep_answer *answer, const struct backend *backend,
                    const char *code, struct backend_room *room, struct backend_seat *seat)
{
    int status = backend->reserve(backend->arg, code, room, seat);
    if (status == -EAGAIN) {
        answer_error(answer, 503, "every seat is taken; try again in a moment");
        answer->retry_after_s = SESSION_WHEP_RETRY_S;
    } else if (status == -ENODATA) {
        answer_error(answer, 409, "nothing is live in room %s yet; try again in a moment", code);
        answer->retry_after_s = SESSION_WHEP_RETRY_S;
    } else if (status == -ENOENT) {
        answer_error(answer, 404, "there is no room with the code %s", code);
    } else if (status != 0) {
        answer_error(answer, 500, "the server could not reserve a seat");
    }
    return status == 0;
}

/* With a seat: agrees, writes the answer and starts the viewer. */
static bool negotiate(struct session_whep_answer *answer, const struct backend *backend,
                      const struct sdp *offer, const struct backend_room *room,
                      const struct backend_seat *seat, int stream, struct backend_answer *agreed)
{
    struct sdp_places places;
    char error[200];
    int status = sdp_take_offer(agreed, &places, offer, room, stream, error, sizeof(error));
    if (status != 0) {
        answer_error(answer, status == -ENOTSUP ? 406 : 422, "%s", error);
        return false;
    }
    int size =
        sdp_write_answer(answer->sdp, sizeof(answer->sdp), offer, room, seat, agreed, &places);
    if (size < 0) {
        answer_error(answer, 422, "the answer to this offer would be longer than %d bytes",
                     SDP_WRITE_MAX);
        return false;
    }
    status = backend->start(backend->arg, seat->viewer_id, agreed);
    if (status != 0) {
        bool theirs = status == -EINVAL;
        answer_error(answer, theirs ? 422 : 500, "%s",
                     theirs ? "the offer's fingerprint or credentials cannot be used"
                            : "the server could not start the media session");
        return false;
    }
    answer->sdp_size = (size_t)size;
    return true;
}

void session_whep_post(struct session_whep *s, struct session_whep_answer *answer,
                       const struct backend *backend, const char *room_code,
                       const struct session_whep_request *request, const char *token,
                       const char *tag)
{
    struct backend_room room = {0};
    struct backend_seat seat = {0};
    struct backend_answer agreed;
    struct sdp offer;
    start_answer(answer);
    if (!check_post(answer, backend, room_code, request, &room, &offer) ||
        !reserve(answer, backend, room_code, &room, &seat))
        return;
    bool has_stream = request->stream < (int)room.n_streams;
    if (!has_stream)
        answer_error(answer, 404, "room %s has no stream %d", room_code, request->stream);
    if (!has_stream ||
        !negotiate(answer, backend, &offer, &room, &seat, request->stream, &agreed)) {
        backend->leave(backend->arg, seat.viewer_id);
        return;
    }
    *s = (struct session_whep){.backend = backend, .viewer_id = seat.viewer_id};
    snprintf(s->token, sizeof(s->token), "%s", token);
    snprintf(s->etag, sizeof(s->etag), "\"%.*s\"", TOKEN_SIZE - 1, tag);
    snprintf(s->room, sizeof(s->room), "%s", room_code);
    snprintf(s->ufrag, sizeof(s->ufrag), "%s", agreed.ufrag);
    answer->status = 201;
}

/* RFC 8840 9: lines of a description, here only checked for their form and their a=ice-ufrag. */
static int read_fragment(const char *body, size_t size, struct sdp_text *ufrag)
{
    static const char name[] = "a=ice-ufrag:";
    const char *end = body + size;
    unsigned lines = 0;
    while (body < end) {
        const char *stop = memchr(body, '\n', (size_t)(end - body));
        size_t n = (size_t)((stop ? stop : end) - body);
        size_t length = n > 0 && body[n - 1] == '\r' ? n - 1 : n;
        if (length > 0 && (length < 2 || (body[0] != 'a' && body[0] != 'm') || body[1] != '='))
            return -EBADMSG;
        if (!ufrag->at && length >= sizeof(name) - 1 && memcmp(body, name, sizeof(name) - 1) == 0)
            *ufrag = (struct sdp_text){body + sizeof(name) - 1, length - (sizeof(name) - 1)};
        lines += length > 0;
        body = stop ? stop + 1 : end;
    }
    return lines > 0 ? 0 : -EBADMSG;
}

void session_whep_patch(const struct session_whep *s, struct session_whep_answer *answer,
                        const struct session_whep_request *request)
{
    struct sdp_text ufrag = {NULL, 0};
    start_answer(answer);
    if (!is_type(request->content_type, "application/trickle-ice-sdpfrag")) {
        answer_error(answer, 415, "the body of a PATCH has to be application/trickle-ice-sdpfrag");
        return;
    }
    if (!request->if_match) {
        answer_error(answer, 428, "a PATCH needs If-Match with the ETag of the 201");
        return;
    }
    bool restart = strcmp(request->if_match, "*") == 0; /* RFC 9725 4.3.3 */
    if (!restart && strcmp(request->if_match, s->etag) != 0) {
        answer_error(answer, 412, "If-Match is not the ETag of this session");
        return;
    }
    if (read_fragment(request->body, request->body_size, &ufrag) != 0) {
        answer_error(answer, 400, "the body is not an SDP fragment of a= and m= lines");
        return;
    }
    bool same = !ufrag.at ||
                (ufrag.length == strlen(s->ufrag) && memcmp(ufrag.at, s->ufrag, ufrag.length) == 0);
    if (restart || !same) {
        answer_error(answer, 422, "ICE restart is not supported; DELETE this session, POST again");
        return;
    }
    answer->status = 204;
}

void session_whep_delete(struct session_whep *s, struct session_whep_answer *answer)
{
    uint32_t viewer_id = s->viewer_id;
    start_answer(answer);
    s->viewer_id = 0;
    if (viewer_id != 0)
        s->backend->leave(s->backend->arg, viewer_id);
    answer->status = 200;
}

void session_whep_on_viewer(struct session_whep *s, enum backend_viewer_state state)
{
    if (state == BACKEND_VIEWER_CLOSED)
        s->viewer_id = 0;
}

bool session_whep_is_over(const struct session_whep *s)
{
    return s->viewer_id == 0;
}
