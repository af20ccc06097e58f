/* watch_token.h - signed tokens that let somebody watch one room: JWT (RFC 7519), HS256 or ES256.
 *
 * The configured key alone says which of the two: a token that names another algorithm, or none, is
 * refused (RFC 8725 3.1). Claims: `room`; `exp`, in seconds of Unix time; `nbf`, if there;
 * `max_layer`, the best layer the viewer may have, counted from 0, the best; `jti`: a token with
 * one may be used once. Of `aud` only "amphi" is ours; a `crit` header is never understood.
 *
 * Used ids are kept until their tokens have run out, WATCH_IDS_MAX at most; while there are so
 * many, tokens with an id are refused.
 *
 * Life: watch_tokens_init; watch_tokens_set_key, which may come again; watch_tokens_take for each
 * viewer; watch_tokens_finish. One thread.
 */
#pragma once

#include "signaling/backend.h"

#include <stddef.h>
#include <stdint.h>

#define WATCH_TOKEN_MAX 2048 /* characters */
#define WATCH_KEY_MAX 8192   /* bytes of its file */
#define WATCH_SECRET_MIN 32  /* bytes of an HS256 key (RFC 7518 3.2) */
#define WATCH_ID_MAX 64      /* characters of a jti */
#define WATCH_IDS_MAX 100000

enum watch_key_kind { WATCH_KEY_HS256 = 1, WATCH_KEY_ES256 };

struct watch_key {
    enum watch_key_kind kind;
    size_t size;                           /* 0: there is no key, and no token is good */
    unsigned char data[WATCH_KEY_MAX + 1]; /* with a terminator */
};

struct watch_tokens {
    struct watch_key key;
    struct _GHashTable *used; /* jti -> when its token runs out */
    int64_t purged_s;
};

/* A file with a public key of the curve P-256 in PEM, or with the bytes of a secret; a line's end
 * after them is none of it. 0, or -EINVAL with a sentence. */
int watch_key_read(struct watch_key *out, const char *path, char *error, size_t error_size);

void watch_tokens_init(struct watch_tokens *t);
void watch_tokens_finish(struct watch_tokens *t); /* zeroed memory is fine */
void watch_tokens_set_key(struct watch_tokens *t, const struct watch_key *key); /* ids stay used */

/* Whether there is a key to sign with: a secret. A public key only checks. */
bool watch_tokens_can_sign(const struct watch_tokens *t);
/* A token of one use, that stays with `room`. 0; -ENOTSUP: there is no such key; -EIO; -ENOSPC. */
int watch_tokens_sign(const struct watch_tokens *t, const char *room, int64_t expires_s,
                      int max_layer, char *out, size_t size);

/* Lets the bearer in once more, or not: GRANTED, INVALID, TOKEN_USED. */
enum backend_access watch_tokens_take(struct watch_tokens *t, const char *token, const char *room,
                                      int64_t unix_s, struct backend_grant *out);
