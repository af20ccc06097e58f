/* session_whep.h - one viewer's WHEP resource (draft-ietf-wish-whep), from its POST to its DELETE.
 *
 * Pure: requests in, answers out; the caller keeps the resources, finds them by token and forgets
 * one when session_whep_delete was called or its viewer ended (session_whep_is_over).
 */
#pragma once

#include "signaling/backend.h"
#include "signaling/sdp.h"
#include "signaling/token.h"

#define SESSION_WHEP_FRAGMENT_MAX 16384 /* body of a PATCH */
#define SESSION_WHEP_RETRY_S 2          /* Retry-After of 409 and 503 */

struct session_whep_request {
    const char *content_type, *if_match; /* NULL: not sent */
    const char *body;
    size_t body_size;
    int stream;      /* ?stream=N, a slot; -1: any */
    const char *tag; /* of a PATCH: the next entity tag, see session_whep_post */
};

struct session_whep_answer {
    int status;
    unsigned retry_after_s; /* 0: none */
    char detail[240];       /* of an error */
    size_t sdp_size;
    char sdp[SDP_WRITE_MAX]; /* of a 201, or the fragment of a 200 */
};

struct session_whep {
    const struct backend *backend; /* borrowed */
    bool gathers; /* a 201's candidates are still to come: sdp_add_candidate puts them in */
    char token[TOKEN_SIZE];
    char etag[TOKEN_SIZE + 2]; /* with its quotes */
    char room[BACKEND_ROOM_MAX];
    uint32_t viewer_id;            /* 0: it has ended */
    char ufrag[BACKEND_UFRAG_MAX]; /* the peer's */
};

/* POST to /whep/{ROOM}: `s` is a session if and only if the answer's status is 201. `token` names
 * the resource, `tag` is its entity tag; both are random texts of less than TOKEN_SIZE bytes. */
void session_whep_post(struct session_whep *s, struct session_whep_answer *answer,
                       const struct backend *backend, const char *room,
                       const struct session_whep_request *request, const char *token,
                       const char *tag);
/* Trickle ICE: 204; ICE restart: 200, whose candidates are still to come; or why not. A lite agent
 * needs no candidates and refuses restarts. */
void session_whep_patch(struct session_whep *s, struct session_whep_answer *answer,
                        const struct session_whep_request *request);
void session_whep_delete(struct session_whep *s, struct session_whep_answer *answer);
void session_whep_on_viewer(struct session_whep *s, enum backend_viewer_state state);
bool session_whep_is_over(const struct session_whep *s);
