#include "server/publish_room.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

bool publish_room_is_wanted(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return false;
    const char *end = host + 3 + strcspn(host + 3, "/?#");
    return end > host + 3 && (end[0] == '\0' || strcmp(end, "/") == 0);
}

void publish_room_request(char out[128], const char *code)
{
    snprintf(out, 128, code[0] ? "{\"room\":\"%.63s\"}" : "{}", code);
}

static bool take(char *out, size_t size, const char *text, const char *others)
{
    size_t n = text ? strlen(text) : 0;
    if (n == 0 || n >= size)
        return false;
    for (const char *p = text; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr(others, *p))
            return false;
    }
    memcpy(out, text, n + 1);
    return true;
}

bool publish_room_read(struct publish_room *out, const char *json)
{
    *out = (struct publish_room){.code = ""};
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    bool ok =
        take(out->code, sizeof(out->code), json_string_value(json_object_get(root, "room")), "-") &&
        take(out->secret, sizeof(out->secret), json_string_value(json_object_get(root, "secret")),
             "-_.~+/=");
    json_decref(root);
    if (!ok)
        *out = (struct publish_room){.code = ""};
    return ok;
}

void publish_room_endpoint(char out[WHIP_CLIENT_URL_MAX], const char *url, const char *code)
{
    size_t n = strlen(url);
    n -= n > 0 && url[n - 1] == '/';
    int size = snprintf(out, WHIP_CLIENT_URL_MAX, "%.*s/whip/%s", (int)n, url, code);
    if (size < 0 || size >= WHIP_CLIENT_URL_MAX)
        out[0] = '\0';
}
