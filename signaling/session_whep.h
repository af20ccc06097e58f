/* session_whep.h - one viewer's WHEP resource (draft-ietf-wish-whep), from its POST to its DELETE.
 *
 * Pure: requests in, answers out; the caller keeps the resources, finds them by token and forgets
 * one when session_whep_delete was called or its viewer ended (session_whep_is_over).
 *
 * An offer of which nothing fits is answered with an offer of ours, 406; the resource then waits
 * for a PATCH with the answer to it, SESSION_WHEP_ANSWER_US at most.
 */
#pragma once

#include "signaling/session_resource.h"

#define SESSION_WHEP_ANSWER_US (30 * INT64_C(1000000))

/* What the player asks for one of its pictures (the layer selection extension). */
struct session_whep_layer {
    int media;                     /* m-line; negative: the first one with a picture */
    char rid[BACKEND_RID_MAX];     /* "": what fits */
    int spatial, temporal;         /* negative: not said */
    int max_spatial, max_temporal; /* negative: not said */
    int max_width, max_height;     /* negative: not said */
};

struct session_whep {
    struct session_resource resource;
    bool answer_wanted;         /* a counter-offer waits for its answer */
    int64_t expires_us;         /* while it does */
    int best_layer;             /* of the grant */
    struct sdp_offered offered; /* in a counter-offer */
    unsigned n_pictures;
    struct {
        uint8_t media, slot; /* m-line, and what it shows */
    } pictures[BACKEND_STREAMS_MAX];
};

/* POST to /whep/{ROOM}: `s` is a session if and only if the answer's status is 201, or 406 and
 * `sdp_size` is not 0. */
void session_whep_post(struct session_whep *s, struct session_answer *answer,
                       const struct backend *backend, const char *room,
                       const struct session_request *request);
/* Of ICE, or the answer to a counter-offer: 204. */
void session_whep_patch(struct session_whep *s, struct session_answer *answer,
                        const struct session_request *request);
/* 200, 404 or 422. */
void session_whep_select(struct session_whep *s, struct session_answer *answer,
                         const struct session_whep_layer *wish);
/* The first layer of an active stream that this viewer may have. */
unsigned session_whep_best_layer(const struct session_whep *s, const struct backend_stream *stream);
void session_whep_delete(struct session_whep *s, struct session_answer *answer);
/* Gives a counter-offer up that nobody answered; may be called at any time. */
void session_whep_tick(struct session_whep *s, int64_t now_us);
bool session_whep_is_over(const struct session_whep *s);
