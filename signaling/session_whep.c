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

/* `stream`: of ?stream=, -1 any. */
static bool has_stream(const struct backend_room *room, int stream)
{
    return stream < 0 || (stream < BACKEND_STREAMS_MAX && room->streams[stream].active);
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
    } else if (!has_stream(room, request->stream)) {
        answer_error(answer, 404,
                     "room %s has no stream %d; it has %u in its %d slots, counted "
                     "from 0",
                     code, request->stream, room->n_streams, BACKEND_STREAMS_MAX);
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

static void pass_on_candidates(const struct backend *backend, uint32_t viewer_id, const char *text,
                               size_t size)
{
    char candidate[BACKEND_CANDIDATE_MAX];
    struct sdp_text rest = {text, size};
    while (backend->candidate && sdp_next_candidate(&rest, candidate))
        backend->candidate(backend->arg, viewer_id, candidate);
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
    bool has_still = has_stream(&room, request->stream);
    if (!has_still)
        answer_error(answer, 404, "room %s has no stream %d", room_code, request->stream);
    if (!has_still || !negotiate(answer, backend, &offer, &room, &seat, request->stream, &agreed)) {
        backend->leave(backend->arg, seat.viewer_id);
        return;
    }
    pass_on_candidates(backend, seat.viewer_id, request->body, request->body_size);
    *s = (struct session_whep){
        .backend = backend, .gathers = seat.full_ice, .viewer_id = seat.viewer_id};
    snprintf(s->token, sizeof(s->token), "%s", token);
    snprintf(s->etag, sizeof(s->etag), "\"%.*s\"", TOKEN_SIZE - 1, tag);
    snprintf(s->room, sizeof(s->room), "%s", room_code);
    snprintf(s->ufrag, sizeof(s->ufrag), "%s", agreed.ufrag);
    answer->status = 201;
}

/* RFC 8840 9: what matters of the lines of a description. */
struct fragment {
    struct sdp_text ufrag, pwd, mid;
};

static void take_value(struct sdp_text *out, struct sdp_text line, const char *name)
{
    size_t n = strlen(name);
    if (!out->at && line.length >= n && memcmp(line.at, name, n) == 0)
        *out = (struct sdp_text){line.at + n, line.length - n};
}

static int read_fragment(const char *body, size_t size, struct fragment *out)
{
    const char *end = body + size;
    unsigned lines = 0;
    while (body < end) {
        const char *stop = memchr(body, '\n', (size_t)(end - body));
        size_t n = (size_t)((stop ? stop : end) - body);
        struct sdp_text line = {body, n > 0 && body[n - 1] == '\r' ? n - 1 : n};
        if (line.length > 0 &&
            (line.length < 2 || (line.at[0] != 'a' && line.at[0] != 'm') || line.at[1] != '='))
            return -EBADMSG;
        take_value(&out->ufrag, line, "a=ice-ufrag:");
        take_value(&out->pwd, line, "a=ice-pwd:");
        take_value(&out->mid, line, "a=mid:");
        lines += line.length > 0;
        body = stop ? stop + 1 : end;
    }
    return lines > 0 ? 0 : -EBADMSG;
}

static bool is_same(struct sdp_text text, const char *other)
{
    return text.length == strlen(other) && memcmp(text.at, other, text.length) == 0;
}

/* RFC 9725 4.3.3 */
static void restart(struct session_whep *s, struct session_whep_answer *answer,
                    const struct session_whep_request *request, const struct fragment *from)
{
    char ufrag[BACKEND_UFRAG_MAX], pwd[BACKEND_PWD_MAX];
    struct backend_credentials ours;
    if (!s->backend->restart) {
        answer_error(answer, 422, "ICE restart is not supported; DELETE this session, POST again");
        return;
    }
    if (!from->ufrag.at || is_same(from->ufrag, s->ufrag) ||
        !sdp_is_ice_text(from->ufrag, 4, BACKEND_UFRAG_MAX - 1) || !from->pwd.at ||
        !sdp_is_ice_text(from->pwd, 22, BACKEND_PWD_MAX - 1)) {
        answer_error(answer, 422, "an ICE restart needs a new a=ice-ufrag and a=ice-pwd");
        return;
    }
    snprintf(ufrag, sizeof(ufrag), "%.*s", (int)from->ufrag.length, from->ufrag.at);
    snprintf(pwd, sizeof(pwd), "%.*s", (int)from->pwd.length, from->pwd.at);
    if (s->backend->restart(s->backend->arg, s->viewer_id, ufrag, pwd, &ours) != 0) {
        answer_error(answer, 503, "ICE cannot be restarted now; try again in a moment");
        answer->retry_after_s = SESSION_WHEP_RETRY_S;
        return;
    }
    snprintf(s->ufrag, sizeof(s->ufrag), "%s", ufrag);
    snprintf(s->etag, sizeof(s->etag), "\"%.*s\"", TOKEN_SIZE - 1, request->tag);
    size_t mid = from->mid.length <= SDP_MID_MAX ? from->mid.length : 0;
    int n = snprintf(answer->sdp, sizeof(answer->sdp),
                     "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%.*s\r\n"
                     "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n",
                     (int)mid, mid > 0 ? from->mid.at : "", ours.ufrag, ours.pwd);
    answer->sdp_size = (size_t)n;
    answer->status = 200;
}

void session_whep_patch(struct session_whep *s, struct session_whep_answer *answer,
                        const struct session_whep_request *request)
{
    struct fragment fragment = {0};
    start_answer(answer);
    if (!is_type(request->content_type, "application/trickle-ice-sdpfrag")) {
        answer_error(answer, 415, "the body of a PATCH has to be application/trickle-ice-sdpfrag");
        return;
    }
    if (!request->if_match) {
        answer_error(answer, 428, "a PATCH needs If-Match with the ETag of the 201");
        return;
    }
    bool any = strcmp(request->if_match, "*") == 0; /* RFC 9725 4.3.3 */
    if (!any && strcmp(request->if_match, s->etag) != 0) {
        answer_error(answer, 412, "If-Match is not the ETag of this session");
        return;
    }
    if (read_fragment(request->body, request->body_size, &fragment) != 0) {
        answer_error(answer, 400, "the body is not an SDP fragment of a= and m= lines");
        return;
    }
    answer->status = 204;
    if (any || (fragment.ufrag.at && !is_same(fragment.ufrag, s->ufrag)))
        restart(s, answer, request, &fragment);
    if (answer->status < 300 && s->viewer_id != 0)
        pass_on_candidates(s->backend, s->viewer_id, request->body, request->body_size);
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
