/* session_whip.h - one publisher's WHIP resource (RFC 9725), from its POST to its DELETE.
 *
 * Pure: requests in, answers out; the caller keeps the resources, finds them by token and forgets
 * one when session_whip_delete was called or its publisher ended (its id is 0 then). Of PATCH the
 * whole is session_resource_patch.
 */
#pragma once

#include "signaling/session_resource.h"

/* POST to /whip/{ROOM}: `r` is a session if and only if the answer's status is 201. */
void session_whip_post(struct session_resource *r, struct session_answer *answer,
                       const struct backend *backend, const char *room,
                       const struct session_request *request);
void session_whip_delete(struct session_resource *r, struct session_answer *answer);
