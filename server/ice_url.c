#include "server/ice_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 3478 /* RFC 8489 4, RFC 8656 4 */

/* Cuts the host off, "[v6]" or up to a colon; what follows, or NULL. */
static const char *take_host(struct ice_url *out, const char *text)
{
    bool bracket = text[0] == '[';
    const char *from = text + bracket;
    size_t n = strspn(from, bracket ? "0123456789abcdefABCDEF:."
                                    : "0123456789abcdefghijklmnopqrstuvwxyz"
                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ-.");
    if (n == 0 || n >= sizeof(out->host) || (bracket && from[n] != ']'))
        return NULL;
    memcpy(out->host, from, n);
    out->host[n] = '\0';
    return from + n + bracket;
}

static const char *take_port(struct ice_url *out, const char *text)
{
    out->port = DEFAULT_PORT;
    if (*text != ':')
        return text;
    size_t n = strspn(text + 1, "0123456789");
    long port = n >= 1 && n <= 5 ? strtol(text + 1, NULL, 10) : 0;
    if (port < 1 || port > 65535)
        return NULL;
    out->port = (uint16_t)port;
    return text + 1 + n;
}

static const char *skip_scheme(const char *text, const char *scheme)
{
    size_t n = strlen(scheme);
    return strncmp(text, scheme, n) == 0 ? text + n : text;
}

static bool parse(struct ice_url *out, const char *scheme, const char *text, const char **rest)
{
    *out = (struct ice_url){0};
    text = take_host(out, skip_scheme(text, scheme));
    *rest = text ? take_port(out, text) : NULL;
    return *rest != NULL;
}

static bool write_text(struct ice_url *out, const char *scheme, const char *query)
{
    bool v6 = strchr(out->host, ':') != NULL;
    int n = snprintf(out->text, sizeof(out->text), "%s%s%s%s:%u%s", scheme, v6 ? "[" : "",
                     out->host, v6 ? "]" : "", (unsigned)out->port, query);
    return n > 0 && (size_t)n < sizeof(out->text);
}

bool ice_url_parse_stun(struct ice_url *out, const char *text)
{
    const char *rest;
    return parse(out, "stun:", text, &rest) && *rest == '\0' && write_text(out, "stun:", "");
}

bool ice_url_parse_turn(struct ice_url *out, const char *text)
{
    const char *rest;
    if (!parse(out, "turn:", text, &rest))
        return false;
    out->tcp = strcmp(rest, "?transport=tcp") == 0;
    if (*rest != '\0' && !out->tcp && strcmp(rest, "?transport=udp") != 0)
        return false;
    return write_text(out, "turn:", out->tcp ? "?transport=tcp" : "?transport=udp");
}
