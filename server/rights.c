#include "server/rights.h"

#include <stdint.h>
#include <string.h>

bool rights_equal(const char *a, const char *b)
{
    char x[RIGHTS_TEXT_MAX] = {0}, y[RIGHTS_TEXT_MAX] = {0};
    size_t n = strnlen(a, RIGHTS_TEXT_MAX), m = strnlen(b, RIGHTS_TEXT_MAX);
    memcpy(x, a, n < RIGHTS_TEXT_MAX ? n : 0);
    memcpy(y, b, m < RIGHTS_TEXT_MAX ? m : 0);
    volatile unsigned differ = (n == RIGHTS_TEXT_MAX) | (m == RIGHTS_TEXT_MAX);
    for (size_t i = 0; i < RIGHTS_TEXT_MAX; i++)
        differ |= (unsigned)(x[i] ^ y[i]);
    return differ == 0;
}

static bool is_shown(const char *text)
{
    return text && *text;
}

static bool is_secret(const struct rights *r, const char *text)
{
    return is_shown(text) && r->secret[0] && rights_equal(text, r->secret);
}

enum backend_access rights_may_watch(const struct rights *r, struct watch_tokens *tokens,
                                     const char *code, const struct backend_credential *shown,
                                     int64_t unix_s, struct backend_grant *out)
{
    *out = (struct backend_grant){.best_layer = 0};
    if (is_secret(r, shown->secret)) /* the presenter may look at his own room */
        return BACKEND_ACCESS_GRANTED;
    bool has = is_shown(shown->bearer);
    if (has && r->password[0] && rights_equal(shown->bearer, r->password))
        return BACKEND_ACCESS_GRANTED;
    enum backend_access access = BACKEND_ACCESS_REQUIRED;
    if (has)
        access = watch_tokens_take(tokens, shown->bearer, code, unix_s, out);
    return r->password[0] || access == BACKEND_ACCESS_GRANTED ? access : BACKEND_ACCESS_GRANTED;
}

enum backend_access rights_may_publish(const struct rights *r,
                                       const struct backend_credential *shown)
{
    if (is_secret(r, shown->secret) || is_secret(r, shown->bearer))
        return BACKEND_ACCESS_GRANTED;
    return is_shown(shown->secret) || is_shown(shown->bearer) ? BACKEND_ACCESS_INVALID
                                                              : BACKEND_ACCESS_REQUIRED;
}
