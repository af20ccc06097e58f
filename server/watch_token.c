#include "server/watch_token.h"
#include "signaling/token.h"

#include <errno.h>
#include <glib.h>
#include <jansson.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PURGE_S 5 /* between two looks for ids that have run out, when there are too many */

/* --- the key --- */

static int refuse(char *error, size_t size, const char *path, const char *why)
{
    snprintf(error, size, "cannot use %.200s: %s", path, why);
    return -EINVAL;
}

static void trim_line_end(struct watch_key *key)
{
    if (key->size > 0 && key->data[key->size - 1] == '\n')
        key->size--;
    if (key->size > 0 && key->data[key->size - 1] == '\r')
        key->size--;
    key->data[key->size] = '\0';
}

static bool is_p256(const struct watch_key *key)
{
    BIO *in = BIO_new_mem_buf(key->data, (int)key->size);
    EVP_PKEY *k = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    char group[32] = "";
    bool is = k && EVP_PKEY_get_base_id(k) == EVP_PKEY_EC &&
              EVP_PKEY_get_group_name(k, group, sizeof(group), NULL) == 1 &&
              strcmp(group, SN_X9_62_prime256v1) == 0;
    EVP_PKEY_free(k);
    BIO_free(in);
    ERR_clear_error();
    return is;
}

static int judge_key(struct watch_key *key, const char *path, char *error, size_t size)
{
    bool pem = strstr((const char *)key->data, "-----BEGIN ") != NULL;
    if (pem && !is_p256(key))
        return refuse(error, size, path, "it holds no public key of the curve P-256");
    if (!pem)
        trim_line_end(key);
    if (!pem && key->size < WATCH_SECRET_MIN)
        return refuse(error, size, path, "a secret must have at least 32 bytes");
    key->kind = pem ? WATCH_KEY_ES256 : WATCH_KEY_HS256;
    return 0;
}

int watch_key_read(struct watch_key *out, const char *path, char *error, size_t error_size)
{
    *out = (struct watch_key){.size = 0};
    FILE *f = fopen(path, "rb");
    if (!f)
        return refuse(error, error_size, path, strerror(errno));
    out->size = fread(out->data, 1, sizeof(out->data), f);
    bool failed = ferror(f) != 0;
    fclose(f);
    int err = 0;
    if (failed || out->size > WATCH_KEY_MAX)
        err = refuse(error, error_size, path, failed ? "it cannot be read" : "it is too long");
    if (!err) {
        out->data[out->size] = '\0';
        err = judge_key(out, path, error, error_size);
    }
    if (err)
        explicit_bzero(out, sizeof(*out));
    return err;
}

/* --- what was used --- */

void watch_tokens_init(struct watch_tokens *t)
{
    *t = (struct watch_tokens){.key = {.size = 0}};
    t->used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void watch_tokens_finish(struct watch_tokens *t)
{
    if (t->used)
        g_hash_table_destroy(t->used);
    explicit_bzero(t, sizeof(*t));
}

void watch_tokens_set_key(struct watch_tokens *t, const struct watch_key *key)
{
    t->key = *key;
}

static gboolean has_run_out(void *id, void *expires_s, void *unix_s)
{
    (void)id;
    return *(const int64_t *)expires_s <= *(const int64_t *)unix_s;
}

/* False: it was used before, or it cannot be remembered that it is now. */
static bool use_id(struct watch_tokens *t, const char *id, int64_t expires_s, int64_t unix_s)
{
    if (g_hash_table_contains(t->used, id))
        return false;
    if (g_hash_table_size(t->used) >= WATCH_IDS_MAX && unix_s >= t->purged_s + PURGE_S) {
        t->purged_s = unix_s;
        g_hash_table_foreach_remove(t->used, has_run_out, &unix_s);
    }
    if (g_hash_table_size(t->used) >= WATCH_IDS_MAX)
        return false;
    g_hash_table_insert(t->used, g_strdup(id), g_memdup2(&expires_s, sizeof(expires_s)));
    return true;
}

/* --- what a token says --- */

/* False: it is there and is no whole number. `out` stays as it is where it is not there. */
static bool read_number(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(claims, name);
    if (json_is_integer(value))
        *out = json_integer_value(value);
    return !value || json_is_integer(value);
}

static bool is_for(const json_t *claims, const char *room)
{
    const char *named = json_string_value(json_object_get(claims, "room"));
    const json_t *to = json_object_get(claims, "aud");
    if (to && (!json_is_string(to) || strcmp(json_string_value(to), "amphi") != 0))
        return false;
    return named && strcasecmp(named, room) == 0;
}

/* False: it is there and cannot be one. */
static bool read_id(const json_t *claims, const char **out)
{
    const json_t *value = json_object_get(claims, "jti");
    *out = json_string_value(value);
    return !value || (*out && **out && strlen(*out) <= WATCH_ID_MAX);
}

static enum backend_access judge(struct watch_tokens *t, const json_t *claims, const char *room,
                                 int64_t unix_s, struct backend_grant *out)
{
    int64_t expires_s = INT64_MIN, not_before_s = INT64_MIN, layer = 0;
    const char *id;
    if (!is_for(claims, room) || !read_id(claims, &id) || !read_number(claims, "exp", &expires_s) ||
        expires_s == INT64_MIN || !read_number(claims, "nbf", &not_before_s) ||
        unix_s < not_before_s || !read_number(claims, "max_layer", &layer) || layer < 0 ||
        layer >= BACKEND_LAYERS_MAX)
        return BACKEND_ACCESS_INVALID;
    if (unix_s >= expires_s || (id && !use_id(t, id, expires_s, unix_s)))
        return BACKEND_ACCESS_TOKEN_USED;
    *out = (struct backend_grant){.best_layer = (int)layer};
    return BACKEND_ACCESS_GRANTED;
}

/* Its claims, if the key's owner signed it as that key signs; or NULL. */
static json_t *read_claims(const struct watch_key *key, const char *token)
{
    jwt_t *jwt = NULL;
    json_t *claims = NULL;
    jwt_alg_t only = key->kind == WATCH_KEY_ES256 ? JWT_ALG_ES256 : JWT_ALG_HS256;
    if (jwt_decode(&jwt, token, key->data, (int)key->size) == 0 && jwt_get_alg(jwt) == only) {
        char *critical = jwt_get_headers_json(jwt, "crit");
        char *text = critical ? NULL : jwt_get_grants_json(jwt, NULL);
        claims = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
        free(critical);
        free(text);
    }
    jwt_free(jwt);
    return claims;
}

/* Three parts, as the compact form has (RFC 7515 3.1): what cannot be one costs no arithmetic. */
static bool may_be_token(const char *text)
{
    unsigned dots = 0;
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        dots += text[i] == '.';
    return n <= WATCH_TOKEN_MAX && dots == 2;
}

enum backend_access watch_tokens_take(struct watch_tokens *t, const char *token, const char *room,
                                      int64_t unix_s, struct backend_grant *out)
{
    if (t->key.size == 0 || !may_be_token(token))
        return BACKEND_ACCESS_INVALID;
    json_t *claims = read_claims(&t->key, token);
    enum backend_access access =
        claims ? judge(t, claims, room, unix_s, out) : BACKEND_ACCESS_INVALID;
    json_decref(claims);
    return access;
}

/* --- making --- */

bool watch_tokens_can_sign(const struct watch_tokens *t)
{
    return t->key.size > 0 && t->key.kind == WATCH_KEY_HS256;
}

static bool fill(jwt_t *jwt, const struct watch_key *key, const char *room, const char *id,
                 int64_t expires_s, int max_layer)
{
    return jwt_add_grant(jwt, "aud", "amphi") == 0 && jwt_add_grant(jwt, "room", room) == 0 &&
           jwt_add_grant(jwt, "jti", id) == 0 && jwt_add_grant_int(jwt, "exp", expires_s) == 0 &&
           (max_layer == 0 || jwt_add_grant_int(jwt, "max_layer", max_layer) == 0) &&
           jwt_set_alg(jwt, JWT_ALG_HS256, key->data, (int)key->size) == 0;
}

int watch_tokens_sign(const struct watch_tokens *t, const char *room, int64_t expires_s,
                      int max_layer, char *out, size_t size)
{
    char id[TOKEN_SIZE];
    jwt_t *jwt = NULL;
    int rc = -EIO;
    if (!watch_tokens_can_sign(t))
        return -ENOTSUP;
    if (token_random(id, sizeof(id), TOKEN_BYTES) != 0 || jwt_new(&jwt) != 0)
        return -EIO;
    char *text = fill(jwt, &t->key, room, id, expires_s, max_layer) ? jwt_encode_str(jwt) : NULL;
    if (text)
        rc = snprintf(out, size, "%s", text) < (int)size ? 0 : -ENOSPC;
    free(text);
    jwt_free(jwt);
    return rc;
}
