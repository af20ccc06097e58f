/* session_resource.h - what a WHIP and a WHEP resource have in common: requests and answers, who
 * may come in, and the PATCH of ICE (RFC 9725 4.3, RFC 8840).
 *
 * Pure; for session_whip.c and session_whep.c, and whoever asks them.
 */
#pragma once

#include "signaling/backend.h"
#include "signaling/sdp.h"
#include "signaling/token.h"

#define SESSION_FRAGMENT_MAX 16384 /* body of a PATCH */
#define SESSION_RETRY_S 2          /* Retry-After of 409 and 503 */

struct session_request {
    const char *content_type, *if_match, *bearer; /* NULL: not sent */
    const char *body;
    size_t body_size;
    int stream; /* ?stream=N, a slot; -1: any */
    /* Random texts of less than TOKEN_SIZE bytes: what a POST makes is named `token`; `tag` is its
     * entity tag, or of a PATCH the next one. */
    const char *token, *tag;
    int64_t now_us;
    /* Whether this address may show a secret now: 0, or in how many seconds; `wrong`: what it
     * showed was not right. NULL: it always may. */
    unsigned (*guess)(void *arg, bool wrong);
    void *guess_arg;
};

struct session_answer {
    int status;
    unsigned retry_after_s; /* 0: none */
    char detail[240];       /* of an error */
    size_t sdp_size;
    char sdp[SDP_WRITE_MAX]; /* of a 201, of a counter-offer, or the fragment of a 200 */
};

struct session_resource {
    const struct backend *backend; /* borrowed */
    bool gathers; /* candidates of ours are still to come: sdp_add_candidate puts them in */
    char token[TOKEN_SIZE];
    char etag[TOKEN_SIZE + 2]; /* with its quotes */
    char room[BACKEND_ROOM_MAX];
    uint32_t id;                   /* of the viewer or publisher; 0: it has ended */
    char ufrag[BACKEND_UFRAG_MAX]; /* the peer's; "": not known yet */
};

void session_resource_begin(struct session_resource *r, const struct backend *backend,
                            const char *room, const struct session_request *request,
                            const struct backend_seat *seat);
/* Trickle ICE: 204; ICE restart: 200, whose candidates are still to come; or why not. A lite agent
 * needs no candidates and refuses restarts. */
void session_resource_patch(struct session_resource *r, struct session_answer *answer,
                            const struct session_request *request);
/* The parts of it: 415, 428 and 412 are answered here. */
bool session_resource_may_patch(const struct session_resource *r, struct session_answer *answer,
                                const struct session_request *request, const char *content_type);

void session_answer_begin(struct session_answer *answer);
__attribute__((format(printf, 3, 4))) void
session_answer_error(struct session_answer *answer, int status, const char *format, ...);
void session_answer_retry(struct session_answer *answer, int status, const char *sentence);
/* Parameters after ';' do not matter. */
bool session_is_type(const char *content_type, const char *wanted);
/* Counts a wrong guess. False: answered with 401, 403 or 404; `needs` says what is needed. */
bool session_check_access(enum backend_access access, struct session_answer *answer,
                          const struct session_request *request, const char *room,
                          const char *needs);
/* False: this address guessed too often, 429. */
bool session_may_guess(struct session_answer *answer, const struct session_request *request);
void session_pass_candidates(const struct backend *backend, uint32_t id,
                             const struct session_request *request);
