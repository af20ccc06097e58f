/* publish_fragment.h - the SDP fragments (RFC 8840) that a WHIP client sends and gets: candidates
 * that come late, and ICE restarts. Pure.
 */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>
#include <stddef.h>

/* `lines`: of "a=candidate:", each with its end. The length, or -ENOSPC. */
int publish_fragment_write(char *out, size_t size, const char *ufrag, const char *pwd,
                           const char *lines);

struct publish_credentials {
    char ufrag[BACKEND_UFRAG_MAX], pwd[BACKEND_PWD_MAX];
};

/* What the answer to a restart says (RFC 9725 4.3.3). False: it has no usable credentials. */
bool publish_fragment_read(struct publish_credentials *out, const char *text, size_t size);
