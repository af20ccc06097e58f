/* token.h - unguessable tokens, and comparing secrets without telling how much of them is right. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_BYTES 16                             /* 128 bits */
#define TOKEN_SIZE ((TOKEN_BYTES * 4 + 2) / 3 + 1) /* as text, with its terminator */

/* `bytes` random bytes as base64url without padding. 0; -ENOSPC; -EIO: no random numbers to be had.
 */
int token_random(char *out, size_t size, size_t bytes);
/* Takes the same time wherever the first difference is. The length is no secret. */
bool token_equal(const char *a, const char *b);
