#include "signaling/session_whip.h"

#include <errno.h>
#include <stdio.h>

/* Where the next picture goes. */
struct slots {
    const struct backend *backend;
    const char *room;
};

static int next_slot(void *arg, unsigned taken)
{
    const struct slots *s = arg;
    return s->backend->publish_slot(s->backend->arg, s->room, taken);
}

/* Who may not publish learns nothing of what was wrong with the offer. */
static bool may_publish(struct session_answer *answer, const struct backend *backend,
                        const char *room, const struct session_request *request)
{
    const struct backend_credential shown = {.bearer = request->bearer};
    if (!backend->publish_reserve || !backend->publish_slot || !backend->publish_start ||
        !backend->may_publish) {
        session_answer_error(answer, 501,
                             "this server takes no publishers; it shows its own sources");
        return false;
    }
    if (!session_may_guess(answer, request))
        return false;
    return session_check_access(backend->may_publish(backend->arg, room, &shown), answer, request,
                                room, "publishing needs the room's secret");
}

static bool read_offer(struct session_answer *answer, const struct session_request *request,
                       struct sdp *offer)
{
    char error[200];
    if (!session_is_type(request->content_type, "application/sdp"))
        session_answer_error(answer, 415, "the body of a WHIP request has to be application/sdp");
    else if (request->body_size > SDP_MAX)
        session_answer_error(answer, 413, "an offer is at most %d bytes long", SDP_MAX);
    else if (sdp_parse(offer, request->body, request->body_size, error, sizeof(error)) != 0)
        session_answer_error(answer, 400, "%s", error);
    return answer->status == 0;
}

/* What can be told without a seat, so that none is taken for it. */
static bool agree(struct session_answer *answer, const struct backend *backend, const char *room,
                  const struct sdp *offer, struct backend_publication *out,
                  struct sdp_places *places)
{
    char error[200];
    struct slots slots = {backend, room};
    const struct sdp_publish_wish wish = {.slot = next_slot, .arg = &slots, .whole = true};
    int status = sdp_take_publish_offer(out, places, offer, &wish, error, sizeof(error));
    snprintf(out->kind, sizeof(out->kind), "whip");
    if (status == -ENOSPC)
        session_answer_retry(answer, 409, error);
    else if (status != 0)
        session_answer_error(answer, status == -ENOTSUP ? 406 : 422, "%s", error);
    return status == 0;
}

static bool reserve(struct session_answer *answer, const struct backend *backend, const char *room,
                    struct backend_seat *seat)
{
    int status = backend->publish_reserve(backend->arg, room, seat);
    if (status == -EAGAIN || status == -ESHUTDOWN)
        session_answer_retry(answer, 503, "the server is full; try again in a moment");
    else if (status == -ENOENT)
        session_answer_error(answer, 404, "there is no room with the code %s", room);
    else if (status != 0)
        session_answer_error(answer, 500, "the server could not reserve a seat");
    return status == 0;
}

static bool start(struct session_answer *answer, const struct backend *backend,
                  const struct sdp *offer, const struct backend_seat *seat,
                  const struct backend_publication *agreed, const struct sdp_places *places)
{
    int size =
        sdp_write_publish_answer(answer->sdp, sizeof(answer->sdp), offer, seat, agreed, places);
    if (size < 0) {
        session_answer_error(answer, 422, "the answer to this offer would be longer than %d bytes",
                             SDP_WRITE_MAX);
        return false;
    }
    int status = backend->publish_start(backend->arg, seat->viewer_id, agreed);
    if (status == -EINVAL)
        session_answer_error(answer, 422, "the offer's fingerprint or credentials cannot be used");
    else if (status == -EBUSY)
        session_answer_retry(answer, 409, "a source of the server has this place in the room");
    else if (status != 0)
        session_answer_error(answer, 500, "the server could not start the media session");
    else
        answer->sdp_size = (size_t)size;
    return status == 0;
}

void session_whip_post(struct session_resource *r, struct session_answer *answer,
                       const struct backend *backend, const char *room,
                       const struct session_request *request)
{
    struct sdp offer;
    struct sdp_places places;
    struct backend_publication agreed;
    struct backend_seat seat = {0};
    session_answer_begin(answer);
    if (!may_publish(answer, backend, room, request) || !read_offer(answer, request, &offer) ||
        !agree(answer, backend, room, &offer, &agreed, &places) ||
        !reserve(answer, backend, room, &seat))
        return;
    if (!start(answer, backend, &offer, &seat, &agreed, &places)) {
        backend->leave(backend->arg, seat.viewer_id);
        return;
    }
    session_pass_candidates(backend, seat.viewer_id, request);
    session_resource_begin(r, backend, room, request, &seat);
    snprintf(r->ufrag, sizeof(r->ufrag), "%s", agreed.ufrag);
    answer->status = 201;
}

void session_whip_delete(struct session_resource *r, struct session_answer *answer)
{
    const struct backend *b = r->backend;
    uint32_t id = r->id;
    session_answer_begin(answer);
    r->id = 0;
    if (id != 0 && b->publish_end)
        b->publish_end(b->arg, id);
    else if (id != 0)
        b->leave(b->arg, id);
    answer->status = 200;
}
