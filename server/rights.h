/* rights.h - what one room asks of those who come: its presenter's secret, a password to watch.
 *
 * Pure but for what tokens remember. A link to watch never lets anybody publish. A password that
 * changes asks those who come later; who watches already goes on. Nothing of it is ever logged.
 */
#pragma once

#include "server/watch_token.h"
#include "signaling/backend.h"

#include <stdbool.h>

struct rights {
    char secret[BACKEND_SECRET_MAX];     /* of the presenter; never "" once the room is open */
    char password[BACKEND_PASSWORD_MAX]; /* to watch; "": everybody may */
};

/* Takes the same time wherever they differ, and however long they are; both shorter than
 * RIGHTS_TEXT_MAX, or they are not equal. */
#define RIGHTS_TEXT_MAX 256
bool rights_equal(const char *a, const char *b);

/* `code` is the room's. */
enum backend_access rights_may_watch(const struct rights *r, struct watch_tokens *tokens,
                                     const char *code, const struct backend_credential *shown,
                                     int64_t unix_s, struct backend_grant *out);
enum backend_access rights_may_publish(const struct rights *r,
                                       const struct backend_credential *shown);
