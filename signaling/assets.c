#include "signaling/assets.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIST_SPACE " \t,"

const struct asset *assets_find(const char *name)
{
    for (unsigned i = 0; i < assets_count; i++)
        if (strcmp(assets[i].name, name) == 0)
            return &assets[i];
    return NULL;
}

/* Of one member of the list, "gzip;q=0.5" or just "gzip"; 1 when it says none. */
static double weight_of(const char *parameters, const char *end)
{
    const char *q = memchr(parameters, '=', (size_t)(end - parameters));
    return q ? strtod(q + 1, NULL) : 1;
}

bool assets_gzip_accepted(const char *accept_encoding)
{
    const char *at = accept_encoding ? accept_encoding : "";
    while (*(at += strspn(at, LIST_SPACE)) != '\0') {
        size_t name = strcspn(at, LIST_SPACE ";");
        const char *end = at + strcspn(at, ",");
        if (name == 4 && strncasecmp(at, "gzip", name) == 0)
            return weight_of(at, end) > 0;
        at = end;
    }
    return false;
}
