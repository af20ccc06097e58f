/* portal_token.h - the restore token of each share a person has granted, kept between runs so that
 * nobody is asked twice: $XDG_STATE_HOME/amphi/portal-NAME (~/.local/state without it), for the
 * user alone. A token is worth a look at the screen, and is good for one use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PORTAL_TOKEN_MAX 4096 /* with its 0 */

/* Letters, digits, '-' and '_', 64 at most: it becomes a part of a file's name. */
bool portal_token_is_name(const char *name);

/* 0, or -errno: -ENOENT if none is kept. */
int portal_token_load(const char *name, char *out, size_t out_size);
/* Replaces the one before as a whole or not at all; NULL forgets it. 0 or -errno. */
int portal_token_save(const char *name, const char *token);
