#include "signaling/web_origins.h"

#include <string.h>
#include <strings.h>

static const char *host_of(const char *origin)
{
    if (strncasecmp(origin, "https://", 8) == 0)
        return origin + 8;
    return strncasecmp(origin, "http://", 7) == 0 ? origin + 7 : NULL;
}

static bool is_origin(const char *text)
{
    const char *host = host_of(text);
    size_t n = host ? strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "-._:[]")
                    : 0;
    return n > 0 && host[n] == '\0';
}

static bool add(struct web_origins *out, const char *at, size_t length)
{
    while (length > 0 && *at == ' ') {
        at++;
        length--;
    }
    while (length > 0 && at[length - 1] == ' ')
        length--;
    if (out->n == WEB_ORIGINS_MAX || length >= WEB_ORIGIN_MAX)
        return false;
    char *entry = out->list[out->n++];
    memcpy(entry, at, length);
    entry[length] = '\0';
    return is_origin(entry);
}

bool web_origins_parse(struct web_origins *out, const char *text)
{
    memset(out, 0, sizeof(*out));
    out->any = !text || text[0] == '\0' || strcmp(text, "*") == 0;
    if (out->any || strcmp(text, "self") == 0)
        return true;
    for (;;) {
        size_t length = strcspn(text, ",");
        if (!add(out, text, length))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

bool web_origins_allow(const struct web_origins *o, const char *origin, const char *host)
{
    if (o->any || !origin)
        return true;
    const char *own = host_of(origin);
    if (own && host && strcasecmp(own, host) == 0)
        return true;
    for (unsigned i = 0; i < o->n; i++)
        if (strcasecmp(o->list[i], origin) == 0)
            return true;
    return false;
}
