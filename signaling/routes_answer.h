/* routes_answer.h - what every path's answers are made with: head, body, problems, who may ask.
 *
 * An answer is begun, gets header lines and a body, and is finished by routes_handle. Signaling
 * thread only; for routes*.c.
 */
#pragma once

#include "signaling/routes.h"

#include <stdbool.h>
#include <stddef.h>

void answer_begin(struct routes_answer *a, int status);
/* Adds a header line. */
__attribute__((format(printf, 2, 3))) void answer_header(struct routes_answer *a,
                                                         const char *format, ...);
void answer_body(struct routes_answer *a, const char *content_type, const void *body, size_t size);
/* Takes the malloc'd text; false if it is NULL. */
bool answer_owned_text(struct routes_answer *a, const char *content_type, char *text);
/* 200 with a text that somebody made, which is taken; NULL is a 500. */
void answer_text(struct routes_answer *a, const char *content_type, char *text);
void answer_finish(struct routes_answer *a);

/* RFC 9457, with a sentence for people. answer_problem_body: to what is begun already. */
void answer_problem_body(struct routes_answer *a, const char *detail);
void answer_problem(struct routes_answer *a, int status, const char *detail);
void answer_not_found(struct routes_answer *a, const char *detail);
void answer_method_not_allowed(struct routes_answer *a, const char *allow);
void answer_options(struct routes_answer *a, const char *allow);
/* True if a GET-only path was asked in another way, which then is answered. */
bool answer_other_method(const struct routes_request *q, struct routes_answer *a);

#define ANSWER_CHALLENGE "WWW-Authenticate: Bearer realm=\"amphi\""
void answer_challenge(struct routes_answer *a, const char *detail); /* 401 */
void answer_retry(struct routes_answer *a, int status, unsigned wait_s, const char *detail);
void answer_too_many(struct routes_answer *a, unsigned wait_s); /* 429 */
/* `allow_origin`: whose pages may read it; "*": all; NULL: none but ours. */
void answer_cors(struct routes_answer *a, enum routes_method method, const char *allow_origin);

const char *answer_bearer(const struct routes_request *q); /* NULL: none was shown */
bool answer_is_admin(const struct backend *backend, const struct routes_request *q);
void answer_unauthorized(struct routes_answer *a);
