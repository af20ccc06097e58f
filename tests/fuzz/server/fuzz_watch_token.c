/* fuzz_watch_token.c - the input as a token, and as the claims of one that is well signed. Nobody
 * is let in by the former; by the latter into its own room alone, and once where it has an id. */
#include "server/watch_token.h"

#include <assert.h>
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "a secret of thirty-two characters"
#define HEADER "eyJhbGciOiJIUzI1NiJ9" /* {"alg":"HS256"} */
#define NOW 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Base64url without padding (RFC 4648 5). */
static char *encode(const void *data, size_t size)
{
    char *text = g_base64_encode(data, size);
    g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

static char *sign(const uint8_t *claims, size_t size)
{
    uint8_t mac[32];
    gsize n = sizeof(mac);
    char *middle = encode(claims, size);
    char *signing = g_strdup_printf("%s.%s", HEADER, middle);
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)SECRET, strlen(SECRET));
    g_hmac_update(hmac, (const guchar *)signing, (gssize)strlen(signing));
    g_hmac_get_digest(hmac, mac, &n);
    char *end = encode(mac, n), *token = g_strdup_printf("%s.%s", signing, end);
    g_hmac_unref(hmac);
    g_free(middle);
    g_free(signing);
    g_free(end);
    return token;
}

static void take_claims(struct watch_tokens *tokens, const uint8_t *data, size_t size)
{
    struct backend_grant grant = {.best_layer = -1};
    char *token = sign(data, size);
    enum backend_access first = watch_tokens_take(tokens, token, "A", NOW, &grant);
    if (first == BACKEND_ACCESS_GRANTED) {
        assert(grant.best_layer >= 0 && grant.best_layer < BACKEND_LAYERS_MAX);
        assert(watch_tokens_take(tokens, token, "B", NOW, &grant) == BACKEND_ACCESS_INVALID);
        bool once = g_hash_table_size(tokens->used) > 0;
        enum backend_access again = watch_tokens_take(tokens, token, "A", NOW, &grant);
        assert(again == (once ? BACKEND_ACCESS_TOKEN_USED : BACKEND_ACCESS_GRANTED));
    }
    g_free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch_tokens tokens;
    struct watch_key key = {.kind = WATCH_KEY_HS256, .size = strlen(SECRET)};
    struct backend_grant grant;
    memcpy(key.data, SECRET, key.size + 1);
    watch_tokens_init(&tokens);
    watch_tokens_set_key(&tokens, &key);
    take_claims(&tokens, data, size);
    char *text = g_strndup((const char *)data, size);
    (void)watch_tokens_take(&tokens, text, "A", NOW, &grant);
    g_free(text);
    watch_tokens_finish(&tokens);
    return 0;
}
